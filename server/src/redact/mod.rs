//! The one redaction point. What leaves this process beside 2xx bytes goes through here: refusals, errors within a stream,
//! headers of refusals, texts of others that are shown.
//!
//! Hidden are the secrets that are configured, in whatever spelling (raw, JSON escapes, percent escapes), and whatever looks
//! like a credential. In its place stands the masked form.

mod scrub;

use std::borrow::Cow;

use aggregator_protocol::Secret;

pub use scrub::Scrubber;

/// Shorter values are no secrets worth hiding: hiding them would mangle every text.
const SHORTEST: usize = 6;

/// Credentials by their looks: the beginning, and how many more characters it takes at least (`gemini-wire.md` 2.1).
const SHAPES: [(&[u8], usize); 4] = [(b"AIza", 20), (b"AQ.", 16), (b"auth_tokens/", 8), (b"ya29.", 16)];
/// What announces a credential; it ends at a quote, a space or a separator.
const LABELS: [&[u8]; 7] =
    [b"?key=", b"&key=", b"?access_token=", b"&access_token=", b"api_key:", b"Bearer ", b"x-goog-api-key: "];

/// Hides the secrets of one configuration.
#[derive(Default)]
pub struct Redactor {
    /// The longest first, so that a key that begins like another is hidden whole.
    secrets: Vec<Secret>,
}

impl Redactor {
    /// Knows these secrets.
    pub fn new(secrets: impl IntoIterator<Item = Secret>) -> Self {
        let mut secrets: Vec<Secret> =
            secrets.into_iter().filter(|secret| secret.expose().len() >= SHORTEST).collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        Self { secrets }
    }

    /// A text without secrets.
    pub fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text.as_bytes())).into_owned()
    }

    /// Bytes without secrets; the same bytes if there are none.
    pub fn bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let (clean, read) = self.prefix(bytes, 0);
        debug_assert_eq!(read, bytes.len());
        clean
    }

    /// Cleans from the beginning, but leaves at least the last `tail` bytes unread, so that a secret that goes on behind them
    /// is not cut in two; how many bytes were read.
    fn prefix<'a>(&self, bytes: &'a [u8], tail: usize) -> (Cow<'a, [u8]>, usize) {
        let end = bytes.len().saturating_sub(tail);
        let mut clean: Option<Vec<u8>> = None;
        let (mut at, mut copied) = (0, 0);
        while at < end {
            match self.secret_at(bytes, at) {
                Some((length, masked)) => {
                    let clean = clean.get_or_insert_default();
                    clean.extend_from_slice(&bytes[copied..at]);
                    clean.extend_from_slice(masked.as_bytes());
                    at += length;
                    copied = at;
                }
                None => at += 1,
            }
        }
        match clean {
            None => (Cow::Borrowed(&bytes[..at]), at),
            Some(mut clean) => {
                clean.extend_from_slice(&bytes[copied..at]);
                (Cow::Owned(clean), at)
            }
        }
    }

    /// The secret that begins here: how many bytes it takes, and what to show.
    fn secret_at(&self, bytes: &[u8], at: usize) -> Option<(usize, String)> {
        let rest = &bytes[at..];
        for secret in &self.secrets {
            if let Some(length) = spelled(rest, secret.expose().as_bytes()) {
                return Some((length, shown(secret)));
            }
        }
        let begins_word = at == 0 || !bytes[at - 1].is_ascii_alphanumeric();
        for (shape, least) in SHAPES {
            if begins_word && rest.starts_with(shape) {
                let more = rest[shape.len()..].iter().take_while(|byte| is_token(**byte)).count();
                if more >= least {
                    return Some(masked(&rest[..shape.len() + more], 0));
                }
            }
        }
        for label in LABELS {
            if rest.len() >= label.len() && rest[..label.len()].eq_ignore_ascii_case(label) {
                let ends = |byte: &u8| {
                    byte.is_ascii_whitespace()
                        || matches!(byte, b'"' | b'\'' | b'&' | b'<' | b'>' | b'\\' | b',')
                };
                let value = rest[label.len()..].iter().take_while(|byte| !ends(byte)).count();
                if value >= SHORTEST {
                    return Some(masked(&rest[..label.len() + value], label.len()));
                }
            }
        }
        None
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// Everything from `keep` on masked.
fn masked(bytes: &[u8], keep: usize) -> (usize, String) {
    let label = String::from_utf8_lossy(&bytes[..keep]);
    let value = Secret::new(String::from_utf8_lossy(&bytes[keep..]).into_owned());
    (bytes.len(), format!("{label}{}", shown(&value)))
}

/// The masked form, without characters that could end a string or a tag around it.
fn shown(secret: &Secret) -> String {
    secret.masked().replace(|character: char| character.is_ascii() && !is_token(character as u8), "*")
}

/// How many bytes of `text` spell this secret from its beginning on, each character raw, as a JSON escape, or as a percent
/// escape.
fn spelled(text: &[u8], secret: &[u8]) -> Option<usize> {
    let Some((wanted, others)) = secret.split_first() else { return Some(0) };
    let first = *text.first()?;
    let then = |length: usize| spelled(text.get(length..)?, others).map(|more| length + more);
    if first == *wanted
        && let Some(length) = then(1)
    {
        return Some(length);
    }
    match first {
        b'\\' if text.get(1) == Some(&b'u') && hex(text.get(2..6)?) == Some(u32::from(*wanted)) => then(6),
        b'\\' if text.get(1) == Some(wanted) => then(2),
        b'%' if text.get(1..3).and_then(hex) == Some(u32::from(*wanted)) => then(3),
        _ => None,
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| Some(value * 16 + char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "AIzaSyA234567890123456789012345678901xyz";

    fn knows(key: &str) -> Redactor {
        Redactor::new([Secret::new(key)])
    }

    #[test]
    fn googles_own_text_loses_the_key_it_quotes() {
        let body =
            format!("{{\"message\":\"Permission denied: Consumer 'api_key:{KEY}' has been suspended.\"}}");
        let clean = knows(KEY).text(&body);
        assert_eq!(
            clean,
            "{\"message\":\"Permission denied: Consumer 'api_key:AIza…1xyz' has been suspended.\"}"
        );
    }

    #[test]
    fn credentials_nobody_configured_are_known_by_their_looks() {
        let none = Redactor::default();
        for (text, clean) in [
            (format!("got {KEY}!"), "got AIza…1xyz!"),
            ("AQ.Ab8RN6JqvJ1234567890abcd failed".to_owned(), "AQ.A…abcd failed"),
            ("auth_tokens/0123456789abcdef0123".to_owned(), "auth…0123"),
            ("https://x/y?key=whatever1&alt=sse".to_owned(), "https://x/y?key=…r1&alt=sse"),
            ("Authorization: Bearer abcdefghij".to_owned(), "Authorization: Bearer …ij"),
        ] {
            assert_eq!(none.text(&text), clean);
        }
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        for text in [
            "The monkey=banana",
            "AIza is a prefix",
            "limit: 0, model: gemini",
            "AQ. no",
            "",
            "bearer of news",
        ] {
            assert!(
                matches!(Redactor::default().bytes(text.as_bytes()), Cow::Borrowed(same) if same == text.as_bytes()),
                "{text}"
            );
        }
    }

    #[test]
    fn every_spelling_of_a_key_is_known() {
        let key = "a+b/c=d\"e\\f&gh";
        let json = serde_json::to_string(key).unwrap();
        let escaped: String = key.chars().map(|character| format!("\\u{:04x}", character as u32)).collect();
        let percent: String = key.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for spelling in [key, json.trim_matches('"'), &escaped, &percent, "a%2Bb%2fc=d\\\"e\\\\f\\u0026gh"] {
            assert_eq!(knows(key).text(&format!("<{spelling}>")), "<…gh>", "{spelling}");
        }
    }

    proptest! {
        #[test]
        fn no_key_of_any_shape_survives(key in r"[!-~]{6,80}", before in "[ -~]{0,20}", behind in "[ -~]{0,20}", form in 0_usize..3) {
            let json = serde_json::to_string(&key).unwrap();
            let percent: String = key.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let spelling = [key.as_str(), &json[1..json.len() - 1], &percent][form];
            let clean = knows(&key).text(&format!("{before}{spelling}{behind}"));
            prop_assert!(!clean.contains(spelling) || before.contains(spelling) || behind.contains(spelling) || key.len() < 8, "{clean}");
        }
    }
}
