//! Where the guests are: images that are checked in, and Debian's kernel in the cache.

use std::path::{Path, PathBuf};

/// The top of the checkout.
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A bare-metal guest's image by its name.
pub fn image(name: &str) -> PathBuf {
    top().join("tests/guests/images").join(name)
}

/// A bare-metal x86 guest's image by its name.
pub fn x86_image(name: &str) -> PathBuf {
    top().join("tests/guests/x86/images").join(name)
}

/// Debian's kernel and the initramfs, where `tests/scripts/get-debian-guest` puts them.
pub struct Debian {
    /// The boot image as Debian ships it.
    pub kernel: PathBuf,
    /// The initramfs with busybox.
    pub initrd: PathBuf,
}

impl Debian {
    /// The cached guest, or why there is none.
    ///
    /// # Errors
    /// A sentence that names the script which gets it.
    pub fn find() -> Result<Self, String> {
        let cache =
            std::env::var_os("EMU_CACHE").map_or_else(|| top().join("cache"), PathBuf::from);
        let folder = cache.join("debian-s390x");
        let found = Self {
            kernel: folder.join("vmlinuz"),
            initrd: folder.join("initramfs.cpio.gz"),
        };
        if found.kernel.is_file() && found.initrd.is_file() {
            Ok(found)
        } else {
            Err(
                "Debian's s390x kernel is not in the cache: tests/scripts/get-debian-guest gets it"
                    .into(),
            )
        }
    }
}
