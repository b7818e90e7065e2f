//! What goes downstream at the end: an answer to deliver, a refusal passed on, or our own words. Adds the headers that say
//! which key and which way out were used (W9).

use std::time::Duration;

use aggregator_protocol::{End, Secret};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Response, StatusCode};

use crate::attempt::{Closed, Reply};
use crate::deliver::{self, Manner};
use crate::dial::NoConnection;
use crate::failure::{self, Failure};
use crate::front::gemini::Call;
use crate::headers;
use crate::lease::Lease;
use crate::live::Live;
use crate::policy::Ms;
use crate::policy::route::Egress;
use crate::proxy::Body;
use crate::record::Story;
use crate::redact::{Redactor, Scope};
use crate::shared::wall_clock;
use crate::sse::Kind;

/// Names the request, as its record does.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-attempts");
const KEY_USED: HeaderName = HeaderName::from_static("x-api-key-used");
const FORWARDED_TO: HeaderName = HeaderName::from_static("x-forwarded-to");
const RELAY_TIME: HeaderName = HeaderName::from_static("x-serverless-response-time");

/// What an attempt brought, and by which route.
pub struct Last {
    /// What it brought.
    pub reply: Reply,
    /// The key, still in use if the reply is open.
    pub lease: Lease,
    /// How long it took.
    pub took: Duration,
    /// How long the call might have taken.
    pub patience: Ms,
}

impl Last {
    /// Something that is not the Gemini API answered behind a relay.
    pub fn relay_spoke(&self) -> bool {
        matches!(self.lease.route.egress, Egress::Relay(_))
            && match &self.reply {
                Reply::Closed(closed) => closed.error.is_none() || closed.relay_error.is_some(),
                _ => false,
            }
    }
}

/// Our own words.
pub fn failed(failure: &Failure, sse: bool, mut story: Story) -> Response<Body> {
    let mut response = failure.response(sse);
    name_request(response.headers_mut(), &story);
    story.answers(response.status());
    story.ends(End::Complete);
    response
}

/// What the last attempt brought. `recovers` is when the pool can serve the model again, where the answer is a refusal.
pub fn last(last: Last, live: &Live, call: &Call, recovers: Option<Ms>, mut story: Story) -> Response<Body> {
    let egress = last.lease.route.egress.name().to_owned();
    let (used, relayed) =
        (used_key(&last.lease.route.secret), matches!(last.lease.route.egress, Egress::Relay(_)));
    let took = last.took;
    let relay_spoke = last.relay_spoke();
    let mut response = match last.reply {
        Reply::Open(open) => {
            story.answers(open.status);
            let mut head = downstream_headers(&open.headers, &live.redactor, Scope::Configured);
            if open.look.is_some_and(Kind::may_grow) {
                // What may be added behind it would not fit, nor would an error that is scrubbed.
                head.remove(CONTENT_LENGTH);
            }
            decorate(&mut head, &story, used, &egress, relayed.then_some(took));
            let status = open.status;
            let manner = Manner { idle: deliver::IDLE, heartbeat: live.config.heartbeat };
            let mut response =
                Response::new(deliver::body(open, last.lease, story, live.redactor.clone(), manner));
            *response.status_mut() = status;
            *response.headers_mut() = head;
            return response;
        }
        Reply::Closed(closed) if relay_spoke => {
            Failure::Relay(egress.clone(), closed.status.as_u16()).response(call.sse())
        }
        Reply::Closed(closed) if !closed.readable => {
            Failure::Unreadable(closed.status.as_u16()).response(call.sse())
        }
        Reply::Closed(closed) => refused(closed, call, &live.redactor, recovers),
        Reply::Unreachable(NoConnection::TimedOut) => {
            Failure::SlowConnection(egress.clone()).response(call.sse())
        }
        Reply::Unreachable(NoConnection::ProxyCredentials) => {
            Failure::ProxyCredentials(egress.clone()).response(call.sse())
        }
        Reply::Unreachable(NoConnection::Refused) | Reply::NotTaken => {
            Failure::Unreachable(egress.clone()).response(call.sse())
        }
        Reply::Hung => Failure::Hung(egress.clone()).response(call.sse()),
        Reply::HungUp | Reply::Broken => Failure::Broken(egress.clone()).response(call.sse()),
        Reply::TimedOut => {
            let own = call.server_timeout.is_some_and(|own| own <= last.patience);
            Failure::TimedOut { egress: egress.clone(), after: last.patience, own }.response(call.sse())
        }
        Reply::Caller(failure) => failure.response(call.sse()),
        Reply::Settings(which) => Failure::Settings(which).response(call.sse()),
    };
    decorate(response.headers_mut(), &story, used, &egress, relayed.then_some(took));
    story.answers(response.status());
    story.ends(End::Complete);
    response
}

/// Google's refusal: its status, its body but for scrubbing, and `Retry-After` where a time is known (W8).
fn refused(closed: Closed, call: &Call, redactor: &Redactor, recovers: Option<Ms>) -> Response<Body> {
    let body = Bytes::from(redactor.bytes(&closed.body).into_owned());
    let mut head = downstream_headers(&closed.headers, redactor, Scope::Any);
    head.remove(CONTENT_LENGTH);
    if closed.within_200 {
        head.insert(CONTENT_TYPE, failure::content_type(call.sse()));
    }
    let now = wall_clock();
    let told = closed
        .error
        .as_ref()
        .and_then(|error| error.retry_delay)
        .filter(|delay| *delay > 0)
        .map(|delay| now + delay);
    let waits = matches!(closed.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    if waits && let Some(until) = recovers.filter(|until| *until > now).or(told) {
        head.insert(RETRY_AFTER, failure::retry_after(until, now));
    }
    let mut response = Response::new(failure::whole(body));
    *response.status_mut() = closed.status;
    *response.headers_mut() = head;
    response
}

/// The upstream's headers that pass, scrubbed.
fn downstream_headers(upstream: &HeaderMap, redactor: &Redactor, scope: Scope) -> HeaderMap {
    let mut head = headers::to_downstream(upstream);
    for value in head.values_mut() {
        *value = redactor.header(value, scope);
    }
    head
}

fn decorate(head: &mut HeaderMap, story: &Story, used: HeaderValue, egress: &str, relay: Option<Duration>) {
    name_request(head, story);
    head.insert(KEY_USED, used);
    head.insert(
        FORWARDED_TO,
        HeaderValue::from_str(egress).unwrap_or_else(|_| HeaderValue::from_static("relay")),
    );
    if let Some(took) = relay {
        head.insert(RELAY_TIME, HeaderValue::from(took.as_millis() as u64));
    }
}

fn name_request(head: &mut HeaderMap, story: &Story) {
    head.insert(REQUEST_ID, HeaderValue::from_str(story.id()).expect("an id is letters and digits"));
    head.insert(ATTEMPTS, HeaderValue::from(story.attempts()));
}

/// As the original extension shows it: the first and last three characters; of short keys only the last two.
fn used_key(secret: &Secret) -> HeaderValue {
    let key = secret.expose();
    let masked = match key.len() {
        0..=4 => "***".to_owned(),
        5..=23 => format!("***{}", &key[key.len() - 2..]),
        _ => format!("{}***{}", &key[..3], &key[key.len() - 3..]),
    };
    HeaderValue::from_str(&masked).unwrap_or_else(|_| HeaderValue::from_static("***"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_used_is_named_as_the_original_extension_did() {
        assert_eq!(used_key(&Secret::new("AIzaSyA234567890123456789012345678901xyz")), "AIz***xyz");
        assert_eq!(used_key(&Secret::new("short-key")), "***ey");
        assert_eq!(used_key(&Secret::new("abc")), "***");
    }
}
