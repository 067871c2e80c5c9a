//! Xen's save record of an HVM guest's RTC, old and new layout.
//!
//! From Xen's public headers `hvm/save.h` and `arch-x86/hvm/save.h`: a descriptor (type code 11,
//! instance, length), then 14 registers, the index and a byte of padding; the new layout has the
//! offset in seconds at byte 16. Little-endian.

use super::alarm::Alarm;
use super::periodic::Periodic;
use super::spec::{self, a, c};
use super::{Counter, Decided, Divider, Output, Rtc, since_1970};
use tod::Tod;

/// The record's type code.
pub const TYPE_CODE: u16 = 11;
/// Bytes of a descriptor.
pub const DESCRIPTOR_BYTES: usize = 8;
/// Bytes of the old layout's body.
pub const OLD_BYTES: usize = 16;
/// Bytes of the new layout's body.
pub const NEW_BYTES: usize = 24;

/// Which layout to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Without the offset.
    Old,
    /// With the offset.
    New,
}

/// The record's contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Record {
    /// Registers 0 to 13: date and alarm, then A, B, C and D.
    pub registers: [u8; 14],
    /// The register index.
    pub index: u8,
    /// The guest's date less the host's, in seconds; 0 in the old layout.
    pub offset_s: i64,
}

/// Bytes that are no such record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Fewer bytes than the descriptor has, or than it announces.
    #[error("an RTC record of {expected} bytes is cut off after {found}")]
    CutOff {
        /// Bytes that are needed.
        expected: usize,
        /// Bytes there are.
        found: usize,
    },
    /// Another record.
    #[error("a record of type {0} is not the RTC's, which is 11")]
    Type(u16),
    /// A machine has one RTC.
    #[error("an RTC record for instance {0}: there is only instance 0")]
    Instance(u16),
    /// More than the new layout has.
    #[error("an RTC record of {0} bytes: at most 24 are known")]
    Length(u32),
}

impl Record {
    /// Reads a record with its descriptor. What a shorter one lacks reads as zero.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn read(bytes: &[u8]) -> Result<Self, RecordError> {
        let cut_off = |expected| RecordError::CutOff {
            expected,
            found: bytes.len(),
        };
        let Some((descriptor, rest)) = bytes.split_first_chunk::<DESCRIPTOR_BYTES>() else {
            return Err(cut_off(DESCRIPTOR_BYTES));
        };
        let [t0, t1, i0, i1, l0, l1, l2, l3] = *descriptor;
        match u16::from_le_bytes([t0, t1]) {
            TYPE_CODE => {}
            other => return Err(RecordError::Type(other)),
        }
        match u16::from_le_bytes([i0, i1]) {
            0 => {}
            other => return Err(RecordError::Instance(other)),
        }
        let announced = u32::from_le_bytes([l0, l1, l2, l3]);
        let length = usize::try_from(announced).unwrap_or(usize::MAX);
        if length > NEW_BYTES {
            return Err(RecordError::Length(announced));
        }
        let found = rest
            .get(..length)
            .ok_or_else(|| cut_off(DESCRIPTOR_BYTES + length))?;
        let mut body = [0; NEW_BYTES];
        body[..length].copy_from_slice(found);
        let mut registers = [0; 14];
        registers.copy_from_slice(&body[..14]);
        let [.., o0, o1, o2, o3, o4, o5, o6, o7] = body;
        Ok(Self {
            registers,
            index: body[14],
            offset_s: i64::from_le_bytes([o0, o1, o2, o3, o4, o5, o6, o7]),
        })
    }

    /// The record with its descriptor.
    #[must_use]
    pub fn write(&self, layout: Layout) -> Vec<u8> {
        let length: u32 = match layout {
            Layout::Old => OLD_BYTES as u32,
            Layout::New => NEW_BYTES as u32,
        };
        let mut bytes = Vec::with_capacity(DESCRIPTOR_BYTES + NEW_BYTES);
        bytes.extend(TYPE_CODE.to_le_bytes());
        bytes.extend(0u16.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        bytes.extend(self.registers);
        bytes.extend([self.index, 0]);
        if layout == Layout::New {
            bytes.extend(self.offset_s.to_le_bytes());
        }
        bytes
    }
}

/// Offsets beyond this many seconds are cut to it: no date is that far away.
const OFFSET_LIMIT_S: i64 = 1 << 40;

impl Rtc {
    /// The state as Xen saves it.
    pub fn xen_record(&mut self, now: Tod) -> Record {
        let mut record = Record {
            index: self.index,
            offset_s: self.offset_s(now),
            ..Record::default()
        };
        let a = self.read(spec::REG_A, now);
        for (register, byte) in (0u8..).zip(&mut record.registers) {
            *byte = match register {
                spec::REG_A => a,
                // Reading it would clear it.
                spec::REG_C => self.c | if self.line { c::IRQF } else { 0 },
                _ => self.read(register, now),
            };
        }
        record
    }

    /// Takes over what Xen has saved: the date is the reference plus the record's offset, unless
    /// the manager of VMs has set one, whatever the date registers say and also if SET holds
    /// them. Periods, updates and the alarm follow from there. The level of the interrupt line
    /// is taken over without an [`Output`].
    pub fn load_xen(&mut self, record: &Record, now: Tod) {
        self.advance(now);
        let now = since_1970(now);
        let offset_s = match self.decided {
            Decided::ByToolstack => self.offset_in_force(),
            Decided::ByGuest => record.offset_s.clamp(-OFFSET_LIMIT_S, OFFSET_LIMIT_S),
        };
        let register = |register: u8| record.registers[usize::from(register)];
        self.index = record.index & 0x7F;
        self.a = register(spec::REG_A) & !a::UIP;
        self.b = register(spec::REG_B);
        self.c = register(spec::REG_C) & c::FLAGS;
        self.alarm = Alarm {
            second: register(spec::SECONDS_ALARM),
            minute: register(spec::MINUTES_ALARM),
            hour: register(spec::HOURS_ALARM),
        };
        self.counter = match Divider::of(self.a) {
            Divider::Runs => Counter::Runs { offset: 0 },
            Divider::Unused | Divider::Reset => Counter::Stands { date: now },
        };
        self.shift_to(offset_s, now);
        self.told_s = offset_s;
        self.periodic = Periodic::new(now);
        self.line = self.wants_line();
        self.outputs.clear();
        self.outputs.push(Output::OffsetLoaded { offset_s });
    }
}
