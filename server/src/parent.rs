//! Leave when the parent is gone: an editor that was killed closes no pipe that somebody else still holds open.

use std::sync::OnceLock;

/// Who started us, asked once at the start: later it may be somebody else already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent(#[cfg(unix)] Option<rustix::process::Pid>);

impl Parent {
    /// Our parent now.
    pub fn now() -> Self {
        Self(
            #[cfg(unix)]
            rustix::process::getppid(),
        )
    }
}

/// Returns once our parent, or the process `client` that the editor names later, is gone; looks each second. On Windows the end of
/// stdin is the only sign, so it never returns there.
#[cfg(unix)]
pub async fn gone(parent: Parent, client: &OnceLock<u32>) {
    use rustix::process::{Pid, test_kill_process};
    loop {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let client = client.get().and_then(|id| Pid::from_raw((*id).try_into().ok()?));
        // A process of another user is there, though it may not be signalled.
        let vanished = client.is_some_and(|client| test_kill_process(client) == Err(rustix::io::Errno::SRCH));
        if vanished || Parent::now() != parent {
            return;
        }
    }
}

/// The end of stdin is the only sign here.
#[cfg(not(unix))]
pub async fn gone(_: Parent, _: &OnceLock<u32>) {
    std::future::pending().await
}
