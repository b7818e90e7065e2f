//! Measures the proxy beside nginx on one machine and prints ratios; `cargo xtask bench` builds and starts it. Read `measure`
//! below: what is run, in order. Each figure is a file in `steps`; `world` holds what runs meanwhile: a fake upstream
//! (`upstream`, `script`), `nginx`, and the release binary (`ours`); for some figures relays, fake (`relays`) or real on Node
//! (`worker`). `client` makes the load; `machine` reads `/proc`; `figures`,
//! `stats` and `table` make rows of it.
//!
//! Talks to 127.0.0.1 only. Fails if it cannot measure, never because a figure is bad: other machines have other days.

mod body;
mod client;
mod figures;
mod machine;
mod nginx;
mod options;
mod ours;
mod process;
mod relays;
mod script;
mod stats;
mod steps;
mod table;
mod upstream;
mod worker;
mod world;

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, ensure};

use figures::Figures;
use options::{Options, USAGE};
use steps::{choice, fallback, faults, hop, latency, memory, soak, start, streams, throughput};
use table::Row;
use world::World;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == upstream::ARGUMENT) {
        return upstream::run(arguments.get(1).map(String::as_str));
    }
    ensure!(cfg!(target_os = "linux"), "the benchmark reads /proc: it measures on Linux only");
    let options = Options::parse(&arguments).context(USAGE)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            measured = measure(&options) => measured,
            // What runs is ended by being dropped.
            () = interrupted() => Err(anyhow::anyhow!("interrupted")),
        }
    })
}

async fn measure(options: &Options) -> anyhow::Result<()> {
    let binary = binary()?;
    let facts = machine::facts();
    if nginx::program().is_none() {
        say("nginx is not installed: its columns, and all ratios, are missing")?;
    }
    if options.wants("hop") && !worker::is_possible() {
        say("there is no Node 20 or newer: the rows of a relay on Node are missing")?;
    }
    // The fake on the last core, we on the first, the proxies where they like.
    let world = World::start(binary, options.scale, machine::cores() - 1).await?;
    let mut figures = Figures::default();
    let rounds = if options.wants_rounds() { options.scale.rounds } else { 0 };
    for round in 0..rounds {
        say(&format!("round {} of {rounds}", round + 1))?;
        take(options, &world, round, &mut figures).await?;
    }
    let (mut faulty, mut soaked) = (Vec::new(), Vec::new());
    if options.wants("p8") {
        say("faults")?;
        faulty = faults::run(&world).await?;
    }
    if options.wants("p9") {
        say("soak")?;
        soaked = soak::run(&world).await?;
    }
    report(options, &world, facts, rows(options, &figures, faulty, soaked))
}

/// One round of everything that is compared, or taken several times.
async fn take(options: &Options, world: &World, round: usize, figures: &mut Figures) -> anyhow::Result<()> {
    machine::unpin();
    if options.wants("p4") {
        memory::round(world, figures).await?;
    }
    if options.wants("p5") {
        start::round(world, figures)?;
    }
    machine::pin(0);
    if options.wants("p1") {
        latency::answers(world, round, figures).await?;
    }
    if options.wants("p2") {
        streams::round(world, round, figures).await?;
    }
    if options.wants("hop") {
        hop::round(world, round, figures).await?;
    }
    if options.wants("p3") {
        throughput::round(world, round, figures).await?;
    }
    if options.wants("p6") {
        choice::round(world, figures).await?;
    }
    if options.wants("p7") {
        fallback::round(world, figures).await?;
    }
    if options.wants("p11") {
        latency::bodies(world, round, figures).await?;
    }
    machine::unpin();
    if options.wants("p10") && round == 0 {
        start::size(world, figures)?;
    }
    Ok(())
}

/// The table, in the order of `docs/performance.md`.
fn rows(options: &Options, figures: &Figures, faulty: Vec<Row>, soaked: Vec<Row>) -> Vec<Row> {
    let all = [
        ("p1", latency::answer_rows(figures)),
        ("p2", streams::rows(figures)),
        ("hop", hop::rows(figures)),
        ("p3", throughput::rows(figures)),
        ("p4", memory::rows(figures)),
        ("p5", start::start_rows(figures)),
        ("p6", choice::rows(figures)),
        ("p7", fallback::rows(figures)),
        ("p8", faulty),
        ("p9", soaked),
        ("p10", start::size_rows(figures)),
        ("p11", latency::body_rows(figures)),
    ];
    all.into_iter().filter(|(part, _)| options.wants(part)).flat_map(|(_, rows)| rows).collect()
}

fn report(
    options: &Options,
    world: &World,
    mut facts: Vec<(&'static str, String)>,
    rows: Vec<Row>,
) -> anyhow::Result<()> {
    facts.push(("rounds", format!("{}; {}", options.scale.rounds, world.disturbances())));
    let told: Vec<String> = facts.iter().map(|(name, fact)| format!("{name}: {fact}")).collect();
    say(&format!("\n{}\n{}", table::text(&rows), told.join("\n")))?;
    if let Some(file) = &options.markdown {
        std::fs::write(file, table::markdown(&rows, &facts)).context("the Markdown cannot be written")?;
    }
    Ok(())
}

/// The program that is measured; it lies beside this one.
fn binary() -> anyhow::Result<PathBuf> {
    let binary = std::env::current_exe()?.with_file_name("gemini-aggregator");
    ensure!(binary.is_file(), "build it first: cargo build --release -p gemini-aggregator");
    Ok(binary)
}

fn say(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}

/// Waits for Ctrl-C or, where there is such a thing, SIGTERM.
async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut term) = signal(SignalKind::terminate()) else { return std::future::pending().await };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = term.recv() => {}
        }
    }
    #[cfg(not(unix))]
    {
        let _ = tokio::signal::ctrl_c().await;
    }
}
