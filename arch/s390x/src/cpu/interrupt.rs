//! Interruptions: the PSW swap through the lowcore.

use tcg::ir::MemSize;
use tcg::{Poll, Trap, mem};

use super::psw::Psw;
use super::{ProgramCheck, S390Cpu};

/// Looks at pending interruptions; see [`tcg::Guest::poll`].
pub fn poll(_cpu: &mut S390Cpu) -> Poll {
    Poll::Run
}

/// Makes a trap a program interruption; see [`tcg::Guest::deliver`].
pub fn deliver(cpu: &mut S390Cpu, trap: Trap) {
    let (code, _) = ProgramCheck::from_trap(trap);
    let lowcore = cpu.prefix;
    let ilen = u64::from(cpu.core.ilen);
    let word = |offset: u64, v: u64| {
        mem::store_absolute(&cpu.core, lowcore + offset, MemSize::B8, v);
    };
    let old = Psw {
        address: cpu.wrap(cpu.core.pc.wrapping_add(ilen)),
        ..cpu.psw()
    };
    word(0x88, ilen << 16 | u64::from(code));
    word(0x150, old.mask);
    word(0x158, old.address);
    let load = |offset| mem::load_absolute(&cpu.core, lowcore + offset, MemSize::B8);
    let new = Psw {
        mask: load(0x1d0),
        address: load(0x1d8),
    };
    cpu.set_psw(new);
}
