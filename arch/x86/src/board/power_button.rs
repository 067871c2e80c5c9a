//! The power button: ACPI's fixed event, with the status and enable registers of PM1a.
//!
//! ACPI Specification 6.5, sections 4.8.3.1 and 4.8.4.1. A guest that wants to know of the button
//! sets its enable bit; the interrupt is high while an enabled event's status bit is set, which
//! the guest clears by writing a one to it. Not here: PM1a's control register ([`super::power`]).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use migration::StatePart;
use serde::{Deserialize, Serialize};

use super::Lines;
use super::bus::PortDevice;

/// Two bytes of status, then two of enable.
pub(super) const PORTS: std::ops::RangeInclusive<u16> = 0x600..=0x603;
/// The system control interrupt.
const SCI: u32 = 9;
/// The power button's bit in both registers.
const BUTTON: u16 = 1 << 8;
/// Enable bits that are held: timer, global lock, power and sleep button, RTC.
const ENABLES: u16 = 1 | 1 << 5 | BUTTON | 1 << 9 | 1 << 10;

/// The button's registers, of ACPI's PM1 event block.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Registers {
    status: u16,
    enable: u16,
}

/// The button and its registers.
pub struct PowerButton {
    lines: Arc<Lines>,
    registers: Mutex<Registers>,
}

impl PowerButton {
    /// A button that nobody has pressed.
    pub(super) fn new(lines: &Arc<Lines>) -> Self {
        Self {
            lines: Arc::clone(lines),
            registers: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Registers> {
        self.registers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the registers; the line follows.
    fn change<T>(&self, change: impl FnOnce(&mut Registers) -> T) -> T {
        let mut registers = self.lock();
        let result = change(&mut registers);
        let level = registers.status & registers.enable != 0;
        self.lines.set(SCI, level);
        result
    }

    /// Somebody presses it. Whether the guest has asked to be told.
    pub fn press(&self) -> bool {
        self.change(|registers| {
            registers.status |= BUTTON;
            registers.enable & BUTTON != 0
        })
    }

    /// System reset.
    pub fn reset(&self) {
        self.change(|registers| *registers = Registers::default());
    }
}

impl PortDevice for PowerButton {
    fn read(&self, offset: u16) -> u8 {
        let registers = self.lock();
        let word = if offset < 2 {
            registers.status
        } else {
            registers.enable
        };
        word.to_le_bytes()[usize::from(offset % 2)]
    }

    fn write(&self, offset: u16, value: u8) {
        let shift = 8 * (offset % 2);
        let value = u16::from(value) << shift;
        self.change(|registers| {
            if offset < 2 {
                registers.status &= !value;
            } else {
                let kept = registers.enable & !(0xff << shift);
                registers.enable = kept | value & ENABLES;
            }
        });
    }
}

/// What the registers hold, as a part of a machine that is saved and moved.
pub struct PowerButtonPart<'a>(&'a PowerButton);

impl<'a> PowerButtonPart<'a> {
    /// The part of this button.
    #[must_use]
    pub fn new(button: &'a PowerButton) -> Self {
        Self(button)
    }
}

impl StatePart for PowerButtonPart<'_> {
    const NAME: &'static str = "power-button";
    const MAX_BYTES: usize = 64;
    type State = Registers;

    fn state(&self) -> Result<Registers, String> {
        Ok(*self.0.lock())
    }

    fn take_over(&mut self, saved: Registers) -> Result<(), String> {
        self.0.change(|registers| {
            *registers = Registers {
                status: saved.status & BUTTON,
                enable: saved.enable & ENABLES,
            };
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::NoController;
    use migration::Part;

    use super::*;

    fn button() -> (Arc<Lines>, PowerButton) {
        let lines = Arc::new(Lines::new(Arc::new(NoController)));
        lines.intercept_inputs();
        let button = PowerButton::new(&lines);
        (lines, button)
    }

    /// The level that the line has been driven to last.
    fn level(lines: &Lines) -> Option<bool> {
        lines.take().last().map(|(_, level)| *level)
    }

    #[test]
    fn a_guest_that_asks_is_interrupted_until_it_has_taken_notice() {
        let (lines, button) = button();
        assert!(!button.press());
        assert_eq!((button.read(1), level(&lines)), (1, Some(false)));
        button.write(3, 0xff);
        assert_eq!((button.read(3), level(&lines)), (0x07, Some(true)));
        // A zero changes nothing, a one clears.
        button.write(1, 0);
        assert_eq!(level(&lines), Some(true));
        button.write(1, 1);
        assert_eq!((button.read(1), level(&lines)), (0, Some(false)));
        assert!(button.press());
        assert_eq!(level(&lines), Some(true));
        button.reset();
        assert_eq!((button.read(3), level(&lines)), (0, Some(false)));
    }

    #[test]
    fn a_press_that_nobody_has_noticed_moves_along() {
        let (_, here) = button();
        here.write(3, 1);
        assert!(here.press());
        let saved = PowerButtonPart::new(&here).save().unwrap();
        let (lines, there) = button();
        let mut part = PowerButtonPart::new(&there);
        assert!(part.load(1, &saved[1..]).is_err() && part.load(2, &saved).is_err());
        part.load(1, &saved).unwrap();
        assert_eq!((there.read(1), level(&lines)), (1, Some(true)));
    }
}
