//! `-device pc-testdev`: what test suites for PCs drive the machine with from inside.
//!
//! Ports as kvm-unit-tests and QEMU's endianness test use them: 0xE0 to 0xE3 hold what was
//! written, and are seen at 0xE8 to 0xEB, too (in QEMU as a device of bytes, as all of ours are);
//! a write to 0xE4 to 0xE7 asks the host to drop a page, which this one may do at any time anyway;
//! a write to 0x2000 + N drives interrupt line N. Not here: its memory at 0xFF00_0000.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::bus::{PortBus, PortDevice, PortsTaken, Whole};
use super::lines::{LINES, Lines};

/// The register, and the request to drop a page.
const REGISTER: RangeInclusive<u16> = 0xE0..=0xEB;
/// Bytes of [`REGISTER`] that hold what was written.
const HELD: usize = 4;
/// They are seen again this much further on.
const AGAIN: usize = 8;
/// One port for each interrupt line.
const LINE_PORTS: RangeInclusive<u16> = 0x2000..=0x2000 + LINES as u16 - 1;

/// Adds the device to a bus.
///
/// # Errors
/// [`PortsTaken`]; it may be there in part.
pub fn add(bus: &mut PortBus, lines: &Arc<Lines>) -> Result<(), PortsTaken> {
    bus.add(REGISTER, Arc::new(Register::default()))?;
    bus.add(LINE_PORTS, Arc::new(LinePorts(Arc::clone(lines))))
}

/// Holds what was written. It is a test's own; it is neither saved nor reset.
#[derive(Default)]
struct Register([AtomicU8; HELD]);

impl Register {
    fn byte(&self, offset: u16) -> Option<&AtomicU8> {
        let offset = usize::from(offset);
        self.0.get(offset.checked_sub(AGAIN).unwrap_or(offset))
    }
}

impl PortDevice for Register {
    fn read(&self, offset: u16) -> u8 {
        let byte = self.byte(offset);
        byte.map_or(0xFF, |byte| byte.load(Ordering::Relaxed))
    }

    fn write(&self, offset: u16, value: u8) {
        if let Some(byte) = self.byte(offset) {
            byte.store(value, Ordering::Relaxed);
        }
    }
}

struct LinePorts(Arc<Lines>);

impl PortDevice for LinePorts {
    fn read(&self, _offset: u16) -> u8 {
        0xFF
    }

    fn write(&self, offset: u16, value: u8) {
        self.0.set(offset.into(), value != 0);
    }

    fn write_whole(&self, offset: u16, bytes: &[u8]) -> Whole {
        self.0
            .set(offset.into(), bytes.iter().any(|byte| *byte != 0));
        Whole::Taken
    }
}

#[cfg(test)]
mod tests {
    use super::super::NoController;
    use super::*;

    #[test]
    fn the_register_echoes_and_ports_drive_lines() {
        let lines = Arc::new(Lines::new(Arc::new(NoController)));
        let mut bus = PortBus::default();
        add(&mut bus, &lines).unwrap();
        lines.intercept_inputs();
        bus.write(0xE0, &[1, 2, 3, 4]);
        bus.write(0xE2, &[9]);
        bus.write(0xE4, &[5, 6, 7, 8]);
        let mut held = [0; 4];
        bus.read(0xE0, &mut held);
        assert_eq!(held, [1, 2, 9, 4]);
        bus.read(0xE8, &mut held);
        assert_eq!(held, [1, 2, 9, 4]);
        bus.read(0xE4, &mut held);
        assert_eq!(held, [0xFF; 4]);
        bus.write(0x2000, &[1]);
        bus.write(0x2017, &[0, 1, 0, 0]);
        bus.write(0x2000, &[0]);
        bus.write(0x2018, &[1]);
        assert_eq!(lines.take(), [(0, true), (23, true), (0, false)]);
    }
}
