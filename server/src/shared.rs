//! What the tasks of the process share, and who writes it:
//!
//! | what | written by | read by |
//! |---|---|---|
//! | configuration | [`Shared::apply`] (the editor, or `serve`) | each request once, `listen`, `dial` |
//! | role | `listen` | status, `store` |
//! | records | `proxy` | on demand |
//! | stop | the editor, the process edge | everything that waits |
//!
//! No method here is async, so no lock can meet an `.await`. The only reader of the wall clock is [`wall_clock`].

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use aggregator_protocol::{DesiredState, Problem, ProblemCode, Role, Severity, Status};
use tokio::sync::watch;

use crate::policy::Ms;
use crate::policy::config::Config;

/// Milliseconds since the epoch, now.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
pub fn wall_clock() -> Ms {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as Ms)
}

/// Whose process this is; tells a window of the same pool from a stranger.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// Random id of the pool of keys; empty with `serve`.
    pub pool: String,
    /// Random id of the machine; empty with `serve`.
    pub host: String,
}

/// What the tasks of the process share.
pub struct Shared {
    identity: Identity,
    config: watch::Sender<Arc<Config>>,
    role: watch::Sender<Role>,
    stop: watch::Sender<bool>,
    /// Counts changes that a status may show.
    changes: watch::Sender<u64>,
    /// Held for microseconds; private, so it cannot meet an `.await`.
    notes: Mutex<Notes>,
}

/// What a status says beside the pool.
#[derive(Default)]
struct Notes {
    rejected_revision: Option<u64>,
    /// Of the configuration in force.
    config: Vec<Problem>,
    /// Of the running process: port, ledger.
    process: BTreeSet<Problem>,
}

impl Shared {
    /// Nothing is configured yet.
    pub fn new(identity: Identity) -> Arc<Self> {
        Arc::new(Self {
            identity,
            config: watch::Sender::new(Arc::new(Config::empty())),
            role: watch::Sender::new(Role::Starting),
            stop: watch::Sender::new(false),
            changes: watch::Sender::new(0),
            notes: Mutex::default(),
        })
    }

    /// Whose process this is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    // --- configuration ---

    /// Swaps the configuration if the state is newer than the one in force; tells whether it was.
    pub fn apply(&self, desired: DesiredState) -> bool {
        let mut notes = self.notes();
        let current = self.config();
        if desired.revision <= current.revision {
            return false;
        }
        let (config, problems) = Config::from_desired(desired, &current);
        notes.config = problems;
        self.config.send_replace(Arc::new(config));
        drop(notes);
        self.touch();
        true
    }

    /// Notes that a state could not be decoded; the one in force stays.
    pub fn reject(&self, revision: Option<u64>) {
        let mut notes = self.notes();
        notes.rejected_revision = revision;
        notes.process.insert(problem(ProblemCode::Undecodable, None, Severity::Error));
        drop(notes);
        self.touch();
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<Config> {
        self.config.borrow().clone()
    }

    /// To wait for another configuration.
    pub fn watch_config(&self) -> watch::Receiver<Arc<Config>> {
        self.config.subscribe()
    }

    // --- role, problems, stop ---

    /// What this process is to the port.
    pub fn role(&self) -> Role {
        self.role.borrow().clone()
    }

    /// To wait for another role.
    pub fn watch_role(&self) -> watch::Receiver<Role> {
        self.role.subscribe()
    }

    /// Only `listen` calls it.
    pub fn set_role(&self, role: Role) {
        if self.role.send_if_modified(|current| std::mem::replace(current, role.clone()) != role) {
            self.touch();
        }
    }

    /// Shows a problem of the running process until it is cleared.
    pub fn raise(&self, code: ProblemCode, subject: Option<String>, severity: Severity) {
        if self.notes().process.insert(problem(code, subject, severity)) {
            self.touch();
        }
    }

    /// Takes every problem with this code back.
    pub fn clear(&self, code: ProblemCode) {
        let mut notes = self.notes();
        let before = notes.process.len();
        notes.process.retain(|problem| problem.code != code);
        let changed = notes.process.len() != before;
        drop(notes);
        if changed {
            self.touch();
        }
    }

    /// Asks everything that waits to end.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// To wait for the end.
    pub fn watch_stop(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    // --- status ---

    /// The whole status, as of now.
    pub fn status(&self, _now: Ms) -> Status {
        let config = self.config();
        let notes = self.notes();
        Status {
            applied_revision: config.revision,
            rejected_revision: notes.rejected_revision,
            version: crate::VERSION.into(),
            mode: config.mode,
            active_instances: 0,
            role: self.role(),
            instances: Vec::new(),
            keys: Vec::new(),
            problems: notes.config.iter().chain(&notes.process).cloned().collect(),
        }
    }

    /// Counts changes that a status may show; wait for it, then take [`Shared::status`].
    pub fn watch_changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn touch(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn problem(code: ProblemCode, subject: Option<String>, severity: Severity) -> Problem {
    Problem { code, subject, severity }
}
