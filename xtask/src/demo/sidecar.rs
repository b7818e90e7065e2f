//! The real binary as the extension has it: JSON-RPC over stdio, its stderr drained, its states kept. Everything it says is
//! looked through for secrets. Dropping it ends the process.

use std::collections::VecDeque;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aggregator_protocol::{DID_CHANGE_STATUS, Status};
use anyhow::{Context, anyhow, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::leaks::Leaks;

/// Longer than it takes to answer a message, or to leave.
const PATIENCE: Duration = Duration::from_secs(15);
/// No message of its is larger.
const LARGEST: usize = 64 * 1024 * 1024;
/// States and log lines that are kept.
const KEPT: usize = 500;

/// A sidecar that runs.
pub struct Sidecar {
    child: Child,
    input: ChildStdin,
    next: u64,
    answers: mpsc::UnboundedReceiver<Value>,
    statuses: watch::Receiver<Vec<Status>>,
    readers: [JoinHandle<()>; 2],
}

/// All that it says, held by who wants to know afterwards.
#[derive(Clone)]
pub struct Heard(Arc<Mutex<Said>>);

/// What it said so far.
pub struct Said {
    leaks: Leaks,
    log: VecDeque<String>,
}

impl Sidecar {
    /// Starts it and says nothing yet. `tell` is called with each status that differs from the last.
    pub fn start(
        binary: &Path,
        heard: &Heard,
        tell: impl FnMut(&Status) + Send + 'static,
    ) -> anyhow::Result<Self> {
        let mut command = std::process::Command::new(binary);
        command
            .env("GEMINI_AGGREGATOR_LOG", "trace")
            .env_remove("GEMINI_API_KEY")
            .env_remove("GEMINI_API_KEYS")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        apart(&mut command);
        let mut child = Command::from(command)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(errors)) = pipes else { bail!("the sidecar has no pipes") };
        let (answer, answers) = mpsc::unbounded_channel();
        let (state, statuses) = watch::channel(Vec::new());
        let readers = [
            tokio::spawn(read_messages(output, heard.clone(), answer, state, tell)),
            tokio::spawn(read_log(errors, heard.clone())),
        ];
        Ok(Self { child, input, next: 0, answers, statuses, readers })
    }

    /// `initialize` with these options, then `initialized`.
    pub async fn initialize(&mut self, options: Value) -> anyhow::Result<()> {
        let params = json!({
            "processId": std::process::id(),
            "clientInfo": { "name": "cargo xtask demo" },
            "capabilities": {},
            "initializationOptions": options,
        });
        self.request("initialize", params).await?;
        self.notify("initialized", json!({})).await
    }

    /// Sends a request and waits for its result.
    pub async fn request(&mut self, method: &str, params: Value) -> anyhow::Result<Value> {
        self.next += 1;
        let id = self.next;
        let mut request = json!({ "jsonrpc": "2.0", "id": id, "method": method });
        if !params.is_null() {
            request["params"] = params;
        }
        self.send(&request).await?;
        let answer = async {
            loop {
                let mut answer = self.answers.recv().await.context("the sidecar has gone")?;
                if answer["id"] == id {
                    let message = answer["error"]["message"].as_str();
                    return match message {
                        Some(message) => Err(anyhow!("the sidecar refuses {method}: {message}")),
                        None => Ok(answer["result"].take()),
                    };
                }
            }
        };
        tokio::time::timeout(PATIENCE, answer)
            .await
            .with_context(|| format!("the sidecar does not answer {method}"))?
    }

    /// Sends a notification.
    pub async fn notify(&mut self, method: &str, params: Value) -> anyhow::Result<()> {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params })).await
    }

    async fn send(&mut self, message: &Value) -> anyhow::Result<()> {
        let text = message.to_string();
        let framed = format!("Content-Length: {}\r\n\r\n{text}", text.len());
        tokio::time::timeout(PATIENCE, self.input.write_all(framed.as_bytes()))
            .await
            .context("the sidecar does not read")?
            .context("the sidecar has gone")
    }

    /// Waits until its status is as wanted.
    pub async fn wait(&mut self, what: &str, wanted: impl Fn(&Status) -> bool) -> anyhow::Result<Status> {
        let fits = |all: &Vec<Status>| all.last().is_some_and(&wanted);
        let all = tokio::time::timeout(PATIENCE, self.statuses.wait_for(fits))
            .await
            .with_context(|| format!("the status never told of {what}"))?
            .context("the sidecar has gone")?;
        all.last().cloned().context("there is a status")
    }

    /// Waits for the next status; an error when it has gone.
    pub async fn changed(&mut self) -> anyhow::Result<()> {
        self.statuses.changed().await.context("the sidecar has gone")
    }

    /// Its last states, oldest first.
    pub fn statuses(&self) -> Vec<Status> {
        self.statuses.borrow().clone()
    }

    /// `shutdown`, `exit`, and the end of the process: its exit code, if it has one.
    pub async fn end(mut self) -> anyhow::Result<Option<i32>> {
        self.request("shutdown", Value::Null).await?;
        self.notify("exit", Value::Null).await?;
        let ended = tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .context("the sidecar stays after exit")?
            .context("cannot wait for the sidecar")?;
        for reader in &mut self.readers {
            // What it said last counts too; a reader fails only by a panic, which has been reported.
            let _ = tokio::time::timeout(PATIENCE, reader).await;
        }
        Ok(ended.code())
    }
}

impl Heard {
    /// Nothing yet.
    pub fn new(leaks: Leaks) -> Self {
        Self(Arc::new(Mutex::new(Said { leaks, log: VecDeque::new() })))
    }
}

/// Never held while anything is awaited.
pub fn lock(heard: &Heard) -> MutexGuard<'_, Said> {
    heard.0.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Said {
    /// Looks for secrets in what came from elsewhere.
    pub fn look(&mut self, place: &'static str, bytes: &[u8]) {
        self.leaks.look(place, bytes);
    }

    /// Whose secret showed where.
    pub fn leaks(&self) -> Vec<String> {
        self.leaks.found()
    }

    /// How many bytes were looked at.
    pub fn looked_at(&self) -> usize {
        self.leaks.looked_at()
    }

    /// Its log lines that warn of something, under a heading; nothing if there is none.
    pub fn warnings(&self) -> Vec<String> {
        let warns =
            |line: &&String| ["WARN", "ERROR"].iter().any(|level| line.trim_start().starts_with(level));
        let lines: Vec<String> =
            self.log.iter().filter(warns).map(|line| format!("  {}", line.trim_start())).collect();
        let heading = (!lines.is_empty()).then(|| {
            "
Warnings in the sidecar's log"
                .to_owned()
        });
        heading.into_iter().chain(lines).collect()
    }
}

/// A Ctrl-C at the terminal is for us alone: we end what we started in our own way, the sidecar as an editor does.
pub fn apart(command: &mut std::process::Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(windows)]
    {
        const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
        std::os::windows::process::CommandExt::creation_flags(command, CREATE_NEW_PROCESS_GROUP);
    }
}

async fn read_messages(
    output: impl AsyncRead + Unpin,
    heard: Heard,
    answers: mpsc::UnboundedSender<Value>,
    statuses: watch::Sender<Vec<Status>>,
    mut tell: impl FnMut(&Status),
) {
    let mut output = BufReader::new(output);
    while let Some(body) = frame(&mut output).await {
        lock(&heard).look("a message", &body);
        let Ok(mut message) = serde_json::from_slice::<Value>(&body) else { continue };
        if message["method"] == DID_CHANGE_STATUS {
            // One that does not fit the contract never becomes the status that somebody waits for.
            let Ok(status) = serde_json::from_value::<Status>(message["params"].take()) else { continue };
            tell(&status);
            statuses.send_modify(|all| {
                all.drain(..(all.len() + 1).saturating_sub(KEPT));
                all.push(status);
            });
        } else if answers.send(message).is_err() {
            return;
        }
    }
}

/// The body of the next message.
async fn frame(output: &mut (impl AsyncBufReadExt + Unpin)) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if output.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if line.trim_end().is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim().parse().ok().filter(|length| *length <= LARGEST)?;
        }
    }
    let mut body = vec![0; length];
    output.read_exact(&mut body).await.ok()?;
    Some(body)
}

async fn read_log(errors: impl AsyncRead + Unpin, heard: Heard) {
    let mut lines = BufReader::new(errors);
    let mut line = Vec::new();
    while matches!(lines.read_until(b'\n', &mut line).await, Ok(1..)) {
        let mut heard = lock(&heard);
        heard.look("the log", &line);
        if heard.log.len() == KEPT {
            heard.log.pop_front();
        }
        heard.log.push_back(String::from_utf8_lossy(&line).trim_end().to_owned());
        line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_are_told_apart_by_their_length() {
        let mut input = &b"Content-Length: 4\r\n\r\n{\r\n}Content-Type: x\r\nContent-Length: 2\r\n\r\n[]"[..];
        assert_eq!(frame(&mut input).await.as_deref(), Some(&b"{\r\n}"[..]));
        assert_eq!(frame(&mut input).await.as_deref(), Some(&b"[]"[..]));
        assert_eq!(frame(&mut input).await, None);
    }

    #[tokio::test]
    async fn what_is_cut_off_or_too_large_is_no_message() {
        for bytes in ["Content-Length: 9\r\n\r\nshort", "Content-Length: 99999999999\r\n\r\n{}"] {
            assert_eq!(frame(&mut bytes.as_bytes()).await, None, "{bytes}");
        }
    }
}
