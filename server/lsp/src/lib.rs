//! tower-lsp's service, made for one server whose type is not known here. It is generic over its server, and so would be
//! compiled within the crate that names one: half a megabyte for messages of which there are a handful an hour. Here it is
//! compiled for size. Decides nothing.

use std::fmt;
use std::pin::Pin;

use aggregator_protocol::{RECORDS, RETEST};
use serde_json::Value;
use tower_lsp::jsonrpc::{Request, Response, Result};
use tower_lsp::ls_types::{InitializeParams, InitializeResult, InitializedParams};
use tower_lsp::{Client, ClientSocket, ExitedError, LanguageServer, LspService};
use tower_service::Service as _;

/// An answer that takes its time.
pub type Answering<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Who answers.
pub trait Answers: Send + Sync + 'static {
    /// The first request.
    fn initialize(&self, params: InitializeParams) -> Answering<'_, Result<InitializeResult>>;
    /// The client is ready to hear.
    fn initialized(&self) -> Answering<'_, ()>;
    /// The last request.
    fn shutdown(&self) -> Answering<'_, Result<()>>;
    /// One of our own: [`RECORDS`] or [`RETEST`].
    fn ask(&self, method: &'static str, params: Value) -> Answering<'_, Result<Value>>;
}

/// The service in front of one who answers.
pub struct Service(LspService<Front>);

impl Service {
    /// `answers`: made with what speaks to the client. The socket gives what the service says by itself.
    pub fn new(answers: impl FnOnce(Client) -> Box<dyn Answers>) -> (Self, ClientSocket) {
        let (service, socket) = LspService::build(|client| Front(answers(client)))
            .custom_method(RECORDS, Front::records)
            .custom_method(RETEST, Front::retest)
            .finish();
        (Self(service), socket)
    }

    /// Answers one request, or takes one notification; the error: it has exited.
    pub fn call(
        &mut self,
        request: Request,
    ) -> Answering<'static, std::result::Result<Option<Response>, ExitedError>> {
        self.0.call(request)
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Service").finish_non_exhaustive()
    }
}

struct Front(Box<dyn Answers>);

impl Front {
    async fn records(&self, params: Value) -> Result<Value> {
        self.0.ask(RECORDS, params).await
    }

    async fn retest(&self, params: Value) -> Result<Value> {
        self.0.ask(RETEST, params).await
    }
}

impl LanguageServer for Front {
    async fn initialize(&self, params: InitializeParams) -> Result<InitializeResult> {
        self.0.initialize(params).await
    }

    async fn initialized(&self, _: InitializedParams) {
        self.0.initialized().await;
    }

    async fn shutdown(&self) -> Result<()> {
        self.0.shutdown().await
    }
}
