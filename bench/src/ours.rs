//! Our own release binary, as a user starts it without an editor: `serve`, several keys, the log at its default level (and thrown
//! away).

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::client::Connection;
use crate::process::{Folder, bound_to_us, first_line};

/// For all relays to be found well.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at the status.
const LOOK: Duration = Duration::from_millis(5);

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
        Self::launch(bound_to_us(binary), state(upstream, keys))
    }

    /// By these instances, in this mode; waits until all of them are up.
    pub async fn start_by_relays(
        binary: &Path,
        upstream: u16,
        keys: &[Value],
        mode: &str,
        instances: &[Value],
    ) -> anyhow::Result<Self> {
        let mut state = state(upstream, keys);
        state["mode"] = json!(mode);
        state["instances"] = json!(instances);
        let ours = Self::launch(bound_to_us(binary), state)?;
        let begun = Instant::now();
        while ours.active_instances().await? < instances.len() as u64 {
            ensure!(begun.elapsed() < PATIENCE, "not all relays are up");
            tokio::time::sleep(LOOK).await;
        }
        Ok(ours)
    }

    async fn active_instances(&self) -> anyhow::Result<u64> {
        let mut connection = Connection::open(self.port).await?;
        let status = connection.exchange(b"GET /-/status HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").await?;
        let page: Value = serde_json::from_slice(&connection.payload)?;
        page["activeInstances"].as_u64().with_context(|| format!("a status page with {status}"))
    }

    /// Without anything between us and the program, so that its start can be timed.
    pub fn start_alone(binary: &Path, upstream: u16, keys: &[Value]) -> anyhow::Result<Self> {
        Self::launch(Command::new(binary), state(upstream, keys))
    }

    fn launch(mut command: Command, state: Value) -> anyhow::Result<Self> {
        let folder = Folder::new()?;
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

fn state(upstream: u16, keys: &[Value]) -> Value {
    json!({ "revision": 1, "port": 0, "upstream": format!("http://127.0.0.1:{upstream}"), "keys": keys })
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
