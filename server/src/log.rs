//! tracing → stderr, one line an event: `LEVEL message field=value …`, with a time in front when a person reads it.
//!
//! A reader that does not read must never stall a request: see [`Lines`]. What is logged at all, [`least`] says.

mod least;
mod lines;

use std::fmt::Write;
use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use aggregator_protocol::{LogLevel, Problem};
use jiff::Timestamp;
use tracing::Level;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::policy::Ms;
use crate::policy::pool::News;
use least::Least;
use lines::Lines;

/// At the end, those that wait are waited for no longer.
const LAST_LINES: Duration = Duration::from_millis(100);
/// Names the level: `error`, `warn`, `info` (default), `debug`, `trace`.
const LEVEL: &str = "GEMINI_AGGREGATOR_LOG";

/// Who reads the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// The extension, which has its own clock.
    Editor,
    /// A person at a terminal.
    Person,
}

/// Starts logging for the whole process; a second call does nothing.
pub fn start(reader: Reader) {
    let level = std::env::var(LEVEL).ok().and_then(|level| level.parse().ok()).unwrap_or(Level::INFO);
    least::set(level);
    let lines = Lines::new();
    let writer = lines.clone();
    let layer =
        tracing_subscriber::fmt::layer().with_ansi(false).with_target(false).with_writer(lines.clone());
    let registry = tracing_subscriber::registry().with(Least);
    let started = match reader {
        Reader::Editor => registry.with(layer.without_time()).try_init(),
        Reader::Person => registry.with(layer).try_init(),
    };
    if started.is_ok() {
        // Without the thread nothing is logged; nothing else depends on it.
        let _ =
            std::thread::Builder::new().name("log".into()).spawn(move || writer.write_to(&mut io::stderr()));
        let _ = STARTED.set((lines, reader));
        std::panic::set_hook(Box::new(|panic| {
            // The payload may hold anything; the place is enough.
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!(place, "a task broke; the process goes on");
        }));
    }
}

/// From now on this much is logged.
pub fn change_level(level: LogLevel) {
    least::set(match level {
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    });
}

static STARTED: OnceLock<(Lines, Reader)> = OnceLock::new();

/// The one line a request. It goes past tracing, which looks at every character of a message, to the same place and in the same
/// shape: that line is in the path of every request.
pub fn request(line: &str, now: Ms) {
    let Some((lines, reader)) = STARTED.get() else { return };
    let mut text = String::with_capacity(line.len() + 40);
    if *reader == Reader::Person {
        let now = Timestamp::from_millisecond(now.cast_signed()).unwrap_or_default();
        // Writing to a string does not fail.
        let _ = write!(text, "{now} ");
    }
    text.push_str(" INFO ");
    text.push_str(line);
    text.push('\n');
    lines.push(text.as_bytes());
}

/// Waits until everything that was logged is written, if somebody reads it. Called once nothing else runs.
pub fn finish() {
    if let Some((lines, _)) = STARTED.get() {
        lines.finish(LAST_LINES);
    }
}

/// One line a change of a key's, a model's or a relay's state.
pub fn news(news: &News) {
    match news {
        News::Cooling { key, model, reason, until } => {
            tracing::warn!(%key, %model, reason = %word(reason), until, "key rests for this model");
        }
        News::KeyOut { key, reason, whole_project, until } => {
            tracing::warn!(%key, reason = %word(reason), whole_project, until, "key is out");
        }
        News::PairBlocked { key, egress, reason } => {
            tracing::warn!(%key, %egress, reason = %word(reason), "key may not leave this way");
        }
        News::ModelResting { model, until } => tracing::warn!(%model, until, "model rests for every key"),
        News::InstanceDown { id, reason, until } => {
            tracing::warn!(instance = %id, reason = %word(reason), until, "relay is down")
        }
        News::InstanceUp { id } => tracing::warn!(instance = %id, "relay is up again"),
        News::ProjectLearnt { key, project } => tracing::info!(%key, %project, "project learnt"),
        News::AllKeysInvalid => {
            tracing::warn!("every key failed as invalid within a minute; none is taken out")
        }
    }
}

/// One line a problem.
pub fn problem(problem: &Problem) {
    let subject = problem.subject.as_deref().unwrap_or("-");
    tracing::warn!(code = %word(problem.code), subject, "problem");
}

/// A value of the contract, spelled as in its JSON.
pub fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| Some(value.as_str()?.to_owned())).unwrap_or_default()
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl io::Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
