//! A folder of the demo's own for the ledger, gone at the end.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Readable by its owner alone.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes it.
    pub fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("gemini-aggregator-demo-{:016x}", random()));
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What lies in it.
    pub fn files(&self) -> anyhow::Result<Vec<Vec<u8>>> {
        let entries = std::fs::read_dir(&self.0).context("cannot look into the ledger's folder")?;
        entries.map(|entry| Ok(std::fs::read(entry?.path())?)).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left lies in the system's own folder for such things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Another number each time, from the randomness that hash maps use.
pub fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_all_that_lies_in_it() {
        let folder = Folder::new().unwrap();
        std::fs::write(folder.path().join("ledger"), "x").unwrap();
        assert_eq!(folder.files().unwrap(), [b"x"]);
        let path = folder.path().to_owned();
        assert_ne!(Folder::new().unwrap().path(), path);
        drop(folder);
        assert!(!path.exists());
    }
}
