//! Starts the real binary in front of a fake Gemini, and talks to it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fake_gemini::{Fake, Gate, Step, fixtures};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// Longer than anything takes here; who waits longer waits for what will not come.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// The program under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_gemini-aggregator");

pub const UNARY: &str = "/v1beta/models/gemini-x:generateContent";
pub const STREAM: &str = "/v1beta/models/gemini-x:streamGenerateContent?alt=sse";
pub const ARRAY: &str = "/v1beta/models/gemini-x:streamGenerateContent";

/// Waits for what must come.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} did not come"))
}

/// A folder of its own, gone at the end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("aggregator-it-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file that only its owner can read.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.join(name);
        std::fs::write(&file, text).unwrap();
        chmod(&file, 0o600);
        file
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn chmod(file: &Path, mode: u32) {
    #[cfg(unix)]
    std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

/// `serve` in front of a fake.
pub struct World {
    pub child: Child,
    pub port: u16,
    pub folder: Folder,
    /// The line that it said when it listened.
    pub announced: String,
    state: Value,
    client: reqwest::Client,
    log: Log,
}

/// A state with these keys (`k1`, `k2`, … whose secrets are the given texts) in front of this fake.
pub fn state(fake: &Fake, secrets: &[&str]) -> Value {
    let key = |(at, secret): (usize, &&str)| json!({ "id": format!("k{}", at + 1), "secret": secret });
    let keys: Vec<Value> = secrets.iter().enumerate().map(key).collect();
    json!({ "revision": 1, "port": 0, "upstream": fake.url(), "keys": keys })
}

/// `state` with these fields on top.
pub fn with(mut state: Value, more: Value) -> Value {
    state.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    state
}

impl World {
    pub async fn new(fake: &Fake, secrets: &[&str]) -> Self {
        Self::from(state(fake, secrets)).await
    }

    pub async fn from(state: Value) -> Self {
        Self::in_folder(state, Folder::new()).await
    }

    pub async fn in_folder(state: Value, folder: Folder) -> Self {
        Self::at_level("debug", state, folder).await
    }

    /// With this least level of the log.
    pub async fn at_level(level: &str, state: Value, folder: Folder) -> Self {
        Self::in_environment(&[], level, state, folder).await
    }

    /// With these variables, and no others that name a proxy.
    pub async fn in_environment(
        variables: &[(&str, &str)],
        level: &str,
        state: Value,
        folder: Folder,
    ) -> Self {
        let file = folder.write("state.json", &state.to_string());
        let mut command = Command::new(BINARY);
        for name in ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"] {
            command.env_remove(name).env_remove(name.to_lowercase());
        }
        let mut child = command
            .envs(variables.iter().copied())
            .arg("serve")
            .arg("--state")
            .arg(&file)
            .arg("--storage")
            .arg(folder.path().join("storage"))
            .env("GEMINI_AGGREGATOR_LOG", level)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = collect(child.stderr.take().unwrap());
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        soon("the endpoint", out.read_line(&mut line)).await.unwrap();
        let port = line.trim().rsplit(':').next().and_then(|port| port.parse().ok());
        let port = port.unwrap_or_else(|| panic!("no endpoint in {line:?}: {}", log.text()));
        // Another test may have done so already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { child, port, folder, announced: line, state, client, log }
    }

    /// Ends it as a person would, and starts it again on the same ledger with this state.
    pub async fn restart(mut self, state: Value) -> Self {
        signal(&self.child, "TERM");
        soon("the end", self.child.wait()).await.unwrap();
        Self::in_folder(state, std::mem::replace(&mut self.folder, Folder::new())).await
    }

    pub fn state(&self) -> Value {
        self.state.clone()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method.parse().unwrap(), self.url(path))
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        soon("an answer", async {
            let response = request.send().await.unwrap();
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let mut bytes = Vec::new();
            let mut response = response;
            let clean = loop {
                match response.chunk().await {
                    Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                    Ok(None) => break true,
                    Err(_) => break false,
                }
            };
            Answer { status, headers, bytes, clean }
        })
        .await
    }

    pub async fn post(&self, path: &str) -> Answer {
        self.send(self.request("POST", path).body("{\"contents\":[]}")).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path)).await
    }

    pub async fn status(&self) -> Value {
        self.get("/-/status").await.json()
    }

    /// Waits until the status is as wanted.
    pub async fn wait_status(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut lines = self.request("GET", "/-/leader").send().await.unwrap();
        let mut buffer = Vec::new();
        soon(what, async {
            loop {
                buffer.extend_from_slice(&lines.chunk().await.unwrap().expect("the leader goes on"));
                while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = buffer.drain(..=end).collect();
                    let status = serde_json::from_slice(&line).unwrap();
                    if wanted(&status) {
                        return status;
                    }
                }
            }
        })
        .await
    }

    /// The decision records, newest first, once there are so many.
    pub async fn records(&self, count: usize) -> Vec<Value> {
        soon("the records", async {
            loop {
                let request = self.request("POST", "/-/records").header("x-gemini-aggregator", "test");
                let records: Vec<Value> = serde_json::from_value(self.send(request).await.json()).unwrap();
                if records.len() >= count {
                    return records;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }

    /// Everything on stderr up to now. Lines gather before they are written, so it asks for one more and waits for that.
    pub async fn whole_log(&self) -> String {
        let last = self.get("/v1beta/models").await.header("x-request-id").to_owned();
        self.log_with(&last).await
    }

    /// Everything on stderr, once this stands in it.
    pub async fn log_with(&self, wanted: &str) -> String {
        self.log.with(wanted).await
    }

    /// Everything on stderr, once it is as wanted.
    pub async fn log_until(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        self.log.until(what, wanted).await
    }

    /// Everything on stderr so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Sends bytes as they are and reads to the end of the connection.
    pub async fn raw(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A reset behind an answer is an answer.
        let _ = soon("an answer", stream.read_to_end(&mut answer)).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }
}

/// The good stream, which stops in its midst until the gate opens.
pub fn half_until(gate: &Gate) -> fake_gemini::Answer {
    let stream = fixtures::stream();
    let (first, rest) = (Step::Bytes(stream.slice(..50)), Step::Bytes(stream.slice(50..)));
    fake_gemini::Answer::stream([first, Step::Wait(gate.clone()), rest, Step::End])
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub bytes: Vec<u8>,
    /// Whether it ended as HTTP ends an answer.
    pub clean: bool,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.bytes.clone()).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }

    pub fn message(&self) -> String {
        self.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
    }
}

/// What a process has said so far.
#[derive(Clone)]
pub struct Log(Arc<watch::Sender<String>>);

impl Log {
    /// All of it.
    pub fn text(&self) -> String {
        self.0.borrow().clone()
    }

    /// All of it, once it is as wanted.
    pub async fn until(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        soon(what, self.0.subscribe().wait_for(|text| wanted(text))).await.unwrap().clone()
    }

    /// All of it, once this stands in it.
    pub async fn with(&self, wanted: &str) -> String {
        self.until(wanted, |text| text.contains(wanted)).await
    }
}

/// Reads a stream in the background.
pub fn collect(mut stream: impl AsyncReadExt + Unpin + Send + 'static) -> Log {
    let log = Log(Arc::new(watch::Sender::new(String::new())));
    let written = log.0.clone();
    tokio::spawn(async move {
        let mut buffer = [0; 8192];
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            written.send_modify(|text| text.push_str(&String::from_utf8_lossy(&buffer[..count])));
        }
    });
    log
}

/// Sends a signal by name.
pub fn signal(child: &Child, name: &str) {
    let id = child.id().expect("it runs").to_string();
    let sent = std::process::Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap();
    assert!(sent.success());
}

/// The `n`th of a list of attempts as `key outcome verdict rule`.
pub fn attempts(record: &Value) -> Vec<String> {
    let text = |attempt: &Value, name: &str| attempt[name].as_str().unwrap().to_owned();
    let attempts = record["attempts"].as_array().unwrap().iter();
    attempts
        .map(|attempt| ["key", "outcome", "verdict", "rule"].map(|name| text(attempt, name)).join(" "))
        .collect()
}

/// The state of one key in a status.
pub fn key_state<'a>(status: &'a Value, id: &str) -> &'a Value {
    let keys = status["keys"].as_array().unwrap();
    &keys.iter().find(|key| key["id"] == id).unwrap()["state"]
}
