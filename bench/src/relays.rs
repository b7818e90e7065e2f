//! Fake relays, in this process so that one can be gone from one moment to the next. Each is a listener that says it is well when
//! asked for its health, and treats calls as it is told; what it does not spoil it answers itself, as the fake Gemini would.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::script::{RelayFault, Say};
use crate::upstream::{BUFFER, Gemini, Request};

/// A relay that refuses connections does so this long: less than the second for which the proxy then lets it be, and longer than
/// it takes until each relay had its turn.
const AWAY: Duration = Duration::from_millis(900);
/// A head must fit; there are many connections.
const HEAD: usize = BUFFER / 8;

/// How relays treat calls.
#[derive(Debug, Clone)]
pub enum Manner {
    /// All fail like this.
    Always(RelayFault),
    /// As [`RelayFault::roll`] says.
    Dice,
}

/// Relays that run; gone when dropped.
pub struct Relays {
    /// Where each listens.
    pub ports: Vec<u16>,
    running: JoinSet<()>,
}

/// One relay.
struct Relay {
    manner: Manner,
    gemini: Arc<Gemini>,
    /// Counts the attempts of all relays.
    turn: Arc<AtomicU64>,
    /// What the next attempt here meets.
    next: Mutex<Option<RelayFault>>,
    /// Calls that are being answered.
    busy: AtomicUsize,
    /// The next attempt shall be refused.
    leaves: Notify,
}

impl Relays {
    /// Starts so many.
    pub async fn start(count: usize, manner: &Manner) -> anyhow::Result<Self> {
        let (gemini, turn) = (Arc::new(Gemini::default()), Arc::new(AtomicU64::new(0)));
        let mut relays = Self { ports: Vec::new(), running: JoinSet::new() };
        for _ in 0..count {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let port = listener.local_addr()?.port();
            let relay = Arc::new(Relay {
                manner: manner.clone(),
                gemini: gemini.clone(),
                turn: turn.clone(),
                next: Mutex::default(),
                busy: AtomicUsize::new(0),
                leaves: Notify::new(),
            });
            relays.ports.push(port);
            relays.running.spawn(live(relay, listener, port));
        }
        Ok(relays)
    }

    /// As a state names them.
    pub fn instances(&self) -> Vec<Value> {
        let instance =
            |(at, port): (usize, &u16)| json!({ "id": id(at), "url": format!("http://127.0.0.1:{port}") });
        self.ports.iter().enumerate().map(instance).collect()
    }

    /// Closes all listeners and connections: from now on connections are refused.
    pub async fn close(&mut self) {
        self.running.shutdown().await;
    }
}

/// The id of the relay at this place.
pub fn id(at: usize) -> String {
    format!("relay{at}")
}

/// Listens, and is away now and then if the dice say so.
async fn live(relay: Arc<Relay>, mut listener: TcpListener, port: u16) {
    loop {
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                () = relay.leaves.notified() => break,
                accepted = listener.accept() => {
                    let Ok((stream, _)) = accepted else { return };
                    // A connection that ends in an error was given up by the other side.
                    open.spawn({
                        let relay = relay.clone();
                        async move { relay.converse(stream).await.unwrap_or_default() }
                    });
                }
                Some(_) = open.join_next() => {}
            }
        }
        drop(listener);
        open.shutdown().await;
        sleep(AWAY).await;
        // Somebody else may have got the port meanwhile; then this relay stays away.
        let Ok(again) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await else { return };
        listener = again;
    }
}

impl Relay {
    async fn converse(&self, mut stream: TcpStream) -> anyhow::Result<()> {
        stream.set_nodelay(true)?;
        let mut buffer = vec![0; HEAD];
        while let Some(request) = Request::read(&mut stream, &mut buffer).await? {
            if request.say == Say::Health {
                self.gemini.say(&mut stream, request.say).await?;
                continue;
            }
            self.busy.fetch_add(1, Ordering::Relaxed);
            let served = self.serve(&mut stream, request.say).await;
            self.busy.fetch_sub(1, Ordering::Relaxed);
            let goes_on = served?;
            self.roll();
            if !goes_on {
                break;
            }
        }
        Ok(())
    }

    /// One call; whether the connection stays.
    async fn serve(&self, stream: &mut TcpStream, say: Say) -> anyhow::Result<bool> {
        let fault = match &self.manner {
            Manner::Always(fault) => Some(fault.clone()),
            Manner::Dice => self.next.lock().unwrap_or_else(PoisonError::into_inner).take(),
        };
        match fault {
            // Came by a connection that was there already, or while another call was under way.
            Some(RelayFault::Refused) | None => self.gemini.say(stream, say).await?,
            Some(RelayFault::Own(answer)) => stream.write_all(&answer).await?,
            Some(RelayFault::Reset) => {
                stream.set_zero_linger()?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Decides on the next attempt; nobody else's answer is cut off for it.
    fn roll(&self) {
        let Manner::Dice = self.manner else { return };
        let fault = RelayFault::roll(self.turn.fetch_add(1, Ordering::Relaxed));
        if fault == Some(RelayFault::Refused) {
            if self.busy.load(Ordering::Relaxed) == 0 {
                self.leaves.notify_one();
            }
            return;
        }
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Connection, unary};

    fn block_on<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
    }

    #[test]
    fn a_relay_is_well_answers_as_it_is_told_and_refuses_once_it_is_closed() {
        block_on(async {
            let mut relays = Relays::start(2, &Manner::Always(RelayFault::bad_gateway())).await.unwrap();
            let mut connection = Connection::open(relays.ports[1]).await.unwrap();
            let health = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
            assert_eq!(connection.exchange(health).await.unwrap(), 200);
            assert_eq!(connection.payload, b"OK");
            assert_eq!(connection.exchange(&unary("answer-2048", 512)).await.unwrap(), 502);
            relays.close().await;
            assert!(Connection::open(relays.ports[1]).await.is_err());
            assert!(connection.exchange(health).await.is_err());
        });
    }

    #[test]
    fn a_relay_that_resets_takes_the_request_first() {
        block_on(async {
            let relays = Relays::start(1, &Manner::Always(RelayFault::Reset)).await.unwrap();
            let mut connection = Connection::open(relays.ports[0]).await.unwrap();
            connection.send(&unary("answer-2048", 512)).await.unwrap();
            assert!(connection.head().await.is_err());
        });
    }

    #[test]
    fn by_the_dice_most_calls_are_answered_and_some_fail() {
        block_on(async {
            let relays = Relays::start(1, &Manner::Dice).await.unwrap();
            let (request, mut answered) = (unary("answer-2048", 512), 0);
            let mut connection = None;
            for _ in 0..40 {
                let mut open = match connection.take() {
                    Some(open) => open,
                    None => match Connection::open(relays.ports[0]).await {
                        Ok(open) => open,
                        Err(_) => break,
                    },
                };
                if open.exchange(&request).await.is_ok_and(|status| status == 200) {
                    answered += 1;
                    connection = Some(open);
                }
            }
            assert!((1..40).contains(&answered), "{answered}");
        });
    }
}
