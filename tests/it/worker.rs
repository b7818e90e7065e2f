//! The real relay worker, `relay/relay.mjs`, on Node.

use std::path::Path;
use std::process::Stdio;

use fake_gemini::Fake;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::support::soon;

/// A token that the worker takes.
pub const TOKEN: &str = "relay-token-of-thirty-two-letters";

/// A worker in front of a fake Gemini; it ends when it is dropped.
pub struct Worker {
    pub child: Child,
    port: u16,
    /// Kept open, so that nothing it says can end it.
    _out: BufReader<ChildStdout>,
}

impl Worker {
    /// On any free port. An empty token is none.
    pub async fn start(fake: &Fake, token: &str) -> Self {
        Self::start_on(0, fake, token).await
    }

    /// On this port.
    pub async fn start_on(port: u16, fake: &Fake, token: &str) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("relay/relay.mjs");
        let started = Command::new("node")
            .arg(file)
            .env("PORT", port.to_string())
            .env("HOST", "127.0.0.1")
            .env("RELAY_TOKEN", token)
            .env("UPSTREAM", fake.url())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut child = started.expect("Node 20 or newer is installed and called `node`");
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        soon("the worker", out.read_line(&mut line)).await.unwrap();
        let port = line.trim().rsplit(':').next().and_then(|port| port.parse().ok());
        Self { child, port: port.unwrap_or_else(|| panic!("no address in {line:?}")), _out: out }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Which port that is.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it at once.
    pub async fn kill(&mut self) {
        soon("the end of the worker", self.child.kill()).await.unwrap();
    }

    /// It as an instance of a state.
    pub fn instance(&self, id: &str) -> Value {
        json!({ "id": id, "url": self.url(), "token": TOKEN })
    }
}
