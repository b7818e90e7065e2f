//! What to do after an attempt: facts in, [`Verdict`] out. The table is `judge`; one rule a row, each with its name, which
//! also stands in the decision record. Never looks at the pool and never reads a clock.

use aggregator_protocol::{DownReason, Reason};

use super::outcome::{Circumstances, Outcome};
use super::route::RulesOut;
use super::{HOUR, MINUTE, Ms};
use crate::gemini::error::ApiError;

const DAY: Ms = 24 * HOUR;

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// With the answer.
    pub action: Action,
    /// Who is to blame, and how.
    pub blame: Blame,
    /// Which row of the table, as the record names it: `perMinute`, `invalidKey`, `overloaded`, …
    pub rule: &'static str,
}

/// What to do with the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Stream it.
    Deliver,
    /// Pass it on as the answer to this call; trying again would not help or not be right.
    Return,
    /// Try again, if attempts, time and routes are left; else it is the answer.
    Retry(Next),
}

/// Where the next attempt goes, and so how long to wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The same key and egress, after 200–500 ms.
    SameRoute,
    /// The same key and egress, at once, and if that has happened before in a row after 200–500 ms: the connection was to blame,
    /// so the attempt is no error of the key's.
    Resend,
    /// Another key on whatever egress, after 500–1,000 ms if the egress is the same; rules out the key.
    OtherKey,
    /// Another key of another project, at once; rules out the project (or the key, where only the key is to blame).
    Rotate(RulesOut),
    /// Another egress, preferably with the same key, at once; rules out the egress (or only the pair).
    OtherEgress(RulesOut),
    /// Anything but this pair, at once (an empty answer).
    Elsewhere,
}

/// Who is to blame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blame {
    /// Nobody: success, a request error, an unclear one.
    Nobody,
    /// The bucket (project × model) rests.
    Bucket(Rest),
    /// The key, or its whole project, is out.
    Quarantine {
        /// Why.
        reason: Reason,
        /// Whether every key of the project is out with it.
        scope: Scope,
        /// For how long; `None`: until it is edited or re-tested.
        rest: Out,
    },
    /// This key by this way, until one of them is edited.
    Pair(Reason),
    /// The way out.
    Egress(DownReason),
    /// The model, everywhere, for a moment, once it failed on three projects.
    Model,
    /// "The caller does not have permission" without a reason: the third within 10 min rests the key for this model for 1 h.
    Unclear,
}

/// How a bucket rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// A per-minute limit; what RetryInfo says, if it says anything.
    PerMinute {
        /// RetryInfo, or the sentence in the message.
        retry_after: Option<Ms>,
    },
    /// Until midnight Pacific.
    PerDay,
    /// The tier does not include the model: 24 h.
    NotEntitled,
    /// The model is closed to this project's users: 7 days.
    Retired,
    /// A 429 that says nothing more: 10 s, doubled up to 5 min, reset by a success.
    Bare,
}

/// How far a quarantine reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// This key.
    Key,
    /// Every key of its project.
    Project,
}

/// How long a quarantine lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Out {
    /// Until it is edited or re-tested.
    ForGood,
    /// Then the next real request may try it.
    For(Ms),
    /// First this long, doubled each time up to the second figure.
    Doubling(Ms, Ms),
}

// --- the table ---

/// A verdict, and whether the failure proves that nothing was done, so that even a create may be sent again
/// (`gemini-wire.md` 8.8).
struct Row {
    verdict: Verdict,
    nothing_done: bool,
}

fn row(rule: &'static str, action: Action, blame: Blame) -> Row {
    Row { verdict: Verdict { action, blame, rule }, nothing_done: true }
}

/// What to do after an attempt. The rules and their durations are those of `gemini-wire.md` section 8, in its order of
/// decision (8.2), where `acceptance.md` and `design.md` do not say otherwise.
pub fn judge(outcome: &Outcome<'_>, at: &Circumstances) -> Verdict {
    let row = match *outcome {
        Outcome::Content => row("ok", Action::Deliver, Blame::Nobody),
        Outcome::Empty if at.retry_empty && !at.empty_retried => {
            Row { nothing_done: false, ..row("empty", Action::Retry(Next::Elsewhere), Blame::Nobody) }
        }
        Outcome::Empty => row("emptyAgain", Action::Deliver, Blame::Nobody),
        Outcome::Refused { status, error } => refused(status, error, at),
        Outcome::Foreign { status } => foreign(status, at),
        Outcome::RelayError { status, .. } => relay_failed("relayError", status),
        Outcome::Unreachable if at.relayed => other_egress("unreachable", DownReason::Unreachable),
        // Direct is the last way out: it is tried once more before it is given up.
        Outcome::Unreachable if at.tries_on_route == 1 => {
            row("unreachable", Action::Retry(Next::SameRoute), Blame::Nobody)
        }
        Outcome::Unreachable => {
            row("unreachable", Action::Retry(Next::OtherEgress(RulesOut::Egress)), Blame::Nobody)
        }
        // A relay that goes away again and again is no better than one that is not there.
        Outcome::NotTaken if at.relayed && at.tries_on_route > 1 => {
            other_egress("notTaken", DownReason::Unreachable)
        }
        Outcome::NotTaken => row("notTaken", Action::Retry(Next::Resend), Blame::Nobody),
        Outcome::Settings => row("settings", Action::Return, Blame::Nobody),
        Outcome::Caller => row("caller", Action::Return, Blame::Nobody),
        Outcome::HungUp if !at.relayed && at.tries_on_route == 1 && at.reached < MOST_REACHED => {
            Row { nothing_done: false, ..row("hungUp", Action::Retry(Next::Resend), Blame::Nobody) }
        }
        Outcome::HungUp | Outcome::Broken if at.relayed && at.reached < MOST_REACHED => {
            Row { nothing_done: false, ..other_egress("broken", DownReason::Unreachable) }
        }
        Outcome::HungUp | Outcome::Broken => service("broken", Blame::Nobody, MOST_REACHED, at),
        Outcome::Hung => Row { nothing_done: false, ..other_egress("hung", DownReason::Hung) },
        // A slow model is no dead relay: nobody is to blame. Another way is tried if there is time left.
        Outcome::TimedOut if at.relayed => Row {
            nothing_done: false,
            ..row("timeout", Action::Retry(Next::OtherEgress(RulesOut::Pair)), Blame::Nobody)
        },
        Outcome::TimedOut => row("timeout", Action::Return, Blame::Nobody),
    };
    match row.verdict.action {
        Action::Retry(_) if !at.repeatable && !row.nothing_done => {
            Verdict { action: Action::Return, ..row.verdict }
        }
        _ => row.verdict,
    }
}

/// Calls of one request that may reach the model: the first, one on the same key, one on another (R5).
const MOST_REACHED: u32 = 3;

/// Google refused.
fn refused(status: u16, error: &ApiError, at: &Circumstances) -> Row {
    let told = reason(status, error).or_else(|| phrase(status, error, at));
    if let Some(row) = told {
        return row;
    }
    match status {
        // 8.5: a stored resource that is another project's, expired, or not there.
        403 | 404 if at.names_resource => row("ownedResource", Action::Return, Blame::Nobody),
        429 => quota(error),
        401 => out("unauthenticated", Reason::Rejected, Scope::Key, Out::For(HOUR)),
        402 => out("credits", Reason::Billing, Scope::Project, Out::For(HOUR)),
        503 => Row { nothing_done: true, ..service("overloaded", Blame::Model, MOST_REACHED, at) },
        504 => service("deadline", Blame::Nobody, 2, at),
        499 => service("cancelled", Blame::Nobody, 2, at),
        500.. => service("internal", Blame::Nobody, MOST_REACHED, at),
        _ => row("request", Action::Return, Blame::Nobody),
    }
}

/// 8.3, by ErrorInfo.
fn reason(status: u16, error: &ApiError) -> Option<Row> {
    if !matches!(status, 400 | 401 | 403) {
        return None;
    }
    Some(match error.reason.as_deref()? {
        "API_KEY_INVALID" => out("invalidKey", Reason::Rejected, Scope::Key, Out::ForGood),
        "CONSUMER_SUSPENDED" => out("suspended", Reason::Suspended, Scope::Project, Out::For(DAY)),
        "ACCESS_TOKEN_TYPE_UNSUPPORTED" => out("tokenType", Reason::Rejected, Scope::Key, Out::For(HOUR)),
        "SERVICE_DISABLED" => out(
            "serviceDisabled",
            Reason::ServiceDisabled,
            Scope::Project,
            Out::Doubling(10 * MINUTE, 6 * HOUR),
        ),
        "BILLING_DISABLED" => out("billingDisabled", Reason::Billing, Scope::Project, Out::For(HOUR)),
        "USER_PROJECT_DENIED" => out("denied", Reason::Denied, Scope::Project, Out::For(DAY)),
        "API_KEY_SERVICE_BLOCKED"
        | "API_KEY_HTTP_REFERRER_BLOCKED"
        | "API_KEY_ANDROID_APP_BLOCKED"
        | "API_KEY_IOS_APP_BLOCKED" => out("restricted", Reason::Restricted, Scope::Key, Out::For(6 * HOUR)),
        "API_KEY_IP_ADDRESS_BLOCKED" => row(
            "addressBlocked",
            Action::Retry(Next::OtherEgress(RulesOut::Pair)),
            Blame::Pair(Reason::Restricted),
        ),
        _ => return None,
    })
}

/// 8.3 to 8.6, by whole known sentences of `error.message`; a message may quote the user, so nothing less counts.
fn phrase(status: u16, error: &ApiError, at: &Circumstances) -> Option<Row> {
    let message = error.message.trim();
    let begins = |sentence: &str| message.starts_with(sentence);
    Some(match status {
        400 if matches!(
            message,
            "API key not valid. Please pass a valid API key."
                | "API key expired. Please renew the API key."
                | "API Key not found. Please pass a valid API key."
                | "Please pass a valid API key"
                | "Please pass a valid API key."
        ) =>
        {
            out("invalidKey", Reason::Rejected, Scope::Key, Out::ForGood)
        }
        400 if message.trim_end_matches('.') == "User location is not supported for the API use" => {
            other_egress("location", DownReason::Location)
        }
        400 | 401 if begins("Multiple authentication credentials received.") => {
            let once = if at.tries_on_route == 1 { Action::Retry(Next::SameRoute) } else { Action::Return };
            row("twoCredentials", once, Blame::Nobody)
        }
        402 | 429 if begins("Your prepayment credits are depleted.") => {
            out("credits", Reason::Billing, Scope::Project, Out::For(HOUR))
        }
        429 if begins("Your project has exceeded its monthly spending cap.") => {
            out("spendCap", Reason::SpendCap, Scope::Project, Out::For(6 * HOUR))
        }
        403 if begins("Your API key was reported as leaked.") => {
            out("leaked", Reason::Leaked, Scope::Key, Out::ForGood)
        }
        403 if begins("Permission denied: Consumer '") && message.ends_with("' has been suspended.") => {
            out("suspended", Reason::Suspended, Scope::Project, Out::For(DAY))
        }
        403 if begins("Your project has been denied access.") => {
            out("denied", Reason::Denied, Scope::Project, Out::For(DAY))
        }
        403 if begins("Method doesn't allow unregistered callers") => {
            if at.relayed {
                other_egress("credentialLost", DownReason::NotGemini)
            } else {
                row("credentialLost", Action::Return, Blame::Nobody)
            }
        }
        403 if begins("You do not have permission to access the File ")
            || begins("CachedContent not found") =>
        {
            row("ownedResource", Action::Return, Blame::Nobody)
        }
        403 if message.trim_end_matches('.') == "The caller does not have permission"
            && !at.names_resource =>
        {
            let once =
                if at.unclear_rotated { Action::Return } else { Action::Retry(Next::Rotate(RulesOut::Key)) };
            row("unclear", once, Blame::Unclear)
        }
        404 if begins("This model ") && message.contains(" is no longer available to new users.") => {
            rests("retired", Rest::Retired)
        }
        _ => return None,
    })
}

/// 8.4.
fn quota(error: &ApiError) -> Row {
    let daily = error.violations.iter().any(|violation| violation.quota_id.contains("PerDay"))
        || error.status == "quota_exceeded";
    if error.limit_zero {
        rests("notEntitled", Rest::NotEntitled)
    } else if daily {
        rests("perDay", Rest::PerDay)
    } else if !error.violations.is_empty() || error.retry_delay.is_some() {
        rests("perMinute", Rest::PerMinute { retry_after: error.retry_delay })
    } else {
        rests("bare429", Rest::Bare)
    }
}

/// What is not Google's (8.6); direct: Google's own front end, or a network in between.
fn foreign(status: u16, at: &Circumstances) -> Row {
    match status {
        _ if at.relayed => relay_failed("notGemini", status),
        500.. => service("frontEnd", Blame::Nobody, MOST_REACHED, at),
        403 | 429 => other_egress("sorryPage", DownReason::NotGemini),
        _ => row("notGemini", Action::Return, Blame::Nobody),
    }
}

/// The relay, or its platform, answered by itself.
fn relay_failed(rule: &'static str, status: u16) -> Row {
    let down = match status {
        // Too large for this relay, or a path it does not serve (or Google's own page for a path that does not exist): another
        // way may do it, and the relay is well otherwise.
        404 | 405 | 413 => {
            return row("relayCannot", Action::Retry(Next::OtherEgress(RulesOut::Egress)), Blame::Nobody);
        }
        401 | 403 => DownReason::Unauthorized,
        429 => DownReason::RateLimited,
        500.. => DownReason::ServerError,
        _ => DownReason::NotGemini,
    };
    Row { nothing_done: status < 500, ..other_egress(rule, down) }
}

fn other_egress(rule: &'static str, down: DownReason) -> Row {
    row(rule, Action::Retry(Next::OtherEgress(RulesOut::Egress)), Blame::Egress(down))
}

/// The service failed: once more on the same key, then on another, `most` calls in all (R5).
fn service(rule: &'static str, blame: Blame, most: u32, at: &Circumstances) -> Row {
    let action = if at.reached >= most {
        Action::Return
    } else if at.tries_on_route == 1 {
        Action::Retry(Next::SameRoute)
    } else {
        Action::Retry(Next::OtherKey)
    };
    Row { nothing_done: false, ..row(rule, action, blame) }
}

/// A bucket rests; at most one attempt a project for it (R3).
fn rests(rule: &'static str, rest: Rest) -> Row {
    row(rule, Action::Retry(Next::Rotate(RulesOut::Project)), Blame::Bucket(rest))
}

/// A key, or its project, is out.
fn out(rule: &'static str, reason: Reason, scope: Scope, rest: Out) -> Row {
    let rules_out = match scope {
        Scope::Key => RulesOut::Key,
        Scope::Project => RulesOut::Project,
    };
    row(rule, Action::Retry(Next::Rotate(rules_out)), Blame::Quarantine { reason, scope, rest })
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
