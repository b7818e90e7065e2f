//! More than one HTTP/2 connection to a host, because one carries only so many requests at a time.
//!
//! hyper-util's pool keeps one connection a host, and a request beyond the other end's limit of streams waits there in
//! silence, for as long as its deadline lets it. So there are several pools, filled one after the other: whoever finds
//! [`STREAMS`] requests in the first goes by the second. All hosts of a pool are counted together, and HTTP/1.1 with them;
//! that only opens a further connection earlier than need be.
//!
//! Not solved here: requests that come together while a lane has no connection each begin one, because nobody knows yet that
//! it will be HTTP/2. One of them is kept.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use hyper::body::{Body, Frame, SizeHint};
use hyper_util::client::legacy::{Client, ResponseFuture};

use super::{Connector, Outgoing, builder};

/// Requests by one connection at a time: Google's limit, and the least that RFC 9113 wants of anybody. A host that allows
/// fewer makes the rest of them wait.
const STREAMS: usize = 100;
/// Connections to one host at most. Beyond `LANES * STREAMS` requests wait until others are over.
const LANES: usize = 8;

/// The pools, which share one trust and one memory of TLS sessions.
pub struct Lanes {
    clients: [Client<Connector, Outgoing>; LANES],
    loads: [Load; LANES],
}

impl Lanes {
    /// No connection is made before it is needed.
    pub fn new(connector: &Connector) -> Self {
        Self {
            clients: std::array::from_fn(|_| builder().build(connector.clone())),
            loads: std::array::from_fn(|_| Load::default()),
        }
    }

    /// Sends by the first lane with room; keep the seat for as long as the request lasts.
    pub fn request(&self, request: Request<Outgoing>) -> (ResponseFuture, Option<Seat>) {
        let (lane, seat) = take_seat(&self.loads);
        (self.clients[lane].request(request), Some(seat))
    }
}

/// How many requests there are in a lane.
type Load = Arc<AtomicUsize>;

/// The first lane with room, else the emptiest.
fn take_seat(loads: &[Load]) -> (usize, Seat) {
    let room = |load: usize| (load < STREAMS).then_some(load + 1);
    let found =
        loads.iter().position(|load| load.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok());
    let lane = found.unwrap_or_else(|| {
        let emptiest = (0..loads.len()).min_by_key(|lane| loads[*lane].load(Ordering::Relaxed)).unwrap_or(0);
        loads[emptiest].fetch_add(1, Ordering::Relaxed);
        emptiest
    });
    (lane, Seat(loads[lane].clone()))
}

/// One request in its lane.
#[derive(Debug)]
pub struct Seat(Load);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of an answer. Its request counts until this is dropped.
#[derive(Debug)]
pub struct Incoming {
    body: hyper::body::Incoming,
    _seat: Option<Seat>,
}

impl Incoming {
    /// `seat`: the request's, where it has one.
    pub fn new(body: hyper::body::Incoming, seat: Option<Seat>) -> Self {
        Self { body, _seat: seat }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_filled_one_after_the_other_and_a_seat_that_is_left_is_taken_first() {
        let loads: [Load; 2] = std::array::from_fn(|_| Load::default());
        let mut seats: Vec<_> = (0..STREAMS).map(|_| take_seat(&loads)).collect();
        assert!(seats.iter().all(|(lane, _)| *lane == 0));
        let second = take_seat(&loads);
        assert_eq!(second.0, 1);
        seats.pop();
        assert_eq!(take_seat(&loads).0, 0);
        drop((seats, second));
        assert!(loads.iter().all(|load| load.load(Ordering::Relaxed) == 0));
    }

    #[test]
    fn when_all_are_full_the_emptiest_takes_more() {
        let loads = [STREAMS + 2, STREAMS].map(|load| Arc::new(AtomicUsize::new(load)));
        assert_eq!(take_seat(&loads).0, 1);
    }
}
