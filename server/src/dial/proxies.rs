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

#[cfg(test)]
impl Proxies {
    /// As if the operating system said so.
    pub fn of_system(proxy: &str, no_proxy: &str) -> Self {
        let matcher = Matcher::builder().all(proxy).no(no_proxy).build();
        Self { way: Way::System(Box::new(OnceLock::from(matcher))), bypass: Bypass::parse("own.test") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(proxies: &Proxies, destination: &str) -> String {
        match proxies.serving(&destination.parse().unwrap()) {
            Ok(proxy) => proxy.map_or_else(|| "straight".into(), |proxy| proxy.authority()),
            Err(Refused) => "refused".into(),
        }
    }

    #[test]
    fn the_proxy_of_the_system_is_read_as_any_other() {
        let proxies = Proxies::of_system("p.test:3128", "other.test");
        for (destination, meant) in [
            ("https://g.test", "p.test:3128"),
            ("https://other.test", "straight"),
            ("https://own.test", "straight"),
            ("https://localhost", "straight"),
            ("https://127.0.0.1:8443", "straight"),
            ("https://[::1]", "straight"),
            ("http://localhost:1", "straight"),
        ] {
            assert_eq!(told(&proxies, destination), meant, "{destination}");
        }
        assert_eq!(told(&Proxies::of_system("socks5://p.test", ""), "https://g.test"), "p.test:1080");
        assert_eq!(told(&Proxies::of_system("socks4://p.test:1", ""), "https://g.test"), "refused");
    }

    #[test]
    fn a_list_is_for_the_port_that_is_meant() {
        let choice =
            Choice::Via(ProxyUrl::parse("p.test").unwrap(), Bypass::parse("a.test:8443, b.test:443"));
        let proxies = Proxies::new(Some(&choice)).unwrap();
        for (destination, meant) in [
            ("https://a.test", "p.test:80"),
            ("https://a.test:8443", "straight"),
            ("https://b.test", "straight"),
            ("https://b.test:8443", "p.test:80"),
        ] {
            assert_eq!(told(&proxies, destination), meant, "{destination}");
        }
        assert_eq!(Proxies::new(None).unwrap_err(), DialError::Proxy(None));
        assert_eq!(told(&Proxies::new(Some(&Choice::Direct)).unwrap(), "https://a.test"), "straight");
    }
}
