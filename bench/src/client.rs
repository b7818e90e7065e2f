//! A client that costs little: one connection, one request at a time, read as far as needed. Never retries.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::body::Framing;

/// What is read at a time.
const BUFFER: usize = 64 * 1024;
/// No head is longer.
const LONGEST_HEAD: usize = 64 * 1024;

/// A request for this model, with a body of this size.
pub fn request(model: &str, verb: &str, bytes: usize) -> Vec<u8> {
    let frame = r#"{"contents":[{"role":"user","parts":[{"text":""}]}]}"#;
    let (before, after) = frame.split_at(frame.len() - 6);
    let text = "x".repeat(bytes.saturating_sub(frame.len()));
    let length = frame.len() + text.len();
    format!(
        "POST /v1beta/models/{model}:{verb} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: bench\r\naccept: */*\r\n\
         content-type: application/json\r\nx-goog-api-key: bench\r\ncontent-length: {length}\r\n\r\n{before}{text}{after}"
    )
    .into_bytes()
}

/// A request for one answer.
pub fn unary(model: &str, bytes: usize) -> Vec<u8> {
    request(model, "generateContent", bytes)
}

/// A request for a stream.
pub fn stream(model: &str) -> Vec<u8> {
    request(model, "streamGenerateContent?alt=sse", 512)
}

/// A connection that is kept.
pub struct Connection {
    stream: TcpStream,
    /// Read and not looked at.
    raw: Vec<u8>,
    framing: Framing,
    /// `X-Attempts` of the answer whose head was read last, if it has one.
    pub attempts: Option<u32>,
    /// What came of the body, without its framing. Whoever reads it empties it.
    pub payload: Vec<u8>,
}

impl Connection {
    /// To a port of this machine.
    pub async fn open(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            raw: Vec::with_capacity(BUFFER),
            framing: Framing::Length(0),
            attempts: None,
            payload: Vec::with_capacity(BUFFER),
        })
    }

    /// A whole exchange; the status. The body is in `payload`.
    pub async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<u16> {
        self.send(request).await?;
        let status = self.head().await?;
        while self.piece().await? {}
        Ok(status)
    }

    /// A whole exchange that must bring an answer of this size.
    pub async fn expect(&mut self, request: &[u8], bytes: usize) -> anyhow::Result<()> {
        let status = self.exchange(request).await?;
        ensure!(status == 200 && self.payload.len() == bytes, "{status} with {} bytes", self.payload.len());
        Ok(())
    }

    /// Writes a request.
    pub async fn send(&mut self, request: &[u8]) -> anyhow::Result<()> {
        self.payload.clear();
        Ok(self.stream.write_all(request).await?)
    }

    /// Reads the head of an answer; its status.
    pub async fn head(&mut self) -> anyhow::Result<u16> {
        loop {
            ensure!(self.raw.len() < LONGEST_HEAD, "a head without an end");
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut head = httparse::Response::new(&mut headers);
            if let httparse::Status::Complete(length) = head.parse(&self.raw)? {
                let status = head.code.context("an answer without a status")?;
                self.framing = Framing::of(head.headers)?;
                self.attempts = attempts(head.headers);
                self.raw.drain(..length);
                return Ok(status);
            }
            self.fill().await?;
        }
    }

    /// Adds what comes next of the body to `payload`; false once it is over.
    pub async fn piece(&mut self) -> anyhow::Result<bool> {
        if self.framing.is_over() {
            return Ok(false);
        }
        if self.raw.is_empty() {
            self.fill().await?;
        }
        let used = self.framing.take(&self.raw, &mut self.payload)?;
        self.raw.drain(..used);
        Ok(true)
    }

    async fn fill(&mut self) -> anyhow::Result<()> {
        self.raw.reserve(BUFFER);
        if self.stream.read_buf(&mut self.raw).await? == 0 {
            bail!("the connection ended early");
        }
        Ok(())
    }
}

fn attempts(headers: &[httparse::Header<'_>]) -> Option<u32> {
    let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case("x-attempts"))?;
    std::str::from_utf8(header.value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_the_size_asked_for() {
        let text = String::from_utf8(unary("m", 2_048)).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("content-length: 2048") && body.len() == 2_048, "{head}");
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }
}
