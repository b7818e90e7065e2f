//! Where requests go: the one place that checks and normalises a URL. Test, health check and forwarding all use it (S8).

use std::net::{IpAddr, Ipv6Addr};

/// An origin with an optional path prefix.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Base {
    /// `https`, or `http` on loopback.
    pub https: bool,
    /// Host and optional port, lower case.
    pub authority: String,
    /// Begins with `/` or is empty; has no trailing slash.
    pub prefix: String,
}

/// Why a URL is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Not https (nor http on loopback), or with credentials, query or fragment, or a host that no relay lives on.
    Url,
    /// On a platform that was shut down: Deno Deploy Classic, `*.deno.dev`, on 2026-07-20.
    Retired,
}

impl Base {
    /// Checks and normalises.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let url = url::Url::parse(text.trim()).map_err(|_| Refused::Url)?;
        let host = url.host().ok_or(Refused::Url)?;
        let clean = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        let loopback = match &host {
            url::Host::Domain(name) => *name == "localhost",
            url::Host::Ipv4(address) => address.is_loopback(),
            url::Host::Ipv6(address) => plain(*address).is_loopback(),
        };
        let https = match url.scheme() {
            "https" => true,
            "http" if loopback => false,
            _ => return Err(Refused::Url),
        };
        if !clean || text.contains('@') || is_off_limits(&host) {
            return Err(Refused::Url);
        }
        if matches!(&host, url::Host::Domain(name) if name.ends_with(".deno.dev")) {
            return Err(Refused::Retired);
        }
        let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
        Ok(Self {
            https,
            authority: format!("{host}{port}"),
            prefix: url.path().trim_end_matches('/').to_owned(),
        })
    }

    /// As text, without a trailing slash.
    pub fn url(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority, self.prefix)
    }

    /// Whether a `Location` leads here, or nowhere else than where it is read: as a caller reads it, who asked by http.
    pub fn holds(&self, location: &str) -> bool {
        let [Ok(home), Ok(caller)] = [&*self.url(), "http://caller.invalid"].map(url::Url::parse) else {
            return false;
        };
        caller.join(location).is_ok_and(|there| [home, caller].iter().any(|at| at.origin() == there.origin()))
    }
}

/// An IPv4 address in IPv6 clothes is an IPv4 address.
fn plain(address: Ipv6Addr) -> IpAddr {
    address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4)
}

/// Link-local and unspecified addresses, and where clouds keep their machines' credentials.
fn is_off_limits(host: &url::Host<&str>) -> bool {
    let address = match host {
        url::Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            return matches!(
                name,
                "metadata" | "metadata.google.internal" | "instance-data" | "metadata.azure.internal"
            );
        }
        url::Host::Ipv4(address) => IpAddr::V4(*address),
        url::Host::Ipv6(address) => plain(*address),
    };
    match address {
        IpAddr::V4(address) => {
            address.is_link_local()
                || address.is_unspecified()
                || address.is_broadcast()
                || address.is_multicast()
                || address.octets() == [100, 100, 100, 200]
        }
        IpAddr::V6(address) => {
            address.is_unspecified()
                || address.is_multicast()
                || address.is_unicast_link_local()
                || address == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_location_is_here_if_it_names_this_origin_or_none() {
        let base = Base::parse("https://g.example/prefix").unwrap();
        for here in ["https://g.example/x", "HTTPS://G.example:443/x", "/x?y", "x", ""] {
            assert!(base.holds(here), "{here}");
        }
        for elsewhere in [
            "https://evil.example",
            "//evil.example",
            "//g.example",
            "/\\evil.example",
            "http://g.example/x",
            "https://g.example:8443",
            "https:evil.example@x",
            "\thttps://evil.example",
            "https://g.example@evil.example",
            "data:text/html,x",
        ] {
            assert!(!base.holds(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn good_urls_are_normalised() {
        for (text, normal) in [
            ("https://generativelanguage.googleapis.com", "https://generativelanguage.googleapis.com"),
            (" https://Relay.Example/ ", "https://relay.example"),
            ("https://relay.example:443/a/b//", "https://relay.example/a/b"),
            ("https://relay.example:8443/x", "https://relay.example:8443/x"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
            ("http://localhost:1/p", "http://localhost:1/p"),
            ("http://[::1]:9", "http://[::1]:9"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
        ] {
            assert_eq!(Base::parse(text).unwrap().url(), normal, "{text}");
        }
    }

    #[test]
    fn bad_urls_are_refused() {
        for text in [
            "",
            "relay.example",
            "ftp://relay.example",
            "http://relay.example",
            "https://user:pw@relay.example",
            "https://user@relay.example",
            "https://@relay.example",
            "https://relay.example?x=1",
            "https://relay.example/#f",
            "https://169.254.169.254",
            "http://169.254.169.254",
            "https://[fe80::1]",
            "https://[::ffff:169.254.169.254]",
            "https://metadata.google.internal",
            "https://[fd00:ec2::254]",
            "https://0.0.0.0",
            "https://[::]",
            "https://0xa9fea9fe",
            "https://2852039166",
            "javascript:alert(1)",
            "https://",
            "https://a b",
        ] {
            assert_eq!(Base::parse(text), Err(Refused::Url), "{text}");
        }
        assert_eq!(Base::parse("https://mine.deno.dev/"), Err(Refused::Retired));
        assert!(Base::parse("https://mine.me.deno.net").is_ok());
    }

    proptest! {
        #[test]
        fn any_text_is_survived_and_what_is_accepted_keeps_its_promises(text in "(https?://)?[ -~]{0,40}") {
            if let Ok(base) = Base::parse(&text) {
                prop_assert!(!base.prefix.ends_with('/') && (base.prefix.is_empty() || base.prefix.starts_with('/')));
                prop_assert!(!base.authority.contains('@'));
                prop_assert_eq!(Base::parse(&base.url()), Ok(base));
            }
        }
    }
}
