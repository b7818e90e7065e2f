//! V15: who else is on the port, what such a one is told, and ports that change.

use super::*;

/// Heads of requests, and when they came.
type Heads = Arc<Mutex<Vec<(Instant, String)>>>;

/// Listens and answers each request with what this makes of its head.
async fn pretender(answer: impl Fn(&str, u16) -> String + Send + Sync + 'static) -> (u16, Heads) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (heads, answer) = (Heads::default(), Arc::new(answer));
    let seen = heads.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (seen, answer) = (seen.clone(), answer.clone());
            tokio::spawn(async move {
                let mut bytes = Vec::new();
                while let Ok(byte) = stream.read_u8().await {
                    bytes.push(byte);
                    if bytes.ends_with(b"\r\n\r\n") {
                        let head = String::from_utf8(std::mem::take(&mut bytes)).unwrap();
                        seen.lock().unwrap().push((Instant::now(), head.clone()));
                        stream.write_all(answer(&head, port).as_bytes()).await.unwrap();
                    }
                }
            });
        }
    });
    (port, heads)
}

/// Waits for so many requests.
async fn heads(heads: &Heads, count: usize) -> Vec<(Instant, String)> {
    soon("the requests", async {
        loop {
            let so_far = heads.lock().unwrap().clone();
            if so_far.len() >= count {
                return so_far;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hashed(id: &str) -> String {
    hex(&digest::digest(&digest::SHA256, id.as_bytes()).as_ref()[..16])
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(other, _)| *other == name).map_or("", |(_, value)| value)
}

fn proof(pool: &str, nonce: &str, host: &str, port: u16) -> String {
    let token =
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, pool.as_bytes()), format!("{nonce} token ").as_bytes());
    let said = format!("{} {port} 7 {}", hashed(host), hex(token.as_ref()));
    let code =
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, pool.as_bytes()), format!("{nonce} {said}").as_bytes());
    format!("x-gemini-aggregator-proof: {said} {}\r\n", hex(code.as_ref()))
}

#[tokio::test]
async fn nobody_gets_the_token_who_has_not_proved_to_be_a_window_of_the_same_pool() {
    let fake = Fake::start().await;
    let ours = "HTTP/1.1 200 OK\r\nx-gemini-aggregator: 2.0.0\r\ncontent-length: 2\r\n";
    let page = json!({ "pool": hashed("pool"), "host": hashed("host"), "pid": 7 }).to_string();
    type Lie = Box<dyn Fn(&str, u16) -> String + Send + Sync>;
    let lies: [(&str, Lie); 7] = [
        ("portTaken", Box::new(|_, _| "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n".into())),
        ("portTaken", Box::new(|_, _| "220 mail\r\n".into())),
        (
            "portOtherPool",
            Box::new(move |_, _| {
                let length = page.len();
                format!(
                    "HTTP/1.1 200 OK\r\nx-gemini-aggregator: 2.0.0\r\ncontent-length: {length}\r\n\r\n{page}"
                )
            }),
        ),
        (
            "portOtherPool",
            Box::new(move |_, port| format!("{ours}{}\r\n{{}}", proof("pool", "old", "host", port))),
        ),
        (
            "portOtherPool",
            Box::new(move |head, port| {
                format!(
                    "{ours}{}\r\n{{}}",
                    proof("guess", header(head, "x-gemini-aggregator-nonce"), "host", port)
                )
            }),
        ),
        // As if it were passed on from another port.
        (
            "portOtherPool",
            Box::new(move |head, _| {
                format!(
                    "{ours}{}\r\n{{}}",
                    proof("pool", header(head, "x-gemini-aggregator-nonce"), "host", 1)
                )
            }),
        ),
        (
            "portForwarded",
            Box::new(move |head, _| {
                format!(
                    "{ours}{}\r\n{{}}",
                    proof("pool", header(head, "x-gemini-aggregator-nonce"), "elsewhere", 1)
                )
            }),
        ),
    ];
    for (by, lie) in lies {
        let (port, seen) = pretender(lie).await;
        let mut editor =
            Editor::with(&with(state(&fake, &[A]), json!({ "port": port, "accessToken": "local-token" })))
                .await;
        let status = editor.wait("the problem", |status| kind(status) == "blocked").await;
        assert_eq!((&status["role"]["by"], problems(&status)), (&json!(by), vec![by]));
        let said = format!("{:?}", heads(&seen, 2).await);
        for secret in ["local-token", "\"pool\"", ": host", &hashed("pool"), &hashed("host"), A] {
            assert!(!said.contains(secret), "{secret} in {said}");
        }
    }
}

#[tokio::test]
async fn a_leader_that_cannot_be_followed_is_told_and_asked_again_without_haste() {
    let fake = Fake::start().await;
    let (port, seen) = pretender(|head, port| {
        let nonce = header(head, "x-gemini-aggregator-nonce");
        if nonce.is_empty() {
            return "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".into();
        }
        format!(
            "HTTP/1.1 200 OK\r\nx-gemini-aggregator: 9.0.0\r\ncontent-length: 2\r\n{}\r\n{{}}",
            proof("pool", nonce, "host", port)
        )
    })
    .await;
    let mut editor = Editor::with(&with(state(&fake, &[A]), json!({ "port": port }))).await;
    let status = editor.wait("the problem", |status| kind(status) == "blocked").await;
    assert_eq!(status["role"]["by"], "portOtherPool");
    let asked = heads(&seen, 6).await;
    assert!(asked[1].1.starts_with("GET /-/leader "), "{asked:?}");
    assert!(
        asked[5].0 - asked[0].0 > Duration::from_millis(1_500),
        "three times within {:?}",
        asked[5].0 - asked[0].0
    );
}

#[tokio::test]
async fn a_stranger_on_the_other_loopback_address_is_told_until_it_goes() {
    let Ok(stranger) = std::net::TcpListener::bind("[::1]:0") else { return };
    let fake = Fake::start().await;
    let port = stranger.local_addr().unwrap().port();
    let mut editor = Editor::with(&with(state(&fake, &[A]), json!({ "port": port }))).await;
    let status = editor.wait("the problem", |status| !problems(status).is_empty()).await;
    assert_eq!((kind(&status), problems(&status)), ("leader", vec!["ipv6Taken"]));
    assert_eq!(editor.post(port).await, 200);
    drop(stranger);
    editor.wait("no problem", |status| problems(status).is_empty()).await;
    assert!(TcpStream::connect(("::1", port)).await.is_ok());
}

#[tokio::test]
async fn strangers_and_other_pools_on_the_port_are_told_apart() {
    let fake = Fake::start().await;
    let stranger = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = stranger.local_addr().unwrap().port();
    let mut editor = Editor::with(&with(state(&fake, &[A]), json!({ "port": port }))).await;
    let status = editor.wait("the problem", |status| kind(status) == "blocked").await;
    assert_eq!(
        (&status["role"]["by"], &status["problems"][0]["code"]),
        (&json!("portTaken"), &json!("portTaken"))
    );
    drop(stranger);
    editor.wait("the port", |status| kind(status) == "leader" && status["problems"] == json!([])).await;
    for (pool, host, by) in [("other", "host", "portOtherPool"), ("pool", "elsewhere", "portForwarded")] {
        let mut other = Editor::start();
        let state = with(state(&fake, &[A]), json!({ "port": port }));
        other.initialize(json!({ "protocol": 1, "pool": pool, "host": host, "state": state })).await;
        let status = other.wait("the problem", |status| kind(status) == "blocked").await;
        assert_eq!((&status["role"]["by"], &status["problems"][0]["code"]), (&json!(by), &json!(by)));
    }
    let serve = World::new(&fake, &[A]).await;
    let mut beside = Editor::with(&with(state(&fake, &[A]), json!({ "port": serve.port }))).await;
    let status = beside.wait("the problem", |status| kind(status) == "blocked").await;
    assert_eq!(status["role"]["by"], "portOtherPool", "nobody follows a `serve`");
}

#[tokio::test]
async fn a_new_port_is_served_at_once_and_streams_on_the_old_one_go_on() {
    let fake = Fake::start().await;
    let first = with(state(&fake, &[A]), json!({ "port": 0 }));
    let mut editor = Editor::with(&first).await;
    let old = editor.port().await;
    let gate = Gate::new();
    fake.rule(Rule::new(half_until(&gate)).times(1));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://127.0.0.1:{old}{}", STREAM);
    let mut response = client.post(url).body("{}").send().await.unwrap();
    let mut whole = soon("the first piece", response.chunk()).await.unwrap().unwrap().to_vec();
    let new = free_port();
    editor.change(&with(first, json!({ "revision": 2, "port": new }))).await;
    editor.wait("the new port", |status| status["role"]["port"] == new).await;
    assert_eq!(editor.post(new).await, 200);
    gate.open();
    while let Some(chunk) = soon("the rest", response.chunk()).await.unwrap() {
        whole.extend_from_slice(&chunk);
    }
    assert_eq!(whole, fixtures::stream());
}

#[tokio::test]
async fn a_new_port_that_is_taken_is_told_and_the_old_one_goes_on() {
    let fake = Fake::start().await;
    let first = with(state(&fake, &[A]), json!({ "port": 0 }));
    let mut editor = Editor::with(&first).await;
    let old = editor.port().await;
    let stranger = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let new = stranger.local_addr().unwrap().port();
    editor.change(&with(first, json!({ "revision": 2, "port": new }))).await;
    let status = editor.wait("the problem", |status| status["problems"][0]["code"] == "portTaken").await;
    assert_eq!(
        (kind(&status), &status["role"]["port"], &status["problems"][0]["subject"]),
        ("leader", &json!(old), &json!(new.to_string()))
    );
    assert_eq!(editor.post(old).await, 200);
    drop(stranger);
    let status = editor.wait("the new port", |status| status["role"]["port"] == new).await;
    assert_eq!((kind(&status), &status["problems"]), ("leader", &json!([])));
    assert_eq!(editor.post(new).await, 200);
    assert!(TcpStream::connect(("127.0.0.1", old)).await.is_err(), "the old one is gone");
}
