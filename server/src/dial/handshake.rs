//! What is said to a network proxy before it passes bytes on: CONNECT (RFC 9110, 9.3.6) and SOCKS5 (RFC 1928, RFC 1929).
//!
//! hyper-util has both, but does not tell what the proxy answered, nor what is wrong with the way to it. Not a byte is read
//! beyond the proxy's own words.

use std::io;
use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

use crate::policy::proxy::Credentials;

/// The longest head of an answer to CONNECT.
const LONGEST_HEAD: usize = 16 * 1024;
/// So many headers it may have.
const MOST_HEADERS: usize = 100;
/// The versions of SOCKS5 and of its user names and passwords.
const SOCKS: u8 = 5;
const USER_AND_PASSWORD_VERSION: u8 = 1;
/// Ways to say who one is.
const NOBODY: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
const NONE_OF_THESE: u8 = 0xff;
/// Kinds of addresses.
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Where the proxy shall connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// As it stands in a URL.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Why the proxy does not pass bytes on. Holds nothing that the proxy wrote but numbers.
#[derive(Debug)]
pub enum Denied {
    /// It wants credentials, or others.
    Credentials,
    /// It answered CONNECT with this status.
    Status(u16),
    /// It answered SOCKS5 with this code.
    Code(u8),
    /// What it says is not what such a proxy says.
    Nonsense,
    /// The name of the host is too long for SOCKS5.
    LongName,
    /// The connection to it broke.
    Broken(io::Error),
}

impl From<io::Error> for Denied {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

impl std::fmt::Display for Denied {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Credentials => {
                formatter.write_str("it wants credentials, or others than those it was given")
            }
            Self::Status(status) => write!(formatter, "it answered CONNECT with {status}"),
            Self::Code(code) => write!(formatter, "it answered with SOCKS code {code}: {}", words(*code)),
            Self::Nonsense => formatter.write_str("it does not speak as such a proxy does"),
            Self::LongName => formatter.write_str("the name of the host is too long for it"),
            Self::Broken(_) => formatter.write_str("it broke the connection off"),
        }
    }
}

impl std::error::Error for Denied {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Broken(error) => Some(error),
            _ => None,
        }
    }
}

/// RFC 1928, 6.
fn words(code: u8) -> &'static str {
    match code {
        1 => "general failure",
        2 => "not allowed",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "TTL expired",
        7 => "command not supported",
        8 => "kind of address not supported",
        _ => "unknown",
    }
}

/// Has an HTTP proxy connect.
pub async fn connect(
    proxy: &mut (impl AsyncRead + AsyncWrite + Unpin),
    target: &Target,
    credentials: Option<&Credentials>,
) -> Result<(), Denied> {
    let Target { host, port } = target;
    let mut request = Zeroizing::new(format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n"));
    if let Some(basic) = credentials.map(Credentials::basic) {
        request.reserve_exact(40 + basic.expose().len());
        request.push_str("Proxy-Authorization: Basic ");
        request.push_str(basic.expose());
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    proxy.write_all(request.as_bytes()).await?;
    proxy.flush().await?;
    let mut answer = Vec::with_capacity(512);
    loop {
        if proxy.read_buf(&mut answer).await? == 0 {
            return Err(Denied::Broken(io::ErrorKind::UnexpectedEof.into()));
        }
        match status(&answer)? {
            // TLS begins with our own word: bytes behind the head are no peer's.
            Some((200..300, rest)) => return if rest == 0 { Ok(()) } else { Err(Denied::Nonsense) },
            // RFC 9110 knows the first; tinyproxy says the other to credentials that it does not accept.
            Some((407 | 401, _)) => return Err(Denied::Credentials),
            Some((status, _)) => return Err(Denied::Status(status)),
            None if answer.len() > LONGEST_HEAD => return Err(Denied::Nonsense),
            None => {}
        }
    }
}

/// The status and how many bytes are behind the head, once that is whole.
fn status(answer: &[u8]) -> Result<Option<(u16, usize)>, Denied> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut head = httparse::Response::new(&mut headers);
    match head.parse(answer) {
        Ok(httparse::Status::Complete(length)) => Ok(head.code.map(|status| (status, answer.len() - length))),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(_) => Err(Denied::Nonsense),
    }
}

/// Has a SOCKS5 proxy connect; it resolves the name.
pub async fn socks5(
    proxy: &mut (impl AsyncRead + AsyncWrite + Unpin),
    target: &Target,
    credentials: Option<&Credentials>,
) -> Result<(), Denied> {
    let request = wanted(target)?;
    // Also one that knows us by our address may be given credentials in vain.
    let greeting: &[u8] = match credentials {
        Some(_) => &[SOCKS, 2, NOBODY, USER_AND_PASSWORD],
        None => &[SOCKS, 1, NOBODY],
    };
    said(proxy, greeting).await?;
    let [version, way] = heard(proxy).await?;
    match (version, way, credentials) {
        (SOCKS, NOBODY, _) => {}
        (SOCKS, USER_AND_PASSWORD, Some(credentials)) => identify(proxy, credentials).await?,
        (SOCKS, NONE_OF_THESE, _) => return Err(Denied::Credentials),
        _ => return Err(Denied::Nonsense),
    }
    said(proxy, &request).await?;
    let [version, code, _, kind] = heard(proxy).await?;
    match (version, code) {
        (SOCKS, 0) => {}
        (SOCKS, code) => return Err(Denied::Code(code)),
        _ => return Err(Denied::Nonsense),
    }
    // By which address it left is its own business.
    let address = match kind {
        IPV4 => 4,
        IPV6 => 16,
        NAME => usize::from(heard::<1>(proxy).await?[0]),
        _ => return Err(Denied::Nonsense),
    };
    let mut bound = vec![0; address + 2];
    proxy.read_exact(&mut bound).await?;
    Ok(())
}

async fn identify(
    proxy: &mut (impl AsyncRead + AsyncWrite + Unpin),
    credentials: &Credentials,
) -> Result<(), Denied> {
    let mut words = Zeroizing::new(Vec::with_capacity(2 * (1 + usize::from(u8::MAX)) + 1));
    words.push(USER_AND_PASSWORD_VERSION);
    for word in [credentials.user.expose(), credentials.password.expose()] {
        words.push(u8::try_from(word.len()).map_err(|_| Denied::Credentials)?);
        words.extend_from_slice(word.as_bytes());
    }
    said(proxy, &words).await?;
    let [_, failed] = heard(proxy).await?;
    if failed == 0 { Ok(()) } else { Err(Denied::Credentials) }
}

/// The request: connect to this.
fn wanted(target: &Target) -> Result<Vec<u8>, Denied> {
    const CONNECT: u8 = 1;
    let mut request = vec![SOCKS, CONNECT, 0];
    match target.host.trim_start_matches('[').trim_end_matches(']').parse() {
        Ok(IpAddr::V4(address)) => {
            request.push(IPV4);
            request.extend(address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            request.push(IPV6);
            request.extend(address.octets());
        }
        Err(_) => {
            let length = u8::try_from(target.host.len()).map_err(|_| Denied::LongName)?;
            request.extend([NAME, length]);
            request.extend(target.host.as_bytes());
        }
    }
    request.extend(target.port.to_be_bytes());
    Ok(request)
}

async fn said(proxy: &mut (impl AsyncWrite + Unpin), words: &[u8]) -> io::Result<()> {
    proxy.write_all(words).await?;
    proxy.flush().await
}

async fn heard<const N: usize>(proxy: &mut (impl AsyncRead + Unpin)) -> io::Result<[u8; N]> {
    let mut words = [0; N];
    proxy.read_exact(&mut words).await?;
    Ok(words)
}

#[cfg(test)]
#[path = "handshake_tests.rs"]
mod tests;
