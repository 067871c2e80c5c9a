//! The channel subsystem of a machine without devices.
//!
//! There is no subchannel, so instructions that name one answer condition code 3; CHSC answers
//! its commands as a subsystem that has few. Facts: Linux drivers/s390/cio/chsc.c; which
//! commands a boot issues is measured. Not here: the instructions' privilege and operand checks.

use tcg::CpuCore;
use tcg::mem::{read_absolute, write_absolute};

use crate::cpu::ProgramCode;

/// Store channel-subsystem characteristics.
const COMMAND_CHARACTERISTICS: u16 = 0x0010;
/// Response: done.
const RESPONSE_OK: u16 = 0x0001;
/// Response: the command is not installed.
const RESPONSE_UNKNOWN: u16 = 0x0004;
/// Response: the request's length is wrong.
const RESPONSE_LENGTH: u16 = 0x0003;
/// Bytes of the characteristics' response block: general and CHSC characteristics.
const CHARACTERISTICS: usize = 0x07f0;

/// CHANNEL SUBSYSTEM CALL on the command block at an absolute page address.
///
/// # Errors
/// Operand, if the request's length is below 16, above 4080 or no multiple of 8.
pub fn channel_subsystem_call(core: &CpuCore, block: u64) -> Result<(), ProgramCode> {
    let mut header = [0; 4];
    read_absolute(core, block, &mut header);
    let length = u16::from_be_bytes([header[0], header[1]]);
    let command = u16::from_be_bytes([header[2], header[3]]);
    if !(16..=0x0ff0).contains(&length) || length % 8 != 0 {
        return Err(ProgramCode::Operand);
    }
    let response = match command {
        COMMAND_CHARACTERISTICS if length == 0x0010 => {
            // No optional characteristic: all zeros after the header.
            let mut response = vec![0; CHARACTERISTICS];
            response[..2].copy_from_slice(&(CHARACTERISTICS as u16).to_be_bytes());
            response[2..4].copy_from_slice(&RESPONSE_OK.to_be_bytes());
            response
        }
        COMMAND_CHARACTERISTICS => short(RESPONSE_LENGTH),
        _ => short(RESPONSE_UNKNOWN),
    };
    let at = block + u64::from(length);
    let room = (4096 - usize::from(length)).min(response.len());
    write_absolute(core, at, &response[..room]);
    Ok(())
}

fn short(code: u16) -> Vec<u8> {
    let mut response = vec![0; 8];
    response[..2].copy_from_slice(&8u16.to_be_bytes());
    response[2..4].copy_from_slice(&code.to_be_bytes());
    response
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
        let call = |length: u16, command: u16| {
            ram.write(0x1000, &length.to_be_bytes()).unwrap();
            ram.write(0x1002, &command.to_be_bytes()).unwrap();
            channel_subsystem_call(&core, 0x1000).map(|()| {
                let mut response = [0; 4];
                ram.read(0x1000 + u64::from(length), &mut response).unwrap();
                u32::from_be_bytes(response)
            })
        };
        assert_eq!(call(0x10, 0x0010), Ok(0x07f0_0001));
        assert_eq!(call(0x400, 0x0031), Ok(0x0008_0004));
        assert_eq!(call(0x10, 0x0033), Ok(0x0008_0004));
        assert_eq!(call(8, 0x0010), Err(ProgramCode::Operand));
        assert_eq!(call(0x13, 0x0010), Err(ProgramCode::Operand));
    }
}
