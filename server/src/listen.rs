//! Binding the port is leadership: who has it serves, who has not follows or waits (design decision 15). Accepts, bounds and
//! drains connections; never looks at a request.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use aggregator_protocol::{ProblemCode, Role, Severity};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::shared::{Shared, stopping};
use crate::{proxy, windows};

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
        let wanted = config.borrow_and_update().port;
        if let Some(bound) = &bound {
            lead(&shared, bound, wanted, &permits, &mut config, &mut stop).await;
            if stop.borrow().is_some() {
                break;
            }
            // The port has changed. The new one is bound first; only then the old one goes.
        }
        let Some(port) = config.borrow_and_update().port else {
            bound = None;
            shared.set_role(Role::Starting);
            tokio::select! {
                _ = config.changed() => {}
                () = stopping(&mut stop) => {}
            }
            continue;
        };
        match Bound::new(port).await {
            Ok(new) => bound = Some(new),
            Err(error) => {
                bound = None;
                wait_for(&shared, port, &error, &mut config, &mut stop).await;
            }
        }
    }
    let drain = stop.borrow().unwrap_or_default();
    drop(bound);
    // Every connection gives its permit back at its end.
    let all = u32::try_from(CONNECTIONS).expect("a few thousand");
    if tokio::time::timeout(drain, permits.acquire_many(all)).await.is_err() {
        tracing::warn!("requests were still in flight at the end");
    }
}

/// Accepts until the port changes or the process ends.
async fn lead(
    shared: &Arc<Shared>,
    bound: &Bound,
    wanted: Option<u16>,
    permits: &Arc<Semaphore>,
    config: &mut watch::Receiver<Arc<crate::policy::config::Config>>,
    stop: &mut watch::Receiver<Option<Duration>>,
) {
    clear_port_problems(shared);
    if bound.v6_taken {
        shared.raise(ProblemCode::Ipv6Taken, Some(bound.port.to_string()), Severity::Warning);
    }
    shared.follow(None);
    shared.set_role(Role::Leader { port: bound.port });
    tracing::info!(port = bound.port, "listening");
    // Any free port stays the one it is.
    let mut serves = wanted.is_some_and(|wanted| wanted == 0 || wanted == bound.port);
    while serves {
        let permit = permits.clone().acquire_owned().await.expect("never closed");
        tokio::select! {
            accepted = bound.accept() => match accepted {
                Ok((stream, _)) => {
                    let (shared, stop) = (shared.clone(), stop.clone());
                    tokio::spawn(async move {
                        connection(shared, stream, stop).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            _ = config.changed() => {
                let wanted = config.borrow_and_update().port;
                serves = wanted.is_some_and(|wanted| wanted == 0 || wanted == bound.port);
            }
            () = stopping(stop) => serves = false,
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

/// The port is taken: follows whoever has it, or waits, until it is worth another try.
async fn wait_for(
    shared: &Arc<Shared>,
    port: u16,
    error: &io::Error,
    config: &mut watch::Receiver<Arc<crate::policy::config::Config>>,
    stop: &mut watch::Receiver<Option<Duration>>,
) {
    let holder = if error.kind() == io::ErrorKind::AddrInUse {
        windows::who_holds(shared, port).await
    } else {
        tracing::warn!(%error, port, "the port cannot be bound");
        windows::Holder::Stranger
    };
    let again = RETRY + Duration::from_millis(shared.jitter(0..300));
    let changed = async {
        tokio::select! {
            _ = config.changed() => {}
            () = stopping(stop) => {}
        }
    };
    let by = match holder {
        windows::Holder::Ours(leader) => {
            clear_port_problems(shared);
            shared.set_role(Role::Follower { port, leader: leader.clone() });
            tokio::select! {
                () = windows::follow(shared, port) => {}
                () = changed => {}
            }
            shared.follow(None);
            return;
        }
        windows::Holder::OtherPool => ProblemCode::PortOtherPool,
        windows::Holder::OtherHost => ProblemCode::PortForwarded,
        windows::Holder::Stranger => ProblemCode::PortTaken,
    };
    if shared.role() != (Role::Blocked { port, by }) {
        clear_port_problems(shared);
        shared.raise(by, Some(port.to_string()), Severity::Error);
        shared.set_role(Role::Blocked { port, by });
    }
    tokio::select! {
        () = tokio::time::sleep(again) => {}
        () = changed => {}
    }
}

fn clear_port_problems(shared: &Shared) {
    for code in [
        ProblemCode::PortTaken,
        ProblemCode::PortOtherPool,
        ProblemCode::PortForwarded,
        ProblemCode::Ipv6Taken,
    ] {
        shared.clear(code);
    }
}
