//! What goes out: the whole status, at most every 250 ms and only if it differs from the last. The one task that speaks; a client
//! that does not read stops this task and nothing else, and finds one status waiting when it reads again.

use std::sync::Arc;
use std::time::Duration;

use aggregator_protocol::{DID_CHANGE_STATUS, Status};
use tower_lsp::Client;
use tower_lsp::ls_types::notification::Notification;

use super::output::Output;
use crate::shared::{Shared, stopping, wall_clock};

/// Changes that come closer together go out as one.
const COALESCE: Duration = Duration::from_millis(250);
/// A cooldown that ends changes the status though nothing happened.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

enum DidChangeStatus {}

impl Notification for DidChangeStatus {
    type Params = Status;
    const METHOD: &'static str = DID_CHANGE_STATUS;
}

/// Tells the client how things are until the process ends.
pub async fn run(shared: Arc<Shared>, client: Client, output: Output) {
    let mut changes = shared.watch_changes();
    let mut stop = shared.watch_stop();
    let mut last: Option<Status> = None;
    while stop.borrow().is_none() {
        changes.mark_unchanged();
        let status = shared.status(wall_clock());
        if last.as_ref() != Some(&status) {
            client.send_notification::<DidChangeStatus>(status.clone()).await;
            last = Some(status);
        }
        tokio::time::sleep(COALESCE).await;
        tokio::select! {
            _ = changes.changed() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            () = stopping(&mut stop) => {}
        }
        tokio::select! {
            () = output.drained() => {}
            () = stopping(&mut stop) => {}
        }
    }
}
