//! A fake Gemini made for load: one thread on one core, in a process of its own. Reads requests as far as needed and writes
//! answers in one piece. Never looks at a body. `relays` reads and answers in the same way.

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::machine;
use crate::process::first_line;
use crate::script::{self, Fault, SHORT, SMALL, Say};

/// The argument that makes this program the fake.
pub const ARGUMENT: &str = "upstream";
/// What is read at a time; a head must fit.
pub const BUFFER: usize = 256 * 1024;

// --- the other side's end ---

/// The fake, running; ended when dropped.
pub struct Upstream {
    child: Child,
    /// Where it listens.
    pub port: u16,
}

impl Upstream {
    /// Starts it on this core.
    pub fn start(core: usize) -> anyhow::Result<Self> {
        let child = Command::new(std::env::current_exe()?)
            .args([ARGUMENT, &core.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the fake upstream does not start")?;
        let mut upstream = Self { child, port: 0 };
        upstream.port = first_line(&mut upstream.child)?.trim().parse()?;
        Ok(upstream)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// --- the fake ---

/// Serves until stdin ends, which it does when the benchmark is gone.
pub fn run(core: Option<&str>) -> anyhow::Result<()> {
    if let Some(core) = core.and_then(|core| core.parse().ok()) {
        machine::pin(core);
    }
    let (gone, end) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        while std::io::stdin().lock().read_line(&mut line).is_ok_and(|read| read > 0) {}
        let _ = gone.send(());
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            served = serve() => served,
            _ = end => Ok(()),
        }
    })
}

async fn serve() -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?.port())?;
    let gemini = Arc::new(Gemini::default());
    loop {
        let (stream, _) = listener.accept().await?;
        let gemini = gemini.clone();
        // A connection that ends in an error was given up by the other side.
        tokio::spawn(async move {
            let _ = gemini.converse(stream).await;
        });
    }
}

/// Answers.
#[derive(Default)]
pub struct Gemini {
    /// Answers by their size, built once.
    answers: Mutex<HashMap<usize, Arc<[u8]>>>,
    /// Counts attempts on faulty models.
    turn: AtomicU64,
}

impl Gemini {
    async fn converse(&self, mut stream: TcpStream) -> anyhow::Result<()> {
        stream.set_nodelay(true)?;
        let mut buffer = vec![0; BUFFER];
        while let Some(request) = Request::read(&mut stream, &mut buffer).await? {
            match request.say {
                Say::Faulty { stream: streams } => {
                    let turn = self.turn.fetch_add(1, Ordering::Relaxed);
                    match Fault::roll(&request.key, turn) {
                        Some(Fault::Reset) => {
                            stream.set_zero_linger()?;
                            return Ok(());
                        }
                        Some(Fault::Refusal(answer)) => stream.write_all(&answer).await?,
                        None if streams => self.say(&mut stream, SHORT).await?,
                        None => stream.write_all(&self.answer(SMALL)).await?,
                    }
                }
                say => self.say(&mut stream, say).await?,
            }
        }
        Ok(())
    }

    /// An answer without a fault.
    pub async fn say(&self, stream: &mut TcpStream, say: Say) -> anyhow::Result<()> {
        match say {
            Say::Health => stream.write_all(&script::health()).await?,
            Say::Answer { bytes, after } => {
                pause(after).await;
                stream.write_all(&self.answer(bytes)).await?;
            }
            Say::Events { .. } => events(stream, say).await?,
            Say::Faulty { .. } => bail!("a fault where there shall be none"),
        }
        Ok(())
    }

    fn answer(&self, bytes: usize) -> Arc<[u8]> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.entry(bytes).or_insert_with(|| script::answer(bytes).into()).clone()
    }
}

async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

async fn events(stream: &mut TcpStream, say: Say) -> anyhow::Result<()> {
    let Say::Events { count, every } = say else { bail!("no stream") };
    let begun = Instant::now();
    for at in 0..count {
        let mut bytes = String::new();
        if at == 0 {
            bytes.push_str(script::STREAM_HEAD);
        } else {
            tokio::time::sleep_until(begun + every * at as u32).await;
        }
        bytes.push_str(&script::event(machine::nanos(), at + 1 == count));
        stream.write_all(bytes.as_bytes()).await?;
    }
    Ok(())
}

/// What of a request matters.
pub struct Request {
    /// The answer it wants.
    pub say: Say,
    key: String,
}

impl Request {
    /// Reads one to the end of its body; `None` if no more come.
    pub async fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> anyhow::Result<Option<Self>> {
        let mut filled = 0;
        loop {
            ensure!(filled < buffer.len(), "a head that does not fit");
            let read = stream.read(&mut buffer[filled..]).await?;
            if read == 0 {
                return Ok(None);
            }
            filled += read;
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut head = httparse::Request::new(&mut headers);
            let httparse::Status::Complete(begin) = head.parse(&buffer[..filled])? else { continue };
            let value = |name: &str| {
                let header = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
                std::str::from_utf8(header.value).ok()
            };
            let length = match (head.method, value("content-length")) {
                (Some("GET"), None) => 0,
                (_, length) => length.context("a body without a length")?.parse::<usize>()?,
            };
            let say = Say::of(head.path.unwrap_or_default()).context("no such model")?;
            let key = match say {
                Say::Faulty { .. } => value("x-goog-api-key").unwrap_or_default().to_owned(),
                _ => String::new(),
            };
            let mut left = (begin + length).saturating_sub(filled);
            while left > 0 {
                let read = stream.read(buffer).await?;
                ensure!(read > 0, "the body ended early");
                left = left.saturating_sub(read);
            }
            return Ok(Some(Self { say, key }));
        }
    }
}
