//! Everything that CI runs.

use crate::{cargo, node};

/// Formatting, lints, tests; the first that fails ends it.
pub fn run() -> anyhow::Result<()> {
    cargo::run(&["fmt", "--all", "--check"])?;
    cargo::run(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
    cargo::run(&["test", "--workspace", "--locked"])?;
    node::test("relay")
}
