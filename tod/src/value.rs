//! Guest time as a value: the TOD clock's 72 bits, and exact conversions.
//!
//! The unit everywhere in this crate is the *TOD unit*, 2^-12 microseconds
//! (z/Architecture Principles of Operation, "Time-of-Day Clock": bit 51 of the
//! clock is one microsecond). One nanosecond is 512/125 units, so a unit is
//! exactly 125/512 ns, and all conversions are integer arithmetic with a stated
//! direction: readings round down, deadlines round up.
//!
//! This module knows no clock; it neither reads nor publishes time.

use serde::{Deserialize, Serialize};
use std::fmt;

/// TOD units in one second: 4096 per microsecond.
pub const UNITS_PER_SECOND: u64 = 4_096_000_000;

/// TOD units in one microsecond.
pub const UNITS_PER_MICROSECOND: u64 = 4096;

/// Fraction bits of a [`FineTod`]: a unit is divided into 2^56 parts.
pub const FRACTION_BITS: u32 = 56;

/// The TOD clock's value at the Unix epoch, 1970-01-01T00:00:00 UTC:
/// 2,208,988,800 s (from 1900-01-01, without leap seconds) in TOD units.
pub const TOD_UNIX_EPOCH: u64 = 0x7D91_048B_CA00_0000;

/// Seconds from 1900-01-01 to 1970-01-01.
const UNIX_EPOCH_SECONDS: i128 = 2_208_988_800;

const TOD_BITS: u32 = 72;
/// Once round the clock, 2^72 units, is a whole number of nanoseconds.
const CIRCLE_NS: i128 = 125 << 63;

const TOD_MASK: u128 = (1 << TOD_BITS) - 1;

/// Nanoseconds to TOD units, rounded down (towards negative infinity). For
/// lengths below 2^124 ns; a TOD clock's whole range is 2^70.
#[must_use]
pub const fn units_from_ns(ns: i128) -> i128 {
    // Split so that no input of the crate's ranges can overflow.
    ns.div_euclid(125) * 512 + (ns.rem_euclid(125) * 512) / 125
}

/// Nanoseconds to TOD units, rounded up. For lengths below 2^124 ns.
#[must_use]
pub const fn units_from_ns_ceil(ns: i128) -> i128 {
    ns.div_euclid(125) * 512 + (ns.rem_euclid(125) * 512 + 124) / 125
}

/// TOD units to nanoseconds, rounded down (towards negative infinity).
#[must_use]
pub const fn ns_from_units(units: i128) -> i128 {
    units.div_euclid(512) * 125 + (units.rem_euclid(512) * 125) / 512
}

/// TOD units to nanoseconds, rounded up.
#[must_use]
pub const fn ns_from_units_ceil(units: i128) -> i128 {
    units.div_euclid(512) * 125 + (units.rem_euclid(512) * 125 + 511) / 512
}

/// Nanoseconds to 2^-56 units, rounded down. Exact to 2^-56 unit over all of
/// a u64's nanoseconds.
#[must_use]
pub(crate) const fn fine_from_ns(ns: u64) -> u128 {
    let whole = (ns / 125) as u128 * 512;
    let rest = (ns % 125) as u128 * 512;
    (whole << FRACTION_BITS) + (rest << FRACTION_BITS) / 125
}

/// A value that does not fit the TOD clock's 72 bits, or is no valid time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TodRangeError {
    /// Before 1900-01-01 or after the last of the 256 epochs.
    #[error(
        "Unix time {secs} s + {nanos} ns is outside the TOD clock's 256 epochs, which start 1900-01-01"
    )]
    OutOfRange {
        /// Seconds since 1970-01-01.
        secs: i64,
        /// Nanoseconds of the second.
        nanos: u32,
    },
    /// Nanoseconds of a second must be below 1,000,000,000.
    #[error("{0} ns is not a part of a second: it must be below 1000000000")]
    Nanoseconds(u32),
}

/// A Unix time: seconds since 1970-01-01T00:00:00 UTC (negative before) and
/// nanoseconds of that second, 0 to 999,999,999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UnixTime {
    secs: i64,
    nanos: u32,
}

impl UnixTime {
    /// # Errors
    /// [`TodRangeError::Nanoseconds`] when `nanos` is not below 10^9.
    pub const fn new(secs: i64, nanos: u32) -> Result<Self, TodRangeError> {
        if nanos >= 1_000_000_000 {
            return Err(TodRangeError::Nanoseconds(nanos));
        }
        Ok(Self { secs, nanos })
    }

    /// From nanoseconds since the Unix epoch; any `i64` fits.
    #[must_use]
    pub const fn from_ns(ns: i64) -> Self {
        Self {
            secs: ns.div_euclid(1_000_000_000),
            nanos: ns.rem_euclid(1_000_000_000) as u32,
        }
    }

    /// Seconds since 1970-01-01, rounded down.
    #[must_use]
    pub const fn secs(self) -> i64 {
        self.secs
    }

    /// Nanoseconds of the second.
    #[must_use]
    pub const fn nanos(self) -> u32 {
        self.nanos
    }

    const fn as_ns(self) -> i128 {
        self.secs as i128 * 1_000_000_000 + self.nanos as i128
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct TodParts {
    epoch_index: u8,
    clock: u64,
}

impl From<Tod> for TodParts {
    fn from(tod: Tod) -> Self {
        Self {
            epoch_index: tod.epoch_index(),
            clock: tod.clock(),
        }
    }
}

impl From<TodParts> for Tod {
    fn from(parts: TodParts) -> Self {
        Self::new(parts.epoch_index, parts.clock)
    }
}

/// A TOD clock value: epoch index (8 bits) and clock (64 bits), in TOD units
/// since 1900-01-01T00:00:00 UTC, wrapping after 256 epochs of about 143 years.
///
/// Wrapping time has no total order, so there is no `Ord`; see
/// [`Tod::is_before`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(into = "TodParts", from = "TodParts")]
pub struct Tod(u128);

impl Tod {
    /// 1970-01-01T00:00:00 UTC.
    pub const UNIX_EPOCH: Self = Self(TOD_UNIX_EPOCH as u128);
    /// The last value before the clock wraps to zero.
    pub const MAX: Self = Self(TOD_MASK);

    /// A value of its two parts.
    #[must_use]
    pub const fn new(epoch_index: u8, clock: u64) -> Self {
        Self(((epoch_index as u128) << 64) | clock as u128)
    }

    /// The low 72 bits of `units`.
    #[must_use]
    pub const fn from_units(units: u128) -> Self {
        Self(units & TOD_MASK)
    }

    /// All 72 bits, in TOD units.
    #[must_use]
    pub const fn units(self) -> u128 {
        self.0
    }

    /// The epoch index: bits above the 64-bit clock.
    #[must_use]
    pub const fn epoch_index(self) -> u8 {
        (self.0 >> 64) as u8
    }

    /// The 64-bit clock, as STORE CLOCK shows it.
    #[must_use]
    pub const fn clock(self) -> u64 {
        self.0 as u64
    }

    /// This many TOD units later (or earlier when negative), wrapping.
    #[must_use]
    pub const fn wrapping_add(self, units: i128) -> Self {
        Self(self.0.wrapping_add_signed(units) & TOD_MASK)
    }

    /// TOD units from `earlier` to `self`, going forward only: 0 to 2^72 - 1.
    #[must_use]
    pub const fn units_since(self, earlier: Self) -> u128 {
        self.0.wrapping_sub(earlier.0) & TOD_MASK
    }

    /// Signed TOD units from `other` to `self` by the shorter way round:
    /// -2^71 to 2^71 - 1.
    #[must_use]
    pub const fn signed_units_since(self, other: Self) -> i128 {
        let shift = 128 - TOD_BITS;
        ((self.0.wrapping_sub(other.0) << shift) as i128) >> shift
    }

    /// Whether `self` comes before `other` by the shorter way round the 72-bit
    /// circle: `other` is 1 to 2^71 - 1 units (18,000 years) ahead.
    ///
    /// This is not transitive: of three values spread over the circle, each can
    /// be before the next. Two values 2^71 apart are each before the other.
    #[must_use]
    pub const fn is_before(self, other: Self) -> bool {
        self.signed_units_since(other) < 0
    }

    /// The last TOD value that is not after `time`.
    ///
    /// # Errors
    /// [`TodRangeError::OutOfRange`] before 1900 or beyond 256 epochs.
    pub fn from_unix(time: UnixTime) -> Result<Self, TodRangeError> {
        Self::checked(time, units_from_ns(time.as_ns()))
    }

    /// The first TOD value that is not before `time`: for deadlines.
    ///
    /// # Errors
    /// [`TodRangeError::OutOfRange`] before 1900 or beyond 256 epochs.
    pub fn from_unix_ceil(time: UnixTime) -> Result<Self, TodRangeError> {
        Self::checked(time, units_from_ns_ceil(time.as_ns()))
    }

    fn checked(time: UnixTime, unix_units: i128) -> Result<Self, TodRangeError> {
        let units = unix_units + i128::from(TOD_UNIX_EPOCH);
        u128::try_from(units)
            .ok()
            .filter(|units| *units <= TOD_MASK)
            .map(Self)
            .ok_or(TodRangeError::OutOfRange {
                secs: time.secs,
                nanos: time.nanos,
            })
    }

    /// The Unix time of this value, rounded down to a nanosecond. Every one of
    /// the 2^72 values has one, from 1900-01-01 on.
    #[must_use]
    pub const fn to_unix(self) -> UnixTime {
        Self::unix_of_ns(self.to_ns())
    }

    /// The Unix time of this value, rounded up to a nanosecond: for deadlines.
    #[must_use]
    pub const fn to_unix_ceil(self) -> UnixTime {
        Self::unix_of_ns(ns_from_units_ceil(self.0 as i128))
    }

    const fn unix_of_ns(ns_since_1900: i128) -> UnixTime {
        let ns = ns_since_1900 - UNIX_EPOCH_SECONDS * 1_000_000_000;
        UnixTime {
            secs: ns.div_euclid(1_000_000_000) as i64,
            nanos: ns.rem_euclid(1_000_000_000) as u32,
        }
    }

    /// Nanoseconds since 1900-01-01, rounded down.
    #[must_use]
    pub const fn to_ns(self) -> i128 {
        ns_from_units(self.0 as i128)
    }

    /// From nanoseconds since 1900-01-01, rounded down, wrapping at 72 bits.
    #[must_use]
    pub const fn from_ns(ns: i128) -> Self {
        Self(units_from_ns(ns.rem_euclid(CIRCLE_NS)) as u128 & TOD_MASK)
    }

    /// From nanoseconds since 1900-01-01, rounded up, wrapping at 72 bits.
    #[must_use]
    pub const fn from_ns_ceil(ns: i128) -> Self {
        Self(units_from_ns_ceil(ns.rem_euclid(CIRCLE_NS)) as u128 & TOD_MASK)
    }

    /// The 16 bytes that STORE CLOCK EXTENDED stores: epoch index, clock bits
    /// 0-63, clock bits 64-103, and the TOD programmable field.
    ///
    /// Bits 64-103 are one, not zero: a STORE CLOCK value extended with zeros
    /// must compare low against a STORE CLOCK EXTENDED that came later.
    #[must_use]
    pub const fn stcke_image(self, programmable: u16) -> [u8; 16] {
        ((self.0 << FRACTION_BITS) | (1 << 16) | programmable as u128).to_be_bytes()
    }

    /// The value and the programmable field of a STORE CLOCK EXTENDED image;
    /// clock bits 64-103 are dropped.
    #[must_use]
    pub const fn from_stcke_image(image: [u8; 16]) -> (Self, u16) {
        let bits = u128::from_be_bytes(image);
        (Self(bits >> FRACTION_BITS), bits as u16)
    }
}

impl fmt::Debug for Tod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tod({:02x}:{:016x})", self.epoch_index(), self.clock())
    }
}

impl fmt::Display for Tod {
    /// Epoch index and clock in hexadecimal: `00:7d91048bca000000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}:{:016x}", self.epoch_index(), self.clock())
    }
}

/// A clock value with its fraction: 72 bits of TOD units and 56 bits below the
/// unit, so that nothing is lost over a stop. Wraps at 2^128, which is where
/// its TOD units wrap at 2^72.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(into = "(u64, u64)", from = "(u64, u64)")]
pub struct FineTod(u128);

impl FineTod {
    /// From 2^-56 TOD units.
    #[must_use]
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// In 2^-56 TOD units.
    #[must_use]
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// The whole TOD units: what a guest reads.
    #[must_use]
    pub const fn tod(self) -> Tod {
        Tod(self.0 >> FRACTION_BITS)
    }

    /// The part below one TOD unit, in 2^-56 units.
    #[must_use]
    pub const fn fraction(self) -> u64 {
        self.0 as u64 & ((1 << FRACTION_BITS) - 1)
    }

    /// This much later (or earlier), wrapping.
    #[must_use]
    pub const fn wrapping_add(self, span: FineSpan) -> Self {
        Self(self.0.wrapping_add_signed(span.0))
    }

    /// From `earlier` to `self` by the shorter way round the circle.
    #[must_use]
    pub const fn since(self, earlier: Self) -> FineSpan {
        FineSpan(self.0.wrapping_sub(earlier.0) as i128)
    }
}

impl From<Tod> for FineTod {
    fn from(tod: Tod) -> Self {
        Self(tod.0 << FRACTION_BITS)
    }
}

impl From<FineTod> for (u64, u64) {
    fn from(fine: FineTod) -> Self {
        ((fine.0 >> 64) as u64, fine.0 as u64)
    }
}

impl From<(u64, u64)> for FineTod {
    fn from((high, low): (u64, u64)) -> Self {
        Self(u128::from(high) << 64 | u128::from(low))
    }
}

impl fmt::Debug for FineTod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FineTod({}+{:014x})", self.tod(), self.fraction())
    }
}

/// A signed length of time in 2^-56 TOD units.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(into = "(i64, u64)", from = "(i64, u64)")]
pub struct FineSpan(i128);

impl FineSpan {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// From 2^-56 TOD units.
    #[must_use]
    pub const fn from_bits(bits: i128) -> Self {
        Self(bits)
    }

    /// In 2^-56 TOD units.
    #[must_use]
    pub const fn bits(self) -> i128 {
        self.0
    }

    /// From nanoseconds, rounded down to 2^-56 unit.
    #[must_use]
    pub const fn from_ns(ns: u64) -> Self {
        Self(fine_from_ns(ns) as i128)
    }

    /// Whole TOD units, rounded down.
    #[must_use]
    pub const fn units(self) -> i128 {
        self.0 >> FRACTION_BITS
    }

    /// Whole TOD units, rounded up.
    #[must_use]
    pub const fn units_ceil(self) -> i128 {
        self.units() + (self.0 & ((1 << FRACTION_BITS) - 1) != 0) as i128
    }

    /// Nanoseconds, rounded down.
    #[must_use]
    pub const fn as_ns(self) -> i128 {
        ns_from_units(self.units())
    }

    /// The sum, wrapping at 2^128 as clock values do.
    #[must_use]
    pub const fn wrapping_add(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }

    /// The difference, wrapping at 2^128 as clock values do.
    #[must_use]
    pub const fn wrapping_sub(self, other: Self) -> Self {
        Self(self.0.wrapping_sub(other.0))
    }
}

impl From<FineSpan> for (i64, u64) {
    fn from(span: FineSpan) -> Self {
        ((span.0 >> 64) as i64, span.0 as u64)
    }
}

impl From<(i64, u64)> for FineSpan {
    fn from((high, low): (i64, u64)) -> Self {
        Self(i128::from(high) << 64 | i128::from(low))
    }
}

impl fmt::Debug for FineSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FineSpan({} ns, {} bits)", self.as_ns(), self.0)
    }
}

/// A point on the VM's timeline: TOD units of running time since the VM was
/// created. Ordered, since 2^64 units are 142 years of running.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct VmTime(u64);

impl VmTime {
    /// The VM's creation.
    pub const ZERO: Self = Self(0);
    /// Never reached: the deadline of nothing.
    pub const NEVER: Self = Self(u64::MAX);

    /// From TOD units.
    #[must_use]
    pub const fn from_units(units: u64) -> Self {
        Self(units)
    }

    /// In TOD units.
    #[must_use]
    pub const fn units(self) -> u64 {
        self.0
    }

    /// Nanoseconds since the VM's creation, rounded down.
    #[must_use]
    pub const fn as_ns(self) -> u64 {
        ns_from_units(self.0 as i128) as u64
    }

    /// This much later, at most [`VmTime::NEVER`].
    #[must_use]
    pub const fn saturating_add(self, by: VmDuration) -> Self {
        Self(self.0.saturating_add(by.0))
    }

    /// Time since `earlier`; zero when `earlier` is later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> VmDuration {
        VmDuration(self.0.saturating_sub(earlier.0))
    }
}

/// A length of VM time, in TOD units.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct VmDuration(u64);

impl VmDuration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// From TOD units.
    #[must_use]
    pub const fn from_units(units: u64) -> Self {
        Self(units)
    }

    /// In TOD units.
    #[must_use]
    pub const fn units(self) -> u64 {
        self.0
    }

    /// From nanoseconds, rounded up (a duration becomes a deadline), at most
    /// 2^64 - 1 units.
    #[must_use]
    pub const fn from_ns_ceil(ns: u64) -> Self {
        let units = units_from_ns_ceil(ns as i128);
        if units > u64::MAX as i128 {
            Self(u64::MAX)
        } else {
            Self(units as u64)
        }
    }

    /// Nanoseconds, rounded down.
    #[must_use]
    pub const fn as_ns(self) -> u64 {
        ns_from_units(self.0 as i128) as u64
    }

    /// Nanoseconds, rounded up.
    #[must_use]
    pub const fn as_ns_ceil(self) -> u64 {
        ns_from_units_ceil(self.0 as i128) as u64
    }
}
