//! Errors within a 200 stream, without secrets. All other bytes pass at once and unchanged: a line is held only while it may
//! begin an error, and an error until it is whole.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde_json::Value;

use super::Redactor;
use crate::gemini::error;
use crate::sse::Kind;

/// A longer error goes on in pieces.
const HELD: usize = 64 * 1024;
/// Left over between two pieces: longer than any key in its longest spelling.
const OVERLAP: usize = 4 * 1024;

/// Runs in the path of one stream.
pub struct Scrubber {
    redactor: Arc<Redactor>,
    kind: Kind,
    state: State,
    held: BytesMut,
    error: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the beginning of a line (SSE) or behind a bracket or comma (array): `held` is what was seen of it.
    Begins,
    /// In a line, or an element, that is no error.
    Passes,
    /// In an error within `data:`, up to the end of the line.
    Line,
    /// In a raw error, up to its last bracket.
    Braces { depth: usize, text: bool, escaped: bool },
}

/// An error that somebody can read: Google's envelope, without an array around it.
fn envelope(line: &[u8]) -> Option<Value> {
    let json = line.strip_prefix(b"data:").unwrap_or(line);
    let value = match serde_json::from_slice(json).ok()? {
        Value::Array(mut elements) if !elements.is_empty() => elements.swap_remove(0),
        value => value,
    };
    error::read(&value).map(|_| value)
}

/// What the beginning of a line or element is.
enum Begin {
    /// It may still become an error.
    Perhaps,
    /// It is one: as `data:`, or raw.
    Data,
    Raw,
    No,
}

impl Scrubber {
    /// For a stream of this shape.
    pub fn new(redactor: Arc<Redactor>, kind: Kind) -> Self {
        Self { redactor, kind, state: State::Begins, held: BytesMut::new(), error: None }
    }

    /// What may go out after this piece. The piece itself if nothing in it is, or may begin, an error.
    pub fn feed(&mut self, piece: Bytes) -> Bytes {
        if matches!(self.kind, Kind::Unary | Kind::OpenAiUnary) {
            return piece;
        }
        if self.held.is_empty() && self.passes(&piece) {
            return piece;
        }
        let mut out = BytesMut::with_capacity(piece.len() + self.held.len());
        for byte in piece {
            self.step(byte, &mut out);
        }
        out.freeze()
    }

    /// What is still held, at the end.
    pub fn finish(&mut self) -> Bytes {
        Bytes::from(self.redactor.bytes(&self.held.split()).into_owned())
    }

    /// Whether a whole piece passes, looking at its lines' beginnings only.
    fn passes(&mut self, piece: &[u8]) -> bool {
        if !self.kind.is_events() || !matches!(self.state, State::Begins | State::Passes) {
            return false;
        }
        let mut begins = self.state == State::Begins;
        let mut rest = piece;
        while !rest.is_empty() {
            let end = memchr::memchr2(b'\n', b'\r', rest);
            let line = &rest[..end.unwrap_or(rest.len())];
            let harmless = !begins || line.is_empty() || matches!(begin_of_line(line), Begin::No);
            if !harmless {
                return false;
            }
            match end {
                Some(end) => (rest, begins) = (&rest[end + 1..], true),
                None => {
                    self.state = State::Passes;
                    return true;
                }
            }
        }
        self.state = State::Begins;
        true
    }

    fn step(&mut self, byte: u8, out: &mut BytesMut) {
        match self.state {
            State::Begins => {
                self.held.extend_from_slice(&[byte]);
                let begin = if self.kind.is_events() {
                    begin_of_line(&self.held)
                } else {
                    begin_of_element(&self.held)
                };
                match begin {
                    Begin::Perhaps => {}
                    Begin::Data => self.state = State::Line,
                    Begin::Raw => {
                        let depth = self.held.iter().filter(|byte| matches!(byte, b'{' | b'[')).count();
                        let text = self.held.iter().filter(|byte| **byte == b'"').count() % 2 == 1;
                        self.state = State::Braces { depth, text, escaped: false };
                    }
                    Begin::No => {
                        out.extend_from_slice(&self.held.split());
                        self.state = if self.ends_unit(byte) { State::Begins } else { State::Passes };
                    }
                }
            }
            State::Passes => {
                out.extend_from_slice(&[byte]);
                if self.ends_unit(byte) {
                    self.state = State::Begins;
                }
            }
            State::Line => {
                self.held.extend_from_slice(&[byte]);
                if matches!(byte, b'\n' | b'\r') {
                    self.release(out);
                }
            }
            State::Braces { depth, text, escaped } => {
                self.held.extend_from_slice(&[byte]);
                let (depth, text, escaped) = match byte {
                    _ if escaped => (depth, text, false),
                    b'\\' if text => (depth, text, true),
                    b'"' => (depth, !text, false),
                    b'{' | b'[' if !text => (depth + 1, text, false),
                    b'}' | b']' if !text => (depth - 1, text, false),
                    _ => (depth, text, false),
                };
                self.state = State::Braces { depth, text, escaped };
                if depth == 0 {
                    self.release(out);
                    self.state = State::Passes;
                }
            }
        }
        if self.held.len() > HELD {
            let (clean, read) = self.redactor.prefix(&self.held, OVERLAP);
            out.extend_from_slice(&clean);
            let _ = self.held.split_to(read);
        }
    }

    fn release(&mut self, out: &mut BytesMut) {
        let held = self.held.split();
        let clean = self.redactor.bytes(&held);
        self.error = envelope(&clean).or_else(|| self.error.take());
        out.extend_from_slice(&clean);
        self.state = State::Begins;
    }

    /// The last whole error that went out, clean.
    pub fn error(&self) -> Option<&Value> {
        self.error.as_ref()
    }

    fn ends_unit(&self, byte: u8) -> bool {
        if self.kind.is_events() { matches!(byte, b'\n' | b'\r') } else { matches!(byte, b'[' | b',') }
    }
}

/// `data:` and an object that is an error, perhaps within an array; or anything that begins with a bracket.
fn begin_of_line(line: &[u8]) -> Begin {
    const DATA: &[u8] = b"data:";
    if matches!(line.first(), Some(b'{' | b'[')) {
        return Begin::Raw;
    }
    if line.len() <= DATA.len() && DATA.starts_with(line) {
        return Begin::Perhaps;
    }
    let data = line.strip_prefix(DATA).map(|data| {
        let element = data.trim_ascii_start();
        element.strip_prefix(b"[").unwrap_or(element)
    });
    match data.map(begin_of_element) {
        Some(Begin::Raw) => Begin::Data,
        Some(other) => other,
        None => Begin::No,
    }
}

/// A brace, then the first name `error`, or a first member that says so: the Interactions API and Anthropic's dialect do.
const ERRORS: [&[&[u8]]; 3] = [
    &[b"{", b"\"error\""],
    &[b"{", b"\"event_type\"", b":", b"\"error\""],
    &[b"{", b"\"type\"", b":", b"\"error\""],
];

fn begin_of_element(bytes: &[u8]) -> Begin {
    let mut begin = Begin::No;
    for tokens in ERRORS {
        match begins(bytes, tokens) {
            Begin::Raw => return Begin::Raw,
            Begin::Perhaps => begin = Begin::Perhaps,
            Begin::Data | Begin::No => {}
        }
    }
    begin
}

/// These tokens, with any white space before and between them.
fn begins(bytes: &[u8], tokens: &[&[u8]]) -> Begin {
    let mut rest = bytes;
    for token in tokens {
        rest = rest.trim_ascii_start();
        match rest.strip_prefix(*token) {
            Some(behind) => rest = behind,
            None if token.starts_with(rest) => return Begin::Perhaps,
            None => return Begin::No,
        }
    }
    Begin::Raw
}

#[cfg(test)]
mod tests {
    use aggregator_protocol::Secret;
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "AIzaSyA234567890123456789012345678901xyz";
    const EVENT: &str = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"AIzaSyA234567890123456789012345678901xyz, [{\"}]}}]}\r\n\r\n";

    fn run(kind: Kind, stream: &str, sizes: &[usize]) -> (Vec<u8>, usize) {
        let mut scrubber = Scrubber::new(Arc::new(Redactor::new([Secret::new(KEY)])), kind);
        let (mut out, mut most, mut at, mut turn) = (Vec::new(), 0, 0, 0);
        while at < stream.len() {
            let end = (at + sizes[turn % sizes.len()].max(1)).min(stream.len());
            out.extend_from_slice(&scrubber.feed(Bytes::copy_from_slice(&stream.as_bytes()[at..end])));
            most = most.max(end - out.len().min(end));
            (at, turn) = (end, turn + 1);
        }
        out.extend_from_slice(&scrubber.finish());
        (out, most)
    }

    #[test]
    fn content_passes_untouched_even_if_it_quotes_a_key() {
        let stream = EVENT.repeat(3);
        for size in 1..40 {
            let (out, most) = run(Kind::Sse, &stream, &[size]);
            assert_eq!(String::from_utf8(out).unwrap(), stream);
            assert!(most <= "data: {\"".len(), "held {most} bytes at pieces of {size}");
        }
    }

    #[test]
    fn an_error_loses_its_key_wherever_it_is_cut() {
        let error = format!(
            "{{\"error\": {{\"code\": 403, \"message\": \"Consumer 'api_key:{KEY}' {{ suspended\"}}}}"
        );
        let pretty = error.replace(", ", ",\n    ").replacen('{', "{\n  ", 1);
        for tail in [
            format!("data: {error}\r\n\r\n"),
            format!("data:{error}\n\n"),
            format!("{error}\r\n\r\n"),
            format!("{pretty}\n"),
        ] {
            let stream = format!("{EVENT}{tail}{EVENT}");
            let clean = format!("{EVENT}{}{EVENT}", tail.replace(KEY, "AIza…1xyz"));
            for size in 1..stream.len() {
                let (out, _) = run(Kind::Sse, &stream, &[size]);
                assert_eq!(String::from_utf8(out).unwrap(), clean, "pieces of {size}");
            }
        }
    }

    #[test]
    fn an_error_element_loses_its_key_and_the_array_stays_whole() {
        let answer = format!("{{\"candidates\": [{{\"text\": \"{KEY}\"}}]}}");
        let stream = format!(
            "[{answer}\r\n,\r\n{{\n  \"error\": {{\"message\": \"api_key:{KEY}\", \"a\": [1]}}}}\r\n,{answer}]"
        );
        let clean = format!(
            "[{answer}\r\n,\r\n{{\n  \"error\": {{\"message\": \"api_key:AIza…1xyz\", \"a\": [1]}}}}\r\n,{answer}]"
        );
        for size in 1..stream.len() {
            let (out, _) = run(Kind::JsonArray, &stream, &[size]);
            assert_eq!(String::from_utf8(out).unwrap(), clean, "pieces of {size}");
        }
    }

    #[test]
    fn an_error_without_end_is_bounded_and_still_clean() {
        let filler = "x".repeat(997);
        let mut stream = String::from("data: {\"error\": {\"message\": \"");
        (0..300).for_each(|_| stream.push_str(&format!("{filler}{KEY} ")));
        let (out, most) = run(Kind::Sse, &stream, &[4096]);
        let out = String::from_utf8(out).unwrap();
        assert!(!out.contains("234567890123456789"));
        assert!(most <= HELD + 2 * 4096 + OVERLAP + 300 * 31, "held {most}");
    }

    proptest! {
        #[test]
        fn streams_without_errors_are_the_same_bytes_in_any_pieces(
            text in "[ -~\r\n]{0,120}", sizes in proptest::collection::vec(1_usize..30, 1..8),
        ) {
            let text = text.replace("error", "e").replace(['{', '['], "(");
            let stream = format!("{EVENT}{text}\n{EVENT}");
            let (out, _) = run(Kind::Sse, &stream, &sizes);
            prop_assert_eq!(String::from_utf8(out).unwrap(), stream);
        }

        #[test]
        fn any_key_is_hidden_in_any_pieces(key in r"[!-~]{8,80}", sizes in proptest::collection::vec(1_usize..50, 1..8)) {
            let json = serde_json::json!({ "error": { "message": format!("key {key} !") } }).to_string();
            let stream = format!("data: {json}\n\n");
            let mut scrubber = Scrubber::new(Arc::new(Redactor::new([Secret::new(key.as_str())])), Kind::Sse);
            let (mut out, mut at) = (Vec::new(), 0);
            for size in sizes.iter().cycle() {
                let end = (at + size).min(stream.len());
                out.extend_from_slice(&scrubber.feed(Bytes::copy_from_slice(&stream.as_bytes()[at..end])));
                at = end;
                if at == stream.len() { break }
            }
            out.extend_from_slice(&scrubber.finish());
            let escaped = serde_json::to_string(&key).unwrap();
            let out = String::from_utf8_lossy(&out).into_owned();
            prop_assert!(!out.contains(&escaped[1..escaped.len() - 1]), "{}", out);
        }
    }
}
