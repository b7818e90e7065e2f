//! Where a body ends: after so many bytes, or after the last chunk. Takes bytes in any pieces.

use anyhow::{Context, bail, ensure};

/// What is still to come of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes.
    Length(usize),
    /// Chunks.
    Chunks(Chunk),
}

/// Where among the chunks the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunk {
    /// In the line with the size, as far as it was read.
    Size(usize),
    /// Behind the digits of the size, up to the end of the line.
    Extension(usize),
    /// So many bytes before the end of the chunk.
    Data(usize),
    /// In the line end behind the data.
    End,
    /// Behind the last chunk; whether the line is empty so far.
    Trailer { empty: bool },
    /// Nothing follows.
    Over,
}

impl Framing {
    /// As the headers say.
    pub fn of(headers: &[httparse::Header<'_>]) -> anyhow::Result<Self> {
        let value = |name: &str| {
            let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
            std::str::from_utf8(header.value).ok()
        };
        match (value("transfer-encoding"), value("content-length")) {
            (Some("chunked"), _) => Ok(Self::Chunks(Chunk::Size(0))),
            (None, Some(length)) => Ok(Self::Length(length.parse()?)),
            _ => bail!("a body without a length"),
        }
    }

    /// Nothing more will come.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunks(Chunk::Over))
    }

    /// Moves what belongs to the body to `payload`; how many bytes were read.
    pub fn take(&mut self, bytes: &[u8], payload: &mut Vec<u8>) -> anyhow::Result<usize> {
        let mut at = 0;
        while at < bytes.len() && !self.is_over() {
            let rest = &bytes[at..];
            at += match self {
                Self::Length(left) => {
                    let data = &rest[..rest.len().min(*left)];
                    payload.extend_from_slice(data);
                    *left -= data.len();
                    data.len()
                }
                Self::Chunks(chunk) => chunk.step(rest, payload)?,
            };
        }
        Ok(at)
    }
}

impl Chunk {
    /// Reads at least one byte; how many.
    fn step(&mut self, bytes: &[u8], payload: &mut Vec<u8>) -> anyhow::Result<usize> {
        let byte = bytes[0];
        *self = match *self {
            Self::Data(left) => {
                let data = &bytes[..bytes.len().min(left)];
                payload.extend_from_slice(data);
                *self = if data.len() == left { Self::End } else { Self::Data(left - data.len()) };
                return Ok(data.len());
            }
            Self::Size(size) => match char::from(byte).to_digit(16) {
                Some(digit) => {
                    Self::Size(size.checked_mul(16).context("a chunk without a bound")? + digit as usize)
                }
                None => Self::Extension(size).line(byte),
            },
            Self::Extension(size) => Self::Extension(size).line(byte),
            Self::End => match byte {
                b'\n' => Self::Size(0),
                _ => {
                    ensure!(byte == b'\r', "a chunk longer than it said");
                    Self::End
                }
            },
            Self::Trailer { empty: true } if byte == b'\n' => Self::Over,
            Self::Trailer { .. } if byte == b'\n' => Self::Trailer { empty: true },
            Self::Trailer { empty } => Self::Trailer { empty: empty && byte == b'\r' },
            Self::Over => Self::Over,
        };
        Ok(1)
    }

    /// Behind the digits of a size.
    fn line(self, byte: u8) -> Self {
        match self {
            Self::Extension(0) if byte == b'\n' => Self::Trailer { empty: true },
            Self::Extension(size) if byte == b'\n' => Self::Data(size),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(framing: Framing, pieces: &[&str]) -> (String, bool) {
        let (mut framing, mut payload) = (framing, Vec::new());
        for piece in pieces {
            framing.take(piece.as_bytes(), &mut payload).unwrap();
        }
        (String::from_utf8(payload).unwrap(), framing.is_over())
    }

    #[test]
    fn chunks_are_joined_however_they_are_cut() {
        let whole = "5\r\nhello\r\nb;x=1\r\n wide world\r\n0\r\nTrailer: x\r\n\r\n";
        let letters: Vec<&str> = (0..whole.len()).map(|at| &whole[at..=at]).collect();
        let expected = ("hello wide world".to_owned(), true);
        assert_eq!(read(Framing::Chunks(Chunk::Size(0)), &[whole]), expected);
        assert_eq!(read(Framing::Chunks(Chunk::Size(0)), &letters), expected);
        assert!(!read(Framing::Chunks(Chunk::Size(0)), &["5\r\nhello\r\n0\r\n"]).1);
    }

    #[test]
    fn a_body_ends_after_its_length_and_leaves_the_rest() {
        let (mut framing, mut payload) = (Framing::Length(3), Vec::new());
        assert_eq!(framing.take(b"abcd", &mut payload).unwrap(), 3);
        assert!(framing.is_over() && payload == b"abc");
    }

    #[test]
    fn a_chunk_that_goes_on_is_an_error() {
        let mut framing = Framing::Chunks(Chunk::Size(0));
        assert!(framing.take(b"1\r\nab", &mut Vec::new()).is_err());
    }
}
