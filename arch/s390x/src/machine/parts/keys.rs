//! Storage keys, for 4 GiB of storage in each part.

use migration::part::{load, save, unsuitable};
use migration::{Part, PartError};
use serde::{Deserialize, Serialize};

use crate::machine::Shared;

/// Keys in one part: a section stays small however much storage there is.
const PART: usize = 1 << 20;

/// Bytes of a run in the payload.
const RUN_BYTES: usize = 5;

/// The storage keys of one stretch of storage.
pub struct KeysPart<'a> {
    shared: &'a Shared,
    number: u32,
}

#[derive(Serialize, Deserialize)]
struct SavedKeys {
    /// How many there are.
    count: u32,
    keys: Keys,
}

#[derive(Serialize, Deserialize)]
enum Keys {
    /// How many neighbouring pages have the same key, and the key.
    Runs(Vec<(u32, u8)>),
    /// One by one: where runs would take more.
    Each(Vec<u8>),
}

impl Keys {
    fn of(keys: &[u8]) -> Self {
        let runs: Vec<_> = keys
            .chunk_by(|a, b| a == b)
            .map(|run| (run.len() as u32, run[0]))
            .collect();
        if runs.len() * RUN_BYTES < keys.len() {
            Self::Runs(runs)
        } else {
            Self::Each(keys.to_vec())
        }
    }

    /// So many keys, unless there are others; takes no more memory than they.
    fn expand(self, count: usize) -> Option<Vec<u8>> {
        let keys = match self {
            Self::Each(keys) => keys,
            Self::Runs(runs) => {
                let mut keys = Vec::with_capacity(count);
                for (length, key) in runs {
                    let end = keys.len() + length as usize;
                    if end > count {
                        return None;
                    }
                    keys.resize(end, key);
                }
                keys
            }
        };
        (keys.len() == count).then_some(keys)
    }
}

impl<'a> KeysPart<'a> {
    /// The parts of all storage.
    pub fn all(shared: &'a Shared) -> impl Iterator<Item = Self> {
        let parts = shared.keys.count().div_ceil(PART) as u32;
        (0..parts).map(move |number| Self { shared, number })
    }

    fn first(&self) -> usize {
        self.number as usize * PART
    }

    fn here(&self) -> Vec<u8> {
        self.shared.keys.saved(self.first(), PART)
    }
}

impl Part for KeysPart<'_> {
    fn name(&self) -> &'static str {
        "s390x-keys"
    }

    fn instance(&self) -> u32 {
        self.number
    }

    fn version(&self) -> u32 {
        1
    }

    fn max_bytes(&self) -> usize {
        PART + 64
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        let keys = self.here();
        let saved = SavedKeys {
            count: keys.len() as u32,
            keys: Keys::of(&keys),
        };
        save(self, &saved)
    }

    fn load(&mut self, version: u32, payload: &[u8]) -> Result<(), PartError> {
        let saved: SavedKeys = load(self, version, payload)?;
        let here = self.here().len();
        if saved.count as usize != here {
            let why = format!("{} keys are saved, {here} pages are here", saved.count);
            return Err(unsuitable(self, why));
        }
        match saved.keys.expand(here) {
            Some(keys) if self.shared.keys.restore(self.first(), &keys) => Ok(()),
            _ => {
                let why = format!("the keys are not {here}, as they say");
                Err(unsuitable(self, why))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_and_take_little_room() {
        let mut keys = vec![0; 1000];
        keys[300..700].fill(0x16);
        let (runs, each) = (Keys::of(&keys), Keys::of(&[2, 4, 6, 8]));
        assert!(matches!(&runs, Keys::Runs(runs) if runs.len() == 3));
        assert!(matches!(&each, Keys::Each(_)));
        assert_eq!(runs.expand(1000), Some(keys));
        assert_eq!(each.expand(4), Some(vec![2, 4, 6, 8]));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(Keys::Runs(vec![(u32::MAX, 0); 5]).expand(10), None);
        assert_eq!(Keys::Runs(vec![(9, 0)]).expand(10), None);
        assert_eq!(Keys::Each(vec![0; 11]).expand(10), None);
    }
}
