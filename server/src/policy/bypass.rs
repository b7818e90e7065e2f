//! Which hosts are reached without the network proxy: `http.noProxy`, `NO_PROXY`, and loopback always. Nobody is looked up
//! here: a name is compared with names, an address with addresses and networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Hosts that are reached straight. As curl reads them: a name covers itself and all below it, with a leading dot or without;
/// a port narrows an entry; `*` covers everything. What cannot be read covers nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bypass {
    everything: bool,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    /// Lower case, ASCII, without a dot at either end.
    Below(String),
    /// Those whose first bits are these.
    Network(IpAddr, u8),
}

impl Bypass {
    /// Reads a list, separated by commas, semicolons or blanks.
    pub fn parse(list: &str) -> Self {
        let mut bypass = Self::default();
        let words = list.split(|character: char| matches!(character, ',' | ';') || character.is_whitespace());
        for word in words.filter(|word| !word.is_empty()) {
            if word == "*" {
                bypass.everything = true;
            } else {
                bypass.entries.extend(Entry::parse(&word.to_lowercase()));
            }
        }
        bypass
    }

    /// Whether no host needs the proxy at all.
    pub fn is_everything(&self) -> bool {
        self.everything
    }

    /// Whether this host (an IPv6 address with or without brackets) is reached straight.
    pub fn covers(&self, host: &str, port: u16) -> bool {
        let host = bare(host);
        self.everything
            || self.entries.iter().any(|entry| {
                entry.port.is_none_or(|only| only == port) && entry.hosts.include(&host, address(&host))
            })
    }
}

/// This machine itself, in any of its spellings.
pub fn is_loopback(host: &str) -> bool {
    let host = bare(host);
    host == "localhost" || address(&host).is_some_and(|address| address.is_loopback())
}

/// Lower case, without brackets and without the dot of the root.
fn bare(host: &str) -> String {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.trim_end_matches('.').to_ascii_lowercase()
}

/// An IPv4 address in IPv6 clothes is an IPv4 address.
fn address(host: &str) -> Option<IpAddr> {
    host.parse().ok().map(|address: IpAddr| address.to_canonical())
}

impl Entry {
    fn parse(word: &str) -> Option<Self> {
        let (host, port) = if let Some(word) = word.strip_prefix('[') {
            let (host, rest) = word.split_once(']')?;
            (host, Some(if rest.is_empty() { rest } else { rest.strip_prefix(':')? }))
        } else {
            match word.split_once(':') {
                Some((host, port)) if !port.contains(':') => (host, Some(port)),
                _ => (word, None),
            }
        };
        let port = match port.filter(|port| !port.is_empty()) {
            Some(port) => Some(port.parse().ok()?),
            None => None,
        };
        Some(Self { hosts: Hosts::parse(host)?, port })
    }
}

impl Hosts {
    fn parse(host: &str) -> Option<Self> {
        if let Some((first, bits)) = host.split_once('/') {
            let (first, bits) = (first.parse().ok()?, bits.parse().ok()?);
            return network(first, bits);
        }
        if let Some(address) = address(host) {
            return Some(Self::Network(address, width(address)));
        }
        let name = host.trim_start_matches('*').trim_matches('.');
        if name.is_empty() || name.contains('*') {
            return None;
        }
        match url::Host::parse(name) {
            Ok(url::Host::Domain(name)) => Some(Self::Below(name)),
            _ => None,
        }
    }

    fn include(&self, host: &str, address: Option<IpAddr>) -> bool {
        match (self, address) {
            (Self::Network(first, bits), Some(address)) => starts_alike(*first, address, *bits),
            (Self::Below(name), None) => {
                host.strip_suffix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            _ => false,
        }
    }
}

fn network(first: IpAddr, bits: u8) -> Option<Hosts> {
    if bits > width(first) {
        return None;
    }
    match first.to_canonical() {
        address @ IpAddr::V4(_) if first.is_ipv6() => Some(Hosts::Network(address, bits.checked_sub(96)?)),
        address => Some(Hosts::Network(address, bits)),
    }
}

fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// Whether two addresses of one kind have their first `bits` in common.
fn starts_alike(one: IpAddr, other: IpAddr, bits: u8) -> bool {
    let differ = match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            let (one, other) = (Ipv4Addr::to_bits(one), Ipv4Addr::to_bits(other));
            (one ^ other).leading_zeros()
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            let (one, other) = (Ipv6Addr::to_bits(one), Ipv6Addr::to_bits(other));
            (one ^ other).leading_zeros()
        }
        _ => return false,
    };
    differ >= u32::from(bits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_list_covers_what_curl_and_the_editor_would_reach_straight() {
        for (list, covered, others) in [
            (
                "example.com",
                &["example.com", "a.example.com", "EXAMPLE.com", "example.com."][..],
                &["notexample.com", "com", "example.com.evil"][..],
            ),
            (".example.com", &["example.com", "a.b.example.com"], &["xexample.com"]),
            ("*.Example.COM.", &["example.com", "a.example.com"], &["example.org"]),
            ("*", &["anything", "10.0.0.1", "[2001:db8::1]"], &[]),
            ("a.test, *", &["b.test", "8.8.8.8"], &[]),
            (
                "  a.test ,b.test;c.test\td.test,, ",
                &["a.test", "b.test", "c.test", "d.test"],
                &["e.test", ""],
            ),
            ("10.0.0.0/8", &["10.255.0.1", "[::ffff:10.1.2.3]"], &["11.0.0.1", "10.example", "[a00::]"]),
            ("192.168.1.7", &["192.168.1.7"], &["192.168.1.70", "1.192.168.1.7.test", "192.168.1.8"]),
            ("0.0.0.0/0", &["8.8.8.8"], &["a.test", "[2001:db8::1]"]),
            ("::/0", &["[2001:db8::1]"], &["8.8.8.8"]),
            ("2001:db8::/32", &["[2001:db8:1::2]", "2001:DB8::3"], &["[2001:db9::1]"]),
            ("2001:db8::1", &["[2001:db8::1]"], &["[2001:db8::2]"]),
            ("[2001:db8::1]", &["2001:db8::1"], &["[2001:db8::2]"]),
            ("::ffff:10.0.0.0/104", &["10.9.9.9"], &["11.0.0.1"]),
            ("bücher.test", &["xn--bcher-kva.test", "a.xn--bcher-kva.test"], &["bcher.test"]),
            ("", &[], &["a.test", "10.0.0.1"]),
            (
                "10.0.0.0/33, 10.0.0.0/x, /8, a*b.test, **, :443, a.test:x, [::1, ]",
                &[],
                &["10.0.0.1", "a.test", "aab.test"],
            ),
        ] {
            let bypass = Bypass::parse(list);
            for host in covered {
                assert!(bypass.covers(host, 443), "{list:?} covers {host}");
            }
            for host in others {
                assert!(!bypass.covers(host, 443), "{list:?} does not cover {host}");
            }
        }
    }

    #[test]
    fn a_port_narrows_an_entry() {
        for (list, host) in [
            ("a.test:8443", "b.a.test"),
            ("10.0.0.1:8443", "10.0.0.1"),
            ("[2001:db8::1]:8443", "[2001:db8::1]"),
        ] {
            let bypass = Bypass::parse(list);
            assert!(bypass.covers(host, 8443) && !bypass.covers(host, 443), "{list}");
        }
        assert!(Bypass::parse("a.test:").covers("a.test", 1));
    }

    #[test]
    fn this_machine_is_known_by_all_its_names() {
        for host in
            ["localhost", "LOCALHOST.", "127.0.0.1", "127.9.9.9", "[::1]", "::1", "[::ffff:127.0.0.1]"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.evil", "128.0.0.1", "[::2]", "127.0.0.1.evil", "", "notlocalhost"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    proptest! {
        #[test]
        fn any_list_is_survived_and_a_name_on_it_is_covered(
            noise in r"[ -~é*:/\[\]]{0,30}",
            name in "[a-z]{1,8}(\\.[a-z]{1,8}){1,3}",
            below in "[a-z]{1,8}",
            port: u16,
        ) {
            let bypass = Bypass::parse(&format!("{noise},{name}"));
            let deeper = format!("{below}.{name}");
            prop_assert!(bypass.covers(&name, port) && bypass.covers(&deeper, port));
        }
    }
}
