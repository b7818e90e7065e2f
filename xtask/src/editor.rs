//! `cargo xtask editor`: a real VS Code for one's own browser, with the packaged extension, in front of a fake Gemini and two relay
//! workers. And the tests that drive such editors. Nothing of it leaves the machine.

use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use fake_gemini::Fake;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use crate::demo::leaks::Leaks;
use crate::demo::relay::{Orders, Relay};
use crate::demo::sidecar::Heard;
use crate::demo::signals::Signals;
use crate::{cargo, debian, node, package, root, say, usage};

const USAGE: &str = "\
usage: cargo xtask editor [--editor oldest|newest] [--port N] [--endpoint N]
       cargo xtask editor test       the packaged extension in both editors, story by story
       cargo xtask editor pictures   takes the documents' pictures anew, in the newest editor
       --editor     which VS Code: the oldest that is supported, or the newest that is tested (the default)
       --port       where the browser finds the editor; any free port by default
       --endpoint   where clients find the pool of keys; 3145 by default
";
const OPTIONS: [&str; 3] = ["--editor", "--port", "--endpoint"];
const EXTENSION: &str = "vscode-client";
const DRIVER: &str = "tests/vscode";
/// What the tests run, and Debian's package for it. The editors' native modules are compiled once.
const PROGRAMS: [(&str, &[&str]); 4] =
    [("chromium", &["chromium"]), ("make", &["make"]), ("g++", &["g++"]), ("python3", &["python3"])];
/// Long enough for the worker to take them.
const TOKENS: [&str; 2] = ["token-of-the-first-relay-0001", "token-of-the-second-relay-002"];
/// Between the pieces of an answer, so that one sees it stream.
const PACE: Duration = Duration::from_millis(80);
/// To end an editor in order.
const PATIENCE: Duration = Duration::from_secs(15);

/// Runs it with the arguments behind `editor`.
pub fn run(arguments: &[&str]) -> anyhow::Result<ExitCode> {
    if matches!(*arguments, ["--help" | "-h"]) {
        return Ok(say(&mut std::io::stdout(), USAGE, ExitCode::SUCCESS));
    }
    let pairs = arguments.chunks(2);
    if pairs.clone().any(|pair| pair.len() != 2 || !OPTIONS.contains(&pair[0])) {
        return Ok(usage(USAGE));
    }
    node::require()?;
    runtime()?.block_on(open(arguments))
}

/// The extension's own tests, then the packaged extension in both editors.
pub fn test() -> anyhow::Result<()> {
    node::test(EXTENSION)?;
    node::install(DRIVER)?;
    node::npm(&root().join(DRIVER), &["run", "--silent", "types"])?;
    stories()
}

/// The packaged extension in both editors, story by story.
pub fn stories() -> anyhow::Result<()> {
    drive(&[])
}

/// The documents' pictures, where the documents look for them.
pub fn pictures() -> anyhow::Result<()> {
    drive(&["--pictures".as_ref(), root().join("docs").join("images").as_os_str()])
}

fn drive(arguments: &[&std::ffi::OsStr]) -> anyhow::Result<()> {
    node::require()?;
    node::install(EXTENSION)?;
    node::install(DRIVER)?;
    install_programs();
    let (vsix, fake) =
        runtime()?.block_on(async { anyhow::Ok((package().await?, cargo::build("fake-gemini").await?)) })?;
    let mut command = std::process::Command::new("node");
    command.arg("run.mjs").arg("--vsix").arg(vsix).arg("--fake").arg(fake).args(arguments);
    let status = command.current_dir(root().join(DRIVER)).status().context("cannot start node")?;
    ensure!(status.success(), "the extension does not do in a real editor what it should");
    Ok(())
}

async fn open(arguments: &[&str]) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    tokio::select! {
        ready = stage(arguments) => {
            let stage = ready?;
            stage.tell()?;
            signals.next().await;
            stage.end().await?;
        }
        () = signals.next() => {}
    }
    Ok(ExitCode::from(130))
}

/// Everything that runs until Ctrl-C.
struct Stage {
    editor: Child,
    /// The editor ends when this does.
    leash: ChildStdin,
    address: String,
    fake: Fake,
    relays: Vec<Relay>,
}

async fn stage(arguments: &[&str]) -> anyhow::Result<Stage> {
    let vsix = package().await?;
    node::install(DRIVER)?;
    let fake = Fake::start().await;
    fake.pace(PACE);
    let mut relays = Vec::new();
    for token in TOKENS {
        let orders = Orders { port: 0, token, upstream: &fake.url(), place: "relay" };
        relays.push(Relay::start(orders, &Heard::new(Leaks::new([]))).await?);
    }
    let mut command = Command::new("node");
    command.arg("open.mjs").arg("--vsix").arg(vsix).arg("--upstream").arg(fake.url()).args(arguments);
    command.current_dir(root().join(DRIVER)).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut editor = command.spawn().context("cannot start node")?;
    let leash = editor.stdin.take().context("the editor has no stdin")?;
    let address = first_line(&mut editor).await.context("the editor did not start")?;
    Ok(Stage { editor, leash, address, fake, relays })
}

impl Stage {
    fn tell(&self) -> anyhow::Result<()> {
        let mut text = format!(
            "\n  VS Code          {}\n  fake Gemini      {} (takes every key of 16 characters or more)\n",
            self.address,
            self.fake.url()
        );
        for (relay, token) in self.relays.iter().zip(TOKENS) {
            text.push_str(&format!("  relay            http://127.0.0.1:{} (token {token})\n", relay.port));
        }
        text.push_str("\nThe profile is fresh and goes with the end. Ctrl-C ends all of it.\n");
        match say(&mut std::io::stdout(), &text, ExitCode::SUCCESS) == ExitCode::SUCCESS {
            true => Ok(()),
            false => bail!("nobody reads what is told"),
        }
    }

    async fn end(mut self) -> anyhow::Result<()> {
        drop(self.leash);
        if tokio::time::timeout(PATIENCE, self.editor.wait()).await.is_err() {
            self.editor.kill().await?;
        }
        for relay in self.relays {
            relay.kill().await?;
        }
        Ok(())
    }
}

async fn first_line(child: &mut Child) -> anyhow::Result<String> {
    let output = child.stdout.take().context("there is no output")?;
    let mut lines = BufReader::new(output).lines();
    let line = lines.next_line().await?.context("it ended at once")?;
    // What follows is read, so that it never waits for us.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok(line)
}

/// The extension for this machine, with the program of this checkout in it.
async fn package() -> anyhow::Result<PathBuf> {
    node::install(EXTENSION)?;
    let program = cargo::build("gemini-aggregator").await?;
    let folder = program.parent().context("a program lies in a folder")?;
    let vsix = folder.join("gemini-aggregator.vsix");
    package::pack(&program, package::this_machine()?, &vsix, false)?;
    Ok(vsix)
}

/// Installs what is missing, where that can be done.
fn install_programs() {
    let missing: Vec<&[&str]> = PROGRAMS
        .into_iter()
        .filter(|(program, _)| *program != "chromium" || std::env::var_os("CHROME").is_none())
        .filter(|(program, _)| !starts(program))
        .map(|(_, packages)| packages)
        .collect();
    if cfg!(target_os = "linux") && !missing.is_empty() {
        debian::install(&missing);
    }
}

fn starts(program: &str) -> bool {
    let mut command = std::process::Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
