//! A split virtqueue, of which every buffer is given back unread (Virtual I/O Device
//! specification 1.1, section 2.6).

use std::sync::atomic::{Ordering, fence};

use serde::{Deserialize, Serialize};

use crate::css::storage::{Denied, Host};

/// Bytes before the entries of the available and the used ring: flags and index.
const HEADER: u64 = 4;
/// Bytes of a descriptor.
const DESCRIPTOR: u64 = 16;
/// Flag of the available ring: the driver wants no interruption.
const NO_INTERRUPTION: u16 = 1;
/// What the rings of a legacy queue are aligned to.
const LEGACY_ALIGNMENT: u64 = 4096;

/// Byte order of numbers in rings and configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// The guest's own: legacy devices.
    Big,
    /// Little-endian.
    Little,
}

impl Order {
    pub(super) fn put16(self, value: u16) -> [u8; 2] {
        match self {
            Self::Big => value.to_be_bytes(),
            Self::Little => value.to_le_bytes(),
        }
    }

    fn put32(self, value: u32) -> [u8; 4] {
        match self {
            Self::Big => value.to_be_bytes(),
            Self::Little => value.to_le_bytes(),
        }
    }

    fn get16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Big => u16::from_be_bytes(bytes),
            Self::Little => u16::from_le_bytes(bytes),
        }
    }
}

/// What is wrong with a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum RingError {
    #[error("its queue is not in storage")]
    Outside,
    #[error("its queue of {entries} entries has {there} available")]
    TooMany { entries: u16, there: u16 },
}

impl From<Denied> for RingError {
    fn from(_: Denied) -> Self {
        Self::Outside
    }
}

/// Where a queue's rings are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    available: u64,
    used: u64,
}

/// A queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ring {
    entries: u16,
    place: Option<Place>,
    /// Entries taken from the available ring, modulo 2^16.
    taken: u16,
    /// Entries put into the used ring, modulo 2^16.
    given: u16,
}

impl Ring {
    /// A queue that is nowhere.
    pub(super) fn new(entries: u16) -> Self {
        Self {
            entries,
            place: None,
            taken: 0,
            given: 0,
        }
    }

    /// Whether a saved queue is one.
    pub(super) fn is_sound(&self, most: u16) -> bool {
        self.entries <= most && self.entries.is_power_of_two()
    }

    /// The driver says where the rings are; false if their size is none or they are misplaced.
    pub(super) fn place(&mut self, entries: u16, available: u64, used: u64) -> bool {
        let sound = entries.is_power_of_two()
            && available.is_multiple_of(2)
            && used.is_multiple_of(4)
            && available >> 63 == 0
            && used >> 63 == 0;
        if sound {
            *self = Self {
                entries,
                place: Some(Place { available, used }),
                taken: 0,
                given: 0,
            };
        }
        sound
    }

    /// A legacy driver says where everything begins: descriptors, available ring, and at the next
    /// page the used ring.
    pub(super) fn place_legacy(&mut self, queue: u64) -> bool {
        if queue >> 62 != 0 {
            return false;
        }
        let entries = u64::from(self.entries);
        let available = queue + DESCRIPTOR * entries;
        let used = (available + HEADER + 2 * entries + 2).next_multiple_of(LEGACY_ALIGNMENT);
        self.place(self.entries, available, used)
    }

    /// Gives back everything that is available, with nothing written; whether the driver wants to
    /// be told.
    pub(super) fn complete_all(&mut self, host: Host<'_>, order: Order) -> Result<bool, RingError> {
        let Some(Place { available, used }) = self.place else {
            return Ok(false);
        };
        let number = |at: u64| -> Result<u16, RingError> {
            let mut bytes = [0; 2];
            host.fetch(0, at, &mut bytes)?;
            Ok(order.get16(bytes))
        };
        let mask = u64::from(self.entries - 1);
        let mut any = false;
        loop {
            let there = number(available + 2)?.wrapping_sub(self.taken);
            if there == 0 {
                break;
            }
            if there > self.entries {
                let entries = self.entries;
                return Err(RingError::TooMany { entries, there });
            }
            fence(Ordering::SeqCst);
            for _ in 0..there {
                let at = available + HEADER + 2 * (u64::from(self.taken) & mask);
                let mut element = [0; 8];
                element[..4].copy_from_slice(&order.put32(number(at)?.into()));
                let at = used + HEADER + 8 * (u64::from(self.given) & mask);
                host.store(0, at, &element)?;
                self.taken = self.taken.wrapping_add(1);
                self.given = self.given.wrapping_add(1);
            }
            fence(Ordering::SeqCst);
            host.store(0, used + 2, &order.put16(self.given))?;
            // What the driver adds from here on it kicks for, or is seen at the next look.
            fence(Ordering::SeqCst);
            any = true;
        }
        Ok(any && number(available)? & NO_INTERRUPTION == 0)
    }
}
