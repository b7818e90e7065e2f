//! A request body that passes through as it comes: never collected, never sent twice, and watched, so that nobody waits for an
//! answer while it is still under way, nor for a caller that has stopped sending.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::front::gemini::BODY_SILENCE;

/// How far a body has come.
#[derive(Debug, Clone, Copy)]
enum Sent {
    /// Its last piece came then.
    Flowing(Instant),
    /// Its end came then.
    Whole(Instant),
    /// It broke off, or was malformed.
    Broken,
}

/// The body.
#[derive(Debug)]
pub struct Upload<B = Incoming> {
    body: B,
    sent: watch::Sender<Sent>,
}

impl<B> Upload<B> {
    /// Nothing of it has come yet.
    pub fn new(body: B) -> Self {
        Self { body, sent: watch::Sender::new(Sent::Flowing(Instant::now())) }
    }

    /// To follow it from aside.
    pub fn watch(&self) -> Watch {
        Watch(self.sent.subscribe())
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Upload<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let now = match &polled {
            Poll::Pending => return polled,
            // A declared length may be out before anybody asks for the end.
            Poll::Ready(None) => Sent::Whole(Instant::now()),
            Poll::Ready(Some(Ok(_))) if self.body.is_end_stream() => Sent::Whole(Instant::now()),
            Poll::Ready(Some(Ok(_))) => Sent::Flowing(Instant::now()),
            Poll::Ready(Some(Err(_))) => Sent::Broken,
        };
        self.sent.send_replace(now);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Follows a body from aside.
pub struct Watch(watch::Receiver<Sent>);

impl Watch {
    /// What the sending brings. `None`: nothing within `patience` of the body's end. An error: the caller's body broke off, or
    /// stopped for too long; then the upstream has no part in it.
    pub async fn patiently<T, E>(
        mut self,
        patience: Duration,
        sending: impl Future<Output = Result<T, E>>,
    ) -> Result<Option<Result<T, E>>, Failure> {
        tokio::pin!(sending);
        loop {
            let sent = *self.0.borrow_and_update();
            let until = match sent {
                Sent::Flowing(at) => at + BODY_SILENCE,
                Sent::Whole(at) => at + patience,
                Sent::Broken => return Err(Failure::BrokenBody),
            };
            tokio::select! {
                brought = sending.as_mut() => {
                    let broken = brought.is_err() && matches!(*self.0.borrow(), Sent::Broken);
                    return if broken { Err(Failure::BrokenBody) } else { Ok(Some(brought)) };
                }
                moved = self.0.changed() => {
                    if moved.is_err() {
                        // The body is no longer wanted; what is still to come is the answer.
                        return Ok(tokio::time::timeout(patience, sending).await.ok());
                    }
                }
                () = tokio::time::sleep_until(until) => {
                    return if matches!(sent, Sent::Whole(_)) { Ok(None) } else { Err(Failure::SlowBody) };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::io;

    use async_stream::stream;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    /// Sends pieces after these pauses (an empty one breaks it), then waits so long for an answer that comes after `answer`.
    async fn sent(
        pieces: &'static [(u64, &'static str)],
        answer: u64,
        patience: u64,
    ) -> (Result<Option<Result<(), Infallible>>, Failure>, u64) {
        let body = stream! {
            for (pause, piece) in pieces {
                tokio::time::sleep(Duration::from_secs(*pause)).await;
                let bytes = Bytes::from_static(piece.as_bytes());
                yield if bytes.is_empty() { Err(io::Error::other("broke")) } else { Ok(Frame::data(bytes)) };
            }
        };
        let mut upload = Upload::new(StreamBody::new(Box::pin(body)));
        let watch = upload.watch();
        let started = Instant::now();
        let sending = async {
            while let Some(Ok(_)) = upload.frame().await {}
            tokio::time::sleep(Duration::from_secs(answer)).await;
            Ok(())
        };
        (watch.patiently(Duration::from_secs(patience), sending).await, started.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_may_take_longer_than_an_answer_and_the_answer_is_awaited_from_its_end() {
        let slow = sent(&[(50, "a"), (50, "b"), (50, "c")], 9, 10).await;
        assert_eq!(slow, (Ok(Some(Ok(()))), 159));
        assert_eq!(sent(&[(50, "a"), (50, "b")], 11, 10).await, (Ok(None), 110));
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_stops_or_breaks_off_is_told_so() {
        assert_eq!(sent(&[(50, "a"), (61, "b")], 0, 10).await, (Err(Failure::SlowBody), 110));
        assert_eq!(sent(&[(50, "a"), (1, "")], 20, 10).await, (Err(Failure::BrokenBody), 51));
    }
}
