//! Lines on their way to stderr. Whoever logs never waits: lines go into a bounded heap, and a thread of their own writes what
//! has gathered in one go. To wake it for every line would cost a request more than all the rest of its line.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes that wait at most: some thousand lines.
const MOST: usize = 1024 * 1024;
/// From the first line that waits to the writing.
const GATHER: Duration = Duration::from_millis(10);

/// The heap.
#[derive(Clone)]
pub struct Lines(Arc<Heap>);

struct Heap {
    waiting: Mutex<Waiting>,
    /// Something waits.
    news: Condvar,
    /// Nobody wants to wait for more.
    hurry: Condvar,
    /// Everything is written.
    idle: Condvar,
}

#[derive(Default)]
struct Waiting {
    text: Vec<u8>,
    dropped: usize,
    /// What is being written now is no longer here.
    writing: bool,
    hurries: bool,
}

impl Lines {
    /// Nothing waits.
    pub fn new() -> Self {
        let (news, hurry, idle) = (Condvar::new(), Condvar::new(), Condvar::new());
        Self(Arc::new(Heap { waiting: Mutex::default(), news, hurry, idle }))
    }

    /// Adds a line; one that does not fit is dropped and counted.
    pub fn push(&self, line: &[u8]) {
        let mut waiting = self.waiting();
        if waiting.text.len() + line.len() > MOST {
            waiting.dropped += 1;
            return;
        }
        let first = waiting.text.is_empty();
        waiting.text.extend_from_slice(line);
        drop(waiting);
        if first {
            self.0.news.notify_one();
        }
    }

    /// Writes what comes for as long as there is somebody to read it.
    pub fn write_to(&self, out: &mut impl Write) {
        let mut written = Vec::new();
        loop {
            let nothing = |waiting: &mut Waiting| waiting.text.is_empty();
            let waiting =
                self.0.news.wait_while(self.waiting(), nothing).unwrap_or_else(PoisonError::into_inner);
            let calm = |waiting: &mut Waiting| !waiting.hurries;
            let gathered = self.0.hurry.wait_timeout_while(waiting, GATHER, calm);
            let (mut waiting, _) = gathered.unwrap_or_else(PoisonError::into_inner);
            // The room of the former lines is used again.
            std::mem::swap(&mut waiting.text, &mut written);
            let missing = std::mem::take(&mut waiting.dropped);
            waiting.writing = true;
            drop(waiting);
            if missing > 0 {
                let told = format!(" WARN lines were dropped because nobody read them count={missing}\n");
                written.extend_from_slice(told.as_bytes());
            }
            let good = out.write_all(&written).is_ok();
            written.clear();
            self.waiting().writing = false;
            self.0.idle.notify_all();
            if !good {
                return;
            }
        }
    }

    /// Waits until everything is written, but not longer than this.
    pub fn finish(&self, patience: Duration) {
        let mut waiting = self.waiting();
        waiting.hurries = true;
        self.0.hurry.notify_one();
        let busy = |waiting: &mut Waiting| waiting.writing || !waiting.text.is_empty();
        // Whether it was in time or not: it is the end.
        let _ = self.0.idle.wait_timeout_while(waiting, patience, busy);
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    struct Sent(Sender<Vec<u8>>);

    impl Write for Sent {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(lines: &Lines) -> Receiver<Vec<u8>> {
        let (out, written) = channel();
        let lines = lines.clone();
        std::thread::spawn(move || lines.write_to(&mut Sent(out)));
        written
    }

    #[test]
    fn what_gathers_is_written_in_one_go_and_at_the_end_nothing_is_waited_for() {
        let lines = Lines::new();
        (0..1_000).for_each(|_| lines.push(b"line\n"));
        let written = written(&lines);
        lines.finish(Duration::from_secs(20));
        let pieces: Vec<Vec<u8>> = written.try_iter().collect();
        assert_eq!((pieces.len(), pieces.concat().len()), (1, 5_000));
        lines.push(b"another\n");
        assert_eq!(written.recv().unwrap(), b"another\n");
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let lines = Lines::new();
        let long = vec![b'x'; MOST / 2];
        (0..4).for_each(|_| lines.push(&long));
        let written = written(&lines);
        let text = written.recv().unwrap();
        assert_eq!(text[..MOST], vec![b'x'; MOST]);
        assert_eq!(text[MOST..], *b" WARN lines were dropped because nobody read them count=2\n");
    }

    #[test]
    fn nobody_waits_for_a_reader_that_does_not_read() {
        let lines = Lines::new();
        lines.push(b"line\n");
        lines.finish(Duration::from_millis(20));
        drop(written(&lines));
        lines.push(b"line\n");
    }
}
