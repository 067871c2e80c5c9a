//! Snapshots: files in one folder, each a stream as a migration has it.
//!
//! `TAG.emusnap` in the folder of `-snapshot-dir`, without it in the one that the program was
//! started in. A snapshot is written beside its place and put there when it is complete, so that
//! a file of that name is always a whole one. Not here: what is in the stream.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use migration::transport::Uri;

/// What names of snapshot files end in.
const SUFFIX: &str = ".emusnap";

/// Bytes of a tag at most.
const TAG_LIMIT: usize = 200;

/// A snapshot cannot be saved, loaded or deleted. Reads as one sentence.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// No file can be called so.
    #[error(
        "Snapshot '{0}': a tag consists of letters, digits and ' ._+-=:@', begins with a letter \
         or digit and has at most 200 bytes"
    )]
    Tag(String),
    /// There is one, and it is not to be replaced.
    #[error("Snapshot '{0}' already exists")]
    Exists(String),
    /// There is none.
    #[error("Snapshot '{0}' does not exist")]
    Missing(String),
    /// A file or the folder cannot be used.
    #[error("{}: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It could not be written or read.
    #[error("Snapshot '{tag}': {why}")]
    Failed {
        /// Which.
        tag: String,
        /// Why.
        why: String,
    },
}

/// A snapshot that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its tag.
    pub tag: String,
    /// Bytes of its file.
    pub bytes: u64,
    /// When it was saved.
    pub date: SystemTime,
}

/// The folder with all snapshots.
#[derive(Debug)]
pub struct Snapshots {
    folder: PathBuf,
}

impl Snapshots {
    /// Snapshots in `folder`, which need not be there yet.
    pub fn new(folder: &Path) -> Self {
        Self {
            // -daemonize leaves the folder.
            folder: std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()),
        }
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file of a tag, whether it is there or not.
    ///
    /// # Errors
    /// [`SnapshotError::Tag`].
    pub(super) fn path(&self, tag: &str) -> Result<PathBuf, SnapshotError> {
        let good = tag.len() <= TAG_LIMIT
            && tag.starts_with(|c: char| c.is_ascii_alphanumeric())
            && tag
                .chars()
                .all(|c| c.is_alphanumeric() || " ._+-=:@".contains(c));
        if good {
            Ok(self.folder.join(format!("{tag}{SUFFIX}")))
        } else {
            Err(SnapshotError::Tag(tag.to_owned()))
        }
    }

    /// The file of a tag that is there.
    ///
    /// # Errors
    /// [`SnapshotError::Tag`], [`SnapshotError::Missing`].
    pub(super) fn existing(&self, tag: &str) -> Result<PathBuf, SnapshotError> {
        let path = self.path(tag)?;
        if path.is_file() {
            Ok(path)
        } else {
            Err(SnapshotError::Missing(tag.to_owned()))
        }
    }

    /// The address of a snapshot that is there.
    ///
    /// # Errors
    /// [`SnapshotError::Tag`], [`SnapshotError::Missing`].
    pub(super) fn uri(&self, tag: &str) -> Result<Uri, SnapshotError> {
        Ok(Uri::File {
            path: self.existing(tag)?,
            offset: 0,
        })
    }

    /// Where a snapshot of this tag is written before it is complete.
    ///
    /// # Errors
    /// [`SnapshotError::Tag`]; [`SnapshotError::Exists`] unless one may be replaced.
    pub(super) fn draft(&self, tag: &str, replace: bool) -> Result<Draft, SnapshotError> {
        let path = self.path(tag)?;
        if !replace && path.exists() {
            return Err(SnapshotError::Exists(tag.to_owned()));
        }
        let draft = self
            .folder
            .join(format!(".{tag}.{}{SUFFIX}.part", std::process::id()));
        Ok(Draft {
            at: draft,
            path,
            done: false,
        })
    }

    /// Deletes a snapshot.
    ///
    /// # Errors
    /// [`SnapshotError::Missing`], [`SnapshotError::Tag`], [`SnapshotError::File`].
    pub fn delete(&self, tag: &str) -> Result<(), SnapshotError> {
        let path = self.existing(tag)?;
        std::fs::remove_file(&path).map_err(|source| SnapshotError::File { path, source })
    }

    /// Every snapshot, by tag.
    ///
    /// # Errors
    /// [`SnapshotError::File`]: the folder cannot be read. One that is not there has none.
    pub fn list(&self) -> Result<Vec<Snapshot>, SnapshotError> {
        let fail = |source| SnapshotError::File {
            path: self.folder.clone(),
            source,
        };
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(fail(e)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name();
            let Some(tag) = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)) else {
                continue;
            };
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if metadata.is_file() && self.path(tag).is_ok() {
                found.push(Snapshot {
                    tag: tag.to_owned(),
                    bytes: metadata.len(),
                    date: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
                });
            }
        }
        found.sort_by(|a, b| a.tag.cmp(&b.tag));
        Ok(found)
    }
}

/// A snapshot that is being written. Dropped before it is complete, it leaves nothing behind.
#[derive(Debug)]
pub(super) struct Draft {
    at: PathBuf,
    path: PathBuf,
    done: bool,
}

impl Draft {
    /// Where to write it.
    pub(super) fn at(&self) -> &Path {
        &self.at
    }

    /// It is complete, and on the disk: puts it in its place.
    pub(super) fn complete(mut self) -> Result<(), SnapshotError> {
        let fail = |source| SnapshotError::File {
            path: self.path.clone(),
            source,
        };
        std::fs::rename(&self.at, &self.path).map_err(fail)?;
        if let Some(folder) = self.path.parent() {
            // The new name is on the disk only when the folder is.
            File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(fail)?;
        }
        self.done = true;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.done {
            // It may not have been begun.
            let _ = std::fs::remove_file(&self.at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_there_when_it_is_complete_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::new(folder.path());
        let draft = snapshots.draft("a b", false).unwrap();
        std::fs::write(draft.at(), "half").unwrap();
        assert!(snapshots.list().unwrap().is_empty());
        drop(draft);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

        let draft = snapshots.draft("a b", false).unwrap();
        std::fs::write(draft.at(), "whole").unwrap();
        draft.complete().unwrap();
        let list = snapshots.list().unwrap();
        assert_eq!((list[0].tag.as_str(), list[0].bytes), ("a b", 5));
        assert!(matches!(
            snapshots.draft("a b", false),
            Err(SnapshotError::Exists(_))
        ));
        snapshots.draft("a b", true).unwrap();
        snapshots.delete("a b").unwrap();
        assert!(matches!(
            snapshots.delete("a b"),
            Err(SnapshotError::Missing(_))
        ));
    }

    #[test]
    fn no_tag_leaves_the_folder() {
        let snapshots = Snapshots::new(Path::new("/nowhere"));
        for tag in ["", "../a", "a/b", ".a", "a\nb", "-a", &"x".repeat(201)] {
            assert!(
                matches!(snapshots.path(tag), Err(SnapshotError::Tag(_))),
                "{tag:?}"
            );
        }
        assert!(snapshots.list().unwrap().is_empty());
    }
}
