//! What is known of the instances: for `health`, which asks them, and for requests that wait long for one.

use tokio::sync::watch;

use super::{Shared, lock};
use crate::log;
use crate::policy::Ms;
use crate::policy::config::Instance;
use crate::policy::health::{Found, SPREAD};
use crate::policy::pool::{Probe, Pulse};
use crate::policy::route::Terms;

impl Shared {
    /// The instances to ask for their health now, and when the next is due. Each is being asked until [`Shared::probed`].
    pub fn probes(&self, now: Ms) -> (Vec<Probe>, Option<Ms>) {
        let config = self.config();
        let terms = Terms { mode: config.mode, fallback_to_local: config.fallback_to_local };
        lock(&self.pool).probes(terms, now)
    }

    /// An instance was asked, and this came of it.
    pub fn probed(&self, instance: &Instance, found: Found, now: Ms) {
        let spread = self.chance.jitter(0..SPREAD);
        let news = lock(&self.pool).probed(instance, found, spread, now);
        news.iter().for_each(log::news);
        self.relays_changed();
        self.touch();
    }

    /// There is reason to doubt what is known of an instance: `health` asks it at once.
    pub fn doubt(&self, id: &str) {
        lock(&self.pool).doubt(id);
        self.relays_changed();
    }

    /// Whether an instance lives, by what was heard of it since.
    pub fn pulse(&self, id: &str, since: Ms) -> Pulse {
        lock(&self.pool).pulse(id, since)
    }

    /// A diagnosis found that it works.
    pub fn forgive(&self, instance: &Instance) {
        lock(&self.pool).instance_forgiven(instance);
        self.relays_changed();
        self.touch();
    }

    /// To wait until something new is known of an instance, or doubted.
    pub fn watch_relays(&self) -> watch::Receiver<u64> {
        self.relays.subscribe()
    }

    pub(super) fn relays_changed(&self) {
        self.relays.send_modify(|count| *count += 1);
    }
}
