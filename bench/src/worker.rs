//! The real relay worker, `relay/relay.mjs`, on Node. What it does with a call is its own business.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use anyhow::Context;
use serde_json::{Value, json};

use crate::process::{bound_to_us, first_line};

/// The oldest Node that the worker is made for.
const OLDEST: u32 = 20;
/// It reaches nothing but the fake.
const TOKEN: &str = "a-token-of-the-benchmark-alone";

/// The worker, running; ended when dropped.
pub struct Worker {
    child: Child,
    port: u16,
}

/// Whether there is a Node that is new enough.
pub fn is_possible() -> bool {
    static POSSIBLE: LazyLock<bool> = LazyLock::new(|| {
        let said = Command::new("node").arg("--version").output();
        said.is_ok_and(|said| major(&String::from_utf8_lossy(&said.stdout)) >= Some(OLDEST))
    });
    *POSSIBLE
}

fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

impl Worker {
    /// In front of this port.
    pub fn start(upstream: u16) -> anyhow::Result<Self> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("this lies in a workspace")?;
        let mut child = bound_to_us("node".as_ref())
            .arg(workspace.join("relay").join("relay.mjs"))
            .env("HOST", "127.0.0.1")
            .env("PORT", "0")
            .env("RELAY_TOKEN", TOKEN)
            .env("UPSTREAM", format!("http://127.0.0.1:{upstream}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("the worker does not start")?;
        let line = first_line(&mut child);
        let mut worker = Self { child, port: 0 };
        let line = line.context("the worker does not start")?;
        worker.port =
            line.trim().rsplit_once(':').and_then(|(_, port)| port.parse().ok()).context("no port")?;
        Ok(worker)
    }

    /// As a state names it.
    pub fn instance(&self) -> Value {
        json!({ "id": "node", "url": format!("http://127.0.0.1:{}", self.port), "token": TOKEN })
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_node_is_read() {
        assert_eq!((major("v20.20.2\n"), major("none"), major("")), (Some(20), None, None));
    }
}
