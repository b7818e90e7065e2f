//! Everything that CI runs.

use std::process::{Command, Stdio};

use crate::{cargo, debian, editor, node};

/// Formatting, lints, tests; the first that fails ends it. What is missing is told before anything is built.
pub fn run() -> anyhow::Result<()> {
    node::require()?;
    cargo::run(&["fmt", "--all", "--check"])?;
    cargo::run(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
    if cfg!(target_os = "linux") && !has_proxies() {
        debian::install(&[&["tinyproxy-bin", "tinyproxy"], &["microsocks"], &["libnss-wrapper"]]);
    }
    cargo::run(&["test", "--workspace", "--locked"])?;
    node::test("relay")?;
    editor::test()
}

/// Whether the network proxies are there that the tests go through, and the library that tells them names.
fn has_proxies() -> bool {
    let runs = |command: &mut Command| {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output()
    };
    let starts = |name| runs(Command::new(name).arg("-h")).is_ok();
    // The linker says so on stderr if there is no such library.
    let preloads = runs(Command::new("true").env("LD_PRELOAD", "libnss_wrapper.so"))
        .is_ok_and(|ended| ended.stderr.is_empty());
    starts("tinyproxy") && starts("microsocks") && preloads
}
