//! What an answer of Gemini's means for the way and for the key. Pure.

use aggregator_protocol::{DownReason, Fault};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::aside::{self, Answer};
use crate::policy::verdict::{Action, Blame};

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Whether it is Gemini that answers.
    pub reach: Result<(), Fault>,
    /// Whether the key is accepted; says nothing if none was sent.
    pub key: Result<(), Fault>,
    /// By which rule.
    pub rule: &'static str,
    /// Google's sentence, not yet redacted.
    pub message: Option<String>,
}

/// Reads an answer to the question for models. `relayed`: by a relay, and whether it was sent a token.
pub fn read(answer: &Answer, relayed: Option<bool>) -> Reading {
    let error = aside::error(answer);
    let verdict = aside::verdict(answer, error.as_ref(), relayed.is_some());
    let google = error.is_some() || is_list(answer);
    let reach = match verdict.blame {
        Blame::Egress(DownReason::Location) => Err(Fault::Location),
        _ if google => Ok(()),
        Blame::Egress(DownReason::RateLimited) => Err(Fault::RateLimited),
        Blame::Egress(DownReason::Unauthorized) if relayed == Some(true) => Err(Fault::TokenRejected),
        Blame::Egress(DownReason::Unauthorized) => Err(Fault::TokenMissing),
        _ if answer.status >= 500 => Err(Fault::ServerError),
        _ => Err(Fault::NotExpected),
    };
    let key = match verdict.blame {
        _ if verdict.action == Action::Deliver => Ok(()),
        // It only rests.
        Blame::Bucket(_) => Ok(()),
        Blame::Quarantine { .. } | Blame::Pair(_) | Blame::Unclear => Err(Fault::KeyRefused),
        _ if answer.status >= 500 => Err(Fault::ServerError),
        _ => Err(Fault::NotExpected),
    };
    Reading { reach, key, rule: verdict.rule, message: error.map(|error| error.message) }
}

/// Google's answer, and not some other JSON.
fn is_list(answer: &Answer) -> bool {
    #[derive(Deserialize)]
    struct List {
        #[serde(rename = "models")]
        _models: Vec<IgnoredAny>,
    }
    answer.status < 300 && serde_json::from_slice::<List>(&answer.body).is_ok()
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
