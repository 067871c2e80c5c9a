//! The floating-point-control (FPC) register and what follows from it: masks, flags, rounding
//! modes, data-exception codes.

use core::fmt;

bitflags::bitflags! {
    /// IEEE exceptions, in the bit positions of the FPC register's mask and flag bytes.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct Flags: u8 {
        /// Invalid operation.
        const INVALID = 0x80;
        /// Division by zero.
        const DIVISION_BY_ZERO = 0x40;
        /// Overflow.
        const OVERFLOW = 0x20;
        /// Underflow.
        const UNDERFLOW = 0x10;
        /// Inexact.
        const INEXACT = 0x08;
        /// Quantum (decimal floating point only).
        const QUANTUM = 0x04;
    }
}

/// A data-exception code: byte 2 of the FPC register and the word at real location 0x90.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Dxc(pub u8);

impl Dxc {
    /// AFP register used while CR0's AFP-register control is zero.
    pub const AFP_REGISTER: Self = Self(0x01);
    /// BFP instruction while CR0's AFP-register control is zero.
    pub const BFP_INSTRUCTION: Self = Self(0x02);
    /// IEEE invalid operation.
    pub const INVALID: Self = Self(0x80);
    /// Vector instruction while CR0's vector-enablement or AFP-register control is zero.
    pub const VECTOR_INSTRUCTION: Self = Self(0xfe);
    /// IEEE division by zero.
    pub const DIVISION_BY_ZERO: Self = Self(0x40);
}

impl fmt::Debug for Dxc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dxc({:#04x})", self.0)
    }
}

impl fmt::LowerHex for Dxc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(&self.0, f)
    }
}

/// How an inexact value becomes a representable one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoundingMode {
    /// To nearest, ties to even.
    NearestEven,
    /// To nearest, ties away from zero.
    NearestAway,
    /// Toward zero.
    TowardZero,
    /// Toward plus infinity.
    Up,
    /// Toward minus infinity.
    Down,
    /// Prepare for shorter precision: truncate, then make the last digit odd if inexact.
    ShorterPrecision,
}

/// A value for the FPC register that has reserved bits or an unassigned rounding mode. The
/// instruction recognises a specification exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("FPC value {0:#010x} has a reserved bit or an unassigned BFP rounding mode")]
pub struct ReservedFpcBits(pub u32);

/// A rounding-method modifier (M3 or M4) that is not assigned. The instruction recognises a
/// specification exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rounding method {0} is not one of 0, 1, 3 to 7")]
pub struct InvalidRounding(pub u8);

/// The FPC register: masks (byte 0), flags (byte 1), DXC (byte 2), rounding modes (byte 3).
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Fpc(u32);

impl Fpc {
    /// Bits 6, 7, 14, 15, 24 and 28, which no facility assigns (Principles of Operation,
    /// figure "FPC-Register Overview").
    ///
    /// The decimal rounding mode (bits 25 to 27) may be loaded, as on every machine that has
    /// the facilities which Linux expects, though no decimal instruction here looks at it.
    const RESERVED: u32 = 0x0303_0088;

    /// The register as it stands in the CPU; its bits were checked when they were loaded.
    #[must_use]
    pub const fn from_register(bits: u32) -> Self {
        Self(bits)
    }

    /// A value that an instruction wants to load.
    ///
    /// # Errors
    /// Reserved bits, or a BFP rounding mode of 4, 5 or 6: specification exception.
    pub const fn new(bits: u32) -> Result<Self, ReservedFpcBits> {
        if bits & Self::RESERVED != 0 || matches!(bits & 7, 4..=6) {
            return Err(ReservedFpcBits(bits));
        }
        Ok(Self(bits))
    }

    /// The register's 32 bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Exceptions that trap.
    #[must_use]
    pub const fn masks(self) -> Flags {
        Flags::from_bits_retain((self.0 >> 24) as u8)
    }

    /// Exceptions that have happened without a trap.
    #[must_use]
    pub const fn flags(self) -> Flags {
        Flags::from_bits_retain((self.0 >> 16) as u8)
    }

    /// The data-exception code of the last data exception.
    #[must_use]
    pub const fn dxc(self) -> Dxc {
        Dxc((self.0 >> 8) as u8)
    }

    /// The same register with more flags raised.
    #[must_use]
    pub const fn with_flags(self, flags: Flags) -> Self {
        Self(self.0 | (flags.bits() as u32) << 16)
    }

    /// The same register with another data-exception code.
    #[must_use]
    pub const fn with_dxc(self, dxc: Dxc) -> Self {
        Self(self.0 & !0xff00 | (dxc.0 as u32) << 8)
    }

    /// The BFP rounding mode (bits 29 to 31).
    #[must_use]
    pub const fn rounding_mode(self) -> RoundingMode {
        match self.0 & 7 {
            1 => RoundingMode::TowardZero,
            2 => RoundingMode::Up,
            3 => RoundingMode::Down,
            7 => RoundingMode::ShorterPrecision,
            // 0; 4 to 6 cannot be loaded
            _ => RoundingMode::NearestEven,
        }
    }

    /// The same register with the 3-bit BFP rounding mode replaced (SRNMB; SRNM gives 0 to 3).
    ///
    /// # Errors
    /// Modes 4 to 6 and above 7: specification exception.
    pub const fn with_rounding_mode(self, mode: u64) -> Result<Self, ReservedFpcBits> {
        match mode {
            0..=3 | 7 => Ok(Self(self.0 & !7 | mode as u32)),
            _ => Err(ReservedFpcBits(self.0 & !7 | (mode & 7) as u32)),
        }
    }

    /// LOAD FPC AND SIGNAL and SET FPC AND SIGNAL: the new register holds the source with the
    /// old flags added; an old flag whose mask is one in the source is signalled afterwards, as
    /// a simulated IEEE exception.
    ///
    /// # Errors
    /// As [`Fpc::new`].
    pub fn load_and_signal(self, source: u32) -> Result<(Self, Option<Dxc>), ReservedFpcBits> {
        let new = Self::new(source)?;
        let signalling = self.flags() & new.masks();
        // the highest-ranking exception decides; overflow and underflow take inexact along
        let code = if signalling.contains(Flags::INVALID) {
            Flags::INVALID
        } else if signalling.contains(Flags::DIVISION_BY_ZERO) {
            Flags::DIVISION_BY_ZERO
        } else if signalling.contains(Flags::OVERFLOW) {
            signalling & (Flags::OVERFLOW | Flags::INEXACT)
        } else if signalling.contains(Flags::UNDERFLOW) {
            signalling & (Flags::UNDERFLOW | Flags::INEXACT)
        } else if signalling.contains(Flags::INEXACT) {
            Flags::INEXACT
        } else {
            signalling & Flags::QUANTUM
        };
        let dxc = (!code.is_empty()).then_some(Dxc(code.bits() | 3));
        Ok((new.with_flags(self.flags()), dxc))
    }
}

impl fmt::Debug for Fpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fpc({:#010x})", self.0)
    }
}

/// What governs one operation: the FPC register, the rounding mode after the instruction's
/// modifier, and whether inexact is suppressed (XxC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// The FPC register before the operation.
    pub fpc: Fpc,
    /// The rounding mode in force.
    pub rounding: RoundingMode,
    /// IEEE-inexact-exception control: when true an inexact result is no exception.
    pub suppress_inexact: bool,
}

impl Control {
    /// For instructions without modifiers.
    #[must_use]
    pub const fn of(fpc: Fpc) -> Self {
        Self {
            fpc,
            rounding: fpc.rounding_mode(),
            suppress_inexact: false,
        }
    }

    /// For instructions with a rounding method M3 (4 bits) and M4 (4 bits, of which 4 is XxC).
    ///
    /// # Errors
    /// An unassigned rounding method: specification exception.
    pub const fn with_modifiers(fpc: Fpc, m3: u8, m4: u8) -> Result<Self, InvalidRounding> {
        let rounding = match m3 {
            0 => fpc.rounding_mode(),
            1 => RoundingMode::NearestAway,
            3 => RoundingMode::ShorterPrecision,
            4 => RoundingMode::NearestEven,
            5 => RoundingMode::TowardZero,
            6 => RoundingMode::Up,
            7 => RoundingMode::Down,
            other => return Err(InvalidRounding(other)),
        };
        Ok(Self {
            fpc,
            rounding,
            suppress_inexact: m4 & 4 != 0,
        })
    }

    /// Whether the mask bits of all of `flags` are one.
    pub(crate) const fn traps(self, flags: Flags) -> bool {
        self.fpc.masks().contains(flags)
    }
}

impl From<Fpc> for Control {
    fn from(fpc: Fpc) -> Self {
        Self::of(fpc)
    }
}
