//! What all child processes need: a private folder, a first line, an end.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, ensure};

/// For a child to say its first line.
const PATIENCE: Duration = Duration::from_secs(10);

/// A folder that nobody else can look into; gone when dropped.
pub struct Folder(PathBuf);

impl Folder {
    /// A new one.
    pub fn new() -> anyhow::Result<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("gemini-aggregator-bench-{}-{count}", std::process::id()));
        std::fs::create_dir(&path).context("no private folder")?;
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file that nobody else can read.
    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let file = self.0.join(name);
        std::fs::write(&file, text)?;
        #[cfg(unix)]
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        Ok(file)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The program, ended by the kernel if this process is killed before it can do so (where `setpriv` is there).
pub fn bound_to_us(program: &Path) -> Command {
    static SETPRIV: std::sync::LazyLock<bool> =
        std::sync::LazyLock::new(|| Command::new("setpriv").arg("--version").output().is_ok());
    if !*SETPRIV {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM"]).arg(program);
    command
}

/// The first line on a child's stdout, which must be a pipe.
pub fn first_line(child: &mut Child) -> anyhow::Result<String> {
    let out = child.stdout.take().context("stdout is no pipe")?;
    let (sender, receiver) = mpsc::channel();
    // A child that says nothing would be waited for; its end ends the thread.
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = BufReader::new(out).read_line(&mut line);
        let _ = sender.send(line);
    });
    let line = receiver.recv_timeout(PATIENCE).context("it says nothing")?;
    ensure!(!line.is_empty(), "it ended at once");
    Ok(line)
}
