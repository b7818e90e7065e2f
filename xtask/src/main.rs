//! `cargo xtask demo | test | bench`: every chore of the repository, in Rust, so that it runs anywhere cargo does.

mod bench;

use std::process::Command;

use anyhow::{Context, ensure};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(2).collect();
    match std::env::args().nth(1).as_deref() {
        Some("test") => {
            cargo(&["fmt", "--all", "--check"])?;
            cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
            cargo(&["test", "--workspace", "--locked"])
        }
        Some("bench") => bench::run(&arguments),
        _ => anyhow::bail!("usage: cargo xtask test | bench"),
    }
}

fn cargo(arguments: &[&str]) -> anyhow::Result<()> {
    let status = Command::new("cargo").args(arguments).status().context("cannot start cargo")?;
    ensure!(status.success(), "cargo {} failed", arguments.join(" "));
    Ok(())
}
