//! The real relay worker, run by node between the program and a fake Gemini.

use std::path::Path;
use std::process::Stdio;

use fake_gemini::Fake;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::support::soon;

/// A relay of ours. It ends when it is dropped.
pub struct Worker {
    child: Child,
    url: String,
    /// Kept open, so that nothing it says can end it.
    _out: BufReader<ChildStdout>,
}

impl Worker {
    /// In front of this fake, for who has this token.
    pub async fn start(fake: &Fake, token: &str) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("relay/relay.mjs");
        let mut child = Command::new("node")
            .arg(file)
            .env("PORT", "0")
            .env("HOST", "127.0.0.1")
            .env("RELAY_TOKEN", token)
            .env("UPSTREAM", fake.url())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("the tests of the relay need node in the PATH: {error}"));
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        soon("the relay", out.read_line(&mut line)).await.unwrap();
        let url = line.trim().strip_prefix("relay listening on ");
        let url = url.unwrap_or_else(|| panic!("the relay said {line:?}")).to_owned();
        Self { child, url, _out: out }
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends it, whatever it is doing.
    pub async fn kill(&mut self) {
        soon("the end of the relay", self.child.kill()).await.unwrap();
    }
}
