//! The alarm: three bytes that are compared with seconds, minutes and hours at each update.
//!
//! The chip compares bytes as they stand in the registers, so an alarm written in another mode
//! than the time's, or out of range, never matches; a byte with bits 7 and 6 set matches always.

use super::date::{DAY_S, Mode};
use super::spec;

/// The alarm's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Alarm {
    pub(super) second: u8,
    pub(super) minute: u8,
    pub(super) hour: u8,
}

/// The values of a field, 0 up, that an alarm byte matches: a bit each.
fn matches(alarm: u8, values: i64, encode: impl Fn(i64) -> u8) -> u64 {
    if alarm & spec::WILDCARD == spec::WILDCARD {
        return (1 << values) - 1;
    }
    (0..values)
        .filter(|value| encode(*value) == alarm)
        .fold(0, |mask, value| mask | 1 << value)
}

/// The first bit of `mask` from `from` on, if it is there at all.
fn first_from(mask: u64, from: i64) -> Option<i64> {
    let rest = mask.checked_shr(from as u32).unwrap_or(0);
    (rest != 0).then(|| from + i64::from(rest.trailing_zeros()))
}

impl Alarm {
    /// The first second after `second` (both since 1970) that matches; none if no second of a
    /// day does.
    pub(super) fn next_after(self, second: i64, mode: Mode) -> Option<i64> {
        let seconds = matches(self.second, 60, |value| mode.encode(value));
        let minutes = matches(self.minute, 60, |value| mode.encode(value));
        let hours = matches(self.hour, 24, |value| mode.encode_hour(value));
        let first = |mask| first_from(mask, 0);
        let (first_second, first_minute, first_hour) =
            (first(seconds)?, first(minutes)?, first(hours)?);

        let from = second + 1;
        let (day, of_day) = (from.div_euclid(DAY_S), from.rem_euclid(DAY_S));
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        // The latest place at which the search can leave the given time is tried first.
        let in_the_minute = || {
            (hours >> hour & 1 == 1 && minutes >> minute & 1 == 1)
                .then(|| first_from(seconds, second))
                .flatten()
                .map(|second| (hour, minute, second))
        };
        let in_the_hour = || {
            (hours >> hour & 1 == 1)
                .then(|| first_from(minutes, minute + 1))
                .flatten()
                .map(|minute| (hour, minute, first_second))
        };
        let in_the_day =
            || first_from(hours, hour + 1).map(|hour| (hour, first_minute, first_second));
        let (day, (hour, minute, second)) =
            match in_the_minute().or_else(in_the_hour).or_else(in_the_day) {
                Some(time) => (day, time),
                None => (day + 1, (first_hour, first_minute, first_second)),
            };
        Some(day * DAY_S + hour * 3600 + minute * 60 + second)
    }
}
