//! Random blocks of IR for [`super::scripted`]: every operation, type and part, many live values.

use std::collections::BTreeMap;
use std::sync::Arc;

use tcg::Guest;
use tcg::ir::{
    AtomicOp, BinOp, Block, Builder, CarryOp, Cond, Exit, ExitPut, Global, MemMode, MemOp, MemSize,
    Op, Part, Ty, UnOp, Val,
};

use super::scripted::{
    BUDGET, EDGES, HELPERS, KINDS, MEM, REGISTERS, ROOM, STOP, Script, Scripted,
};

/// One random choice: what, operands, and a number.
pub(crate) type Choice = (u8, u16, u16, u16, u64);

/// Where blocks stand: several in a page, one across pages, some in others.
pub(crate) const STARTS: [u64; 6] = [0x2000, 0x2200, 0x2ff0, 0x3200, 0x2400, 0x4000];

pub(crate) const BIN: [BinOp; 13] = [
    BinOp::Add,
    BinOp::Sub,
    BinOp::Mul,
    BinOp::MulHighU,
    BinOp::MulHighS,
    BinOp::And,
    BinOp::Or,
    BinOp::Xor,
    BinOp::AndNot,
    BinOp::Shl,
    BinOp::Shr,
    BinOp::Sar,
    BinOp::Rotl,
];
pub(crate) const UN: [UnOp; 5] = [
    UnOp::Neg,
    UnOp::Not,
    UnOp::ByteSwap,
    UnOp::CountLeadingZeros,
    UnOp::CountOnes,
];
pub(crate) const CONDS: [Cond; 10] = [
    Cond::Eq,
    Cond::Ne,
    Cond::LtS,
    Cond::LeS,
    Cond::GtS,
    Cond::GeS,
    Cond::LtU,
    Cond::LeU,
    Cond::GtU,
    Cond::GeU,
];
pub(crate) const CARRIES: [CarryOp; 4] = [
    CarryOp::Add,
    CarryOp::AddCarry,
    CarryOp::Sub,
    CarryOp::SubBorrow,
];
pub(crate) const ATOMICS: [AtomicOp; 5] = [
    AtomicOp::Add,
    AtomicOp::And,
    AtomicOp::Or,
    AtomicOp::Xor,
    AtomicOp::Exchange,
];
pub(crate) const SIZES: [MemSize; 4] = [MemSize::B1, MemSize::B2, MemSize::B4, MemSize::B8];
pub(crate) const TYPES: [Ty; 2] = [Ty::I32, Ty::I64];

/// Where accesses begin: ordinary, across pages of all kinds, in the code, at the end of the
/// address space.
const BASES: [u64; 16] = [
    0x1000,
    0x1200,
    0x1800,
    0x5000,
    0x0f80,
    0x1fc0,
    0x4fc0,
    0x5fc0,
    0x33c0,
    0x34c0,
    0x2fc0,
    0x3fc0,
    0x7fc0,
    0xffc0,
    0xffff_ffff_ffff_ffc0,
    0x2000,
];

/// How far values reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// To the end of the block.
    Block,
    /// To the end of the block, which only computes, and may jump back to its beginning.
    Loop,
    /// To the end of the instruction, so that a block can be entered at each of them.
    Insn,
}

/// Steps of blocks that only compute.
const COMPUTING: [u8; 22] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 19, 20, 21, 22, 23, 27,
];

struct Maker {
    builder: Builder,
    reach: Reach,
    narrow: Vec<Val>,
    wide: Vec<Val>,
    /// Addresses of earlier accesses.
    addresses: Vec<Val>,
    start: u64,
    pc: u64,
    end: u64,
}

impl Maker {
    fn new(start: u64, reach: Reach) -> Self {
        let mut maker = Self {
            builder: Builder::new(Scripted::GLOBALS, start),
            reach,
            narrow: Vec::new(),
            wide: Vec::new(),
            addresses: Vec::new(),
            start,
            pc: start,
            end: start + ROOM - 16,
        };
        maker.insn(2);
        let b = &mut maker.builder;
        let budget = b.get(BUDGET);
        let left = b.bin_imm(BinOp::Sub, budget, 1);
        b.put(BUDGET, left);
        let zero = b.c64(0);
        b.exit_if(Cond::Eq, left, zero, Exit::Jump { pc: STOP });
        maker.insn(4);
        if reach != Reach::Insn {
            maker.begin();
        }
        maker
    }

    fn insn(&mut self, len: u8) {
        if self.pc >= self.end {
            return;
        }
        self.builder.insn(self.pc, len);
        if self.reach == Reach::Insn {
            self.narrow.clear();
            self.wide.clear();
            self.addresses.clear();
            self.begin();
            for n in 0..4 {
                let v = self
                    .builder
                    .get(Global((self.pc as u16 / 2 + 5 * n) % REGISTERS));
                self.keep(v);
            }
        }
        self.pc += u64::from(len);
    }

    /// One value of each type at least.
    fn begin(&mut self) {
        let (narrow, wide) = (self.builder.c32(5), self.builder.c64(0));
        self.keep(narrow);
        self.keep(wide);
    }

    fn keep(&mut self, v: Val) {
        match self.builder.ty(v) {
            Ty::I32 => self.narrow.push(v),
            Ty::I64 => self.wide.push(v),
        }
    }

    /// A value of a type: the number counts from the last one made.
    fn pick(&self, ty: Ty, n: u16) -> Val {
        let list = match ty {
            Ty::I32 => &self.narrow,
            Ty::I64 => &self.wide,
        };
        let n = usize::from(n);
        // Half of the operands are young.
        let n = if n & 0x8000 == 0 { n % 4 } else { n };
        list[list.len() - 1 - n % list.len()]
    }

    fn either(&self, n: u16) -> Val {
        self.pick(TYPES[usize::from(n >> 8 & 1)], n)
    }

    /// A register and a part of it: the first ones are used most.
    fn global(n: u16, imm: u64) -> (Global, Part) {
        let n = if n & 0x4000 == 0 { n % 12 } else { n };
        let g = Global(n % REGISTERS);
        let wide = Self::is_wide(g);
        let part = match imm % 4 {
            1 if wide => Part::Low32,
            2 if wide => Part::High32,
            _ => Part::Full,
        };
        (g, part)
    }

    fn is_wide(g: Global) -> bool {
        Scripted::GLOBALS[usize::from(g.0)].ty == Ty::I64
    }

    fn part_ty(g: Global, part: Part) -> Ty {
        if Self::is_wide(g) && part == Part::Full {
            Ty::I64
        } else {
            Ty::I32
        }
    }

    /// Near an earlier access, or anywhere.
    fn address(&mut self, n: u16, imm: u64, aligned: bool) -> Val {
        if imm >> 57 & 1 != 0
            && let Some(&near) = self.addresses.get(usize::from(n) % 8)
        {
            let distance = (imm >> 58 & 0x3f) * if aligned { 8 } else { 7 };
            return self
                .builder
                .bin_imm(BinOp::Add, near, distance.wrapping_sub(0x80));
        }
        let address = self.any_address(n, imm, aligned);
        self.addresses.push(address);
        address
    }

    fn any_address(&mut self, n: u16, imm: u64, aligned: bool) -> Val {
        let v = self.pick(Ty::I64, n);
        if imm & 0x3f == 0x3f {
            return v;
        }
        let bits = if aligned && imm & 0x40 != 0 {
            0x78
        } else {
            0x7f
        };
        let base = BASES[(imm >> 8) as usize % 16];
        if imm >> 16 & 7 == 0 {
            return self.builder.c64(base.wrapping_add(imm >> 20 & bits));
        }
        let offset = self.builder.bin_imm(BinOp::And, v, bits);
        match imm >> 12 & 3 {
            0 => self.builder.bin_imm(BinOp::Add, offset, base),
            1 => {
                let base = self.builder.c64(base.wrapping_sub(8));
                let g = self.builder.bin_imm(BinOp::Or, base, 0);
                let sum = self.builder.add(offset, g);
                self.builder.bin_imm(BinOp::Add, sum, 8)
            }
            2 => self
                .builder
                .bin_imm(BinOp::Sub, offset, base.wrapping_neg()),
            _ => {
                let base = self.builder.c64(base);
                self.builder.add(base, offset)
            }
        }
    }

    fn target(n: u16) -> u64 {
        STARTS[usize::from(n) % STARTS.len()]
    }

    fn exit(&mut self, n: u16, imm: u64) -> Exit {
        let to = Self::target(n >> 4);
        let other = Self::target(n >> 8);
        match n % 8 {
            0..=3 => Exit::Jump { pc: to },
            4 => Exit::JumpReg {
                pc: self.builder.c64(to),
            },
            5 | 6 => {
                let (t, f) = (self.builder.c64(to), self.builder.c64(other));
                let (a, b) = (self.either(n), self.pick(Ty::I64, n >> 3));
                let a = self.widen(a);
                let cond = CONDS[(imm >> 17) as usize % 10];
                let pc = self.builder.select(cond, a, b, t, f);
                if n % 8 == 5 {
                    Exit::JumpReg { pc }
                } else {
                    Exit::Lookup { pc: Some(pc) }
                }
            }
            _ => Exit::Lookup {
                pc: Some(self.builder.c64(to)),
            },
        }
    }

    /// A side exit, with a constant that is written on the way out or without.
    fn leave_if(&mut self, cond: Cond, a: Val, b: Val, exit: Exit, n: u16, imm: u64) {
        if imm >> 41 & 1 == 0 {
            self.builder.exit_if(cond, a, b, exit);
            return;
        }
        let (global, _) = Self::global(n, 0);
        let mask = Self::part_ty(global, Part::Full).mask();
        let value = match imm >> 42 & 3 {
            0 => EDGES[(imm >> 44) as usize % 20],
            _ => imm.rotate_left(21),
        };
        let value = value & mask;
        let put = ExitPut { global, value };
        self.builder.exit_if_put(cond, a, b, exit, put);
    }

    fn widen(&mut self, v: Val) -> Val {
        match self.builder.ty(v) {
            Ty::I32 => self.builder.zext(v),
            Ty::I64 => v,
        }
    }

    /// A condition that has nothing to do with its type alone: constants on either side too.
    fn comparison(&mut self, ty: Ty, x: u16, y: u16, imm: u64) -> (Cond, Val, Val) {
        let cond = CONDS[(imm >> 24) as usize % 10];
        let (a, b) = (self.pick(ty, x), self.pick(ty, y));
        match imm >> 32 & 7 {
            0 => (cond, a, self.builder.constant(ty, 0)),
            1 => {
                let edge = EDGES[(imm >> 36) as usize % 20];
                (cond, a, self.builder.constant(ty, edge))
            }
            2 => {
                let edge = EDGES[(imm >> 36) as usize % 20];
                (cond, self.builder.constant(ty, edge), b)
            }
            3 => {
                // A test under mask.
                let bits = self.builder.and(a, b);
                let cond = [Cond::Eq, Cond::Ne, Cond::LtS][(imm >> 36) as usize % 3];
                (cond, bits, self.builder.constant(ty, 0))
            }
            _ => (cond, a, b),
        }
    }

    fn memory(&mut self, ty: Ty, x: u16, y: u16, z: u16, imm: u64) -> Option<Val> {
        let mut mem = MemOp {
            size: SIZES[usize::from(z) % 4],
            signed: z & 16 != 0,
            aligned: z & 0x300 == 0x300,
            mode: match z >> 13 {
                0..=4 => MEM.mode,
                5 => MemMode(1),
                6 => MemMode(2),
                _ => MemMode(3),
            },
        };
        match z >> 10 & 7 {
            0..=2 => {
                let addr = self.address(x, imm, mem.aligned);
                Some(self.builder.load(ty, mem, addr))
            }
            3..=5 => {
                let addr = self.address(x, imm, mem.aligned);
                let ty = if mem.size == MemSize::B8 { Ty::I64 } else { ty };
                let v = if imm >> 50 & 7 == 0 {
                    self.builder.constant(ty, EDGES[(imm >> 53) as usize % 20])
                } else {
                    self.pick(ty, y)
                };
                if z & 32 != 0 {
                    let mut pred = self.pick(Ty::I32, y >> 3);
                    if z & 64 != 0 {
                        pred = self.builder.bin_imm(BinOp::And, pred, 1);
                    }
                    self.builder.store_if(pred, mem, addr, v);
                } else {
                    self.builder.store(mem, addr, v);
                }
                None
            }
            6 => {
                mem.size = if ty == Ty::I64 && z & 32 == 0 {
                    MemSize::B8
                } else {
                    MemSize::B4
                };
                mem.aligned = true;
                mem.signed = false;
                let addr = self.address(x, imm, true);
                let new = self.pick(ty, y >> 3);
                let old = if z & 64 == 0 {
                    self.pick(ty, y)
                } else {
                    // It is what is expected.
                    self.builder.load(ty, mem, addr)
                };
                Some(self.builder.compare_swap(mem, addr, old, new))
            }
            _ => {
                mem.size = match z % 3 {
                    0 => MemSize::B1,
                    1 => MemSize::B4,
                    _ if ty == Ty::I64 => MemSize::B8,
                    _ => MemSize::B4,
                };
                mem.aligned = mem.size != MemSize::B1;
                let addr = self.address(x, imm, true);
                let v = self.pick(ty, y);
                let op = ATOMICS[usize::from(z >> 4) % 5];
                Some(self.builder.atomic(op, mem, addr, v))
            }
        }
    }

    /// The words of a long sum or difference, each taking the carry of the one before.
    fn long_sum(&mut self, ty: Ty, x: u16, y: u16, z: u16) -> Val {
        let (sum, carry) = match z & 1 {
            0 => (CarryOp::Add, CarryOp::AddCarry),
            _ => (CarryOp::Sub, CarryOp::SubBorrow),
        };
        let mut c = match z >> 1 & 3 {
            0 => self.builder.c32(0),
            1 => self.builder.c32(1),
            2 => {
                let v = self.pick(Ty::I32, z >> 5);
                self.builder.bin_imm(BinOp::And, v, 1)
            }
            _ => self.builder.test_cc((z >> 9 & 15) as u8),
        };
        for n in 0..=(z >> 3 & 3) {
            let a = self.pick(ty, x.rotate_left(u32::from(n) * 3));
            let b = self.pick(ty, y.rotate_left(u32::from(n) * 3));
            let word = self.builder.carry(sum, a, b, c);
            c = self.builder.carry(carry, a, b, c);
            self.keep(word);
        }
        c
    }

    fn call(&mut self, x: u16, y: u16, z: u16, imm: u64) -> Val {
        let which = usize::from(z) % 20;
        // The pure ones are called most.
        let mut def = HELPERS[if which >= 16 { which - 16 } else { which }];
        if def.name == "flips" && self.pc >= self.end {
            def = HELPERS[0];
        }
        let numbers = [x, y, z, imm as u16, (imm >> 16) as u16];
        let args: Vec<Val> = numbers[..usize::from(def.args)]
            .iter()
            .map(|&n| match n & 0xe00 {
                0 => self.builder.c64(EDGES[usize::from(n) % 20]),
                0x200 => self.builder.c32(EDGES[usize::from(n) % 20] as u32),
                _ => self.either(n),
            })
            .collect();
        let value = self.builder.call(def, &args);
        if def.name == "flips" {
            // A jump of the same instruction would keep the flags.
            self.insn(2);
        }
        value
    }

    fn step(&mut self, (what, x, y, z, imm): Choice) {
        let ty = TYPES[(imm >> 60 & 1) as usize];
        let pick = usize::from(z);
        let what = match self.reach {
            // A side exit now and then.
            Reach::Loop if what % 16 == 0 => 31,
            Reach::Loop => COMPUTING[usize::from(what) % COMPUTING.len()],
            Reach::Block | Reach::Insn => what % 34,
        };
        let made = match what {
            0..=2 => {
                self.insn([2, 4, 6][usize::from(what)]);
                return;
            }
            3 => self.builder.constant(ty, imm >> (imm % 61)),
            4 => self.builder.constant(ty, EDGES[pick % 20]),
            5..=7 => {
                let (g, part) = Self::global(x, imm);
                self.builder.op(Op::Get(g, part))
            }
            8..=11 => {
                let (g, part) = Self::global(x, imm);
                let v = self.pick(Self::part_ty(g, part), y);
                self.builder.op(Op::Put(g, part, v));
                return;
            }
            12 => {
                let v = self.pick(ty, x);
                self.builder.un(UN[pick % 5], v)
            }
            13..=15 => {
                let (a, b) = (self.pick(ty, x), self.pick(ty, y));
                self.builder.bin(BIN[pick % 13], a, b)
            }
            16 => {
                let a = self.pick(ty, x);
                let c = if y & 1 == 0 {
                    EDGES[usize::from(y >> 1) % 20]
                } else {
                    imm
                };
                self.builder.bin_imm(BIN[pick % 13], a, c)
            }
            17 => {
                let b = self.pick(ty, x);
                let a = self.builder.constant(ty, EDGES[usize::from(y) % 20]);
                self.builder.bin(BIN[pick % 13], a, b)
            }
            18 => self.long_sum(ty, x, y, z),
            19 => {
                let v = self.pick(Ty::I64, x);
                self.builder.trunc(v)
            }
            20 => {
                let from = TYPES[usize::from(z & 1)];
                let bits = match z >> 1 & 7 {
                    0 | 1 => 8,
                    2 | 3 => 16,
                    4 | 5 => 32,
                    _ => 1 + (imm % u64::from(from.bits())) as u8,
                };
                let v = self.pick(from, x);
                self.builder.extend(ty, v, bits, z & 64 != 0)
            }
            21 => {
                let (base, v) = (self.pick(ty, x), self.pick(ty, y));
                let width = ty.bits() as u8;
                let (pos, len) = match z & 3 {
                    0 => ((z >> 2) as u8 % (width / 8) * 8, 8),
                    1 => ((z >> 2) as u8 % (width / 16) * 16, 16),
                    _ => {
                        let pos = (z >> 2) as u8 % width;
                        (pos, 1 + (z >> 8) as u8 % (width - pos))
                    }
                };
                self.builder.deposit(base, v, pos, len)
            }
            22 => {
                let (cond, a, b) = self.comparison(ty, x, y, imm);
                self.builder.set_cond(cond, a, b)
            }
            23 => {
                let other = TYPES[(imm & 1) as usize];
                let (cond, a, b) = self.comparison(ty, x, y, imm);
                let (t, f) = (self.pick(other, x >> 4), self.pick(other, y >> 4));
                self.builder.select(cond, a, b, t, f)
            }
            24..=26 => match self.memory(ty, x, y, z, imm) {
                Some(v) => v,
                None => return,
            },
            27 => {
                let (a, b) = (self.either(x), self.either(y));
                self.builder.set_cc((imm % u64::from(KINDS)) as u8, a, b);
                return;
            }
            28 => {
                // Recorded and looked at.
                let (a, b) = (self.either(x), self.either(y));
                self.builder.set_cc((imm % u64::from(KINDS)) as u8, a, b);
                if z & 32 != 0 {
                    self.insn(4);
                }
                let test = self.builder.test_cc((imm >> 8 & 15) as u8);
                match z & 3 {
                    0 => {
                        let exit = self.exit(z >> 4, imm);
                        let zero = self.builder.c32(0);
                        self.leave_if(Cond::Ne, test, zero, exit, x, imm);
                        return;
                    }
                    1 => {
                        let (t, f) = (self.pick(ty, x >> 4), self.pick(ty, y >> 4));
                        let zero = self.builder.c32(0);
                        self.builder.select(Cond::Ne, test, zero, t, f)
                    }
                    _ => test,
                }
            }
            29 => {
                if z & 1 == 0 {
                    self.builder.test_cc((imm & 15) as u8)
                } else {
                    self.builder.get_cc()
                }
            }
            30 => self.call(x, y, z, imm),
            31 | 32 => {
                let (cond, a, b) = self.comparison(ty, x, y, imm);
                let exit = self.exit(z, imm);
                self.leave_if(cond, a, b, exit, x, imm);
                return;
            }
            _ => {
                if z & 7 == 0 {
                    self.builder.fence();
                    return;
                }
                let test = self.builder.test_cc((imm & 15) as u8);
                let exit = self.exit(z, imm);
                self.builder.exit_if_true(test, exit);
                return;
            }
        };
        self.keep(made);
    }

    /// Puts many values into registers, so that they live until here, and ends the block.
    fn finish(mut self, many: u16, n: u16, imm: u64) -> Block {
        if self.reach != Reach::Insn {
            self.insn(4);
        }
        for at in 0..many {
            let (g, part) = Self::global(at.wrapping_add(n) | 0x4000, imm >> (at % 32));
            let ty = Self::part_ty(g, part);
            let v = self.pick(ty, (at * 5) | 0x8000);
            self.builder.op(Op::Put(g, part, v));
        }
        self.insn(2);
        if self.reach == Reach::Loop && imm & 7 != 0 {
            self.builder.exit(Exit::Jump { pc: self.start });
        } else if imm & 0x30 == 0 && self.reach != Reach::Loop {
            let flips = HELPERS.iter().find(|def| def.name == "flips").unwrap();
            self.builder.call(flips, &[]);
            let pc = self.builder.c64(Self::target(n >> 4));
            self.builder.exit(Exit::Lookup { pc: Some(pc) });
        } else {
            let exit = self.exit(n, imm);
            self.builder.exit(exit);
        }
        self.builder.finish()
    }
}

/// How a block is to be made.
pub(crate) type Recipe = (Vec<Choice>, u16, u64);

/// The block of a recipe.
pub(crate) fn block(start: u64, (choices, n, imm): &Recipe, reach: Reach) -> Block {
    let mut maker = Maker::new(start, reach);
    for &choice in choices {
        maker.step(choice);
    }
    maker.finish(imm.rotate_left(20) as u16 % 27, *n, *imm)
}

/// The blocks of a script; there are at most as many as [`STARTS`].
pub(crate) fn script(recipes: &[Recipe], reach: Reach) -> Script {
    let blocks: BTreeMap<u64, Block> = STARTS
        .iter()
        .zip(recipes)
        .map(|(&start, recipe)| (start, block(start, recipe, reach)))
        .collect();
    Arc::new(blocks)
}
