use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::redact::Redactor;

/// `scheme host:port [user] [password]`.
fn told(text: &str) -> String {
    match ProxyUrl::parse(text) {
        Err(Refused) => "refused".into(),
        Ok(proxy) => {
            let credentials = proxy.credentials.as_ref().map_or_else(String::new, |credentials| {
                format!(" [{}] [{}]", credentials.user.expose(), credentials.password.expose())
            });
            format!("{} {}{credentials}", proxy.scheme.name(), proxy.authority())
        }
    }
}

#[test]
fn every_way_to_write_a_proxy_is_read_as_it_is_meant() {
    for (text, meant) in [
        ("http://p.test:3128", "http p.test:3128"),
        ("http://p.test", "http p.test:80"),
        ("https://p.test", "https p.test:443"),
        ("https://p.test:8443/", "https p.test:8443"),
        ("socks5://p.test", "socks5h p.test:1080"),
        ("socks5h://p.test:9050", "socks5h p.test:9050"),
        ("socks://p.test:7890", "socks5h p.test:7890"),
        ("p.test:3128", "http p.test:3128"),
        ("p.test", "http p.test:80"),
        ("127.0.0.1:7890", "http 127.0.0.1:7890"),
        (" HTTP://P.Test:3128/ \n", "http p.test:3128"),
        ("SOCKS5://p.test:1", "socks5h p.test:1"),
        ("http://p.test:", "http p.test:80"),
        ("http://[::1]:3128", "http [::1]:3128"),
        ("[2001:DB8::1]", "http [2001:db8::1]:80"),
        ("socks5://me:pw@[::1]", "socks5h [::1]:1080 [me] [pw]"),
        ("http://bücher.test:1", "http xn--bcher-kva.test:1"),
        ("http://my_proxy.test:1", "http my_proxy.test:1"),
        ("http://me:pw@p.test:1", "http p.test:1 [me] [pw]"),
        ("me:pw@p.test:1", "http p.test:1 [me] [pw]"),
        ("http://me:p@ss@p.test:1", "http p.test:1 [me] [p@ss]"),
        ("http://me:a:b@p.test:1", "http p.test:1 [me] [a:b]"),
        ("http://m%40e:p%2Fs%3As%25@p.test:1", "http p.test:1 [m@e] [p/s:s%]"),
        ("http://me:100%@p.test:1", "http p.test:1 [me] [100%]"),
        ("http://me:100%zz@p.test:1", "http p.test:1 [me] [100%zz]"),
        ("http://me:p%E5%AF%86@p.test:1", "http p.test:1 [me] [p密]"),
        ("http://me:p密@p.test:1", "http p.test:1 [me] [p密]"),
        ("http://token@p.test:1", "http p.test:1 [token] []"),
        ("http://token:@p.test:1", "http p.test:1 [token] []"),
        ("http://:pw@p.test:1", "http p.test:1 [] [pw]"),
        ("http://@p.test:1", "http p.test:1"),
        ("http://:@p.test:1", "http p.test:1"),
        ("socks5://me@p.test:1", "socks5h p.test:1 [me] []"),
    ] {
        assert_eq!(told(text), meant, "{text:?}");
    }
}

#[test]
fn what_is_no_proxy_that_can_be_used_is_refused() {
    for text in [
        "",
        " ",
        "/",
        "http://",
        "http:///",
        "http://:3128",
        "http://me:pw@",
        "socks4://p.test:1",
        "socks4a://p.test:1",
        "ftp://p.test:1",
        "gopher://p.test:1",
        "file:///etc/proxy.pac",
        "pac+http://p.test/proxy.pac",
        "http://p.test/proxy.pac",
        "http://p.test:1/x@q.test:1",
        "http://me:p/ss@p.test:1",
        "http://p.test:1?x",
        "http://p.test:1#x",
        "http://me:p#ss@p.test:1",
        "http:\\\\p.test:1",
        "http:/p.test:1",
        "PROXY p.test:1",
        "p.test 1",
        "http://p.test:0",
        "http://p.test:65536",
        "http://p.test:+80",
        "http://p.test:x",
        "http://p.test:1:2",
        "::1:3128",
        "http://::1",
        "http://[::1",
        "http://[::1]x:1",
        "http://[fe80::1%25eth0]:1",
        "http://p q:1",
        "http://p<q:1",
        "http://p\"q:1",
        "http://.:1",
        "http://me:p%0d%0ax@p.test:1",
        "http://me:p%00@p.test:1",
        "http://me:p\u{7f}@p.test:1",
        "http://me:p%E4@p.test:1",
        "socks5://:pw@p.test:1",
        "://p.test",
        "http://http://p.test:1",
    ] {
        assert_eq!(told(text), "refused", "{text:?}");
    }
    let long = "x".repeat(256);
    assert_eq!(told(&format!("socks5://me:{long}@p.test")), "refused");
    assert_eq!(told(&format!("socks5://{long}:pw@p.test")), "refused");
    assert!(told(&format!("http://me:{long}@p.test")).starts_with("http p.test:80 [me]"));
    assert_eq!(told(&format!("http://{long}:1")), "refused");
}

fn environment(variables: &[(&str, &str)]) -> Result<(Option<String>, Bypass), &'static str> {
    let variables: HashMap<&str, &str> = variables.iter().copied().collect();
    from_environment(|name| variables.get(name).map(|value| (*value).to_owned()))
        .map(|(proxy, bypass)| (proxy.map(|proxy| proxy.host), bypass))
}

#[test]
fn the_environment_is_read_in_the_order_of_curl() {
    let all = [
        ("https_proxy", "http://a:1"),
        ("HTTPS_PROXY", "http://b:1"),
        ("all_proxy", "socks5://c:1"),
        ("ALL_PROXY", "d:1"),
        ("http_proxy", "http://e:1"),
        ("HTTP_PROXY", "http://f:1"),
    ];
    for (from, named) in [(0, Some("a")), (1, Some("b")), (2, Some("c")), (3, Some("d")), (4, None)] {
        assert_eq!(environment(&all[from..]).unwrap().0.as_deref(), named, "{from}");
    }
    let empty = [("https_proxy", ""), ("HTTPS_PROXY", "  "), ("ALL_PROXY", "d:1")];
    assert_eq!(environment(&empty).unwrap().0.as_deref(), Some("d"), "what is empty is not set");
    let lists = [("no_proxy", "lower.test"), ("NO_PROXY", "upper.test"), ("ALL_PROXY", "d:1")];
    let covers = |from: usize, host| environment(&lists[from..]).unwrap().1.covers(host, 443);
    assert!(covers(0, "lower.test") && !covers(0, "upper.test") && covers(1, "upper.test"));
    assert!(!covers(2, "upper.test"));
}

#[test]
fn a_variable_that_is_refused_is_named_and_none_behind_it_takes_its_place() {
    for (name, value) in [
        ("https_proxy", "socks4://a:1"),
        ("HTTPS_PROXY", "ftp://a:1"),
        ("all_proxy", "pac+http://a/x"),
        ("ALL_PROXY", "a:x"),
    ] {
        let rest = [(name, value), ("NO_PROXY", "a.test")];
        assert_eq!(environment(&rest), Err(name));
    }
    assert_eq!(environment(&[("https_proxy", "socks4://a:1"), ("ALL_PROXY", "b:1")]), Err("https_proxy"));
    let unused = [("https_proxy", "socks4://a:1"), ("no_proxy", "*")];
    assert_eq!(environment(&unused).unwrap().0, None, "nobody would go by it");
}

#[test]
fn the_state_is_read_as_it_says() {
    use aggregator_protocol::Proxy;
    let via = |url: &str, no_proxy: Option<&str>| {
        Choice::from_desired(Proxy::Url { url: Secret::new(url), no_proxy: no_proxy.map(str::to_owned) })
    };
    assert_eq!(Choice::from_desired(Proxy::Auto), Ok(Choice::Auto));
    assert_eq!(Choice::from_desired(Proxy::Direct), Ok(Choice::Direct));
    assert_eq!(via("socks4://p:1", None), Err(Refused));
    let wanted = ProxyUrl::parse("http://p:1").unwrap();
    assert_eq!(via("p:1", Some("a.test")), Ok(Choice::Via(wanted.clone(), Bypass::parse("a.test"))));
    assert_eq!(via("p:1", None), Ok(Choice::Via(wanted, Bypass::default())));
}

#[test]
fn nobody_sees_credentials_in_any_form_in_which_they_travel() {
    for typed in ["http://me:hush%2Fhush%40@p.test:1", "socks5://me:hush%2Fhush%40@p.test:1"] {
        let proxy = ProxyUrl::parse(typed).unwrap();
        let redactor = Redactor::new(proxy.secrets());
        let basic = "bWU6aHVzaC9odXNoQA==";
        let whole = proxy.with_credentials();
        for seen in [typed, "hush/hush@", "me:hush/hush@", basic, whole.expose()] {
            let shown = redactor.text(&format!("<<{seen}>>"));
            assert!(!shown.contains("hush") && !shown.contains(basic), "{seen}: {shown}");
        }
        let printed = format!("{proxy:?} {:?}", Choice::Via(proxy.clone(), Bypass::default()));
        assert!(!printed.contains("hush"), "{printed}");
    }
    let token = ProxyUrl::parse("http://the-long-token@p.test:1").unwrap();
    assert!(token.secrets().contains(&Secret::new("the-long-token")));
    assert!(ProxyUrl::parse("http://p.test:1").unwrap().secrets().is_empty());
}

proptest! {
    #[test]
    fn any_text_is_survived_and_what_is_accepted_keeps_its_promises(
        text in r"((https?|socks5?h?|HTTP)://)?([ -~é]{0,12}(:[ -~密]{0,12})?@)?([a-z0-9.-]{1,12}|\[[0-9a-f:]{2,9}\]|[ -~]{1,8})(:[0-9]{1,5})?/?",
    ) {
        if let Ok(proxy) = ProxyUrl::parse(&text) {
            prop_assert!(proxy.port > 0 && !proxy.host.contains(['@', '/', ' ']));
            let address = http::Uri::try_from(format!("http://{}", proxy.authority()));
            prop_assert!(address.is_ok());
            // reqwest would go straight if it could not read this.
            prop_assert!(url::Url::parse(proxy.with_credentials().expose()).is_ok());
            prop_assert!(http::Uri::try_from(proxy.with_credentials().expose()).is_ok());
            prop_assert_eq!(ProxyUrl::parse(proxy.with_credentials().expose()), Ok(proxy));
        }
    }

    #[test]
    fn any_credentials_come_back_as_they_were(user in r"[ -~é密]{1,20}", password in r"[ -~é密]{0,20}", socks: bool) {
        let scheme = if socks { Scheme::Socks5 } else { Scheme::Http };
        let credentials = Some(Credentials { user: Secret::new(user), password: Secret::new(password) });
        let proxy = ProxyUrl { scheme, host: "p.test".into(), port: 1, credentials };
        prop_assert_eq!(ProxyUrl::parse(proxy.with_credentials().expose()), Ok(proxy));
    }
}
