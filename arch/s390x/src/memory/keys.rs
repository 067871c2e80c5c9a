//! Storage keys: one for each 4 KiB of absolute storage (Principles of Operation, chapter 3,
//! "Storage Key").
//!
//! Holds access-control bits, fetch protection, reference and change. Accesses set reference
//! and change. Not here: what an access key may do ([`super::protection`]), and that translations
//! remember keys.

use std::sync::atomic::{AtomicU8, Ordering};

use tcg::mem::PAGE_SIZE;

/// Access-control bits and fetch protection.
pub const PROTECTION: u8 = 0xf8;
/// Reference bit.
pub const REFERENCE: u8 = 0x04;
/// Change bit.
pub const CHANGE: u8 = 0x02;
/// All bits of a key: access control, fetch protection, reference, change.
pub const ALL: u8 = 0xfe;

/// The storage keys of a machine.
#[derive(Debug)]
pub struct StorageKeys(Vec<AtomicU8>);

impl StorageKeys {
    /// Zero keys for this much storage.
    pub fn new(ram_bytes: u64) -> Self {
        Self(
            (0..ram_bytes.div_ceil(PAGE_SIZE))
                .map(|_| AtomicU8::new(0))
                .collect(),
        )
    }

    fn key(&self, absolute: u64) -> Option<&AtomicU8> {
        usize::try_from(absolute / PAGE_SIZE)
            .ok()
            .and_then(|page| self.0.get(page))
    }

    /// The key of the page with this absolute address; none outside storage.
    pub fn get(&self, absolute: u64) -> Option<u8> {
        self.key(absolute).map(|key| key.load(Ordering::Acquire))
    }

    /// Changes a key: `new` makes the new one of the old one, or nothing to leave it. The old key
    /// and the one there is now, none outside storage.
    pub fn update(&self, absolute: u64, new: impl Fn(u8) -> Option<u8>) -> Option<(u8, u8)> {
        let key = self.key(absolute)?;
        let set = |old: u8| new(old).map(|new| new & ALL);
        Some(
            match key.fetch_update(Ordering::AcqRel, Ordering::Acquire, set) {
                Ok(old) => (old, set(old).unwrap_or(old)),
                Err(old) => (old, old),
            },
        )
    }

    /// An access: sets reference, and change for a store. Whether change is set now.
    pub fn touch(&self, absolute: u64, store: bool) -> bool {
        let Some(key) = self.key(absolute) else {
            return false;
        };
        let bits = if store { REFERENCE | CHANGE } else { REFERENCE };
        let old = key.load(Ordering::Relaxed);
        if old & bits != bits {
            key.fetch_or(bits, Ordering::AcqRel);
        }
        store || old & CHANGE != 0
    }

    /// All keys zero, as clearing storage leaves them.
    pub fn clear(&self) {
        for key in &self.0 {
            key.store(0, Ordering::Relaxed);
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The keys of at most `count` pages from page `first` on, in order, for saving.
    pub fn saved(&self, first: usize, count: usize) -> Vec<u8> {
        let keys = self.0.iter().skip(first).take(count);
        keys.map(|key| key.load(Ordering::Acquire)).collect()
    }

    /// Takes over saved keys from page `first` on; false, and nothing changed, if there are not
    /// so many pages.
    pub fn restore(&self, first: usize, saved: &[u8]) -> bool {
        let Some(keys) = self.0.get(first..).filter(|keys| keys.len() >= saved.len()) else {
            return false;
        };
        for (key, &value) in keys.iter().zip(saved) {
            key.store(value & ALL, Ordering::Relaxed);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accesses_set_reference_and_change() {
        let keys = StorageKeys::new(2 * PAGE_SIZE);
        assert!(!keys.touch(0x1234, false));
        assert_eq!(keys.get(0x1000), Some(REFERENCE));
        assert!(keys.touch(0x1234, true));
        assert!(keys.touch(0x1fff, false));
        assert_eq!(keys.get(0x1000), Some(REFERENCE | CHANGE));
        assert_eq!(keys.get(0), Some(0));
        assert_eq!(keys.get(2 * PAGE_SIZE), None);
    }

    #[test]
    fn an_update_may_leave_the_key() {
        let keys = StorageKeys::new(PAGE_SIZE);
        assert_eq!(keys.update(0, |_| Some(0xff)), Some((0, 0xfe)));
        assert_eq!(keys.update(0, |_| None), Some((0xfe, 0xfe)));
        assert_eq!(
            keys.update(0, |old| Some(old & !REFERENCE)),
            Some((0xfe, 0xfa))
        );
        assert_eq!(keys.get(0), Some(0xfa));
        assert_eq!(keys.update(PAGE_SIZE, |_| Some(0)), None);
    }
}
