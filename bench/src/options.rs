//! What `cargo xtask bench` was told.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail, ensure};

use crate::world::Scale;

/// Said when the arguments make no sense.
pub const USAGE: &str = "\
usage: cargo xtask bench [--rounds N] [--quick] [--only p1,p3] [--streams N] [--markdown FILE]
  --rounds N       rounds in which direct, nginx and ours take turns (default 5, at least 3 count)
  --quick          a look whether everything works: one short round, figures of no worth
  --only LIST      some of p1 p2 hop p3 p4 p5 p6 p7 p8 p9 p10 p11
  --streams N      streams of the soak, p9 (default 1,000)
  --markdown FILE  the table once more, as a section for a document
";

/// All there are, in the order of the table.
const PARTS: [&str; 12] = ["p1", "p2", "hop", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11"];

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Options {
    /// How much is done.
    pub scale: Scale,
    /// Where the Markdown goes.
    pub markdown: Option<PathBuf>,
    only: Vec<String>,
}

impl Options {
    /// From the arguments behind `bench`.
    pub fn parse(arguments: &[String]) -> anyhow::Result<Self> {
        let (mut rounds, mut streams, mut quick) = (None, None, false);
        let (mut markdown, mut only) = (None, Vec::new());
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            if argument == "--quick" {
                quick = true;
                continue;
            }
            let value = rest.next().with_context(|| format!("{argument} needs a value"))?;
            match argument.as_str() {
                "--rounds" => rounds = Some(value.parse::<usize>()?),
                "--streams" => streams = Some(value.parse::<usize>()?),
                "--markdown" => markdown = Some(value.into()),
                "--only" => only = value.split(',').map(str::to_lowercase).collect(),
                other => bail!("unknown: {other}"),
            }
        }
        ensure!(rounds != Some(0) && streams != Some(0), "at least one");
        if let Some(unknown) = only.iter().find(|part| !PARTS.contains(&part.as_str())) {
            bail!("unknown: {unknown}");
        }
        let scale = Scale {
            rounds: rounds.unwrap_or(if quick { 1 } else { 5 }),
            streams: streams.unwrap_or(if quick { 200 } else { 1_000 }),
            repeats: if quick { 0 } else { 60 },
            second: Duration::from_millis(if quick { 100 } else { 1_000 }),
        };
        Ok(Self { scale, markdown, only })
    }

    /// Whether any part is wanted that is taken round by round.
    pub fn wants_rounds(&self) -> bool {
        PARTS.iter().any(|part| !["p8", "p9"].contains(part) && self.wants(part))
    }

    /// Whether this part is wanted.
    pub fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| wanted == part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> anyhow::Result<Options> {
        Options::parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn everything_is_wanted_unless_something_is_named() {
        let all = parse("").unwrap();
        assert!(PARTS.iter().all(|part| all.wants(part)) && all.scale.rounds == 5);
        let some = parse("--only P1,p11 --rounds 3").unwrap();
        assert!(some.wants("p1") && some.wants("p11") && !some.wants("p10") && some.scale.rounds == 3);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for wrong in ["--rounds", "--rounds 0", "--rounds x", "--only p12", "--what 1"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
