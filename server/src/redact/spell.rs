//! The configured secrets, found in any spelling: each character raw, as a JSON or percent escape or as an HTML reference, also
//! mixed, with a break between two lines of `data:` anywhere.
//!
//! All secrets and all their beginnings are followed at once, so that the time depends on the text and not on how many secrets
//! there are or how many ways there are to read it. Keeps no copy of a secret: a common beginning is a range of the sorted list.

use aggregator_protocol::Secret;

/// Longer than any spelling of one character.
const RING: usize = 16;

/// Secrets in search order.
#[derive(Default)]
pub struct Spellings {
    /// Sorted by bytes, each once.
    secrets: Vec<Secret>,
    /// Per first byte: the range of secrets that begin with it. Empty without secrets.
    first: Vec<(usize, usize)>,
    /// The length of the shortest; nothing shorter can spell one.
    shortest: usize,
}

/// A way to read the text up to some place: these secrets begin so.
#[derive(Debug, Clone, Copy)]
struct Way {
    /// Where in the text it began.
    start: usize,
    /// The range of secrets, and how many of their bytes were read.
    secrets: (usize, usize),
    depth: usize,
}

impl Spellings {
    /// Of these secrets; empty ones are left out.
    pub fn new(secrets: impl IntoIterator<Item = Secret>) -> Self {
        let mut secrets: Vec<Secret> =
            secrets.into_iter().filter(|secret| !secret.expose().is_empty()).collect();
        secrets.sort_by(|a, b| a.expose().cmp(b.expose()));
        secrets.dedup_by(|a, b| a.expose() == b.expose());
        if secrets.is_empty() {
            return Self::default();
        }
        let shortest = secrets.iter().map(|secret| secret.expose().len()).min().unwrap_or_default();
        let mut all = Self { secrets, first: Vec::new(), shortest };
        let first = (0..=u8::MAX).map(|byte| all.range((0, all.secrets.len()), 0, byte)).collect();
        all.first = first;
        all
    }

    /// The length of the longest.
    pub fn longest(&self) -> usize {
        self.secrets.iter().map(|secret| secret.expose().len()).max().unwrap_or_default()
    }

    /// Calls `found` with the start and end of every secret in the text, by rising ends. Backslashes in front are part of it, so
    /// that none is left that would escape what takes its place.
    pub fn find(&self, text: &[u8], mut found: impl FnMut(usize, usize, &Secret)) {
        if self.secrets.is_empty() || text.len() < self.shortest {
            return;
        }
        // The ways that reach a place, by that place.
        let mut ring: [Vec<Way>; RING] = Default::default();
        let mut backslashes = 0;
        for (at, byte) in text.iter().copied().enumerate() {
            let (from, to) = self.first[usize::from(byte)];
            if ring[at % RING].is_empty() && from == to && !leads(byte) {
                backslashes = 0;
                continue;
            }
            let mut here = std::mem::take(&mut ring[at % RING]);
            if here.len() > 1 {
                here.sort_unstable_by_key(|way| (way.secrets.0, way.depth, way.start));
                here.dedup_by_key(|way| (way.secrets.0, way.depth));
            }
            here.push(Way { start: at - backslashes, secrets: (0, self.secrets.len()), depth: 0 });
            let escape = Escape::read(&text[at..]);
            for way in here.drain(..) {
                self.go(way, &[byte], at + 1, &mut ring, &mut found);
                match &escape {
                    Some(Escape::Character(bytes, spelled, length)) => {
                        self.go(way, &bytes[..*spelled], at + length, &mut ring, &mut found);
                    }
                    Some(Escape::Break(length)) if way.depth > 0 => ring[(at + length) % RING].push(way),
                    _ => {}
                }
                // Any backslash may be one that escapes what follows, however often the text was quoted.
                if byte == b'\\' && way.depth > 0 {
                    ring[(at + 1) % RING].push(way);
                }
            }
            backslashes = if byte == b'\\' { backslashes + 1 } else { 0 };
            ring[at % RING] = here;
        }
    }

    /// Follows a way over one character that ends before `to`.
    fn go(
        &self,
        mut way: Way,
        character: &[u8],
        to: usize,
        ring: &mut [Vec<Way>; RING],
        found: &mut impl FnMut(usize, usize, &Secret),
    ) {
        for byte in character {
            way.secrets = match way.depth {
                0 => self.first[usize::from(*byte)],
                depth => self.range(way.secrets, depth, *byte),
            };
            way.depth += 1;
            if way.secrets.0 == way.secrets.1 {
                return;
            }
        }
        let shortest = &self.secrets[way.secrets.0];
        if shortest.expose().len() == way.depth {
            found(way.start, to, shortest);
            if way.secrets.1 - way.secrets.0 == 1 {
                return;
            }
        }
        ring[to % RING].push(way);
    }

    /// Those in a range of secrets with a common beginning of this length that go on with this byte.
    fn range(&self, (from, to): (usize, usize), depth: usize, byte: u8) -> (usize, usize) {
        let next = |secret: &Secret| secret.expose().as_bytes().get(depth).copied();
        let secrets = &self.secrets[from..to];
        let below = secrets.partition_point(|secret| next(secret) < Some(byte));
        let up_to = secrets.partition_point(|secret| next(secret) <= Some(byte));
        (from + below, from + up_to)
    }
}

/// Begins a spelling other than the character itself.
fn leads(byte: u8) -> bool {
    matches!(byte, b'\\' | b'%' | b'&' | b'+' | b'\r' | b'\n')
}

/// What a text says other than the byte that stands there.
enum Escape {
    /// A character: its bytes, how many they are, and how many its spelling takes.
    Character([u8; 4], usize, usize),
    /// Nothing: a break between two lines of `data:`, of this length.
    Break(usize),
}

impl Escape {
    fn read(text: &[u8]) -> Option<Self> {
        let character = |code: u32, length: usize| {
            let mut bytes = [0; 4];
            let spelled = char::from_u32(code)?.encode_utf8(&mut bytes).len();
            Some(Self::Character(bytes, spelled, length))
        };
        match text {
            [b'\\', b'u', digits @ ..] => character(number(digits.get(..4)?, 16)?, 6),
            [b'\\', b't', ..] => character(9, 2),
            [b'%', high, low, ..] => {
                let byte = u8::try_from(number(&[*high, *low], 16)?).ok()?;
                Some(Self::Character([byte, 0, 0, 0], 1, 3))
            }
            [b'+', ..] => character(u32::from(b' '), 1),
            [b'&', reference @ ..] => {
                let end = reference.iter().take(RING - 2).position(|byte| *byte == b';')?;
                character(html(&reference[..end])?, end + 2)
            }
            [b'\r' | b'\n', ..] => {
                let end = if text.starts_with(b"\r\n") { 2 } else { 1 };
                let data = text[end..].strip_prefix(b"data:")?;
                Some(Self::Break(end + 5 + usize::from(data.first() == Some(&b' '))))
            }
            _ => None,
        }
    }
}

/// The character of an HTML reference, without its `&` and `;`.
fn html(reference: &[u8]) -> Option<u32> {
    match reference {
        [b'#', b'x' | b'X', digits @ ..] => number(digits, 16),
        [b'#', digits @ ..] => number(digits, 10),
        name => [("amp", '&'), ("lt", '<'), ("gt", '>'), ("quot", '"'), ("apos", '\'')]
            .into_iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()))
            .map(|(_, character)| u32::from(character)),
    }
}

fn number(digits: &[u8], base: u32) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u32, |value, digit| {
        value.checked_mul(base)?.checked_add(char::from(*digit).to_digit(base)?)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn found(secrets: &[&str], text: &str) -> Vec<(usize, usize, String)> {
        let mut all = Vec::new();
        let spellings = Spellings::new(secrets.iter().map(|secret| Secret::new(*secret)));
        spellings
            .find(text.as_bytes(), |start, end, secret| all.push((start, end, secret.expose().to_owned())));
        all
    }

    #[test]
    fn every_secret_is_found_also_one_that_begins_like_another_or_lies_in_it() {
        let one = |start, end, secret: &str| (start, end, secret.to_owned());
        assert_eq!(
            found(&["abcd", "abcdef", "abx", "cde", ""], "-abcdef-abx"),
            [one(1, 5, "abcd"), one(3, 6, "cde"), one(1, 7, "abcdef"), one(8, 11, "abx")]
        );
        assert_eq!(found(&[], "abc"), []);
    }

    #[test]
    fn every_spelling_of_a_character_is_known() {
        for (character, spellings) in [
            (
                "&",
                &["&", "&amp;", "&AMP;", "&#38;", "&#038;", "&#x26;", "&#X26;", "%26", "\\u0026", "\\&"][..],
            ),
            ("<", &["<", "&lt;", "&#60;", "&#x3c;", "&#x3C;", "%3c", "%3C", "\\u003c", "\\u003C"]),
            ("'", &["'", "&apos;", "&#39;", "&#x27;", "\\'", "\\u0027"]),
            ("\"", &["\"", "\\\"", "\\\\\\\"", "&quot;", "%22"]),
            ("\\", &["\\", "\\\\", "\\\\\\\\", "%5c", "\\u005c"]),
            ("/", &["/", "\\/", "%2F"]),
            (" ", &[" ", "+", "%20"]),
            ("\t", &["\t", "\\t", "%09"]),
            ("é", &["é", "\\u00e9", "%C3%A9", "&#233;"]),
            ("", &["", "\ndata:", "\r\ndata: ", "\rdata: "]),
        ] {
            for spelling in spellings {
                let text = format!("..ab{spelling}cd..");
                let wanted = [(2, text.len() - 2, format!("ab{character}cd"))];
                assert_eq!(found(&[&format!("ab{character}cd")], &text), wanted, "{spelling}");
            }
        }
        for text in ["ab&am;cd", "ab&#;cd", "ab&#x110000;cd", "ab%2cd", "ab%+6cd", "ab\\u26cd", "ab\\u+026cd"]
        {
            assert_eq!(found(&["ab&cd"], text), [], "{text}");
        }
    }

    #[test]
    fn backslashes_in_front_belong_to_the_secret() {
        assert_eq!(found(&["\"abc"], r#"x\"abc"#), [(1, 6, "\"abc".to_owned())]);
        assert_eq!(found(&["abc"], r"\\abc \nabc"), [(0, 5, "abc".to_owned()), (8, 11, "abc".to_owned())]);
    }

    /// Where each secret ends, by trying everything.
    fn slowly(secret: &[u8], text: &[u8]) -> HashSet<usize> {
        fn ends(
            secret: &[u8],
            text: &[u8],
            at: usize,
            seen: &mut HashSet<(usize, usize)>,
            all: &mut HashSet<usize>,
        ) {
            if !seen.insert((secret.len(), at)) {
                return;
            }
            let Some((wanted, others)) = secret.split_first() else {
                all.insert(at);
                return;
            };
            let rest = &text[at..];
            if rest.first() == Some(wanted) {
                ends(others, text, at + 1, seen, all);
            }
            if rest.first() == Some(&b'\\') {
                ends(secret, text, at + 1, seen, all);
            }
            for escape in [format!("%{wanted:02x}"), format!("\\u{wanted:04x}"), format!("&#{wanted};")] {
                if rest.len() >= escape.len() && rest[..escape.len()].eq_ignore_ascii_case(escape.as_bytes())
                {
                    ends(others, text, at + escape.len(), seen, all);
                }
            }
        }
        let mut all = HashSet::new();
        for at in 0..text.len() {
            ends(secret, text, at, &mut HashSet::new(), &mut all);
        }
        all
    }

    proptest! {
        #[test]
        fn it_finds_what_trying_everything_finds(
            secrets in proptest::collection::vec(r"[a5\\%&u0;#]{1,6}", 1..4),
            text in r"([a5\\%&u0;#]|\\\\|%5c|%25|\\u005C|&#92;|&#38;|%61){0,24}",
        ) {
            let names: Vec<&str> = secrets.iter().map(String::as_str).collect();
            let all = found(&names, &text);
            for secret in &names {
                let ends: HashSet<usize> =
                    all.iter().filter(|(_, _, known)| known == secret).map(|(_, end, _)| *end).collect();
                prop_assert_eq!(ends, slowly(secret.as_bytes(), text.as_bytes()), "{} in {}", secret, text);
            }
            prop_assert!(all.windows(2).all(|pair| pair[0].1 <= pair[1].1 + RING));
        }
    }
}
