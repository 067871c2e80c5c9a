//! General instructions as a guest executes them, each against a formula of its own in exact
//! integers. [`Lab`] runs single instructions; the groups are in the modules.

mod arith;
mod branch;
mod extensions;
mod load_store;
mod logic;
mod multiply;
mod shift;
mod vector;
mod vector_integer;

use std::sync::Arc;

use machine::{GuestRam, Identity};
use tcg::cpu::System;
use tcg::ir::MemSize;
use tcg::{CpuCore, mem};

use crate::console::Sclp;
use crate::cpu::handle::CpuState;
use crate::cpu::{S390Cpu, lowcore, psw};
use crate::insn::Insn;
use crate::insn::encode::{encode, named};
use crate::machine::shared::test_shared;

/// Where the instruction is.
pub(super) const CODE: u64 = 0x1_0000;
/// Where storage operands are; R5 points to it.
pub(super) const DATA: u64 = 0x2_0000;
/// What R5 holds.
pub(super) const BASE: u8 = 5;
/// Bytes of RAM.
const RAM: u64 = 1 << 20;

/// Register contents that have shown mistakes.
pub(super) const EDGES: [u64; 20] = [
    0,
    1,
    2,
    0x7f,
    0x80,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0x8000_0001,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0x8000_0000_8000_0000,
    0xffff_ffff_0000_0000,
    0xffff_ffff_7fff_ffff,
    0xffff_ffff_8000_0000,
    0xffff_ffff_ffff_fffe,
    0xffff_ffff_ffff_ffff,
];

/// Pairs of register contents: all of [`EDGES`] with each other, and some others.
pub(super) fn pairs() -> impl Iterator<Item = (u64, u64)> {
    let edges = EDGES
        .into_iter()
        .flat_map(|a| EDGES.into_iter().map(move |b| (a, b)));
    edges.chain(numbers(1).zip(numbers(2)).take(100))
}

/// An endless list of numbers of all lengths, the same each time (SplitMix64).
pub(super) fn numbers(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        z >> (z & 63)
    })
}

/// What an instruction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct After {
    /// Program-interruption code; 0 if the instruction completed without one.
    pub(super) program: u16,
    /// The condition code left.
    pub(super) cc: u8,
    /// Address of the next instruction (with an interruption: in the old PSW).
    pub(super) next: u64,
    /// The old PSW's left half.
    pub(super) mask: u64,
}

/// A CPU for single instructions.
pub(super) struct Lab {
    pub(super) cpu: S390Cpu,
    /// PSW bits beyond the addressing mode.
    pub(super) psw: u64,
}

impl Lab {
    /// A CPU in the 64-bit mode, translation off, R5 at the data.
    pub(super) fn new() -> Self {
        let system = System::new(Arc::new(GuestRam::new(RAM).expect("a little RAM")));
        let (events, _) = crossbeam::channel::unbounded();
        let shared = test_shared(system.clone(), Sclp::new(None), Identity::default(), events);
        let mut cpu = S390Cpu::new(CpuCore::new(system), shared, 0);
        cpu.set_state(CpuState::Operating);
        cpu.gpr[usize::from(BASE)] = DATA;
        // Program interruptions end in a disabled wait.
        cpu.set_lowcore(
            lowcore::PROGRAM_NEW,
            MemSize::B8,
            psw::ADDRESSING | psw::WAIT,
        );
        cpu.set_lowcore(lowcore::PROGRAM_NEW + 8, MemSize::B8, 0xdead);
        Self {
            cpu,
            psw: psw::ADDRESSING,
        }
    }

    /// Executes one instruction at [`CODE`] with a condition code before it. It is followed by
    /// zeros, which raise an operation exception; so is whatever it branches to.
    pub(super) fn run_cc(&mut self, insn: &Insn, cc: u8) -> After {
        self.run_image(encode(insn), insn.len, cc)
    }

    /// The same with condition code 0.
    pub(super) fn run(&mut self, insn: &Insn) -> After {
        self.run_cc(insn, 0)
    }

    fn run_image(&mut self, image: u64, length: u8, cc: u8) -> After {
        let mut code = [0; 8];
        code[..6].copy_from_slice(&image.to_be_bytes()[2..]);
        code[usize::from(length)..].fill(0);
        mem::write_absolute(&self.cpu.core, CODE, &code);
        self.cpu.core.pc = CODE;
        self.cpu.psw_mask = self.psw;
        self.cpu.set_cc(cc);
        crate::cpu::run::run(&mut self.cpu);
        let mask = self.cpu.lowcore(lowcore::PROGRAM_OLD, MemSize::B8);
        let program = self.cpu.lowcore(lowcore::PROGRAM_ID + 2, MemSize::B2) as u16;
        let address = self.cpu.lowcore(lowcore::PROGRAM_OLD + 8, MemSize::B8);
        // The operation exception is raised by two bytes of zeros, which it has passed.
        let completed = program == 1 && address != CODE + u64::from(length);
        After {
            program: if completed { 0 } else { program },
            cc: (mask >> psw::CC_SHIFT) as u8 & 3,
            next: if completed {
                self.cpu.wrap(address.wrapping_sub(2))
            } else {
                address
            },
            mask,
        }
    }

    /// Writes a doubleword at the data.
    pub(super) fn set_data(&mut self, v: u64) {
        mem::store_absolute(&self.cpu.core, DATA, MemSize::B8, v);
    }

    /// The doubleword at the data.
    pub(super) fn data(&self) -> u64 {
        mem::load_absolute(&self.cpu.core, DATA, MemSize::B8)
    }

    /// The data-exception code of the last data exception.
    pub(super) fn dxc(&self) -> u64 {
        self.cpu.lowcore(lowcore::DATA_EXCEPTION, MemSize::B4)
    }
}

/// An instruction with R1 = 1, R2 = 2, R3 = 3, the first storage operand at the data and the
/// second one there too (as far as it has such fields).
pub(super) fn usual(name: &str) -> Insn {
    Insn {
        r1: 1,
        r2: 2,
        r3: 3,
        b1: BASE,
        b2: BASE,
        ..named(name)
    }
}
