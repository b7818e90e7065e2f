//! **Start here.** One request, first byte to last: guard, read, then route, attempt and verdict until it is answered, then
//! delivery. Every decision is made in [`crate::policy`]; what follows from it is done here.
//!
//! Dropping the future is cancelling: if the caller leaves, the attempt ends upstream and the key comes back, because both
//! live in this future and, later, in the body it returns.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::answer::{self, Last};
use crate::attempt;
use crate::failure::{BoxError, Failure};
use crate::front::gemini::{self, Call};
use crate::gemini::path::{self, Target};
use crate::headers;
use crate::health;
use crate::lease::Lease;
use crate::live::Live;
use crate::policy::Ms;
use crate::policy::route::{NoRoute, Terms};
use crate::policy::verdict::{Action, judge};
use crate::record::{Story, verdict_name};
use crate::shared::{Shared, wall_clock};
use crate::tour::Tour;
use crate::windows;

/// What goes back downstream. Ends in an error when the connection must not end cleanly.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// Answers one request; never fails.
pub async fn serve(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let live = shared.live();
    let (parts, body) = request.into_parts();
    let target = path::read(&parts.method, parts.uri.path_and_query().map_or("/", |target| target.as_str()));
    let (sse, presented) =
        target.as_ref().map_or((false, &[][..]), |target| (target.sse, &target.client_credentials));
    let mut story = Story::new(shared.clone(), parts.method.as_str(), wall_clock());

    let allowed = match headers::guard(&parts, presented, &live.config) {
        Ok(allowed) => allowed,
        Err((refusal, allowed)) => {
            let mut response = answer::failed(&refusal, sse, story);
            windows::name_ourselves(parts.uri.path(), response.headers_mut());
            headers::add_cors(response.headers_mut(), &allowed);
            return Ok(response);
        }
    };
    let mut response = if let Some(preflight) = headers::preflight(&parts, &allowed) {
        story.forget();
        preflight
    } else if parts.uri.path().starts_with(windows::PREFIX) {
        story.forget();
        windows::serve(shared, Request::from_parts(parts, body)).await
    } else {
        match target {
            _ if parts.method == Method::CONNECT || !parts.uri.path().starts_with('/') => {
                answer::failed(&Failure::NoTarget, false, story)
            }
            // It would send the key back to the caller.
            _ if parts.method == Method::TRACE => answer::failed(&Failure::NoTrace, false, story),
            Err(_) => answer::failed(&Failure::BadPath, sse, story),
            Ok(target) if live.keys.finds(parts.uri.path().as_bytes()) || finds_in_query(&live, &target) => {
                answer::failed(&Failure::KeyInTarget, target.sse, story)
            }
            Ok(mut target) => {
                // What looks like a credential is not shown, though it is sent as it came.
                target.model = target.model.map(|model| live.redactor.name(model));
                target.verb = live.redactor.name(target.verb);
                story.asks(target.openai, target.model.as_deref().unwrap_or("-"), &target.verb);
                match gemini::accept(parts, target, body, live.config.max_body, &live.redactor).await {
                    Err(failure) => answer::failed(&failure, sse, story),
                    Ok(call) => forward(&shared, &live, &call, story).await,
                }
            }
        }
    };
    headers::add_cors(response.headers_mut(), &allowed);
    Ok(response)
}

fn finds_in_query(live: &Live, target: &Target) -> bool {
    target.query.as_ref().is_some_and(|query| live.keys.finds(query.as_bytes()))
}

/// Route, attempt, verdict, until there is an answer.
async fn forward(shared: &Arc<Shared>, live: &Live, call: &Call, mut story: Story) -> Response<Body> {
    let config = &live.config;
    if call.target.model.is_none() {
        // Only the body names it.
        story.asks(call.target.openai, &call.model, &call.target.verb);
    }
    let patience = call.server_timeout.map_or(config.request_timeout, |own| own.min(config.request_timeout));
    // From here: a caller may take its time to send the body.
    let started = Instant::now();
    let deadline = started + Duration::from_millis(patience);
    let queue_until = started + Duration::from_millis(config.max_queue_wait.min(patience));
    let terms = Terms { mode: config.mode, fallback_to_local: config.fallback_to_local };
    let mut tour = Tour::new(config.max_attempts);
    loop {
        let lease = match choose(shared, terms, call, &mut tour) {
            Ok(lease) => lease,
            Err(why) => {
                let now = wall_clock();
                if tour.attempts() == 0 {
                    story.skips(shared.skipped(terms, &call.model, now));
                }
                if tour.may_retry(call)
                    && let Some(waited) = wait_for_recovery(shared, terms, call, now, queue_until).await
                {
                    story.waited(waited);
                    tour.starts_over();
                    continue;
                }
                return match tour.last_word() {
                    Some(last) => {
                        answer::last(last, live, call, shared.earliest(terms, &call.model, now), story)
                    }
                    None => answer::failed(
                        &Failure::NoRoute { why, model: call.model.clone(), now },
                        call.sse(),
                        story,
                    ),
                };
            }
        };
        if tour.attempts() == 0 {
            story.skips(shared.skipped(terms, &call.model, wall_clock()));
        }
        if let Some(pause) = tour.pause_before(&lease.route, |range| shared.chance().jitter(range)) {
            if Instant::now() + pause >= deadline
                && let Some(last) = tour.last_word()
            {
                // There is no time left for another try; what is known is a better answer than «too late».
                let recovers = shared.earliest(terms, &call.model, wall_clock());
                return answer::last(last, live, call, recovers, story);
            }
            tokio::time::sleep(pause).await;
            if !shared.permits(terms, &lease.route, wall_clock()) {
                // Taken out, or at rest by what another request met meanwhile.
                continue;
            }
        }
        shared.sent(&lease.route, wall_clock());

        story.tries(&lease.route);
        let sent = Instant::now();
        let dies = health::dies(shared, &lease.route.egress);
        let reply = attempt::send(live, call, &lease.route, deadline, dies).await;
        let verdict = judge(
            &reply.outcome(),
            &tour.circumstances(call, &lease.route, &reply, config.retry_empty_answers),
        );
        let until = shared.record(&lease.route, &verdict, &reply, wall_clock());
        let retries = tour.may_retry(call) && Instant::now() < deadline;
        story.judged(reply.name(), verdict_name(&verdict, retries), verdict.rule, until);

        let last = Last { reply, lease, took: sent.elapsed(), patience };
        match verdict.action {
            Action::Deliver => return answer::last(last, live, call, None, story),
            Action::Retry(next) if retries => {
                tour.moves_on(last, next, &verdict.blame);
            }
            Action::Return | Action::Retry(_) => {
                tour.ends_with(last);
                let last = tour.last_word().expect("an attempt was just made");
                return answer::last(
                    last,
                    live,
                    call,
                    shared.earliest(terms, &call.model, wall_clock()),
                    story,
                );
            }
        }
    }
}

/// The next route: the one kept for a second try, else the pool's choice. Where Direct is permitted the last attempt is kept
/// for it (R5).
fn choose(shared: &Arc<Shared>, terms: Terms, call: &Call, tour: &mut Tour) -> Result<Lease, NoRoute> {
    let now = wall_clock();
    if let Some(lease) = tour.kept() {
        return Ok(lease);
    }
    if let Some(direct) = tour.last_chance(terms)
        && let Ok(lease) = shared.choose(direct, &call.model, tour.tried(), tour.preferred(), now)
    {
        return Ok(lease);
    }
    shared.choose(terms, &call.model, tour.tried(), tour.preferred(), now)
}

/// Holds the request until a key recovers, if one does while it may wait (R12); how long that was.
async fn wait_for_recovery(
    shared: &Shared,
    terms: Terms,
    call: &Call,
    now: Ms,
    queue_until: Instant,
) -> Option<Ms> {
    let until = shared.earliest(terms, &call.model, now)?;
    let wait = Duration::from_millis(until.saturating_sub(now));
    let wakes = Instant::now() + wait;
    if wait.is_zero() || wakes > queue_until {
        return None;
    }
    tokio::time::sleep_until(wakes).await;
    Some(until.saturating_sub(now))
}
