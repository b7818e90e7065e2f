//! `cargo xtask demo`: the real binary over stdio as the extension has it, in front of a fake Gemini (or, with keys in the
//! environment, Google), two requests through it, and what it says about them; then, with the fake and Node, the same by two
//! relays of which one dies (`outage`). Ends well only if everything came out right, and never leaves a process behind.

mod checks;
mod client;
mod folder;
pub mod leaks;
mod options;
mod outage;
mod outage_checks;
pub mod relay;
mod screen;
mod show;
pub mod sidecar;
pub mod signals;
mod stage;
mod stay;
mod world;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregator_protocol::{
    DID_CHANGE_STATE, PROTOCOL, RECORDS, Record, RecordsParams, Role, Severity, Status,
};
use anyhow::{Context, bail};
use serde_json::json;

use checks::{Check, Ending, Requests, Told};
use client::Answer;
use folder::Folder;
use options::{Asked, Options};
use relay::Relay;
use screen::Screen;
use sidecar::{Heard, Sidecar, lock};
use signals::Signals;
use world::World;

use crate::{cargo, say, usage};

/// The sidecar's package and program.
const SIDECAR: &str = "gemini-aggregator";
/// Where clients expect the endpoint.
const PORT: u16 = 3145;
/// When the last byte of an answer is out, its record and the status follow at once; so long they are waited for.
const TOLD_WITHIN: Duration = Duration::from_secs(5);
/// How often a record is asked for meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How the demo ended.
enum Ended {
    /// All checks passed.
    Well,
    /// One did not.
    Badly,
    /// By a signal.
    Interrupted,
}

/// What was asked for, who answers, what is heard of the sidecar, and where it shows.
#[derive(Clone, Copy)]
struct Run<'a> {
    options: &'a Options,
    world: &'a World,
    heard: &'a Heard,
    screen: &'a Arc<Screen>,
}

/// A sidecar with its endpoint up, the requests of the first act behind it.
struct Played {
    sidecar: Sidecar,
    folder: Folder,
    port: u16,
    /// Revision and port of its last state.
    asked: (u32, u16),
    /// Those that run.
    relays: Vec<Relay>,
    checks: Vec<Check>,
}

impl Run<'_> {
    /// Looks through an answer for secrets.
    fn look_at(&self, answer: &Answer) {
        let mut heard = lock(self.heard);
        heard.look("an answer", answer.head.as_bytes());
        heard.look("an answer", &answer.body);
    }
}

/// Runs it with the arguments behind `demo`.
pub fn run(arguments: &[&str]) -> anyhow::Result<ExitCode> {
    let options = match options::read(arguments, |name| std::env::var(name).ok()) {
        Asked::Demo(options) => options,
        Asked::Help => {
            let text = format!("{}{}", options::USAGE, options::HELP);
            return Ok(say(&mut std::io::stdout(), &text, ExitCode::SUCCESS));
        }
        Asked::Wrong(why) => return Ok(usage(&format!("cargo xtask demo: {why}\n{}", options::USAGE))),
    };
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(demo(&options))
}

async fn demo(options: &Options) -> anyhow::Result<ExitCode> {
    let screen = Arc::new(Screen::default());
    let world = World::new(&options.upstream).await;
    let heard = Heard::new(world.leaks());
    let ended = acts(Run { options, world: &world, heard: &heard, screen: &screen }).await;
    screen.end_stream();
    if matches!(ended, Err(_) | Ok(Ended::Badly)) {
        screen.lines(&lock(&heard).warnings());
    }
    Ok(match ended? {
        Ended::Well => ExitCode::SUCCESS,
        Ended::Badly => ExitCode::FAILURE,
        Ended::Interrupted => {
            screen.line("\nStopped.");
            ExitCode::from(130)
        }
    })
}

/// From the build to the last check. A signal drops what is under way, and the sidecar with it; only while the endpoint stays up
/// it is the way to go on.
async fn acts(run: Run<'_>) -> anyhow::Result<Ended> {
    let screen = run.screen;
    let mut signals = Signals::new()?;
    let mut played = tokio::select! {
        played = play(run) => played?,
        () = signals.next() => return Ok(Ended::Interrupted),
    };
    screen.line("\nChecks");
    show_checks(&played.checks, screen);
    let good = |checks: &[Check]| checks.iter().all(|check| check.complaint.is_none());
    let mut all_good = good(&played.checks);
    if all_good {
        let checks = tokio::select! {
            checks = outage::play(run, &mut played) => checks?,
            () = signals.next() => return Ok(Ended::Interrupted),
        };
        if !checks.is_empty() {
            screen.line("\nChecks of the second act");
            show_checks(&checks, screen);
        }
        all_good = good(&checks);
    }
    screen.line("");
    if run.options.stay {
        screen.lines(&stay::advice(played.port, &run.options.model, run.world.is_fake()));
        stay::until(&mut signals, &mut played.sidecar, screen).await?;
    }
    screen.line("Checks at the end");
    let last = tokio::select! {
        last = end(played, run.heard) => last?,
        () = signals.next() => return Ok(Ended::Interrupted),
    };
    show_checks(&last, screen);
    if all_good && good(&last) {
        screen.line("\nAll is well.");
        return Ok(Ended::Well);
    }
    screen.line("\nNot all is well.");
    Ok(Ended::Badly)
}

async fn play(run: Run<'_>) -> anyhow::Result<Played> {
    let Run { options, world, heard, screen } = run;
    screen.line("Building the sidecar (dev profile; the first time takes a minute or two)");
    let binary = cargo::build(SIDECAR).await?;
    screen.line("");
    screen.lines(&world.introduction());

    screen.line("\nThe sidecar starts over stdio, as the VS Code extension starts it");
    let folder = Folder::new()?;
    let mut sidecar = Sidecar::start(&binary, heard, statuses_to(screen.clone()))?;
    let (port, asked) = open(&mut sidecar, &folder, run).await?;
    screen.line(&format!("  endpoint http://127.0.0.1:{port}"));

    screen.line("\nA streaming request, as any Gemini client sends one");
    let stream = ask(run, port, &mut sidecar, "streamGenerateContent?alt=sse", world.prompts().0).await?;
    let mut unary = None;
    if stream.answer.status == 200 {
        screen.line("\nA unary request");
        unary = Some(ask(run, port, &mut sidecar, "generateContent", world.prompts().1).await?);
    }
    let attempts =
        [Some(&stream), unary.as_ref()].into_iter().flatten().filter_map(|told| told.record.as_ref());
    settle(&mut sidecar, attempts.map(|record| record.attempts.len()).sum()).await;
    let requests = Requests { stream, unary, statuses: sidecar.statuses(), seen: world.seen() };
    let checks = if world.is_fake() {
        checks::with_fake(&requests, &options.model)
    } else {
        checks::with_google(&requests)
    };
    Ok(Played { sidecar, folder, port, asked, relays: Vec::new(), checks })
}

/// Prints each status that reads differently from the last.
fn statuses_to(screen: Arc<Screen>) -> impl FnMut(&Status) + Send + 'static {
    let started = Instant::now();
    let mut last = String::new();
    move |status| {
        let line = show::status(status, wall_clock());
        if line != last {
            screen.aside(&format!("  status {}  {line}", show::seconds(started.elapsed())));
            last = line;
        }
    }
}

/// Sends the first state and waits for the port. Answers it, and what was asked for last.
async fn open(
    sidecar: &mut Sidecar,
    folder: &Folder,
    Run { options, world, screen, .. }: Run<'_>,
) -> anyhow::Result<(u16, (u32, u16))> {
    let mut asked = (1, if options.stay { PORT } else { 0 });
    let options = json!({
        "protocol": PROTOCOL,
        "storageDir": folder.path(),
        "pool": format!("demo-{:016x}", folder::random()),
        "host": format!("demo-{:016x}", folder::random()),
        "state": world.state(asked.0, asked.1),
    });
    sidecar.initialize(options).await?;
    let mut status = sidecar.wait("a port", |status| status.role != Role::Starting).await?;
    if !matches!(status.role, Role::Leader { .. }) {
        screen.line(&format!("  port {} is taken, so any free one", asked.1));
        asked = (2, 0);
        sidecar.notify(DID_CHANGE_STATE, world.state(asked.0, asked.1)).await?;
        status = sidecar.wait("a free port", |status| matches!(status.role, Role::Leader { .. })).await?;
    }
    if let Some(problem) = status.problems.iter().find(|problem| problem.severity == Severity::Error) {
        bail!("the sidecar cannot work like this: {}", show::name(&problem.code));
    }
    match status.role {
        Role::Leader { port } => Ok((port, asked)),
        _ => bail!("the sidecar has no port"),
    }
}

/// Sends a request, shows the answer as it comes, then the record of it.
async fn ask(
    run: Run<'_>,
    port: u16,
    sidecar: &mut Sidecar,
    verb: &str,
    prompt: &str,
) -> anyhow::Result<Told> {
    let (path, screen) = (path(run.options, verb), run.screen);
    screen.line(&format!("  POST {path}"));
    screen.line("");
    let answer = client::ask(port, &path, prompt, |text| screen.stream(text)).await?;
    screen.end_stream();
    run.look_at(&answer);
    if answer.status != 200 {
        screen.lines(&show::refusal(answer.status, client::error_of(&answer.body)));
    }
    screen.line("");
    let record = record(sidecar, &answer.id).await?;
    screen.line(&show::answer(&answer));
    record.iter().for_each(|record| screen.lines(&show::record(record, wall_clock())));
    Ok(Told { answer, record })
}

fn path(options: &Options, verb: &str) -> String {
    format!("/v1beta/models/{}:{verb}", options.model)
}

/// The record of this request, once it is there.
async fn record(sidecar: &mut Sidecar, id: &str) -> anyhow::Result<Option<Record>> {
    let until = Instant::now() + TOLD_WITHIN;
    while Instant::now() < until {
        let params = RecordsParams { limit: Some(1), request_id: Some(id.to_owned()) };
        let found = records(sidecar, &params).await?;
        if !found.is_empty() {
            return Ok(found.into_iter().next());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Ok(None)
}

async fn records(sidecar: &mut Sidecar, params: &RecordsParams) -> anyhow::Result<Vec<Record>> {
    let answer = sidecar.request(RECORDS, serde_json::to_value(params)?).await?;
    serde_json::from_value(answer).context("a record does not fit the protocol")
}

/// Waits for the status that has all attempts in it, and nothing in flight. If none comes, the checks will say so.
async fn settle(sidecar: &mut Sidecar, attempts: usize) {
    let settled = |status: &Status| {
        let counted = status.keys.iter().flat_map(|key| &key.models);
        let counted: u32 = counted.map(|used| used.requests_today + used.errors_today).sum();
        status.keys.iter().all(|key| key.in_flight == 0) && counted as usize == attempts
    };
    let _ = tokio::time::timeout(TOLD_WITHIN, sidecar.wait("the attempts", settled)).await;
}

/// Ends the sidecar as an editor does, then the relays, and looks at what is left.
async fn end(played: Played, heard: &Heard) -> anyhow::Result<Vec<Check>> {
    let exit = played.sidecar.end().await?;
    let closed = client::is_closed(played.port).await;
    for relay in played.relays {
        relay.kill().await?;
    }
    let mut heard = lock(heard);
    for bytes in played.folder.files()? {
        heard.look("the ledger", &bytes);
    }
    let ending = Ending { leaks: heard.leaks(), looked_at: heard.looked_at(), exit, closed };
    Ok(checks::at_the_end(&ending))
}

fn show_checks(checks: &[Check], screen: &Screen) {
    for Check { name, complaint } in checks {
        match complaint {
            None => screen.line(&format!("  ok     {name}")),
            Some(complaint) => screen.line(&format!("  WRONG  {name}\n         {complaint}")),
        }
    }
}

/// Milliseconds since the Unix epoch, as the protocol counts.
#[expect(
    clippy::disallowed_methods,
    reason = "how long a key still rests is shown to a person, nothing is decided by it"
)]
fn wall_clock() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}
