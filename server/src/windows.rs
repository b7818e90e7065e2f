//! temp
#![allow(missing_docs)]
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use std::sync::Arc;
pub const PREFIX: &str = "/-/";
pub async fn serve(_: Arc<crate::shared::Shared>, _: Request<Incoming>) -> Response<crate::proxy::Body> {
    crate::failure::Failure::NoSuchPage.response(false)
}
pub fn name_ourselves(_: &str, _: &mut HeaderMap) {}
