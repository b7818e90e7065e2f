//! Binding the port is leadership: who has it serves, who has not follows or waits (design decision 15). Accepts, bounds and
//! drains connections; never looks at a request.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use aggregator_protocol::{Leader, ProblemCode, Role, Severity};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::shared::{Shared, stopping};
use crate::windows::Holder;
use crate::{log, proxy, windows};

/// Connections at a time; further ones wait in the backlog.
const CONNECTIONS: usize = 4_096;
/// After an accept that failed, usually for want of descriptors.
const PAUSE: Duration = Duration::from_millis(50);
/// For the head of a request. hyper also closes idle keep-alive connections after it.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// Between two tries to get a port that somebody else holds; a little is added at random.
const RETRY: Duration = Duration::from_millis(850);

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
        let port = v4.local_addr()?.port();
        let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await;
        let v6_taken = matches!(&v6, Err(error) if error.kind() == io::ErrorKind::AddrInUse);
        Ok(Self { port, v4, v6: v6.ok(), v6_taken })
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
            bound = None;
            shared.set_role(Role::Starting);
            tokio::select! {
                _ = config.changed() => {}
                () = stopping(&mut stop) => {}
            }
            continue;
        };
        // Any free port stays the one it is. A port that has changed is bound first; only then the old one goes.
        if bound.as_ref().is_none_or(|bound| port != 0 && port != bound.port) {
            match Bound::new(port).await {
                Ok(new) => bound = Some(new),
                Err(error) => {
                    let holder =
                        serving(&shared, bound.as_ref(), &permits, holder(&shared, port, &error)).await;
                    let by = match holder {
                        Holder::Ours(leader) => {
                            bound = None;
                            follow(&shared, port, leader, &mut stop).await;
                            continue;
                        }
                        Holder::OtherPool => ProblemCode::PortOtherPool,
                        Holder::OtherHost => ProblemCode::PortForwarded,
                        Holder::Stranger => ProblemCode::PortTaken,
                    };
                    refuse(&shared, port, by, bound.as_ref());
                    let again = RETRY + Duration::from_millis(shared.jitter(0..300));
                    let waiting = async {
                        tokio::select! {
                            () = tokio::time::sleep(again) => {}
                            _ = config.changed() => {}
                            () = stopping(&mut stop) => {}
                        }
                    };
                    serving(&shared, bound.as_ref(), &permits, waiting).await;
                    continue;
                }
            }
        }
        let Some(bound) = &bound else { continue };
        lead(&shared, bound);
        let news = async {
            tokio::select! {
                _ = config.changed() => {}
                () = stopping(&mut stop) => {}
            }
        };
        serving(&shared, Some(bound), &permits, news).await;
    }
    let drain = stop.borrow().unwrap_or_default();
    drop(bound);
    // Every connection gives its permit back at its end.
    let all = u32::try_from(CONNECTIONS).expect("a few thousand");
    if tokio::time::timeout(drain, permits.acquire_many(all)).await.is_err() {
        tracing::warn!("requests were still in flight at the end");
    }
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
            Ok((stream, _)) => {
                let (shared, stop) = (shared.clone(), shared.watch_stop());
                tokio::spawn(async move {
                    connection(shared, stream, stop).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// One connection, to its end; after the process was asked to end, to the end of its request.
async fn connection(shared: Arc<Shared>, stream: TcpStream, mut stop: watch::Receiver<Option<Duration>>) {
    // Events would wait for one another otherwise; without it they still come.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| proxy::serve(shared.clone(), request));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stopping(&mut stop) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}

/// Who has a port that cannot be bound.
async fn holder(shared: &Shared, port: u16, error: &io::Error) -> Holder {
    if error.kind() == io::ErrorKind::AddrInUse {
        return windows::who_holds(shared, port).await;
    }
    tracing::warn!(%error, port, "the port cannot be bound");
    Holder::Stranger
}

/// Follows a window of the same pool, until it goes, or another port is wanted.
async fn follow(
    shared: &Arc<Shared>,
    port: u16,
    leader: Leader,
    stop: &mut watch::Receiver<Option<Duration>>,
) {
    PORT_PROBLEMS.into_iter().chain([ProblemCode::Ipv6Taken]).for_each(|code| shared.clear(code));
    shared.set_role(Role::Follower { port, leader });
    let mut config = shared.watch_config();
    tokio::select! {
        () = windows::follow(shared, port) => {}
        _ = config.wait_for(|config| config.port != Some(port)) => {}
        () = stopping(stop) => {}
    }
    shared.follow(None);
}

/// Says who has the port; one that is held already goes on being served.
fn refuse(shared: &Shared, port: u16, by: ProblemCode, bound: Option<&Bound>) {
    if shared.raise_only(&PORT_PROBLEMS, by, port.to_string()) {
        tracing::warn!(port, by = %log::word(by), "the port is taken");
    }
    if bound.is_none() {
        shared.set_role(Role::Blocked { port, by });
    }
}

const PORT_PROBLEMS: [ProblemCode; 3] =
    [ProblemCode::PortTaken, ProblemCode::PortOtherPool, ProblemCode::PortForwarded];
