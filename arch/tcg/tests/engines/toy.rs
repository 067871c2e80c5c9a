//! A small CPU with code in memory: instructions of four bytes at even addresses, two operands
//! and a 16-bit immediate, and a flat table of pages for each address space.
#![allow(unsafe_code, reason = "Guest is an unsafe trait")]

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use machine::GuestRam;
use tcg::ir::{
    AtomicOp, BinOp, Builder, Cond, Exit, Global, GlobalDecl, MemMode, MemOp, MemSize, Ty,
};
use tcg::{
    Access, Attention, BlockKey, CcTest, CpuCore, Effects, EngineKind, Guest, HelperDef, Options,
    PageMapping, Poll, Protection, System, Trap, mem,
};

/// Bytes of RAM.
pub(crate) const RAM: u64 = 0x10_0000;
/// Pages of an address space.
const PAGES: usize = 256;
/// Address spaces.
const SPACES: usize = 4;
/// Page-table value of a page that is not there.
pub(crate) const ABSENT: u64 = u64::MAX;

/// Trap of `halt`: ends the run.
pub(crate) const HALT: u64 = 1;
/// Trap of an access to a page that is not there.
pub(crate) const PAGE: u64 = 2;
/// Trap of an access without the alignment it needs.
pub(crate) const ALIGN: u64 = 3;
/// Trap of `svc n`: this plus `n`.
pub(crate) const SVC: u64 = 100;

/// Asks the CPU to leave.
pub(crate) const STOP: u32 = 1;

/// What the CPUs of a toy machine share.
pub(crate) struct Tables([[AtomicU64; PAGES]; SPACES]);

impl Tables {
    pub(crate) fn map(&self, space: usize, page: usize, to: u64) {
        self.0[space][page].store(to, Ordering::SeqCst);
    }
}

#[repr(C)]
pub(crate) struct Toy {
    core: CpuCore,
    pub(crate) r: [u64; 16],
    pub(crate) space: u64,
    pub(crate) tables: Arc<Tables>,
    /// Traps delivered: code, pc, length, instructions executed before.
    pub(crate) traps: Vec<(u64, u64, u32, u64)>,
    /// How often an address was translated.
    pub(crate) walks: u64,
    pub(crate) polls: u64,
}

const fn reg(name: &'static str, n: usize) -> GlobalDecl {
    GlobalDecl {
        name,
        offset: std::mem::offset_of!(Toy, r) + 8 * n,
        ty: Ty::I64,
    }
}

static GLOBALS: [GlobalDecl; 16] = [
    reg("r0", 0),
    reg("r1", 1),
    reg("r2", 2),
    reg("r3", 3),
    reg("r4", 4),
    reg("r5", 5),
    reg("r6", 6),
    reg("r7", 7),
    reg("r8", 8),
    reg("r9", 9),
    reg("r10", 10),
    reg("r11", 11),
    reg("r12", 12),
    reg("r13", 13),
    reg("r14", 14),
    reg("r15", 15),
];

const DATA: MemMode = MemMode(0);
const B8: MemOp = MemOp {
    size: MemSize::B8,
    signed: false,
    aligned: false,
    mode: DATA,
};

/// Instructions: opcode, first register, second register, immediate.
pub(crate) mod op {
    pub(crate) const HALT: u8 = 0;
    /// `r = s + imm`
    pub(crate) const ADDI: u8 = 1;
    /// `r = [s + imm]`, 8 bytes
    pub(crate) const LOAD: u8 = 2;
    /// `[s + imm] = r`, 8 bytes
    pub(crate) const STORE: u8 = 3;
    /// `[s + imm] = r`, 1 byte
    pub(crate) const STORE_BYTE: u8 = 4;
    /// to this instruction + imm if `r != s`
    pub(crate) const BNE: u8 = 5;
    /// to the address in `r`
    pub(crate) const JUMP: u8 = 6;
    /// `[s + imm] += r`, interlocked; `r` = old value
    pub(crate) const FETCH_ADD: u8 = 7;
    /// copies imm bytes from `[s]` to `[r]`
    pub(crate) const COPY: u8 = 8;
    /// `[s + imm] = r`, `r = r + 1`, `[s + imm + 8] = r`: one instruction
    pub(crate) const STORE_PAIR: u8 = 9;
    /// to address space imm
    pub(crate) const SPACE: u8 = 10;
    /// every CPU forgets the page at `r`
    pub(crate) const PURGE: u8 = 11;
    /// absolute `[s + imm] = r`, 8 bytes
    pub(crate) const STORE_REAL: u8 = 12;
    /// if `[s + imm] == r` it becomes `r + 1`; `r` = old value
    pub(crate) const SWAP: u8 = 13;
    pub(crate) const SVC: u8 = 14;
    /// page at `r` of space 0 becomes absolute page `s`, and every CPU forgets it
    pub(crate) const REMAP: u8 = 15;
    /// `r = s ^ r`
    pub(crate) const XOR: u8 = 16;
}

/// One instruction.
pub(crate) fn insn(op: u8, r: u8, s: u8, imm: i16) -> [u8; 4] {
    let [hi, lo] = imm.to_be_bytes();
    [op, r << 4 | s, hi, lo]
}

/// A program.
pub(crate) fn program(insns: &[(u8, u8, u8, i16)]) -> Vec<u8> {
    insns
        .iter()
        .flat_map(|&(op, r, s, imm)| insn(op, r, s, imm))
        .collect()
}

pub(crate) fn trap(code: u64) -> Trap {
    Trap(NonZeroU64::new(code).unwrap())
}

static COPY: HelperDef = HelperDef::new3("copy", Effects::MEMORY, |cpu: &mut Toy, to, from, n| {
    mem::copy_forward(cpu, DATA, to, DATA, from, n)?;
    Ok(0)
});
static STORE_REAL: HelperDef =
    HelperDef::new2("store_real", Effects::MEMORY, |cpu: &mut Toy, at, v| {
        mem::store_absolute(cpu.core(), at, MemSize::B8, v);
        Ok(0)
    });
static SPACE: HelperDef = HelperDef::new1("space", Effects::GLOBALS, |cpu: &mut Toy, n| {
    cpu.space = n;
    cpu.core.spaces_changed();
    Ok(0)
});
static PURGE: HelperDef = HelperDef::new1("purge", Effects::MEMORY, |cpu: &mut Toy, at| {
    cpu.core.flush_page_everywhere(at);
    Ok(0)
});
static REMAP: HelperDef = HelperDef::new2("remap", Effects::MEMORY, |cpu: &mut Toy, at, to| {
    cpu.tables.map(0, (at >> 12) as usize % PAGES, to);
    cpu.core.flush_page_everywhere(at);
    Ok(0)
});
static RAISE: HelperDef =
    HelperDef::new1("raise", Effects::TRAPS, |_: &mut Toy, code| Err(trap(code)));

// SAFETY: `repr(C)`, the core is the first field, and the globals are fields as declared.
unsafe impl Guest for Toy {
    const GLOBALS: &'static [GlobalDecl] = &GLOBALS;
    const HOT: &'static [Global] = &[
        Global(1),
        Global(2),
        Global(15),
        Global(4),
        Global(5),
        Global(6),
        Global(7),
    ];
    const MEM_MODES: usize = 2;

    fn cc_evaluate(_kind: u8, a: u64, _b: u64) -> u32 {
        (a & 3) as u32
    }

    fn cc_test(_kind: u8, _mask: u8) -> CcTest {
        CcTest::Evaluate
    }

    fn cc_name(_kind: u8) -> &'static str {
        "code"
    }

    fn key(&self) -> BlockKey {
        BlockKey {
            pc: self.core.pc,
            flags: 0,
            aux: 0,
        }
    }

    fn code_mode(_flags: u64) -> MemMode {
        DATA
    }

    fn translate(&mut self, key: &BlockKey, b: &mut Builder) -> Result<(), Trap> {
        let mut pc = key.pc;
        loop {
            let code = mem::fetch(self, DATA, pc).and_then(|hi| {
                let lo = mem::fetch(self, DATA, pc + 2)?;
                Ok((hi, lo))
            });
            let (hi, lo) = match code {
                Ok(code) => code,
                Err(trap) if pc == key.pc => return Err(trap),
                Err(_) => break,
            };
            b.insn(pc, 4);
            emit(b, pc, hi, lo);
            pc += 4;
            if b.is_ended() {
                return Ok(());
            }
            if b.is_full() {
                break;
            }
        }
        b.exit(Exit::Jump { pc });
        Ok(())
    }

    fn translate_address(
        &mut self,
        address: u64,
        _access: Access,
        _mode: MemMode,
    ) -> Result<PageMapping, Trap> {
        self.walks += 1;
        let page = (address >> 12) as usize;
        let to = match self.tables.0[self.space as usize].get(page) {
            Some(entry) => entry.load(Ordering::SeqCst),
            None => ABSENT,
        };
        if to == ABSENT {
            return Err(trap(PAGE));
        }
        Ok(PageMapping {
            page: to,
            protection: Protection {
                read: true,
                write: true,
                execute: true,
            },
        })
    }

    fn space_tag(&mut self, _mode: MemMode) -> u16 {
        self.space as u16
    }

    fn unaligned(&mut self, _address: u64, _mode: MemMode) -> Trap {
        trap(ALIGN)
    }

    fn wrap_address(&self, address: u64) -> u64 {
        address
    }

    fn poll(&mut self) -> Poll {
        self.polls += 1;
        if self.core.attention().take(STOP) != 0 {
            Poll::Leave
        } else {
            Poll::Run
        }
    }

    fn deliver(&mut self, trap: Trap) {
        let core = &self.core;
        let code = trap.0.get();
        self.traps.push((code, core.pc, core.ilen, core.insns));
        if code >= SVC {
            self.core.pc += u64::from(self.core.ilen);
        } else {
            self.core.attention().raise(STOP);
        }
    }

    fn disassemble(&self, _address: u64, code: &[u8]) -> (usize, String) {
        (4, format!("{code:02x?}"))
    }

    fn core(&self) -> &CpuCore {
        &self.core
    }

    fn core_mut(&mut self) -> &mut CpuCore {
        &mut self.core
    }
}

fn emit(b: &mut Builder, pc: u64, hi: u16, lo: u16) {
    let imm = i64::from(lo as i16) as u64;
    let (r, s) = (Global(hi >> 4 & 15), Global(hi & 15));
    let at = |b: &mut Builder, extra: u64| {
        let base = b.get(s);
        b.bin_imm(BinOp::Add, base, imm.wrapping_add(extra))
    };
    match (hi >> 8) as u8 {
        op::ADDI => {
            let v = at(b, 0);
            b.put(r, v);
        }
        op::XOR => {
            let (x, y) = (b.get(r), b.get(s));
            let v = b.xor(x, y);
            b.put(r, v);
        }
        op::LOAD => {
            let addr = at(b, 0);
            let v = b.load(Ty::I64, B8, addr);
            b.put(r, v);
        }
        op::STORE => {
            let (addr, v) = (at(b, 0), b.get(r));
            b.store(B8, addr, v);
        }
        op::STORE_BYTE => {
            let (addr, v) = (at(b, 0), b.get(r));
            let byte = MemOp {
                size: MemSize::B1,
                ..B8
            };
            b.store(byte, addr, v);
        }
        op::STORE_PAIR => {
            let (addr, v) = (at(b, 0), b.get(r));
            b.store(B8, addr, v);
            let v = b.bin_imm(BinOp::Add, v, 1);
            b.put(r, v);
            let addr = at(b, 8);
            b.store(B8, addr, v);
        }
        op::BNE => {
            let (x, y) = (b.get(r), b.get(s));
            let to = pc.wrapping_add(imm);
            b.exit_if(Cond::Ne, x, y, Exit::Jump { pc: to });
        }
        op::JUMP => {
            let pc = b.get(r);
            b.exit(Exit::JumpReg { pc });
        }
        op::FETCH_ADD => {
            let (addr, v) = (at(b, 0), b.get(r));
            let aligned = MemOp {
                aligned: true,
                ..B8
            };
            let old = b.atomic(AtomicOp::Add, aligned, addr, v);
            b.put(r, old);
        }
        op::SWAP => {
            let (addr, v) = (at(b, 0), b.get(r));
            let aligned = MemOp {
                aligned: true,
                ..B8
            };
            let new = b.bin_imm(BinOp::Add, v, 1);
            let old = b.compare_swap(aligned, addr, v, new);
            b.put(r, old);
        }
        op::COPY => {
            let (to, from) = (b.get(r), b.get(s));
            let n = b.c64(imm);
            b.call(&COPY, &[to, from, n]);
        }
        op::STORE_REAL => {
            let (addr, v) = (at(b, 0), b.get(r));
            b.call(&STORE_REAL, &[addr, v]);
        }
        op::SPACE => {
            let n = b.c64(imm);
            b.call(&SPACE, &[n]);
            let next = b.c64(pc + 4);
            b.exit(Exit::Lookup { pc: Some(next) });
        }
        op::PURGE => {
            let at = b.get(r);
            b.call(&PURGE, &[at]);
        }
        op::REMAP => {
            let (at, to) = (b.get(r), b.get(s));
            b.call(&REMAP, &[at, to]);
        }
        op::SVC => {
            let code = b.c64(SVC + imm);
            b.call(&RAISE, &[code]);
            b.exit(Exit::Lookup { pc: None });
        }
        _ => {
            let code = b.c64(HALT);
            b.call(&RAISE, &[code]);
            b.exit(Exit::Lookup { pc: None });
        }
    }
}

/// A toy machine: identity mapping in all spaces.
pub(crate) struct Machine {
    pub(crate) ram: Arc<GuestRam>,
    pub(crate) system: Arc<System>,
    pub(crate) tables: Arc<Tables>,
}

impl Machine {
    pub(crate) fn new(options: Options) -> Self {
        let ram = Arc::new(GuestRam::new(RAM).unwrap());
        let page = |n: usize| AtomicU64::new((n as u64) << 12);
        let tables = Tables(std::array::from_fn(|_| std::array::from_fn(page)));
        Self {
            system: System::with_options(Arc::clone(&ram), options),
            ram,
            tables: Arc::new(tables),
        }
    }

    pub(crate) fn with_engine((engine, cold_runs): Way) -> Self {
        Self::new(Options {
            engine,
            cold_runs,
            ..Options::default()
        })
    }

    pub(crate) fn load(&self, at: u64, insns: &[(u8, u8, u8, i16)]) {
        self.ram.write(at, &program(insns)).unwrap();
    }

    pub(crate) fn word(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        self.ram.read(at, &mut bytes).unwrap();
        u64::from_be_bytes(bytes)
    }

    pub(crate) fn cpu(&self, pc: u64) -> Toy {
        let mut core = CpuCore::new(Arc::clone(&self.system));
        core.pc = pc;
        Toy {
            core,
            r: [0; 16],
            space: 0,
            tables: Arc::clone(&self.tables),
            traps: Vec::new(),
            walks: 0,
            polls: 0,
        }
    }
}

impl Toy {
    /// Goes on at another address.
    /// Where others ask for its attention.
    pub(crate) fn attention(&self) -> &Arc<Attention> {
        self.core.attention()
    }

    pub(crate) fn core_pc(&mut self, pc: u64) {
        self.core.pc = pc;
    }

    /// Runs to the next trap other than `svc`.
    pub(crate) fn run(&mut self) {
        tcg::exec::run(self);
    }
}

/// An engine, and how often blocks are executed as IR before it compiles them.
pub(crate) type Way = (EngineKind, u8);

/// Every engine, and the usual one with blocks that begin cold.
pub(crate) const ENGINES: [Way; EngineKind::ALL.len() + 2] = {
    let mut ways = [(EngineKind::ALL[EngineKind::ALL.len() - 1], 0); _];
    let mut n = 0;
    while n < EngineKind::ALL.len() {
        ways[n].0 = EngineKind::ALL[n];
        n += 1;
    }
    ways[n].1 = 1;
    ways[n + 1].1 = 3;
    ways
};
