//! Through which network proxy connections leave: the one place that reads the URL of a proxy, whoever wrote it. What cannot be
//! read is refused; nothing here ever turns a proxy that is wanted into none.

use std::fmt::Write;

use aggregator_protocol::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use zeroize::Zeroizing;

use super::bypass::Bypass;

/// The longest user name and password that SOCKS5 can carry (RFC 1929).
const LONGEST_IN_SOCKS: usize = 255;
/// The longest name of a host.
const LONGEST_NAME: usize = 253;
/// Who names a proxy for https, in this order; those that are empty do not count. As curl reads them: lower case first.
const VARIABLES: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

/// How connections leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// As the environment says, then the operating system.
    Auto,
    /// Straight out.
    Direct,
    /// Through this proxy, but for these hosts.
    Via(ProxyUrl, Bypass),
}

/// What a proxy speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// CONNECT.
    Http,
    /// CONNECT within TLS.
    Https,
    /// SOCKS5; the proxy resolves names, since ours may be poisoned.
    Socks5,
}

/// A proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyUrl {
    /// What it speaks.
    pub scheme: Scheme,
    /// A name in ASCII or an address; IPv6 in brackets.
    pub host: String,
    /// Where the URL names none: 80, 443 or 1080.
    pub port: u16,
    /// What it wants to see.
    pub credentials: Option<Credentials>,
}

/// What a proxy wants to see. A name without a password may be a token, so both are secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Decoded.
    pub user: Secret,
    /// Decoded; may be empty.
    pub password: Secret,
}

/// It is not the URL of a proxy that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

impl Choice {
    /// What the client wants.
    pub fn from_desired(proxy: aggregator_protocol::Proxy) -> Result<Self, Refused> {
        Ok(match proxy {
            aggregator_protocol::Proxy::Auto => Self::Auto,
            aggregator_protocol::Proxy::Direct => Self::Direct,
            aggregator_protocol::Proxy::Url { url, no_proxy } => {
                Self::Via(ProxyUrl::parse(url.expose())?, Bypass::parse(&no_proxy.unwrap_or_default()))
            }
        })
    }
}

/// The proxy that the environment names for https, if any, and for whom it is not. Refused: by which variable.
pub fn from_environment(
    variable: impl Fn(&str) -> Option<String>,
) -> Result<(Option<ProxyUrl>, Bypass), &'static str> {
    let set = |name: &str| variable(name).map(Zeroizing::new).filter(|value| !value.trim().is_empty());
    let list = set("no_proxy").or_else(|| set("NO_PROXY"));
    let bypass = Bypass::parse(list.as_deref().map_or("", String::as_str));
    let named = VARIABLES.into_iter().find_map(|name| set(name).map(|value| (name, value)));
    let proxy = match named {
        // Then it does not matter what it is.
        Some(_) if bypass.is_everything() => None,
        Some((name, value)) => Some(ProxyUrl::parse(&value).map_err(|Refused| name)?),
        None => None,
    };
    Ok((proxy, bypass))
}

impl ProxyUrl {
    /// `[scheme://][user[:password]@]host[:port][/]`, with blanks around. Without a scheme it is `http`.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let text = text.trim();
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Scheme::parse(scheme)?, rest),
            None => (Scheme::Http, text),
        };
        // Whatever else has a path is something else: a PAC file, a password that should have been encoded.
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '\\', '?', '#']) || rest.contains(char::is_control) {
            return Err(Refused);
        }
        let (credentials, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (Credentials::parse(user, scheme)?, place),
            None => (None, rest),
        };
        let (host, port) = split_port(place)?;
        Ok(Self { scheme, host: normal_host(host)?, port: port.unwrap_or(scheme.port()), credentials })
    }

    /// Host and port, without credentials.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// `scheme://host:port`, without credentials.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme.name(), self.authority())
    }

    /// Everything in one URL, for whoever takes credentials in no other form.
    pub fn with_credentials(&self) -> Secret {
        let mut text = Zeroizing::new(format!("{}://", self.scheme.name()));
        if let Some(Credentials { user, password }) = &self.credentials {
            let encoded =
                |secret: &Secret| utf8_percent_encode(secret.expose(), NON_ALPHANUMERIC).to_string();
            let (user, password) = (Zeroizing::new(encoded(user)), Zeroizing::new(encoded(password)));
            // Writing to a string does not fail.
            let _ = write!(text, "{}:{}@", *user, *password);
        }
        let _ = write!(text, "{}", self.authority());
        Secret::new(std::mem::take(&mut *text))
    }

    /// What nobody may see, in each form in which it travels. Percent-encoding hides nothing from the redactor.
    pub fn secrets(&self) -> Vec<Secret> {
        let Some(credentials) = &self.credentials else { return Vec::new() };
        let Credentials { user, password } = credentials;
        let alone = if password.expose().is_empty() { user } else { password };
        vec![alone.clone(), credentials.pair(), credentials.basic()]
    }
}

impl Scheme {
    fn parse(name: &str) -> Result<Self, Refused> {
        match name.to_ascii_lowercase().as_str() {
            "http" => Ok(Self::Http),
            "https" => Ok(Self::Https),
            "socks5" | "socks5h" | "socks" => Ok(Self::Socks5),
            _ => Err(Refused),
        }
    }

    /// As others know it. `socks5` would have names resolved here.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks5 => "socks5h",
        }
    }

    /// As the editor, Node and Go take it. (curl takes 1080 for `http` too.)
    fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
            Self::Socks5 => 1080,
        }
    }
}

impl Credentials {
    /// `user[:password]`, percent-encoded where somebody did so. `None`: there is nothing.
    fn parse(text: &str, scheme: Scheme) -> Result<Option<Self>, Refused> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        if user.is_empty() && password.is_empty() {
            return Ok(None);
        }
        let this = Self { user: decoded(user)?, password: decoded(password)? };
        let fits = |secret: &Secret| secret.expose().len() <= LONGEST_IN_SOCKS;
        let carried = fits(&this.user) && fits(&this.password) && !this.user.expose().is_empty();
        if scheme == Scheme::Socks5 && !carried { Err(Refused) } else { Ok(Some(this)) }
    }

    fn pair(&self) -> Secret {
        let mut pair = Zeroizing::new(String::with_capacity(
            self.user.expose().len() + 1 + self.password.expose().len(),
        ));
        pair.push_str(self.user.expose());
        pair.push(':');
        pair.push_str(self.password.expose());
        Secret::new(std::mem::take(&mut *pair))
    }

    /// As it goes behind `Proxy-Authorization: Basic` (RFC 7617).
    pub fn basic(&self) -> Secret {
        Secret::new(STANDARD.encode(self.pair().expose()))
    }
}

/// What is no escape stands for itself.
fn decoded(text: &str) -> Result<Secret, Refused> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    bytes.extend(percent_decode_str(text));
    let text = std::str::from_utf8(&bytes).map_err(|_| Refused)?;
    if text.contains(char::is_control) { Err(Refused) } else { Ok(Secret::new(text)) }
}

/// The host and its port, if there is one.
fn split_port(place: &str) -> Result<(&str, Option<u16>), Refused> {
    let within = place.rfind(']').unwrap_or(0);
    let Some(colon) = place[within..].find(':') else { return Ok((place, None)) };
    let (host, port) = (&place[..within + colon], &place[within + colon + 1..]);
    if port.is_empty() {
        return Ok((host, None));
    }
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse() {
        Ok(port @ 1..) if digits => Ok((host, Some(port))),
        _ => Err(Refused),
    }
}

fn normal_host(host: &str) -> Result<String, Refused> {
    let host = url::Host::parse(host).map_err(|_| Refused)?;
    if let url::Host::Domain(name) = &host {
        let usual = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if name.len() > LONGEST_NAME || !name.bytes().all(usual) || name.trim_matches('.').is_empty() {
            return Err(Refused);
        }
    }
    Ok(host.to_string())
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;
