//! Errors within a 200 answer, without secrets. All other bytes pass at once and unchanged.
//!
//! Nothing is held on suspicion: [`Scan`] follows the JSON, and where a root object turns out to be an error, all from there to
//! its end is held and scrubbed. What went out before that point of the same object is not the error's text. JSON in a stream
//! of events that is not behind `data:` is what Google appends when something broke, and is held from its first byte.
//!
//! Outside of events spaces behind an error make up for what masks are shorter, since the length may have been declared.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde_json::Value;

use super::Redactor;
use crate::gemini::error;
use crate::gemini::scan::{Fault, Scan};
use crate::sse::Kind;

/// A longer error goes on in pieces.
const HELD: usize = 64 * 1024;
/// Left over between two pieces, where no secret is longer.
const OVERLAP: usize = 4 * 1024;
/// How a line of an event begins that matters here.
const DATA: &[u8] = b"data:";
const ERROR_EVENT: [&[u8]; 2] = [b"event: error", b"event:error"];

/// Runs in the path of one answer.
pub struct Scrubber {
    redactor: Arc<Redactor>,
    events: bool,
    scan: Scan,
    line: Line,
    /// The last byte was a `\r` that ended a line; a `\n` belongs to it.
    returned: bool,
    /// The event says that it is an error.
    doomed: bool,
    held: Option<Held>,
    error: Option<Value>,
}

/// Where in a line of an event stream the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Behind so many bytes that begin `data:` or an error event's name.
    Field([u8; 12], usize),
    Data,
    /// A comment or another field.
    Other,
    /// In JSON without `data:`; its line ends are white space.
    Raw,
}

const BEGIN: Line = Line::Field([0; 12], 0);

/// An error that is not whole yet.
struct Held {
    bytes: BytesMut,
    /// What makes an object of it again that begins with the error; `None` once a part went out.
    opening: Option<&'static str>,
    /// How much less went out than came in.
    shorter: usize,
}

/// What follows from a step.
enum Turn {
    Go,
    /// From here on bytes are held, as the rest of an object that began so.
    Hold(&'static str),
    /// What is held is whole.
    Release,
}

impl Scrubber {
    /// For an answer of this shape.
    pub fn new(redactor: Arc<Redactor>, kind: Kind) -> Self {
        Self {
            redactor,
            events: kind.is_events(),
            scan: Scan::either(),
            line: BEGIN,
            returned: false,
            doomed: false,
            held: None,
            error: None,
        }
    }

    /// What may go out after this piece. The piece itself, uncopied, if nothing in it is an error.
    pub fn feed(&mut self, piece: Bytes) -> Bytes {
        let mut out = BytesMut::new();
        // The bytes from `from` on are neither held nor out yet.
        let (mut from, mut at) = (0, 0);
        while at < piece.len() {
            let (read, turn) =
                if self.events { self.step(&piece[at..]) } else { self.step_in_json(&piece[at..]) };
            at += read;
            match turn {
                Turn::Go => {}
                Turn::Hold(opening) => {
                    out.extend_from_slice(&piece[from..at]);
                    from = at;
                    self.held = Some(Held { bytes: BytesMut::new(), opening: Some(opening), shorter: 0 });
                }
                Turn::Release => {
                    self.hold(&piece[from..at], &mut out);
                    from = at;
                    out.extend_from_slice(&self.release());
                }
            }
        }
        if from == 0 && self.held.is_none() {
            return piece;
        }
        if self.held.is_some() {
            self.hold(&piece[from..], &mut out);
        } else {
            out.extend_from_slice(&piece[from..]);
        }
        out.freeze()
    }

    /// What is still held, at the end.
    pub fn finish(&mut self) -> Bytes {
        self.release()
    }

    /// What may go out of an answer that is all there.
    pub fn whole(mut self, answer: Bytes) -> Bytes {
        let out = self.feed(answer);
        let rest = self.finish();
        if rest.is_empty() { out } else { [out, rest].concat().into() }
    }

    /// The last whole error that went out, clean: Google's envelope, without an array around it.
    pub fn error(&self) -> Option<&Value> {
        self.error.as_ref()
    }

    /// Reads on in an answer without events; how many bytes.
    fn step_in_json(&mut self, bytes: &[u8]) -> (usize, Turn) {
        if self.held.is_some() {
            let end = self.scan.feed_until(bytes, Scan::at_root);
            return end.map_or((bytes.len(), Turn::Go), |end| (end, Turn::Release));
        }
        self.look_for_fault(bytes)
    }

    fn look_for_fault(&mut self, json: &[u8]) -> (usize, Turn) {
        let at = self.scan.feed_until(json, |scan| scan.fault().is_some() && !scan.at_root());
        let opening = match self.scan.fault() {
            Some(Fault::Object) => "{\"error\":{",
            Some(Fault::Text) => "{\"error\":\"",
            Some(Fault::Named) | None => "{\"type\":\"error\"",
        };
        at.map_or((json.len(), Turn::Go), |at| (at, Turn::Hold(opening)))
    }

    /// Reads on in a stream of events; how many bytes.
    fn step(&mut self, bytes: &[u8]) -> (usize, Turn) {
        let returned = std::mem::take(&mut self.returned);
        if returned && bytes[0] == b'\n' {
            return (1, Turn::Go);
        }
        if self.line != Line::Raw && matches!(bytes[0], b'\n' | b'\r') {
            return (1, self.end_line(bytes[0]));
        }
        let line = || &bytes[..memchr::memchr2(b'\n', b'\r', bytes).unwrap_or(bytes.len())];
        match self.line {
            Line::Field(_, 0) if matches!(bytes[0], b'{' | b'[') => {
                self.line = Line::Raw;
                self.scan.restart();
                (0, if self.held.is_some() { Turn::Go } else { Turn::Hold("") })
            }
            Line::Field(begin, seen) => (1, self.field(begin, seen, bytes[0])),
            Line::Data if self.held.is_none() => self.look_for_fault(line()),
            Line::Data => {
                self.scan.feed(line());
                (line().len(), Turn::Go)
            }
            Line::Other => (line().len(), Turn::Go),
            Line::Raw => match self.scan.feed_until(bytes, Scan::closed) {
                Some(end) => {
                    self.line = BEGIN;
                    (end, Turn::Release)
                }
                None => (bytes.len(), Turn::Go),
            },
        }
    }

    /// The next byte of a field's name.
    fn field(&mut self, mut begin: [u8; 12], seen: usize, byte: u8) -> Turn {
        let fits = |name: &&[u8]| name.get(seen) == Some(&byte) && name.starts_with(&begin[..seen]);
        if !ERROR_EVENT.iter().chain([&DATA]).any(fits) {
            self.line = Line::Other;
            return Turn::Go;
        }
        begin[seen] = byte;
        if begin[..=seen] != *DATA {
            self.line = Line::Field(begin, seen + 1);
            return Turn::Go;
        }
        self.line = Line::Data;
        if self.doomed && self.held.is_none() { Turn::Hold("") } else { Turn::Go }
    }

    /// At the end of a line: an error ends with its JSON, or with its event.
    fn end_line(&mut self, byte: u8) -> Turn {
        self.returned = byte == b'\r';
        let whole = match std::mem::replace(&mut self.line, BEGIN) {
            Line::Field(_, 0) => {
                self.scan.restart();
                self.doomed = false;
                true
            }
            Line::Field(begin, seen) => {
                self.doomed |= ERROR_EVENT.contains(&&begin[..seen]);
                false
            }
            Line::Data => self.scan.closed(),
            Line::Other | Line::Raw => false,
        };
        if whole && self.held.is_some() { Turn::Release } else { Turn::Go }
    }

    fn hold(&mut self, bytes: &[u8], out: &mut BytesMut) {
        let Some(held) = &mut self.held else { return };
        held.bytes.extend_from_slice(bytes);
        if held.bytes.len() > HELD {
            let overlap = self.redactor.overlap().clamp(OVERLAP, HELD / 2);
            let (clean, read) = self.redactor.prefix(&held.bytes, overlap);
            out.extend_from_slice(&clean);
            held.shorter += read.saturating_sub(clean.len());
            let _ = held.bytes.split_to(read);
            held.opening = None;
        }
    }

    fn release(&mut self) -> Bytes {
        let Some(held) = self.held.take() else { return Bytes::new() };
        let clean = self.redactor.bytes(&held.bytes);
        let error = held.opening.and_then(|opening| envelope(opening, &clean));
        self.error = error.or_else(|| self.error.take());
        let mut clean = clean.into_owned();
        if !self.events {
            clean.resize(clean.len().max(held.bytes.len() + held.shorter), b' ');
        }
        Bytes::from(clean)
    }
}

/// An error that somebody can read, of the bytes behind its opening and the lines they stand in.
fn envelope(opening: &str, clean: &[u8]) -> Option<Value> {
    let mut json = opening.as_bytes().to_vec();
    for line in clean.split(|byte| matches!(byte, b'\n' | b'\r')) {
        let is_comment = line.starts_with(b":");
        json.extend_from_slice(if is_comment { b"" } else { line.strip_prefix(DATA).unwrap_or(line) });
    }
    let value = serde_json::Deserializer::from_slice(&json).into_iter().next()?.ok()?;
    let errors = match value {
        Value::Array(elements) => elements,
        value => vec![value],
    };
    errors.into_iter().find(|value| error::read(value).is_some())
}

#[cfg(test)]
#[path = "scrub_tests.rs"]
mod tests;
