//! The date as the registers show it: fields, their encodings, and seconds since 1970.
//!
//! What programs write need not be a date: 31 February stands between two writes of a program
//! that sets field after field. Every combination of fields has a number of seconds, as C's
//! `mktime` counts them; [`Fields`] keeps what was written.

use super::spec::{self, b};

/// Seconds of a day.
pub(super) const DAY_S: i64 = 86_400;

/// How register B encodes date and alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mode(u8);

impl Mode {
    pub(super) fn of(register_b: u8) -> Self {
        Self(register_b & (b::DM | b::HOURS_24))
    }

    fn is_binary(self) -> bool {
        self.0 & b::DM != 0
    }

    fn is_24_hours(self) -> bool {
        self.0 & b::HOURS_24 != 0
    }

    /// A number of at most two digits; more are cut as the byte cuts them.
    pub(super) fn encode(self, value: i64) -> u8 {
        if self.is_binary() {
            value as u8
        } else {
            ((value.div_euclid(10) << 4) | value.rem_euclid(10)) as u8
        }
    }

    fn decode(self, byte: u8) -> i64 {
        if self.is_binary() {
            i64::from(byte)
        } else {
            i64::from(byte >> 4) * 10 + i64::from(byte & 0xF)
        }
    }

    /// An hour, 0 to 23.
    pub(super) fn encode_hour(self, hour: i64) -> u8 {
        if self.is_24_hours() {
            return self.encode(hour);
        }
        let on_the_dial = match hour % 12 {
            0 => 12,
            hour => hour,
        };
        self.encode(on_the_dial) | if hour >= 12 { 0x80 } else { 0 }
    }

    fn decode_hour(self, byte: u8) -> i64 {
        let hour = self.decode(byte & 0x7F);
        match (self.is_24_hours(), byte & 0x80 != 0) {
            (true, _) => hour,
            (false, pm) => hour % 12 + if pm { 12 } else { 0 },
        }
    }
}

/// The eight registers of a date, as numbers of any size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub(super) struct Fields {
    pub(super) second: i64,
    pub(super) minute: i64,
    /// Of 24.
    pub(super) hour: i64,
    /// From 1.
    pub(super) day: i64,
    /// From 1.
    pub(super) month: i64,
    /// Of the century.
    pub(super) year: i64,
    pub(super) century: i64,
}

/// The registers that hold a date, in the order of [`Registers`].
const DATE_REGISTERS: [u8; 8] = [
    spec::SECONDS,
    spec::MINUTES,
    spec::HOURS,
    spec::DAY_OF_WEEK,
    spec::DAY_OF_MONTH,
    spec::MONTH,
    spec::YEAR,
    spec::CENTURY,
];

/// The bytes of the date registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Registers([u8; 8]);

impl Registers {
    /// Which of these bytes a register is, if it is one.
    pub(super) fn place(register: u8) -> Option<usize> {
        let register = match register {
            spec::CENTURY_PS2 => spec::CENTURY,
            other => other,
        };
        DATE_REGISTERS.iter().position(|one| *one == register)
    }

    pub(super) fn get(self, place: usize) -> u8 {
        self.0[place]
    }

    pub(super) fn set(&mut self, place: usize, byte: u8) {
        self.0[place] = byte;
    }

    pub(super) fn encode(fields: &Fields, mode: Mode) -> Self {
        let weekday = (fields.day_number() + 4).rem_euclid(7) + 1;
        Self([
            mode.encode(fields.second),
            mode.encode(fields.minute),
            mode.encode_hour(fields.hour),
            mode.encode(weekday),
            mode.encode(fields.day),
            mode.encode(fields.month),
            mode.encode(fields.year),
            mode.encode(fields.century),
        ])
    }

    pub(super) fn decode(self, mode: Mode) -> Fields {
        let [second, minute, hour, _, day, month, year, century] = self.0;
        Fields {
            second: mode.decode(second),
            minute: mode.decode(minute),
            hour: mode.decode_hour(hour),
            day: mode.decode(day),
            month: mode.decode(month),
            year: mode.decode(year),
            century: mode.decode(century),
        }
    }
}

impl Fields {
    /// The date so many seconds after 1970-01-01 00:00:00, in the Gregorian calendar.
    pub(super) fn of_seconds(seconds: i64) -> Self {
        let (year, month, day) = date_of_day(seconds.div_euclid(DAY_S));
        let second = seconds.rem_euclid(DAY_S);
        Self {
            second: second % 60,
            minute: second / 60 % 60,
            hour: second / 3600,
            day,
            month,
            year: year.rem_euclid(100),
            century: year.div_euclid(100),
        }
    }

    /// Seconds since 1970-01-01 00:00:00; fields may be out of their ranges.
    pub(super) fn seconds(&self) -> i64 {
        self.day_number() * DAY_S + self.hour * 3600 + self.minute * 60 + self.second
    }

    /// Days since 1970-01-01 of day, month, year and century.
    pub(super) fn day_number(&self) -> i64 {
        let months = self.month - 1;
        let year = self.century * 100 + self.year + months.div_euclid(12);
        first_of_month(year, months.rem_euclid(12)) + self.day - 1
    }

    /// The same day, as another clock reading has it.
    pub(super) fn with_day_of(self, other: &Self) -> Self {
        Self {
            day: other.day,
            month: other.month,
            year: other.year,
            century: other.century,
            ..self
        }
    }

    /// One of the registers changed to what was written.
    pub(super) fn with_register(mut self, place: usize, byte: u8, mode: Mode) -> Self {
        let number = mode.decode(byte);
        match DATE_REGISTERS[place] {
            spec::SECONDS => self.second = number,
            spec::MINUTES => self.minute = number,
            spec::HOURS => self.hour = mode.decode_hour(byte),
            spec::DAY_OF_MONTH => self.day = number,
            spec::MONTH => self.month = number,
            spec::YEAR => self.year = number,
            spec::CENTURY => self.century = number,
            // The day of the week follows from the date.
            _ => {}
        }
        self
    }
}

/// Days from 1970-01-01 to the first of a month, 0 to 11.
fn first_of_month(year: i64, month: i64) -> i64 {
    // Counted in years that begin in March, so that the leap day comes last.
    let (year, month) = match month {
        0 | 1 => (year - 1, month + 10),
        _ => (year, month - 2),
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + (153 * month + 2) / 5 - 719_468
}

/// Year, month and day, both from 1, of a day since 1970-01-01.
fn date_of_day(day: i64) -> (i64, i64, i64) {
    let first = |year| first_of_month(year, 0);
    // Years of the length that gives the earlier one; then forward, never too far.
    let mut year = 1970 + day.div_euclid(if day < 0 { 365 } else { 366 });
    while first(year + 1) <= day {
        year += 1.max((day - first(year + 1)).div_euclid(366));
    }
    let mut month = 11;
    while first_of_month(year, month) > day {
        month -= 1;
    }
    (year, month + 1, day - first_of_month(year, month) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_as_a_calendar_does() {
        // Day by day from 1970 on, and back.
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for number in 0..200_000 {
            assert_eq!(date_of_day(number), (year, month, day), "day {number}");
            assert_eq!(first_of_month(year, month - 1) + day - 1, number);
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 if leap => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > length {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
        assert_eq!(date_of_day(-1), (1969, 12, 31));
        // `date -u -d 1900-03-01 +%s` / 86400, and likewise.
        assert_eq!(date_of_day(-25_508), (1900, 3, 1));
        assert_eq!(date_of_day(2_932_896), (9999, 12, 31));
    }

    #[test]
    fn dates_far_away_come_back() {
        for seconds in [i64::MIN >> 20, -1, 0, 1 << 40, i64::MAX >> 20] {
            assert_eq!(Fields::of_seconds(seconds).seconds(), seconds);
        }
    }

    #[test]
    fn what_is_no_date_counts_on() {
        let february = Fields {
            second: 0,
            minute: 0,
            hour: 0,
            day: 31,
            month: 2,
            year: 11,
            century: 20,
        };
        let march = Fields {
            day: 3,
            month: 3,
            ..february
        };
        assert_eq!(february.day_number(), march.day_number());
        let none = Fields {
            month: 0,
            ..february
        };
        let december = Fields {
            month: 12,
            year: 10,
            ..february
        };
        assert_eq!(none.seconds(), december.seconds());
    }
}
