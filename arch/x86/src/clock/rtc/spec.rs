//! Register numbers and bits of the MC146818 and of its place in a PC, from the Motorola data
//! sheet ("MC146818 Real-Time Clock plus RAM") and the IBM PC/AT Technical Reference.

/// Port of the register index; bit 7 masks NMI.
pub const INDEX_PORT: u16 = 0x70;
/// Port of the register that the index names.
pub const DATA_PORT: u16 = 0x71;
/// The interrupt request line.
pub const IRQ: u8 = 8;

/// Seconds.
pub const SECONDS: u8 = 0x00;
/// Seconds of the alarm.
pub const SECONDS_ALARM: u8 = 0x01;
/// Minutes.
pub const MINUTES: u8 = 0x02;
/// Minutes of the alarm.
pub const MINUTES_ALARM: u8 = 0x03;
/// Hours; bit 7 is PM in 12-hour mode.
pub const HOURS: u8 = 0x04;
/// Hours of the alarm.
pub const HOURS_ALARM: u8 = 0x05;
/// Day of the week, 1 is Sunday.
pub const DAY_OF_WEEK: u8 = 0x06;
/// Day of the month, from 1.
pub const DAY_OF_MONTH: u8 = 0x07;
/// Month, from 1.
pub const MONTH: u8 = 0x08;
/// Year of the century.
pub const YEAR: u8 = 0x09;
/// Register A.
pub const REG_A: u8 = 0x0A;
/// Register B.
pub const REG_B: u8 = 0x0B;
/// Register C: reading clears it.
pub const REG_C: u8 = 0x0C;
/// Register D.
pub const REG_D: u8 = 0x0D;
/// The century, in the PC's CMOS RAM.
pub const CENTURY: u8 = 0x32;
/// The century, where the IBM PS/2 has it.
pub const CENTURY_PS2: u8 = 0x37;

/// Bits of register A.
pub mod a {
    /// Update in progress, or about to be. Read only.
    pub const UIP: u8 = 0x80;
    /// Divider: time base.
    pub const DIVIDER: u8 = 0x70;
    /// Rate of the periodic interrupt.
    pub const RATE: u8 = 0x0F;
    /// At power-on: 32,768 Hz, 1024 Hz periodic.
    pub const INITIAL: u8 = 0x26;
}

/// Bits of register B.
pub mod b {
    /// No updates: the program sets the time.
    pub const SET: u8 = 0x80;
    /// Periodic interrupt enable.
    pub const PIE: u8 = 0x40;
    /// Alarm interrupt enable.
    pub const AIE: u8 = 0x20;
    /// Update-ended interrupt enable.
    pub const UIE: u8 = 0x10;
    /// Square wave enable.
    pub const SQWE: u8 = 0x08;
    /// Binary, else BCD.
    pub const DM: u8 = 0x04;
    /// 24 hours, else 12.
    pub const HOURS_24: u8 = 0x02;
    /// At power-on: BCD, 24 hours.
    pub const INITIAL: u8 = HOURS_24;
}

/// Bits of register C; the enable bits of register B are at the same places.
pub mod c {
    /// The interrupt request line is active.
    pub const IRQF: u8 = 0x80;
    /// A period has ended.
    pub const PF: u8 = 0x40;
    /// The alarm's time has come.
    pub const AF: u8 = 0x20;
    /// An update has ended.
    pub const UF: u8 = 0x10;
    /// All that can request an interrupt.
    pub const FLAGS: u8 = PF | AF | UF;
}

/// Register D: valid RAM and time.
pub const D_VALID: u8 = 0x80;

/// Bits that make an alarm byte match everything.
pub const WILDCARD: u8 = 0xC0;

/// One tick of the 32,768 Hz oscillator in TOD units: exact.
pub const TICK_UNITS: i128 = 125_000;
/// UIP is up this long before an update ends: 8 ticks, 244.140625 us.
pub const UIP_UNITS: i128 = 8 * TICK_UNITS;
/// A second in TOD units.
pub const SECOND_UNITS: i128 = tod::value::UNITS_PER_SECOND as i128;
