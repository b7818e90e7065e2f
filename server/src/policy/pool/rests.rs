//! Stand-in until `cooldown` lands.
use super::super::{
    HOUR, MINUTE, Ms, SECOND,
    verdict::{Out, Rest},
};
use aggregator_protocol::{DownReason, Reason};
pub const BURST_REST: Ms = 30_000;
pub const OVERLOAD_REST: Ms = 3_000;
pub fn until(rest: Rest, strikes: u32, now: Ms) -> Ms {
    match rest {
        Rest::PerMinute { retry_after } => {
            now + retry_after.map_or(MINUTE, |r| (r + SECOND).clamp(SECOND, 2 * MINUTE))
        }
        Rest::PerDay => next_pacific_midnight(now),
        Rest::NotEntitled => now + 24 * HOUR,
        Rest::Retired => now + 7 * 24 * HOUR,
        Rest::Bare => now + (10_000u64 << strikes.min(8)).min(5 * MINUTE),
    }
}
pub fn out_until(out: Out, strikes: u32, now: Ms) -> Option<Ms> {
    match out {
        Out::ForGood => None,
        Out::For(ms) => Some(now + ms),
        Out::Doubling(first, most) => Some(now + (first << strikes.min(16)).min(most)),
    }
}
pub fn next_pacific_midnight(now: Ms) -> Ms {
    (now / (24 * HOUR) + 1) * 24 * HOUR
}
pub fn pacific_day(now: Ms) -> i32 {
    (now / (24 * HOUR)) as i32
}
pub fn over(until: Ms, now: Ms) -> bool {
    now >= until || until - now > 32 * 24 * HOUR
}
pub fn reason(rest: Rest) -> Reason {
    match rest {
        Rest::PerMinute { .. } => Reason::PerMinute,
        Rest::PerDay => Reason::PerDay,
        Rest::NotEntitled | Rest::Retired => Reason::NotEntitled,
        Rest::Bare => Reason::Bare429,
    }
}
pub fn egress_until(reason: DownReason, failures: u32, now: Ms) -> Ms {
    match reason {
        DownReason::Unreachable | DownReason::Hung | DownReason::ServerError => {
            now + (SECOND << failures.min(5)).min(30 * SECOND)
        }
        DownReason::RateLimited => now + 5 * MINUTE,
        _ => now + 30 * MINUTE,
    }
}
