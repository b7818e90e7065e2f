//! The wire to the extension: JSON-RPC over stdio. The only place that knows tower-lsp.
//!
//! `input` cuts stdin into frames, `message` reads one, `session` acts on it: a state is applied, a diagnosis is `diagnosing`'s,
//! all else is the service's in `rpc`. What is said goes through `output`; `publish` says the status.

mod diagnosing;
mod input;
mod message;
mod output;
mod publish;
mod rpc;
mod session;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::parent::Parent;
use crate::shared::Shared;
use crate::{health, listen, parent};
use rpc::{Backend, Keeping};
use session::Session;

/// Requests in flight may go on for so long after the end of stdin, `exit`, or the end of the editor.
const DRAIN: Duration = Duration::from_millis(400);
/// Beyond that, for the last save and the last answers.
const GRACE: Duration = Duration::from_millis(100);

/// Why the process leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaving {
    /// The editor said `exit`, after `shutdown` or not.
    Exit { shut_down: bool },
    /// stdin ended.
    InputEnded,
    /// Nobody reads stdout.
    Unheard,
    /// The editor is gone.
    ParentGone,
    /// A signal asks for it.
    Signal,
}

impl Leaving {
    /// For the log.
    fn words(self) -> &'static str {
        match self {
            Self::Exit { shut_down: true } => "the editor is done",
            Self::Exit { shut_down: false } => "the editor said exit without shutdown",
            Self::InputEnded => "stdin ended",
            Self::Unheard => "nobody reads stdout",
            Self::ParentGone => "the editor is gone",
            Self::Signal => "a signal asks for it",
        }
    }
}

/// Speaks on stdin and stdout until the editor is done. The exit code: 1 for `exit` without `shutdown`, and when nobody reads
/// stdout; else 0.
pub async fn run() -> u8 {
    let parent = Parent::now();
    let shared = Shared::new();
    let (output, mut writing) = output::start(tokio::io::stdout());
    let (keeping, editor) = (Keeping::default(), Arc::new(OnceLock::new()));
    let listening = tokio::spawn(listen::run(shared.clone(), None));
    tokio::spawn(health::run(shared.clone()));
    tokio::spawn(end(shared.clone(), listening, keeping.clone()));
    let service = Backend::service(shared.clone(), output.clone(), keeping, editor.clone());
    let mut session = Session::new(service, shared.clone(), output);
    let why = tokio::select! {
        why = session.run(input::start()) => why,
        _ = &mut writing => Leaving::Unheard,
        () = parent::gone(parent, &editor) => Leaving::ParentGone,
        () = signalled() => Leaving::Signal,
    };
    tracing::info!(why = why.words(), "leaving");
    shared.stop(DRAIN);
    let mut ended = shared.watch_ended();
    let ending = async {
        let _ = ended.wait_for(|ended| *ended).await;
        session.finish().await;
    };
    let _ = tokio::time::timeout(DRAIN + GRACE, ending).await;
    u8::from(matches!(why, Leaving::Exit { shut_down: false } | Leaving::Unheard))
}

/// Says when nothing is listening or unsaved any more.
async fn end(shared: Arc<Shared>, listening: JoinHandle<()>, keeping: Keeping) {
    let _ = listening.await;
    let keeping = keeping.take();
    if let Some(keeping) = keeping {
        let _ = keeping.await;
    }
    shared.end();
}

/// Waits for SIGTERM or SIGINT.
#[cfg(unix)]
async fn signalled() {
    use tokio::signal::unix::{SignalKind, signal};
    let of = |kind| signal(kind).expect("these signals can be handled");
    let (mut end, mut interrupt) = (of(SignalKind::terminate()), of(SignalKind::interrupt()));
    tokio::select! {
        _ = end.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
async fn signalled() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
