//! tracing → stderr, one line an event: `LEVEL message field=value …`, with a time in front when a person reads it.
//!
//! A reader that does not read must never stall a request: lines go through a bounded queue to a thread of their own, and what
//! does not fit is dropped and counted.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aggregator_protocol::Problem;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::policy::pool::News;

/// Lines that wait at most.
const QUEUE: usize = 1_024;
/// At the end, those that wait are waited for no longer.
const LAST_LINES: Duration = Duration::from_millis(100);
/// Names the level: `error`, `warn`, `info` (default), `debug`, `trace`.
const LEVEL: &str = "GEMINI_AGGREGATOR_LOG";
/// Libraries that would log whole messages, and keys with them, below this.
const CAPPED: [&str; 6] = ["tower_lsp_server", "tower_lsp", "hyper", "hyper_util", "rustls", "reqwest"];

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
    let lines = Lines::new();
    let queue = lines.queue.clone();
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_target(false).with_writer(lines);
    let registry = tracing_subscriber::registry().with(filter(level));
    let started = match reader {
        Reader::Editor => registry.with(layer.without_time()).try_init(),
        Reader::Person => registry.with(layer).try_init(),
    };
    if started.is_ok() {
        let _ = WRITER.set(queue);
        std::panic::set_hook(Box::new(|panic| {
            // The payload may hold anything; the place is enough.
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!(place, "a task broke; the process goes on");
        }));
    }
}

static WRITER: OnceLock<SyncSender<Entry>> = OnceLock::new();

/// Waits until everything that was logged is written, if somebody reads it. Called once nothing else runs.
pub fn finish() {
    if let Some(writer) = WRITER.get() {
        wait_for_last(writer);
    }
}

fn wait_for_last(writer: &SyncSender<Entry>) {
    let (done, written) = sync_channel(1);
    if writer.try_send(Entry::Last(done)).is_ok() {
        let _ = written.recv_timeout(LAST_LINES);
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

fn filter(level: Level) -> Targets {
    let capped = CAPPED.map(|target| (target, level.min(Level::WARN)));
    Targets::new().with_default(level).with_targets(capped)
}

/// What goes through the queue.
enum Entry {
    Line(Vec<u8>),
    /// Tells that all before it is written.
    Last(SyncSender<()>),
}

/// The queue's entrance.
#[derive(Clone)]
struct Lines {
    queue: SyncSender<Entry>,
    dropped: Arc<AtomicUsize>,
}

impl Lines {
    fn new() -> Self {
        let (queue, lines) = sync_channel(QUEUE);
        let dropped = Arc::new(AtomicUsize::new(0));
        let count = dropped.clone();
        // Without the thread nothing is logged; nothing else depends on it.
        let _ = std::thread::Builder::new()
            .name("log".into())
            .spawn(move || write(&lines, &count, &mut io::stderr()));
        Self { queue, dropped }
    }
}

/// Writes line after line for as long as there is somebody to read them.
fn write(lines: &Receiver<Entry>, dropped: &AtomicUsize, out: &mut impl Write) {
    for entry in lines {
        match entry {
            Entry::Line(line) if out.write_all(&line).is_err() => return,
            Entry::Line(_) => {}
            Entry::Last(done) => {
                let _ = done.try_send(());
            }
        }
        let missing = dropped.swap(0, Ordering::Relaxed);
        if missing > 0
            && writeln!(out, " WARN lines were dropped because nobody read them count={missing}").is_err()
        {
            return;
        }
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(Entry::Line(line.to_vec())) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let (queue, lines) = sync_channel(2);
        let dropped = Arc::new(AtomicUsize::new(0));
        let mut writer = Lines { queue, dropped: dropped.clone() };
        for line in ["a\n", "b\n", "c\n", "d\n"] {
            assert_eq!(writer.write(line.as_bytes()).unwrap(), 2);
        }
        drop(writer);
        let mut out = Vec::new();
        write(&lines, &dropped, &mut out);
        let out = String::from_utf8(out).unwrap();
        assert_eq!(out, "a\n WARN lines were dropped because nobody read them count=2\nb\n");
    }

    #[test]
    fn what_waits_at_the_end_is_written_if_somebody_reads_it() {
        let (queue, lines) = sync_channel(QUEUE);
        let (out, written) = std::sync::mpsc::channel();
        std::thread::spawn(move || write(&lines, &AtomicUsize::new(0), &mut Sent(out)));
        for _ in 0..1_000 {
            queue.try_send(Entry::Line(b"a\n".to_vec())).ok().unwrap();
        }
        wait_for_last(&queue);
        assert_eq!(written.try_iter().count(), 1_000);

        let (full, _nobody_reads) = sync_channel(1);
        wait_for_last(&full);
        wait_for_last(&full);
    }

    struct Sent(std::sync::mpsc::Sender<Vec<u8>>);

    impl Write for Sent {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.send(line.to_vec()).map_err(io::Error::other)?;
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn libraries_that_log_whole_messages_are_capped() {
        let filter = filter(Level::TRACE);
        for target in CAPPED {
            assert!(
                filter.would_enable(target, &Level::WARN) && !filter.would_enable(target, &Level::INFO),
                "{target}"
            );
        }
        assert!(filter.would_enable("gemini_aggregator", &Level::TRACE));
        assert!(!super::filter(Level::ERROR).would_enable("hyper", &Level::WARN));
    }
}
