//! The MC146818 real-time clock of a PC, as a state machine.
//!
//! [`Rtc`] has no clock, no timer and no interrupt controller of its own: every access says what
//! time it is on the clock that the RTC runs by (its *reference*, which shows what `-rtc base=`
//! says), [`Rtc::next_event`] tells when it wants to be looked at, and what follows is taken
//! from [`Rtc::take_outputs`]. So the guest's timeline drives it ([`RtcDevice`]) as well as a
//! test's virtual time.
//!
//! The guest's date is the reference plus an offset. Programs that set the date change the
//! offset, so nothing is lost when the VM stops, is saved, or moves. While the divider is held
//! in reset the date stands, and the offset is known again when it is let go.
//!
//! Flags are not set by timers but looked up: each access first accounts for all update cycles
//! and periods since the last. An event is wanted only for a flag whose interrupt is enabled.

mod alarm;
mod date;
mod device;
pub mod options;
mod periodic;
mod saved;
pub mod spec;
pub mod xen;

#[cfg(test)]
mod tests;

pub use machine::RtcTime;
use tod::Tod;

use alarm::Alarm;
use date::{Fields, Mode, Registers};
pub use device::{RtcDevice, RtcListener, RtcPart};
pub use options::{DriftFix, RtcClock, RtcConfig, WhileSet, base_time};
use periodic::Periodic;
pub use saved::{RtcState, StateError};
use spec::{SECOND_UNITS, a, b, c};

/// What an access, or time, has led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// IRQ 8 becomes active.
    Raise,
    /// IRQ 8 becomes inactive.
    Lower,
    /// The guest has changed the date: QAPI's RTC_CHANGE. A wallclock that is shown to the guest
    /// is to be published anew.
    TimeChanged {
        /// The date now less the reference, in seconds: cumulative against `-rtc base=`.
        offset_s: i64,
    },
    /// The offset came with a saved state: the wallclock is to be published anew, but nobody has
    /// changed the date.
    OffsetLoaded {
        /// As above.
        offset_s: i64,
    },
}

/// The date's counter, in TOD units since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum Counter {
    /// It runs: the date is the reference plus `offset`.
    Runs { offset: i128 },
    /// The divider is held in reset, or has no time base.
    Stands { date: i128 },
}

impl Counter {
    fn date(self, now: i128) -> i128 {
        match self {
            Self::Runs { offset } => now + offset,
            Self::Stands { date } => date,
        }
    }

    fn set(&mut self, to: i128, now: i128) {
        match self {
            Self::Runs { offset } => *offset = to - now,
            Self::Stands { date } => *date = to,
        }
    }
}

/// Where the date registers get their bytes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum View {
    /// From the counter.
    Date,
    /// From the counter, but a program has written a day that is none, such as 31 February. It
    /// shows until midnight, for the program may write the month next.
    NoSuchDay { written: Fields },
    /// SET: what the registers held then, with what was written since.
    Held {
        /// The date when SET was set.
        entry: Fields,
        registers: Registers,
        written: bool,
    },
}

/// Who has decided by how much the date differs from the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decided {
    /// The guest, or nobody.
    ByGuest,
    /// Whoever manages VMs, before a saved state was loaded: it wins over the record.
    ByToolstack,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Divider {
    Runs,
    /// No time base of the data sheet: the counter stands.
    Unused,
    Reset,
}

impl Divider {
    fn of(register_a: u8) -> Self {
        match (register_a & a::DIVIDER) >> 4 {
            0..=2 => Self::Runs,
            3..=5 => Self::Unused,
            _ => Self::Reset,
        }
    }
}

/// A real-time clock.
pub struct Rtc {
    config: RtcConfig,
    index: u8,
    nmi_masked: bool,
    a: u8,
    b: u8,
    /// Without IRQF.
    c: u8,
    /// CMOS RAM; the places of clock registers are not used.
    ram: [u8; 128],
    alarm: Alarm,
    counter: Counter,
    view: View,
    periodic: Periodic,
    /// The reference's time up to which update cycles have been accounted for.
    seen: i128,
    decided: Decided,
    /// The offset last told to the outside.
    told_s: i64,
    line: bool,
    outputs: Vec<Output>,
}

fn since_1970(now: Tod) -> i128 {
    now.units() as i128 - Tod::UNIX_EPOCH.units() as i128
}

/// The reference's value at a time since 1970; the first there is before 1900.
fn tod_of(since_1970: i128) -> Tod {
    let units = since_1970 + Tod::UNIX_EPOCH.units() as i128;
    Tod::from_units(u128::try_from(units).unwrap_or(0))
}

fn second_of(date: i128) -> i64 {
    // 2^72 units and a date of five digits are far below 2^63 seconds.
    date.div_euclid(SECOND_UNITS) as i64
}

fn units_of(second: i64) -> i128 {
    i128::from(second) * SECOND_UNITS
}

/// Whole seconds of an offset, the nearest: it is whole but for what a divider reset leaves.
fn nearest_second(offset: i128) -> i64 {
    second_of(offset + SECOND_UNITS / 2)
}

impl Rtc {
    /// An RTC at power-on, when its reference shows `now`: the date is the reference's.
    #[must_use]
    pub fn new(config: RtcConfig, now: Tod) -> Self {
        let now = since_1970(now);
        Self {
            config,
            index: 0,
            nmi_masked: false,
            a: a::INITIAL,
            b: b::INITIAL,
            c: 0,
            ram: [0; 128],
            alarm: Alarm::default(),
            counter: Counter::Runs { offset: 0 },
            view: View::Date,
            periodic: Periodic::new(now),
            seen: now,
            decided: Decided::ByGuest,
            told_s: 0,
            line: false,
            outputs: Vec::new(),
        }
    }

    /// A byte is written to port 0x70 or 0x71; other ports are none of its.
    pub fn write_port(&mut self, port: u16, value: u8, now: Tod) {
        match port {
            spec::INDEX_PORT => {
                self.index = value & 0x7F;
                self.nmi_masked = value & 0x80 != 0;
            }
            spec::DATA_PORT => self.write(self.index, value, now),
            _ => {}
        }
    }

    /// A byte is read from port 0x70, which cannot be read, or 0x71.
    pub fn read_port(&mut self, port: u16, now: Tod) -> u8 {
        match port {
            spec::DATA_PORT => self.read(self.index, now),
            _ => 0xFF,
        }
    }

    /// Writes a register, 0 to 0x7F.
    pub fn write(&mut self, register: u8, value: u8, now: Tod) {
        self.advance(now);
        let register = register & 0x7F;
        let now = since_1970(now);
        match register {
            spec::SECONDS_ALARM => self.alarm.second = value,
            spec::MINUTES_ALARM => self.alarm.minute = value,
            spec::HOURS_ALARM => self.alarm.hour = value,
            spec::REG_A => self.write_a(value, now),
            spec::REG_B => self.write_b(value, now),
            spec::REG_C | spec::REG_D => {}
            _ => match Registers::place(register) {
                Some(place) => self.write_date(place, value, now),
                None => self.ram[usize::from(register)] = value,
            },
        }
        self.drive_line();
    }

    /// Reads a register, 0 to 0x7F.
    pub fn read(&mut self, register: u8, now: Tod) -> u8 {
        self.advance(now);
        let register = register & 0x7F;
        let now = since_1970(now);
        match register {
            spec::SECONDS_ALARM => self.alarm.second,
            spec::MINUTES_ALARM => self.alarm.minute,
            spec::HOURS_ALARM => self.alarm.hour,
            spec::REG_A => {
                self.a
                    | if self.update_in_progress(now) {
                        a::UIP
                    } else {
                        0
                    }
            }
            spec::REG_B => self.b,
            spec::REG_C => self.read_c(now),
            spec::REG_D => spec::D_VALID,
            _ => match (Registers::place(register), self.view) {
                (Some(place), View::Held { registers, .. }) => registers.get(place),
                (Some(place), _) => self.registers(now).get(place),
                (None, _) => self.ram[usize::from(register)],
            },
        }
    }

    /// Accounts for time up to `now`. To be called at [`Rtc::next_event`]; more often does no
    /// harm, and later raises what is due then, once.
    pub fn advance(&mut self, now: Tod) {
        let now = since_1970(now);
        if now < self.seen {
            // The reference was set back: what it comes to again is due again.
            self.periodic.set_back(now);
        } else if let Some(offset) = self.updates() {
            let (from, to) = (second_of(self.seen + offset), second_of(now + offset));
            if to > from {
                self.c |= c::UF;
                let mode = Mode::of(self.b);
                if self.alarm.next_after(from, mode).is_some_and(|at| at <= to) {
                    self.c |= c::AF;
                }
            }
        }
        self.seen = now;
        if let View::NoSuchDay { written } = self.view
            && Fields::of_seconds(second_of(self.counter.date(now))).day_number()
                != written.day_number()
        {
            self.view = View::Date;
        }
        self.look(now);
        self.drive_line();
    }

    /// When the reference shows what is returned, or more, an interrupt becomes due, or a period
    /// ends while the guest has not acknowledged the one before.
    #[must_use]
    pub fn next_event(&self) -> Option<Tod> {
        let waits_for = |bit| self.b & bit != 0 && self.c & bit == 0;
        let mut next: Option<i128> = None;
        let mut consider = |at: Option<i128>| {
            next = match (next, at) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
        };
        if let Some(offset) = self.updates() {
            let second = second_of(self.seen + offset);
            if waits_for(c::UF) {
                consider(Some(units_of(second + 1) - offset));
            }
            if waits_for(c::AF) {
                let at = self.alarm.next_after(second, Mode::of(self.b));
                consider(at.map(|at| units_of(at) - offset));
            }
        }
        // Also while its flag is up: a test's virtual time steps from period to period.
        if self.b & b::PIE != 0 {
            consider(self.periodic.next(self.a, self.c & c::PF != 0));
        }
        next.map(tod_of)
    }

    /// What has happened since the last call, in order.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// Whether IRQ 8 is active.
    #[must_use]
    pub fn irq(&self) -> bool {
        self.line
    }

    /// Whether bit 7 of port 0x70 masks NMI.
    #[must_use]
    pub fn nmi_masked(&self) -> bool {
        self.nmi_masked
    }

    /// The date now.
    #[must_use]
    pub fn time(&self, now: Tod) -> RtcTime {
        let fields = Fields::of_seconds(second_of(self.counter.date(since_1970(now))));
        RtcTime {
            tm_year: fields.century * 100 + fields.year - 1900,
            tm_mon: fields.month - 1,
            tm_mday: fields.day,
            tm_hour: fields.hour,
            tm_min: fields.minute,
            tm_sec: fields.second,
        }
    }

    /// The date less the reference, in whole seconds.
    #[must_use]
    pub fn offset_s(&self, now: Tod) -> i64 {
        let now = since_1970(now);
        nearest_second(self.counter.date(now) - now)
    }

    /// The manager of VMs says by how much the date differs from the reference. From now on this
    /// wins over the offset of a state that is loaded. The guest may change it as ever.
    pub fn set_offset(&mut self, offset_s: i64, now: Tod) {
        self.advance(now);
        self.decided = Decided::ByToolstack;
        self.shift_to(offset_s, since_1970(now));
        self.told_s = offset_s;
    }

    /// Periodic interrupts that the guest has missed so far stay missed
    /// (`rtc-reset-reinjection`).
    pub fn reset_reinjection(&mut self) {
        self.periodic.forget_missed();
    }

    /// Periodic interrupts that are to be given back to the guest.
    #[must_use]
    pub fn missed_periods(&self) -> u64 {
        self.periodic.missed(self.a)
    }

    /// The machine's reset line: interrupts are disabled, flags cleared. Date, alarm and RAM are
    /// battery-backed and stay.
    pub fn reset(&mut self, now: Tod) {
        self.advance(now);
        self.b &= !(b::PIE | b::AIE | b::UIE | b::SQWE);
        self.c = 0;
        self.nmi_masked = false;
        self.periodic.forget_missed();
        self.drive_line();
    }

    /// Sets a byte of CMOS RAM, as firmware's set-up does; not a clock register.
    pub fn set_ram(&mut self, register: u8, value: u8) {
        self.ram[usize::from(register & 0x7F)] = value;
    }

    /// The reference's time up to which all is accounted for.
    fn seen(&self) -> Tod {
        tod_of(self.seen)
    }

    /// The offset, if update cycles take place.
    fn updates(&self) -> Option<i128> {
        match (self.counter, self.view) {
            (Counter::Runs { .. }, View::Held { .. }) | (Counter::Stands { .. }, _) => None,
            (Counter::Runs { offset }, _) => Some(offset),
        }
    }

    fn update_in_progress(&self, now: i128) -> bool {
        self.updates().is_some_and(|offset| {
            (now + offset).rem_euclid(SECOND_UNITS) >= SECOND_UNITS - spec::UIP_UNITS
        })
    }

    /// The date's fields, with a day that is none if one was written.
    fn fields(&self, now: i128) -> Fields {
        let fields = Fields::of_seconds(second_of(self.counter.date(now)));
        match self.view {
            View::NoSuchDay { written } => fields.with_day_of(&written),
            View::Date | View::Held { .. } => fields,
        }
    }

    fn registers(&self, now: i128) -> Registers {
        Registers::encode(&self.fields(now), Mode::of(self.b))
    }

    fn write_date(&mut self, place: usize, value: u8, now: i128) {
        if let View::Held {
            registers, written, ..
        } = &mut self.view
        {
            registers.set(place, value);
            *written = true;
            return;
        }
        let before = self.fields(now);
        let after = before.with_register(place, value, Mode::of(self.b));
        if after != before {
            self.set_date(&after, before.seconds(), now);
        }
    }

    /// The date becomes `fields` where it was `before`; the part of a second stays.
    fn set_date(&mut self, fields: &Fields, before: i64, now: i128) {
        let to = self.counter.date(now) + units_of(fields.seconds() - before);
        self.counter.set(to, now);
        self.view = self.view_of(fields, now);
        self.tell(now);
    }

    /// How a date that was written shows, while it is still that day.
    fn view_of(&self, written: &Fields, now: i128) -> View {
        let date = Fields::of_seconds(second_of(self.counter.date(now)));
        let is_that_day = date.day_number() == written.day_number();
        if is_that_day && date != date.with_day_of(written) {
            View::NoSuchDay { written: *written }
        } else {
            View::Date
        }
    }

    /// Tells of a changed offset, which is known only while the counter runs.
    fn tell(&mut self, now: i128) {
        if let Counter::Runs { .. } = self.counter {
            let offset_s = nearest_second(self.counter.date(now) - now);
            if offset_s != self.told_s {
                self.told_s = offset_s;
                self.outputs.push(Output::TimeChanged { offset_s });
            }
        }
    }

    fn write_a(&mut self, value: u8, now: i128) {
        let (old, new) = (Divider::of(self.a), Divider::of(value));
        let date = self.counter.date(now);
        match (old, new) {
            (_, Divider::Runs) if old != Divider::Runs => {
                self.counter = Counter::Runs { offset: date - now };
                self.tell(now);
            }
            // The first update ends half a second after the reset.
            (Divider::Runs | Divider::Unused, Divider::Reset) => {
                self.counter = Counter::Stands {
                    date: units_of(second_of(date)) + SECOND_UNITS / 2,
                };
            }
            (Divider::Runs, Divider::Unused) => self.counter = Counter::Stands { date },
            _ => {}
        }
        let rated = |register_a| periodic::period_ticks(register_a).is_some();
        match (rated(self.a), rated(value)) {
            (false, true) => self.periodic.restart(now),
            (true, false) => self.periodic.forget_missed(),
            _ => {}
        }
        self.a = value & !a::UIP;
        // A shorter period may have ended already.
        self.look(now);
    }

    fn write_b(&mut self, value: u8, now: i128) {
        let (old, mut value) = (self.b, value);
        if value & b::SET != 0 {
            value &= !b::UIE;
            if !matches!(self.view, View::Held { .. }) {
                self.view = self.held(now);
            }
        } else if let View::Held {
            entry,
            registers,
            written,
        } = self.view
        {
            self.view = self.view_of(&entry, now);
            if written {
                // In the mode in which they were written, whatever this write selects.
                let fields = registers.decode(Mode::of(old));
                let before = match self.config.while_set {
                    WhileSet::Stands => second_of(self.counter.date(now)),
                    WhileSet::Counts => entry.seconds(),
                };
                self.set_date(&fields, before, now);
            }
        }
        match (old & b::PIE != 0, value & b::PIE != 0) {
            (false, true) => self.periodic.restart(now),
            (true, false) => self.periodic.forget_missed(),
            _ => {}
        }
        self.b = value;
    }

    fn read_c(&mut self, now: i128) -> u8 {
        let value = self.c | if self.line { c::IRQF } else { 0 };
        let seen_period = self.c & c::PF != 0;
        self.c = 0;
        self.drive_line();
        let enabled = self.b & b::PIE != 0;
        if seen_period && self.periodic.acknowledge(now, self.a, enabled) {
            self.c = c::PF;
            self.drive_line();
        }
        value
    }

    /// Periods that have ended by now.
    fn look(&mut self, now: i128) {
        let (raised, enabled) = (self.c & c::PF != 0, self.b & b::PIE != 0);
        let fix = self.config.drift_fix;
        if self.periodic.advance(now, self.a, raised, enabled, fix) {
            self.c |= c::PF;
        }
    }

    /// IRQ 8 follows the flags whose interrupts are enabled.
    fn drive_line(&mut self) {
        let line = self.wants_line();
        if line != self.line {
            self.line = line;
            let output = if line { Output::Raise } else { Output::Lower };
            self.outputs.push(output);
        }
    }

    fn wants_line(&self) -> bool {
        self.c & self.b & c::FLAGS != 0
    }

    /// The offset when time was last accounted for, in seconds.
    fn offset_in_force(&self) -> i64 {
        nearest_second(self.counter.date(self.seen) - self.seen)
    }

    /// The date becomes the reference plus so many seconds.
    fn shift_to(&mut self, offset_s: i64, now: i128) {
        let offset = units_of(offset_s);
        match &mut self.counter {
            Counter::Runs { offset: old } => *old = offset,
            Counter::Stands { date } => {
                *date = units_of(second_of(now + offset)) + SECOND_UNITS / 2;
            }
        }
        self.rewrite_registers(now);
    }

    /// The registers show the date, also while SET holds them.
    fn rewrite_registers(&mut self, now: i128) {
        self.view = View::Date;
        if self.b & b::SET != 0 {
            self.view = self.held(now);
        }
    }

    fn held(&self, now: i128) -> View {
        View::Held {
            entry: self.fields(now),
            registers: self.registers(now),
            written: false,
        }
    }
}
