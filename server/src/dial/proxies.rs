//! Which network proxy serves which destination: one answer for the request path and for what is beside it. The environment is
//! read when this is made, the operating system's settings when the first destination needs them.

use std::borrow::Cow;
use std::sync::OnceLock;

use aggregator_protocol::Secret;
use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;

use super::DialError;
use crate::policy::bypass::{self, Bypass};
use crate::policy::proxy::{self, Choice, ProxyUrl, Refused, Scheme};

/// The port of https.
const HTTPS: u16 = 443;

/// Which proxy serves which destination.
#[derive(Debug)]
pub struct Proxies {
    way: Way,
    bypass: Bypass,
}

#[derive(Debug)]
enum Way {
    Straight,
    Via(ProxyUrl),
    /// As the operating system says, where it has a say.
    System(Box<OnceLock<Matcher>>),
}

impl Proxies {
    /// For this choice; `None`: the one that is configured was refused.
    pub fn new(choice: Option<&Choice>) -> Result<Self, DialError> {
        let straight = Self { way: Way::Straight, bypass: Bypass::default() };
        match choice {
            None => Err(DialError::Proxy(None)),
            Some(Choice::Direct) => Ok(straight),
            Some(Choice::Via(proxy, bypass)) => {
                Ok(Self { way: Way::Via(proxy.clone()), bypass: bypass.clone() })
            }
            Some(Choice::Auto) => {
                let variable =
                    |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
                let (proxy, bypass) =
                    proxy::from_environment(variable).map_err(|name| DialError::Proxy(Some(name)))?;
                let way = match proxy {
                    Some(proxy) => Way::Via(proxy),
                    None if cfg!(any(windows, target_os = "macos")) => Way::System(Box::default()),
                    None => Way::Straight,
                };
                Ok(Self { way, bypass })
            }
        }
    }

    /// The proxy for a destination; `None`: straight.
    pub fn serving(&self, destination: &Uri) -> Result<Option<Cow<'_, ProxyUrl>>, Refused> {
        let (host, port) = (destination.host().unwrap_or_default(), destination.port_u16().unwrap_or(HTTPS));
        if bypass::is_loopback(host) || self.bypass.covers(host, port) {
            return Ok(None);
        }
        match &self.way {
            Way::Straight => Ok(None),
            Way::Via(proxy) => Ok(Some(Cow::Borrowed(proxy))),
            Way::System(system) => {
                let intercept = system.get_or_init(Matcher::from_system).intercept(destination);
                let proxy = intercept.map(|found| ProxyUrl::parse(&found.uri().to_string())).transpose()?;
                Ok(proxy.map(Cow::Owned))
            }
        }
    }

    /// The one proxy that is known beforehand and spoken to by TLS.
    pub fn by_tls(&self) -> Option<&ProxyUrl> {
        match &self.way {
            Way::Via(proxy) if proxy.scheme == Scheme::Https => Some(proxy),
            _ => None,
        }
    }

    /// What nobody may see of it.
    pub fn secrets(&self) -> Vec<Secret> {
        match &self.way {
            Way::Via(proxy) => proxy.secrets(),
            Way::Straight | Way::System(_) => Vec::new(),
        }
    }
}
