//! The RTC's state as it is saved, and what a loaded one must be.
//!
//! A loaded state may have been made by anybody: nothing in it can make a later step fail. The
//! reference is not in it; that is a clock of the clock manager and travels with the clocks.

use serde::{Deserialize, Serialize};

use super::alarm::Alarm;
use super::date::Fields;
use super::periodic::Periodic;
use super::spec::{a, b, c};
use super::{Counter, Decided, Divider, Output, Rtc, View};
use tod::Tod;

/// Times beyond this many TOD units from 1970 are no RTC's: 300,000 years.
const TIME_LIMIT: i128 = 1 << 75;
/// No field of a date is written as more than a byte.
const FIELD_LIMIT: i64 = 1 << 16;

/// A saved RTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RtcState {
    index: u8,
    nmi_masked: bool,
    a: u8,
    b: u8,
    c: u8,
    ram: Vec<u8>,
    alarm: Alarm,
    counter: Counter,
    view: View,
    periodic: Periodic,
    seen: i128,
    told_s: i64,
}

/// A state that no RTC can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// CMOS RAM has 128 bytes.
    #[error("the RTC has {0} bytes of RAM instead of 128")]
    Ram(usize),
    /// A time out of all bounds.
    #[error("the RTC's time or date is out of all bounds")]
    Time,
    /// Registers A and B do not agree with what the date does.
    #[error("the RTC's registers A {a:#04x} and B {b:#04x} do not suit the state of its date")]
    Registers {
        /// Register A.
        a: u8,
        /// Register B.
        b: u8,
    },
}

impl RtcState {
    fn check(&self) -> Result<(), StateError> {
        if self.ram.len() != 128 {
            return Err(StateError::Ram(self.ram.len()));
        }
        let (time, fields) = match (self.counter, self.view) {
            (Counter::Runs { offset: time } | Counter::Stands { date: time }, view) => (
                time,
                match view {
                    View::Date => None,
                    View::NoSuchDay { written: fields } | View::Held { entry: fields, .. } => {
                        Some(fields)
                    }
                },
            ),
        };
        let sound = |time: i128| (-TIME_LIMIT..TIME_LIMIT).contains(&time);
        let times = sound(time) && sound(self.seen) && self.periodic.is_sound(TIME_LIMIT);
        if !times || !fields.is_none_or(|fields| is_sound(&fields)) {
            return Err(StateError::Time);
        }
        let runs = matches!(self.counter, Counter::Runs { .. });
        let held = matches!(self.view, View::Held { .. });
        if runs != (Divider::of(self.a) == Divider::Runs) || held != (self.b & b::SET != 0) {
            return Err(StateError::Registers {
                a: self.a,
                b: self.b,
            });
        }
        Ok(())
    }
}

fn is_sound(fields: &Fields) -> bool {
    [
        fields.second,
        fields.minute,
        fields.hour,
        fields.day,
        fields.month,
        fields.year,
        fields.century,
    ]
    .iter()
    .all(|field| (-FIELD_LIMIT..FIELD_LIMIT).contains(field))
}

impl Rtc {
    /// The state, when the reference shows `now`.
    pub fn save(&mut self, now: Tod) -> RtcState {
        self.advance(now);
        RtcState {
            index: self.index,
            nmi_masked: self.nmi_masked,
            a: self.a,
            b: self.b,
            c: self.c,
            ram: self.ram.to_vec(),
            alarm: self.alarm,
            counter: self.counter,
            view: self.view,
            periodic: self.periodic.clone(),
            seen: self.seen,
            told_s: self.told_s,
        }
    }

    /// Takes over a saved state. An offset that the manager of VMs has set stays in force. The
    /// interrupt line's level is taken over without an [`Output`]: it is in the interrupt
    /// controller's own state.
    ///
    /// # Errors
    /// [`StateError`]; nothing has changed.
    pub fn load(&mut self, state: &RtcState) -> Result<(), StateError> {
        state.check()?;
        let ram = <[u8; 128]>::try_from(state.ram.as_slice())
            .map_err(|_| StateError::Ram(state.ram.len()))?;
        let ours = self.offset_in_force();
        self.index = state.index & 0x7F;
        self.nmi_masked = state.nmi_masked;
        self.a = state.a & !a::UIP;
        self.b = state.b;
        self.c = state.c & c::FLAGS;
        self.ram = ram;
        self.alarm = state.alarm;
        self.counter = state.counter;
        self.view = state.view;
        self.periodic = state.periodic.clone();
        self.seen = state.seen;
        self.told_s = state.told_s;
        if self.decided == Decided::ByToolstack {
            self.shift_to(ours, self.seen);
            self.told_s = ours;
        }
        self.line = self.wants_line();
        self.outputs.clear();
        self.outputs.push(Output::OffsetLoaded {
            offset_s: self.offset_in_force(),
        });
        Ok(())
    }
}
