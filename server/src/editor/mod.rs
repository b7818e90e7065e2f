//! The wire to the extension: JSON-RPC over stdio. The only place that knows tower-lsp.

mod frames;
mod publish;
mod rpc;

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tower_lsp::Server;

use crate::listen;
use crate::parent::Parent;
use crate::shared::Shared;

/// Requests in flight may go on for so long after the end of stdin, `exit`, or the end of the editor.
const DRAIN: Duration = Duration::from_millis(400);
/// Beyond that, for the last save.
const GRACE: Duration = Duration::from_millis(100);

/// Read ahead of the library.
const PIPE: usize = 64 * 1024;

/// Why the process leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaving {
    /// The editor said `exit`, or the conversation broke.
    Exit,
    /// stdin ended.
    InputEnded,
    /// The editor is gone.
    ParentGone,
}

/// The first reason to leave counts.
type Leave = watch::Sender<Option<Leaving>>;

fn leave(leave: &Leave, why: Leaving) {
    leave.send_if_modified(|leaving| {
        let first = leaving.is_none();
        leaving.get_or_insert(why);
        first
    });
}

/// Speaks on stdin and stdout until the editor is done. The exit code: 1 for `exit` without `shutdown`, else 0.
pub async fn run() -> u8 {
    talk(tokio::io::stdin(), tokio::io::stdout()).await
}

async fn talk(
    input: impl AsyncRead + Unpin + Send + 'static,
    output: impl AsyncWrite + Send + 'static,
) -> u8 {
    let parent = Parent::now();
    let shared = Shared::new();
    let leaving = Arc::new(Leave::new(None));
    let listening = tokio::spawn(listen::run(shared.clone(), None));
    let (service, keeping, socket) = rpc::service(shared.clone(), leaving.clone(), parent);
    let (checked, library) = tokio::io::duplex(PIPE);
    let (done, ended) = (leaving.clone(), leaving.clone());
    tokio::spawn(async move {
        frames::check(input, checked).await;
        leave(&ended, Leaving::InputEnded);
    });
    let speaking = tokio::spawn(async move {
        Server::new(library, output, socket).serve(service).await;
        leave(&done, Leaving::Exit);
    });
    let ending = shared.clone();
    tokio::spawn(async move {
        let _ = listening.await;
        let keeping = keeping.take();
        if let Some(keeping) = keeping {
            let _ = keeping.await;
        }
        ending.end();
    });

    let mut reason = leaving.subscribe();
    let why = reason.wait_for(Option::is_some).await.map_or(None, |why| *why);
    let shut_down = shared.watch_stop().borrow().is_some();
    shared.stop(DRAIN);
    // A read of stdin that is still pending keeps nothing else from ending.
    let mut ended = shared.watch_ended();
    let _ = tokio::time::timeout(DRAIN + GRACE, ended.wait_for(|ended| *ended)).await;
    speaking.abort();
    u8::from(why == Some(Leaving::Exit) && !shut_down)
}
