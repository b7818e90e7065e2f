//! Diagnoses that are under way: each is answered once, by what it found, or because the editor or the end of the process
//! cancelled it. A cancelled one is dropped with all its connections.

use std::sync::Arc;

use aggregator_protocol::DiagnoseParams;
use tokio::sync::oneshot;
use tower_lsp::jsonrpc::{Error, ErrorCode, Id, Response};

use super::message;
use super::output::Output;
use crate::diagnose::diagnose;
use crate::shared::{Shared, stopping};

/// Those that are not answered yet.
#[derive(Default)]
pub struct Diagnosing(Vec<(Id, oneshot::Sender<()>)>);

impl Diagnosing {
    /// Something to run that answers; `None`: one with this id is under way.
    pub fn begin(
        &mut self,
        id: Id,
        params: DiagnoseParams,
        shared: Arc<Shared>,
        output: Output,
    ) -> Option<impl Future<Output = ()> + Send + 'static> {
        self.0.retain(|(_, cancel)| !cancel.is_closed());
        if self.0.iter().any(|(other, _)| *other == id) {
            return None;
        }
        let (cancel, cancelled) = oneshot::channel();
        self.0.push((id.clone(), cancel));
        Some(async move {
            let mut stop = shared.watch_stop();
            let answer = tokio::select! {
                // Also if nobody is left who could cancel it: the session is over.
                _ = cancelled => None,
                () = stopping(&mut stop) => None,
                diagnosis = diagnose(&shared, params) => Some(diagnosis),
            };
            output.send(&match answer.map(|diagnosis| diagnosis.map(serde_json::to_value)) {
                None => Response::from_error(id, Error::request_cancelled()),
                Some(None) => message::error(Some(id), ErrorCode::ServerError(-32_001), UNKNOWN),
                Some(Some(Ok(diagnosis))) => Response::from_ok(id, diagnosis),
                Some(Some(Err(_))) => Response::from_error(id, Error::internal_error()),
            });
        })
    }

    /// Cancels one; false: none of that id is under way.
    pub fn cancel(&mut self, id: &Id) -> bool {
        match self.0.iter().position(|(other, cancel)| other == id && !cancel.is_closed()) {
            // If it is being answered just now, there is nothing left to cancel.
            Some(at) => self.0.swap_remove(at).1.send(()).is_ok(),
            None => false,
        }
    }
}

const UNKNOWN: &str = "there is no instance and no key with this id";
