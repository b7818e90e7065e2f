//! The ledger's file: loaded when this process becomes the leader, saved every half minute and at the end, by renaming a whole
//! new file over the old one. Only who holds `ledger.lock` writes; who does not keeps the ledger in memory and says so.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aggregator_protocol::{ProblemCode, Role, Severity};

use crate::policy::ledger::LedgerFile;
use crate::shared::{Shared, stopping, wall_clock};

const SAVE_EVERY: Duration = Duration::from_secs(30);
const FILE: &str = "ledger.json";
const LOCK: &str = "ledger.lock";

/// Keeps the ledger while this process leads, until it is asked to end; saves a last time then.
pub async fn run(shared: Arc<Shared>, folder: PathBuf) {
    let mut role = shared.watch_role();
    let mut stop = shared.watch_stop();
    let mut ledger: Option<Ledger> = None;
    loop {
        let leads = matches!(*role.borrow_and_update(), Role::Leader { .. });
        if leads && ledger.is_none() {
            ledger = open(&shared, &folder);
        }
        tokio::select! {
            _ = role.changed() => {}
            () = tokio::time::sleep(SAVE_EVERY) => {
                if let Some(ledger) = &mut ledger {
                    ledger.save(&shared);
                }
            }
            () = stopping(&mut stop) => break,
        }
    }
    if let Some(mut ledger) = ledger {
        ledger.save(&shared);
    }
}

fn open(shared: &Shared, folder: &Path) -> Option<Ledger> {
    match Ledger::open(folder) {
        Ok(Some((ledger, file))) => {
            shared.clear(ProblemCode::LedgerBusy);
            shared.load_ledger(file, wall_clock());
            Some(ledger)
        }
        Ok(None) => {
            shared.raise(ProblemCode::LedgerBusy, None, Severity::Warning);
            None
        }
        Err(error) => {
            tracing::warn!(%error, "the ledger cannot be kept on disk");
            shared.raise(ProblemCode::LedgerBusy, None, Severity::Warning);
            None
        }
    }
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
        let read = match fs::read(&file) {
            Ok(bytes) => match LedgerFile::decode(&bytes) {
                Some(read) => read,
                None => {
                    let aside = file.with_extension("json.bad");
                    tracing::warn!(aside = %aside.display(), "the ledger cannot be read; a new one begins");
                    fs::rename(&file, aside)?;
                    fresh()
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => fresh(),
            Err(error) => return Err(error),
        };
        Ok(Some((Self { file, _lock: lock, written: Vec::new() }, read)))
    }

    fn save(&mut self, shared: &Shared) {
        let Some(bytes) = shared.ledger(wall_clock()).map(LedgerFile::encode) else { return };
        if bytes == self.written {
            return;
        }
        match replace(&self.file, &bytes) {
            Ok(()) => self.written = bytes,
            Err(error) => tracing::warn!(%error, "the ledger could not be saved"),
        }
    }
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
