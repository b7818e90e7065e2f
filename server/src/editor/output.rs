//! stdout, and the one task that writes to it. Whoever has something to say hands it over and goes on: a client that does not
//! read keeps nobody waiting, until so much waits for it that it must be gone.

use std::sync::Arc;

use serde::Serialize;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Bytes that wait at most. The largest answer, all records, is about one megabyte.
const MOST: usize = 32 * 1024 * 1024;

/// Where messages are handed over.
#[derive(Clone)]
pub struct Output {
    frames: UnboundedSender<Vec<u8>>,
    /// Bytes that nobody has taken yet.
    waiting: Arc<watch::Sender<usize>>,
}

/// Writes what is handed over. The task ends only when that is of no use any more: stdout is closed, or nobody reads it.
pub fn start(out: impl AsyncWrite + Unpin + Send + 'static) -> (Output, JoinHandle<()>) {
    let (frames, queue) = mpsc::unbounded_channel();
    let waiting = Arc::new(watch::Sender::new(0));
    let writing = tokio::spawn(pump(queue, waiting.clone(), out));
    (Output { frames, waiting }, writing)
}

impl Output {
    /// Hands a message over; it is gone if too much waits already.
    pub fn send(&self, message: &impl Serialize) {
        let body = serde_json::to_vec(message).expect("our own messages are JSON");
        let mut frame = format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes();
        frame.extend_from_slice(&body);
        let fits = |waiting: &mut usize| {
            let fits = *waiting <= MOST;
            *waiting += if fits { frame.len() } else { 0 };
            fits
        };
        if self.waiting.send_if_modified(fits) {
            // The task is gone only when the process is about to be.
            let _ = self.frames.send(frame);
        }
    }

    /// Waits until all that was handed over is written.
    pub async fn drained(&self) {
        // An error means that nobody writes any more.
        let _ = self.waiting.subscribe().wait_for(|waiting| *waiting == 0).await;
    }
}

async fn pump(
    mut queue: UnboundedReceiver<Vec<u8>>,
    waiting: Arc<watch::Sender<usize>>,
    mut out: impl AsyncWrite + Unpin,
) {
    let mut total = waiting.subscribe();
    let writing = async {
        while let Some(frame) = queue.recv().await {
            out.write_all(&frame).await?;
            out.flush().await?;
            waiting.send_modify(|waiting| *waiting -= frame.len());
        }
        std::io::Result::Ok(())
    };
    tokio::select! {
        written = writing => if let Err(error) = written {
            tracing::error!(%error, "stdout cannot be written");
        },
        _ = total.wait_for(|waiting| *waiting > MOST) => tracing::error!("nobody reads stdout"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn messages_come_out_framed_and_in_order() {
        let (out, mut read) = tokio::io::duplex(8);
        let (output, writing) = start(out);
        output.send(&1);
        output.send(&"two");
        let reading = tokio::spawn(async move {
            let mut text = String::new();
            read.read_to_string(&mut text).await.unwrap();
            text
        });
        output.drained().await;
        drop(output);
        writing.await.unwrap();
        assert_eq!(reading.await.unwrap(), "Content-Length: 1\r\n\r\n1Content-Length: 5\r\n\r\n\"two\"");
    }

    #[tokio::test]
    async fn a_reader_that_is_gone_or_asleep_ends_it_and_nobody_waits() {
        let (out, read) = tokio::io::duplex(8);
        drop(read);
        let (output, writing) = start(out);
        output.send(&1);
        writing.await.unwrap();

        let (out, _read) = tokio::io::duplex(8);
        let (output, writing) = start(out);
        let megabyte = "x".repeat(1 << 20);
        for _ in 0..40 {
            output.send(&megabyte);
        }
        writing.await.unwrap();
        assert!(*output.waiting.borrow() < MOST + (2 << 20), "what does not fit is not kept");
    }
}
