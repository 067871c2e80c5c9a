//! `-device isa-debug-exit`: a guest's write ends the program.
//!
//! The value that is written, doubled and plus one, is the exit status, so that no guest can end
//! with the status 0 of an orderly end (QEMU's device of that name).

use crossbeam::channel::Sender;
use machine::GuestEvent;

use super::bus::{PortDevice, Whole};

/// The device.
pub struct DebugExit(Sender<GuestEvent>);

impl DebugExit {
    /// A device that tells `events`.
    #[must_use]
    pub fn new(events: Sender<GuestEvent>) -> Self {
        Self(events)
    }

    /// Of a wide value the status has room for the low bits only.
    fn exit(&self, low: u8) {
        let status = low.wrapping_shl(1) | 1;
        // Nobody listens any more when the program is about to end.
        let _ = self.0.send(GuestEvent::Exit { status });
    }
}

impl PortDevice for DebugExit {
    fn read(&self, _offset: u16) -> u8 {
        0
    }

    fn write(&self, _offset: u16, value: u8) {
        self.exit(value);
    }

    fn write_whole(&self, _offset: u16, bytes: &[u8]) -> Whole {
        self.exit(bytes.first().copied().unwrap_or(0));
        Whole::Taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_width_ends_the_program_once() {
        let (events, told) = crossbeam::channel::unbounded();
        let device = DebugExit::new(events);
        device.write(0, 0);
        device.write(3, 0x10);
        device.write_whole(0, &[0x81, 1, 0, 0]);
        let statuses: Vec<GuestEvent> = told.try_iter().collect();
        let exit = |status| GuestEvent::Exit { status };
        assert_eq!(statuses, [exit(1), exit(0x21), exit(3)]);
    }
}
