//! A sidecar as an editor has it: frames in and out, and the statuses it told.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::support::{BINARY, Folder, UNARY, soon};

/// A sidecar as the extension has it.
pub struct Editor {
    pub child: Child,
    pub input: ChildStdin,
    pub output: BufReader<ChildStdout>,
    next: u64,
    pub statuses: Vec<Value>,
    pub folder: Folder,
}

impl Editor {
    /// Starts it, and says nothing yet.
    pub fn start() -> Self {
        Self::start_with(Stdio::null())
    }

    /// With this stderr, and everything logged there.
    pub fn start_with(errors: Stdio) -> Self {
        Self::start_at("trace", errors)
    }

    /// With this least level of the log.
    pub fn start_at(level: &str, errors: Stdio) -> Self {
        let mut child = Command::new(BINARY)
            .env("GEMINI_AGGREGATOR_LOG", level)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output, next: 0, statuses: Vec::new(), folder: Folder::new() }
    }

    /// Starts it with this state.
    pub async fn with(state: &Value) -> Self {
        let mut editor = Self::start();
        let storage = editor.folder.path().join("storage");
        editor.initialize(json!({ "protocol": 1, "storageDir": storage, "pool": "pool", "host": "host", "state": state })).await;
        editor
    }

    pub async fn initialize(&mut self, options: Value) -> Value {
        let answer = self
            .request(
                "initialize",
                json!({ "processId": null, "capabilities": {}, "initializationOptions": options }),
            )
            .await;
        if answer.get("result").is_some() {
            self.notify("initialized", json!({})).await;
        }
        answer
    }

    pub async fn send(&mut self, message: &Value) {
        self.send_bytes(framed(message.to_string()).as_bytes()).await;
    }

    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        soon("a reader", self.input.write_all(bytes)).await.unwrap();
    }

    /// A request whose answer is read later, or never.
    pub async fn ask(&mut self, method: &str, params: Value) -> u64 {
        self.next += 1;
        let mut request = json!({ "jsonrpc": "2.0", "id": self.next, "method": method });
        if !params.is_null() {
            request["params"] = params;
        }
        self.send(&request).await;
        self.next
    }

    pub async fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params })).await;
    }

    pub async fn change(&mut self, state: &Value) {
        self.notify("aggregator/didChangeState", state.clone()).await;
    }

    /// The whole answer; statuses that come before it are kept.
    pub async fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.ask(method, params).await;
        self.answer(id).await
    }

    /// The answer to this request.
    pub async fn answer(&mut self, id: u64) -> Value {
        loop {
            let message = self.read().await;
            if message["id"] == id {
                return message;
            }
        }
    }

    /// The codes of the errors that are answers to nothing, up to the answer to a request that is sent now.
    pub async fn errors(&mut self) -> Vec<i64> {
        let id = self.ask("aggregator/records", json!({})).await;
        let mut codes = Vec::new();
        loop {
            let message = self.read().await;
            if message["id"] == id {
                assert!(message["result"].is_array(), "{message}");
                return codes;
            }
            if message.get("method").is_none() {
                assert!(message["id"].is_null(), "{message}");
                codes.push(message["error"]["code"].as_i64().unwrap());
            }
        }
    }

    /// The next message.
    pub async fn read(&mut self) -> Value {
        let message = soon("a message", async {
            let mut length = 0;
            loop {
                let mut line = String::new();
                assert_ne!(self.output.read_line(&mut line).await.unwrap(), 0, "the sidecar went");
                if line == "\r\n" {
                    break;
                }
                if let Some(value) = line.strip_prefix("Content-Length: ") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            self.output.read_exact(&mut body).await.unwrap();
            serde_json::from_slice::<Value>(&body).unwrap()
        })
        .await;
        if message["method"] == "aggregator/didChangeStatus" {
            self.statuses.push(message["params"].clone());
        }
        message
    }

    /// Reads until a status is as wanted.
    pub async fn wait(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            if let Some(status) = self.statuses.last().filter(|status| wanted(status)) {
                return status.clone();
            }
            let waited = soon(what, self.read()).await;
            assert!(waited["method"] == "aggregator/didChangeStatus", "{waited}");
        }
    }

    pub async fn port(&mut self) -> u16 {
        let status = self.wait("the port", |status| status["role"]["kind"] == "leader").await;
        status["role"]["port"].as_u64().unwrap().try_into().unwrap()
    }

    pub async fn post(&self, port: u16) -> u16 {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.post(format!("http://127.0.0.1:{port}{UNARY}")).body("{}");
        soon("an answer", request.send()).await.unwrap().status().as_u16()
    }
}

/// A message as it goes over the wire.
pub fn framed(text: impl AsRef<str>) -> String {
    format!("Content-Length: {}\r\n\r\n{}", text.as_ref().len(), text.as_ref())
}
