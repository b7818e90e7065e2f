//! `cargo xtask demo | test | bench`: every chore of the repository, in Rust, so that it runs anywhere cargo does.

use std::process::Command;

use anyhow::{Context, ensure};

fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("test") => {
            cargo(&["fmt", "--all", "--check"])?;
            cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
            cargo(&["test", "--workspace", "--locked"])
        }
        _ => anyhow::bail!("usage: cargo xtask test"),
    }
}

fn cargo(arguments: &[&str]) -> anyhow::Result<()> {
    let status = Command::new("cargo").args(arguments).status().context("cannot start cargo")?;
    ensure!(status.success(), "cargo {} failed", arguments.join(" "));
    Ok(())
}
