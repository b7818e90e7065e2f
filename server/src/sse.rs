//! Bytes ↔ what a generate answer says, in its three shapes. No I/O, no change of a byte.
//!
//! [`Looker`] judges the first bytes, before anything went downstream: it parses what is there. [`Tap`] runs beside the bytes
//! that follow and parses nothing.

mod tap;

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::gemini::error::{self, ApiError};
pub use tap::{Array, Tap};

/// The shape of an answer that is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A native stream with `alt=sse`: one JSON object an event.
    Sse,
    /// A native stream without `alt=sse`: one array, element by element.
    JsonArray,
    /// A native answer: one object.
    Unary,
    /// A stream of the OpenAI-compatible routes: events, then `[DONE]`.
    OpenAi,
    /// A whole answer of the OpenAI-compatible routes: only its tokens are counted.
    OpenAiUnary,
    /// Any other stream of events: only errors are of interest, since nothing tells whether it is complete.
    Events,
}

impl Kind {
    /// Lines of `data:`.
    pub fn is_events(self) -> bool {
        matches!(self, Self::Sse | Self::OpenAi | Self::Events)
    }

    /// Whether something may be added: a heartbeat, or the error behind a stream that broke off.
    pub fn may_grow(self) -> bool {
        self.is_events() || self == Self::JsonArray
    }

    /// Whether it is held until it shows content; else it commits on its headers.
    pub fn is_held(self) -> bool {
        matches!(self, Self::Sse | Self::JsonArray | Self::Unary | Self::OpenAi)
    }
}

/// What the first bytes of an answer say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// Content, or a block, which is an answer too.
    Content,
    /// A finish without any content before it, or the end.
    Empty,
    /// An error, and its JSON as it came.
    Error(ApiError, Bytes),
    /// It ended in the middle of what it was saying.
    Cut,
    /// Nothing yet.
    NeedMore,
}

/// Judges the first bytes of an answer as they come. What was judged once is not read again.
#[derive(Debug)]
pub struct Looker {
    kind: Kind,
    /// So many bytes were judged, and said nothing.
    judged: usize,
    /// So many events said nothing.
    events: usize,
    /// Of a whole answer: what was followed, for whoever delivers it.
    tap: Option<Tap>,
}

impl Looker {
    /// For an answer of this shape.
    pub fn new(kind: Kind) -> Self {
        Self { kind, judged: 0, events: 0, tap: None }
    }

    /// What was followed of a whole answer.
    pub fn into_tap(self) -> Option<Tap> {
        self.tap
    }

    /// Of which shape the answer is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Events, or elements, that said nothing so far.
    pub fn events(&self) -> usize {
        self.events
    }

    /// Judges everything that is held; `ended`: there is no more.
    pub fn look(&mut self, held: &[u8], ended: bool) -> Look {
        let seen = match self.kind {
            Kind::Sse => self.events_of(held, ended, native),
            // Other events than an error, at the beginning, are an answer.
            Kind::OpenAi | Kind::Events => {
                self.events_of(held, ended, |data| error_in(data).unwrap_or(Look::Content))
            }
            Kind::JsonArray => self.elements_of(held, ended),
            Kind::Unary if !ended || held.trim_ascii().is_empty() => Look::NeedMore,
            Kind::Unary => {
                let mut tap = Tap::new(Kind::Unary);
                tap.feed(held);
                // Whatever is not plainly content is worth a second, thorough look.
                let plain = tap.is_whole_content();
                self.tap = Some(tap);
                match if plain { Look::Content } else { native(held) } {
                    Look::NeedMore => Look::Empty,
                    said => said,
                }
            }
            Kind::OpenAiUnary => Look::Content,
        };
        if ended && seen == Look::NeedMore { Look::Empty } else { seen }
    }

    fn events_of(&mut self, held: &[u8], ended: bool, says: impl Fn(&[u8]) -> Look) -> Look {
        let mut data: Cow<'_, [u8]> = Cow::Borrowed(&[]);
        let mut at = self.judged;
        while at < held.len() {
            let rest = &held[at..];
            if matches!(rest[0], b'{' | b'[') {
                return raw(rest, ended);
            }
            let Some(length) = memchr::memchr2(b'\n', b'\r', rest) else {
                if ended {
                    take_line(rest, &mut data);
                }
                break;
            };
            let line = &rest[..length];
            at += length + if rest[length..].starts_with(b"\r\n") { 2 } else { 1 };
            if !line.is_empty() {
                take_line(line, &mut data);
                continue;
            }
            if !data.is_empty() {
                match says(&data) {
                    Look::NeedMore => self.events += 1,
                    said => return said,
                }
                data = Cow::Borrowed(&[]);
            }
            self.judged = at;
        }
        if ended && !data.is_empty() { says(&data) } else { Look::NeedMore }
    }

    fn elements_of(&mut self, held: &[u8], ended: bool) -> Look {
        loop {
            let rest = &held[self.judged..];
            let Some(start) =
                rest.iter().position(|byte| !matches!(byte, b'[' | b',') && !byte.is_ascii_whitespace())
            else {
                return Look::NeedMore;
            };
            self.judged += start;
            let rest = &rest[start..];
            if rest[0] == b']' {
                return Look::Empty;
            }
            // An element ends with a brace; before that there is nothing to read.
            if !ended && !rest.trim_ascii_end().ends_with(b"}") && memchr::memmem::find(rest, b"}").is_none()
            {
                return Look::NeedMore;
            }
            let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<IgnoredAny>();
            match values.next() {
                Some(Ok(_)) => match native(&rest[..values.byte_offset()]) {
                    Look::NeedMore => {
                        self.judged += values.byte_offset();
                        self.events += 1;
                    }
                    said => return said,
                },
                Some(Err(error)) if error.is_eof() && !ended => return Look::NeedMore,
                Some(Err(error)) if error.is_eof() => return Look::Cut,
                _ => return Look::Content,
            }
        }
    }
}

fn take_line<'a>(line: &'a [u8], data: &mut Cow<'a, [u8]>) {
    let Some(value) = line.strip_prefix(b"data:") else { return };
    let value = value.strip_prefix(b" ").unwrap_or(value);
    if data.is_empty() {
        *data = Cow::Borrowed(value);
    } else {
        let joined = data.to_mut();
        joined.push(b'\n');
        joined.extend_from_slice(value);
    }
}

/// What one native answer says.
fn native(json: &[u8]) -> Look {
    match serde_json::from_slice::<Answer<'_>>(json) {
        Ok(answer) => answer.says(json),
        Err(error) if error.is_eof() => Look::Cut,
        Err(_) => error_in(json).unwrap_or(Look::Content),
    }
}

fn error_in(json: &[u8]) -> Option<Look> {
    error::parse(json).map(|error| Look::Error(error, Bytes::copy_from_slice(json)))
}

/// JSON without `data:`, as Google appends errors to a stream (`gemini-wire.md` 3.9).
fn raw(rest: &[u8], ended: bool) -> Look {
    let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => error_in(&rest[..values.byte_offset()]).unwrap_or(Look::Content),
        Some(Err(error)) if error.is_eof() && !ended => Look::NeedMore,
        Some(Err(error)) if error.is_eof() => Look::Cut,
        _ => Look::Content,
    }
}

// --- one answer, as far as a decision needs it ---

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow, default)]
    candidates: Vec<Candidate<'a>>,
    prompt_feedback: Option<Feedback>,
    error: Option<IgnoredAny>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    content: Option<Content>,
    #[serde(borrow)]
    finish_reason: Option<Cow<'a, str>>,
}

#[derive(serde::Deserialize)]
struct Content {
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    block_reason: Option<IgnoredAny>,
}

impl Answer<'_> {
    fn says(&self, json: &[u8]) -> Look {
        if self.error.is_some() {
            return error_in(json).unwrap_or(Look::Content);
        }
        let parts = self
            .candidates
            .iter()
            .filter_map(|candidate| candidate.content.as_ref())
            .flat_map(|content| &content.parts);
        let blocked = self.prompt_feedback.as_ref().is_some_and(|feedback| feedback.block_reason.is_some());
        if blocked || parts.into_iter().any(|part| part.content) {
            return Look::Content;
        }
        let mut finishes = self.candidates.iter().filter_map(|candidate| candidate.finish_reason.as_deref());
        match finishes.next() {
            None => Look::NeedMore,
            Some(reason) if says_nothing(reason) && finishes.all(says_nothing) => Look::Empty,
            Some(_) => Look::Content,
        }
    }
}

/// Finish reasons behind which content was to be expected. Safety blocks, and words we do not know, are answers.
fn says_nothing(reason: &str) -> bool {
    matches!(
        reason,
        "STOP"
            | "MAX_TOKENS"
            | "OTHER"
            | "FINISH_REASON_UNSPECIFIED"
            | "MALFORMED_FUNCTION_CALL"
            | "UNEXPECTED_TOOL_CALL"
            | "TOO_MANY_TOOL_CALLS"
            | "MALFORMED_RESPONSE"
            | "MISSING_THOUGHT_SIGNATURE"
            | "NO_IMAGE"
    )
}

/// A part is content unless it is empty text without a signature.
struct Part {
    content: bool,
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Part;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a part")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Part, A::Error> {
                let mut content = false;
                while let Some(name) = members.next_key::<Cow<'_, str>>()? {
                    match &*name {
                        "text" | "thoughtSignature" => content |= members.next_value::<Filled>()?.0,
                        "thought" | "partMetadata" | "videoMetadata" | "mediaResolution" => {
                            members.next_value::<IgnoredAny>()?;
                        }
                        _ => {
                            members.next_value::<IgnoredAny>()?;
                            content = true;
                        }
                    }
                }
                Ok(Part { content })
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// Whether a string has a character.
struct Filled(bool);

impl<'de> Deserialize<'de> for Filled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Filled;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_str<E>(self, text: &str) -> Result<Filled, E> {
                Ok(Filled(!text.is_empty()))
            }

            fn visit_unit<E>(self) -> Result<Filled, E> {
                Ok(Filled(false))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

#[cfg(test)]
#[path = "sse_tests.rs"]
mod tests;
