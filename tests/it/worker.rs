//! The real relay worker, run by Node in front of a fake.

use std::process::Stdio;

use fake_gemini::Fake;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::support::soon;

/// A token as the worker wants it: 24 characters at least.
pub const TOKEN: &str = "relay-token-for-one-test-only";

/// A worker that runs until it is dropped.
pub struct Worker {
    url: String,
    _child: Child,
}

impl Worker {
    /// With this token; an empty one is none.
    pub async fn start(fake: &Fake, token: &str) -> Self {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../relay/relay.mjs");
        let mut child = Command::new("node")
            .arg(file)
            .envs([("PORT", "0"), ("HOST", "127.0.0.1"), ("RELAY_TOKEN", token)])
            .env("UPSTREAM", fake.url())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("Node, which runs the relay worker in this test, is on the PATH");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = soon("the worker", lines.next_line()).await.unwrap().expect("the worker says where it is");
        let url = line.strip_prefix("relay listening on ").unwrap_or_else(|| panic!("{line}")).to_owned();
        Self { url, _child: child }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        self.url.clone()
    }
}
