//! Looks for secrets in what the sidecar and the relays send and log. Remembers whose showed and where, never the text.

use std::collections::{BTreeSet, HashMap};

/// A masked key shows four characters at each end, so a run of this length is none.
const RUN: usize = 10;

/// Everything that was looked at so far.
pub struct Leaks {
    /// Every run of a secret, with the id of its key or relay.
    runs: HashMap<Vec<u8>, String>,
    length: usize,
    /// The end of what came last from a place: a run may lie across two reads.
    tails: HashMap<&'static str, Vec<u8>>,
    found: BTreeSet<String>,
    looked_at: usize,
}

impl Leaks {
    /// Looks for these: id of a key or relay, and its secret.
    pub fn new<'a>(secrets: impl IntoIterator<Item = (&'a str, &'a str)> + Clone) -> Self {
        let shortest = secrets.clone().into_iter().map(|(_, secret)| secret.len()).min();
        let length = shortest.unwrap_or(RUN).clamp(1, RUN);
        let runs = secrets.into_iter().flat_map(|(id, secret)| {
            secret.as_bytes().windows(length).map(move |run| (run.to_vec(), id.to_owned()))
        });
        Self { runs: runs.collect(), length, tails: HashMap::new(), found: BTreeSet::new(), looked_at: 0 }
    }

    /// Looks at bytes that came from here.
    pub fn look(&mut self, place: &'static str, bytes: &[u8]) {
        self.looked_at += bytes.len();
        let tail = self.tails.entry(place).or_default();
        tail.extend_from_slice(bytes);
        for id in tail.windows(self.length).filter_map(|run| self.runs.get(run)) {
            self.found.insert(format!("{id} in {place}"));
        }
        tail.drain(..tail.len().saturating_sub(self.length - 1));
    }

    /// Whose secret showed where.
    pub fn found(&self) -> Vec<String> {
        self.found.iter().cloned().collect()
    }

    /// How many bytes that was.
    pub fn looked_at(&self) -> usize {
        self.looked_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "AIza-0123456789-abcdefgh-WXYZ";

    fn found(pieces: &[&str]) -> Vec<String> {
        let mut leaks = Leaks::new([("key1", SECRET), ("key2", "another-secret-of-some-length")]);
        for piece in pieces {
            leaks.look("the log", piece.as_bytes());
            leaks.look("a message", b"another");
        }
        leaks.found()
    }

    #[test]
    fn a_secret_is_found_whole_in_part_and_across_two_reads() {
        for pieces in [
            &[SECRET][..],
            &["x", "key=AIza-0123456789-abcdefgh-WXYZ&"],
            &["...56789-abcd..."],
            &["AIza-0123", "456789-abcdefgh-WXYZ"],
            &["AIza-0", "1", "2", "3", "4", "5"],
        ] {
            assert_eq!(found(pieces), ["key1 in the log"], "{pieces:?}");
        }
    }

    #[test]
    fn a_mask_and_honest_text_are_none() {
        assert!(found(&["AIza…WXYZ", "key1 was refused", "AIza-0123", "x", "456789-ab"]).is_empty());
    }

    #[test]
    fn all_bytes_are_counted() {
        let mut leaks = Leaks::new([("key1", "abc")]);
        leaks.look("here", b"xxab");
        leaks.look("here", b"c");
        assert_eq!((leaks.looked_at(), leaks.found()), (5, vec!["key1 in here".to_owned()]));
    }
}
