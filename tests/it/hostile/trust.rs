//! Relays by TLS: whom we do not trust, and what one that we do trust may say in HTTP/2.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::scene::{KEY, Scene, TOKEN, assert_names_the_relay};
use crate::support::{Folder, UNARY};

const DAY: Duration = Duration::from_secs(86_400);

/// Signs certificates for relays.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let (mut params, key) = (params("an authority", 30), KeyPair::generate().unwrap());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "An authority for one test");
        params.key_usages.push(KeyUsagePurpose::KeyCertSign);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }
}

/// A certificate that expires after so many days.
fn params(name: &str, days: i32) -> CertificateParams {
    let now =
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_millis(gemini_aggregator::shared::wall_clock());
    let mut params = CertificateParams::new(vec![name.replace(' ', "-")]).unwrap();
    params.not_before = now - 40 * DAY;
    params.not_after =
        if days < 0 { now - days.unsigned_abs() * DAY } else { now + days.unsigned_abs() * DAY };
    params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    params
}

/// A relay by TLS and HTTP/2 that says goodbye with these words to whoever asks it anything.
struct Relay {
    port: u16,
    /// Connections on which a word was said under TLS.
    heard: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Relay {
    async fn start(params: CertificateParams, issuer: Option<&Authority>, goodbye: String) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = match issuer {
            Some(authority) => params.signed_by(&key, &authority.issuer).unwrap(),
            None => params.self_signed(&key).unwrap(),
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor: TlsAcceptor = Arc::new(config).into();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (port, heard) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
        let (count, goodbye) = (heard.clone(), Arc::new(goodbye));
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, count, goodbye) = (acceptor.clone(), count.clone(), goodbye.clone());
                tokio::spawn(async move {
                    // One that does not trust us is no fault.
                    let Ok(tls) = acceptor.accept(stream).await else { return };
                    leaves(tls, &count, goodbye.as_bytes()).await;
                });
            }
        });
        Self { port, heard, accepting }
    }

    fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Waits for the head of a request, and answers it with a GOAWAY (RFC 9113, 6.8) that carries these words.
async fn leaves(mut tls: TlsStream<TcpStream>, heard: &AtomicUsize, goodbye: &[u8]) {
    let (mut preface, mut frame) = ([0; 24], [0; 9]);
    if tls.read_exact(&mut preface).await.is_err() {
        return;
    }
    heard.fetch_add(1, Ordering::Relaxed);
    // Settings without a setting.
    tls.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
    while frame[3] != 1 {
        if tls.read_exact(&mut frame).await.is_err() {
            return;
        }
        let mut payload = vec![0; u32::from_be_bytes([0, frame[0], frame[1], frame[2]]) as usize];
        if tls.read_exact(&mut payload).await.is_err() {
            return;
        }
    }
    let length = u32::try_from(8 + goodbye.len()).unwrap().to_be_bytes();
    let mut go_away = vec![length[1], length[2], length[3], 7, 0, 0, 0, 0, 0];
    // No stream was looked at; «enhance your calm».
    go_away.extend([0, 0, 0, 0, 0, 0, 0, 11]);
    go_away.extend(goodbye);
    // The other side may have left.
    let _ = tls.write_all(&go_away).await;
    let _ = tls.shutdown().await;
    let _ = tokio::io::copy(&mut tls, &mut tokio::io::sink()).await;
}

async fn scene(mode: &str, relay: &Relay, trusted: &Authority, strict: bool) -> Scene {
    let folder = Folder::new();
    let file = folder.write("authority.pem", &trusted.pem);
    let tls: Value = json!({ "tls": { "caFile": file, "strict": strict } });
    Scene::in_folder(mode, &relay.url(), tls, folder).await
}

#[tokio::test]
async fn a_relay_that_cannot_show_who_it_is_hears_nothing_even_if_trust_is_lax() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    for (what, params, issuer) in [
        ("another name", params("other.example", 30), Some(&authority)),
        ("expired", params("localhost", -3), Some(&authority)),
        ("signed by a stranger", params("localhost", 30), Some(&stranger)),
        ("signed by itself", params("localhost", 30), None),
    ] {
        let relay = Relay::start(params, issuer, String::new()).await;
        for strict in [true, false] {
            let scene = scene("hybrid", &relay, &authority, strict).await;
            assert_eq!(scene.wait_health("down").await["reason"], "unreachable", "{what}");
            let answer = scene.world.post(UNARY).await;
            assert_eq!((answer.status, answer.header("x-forwarded-to")), (200, "local"), "{what}");
            scene.assert_unharmed(what).await;

            let scene = self::scene("serverless", &relay, &authority, strict).await;
            let answer = scene.world.post(UNARY).await;
            assert_names_the_relay(what, &answer, 503, "UNAVAILABLE");
            assert_eq!(scene.attempts().await, ["k1 eu unreachable blameEgress unreachable"], "{what}");
            scene.assert_unharmed(what).await;
        }
        assert_eq!(relay.heard.load(Ordering::Relaxed), 0, "{what}");
    }
}

#[tokio::test]
async fn a_relay_that_goes_away_again_and_again_is_left_and_its_last_words_are_not_repeated() {
    let authority = Authority::new();
    let relay = Relay::start(params("localhost", 30), Some(&authority), format!("{KEY} {TOKEN}")).await;
    for mode in ["hybrid", "serverless"] {
        let scene = scene(mode, &relay, &authority, true).await;
        // Its health is no better.
        scene.wait_health("down").await;
        let answer = scene.world.post(UNARY).await;
        if mode == "hybrid" {
            assert_eq!((answer.status, answer.header("x-forwarded-to")), (200, "local"));
        } else {
            let attempts = scene.attempts().await;
            assert!(attempts.len() <= 2 && attempts[0].starts_with("k1 eu notTaken"), "{attempts:?}");
            assert_names_the_relay("gone away", &answer, 503, "UNAVAILABLE");
        }
        scene.assert_unharmed("gone away").await;
    }
    assert!(relay.heard.load(Ordering::Relaxed) > 0);
}
