//! What one call has been through: its attempts so far, what they rule out, and which of their answers speaks if none is good.

use std::ops::Range;
use std::time::Duration;

use aggregator_protocol::Mode;

use crate::answer::Last;
use crate::attempt::{Closed, Open, Reply};
use crate::front::gemini::Call;
use crate::lease::Lease;
use crate::policy::Ms;
use crate::policy::outcome::Circumstances;
use crate::policy::route::{Egress, KeySlot, Route, RulesOut, Terms, Tried};
use crate::policy::verdict::Next;

/// Waits before another attempt, in milliseconds (`design.md` 4). Chosen at random, so that callers that failed together do
/// not come back together.
const SAME_ROUTE: Range<Ms> = 200..500;
/// Another key by the same way out.
const SAME_EGRESS: Range<Ms> = 500..1_000;

/// What one call has been through.
pub struct Tour {
    max_attempts: u32,
    attempts: u32,
    /// Attempts that could have reached the model.
    reached: u32,
    /// Attempts in a row on one route.
    on_route: u32,
    empty_retried: bool,
    tried: Vec<Tried>,
    prefer: Option<KeySlot>,
    route: Option<(KeySlot, Egress)>,
    again: Option<Lease>,
    next: Option<Next>,
    /// The answer of the last attempt.
    last: Option<Last>,
    /// The last answer of Google's, where `last` is not one.
    google: Option<Last>,
    /// An answer without content: better than none.
    empty: Option<Last>,
}

impl Tour {
    /// Before the first attempt.
    pub fn new(max_attempts: u32) -> Self {
        Self {
            max_attempts,
            attempts: 0,
            reached: 0,
            on_route: 0,
            empty_retried: false,
            tried: Vec::new(),
            prefer: None,
            route: None,
            again: None,
            next: None,
            last: None,
            google: None,
            empty: None,
        }
    }

    /// Attempts so far.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// What they rule out.
    pub fn tried(&self) -> &[Tried] {
        &self.tried
    }

    /// The key that should be used again.
    pub fn preferred(&self) -> Option<KeySlot> {
        self.prefer
    }

    /// The route that is to be tried a second time.
    pub fn kept(&mut self) -> Option<Lease> {
        self.again.take()
    }

    /// Whether an attempt is left and the request can be sent again.
    pub fn may_retry(&self, call: &Call) -> bool {
        self.attempts < self.max_attempts && (self.attempts == 0 || call.replayable())
    }

    /// Before the last attempt, where Direct is permitted after the relays: the terms that leave only Direct.
    pub fn last_chance(&self, terms: Terms) -> Option<Terms> {
        let last = self.attempts > 0 && self.attempts + 1 == self.max_attempts;
        (last && terms.mode == Mode::Hybrid && terms.fallback_to_local)
            .then_some(Terms { mode: Mode::Local, ..terms })
    }

    /// How long to wait before this route is tried, given how the last attempt ended.
    pub fn pause_before(&mut self, route: &Route, jitter: impl Fn(Range<Ms>) -> Ms) -> Option<Duration> {
        let range = match self.next.take()? {
            Next::SameRoute => SAME_ROUTE,
            Next::Resend if self.on_route > 1 => SAME_ROUTE,
            Next::OtherKey if self.route.as_ref().is_some_and(|(_, egress)| *egress == route.egress) => {
                SAME_EGRESS
            }
            Next::Resend | Next::OtherKey | Next::Rotate(_) | Next::OtherEgress(_) | Next::Elsewhere => {
                return None;
            }
        };
        Some(Duration::from_millis(jitter(range)))
    }

    /// Counts the attempt that just ended, and says what its judgement depends on.
    pub fn circumstances(
        &mut self,
        call: &Call,
        route: &Route,
        reply: &Reply,
        retry_empty: bool,
    ) -> Circumstances {
        let same =
            self.route.as_ref().is_some_and(|(slot, egress)| *slot == route.slot && *egress == route.egress);
        self.on_route = if same { self.on_route + 1 } else { 1 };
        self.route = Some((route.slot, route.egress.clone()));
        self.attempts += 1;
        self.reached += u32::from(reply.reached());
        Circumstances {
            relayed: matches!(route.egress, Egress::Relay(_)),
            repeatable: call.target.operation.repeatable(),
            names_resource: call.names_resource,
            tries_on_route: self.on_route,
            reached: self.reached,
            empty_retried: self.empty_retried,
            retry_empty,
        }
    }

    /// Another attempt follows.
    pub fn moves_on(&mut self, mut last: Last, next: Next) {
        let (slot, egress) = (last.lease.route.slot, last.lease.route.egress.clone());
        let rules_out = match next {
            Next::SameRoute | Next::Resend => None,
            Next::OtherKey => Some(RulesOut::Key),
            Next::Rotate(rules_out) | Next::OtherEgress(rules_out) => Some(rules_out),
            Next::Elsewhere => Some(RulesOut::Pair),
        };
        self.prefer = matches!(next, Next::OtherEgress(_)).then_some(slot);
        self.empty_retried |= next == Next::Elsewhere;
        self.next = Some(next);
        match rules_out {
            Some(rules_out) => self.tried.push(Tried { slot, egress, rules_out }),
            None => self.again = Some(last.lease.handed_on()),
        }
        self.ends_with(last);
    }

    /// Remembers the answer of an attempt that is over.
    pub fn ends_with(&mut self, mut last: Last) {
        if matches!(last.reply, Reply::Open(Open { empty: true, .. })) {
            self.empty = Some(last);
            return;
        }
        if !matches!(last.reply, Reply::Open(_)) {
            last.lease.release();
        }
        if let Some(previous) = self.last.take()
            && matches!(previous.reply, Reply::Closed(Closed { error: Some(_), relay_error: None, .. }))
        {
            self.google = Some(previous);
        }
        self.last = Some(last);
    }

    /// After a wait for the pool: what was tried may be tried again.
    pub fn starts_over(&mut self) {
        self.tried.clear();
        self.prefer = None;
        self.next = None;
    }

    /// The answer that speaks if no attempt was good: an empty one as it came, else the last, else (where the last came from a
    /// relay itself) the last of Google's.
    pub fn last_word(&mut self) -> Option<Last> {
        if self.empty.is_some() {
            return self.empty.take();
        }
        match self.last.take() {
            Some(last) if last.relay_spoke() => self.google.take().or(Some(last)),
            last => last,
        }
    }
}
