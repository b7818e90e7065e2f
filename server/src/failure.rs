//! Every end without an upstream answer, and its wording.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};

use crate::proxy::Body;

/// An error whose text holds no secret.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A small answer of our own.
pub fn plain(status: http::StatusCode, text: &str) -> http::Response<Body> {
    let body =
        Full::new(Bytes::copy_from_slice(text.as_bytes())).map_err(|never| match never {}).boxed_unsync();
    let mut response = http::Response::new(body);
    *response.status_mut() = status;
    response
}
