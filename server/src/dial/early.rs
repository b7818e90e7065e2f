//! Early answers (1xx): hyper passes over them for as long as they come, and a hostile relay sends them without end, as fast as
//! they are read. They are counted here, and never looked at.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use http::Request;
use tokio::sync::Notify;

/// A server that says each second that it still works needs fewer.
const MOST: u32 = 1_000;

/// Tells when there were too many.
pub struct Early(Arc<Notify>);

impl Early {
    /// Counts those that come for this request by HTTP/1.1; by HTTP/2 hyper does not tell of them.
    pub fn watch<B>(request: &mut Request<B>) -> Self {
        let (enough, count) = (Arc::new(Notify::new()), AtomicU32::new(0));
        let told = enough.clone();
        hyper::ext::on_informational(request, move |_| {
            if count.fetch_add(1, Ordering::Relaxed) == MOST {
                told.notify_one();
            }
        });
        Self(enough)
    }

    /// Comes back when there were too many; else never.
    pub async fn too_many(&self) {
        self.0.notified().await;
    }
}
