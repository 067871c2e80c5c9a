//! Facilities: the optional parts of the architecture that a CPU has, as a set of numbers.
//!
//! Numbers up to 255 are bits of STORE FACILITY LIST EXTENDED (Principles of Operation, chapter 4,
//! "Facility Indications"); those above are this program's own names for what is announced
//! elsewhere. Not here: their names and which a CPU model has ([`super::features`],
//! [`super::model`]), and which instruction needs which ([`crate::insn::table`]).

use super::features;

/// z/Architecture mode is active.
pub const ZARCH_ACTIVE: u16 = 2;
/// STORE FACILITY LIST EXTENDED.
pub const STFLE: u16 = 7;
/// Enhanced DAT 1: large frames, PERFORM FRAME MANAGEMENT FUNCTION.
pub const ENHANCED_DAT: u16 = 8;
/// SENSE RUNNING STATUS.
pub const SENSE_RUNNING: u16 = 9;
/// Conditional SET STORAGE KEY EXTENDED.
pub const CONDITIONAL_KEYS: u16 = 10;
/// Configuration topology: STSI 15.1.x and PERFORM TOPOLOGY FUNCTION.
pub const TOPOLOGY: u16 = 11;
/// Non-quiescing key setting.
pub const NON_QUIESCING: u16 = 14;
/// TOD-clock steering: PTFF.
pub const TOD_STEERING: u16 = 28;
/// The mask of TROO, TROT, TRTO and TRTT.
pub const ETF2_ENHANCEMENT: u16 = 24;
/// The mask of CU12, CU21, CU14 and CU24.
pub const ETF3_ENHANCEMENT: u16 = 30;
/// Local TLB clearing: a bit of IPTE, IDTE and CRDTE.
pub const LOCAL_CLEARING: u16 = 51;
/// Miscellaneous-instruction extensions 3: a control of POPCNT.
pub const EXTENSIONS_3: u16 = 61;
/// A TEID tells stores from fetches.
pub const FETCH_STORE_INDICATION: u16 = 75;
/// Enhanced DAT 2: frames of 2 GiB.
pub const ENHANCED_DAT_2: u16 = 78;
/// The vector facility.
pub const VECTOR: u16 = 129;
/// Instruction-execution protection.
pub const EXECUTION_PROTECTION: u16 = 130;
/// Enhanced suppression on protection 2.
pub const ESOP2: u16 = 131;
/// The z/Architecture mode is the only one: what SIGP's set architecture answers says so.
pub const ONLY_ZARCH: u16 = 138;
/// Vector enhancements 1.
pub const VECTOR_ENHANCEMENTS_1: u16 = 135;
/// Multiple epochs: epoch index and comparator sign control.
pub const MULTIPLE_EPOCH: u16 = 139;
/// Vector enhancements 2.
pub const VECTOR_ENHANCEMENTS_2: u16 = 148;

/// Enhanced suppression on protection: SCLP characteristics byte 85, bit 6.
pub const ESOP: u16 = 256;
/// PERFORM LOCKED OPERATION: this plus a function code, 0 to 63.
pub const PLO: u16 = 320;
/// PERFORM TIMING FACILITY FUNCTION: this plus a function code, 0 to 127.
pub const PTFF: u16 = 384;
/// What has a name and no number here, for no CPU here ever has it.
pub const NO_NUMBER: u16 = u16::MAX;

/// Words of a set.
pub const WORDS: usize = 8;
/// Of these, words that STORE FACILITY LIST EXTENDED can store.
pub const LIST_WORDS: usize = 4;

/// Installed facilities, a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facilities([u64; WORDS]);

impl Facilities {
    /// Those of the numbers given; numbers that no facility can have are ignored.
    pub fn new(numbers: &[u16]) -> Self {
        let mut facilities = Self([0; WORDS]);
        for &number in numbers {
            facilities.set(number, true);
        }
        facilities
    }

    /// What [`Facilities::words`] gave.
    pub fn from_words(words: [u64; WORDS]) -> Self {
        Self(words)
    }

    /// Adds a facility, or takes it away.
    pub fn set(&mut self, number: u16, installed: bool) {
        if let Some(word) = self.0.get_mut(usize::from(number / 64)) {
            let bit = 1 << (63 - number % 64);
            *word = if installed { *word | bit } else { *word & !bit };
        }
    }

    /// Whether a facility is installed; [`crate::insn::BASE`] always is.
    pub fn has(&self, number: u16) -> bool {
        number == crate::insn::BASE
            || self
                .0
                .get(usize::from(number / 64))
                .is_some_and(|word| word & 1 << (63 - number % 64) != 0)
    }

    /// Whether the PERFORM TIMING FACILITY FUNCTION of this code is installed.
    pub fn has_ptff(&self, function: u8) -> bool {
        self.has(PTFF + u16::from(function & 127))
    }

    /// The type of the IBM machine that these facilities take after, as STORE CPU ID and STORE
    /// SYSTEM INFORMATION tell it: each of z13, z14 and z15 came with its vector instructions, and
    /// Linux names the platform after the type.
    pub fn machine_type(&self) -> u16 {
        if self.has(VECTOR_ENHANCEMENTS_2) {
            0x8561
        } else if self.has(VECTOR_ENHANCEMENTS_1) {
            0x3906
        } else if self.has(VECTOR) {
            0x2964
        } else {
            0x2827
        }
    }

    /// The list as STORE FACILITY LIST EXTENDED stores it, a doubleword at a time.
    pub fn doublewords(&self) -> [u64; LIST_WORDS] {
        let [a, b, c, d, ..] = self.0;
        [a, b, c, d]
    }

    /// All of them, for saving.
    pub fn words(&self) -> [u64; WORDS] {
        self.0
    }

    /// Those in this set that are not in the other.
    pub fn without(&self, other: &Self) -> impl Iterator<Item = u16> {
        let (here, there) = (*self, *other);
        (0..(WORDS * 64) as u16).filter(move |&number| here.has(number) && !there.has(number))
    }
}

impl Default for Facilities {
    /// Those of the default model.
    fn default() -> Self {
        features::of(super::model::Model::DEFAULT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_type_is_of_the_generation_of_the_vector_instructions() {
        for (cpu, machine_type) in [
            ("qemu", 0x8561),
            ("max,vxeh2=off", 0x3906),
            ("qemu,vxeh2=off,vxeh=off", 0x2964),
            ("qemu,vxeh2=off,vxeh=off,vx=off", 0x2827),
            ("zEC12", 0x2827),
        ] {
            let chosen = super::super::model::choose(Some(cpu)).unwrap();
            assert_eq!(chosen.facilities.machine_type(), machine_type, "{cpu}");
        }
    }

    #[test]
    fn a_facility_comes_and_goes_by_its_number() {
        let mut set = Facilities::new(&[0, 1, 64, ESOP, PLO + 23]);
        assert_eq!(set.doublewords(), [3 << 62, 1 << 63, 0, 0]);
        assert!(set.has(ESOP) && set.has(PLO + 23) && !set.has(PLO));
        set.set(ESOP, false);
        assert!(!set.has(ESOP));
        // No facility has such a number.
        set.set(NO_NUMBER - 1, true);
        assert!(!set.has(NO_NUMBER - 1));
        assert_eq!(Facilities::from_words(set.words()), set);
        let less = Facilities::new(&[0, 64]);
        assert_eq!(set.without(&less).collect::<Vec<_>>(), [1, PLO + 23]);
    }

    #[test]
    fn every_machine_has_what_the_kernel_demands() {
        let default = Facilities::default();
        for number in [0, 1, 2, 7, 18, 21, 25, 27, 32, 33, 34, 35] {
            assert!(default.has(number), "{number}");
        }
    }
}
