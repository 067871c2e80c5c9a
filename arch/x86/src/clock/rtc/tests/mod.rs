//! The RTC against the data sheet, against a model, and on a VM's clocks.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod model;
mod offset;
mod on_a_vm;
mod periods;
mod properties;
mod registers;

use super::spec::{self, a, b};
use super::{Output, Rtc, RtcConfig};
use tod::value::units_from_ns;
use tod::{Tod, UnixTime};

/// 2026-11-22 06:05:04 UTC.
pub(super) const START_S: i64 = 1_795_327_504;

/// An RTC whose reference is moved by nanoseconds, as under a test's virtual clock.
pub(super) struct Bench {
    pub(super) rtc: Rtc,
    start: Tod,
    ns: i128,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(RtcConfig::default())
    }

    pub(super) fn with(config: RtcConfig) -> Self {
        Self::starting(config, 0)
    }

    /// Some nanoseconds into the second.
    pub(super) fn starting(config: RtcConfig, nanos: u32) -> Self {
        let start = Tod::from_unix(UnixTime::new(START_S, nanos).unwrap()).unwrap();
        Self {
            rtc: Rtc::new(config, start),
            start,
            ns: 0,
        }
    }

    pub(super) fn now(&self) -> Tod {
        self.start.wrapping_add(units_from_ns(self.ns))
    }

    /// Virtual time passes, with a look at each event that the RTC asks for.
    pub(super) fn step(&mut self, ns: i64) {
        let end = self.ns + i128::from(ns);
        while let Some(due) = self.rtc.next_event() {
            let units = due.signed_units_since(self.start);
            let at = tod::value::ns_from_units_ceil(units).max(self.ns);
            if at > end {
                break;
            }
            self.ns = at;
            self.rtc.advance(self.now());
        }
        self.ns = end;
        self.rtc.advance(self.now());
    }

    pub(super) fn seconds(&mut self, seconds: i64) {
        self.step(seconds * 1_000_000_000);
    }

    pub(super) fn write(&mut self, register: u8, value: u8) {
        self.rtc.write_port(spec::INDEX_PORT, register, self.now());
        self.rtc.write_port(spec::DATA_PORT, value, self.now());
    }

    pub(super) fn read(&mut self, register: u8) -> u8 {
        self.rtc.write_port(spec::INDEX_PORT, register, self.now());
        self.rtc.read_port(spec::DATA_PORT, self.now())
    }

    /// Hours, minutes, seconds.
    pub(super) fn time(&mut self) -> [u8; 3] {
        [spec::HOURS, spec::MINUTES, spec::SECONDS].map(|register| self.read(register))
    }

    pub(super) fn set_time(&mut self, time: [u8; 3]) {
        self.write(spec::HOURS, time[0]);
        self.write(spec::MINUTES, time[1]);
        self.write(spec::SECONDS, time[2]);
    }

    /// Century, year, month, day.
    pub(super) fn date(&mut self) -> [u8; 4] {
        [spec::CENTURY, spec::YEAR, spec::MONTH, spec::DAY_OF_MONTH]
            .map(|register| self.read(register))
    }

    pub(super) fn set_date(&mut self, date: [u8; 4]) {
        self.write(spec::YEAR, date[1]);
        self.write(spec::CENTURY, date[0]);
        self.write(spec::MONTH, date[2]);
        self.write(spec::DAY_OF_MONTH, date[3]);
    }

    /// Sets the time with the divider in reset, in a mode.
    pub(super) fn set_in_reset(&mut self, mode: u8, time: [u8; 3]) {
        self.write(spec::REG_B, mode);
        self.write(spec::REG_A, 0x76);
        self.set_time(time);
        self.write(spec::REG_A, a::INITIAL);
    }

    pub(super) fn offset_s(&self) -> i64 {
        self.rtc.offset_s(self.now())
    }

    /// The offsets of RTC_CHANGE since the last call.
    pub(super) fn changes(&mut self) -> Vec<i64> {
        self.rtc
            .take_outputs()
            .into_iter()
            .filter_map(|output| match output {
                Output::TimeChanged { offset_s } => Some(offset_s),
                _ => None,
            })
            .collect()
    }
}

/// 24 hours, binary.
pub(super) const BINARY: u8 = b::DM | b::HOURS_24;
