//! A model of the chip that counts second by second, as its counters do. It has no offsets, no
//! calendar arithmetic and no look-ahead.

use crate::clock::rtc::spec::{self, SECOND_UNITS, a, b, c};

/// The model.
#[derive(Debug, Clone)]
pub(super) struct Model {
    second: i64,
    minute: i64,
    hour: i64,
    day: i64,
    month: i64,
    year: i64,
    century: i64,
    /// TOD units into the second.
    phase: i128,
    /// TOD units since a period ended.
    period: i128,
    pub(super) a: u8,
    pub(super) b: u8,
    c: u8,
    alarm: [u8; 3],
    ram: [u8; 128],
    /// Under SET: the date registers (seconds to century), and whether one was written.
    held: Option<([u8; 8], bool)>,
}

/// The date registers in the order of `held`.
const DATE: [u8; 8] = [
    spec::SECONDS,
    spec::MINUTES,
    spec::HOURS,
    spec::DAY_OF_WEEK,
    spec::DAY_OF_MONTH,
    spec::MONTH,
    spec::YEAR,
    spec::CENTURY,
];

fn length(month: i64, year: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl Model {
    /// At power-on, at 2026-11-22 06:05:04.
    pub(super) fn new() -> Self {
        Self {
            second: 4,
            minute: 5,
            hour: 6,
            day: 22,
            month: 11,
            year: 26,
            century: 20,
            phase: 0,
            period: 0,
            a: 0x26,
            b: 0x02,
            c: 0,
            alarm: [0; 3],
            ram: [0; 128],
            held: None,
        }
    }

    fn encode(&self, value: i64) -> u8 {
        if self.b & b::DM != 0 {
            return value as u8;
        }
        (value.div_euclid(10) * 16 + value.rem_euclid(10)) as u8
    }

    fn encode_hour(&self, hour: i64) -> u8 {
        if self.b & b::HOURS_24 != 0 {
            return self.encode(hour);
        }
        match hour {
            0 => self.encode(12),
            1..=11 => self.encode(hour),
            12 => self.encode(12) | 0x80,
            _ => self.encode(hour - 12) | 0x80,
        }
    }

    fn decode(mode: u8, byte: u8) -> i64 {
        if mode & b::DM != 0 {
            i64::from(byte)
        } else {
            i64::from(byte / 16) * 10 + i64::from(byte % 16)
        }
    }

    fn decode_hour(mode: u8, byte: u8) -> i64 {
        let hour = Self::decode(mode, byte % 128);
        if mode & b::HOURS_24 != 0 {
            hour
        } else {
            hour % 12 + if byte >= 128 { 12 } else { 0 }
        }
    }

    /// What was written becomes a date.
    fn normalise_day(&mut self) {
        let mut year = self.century * 100 + self.year;
        if self.month == 0 {
            self.month = 12;
            year -= 1;
        }
        while self.month > 12 {
            self.month -= 12;
            year += 1;
        }
        if self.day == 0 {
            self.month -= 1;
            if self.month == 0 {
                self.month = 12;
                year -= 1;
            }
            self.day = length(self.month, year);
        }
        while self.day > length(self.month, year) {
            self.day -= length(self.month, year);
            self.month += 1;
            if self.month > 12 {
                self.month = 1;
                year += 1;
            }
        }
        self.century = year.div_euclid(100);
        self.year = year.rem_euclid(100);
    }

    fn next_day(&mut self) {
        self.normalise_day();
        self.day += 1;
        self.normalise_day();
    }

    fn carry(&mut self) {
        while self.second >= 60 {
            self.second -= 60;
            self.minute += 1;
        }
        while self.minute >= 60 {
            self.minute -= 60;
            self.hour += 1;
        }
        while self.hour >= 24 {
            self.hour -= 24;
            self.next_day();
        }
    }

    /// 1 is Sunday; Sakamoto's method.
    fn weekday(&self) -> i64 {
        let mut day = self.clone();
        day.normalise_day();
        let year = day.century * 100 + day.year + 400 - i64::from(day.month < 3);
        let month = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4][day.month as usize - 1];
        (year + year / 4 - year / 100 + year / 400 + month + day.day) % 7 + 1
    }

    fn registers(&self) -> [u8; 8] {
        [
            self.encode(self.second),
            self.encode(self.minute),
            self.encode_hour(self.hour),
            self.encode(self.weekday()),
            self.encode(self.day),
            self.encode(self.month),
            self.encode(self.year),
            self.encode(self.century),
        ]
    }

    fn alarm_matches(&self) -> bool {
        let time = [
            self.encode(self.second),
            self.encode(self.minute),
            self.encode_hour(self.hour),
        ];
        self.alarm
            .iter()
            .zip(time)
            .all(|(alarm, byte)| alarm & 0xC0 == 0xC0 || *alarm == byte)
    }

    fn runs(&self) -> bool {
        self.a & a::DIVIDER <= 0x20
    }

    fn period_units(&self) -> Option<i128> {
        let hertz = match self.a & 0xF {
            0 => return None,
            1 => 256,
            2 => 128,
            rate => 32768 >> (rate - 1),
        };
        Some(SECOND_UNITS / hertz)
    }

    fn end_periods(&mut self) {
        if let Some(units) = self.period_units()
            && self.period >= units
        {
            self.period %= units;
            self.c |= c::PF;
        }
    }

    /// Time passes.
    pub(super) fn step(&mut self, units: i128) {
        self.period += units;
        self.end_periods();
        if !self.runs() {
            return;
        }
        self.phase += units;
        while self.phase >= SECOND_UNITS {
            self.phase -= SECOND_UNITS;
            self.second += 1;
            self.carry();
            if self.held.is_none() {
                self.c |= c::UF;
                if self.alarm_matches() {
                    self.c |= c::AF;
                }
            }
        }
    }

    pub(super) fn irq(&self) -> bool {
        self.b & self.c & 0x70 != 0
    }

    fn place(register: u8) -> Option<usize> {
        let register = if register == 0x37 { 0x32 } else { register };
        DATE.iter().position(|one| *one == register)
    }

    pub(super) fn read(&mut self, register: u8) -> u8 {
        match register {
            1 => self.alarm[0],
            3 => self.alarm[1],
            5 => self.alarm[2],
            0xA => {
                let left = SECOND_UNITS - self.phase;
                let uip = self.runs() && self.held.is_none() && left <= 1_000_000;
                self.a | if uip { 0x80 } else { 0 }
            }
            0xB => self.b,
            0xC => {
                let value = self.c | if self.irq() { 0x80 } else { 0 };
                self.c = 0;
                value
            }
            0xD => 0x80,
            _ => match (Self::place(register), self.held) {
                (Some(place), Some((held, _))) => held[place],
                (Some(place), None) => self.registers()[place],
                (None, _) => self.ram[usize::from(register)],
            },
        }
    }

    fn set_field(&mut self, place: usize, mode: u8, byte: u8) {
        let number = Self::decode(mode, byte);
        match place {
            0 => self.second = number,
            1 => self.minute = number,
            2 => self.hour = Self::decode_hour(mode, byte),
            4 => self.day = number,
            5 => self.month = number,
            6 => self.year = number,
            7 => self.century = number,
            _ => {}
        }
    }

    pub(super) fn write(&mut self, register: u8, value: u8) {
        match register {
            1 => self.alarm[0] = value,
            3 => self.alarm[1] = value,
            5 => self.alarm[2] = value,
            0xA => {
                let is_reset = |a: u8| a & 0x60 == 0x60;
                if is_reset(value) && !is_reset(self.a) {
                    self.phase = SECOND_UNITS / 2;
                }
                if self.period_units().is_none() {
                    self.period = 0;
                }
                self.a = value & 0x7F;
                self.end_periods();
            }
            0xB => {
                let mut value = value;
                if value & b::SET != 0 {
                    value &= !b::UIE;
                    if self.held.is_none() {
                        self.held = Some((self.registers(), false));
                    }
                } else if let Some((held, written)) = self.held.take()
                    && written
                {
                    for (place, byte) in held.into_iter().enumerate() {
                        self.set_field(place, self.b, byte);
                    }
                    self.carry();
                }
                if value & b::PIE != 0 && self.b & b::PIE == 0 {
                    self.period = 0;
                }
                self.b = value;
            }
            0xC | 0xD => {}
            _ => match (Self::place(register), &mut self.held) {
                (Some(place), Some((held, written))) => {
                    held[place] = value;
                    *written = true;
                }
                (Some(place), None) => {
                    self.set_field(place, self.b, value);
                    self.carry();
                }
                (None, _) => self.ram[usize::from(register)] = value,
            },
        }
    }
}
