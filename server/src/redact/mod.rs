//! The one redaction point. What leaves this process beside 2xx bytes goes through here: refusals, errors within a stream,
//! headers of refusals, texts of others that are shown.
//!
//! Hidden are the secrets that are configured, in any spelling (`spell`), and whatever looks like a credential (`looks`). In
//! its place stands the masked form. Secrets of 4 and 5 characters are hidden only where they stand as a word of their own, and
//! neither those that are a number or a word of JSON nor shorter ones at all: that would mangle every text.

mod looks;
mod scrub;
mod spell;

use std::borrow::Cow;

use aggregator_protocol::Secret;
use http::HeaderValue;

pub use scrub::Scrubber;
use spell::Spellings;

/// From here on a secret is hidden wherever it stands.
const ANYWHERE: usize = 6;
/// From here on as a word of its own.
const AS_WORD: usize = 4;

/// Hides the secrets of one configuration.
#[derive(Default)]
pub struct Redactor {
    secrets: Spellings,
}

/// What is hidden in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Secrets that are configured: for answers, whose other headers are nobody's business.
    Configured,
    /// Whatever looks like a credential too: for refusals.
    Any,
}

/// A part of a text that is hidden.
struct Hidden {
    start: usize,
    end: usize,
    what: What,
}

enum What {
    /// A configured secret.
    Known(Secret),
    /// What looks like one.
    Guess,
    /// Several that overlap: no end of one is shown, since the other may begin there.
    Several,
}

/// How the masked form is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mask {
    Text,
    /// For headers.
    Ascii,
}

impl Redactor {
    /// Knows these secrets.
    pub fn new(secrets: impl IntoIterator<Item = Secret>) -> Self {
        Self { secrets: Spellings::new(secrets.into_iter().filter(can_be_hidden)) }
    }

    /// A text without secrets.
    pub fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text.as_bytes())).into_owned()
    }

    /// The name of a model or a verb as it may be shown. Plain words are, as most are; a credential has digits.
    pub fn name(&self, name: String) -> String {
        let letters = |byte: u8| byte.is_ascii_alphabetic();
        let short = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        let plain =
            name.bytes().all(letters) || name.len() < looks::SHORTEST_SHAPE && name.bytes().all(short);
        if plain && !self.finds(name.as_bytes()) { name } else { self.text(&name) }
    }

    /// Bytes without secrets; the same bytes if there are none.
    pub fn bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        self.prefix(bytes, 0).0
    }

    /// Whether one of the configured secrets stands in it, in any spelling.
    pub fn finds(&self, bytes: &[u8]) -> bool {
        !self.hidden(bytes, Scope::Configured).is_empty()
    }

    /// A header without secrets; the same value if there are none. What stands in their place is ASCII.
    pub fn header(&self, value: &HeaderValue, scope: Scope) -> HeaderValue {
        let hidden = self.hidden(value.as_bytes(), scope);
        if hidden.is_empty() {
            return value.clone();
        }
        let clean = written(value.as_bytes(), &hidden, Mask::Ascii);
        HeaderValue::from_bytes(&clean).unwrap_or_else(|_| HeaderValue::from_static("redacted"))
    }

    /// Cleans from the beginning, but leaves about the last `tail` bytes unread, so that a secret that goes on behind them is
    /// not cut in two; how many bytes were read.
    fn prefix<'a>(&self, bytes: &'a [u8], tail: usize) -> (Cow<'a, [u8]>, usize) {
        let mut end = bytes.len().saturating_sub(tail);
        let mut hidden = self.hidden(bytes, Scope::Any);
        hidden.retain(|hidden| hidden.start < end);
        end = hidden.last().map_or(end, |last| last.end.max(end));
        let read = &bytes[..end];
        let clean = match hidden.is_empty() {
            true => Cow::Borrowed(read),
            false => Cow::Owned(written(read, &hidden, Mask::Text)),
        };
        (clean, end)
    }

    /// What to hide, in order, without overlaps.
    fn hidden(&self, bytes: &[u8], scope: Scope) -> Vec<Hidden> {
        let mut all = Vec::new();
        self.secrets.find(bytes, |start, end, secret| {
            if secret.expose().len() >= ANYWHERE || is_word(bytes, start, end) {
                join(&mut all, Hidden { start, end, what: What::Known(secret.clone()) });
            }
        });
        if scope == Scope::Any {
            let (known, mut at) = (std::mem::take(&mut all), 0);
            let guesses = std::iter::from_fn(|| {
                let (start, end) = looks::next(bytes, at)?;
                at = end;
                Some(Hidden { start, end, what: What::Guess })
            });
            let mut both: Vec<Hidden> = known.into_iter().chain(guesses).collect();
            both.sort_by_key(|hidden| (hidden.end, hidden.start));
            both.into_iter().for_each(|hidden| join(&mut all, hidden));
        }
        all
    }

    /// Longer than any usual spelling of any secret.
    fn overlap(&self) -> usize {
        self.secrets.longest() * "\\u0000".len()
    }
}

/// Adds what ends last, and makes one of those that overlap.
fn join(all: &mut Vec<Hidden>, mut next: Hidden) {
    while let Some(last) = all.pop_if(|last| last.end > next.start) {
        let (holds, lies_in) = (next.start <= last.start, last.start <= next.start && last.end == next.end);
        next.what = match (last.what, next.what) {
            (_, known @ What::Known(_)) if holds => known,
            (known @ What::Known(_), _) if lies_in => known,
            (What::Guess, What::Guess) if holds || lies_in => What::Guess,
            _ => What::Several,
        };
        next.start = next.start.min(last.start);
    }
    all.push(next);
}

/// The bytes with masks in them.
fn written(bytes: &[u8], hidden: &[Hidden], mask: Mask) -> Vec<u8> {
    let mut clean = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for Hidden { start, end, what } in hidden {
        clean.extend_from_slice(&bytes[at..*start]);
        let shown = match what {
            What::Known(secret) => shown(secret, mask),
            What::Guess => shown(&Secret::new(String::from_utf8_lossy(&bytes[*start..*end])), mask),
            What::Several => shown(&Secret::new(""), mask),
        };
        clean.extend_from_slice(shown.as_bytes());
        at = *end;
    }
    clean.extend_from_slice(&bytes[at..]);
    clean
}

/// The masked form, without characters that could end a string or a tag around it.
fn shown(secret: &Secret, mask: Mask) -> String {
    let masked = secret.masked();
    let characters = masked.chars().map(|character| match character {
        '…' if mask == Mask::Ascii => "***".to_owned(),
        _ if !character.is_ascii() && mask == Mask::Text => character.to_string(),
        _ if u8::try_from(character).is_ok_and(looks::is_token) => character.to_string(),
        _ => "*".to_owned(),
    });
    characters.collect()
}

fn can_be_hidden(secret: &Secret) -> bool {
    let secret = secret.expose();
    let breaks_json =
        || matches!(secret, "true" | "false" | "null") || secret.bytes().all(|byte| byte.is_ascii_digit());
    secret.len() >= ANYWHERE || secret.len() >= AS_WORD && !breaks_json()
}

fn is_word(bytes: &[u8], start: usize, end: usize) -> bool {
    looks::begins_word(bytes, start) && bytes.get(end).is_none_or(|next| !next.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests;
