//! Random blocks: the interpreter, behind the optimiser, does what the IR says.

mod common;

use std::collections::HashMap;
use std::sync::Arc;

use common::scripted::{GLOBAL, MEM, NARROW, Outcome, PURE, STORES, Scripted, TRAPS, WIDE, run};
use proptest::prelude::*;
use tcg::EngineKind;
use tcg::Guest;
use tcg::ir::{
    AtomicOp, BinOp, Block, Builder, CarryOp, Cond, Exit, ExitPut, Global, MemOp, MemSize, Op,
    Part, Ty, UnOp, Val,
};

/// One random choice: what, operands, and a number.
type Choice = (u8, u16, u16, u16, u64);

const FIRST: u64 = 0x2000;
const SECOND: u64 = 0x2040;

struct Maker {
    builder: Builder,
    narrow: Vec<Val>,
    wide: Vec<Val>,
    pc: u64,
    out: u64,
}

const BIN: [BinOp; 13] = [
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
const UN: [UnOp; 5] = [
    UnOp::Neg,
    UnOp::Not,
    UnOp::ByteSwap,
    UnOp::CountLeadingZeros,
    UnOp::CountOnes,
];
const CONDS: [Cond; 10] = [
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
const CARRIES: [CarryOp; 4] = [
    CarryOp::Add,
    CarryOp::AddCarry,
    CarryOp::Sub,
    CarryOp::SubBorrow,
];
const ATOMICS: [AtomicOp; 5] = [
    AtomicOp::Add,
    AtomicOp::And,
    AtomicOp::Or,
    AtomicOp::Xor,
    AtomicOp::Exchange,
];
const SIZES: [MemSize; 4] = [MemSize::B1, MemSize::B2, MemSize::B4, MemSize::B8];
/// Where accesses begin: ordinary, across a page, in the code, at read-only and missing pages.
const BASES: [u64; 5] = [0x1000, 0x1f80, 0x2000, 0x5f80, 0x7f80];

impl Maker {
    fn new(start: u64, out: u64) -> Self {
        let mut maker = Self {
            builder: Builder::new(Scripted::GLOBALS, start),
            narrow: Vec::new(),
            wide: Vec::new(),
            pc: start,
            out,
        };
        maker.insn();
        let (narrow, wide) = (maker.builder.c32(5), maker.builder.c64(0));
        maker.keep(narrow);
        maker.keep(wide);
        maker
    }

    fn insn(&mut self) {
        self.builder.insn(self.pc, 2);
        self.pc += 2;
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
        list[list.len() - 1 - usize::from(n) % list.len()]
    }

    fn global(n: u16, imm: u64) -> (Global, Part) {
        let g = Global(n % (WIDE + NARROW));
        let part = match imm % 3 {
            1 if g.0 < WIDE => Part::Low32,
            2 if g.0 < WIDE => Part::High32,
            _ => Part::Full,
        };
        (g, part)
    }

    fn part_ty(g: Global, part: Part) -> Ty {
        if g.0 < WIDE && part == Part::Full {
            Ty::I64
        } else {
            Ty::I32
        }
    }

    fn address(&mut self, n: u16, imm: u64) -> Val {
        let v = self.pick(Ty::I64, n);
        let offset = self.builder.bin_imm(BinOp::And, v, 0x7f);
        let base = BASES[(imm % 5) as usize];
        match imm / 5 % 3 {
            0 => self.builder.bin_imm(BinOp::Add, offset, base),
            1 => {
                let base = self.builder.c64(base - 8);
                let g = self.builder.bin_imm(BinOp::Or, base, 0);
                let sum = self.builder.add(offset, g);
                self.builder.bin_imm(BinOp::Add, sum, 8)
            }
            _ => {
                let base = self.builder.c64(base);
                self.builder.add(base, offset)
            }
        }
    }

    fn exit(&mut self, n: u16, imm: u64) -> Exit {
        match n % 4 {
            0 | 1 => Exit::Jump { pc: self.out },
            2 => Exit::JumpReg {
                pc: self.builder.c64(self.out + imm % 2 * 2),
            },
            _ => Exit::Lookup {
                pc: Some(self.builder.c64(self.out)),
            },
        }
    }

    fn step(&mut self, (what, x, y, z, imm): Choice) {
        let ty = if imm >> 60 & 1 == 0 { Ty::I32 } else { Ty::I64 };
        let pick = usize::from(z);
        let made = match what % 26 {
            0 | 1 => {
                self.insn();
                return;
            }
            2 => self.builder.constant(ty, imm >> (imm % 61)),
            3 | 4 => {
                let (g, part) = Self::global(x, imm);
                self.builder.op(Op::Get(g, part))
            }
            5..=7 => {
                let (g, part) = Self::global(x, imm);
                let v = self.pick(Self::part_ty(g, part), y % 4);
                self.builder.op(Op::Put(g, part, v));
                return;
            }
            8 => {
                let v = self.pick(ty, x);
                self.builder.un(UN[pick % 5], v)
            }
            9 | 10 => {
                let (a, b) = (self.pick(ty, x), self.pick(ty, y));
                self.builder.bin(BIN[pick % 13], a, b)
            }
            11 => {
                let a = self.pick(ty, x);
                let small = [0, 1, u64::MAX, 31, 32, imm];
                let c = small[usize::from(y) % 6] & ty.mask();
                self.builder.bin_imm(BIN[pick % 13], a, c)
            }
            12 => {
                let (a, b) = (self.pick(ty, x), self.pick(ty, y));
                let c = self.pick(Ty::I32, z / 4);
                let c = self.builder.bin_imm(BinOp::And, c, 1);
                self.builder.carry(CARRIES[pick % 4], a, b, c)
            }
            13 => {
                let v = self.pick(Ty::I64, x);
                self.builder.trunc(v)
            }
            14 => {
                let from = if z & 1 == 0 { Ty::I32 } else { Ty::I64 };
                let bits = [8, 16, 32, 12][usize::from(z / 2) % 4];
                let v = self.pick(from, x);
                self.builder.extend(ty, v, bits, z & 64 != 0)
            }
            15 => {
                let (base, v) = (self.pick(ty, x), self.pick(ty, y));
                let pos = z as u8 % ty.bits() as u8;
                let len = 1 + (z >> 8) as u8 % (ty.bits() as u8 - pos);
                self.builder.deposit(base, v, pos, len)
            }
            16 => {
                let (a, b) = (self.pick(ty, x), self.pick(ty, y));
                self.builder.set_cond(CONDS[pick % 10], a, b)
            }
            17 => {
                let other = if imm & 1 == 0 { Ty::I32 } else { Ty::I64 };
                let (a, b) = (self.pick(ty, x), self.pick(ty, y));
                let (t, f) = (self.pick(other, x / 16), self.pick(other, y / 16));
                self.builder.select(CONDS[pick % 10], a, b, t, f)
            }
            18 | 19 => {
                let mut mem = MemOp {
                    size: SIZES[pick % 4],
                    signed: z & 16 != 0,
                    aligned: z & 0x300 == 0x300,
                    ..MEM
                };
                let addr = self.address(x, imm);
                match z >> 10 & 7 {
                    0..=2 => self.builder.load(ty, mem, addr),
                    3..=5 => {
                        let ty = if mem.size == MemSize::B8 { Ty::I64 } else { ty };
                        let v = self.pick(ty, y);
                        if z & 32 != 0 {
                            let pred = self.pick(Ty::I32, y / 8);
                            let pred = self.builder.bin_imm(BinOp::And, pred, 1);
                            self.builder.store_if(pred, mem, addr, v);
                        } else {
                            self.builder.store(mem, addr, v);
                        }
                        return;
                    }
                    6 => {
                        mem.size = if ty == Ty::I64 {
                            MemSize::B8
                        } else {
                            MemSize::B4
                        };
                        mem.aligned = true;
                        mem.signed = false;
                        let (old, new) = (self.pick(ty, y), self.pick(ty, y / 8));
                        self.builder.compare_swap(mem, addr, old, new)
                    }
                    _ => {
                        mem.size = match z % 3 {
                            0 => MemSize::B1,
                            1 => MemSize::B4,
                            _ if ty == Ty::I64 => MemSize::B8,
                            _ => MemSize::B4,
                        };
                        mem.aligned = mem.size != MemSize::B1;
                        let v = self.pick(ty, y);
                        let op = ATOMICS[usize::from(z >> 4) % 5];
                        self.builder.atomic(op, mem, addr, v)
                    }
                }
            }
            20 | 21 => {
                let (a, b) = (self.pick(ty, x), self.pick(ty, y));
                self.builder.set_cc((imm % 6) as u8, a, b);
                return;
            }
            22 => {
                if z & 1 == 0 {
                    self.builder.test_cc((imm & 15) as u8)
                } else {
                    self.builder.get_cc()
                }
            }
            23 => {
                let (a, b) = (self.pick(Ty::I64, x), self.pick(ty, y));
                match z % 4 {
                    0 => self.builder.call(&PURE, &[a, b]),
                    1 => self.builder.call(&TRAPS, &[b]),
                    2 => self.builder.call(&GLOBAL, &[a, b]),
                    _ => self.builder.call(&STORES, &[b, a]),
                }
            }
            24 => {
                let (a, b) = (self.pick(ty, x), self.pick(ty, y));
                let exit = self.exit(z, imm);
                let cond = CONDS[pick / 4 % 10];
                if z & 2 == 0 {
                    self.builder.exit_if(cond, a, b, exit);
                } else {
                    let global = Global(z / 4 % (WIDE + NARROW));
                    let value = imm & Self::part_ty(global, Part::Full).mask();
                    let put = ExitPut { global, value };
                    self.builder.exit_if_put(cond, a, b, exit, put);
                }
                return;
            }
            _ => {
                let test = self.builder.test_cc((imm & 15) as u8);
                let exit = self.exit(z, imm);
                self.builder.exit_if_true(test, exit);
                return;
            }
        };
        self.keep(made);
    }

    fn finish(mut self, n: u16, imm: u64) -> Block {
        let exit = self.exit(n, imm);
        self.builder.exit(exit);
        self.builder.finish()
    }
}

fn make(start: u64, out: u64, choices: &[Choice]) -> Block {
    let mut maker = Maker::new(start, out);
    for &choice in choices {
        maker.step(choice);
    }
    let last = choices.len() as u64;
    maker.finish(last as u16, last)
}

#[test]
fn more_values_than_there_are_scratch_words_are_right_too() {
    let mut b = Builder::new(Scripted::GLOBALS, FIRST);
    b.insn(FIRST, 2);
    let (x, y) = (b.get(Global(1)), b.get(Global(2)));
    let values: Vec<Val> = (0..300)
        .map(|n| {
            let odd = b.bin_imm(BinOp::Add, y, n);
            b.bin(BinOp::Mul, x, odd)
        })
        .collect();
    let mut sum = x;
    for &v in values.iter().rev() {
        let turned = b.bin_imm(BinOp::Rotl, sum, 7);
        sum = b.xor(turned, v);
    }
    b.put(Global(3), sum);
    b.exit(Exit::Jump { pc: SECOND });
    let mut blocks = HashMap::from([(FIRST, b.finish())]);
    blocks.insert(SECOND, make(SECOND, FIRST + 2, &[]));
    let blocks = Arc::new(blocks);
    for seed in 0..5 {
        let expected = run(EngineKind::Reference, &blocks, FIRST, seed);
        assert_eq!(run(EngineKind::Interp, &blocks, FIRST, seed), expected);
    }
}

/// 3000 cases, or as many as `PROPTEST_CASES` says.
fn config() -> ProptestConfig {
    let config = ProptestConfig::default();
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => config,
        None => ProptestConfig {
            cases: 3000,
            ..config
        },
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn engines_agree(
        first in proptest::collection::vec(any::<Choice>(), 1..60),
        second in proptest::collection::vec(any::<Choice>(), 1..30),
        seed in any::<u64>(),
    ) {
        let mut blocks = HashMap::new();
        blocks.insert(FIRST, make(FIRST, SECOND, &first));
        blocks.insert(SECOND, make(SECOND, 0x3000, &second));
        for block in blocks.values() {
            block.verify::<Scripted>().unwrap();
            let mut optimised = block.clone();
            tcg::opt::optimise::<Scripted>(&mut optimised);
            if let Err(error) = optimised.verify::<Scripted>() {
                panic!("{error} in\n{}", optimised.display::<Scripted>());
            }
        }
        let blocks = Arc::new(blocks);
        let expected = run(EngineKind::Reference, &blocks, FIRST, seed);
        let got = run(EngineKind::Interp, &blocks, FIRST, seed);
        if got != expected {
            for (at, block) in blocks.iter() {
                eprintln!("{at:#x}:\n{}", block.display::<Scripted>());
                let mut optimised = block.clone();
                tcg::opt::optimise::<Scripted>(&mut optimised);
                eprintln!("optimised:\n{}", optimised.display::<Scripted>());
            }
            eprintln!("expected {:x?}\ngot {:x?}", Outcome { memory: vec![], ..expected }, Outcome { memory: vec![], ..got });
            prop_assert!(false, "the engines differ");
        }
    }
}
