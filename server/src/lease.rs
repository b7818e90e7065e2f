//! A key in use: what must be given back is a guard.

use std::sync::Arc;

use crate::policy::route::{Egress, Route};
use crate::shared::Shared;

/// A key in use. Given back when it is dropped, with the tokens it used.
pub struct Lease {
    shared: Arc<Shared>,
    /// Which key, by which way.
    pub route: Route,
    tokens: Option<u64>,
    over: bool,
}

impl Lease {
    /// Of a route that the pool counts as in flight.
    pub fn new(shared: Arc<Shared>, route: Route) -> Self {
        Self { shared, route, tokens: None, over: false }
    }

    /// The last count of tokens of the answer.
    pub fn counts(&mut self, tokens: Option<u64>) {
        self.tokens = tokens;
    }

    /// An answer broke off: its relay, if it came by one, is asked how it is.
    pub fn doubts(&self) {
        if let Egress::Relay(id) = &self.route.egress {
            self.shared.doubt(id);
        }
    }

    /// Gives the key back before the lease is dropped.
    pub fn release(&mut self) {
        if !std::mem::replace(&mut self.over, true) {
            self.shared.release(&self.route, self.tokens);
        }
    }

    /// Moves the key, still in use, into another lease; nothing is left to give back here.
    pub fn handed_on(&mut self) -> Self {
        let over = std::mem::replace(&mut self.over, true);
        Self { shared: self.shared.clone(), route: self.route.clone(), tokens: None, over }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.release();
    }
}
