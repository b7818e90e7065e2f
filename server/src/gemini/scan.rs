//! Follows the JSON of an answer byte by byte, in any pieces, and notes the few things that matter: a finish or block reason,
//! the last token count, content, an error. Keeps no text and no tree: a megabyte of base64 costs one search for its closing quote.
//!
//! Only names at their own place count: `candidates[].finishReason` (or `choices[].finish_reason`, as the OpenAI-compatible
//! routes spell it) does, the same word in a function's arguments or in a text does not.
//! Never fails: on what is no JSON it notes nothing, or stops noting.

/// Names longer than this are none of ours.
const LONGEST_NAME: usize = 32;
/// Deeper than this nothing is of interest; containers are only counted.
const DEPTH: usize = 8;
/// How deep a part lies, counted from the root object as 1.
const PART: usize = 6;

/// Follows one or more JSON values, one after the other.
#[derive(Debug, Default, Clone)]
pub struct Scan {
    /// How deep the root objects lie: 1 in an array of answers, else 0.
    base: usize,
    /// `base` follows from the first bracket.
    either: bool,
    depth: usize,
    /// Per depth up to [`DEPTH`]: whether it is an object.
    object: [bool; DEPTH],
    /// Per depth: the name whose value we are in.
    names: [Name; DEPTH],
    state: State,
    /// A string that may be a name, or the value of one.
    text: [u8; LONGEST_NAME],
    length: usize,
    number: Option<u64>,
    elements: bool,
    /// A comma stands behind the last element.
    comma: bool,
    closed: bool,
    finished: bool,
    content: bool,
    fault: Option<Fault>,
    tokens: Option<u64>,
}

/// By what a root object shows that it is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A member `error` that is an object; its brace was read.
    Object,
    /// A member `error` that is a text; its quote was read.
    Text,
    /// A member `type` or `event_type` that says `error`; it was read to its end.
    Named,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between tokens, where a name may come (in an object) .
    #[default]
    Name,
    /// Between tokens, where a value may come, or after one.
    Value,
    /// In a string; what it is, and whether the last byte was a backslash.
    Text { role: Role, escaped: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Name,
    Reason,
    Type,
    /// Content, if it is not empty.
    Filled,
    Other,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Name {
    #[default]
    Other,
    Candidates,
    FinishReason,
    PromptFeedback,
    BlockReason,
    UsageMetadata,
    TotalTokenCount,
    Error,
    Type,
    Content,
    Parts,
    /// Of a part: content if it is not empty.
    Text,
    /// Of a part: no content.
    Aside,
}

impl Scan {
    /// `array`: the answers are the elements of one array.
    pub fn new(array: bool) -> Self {
        Self { base: usize::from(array), ..Self::default() }
    }

    /// One answer, or an array of them: the first bracket tells.
    pub fn either() -> Self {
        Self { either: true, ..Self::default() }
    }

    /// A finish or block reason was seen.
    pub fn finished(&self) -> bool {
        self.finished
    }

    /// A part was seen that is more than an empty text without a signature. A name that is spelled with escapes is taken for
    /// another one; nobody does so.
    pub fn content(&self) -> bool {
        self.content
    }

    /// The root object read last, or being read, is an error.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// The last `usageMetadata.totalTokenCount`.
    pub fn tokens(&self) -> Option<u64> {
        self.tokens
    }

    /// Between two root values.
    pub fn at_root(&self) -> bool {
        self.depth <= self.base
    }

    /// The outermost value was closed.
    pub fn closed(&self) -> bool {
        self.closed
    }

    /// The outermost array was opened, and whether a comma must come before another element.
    pub fn opened(&self) -> Option<bool> {
        (self.base == 1 && self.depth >= 1).then_some(self.elements && !self.comma)
    }

    /// Forgets a value that was not closed; what was noted stays.
    pub fn restart(&mut self) {
        self.depth = 0;
        self.state = State::Name;
        self.number = None;
        self.fault = None;
        self.closed = false;
    }

    /// The next piece.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.feed_until(bytes, |_| false);
    }

    /// Reads to where this first holds, and not a byte further; how far that is, if it did.
    pub fn feed_until(&mut self, bytes: &[u8], holds: impl Fn(&Self) -> bool) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            if let State::Text { role, escaped } = self.state {
                at += self.text(&bytes[at..], role, escaped);
            } else {
                self.token(bytes[at]);
                at += 1;
            }
            if holds(self) {
                return Some(at);
            }
        }
        None
    }

    /// One byte outside a string.
    fn token(&mut self, byte: u8) {
        if let Some(number) = self.number {
            if byte.is_ascii_digit() {
                self.number = Some(number.saturating_mul(10).saturating_add(u64::from(byte - b'0')));
                return;
            }
            self.tokens = Some(number);
            self.number = None;
        }
        match byte {
            b'{' | b'[' => {
                if self.either && self.depth == 0 {
                    self.base = usize::from(byte == b'[');
                }
                if self.depth == self.base {
                    self.fault = None;
                }
                self.value(byte);
                if self.depth < DEPTH {
                    self.object[self.depth] = byte == b'{';
                    self.names[self.depth] = Name::Other;
                }
                if self.depth >= self.base {
                    (self.elements, self.comma) = (true, false);
                }
                self.closed = false;
                self.depth += 1;
                self.state = if byte == b'{' { State::Name } else { State::Value };
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.closed = self.depth == 0;
                self.state = State::Value;
            }
            b',' => {
                self.comma |= self.depth <= self.base;
                self.state = if self.in_object() { State::Name } else { State::Value };
            }
            b':' => self.state = State::Value,
            b'"' => {
                let role = match self.state {
                    State::Name if self.interesting() => Role::Name,
                    State::Value if self.is_reason() => Role::Reason,
                    State::Value if self.is_in_root(Name::Type) => Role::Type,
                    State::Value if self.is_in_part() && self.named(PART) == Name::Text => Role::Filled,
                    _ => Role::Other,
                };
                self.value(byte);
                self.length = 0;
                self.state = State::Text { role, escaped: false };
            }
            b'0'..=b'9' if self.state == State::Value && self.is_total() => {
                self.number = Some(u64::from(byte - b'0'));
            }
            _ => {}
        }
    }

    /// Inside a string, up to its end; how many bytes were read.
    fn text(&mut self, bytes: &[u8], role: Role, escaped: bool) -> usize {
        if escaped {
            self.keep(&bytes[..1], role);
            self.content |= role == Role::Filled;
            self.state = State::Text { role, escaped: false };
            return 1;
        }
        let Some(end) = memchr::memchr2(b'"', b'\\', bytes) else {
            self.keep(bytes, role);
            self.content |= role == Role::Filled;
            return bytes.len();
        };
        self.keep(&bytes[..end], role);
        self.content |= role == Role::Filled && end > 0;
        if bytes[end] == b'\\' {
            self.state = State::Text { role, escaped: true };
        } else {
            self.state = State::Value;
            match role {
                Role::Name => {
                    let name = self.name();
                    self.names[self.depth - 1] = name;
                    // Whatever else a part has is content: a call, a file, code.
                    self.content |= self.is_in_part() && !matches!(name, Name::Text | Name::Aside);
                }
                Role::Reason => self.finished |= !matches!(self.kept(), b"" | b"FINISH_REASON_UNSPECIFIED"),
                Role::Type if self.kept() == b"error" => self.fault = Some(Fault::Named),
                Role::Type | Role::Filled | Role::Other => {}
            }
        }
        end + 1
    }

    fn keep(&mut self, bytes: &[u8], role: Role) {
        if matches!(role, Role::Other | Role::Filled) {
            return;
        }
        let take = bytes.len().min(LONGEST_NAME - self.length.min(LONGEST_NAME));
        self.text[self.length..self.length + take].copy_from_slice(&bytes[..take]);
        // One more than fits marks a string that is too long to be a name of ours.
        self.length = if take < bytes.len() { LONGEST_NAME } else { self.length + take };
    }

    fn kept(&self) -> &[u8] {
        &self.text[..self.length]
    }

    fn name(&self) -> Name {
        match self.kept() {
            b"candidates" | b"choices" => Name::Candidates,
            b"finishReason" | b"finish_reason" => Name::FinishReason,
            b"promptFeedback" => Name::PromptFeedback,
            b"blockReason" => Name::BlockReason,
            b"usageMetadata" | b"usage" => Name::UsageMetadata,
            b"totalTokenCount" | b"total_tokens" => Name::TotalTokenCount,
            b"error" => Name::Error,
            b"type" | b"event_type" => Name::Type,
            b"content" => Name::Content,
            b"parts" => Name::Parts,
            b"text" | b"thoughtSignature" => Name::Text,
            b"thought" | b"partMetadata" | b"videoMetadata" | b"mediaResolution" => Name::Aside,
            _ => Name::Other,
        }
    }

    /// A value begins; an `error` in a root object is noted.
    fn value(&mut self, byte: u8) {
        if self.state == State::Value && self.is_in_root(Name::Error) {
            match byte {
                b'{' => self.fault = Some(Fault::Object),
                b'"' => self.fault = Some(Fault::Text),
                _ => {}
            }
        }
    }

    /// In a root object, at the value of this name.
    fn is_in_root(&self, name: Name) -> bool {
        self.depth == self.base + 1 && self.in_object() && self.named(1) == name
    }

    fn in_object(&self) -> bool {
        self.depth > 0 && self.depth <= DEPTH && self.object[self.depth - 1]
    }

    /// Whether a name here could be one of ours.
    fn interesting(&self) -> bool {
        self.in_object() && self.depth > self.base && self.depth <= self.base + PART
    }

    /// The name we are in at this depth, counted from the root object as 1.
    fn named(&self, level: usize) -> Name {
        self.names.get(self.base + level - 1).copied().unwrap_or_default()
    }

    fn is_reason(&self) -> bool {
        let (candidate, feedback) = (self.base + 3, self.base + 2);
        self.in_object()
            && (self.depth == candidate
                && self.named(1) == Name::Candidates
                && self.named(3) == Name::FinishReason
                || self.depth == feedback
                    && self.named(1) == Name::PromptFeedback
                    && self.named(2) == Name::BlockReason)
    }

    /// In an object of `candidates[].content.parts[]`.
    fn is_in_part(&self) -> bool {
        self.depth == self.base + PART
            && self.in_object()
            && self.named(1) == Name::Candidates
            && self.named(3) == Name::Content
            && self.named(4) == Name::Parts
    }

    fn is_total(&self) -> bool {
        self.depth == self.base + 2
            && self.in_object()
            && self.named(1) == Name::UsageMetadata
            && self.named(2) == Name::TotalTokenCount
    }
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
