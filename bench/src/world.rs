//! Everything that runs while figures are taken, and the one way to take them: step by step, again if somebody else was busy
//! meanwhile.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

use crate::machine::{DISTURBED, Watch};
use crate::nginx::Nginx;
use crate::ours::{self, Ours};
use crate::upstream::Upstream;

/// A step is tried so often until nobody disturbs it.
const TRIES: u32 = 3;
/// A step that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);
/// Keys in the pool of the proxy that is compared with nginx.
const KEYS: usize = 8;

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// The fake upstream itself.
    Direct,
    /// nginx that buffers nothing.
    Nginx,
    /// nginx that takes a request in before it sends it on.
    Buffered,
    /// The proxy.
    Ours,
    /// The proxy by a relay.
    Relayed,
}

/// The three that are compared in most figures.
pub const ALL: [Target; 3] = [Target::Direct, Target::Nginx, Target::Ours];

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// Rounds in which all targets take turns.
    pub rounds: usize,
    /// Streams of the soak.
    pub streams: usize,
    /// Disturbed steps that are repeated, all together: a busy machine shall not keep us for ever.
    pub repeats: u32,
    /// One second becomes this much.
    pub second: Duration,
}

impl Scale {
    /// So many for so many of a full run, at least a few.
    pub fn count(&self, full: usize) -> usize {
        (full * self.second.as_millis() as usize / 1000).max(4)
    }
}

/// Everything that runs.
pub struct World {
    /// The fake.
    pub upstream: Upstream,
    /// `None` if it is not installed.
    pub nginx: Option<Nginx>,
    /// The proxy.
    pub ours: Ours,
    /// Its program.
    pub binary: PathBuf,
    /// How much is done.
    pub scale: Scale,
    steps: Cell<u32>,
    repeated: Cell<u32>,
    disturbed: Cell<u32>,
}

impl World {
    /// Starts all of it, on every core but for the fake.
    pub async fn start(binary: PathBuf, scale: Scale, upstream_core: usize) -> anyhow::Result<Self> {
        let upstream = Upstream::start(upstream_core)?;
        let nginx = match crate::nginx::program() {
            Some(_) => Some(Nginx::start(upstream.port).await?),
            None => None,
        };
        let ours = Ours::start(&binary, upstream.port, &ours::keys(KEYS))?;
        Ok(Self {
            upstream,
            nginx,
            ours,
            binary,
            scale,
            steps: Cell::new(0),
            repeated: Cell::new(0),
            disturbed: Cell::new(0),
        })
    }

    /// Where a target listens; `None` if it is not there.
    pub fn port(&self, target: Target) -> Option<u16> {
        match target {
            Target::Direct => Some(self.upstream.port),
            Target::Nginx => self.nginx.as_ref().map(|nginx| nginx.port),
            Target::Buffered => self.nginx.as_ref().map(|nginx| nginx.buffered_port),
            Target::Ours => Some(self.ours.port),
            Target::Relayed => None,
        }
    }

    /// The processes of a target.
    pub fn pids(&self, target: Target) -> Vec<u32> {
        match target {
            Target::Direct => vec![self.upstream.pid()],
            Target::Nginx | Target::Buffered => self.nginx.as_ref().map(Nginx::pids).unwrap_or_default(),
            Target::Ours => vec![self.ours.pid()],
            Target::Relayed => Vec::new(),
        }
    }

    /// Those of these targets that are there, with their ports; another one begins in each round.
    pub fn in_turn(&self, round: usize, targets: &[Target]) -> Vec<(Target, u16)> {
        let there = targets.iter().filter_map(|target| Some((*target, self.port(*target)?)));
        let mut there: Vec<_> = there.collect();
        let places = there.len();
        there.rotate_left(round % places);
        there
    }

    /// Takes figures; again if others were busy meanwhile, and of all tries the least disturbed.
    pub async fn step<T>(&self, work: impl AsyncFn() -> anyhow::Result<T>) -> anyhow::Result<T> {
        self.step_with(&[], work).await
    }

    /// The same where these processes take part, too.
    pub async fn step_with<T>(
        &self,
        guests: &[u32],
        work: impl AsyncFn() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let mut best: Option<(T, f64)> = None;
        self.steps.set(self.steps.get() + 1);
        for _ in 0..TRIES {
            if best.is_some() {
                self.repeated.set(self.repeated.get() + 1);
            }
            let watch = Watch::new([self.everyone().as_slice(), guests].concat());
            let taken = tokio::time::timeout(PATIENCE, work()).await.context("a step hangs")??;
            let others = watch.others();
            if best.as_ref().is_none_or(|(_, least)| others < *least) {
                best = Some((taken, others));
            }
            if others <= DISTURBED || self.repeated.get() >= self.scale.repeats {
                break;
            }
        }
        let (taken, others) = best.context("a step is tried at least once")?;
        self.disturbed.set(self.disturbed.get() + u32::from(others > DISTURBED));
        Ok(taken)
    }

    fn everyone(&self) -> Vec<u32> {
        let targets = [Target::Direct, Target::Nginx, Target::Ours];
        let theirs = targets.into_iter().flat_map(|target| self.pids(target));
        theirs.chain([std::process::id()]).collect()
    }

    /// How many steps there were, how many were repeated, and how many stayed disturbed, as a sentence.
    pub fn disturbances(&self) -> String {
        format!(
            "{} of {} steps disturbed, {} repeats",
            self.disturbed.get(),
            self.steps.get(),
            self.repeated.get()
        )
    }
}
