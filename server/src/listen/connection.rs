//! One connection, from accept to its end. At the end of the process: to the end of the request that it has, or is about to send.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;

use crate::shared::{Shared, stopping};
use crate::{proxy, windows};

/// For the head of a request. hyper also closes idle keep-alive connections after it.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// At the end, a connection without a request has so long to bring one that is on its way.
const LATE: Duration = Duration::from_millis(200);
/// And so long to take what was answered before.
const FLUSH: Duration = Duration::from_secs(2);

/// Serves it in a task of its own; the permit is given back at the end.
pub fn begin(shared: &Arc<Shared>, stream: TcpStream, permit: OwnedSemaphorePermit) {
    let (shared, stop) = (shared.clone(), shared.watch_stop());
    tokio::spawn(async move {
        connection(shared, stream, stop).await;
        drop(permit);
    });
}

async fn connection(shared: Arc<Shared>, stream: TcpStream, mut stop: watch::Receiver<Option<Duration>>) {
    // Events would wait for one another otherwise; without it they still come.
    let _ = stream.set_nodelay(true);
    let requests = watch::Sender::new(0);
    let mut in_flight = requests.subscribe();
    let service = service_fn(move |request| {
        let (shared, in_flight) = (shared.clone(), InFlight::new(&requests));
        async move {
            let (parts, body) = Request::into_parts(request);
            let response = match windows::introduction(&shared, &parts) {
                Some(response) => response,
                None => proxy::serve(shared, Request::from_parts(parts, body)).await?,
            };
            Ok::<_, Infallible>(response.map(|body| {
                let held = move |error| {
                    let _until_its_end = &in_flight;
                    error
                };
                body.map_err(held).boxed_unsync()
            }))
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(serving);
    // Closed at once, an idle connection would lose a request that is on its way.
    let last = async {
        stopping(&mut stop).await;
        timeout(LATE, in_flight.wait_for(|count| *count > 0)).await.is_ok()
    };
    let asks = tokio::select! {
        ended = serving.as_mut() => return say(ended),
        asks = last => asks,
    };
    serving.as_mut().graceful_shutdown();
    // Half a head is no request in flight.
    say(if asks { serving.await } else { timeout(FLUSH, serving).await.unwrap_or(Ok(())) });
}

fn say(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}

/// A request of a connection, from its head to the end of its answer.
struct InFlight(watch::Sender<usize>);

impl InFlight {
    fn new(requests: &watch::Sender<usize>) -> Self {
        requests.send_modify(|count| *count += 1);
        Self(requests.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
