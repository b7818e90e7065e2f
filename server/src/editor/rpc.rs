//! What comes in: decoded here, handed over, never waited on but for `retest` and `shutdown`. No handler speaks to the client by
//! itself, so none can wait for one that does not read.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aggregator_protocol::{
    DID_CHANGE_STATE, DesiredState, InitializeOptions, PROTOCOL, RECORDS, RETEST, Record, RecordsParams,
    RetestAnswer, RetestParams, Role,
};
use serde_json::Value;
use tokio::task::JoinHandle;
use tower_lsp::jsonrpc::{Error, ErrorCode, Result};
use tower_lsp::ls_types::{
    InitializeParams, InitializeResult, InitializedParams, ServerCapabilities, ServerInfo,
};
use tower_lsp::{Client, ClientSocket, LanguageServer, LspService};

use super::{Leave, Leaving, leave, publish};
use crate::parent::Parent;
use crate::shared::{Identity, Shared};
use crate::windows::HandedOn;
use crate::{VERSION, dial, parent, retest, store, windows};

/// Requests in flight may go on for so long after `shutdown`.
const DRAIN: Duration = Duration::from_secs(2);
/// Beyond that, for the last save.
const GRACE: Duration = Duration::from_millis(500);

/// The task that keeps the ledger, once there is one.
#[derive(Clone, Default)]
pub struct Keeping(Arc<Mutex<Option<JoinHandle<()>>>>);

impl Keeping {
    /// Takes it out, to wait for it.
    pub fn take(&self) -> Option<JoinHandle<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn start(&self, shared: Arc<Shared>, folder: PathBuf) {
        let task = tokio::spawn(store::run(shared, folder));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }
}

/// The service that answers the editor.
pub fn service(
    shared: Arc<Shared>,
    leaving: Arc<Leave>,
    parent: Parent,
) -> (LspService<Backend>, Keeping, ClientSocket) {
    let keeping = Keeping::default();
    let kept = keeping.clone();
    let (service, socket) =
        LspService::build(move |client| Backend { client, shared, leaving, keeping: kept, parent })
            .custom_method(DID_CHANGE_STATE, Backend::did_change_state)
            .custom_method(RECORDS, Backend::records)
            .custom_method(RETEST, Backend::retest)
            .finish();
    (service, keeping, socket)
}

/// What the handlers work with.
pub struct Backend {
    client: Client,
    shared: Arc<Shared>,
    leaving: Arc<Leave>,
    keeping: Keeping,
    parent: Parent,
}

impl Backend {
    /// Applies the state before anything is awaited; what cannot be decoded changes nothing and is told in the status.
    fn apply(&self, state: Value) {
        let revision = state.get("revision").and_then(Value::as_u64);
        match serde_json::from_value::<DesiredState>(state) {
            Ok(desired) => {
                if self.shared.apply(desired) {
                    dial::warm(&self.shared);
                }
            }
            // The error may quote a value, and the value may be a secret.
            Err(_) => {
                tracing::warn!(revision, "a state that cannot be decoded");
                self.shared.reject(revision);
            }
        }
    }

    async fn did_change_state(&self, state: Value) {
        self.apply(state);
    }

    async fn records(&self, params: Value) -> Result<Vec<Record>> {
        let params: RecordsParams = decode(params)?;
        match self.shared.role() {
            Role::Follower { port, .. } => {
                handed_on(windows::hand_on(&self.shared, port, "/-/records", &params).await)
            }
            _ => Ok(self.shared.records(&params).iter().map(|record| Record::clone(record)).collect()),
        }
    }

    async fn retest(&self, params: Value) -> Result<RetestAnswer> {
        let params: RetestParams = decode(params)?;
        match self.shared.role() {
            Role::Follower { port, .. } => {
                handed_on(windows::hand_on(&self.shared, port, "/-/retest", &params).await)
            }
            _ => retest::retest(&self.shared, &params.key_id).await.ok_or_else(unknown_key),
        }
    }
}

impl LanguageServer for Backend {
    async fn initialize(&self, params: InitializeParams) -> Result<InitializeResult> {
        let options: InitializeOptions = decode(params.initialization_options.unwrap_or_default())?;
        if options.protocol != PROTOCOL {
            let versions =
                format!("it speaks protocol {}, the extension protocol {}", PROTOCOL, options.protocol);
            return Err(refused(&format!(
                "This sidecar does not fit the extension: {versions}. Reinstall the extension."
            )));
        }
        self.shared.identify(Identity { pool: options.pool, host: options.host });
        // Before there is a port to serve: nothing is served before the ledger is known.
        if let Some(folder) = options.storage_dir.filter(|folder| !folder.is_empty()) {
            self.keeping.start(self.shared.clone(), folder.into());
        }
        self.apply(options.state.0);
        let (leaving, parent, client) = (self.leaving.clone(), self.parent, params.process_id);
        tokio::spawn(async move {
            parent::gone(parent, client).await;
            leave(&leaving, Leaving::ParentGone);
        });
        let server_info = ServerInfo { name: "gemini-aggregator".into(), version: Some(VERSION.into()) };
        Ok(InitializeResult {
            capabilities: ServerCapabilities::default(),
            server_info: Some(server_info),
            ..InitializeResult::default()
        })
    }

    async fn initialized(&self, _: InitializedParams) {
        tokio::spawn(publish::run(self.shared.clone(), self.client.clone()));
    }

    async fn shutdown(&self) -> Result<()> {
        self.shared.stop(DRAIN);
        let mut ended = self.shared.watch_ended();
        let _ = tokio::time::timeout(DRAIN + GRACE, ended.wait_for(|ended| *ended)).await;
        Ok(())
    }
}

fn decode<T: serde::de::DeserializeOwned>(params: Value) -> Result<T> {
    serde_json::from_value(params).map_err(|_| Error::invalid_params("the params cannot be decoded"))
}

fn handed_on<T>(answer: HandedOn<T>) -> Result<T> {
    match answer {
        HandedOn::Answered(answer) => Ok(answer),
        HandedOn::Unknown => Err(unknown_key()),
        HandedOn::Silent => Err(refused("the window that holds the port did not answer")),
    }
}

fn unknown_key() -> Error {
    refused("there is no key with this id")
}

fn refused(sentence: &str) -> Error {
    Error { code: ErrorCode::ServerError(-32_001), message: sentence.to_owned().into(), data: None }
}
