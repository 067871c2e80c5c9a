//! Control blocks of the channel subsystem as they stand in storage: SCHIB, ORB, IRB.
//!
//! Layouts and bits: Principles of Operation, chapters 15 and 16. Not here: what they mean for a
//! subchannel ([`super::subchannel`]).

use serde::{Deserialize, Serialize};

/// Bytes of a subchannel-information block.
pub const SCHIB_BYTES: usize = 52;
/// Bytes of an operation-request block, as far as command-mode I/O has it.
pub const ORB_BYTES: usize = 12;
/// Bytes of an interruption-response block without extended measurements.
pub const IRB_BYTES: usize = 64;
/// Bytes of sense data.
pub const SENSE_BYTES: usize = 32;

/// Bits of PMCW word 1, left half.
pub mod pmcw {
    /// Interruption subclass.
    pub const ISC: u16 = 0x3800;
    /// Where the interruption subclass begins.
    pub const ISC_SHIFT: u16 = 11;
    /// Enabled.
    pub const ENABLED: u16 = 0x0080;
    /// Limit mode.
    pub const LIMIT: u16 = 0x0060;
    /// Measurement-block update.
    pub const MEASURE: u16 = 0x0010;
    /// Measurement modes: block update, device-connect time.
    pub const MEASUREMENT: u16 = 0x0018;
    /// Multipath mode.
    pub const MULTIPATH: u16 = 0x0004;
    /// Device number valid.
    pub const VALID: u16 = 0x0001;
    /// Bits that MODIFY SUBCHANNEL demands to be zero.
    pub const RESERVED: u16 = 0xc300;
    /// Bits that MODIFY SUBCHANNEL changes.
    pub const MODIFIABLE: u16 = ISC | ENABLED | LIMIT | MEASUREMENT | MULTIPATH;
    /// Characteristics word: format-1 measurement block.
    pub const FORMAT_1: u32 = 0x0000_0004;
    /// Characteristics word: concurrent sense.
    pub const CONCURRENT_SENSE: u32 = 0x0000_0001;
    /// Characteristics word: bits that must be zero, among them extended measurement-word mode,
    /// which is not installed.
    pub const CHARACTERISTICS_RESERVED: u32 = 0xff1f_fffa;
}

/// Bits of the SCSW.
pub mod scsw {
    /// What comes from the ORB's control word: key, suspend, format, prefetch, initial-status
    /// interruption, address limit, suppress suspended interruption.
    pub const FROM_ORB: u16 = 0xf8f8;
    /// An extended-status word has been stored.
    pub const LOGOUT: u16 = 0x0400;
    /// Deferred condition code 3.
    pub const DEFERRED_3: u16 = 0x0300;
    /// Extended control.
    pub const EXTENDED_CONTROL: u16 = 0x0002;
    /// Path not operational.
    pub const NO_PATH: u16 = 0x0001;

    /// Function control.
    pub const FUNCTION: u16 = 0x7000;
    /// Start function.
    pub const START: u16 = 0x4000;
    /// Halt function.
    pub const HALT: u16 = 0x2000;
    /// Clear function.
    pub const CLEAR: u16 = 0x1000;
    /// Activity control.
    pub const ACTIVITY: u16 = 0x0fe0;
    /// Resume pending.
    pub const RESUME_PENDING: u16 = 0x0800;
    /// Start pending.
    pub const START_PENDING: u16 = 0x0400;
    /// Subchannel active.
    pub const ACTIVE: u16 = 0x0080;
    /// Suspended.
    pub const SUSPENDED: u16 = 0x0020;
    /// Status control.
    pub const STATUS: u16 = 0x001f;
    /// Alert status.
    pub const ALERT: u16 = 0x0010;
    /// Intermediate status.
    pub const INTERMEDIATE: u16 = 0x0008;
    /// Primary status.
    pub const PRIMARY: u16 = 0x0004;
    /// Secondary status.
    pub const SECONDARY: u16 = 0x0002;
    /// Status pending.
    pub const PENDING: u16 = 0x0001;

    /// Device status: channel end.
    pub const CHANNEL_END: u8 = 0x08;
    /// Device status: device end.
    pub const DEVICE_END: u8 = 0x04;
    /// Device status: unit check.
    pub const UNIT_CHECK: u8 = 0x02;

    /// Subchannel status: program-controlled interruption.
    pub const PCI: u8 = 0x80;
    /// Subchannel status: incorrect length.
    pub const INCORRECT_LENGTH: u8 = 0x40;
    /// Subchannel status: program check.
    pub const PROGRAM_CHECK: u8 = 0x20;
    /// Subchannel status: protection check.
    pub const PROTECTION_CHECK: u8 = 0x10;
    /// Subchannel status: channel-control check.
    pub const CONTROL_CHECK: u8 = 0x04;
}

/// Path-management control word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the manual's")]
pub struct Pmcw {
    pub parameter: u32,
    pub flags: u16,
    pub device_number: u16,
    pub logical_paths: u8,
    pub not_operational_paths: u8,
    pub last_path_used: u8,
    pub installed_paths: u8,
    pub measurement_index: u16,
    pub operational_paths: u8,
    pub available_paths: u8,
    pub path_ids: [u8; 8],
    pub characteristics: u32,
}

/// Subchannel-status word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the manual's")]
pub struct Scsw {
    pub flags: u16,
    pub control: u16,
    pub ccw_address: u32,
    pub device_status: u8,
    pub subchannel_status: u8,
    pub count: u16,
}

impl Scsw {
    fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[..2].copy_from_slice(&self.flags.to_be_bytes());
        bytes[2..4].copy_from_slice(&self.control.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.ccw_address.to_be_bytes());
        bytes[8] = self.device_status;
        bytes[9] = self.subchannel_status;
        bytes[10..].copy_from_slice(&self.count.to_be_bytes());
        bytes
    }
}

fn word16(bytes: &[u8; SCHIB_BYTES], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn word32(bytes: &[u8; SCHIB_BYTES], at: usize) -> u32 {
    u32::from(word16(bytes, at)) << 16 | u32::from(word16(bytes, at + 2))
}

/// What a program may change of a subchannel: the operand of MODIFY SUBCHANNEL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Modification {
    /// Interruption parameter.
    pub parameter: u32,
    /// Bits of [`pmcw::MODIFIABLE`].
    pub flags: u16,
    /// Logical-path mask.
    pub logical_paths: u8,
    /// Path-operational mask.
    pub operational_paths: u8,
    /// Measurement-block index.
    pub measurement_index: u16,
    /// Measurement format and concurrent sense.
    pub characteristics: u32,
    /// Measurement-block address.
    pub measurement_block: u64,
}

impl Modification {
    /// Reads a SCHIB; none if reserved bits are ones, the limit mode is 3, or the address of a
    /// format-1 measurement block is no multiple of 64: operand exceptions.
    pub fn from_bytes(bytes: &[u8; SCHIB_BYTES]) -> Option<Self> {
        const BLOCK_1_ALIGNMENT: u64 = 64;
        let flags = word16(bytes, 4);
        let characteristics = word32(bytes, 24);
        let measurement_block = u64::from(word32(bytes, 40)) << 32 | u64::from(word32(bytes, 44));
        let bad_block = characteristics & pmcw::FORMAT_1 != 0
            && !measurement_block.is_multiple_of(BLOCK_1_ALIGNMENT);
        if flags & pmcw::RESERVED != 0
            || flags & pmcw::LIMIT == pmcw::LIMIT
            || characteristics & pmcw::CHARACTERISTICS_RESERVED != 0
            || bad_block
        {
            return None;
        }
        Some(Self {
            parameter: word32(bytes, 0),
            flags: flags & pmcw::MODIFIABLE,
            logical_paths: bytes[8],
            operational_paths: bytes[14],
            measurement_index: word16(bytes, 12),
            characteristics: characteristics & (pmcw::FORMAT_1 | pmcw::CONCURRENT_SENSE),
            measurement_block,
        })
    }
}

/// A subchannel-information block.
pub fn schib(pmcw: &Pmcw, scsw: &Scsw, measurement_block: u64) -> [u8; SCHIB_BYTES] {
    let mut bytes = [0; SCHIB_BYTES];
    bytes[..4].copy_from_slice(&pmcw.parameter.to_be_bytes());
    bytes[4..6].copy_from_slice(&pmcw.flags.to_be_bytes());
    bytes[6..8].copy_from_slice(&pmcw.device_number.to_be_bytes());
    bytes[8] = pmcw.logical_paths;
    bytes[9] = pmcw.not_operational_paths;
    bytes[10] = pmcw.last_path_used;
    bytes[11] = pmcw.installed_paths;
    bytes[12..14].copy_from_slice(&pmcw.measurement_index.to_be_bytes());
    bytes[14] = pmcw.operational_paths;
    bytes[15] = pmcw.available_paths;
    bytes[16..24].copy_from_slice(&pmcw.path_ids);
    bytes[24..28].copy_from_slice(&pmcw.characteristics.to_be_bytes());
    bytes[28..40].copy_from_slice(&scsw.to_bytes());
    bytes[40..48].copy_from_slice(&measurement_block.to_be_bytes());
    bytes
}

/// An interruption-response block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Irb {
    /// Subchannel status.
    pub scsw: Scsw,
    /// Subchannel logout, the extended-status word's first word.
    pub logout: u32,
    /// Extended-report word, its second.
    pub report: u32,
    /// Extended-control word: sense data.
    pub control: [u8; SENSE_BYTES],
}

impl Irb {
    /// As it is stored.
    pub fn to_bytes(self) -> [u8; IRB_BYTES] {
        let mut bytes = [0; IRB_BYTES];
        bytes[..12].copy_from_slice(&self.scsw.to_bytes());
        bytes[12..16].copy_from_slice(&self.logout.to_be_bytes());
        bytes[16..20].copy_from_slice(&self.report.to_be_bytes());
        bytes[32..].copy_from_slice(&self.control);
        bytes
    }
}

/// Operation-request block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Orb {
    /// Interruption parameter.
    pub parameter: u32,
    /// Word 1, left half: key and controls.
    pub control: u16,
    /// Logical-path mask.
    pub logical_paths: u8,
    /// Address of the first CCW.
    pub program: u32,
}

impl Orb {
    /// The program may be suspended.
    const SUSPEND: u16 = 0x0800;
    /// CCWs have format 1.
    const FORMAT_1: u16 = 0x0080;
    /// No interruption when it is suspended.
    const QUIET_SUSPEND: u16 = 0x0008;
    /// IDAWs have format 2.
    const IDAW_64: u16 = 0x0002;
    /// Format-2 IDAWs name 2 KiB blocks.
    const IDAW_2K: u16 = 0x0001;

    /// Reads it; none for what causes an operand exception: reserved bits, modified CCW
    /// indirect data addressing, which is not installed, or a CCW address beyond 2 GiB.
    pub fn from_bytes(bytes: &[u8; ORB_BYTES]) -> Option<Self> {
        const RESERVED: u16 = 0x0004;
        const RESERVED_OR_MIDAW: u8 = 0x7e;
        let control = u16::from_be_bytes([bytes[4], bytes[5]]);
        let program = u32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
        if control & RESERVED != 0 || bytes[7] & RESERVED_OR_MIDAW != 0 || program >> 31 != 0 {
            return None;
        }
        Some(Self {
            parameter: u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
            control,
            logical_paths: bytes[6],
            program,
        })
    }

    /// The subchannel key, 0 to 15.
    pub fn key(&self) -> u8 {
        (self.control >> 12) as u8
    }

    /// Whether the program may be suspended.
    pub fn may_suspend(&self) -> bool {
        self.control & Self::SUSPEND != 0
    }

    /// Whether CCWs have format 1.
    pub fn format_1(&self) -> bool {
        self.control & Self::FORMAT_1 != 0
    }

    /// Whether suspension causes an interruption.
    pub fn tells_suspension(&self) -> bool {
        self.control & Self::QUIET_SUSPEND == 0
    }

    /// Whether IDAWs are doublewords.
    pub fn wide_idaws(&self) -> bool {
        self.control & Self::IDAW_64 != 0
    }

    /// Bytes that an IDAW names at most.
    pub fn idaw_block(&self) -> u64 {
        if self.wide_idaws() && self.control & Self::IDAW_2K == 0 {
            4096
        } else {
            2048
        }
    }
}
