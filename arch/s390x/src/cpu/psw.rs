//! The program-status word: its bits (Principles of Operation, chapter 4, "Program-Status Word").
//!
//! Bit numbers count from the left, as the manual does. Not here: what loading a PSW checks
//! ([`crate::translate`]'s control helpers).

/// PER mask, bit 1.
pub const PER: u64 = 1 << (63 - 1);
/// DAT mode, bit 5.
pub const DAT: u64 = 1 << (63 - 5);
/// I/O mask, bit 6.
pub const IO: u64 = 1 << (63 - 6);
/// External mask, bit 7.
pub const EXTERNAL: u64 = 1 << (63 - 7);
/// Access key, bits 8-11.
pub const KEY: u64 = 0xf << KEY_SHIFT;
/// Access key, bits 8-11.
pub const KEY_SHIFT: u32 = 63 - 11;
/// Machine-check mask, bit 13.
pub const MACHINE_CHECK: u64 = 1 << (63 - 13);
/// Wait state, bit 14.
pub const WAIT: u64 = 1 << (63 - 14);
/// Problem state, bit 15.
pub const PROBLEM: u64 = 1 << (63 - 15);
/// Address-space control, bits 16-17: 0 primary, 1 access-register, 2 secondary, 3 home.
pub const SPACE_SHIFT: u32 = 63 - 17;
/// Address-space control, bits 16-17.
pub const SPACE: u64 = 3 << SPACE_SHIFT;
/// Condition code, bits 18-19.
pub const CC_SHIFT: u32 = 63 - 19;
/// Condition code, bits 18-19.
pub const CC: u64 = 3 << CC_SHIFT;
/// Fixed-point-overflow mask, bit 20.
pub const MASK_FIXED_OVERFLOW: u64 = 1 << (63 - 20);
/// Decimal-overflow mask, bit 21.
pub const MASK_DECIMAL_OVERFLOW: u64 = 1 << (63 - 21);
/// Program mask, bits 20-23.
pub const PROGRAM_MASK_SHIFT: u32 = 63 - 23;
/// Program mask, bits 20-23.
pub const PROGRAM_MASK: u64 = 0xf << PROGRAM_MASK_SHIFT;
/// Reserved-for-programming bit 24 (RI); ignored unless facility 64 is installed.
pub const RI: u64 = 1 << (63 - 24);
/// Extended addressing mode, bit 31.
pub const EXTENDED_ADDRESSING: u64 = 1 << (63 - 31);
/// Basic addressing mode, bit 32.
pub const BASIC_ADDRESSING: u64 = 1 << (63 - 32);
/// Both addressing-mode bits: 0 is 24-bit, basic 31-bit, both 64-bit.
pub const ADDRESSING: u64 = EXTENDED_ADDRESSING | BASIC_ADDRESSING;

/// A whole PSW.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Psw {
    /// Bits 0-63.
    pub mask: u64,
    /// Bits 64-127: the instruction address.
    pub address: u64,
}

impl Psw {
    /// A short (eight-byte) PSW as a load takes it: bit 12, which marks the format, off; the
    /// address 31 bits wide; extended addressing as bit 31 says.
    pub fn from_short(short: u64) -> Self {
        const FORMAT: u64 = 1 << (63 - 12);
        const ADDRESS: u64 = 0x7fff_ffff;
        Self {
            mask: short & !ADDRESS & !FORMAT,
            address: short & ADDRESS,
        }
    }
}
