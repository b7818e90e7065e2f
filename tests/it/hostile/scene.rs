//! A pool of two keys behind a relay that nobody should trust, and what must hold whatever that relay does.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fake_gemini::{Answer, Fake, Rule, fixtures};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::support::{self, ARRAY, Folder, STREAM, UNARY, World, key_state, state, with};

pub const KEY: &str = "AIzaSyA-first-key-of-the-pool-0123456789";
pub const OTHER: &str = "AIzaSyB-other-key-of-the-pool-0123456789";
pub const TOKEN: &str = "token-of-the-relay-0123456789-abcdef";
/// What a relay of ours says to the right token.
pub const WELL: &str =
    r#"{"status":"ok","relay":"gemini-aggregator","protocol":1,"auth":"ok","version":"2.0.0"}"#;

/// A relay that says it is well, and answers everything else like this.
pub async fn relay(answer: Answer) -> Fake {
    let relay = Fake::start().await;
    relay.rule(
        Rule::new(Answer::raw(200, &[("content-type", "application/json")], WELL)).path_contains("/health"),
    );
    relay.rule(Rule::new(answer));
    relay
}

/// The program in front of a relay, with Google behind.
pub struct Scene {
    pub google: Fake,
    pub world: World,
}

impl Scene {
    /// In this mode, as soon as the relay is up. `more` goes on top of the state.
    pub async fn new(mode: &str, relay: &str, more: Value) -> Self {
        let scene = Self::at_once(mode, relay, more).await;
        scene.wait_health("up").await;
        scene
    }

    /// Whatever the relay says of itself.
    pub async fn at_once(mode: &str, relay: &str, more: Value) -> Self {
        Self::in_folder(mode, relay, more, Folder::new()).await
    }

    pub async fn in_folder(mode: &str, relay: &str, more: Value, folder: Folder) -> Self {
        let google = Fake::start().await;
        let instances = json!([{ "id": "eu", "url": relay, "token": TOKEN }]);
        let behind = with(state(&google, &[KEY, OTHER]), json!({ "mode": mode, "instances": instances }));
        let world = World::at_level("trace", with(behind, more), folder).await;
        Self { google, world }
    }

    /// Waits until the relay is taken for this; how it stands then.
    pub async fn wait_health(&self, kind: &str) -> Value {
        let stands = |status: &Value| status["instances"][0]["health"]["kind"] == kind;
        self.world.wait_status(kind, stands).await["instances"][0]["health"].clone()
    }

    /// The attempts of the newest record, each as `key egress outcome verdict rule`.
    pub async fn attempts(&self) -> Vec<String> {
        let record = &self.world.records(1).await[0];
        let attempts = record["attempts"].as_array().unwrap().iter();
        attempts
            .map(|attempt| {
                let text = |name| attempt[name].as_str().unwrap();
                ["key", "egress", "outcome", "verdict", "rule"].map(text).join(" ")
            })
            .collect()
    }

    /// Everything on stderr. A request that is never sent on marks the end of it.
    pub async fn log(&self) -> String {
        let mark = self.world.send(self.world.request("TRACE", UNARY)).await;
        self.world.log_with(mark.header("x-request-id")).await
    }

    /// No key is blamed or in use, and nobody was told a secret.
    pub async fn assert_unharmed(&self, what: &str) {
        let idle = |status: &Value| status["keys"].as_array().unwrap().iter().all(|key| key["inFlight"] == 0);
        let status = self.world.wait_status("idle keys", idle).await;
        for key in ["k1", "k2"] {
            assert_eq!(key_state(&status, key)["kind"], "ready", "{what}: {status}");
        }
        let records = format!("{:?}", self.world.records(1).await);
        for said in [self.log().await, status.to_string(), records] {
            assert_silent(what, &said);
        }
    }
}

/// That this holds no secret.
pub fn assert_silent(what: &str, said: &str) {
    for secret in [KEY, OTHER, TOKEN] {
        assert!(!said.contains(secret), "{what}: {secret} in {said}");
    }
}

/// Everything that an answer says.
pub fn said(answer: &support::Answer) -> String {
    let head: Vec<String> = answer.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
    format!("{} {}\n{}", answer.status, head.join("\n"), String::from_utf8_lossy(&answer.bytes))
}

/// What Google's fake answers to this path.
fn good(path: &str) -> Vec<u8> {
    match path {
        UNARY => fixtures::unary().to_vec(),
        STREAM => fixtures::stream().to_vec(),
        ARRAY => fixtures::array().concat(),
        _ => panic!("no good answer is known to {path}"),
    }
}

/// A request by this relay goes on at once: by Direct with the same key where that is permitted, else our own words name the
/// relay. `ended` is how the record calls it: `outcome verdict rule`.
pub async fn is_left(what: &str, relay: &str, path: &str, ended: &str) {
    let first = format!("k1 eu {ended}");
    let hybrid = Scene::new("hybrid", relay, json!({})).await;
    let answer = hybrid.world.post(path).await;
    assert_eq!(hybrid.attempts().await, [&*first, "k1 local 200 deliver ok"], "{what}: {}", said(&answer));
    assert!(answer.status == 200 && answer.clean && answer.bytes == good(path), "{what}: {}", said(&answer));
    assert_eq!(hybrid.google.keys_seen(), [KEY], "{what}");
    hybrid.assert_unharmed(what).await;

    let serverless = Scene::new("serverless", relay, json!({})).await;
    let answer = serverless.world.post(path).await;
    assert_eq!(serverless.attempts().await, [first], "{what}: {}", said(&answer));
    assert_names_the_relay(what, &answer, 503, "UNAVAILABLE");
    assert!(serverless.google.seen().is_empty(), "{what}");
    serverless.assert_unharmed(what).await;
    if ended.contains("blameEgress") {
        assert!(serverless.world.log().contains("relay is down instance=eu"), "{what}");
    }
}

/// Our own words in Google's shape.
pub fn assert_names_the_relay(what: &str, answer: &support::Answer, status: u16, word: &str) {
    assert!(answer.status == status && answer.clean, "{what}: {}", said(answer));
    let error = &answer.json()["error"];
    assert_eq!((&error["code"], &error["status"]), (&json!(status), &json!(word)), "{what}");
    assert!(answer.message().contains("relay eu"), "{what}: {}", said(answer));
    assert!(!answer.headers.contains_key("location"), "{what}");
    assert_silent(what, &said(answer));
}

/// What a raw relay does with a request, once it has read its head.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Said at once.
    pub first: &'static [u8],
    /// Then this, again and again; nothing: the connection ends.
    pub again: &'static [u8],
    /// Before each time.
    pub pause: Duration,
}

/// A relay that is not bound to HTTP. It says that it is well, though.
pub struct Raw {
    url: String,
    accepting: JoinHandle<()>,
}

impl Raw {
    pub async fn start(manner: Manner) -> Self {
        Self::serve(move |stream, _| behaves(stream, manner, true)).await
    }

    /// Even when it is asked how it is.
    pub async fn always(manner: Manner) -> Self {
        Self::serve(move |stream, _| behaves(stream, manner, false)).await
    }

    /// Says once how it is, and from then on closes whatever it accepts.
    pub async fn closing() -> Self {
        Self::serve(|stream, number| async move {
            if number == 0 {
                behaves(stream, Manner { first: b"", again: b"", pause: Duration::ZERO }, true).await?;
            }
            Ok(())
        })
        .await
    }

    async fn serve<F: Future<Output = io::Result<()>> + Send + 'static>(
        serve: impl Fn(TcpStream, usize) -> F + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let accepting = tokio::spawn(async move {
            let accepted = AtomicUsize::new(0);
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // The other side may leave at any time.
                tokio::spawn(serve(stream, accepted.fetch_add(1, Ordering::Relaxed)));
            }
        });
        Self { url, accepting }
    }

    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn behaves(mut stream: TcpStream, manner: Manner, well: bool) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && !request.ends_with(b"}") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    if well && request.starts_with(b"GET /health") {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
        stream.write_all(format!("{head}content-length: {}\r\n\r\n{WELL}", WELL.len()).as_bytes()).await?;
        return stream.shutdown().await;
    }
    stream.write_all(manner.first).await?;
    while !manner.again.is_empty() {
        if !manner.pause.is_zero() {
            tokio::time::sleep(manner.pause).await;
        }
        stream.write_all(manner.again).await?;
    }
    stream.shutdown().await
}
