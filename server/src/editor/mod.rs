//! The wire to the extension: JSON-RPC over stdio. The only place that knows tower-lsp.

pub mod publish;
pub mod rpc;
