//! Credentials nobody configured, known by their looks or by what announces them (`gemini-wire.md` 2.1). A guess: prose and
//! headers that only speak about credentials stay as they are.

/// The beginning, and how many more characters it takes at least.
const SHAPES: [(&[u8], usize); 4] = [(b"AIza", 20), (b"AQ.", 16), (b"auth_tokens/", 8), (b"ya29.", 16)];
/// Nothing shorter has such a shape.
pub const SHORTEST_SHAPE: usize = 19;
/// What announces a credential, in lower case.
const LABELS: [(&[u8], Announced); 6] = [
    (b"key=", Announced::Parameter),
    (b"access_token=", Announced::Parameter),
    (b"'api_key:", Announced::Surely),
    (b"api_key:", Announced::Perhaps),
    (b"bearer ", Announced::Perhaps),
    (b"x-goog-api-key: ", Announced::Perhaps),
];
/// Shorter values are none.
const SHORTEST: usize = 6;
/// From here on a value is a token whatever its characters; from [`SHORT_TOKEN`] on if it has letters and digits.
const LONG_TOKEN: usize = 20;
const SHORT_TOKEN: usize = 8;

/// How a label announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Announced {
    /// Whatever follows, in a query.
    Parameter,
    /// Whatever follows.
    Surely,
    /// What follows if it looks like a token.
    Perhaps,
}

/// Start and end of the next credential from `at` on, without its label.
pub fn next(text: &[u8], at: usize) -> Option<(usize, usize)> {
    (at..text.len()).find_map(|at| shaped(text, at).or_else(|| announced(text, at)))
}

fn shaped(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let rest = &text[at..];
    let (shape, least) = SHAPES.into_iter().find(|(shape, _)| rest.starts_with(shape))?;
    let more = rest[shape.len()..].iter().take_while(|byte| is_token(**byte)).count();
    (more >= least && begins_word(text, at)).then_some((at, at + shape.len() + more))
}

fn announced(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let rest = &text[at..];
    let begins = |label: &[u8]| rest.len() > label.len() && rest[..label.len()].eq_ignore_ascii_case(label);
    let (label, announced) = LABELS.into_iter().find(|(label, _)| begins(label))?;
    let value = &rest[label.len()..];
    let length = value.iter().take_while(|byte| is_value(**byte)).count();
    let fits = match announced {
        Announced::Parameter => length >= SHORTEST && in_query(text, at),
        Announced::Surely => length >= SHORTEST,
        Announced::Perhaps => begins_word(text, at) && is_like_token(&value[..length], &value[length..]),
    };
    fits.then_some((at + label.len(), at + label.len() + length))
}

/// Whether this is a token, and not a word or the name of a parameter (`realm="…"`).
fn is_like_token(value: &[u8], behind: &[u8]) -> bool {
    let padding = value.iter().rev().take_while(|byte| **byte == b'=').count();
    let name = &value[..value.len() - padding];
    let quoted = behind.strip_prefix(b"\\").unwrap_or(behind).strip_prefix(b"\"");
    // Padding stands before the quote at the end of a text; a parameter's quote has something behind it.
    let opens = quoted.and_then(<[u8]>::first).is_some_and(|next| !b",}] \r\n\t".contains(next));
    if name.contains(&b'=') || padding > 0 && opens {
        return false;
    }
    let mixed = value.iter().any(u8::is_ascii_digit) && value.iter().any(u8::is_ascii_alphabetic);
    value.len() >= LONG_TOKEN || value.len() >= SHORT_TOKEN && mixed
}

/// Whether a word begins here; an escape such as `\n`, `\u003d` or `%3D` in front is not part of one.
pub fn begins_word(text: &[u8], at: usize) -> bool {
    at == 0 || !text[at - 1].is_ascii_alphanumeric() || behind_escape(text, at)
}

fn behind_escape(text: &[u8], at: usize) -> bool {
    let lead = |length: usize| at.checked_sub(length).map(|start| &text[start..at]);
    lead(2).is_some_and(|escape| matches!(escape, [b'\\', b'b' | b'f' | b'n' | b'r' | b't']))
        || lead(3).is_some_and(|escape| escape[0] == b'%' && is_hex(&escape[1..]))
        || lead(6).is_some_and(|escape| escape.starts_with(b"\\u") && is_hex(&escape[2..]))
}

/// Behind `?` or `&`, however it is spelled.
fn in_query(text: &[u8], at: usize) -> bool {
    at > 0 && matches!(text[at - 1], b'?' | b'&' | b';') || behind_escape(text, at)
}

fn is_hex(digits: &[u8]) -> bool {
    digits.iter().all(u8::is_ascii_hexdigit)
}

/// A character of an API key.
pub fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// A character of any credential in a header or a query.
fn is_value(byte: u8) -> bool {
    is_token(byte) || matches!(byte, b'~' | b'+' | b'/' | b'=' | b'%')
}
