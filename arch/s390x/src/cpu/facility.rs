//! The facility list: which optional parts of the architecture a CPU has.
//!
//! Bit numbers are those of STORE FACILITY LIST EXTENDED (Principles of Operation, chapter 4,
//! "Facility Indications"). Not here: which instruction needs which ([`crate::insn::table`]).

/// What a machine of the zEC12's class without vector, transactional execution and decimal
/// floating point announces: z/Architecture (1, 2), N3 (0), DAT enhancements (3, 4), STFLE (7),
/// SENSE RUNNING STATUS (9), long displacement (18, 19), extended immediate (21),
/// HFP multiply-add (20 is not), extended translation 3 (22), ETF2 (24), STCKF (25), MVCOS (27),
/// ETF3 (30), compare-and-swap-and-store (32, 33), general instructions extension (34),
/// execute extension (35), load-program-parameter (40), floating-point support (41),
/// distinct operands and kin (45), CMPSC (48 is not IR's), miscellaneous (49, 51, 52),
/// CPU counters, access exception (75), side effect (131).
pub const ZEC12: &[u16] = &[
    0, 1, 2, 3, 4, 7, 9, 18, 19, 21, 22, 24, 25, 27, 30, 31, 32, 33, 34, 35, 40, 41, 45, 48, 49,
    51, 52, 75, 131,
];

/// Installed facilities, a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facilities([u64; 4]);

impl Facilities {
    /// Those of the numbers given; numbers above 255 are not facilities and are ignored.
    pub fn new(numbers: &[u16]) -> Self {
        let mut words = [0; 4];
        for &number in numbers {
            if let Some(word) = words.get_mut(usize::from(number / 64)) {
                *word |= 1 << (63 - number % 64);
            }
        }
        Self(words)
    }

    /// Whether a facility is installed; [`crate::insn::BASE`] always is.
    pub fn has(&self, number: u16) -> bool {
        number == crate::insn::BASE
            || self
                .0
                .get(usize::from(number / 64))
                .is_some_and(|word| word & 1 << (63 - number % 64) != 0)
    }

    /// The list as STORE FACILITY LIST EXTENDED stores it, a doubleword at a time.
    pub fn doublewords(&self) -> &[u64; 4] {
        &self.0
    }
}

impl Default for Facilities {
    fn default() -> Self {
        Self::new(ZEC12)
    }
}
