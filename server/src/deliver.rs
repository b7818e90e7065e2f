//! Past the commit point: the answer as it comes, and what becomes of one that breaks off. Consumes the answer and the lease,
//! so nothing can be tried again; dropping the body ends the request upstream and gives the key back.
//!
//! Bytes are never changed, but for an error within the stream, which is scrubbed. The only bytes added are a heartbeat
//! between two events, where the user asked for it, and the error behind a stream that was not finished.

use std::sync::Arc;
use std::time::Duration;

use aggregator_protocol::End;
use async_stream::try_stream;
use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Body, Frame};
use serde_json::Value;

use crate::attempt::Open;
use crate::dial::Incoming;
use crate::failure::{BoxError, Failure, openai_error, whole};
use crate::lease::Lease;
use crate::policy::Ms;
use crate::proxy;
use crate::record::Story;
use crate::redact::{Redactor, Scrubber};
use crate::sse::{Array, Kind, Tap};

/// Silence between two chunks after which an upstream is taken for gone: thinking models are silent for minutes
/// (`gemini-wire.md` 5.3).
pub const IDLE: Ms = 10 * 60 * 1000;
/// Clients that read both halves of the final error in one go see neither (`gemini-wire.md` 5.5).
const BETWEEN_HALVES: Duration = Duration::from_millis(60);
/// The only heartbeat that every native client takes (`gemini-wire.md` 5.4).
const HEARTBEAT: &[u8] = b"data: {}\r\n\r\n";
/// OpenAI's clients take a comment.
const OPENAI_HEARTBEAT: &[u8] = b": keep-alive\n\n";
/// Of silence on an OpenAI stream (acceptance W6).
const OPENAI_SILENCE: Ms = 15_000;

/// How an answer is delivered.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Silence that ends it.
    pub idle: Ms,
    /// Silence after which a heartbeat goes out, if the answer is a native stream.
    pub heartbeat: Option<Ms>,
}

/// The body downstream for an answer that is committed to.
pub fn body(
    open: Open,
    mut lease: Lease,
    mut story: Story,
    redactor: Arc<Redactor>,
    manner: Manner,
) -> proxy::Body {
    let Open { held, rest, look, tap, .. } = open;
    let Some(rest) = rest else {
        let tap = tap.or_else(|| look.map(|kind| followed(kind, &held)));
        if complete(look, tap.as_ref()) {
            let tokens = tap.as_ref().and_then(Tap::total_tokens);
            lease.counts(tokens);
            story.counts(tokens);
            story.ends(End::Complete);
            let clean = look == Some(Kind::Unary) && tap.is_some_and(|tap| !tap.has_fault());
            return whole(match look {
                Some(kind) if !clean => Scrubber::new(redactor, kind).whole(held),
                _ => held,
            });
        }
        return StreamBody::new(follow::<Incoming>(held, None, look, lease, story, redactor, manner))
            .boxed_unsync();
    };
    if held.is_empty() && rest.is_end_stream() {
        story.ends(End::Complete);
        return whole(held);
    }
    StreamBody::new(follow(held, Some(rest), look, lease, story, redactor, manner)).boxed_unsync()
}

fn followed(kind: Kind, held: &[u8]) -> Tap {
    let mut tap = Tap::new(kind);
    tap.feed(held);
    tap
}

fn follow<B: Body<Data = Bytes> + Unpin>(
    held: Bytes,
    rest: Option<B>,
    look: Option<Kind>,
    mut lease: Lease,
    mut story: Story,
    redactor: Arc<Redactor>,
    manner: Manner,
) -> impl futures_util::Stream<Item = Result<Frame<Bytes>, BoxError>> {
    try_stream! {
        let beat = match look {
            Some(Kind::Sse) => manner.heartbeat.map(|silence| (silence, HEARTBEAT)),
            Some(Kind::OpenAi) => Some((OPENAI_SILENCE, OPENAI_HEARTBEAT)),
            _ => None,
        };
        let mut upstream = Upstream { rest, idle: manner.idle, heartbeat: beat.map(|(silence, _)| silence), silent: 0 };
        let mut tap = look.map(Tap::new);
        let mut scrubber = look.map(|kind| Scrubber::new(redactor, kind));
        let mut chunk = Some(held).filter(|held| !held.is_empty());
        let failure = loop {
            if let Some(bytes) = chunk.take() {
                if let Some(tap) = &mut tap {
                    tap.feed(&bytes);
                    story.counts(tap.total_tokens());
                    lease.counts(tap.total_tokens());
                }
                // Once the declared length is out, nobody asks for the end.
                if upstream.is_over() && complete(look, tap.as_ref()) {
                    story.ends(End::Complete);
                }
                let out = match &mut scrubber {
                    Some(scrubber) => scrubber.feed(bytes),
                    None => bytes,
                };
                if !out.is_empty() {
                    yield Frame::data(out);
                }
            }
            let between = tap.as_ref().is_some_and(Tap::between_events);
            match upstream.next(between).await {
                Next::Chunk(bytes) => chunk = Some(bytes),
                Next::Heartbeat => {
                    yield Frame::data(Bytes::from_static(beat.map_or(b"", |(_, bytes)| bytes)));
                }
                Next::End => {
                    break if complete(look, tap.as_ref()) { None } else { Some(Failure::Unfinished) };
                }
                Next::Cut => break Some(Failure::Cut),
                Next::Idle => break Some(Failure::Idle(manner.idle)),
            }
        };
        if let Some(scrubber) = &mut scrubber {
            let out = scrubber.finish();
            if !out.is_empty() {
                yield Frame::data(out);
            }
        }
        drop(upstream);
        if failure.is_some() {
            lease.doubts();
        }
        drop(lease);
        story.ends(if failure.is_none() { End::Complete } else { End::Broken });
        let Some(failure) = failure else { return };
        // What the upstream said itself is the better reason.
        let said = scrubber.as_ref().and_then(Scrubber::error);
        match (look, &tap) {
            (Some(Kind::OpenAi), Some(tap)) => {
                let gap = if tap.between_events() { "" } else { "\n\n" };
                let error = said.map_or_else(|| failure.openai_json(), openai_error);
                yield Frame::data(Bytes::from(format!("{gap}data: {error}\n\n")));
            }
            (Some(Kind::Sse), Some(tap)) => {
                let error = said.map_or_else(|| failure.json(), Value::clone);
                let gap = if tap.between_events() { "" } else { "\r\n\r\n" };
                yield Frame::data(Bytes::from(format!("{gap}{error}\r\n\r\n")));
                tokio::time::sleep(BETWEEN_HALVES).await;
                yield Frame::data(Bytes::from(format!("data: {error}\r\n\r\n")));
            }
            (Some(Kind::JsonArray), Some(tap)) => {
                let error = said.map_or_else(|| failure.json(), Value::clone);
                match tap.array() {
                    Array::Between { comma } => {
                        let comma = if comma { "," } else { "" };
                        yield Frame::data(Bytes::from(format!("{comma}{error}]")));
                    }
                    Array::Before => yield Frame::data(Bytes::from(format!("[{error}]"))),
                    Array::Inside | Array::Closed => {}
                }
                // What is written goes out before the connection is given up.
                tokio::time::sleep(BETWEEN_HALVES).await;
                Err(ended_uncleanly(&failure))?;
            }
            _ => Err(ended_uncleanly(&failure))?,
        }
    }
}

/// Whether an answer that ended cleanly is all there. Only streams can tell: by a finish or block reason
/// (`gemini-wire.md` 5.1), an array also by its bracket.
fn complete(look: Option<Kind>, tap: Option<&Tap>) -> bool {
    match (look, tap) {
        (Some(Kind::Sse | Kind::OpenAi), Some(tap)) => tap.finished(),
        (Some(Kind::JsonArray), Some(tap)) => tap.finished() && tap.array() == Array::Closed,
        _ => true,
    }
}

fn ended_uncleanly(failure: &Failure) -> BoxError {
    format!("{failure:?}").into()
}

/// The rest of an answer, with its timers.
struct Upstream<B> {
    rest: Option<B>,
    idle: Ms,
    heartbeat: Option<Ms>,
    silent: Ms,
}

enum Next {
    Chunk(Bytes),
    Heartbeat,
    End,
    Cut,
    Idle,
}

impl<B: Body<Data = Bytes> + Unpin> Upstream<B> {
    /// Nothing more will come, and that is known without asking.
    fn is_over(&self) -> bool {
        self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    async fn next(&mut self, may_beat: bool) -> Next {
        let Some(rest) = &mut self.rest else { return Next::End };
        loop {
            let left = self.idle.saturating_sub(self.silent);
            let beat = self.heartbeat.filter(|beat| may_beat && *beat < left);
            let wait = beat.unwrap_or(left);
            match tokio::time::timeout(Duration::from_millis(wait), rest.frame()).await {
                Ok(Some(Ok(frame))) => {
                    self.silent = 0;
                    match frame.into_data() {
                        Ok(bytes) => return Next::Chunk(bytes),
                        Err(_) => continue,
                    }
                }
                Ok(Some(Err(_))) => return Next::Cut,
                Ok(None) => return Next::End,
                Err(_) if beat.is_some() => {
                    self.silent += wait;
                    return Next::Heartbeat;
                }
                Err(_) => return Next::Idle,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use aggregator_protocol::{DesiredState, RecordsParams};
    use async_stream::stream;
    use futures_util::StreamExt;
    use tokio::time::Instant;

    use super::*;
    use crate::policy::MINUTE;
    use crate::policy::route::Terms;
    use crate::shared::wall_clock;

    const EVENT: &str = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\r\n\r\n";
    const FINISH: &str = "data: {\"candidates\":[{\"finishReason\":\"STOP\"}]}\r\n\r\n";

    /// What goes downstream and when (in seconds), for an upstream that sends these pieces after these pauses, then waits for so
    /// long and ends; and how the record says that it ended.
    async fn delivered(
        kind: Kind,
        pieces: &'static [(u64, &'static str)],
        then: u64,
        heartbeat: Option<Ms>,
    ) -> (Vec<(u64, String)>, Vec<End>) {
        let shared = crate::shared::Shared::new();
        let state = serde_json::json!({ "revision": 1, "keys": [{ "id": "k1", "secret": "secret-key-a" }] });
        shared.apply(serde_json::from_value::<DesiredState>(state).unwrap());
        let config = shared.config();
        let terms = Terms { mode: config.mode, fallback_to_local: config.fallback_to_local };
        let lease = shared.choose(terms, "m", &[], None, wall_clock()).unwrap();
        let mut story = Story::new(shared.clone(), "POST", wall_clock());
        story.tries(&lease.route);
        let upstream = stream! {
            for (pause, piece) in pieces {
                tokio::time::sleep(Duration::from_secs(*pause)).await;
                yield Ok::<_, Infallible>(Frame::data(Bytes::from_static(piece.as_bytes())));
            }
            tokio::time::sleep(Duration::from_secs(then)).await;
        };
        let started = Instant::now();
        let out = follow(
            Bytes::new(),
            Some(StreamBody::new(Box::pin(upstream))),
            Some(kind),
            lease,
            story,
            Arc::new(Redactor::default()),
            Manner { idle: IDLE, heartbeat },
        );
        let said: Vec<_> = out
            .map(|frame| {
                let text = String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap();
                (started.elapsed().as_secs(), text)
            })
            .collect()
            .await;
        let ends = shared.records(&RecordsParams::default()).iter().map(|record| record.end).collect();
        (said, ends)
    }

    fn at(seconds: u64, text: &str) -> (u64, String) {
        (seconds, text.to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_heartbeat_goes_out_in_silence_between_events_where_the_user_asked_for_it() {
        let beat = std::str::from_utf8(HEARTBEAT).unwrap();
        let (said, ends) = delivered(Kind::Sse, &[(0, EVENT), (70, FINISH)], 0, Some(30_000)).await;
        assert_eq!(said, [at(0, EVENT), at(30, beat), at(60, beat), at(70, FINISH)]);
        assert_eq!(ends, [End::Complete]);
        // Off by default; and never in the middle of an event.
        let (said, _) = delivered(Kind::Sse, &[(0, EVENT), (70, FINISH)], 0, None).await;
        assert_eq!(said, [at(0, EVENT), at(70, FINISH)]);
        let (said, _) = delivered(
            Kind::Sse,
            &[(0, "data: {\"cand"), (70, "idates\":[]}\r\n\r\n"), (0, FINISH)],
            0,
            Some(30_000),
        )
        .await;
        assert_eq!(said.len(), 3, "{said:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_openai_client_gets_a_comment_after_fifteen_seconds() {
        const CHUNK: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
        let beat = std::str::from_utf8(OPENAI_HEARTBEAT).unwrap();
        let (said, ends) = delivered(Kind::OpenAi, &[(0, CHUNK), (31, "data: [DONE]\n\n")], 0, None).await;
        assert_eq!(said, [at(0, CHUNK), at(15, beat), at(30, beat), at(31, "data: [DONE]\n\n")]);
        assert_eq!(ends, [End::Complete]);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_of_nine_minutes_is_thinking_and_of_ten_an_upstream_that_is_gone() {
        let (said, ends) =
            delivered(Kind::Sse, &[(0, EVENT), (9 * 60, EVENT), (9 * 60, FINISH)], 0, None).await;
        assert_eq!((said.len(), ends), (3, vec![End::Complete]));
        for heartbeat in [None, Some(MINUTE)] {
            let (said, ends) = delivered(Kind::Sse, &[(0, EVENT)], 11 * 60, heartbeat).await;
            let ending: Vec<_> = said.iter().filter(|(_, text)| text.contains("\"error\"")).collect();
            assert_eq!((ending.len(), ending[0].0), (2, 600), "{said:?}");
            assert!(ending[0].1.starts_with("{\"error\"") && ending[1].1.starts_with("data: {\"error\""));
            assert!(
                ending[0].1.contains("sent nothing for 600 s") && ending[0].1.contains("DEADLINE_EXCEEDED")
            );
            assert_eq!(ends, [End::Broken]);
        }
    }
}
