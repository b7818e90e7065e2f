//! The ledger of the pool: what is written to disk and taken over from there.

use super::{Shared, lock, wall_clock};
use crate::policy::Ms;
use crate::policy::config::Config;
use crate::policy::ledger::LedgerFile;

impl Shared {
    /// What the ledger file shall hold; `None` before one was loaded.
    pub fn ledger(&self, now: Ms) -> Option<LedgerFile> {
        lock(&self.pool).save(now)
    }

    /// Takes over what an earlier process wrote.
    pub fn load_ledger(&self, file: LedgerFile, now: Ms) {
        lock(&self.pool).load(file, now);
        self.touch();
    }

    /// Another process keeps the ledger from now on: what was counted and learnt here is void.
    pub fn forget(&self) {
        let (_notes, mut pool, now) = (lock(&self.notes), lock(&self.pool), wall_clock());
        pool.reconcile(&Config::empty(), now);
        pool.reconcile(&self.config(), now);
        self.touch();
    }
}
