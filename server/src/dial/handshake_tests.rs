use aggregator_protocol::Secret;
use proptest::prelude::*;
use tokio::io::DuplexStream;

use super::*;

fn target(host: &str) -> Target {
    Target { host: host.into(), port: 443 }
}

fn credentials(password: &str) -> Credentials {
    Credentials { user: Secret::new("me"), password: Secret::new(password) }
}

#[derive(Clone, Copy)]
enum Kind {
    Connect,
    Socks,
}

/// What comes of it if the proxy says this and closes; what it was told.
async fn meet(kind: Kind, host: &str, password: Option<&str>, answer: &[u8]) -> (String, Vec<u8>) {
    let (mut ours, mut theirs): (DuplexStream, DuplexStream) = tokio::io::duplex(64 * 1024);
    theirs.write_all(answer).await.unwrap();
    let talk = async {
        let credentials = password.map(credentials);
        let ended = match kind {
            Kind::Connect => connect(&mut ours, &target(host), credentials.as_ref()).await,
            Kind::Socks => socks5(&mut ours, &target(host), credentials.as_ref()).await,
        };
        let mut rest = Vec::new();
        if ended.is_ok() {
            ours.shutdown().await.unwrap();
            ours.read_to_end(&mut rest).await.unwrap();
        }
        drop(ours);
        let ended = ended.map_or_else(|denied| denied.to_string(), |()| "through".into());
        format!("{ended}{}", String::from_utf8(rest).unwrap())
    };
    let listen = async {
        theirs.shutdown().await.unwrap();
        let mut heard = Vec::new();
        theirs.read_to_end(&mut heard).await.unwrap();
        heard
    };
    tokio::join!(talk, listen)
}

#[tokio::test]
async fn connect_asks_for_the_name_and_shows_its_credentials() {
    let (ended, heard) = meet(Kind::Connect, "g.test", None, b"HTTP/1.1 200 OK\r\n\r\n").await;
    assert_eq!(
        (ended.as_str(), &heard[..]),
        ("through", &b"CONNECT g.test:443 HTTP/1.1\r\nHost: g.test:443\r\n\r\n"[..])
    );
    let (ended, heard) = meet(Kind::Connect, "[::2]", Some("p:w@"), b"HTTP/1.0 204 x\r\na: b\r\n\r\n").await;
    let heard = String::from_utf8(heard).unwrap();
    assert_eq!(ended, "through");
    assert!(heard.starts_with("CONNECT [::2]:443 HTTP/1.1\r\n"), "{heard}");
    assert!(heard.ends_with("\r\nProxy-Authorization: Basic bWU6cDp3QA==\r\n\r\n"), "{heard}");
}

#[tokio::test]
async fn each_refusal_of_connect_is_told_apart() {
    let long = format!("HTTP/1.1 200 OK\r\na: {}", "x".repeat(LONGEST_HEAD));
    for (answer, told) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 4\r\n\r\nbody",
            "it wants credentials, or others than those it was given",
        ),
        ("HTTP/1.0 401 Unauthorized\r\n\r\n", "it wants credentials, or others than those it was given"),
        ("HTTP/1.1 403 secret-words\r\n\r\n", "it answered CONNECT with 403"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n<html>", "it answered CONNECT with 502"),
        ("HTTP/1.1 302 Found\r\nlocation: http://login.test\r\n\r\n", "it answered CONNECT with 302"),
        ("HTTP/1.1 200 OK\r\n\r\nearly", "it does not speak as such a proxy does"),
        ("SSH-2.0-OpenSSH_9\r\n", "it does not speak as such a proxy does"),
        ("\u{5}\u{0}", "it does not speak as such a proxy does"),
        (&long, "it does not speak as such a proxy does"),
        ("HTTP/1.1 200 OK\r\n", "it broke the connection off"),
        ("", "it broke the connection off"),
    ] {
        let (ended, _) = meet(Kind::Connect, "g.test", Some("pw"), answer.as_bytes()).await;
        assert_eq!(ended, told, "{answer:.40}");
    }
}

#[tokio::test]
async fn socks_has_the_proxy_resolve_names_and_reads_not_a_byte_too_many() {
    let bound = |kind: &[u8]| [&[5, 0, 5, 0, 0][..], kind, b"!"].concat();
    let name = [&[5, 1, 0, 3, 6][..], b"g.test", &[1, 187]].concat();
    for kind in [
        &[1, 0, 0, 0, 0, 0, 0][..],
        &[3, 1, b'x', 0, 0],
        &[3, 0, 0, 0],
        &[4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ] {
        let (ended, heard) = meet(Kind::Socks, "g.test", None, &bound(kind)).await;
        assert_eq!(ended, "through!", "{kind:?}");
        assert_eq!(heard, [&[5, 1, 0][..], &name].concat());
    }
    let v6 = [&[4][..], &[0; 15], &[2]].concat();
    for (host, address) in [("10.0.0.9", &[1, 10, 0, 0, 9][..]), ("[::2]", &v6)] {
        let (_, heard) = meet(Kind::Socks, host, None, &bound(&[1, 0, 0, 0, 0, 0, 0])).await;
        assert_eq!(heard, [&[5, 1, 0, 5, 1, 0], address, &[1, 187]].concat(), "{host}");
    }
    let answer = [&[5, 2, 1, 0, 5, 0, 0, 1][..], &[0; 6]].concat();
    let (ended, heard) = meet(Kind::Socks, "g.test", Some("p:w"), &answer).await;
    assert_eq!(
        (ended.as_str(), heard),
        ("through", [&b"\x05\x02\x00\x02\x01\x02me\x03p:w"[..], &name].concat())
    );
    let (ended, _) = meet(Kind::Socks, "g.test", Some("pw"), &bound(&[1, 0, 0, 0, 0, 0, 0])).await;
    assert_eq!(ended, "through!", "one that knows us already is shown nothing");
}

#[tokio::test]
async fn each_refusal_of_socks_is_told_apart() {
    let credentials = "it wants credentials, or others than those it was given";
    let nonsense = "it does not speak as such a proxy does";
    for (password, answer, told) in [
        (None, &[5, 255][..], credentials),
        (Some("pw"), &[5, 255], credentials),
        (Some("pw"), &[5, 2, 1, 1], credentials),
        (None, &[5, 0, 5, 4, 0, 1], "it answered with SOCKS code 4: host unreachable"),
        (None, &[5, 0, 5, 2, 0, 1], "it answered with SOCKS code 2: not allowed"),
        (None, &[5, 0, 5, 99, 0, 1], "it answered with SOCKS code 99: unknown"),
        (None, b"HTTP/1.1 400 Bad Request\r\n\r\n", nonsense),
        (None, &[4, 0], nonsense),
        (None, &[5, 2], nonsense),
        (Some("pw"), &[5, 1], nonsense),
        (None, &[5, 0, 4, 0, 0, 1], nonsense),
        (None, &[5, 0, 5, 0, 0, 9], nonsense),
        (None, &[5, 0, 5, 0, 0, 1, 0], "it broke the connection off"),
        (None, &[], "it broke the connection off"),
    ] {
        assert_eq!(meet(Kind::Socks, "g.test", password, answer).await.0, told, "{answer:?}");
    }
    let (ended, heard) = meet(Kind::Socks, &"x".repeat(256), None, &[5, 0]).await;
    assert_eq!((ended.as_str(), heard.len()), ("the name of the host is too long for it", 0));
}

proptest! {
    #[test]
    fn whatever_a_proxy_says_is_survived(answer in proptest::collection::vec(any::<u8>(), 0..600), socks: bool) {
        let kind = if socks { Kind::Socks } else { Kind::Connect };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        // Bytes behind the end of a handshake need not be text.
        let text: Vec<u8> = answer.iter().map(|byte| byte & 0x7f).collect();
        runtime.block_on(meet(kind, "g.test", Some("pw"), &text));
    }
}
