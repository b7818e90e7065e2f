//! `cargo xtask bench`: builds what is measured and what measures, gets nginx where it can, and starts.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// While it is there, Debian's packages start no services; ours would listen for the world.
const NO_SERVICES: &str = "/usr/sbin/policy-rc.d";

/// Runs the benchmark with these arguments.
pub fn run(arguments: &[&str]) -> anyhow::Result<()> {
    ensure!(cfg!(target_os = "linux"), "the benchmark reads /proc: it measures on Linux only");
    // One after the other: built together, the program would get the features that only the benchmark wants.
    for package in ["gemini-aggregator", "bench"] {
        crate::cargo::run(&["build", "--release", "--locked", "--package", package])?;
    }
    if !has_nginx() {
        install_nginx();
    }
    let program = std::env::current_exe()?;
    let folder = program.ancestors().nth(2).context("cargo puts programs into folders")?;
    become_program(Command::new(folder.join("release/bench")).args(arguments))
}

fn has_nginx() -> bool {
    let answers = |name: &&str| Command::new(name).arg("-v").stderr(Stdio::null()).status().is_ok();
    ["nginx", "/usr/sbin/nginx"].iter().any(answers)
}

/// From the distribution, if this is Debian or one of its kind and we are root. The benchmark says so if it is still missing.
fn install_nginx() {
    let ours = !Path::new(NO_SERVICES).exists() && forbid_services().is_ok();
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let install = |package| apt(&["install", "-y", "--no-install-recommends", package]);
    let _ = apt(&["update"]) && (install("nginx-light") || install("nginx"));
    if ours {
        let _ = fs::remove_file(NO_SERVICES);
    }
}

fn forbid_services() -> std::io::Result<()> {
    fs::write(NO_SERVICES, "#!/bin/sh\nexit 101\n")?;
    #[cfg(unix)]
    fs::set_permissions(NO_SERVICES, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    Ok(())
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
