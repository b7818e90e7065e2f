//! A value that must not be seen. Never implements `Serialize` or `Display`.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::hint::black_box;
use std::sync::Arc;

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// From this many characters up, a masked secret shows both its ends.
const LONG: usize = 24;

/// An API key, an access token, a relay token or a header value: printed masked, wiped when its last clone is dropped.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Takes the value over.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Arc::new(Zeroizing::new(value.into())))
    }

    /// The value itself; for the header that carries it and for redaction, nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The first and last 4 characters from 24 up, else `…` and the last 2 (nothing of one that has 4 or fewer).
    pub fn masked(&self) -> String {
        let text = self.0.as_str();
        let from = |n: usize| text.char_indices().nth_back(n - 1).map_or(0, |(at, _)| at);
        let shown = match text.chars().count() {
            0..=4 => ["", ""],
            length if length < LONG => ["", &text[from(2)..]],
            _ => [&text[..text.char_indices().nth(4).map_or(0, |(at, _)| at)], &text[from(4)..]],
        };
        shown.join("…")
    }

    /// Compares without telling by its duration where the first difference is. The length is not hidden.
    pub fn matches(&self, other: &[u8]) -> bool {
        let own = self.0.as_bytes();
        if own.len() != other.len() {
            return false;
        }
        black_box(own.iter().zip(other).fold(0, |difference, (a, b)| difference | black_box(a ^ b))) == 0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.matches(other.0.as_bytes())
    }
}

impl Eq for Secret {}

impl Hash for Secret {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.0.as_bytes().hash(hasher);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Secret({})", self.masked())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_masked_by_its_length() {
        let masked = |value: &str| Secret::new(value).masked();
        assert_eq!(masked("AIzaSyA-0123456789abcdefghijklmnopqrstu"), "AIza…rstu");
        assert_eq!(masked("AQ.twenty-three-letters"), "…rs");
        assert_eq!(masked("four"), "…");
        assert_eq!(masked(""), "…");
        assert_eq!(masked("密钥密钥密钥"), "…密钥");
    }

    #[test]
    fn debug_output_does_not_hold_the_value() {
        let printed = format!("{:?}", Secret::new("AIzaSyA-0123456789abcdefghijklmnopqrstu"));
        assert_eq!(printed, "Secret(AIza…rstu)");
    }

    #[test]
    fn only_the_same_bytes_match() {
        let secret = Secret::new("token");
        assert!(secret.matches(b"token"));
        assert!(!secret.matches(b"tokem") && !secret.matches(b"toke") && !secret.matches(b""));
    }
}
