//! `cargo xtask bench`: builds what is measured and what measures, gets nginx where it can, and starts.

use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// Runs the benchmark with these arguments.
pub fn run(arguments: &[&str]) -> anyhow::Result<()> {
    ensure!(cfg!(target_os = "linux"), "the benchmark reads /proc: it measures on Linux only");
    // One after the other: built together, the program would get the features that only the benchmark wants.
    for package in ["gemini-aggregator", "bench"] {
        crate::cargo::run(&["build", "--release", "--locked", "--package", package])?;
    }
    if !has_nginx() {
        crate::debian::install(&[&["nginx-light", "nginx"]]);
    }
    let program = std::env::current_exe()?;
    let folder = program.ancestors().nth(2).context("cargo puts programs into folders")?;
    become_program(Command::new(folder.join("release/bench")).args(arguments))
}

fn has_nginx() -> bool {
    let answers = |name: &&str| Command::new(name).arg("-v").stderr(Stdio::null()).status().is_ok();
    ["nginx", "/usr/sbin/nginx"].iter().any(answers)
}

/// In our place, so that whoever ends us ends it.
#[cfg(unix)]
fn become_program(command: &mut Command) -> anyhow::Result<()> {
    Err(std::os::unix::process::CommandExt::exec(command)).context("the benchmark does not start")
}

#[cfg(not(unix))]
fn become_program(command: &mut Command) -> anyhow::Result<()> {
    ensure!(command.status().context("the benchmark does not start")?.success(), "the benchmark failed");
    Ok(())
}
