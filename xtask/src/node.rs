//! The tests that run on Node: installs what they need from their lock file, and runs them. Never skips them: no Node is a failure.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

use crate::root;

const OLDEST_NODE: u32 = 20;

/// Says what to install if Node is missing or too old.
pub fn require() -> anyhow::Result<()> {
    let advice =
        format!("install Node {OLDEST_NODE} or newer with npm (on Debian: apt-get install nodejs npm)");
    let Ok(answer) = Command::new("node").arg("--version").output() else {
        bail!("this runs on Node, and there is none: {advice}");
    };
    let version = String::from_utf8_lossy(&answer.stdout);
    ensure!(
        major(&version).is_some_and(|major| major >= OLDEST_NODE),
        "this Node is {}: {advice}",
        version.trim()
    );
    Ok(())
}

/// `npm test` in this folder of the repository, with its own closing lines as they are.
pub fn test(folder: &str) -> anyhow::Result<()> {
    install(folder)?;
    npm(&path(folder), &["test", "--silent"])
}

/// What the lock file of this folder of the repository names, unless it is there.
pub fn install(folder: &str) -> anyhow::Result<()> {
    let folder = path(folder);
    match is_stale(&folder) {
        true => npm(&folder, &["ci", "--no-audit", "--no-fund"]),
        false => Ok(()),
    }
}

fn path(folder: &str) -> PathBuf {
    root().join(folder)
}

/// Nothing is installed, or what is installed is older than the lock file.
fn is_stale(folder: &Path) -> bool {
    let changed = |file| fs::metadata(folder.join(file)).and_then(|about| about.modified());
    match (changed("node_modules/.package-lock.json"), changed("package-lock.json")) {
        (Ok(installed), Ok(locked)) => installed < locked,
        _ => true,
    }
}

/// Of `v20.19.2` it is 20.
fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// Runs npm there, with its output as it is.
pub fn npm(folder: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let program = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let mut command = Command::new(program);
    let status = command
        .args(arguments)
        .current_dir(folder)
        .status()
        .context("cannot start npm: install it with Node")?;
    ensure!(status.success(), "npm {} failed in {}", arguments.join(" "), folder.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_node_is_read() {
        assert_eq!(major("v20.19.2\n"), Some(20));
        assert_eq!(major("v26.1.0-nightly\n"), Some(26));
        assert_eq!(major(""), None);
    }
}
