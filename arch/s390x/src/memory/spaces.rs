//! Tags of address spaces: what keeps TLB entries of different spaces apart, so that switching
//! between spaces needs no purge.
//!
//! A tag stands for everything that a remembered translation depends on beside the tables: the
//! address-space-control element, the access key with its overrides, and the controls that change
//! what tables and addresses mean. What is the same for all spaces of a CPU, the
//! prefix, is purged for when it changes. Tags are per CPU, as its TLB is.

use std::collections::HashMap;

use super::Space;
use super::dat::{Asce, Enhanced};
use super::protection::AccessKey;

/// Tags are below this ([`tcg::Guest::space_tag`]).
const TAGS: u16 = 1 << 11;

/// The tag of accesses that name no space at all: nothing is ever remembered under it.
pub const NO_SPACE: u16 = 0;

/// What a tag stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// The control element's bits that matter; 0 for real addresses.
    asce: u64,
    attributes: u16,
}

/// Bits of the control element that matter: origin, private, real-space, type and length.
const ASCE_BITS: u64 = !0xfff | 0x12f;
/// Above the access key's bits: what else an access depends on.
const REAL: u16 = 1 << 6;
const LOW_PROTECTION: u16 = 1 << 7;
const FETCH_ONLY: u16 = 1 << 8;
/// Two bits of [`Enhanced`].
const ENHANCED_SHIFT: u32 = 9;
const WATCHED: u16 = 1 << 11;

impl Key {
    /// The same while stores are monitored ([`crate::cpu::per`]).
    #[must_use]
    pub fn watched(self) -> Self {
        Self {
            attributes: self.attributes | WATCHED,
            ..self
        }
    }

    /// What accesses under `key` to a space depend on; `low_protection` where low-address
    /// protection applies.
    pub fn new(space: Space, key: AccessKey, low_protection: bool, enhanced: Enhanced) -> Self {
        let mut attributes = u16::from(key.bits());
        if low_protection {
            attributes |= LOW_PROTECTION;
        }
        match space {
            Space::Real => Self {
                asce: 0,
                attributes: attributes | REAL,
            },
            Space::Virtual {
                asce, fetch_only, ..
            } => {
                if fetch_only {
                    attributes |= FETCH_ONLY;
                }
                Self {
                    asce: asce.0 & ASCE_BITS,
                    attributes: attributes | u16::from(enhanced.bits()) << ENHANCED_SHIFT,
                }
            }
        }
    }
}

/// The tags of a CPU.
#[derive(Debug)]
pub struct Spaces {
    tags: HashMap<Key, u16>,
    next: u16,
    /// The last few answers: switches go to and fro between two or three spaces.
    recent: [(Key, u16); 4],
    oldest: usize,
}

const NO_KEY: Key = Key {
    asce: 0,
    attributes: 0,
};

impl Default for Spaces {
    fn default() -> Self {
        Self {
            tags: HashMap::new(),
            next: NO_SPACE + 1,
            recent: [(NO_KEY, NO_SPACE); 4],
            oldest: 0,
        }
    }
}

impl Spaces {
    /// The tag of a space, and whether the tags had to start anew: the TLB is to be purged then.
    pub fn tag(&mut self, key: Key) -> (u16, bool) {
        if let Some((_, tag)) = self
            .recent
            .iter()
            .find(|(recent, tag)| *recent == key && *tag != NO_SPACE)
        {
            return (*tag, false);
        }
        let mut exhausted = false;
        let tag = match self.tags.get(&key) {
            Some(tag) => *tag,
            None => {
                if self.next == TAGS {
                    *self = Self::default();
                    exhausted = true;
                }
                let tag = self.next;
                self.next += 1;
                self.tags.insert(key, tag);
                tag
            }
        };
        self.recent[self.oldest] = (key, tag);
        self.oldest = (self.oldest + 1) % self.recent.len();
        (tag, exhausted)
    }

    /// Nothing that was remembered for spaces with this table counts any more: their next use has
    /// a new tag.
    pub fn forget(&mut self, asce: Asce) {
        let of_table =
            |key: Key| key.attributes & REAL == 0 && Asce(key.asce).origin() == asce.origin();
        self.tags.retain(|key, _| !of_table(*key));
        for recent in &mut self.recent {
            if of_table(recent.0) {
                recent.1 = NO_SPACE;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::protection::STORAGE_OVERRIDE;
    use super::*;

    fn key(asce: u64, low_protection: bool) -> Key {
        let key = AccessKey::ZERO;
        Key::new(space(asce), key, low_protection, Enhanced::default())
    }

    fn space(asce: u64) -> Space {
        Space::Virtual {
            asce: Asce(asce),
            identification: 0,
            fetch_only: false,
        }
    }

    #[test]
    fn a_space_keeps_its_tag_until_it_is_forgotten() {
        let mut spaces = Spaces::default();
        let (kernel, user) = (0x1000_0007, 0x2000_01c7);
        let none = Enhanced::default();
        let keyed = |n, cr0| Key::new(space(kernel), AccessKey::new(n, cr0, false), true, none);
        let all = [
            key(kernel, true),
            key(user, false),
            Key::new(Space::Real, AccessKey::ZERO, true, none),
            key(kernel, false),
            keyed(1, 0),
            keyed(2, 0),
            keyed(2, STORAGE_OVERRIDE),
        ]
        .map(|key| spaces.tag(key).0);
        for (n, tag) in all.iter().enumerate() {
            assert_ne!(*tag, NO_SPACE);
            assert!(!all[..n].contains(tag));
        }
        let [a, b, ..] = all;
        assert_eq!(spaces.tag(key(kernel, true)), (a, false));
        // Overrides mean nothing to key 0.
        assert_eq!(spaces.tag(keyed(0, STORAGE_OVERRIDE)), (a, false));
        // Bits that do not change what is translated: storage alteration, space switch.
        assert_eq!(spaces.tag(key(user ^ 0xc0, false)), (b, false));
        spaces.forget(Asce(kernel));
        for forgotten in [key(kernel, true), keyed(1, 0)] {
            let (again, exhausted) = spaces.tag(forgotten);
            assert!(!exhausted && !all.contains(&again));
        }
        assert_eq!(spaces.tag(key(user, false)), (b, false));
    }

    #[test]
    fn tags_start_anew_when_they_run_out() {
        let mut spaces = Spaces::default();
        let mut purges = 0;
        for n in 0..5000u64 {
            let (tag, exhausted) = spaces.tag(key(n << 12, false));
            assert!(tag != NO_SPACE && tag < TAGS);
            purges += u32::from(exhausted);
        }
        assert_eq!(purges, 5000 / (u32::from(TAGS) - 1));
    }
}
