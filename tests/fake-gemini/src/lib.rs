//! A scripted fake of the Gemini API. Speaks HTTP/1.1 on a raw socket, so that it sees every byte of a request as it came and
//! can answer with any bytes, at any pace, and break off at any point.
//!
//! ```no_run
//! # async fn example() {
//! use fake_gemini::{Answer, Fake, Fixture, Rule};
//!
//! let fake = Fake::start().await;
//! fake.rule(Rule::new(Answer::fixture(Fixture::MinuteQuota)).key("secret-1").times(1));
//! // … point a client at fake.url() …
//! assert_eq!(fake.wait_seen(1).await[0].key.as_deref(), Some("secret-1"));
//! # }
//! ```

mod connection;
pub mod fixtures;
mod gemini;
mod script;
mod seen;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use fixtures::Fixture;
pub use script::{Answer, Gate, Rule, Step};
pub use seen::{Seen, State};

/// Longer than anything a test waits for; who waits longer waits for what will not come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running fake. It ends when it is dropped; if something went wrong inside it, dropping it fails the test.
pub struct Fake {
    address: SocketAddr,
    world: Arc<World>,
    accepting: JoinHandle<()>,
}

/// What all connections share.
pub(crate) struct World {
    pub(crate) script: Mutex<script::Script>,
    pub(crate) seen: Mutex<Vec<Seen>>,
    /// Counts changes of `seen` and of the connections.
    pub(crate) changes: watch::Sender<u64>,
    pub(crate) connections: Mutex<Connections>,
    pub(crate) faults: Mutex<Vec<String>>,
}

/// How many connections there were and are.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// Accepted since the start.
    pub accepted: usize,
    /// Open now.
    pub open: usize,
}

impl World {
    pub(crate) fn touch(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Fake {
    /// On a free port of 127.0.0.1.
    pub async fn start() -> Self {
        Self::start_on(0).await
    }

    /// On this port of 127.0.0.1.
    ///
    /// # Panics
    /// If the port is taken.
    pub async fn start_on(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port of the fake is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let world = Arc::new(World {
            script: Mutex::default(),
            seen: Mutex::default(),
            changes: watch::Sender::new(0),
            connections: Mutex::default(),
            faults: Mutex::default(),
        });
        let shared = world.clone();
        let accepting = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => match accepted {
                        Ok((stream, _)) => {
                            let mut connections = lock(&shared.connections);
                            connections.accepted += 1;
                            connections.open += 1;
                            drop(connections);
                            open.spawn(connection::serve(stream, shared.clone()));
                        }
                        Err(error) => lock(&shared.faults).push(format!("accept: {error}")),
                    },
                    Some(ended) = open.join_next() => {
                        lock(&shared.connections).open -= 1;
                        if let Err(error) = ended && error.is_panic() {
                            lock(&shared.faults).push(format!("a connection panicked: {error}"));
                        }
                        shared.touch();
                    }
                }
            }
        });
        Self { address, world, accepting }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    // --- what it answers ---

    /// Adds a rule. The first that fits and has a use left counts; without one the answer is a good one.
    pub fn rule(&self, rule: Rule) {
        lock(&self.world.script).rules.push(rule);
    }

    /// What this key is answered, one after the other; then good answers again.
    pub fn script(&self, key: &str, answers: impl IntoIterator<Item = Answer>) {
        for answer in answers {
            self.rule(Rule::new(answer).key(key).times(1));
        }
    }

    /// Forgets all rules.
    pub fn clear(&self) {
        lock(&self.world.script).rules.clear();
    }

    /// Adds rules written as a JSON array; the error says where it is wrong.
    pub fn rules_from_json(&self, json: &str) -> Result<(), String> {
        let rules: Vec<script::RuleJson> = serde_json::from_str(json).map_err(|error| error.to_string())?;
        rules.into_iter().for_each(|rule| self.rule(rule.into()));
        Ok(())
    }

    /// From now on only these keys are known; others are answered as invalid.
    pub fn knows(&self, keys: impl IntoIterator<Item = impl Into<String>>) {
        lock(&self.world.script).keys = Some(keys.into_iter().map(Into::into).collect());
    }

    /// Time between two events of a good stream.
    pub fn pace(&self, pace: Duration) {
        lock(&self.world.script).pace = pace;
    }

    // --- what it saw ---

    /// Every request so far, in the order in which their heads came.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.world.seen).clone()
    }

    /// Forgets what it saw.
    pub fn forget(&self) {
        lock(&self.world.seen).clear();
    }

    /// The keys of all requests so far.
    pub fn keys_seen(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.key.unwrap_or_default()).collect()
    }

    /// How many connections there were and are.
    pub fn connections(&self) -> Connections {
        *lock(&self.world.connections)
    }

    /// Waits until it saw so many requests.
    pub async fn wait_seen(&self, count: usize) -> Vec<Seen> {
        self.wait(&format!("{count} requests"), |seen| seen.len() >= count).await
    }

    /// Waits until so many requests were given up by the other side.
    pub async fn wait_aborted(&self, count: usize) -> Vec<Seen> {
        let aborted =
            |seen: &[Seen]| seen.iter().filter(|seen| seen.state == State::Aborted).count() >= count;
        self.wait(&format!("{count} aborted requests"), aborted).await
    }

    /// Waits until so many requests were answered to the end.
    pub async fn wait_finished(&self, count: usize) -> Vec<Seen> {
        let finished =
            |seen: &[Seen]| seen.iter().filter(|seen| seen.state == State::Finished).count() >= count;
        self.wait(&format!("{count} finished requests"), finished).await
    }

    /// Waits until what it saw is as wanted.
    ///
    /// # Panics
    /// If that does not happen within 20 s; says what it saw instead.
    pub async fn wait(&self, what: &str, wanted: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
        let mut changes = self.world.changes.subscribe();
        let waited = tokio::time::timeout(PATIENCE, async {
            while !wanted(&lock(&self.world.seen)) {
                changes.changed().await.expect("the fake runs");
            }
        });
        match waited.await {
            Ok(()) => self.seen(),
            Err(_) => panic!("the fake waited for {what} and saw {:#?}", self.seen()),
        }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.accepting.abort();
        let faults = lock(&self.world.faults);
        if !faults.is_empty() && !std::thread::panicking() {
            panic!("the fake failed: {faults:#?}");
        }
    }
}
