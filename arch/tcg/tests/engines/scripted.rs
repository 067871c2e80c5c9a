//! A CPU whose code is IR: blocks stand in a table, by address. For comparing engines.
//!
//! The address space of 64 KiB has pages of every kind (see [`Scripted::translate_address`]), and
//! its last one is followed by the first where addresses wrap. After a trap the CPU goes on at
//! the next block of the script, so that one run crosses many traps; the register `budget` bounds
//! it.
#![allow(unsafe_code, reason = "Guest is an unsafe trait")]

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use machine::GuestRam;
use tcg::ir::{Block, Builder, Cond, Exit, Global, GlobalDecl, MemMode, MemOp, MemSize, Op, Ty};
use tcg::{
    Access, BlockKey, CcOperand, CcTest, CpuCore, Effects, EngineKind, Guest, HelperDef, Options,
    PageMapping, Poll, Protection, System, Trap, mem,
};

/// 64-bit registers beside the budget.
pub(crate) const WIDE: usize = 18;
/// 32-bit registers.
pub(crate) const NARROW: usize = 10;
/// Registers that blocks may use: globals 0 to 27.
pub(crate) const REGISTERS: u16 = (WIDE + NARROW) as u16;
/// Blocks that a run may still enter.
pub(crate) const BUDGET: Global = Global(REGISTERS);

/// Bytes of RAM.
pub(crate) const RAM: u64 = 0x8000;
/// There is no block here: a jump to it ends the run.
pub(crate) const STOP: u64 = 0x2e00;
/// Bytes that the code of one block may take.
pub(crate) const ROOM: u64 = 0x200;

/// Trap of an address without a block: ends the run.
const NO_BLOCK: u64 = 99;
/// More traps than this end the run.
const TRAPS_A_RUN: usize = 40;

/// Attention: the run ends.
const END: u32 = 1;
/// Attention: something is to be done at the next block boundary.
const INTERRUPT: u32 = 2;

/// The blocks of a script.
pub(crate) type Script = Arc<BTreeMap<u64, Block>>;

/// What happened between blocks: what, pc, instruction length, instructions before, and the
/// address that was not translated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    Trap(u64, u64, u32, u64, u64),
    Poll(u64, u64),
}

#[repr(C)]
pub(crate) struct Scripted {
    core: CpuCore,
    wide: [u64; WIDE],
    budget: u64,
    narrow: [u32; NARROW],
    script: Script,
    /// Two mappings of space 2.
    flip: u64,
    /// Pages that are away for a while, a bit for each.
    gone: u64,
    /// Ones where addresses have bits.
    mask: u64,
    fault: u64,
    /// Blocks may be dropped at any time: a block is then left early or not, and what happens
    /// between blocks is no fact to compare.
    evicts: bool,
    events: Vec<Event>,
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

static GLOBALS: [GlobalDecl; REGISTERS as usize + 1] = [
    wide("r0", 0),
    wide("r1", 1),
    wide("r2", 2),
    wide("r3", 3),
    wide("r4", 4),
    narrow("n0", 0),
    narrow("n1", 1),
    wide("r5", 5),
    wide("r6", 6),
    narrow("n2", 2),
    wide("r7", 7),
    wide("r8", 8),
    wide("r9", 9),
    wide("r10", 10),
    wide("r11", 11),
    wide("r12", 12),
    wide("r13", 13),
    wide("r14", 14),
    wide("r15", 15),
    wide("r16", 16),
    wide("r17", 17),
    narrow("n3", 3),
    narrow("n4", 4),
    narrow("n5", 5),
    narrow("n6", 6),
    narrow("n7", 7),
    narrow("n8", 8),
    narrow("n9", 9),
    GlobalDecl {
        name: "budget",
        offset: std::mem::offset_of!(Scripted, budget),
        ty: Ty::I64,
    },
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

fn mix(args: &[u64]) -> u64 {
    args.iter().fold(0x9e37_79b9, |sum: u64, &arg| {
        (sum.rotate_left(13) ^ arg).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A function of its arguments.
pub(crate) static PURE: HelperDef =
    HelperDef::new2("pure", Effects::PURE, |_: &mut Scripted, a, b| {
        Ok(a.rotate_left(7) ^ b)
    });
/// Another, without arguments.
static PURE_0: HelperDef = HelperDef::new0("pure0", Effects::PURE, |_: &mut Scripted| {
    Ok(0x1234_5678_9abc)
});
/// Another, of five.
static PURE_5: HelperDef =
    HelperDef::new5("pure5", Effects::PURE, |_: &mut Scripted, a, b, c, d, e| {
        Ok(mix(&[a, b, c, d, e]))
    });
/// Traps if its argument is odd.
static TRAPS: HelperDef = HelperDef::new1("traps", Effects::TRAPS, |_: &mut Scripted, a| {
    if a & 1 == 1 { Err(trap(7)) } else { Ok(a / 2) }
});
/// Traps sometimes; three arguments.
static TRAPS_3: HelperDef =
    HelperDef::new3("traps3", Effects::TRAPS, |_: &mut Scripted, a, b, c| {
        let sum = mix(&[a, b, c]);
        if sum & 0x700 == 0 {
            Err(trap(9))
        } else {
            Ok(sum)
        }
    });
/// Reads and writes registers and the condition code; traps now and then.
pub(crate) static GLOBAL: HelperDef =
    HelperDef::new2("global", Effects::GLOBALS, |cpu: &mut Scripted, a, b| {
        let from = (a % WIDE as u64) as usize;
        cpu.wide[(b % WIDE as u64) as usize] = cpu.wide[from].wrapping_add(cpu.core.pc);
        cpu.narrow[(b % NARROW as u64) as usize] ^= a as u32;
        cpu.core.cc_kind = 0;
        cpu.core.cc_a = a % 4;
        cpu.core.cc_b = u64::from(cpu.core.ilen);
        if a % 5 == 3 { Err(trap(8)) } else { Ok(b) }
    });
/// Reads every register, and the condition code.
static READS: HelperDef = HelperDef::new1(
    "reads",
    Effects {
        reads_globals: true,
        ..Effects::PURE
    },
    |cpu: &mut Scripted, a| {
        let narrow = cpu.narrow.iter().fold(a, |sum, &n| mix(&[sum, n.into()]));
        let core = &cpu.core;
        let cc = Scripted::cc_evaluate(core.cc_kind as u8, core.cc_a, core.cc_b);
        Ok(mix(&cpu.wide) ^ narrow ^ u64::from(cc) << 50)
    },
);
/// Reads every register, and traps with one in four.
static READS_TRAPS: HelperDef = HelperDef::new2(
    "readstraps",
    Effects {
        reads_globals: true,
        ..Effects::TRAPS
    },
    |cpu: &mut Scripted, a, b| {
        let sum = mix(&cpu.wide) ^ a ^ cpu.core.pc << 8;
        if (sum ^ b) & 3 == 0 {
            Err(trap(10))
        } else {
            Ok(sum)
        }
    },
);
/// Writes a register and half of another without reading any.
static WRITES: HelperDef = HelperDef::new4(
    "writes",
    Effects {
        writes_globals: true,
        observable: true,
        ..Effects::PURE
    },
    |cpu: &mut Scripted, a, b, c, d| {
        cpu.wide[(a % WIDE as u64) as usize] = b;
        cpu.narrow[(a >> 8) as usize % NARROW] = c as u32;
        Ok(d ^ a)
    },
);
/// Is seen from outside: asks for attention at the next block boundary.
static ASKS: HelperDef = HelperDef::new0(
    "asks",
    Effects {
        observable: true,
        ..Effects::PURE
    },
    |cpu: &mut Scripted| {
        cpu.core.attention().raise(INTERRUPT);
        Ok(u64::from(cpu.core.ilen) << 32 | cpu.core.pc)
    },
);
/// Stores.
pub(crate) static STORES: HelperDef =
    HelperDef::new2("stores", Effects::MEMORY, |cpu: &mut Scripted, a, b| {
        mem::store(cpu, MEM, 0x1fc0 + a % 0x100, b)?;
        Ok(0)
    });
/// Stores, and never traps.
static STORES_SURELY: HelperDef = HelperDef::new3(
    "storessurely",
    Effects {
        traps: false,
        ..Effects::MEMORY
    },
    |cpu: &mut Scripted, a, b, c| {
        mem::store_absolute(&cpu.core, a % (RAM - 8), MemSize::B4, b);
        Ok(c)
    },
);
/// Copies bytes.
static COPIES: HelperDef =
    HelperDef::new3("copies", Effects::MEMORY, |cpu: &mut Scripted, a, b, c| {
        let (to, from) = (0x1e00 + a % 0x280, 0x4e00 + b % 0x280);
        mem::copy_forward(cpu, MemMode(0), to, MemMode(2), from, 1 + c % 256)?;
        Ok(0)
    });
/// Exchanges the two mappings of space 2.
static FLIPS: HelperDef = HelperDef::new0("flips", Effects::GLOBALS, |cpu: &mut Scripted| {
    cpu.flip ^= 1;
    cpu.core.spaces_changed();
    Ok(cpu.flip)
});
/// Takes a page away, or brings it back.
static UNMAPS: HelperDef =
    HelperDef::new2("unmaps", Effects::MEMORY, |cpu: &mut Scripted, a, b| {
        let page = a % 6;
        cpu.gone ^= 1 << page;
        match b % 3 {
            0 => cpu.core.flush_page(page << 12),
            1 => cpu.core.flush_tlb(),
            _ => cpu.core.flush_tlb_everywhere(),
        }
        Ok(cpu.gone)
    });
/// Everything, with five arguments.
static ALL: HelperDef =
    HelperDef::new5("all", Effects::ALL, |cpu: &mut Scripted, a, b, c, d, e| {
        let at = (a % WIDE as u64) as usize;
        let sum = mix(&[a, b, c, d, e]) ^ mix(&cpu.wide);
        mem::store(cpu, MEM, 0x5f00 + b % 0x108, c)?;
        cpu.wide[at] = sum;
        cpu.core.cc_kind = 2;
        cpu.core.cc_a = d;
        cpu.core.cc_b = e;
        if sum & 0x70 == 0 {
            cpu.core.leave_block();
        }
        Ok(sum)
    });

/// The helpers that random blocks call.
pub(crate) static HELPERS: [&HelperDef; 16] = [
    &PURE,
    &PURE_0,
    &PURE_5,
    &TRAPS,
    &TRAPS_3,
    &GLOBAL,
    &READS,
    &READS_TRAPS,
    &WRITES,
    &ASKS,
    &STORES,
    &STORES_SURELY,
    &COPIES,
    &FLIPS,
    &UNMAPS,
    &ALL,
];

/// Kinds of condition-code operations.
pub(crate) const KINDS: u8 = 9;

// SAFETY: `repr(C)`, the core is the first field, and the globals are fields as declared.
unsafe impl Guest for Scripted {
    const GLOBALS: &'static [GlobalDecl] = &GLOBALS;
    const HOT: &'static [Global] = &[
        Global(1),
        Global(3),
        Global(7),
        Global(0),
        Global(2),
        Global(8),
        Global(10),
        Global(11),
    ];
    const MEM_MODES: usize = 4;

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
            5 => order((a as i64).wrapping_add(b as i64).cmp(&0)),
            6 => order((a as i32).wrapping_sub(b as i32).cmp(&0)),
            7 => order((a as i32).cmp(&-5)),
            _ => order(a.cmp(&0x1234_5678_9abc)),
        }
    }

    fn cc_test(kind: u8, mask: u8) -> CcTest {
        let compare = |ty, cond, left, right| CcTest::Compare {
            ty,
            cond,
            left,
            right,
        };
        use CcOperand::{A, AAndB, AMinusB, APlusB, B, Imm};
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
            (3, 10 | 11) => compare(Ty::I32, Cond::GeU, A, B),
            (4, 8) => compare(Ty::I64, Cond::Eq, AAndB, Imm(0)),
            (4, 4) => compare(Ty::I64, Cond::Ne, AAndB, Imm(0)),
            (5, 4) => compare(Ty::I64, Cond::LtS, APlusB, Imm(0)),
            (5, 2) => compare(Ty::I64, Cond::GtS, APlusB, Imm(0)),
            (6, 8) => compare(Ty::I32, Cond::Eq, AMinusB, Imm(0)),
            (6, 4) => compare(Ty::I32, Cond::LtS, AMinusB, Imm(0)),
            (6, 2 | 3) => compare(Ty::I32, Cond::GtS, AMinusB, Imm(0)),
            (7, 12) => compare(Ty::I32, Cond::LeS, A, Imm(0xffff_fffb)),
            (7, 2) => compare(Ty::I32, Cond::GtS, A, Imm(0xffff_fffb)),
            (8, 4) => compare(Ty::I64, Cond::LtU, A, Imm(0x1234_5678_9abc)),
            (8, 2) => compare(Ty::I64, Cond::GtU, A, Imm(0x1234_5678_9abc)),
            _ => CcTest::Evaluate,
        }
    }

    fn cc_name(kind: u8) -> &'static str {
        [
            "code", "nz", "cmp", "cmpl32", "tm", "sum", "diff32", "imm32", "imm64",
        ][usize::from(kind)]
    }

    fn key(&self) -> BlockKey {
        BlockKey {
            pc: self.core.pc,
            flags: self.flip,
            aux: 0,
        }
    }

    fn code_mode(_flags: u64) -> MemMode {
        MemMode(1)
    }

    /// In the middle of a block stands the rest of it, or, where that needs values from before,
    /// one instruction: a jump to the next block.
    fn translate(&mut self, key: &BlockKey, builder: &mut Builder) -> Result<(), Trap> {
        let script = Arc::clone(&self.script);
        let (_, block) = script
            .range(..=key.pc)
            .next_back()
            .filter(|&(&start, _)| key.pc < start + ROOM && key.pc != STOP)
            .ok_or(trap(NO_BLOCK))?;
        match rest(block, key.pc) {
            Some(ops) => {
                for op in ops {
                    match op {
                        Op::Insn { pc, len } => builder.insn(pc, len),
                        op => {
                            builder.op(op);
                        }
                    }
                }
            }
            None => {
                builder.insn(key.pc, 2);
                let pc = self.after(key.pc);
                builder.exit(Exit::Jump { pc });
            }
        }
        Ok(())
    }

    /// Pages 0 to 5 and 15 are there and can be written, but 3 in part only, and each read of 4
    /// asks again; 6 and 7 cannot be written; page 1 is not in space 3.
    fn translate_address(
        &mut self,
        address: u64,
        access: Access,
        mode: MemMode,
    ) -> Result<PageMapping, Trap> {
        self.fault = address;
        let page = address >> 12;
        let write = access == Access::Write;
        let place = match (page, mode.0) {
            (1, 3) => return Err(trap(3)),
            (0..=5, 2) if self.flip == 0 => page ^ 1,
            (0..=7, _) => page,
            (15, _) => 5,
            _ => return Err(trap(3)),
        };
        if access != Access::Execute && self.gone >> page & 1 == 1 {
            return Err(trap(5));
        }
        if write && (page == 6 || page == 7 || page == 3 && address & 0xf00 == 0x400) {
            return Err(trap(4));
        }
        Ok(PageMapping {
            page: place << 12,
            protection: Protection {
                read: page != 4,
                write: !matches!(page, 3 | 6 | 7),
                execute: true,
            },
        })
    }

    fn space_tag(&mut self, mode: MemMode) -> u16 {
        match mode.0 {
            2 => 10 + self.flip as u16,
            mode => u16::from(mode),
        }
    }

    fn unaligned(&mut self, address: u64, _mode: MemMode) -> Trap {
        self.fault = address;
        trap(6)
    }

    fn wrap_address(&self, address: u64) -> u64 {
        address & self.mask
    }

    fn poll(&mut self) -> Poll {
        let attention = self.core.attention().take(INTERRUPT);
        if attention != 0 && !self.evicts {
            self.events.push(Event::Poll(self.core.pc, self.core.insns));
            self.wide[3] = self.wide[3].rotate_left(9) ^ 0x5555;
            self.narrow[2] = self.narrow[2].wrapping_add(77);
        }
        if self.core.attention().get() & END != 0 {
            Poll::Leave
        } else {
            Poll::Run
        }
    }

    fn deliver(&mut self, trap: Trap) {
        let core = &self.core;
        let code = trap.0.get();
        let fault = match code {
            3..=6 => self.fault,
            _ => 0,
        };
        self.events
            .push(Event::Trap(code, core.pc, core.ilen, core.insns, fault));
        if code == NO_BLOCK || self.events.len() > TRAPS_A_RUN {
            self.core.attention().raise(END);
        } else {
            self.core.pc = self.after(self.core.pc);
        }
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

/// The ops from the instruction at `pc` on, if they need no value from before.
fn rest(block: &Block, pc: u64) -> Option<Vec<Op>> {
    let first = block
        .ops
        .iter()
        .position(|op| matches!(op, Op::Insn { pc: at, .. } if *at == pc))?;
    let mut ops = block.ops[first..].to_vec();
    let mut whole = true;
    for op in &mut ops {
        op.for_operands_mut(|v| match v.0.checked_sub(first as u32) {
            Some(n) => v.0 = n,
            None => whole = false,
        });
    }
    whole.then_some(ops)
}

impl Scripted {
    /// The block after an address; the first after the last.
    fn after(&self, pc: u64) -> u64 {
        let mut later = self.script.range(pc + 1..);
        let next = later.next().or_else(|| self.script.first_key_value());
        next.map_or(STOP, |(&start, _)| start)
    }
}

/// Everything that a run may change.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) wide: [u64; WIDE],
    pub(crate) narrow: [u32; NARROW],
    pub(crate) budget: u64,
    pub(crate) cc: (u32, u64, u64),
    pub(crate) pc: u64,
    pub(crate) insns: u64,
    pub(crate) events: Vec<Event>,
    pub(crate) mapping: (u64, u64),
    pub(crate) dirty: Vec<bool>,
    pub(crate) memory: Vec<u8>,
}

impl Outcome {
    /// What differs, a line for each, this one's value first.
    pub(crate) fn differences(&self, other: &Self) -> String {
        let mut text = String::new();
        let mut item = |name: &str, a: &dyn std::fmt::Debug, b: &dyn std::fmt::Debug| {
            let (a, b) = (format!("{a:x?}"), format!("{b:x?}"));
            if a != b {
                text.push_str(&format!("  {name}: {a}, not {b}\n"));
            }
        };
        let events = self.events.len().max(other.events.len());
        for n in 0..events {
            item(
                &format!("event {n}"),
                &self.events.get(n),
                &other.events.get(n),
            );
        }
        item("pc", &self.pc, &other.pc);
        item("instructions", &self.insns, &other.insns);
        for (n, (a, b)) in self.wide.iter().zip(&other.wide).enumerate() {
            item(&format!("r{n}"), a, b);
        }
        for (n, (a, b)) in self.narrow.iter().zip(&other.narrow).enumerate() {
            item(&format!("n{n}"), a, b);
        }
        item("budget", &self.budget, &other.budget);
        item("condition code", &self.cc, &other.cc);
        item("mapping", &self.mapping, &other.mapping);
        item("dirty pages", &self.dirty, &other.dirty);
        let bytes = self.memory.iter().zip(&other.memory).enumerate();
        for (at, (a, b)) in bytes.filter(|(_, (a, b))| a != b).take(16) {
            item(&format!("byte {at:#x}"), a, b);
        }
        text
    }
}

/// Numbers in a row that a seed gives.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Values at the edges of what operations do.
pub(crate) const EDGES: [u64; 20] = [
    0,
    1,
    2,
    u64::MAX,
    u64::MAX - 1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_0000_0000,
    0xffff_ffff_8000_0000,
    0x1234_5678_9abc_def0,
    31,
];

/// A machine with one script, which runs as often as it is told.
pub(crate) struct Machine {
    ram: Arc<GuestRam>,
    system: Arc<System>,
    cpu: Scripted,
    /// One that does nothing, but may: engines then do interlocked updates as such.
    other: Option<CpuCore>,
}

impl Machine {
    pub(crate) fn new(options: Options, script: &Script) -> Self {
        let ram = Arc::new(GuestRam::new(RAM).unwrap());
        let system = System::with_options(Arc::clone(&ram), options);
        let cpu = Scripted {
            core: CpuCore::new(Arc::clone(&system)),
            wide: [0; WIDE],
            budget: 0,
            narrow: [0; NARROW],
            script: Arc::clone(script),
            flip: 0,
            gone: 0,
            mask: 0,
            fault: 0,
            evicts: options.cache_bytes < 1 << 16,
            events: Vec::new(),
        };
        Self {
            ram,
            system,
            cpu,
            other: None,
        }
    }

    /// The same with a second CPU.
    pub(crate) fn with_another(mut self) -> Self {
        self.other = Some(CpuCore::new(Arc::clone(&self.system)));
        self
    }

    pub(crate) fn with_engine(engine: EngineKind, script: &Script) -> Self {
        let options = Options {
            engine,
            ..Options::default()
        };
        Self::new(options, script)
    }

    pub(crate) fn system(&self) -> &System {
        &self.system
    }

    /// Runs once from given registers, entering at most so many blocks: the registers after.
    pub(crate) fn run_registers(
        &mut self,
        start: u64,
        wide: [u64; WIDE],
        narrow: [u32; NARROW],
        budget: u64,
    ) -> ([u64; WIDE], [u32; NARROW]) {
        let cpu = &mut self.cpu;
        cpu.wide = wide;
        cpu.narrow = narrow;
        cpu.budget = budget;
        cpu.events.clear();
        cpu.core.pc = start;
        cpu.core.insns = 0;
        cpu.core.attention().take(END | INTERRUPT);
        tcg::exec::run(cpu);
        (cpu.wide, cpu.narrow)
    }

    /// Runs once from what a seed gives, entering at most `budget` blocks.
    pub(crate) fn run(&mut self, start: u64, seed: u64, budget: u64) -> Outcome {
        self.run_with(start, seed, budget, &[])
    }

    /// As [`Self::run`], with these values in the first 64-bit registers.
    pub(crate) fn run_with(
        &mut self,
        start: u64,
        seed: u64,
        budget: u64,
        first: &[u64],
    ) -> Outcome {
        let mut numbers = Numbers::new(seed);
        let contents: Vec<u8> = (0..RAM / 8)
            .flat_map(|_| numbers.next().to_le_bytes())
            .collect();
        self.ram.write(0, &contents).unwrap();
        self.ram.clear_dirty(0, RAM);
        self.system.dirty_tracking(numbers.next() & 4 == 0);
        let mut value = || {
            let n = numbers.next();
            match n >> 60 {
                0..=5 => EDGES[(n % 20) as usize],
                6..=11 => numbers.next() >> (n % 64),
                _ => numbers.next(),
            }
        };
        let mut wide: [u64; WIDE] = std::array::from_fn(|_| value());
        wide[..first.len()].copy_from_slice(first);
        let narrow = std::array::from_fn(|_| value() as u32);
        let number = value();
        let cpu = &mut self.cpu;
        cpu.core.cc_kind = (number % u64::from(KINDS)) as u32;
        cpu.core.cc_a = number >> 8;
        cpu.core.cc_b = number;
        cpu.flip = seed >> 7 & 1;
        cpu.gone = 0;
        cpu.mask = if seed >> 9 & 1 == 0 { 0xffff } else { u64::MAX };
        cpu.core.flush_tlb();
        let (wide, narrow) = self.run_registers(start, wide, narrow, budget);
        let mut memory = vec![0; RAM as usize];
        self.ram.read(0, &mut memory).unwrap();
        let cpu = &mut self.cpu;
        let core = &cpu.core;
        Outcome {
            wide,
            narrow,
            budget: cpu.budget,
            cc: (core.cc_kind, core.cc_a, core.cc_b),
            pc: core.pc,
            insns: core.insns,
            events: std::mem::take(&mut cpu.events),
            mapping: (cpu.flip, cpu.gone),
            dirty: (0..RAM / 0x1000)
                .map(|page| self.ram.is_dirty(page << 12))
                .collect(),
            memory,
        }
    }
}
