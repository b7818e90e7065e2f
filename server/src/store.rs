//! The ledger's file: loaded when this process becomes the leader, saved every half minute, soon after what must outlive a crash,
//! and when it leads no more, by renaming a whole new file over the old one. Only who holds `ledger.lock` writes; who does not
//! keeps the ledger in memory, and after a while says so. No disk is touched on a worker of the runtime.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aggregator_protocol::{ProblemCode, Role, Severity};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::listen::Ending;
use crate::policy::ledger::LedgerFile;
use crate::policy::pool::{Effect, News};
use crate::policy::{MINUTE, Ms};
use crate::shared::{Shared, stopping, wall_clock};

const SAVE_EVERY: Duration = Duration::from_secs(30);
/// What must outlive a crash waits so long for more of its kind.
const SOON: Duration = Duration::from_millis(250);
/// Between two tries to get the lock while this process leads.
const TRY_AGAIN: Duration = Duration::from_millis(150);
/// Who led before may drain and save for so long; afterwards a lock that is held is a problem, and asked for less often.
const HANDING_OVER: Duration = Duration::from_secs(3);
/// Between two tries then.
const TRY_LATER: Duration = Duration::from_secs(2);
/// Requests wait no longer for a disk.
const LOADING: Duration = Duration::from_millis(500);
/// A shorter rest may be lost in a crash.
const SHORT_REST: Ms = 5 * MINUTE;
const FILE: &str = "ledger.json";
const LOCK: &str = "ledger.lock";

/// What the task that keeps the ledger and the rest of the process tell each other.
pub struct Keeper {
    soon: Notify,
    /// Nothing is kept, or what was kept is known.
    loaded: watch::Sender<bool>,
}

impl Default for Keeper {
    fn default() -> Self {
        Self { soon: Notify::new(), loaded: watch::Sender::new(true) }
    }
}

impl Keeper {
    /// An attempt had this effect; saves soon if that must outlive a crash: a long rest, or that a key is out or is not.
    pub fn hears(&self, effect: &Effect, now: Ms) {
        let long = effect.until.is_some_and(|until| until > now + SHORT_REST);
        let out = |news: &News| matches!(news, News::KeyOut { .. } | News::AllKeysInvalid);
        if long || effect.news.iter().any(out) {
            self.save_soon();
        }
    }

    /// Saves soon.
    pub fn save_soon(&self) {
        self.soon.notify_one();
    }

    /// Waits until what was kept is known, or the disk is too slow for that.
    pub async fn loaded(&self) {
        let mut loaded = self.loaded.subscribe();
        if tokio::time::timeout(LOADING, loaded.wait_for(|loaded| *loaded)).await.is_err() {
            tracing::warn!("the ledger is slow to load; requests do not wait for it");
        }
    }
}

/// Keeps the ledger whenever this process leads, until it is asked to end and has drained. From the call on, and not only once
/// it is polled, no leader serves before the ledger is known.
pub fn run(shared: Arc<Shared>, folder: PathBuf) -> impl Future<Output = ()> + Send {
    shared.keeper.loaded.send_replace(false);
    keep(shared, folder)
}

async fn keep(shared: Arc<Shared>, folder: PathBuf) {
    let mut role = shared.watch_role();
    let mut stop = shared.watch_stop();
    let mut held: Option<Ledger> = None;
    let mut busy = None;
    while stop.borrow().is_none() {
        let leads = matches!(*role.borrow_and_update(), Role::Leader { .. });
        if !leads {
            shared.keeper.loaded.send_replace(false);
            busy = None;
            shared.clear(ProblemCode::LedgerBusy);
            if let Some(mut ledger) = held.take()
                && ledger.save(&shared).await
            {
                // Whoever leads next counts on; what is in the file would be added to what is still known here.
                shared.forget();
            }
        } else if held.is_none() {
            held = open(&shared, &folder, &mut busy).await;
            shared.keeper.loaded.send_replace(true);
        }
        let pause = match busy.map(|since: Instant| since.elapsed() > HANDING_OVER) {
            None => SAVE_EVERY,
            Some(false) => TRY_AGAIN,
            Some(true) => TRY_LATER,
        };
        tokio::select! {
            _ = role.changed() => continue,
            () = tokio::time::sleep(pause) => {}
            () = shared.keeper.soon.notified() => {
                tokio::select! {
                    () = tokio::time::sleep(SOON) => {}
                    () = stopping(&mut stop) => {}
                }
            }
            () = stopping(&mut stop) => {}
        }
        if let Some(ledger) = &mut held {
            ledger.save(&shared).await;
        }
    }
    let Some(mut ledger) = held else { return };
    // An error means that nobody listens who could say so.
    let _ = shared.ending.subscribe().wait_for(|ending| *ending == Ending::Drained).await;
    ledger.save(&shared).await;
}

/// Loads the ledger if nobody else keeps it. If somebody does, what must not be tried again is taken over from the file all the
/// same, once. `busy`: since when that is so.
async fn open(shared: &Shared, folder: &Path, busy: &mut Option<Instant>) -> Option<Ledger> {
    let (path, first) = (folder.to_owned(), busy.is_none());
    let since = *busy.get_or_insert_with(Instant::now);
    let opened = tokio::task::spawn_blocking(move || match Ledger::open(&path)? {
        Some((ledger, file)) => Ok((Some(ledger), Some(file))),
        None => Ok((None, if first { read(&path)?.map(without_counts) } else { None })),
    });
    let (ledger, file) = match opened.await.unwrap_or_else(|broken| Err(io::Error::other(broken))) {
        Ok(opened) => opened,
        Err(error) => {
            if first {
                tracing::warn!(%error, "the ledger cannot be kept on disk");
            }
            shared.raise(ProblemCode::LedgerBusy, None, Severity::Warning);
            return None;
        }
    };
    if let Some(file) = file {
        shared.load_ledger(file, wall_clock());
    }
    if ledger.is_some() {
        *busy = None;
        shared.clear(ProblemCode::LedgerBusy);
    } else if since.elapsed() > HANDING_OVER {
        shared.raise(ProblemCode::LedgerBusy, None, Severity::Warning);
    }
    ledger
}

/// The file, while this process may write it.
struct Ledger {
    file: PathBuf,
    /// Locked for as long as it lives.
    _lock: File,
    written: Vec<u8>,
}

impl Ledger {
    /// `None` if another process holds the lock.
    fn open(folder: &Path) -> io::Result<Option<(Self, LedgerFile)>> {
        fs::create_dir_all(folder)?;
        let lock = private().create(true).truncate(false).open(folder.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Ok(None),
            Err(fs::TryLockError::Error(error)) => return Err(error),
        }
        let file = folder.join(FILE);
        let known = match read(folder)? {
            Some(known) => known,
            None => {
                if file.exists() {
                    let aside = file.with_extension("json.bad");
                    tracing::warn!(aside = %aside.display(), "the ledger cannot be read; a new one begins");
                    fs::rename(&file, aside)?;
                }
                fresh()
            }
        };
        Ok(Some((Self { file, _lock: lock, written: Vec::new() }, known)))
    }

    /// Writes what has changed; whether all is written now.
    async fn save(&mut self, shared: &Shared) -> bool {
        let Some(ledger) = shared.ledger(wall_clock()) else { return true };
        let (file, written) = (self.file.clone(), std::mem::take(&mut self.written));
        let writing = tokio::task::spawn_blocking(move || {
            let bytes = ledger.encode();
            if bytes != written {
                replace(&file, &bytes)?;
            }
            Ok(bytes)
        });
        match writing.await.unwrap_or_else(|broken| Err(io::Error::other(broken))) {
            Ok(written) => self.written = written,
            Err(error) => {
                tracing::warn!(%error, "the ledger could not be saved");
                return false;
            }
        }
        true
    }
}

/// What the file holds; `None` if there is none, or it is none of ours.
fn read(folder: &Path) -> io::Result<Option<LedgerFile>> {
    match fs::read(folder.join(FILE)) {
        Ok(bytes) => Ok(LedgerFile::decode(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is counted there will be read again with the lock; it must not be added twice.
fn without_counts(mut file: LedgerFile) -> LedgerFile {
    for row in file.keys.iter_mut().flat_map(|key| &mut key.models) {
        (row.requests, row.errors, row.tokens) = (0, 0, 0);
    }
    file
}

/// Salt from two random states of the standard library: it need not be secret, only different from file to file.
fn fresh() -> LedgerFile {
    use std::hash::{BuildHasher, RandomState};
    let salt =
        [RandomState::new().hash_one(0), RandomState::new().hash_one(1)].map(u64::to_le_bytes).concat();
    LedgerFile::new(&salt)
}

/// Whole or not at all.
fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = file.with_extension("json.new");
    let mut out = private().create(true).truncate(true).open(&new)?;
    out.write_all(bytes)?;
    out.sync_all()?;
    fs::rename(new, file)
}

/// For the owner's eyes only.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("aggregator-store-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn only_one_process_at_a_time_writes() {
        let folder = folder("lock");
        let (first, _) = Ledger::open(&folder).unwrap().unwrap();
        assert!(Ledger::open(&folder).unwrap().is_none());
        drop(first);
        assert!(Ledger::open(&folder).unwrap().is_some());
    }

    #[test]
    fn what_was_written_is_read_again_and_others_cannot_read_it() {
        let folder = folder("write");
        let (ledger, file) = Ledger::open(&folder).unwrap().unwrap();
        replace(&ledger.file, &file.clone().encode()).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&ledger.file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        drop(ledger);
        assert_eq!(Ledger::open(&folder).unwrap().unwrap().1, file);
    }

    #[test]
    fn a_ledger_that_cannot_be_read_is_kept_aside() {
        let folder = folder("bad");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(FILE), b"{ broken").unwrap();
        assert!(Ledger::open(&folder).unwrap().is_some());
        assert_eq!(fs::read(folder.join("ledger.json.bad")).unwrap(), b"{ broken");
    }
}
