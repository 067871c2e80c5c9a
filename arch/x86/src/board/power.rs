//! How a guest resets the machine and turns it off: the keyboard
//! controller's pulse, the reset control register, and the power management register where
//! QEMU's PCs have it.
//!
//! Not here: a keyboard, sleep states other than off. The power button: [`super::power_button`].

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam::channel::Sender;
use machine::{GuestEvent, ResetCause, ShutdownCause};
use migration::StatePart;
use serde::{Deserialize, Serialize};

use super::bus::{PortBus, PortDevice, PortsTaken};

/// Status and command port of the keyboard controller (IBM PC/AT Technical Reference).
const KEYBOARD_COMMAND: u16 = 0x64;
/// Command: pulse the output line that is the processor's reset.
const PULSE_RESET: u8 = 0xFE;
/// There is no keyboard controller, and reads show ones, but for "the input buffer is full": a
/// guest that wants to reset waits until a command can be written. Linux sees that input never
/// ends, and that there is no controller.
const KEYBOARD_STATUS: u8 = !0x02;

/// The reset control register (Intel's chip sets, 82371 and ICH).
const RESET_CONTROL: u16 = 0xCF9;
/// A hard reset is meant.
const HARD: u8 = 0x02;
/// Its change from 0 to 1 resets.
const RESET_CPU: u8 = 0x04;

/// The power management control register of QEMU's PCs (PM1a_CNT; ACPI, "PM1 Control").
const PM1_CONTROL: RangeInclusive<u16> = 0x604..=0x605;
/// In its upper byte: go to the sleep state now.
const SLEEP_ENABLE: u8 = 1 << 5;
/// In its upper byte: which state.
const SLEEP_TYPE: u8 = 7 << 2;
/// Soft-off, and suspend to disk, after which the machine is off: types 0 and 2 in the tables of
/// QEMU's PCs.
const OFF_TYPES: [u8; 2] = [0, 2 << 2];

/// What is held between accesses.
#[derive(Debug, Default)]
struct Registers {
    reset_control: AtomicU8,
    pm1_control: [AtomicU8; 2],
}

/// The devices that reset the machine and turn it off.
pub struct Power {
    registers: Registers,
    /// One at a time, so that a reset is told once.
    events: Mutex<Sender<GuestEvent>>,
}

impl Power {
    /// Puts the devices on a bus; `events` is told.
    ///
    /// # Errors
    /// [`PortsTaken`].
    pub fn add(bus: &mut PortBus, events: Sender<GuestEvent>) -> Result<Arc<Self>, PortsTaken> {
        let power = Arc::new(Self {
            registers: Registers::default(),
            events: Mutex::new(events),
        });
        let keyboard = Keyboard(Arc::clone(&power));
        bus.add(KEYBOARD_COMMAND..=KEYBOARD_COMMAND, Arc::new(keyboard))?;
        let reset = ResetControl(Arc::clone(&power));
        bus.add(RESET_CONTROL..=RESET_CONTROL, Arc::new(reset))?;
        bus.add(PM1_CONTROL, Arc::new(Pm1Control(Arc::clone(&power))))?;
        Ok(power)
    }

    /// System reset.
    pub fn reset(&self) {
        self.registers.reset_control.store(0, Ordering::Relaxed);
        for byte in &self.registers.pm1_control {
            byte.store(0, Ordering::Relaxed);
        }
    }

    fn tell(&self, event: GuestEvent) {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody listens any more when the program is about to end.
        let _ = events.send(event);
    }

    fn tell_reset(&self) {
        self.tell(GuestEvent::Reset(ResetCause::GuestReipl));
    }
}

struct Keyboard(Arc<Power>);

impl PortDevice for Keyboard {
    fn read(&self, _offset: u16) -> u8 {
        KEYBOARD_STATUS
    }

    fn write(&self, _offset: u16, value: u8) {
        if value == PULSE_RESET {
            self.0.tell_reset();
        }
    }
}

struct ResetControl(Arc<Power>);

impl PortDevice for ResetControl {
    fn read(&self, _offset: u16) -> u8 {
        self.0.registers.reset_control.load(Ordering::Relaxed)
    }

    fn write(&self, _offset: u16, value: u8) {
        let value = value & (HARD | RESET_CPU);
        let register = &self.0.registers.reset_control;
        let old = register.swap(value, Ordering::Relaxed);
        if value & !old & RESET_CPU != 0 {
            self.0.tell_reset();
        }
    }
}

struct Pm1Control(Arc<Power>);

impl PortDevice for Pm1Control {
    fn read(&self, offset: u16) -> u8 {
        let byte = self.0.registers.pm1_control.get(usize::from(offset));
        byte.map_or(0xFF, |byte| byte.load(Ordering::Relaxed))
    }

    fn write(&self, offset: u16, value: u8) {
        let upper = offset == 1;
        // The bit that starts is never read.
        let held = if upper { value & !SLEEP_ENABLE } else { value };
        if let Some(byte) = self.0.registers.pm1_control.get(usize::from(offset)) {
            byte.store(held, Ordering::Relaxed);
        }
        if upper && value & SLEEP_ENABLE != 0 && OFF_TYPES.contains(&(value & SLEEP_TYPE)) {
            self.0.tell(GuestEvent::Shutdown(ShutdownCause::Guest));
        }
    }
}

/// The registers as they are saved.
#[derive(Serialize, Deserialize)]
pub struct Saved {
    reset_control: u8,
    pm1_control: [u8; 2],
}

/// What the registers hold, as a part of a machine that is saved and moved.
pub struct PowerPart<'a>(&'a Power);

impl<'a> PowerPart<'a> {
    /// The part of these devices.
    #[must_use]
    pub fn new(power: &'a Power) -> Self {
        Self(power)
    }
}

impl StatePart for PowerPart<'_> {
    const NAME: &'static str = "power";
    const MAX_BYTES: usize = 64;
    type State = Saved;

    fn state(&self) -> Result<Saved, String> {
        let registers = &self.0.registers;
        Ok(Saved {
            reset_control: registers.reset_control.load(Ordering::Relaxed),
            pm1_control: [0, 1].map(|at: usize| registers.pm1_control[at].load(Ordering::Relaxed)),
        })
    }

    fn take_over(&mut self, saved: Saved) -> Result<(), String> {
        let registers = &self.0.registers;
        registers
            .reset_control
            .store(saved.reset_control & (HARD | RESET_CPU), Ordering::Relaxed);
        for (byte, saved) in registers.pm1_control.iter().zip(saved.pm1_control) {
            byte.store(saved, Ordering::Relaxed);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crossbeam::channel::{Receiver, unbounded};

    use migration::Part;

    use super::*;

    fn devices() -> (PortBus, Arc<Power>, Receiver<GuestEvent>) {
        let (events, told) = unbounded();
        let mut bus = PortBus::default();
        let power = Power::add(&mut bus, events).unwrap();
        (bus, power, told)
    }

    fn read(bus: &PortBus, port: u16) -> u8 {
        let mut byte = [0];
        bus.read(port, &mut byte);
        byte[0]
    }

    const RESET: GuestEvent = GuestEvent::Reset(ResetCause::GuestReipl);

    #[test]
    fn the_keyboard_controllers_pulse_resets() {
        let (bus, _, told) = devices();
        // What a guest waits for before it writes.
        assert_eq!(read(&bus, 0x64) & 0x02, 0);
        bus.write(0x64, &[0xD1]);
        assert!(told.is_empty());
        bus.write(0x64, &[0xFE]);
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [RESET]);
    }

    #[test]
    fn the_reset_register_resets_when_its_bit_goes_up() {
        let (bus, power, told) = devices();
        bus.write(0xCF9, &[0x02]);
        assert!(told.is_empty());
        bus.write(0xCF9, &[0x0E]);
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [RESET]);
        assert_eq!(read(&bus, 0xCF9), 0x06);
        bus.write(0xCF9, &[0x06]);
        assert!(told.is_empty(), "it is up already");
        power.reset();
        assert_eq!(read(&bus, 0xCF9), 0);
        bus.write(0xCF9, &[0x04]);
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [RESET]);
        // A doubleword for PCI's configuration address is none for the byte in it.
        bus.write(0xCF8, &[0, 0, 0, 0x80]);
        assert!(told.is_empty());
    }

    #[test]
    fn the_power_management_register_turns_off() {
        let (bus, _, told) = devices();
        bus.write(0x604, &[0x01, 0x00]);
        bus.write(0x604, &[0x01, 0x24]);
        assert!(told.is_empty(), "suspend to RAM is not offered");
        bus.write(0x604, &[0x01, 0x20]);
        bus.write(0x605, &[0x28]);
        let off = GuestEvent::Shutdown(ShutdownCause::Guest);
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [off.clone(), off]);
        assert_eq!([read(&bus, 0x604), read(&bus, 0x605)], [0x01, 0x08]);
    }

    #[test]
    fn what_the_registers_hold_is_moved() {
        let (bus, here, _) = devices();
        bus.write(0xCF9, &[0x02]);
        bus.write(0x604, &[0x01, 0x04]);
        let saved = PowerPart::new(&here).save().unwrap();
        let (bus, there, told) = devices();
        PowerPart::new(&there).load(1, &saved).unwrap();
        assert_eq!(
            [0xCF9, 0x604, 0x605].map(|port| read(&bus, port)),
            [2, 1, 4]
        );
        assert!(told.is_empty());
        assert!(PowerPart::new(&there).load(2, &saved).is_err());
        assert!(PowerPart::new(&there).load(1, &[]).is_err());
    }
}
