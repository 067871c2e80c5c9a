//! The port-I/O bus: which device answers at which port.
//!
//! Devices are 8 bits wide, as on an ISA bus: a wider access is one access for each of its
//! bytes, from the lowest port up, unless a device wants it whole. Not here: memory, and the
//! PCI bus, which this machine lacks.

use std::ops::RangeInclusive;
use std::sync::Arc;

/// A device with I/O ports. Its methods are called from any thread.
pub trait PortDevice: Send + Sync {
    /// Reads the byte at the `offset`th port of its range.
    fn read(&self, offset: u16) -> u8;

    /// Writes the byte at the `offset`th port of its range.
    fn write(&self, offset: u16, value: u8);

    /// Writes 2 or 4 bytes from the `offset`th port of its range on, if it takes them as one
    /// value.
    fn write_whole(&self, _offset: u16, _bytes: &[u8]) -> Whole {
        Whole::InBytes
    }
}

/// Whether a device took a wide access as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    /// It did.
    Taken,
    /// It wants a byte at a time.
    InBytes,
}

/// The devices of a machine by their ports.
#[derive(Default)]
pub struct PortBus {
    places: Vec<(RangeInclusive<u16>, Arc<dyn PortDevice>)>,
}

/// Two devices want the same port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("ports {first:#x} to {last:#x} belong to another device at least in part")]
pub struct PortsTaken {
    /// The first port that was asked for.
    pub first: u16,
    /// The last one.
    pub last: u16,
}

impl PortBus {
    /// Adds a device.
    ///
    /// # Errors
    /// [`PortsTaken`]; the bus is as before.
    pub fn add(
        &mut self,
        ports: RangeInclusive<u16>,
        device: Arc<dyn PortDevice>,
    ) -> Result<(), PortsTaken> {
        let overlaps = |taken: &RangeInclusive<u16>| {
            taken.start() <= ports.end() && ports.start() <= taken.end()
        };
        if self.places.iter().any(|(taken, _)| overlaps(taken)) {
            return Err(PortsTaken {
                first: *ports.start(),
                last: *ports.end(),
            });
        }
        self.places.push((ports, device));
        Ok(())
    }

    fn find(&self, port: u16) -> Option<(&dyn PortDevice, u16)> {
        self.places
            .iter()
            .find(|(ports, _)| ports.contains(&port))
            .map(|(ports, device)| (&**device, port - ports.start()))
    }

    /// Reads as many bytes as `bytes` has. A port that nobody has reads as ones.
    pub fn read(&self, port: u16, bytes: &mut [u8]) {
        for (byte, at) in bytes.iter_mut().zip(0..) {
            *byte = self
                .find(port.wrapping_add(at))
                .map_or(0xFF, |(device, offset)| device.read(offset));
        }
    }

    /// Writes `bytes`. What is written to a port that nobody has is lost.
    pub fn write(&self, port: u16, bytes: &[u8]) {
        if bytes.len() > 1
            && let Some((device, offset)) = self.find(port)
            && device.write_whole(offset, bytes) == Whole::Taken
        {
            return;
        }
        for (byte, at) in bytes.iter().zip(0..) {
            if let Some((device, offset)) = self.find(port.wrapping_add(at)) {
                device.write(offset, *byte);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Log {
        written: Mutex<Vec<(u16, Vec<u8>)>>,
        takes_whole: bool,
    }

    impl PortDevice for Log {
        fn read(&self, offset: u16) -> u8 {
            0x10 + offset as u8
        }

        fn write(&self, offset: u16, value: u8) {
            self.written.lock().unwrap().push((offset, vec![value]));
        }

        fn write_whole(&self, offset: u16, bytes: &[u8]) -> Whole {
            if self.takes_whole {
                self.written.lock().unwrap().push((offset, bytes.to_vec()));
                return Whole::Taken;
            }
            Whole::InBytes
        }
    }

    #[test]
    fn wide_accesses_are_bytes_unless_the_device_wants_them_whole() {
        let (narrow, wide) = (
            Arc::new(Log::default()),
            Arc::new(Log {
                takes_whole: true,
                ..Log::default()
            }),
        );
        let mut bus = PortBus::default();
        bus.add(0x70..=0x71, Arc::clone(&narrow) as _).unwrap();
        bus.add(0xF4..=0xF7, Arc::clone(&wide) as _).unwrap();
        let mut bytes = [0; 4];
        bus.read(0x71, &mut bytes);
        assert_eq!(bytes, [0x11, 0xFF, 0xFF, 0xFF]);
        bus.read(0xFFFF, &mut bytes);
        assert_eq!(bytes, [0xFF; 4]);
        bus.write(0x6F, &[1, 2, 3, 4]);
        assert_eq!(
            *narrow.written.lock().unwrap(),
            [(0, vec![2]), (1, vec![3])]
        );
        bus.write(0xF4, &[1, 2, 3, 4]);
        bus.write(0xF5, &[5]);
        assert_eq!(
            *wide.written.lock().unwrap(),
            [(0, vec![1, 2, 3, 4]), (1, vec![5])]
        );
    }

    #[test]
    fn a_port_belongs_to_one_device() {
        let mut bus = PortBus::default();
        let device = || Arc::new(Log::default()) as Arc<dyn PortDevice>;
        bus.add(0x3F8..=0x3FF, device()).unwrap();
        let taken = PortsTaken {
            first: 0x3FF,
            last: 0x400,
        };
        assert_eq!(bus.add(0x3FF..=0x400, device()), Err(taken));
        assert_eq!(bus.add(0x3F0..=0x3F7, device()), Ok(()));
    }
}
