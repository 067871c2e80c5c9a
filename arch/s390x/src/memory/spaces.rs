//! Tags of address spaces: what keeps TLB entries of different spaces apart, so that switching
//! between spaces needs no purge.
//!
//! A tag stands for everything that a remembered translation depends on beside the tables: the
//! address-space-control element and whether low-address protection applies. (Access keys will
//! join when key-controlled protection is checked.) What the same for all spaces of a CPU, the
//! prefix, is purged for when it changes. Tags are per CPU, as its TLB is.

use std::collections::HashMap;

use super::dat::Asce;

/// Tags are below this ([`tcg::Guest::space_tag`]).
const TAGS: u16 = 1 << 11;

/// The tag of accesses that name no space at all: nothing is ever remembered under it.
pub const NO_SPACE: u16 = 0;

/// What a tag stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(u64);

/// Bits of the control element that matter: origin, private, real-space, type and length.
const ASCE_BITS: u64 = !0xfff | 0x12f;
/// Free bits of the control element.
const LOW_PROTECTION: u64 = 0x40;
const REAL: u64 = 0x80;
const WATCHED: u64 = 0x10;

impl Key {
    /// Real addresses.
    pub fn real(low_protection: bool) -> Self {
        Self(REAL | if low_protection { LOW_PROTECTION } else { 0 })
    }

    /// The same while stores are monitored ([`crate::cpu::per`]).
    #[must_use]
    pub fn watched(self) -> Self {
        Self(self.0 | WATCHED)
    }

    /// Virtual addresses under a control element.
    pub fn of(asce: Asce, low_protection: bool) -> Self {
        Self(asce.0 & ASCE_BITS | if low_protection { LOW_PROTECTION } else { 0 })
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

impl Default for Spaces {
    fn default() -> Self {
        Self {
            tags: HashMap::new(),
            next: NO_SPACE + 1,
            recent: [(Key(0), NO_SPACE); 4],
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
        let of_table = |key: Key| key.0 & REAL == 0 && Asce(key.0).origin() == asce.origin();
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
    use super::*;

    #[test]
    fn a_space_keeps_its_tag_until_it_is_forgotten() {
        let mut spaces = Spaces::default();
        let (kernel, user) = (Asce(0x1000_0007), Asce(0x2000_01c7));
        let (a, _) = spaces.tag(Key::of(kernel, true));
        let (b, _) = spaces.tag(Key::of(user, false));
        let (real, _) = spaces.tag(Key::real(true));
        let (low_off, _) = spaces.tag(Key::of(kernel, false));
        let all = [a, b, real, low_off];
        for (n, tag) in all.iter().enumerate() {
            assert_ne!(*tag, NO_SPACE);
            assert!(!all[..n].contains(tag));
        }
        assert_eq!(spaces.tag(Key::of(kernel, true)), (a, false));
        // Bits that do not change what is translated: storage alteration, space switch.
        assert_eq!(spaces.tag(Key::of(Asce(user.0 ^ 0xc0), false)), (b, false));
        spaces.forget(kernel);
        let (again, exhausted) = spaces.tag(Key::of(kernel, true));
        assert!(!exhausted && !all.contains(&again));
        assert_eq!(spaces.tag(Key::of(user, false)), (b, false));
    }

    #[test]
    fn tags_start_anew_when_they_run_out() {
        let mut spaces = Spaces::default();
        let mut purges = 0;
        for n in 0..5000u64 {
            let (tag, exhausted) = spaces.tag(Key::of(Asce(n << 12), false));
            assert!(tag != NO_SPACE && tag < TAGS);
            purges += u32::from(exhausted);
        }
        assert_eq!(purges, 5000 / (u32::from(TAGS) - 1));
    }
}
