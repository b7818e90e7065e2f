//! stdin, cut into frames (`Content-Length: N`, an empty line, N bytes). Knows nothing of what is in them; wipes whatever it
//! held, since most of it is secrets.
//!
//! Bodies end without a line break, so what goes wrong in one frame sticks to the header of the next. A header is therefore
//! looked for at the end of every line: that bytes in front of it belong to nobody costs them, and not the frames behind them.
//! No JSON holds a line that ends so, because a string cannot hold a line break.

use std::io::{self, ErrorKind, Read};
use std::thread;

use memchr::memchr;
use tokio::sync::mpsc::{self, Receiver};
use zeroize::{Zeroize, Zeroizing};

/// No honest message is larger; a thousand keys are a fraction of it.
const LARGEST: usize = 64 * 1024 * 1024;
/// Of a longer line only the end is looked at.
const LONGEST_HEADER: usize = 256;
/// Larger than the buffer of the standard library, which lets such reads pass it by; nobody wipes that one.
const BUFFER: usize = 64 * 1024;
/// Frames that wait at most; then the editor waits.
const AHEAD: usize = 16;

/// What came in.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// The body of a frame.
    Frame(Zeroizing<Vec<u8>>),
    /// Bytes that are no frame, told once for all of them up to the next frame.
    Noise(Noise),
}

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noise {
    /// They stand where a header should.
    Stray,
    /// The length is no number.
    Length,
    /// The length is above the limit.
    TooLarge,
}

/// The pieces of stdin, until it ends. Read by a thread of its own, because a read of stdin cannot be given up.
pub fn start() -> Receiver<Piece> {
    let (pieces, received) = mpsc::channel(AHEAD);
    thread::spawn(move || {
        let mut frames = Frames::new(io::stdin().lock());
        while let Some(piece) = frames.next() {
            if pieces.blocking_send(piece).is_err() {
                return;
            }
        }
    });
    received
}

struct Frames<R> {
    input: Wiping<R>,
    /// From the header that is being read.
    length: Option<usize>,
    /// The noise since the last frame was told.
    told: bool,
}

impl<R: Read> Frames<R> {
    fn new(input: R) -> Self {
        let buffer = Zeroizing::new(vec![0; BUFFER]);
        Self { input: Wiping { input, buffer, at: 0, end: 0 }, length: None, told: false }
    }

    /// `None` at the end, also in the middle of a frame.
    fn next(&mut self) -> Option<Piece> {
        loop {
            let line = self.line()?;
            let line = line.trim_ascii();
            let noise = if let Some((stray, value)) = split_at_length(line) {
                let length = length(value);
                self.length = length.ok();
                length.err().or((!stray.is_empty()).then_some(Noise::Stray))
            } else if line.is_empty() {
                if let Some(length) = self.length.take() {
                    self.told = false;
                    return self.body(length).map(Piece::Frame);
                }
                None
            } else {
                // Other headers may stand before and behind the length.
                let header = self.length.is_some() || begins_with(line, b"content-type:");
                (!header).then_some(Noise::Stray)
            };
            if let Some(noise) = noise
                && !std::mem::replace(&mut self.told, true)
            {
                return Some(Piece::Noise(noise));
            }
        }
    }

    /// The next line, or the end of a long one; its capacity is never outgrown, which would leave copies behind.
    fn line(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        let mut line = Zeroizing::new(Vec::with_capacity(LONGEST_HEADER));
        loop {
            let ready = self.input.ready()?;
            let ended = memchr(b'\n', ready);
            let count = ended.map_or(ready.len(), |at| at + 1);
            let end = &ready[count.saturating_sub(LONGEST_HEADER)..count];
            let excess = (line.len() + end.len()).saturating_sub(LONGEST_HEADER);
            line.drain(..excess);
            line.extend_from_slice(end);
            self.input.take(count);
            if ended.is_some() {
                return Some(line);
            }
        }
    }

    fn body(&mut self, length: usize) -> Option<Zeroizing<Vec<u8>>> {
        let mut body = Zeroizing::new(Vec::with_capacity(length));
        while body.len() < length {
            let ready = self.input.ready()?;
            let count = ready.len().min(length - body.len());
            body.extend_from_slice(&ready[..count]);
            self.input.take(count);
        }
        Some(body)
    }
}

/// Reads ahead, and wipes what was taken.
struct Wiping<R> {
    input: R,
    buffer: Zeroizing<Vec<u8>>,
    at: usize,
    end: usize,
}

impl<R: Read> Wiping<R> {
    /// At least one byte that was not taken yet; `None` at the end, and when the input breaks.
    fn ready(&mut self) -> Option<&[u8]> {
        while self.at == self.end {
            self.at = 0;
            self.end = match self.input.read(&mut self.buffer) {
                Ok(0) => return None,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => 0,
                Err(_) => return None,
            };
        }
        Some(&self.buffer[self.at..self.end])
    }

    fn take(&mut self, count: usize) {
        self.buffer[self.at..self.at + count].zeroize();
        self.at += count;
    }
}

/// What stands before the last `Content-Length:` of a line, and what behind it.
fn split_at_length(line: &[u8]) -> Option<(&[u8], &[u8])> {
    const NAME: &[u8] = b"content-length:";
    let at = line.windows(NAME.len()).rposition(|name| name.eq_ignore_ascii_case(NAME))?;
    Some((line[..at].trim_ascii(), line[at + NAME.len()..].trim_ascii()))
}

fn length(value: &[u8]) -> Result<usize, Noise> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Noise::Length);
    }
    let length = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
    length.filter(|length| *length <= LARGEST).ok_or(Noise::TooLarge)
}

fn begins_with(line: &[u8], name: &[u8]) -> bool {
    line.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bodies as text, noise by its name.
    fn cut(input: &[u8]) -> Vec<String> {
        let mut frames = Frames::new(input);
        let text = |piece| match piece {
            Piece::Frame(body) => String::from_utf8_lossy(&body).into_owned(),
            Piece::Noise(noise) => format!("{noise:?}"),
        };
        std::iter::from_fn(|| frames.next()).map(text).collect()
    }

    fn framed(body: &str) -> String {
        format!("Content-Length: {}\r\n\r\n{body}", body.len())
    }

    #[test]
    fn frames_are_cut_whatever_headers_stand_around_the_length() {
        let one = framed("{\"n\":1}");
        assert_eq!(cut(one.repeat(2).as_bytes()), ["{\"n\":1}", "{\"n\":1}"]);
        let typed = "Content-Type: x\r\ncontent-length:2\r\nOther: y\r\n\r\n{}\r\n\nCONTENT-LENGTH : 9\n";
        assert_eq!(cut(format!("{typed}{one}").as_bytes()), ["{}", "Stray", "{\"n\":1}"]);
        assert_eq!(cut(b"Content-Length: 0\r\n\r\nContent-Length: 2\n\n{}"), ["", "{}"]);
        for end in ["", "Content-Len", "Content-Length: 10\r\n", "Content-Length: 10\r\n\r\nshort"] {
            assert_eq!(cut(end.as_bytes()), [""; 0], "{end:?}");
        }
    }

    #[test]
    fn what_is_no_frame_costs_no_other_frame() {
        let next = framed("{\"the\":\"next\"}");
        for (noise, told) in [
            ("Content-Length: many\r\n\r\n{\"n\":1}".to_owned(), "Length"),
            ("Content-Length: -5\r\n\r\n{\"n\":1}".into(), "Length"),
            ("Content-Length: +7\r\n\r\n{\"n\":1}".into(), "Length"),
            ("Content-Length:\r\n\r\n{\"n\":1}".into(), "Length"),
            (format!("Content-Length: {}\r\n\r\n{}", LARGEST + 1, " ".repeat(LARGEST + 1)), "TooLarge"),
            (format!("Content-Length: 99999999999999999999\r\n\r\n{}", " ".repeat(70_000)), "TooLarge"),
            ("hello world".into(), "Stray"),
            ("hello\r\n\r\nworld\r\n".into(), "Stray"),
            ("{\"n\":1}".repeat(30_000), "Stray"),
            ("Content-Length: 7\r\n{\"n\":1}".into(), "Stray"),
        ] {
            let shown = &noise[..noise.len().min(60)];
            assert_eq!(
                cut(format!("{noise}{next}{next}").as_bytes()),
                [told, "{\"the\":\"next\"}", "{\"the\":\"next\"}"],
                "{shown:?}"
            );
        }
        let short = format!("Content-Length: 4\r\n\r\n{{\"n\":1}}{next}");
        assert_eq!(cut(short.as_bytes()), ["{\"n\"", "Stray", "{\"the\":\"next\"}"]);
        let long = format!("Content-Length: 10\r\n\r\n{{\"n\":1}}{next}{next}");
        assert_eq!(cut(long.as_bytes()), ["{\"n\":1}Con", "Stray", "{\"the\":\"next\"}"]);
    }

    /// A frame, as it should be or with one thing wrong.
    fn frame() -> impl Strategy<Value = Vec<u8>> {
        let body = || "\\{\"[a-z]{1,30}\":[0-9]{1,5}\\}";
        const LENGTHS: &[&str] = &["many", "-5", "", "+7", "67108865", "99999999999999999999", "1 2"];
        prop_oneof![
            4 => body().prop_map(|body| framed(&body).into_bytes()),
            1 => (body(), proptest::sample::select(LENGTHS))
                .prop_map(|(body, length)| format!("Content-Length: {length}\r\n\r\n{body}").into_bytes()),
            1 => (body(), -5_isize..20).prop_map(|(body, off)| {
                format!("Content-Length: {}\r\n\r\n{body}", body.len().saturating_add_signed(off)).into_bytes()
            }),
            1 => proptest::collection::vec(any::<u8>(), 0..400),
            1 => (body(), proptest::collection::vec(any::<u8>(), 1..40)).prop_map(|(body, bytes)| {
                [format!("Content-Length: {}\r\n{body}", body.len()).as_bytes(), &bytes].concat()
            }),
        ]
    }

    proptest! {
        #[test]
        fn whatever_came_before_the_last_frame_comes_through(
            frames in proptest::collection::vec(frame(), 0..12),
        ) {
            // The first of the two is as long as the longest frame is too long.
            let last = framed("{\"the\":\"last\"}");
            let input = [frames.concat(), framed(&" ".repeat(40)).into_bytes(), last.into_bytes()].concat();
            let pieces = cut(&input);
            prop_assert_eq!(pieces.last().map(String::as_str), Some("{\"the\":\"last\"}"));
        }
    }
}
