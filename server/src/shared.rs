//! What the tasks of the process share, and who writes it:
//!
//! | what | written by | read by |
//! |---|---|---|
//! | configuration | [`Shared::apply`] (the editor, or `serve`) | each request once, `listen`, `dial` |
//! | pool (keys, instances, ledger) | requests by their [`Lease`], `health`, re-tests, diagnoses, [`Shared::apply`] | status, `store` |
//! | role | `listen` | status, `store` |
//! | records | `proxy` | on demand |
//! | stop | the editor, the process edge | everything that waits |
//! | ending | `listen` | `store`, `windows` |
//!
//! No method here is async, so no lock can meet an `.await`. The only reader of the wall clock is [`wall_clock`].

mod ledger;
mod relays;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aggregator_protocol::{
    DesiredState, KeyState, ProblemCode, Record, RecordsParams, Role, Severity, Status,
};
use tokio::sync::watch;

use crate::attempt::Reply;
use crate::chance::Chance;
use crate::lease::Lease;
use crate::listen::Ending;
use crate::live::Live;
use crate::log;
use crate::notes::Notes;
use crate::policy::Ms;
use crate::policy::config::Config;
use crate::policy::pool::Pool;
use crate::policy::route::{KeySlot, NoRoute, Route, Skipped, Terms, Tried};
use crate::policy::verdict::{Blame, Verdict};
use crate::record::Ring;
use crate::store::Keeper;

/// Milliseconds since the epoch, now.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
pub fn wall_clock() -> Ms {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as Ms)
}

/// Waits until the process is asked to end.
pub async fn stopping(stop: &mut watch::Receiver<Option<Duration>>) {
    // An error means that nobody is left who could ask: the end as well.
    let _ = stop.wait_for(Option::is_some).await;
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
    identity: OnceLock<Identity>,
    live: watch::Sender<Arc<Live>>,
    config: watch::Sender<Arc<Config>>,
    role: watch::Sender<Role>,
    /// The status of the leader that this process follows.
    leader: watch::Sender<Option<Status>>,
    /// How long requests in flight may go on, once the process is to end.
    stop: watch::Sender<Option<Duration>>,
    /// How far the end has come.
    pub ending: watch::Sender<Ending>,
    /// Nothing is listening or unsaved any more.
    ended: watch::Sender<bool>,
    /// Who keeps the ledger on disk.
    pub keeper: Keeper,
    /// Counts what was heard of instances.
    relays: watch::Sender<u64>,
    /// Counts changes that a status may show.
    changes: watch::Sender<u64>,
    /// The three locks are held for microseconds; private, so they cannot meet an `.await`.
    pool: Mutex<Pool>,
    records: Mutex<Ring>,
    notes: Mutex<Notes>,
    chance: Chance,
}

impl Shared {
    /// Nothing is configured yet.
    pub fn new() -> Arc<Self> {
        let config = Arc::new(Config::empty());
        Arc::new(Self {
            identity: OnceLock::new(),
            live: watch::Sender::new(Live::new(config.clone(), None)),
            config: watch::Sender::new(config),
            role: watch::Sender::new(Role::Starting),
            leader: watch::Sender::new(None),
            stop: watch::Sender::new(None),
            ending: watch::Sender::new(Ending::NotYet),
            ended: watch::Sender::new(false),
            keeper: Keeper::default(),
            relays: watch::Sender::new(0),
            changes: watch::Sender::new(0),
            pool: Mutex::new(Pool::new()),
            records: Mutex::default(),
            notes: Mutex::default(),
            chance: Chance::new(),
        })
    }

    /// Says whose process this is; only the first time counts.
    pub fn identify(&self, identity: Identity) {
        let _ = self.identity.set(identity);
    }

    /// Whose process this is; nobody's with `serve`.
    pub fn identity(&self) -> Identity {
        self.identity.get().cloned().unwrap_or_default()
    }

    // --- configuration ---

    /// Swaps the configuration if the state is newer than the one in force; tells whether it was.
    pub fn apply(&self, desired: DesiredState) -> bool {
        let mut notes = lock(&self.notes);
        let current = self.config();
        if desired.revision <= current.revision {
            return false;
        }
        let (config, problems) = Config::from_desired(desired, &current);
        notes.config = problems;
        notes.clear(ProblemCode::Undecodable);
        let config = Arc::new(config);
        lock(&self.pool).reconcile(&config, wall_clock());
        self.live.send_modify(|live| *live = Live::new(config.clone(), Some(live)));
        self.config.send_replace(config);
        drop(notes);
        self.touch();
        true
    }

    /// Notes that a state could not be decoded; the one in force stays.
    pub fn reject(&self, revision: Option<u64>) {
        let mut notes = lock(&self.notes);
        notes.rejected_revision = revision;
        notes.raise(ProblemCode::Undecodable, None, Severity::Error);
        drop(notes);
        self.touch();
    }

    /// The configuration in force, and what was built from it.
    pub fn live(&self) -> Arc<Live> {
        self.live.borrow().clone()
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<Config> {
        self.config.borrow().clone()
    }

    /// To wait for another configuration.
    pub fn watch_config(&self) -> watch::Receiver<Arc<Config>> {
        self.config.subscribe()
    }

    // --- pool ---

    /// The pool's choice, counted as in flight until the lease is given back.
    pub fn choose(
        self: &Arc<Self>,
        terms: Terms,
        model: &str,
        tried: &[Tried],
        prefer: Option<KeySlot>,
        now: Ms,
    ) -> Result<Lease, NoRoute> {
        let route = lock(&self.pool).choose(terms, model, tried, prefer, now)?;
        self.touch();
        Ok(Lease::new(self.clone(), route))
    }

    /// Who would be left out now, and why.
    pub fn skipped(&self, terms: Terms, model: &str, now: Ms) -> Vec<Skipped> {
        lock(&self.pool).skipped(terms, model, &[], now)
    }

    /// The earliest time at which any key can serve this model: `now` if one can, `None` if waiting does not help.
    pub fn earliest(&self, terms: Terms, model: &str, now: Ms) -> Option<Ms> {
        lock(&self.pool).earliest(terms, model, now)
    }

    /// Whether a route that is held may still be used.
    pub fn permits(&self, terms: Terms, route: &Route, now: Ms) -> bool {
        lock(&self.pool).permits(terms, route, now)
    }

    /// A request goes out on a route that is held.
    pub fn sent(&self, route: &Route, now: Ms) {
        lock(&self.pool).sent(route, now);
    }

    /// Notes what a verdict means for the pool. Until when the blamed one rests.
    pub fn record(&self, route: &Route, verdict: &Verdict, reply: &Reply, now: Ms) -> Option<Ms> {
        let effect = lock(&self.pool).apply(route, verdict, reply.answered(), reply.project(), now);
        effect.news.iter().for_each(log::news);
        self.keeper.hears(&effect, now);
        if matches!(verdict.blame, Blame::Egress(_)) {
            self.relays_changed();
        }
        effect.until
    }

    /// A lease is over; only [`Lease`] calls it.
    pub fn release(&self, route: &Route, tokens: Option<u64>) {
        let mut pool = lock(&self.pool);
        pool.used(route, tokens, wall_clock());
        pool.release(route);
        drop(pool);
        self.touch();
    }

    // --- records ---

    /// Keeps what happened to a request.
    pub fn keep(&self, record: Record) {
        lock(&self.records).push(record);
    }

    /// The records asked for, newest first.
    pub fn records(&self, params: &RecordsParams) -> Vec<Arc<Record>> {
        lock(&self.records).list(params)
    }

    /// What is left to chance: ids and the length of waits.
    pub fn chance(&self) -> &Chance {
        &self.chance
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
        if lock(&self.notes).raise(code, subject, severity) {
            self.touch();
        }
    }

    /// Shows one problem of this group, an error, in the place of all others; whether that is news.
    pub fn raise_only(&self, group: &[ProblemCode], code: ProblemCode, subject: String) -> bool {
        let news = lock(&self.notes).raise_only(group, code, subject);
        if news {
            self.touch();
        }
        news
    }

    /// Takes every problem with this code back.
    pub fn clear(&self, code: ProblemCode) {
        if lock(&self.notes).clear(code) {
            self.touch();
        }
    }

    /// Asks everything to end; requests in flight may go on for so long. A second call can only shorten that.
    pub fn stop(&self, drain: Duration) {
        self.stop.send_modify(|stop| *stop = Some(stop.map_or(drain, |former| former.min(drain))));
    }

    /// To wait for the end, and how long requests in flight may go on.
    pub fn watch_stop(&self) -> watch::Receiver<Option<Duration>> {
        self.stop.subscribe()
    }

    /// Nothing is listening or unsaved any more.
    pub fn end(&self) {
        self.ended.send_replace(true);
    }

    /// To wait until nothing is listening or unsaved any more.
    pub fn watch_ended(&self) -> watch::Receiver<bool> {
        self.ended.subscribe()
    }

    /// The status of the leader that this process follows; `None` if it follows nobody.
    pub fn follow(&self, leader: Option<Status>) {
        self.leader.send_replace(leader);
        self.touch();
    }

    // --- re-tests ---

    /// What a re-test found.
    pub fn retested(&self, route: &Route, verdict: &Verdict, project: Option<&str>, now: Ms) {
        let effect = lock(&self.pool).retested(route, verdict, project, now);
        effect.news.iter().for_each(log::news);
        self.keeper.save_soon();
        self.touch();
    }

    /// How one key of the pool is.
    pub fn key_state(&self, key: &str) -> Option<KeyState> {
        self.own_status(wall_clock())
            .keys
            .into_iter()
            .find(|status| status.id == key)
            .map(|status| status.state)
    }

    /// The way a re-test of this key takes; `None`: unknown key, or no way out.
    pub fn test_route(&self, key: &str, now: Ms) -> Option<Route> {
        let config = self.config();
        let terms = Terms { mode: config.mode, fallback_to_local: config.fallback_to_local };
        lock(&self.pool).test_route(terms, key, now)
    }

    // --- status ---

    /// The whole status, as of now. A follower shows its leader's pool.
    pub fn status(&self, now: Ms) -> Status {
        let own = self.own_status(now);
        match &*self.leader.borrow() {
            Some(leader) => Status {
                mode: leader.mode,
                active_instances: leader.active_instances,
                instances: leader.instances.clone(),
                keys: leader.keys.clone(),
                ..own
            },
            None => own,
        }
    }

    fn own_status(&self, now: Ms) -> Status {
        let config = self.config();
        let view = lock(&self.pool).view(&config, now);
        let notes = lock(&self.notes);
        Status {
            applied_revision: config.revision,
            rejected_revision: notes.rejected_revision,
            version: crate::VERSION.into(),
            mode: config.mode,
            active_instances: view.active_instances,
            role: self.role(),
            instances: view.instances,
            keys: view.keys,
            problems: notes.config.iter().chain(&view.problems).chain(notes.process()).cloned().collect(),
        }
    }

    /// Counts changes that a status may show; wait for it, then take [`Shared::status`].
    pub fn watch_changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn touch(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
