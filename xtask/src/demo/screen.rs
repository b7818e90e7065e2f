//! What the user sees, as it happens: lines, and text that streams while lines about something else arrive.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Streamed text is broken before this column.
const WIDTH: usize = 84;
/// In front of each of its rows.
const EDGE: &str = "  | ";

/// stdout, one writer at a time. Who no longer reads does not stop the demo.
#[derive(Default)]
pub struct Screen(Mutex<Page>);

impl Screen {
    /// A line, on its own.
    pub fn line(&self, text: &str) {
        show(&self.page().end());
        show(&format!("{text}\n"));
    }

    /// Several of them.
    pub fn lines(&self, lines: &[String]) {
        lines.iter().for_each(|line| self.line(line));
    }

    /// A line that must not tear the text that streams: it waits for the end of the row.
    pub fn aside(&self, text: &str) {
        show(&self.page().aside(text));
    }

    /// A piece of the text that streams.
    pub fn stream(&self, piece: &str) {
        show(&self.page().piece(piece));
    }

    /// That text is over.
    pub fn end_stream(&self) {
        show(&self.page().end());
    }

    fn page(&self) -> MutexGuard<'_, Page> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn show(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Where the text stands. Every method says what to print.
#[derive(Default)]
struct Page {
    /// Width of the row that is open; 0: none is.
    column: usize,
    waiting: Vec<String>,
}

impl Page {
    fn piece(&mut self, piece: &str) -> String {
        let mut out = String::new();
        for bit in piece.split_inclusive([' ', '\n']) {
            let word = bit.trim_end_matches(['\n', '\r']);
            if self.column > EDGE.len() && self.column + width(word.trim_end()) > WIDTH {
                out.push_str(&self.end());
            }
            if self.column == 0 {
                out.push_str(EDGE);
                self.column = EDGE.len();
            }
            out.push_str(word);
            self.column += width(word);
            if bit.ends_with('\n') {
                out.push_str(&self.end());
            }
        }
        out
    }

    fn aside(&mut self, text: &str) -> String {
        if self.column > 0 {
            self.waiting.push(text.to_owned());
            return String::new();
        }
        format!("{text}\n")
    }

    fn end(&mut self) -> String {
        let mut out = String::new();
        if self.column > 0 {
            out.push('\n');
            self.column = 0;
        }
        for line in self.waiting.drain(..) {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{line}");
        }
        out
    }
}

/// Columns on a terminal: ideographs take two.
fn width(text: &str) -> usize {
    text.chars().map(|letter| if letter >= '\u{2e80}' { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_streams_in_rows() {
        let mut page = Page::default();
        let long = "word ".repeat(40);
        let out = page.piece("Hel") + &page.piece("lo\n\nyou ") + &page.piece(&long) + &page.end();
        assert!(out.starts_with("  | Hello\n  | \n  | you word word "), "{out}");
        assert!(out.lines().all(|row| row.len() <= WIDTH + 1 && row.starts_with(EDGE)), "{out}");
        assert_eq!(out.matches("word").count(), 40);
        assert_eq!(page.end(), "");
    }

    #[test]
    fn a_line_about_something_else_waits_for_the_end_of_the_row() {
        let mut page = Page::default();
        assert_eq!(page.aside("first"), "first\n");
        assert_eq!(page.piece("some "), "  | some ");
        assert_eq!(page.aside("second"), "");
        assert_eq!(page.piece("text\nmore"), "text\nsecond\n  | more");
        assert_eq!(page.aside("third"), "");
        assert_eq!(page.end(), "\nthird\n");
    }

    #[test]
    fn ideographs_are_twice_as_wide() {
        assert_eq!(width("a\u{e4}\u{6f22}"), 4);
        let mut page = Page::default();
        let out = page.piece(&"\u{6f22}\u{5b57} ".repeat(30)) + &page.end();
        assert!(out.lines().all(|row| width(row) <= WIDTH + 1), "{out}");
    }
}
