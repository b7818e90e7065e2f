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
use hyper::body::{Frame, Incoming};

use crate::attempt::Open;
use crate::failure::{BoxError, Failure, whole};
use crate::lease::Lease;
use crate::policy::Ms;
use crate::proxy::Body;
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

/// How an answer is delivered.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Silence that ends it.
    pub idle: Ms,
    /// Silence after which a heartbeat goes out, if the answer is a native stream.
    pub heartbeat: Option<Ms>,
}

/// The body downstream for an answer that is committed to.
pub fn body(open: Open, mut lease: Lease, mut story: Story, redactor: Arc<Redactor>, manner: Manner) -> Body {
    let Open { held, rest, look, status, .. } = open;
    let Some(rest) = rest else {
        let mut tap = look.map(Tap::new);
        if let Some(tap) = &mut tap {
            tap.feed(&held);
        }
        if complete(look, tap.as_ref()) {
            let tokens = tap.and_then(|tap| tap.total_tokens());
            lease.counts(tokens);
            story.counts(tokens);
            story.ends(End::Complete);
            return whole(held);
        }
        return StreamBody::new(follow(held, None, look, lease, story, redactor, manner)).boxed_unsync();
    };
    if held.is_empty() && hyper::body::Body::is_end_stream(&rest) {
        story.ends(End::Complete);
        return whole(held);
    }
    let look = look.filter(|_| status.is_success());
    StreamBody::new(follow(held, Some(rest), look, lease, story, redactor, manner)).boxed_unsync()
}

fn follow(
    held: Bytes,
    rest: Option<Incoming>,
    look: Option<Kind>,
    mut lease: Lease,
    mut story: Story,
    redactor: Arc<Redactor>,
    manner: Manner,
) -> impl futures_util::Stream<Item = Result<Frame<Bytes>, BoxError>> {
    try_stream! {
        let mut upstream = Upstream { rest, manner, silent: 0 };
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
            let between = look == Some(Kind::Sse) && tap.as_ref().is_some_and(Tap::between_events);
            match upstream.next(between).await {
                Next::Chunk(bytes) => chunk = Some(bytes),
                Next::Heartbeat => yield Frame::data(Bytes::from_static(HEARTBEAT)),
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
        drop(lease);
        story.ends(if failure.is_none() { End::Complete } else { End::Broken });
        let Some(failure) = failure else { return };
        match (look, &tap) {
            (Some(Kind::Sse), Some(tap)) => {
                let error = failure.json().to_string();
                let gap = if tap.between_events() { "" } else { "\r\n\r\n" };
                yield Frame::data(Bytes::from(format!("{gap}{error}\r\n\r\n")));
                tokio::time::sleep(BETWEEN_HALVES).await;
                yield Frame::data(Bytes::from(format!("data: {error}\r\n\r\n")));
            }
            (Some(Kind::JsonArray), Some(tap)) => {
                let error = failure.json();
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
        (Some(Kind::Sse), Some(tap)) => tap.finished(),
        (Some(Kind::JsonArray), Some(tap)) => tap.finished() && tap.array() == Array::Closed,
        _ => true,
    }
}

fn ended_uncleanly(failure: &Failure) -> BoxError {
    format!("{failure:?}").into()
}

/// The rest of an answer, with its timers.
struct Upstream {
    rest: Option<Incoming>,
    manner: Manner,
    silent: Ms,
}

enum Next {
    Chunk(Bytes),
    Heartbeat,
    End,
    Cut,
    Idle,
}

impl Upstream {
    /// Nothing more will come, and that is known without asking.
    fn is_over(&self) -> bool {
        self.rest.as_ref().is_none_or(hyper::body::Body::is_end_stream)
    }

    async fn next(&mut self, may_beat: bool) -> Next {
        let Some(rest) = &mut self.rest else { return Next::End };
        loop {
            let left = self.manner.idle.saturating_sub(self.silent);
            let beat = self.manner.heartbeat.filter(|beat| may_beat && *beat < left);
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
