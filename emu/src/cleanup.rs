//! What must not be left behind, on whichever way the program ends.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::terminal;

/// A file of ours: removed only while it is still the same one.
struct OwnFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

static FILES: Mutex<Vec<OwnFile>> = Mutex::new(Vec::new());

/// Removes `path`, which exists, at the end of the program.
pub fn unlink_at_exit(path: &Path) {
    // A path relative to a folder that is left behind (-daemonize) must still be found.
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if let Ok(found) = std::fs::symlink_metadata(&path) {
        let file = OwnFile {
            path,
            device: found.dev(),
            inode: found.ino(),
        };
        FILES
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(file);
    }
}

/// Restores the terminal and removes what was made. May be called more than once.
pub fn run() {
    terminal::restore();
    let files = std::mem::take(&mut *FILES.lock().unwrap_or_else(PoisonError::into_inner));
    for file in files {
        let same = std::fs::symlink_metadata(&file.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == (file.device, file.inode));
        if same {
            // Nothing sensible can be done about a failure at the very end.
            let _ = std::fs::remove_file(&file.path);
        }
    }
}
