//! Binding the port is leadership: who has it serves, who has not follows or waits (design decision 15). Accepts, bounds and
//! drains; what a connection asks is not its business.

mod connection;

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use aggregator_protocol::{ProblemCode, Role, Severity};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::policy::config::Config;
use crate::shared::{Shared, stopping};
use crate::windows::{self, Followed, Holder, Peer};

/// Connections at a time; further ones wait in the backlog.
const CONNECTIONS: usize = 4_096;
/// After an accept that failed, usually for want of descriptors.
const PAUSE: Duration = Duration::from_millis(50);
/// Between two tries to get a port that somebody else holds; a little is added at random.
const RETRY: Duration = Duration::from_millis(850);
/// The same while a leader and we have another access token: settings are under way.
const SETTLING: Duration = Duration::from_millis(150);
/// Whatever a leader does, it is not asked more often than this.
const BRIEFLY: Duration = Duration::from_millis(20);
/// Who leaves a port needs a moment for it: between two tries to bind it then, in ms.
const LEAVING: [u64; 12] = [1, 1, 2, 2, 5, 5, 10, 10, 20, 20, 20, 20];

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It listens, or would like to.
    NotYet,
    /// It listens no more; requests in flight go on.
    Closed,
    /// No request is in flight any more, or none may go on.
    Drained,
}

/// The sockets of one port.
pub struct Bound {
    port: u16,
    v4: TcpListener,
    v6: Option<TcpListener>,
    /// `::1` has this port in a stranger's hand.
    v6_taken: bool,
}

impl Bound {
    /// Loopback only: 127.0.0.1, and ::1 where it exists and is free. 0 takes any free port.
    pub async fn new(port: u16) -> io::Result<Self> {
        let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let mut bound = Self { port: v4.local_addr()?.port(), v4, v6: None, v6_taken: false };
        for pause in [1, 2, 5, 10, 0] {
            bound.bind_v6().await;
            if !bound.v6_taken {
                break;
            }
            // Who had both until now may be leaving still.
            sleep(Duration::from_millis(pause)).await;
        }
        Ok(bound)
    }

    async fn bind_v6(&mut self) {
        let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, self.port)).await;
        self.v6_taken = matches!(&v6, Err(error) if error.kind() == io::ErrorKind::AddrInUse);
        self.v6 = v6.ok();
    }

    /// Closes the sockets. Gives those who had connected already.
    fn close(self) -> Vec<TcpStream> {
        let mut waiting = Vec::new();
        // ::1 goes first: who gets hold of 127.0.0.1 then finds both free.
        for listener in self.v6.into_iter().chain([self.v4]) {
            let Ok(listener) = listener.into_std() else { continue };
            while waiting.len() < CONNECTIONS
                && let Ok((stream, _)) = listener.accept()
            {
                let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
                waiting.extend(stream);
            }
        }
        waiting
    }

    /// Which port it is.
    pub fn port(&self) -> u16 {
        self.port
    }

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        match &self.v6 {
            None => self.v4.accept().await,
            Some(v6) => tokio::select! {
                accepted = self.v4.accept() => accepted,
                accepted = v6.accept() => accepted,
            },
        }
    }
}

/// Holds the port that the configuration names, or waits for it, until the process is asked to end; then drains. `bound`: sockets
/// that are there already.
pub async fn run(shared: Arc<Shared>, mut bound: Option<Bound>) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let mut config = shared.watch_config();
    let mut stop = shared.watch_stop();
    while stop.borrow().is_none() {
        let Some(port) = config.borrow_and_update().port else {
            close(&shared, bound.take(), &permits);
            shared.set_role(Role::Starting);
            wait(&mut config, &mut stop, None).await;
            continue;
        };
        // Any free port stays the one it is. A port that has changed is bound first; only then the old one goes.
        if bound.as_ref().is_none_or(|bound| port != 0 && port != bound.port) {
            let taking = async {
                tokio::select! {
                    taken = take(&shared, port) => Some(taken),
                    () = stopping(&mut stop) => None,
                }
            };
            let mut failed = None;
            let by = match serving(&shared, bound.as_ref(), &permits, taking).await {
                None => continue,
                Some(Ok(new)) => {
                    close(&shared, bound.replace(new), &permits);
                    continue;
                }
                Some(Err(Refusal::Held(Holder::Ours(leader)))) => {
                    close(&shared, bound.take(), &permits);
                    follow(&shared, port, leader, &mut config, &mut stop).await;
                    continue;
                }
                Some(Err(Refusal::Held(Holder::OtherPool))) => ProblemCode::PortOtherPool,
                Some(Err(Refusal::Held(Holder::OtherHost))) => ProblemCode::PortForwarded,
                Some(Err(Refusal::Held(Holder::Stranger | Holder::Gone))) => ProblemCode::PortTaken,
                Some(Err(Refusal::Failed(error))) => {
                    failed = Some(error);
                    ProblemCode::PortTaken
                }
            };
            if refuse(&shared, port, by, bound.as_ref())
                && let Some(error) = failed
            {
                tracing::warn!(%error, port, "the port cannot be bound");
            }
            let again = RETRY + Duration::from_millis(shared.chance().jitter(0..300));
            serving(&shared, bound.as_ref(), &permits, wait(&mut config, &mut stop, Some(again))).await;
            continue;
        }
        let Some(bound) = &mut bound else { continue };
        if bound.v6_taken {
            bound.bind_v6().await;
        }
        lead(&shared, bound);
        // Who connects waits in the backlog.
        shared.keeper.loaded().await;
        let look_again = bound.v6_taken.then_some(RETRY);
        serving(&shared, Some(bound), &permits, wait(&mut config, &mut stop, look_again)).await;
    }
    close(&shared, bound, &permits);
    shared.ending.send_replace(Ending::Closed);
    drain(&permits, &mut stop).await;
    shared.ending.send_replace(Ending::Drained);
}

/// Waits for another configuration, the end, or a while.
async fn wait(
    config: &mut watch::Receiver<Arc<Config>>,
    stop: &mut watch::Receiver<Option<Duration>>,
    at_most: Option<Duration>,
) {
    let passing = async {
        match at_most {
            Some(time) => sleep(time).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = config.changed() => {}
        () = stopping(stop) => {}
        () = passing => {}
    }
}

/// Why a port is not to be had.
#[derive(Debug)]
pub enum Refusal {
    /// Somebody holds it.
    Held(Holder),
    /// It cannot be bound at all.
    Failed(io::Error),
}

/// Binds a port, or tells who has it. Who is leaving it just now is waited for.
pub async fn take(shared: &Shared, port: u16) -> Result<Bound, Refusal> {
    for pause in LEAVING {
        match Bound::new(port).await {
            Ok(bound) => return Ok(bound),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                match windows::who_holds(shared, port).await {
                    Holder::Gone => sleep(Duration::from_millis(pause)).await,
                    holder => return Err(Refusal::Held(holder)),
                }
            }
            Err(error) => return Err(Refusal::Failed(error)),
        }
    }
    Err(Refusal::Held(Holder::Stranger))
}

fn lead(shared: &Shared, bound: &Bound) {
    let role = Role::Leader { port: bound.port };
    PORT_PROBLEMS.into_iter().for_each(|code| shared.clear(code));
    if bound.v6_taken {
        shared.raise(ProblemCode::Ipv6Taken, Some(bound.port.to_string()), Severity::Warning);
    } else {
        shared.clear(ProblemCode::Ipv6Taken);
    }
    if shared.role() != role {
        shared.follow(None);
        shared.set_role(role);
        tracing::info!(port = bound.port, "listening");
    }
}

/// Says who has the port, and whether that is news; one that is held already goes on being served.
fn refuse(shared: &Shared, port: u16, by: ProblemCode, bound: Option<&Bound>) -> bool {
    let news = shared.raise_only(&PORT_PROBLEMS, by, port.to_string());
    if bound.is_none() {
        shared.set_role(Role::Blocked { port, by });
    }
    news
}

const PORT_PROBLEMS: [ProblemCode; 3] =
    [ProblemCode::PortTaken, ProblemCode::PortOtherPool, ProblemCode::PortForwarded];

/// Follows a window of the same pool, until it goes, or another port is wanted.
async fn follow(
    shared: &Arc<Shared>,
    port: u16,
    mut peer: Peer,
    config: &mut watch::Receiver<Arc<Config>>,
    stop: &mut watch::Receiver<Option<Duration>>,
) {
    let began = Instant::now();
    let follower = Role::Follower { port, leader: peer.leader.clone() };
    let following = async {
        let pause = match peer.follow(shared).await {
            Followed::Lines(lines) => {
                follows(shared, follower);
                windows::show(shared, lines).await;
                BRIEFLY
            }
            // It serves all the same; its status comes once both have the same settings.
            Followed::OtherToken => {
                follows(shared, follower);
                SETTLING
            }
            Followed::Refused => {
                refuse(shared, port, ProblemCode::PortOtherPool, None);
                RETRY
            }
            Followed::Gone => BRIEFLY,
        };
        sleep_until(began + pause).await;
    };
    tokio::select! {
        () = following => {}
        _ = config.wait_for(|config| config.port != Some(port)) => {}
        () = stopping(stop) => {}
    }
    shared.follow(None);
}

fn follows(shared: &Shared, follower: Role) {
    PORT_PROBLEMS.into_iter().chain([ProblemCode::Ipv6Taken]).for_each(|code| shared.clear(code));
    shared.set_role(follower);
}

/// Gives a port up. Who had connected already is served.
fn close(shared: &Arc<Shared>, bound: Option<Bound>, permits: &Arc<Semaphore>) {
    for stream in bound.map(Bound::close).unwrap_or_default() {
        let Ok(permit) = permits.clone().try_acquire_owned() else { return };
        connection::begin(shared, stream, permit);
    }
}

/// Waits until no request is in flight any more, for as long as they may go on.
async fn drain(permits: &Semaphore, stop: &mut watch::Receiver<Option<Duration>>) {
    // Every connection gives its permit back at its end.
    let all = permits.acquire_many(u32::try_from(CONNECTIONS).expect("a few thousand"));
    tokio::pin!(all);
    let mut until = Instant::now() + stop.borrow_and_update().unwrap_or_default();
    loop {
        tokio::select! {
            _ = &mut all => return,
            () = sleep_until(until) => return tracing::warn!("requests were still in flight at the end"),
            _ = stop.changed() => until = until.min(Instant::now() + stop.borrow_and_update().unwrap_or_default()),
        }
    }
}

/// Accepts connections, if there is a socket, until something else is over.
async fn serving<T>(
    shared: &Arc<Shared>,
    bound: Option<&Bound>,
    permits: &Arc<Semaphore>,
    until: impl Future<Output = T>,
) -> T {
    let accepting = async {
        match bound {
            Some(bound) => accept(shared, bound, permits).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        never = accepting => match never {},
        over = until => over,
    }
}

async fn accept(shared: &Arc<Shared>, bound: &Bound, permits: &Arc<Semaphore>) -> Infallible {
    loop {
        let permit = permits.clone().acquire_owned().await.expect("never closed");
        match bound.accept().await {
            Ok((stream, _)) => connection::begin(shared, stream, permit),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(PAUSE).await;
            }
        }
    }
}
