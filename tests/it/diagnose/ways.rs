//! V8: ways through TLS, network proxies and relays, each with one thing wrong.

use super::*;

// --- TLS ---

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_told_with_its_names() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let fake = Fake::start().await;
    let good = Door::start(&authority, fake.address()).await;
    let other = Door::start_as(&authority, "other.example", fake.address()).await;
    let folder = Folder::new();
    let file = |name: &str, authority: &Authority| folder.write(name, &authority.pem);
    let (known, unknown) = (file("known.pem", &authority), file("unknown.pem", &stranger));
    let mut editor = Editor::with(&json!({ "revision": 1, "port": 0 })).await;
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let not_tls = format!("https://localhost:{}", plain.local_addr().unwrap().port());
    tokio::spawn(async move {
        let (mut stream, _) = plain.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        // Whoever closes with bytes unread resets, which could overtake the answer.
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    });
    for (revision, (url, tls, fault, names)) in [
        (other.url(), json!({ "caFile": known }), "certificateName", json!(["other.example"])),
        (good.url(), json!({ "caFile": unknown }), "certificateIssuer", json!(["localhost"])),
        (not_tls, json!({ "caFile": known }), "tls", json!(null)),
        (good.url(), json!({ "caFile": "nowhere.pem" }), "settings caFile", json!(null)),
    ]
    .into_iter()
    .enumerate()
    {
        let keys = json!([{ "id": "k1", "secret": A }]);
        editor
            .change(
                &json!({ "revision": revision + 2, "port": 0, "upstream": url, "tls": tls, "keys": keys }),
            )
            .await;
        let answer = editor.request("aggregator/diagnose", json!({})).await;
        assert_eq!(told(&answer), ["local dns: ok", "local tcp: ok", &format!("local tls: {fault}")]);
        assert_eq!(check(&answer, "tls")["detail"]["certificate"], names, "{fault}");
    }
    assert_eq!(fake.seen(), [], "nothing was sent");
    let trusting = json!({ "revision": 9, "port": 0, "upstream": good.url(), "tls": { "caFile": known } });
    editor.change(&trusting).await;
    let answer = editor.request("aggregator/diagnose", json!({})).await;
    assert_eq!(fake.seen()[0].credentials, []);
    let ways = ["local dns: ok", "local tcp: ok", "local tls: ok", "local reach: ok", "local key: noKey"];
    assert_eq!(told(&answer), ways);
    assert_eq!(check(&answer, "tls")["detail"]["certificate"], json!(["localhost"]));
}

/// A network proxy for one connection, which answers CONNECT so, and goes on to this port.
async fn proxy(answer: &'static str, port: u16) -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut first = String::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            first = if first.is_empty() { String::from_utf8(head).unwrap() } else { first };
            stream.write_all(format!("HTTP/1.1 {answer}\r\n\r\n").as_bytes()).await.unwrap();
            if !answer.starts_with("200") {
                return first;
            }
            let mut upstream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            tokio::spawn(async move {
                // Either side may break off.
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut upstream).await;
            });
        }
    });
    (address.port(), task)
}

#[tokio::test]
async fn a_way_through_a_network_proxy_is_tested_through_it_and_the_proxy_resolves_the_name() {
    let authority = Authority::new();
    let fake = Fake::start().await;
    let door = Door::start_as(&authority, "nobody.invalid", fake.address()).await;
    let port_of_door: u16 = door.url().rsplit(':').next().unwrap().parse().unwrap();
    let folder = Folder::new();
    let tls = json!({ "caFile": folder.write("authority.pem", &authority.pem) });
    let mut editor = Editor::with(&json!({ "revision": 1, "port": 0 })).await;
    let state = |revision: u64, url: String| {
        json!({ "revision": revision, "port": 0, "upstream": "https://nobody.invalid", "tls": tls,
            "keys": [{ "id": "k1", "secret": A }], "proxy": { "kind": "url", "url": url } })
    };
    for (revision, answer, fault) in
        [(2, "407 No", "proxyCredentials"), (3, "403 No", "proxyRefused"), (4, "502 No", "proxyRefused")]
    {
        let (port, task) = proxy(answer, port_of_door).await;
        editor.change(&state(revision, format!("http://me:secret-password@127.0.0.1:{port}"))).await;
        let answer = editor.request("aggregator/diagnose", json!({})).await;
        assert_eq!(told(&answer), [format!("local proxy: {fault}")]);
        let facts = &check(&answer, "proxy")["detail"];
        assert_eq!(facts["proxy"], json!(format!("http://127.0.0.1:{port}")));
        assert_eq!(facts["host"], "nobody.invalid:443");
        assert!(!answer.to_string().contains("secret-password"));
        let head = soon("the request", task).await.unwrap();
        assert!(head.starts_with("CONNECT nobody.invalid:443 ") && !head.contains(A), "{head}");
    }
    let (port, task) = proxy("200 Go on", port_of_door).await;
    editor.change(&state(5, format!("http://127.0.0.1:{port}"))).await;
    let answer = editor.request("aggregator/diagnose", json!({})).await;
    assert_eq!(fake.keys_seen(), [A]);
    assert_eq!(told(&answer), ["local proxy: ok", "local tls: ok", "local reach: ok", "local key: ok ok"]);
    task.abort();
    editor.change(&state(6, "http://127.0.0.1:9".into())).await;
    assert_eq!(told(&editor.request("aggregator/diagnose", json!({})).await), ["local proxy: refused"]);
    editor.change(&state(7, "gopher://127.0.0.1:9".into())).await;
    assert_eq!(
        told(&editor.request("aggregator/diagnose", json!({})).await),
        ["local proxy: settings proxyUrl"]
    );
}

// --- relays ---

#[tokio::test]
async fn our_relay_is_told_with_version_and_token_and_what_is_wrong_with_the_token() {
    let fake = Fake::start().await;
    let worker = Worker::start(&fake, TOKEN).await;
    let closed = Worker::start(&fake, "").await;
    let mut editor = Editor::with(&serverless(&fake)).await;
    let good = json!({ "url": worker.url(), "token": TOKEN });
    let (told_of, answer) = relay(&mut editor, good.clone()).await;
    let all = [
        "new relayHealth: ok",
        "new relayVersion: ok",
        "new relayToken: ok",
        "new reach: ok",
        "new key: ok ok",
    ];
    assert_eq!(told_of, all);
    let version = &check(&answer, "relayVersion")["detail"]["relay"];
    assert_eq!((&version["version"], &version["runtime"]), (&json!("2.0.0"), &json!("node")));
    assert_eq!(check(&answer, "key")["detail"]["key"], "k1");
    let seen = fake.seen();
    assert_eq!((seen.len(), seen[0].key.as_deref()), (1, Some(A)));
    for (url, token, fault) in [
        (worker.url(), json!("another-token-of-24-characters"), "tokenRejected"),
        (worker.url(), json!(null), "tokenMissing"),
        (closed.url(), json!(TOKEN), "tokenUnset"),
    ] {
        let (told_of, _) = relay(&mut editor, json!({ "url": url, "token": token })).await;
        assert_eq!(told_of, ["new relayHealth: ok", &format!("new relayToken: {fault}")]);
    }
    assert_eq!(fake.seen().len(), 1, "no key was sent where it would not have come through");
    // In local mode a relay is tested without a key.
    editor.change(&with(state(&fake, &[A]), json!({ "revision": 2 }))).await;
    let (told_of, _) = relay(&mut editor, good).await;
    assert_eq!(told_of, all[..4]);
    assert_eq!(fake.seen().last().unwrap().credentials, []);
}

#[tokio::test]
async fn relays_of_others_are_told_by_what_they_answer() {
    let fake = Fake::start().await;
    let other = Fake::start().await;
    let mut editor = Editor::with(&serverless(&fake)).await;
    let html = || Answer::raw(200, &[("content-type", "text/html")], "<html>parked</html>");
    let own = |protocol: u32| json!({ "relay": "gemini-aggregator", "protocol": protocol, "auth": "ok", "version": "9.0.0" });
    let ok = "new reach: ok";
    for (rules, checks) in [
        // The original's.
        (
            vec![Rule::new(Answer::raw(200, &[], "OK")).path_contains("/health")],
            vec!["new relayHealth: ok", "new relayVersion: ok", ok, "new key: ok ok"],
        ),
        // One that passes everything on, and answers /health as Google would.
        (vec![], vec!["new relayHealth: ok noHealth", ok, "new key: ok ok"]),
        (vec![Rule::new(html())], vec!["new relayHealth: ok noHealth", "new reach: notExpected notGemini"]),
        (
            vec![Rule::new(Answer::json(200, &json!({ "status": "healthy" })))],
            vec!["new relayHealth: ok", "new reach: notExpected ok"],
        ),
        (
            vec![Rule::new(Answer::json(200, &own(2))).path_contains("/health")],
            vec![
                "new relayHealth: ok",
                "new relayVersion: otherProtocol",
                "new relayToken: ok",
                ok,
                "new key: ok ok",
            ],
        ),
        (vec![Rule::new(Answer::raw(530, &[], "gone"))], vec!["new relayHealth: serverError"]),
        (vec![Rule::new(Answer::only(Step::Cut))], vec!["new relayHealth: broken"]),
        (
            vec![Rule::new(Answer::raw(301, &[("location", "https://elsewhere.example/")], ""))],
            vec!["new relayHealth: ok noHealth", "new reach: notExpected notGemini"],
        ),
        (
            vec![Rule::new(Answer::json(403, &json!({ "message": "no" }))).path_contains("/v1beta")],
            vec!["new relayHealth: ok noHealth", "new reach: tokenRejected notGemini"],
        ),
        (
            vec![Rule::new(Answer::fixture(Fixture::Location)).path_contains("/v1beta")],
            vec!["new relayHealth: ok noHealth", "new reach: location location"],
        ),
    ] {
        other.clear();
        rules.into_iter().for_each(|rule| other.rule(rule));
        let headers = json!({ "x-own": "secret-header-value" });
        let instance = json!({ "url": format!("{}/prefix/", other.url()), "token": "t", "headers": headers });
        let (told_of, _) = relay(&mut editor, instance).await;
        assert_eq!(told_of, checks);
    }
    for seen in other.seen() {
        assert!(seen.target.starts_with("/prefix/"), "{seen:?}");
        assert_eq!(
            (seen.header("x-relay-token"), seen.header("x-own")),
            (Some("t"), Some("secret-header-value"))
        );
    }
    assert_eq!(fake.seen(), [], "nothing went past the relay");
}

#[tokio::test]
async fn an_instance_of_the_state_that_refused_to_work_is_used_again_when_a_diagnosis_finds_it_well() {
    let fake = Fake::start().await;
    let worker = Worker::start(&fake, TOKEN).await;
    let instances = json!([{ "id": "r1", "url": worker.url(), "token": TOKEN }, { "id": "old", "url": "https://x.deno.dev" }]);
    let mut editor = Editor::with(&with(serverless(&fake), json!({ "instances": instances }))).await;
    let port = editor.port().await;
    let health = |kind: &'static str| move |status: &Value| status["instances"][0]["health"]["kind"] == kind;
    editor.wait("health", health("up")).await;
    fake.rule(Rule::new(Answer::fixture(Fixture::Location)));
    assert_ne!(editor.post(port).await, 200);
    editor.wait("the refusal", health("down")).await;
    let answer = editor.request("aggregator/diagnose", json!({ "subject": "r1" })).await;
    assert_eq!(told(&answer).last().unwrap(), "r1 reach: location location");
    // What a diagnosis finds bad stays out of use.
    let calls = || fake.seen().iter().filter(|seen| seen.target.contains("Content")).count();
    let before = calls();
    assert_eq!((editor.post(port).await, calls()), (503, before));
    fake.clear();
    // A candidate of the same name heals nobody.
    let candidate = json!({ "id": "r1", "url": worker.url(), "token": TOKEN });
    let params = json!({ "candidate": { "instance": candidate } });
    assert!(
        told(&editor.request("aggregator/diagnose", params).await).iter().all(|told| told.ends_with("ok"))
    );
    assert_eq!((editor.post(port).await, calls()), (503, before));
    let answer = editor.request("aggregator/diagnose", json!({})).await;
    let told = told(&answer);
    assert_eq!(told.last().unwrap(), "old dns: settings instanceRetired");
    assert!(
        told[..told.len() - 1].iter().all(|told| told.starts_with("r1 ") && told.ends_with("ok")),
        "{told:?}"
    );
    editor.wait("health", health("up")).await;
    assert_eq!(editor.post(port).await, 200);
}
