//! The block key: what of the CPU's state a translation depends on.
//!
//! `flags` holds PSW bits and control-register bits that change the meaning of an instruction;
//! `aux` the target image of an EXECUTE ([`execute_aux`]).

use tcg::ir::MemMode;

use super::psw;

/// Real addresses (DAT off, and instructions that name real storage).
pub const MODE_REAL: MemMode = MemMode(0);
/// Primary virtual addresses (CR1).
pub const MODE_PRIMARY: MemMode = MemMode(1);
/// Secondary virtual addresses (CR7).
pub const MODE_SECONDARY: MemMode = MemMode(2);
/// Home virtual addresses (CR13).
pub const MODE_HOME: MemMode = MemMode(3);
/// Access-register mode: 4 + the access register, which names the space.
pub const MODE_ACCESS_REGISTER: u8 = 4;
/// Two modes for operands whose access key is not the PSW's; only helpers use them
/// ([`super::S390Cpu::keyed`]).
pub const MODE_KEYED: u8 = 20;
/// How many modes there are.
pub const MEM_MODES: usize = 22;

/// Addressing modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressing {
    /// 24-bit addresses.
    A24,
    /// 31-bit addresses.
    A31,
    /// 64-bit addresses.
    A64,
}

impl Addressing {
    /// The bits that count in an address.
    pub fn mask(self) -> u64 {
        match self {
            Self::A24 => 0x00ff_ffff,
            Self::A31 => 0x7fff_ffff,
            Self::A64 => u64::MAX,
        }
    }
}

/// The flags of a block key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags(pub u64);

/// PSW bits that are flags as they stand.
pub const PSW_FLAGS: u64 = psw::PER
    | psw::DAT
    | psw::KEY
    | psw::PROBLEM
    | psw::SPACE
    | psw::ADDRESSING
    | psw::MASK_FIXED_OVERFLOW;
/// CR0 bit 45: AFP-register control.
pub const AFP: u64 = 1 << 0;
/// CR0 bit 38, fetch-protection override, with another PSW key than 0: of a page at effective
/// address 0 only half of the instructions may be fetched.
pub const FETCH_OVERRIDE: u64 = 1 << 1;
/// CR0 bits 45 and 46: vector instructions are enabled.
pub const VECTOR: u64 = 1 << 2;

/// Bit of `aux` that is set whenever there is an EXECUTE target.
const AUX_PRESENT: u64 = 1;
/// Bits of `aux` that hold the length of the EXECUTE in halfwords.
const AUX_LENGTH_SHIFT: u32 = 1;

/// The `aux` of a block that is the target of an EXECUTE: the target's image (48 bits, byte 0 at
/// bits 40-47, its second byte already modified) and the length in bytes of the EXECUTE. Also the
/// value of [`super::S390Cpu::execute_target`].
pub fn execute_aux(image: u64, execute_length: u8) -> u64 {
    image << 16 | u64::from(execute_length / 2) << AUX_LENGTH_SHIFT | AUX_PRESENT
}

/// The image and the length of the EXECUTE in bytes from `aux`; `None` for ordinary code.
pub fn executed(aux: u64) -> Option<(u64, u8)> {
    (aux & AUX_PRESENT != 0).then(|| (aux >> 16, (aux >> AUX_LENGTH_SHIFT & 3) as u8 * 2))
}

impl Flags {
    /// The addressing mode.
    pub fn addressing(self) -> Addressing {
        match self.0 & psw::ADDRESSING {
            psw::BASIC_ADDRESSING => Addressing::A31,
            psw::ADDRESSING => Addressing::A64,
            _ => Addressing::A24,
        }
    }

    /// Program events are recorded.
    pub fn per(self) -> bool {
        self.0 & psw::PER != 0
    }

    /// Problem state.
    pub fn problem(self) -> bool {
        self.0 & psw::PROBLEM != 0
    }

    /// The program mask's fixed-point-overflow bit.
    pub fn fixed_overflow(self) -> bool {
        self.0 & psw::MASK_FIXED_OVERFLOW != 0
    }

    /// AFP-register control (CR0 bit 45) is one.
    pub fn afp(self) -> bool {
        self.0 & AFP != 0
    }

    /// Vector instructions are enabled: AFP-register control and vector-enablement control
    /// (CR0 bits 45 and 46) are one.
    pub fn vector(self) -> bool {
        self.0 & VECTOR != 0
    }

    /// Fetch-protection override matters.
    pub fn fetch_override(self) -> bool {
        self.0 & FETCH_OVERRIDE != 0
    }

    /// The space of ordinary operands; in access-register mode it depends on the base register
    /// (`base`, 0 means the primary space).
    pub fn data_mode(self, base: u8) -> MemMode {
        if self.0 & psw::DAT == 0 {
            return MODE_REAL;
        }
        match (self.0 & psw::SPACE) >> psw::SPACE_SHIFT {
            0 => MODE_PRIMARY,
            1 if base == 0 => MODE_PRIMARY,
            1 => MemMode(MODE_ACCESS_REGISTER + base),
            2 => MODE_SECONDARY,
            _ => MODE_HOME,
        }
    }

    /// The space of instructions: home in home-space mode, else primary.
    pub fn code_mode(self) -> MemMode {
        if self.0 & psw::DAT == 0 {
            MODE_REAL
        } else if self.0 & psw::SPACE == psw::SPACE {
            MODE_HOME
        } else {
            MODE_PRIMARY
        }
    }
}
