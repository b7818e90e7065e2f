//! Runs the cargo that runs us.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, ensure};
use serde_json::Value;

/// What cargo tells the programs it runs about themselves. Build scripts (ring's, for one) look at some of these and would run
/// again each time.
const ABOUT_US: [&str; 6] =
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_", "CARGO_TARGET_TMPDIR"];

/// Runs it and waits.
pub fn run(arguments: &[&str]) -> anyhow::Result<()> {
    let status = command(arguments).status().context("cannot start cargo")?;
    ensure!(status.success(), "cargo {} failed", arguments.join(" "));
    Ok(())
}

/// Whether it has this subcommand.
pub fn has(subcommand: &str) -> bool {
    let mut command = command(&[subcommand, "--help"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Builds this program in the dev profile and says where it is. Dropping the future ends the build.
pub async fn build(package: &str) -> anyhow::Result<PathBuf> {
    let command = building("build", package);
    let child =
        tokio::process::Command::from(command).kill_on_drop(true).spawn().context("cannot start cargo")?;
    let built = child.wait_with_output().await.context("cargo did not end")?;
    built_at(&built, package)
}

/// Builds this program for release by `build`, or a subcommand like it, and says where it is.
pub fn release(subcommand: &str, package: &str, triple: Option<&str>) -> anyhow::Result<PathBuf> {
    let mut command = building(subcommand, package);
    command.arg("--release");
    if let Some(triple) = triple {
        command.args(["--target", triple]);
    }
    let built = command.stderr(Stdio::inherit()).output().context("cannot start cargo")?;
    built_at(&built, package)
}

/// Its progress goes to the terminal, what it made to a pipe.
fn building(subcommand: &str, package: &str) -> Command {
    let format = "--message-format=json-render-diagnostics";
    let mut command = command(&[subcommand, "--locked", "-p", package, "--bin", package, format]);
    command.stdout(Stdio::piped());
    command
}

fn built_at(built: &Output, package: &str) -> anyhow::Result<PathBuf> {
    ensure!(built.status.success(), "{package} was not built");
    let messages = String::from_utf8_lossy(&built.stdout);
    executable(&messages, package).with_context(|| format!("cargo does not say where {package} is"))
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    for (name, _) in std::env::vars_os() {
        if ABOUT_US.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command
}

/// Finds the program of this name in cargo's messages, one JSON object a line.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    let message = |line: &str| serde_json::from_str::<Value>(line).ok();
    let path = |message: Value| match message["target"]["name"] == name {
        true => message["executable"].as_str().map(PathBuf::from),
        false => None,
    };
    messages.lines().filter_map(message).find_map(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_where_cargo_says() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"app"},"executable":null}
noise
{"reason":"compiler-artifact","target":{"name":"other"},"executable":"/x/other"}
{"reason":"compiler-artifact","target":{"name":"app"},"executable":"/x/app"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages, "app"), Some("/x/app".into()));
        assert_eq!(executable(messages, "none"), None);
    }
}
