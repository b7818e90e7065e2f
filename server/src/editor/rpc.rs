//! What the editor may ask for. Handlers take JSON and decode it themselves, hand over, and wait for nothing but the answers to
//! `retest` and `tryRequest` and the end of `shutdown`. None speaks to the client by itself, so none can wait for one that does not read.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Once, OnceLock, PoisonError};
use std::time::Duration;

use aggregator_protocol::{
    DID_CHANGE_LOG_LEVEL, InitializeOptions, LogLevelParams, PROTOCOL, RECORDS, RETEST, Record,
    RecordsParams, RetestAnswer, RetestParams, Role, TRY_REQUEST, TryRequestAnswer,
};
use http::{Method, StatusCode, Uri};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::task::JoinHandle;
use tower_lsp::jsonrpc::{Error, ErrorCode, Result};
use tower_lsp::ls_types::{
    InitializeParams, InitializeResult, InitializedParams, ServerCapabilities, ServerInfo,
};
use tower_lsp::{Client, ClientSocket, LanguageServer, LspService};

use super::output::Output;
use super::publish;
use crate::shared::{Identity, Shared};
use crate::{VERSION, log, retest, store, trial, windows};

/// Requests in flight may go on for so long after `shutdown`.
const DRAIN: Duration = Duration::from_secs(2);
/// Beyond that, for the last save.
const GRACE: Duration = Duration::from_millis(500);

/// A follower's re-test may take as long as the leader's.
const HANDED_ON: Duration = Duration::from_secs(40);

/// What answers a request. One type for all of them: the library brings its whole stack again for each type.
type Handler = for<'a> fn(&'a Backend, Value) -> Pin<Box<dyn Future<Output = Result<Answer>> + Send + 'a>>;

/// The answer to a request.
#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    Records(Vec<Record>),
    Retest(RetestAnswer),
    Tried(TryRequestAnswer),
    /// As the window says it that holds the port.
    HandedOn(Value),
}

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

/// What the handlers work with.
pub struct Backend {
    client: Client,
    shared: Arc<Shared>,
    output: Output,
    keeping: Keeping,
    editor: Arc<OnceLock<u32>>,
    publishing: Once,
}

impl Backend {
    /// The service that answers the editor. `editor` will hold the editor's process id, if it tells.
    pub fn service(
        shared: Arc<Shared>,
        output: Output,
        keeping: Keeping,
        editor: Arc<OnceLock<u32>>,
    ) -> (LspService<Self>, ClientSocket) {
        let publishing = Once::new();
        let mut service =
            LspService::build(move |client| Self { client, shared, output, keeping, editor, publishing })
                .custom_method(DID_CHANGE_LOG_LEVEL, Self::change_log_level);
        let requests: [(&str, Handler); 3] = [
            (RECORDS, |backend, params| Box::pin(backend.records(params))),
            (RETEST, |backend, params| Box::pin(backend.retest(params))),
            (TRY_REQUEST, |backend, params| Box::pin(backend.try_request(params))),
        ];
        for (method, handler) in requests {
            service = service.custom_method(method, handler);
        }
        service.finish()
    }

    /// A level that is none changes nothing.
    async fn change_log_level(&self, params: Value) {
        match decode::<LogLevelParams>(params) {
            Ok(params) => log::change_level(params.level),
            Err(_) => tracing::warn!(method = DID_CHANGE_LOG_LEVEL, "params that cannot be decoded"),
        }
    }

    async fn records(&self, params: Value) -> Result<Answer> {
        let asked: RecordsParams = decode(params.clone())?;
        match self.shared.role() {
            Role::Follower { .. } => self.hand_on("/-/records", &params).await,
            _ => {
                let records = self.shared.records(&asked);
                Ok(Answer::Records(records.iter().map(|record| Record::clone(record)).collect()))
            }
        }
    }

    async fn retest(&self, params: Value) -> Result<Answer> {
        let asked: RetestParams = decode(params.clone())?;
        match self.shared.role() {
            Role::Follower { .. } => self.hand_on("/-/retest", &params).await,
            _ => {
                let answer = retest::retest(&self.shared, &asked.key_id).await;
                answer.map(Answer::Retest).ok_or_else(unknown_key)
            }
        }
    }

    async fn try_request(&self, params: Value) -> Result<Answer> {
        let (model, uri) = trial::target(decode(params)?).ok_or_else(undecodable)?;
        let answer = trial::try_request(&self.shared, model, uri).await;
        answer.map(Answer::Tried).ok_or_else(|| refused("no answer came over the port"))
    }

    /// Asks the window that holds the port.
    async fn hand_on(&self, path: &'static str, params: &Value) -> Result<Answer> {
        let request = windows::question(Method::POST, Uri::from_static(path), params.to_string().into());
        match windows::ask(&self.shared, request, HANDED_ON).await {
            Some((head, answer)) if head.status == StatusCode::OK && !answer.is_null() => {
                Ok(Answer::HandedOn(answer))
            }
            Some((head, _)) if head.status == StatusCode::NOT_FOUND => Err(unknown_key()),
            _ => Err(refused("the window that holds the port did not answer")),
        }
    }
}

impl LanguageServer for Backend {
    async fn initialize(&self, params: InitializeParams) -> Result<InitializeResult> {
        if let Some(id) = params.process_id {
            let _ = self.editor.set(id);
        }
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
        let server_info = ServerInfo { name: "gemini-aggregator".into(), version: Some(VERSION.into()) };
        Ok(InitializeResult {
            capabilities: ServerCapabilities::default(),
            server_info: Some(server_info),
            ..InitializeResult::default()
        })
    }

    async fn initialized(&self, _: InitializedParams) {
        let publish = || publish::run(self.shared.clone(), self.client.clone(), self.output.clone());
        self.publishing.call_once(|| drop(tokio::spawn(publish())));
    }

    async fn shutdown(&self) -> Result<()> {
        self.shared.stop(DRAIN);
        let mut ended = self.shared.watch_ended();
        let _ = tokio::time::timeout(DRAIN + GRACE, ended.wait_for(|ended| *ended)).await;
        Ok(())
    }
}

fn decode<T: DeserializeOwned>(params: Value) -> Result<T> {
    serde_json::from_value(params).map_err(|_| undecodable())
}

fn undecodable() -> Error {
    Error::invalid_params("the params cannot be decoded")
}

fn unknown_key() -> Error {
    refused("there is no key with this id")
}

fn refused(sentence: &str) -> Error {
    Error { code: ErrorCode::ServerError(-32_001), message: sentence.to_owned().into(), data: None }
}
