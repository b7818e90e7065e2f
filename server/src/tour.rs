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
use crate::policy::verdict::{Blame, Next};

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
    unclear_rotated: bool,
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
            unclear_rotated: false,
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
            unclear_rotated: self.unclear_rotated,
            empty_retried: self.empty_retried,
            retry_empty,
        }
    }

    /// Another attempt follows.
    pub fn moves_on(&mut self, mut last: Last, next: Next, blame: &Blame) {
        self.unclear_rotated |= *blame == Blame::Unclear;
        let (slot, egress) = (last.lease.route.slot, last.lease.route.egress.clone());
        let rules_out = match next {
            Next::SameRoute | Next::Resend => None,
            Next::OtherKey => Some(RulesOut::Key),
            Next::Rotate(rules_out) | Next::OtherEgress(rules_out) => Some(rules_out),
            Next::Elsewhere => Some(RulesOut::Pair),
        };
        // An answer without content may be the relay's doing as well as the model's.
        self.prefer = matches!(next, Next::OtherEgress(_) | Next::Elsewhere).then_some(slot);
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
        if let Reply::Open(Open { empty: true, rest, .. }) = &last.reply {
            if rest.is_none() {
                last.lease.release();
            }
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
        self.route = None;
        self.on_route = 0;
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aggregator_protocol::DesiredState;
    use bytes::Bytes;
    use http::{HeaderMap, StatusCode};

    use super::*;
    use crate::gemini::error::ApiError;
    use crate::policy::verdict::Blame;
    use crate::shared::{Shared, wall_clock};

    const TERMS: Terms = Terms { mode: Mode::Local, fallback_to_local: true };

    fn pool() -> Arc<Shared> {
        let shared = Shared::new();
        let keys = ["a", "b"].map(|id| serde_json::json!({ "id": id, "secret": format!("secret-key-{id}") }));
        let state = serde_json::json!({ "revision": 1, "keys": keys });
        shared.apply(serde_json::from_value::<DesiredState>(state).unwrap());
        shared
    }

    fn lease(shared: &Arc<Shared>, egress: &Egress) -> Lease {
        let mut lease = shared.choose(TERMS, "m", &[], None, wall_clock()).unwrap();
        lease.route.egress = egress.clone();
        lease
    }

    fn closed(status: u16, google: bool) -> Reply {
        Reply::Closed(Closed {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            error: google.then(ApiError::default),
            readable: true,
            relay_error: None,
            within_200: false,
        })
    }

    fn empty() -> Reply {
        let (status, headers) = (StatusCode::OK, HeaderMap::new());
        Reply::Open(Open {
            status,
            headers,
            held: Bytes::new(),
            rest: None,
            look: None,
            tap: None,
            empty: true,
        })
    }

    fn relay() -> Egress {
        Egress::Relay("r1".into())
    }

    fn last(shared: &Arc<Shared>, reply: Reply, egress: &Egress) -> Last {
        Last { reply, lease: lease(shared, egress), took: Duration::ZERO, patience: 0 }
    }

    fn in_flight(shared: &Shared) -> u32 {
        shared.status(wall_clock()).keys.iter().map(|key| key.in_flight).sum()
    }

    /// What speaks after these answers.
    fn word(answers: Vec<(Reply, Egress)>) -> String {
        let (shared, mut tour) = (pool(), Tour::new(5));
        for (reply, egress) in answers {
            tour.moves_on(last(&shared, reply, &egress), Next::OtherKey, &Blame::Nobody);
        }
        tour.last_word().map_or_else(|| "nobody".into(), |last| last.reply.name())
    }

    #[test]
    fn the_last_answer_speaks_but_a_relay_never_where_google_has_spoken() {
        let direct = Egress::Direct;
        assert_eq!(word(vec![]), "nobody");
        assert_eq!(
            word(vec![(closed(429, true), direct.clone()), (closed(503, true), direct.clone())]),
            "503"
        );
        assert_eq!(
            word(vec![(closed(503, true), direct.clone()), (Reply::Broken, direct.clone())]),
            "broken"
        );
        assert_eq!(word(vec![(closed(429, true), relay()), (closed(502, false), relay())]), "429");
        assert_eq!(word(vec![(Reply::Broken, relay()), (closed(502, false), relay())]), "502");
        assert_eq!(
            word(vec![(empty(), direct.clone()), (closed(503, true), direct)]),
            "empty",
            "better than none"
        );
    }

    #[test]
    fn waits_are_as_long_as_what_comes_next_deserves() {
        let shared = pool();
        let wait = |next, first: &Egress, then: &Egress| {
            let mut tour = Tour::new(5);
            let route = lease(&shared, first).route.clone();
            tour.route = Some((route.slot, first.clone()));
            tour.moves_on(last(&shared, Reply::Broken, first), next, &Blame::Nobody);
            let then = lease(&shared, then).route.clone();
            let bounds = |range: Range<Ms>| range.end;
            (tour.pause_before(&then, bounds), tour.pause_before(&then, bounds))
        };
        let (direct, ms) = (Egress::Direct, Duration::from_millis);
        assert_eq!(wait(Next::SameRoute, &direct, &direct), (Some(ms(500)), None), "only once");
        assert_eq!(wait(Next::OtherKey, &direct, &direct).0, Some(ms(1_000)));
        assert_eq!(wait(Next::OtherKey, &relay(), &direct).0, None, "another way: at once");
        for at_once in [Next::Rotate(RulesOut::Project), Next::OtherEgress(RulesOut::Egress), Next::Elsewhere]
        {
            assert_eq!(wait(at_once, &direct, &direct).0, None, "{at_once:?}");
        }
        assert_eq!((SAME_ROUTE, SAME_EGRESS), (200..500, 500..1_000));
    }

    #[test]
    fn keys_are_given_back_as_soon_as_an_attempt_is_over_but_for_one_that_is_tried_again() {
        let shared = pool();
        let mut tour = Tour::new(5);
        tour.moves_on(
            last(&shared, closed(429, true), &Egress::Direct),
            Next::Rotate(RulesOut::Key),
            &Blame::Nobody,
        );
        assert_eq!(in_flight(&shared), 0);
        tour.moves_on(last(&shared, empty(), &Egress::Direct), Next::Elsewhere, &Blame::Nobody);
        assert_eq!(in_flight(&shared), 0, "its answer is over");
        tour.moves_on(last(&shared, closed(503, true), &Egress::Direct), Next::SameRoute, &Blame::Nobody);
        assert_eq!(in_flight(&shared), 1);
        assert!(tour.kept().is_some() && tour.kept().is_none());
        assert_eq!(in_flight(&shared), 0);
    }

    #[test]
    fn after_a_wait_the_tour_starts_over_but_for_what_it_has_used_up() {
        let shared = pool();
        let mut tour = Tour::new(2);
        (tour.attempts, tour.reached, tour.on_route) = (1, 1, 1);
        tour.moves_on(
            last(&shared, closed(429, true), &Egress::Direct),
            Next::Rotate(RulesOut::Key),
            &Blame::Unclear,
        );
        tour.starts_over();
        assert!(tour.tried().is_empty() && tour.preferred().is_none());
        assert_eq!((tour.attempts(), tour.reached, tour.on_route, tour.unclear_rotated), (1, 1, 0, true));
    }

    #[test]
    fn where_direct_is_permitted_the_last_attempt_is_kept_for_it() {
        let hybrid = Terms { mode: Mode::Hybrid, fallback_to_local: true };
        let mut tour = Tour::new(3);
        for (attempts, kept) in [(0, None), (1, None), (2, Some(Mode::Local))] {
            tour.attempts = attempts;
            assert_eq!(tour.last_chance(hybrid).map(|terms| terms.mode), kept, "{attempts}");
            for other in [
                Terms { fallback_to_local: false, ..hybrid },
                Terms { mode: Mode::Serverless, ..hybrid },
                Terms { mode: Mode::Local, ..hybrid },
            ] {
                assert!(tour.last_chance(other).is_none());
            }
        }
    }
}
