//! The firmware configuration device: what a guest without firmware tables asks for its number
//! of CPUs and its memory.
//!
//! Ports and selectors are those of QEMU's specification "QEMU Firmware Configuration (fw_cfg)
//! Device": a 16-bit selector to port 0x510, then bytes, one after the other, from 0x511. Not
//! here: the DMA interface, files, and anything the guest could write.

use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};

use migration::StatePart;
use serde::{Deserialize, Serialize};

use super::bus::{PortDevice, Whole};

/// The selector's port and the data port.
pub const PORTS: RangeInclusive<u16> = 0x510..=0x511;

/// Selectors, by their names in the specification.
mod key {
    pub(super) const SIGNATURE: u16 = 0x00;
    pub(super) const ID: u16 = 0x01;
    pub(super) const UUID: u16 = 0x02;
    pub(super) const RAM_SIZE: u16 = 0x03;
    pub(super) const NOGRAPHIC: u16 = 0x04;
    pub(super) const NB_CPUS: u16 = 0x05;
    pub(super) const MAX_CPUS: u16 = 0x0F;
    /// Specific to the architecture: the memory map.
    pub(super) const E820_TABLE: u16 = 0x8003;
}

/// ID bit 0: the interface of selector and data port, and no other.
const INTERFACE: u32 = 1;

/// What a guest can ask for.
#[derive(Debug, Clone)]
pub struct FwCfgItems {
    /// `-uuid`, in network order; zeros without one.
    pub uuid: [u8; 16],
    /// CPUs that are present.
    pub cpus: u16,
    /// CPUs that can be.
    pub max_cpus: u16,
    /// RAM in all, in bytes.
    pub ram_bytes: u64,
    /// Ranges of RAM as start and length, in bytes.
    pub ram: Vec<(u64, u64)>,
}

/// Where the guest is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    selector: u16,
    /// Bytes of the item that have been read.
    read: u32,
}

/// The device.
pub struct FwCfg {
    items: FwCfgItems,
    cursor: Mutex<Cursor>,
}

impl FwCfg {
    /// A device that tells `items`.
    #[must_use]
    pub fn new(items: FwCfgItems) -> Self {
        Self {
            items,
            cursor: Mutex::default(),
        }
    }

    /// System reset.
    pub fn reset(&self) {
        *self.lock() = Cursor::default();
    }

    fn lock(&self) -> MutexGuard<'_, Cursor> {
        self.cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The item behind a selector, empty if there is none. Numbers are little-endian.
    fn item(&self, selector: u16) -> Vec<u8> {
        match selector {
            key::SIGNATURE => b"QEMU".to_vec(),
            key::ID => INTERFACE.to_le_bytes().to_vec(),
            key::UUID => self.items.uuid.to_vec(),
            key::RAM_SIZE => self.items.ram_bytes.to_le_bytes().to_vec(),
            key::NOGRAPHIC => 1_u16.to_le_bytes().to_vec(),
            key::NB_CPUS => self.items.cpus.to_le_bytes().to_vec(),
            key::MAX_CPUS => self.items.max_cpus.to_le_bytes().to_vec(),
            key::E820_TABLE => self.e820(),
            _ => Vec::new(),
        }
    }

    /// A count, then start, length and type 1, "RAM", of each range, without padding.
    fn e820(&self) -> Vec<u8> {
        let mut table = (self.items.ram.len() as u32).to_le_bytes().to_vec();
        for (start, length) in &self.items.ram {
            table.extend(start.to_le_bytes());
            table.extend(length.to_le_bytes());
            table.extend(1_u32.to_le_bytes());
        }
        table
    }

    fn select(&self, selector: u16) {
        *self.lock() = Cursor { selector, read: 0 };
    }
}

impl PortDevice for FwCfg {
    /// Past an item's end, and at the selector's port, there are zeros.
    fn read(&self, offset: u16) -> u8 {
        if offset == 0 {
            return 0;
        }
        let mut cursor = self.lock();
        let byte = self
            .item(cursor.selector)
            .get(cursor.read as usize)
            .copied();
        cursor.read = cursor.read.saturating_add(1);
        byte.unwrap_or(0)
    }

    fn write(&self, _offset: u16, _value: u8) {}

    fn write_whole(&self, offset: u16, bytes: &[u8]) -> Whole {
        if let (0, [low, high]) = (offset, bytes) {
            self.select(u16::from_le_bytes([*low, *high]));
        }
        Whole::Taken
    }
}

/// Where the guest is in what it reads, as a part of a machine that is saved and moved.
pub struct FwCfgPart<'a>(&'a FwCfg);

impl<'a> FwCfgPart<'a> {
    /// The part of a device.
    #[must_use]
    pub fn new(device: &'a FwCfg) -> Self {
        Self(device)
    }
}

impl StatePart for FwCfgPart<'_> {
    const NAME: &'static str = "fw-cfg";
    const MAX_BYTES: usize = 16;
    type State = Cursor;

    fn state(&self) -> Result<Cursor, String> {
        Ok(*self.0.lock())
    }

    fn take_over(&mut self, cursor: Cursor) -> Result<(), String> {
        *self.0.lock() = cursor;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use migration::Part;

    use super::*;

    fn device() -> FwCfg {
        FwCfg::new(FwCfgItems {
            uuid: std::array::from_fn(|at| at as u8 + 1),
            cpus: 3,
            max_cpus: 0x104,
            ram_bytes: 5 << 30,
            ram: vec![(0, 3 << 30), (4 << 30, 2 << 30)],
        })
    }

    fn bytes(device: &FwCfg, selector: u16, count: usize) -> Vec<u8> {
        device.write_whole(0, &selector.to_le_bytes());
        (0..count).map(|_| device.read(1)).collect()
    }

    #[test]
    fn items_are_read_byte_by_byte_and_end_in_zeros() {
        let device = device();
        assert_eq!(bytes(&device, 0, 6), b"QEMU\0\0");
        assert_eq!(bytes(&device, 2, 17)[14..], [15, 16, 0]);
        assert_eq!(bytes(&device, 5, 3), [3, 0, 0]);
        assert_eq!(bytes(&device, 0x0F, 2), [4, 1]);
        assert_eq!(bytes(&device, 3, 8), (5_u64 << 30).to_le_bytes());
        assert_eq!(bytes(&device, 0x7777, 2), [0, 0]);
        let table = bytes(&device, 0x8003, 44);
        assert_eq!(table[..4], [2, 0, 0, 0]);
        assert_eq!(table[24..32], (4_u64 << 30).to_le_bytes());
        assert_eq!(table[40..], [1, 0, 0, 0]);
    }

    #[test]
    fn only_a_whole_selector_selects() {
        let device = device();
        device.write_whole(0, &[5, 0]);
        device.write(0, 0);
        device.write_whole(0, &[0, 0, 0, 0]);
        device.write_whole(1, &[0, 0]);
        assert_eq!(device.read(1), 3);
        device.reset();
        assert_eq!(device.read(1), b'Q');
    }

    #[test]
    fn a_guest_in_the_midst_of_an_item_reads_on_elsewhere() {
        let (here, there) = (device(), device());
        bytes(&here, 0, 2);
        let saved = FwCfgPart::new(&here).save().unwrap();
        assert!(saved.len() <= FwCfgPart::MAX_BYTES);
        FwCfgPart::new(&there).load(1, &saved).unwrap();
        assert_eq!([there.read(1), there.read(1)], *b"MU");
        assert!(FwCfgPart::new(&there).load(2, &saved).is_err());
        assert!(FwCfgPart::new(&there).load(1, &saved[..1]).is_err());
    }
}
