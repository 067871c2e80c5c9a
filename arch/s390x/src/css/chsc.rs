//! CHANNEL SUBSYSTEM CALL: commands and their responses.
//!
//! Facts: Linux drivers/s390/cio/chsc.c and asm/css_chars.h; which commands a boot issues is
//! measured. What is announced is what QEMU 7.2 announces. Not here: the instruction's checks of
//! its operand's address.

use tcg::CpuCore;
use tcg::mem::{read_absolute, write_absolute};

use super::id::CSSID;
use crate::cpu::ProgramCode;

/// Commands.
mod command {
    pub(super) const STORE_PATH_DESCRIPTION: u16 = 0x0002;
    pub(super) const STORE_EVENT_INFORMATION: u16 = 0x000e;
    pub(super) const STORE_CHARACTERISTICS: u16 = 0x0010;
    pub(super) const SET_DOMAIN_ATTRIBUTES: u16 = 0x0031;
}

/// Response codes.
mod response {
    pub(super) const DONE: u16 = 0x0001;
    pub(super) const BAD_REQUEST: u16 = 0x0003;
    pub(super) const UNKNOWN: u16 = 0x0004;
    pub(super) const NO_DATA: u16 = 0x0005;
    pub(super) const BAD_FORMAT: u16 = 0x0007;
    pub(super) const BAD_SUBSYSTEM: u16 = 0x0008;
}

/// The channel-path type of virtual devices.
const PATH_TYPE: u32 = 0x32;

/// What commands look at and change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facilities {
    /// There is a device, and so channel path 0.
    pub path: bool,
    /// Multiple channel subsystems are enabled.
    pub subsystems: bool,
    /// Multiple subchannel sets are enabled.
    pub sets: bool,
}

struct Response {
    code: u16,
    parameter: u32,
    data: Vec<u8>,
}

impl Response {
    fn code(code: u16) -> Self {
        Self {
            code,
            parameter: 0,
            data: Vec::new(),
        }
    }
}

/// Carries out the command block at an absolute page address.
///
/// # Errors
/// Operand, if the request's length is below 16, above 4088 or no multiple of 8.
pub fn call(core: &CpuCore, block: u64, facilities: &mut Facilities) -> Result<(), ProgramCode> {
    const SHORTEST: u16 = 16;
    const LONGEST: u16 = 4088;
    let mut request = [0; 16];
    read_absolute(core, block, &mut request);
    let half = |at: usize| u16::from_be_bytes([request[at], request[at + 1]]);
    let word = |at: usize| u32::from(half(at)) << 16 | u32::from(half(at + 2));
    let (length, command) = (half(0), half(2));
    if !(SHORTEST..=LONGEST).contains(&length) || !length.is_multiple_of(8) {
        return Err(ProgramCode::Operand);
    }
    let parameters = [word(4), word(8), word(12)];
    let response = match command {
        command::STORE_PATH_DESCRIPTION => path_description(length, parameters, *facilities),
        command::STORE_EVENT_INFORMATION => Response::code(response::NO_DATA),
        command::STORE_CHARACTERISTICS => characteristics(length, parameters),
        command::SET_DOMAIN_ATTRIBUTES => domain_attributes(length, parameters[0], facilities),
        _ => Response::code(response::UNKNOWN),
    };
    let mut bytes = Vec::with_capacity(8 + response.data.len());
    bytes.extend((8 + response.data.len() as u16).to_be_bytes());
    bytes.extend(response.code.to_be_bytes());
    bytes.extend(response.parameter.to_be_bytes());
    bytes.extend(response.data);
    let room = 4096 - usize::from(length);
    bytes.truncate(room);
    write_absolute(core, block + u64::from(length), &bytes);
    Ok(())
}

/// Whether a request names a subsystem that is there: ours by its number or as the default one.
fn is_here(named: bool, subsystem: u8) -> bool {
    match (named, subsystem) {
        (false, 0) => true,
        (true, number) => number == CSSID,
        (false, _) => false,
    }
}

fn path_description(length: u16, parameters: [u32; 3], facilities: Facilities) -> Response {
    const NAMED: u32 = 0x2000_0000;
    const LONG: u32 = 0x1000_0000;
    let [first, second, third] = parameters;
    let format = match first >> 8 & 0xf {
        0 | 1 => u32::from(first & LONG != 0),
        other => other,
    };
    let refused = |code| Response {
        parameter: format,
        ..Response::code(code)
    };
    let bad = first & 0xc000_f000 != 0 || second & 0xffff_ff00 != 0 || third != 0;
    if length != 16 || bad {
        return refused(response::BAD_REQUEST);
    }
    if first & 0x0f00_0000 != 0 {
        return refused(response::BAD_FORMAT);
    }
    let subsystem = (first >> 16) as u8;
    if subsystem != 0 && !is_here(first & NAMED != 0, subsystem) {
        return refused(response::BAD_SUBSYSTEM);
    }
    let (from, to) = (first as u8, second as u8);
    if to < from {
        return refused(response::BAD_REQUEST);
    }
    let mut data = Vec::new();
    // There is one path, of number 0.
    if facilities.path && from == 0 {
        let bytes = match format {
            0 => 8,
            1 => 32,
            _ => 0,
        };
        data.extend((0x8000_0000 | PATH_TYPE << 8).to_be_bytes());
        data.resize(bytes, 0);
    }
    Response {
        code: response::DONE,
        parameter: format,
        data,
    }
}

fn characteristics(length: u16, parameters: [u32; 3]) -> Response {
    const NAMED: u32 = 0x2000_0000;
    const DATA: usize = 4072;
    /// Where the characteristics of CHSC begin.
    const OF_CHSC: usize = 2040;
    let [first, second, third] = parameters;
    if length != 16 {
        return Response::code(response::BAD_REQUEST);
    }
    if first & 0x000f_0000 != 0 {
        return Response::code(response::BAD_FORMAT);
    }
    let subsystem = (first >> 8) as u8;
    if subsystem != 0 && !is_here(first & NAMED != 0, subsystem) {
        return Response::code(response::BAD_SUBSYSTEM);
    }
    if first & 0xdff0_00ff != 0 || second != 0 || third != 0 {
        return Response::code(response::BAD_REQUEST);
    }
    let mut data = vec![0; DATA];
    // Dynamic I/O, ESCON directors, multiple subsystems, extended measurement blocks, adapter
    // interruptions; alternate SSIs.
    for (at, word) in [
        (0, 0x0300_0000u32),
        (4, 0x0007_9000),
        (12, 0x0008_0000),
        (OF_CHSC, 0x4000_0000),
        (OF_CHSC + 12, 0x0004_0000),
    ] {
        data[at..at + 4].copy_from_slice(&word.to_be_bytes());
    }
    Response {
        data,
        ..Response::code(response::DONE)
    }
}

fn domain_attributes(length: u16, first: u32, facilities: &mut Facilities) -> Response {
    const SUBSYSTEMS: u32 = 0;
    const SETS: u32 = 2;
    if length != 0x0400 || first & 0xf0ff_0000 != 0 {
        return Response::code(response::BAD_REQUEST);
    }
    if first & 0x0f00_0000 != 0 {
        return Response::code(response::BAD_FORMAT);
    }
    match first & 0xffff {
        SUBSYSTEMS => facilities.subsystems = true,
        SETS => facilities.sets = true,
        _ => return Response::code(response::BAD_REQUEST),
    }
    Response::code(response::DONE)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use machine::GuestRam;
    use tcg::cpu::System;

    use super::*;

    #[test]
    fn commands_are_answered_behind_their_request() {
        let ram = Arc::new(GuestRam::new(0x4000).unwrap());
        let core = CpuCore::new(System::new(ram.clone()));
        let mut facilities = Facilities {
            path: true,
            subsystems: false,
            sets: false,
        };
        let mut ask = |length: u16, command: u16, parameter: u32| {
            ram.write(0x1000, &length.to_be_bytes()).unwrap();
            ram.write(0x1002, &command.to_be_bytes()).unwrap();
            ram.write(0x1004, &parameter.to_be_bytes()).unwrap();
            call(&core, 0x1000, &mut facilities).map(|()| {
                let mut response = [0; 16];
                ram.read(0x1000 + u64::from(length), &mut response).unwrap();
                let word = |at: usize| {
                    u32::from_be_bytes(response[at..at + 4].try_into().expect("four bytes"))
                };
                (word(0), word(8))
            })
        };
        assert_eq!(ask(0x10, 0x0010, 0), Ok((0x0ff0_0001, 0x0300_0000)));
        assert_eq!(ask(0x10, 0x0002, 0).map(|r| r.1), Ok(0x8000_3200));
        assert_eq!(ask(0x400, 0x0031, 2).map(|r| r.0), Ok(0x0008_0001));
        assert_eq!(ask(0x400, 0x0031, 7).map(|r| r.0), Ok(0x0008_0003));
        assert_eq!(ask(0x10, 0x0033, 0).map(|r| r.0), Ok(0x0008_0004));
        assert_eq!(ask(0x10, 0x000e, 0).map(|r| r.0), Ok(0x0008_0005));
        assert_eq!(ask(8, 0x0010, 0), Err(ProgramCode::Operand));
        assert_eq!(ask(0x13, 0x0010, 0), Err(ProgramCode::Operand));
        assert!(facilities.sets && !facilities.subsystems);
    }
}
