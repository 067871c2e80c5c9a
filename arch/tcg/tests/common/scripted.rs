//! A CPU whose code is IR: blocks stand in a table, by address. For comparing engines.
#![allow(unsafe_code, reason = "Guest is an unsafe trait")]

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use machine::GuestRam;
use tcg::ir::{Block, Builder, Cond, GlobalDecl, MemMode, MemOp, MemSize, Op, Ty};
use tcg::{
    Access, BlockKey, CcOperand, CcTest, CpuCore, Effects, EngineKind, Guest, HelperDef, Options,
    PageMapping, Poll, Protection, System, Trap, mem,
};

/// 64-bit registers, as globals 0 to 7.
pub(crate) const WIDE: u16 = 8;
/// 32-bit registers, as globals 8 to 11.
pub(crate) const NARROW: u16 = 4;

/// Pages from here on cannot be written.
pub(crate) const READ_ONLY: u64 = 0x6000;
/// Pages from here on cannot be accessed.
pub(crate) const MISSING: u64 = 0x8000;

/// Trap of an address without a block: ends the run.
pub(crate) const NO_BLOCK: u64 = 99;

#[repr(C)]
pub(crate) struct Scripted {
    core: CpuCore,
    pub wide: [u64; WIDE as usize],
    pub narrow: [u32; NARROW as usize],
    blocks: Arc<HashMap<u64, Block>>,
    pub traps: Vec<(u64, u64, u32)>,
    done: bool,
}

const fn wide(name: &'static str, n: usize) -> GlobalDecl {
    GlobalDecl {
        name,
        offset: std::mem::offset_of!(Scripted, wide) + 8 * n,
        ty: Ty::I64,
    }
}

const fn narrow(name: &'static str, n: usize) -> GlobalDecl {
    GlobalDecl {
        name,
        offset: std::mem::offset_of!(Scripted, narrow) + 4 * n,
        ty: Ty::I32,
    }
}

static GLOBALS: [GlobalDecl; 12] = [
    wide("r0", 0),
    wide("r1", 1),
    wide("r2", 2),
    wide("r3", 3),
    wide("r4", 4),
    wide("r5", 5),
    wide("r6", 6),
    wide("r7", 7),
    narrow("n0", 0),
    narrow("n1", 1),
    narrow("n2", 2),
    narrow("n3", 3),
];

pub(crate) const MEM: MemOp = MemOp {
    size: MemSize::B8,
    signed: false,
    aligned: false,
    mode: MemMode(0),
};

fn trap(code: u64) -> Trap {
    Trap(NonZeroU64::new(code).unwrap())
}

/// A function of its arguments.
pub(crate) static PURE: HelperDef =
    HelperDef::new2("pure", Effects::PURE, |_: &mut Scripted, a, b| {
        Ok(a.rotate_left(7) ^ b)
    });
/// Traps if its argument is odd.
pub(crate) static TRAPS: HelperDef =
    HelperDef::new1("traps", Effects::TRAPS, |_: &mut Scripted, a| {
        if a & 1 == 1 { Err(trap(7)) } else { Ok(a / 2) }
    });
/// Reads and writes registers and the condition code; traps now and then.
pub(crate) static GLOBAL: HelperDef =
    HelperDef::new2("global", Effects::GLOBALS, |cpu: &mut Scripted, a, b| {
        let from = (a % 8) as usize;
        cpu.wide[(b % 8) as usize] = cpu.wide[from].wrapping_add(cpu.core.pc);
        cpu.narrow[(b % 4) as usize] ^= a as u32;
        cpu.core.cc_kind = 0;
        cpu.core.cc_a = a % 4;
        cpu.core.cc_b = u64::from(cpu.core.ilen);
        if a % 5 == 3 { Err(trap(8)) } else { Ok(b) }
    });
/// Stores.
pub(crate) static STORES: HelperDef =
    HelperDef::new2("stores", Effects::MEMORY, |cpu: &mut Scripted, a, b| {
        mem::store(cpu, MEM, 0x1fc0 + a % 0x100, b)?;
        Ok(0)
    });

// SAFETY: `repr(C)`, the core is the first field, and the globals are fields as declared.
unsafe impl Guest for Scripted {
    const GLOBALS: &'static [GlobalDecl] = &GLOBALS;
    const MEM_MODES: usize = 2;

    fn cc_evaluate(kind: u8, a: u64, b: u64) -> u32 {
        let order = |o: std::cmp::Ordering| match o {
            std::cmp::Ordering::Equal => 0,
            std::cmp::Ordering::Less => 1,
            std::cmp::Ordering::Greater => 2,
        };
        match kind {
            0 => (a & 3) as u32,
            1 => u32::from(a != 0),
            2 => order((a as i64).cmp(&(b as i64))),
            3 => order((a as u32).cmp(&(b as u32))),
            4 => u32::from(a & b != 0),
            _ => {
                let sum = (a as i64).wrapping_add(b as i64);
                order(sum.cmp(&0))
            }
        }
    }

    fn cc_test(kind: u8, mask: u8) -> CcTest {
        let compare = |ty, cond, left, right| CcTest::Compare {
            ty,
            cond,
            left,
            right,
        };
        use CcOperand::{A, AAndB, APlusB, B, Imm};
        match (kind, mask & 15) {
            (_, 0) => CcTest::Always(false),
            (_, 15) => CcTest::Always(true),
            (1, 8) => compare(Ty::I64, Cond::Eq, A, Imm(0)),
            (1, 4) => compare(Ty::I64, Cond::Ne, A, Imm(0)),
            (2, 8) => compare(Ty::I64, Cond::Eq, A, B),
            (2, 4) => compare(Ty::I64, Cond::LtS, A, B),
            (2, 2) => compare(Ty::I64, Cond::GtS, A, B),
            (2, 12) => compare(Ty::I64, Cond::LeS, A, B),
            (3, 4) => compare(Ty::I32, Cond::LtU, A, B),
            (3, 10) => compare(Ty::I32, Cond::GeU, A, B),
            (4, 8) => compare(Ty::I64, Cond::Eq, AAndB, Imm(0)),
            (5, 4) => compare(Ty::I64, Cond::LtS, APlusB, Imm(0)),
            (5, 2) => compare(Ty::I64, Cond::GtS, APlusB, Imm(0)),
            _ => CcTest::Evaluate,
        }
    }

    fn cc_name(kind: u8) -> &'static str {
        ["code", "nz", "cmp", "cmpl32", "tm", "sum"][usize::from(kind)]
    }

    fn key(&self) -> BlockKey {
        BlockKey {
            pc: self.core.pc,
            ..BlockKey::default()
        }
    }

    fn code_mode(_flags: u64) -> MemMode {
        MemMode(1)
    }

    fn translate(&mut self, key: &BlockKey, builder: &mut Builder) -> Result<(), Trap> {
        let blocks = Arc::clone(&self.blocks);
        let block = blocks.get(&key.pc).ok_or(trap(NO_BLOCK))?;
        for op in &block.ops {
            match *op {
                Op::Insn { pc, len } => builder.insn(pc, len),
                op => {
                    builder.op(op);
                }
            }
        }
        Ok(())
    }

    fn translate_address(
        &mut self,
        address: u64,
        access: Access,
        _mode: MemMode,
    ) -> Result<PageMapping, Trap> {
        let write = address < READ_ONLY;
        if address >= MISSING {
            return Err(trap(3));
        }
        if access == Access::Write && !write {
            return Err(trap(4));
        }
        Ok(PageMapping {
            page: address & !0xfff,
            protection: Protection {
                read: true,
                write,
                execute: true,
            },
        })
    }

    fn space_tag(&mut self, mode: MemMode) -> u16 {
        u16::from(mode.0)
    }

    fn unaligned(&mut self, _address: u64, _mode: MemMode) -> Trap {
        trap(6)
    }

    fn wrap_address(&self, address: u64) -> u64 {
        address
    }

    fn poll(&mut self) -> Poll {
        if self.done { Poll::Leave } else { Poll::Run }
    }

    fn deliver(&mut self, trap: Trap) {
        self.traps
            .push((trap.0.get(), self.core.pc, self.core.ilen));
        self.done = true;
        self.core.attention().raise(1);
    }

    fn disassemble(&self, _address: u64, code: &[u8]) -> (usize, String) {
        (code.len(), "scripted".into())
    }

    fn core(&self) -> &CpuCore {
        &self.core
    }

    fn core_mut(&mut self) -> &mut CpuCore {
        &mut self.core
    }
}

/// Everything that a run may change.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub wide: [u64; WIDE as usize],
    pub narrow: [u32; NARROW as usize],
    pub cc: (u32, u64, u64),
    pub pc: u64,
    pub insns: u64,
    pub traps: Vec<(u64, u64, u32)>,
    pub memory: Vec<u8>,
}

/// Runs from the address `start` until something traps.
pub(crate) fn run(
    engine: EngineKind,
    blocks: &Arc<HashMap<u64, Block>>,
    start: u64,
    seed: u64,
) -> Outcome {
    let ram = Arc::new(GuestRam::new(MISSING).unwrap());
    let mut state = seed | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let contents: Vec<u8> = (0..MISSING).map(|_| next() as u8).collect();
    ram.write(0, &contents).unwrap();
    let system = System::with_options(
        Arc::clone(&ram),
        Options {
            engine,
            ..Options::default()
        },
    );
    let mut cpu = Scripted {
        core: CpuCore::new(system),
        wide: std::array::from_fn(|_| next() >> (next() % 64)),
        narrow: std::array::from_fn(|_| next() as u32),
        blocks: Arc::clone(blocks),
        traps: Vec::new(),
        done: false,
    };
    cpu.core.pc = start;
    tcg::exec::run(&mut cpu);
    let mut memory = vec![0; MISSING as usize];
    ram.read(0, &mut memory).unwrap();
    let core = &cpu.core;
    Outcome {
        wide: cpu.wide,
        narrow: cpu.narrow,
        cc: (core.cc_kind, core.cc_a, core.cc_b),
        pc: core.pc,
        insns: core.insns,
        traps: std::mem::take(&mut cpu.traps),
        memory,
    }
}
