//! Our own release binary, as a user starts it without an editor: `serve`, several keys, the log at its default level (and thrown
//! away).

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::{Value, json};

use crate::process::{Folder, bound_to_us, first_line};

/// The proxy, running; ended when dropped.
pub struct Ours {
    child: Child,
    /// Where it listens.
    pub port: u16,
    /// From its start to the line that says so.
    pub started_in: Duration,
    _folder: Folder,
}

/// Good keys.
pub fn keys(count: usize) -> Vec<Value> {
    (0..count).map(|at| json!({ "id": format!("key{at}"), "secret": format!("AIza-bench-{at}") })).collect()
}

impl Ours {
    /// In front of this port, with these keys.
    pub fn start(binary: &Path, upstream: u16, keys: &[Value]) -> anyhow::Result<Self> {
        Self::launch(bound_to_us(binary), upstream, keys)
    }

    /// Without anything between us and the program, so that its start can be timed.
    pub fn start_alone(binary: &Path, upstream: u16, keys: &[Value]) -> anyhow::Result<Self> {
        Self::launch(Command::new(binary), upstream, keys)
    }

    fn launch(mut command: Command, upstream: u16, keys: &[Value]) -> anyhow::Result<Self> {
        let folder = Folder::new()?;
        let state = json!({
            "revision": 1, "port": 0, "upstream": format!("http://127.0.0.1:{upstream}"), "keys": keys,
        });
        let state: PathBuf = folder.write("state.json", &state.to_string())?;
        command
            .arg("serve")
            .arg("--state")
            .arg(state)
            .arg("--storage")
            .arg(folder.path().join("storage"))
            .env_remove("GEMINI_AGGREGATOR_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let begun = Instant::now();
        let child = command.spawn().context("the proxy does not start")?;
        let mut ours = Self { child, port: 0, started_in: Duration::ZERO, _folder: folder };
        let line = first_line(&mut ours.child).context("the proxy does not start")?;
        ours.started_in = begun.elapsed();
        ours.port = port(&line).context("the proxy names no port")?;
        Ok(ours)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The port in the line `… listens on http://127.0.0.1:3145`.
fn port(line: &str) -> Option<u16> {
    line.trim().rsplit_once(':')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_stands_at_the_end_of_the_line() {
        assert_eq!(port("Gemini Aggregator 2.0.0 listens on http://127.0.0.1:3145\n"), Some(3145));
        assert_eq!(port("Gemini Aggregator"), None);
    }
}
