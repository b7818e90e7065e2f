//! Why a request got no answer, and above all: whether anybody can have worked on it.

use std::error::Error;
use std::io::ErrorKind;

use hyper_util::client::legacy;

use super::DialError;
use super::handshake::Denied;
use crate::failure::BoxError;

/// Why a request got no answer.
#[derive(Debug)]
pub enum SendError {
    /// No connection: nothing was sent.
    Connect(BoxError),
    /// There was a connection, and the other end says that it did not touch the request, or nothing of it was sent.
    NotTaken(BoxError),
    /// An HTTP/1.1 connection ended before a byte of an answer. Most likely it was kept from an earlier request and its time
    /// was up just then; only the other end knows.
    HungUp(BoxError),
    /// It broke; the request may have been worked on.
    Broken(BoxError),
    /// Nothing can be sent with these settings.
    Settings(DialError),
}

impl From<DialError> for SendError {
    fn from(error: DialError) -> Self {
        Self::Settings(error)
    }
}

impl From<legacy::Error> for SendError {
    fn from(error: legacy::Error) -> Self {
        let h2 = error.connect_info().is_some_and(|connection| connection.is_negotiated_h2());
        // Only what hyper says of this connection: a request body brings errors of the caller's connection with it.
        let cause = error.source().and_then(|cause| cause.downcast_ref::<hyper::Error>());
        if error.is_connect() {
            Self::Connect(error.into())
        } else if cause.is_some_and(not_taken) {
            Self::NotTaken(error.into())
        } else if !h2 && cause.is_some_and(hung_up) {
            Self::HungUp(error.into())
        } else {
            Self::Broken(error.into())
        }
    }
}

/// Why there is no connection, as far as a caller is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoConnection {
    /// Nobody answered in time.
    TimedOut,
    /// The network proxy wants credentials, or others.
    ProxyCredentials,
    /// Anything else: no name, nobody there, no trust, a proxy that does not want to.
    Refused,
}

/// Looks for it in [`SendError::Connect`].
pub fn no_connection(error: &(dyn Error + 'static)) -> NoConnection {
    let mut next = Some(error);
    while let Some(cause) = next {
        if matches!(cause.downcast_ref(), Some(Denied::Credentials)) {
            return NoConnection::ProxyCredentials;
        }
        if cause.downcast_ref::<std::io::Error>().is_some_and(|cause| cause.kind() == ErrorKind::TimedOut) {
            return NoConnection::TimedOut;
        }
        next = cause.source();
    }
    NoConnection::Refused
}

/// hyper gave the request back unsent, the stream was refused (RFC 9113, 8.7), or it lies beyond the last one that a GOAWAY
/// vouches for: h2 ends no other streams with that error. Most of this hyper-util repairs itself, on connections that it has
/// used before. h2 has to be the one that hyper is made of, or nothing is recognised; `tests/it/tls.rs` would tell.
fn not_taken(error: &hyper::Error) -> bool {
    let refused = |error: &h2::Error| {
        error.is_remote() && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM))
    };
    error.is_canceled()
        || error.is_closed()
        || error.source().and_then(|cause| cause.downcast_ref()).is_some_and(refused)
}

/// The end came in good order, or without TLS's farewell, or as a reset.
fn hung_up(error: &hyper::Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let gone = |error: &std::io::Error| {
        matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
    };
    error.is_incomplete_message() || error.source().and_then(|cause| cause.downcast_ref()).is_some_and(gone)
}
