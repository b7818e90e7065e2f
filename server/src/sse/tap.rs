//! Beside a stream that is being delivered: has it finished, where does it stand, how many tokens did it use. Parses nothing, so
//! it never delays a byte: see [`Scan`].

use super::Kind;
use crate::gemini::scan::Scan;

/// Runs beside an answer that is being delivered.
#[derive(Debug, Clone)]
pub struct Tap {
    kind: Kind,
    scan: Scan,
    line: Line,
    /// The event has a line already.
    begun: bool,
    /// The JSON began without `data:`; its line ends are white space.
    raw: bool,
    /// How much of [`DONE`] the line spells so far.
    spelled: usize,
    done: bool,
}

/// The end of an OpenAI stream (`gemini-wire.md` 1.8, 5.2).
const DONE: &[u8] = b"[DONE]";

/// Where in an SSE line the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// So many bytes of `data:` were seen.
    Prefix(usize),
    /// Behind `data:`, or in raw JSON.
    Data,
    /// A comment or another field.
    Other,
    /// Behind a `\r` that ended a line; a `\n` belongs to it.
    Return,
}

/// Where a JSON array stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Array {
    /// Not opened yet.
    Before,
    /// Between two elements.
    Between {
        /// A comma must come before another.
        comma: bool,
    },
    /// In the middle of one.
    Inside,
    /// At its end.
    Closed,
}

impl Tap {
    /// Beside an answer of this shape.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            scan: Scan::new(kind == Kind::JsonArray),
            line: Line::Prefix(0),
            begun: false,
            raw: false,
            spelled: 0,
            done: false,
        }
    }

    /// A finish or block reason was seen, and the JSON around it is closed; or the stream says that it is done.
    pub fn finished(&self) -> bool {
        self.done || self.scan.finished() && self.scan.at_root()
    }

    /// One whole answer with content, and without an error.
    pub fn is_whole_content(&self) -> bool {
        self.scan.content() && self.scan.fault().is_none() && self.scan.closed()
    }

    /// An error was seen last.
    pub fn has_fault(&self) -> bool {
        self.scan.fault().is_some()
    }

    /// The last `totalTokenCount`.
    pub fn total_tokens(&self) -> Option<u64> {
        self.scan.tokens()
    }

    /// Between two events of an SSE stream.
    pub fn between_events(&self) -> bool {
        self.kind.is_events() && !self.begun && matches!(self.line, Line::Prefix(0) | Line::Return)
    }

    /// Where the array stands.
    pub fn array(&self) -> Array {
        match self.scan.opened() {
            _ if self.scan.closed() => Array::Closed,
            None => Array::Before,
            Some(_) if !self.scan.at_root() => Array::Inside,
            Some(comma) => Array::Between { comma },
        }
    }

    /// The next piece.
    pub fn feed(&mut self, bytes: &[u8]) {
        if !self.kind.is_events() {
            self.scan.feed(bytes);
            return;
        }
        let mut at = 0;
        while at < bytes.len() {
            at += self.step(&bytes[at..]);
        }
    }

    /// Reads at least one byte of an SSE stream; how many.
    fn step(&mut self, bytes: &[u8]) -> usize {
        const PREFIX: &[u8] = b"data:";
        match self.line {
            Line::Return => {
                self.line = Line::Prefix(0);
                usize::from(bytes[0] == b'\n')
            }
            Line::Prefix(0) if matches!(bytes[0], b'\n' | b'\r') => {
                if !self.raw {
                    self.scan.restart();
                    self.begun = false;
                }
                self.end_line(bytes[0]);
                1
            }
            Line::Prefix(0) if self.raw || matches!(bytes[0], b'{' | b'[') => {
                self.raw = true;
                self.begun = true;
                self.line = Line::Data;
                0
            }
            Line::Prefix(seen) => {
                self.begun = true;
                if bytes[0] == PREFIX[seen] {
                    self.line = if seen + 1 == PREFIX.len() { Line::Data } else { Line::Prefix(seen + 1) };
                    1
                } else {
                    self.line = Line::Other;
                    0
                }
            }
            Line::Data | Line::Other => {
                let end = memchr::memchr2(b'\n', b'\r', bytes);
                let line = &bytes[..end.unwrap_or(bytes.len())];
                if self.line == Line::Data {
                    self.scan.feed(line);
                    self.spell(line);
                }
                let Some(end) = end else { return bytes.len() };
                if self.raw && self.scan.at_root() {
                    self.raw = false;
                }
                self.end_line(bytes[end]);
                end + 1
            }
        }
    }

    fn spell(&mut self, line: &[u8]) {
        if self.kind != Kind::OpenAi {
            return;
        }
        for byte in line {
            self.spelled = match self.spelled {
                0 if *byte == b' ' => 0,
                spelled if DONE.get(spelled) == Some(byte) => spelled + 1,
                _ => usize::MAX,
            };
        }
        self.done |= self.spelled == DONE.len();
    }

    fn end_line(&mut self, byte: u8) {
        self.spelled = 0;
        self.line = if byte == b'\r' { Line::Return } else { Line::Prefix(0) };
    }
}
