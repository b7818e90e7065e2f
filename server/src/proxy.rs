//! One request, first byte to last.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;

use crate::failure::BoxError;
use crate::shared::Shared;

/// What goes back downstream. Ends in an error when the connection must not end cleanly.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// Answers one request; never fails.
pub async fn serve(
    _shared: Arc<Shared>,
    _request: http::Request<hyper::body::Incoming>,
) -> Result<http::Response<Body>, Infallible> {
    Ok(crate::failure::plain(http::StatusCode::NOT_IMPLEMENTED, "not built yet"))
}
