//! What is left to chance: ids of requests, and how long somebody waits so that not all come back together. Nothing here is
//! secret, so the standard library's random state is enough.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::policy::Ms;

/// A source of numbers that differ between processes and never repeat soon.
pub struct Chance {
    counter: AtomicU64,
    seed: RandomState,
}

impl Chance {
    /// Another one for each process.
    #[expect(clippy::new_without_default, reason = "two of them are never the same")]
    pub fn new() -> Self {
        Self { counter: AtomicU64::new(0), seed: RandomState::new() }
    }

    /// An id for a request: 16 hexadecimal digits.
    pub fn id(&self) -> String {
        format!("{:016x}", self.number())
    }

    /// A length of time from this range.
    pub fn jitter(&self, range: Range<Ms>) -> Ms {
        range.start + self.number() % (range.end - range.start)
    }

    fn number(&self) -> u64 {
        self.seed.hash_one(self.counter.fetch_add(1, Ordering::Relaxed))
    }
}
