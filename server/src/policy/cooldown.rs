//! How long a bucket, a key, a model or a way out rests. Figures in, an end in [`Ms`] out; `now` is always an argument.
//!
//! An end is compared with [`over`], never with `<` alone: a clock that jumped must not let a rest last for ever.

use aggregator_protocol::{DownReason, Reason};
use jiff::tz::{self, TimeZone};
use jiff::{Timestamp, ZonedDateTime};

use super::verdict::{Out, Rest};
use super::{HOUR, MINUTE, Ms, SECOND};

const DAY: Ms = 24 * HOUR;

/// The longest rest there is (a retired model); what ends later than this from now was written by another clock.
pub const LONGEST: Ms = 7 * DAY;
/// How long a model rests after a burst of bare 429s on several projects (K7).
pub const BURST_REST: Ms = 30 * SECOND;
/// How long a model rests once it was overloaded on three projects: "a few seconds" (`gemini-wire.md` 8.7).
pub const OVERLOAD_REST: Ms = 3 * SECOND;

/// When a bucket that begins to rest now is eligible again. `strikes` counts the bare 429s in a row, this one included; other
/// rests do not look at it.
pub fn until(rest: Rest, strikes: u32, now: Ms) -> Ms {
    match rest {
        Rest::PerMinute { retry_after } => now.saturating_add(per_minute(retry_after)),
        Rest::PerDay => next_pacific_midnight(now),
        Rest::NotEntitled => now.saturating_add(DAY),
        Rest::Retired => now.saturating_add(LONGEST),
        Rest::Bare => now.saturating_add(doubled(10 * SECOND, 300 * SECOND, strikes)),
    }
}

/// One second more than Google says, which cuts to whole seconds; a minute if it says nothing; 1–120 s (K4).
fn per_minute(retry_after: Option<Ms>) -> Ms {
    retry_after.map_or(MINUTE, |delay| delay.saturating_add(SECOND)).clamp(SECOND, 2 * MINUTE)
}

/// Why a bucket that rests like this does so, as the status names it.
pub fn reason(rest: Rest) -> Reason {
    match rest {
        Rest::PerMinute { .. } => Reason::PerMinute,
        Rest::PerDay => Reason::PerDay,
        Rest::NotEntitled | Rest::Retired => Reason::NotEntitled,
        Rest::Bare => Reason::Bare429,
    }
}

/// When a key that is put out now may be tried by a real request; `None`: not before it is edited or re-tested. `strikes` counts
/// the quarantines for this reason in a row, this one included.
pub fn out_until(out: Out, strikes: u32, now: Ms) -> Option<Ms> {
    match out {
        Out::ForGood => None,
        Out::For(length) => Some(now.saturating_add(length)),
        Out::Doubling(first, most) => Some(now.saturating_add(doubled(first, most, strikes))),
    }
}

/// Whether only a request, an edit or a diagnosis brings a way out back, and a good `/health` does not.
pub fn is_refusing(reason: DownReason) -> bool {
    match reason {
        DownReason::Unreachable | DownReason::Hung | DownReason::ServerError => false,
        DownReason::Location | DownReason::NotGemini | DownReason::Unauthorized | DownReason::RateLimited => {
            true
        }
    }
}

/// When a way out that went down is asked again: after 1, 2, 4 … 30 s if it is unreachable (R8), after 30 min if it refuses to work
/// (5 min after its own 429). `failures` counts those in a row, this one included.
pub fn egress_until(reason: DownReason, failures: u32, now: Ms) -> Ms {
    let length = match reason {
        DownReason::RateLimited => 5 * MINUTE,
        refusing if is_refusing(refusing) => 30 * MINUTE,
        _ => doubled(SECOND, 30 * SECOND, failures),
    };
    now.saturating_add(length)
}

/// Whether a rest that ends at `until` is over. One that ends further away than any rest can is: the clock jumped back.
pub fn over(until: Ms, now: Ms) -> bool {
    until <= now || until - now > LONGEST
}

/// `first`, doubled with each strike after the first, up to `most`.
fn doubled(first: Ms, most: Ms, strikes: u32) -> Ms {
    let factor = 1u64.checked_shl(strikes.saturating_sub(1)).unwrap_or(Ms::MAX);
    first.saturating_mul(factor).min(most)
}

// --- quota days ---

/// Google's quota days begin at midnight here. Only this zone is in the program.
static PACIFIC: TimeZone = tz::get!("America/Los_Angeles");

/// The first midnight in America/Los_Angeles after `now`: 23 to 25 hours apart.
pub fn next_pacific_midnight(now: Ms) -> Ms {
    pacific(now)
        .tomorrow()
        .and_then(|tomorrow| tomorrow.start_of_day())
        .ok()
        .and_then(|midnight| Ms::try_from(midnight.timestamp().as_millisecond()).ok())
        .unwrap_or(now.saturating_add(DAY))
}

/// The quota day `now` lies in, as year, month and day in one number: 20260308.
pub fn pacific_day(now: Ms) -> i32 {
    let date = pacific(now).date();
    (i32::from(date.year()) * 100 + i32::from(date.month())) * 100 + i32::from(date.day())
}

fn pacific(now: Ms) -> ZonedDateTime {
    i64::try_from(now)
        .ok()
        .and_then(|now| Timestamp::from_millisecond(now).ok())
        .unwrap_or(Timestamp::MAX)
        .to_zoned_datetime(PACIFIC.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Ms = 1_780_000_000_000;

    /// The moment an ISO string names, as `Ms`.
    fn at(iso: &str) -> Ms {
        iso.parse::<Timestamp>().unwrap().as_millisecond().try_into().unwrap()
    }

    fn bare(strikes: u32) -> Ms {
        until(Rest::Bare, strikes, NOW) - NOW
    }

    #[test]
    fn a_minute_limit_rests_one_second_longer_than_google_says() {
        let rest = |retry_after| until(Rest::PerMinute { retry_after }, 1, NOW) - NOW;
        assert_eq!(rest(Some(3_500)), 4_500);
        assert_eq!(rest(Some(34_074)), 35_074);
        assert_eq!(rest(Some(0)), SECOND);
        assert_eq!(rest(None), MINUTE);
        assert_eq!(rest(Some(600_000)), 120_000);
        assert_eq!(rest(Some(Ms::MAX)), 120_000);
    }

    #[test]
    fn a_day_limit_rests_until_midnight_on_both_sides_of_both_clock_changes() {
        for (now, midnight) in [
            ("2026-03-07T12:00:00Z", "2026-03-08T08:00:00Z"),
            ("2026-03-08T07:59:59.999Z", "2026-03-08T08:00:00Z"),
            // The short day: 23 hours.
            ("2026-03-08T08:00:00Z", "2026-03-09T07:00:00Z"),
            ("2026-03-08T09:59:00Z", "2026-03-09T07:00:00Z"),
            ("2026-03-08T10:01:00Z", "2026-03-09T07:00:00Z"),
            ("2026-03-09T06:59:59Z", "2026-03-09T07:00:00Z"),
            ("2026-03-09T07:00:00Z", "2026-03-10T07:00:00Z"),
            ("2026-10-31T12:00:00Z", "2026-11-01T07:00:00Z"),
            // The long day: 25 hours, 01:30 comes twice.
            ("2026-11-01T07:00:00Z", "2026-11-02T08:00:00Z"),
            ("2026-11-01T08:30:00Z", "2026-11-02T08:00:00Z"),
            ("2026-11-01T09:30:00Z", "2026-11-02T08:00:00Z"),
            ("2026-11-02T07:59:59Z", "2026-11-02T08:00:00Z"),
            ("2026-11-02T08:00:00Z", "2026-11-03T08:00:00Z"),
        ] {
            assert_eq!(until(Rest::PerDay, 1, at(now)), at(midnight), "{now}");
        }
    }

    #[test]
    fn the_quota_day_changes_at_midnight_in_california() {
        for (now, day) in [
            ("2026-03-08T07:59:59Z", 20_260_307),
            ("2026-03-08T08:00:00Z", 20_260_308),
            ("2026-03-09T06:59:59Z", 20_260_308),
            ("2026-03-09T07:00:00Z", 20_260_309),
            ("2026-11-02T07:59:59Z", 20_261_101),
            ("2026-11-02T08:00:00Z", 20_261_102),
        ] {
            assert_eq!(pacific_day(at(now)), day, "{now}");
        }
    }

    #[test]
    fn no_moment_is_too_late_for_a_calendar() {
        assert_eq!(next_pacific_midnight(Ms::MAX), Ms::MAX);
        assert!(pacific_day(Ms::MAX) > 0 && pacific_day(0) == 19_691_231);
        assert_eq!(until(Rest::Retired, u32::MAX, Ms::MAX), Ms::MAX);
    }

    #[test]
    fn bare_refusals_double_up_to_five_minutes() {
        assert_eq!(
            [0, 1, 2, 3, 5, 6, 7, 64, 65, u32::MAX].map(bare).map(|ms| ms / SECOND),
            [10, 10, 20, 40, 160, 300, 300, 300, 300, 300]
        );
    }

    #[test]
    fn a_model_out_of_the_tier_rests_a_day_and_a_retired_one_a_week() {
        assert_eq!(until(Rest::NotEntitled, 1, NOW) - NOW, 24 * HOUR);
        assert_eq!(until(Rest::Retired, 1, NOW) - NOW, 7 * 24 * HOUR);
        assert_eq!(reason(Rest::Retired), Reason::NotEntitled);
    }

    #[test]
    fn a_quarantine_ends_when_it_says() {
        assert_eq!(out_until(Out::ForGood, 1, NOW), None);
        assert_eq!(out_until(Out::For(HOUR), 9, NOW), Some(NOW + HOUR));
        let service_disabled = Out::Doubling(10 * MINUTE, 6 * HOUR);
        assert_eq!(out_until(service_disabled, 1, NOW), Some(NOW + 10 * MINUTE));
        assert_eq!(out_until(service_disabled, 3, NOW), Some(NOW + 40 * MINUTE));
        assert_eq!(out_until(service_disabled, 99, NOW), Some(NOW + 6 * HOUR));
    }

    #[test]
    fn an_unreachable_relay_is_asked_again_sooner_than_a_refusing_one() {
        let unreachable = |failures| (egress_until(DownReason::Hung, failures, NOW) - NOW) / SECOND;
        assert_eq!([1, 2, 3, 5, 6, 90].map(unreachable), [1, 2, 4, 16, 30, 30]);
        assert_eq!(egress_until(DownReason::Location, 1, NOW) - NOW, 30 * MINUTE);
        assert_eq!(egress_until(DownReason::RateLimited, 7, NOW) - NOW, 5 * MINUTE);
    }

    #[test]
    fn a_rest_is_over_at_its_end_and_when_the_clock_jumped() {
        assert!(over(NOW, NOW) && over(NOW - 1, NOW) && !over(NOW + 1, NOW));
        assert!(!over(NOW + LONGEST, NOW) && over(NOW + LONGEST + 1, NOW));
    }

    #[test]
    fn no_rest_is_longer_than_the_longest() {
        for rest in [
            Rest::PerMinute { retry_after: Some(Ms::MAX) },
            Rest::PerDay,
            Rest::NotEntitled,
            Rest::Retired,
            Rest::Bare,
        ] {
            assert!(!over(until(rest, u32::MAX, NOW), NOW), "{rest:?}");
        }
    }
}
