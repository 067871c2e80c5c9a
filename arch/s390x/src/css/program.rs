//! Channel programs: CCWs of both formats, chaining, indirect addressing, and the commands that
//! every device has (Principles of Operation, chapter 15).
//!
//! A program runs to its end, or to where it is suspended, at once, on the thread of the CPU that
//! starts it: no command here waits for anything. Not here: what becomes of the result
//! ([`super::subchannel`]) and the device's own commands ([`super::virtio`]).

use super::blocks::{Orb, SENSE_BYTES, scsw};
use super::storage::{Denied, Host};

/// CCWs after which a program that never ends is given up with a channel-control check: real
/// channels would go on for ever.
const MOST_CCWS: u32 = 1 << 16;

/// Commands.
mod command {
    pub(super) const NO_OPERATION: u8 = 0x03;
    pub(super) const SENSE: u8 = 0x04;
    pub(super) const TRANSFER: u8 = 0x08;
    pub(super) const SENSE_ID: u8 = 0xe4;
}

/// CCW flags.
mod flag {
    pub(super) const CHAIN_DATA: u8 = 0x80;
    pub(super) const CHAIN: u8 = 0x40;
    pub(super) const SUPPRESS_LENGTH: u8 = 0x20;
    pub(super) const SKIP: u8 = 0x10;
    pub(super) const PCI: u8 = 0x08;
    pub(super) const INDIRECT: u8 = 0x04;
    pub(super) const SUSPEND: u8 = 0x02;
    pub(super) const MODIFIED_INDIRECT: u8 = 0x01;
}

/// Bytes that SENSE ID has to give.
const SENSE_ID_BYTES: usize = 256;

/// Why a command ends otherwise than well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The channel program is wrong.
    Program,
    /// A key does not match.
    Protection,
    /// The program does not end.
    Control,
    /// The program gives fewer bytes than the command has, and does not suppress that.
    Length,
    /// The device does not know the command, or not now: unit check, command reject.
    Reject,
}

impl From<Denied> for Check {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Addressing => Self::Program,
            Denied::Protection => Self::Protection,
        }
    }
}

/// What programs do to a device.
pub trait Device {
    /// What SENSE ID says: control-unit type and model, device type and model.
    fn identity(&self) -> [u8; 7];

    /// Carries out a command of its own.
    ///
    /// # Errors
    /// Why it did not.
    fn command(&mut self, code: u8, transfer: &mut Transfer<'_, '_>) -> Result<(), Check>;
}

/// A CCW in the terms of format 1.
#[derive(Debug, Clone, Copy)]
struct Ccw {
    /// Where it stands.
    at: u32,
    command: u8,
    flags: u8,
    count: u16,
    data: u32,
}

impl Ccw {
    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether a wrong length counts.
    fn checks_length(&self) -> bool {
        !self.has(flag::SUPPRESS_LENGTH) || self.has(flag::CHAIN_DATA)
    }

    /// Whether the command transfers from the device, so that skipping means something: sense,
    /// read, read backwards.
    fn reads(&self) -> bool {
        self.command & 0x0f == command::SENSE
            || self.command & 0x03 == 0x02
            || self.command & 0x0f == 0x0c
    }
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With channel end and device end.
    Ended,
    /// Before this CCW, which has its suspend flag on.
    Suspended,
    /// Otherwise.
    Checked(Check),
}

/// What a run has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// How it ended.
    pub end: End,
    /// Address of the last CCW.
    pub last_ccw: u32,
    /// Residual count.
    pub residual: u16,
    /// Subchannel status: PCI and incorrect length.
    pub status: u8,
}

/// A program that is being executed.
pub struct Program<'a> {
    host: Host<'a>,
    orb: Orb,
    /// CCWs that may still be fetched.
    fuel: u32,
    /// The last CCW was a transfer in channel, or there was none.
    no_transfer: bool,
    status: u8,
    residual: u16,
    last_ccw: u32,
}

impl<'a> Program<'a> {
    /// The program of an ORB.
    pub fn new(host: Host<'a>, orb: Orb) -> Self {
        Self {
            host,
            orb,
            fuel: MOST_CCWS,
            no_transfer: true,
            status: 0,
            residual: 0,
            last_ccw: orb.program,
        }
    }

    /// Runs it from a CCW on.
    pub fn run(mut self, from: u32, device: &mut dyn Device, sense: &mut [u8; SENSE_BYTES]) -> Run {
        let end = match self.execute(from, device, sense) {
            Ok(end) => end,
            Err(Check::Length) => {
                self.status |= scsw::INCORRECT_LENGTH;
                End::Ended
            }
            Err(check) => End::Checked(check),
        };
        Run {
            end,
            last_ccw: self.last_ccw,
            residual: self.residual,
            status: self.status,
        }
    }

    fn execute(
        &mut self,
        from: u32,
        device: &mut dyn Device,
        sense: &mut [u8; SENSE_BYTES],
    ) -> Result<End, Check> {
        let mut next = from;
        loop {
            let ccw = self.fetch_ccw(next, None)?;
            if ccw.has(flag::SUSPEND) {
                if self.orb.may_suspend() {
                    return Ok(End::Suspended);
                }
                return Err(Check::Program);
            }
            self.residual = ccw.count;
            let mut transfer = Transfer {
                program: self,
                ccw,
                short: false,
            };
            match ccw.command {
                command::NO_OPERATION => {}
                command::SENSE => {
                    let area = transfer.up_to_all(SENSE_BYTES)?;
                    transfer.give(&area, &sense[..area.length])?;
                    sense.fill(0);
                }
                command::SENSE_ID => {
                    let mut identity = [0; SENSE_ID_BYTES];
                    identity[1..8].copy_from_slice(&device.identity());
                    let area = transfer.up_to_all(SENSE_ID_BYTES)?;
                    // Only where the whole of the type fits is it said to be there.
                    identity[0] = if area.length >= 4 { 0xff } else { 0 };
                    transfer.give(&area, &identity[..area.length])?;
                }
                code => device.command(code, &mut transfer)?,
            }
            let (ccw, short) = (transfer.ccw, transfer.short);
            let wrong = short || self.residual != 0 && ccw.command != command::NO_OPERATION;
            if wrong && ccw.checks_length() {
                return Err(Check::Length);
            }
            if !ccw.has(flag::CHAIN) {
                return Ok(End::Ended);
            }
            next = ccw.at.wrapping_add(8);
        }
    }

    /// Whether addresses of CCWs, IDAWs and data in the CCW's format are at most this.
    fn limit(&self) -> u64 {
        if self.orb.format_1() {
            0x7fff_ffff
        } else {
            0x00ff_ffff
        }
    }

    /// The CCW at an address, or where a transfer in channel there leads to. `chained`: data are
    /// chained to it, and the command goes on.
    fn fetch_ccw(&mut self, at: u32, chained: Option<u8>) -> Result<Ccw, Check> {
        let mut at = at;
        loop {
            self.last_ccw = at;
            if !at.is_multiple_of(8) || u64::from(at) > self.limit() {
                return Err(Check::Program);
            }
            self.fuel = self.fuel.checked_sub(1).ok_or(Check::Control)?;
            let mut bytes = [0; 8];
            self.host.fetch(self.orb.key(), at.into(), &mut bytes)?;
            let ccw = self.decode(at, bytes, chained)?;
            if ccw.command != command::TRANSFER {
                self.no_transfer = false;
                if ccw.has(flag::PCI) {
                    self.status |= scsw::PCI;
                }
                return Ok(ccw);
            }
            if std::mem::replace(&mut self.no_transfer, true) {
                return Err(Check::Program);
            }
            at = ccw.data;
        }
    }

    fn decode(&self, at: u32, bytes: [u8; 8], chained: Option<u8>) -> Result<Ccw, Check> {
        let half = |n: usize| u16::from_be_bytes([bytes[n], bytes[n + 1]]);
        let mut ccw = if self.orb.format_1() {
            Ccw {
                at,
                command: bytes[0],
                flags: bytes[1],
                count: half(2),
                data: u32::from(half(4)) << 16 | u32::from(half(6)),
            }
        } else {
            let transfer = bytes[0] & 0x0f == command::TRANSFER;
            Ccw {
                at,
                command: if transfer {
                    command::TRANSFER
                } else {
                    bytes[0]
                },
                flags: if transfer { 0 } else { bytes[4] },
                count: if transfer { 0 } else { half(6) },
                data: u32::from(bytes[1]) << 16 | u32::from(half(2)),
            }
        };
        let transfer = ccw.command & 0x0f == command::TRANSFER;
        if let (Some(command), false) = (chained, transfer) {
            ccw.command = command;
        }
        let bad_transfer =
            transfer && (ccw.command != command::TRANSFER || ccw.flags != 0 || ccw.count != 0);
        // Format 1 knows commands without data.
        let bad_count =
            !transfer && ccw.count == 0 && (!self.orb.format_1() || ccw.has(flag::CHAIN_DATA));
        if ccw.command & 0x0f == 0
            || bad_transfer
            || bad_count
            || ccw.has(flag::MODIFIED_INDIRECT)
            || u64::from(ccw.data) > self.limit()
        {
            return Err(Check::Program);
        }
        Ok(ccw)
    }
}

/// The data of the command that is being executed.
pub struct Transfer<'p, 'a> {
    program: &'p mut Program<'a>,
    ccw: Ccw,
    /// The device had to do with more than the program gave room for.
    short: bool,
}

/// Where in storage a command's data are.
#[derive(Debug, Default)]
pub struct Area {
    segments: Vec<Segment>,
    /// Bytes in it.
    pub length: usize,
}

#[derive(Debug, Clone, Copy)]
struct Segment {
    address: u64,
    length: usize,
    /// Nothing is stored there.
    skipped: bool,
}

impl Transfer<'_, '_> {
    /// The area of a command whose data are so many bytes, neither more nor fewer.
    ///
    /// # Errors
    /// [`Check::Length`] if there are fewer, [`Check::Program`] if that is suppressed, and what
    /// indirect addresses and chained CCWs lead to.
    pub fn exactly(&mut self, bytes: usize) -> Result<Area, Check> {
        let area = self.area(bytes)?;
        if area.length == bytes {
            Ok(area)
        } else if self.ccw.checks_length() {
            Err(Check::Length)
        } else {
            Err(Check::Program)
        }
    }

    /// The area of a command that has at most so many bytes, and may have fewer.
    ///
    /// # Errors
    /// What indirect addresses and chained CCWs lead to.
    pub fn up_to(&mut self, bytes: usize) -> Result<Area, Check> {
        self.area(bytes)
    }

    /// [`Transfer::up_to`] for a command of which fewer bytes are an incorrect length.
    fn up_to_all(&mut self, bytes: usize) -> Result<Area, Check> {
        let area = self.area(bytes)?;
        self.short |= area.length < bytes;
        Ok(area)
    }

    /// Bytes that the CCW counts.
    pub fn count(&self) -> usize {
        self.ccw.count.into()
    }

    /// Whether a wrong length counts.
    pub fn checks_length(&self) -> bool {
        self.ccw.checks_length()
    }

    fn area(&mut self, wanted: usize) -> Result<Area, Check> {
        let mut area = Area::default();
        loop {
            let take = usize::from(self.ccw.count).min(wanted - area.length);
            self.find(&mut area, take)?;
            self.program.residual = self.ccw.count - take as u16;
            if !self.ccw.has(flag::CHAIN_DATA) {
                return Ok(area);
            }
            if area.length == wanted {
                // The device is done, the program is not.
                self.short = true;
                return Ok(area);
            }
            let command = self.ccw.command;
            let next = self.ccw.at.wrapping_add(8);
            self.ccw = self.program.fetch_ccw(next, Some(command))?;
            if self.ccw.has(flag::SUSPEND) {
                return Err(Check::Program);
            }
        }
    }

    /// Adds the first `take` bytes of the CCW's data.
    fn find(&mut self, area: &mut Area, take: usize) -> Result<(), Check> {
        if take == 0 {
            return Ok(());
        }
        let skipped = self.ccw.has(flag::SKIP) && self.ccw.reads();
        let data = u64::from(self.ccw.data);
        if !self.ccw.has(flag::INDIRECT) {
            if data + take as u64 - 1 > self.program.limit() {
                return Err(Check::Program);
            }
            area.add(data, take, skipped);
            return Ok(());
        }
        let (size, block) = if self.program.orb.wide_idaws() {
            (8, self.program.orb.idaw_block())
        } else {
            (4, self.program.orb.idaw_block())
        };
        if !data.is_multiple_of(size) {
            return Err(Check::Program);
        }
        let mut left = take;
        for number in 0.. {
            let at = data + number * size;
            if at > self.program.limit() {
                return Err(Check::Program);
            }
            let mut word = [0; 8];
            let key = self.program.orb.key();
            let place = &mut word[8 - size as usize..];
            self.program.host.fetch(key, at, place)?;
            let address = u64::from_be_bytes(word);
            let narrow = size == 4 && address >> 31 != 0;
            if narrow || number > 0 && !address.is_multiple_of(block) {
                return Err(Check::Program);
            }
            let room = (block - address % block) as usize;
            let here = left.min(room);
            area.add(address, here, skipped);
            left -= here;
            if left == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Stores bytes at the area's beginning.
    ///
    /// # Errors
    /// [`Check::Program`], [`Check::Protection`].
    pub fn give(&self, area: &Area, bytes: &[u8]) -> Result<(), Check> {
        self.give_at(area, 0, bytes)
    }

    /// Stores bytes from an offset on, as far as the area goes.
    ///
    /// # Errors
    /// [`Check::Program`], [`Check::Protection`].
    pub fn give_at(&self, area: &Area, offset: usize, bytes: &[u8]) -> Result<(), Check> {
        let key = self.program.orb.key();
        for (place, range) in area.places(offset, bytes.len()) {
            if !place.skipped {
                self.program.host.store(key, place.address, &bytes[range])?;
            }
        }
        Ok(())
    }

    /// Fetches bytes from an offset on; zeros beyond the area's end.
    ///
    /// # Errors
    /// [`Check::Program`], [`Check::Protection`].
    pub fn take<const N: usize>(&self, area: &Area, offset: usize) -> Result<[u8; N], Check> {
        let mut bytes = [0; N];
        let key = self.program.orb.key();
        for (place, range) in area.places(offset, N) {
            self.program
                .host
                .fetch(key, place.address, &mut bytes[range])?;
        }
        Ok(bytes)
    }
}

impl Area {
    fn add(&mut self, address: u64, length: usize, skipped: bool) {
        self.length += length;
        self.segments.push(Segment {
            address,
            length,
            skipped,
        });
    }

    /// The pieces of storage that hold `length` bytes from an offset on, each with where in
    /// these bytes it is.
    fn places(
        &self,
        offset: usize,
        length: usize,
    ) -> impl Iterator<Item = (Segment, std::ops::Range<usize>)> + '_ {
        let mut start = 0;
        self.segments.iter().filter_map(move |segment| {
            let (from, to) = (start, start + segment.length);
            start = to;
            let first = from.max(offset);
            let last = to.min(offset + length);
            (first < last).then(|| {
                let place = Segment {
                    address: segment.address + (first - from) as u64,
                    length: last - first,
                    skipped: segment.skipped,
                };
                (place, first - offset..last - offset)
            })
        })
    }
}
