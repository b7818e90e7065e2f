//! Bytes ↔ what a generate answer says, in its three shapes. No I/O, no change of a byte.
//!
//! [`look`] judges the first bytes, before anything went downstream: it parses what is there. [`Tap`] runs beside the bytes
//! that follow and parses nothing.

mod tap;

use std::borrow::Cow;
use std::fmt;

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
    /// An error.
    Error(ApiError),
    /// Nothing yet.
    NeedMore,
}

/// Judges the first bytes of an answer; `ended`: there are no more.
pub fn look(held: &[u8], ended: bool, kind: Kind) -> Look {
    let seen = match kind {
        Kind::Sse => look_at_events(held, ended, event),
        // Other events than an error, at the beginning, are an answer.
        Kind::OpenAi | Kind::Events => {
            look_at_events(held, ended, |data| error::parse(data).map_or(Look::Content, Look::Error))
        }
        Kind::OpenAiUnary => Look::Content,
        Kind::JsonArray => look_at_array(held),
        Kind::Unary if !ended => Look::NeedMore,
        Kind::Unary => match serde_json::from_slice::<Answer<'_>>(held) {
            Ok(answer) => match answer.says(held) {
                Look::NeedMore => Look::Empty,
                said => said,
            },
            Err(_) => Look::Content,
        },
    };
    if ended && seen == Look::NeedMore { Look::Empty } else { seen }
}

fn look_at_events(held: &[u8], ended: bool, event: impl Fn(&[u8]) -> Look) -> Look {
    let event = |data: &[u8]| if data.is_empty() { Look::NeedMore } else { event(data) };
    let mut data: Cow<'_, [u8]> = Cow::Borrowed(&[]);
    let mut at = 0;
    while at < held.len() {
        let rest = &held[at..];
        let Some(length) = memchr::memchr2(b'\n', b'\r', rest) else {
            if !ended {
                // A raw error that is not terminated by a line end is an error all the same once it is whole.
                return if rest.starts_with(b"{") { raw(rest, false) } else { Look::NeedMore };
            }
            take_line(rest, &mut data);
            break;
        };
        let line = &rest[..length];
        at += length + if rest[length..].starts_with(b"\r\n") { 2 } else { 1 };
        if matches!(line.first(), Some(b'{' | b'[')) {
            return raw(rest, ended);
        }
        if !line.is_empty() {
            take_line(line, &mut data);
            continue;
        }
        match event(&data) {
            Look::NeedMore => data = Cow::Borrowed(&[]),
            said => return said,
        }
    }
    if ended { event(&data) } else { Look::NeedMore }
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

fn event(data: &[u8]) -> Look {
    serde_json::from_slice::<Answer<'_>>(data).map_or(Look::Content, |answer| answer.says(data))
}

/// JSON without `data:`, as Google appends errors to a stream (`gemini-wire.md` 3.9).
fn raw(rest: &[u8], ended: bool) -> Look {
    let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => error::parse(&rest[..values.byte_offset()]).map_or(Look::Content, Look::Error),
        Some(Err(error)) if error.is_eof() && !ended => Look::NeedMore,
        _ => Look::Content,
    }
}

fn look_at_array(held: &[u8]) -> Look {
    let mut rest = held;
    loop {
        let Some(start) =
            rest.iter().position(|byte| !matches!(byte, b'[' | b',' | b' ' | b'\t' | b'\r' | b'\n'))
        else {
            return Look::NeedMore;
        };
        rest = &rest[start..];
        if rest[0] == b']' {
            return Look::Empty;
        }
        let mut answers = serde_json::Deserializer::from_slice(rest).into_iter::<Answer<'_>>();
        match answers.next() {
            Some(Ok(answer)) => {
                let (element, behind) = rest.split_at(answers.byte_offset());
                match answer.says(element) {
                    Look::NeedMore => rest = behind,
                    said => return said,
                }
            }
            Some(Err(error)) if error.is_eof() => return Look::NeedMore,
            _ => return Look::Content,
        }
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
            return error::parse(json).map_or(Look::Content, Look::Error);
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
