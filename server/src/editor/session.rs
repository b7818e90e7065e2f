//! The conversation, one message after the other. States are decoded and applied here, straight from the frame that brought
//! them, before the next message is looked at, and so is what a diagnosis shall test; the library never sees a secret. All else is the library's, and waits for nobody:
//! a request that takes its time is a task of its own.
//!
//! Of tower-lsp the service is used and not its transport: that one stops reading while four requests are in flight or stdout
//! is not read, and ends at the first bytes it does not like.

use std::collections::BTreeMap;
use std::sync::Arc;

use aggregator_protocol::{DIAGNOSE, DID_CHANGE_STATE, DesiredState, DiagnoseParams};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;
use tower_lsp::jsonrpc::{ErrorCode, Id, Request};
use tower_lsp::{ClientSocket, LspService};
use tower_service::Service;

use super::Leaving;
use super::diagnosing::Diagnosing;
use super::input::{Noise, Piece};
use super::message::{self, Call, Message};
use super::output::Output;
use super::rpc::Backend;
use crate::dial;
use crate::shared::Shared;

/// Requests in flight at most; a window has a handful.
const MOST: usize = 256;
/// What the library says after `shutdown`, and to an id that is in flight.
const INVALID: &str = "Invalid request";
const TOO_MANY: &str = "too many requests are in flight";

/// The conversation with one editor.
pub struct Session {
    service: LspService<Backend>,
    shared: Arc<Shared>,
    output: Output,
    phase: Phase,
    requests: JoinSet<()>,
    diagnosing: Diagnosing,
}

/// How far the conversation is. States count only in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Before,
    Open,
    ShutDown,
}

impl Session {
    /// What the service says by itself goes out as well.
    pub fn new(
        (service, mut said): (LspService<Backend>, ClientSocket),
        shared: Arc<Shared>,
        output: Output,
    ) -> Self {
        let out = output.clone();
        tokio::spawn(async move {
            while let Some(notification) = said.next().await {
                out.send(&notification);
            }
        });
        let diagnosing = Diagnosing::default();
        Self { service, shared, output, phase: Phase::Before, requests: JoinSet::new(), diagnosing }
    }

    /// Takes what comes in, until it ends or says `exit`.
    pub async fn run(&mut self, mut pieces: Receiver<Piece>) -> Leaving {
        while let Some(piece) = pieces.recv().await {
            let read = match &piece {
                Piece::Frame(frame) => message::read(frame),
                Piece::Noise(Noise::Stray) => {
                    Err(message::broken("bytes that belong to no message were skipped"))
                }
                Piece::Noise(Noise::Length) => {
                    Err(message::broken("a message was skipped: its Content-Length is no number"))
                }
                Piece::Noise(Noise::TooLarge) => {
                    Err(message::refused(None, "a message was skipped: it is larger than 64 MiB"))
                }
            };
            match read {
                Ok(Message::Answer) => {}
                Ok(Message::Call(call)) if call.method == "exit" => {
                    let _ = self.service.call(request(&call, None)).await;
                    return Leaving::Exit { shut_down: self.phase == Phase::ShutDown };
                }
                Ok(Message::Call(call)) => self.take(call).await,
                Err(answer) => {
                    let why = answer.error().map(|error| error.message.as_ref());
                    tracing::warn!(why, "what came in is no JSON-RPC");
                    self.output.send(&answer);
                }
            }
        }
        Leaving::InputEnded
    }

    /// Waits for the answers to what was asked.
    pub async fn finish(&mut self) {
        while self.requests.join_next().await.is_some() {}
        self.output.drained().await;
    }

    async fn take(&mut self, call: Call<'_>) {
        match call.method.as_str() {
            DID_CHANGE_STATE => self.change(call),
            _ if !call.is_proper() => {
                self.output.send(&message::refused(call.id, "the params are neither an object nor an array"));
            }
            "initialize" => self.initialize(call).await,
            DIAGNOSE => self.diagnose(call),
            "$/cancelRequest" if self.cancel(&call) => {}
            _ => self.pass(call).await,
        }
    }

    fn change(&self, call: Call<'_>) {
        if call.id.is_some() {
            self.output.send(&message::refused(call.id, "a state comes as a notification"));
        } else if self.phase == Phase::Open {
            self.apply(call.params);
        }
    }

    /// The library answers to the rest of the options; the state counts if it accepts them.
    async fn initialize(&mut self, call: Call<'_>) {
        let Some((params, state)) = call.params.and_then(without_state) else {
            return self.undecodable(call);
        };
        let Ok(Some(answer)) = self.service.call(request(&call, Some(params))).await else { return };
        if answer.is_ok() {
            self.phase = Phase::Open;
            self.apply(state);
        }
        self.output.send(&answer);
    }

    /// Takes a candidate's secret straight from the frame. A notification asks for nothing.
    fn diagnose(&mut self, call: Call<'_>) {
        let Some(id) = call.id.clone() else { return };
        let refused = match self.phase {
            Phase::Before => Some((ErrorCode::ServerError(-32_002), "Server not initialized")),
            Phase::ShutDown => Some((ErrorCode::InvalidRequest, INVALID)),
            Phase::Open => None,
        };
        if let Some((code, sentence)) = refused {
            return self.output.send(&message::error(call.id, code, sentence));
        }
        // Serde would take an array for a struct.
        let params = call.params.unwrap_or("{}");
        let Some(params) =
            params.starts_with('{').then(|| serde_json::from_str::<DiagnoseParams>(params).ok()).flatten()
        else {
            return self.undecodable(call);
        };
        if self.is_full() {
            return self.output.send(&message::refused(call.id, TOO_MANY));
        }
        match self.diagnosing.begin(id, params, self.shared.clone(), self.output.clone()) {
            Some(diagnosing) => drop(self.requests.spawn(diagnosing)),
            None => self.output.send(&message::refused(call.id, INVALID)),
        }
    }

    /// Whether a diagnosis is what is to be cancelled.
    fn cancel(&mut self, call: &Call<'_>) -> bool {
        #[derive(Deserialize)]
        struct Named {
            id: Id,
        }
        let named = call.params.and_then(|params| serde_json::from_str::<Named>(params).ok());
        named.is_some_and(|named| self.diagnosing.cancel(&named.id))
    }

    /// Whether as many requests are in flight as may be.
    fn is_full(&mut self) -> bool {
        while self.requests.try_join_next().is_some() {}
        self.requests.len() >= MOST
    }

    async fn pass(&mut self, call: Call<'_>) {
        let Ok(params) = call.params.map(serde_json::from_str).transpose() else {
            return self.undecodable(call);
        };
        let shuts_down = call.method == "shutdown" && call.id.is_some() && self.phase == Phase::Open;
        if self.is_full() && call.id.is_some() && !shuts_down {
            return self.output.send(&message::refused(call.id, TOO_MANY));
        }
        if shuts_down {
            self.phase = Phase::ShutDown;
        }
        // The library would refuse a `shutdown` with params, and be shut down all the same.
        let answering = self.service.call(request(&call, params.filter(|_| !shuts_down)));
        let output = self.output.clone();
        let answering = async move {
            if let Ok(Some(answer)) = answering.await {
                output.send(&answer);
            }
        };
        if call.id.is_some() {
            self.requests.spawn(answering);
        } else {
            answering.await;
        }
    }

    /// Also what is nested deeper than serde reads. Its own words are not told: they may quote a secret.
    fn undecodable(&self, call: Call<'_>) {
        tracing::warn!(method = call.method, "params that cannot be decoded");
        if call.id.is_some() {
            let answer = message::error(call.id, ErrorCode::InvalidParams, "the params cannot be decoded");
            self.output.send(&answer);
        }
    }

    /// What cannot be decoded, or has no revision from 1 up, changes nothing and is told in the status.
    fn apply(&self, state: Option<&str>) {
        // Serde would take an array for a struct.
        let state = state.filter(|state| state.starts_with('{'));
        match state.map(serde_json::from_str::<DesiredState>) {
            Some(Ok(desired)) if desired.revision > 0 => {
                if self.shared.apply(desired) {
                    dial::warm(&self.shared);
                }
            }
            // The error may quote a value, and the value may be a secret.
            _ => {
                self.shared.reject(state.and_then(revision));
            }
        }
    }
}

fn request(call: &Call<'_>, params: Option<Value>) -> Request {
    let mut request = Request::build(call.method.clone());
    if let Some(id) = &call.id {
        request = request.id(id.clone());
    }
    if let Some(params) = params {
        request = request.params(params);
    }
    request.finish()
}

/// The params of `initialize` without the state in their options, and the state as it came.
fn without_state(params: &str) -> Option<(Value, Option<&str>)> {
    let mut params: BTreeMap<String, &RawValue> = serde_json::from_str(params).ok()?;
    let options = params.remove("initializationOptions")?;
    let mut options: BTreeMap<String, &RawValue> = serde_json::from_str(options.get()).ok()?;
    let state = options.remove("state").map(RawValue::get);
    let mut rest = serde_json::to_value(params).ok()?;
    rest["initializationOptions"] = serde_json::to_value(options).ok()?;
    Some((rest, state))
}

fn revision(state: &str) -> Option<u64> {
    #[derive(Deserialize)]
    struct Numbered {
        revision: u64,
    }
    serde_json::from_str::<Numbered>(state).ok().map(|state| state.revision)
}
