//! Helpers of the I/O instructions: their operands' checks and condition codes.
//!
//! Order of checks: alignment, access, operand; then condition code 3 (as QEMU has it, and
//! kvm-unit-tests' css expects). Privilege is the translator's; what is done is in [`crate::css`].

use tcg::ir::{MemMode, MemSize};
use tcg::{Access, Effects, Guest, HelperDef, Trap, mem};

use crate::cpu::{ProgramCode, S390Cpu, lowcore};
use crate::css::blocks::{IRB_BYTES, Modification, ORB_BYTES, Orb, SCHIB_BYTES};
use crate::css::{ChannelSubsystem, Host, IoInterruption, SubchannelId};

/// Bytes of a channel-report word.
const REPORT_BYTES: usize = 4;

fn specification<T>() -> Result<T, Trap> {
    Err(ProgramCode::Specification.into())
}

fn operand() -> Trap {
    ProgramCode::Operand.into()
}

fn subchannel(register: u64) -> Result<SubchannelId, Trap> {
    SubchannelId::from_register(register).ok_or_else(operand)
}

fn word_aligned(address: u64) -> Result<(), Trap> {
    if address.is_multiple_of(4) {
        Ok(())
    } else {
        specification()
    }
}

/// An operand that is read: aligned, and there.
fn read_operand<const N: usize>(
    cpu: &mut S390Cpu,
    address: u64,
    mode: u64,
) -> Result<[u8; N], Trap> {
    word_aligned(address)?;
    let mut bytes = [0; N];
    mem::read_bytes(cpu, MemMode(mode as u8), address, &mut bytes)?;
    Ok(bytes)
}

/// An operand that will be written: aligned, and there.
fn probe_operand(cpu: &mut S390Cpu, address: u64, mode: u64, bytes: usize) -> Result<(), Trap> {
    word_aligned(address)?;
    let mode = MemMode(mode as u8);
    mem::probe(cpu, mode, Access::Write, address, bytes as u64)
}

/// Works on the channel subsystem, and on storage as channel programs find it.
fn with_css<R>(cpu: &mut S390Cpu, work: impl FnOnce(&ChannelSubsystem, Host<'_>) -> R) -> R {
    let shared = &cpu.control.shared;
    let host = Host {
        core: &cpu.core,
        keys: &shared.keys,
    };
    work(&shared.css, host)
}

/// CHANNEL SUBSYSTEM CALL: block address and mode.
pub static CHSC: HelperDef =
    HelperDef::new2("chsc", Effects::ALL, |cpu: &mut S390Cpu, address, mode| {
        if address % mem::PAGE_SIZE != 0 {
            return specification();
        }
        let mode = MemMode(mode as u8);
        cpu.translate_address(address, Access::Read, mode)?;
        let block = cpu.translate_address(address, Access::Write, mode)?.page;
        with_css(cpu, |css, host| css.call(host.core, block))?;
        Ok(0)
    });

/// STORE SUBCHANNEL: block address, mode and subchannel; the condition code.
pub static STSCH: HelperDef = HelperDef::new3(
    "stsch",
    Effects::MEMORY,
    |cpu: &mut S390Cpu, address, mode, id| {
        probe_operand(cpu, address, mode, SCHIB_BYTES)?;
        let id = subchannel(id)?;
        match with_css(cpu, |css, _| css.store(id)) {
            Some(block) => {
                mem::write_bytes(cpu, MemMode(mode as u8), address, &block)?;
                Ok(0)
            }
            None => Ok(3),
        }
    },
);

/// MODIFY SUBCHANNEL: block address, mode and subchannel; the condition code.
pub static MSCH: HelperDef = HelperDef::new3(
    "msch",
    Effects::MEMORY,
    |cpu: &mut S390Cpu, address, mode, id| {
        let block = read_operand::<SCHIB_BYTES>(cpu, address, mode)?;
        let id = subchannel(id)?;
        let new = Modification::from_bytes(&block).ok_or_else(operand)?;
        Ok(with_css(cpu, |css, _| css.modify(id, &new)).into())
    },
);

/// START SUBCHANNEL: block address, mode and subchannel; the condition code.
pub static SSCH: HelperDef = HelperDef::new3(
    "ssch",
    Effects::MEMORY,
    |cpu: &mut S390Cpu, address, mode, id| {
        let block = read_operand::<ORB_BYTES>(cpu, address, mode)?;
        let id = subchannel(id)?;
        let orb = Orb::from_bytes(&block).ok_or_else(operand)?;
        Ok(with_css(cpu, |css, host| css.start(host, id, orb)).into())
    },
);

/// TEST SUBCHANNEL: block address, mode and subchannel; the condition code.
pub static TSCH: HelperDef = HelperDef::new3(
    "tsch",
    Effects::MEMORY,
    |cpu: &mut S390Cpu, address, mode, id| {
        probe_operand(cpu, address, mode, IRB_BYTES)?;
        let id = subchannel(id)?;
        match with_css(cpu, |css, _| css.test(id)) {
            Some((irb, cc)) => {
                mem::write_bytes(cpu, MemMode(mode as u8), address, &irb.to_bytes())?;
                Ok(cc.into())
            }
            None => Ok(3),
        }
    },
);

/// An instruction that names a subchannel and nothing else: the condition code.
macro_rules! on_subchannel {
    ($name:ident, $text:literal, |$css:ident, $host:ident, $id:ident| $work:expr) => {
        #[doc = concat!("`", $text, "`: the subchannel; the condition code.")]
        pub static $name: HelperDef =
            HelperDef::new1($text, Effects::MEMORY, |cpu: &mut S390Cpu, id| {
                let $id = subchannel(id)?;
                Ok(with_css(cpu, |$css, $host| $work).into())
            });
    };
}

on_subchannel!(RSCH, "rsch", |css, host, id| css.resume(host, id));
on_subchannel!(CSCH, "csch", |css, _host, id| css.clear(id));
on_subchannel!(HSCH, "hsch", |css, _host, id| css.halt(id));
on_subchannel!(XSCH, "xsch", |css, _host, id| css.cancel(id));

/// TEST PENDING INTERRUPTION: address, 0 for the assigned locations, and mode; the condition code.
pub static TPI: HelperDef = HelperDef::new2(
    "tpi",
    Effects::MEMORY,
    |cpu: &mut S390Cpu, address, mode| {
        const WORDS: usize = 8;
        word_aligned(address)?;
        if address != 0 {
            probe_operand(cpu, address, mode, WORDS)?;
        }
        let enabled = cpu.enabled_subclasses();
        let taken = with_css(cpu, |css, _| css.take_io(enabled));
        let Some(interruption) = taken else {
            return Ok(0);
        };
        if address == 0 {
            cpu.store_io_code(interruption);
        } else {
            let IoInterruption {
                subsystem,
                parameter,
                ..
            } = interruption;
            let words = u64::from(subsystem) << 32 | u64::from(parameter);
            mem::write_bytes(cpu, MemMode(mode as u8), address, &words.to_be_bytes())?;
        }
        Ok(1)
    },
);

impl S390Cpu {
    /// Subclasses, 0 as 0x80, whose I/O interruptions control register 6 enables.
    pub(crate) fn enabled_subclasses(&self) -> u8 {
        (self.cr[6] >> 24) as u8
    }

    /// Stores an I/O-interruption code at its assigned locations.
    pub(crate) fn store_io_code(&mut self, code: IoInterruption) {
        for (at, word) in [
            (0, code.subsystem),
            (4, code.parameter),
            (8, code.identification),
        ] {
            self.set_lowcore(lowcore::IO_CODE + at, MemSize::B4, u64::from(word));
        }
    }
}

/// STORE CHANNEL REPORT WORD: address and mode; the condition code.
pub static STCRW: HelperDef = HelperDef::new2(
    "stcrw",
    Effects::MEMORY,
    |cpu: &mut S390Cpu, address, mode| {
        probe_operand(cpu, address, mode, REPORT_BYTES)?;
        let word = with_css(cpu, |css, _| css.take_word());
        let bytes = word.unwrap_or(0).to_be_bytes();
        let stored = mem::write_bytes(cpu, MemMode(mode as u8), address, &bytes);
        if let (Err(trap), Some(word)) = (stored, word) {
            // Probed a moment ago, so this is rare; the word is not lost all the same.
            with_css(cpu, |css, _| css.put_word_back(word));
            return Err(trap);
        }
        Ok(u64::from(word.is_none()))
    },
);

/// SET ADDRESS LIMIT: 64 KiB aligned, below 2 GiB; of no effect, since no device here is limited.
pub static SAL: HelperDef = HelperDef::new1("sal", Effects::TRAPS, |_: &mut S390Cpu, limit| {
    if limit as u32 & 0x8000_ffff != 0 {
        Err(operand())
    } else {
        Ok(0)
    }
});

/// STORE CHANNEL PATH STATUS: no path is active, 32 zero bytes.
pub static STCPS: HelperDef = HelperDef::new2(
    "stcps",
    Effects::MEMORY,
    |cpu: &mut S390Cpu, address, mode| {
        if address % 32 != 0 {
            return specification();
        }
        mem::write_bytes(cpu, MemMode(mode as u8), address, &[0; 32])?;
        Ok(0)
    },
);

/// RESET CHANNEL PATH: the path; the condition code.
pub static RCHP: HelperDef = HelperDef::new1("rchp", Effects::MEMORY, |cpu: &mut S390Cpu, path| {
    const RESERVED: u32 = 0xff00_ff00;
    if path as u32 & RESERVED != 0 {
        return Err(operand());
    }
    let (subsystem, path) = ((path >> 16) as u8, path as u8);
    let cc = with_css(cpu, |css, _| css.reset_path(subsystem, path))?;
    Ok(cc.into())
});

/// SET CHANNEL MONITOR: controls and the origin of format-0 blocks.
pub static SCHM: HelperDef = HelperDef::new2(
    "schm",
    Effects::MEMORY,
    |cpu: &mut S390Cpu, controls, origin| {
        const RESERVED: u32 = 0x0fff_fffc;
        const UPDATE: u32 = 2;
        let controls = controls as u32;
        if controls & RESERVED != 0 {
            return Err(operand());
        }
        let update = controls & UPDATE != 0;
        if update && origin % 32 != 0 {
            return Err(operand());
        }
        let key = (controls >> 28) as u8;
        with_css(cpu, |css, _| {
            css.set_monitor(update.then_some((key, origin)));
        });
        Ok(0)
    },
);
