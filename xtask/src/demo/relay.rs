//! The repository's own relay worker on Node, as a user runs it: found, started, killed. What it prints is looked through for
//! secrets. Dropping it ends the process; so does our own end, however sudden.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::oneshot;

use super::sidecar::{Heard, apart, lock};
use crate::root;

/// The oldest Node that the worker is made for.
const OLDEST: u32 = 20;
/// Longer than Node takes to say its version, to listen, or to be gone.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often a port is looked at meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// What the worker says once it listens, in front of its port.
const LISTENS: &str = "relay listening on http://127.0.0.1:";
/// Ends the worker when its stdin ends, which is when we are gone.
const LEASH: &str = "data:text/javascript,process.stdin.on('end',()=>process.exit()).resume()";

/// What a worker is told.
#[derive(Debug, Clone, Copy)]
pub struct Orders<'a> {
    /// The port it takes; 0: any free one.
    pub port: u16,
    pub token: &'a str,
    /// Where it passes calls on to; on this machine.
    pub upstream: &'a str,
    /// What its output is called where secrets were found in it.
    pub place: &'static str,
}

/// A worker that runs.
pub struct Relay {
    child: Child,
    /// Where it listens.
    pub port: u16,
    _leash: ChildStdin,
}

/// The version of the Node on the `PATH`, or why it will not do.
pub async fn node() -> Result<String, String> {
    let mut command = Command::new("node");
    command.arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(PATIENCE, command.output()).await {
        Ok(Ok(output)) => good_enough(&String::from_utf8_lossy(&output.stdout)),
        Ok(Err(_)) => Err("there is none on the PATH".into()),
        Err(_) => Err("the one on the PATH does not answer".into()),
    }
}

fn good_enough(version: &str) -> Result<String, String> {
    let version = version.trim().trim_start_matches('v');
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(OLDEST..) => Ok(version.to_owned()),
        Some(_) => Err(format!("the one on the PATH is {version}")),
        None => Err("the one on the PATH does not tell its version".into()),
    }
}

impl Relay {
    /// Starts it and waits until it listens.
    pub async fn start(orders: Orders<'_>, heard: &Heard) -> anyhow::Result<Self> {
        let mut command = std::process::Command::new("node");
        command
            .arg("--import")
            .arg(LEASH)
            .arg(root().join("relay").join("relay.mjs"))
            .env("HOST", "127.0.0.1")
            .env("PORT", orders.port.to_string())
            .env("RELAY_TOKEN", orders.token)
            .env("UPSTREAM", orders.upstream)
            .env_remove("GEMINI_API_KEY")
            .env_remove("GEMINI_API_KEYS")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        apart(&mut command);
        let mut child =
            Command::from(command).kill_on_drop(true).spawn().context("the relay does not start")?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(leash), Some(output), Some(errors)) = pipes else { bail!("the relay has no pipes") };
        let (listens, port) = oneshot::channel();
        tokio::spawn(read(output, heard.clone(), orders.place, Some(listens)));
        tokio::spawn(read(errors, heard.clone(), orders.place, None));
        let port = tokio::time::timeout(PATIENCE, port).await.context("the relay does not listen")?;
        Ok(Self { child, port: port.context("the relay ended at once")?, _leash: leash })
    }

    /// Kills it, and waits until nobody listens at its port.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        let gone = async {
            self.child.kill().await?;
            while TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            std::io::Result::Ok(())
        };
        let gone = tokio::time::timeout(PATIENCE, gone).await.context("the relay cannot be killed")?;
        gone.context("the relay cannot be killed")
    }
}

/// Looks at each line, and tells the port that stands in one.
async fn read(
    output: impl AsyncRead + Unpin,
    heard: Heard,
    place: &'static str,
    mut listens: Option<oneshot::Sender<u16>>,
) {
    let mut lines = BufReader::new(output);
    let mut line = Vec::new();
    while matches!(lines.read_until(b'\n', &mut line).await, Ok(1..)) {
        lock(&heard).look(place, &line);
        if let Some(port) = port(&String::from_utf8_lossy(&line))
            && let Some(listens) = listens.take()
        {
            // Who waited has given up.
            let _ = listens.send(port);
        }
        line.clear();
    }
}

fn port(line: &str) -> Option<u16> {
    line.trim().strip_prefix(LISTENS)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_is_too_old_or_none_at_all_is_told_apart_from_a_good_one() {
        assert_eq!(good_enough("v20.20.2\n"), Ok("20.20.2".into()));
        assert_eq!(good_enough("v100.0.0"), Ok("100.0.0".into()));
        assert_eq!(good_enough("v18.19.0\n"), Err("the one on the PATH is 18.19.0".into()));
        assert!(good_enough("command not found").is_err() && good_enough("").is_err());
    }

    #[test]
    fn the_port_stands_in_the_line_that_says_it_listens() {
        assert_eq!(port("relay listening on http://127.0.0.1:40001\n"), Some(40_001));
        assert_eq!(port("(node:1) Warning: http://127.0.0.1:40001"), None);
    }
}
