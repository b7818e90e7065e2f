//! Everything that CI runs.

use crate::{cargo, node};

/// Formatting, lints, tests; the first that fails ends it. What is missing is told before anything is built.
pub fn run() -> anyhow::Result<()> {
    node::require()?;
    cargo::run(&["fmt", "--all", "--check"])?;
    cargo::run(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
    cargo::run(&["test", "--workspace", "--locked"])?;
    node::test("relay")
}
