//! The facts of an attempt: what a verdict is made of.

use crate::gemini::error::ApiError;

/// The facts of one attempt that is over, or whose first content is at hand.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// 2xx or 3xx with content, or of an operation whose answers are not looked at. Safety blocks are content.
    Content,
    /// 2xx that ended (or finished) without content: no part, only empty text without a signature, MALFORMED_FUNCTION_CALL.
    Empty,
    /// A Google envelope: a refusal by status, or the error event that began a 200 stream (then `status` is its code).
    Refused {
        /// HTTP status, or `error.code` of an in-band error.
        status: u16,
        /// What it says.
        error: &'a ApiError,
    },
    /// A status of 400 and up whose body is not Google's envelope (HTML, a platform's message, empty).
    Foreign {
        /// HTTP status.
        status: u16,
    },
    /// The relay says by `x-relay-error` that it failed itself.
    RelayError {
        /// HTTP status.
        status: u16,
        /// The header's value.
        code: &'a str,
    },
    /// No connection (name, connect, TLS, proxy): nothing was sent.
    Unreachable,
    /// There is a connection, and the other end did not touch the request: a refused stream, one beyond a GOAWAY.
    NotTaken,
    /// An HTTP/1.1 connection ended before a byte of an answer: most likely one kept from before, whose time was up; the request
    /// may have been worked on.
    HungUp,
    /// Nothing can be sent with these settings.
    Settings,
    /// The caller did not send its body to the end.
    Caller,
    /// The connection broke, or the answer did, before any content; the request may have been worked on.
    Broken,
    /// No first byte in time; the request may have been worked on.
    TimedOut,
    /// No first byte for some time, and the relay turned out to be dead; the request may have been worked on.
    Hung,
}

/// What about the call and the attempt a judgement depends on.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances {
    /// Went through a relay.
    pub relayed: bool,
    /// May be sent twice (GET, HEAD, generate, count, embed, predict). Else only if the failure proves that nothing was done.
    pub repeatable: bool,
    /// Names a file, a cache or another stored resource by path or body.
    pub names_resource: bool,
    /// Attempts of this call on this same key and egress that ended in a service failure, this one included.
    pub tries_on_route: u32,
    /// Attempts of this call, this one included, that could have reached the model.
    pub reached: u32,
    /// An unclear refusal was already answered by another key in this call.
    pub unclear_rotated: bool,
    /// An answer without content was already retried in this call.
    pub empty_retried: bool,
    /// Setting: retry answers without content.
    pub retry_empty: bool,
}
