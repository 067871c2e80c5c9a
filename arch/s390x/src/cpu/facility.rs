//! The facility list: which optional parts of the architecture a CPU has.
//!
//! Bit numbers are those of STORE FACILITY LIST EXTENDED (Principles of Operation, chapter 4,
//! "Facility Indications"). Not here: which instruction needs which ([`crate::insn::table`]).

/// What a machine of the zEC12's class announces here, without vector, transactional execution,
/// decimal floating point, cryptography and large pages: N3 instructions (0), z/Architecture
/// (1, 2), DAT enhancements (3, 4), STFLE (7), SENSE RUNNING STATUS (9), long displacement (18,
/// 19), extended immediate (21), extended translation 3 (22) and its enhancements (24, 30), STORE
/// CLOCK FAST (25), MOVE WITH OPTIONAL SPECIFICATIONS (27), parsing (31), compare and swap and
/// store (32, 33), general instructions extension (34), execute extension (35), SET PROGRAM
/// PARAMETER (40), floating-point support (41), distinct operands and its kin (45), miscellaneous
/// instructions (49), local TLB clearing (51), interlocked access 2 (52), fetch and store
/// indication (75), enhanced suppression on protection 2 (131).
pub const ZEC12: &[u16] = &[
    0, 1, 2, 3, 4, 7, 9, 18, 19, 21, 22, 24, 25, 27, 30, 31, 32, 33, 34, 35, 40, 41, 45, 49, 51,
    52, 75, 131,
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
