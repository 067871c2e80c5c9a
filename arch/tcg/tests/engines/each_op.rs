//! Each operation of the IR alone, in every type and form, with operands from the edges: every
//! engine does what the reference does. What is wrong here fails in a block of a few ops.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::TESTED;
use crate::logged::logged;
use crate::random::{ATOMICS, BIN, CARRIES, CONDS, SIZES, STARTS, TYPES, UN};
use crate::scripted::{
    BUDGET, EDGES, HELPERS, KINDS, Machine, NARROW, STOP, Script, Scripted, WIDE,
};
use tcg::ir::{
    BinOp, Builder, Cond, Exit, ExitPut, Global, MemMode, MemOp, MemSize, Op, Part, Ty, Val,
};
use tcg::system::trace;
use tcg::{EngineKind, Guest};

/// Operands and results: wide registers.
const X: Global = Global(0);
const Y: Global = Global(1);
const OUT: Global = Global(11);
/// Narrow ones.
const NX: Global = Global(5);
const NY: Global = Global(6);
const NOUT: Global = Global(21);

const START: u64 = STARTS[0];

type Registers = ([u64; WIDE], [u32; NARROW]);

/// One form under test: a block, and the machines that execute it.
struct Form {
    name: String,
    script: Script,
    reference: Machine,
    tested: Vec<(EngineKind, Machine)>,
}

impl Form {
    /// One instruction made of what `f` emits.
    fn new(name: String, f: impl FnOnce(&mut Builder)) -> Self {
        let mut b = Builder::new(Scripted::GLOBALS, START);
        b.insn(START, 2);
        f(&mut b);
        b.exit(Exit::Jump { pc: STOP });
        let block = b.finish();
        if let Err(error) = block.verify::<Scripted>() {
            panic!("{name}: {error} in\n{}", block.display::<Scripted>());
        }
        let script: Script = Arc::new(BTreeMap::from([(START, block)]));
        let machine = |engine| Machine::with_engine(engine, &script);
        Self {
            name,
            reference: machine(EngineKind::Reference),
            tested: TESTED
                .iter()
                .flat_map(|&kind| [machine(kind), machine(kind).with_another()].map(|m| (kind, m)))
                .collect(),
            script,
        }
    }

    /// Runs with these operands in the registers `X`, `Y`, `NX`, `NY`.
    fn run(&mut self, x: u64, y: u64) {
        let mut wide: [u64; WIDE] =
            std::array::from_fn(|n| 0x1357_9bdf_0246_8ace_u64.rotate_left(n as u32 * 7));
        let mut narrow: [u32; NARROW] =
            std::array::from_fn(|n| 0xfedc_ba98_u32.rotate_left(n as u32 * 5));
        (wide[0], wide[1]) = (x, y);
        (narrow[0], narrow[1]) = (x as u32, y as u32);
        let expected = self.reference.run_registers(START, wide, narrow, 9);
        for (engine, machine) in &mut self.tested {
            let got = machine.run_registers(START, wide, narrow, 9);
            if got != expected {
                let code = logged(|| {
                    let mut again = Machine::with_engine(*engine, &self.script);
                    again
                        .system()
                        .set_trace(trace::OP | trace::OP_OPT | trace::OUT_ASM);
                    again.run_registers(START, wide, narrow, 9);
                });
                let differences = differences(&got, &expected);
                panic!(
                    "{engine:?} differs from Reference: {} of {x:#x}, {y:#x}\n{differences}{code}",
                    self.name
                );
            }
        }
    }

    /// Runs with memory, `X` an address and `Y` an operand. Twice: the second time the machine
    /// has run before.
    fn run_memory(&mut self, x: u64, y: u64) {
        let seed = x << 20 | 0x155;
        for seed in [seed, seed ^ 0x200] {
            let expected = self.reference.run_with(START, seed, 3, &[x, y]);
            for (engine, machine) in &mut self.tested {
                let got = machine.run_with(START, seed, 3, &[x, y]);
                if got != expected {
                    let code = logged(|| {
                        let mut again = Machine::with_engine(*engine, &self.script);
                        again
                            .system()
                            .set_trace(trace::OP | trace::OP_OPT | trace::OUT_ASM | trace::INT);
                        again.run_with(START, seed, 3, &[x, y]);
                    });
                    let differences = got.differences(&expected);
                    panic!(
                        "{engine:?} differs from Reference: {} at {x:#x}, {y:#x}\n\
                         {differences}{code}",
                        self.name
                    );
                }
            }
        }
    }

    /// Runs with memory at all kinds of addresses.
    fn places(mut self) {
        for base in [0x1200, 0x33f8, 0x4200, 0x6200, 0x9000, 0x2008] {
            for offset in 0..4 {
                self.run_memory(base + offset, 0x8182_8384_8586_8788);
            }
            self.run_memory(base + 4, 0x8182_8384_8586_8788);
        }
        // The page after: writable, in part, asking each time, read-only, missing, the first one.
        for page in [0x2000, 0x3000, 0x4000, 0x5000, 0x6000, 0x8000, 0x1_0000, 0] {
            for before in [1, 2, 3, 4, 5, 7, 8] {
                self.run_memory(u64::wrapping_sub(page, before), 0x0102_0304_f5f6_f7f8);
            }
        }
    }

    /// Runs with all pairs of edges, every `step`th of them.
    fn pairs(mut self, step: usize) {
        for (n, &x) in EDGES.iter().enumerate() {
            for &y in EDGES.iter().skip(n % step).step_by(step) {
                self.run(x, y);
            }
        }
    }

    /// Runs with each edge as the first operand.
    fn singles(mut self) {
        for &x in &EDGES {
            self.run(x, 0x0fed_cba9_8765_4321);
        }
    }
}

fn differences((wide, narrow): &Registers, (as_wide, as_narrow): &Registers) -> String {
    let mut text = String::new();
    for (n, (a, b)) in wide
        .iter()
        .zip(as_wide)
        .enumerate()
        .filter(|(_, (a, b))| a != b)
    {
        text.push_str(&format!("  r{n}: {a:#x}, not {b:#x}\n"));
    }
    for (n, (a, b)) in narrow
        .iter()
        .zip(as_narrow)
        .enumerate()
        .filter(|(_, (a, b))| a != b)
    {
        text.push_str(&format!("  n{n}: {a:#x}, not {b:#x}\n"));
    }
    text
}

/// The first or second operand in a type: whole registers.
fn operand(b: &mut Builder, ty: Ty, second: bool) -> Val {
    b.get(match (ty, second) {
        (Ty::I64, false) => X,
        (Ty::I64, true) => Y,
        (Ty::I32, false) => NX,
        (Ty::I32, true) => NY,
    })
}

/// Writes a result to a whole register.
fn result(b: &mut Builder, v: Val) {
    match b.ty(v) {
        Ty::I64 => b.put(OUT, v),
        Ty::I32 => b.put(NOUT, v),
    }
}

/// A result that shows whether the upper half of an `I32` is taken for zero somewhere.
fn result_extended(b: &mut Builder, v: Val) {
    let wide = match b.ty(v) {
        Ty::I64 => v,
        Ty::I32 => {
            let signed = b.sext(v);
            b.put(Global(12), signed);
            b.zext(v)
        }
    };
    b.put(OUT, wide);
}

#[test]
fn one_operand() {
    for ty in TYPES {
        for op in UN {
            Form::new(format!("{op:?} {ty}"), |b| {
                let x = operand(b, ty, false);
                let v = b.un(op, x);
                result(b, v);
            })
            .singles();
            Form::new(format!("{op:?} {ty}, in place and extended"), |b| {
                let x = operand(b, ty, false);
                let v = b.un(op, x);
                b.put(if ty == Ty::I64 { X } else { NX }, v);
                result_extended(b, v);
            })
            .singles();
        }
    }
    for op in UN {
        Form::new(format!("{op:?} of halves"), |b| {
            let (low, high) = (b.get_low(X), b.get_high(Y));
            let (low, high) = (b.un(op, low), b.un(op, high));
            b.put_high(OUT, low);
            b.put_low(Y, high);
        })
        .pairs(1);
    }
}

#[test]
fn two_operands() {
    for ty in TYPES {
        for op in BIN {
            Form::new(format!("{op:?} {ty}"), |b| {
                let (x, y) = (operand(b, ty, false), operand(b, ty, true));
                let v = b.bin(op, x, y);
                result(b, v);
            })
            .pairs(1);
            Form::new(format!("{op:?} {ty} in place, both live on"), |b| {
                let (x, y) = (operand(b, ty, false), operand(b, ty, true));
                let v = b.bin(op, x, y);
                let w = b.bin(op, y, x);
                b.put(if ty == Ty::I64 { X } else { NX }, v);
                result_extended(b, w);
                let sum = b.xor(x, y);
                b.put(
                    if ty == Ty::I64 {
                        Global(20)
                    } else {
                        Global(27)
                    },
                    sum,
                );
            })
            .pairs(1);
            Form::new(format!("{op:?} {ty} with itself"), |b| {
                let x = operand(b, ty, false);
                let v = b.bin(op, x, x);
                result(b, v);
            })
            .singles();
            for &c in &EDGES {
                Form::new(format!("{op:?} {ty} with {c:#x}, either side"), |b| {
                    let x = operand(b, ty, false);
                    let c = b.constant(ty, c);
                    let (v, w) = (b.bin(op, x, c), b.bin(op, c, x));
                    result(b, v);
                    result_extended(b, w);
                })
                .singles();
            }
        }
    }
    for op in BIN {
        Form::new(format!("{op:?} of halves"), |b| {
            let (low, high) = (b.get_low(X), b.get_high(Y));
            let v = b.bin(op, low, high);
            b.put_high(X, v);
            b.put_low(OUT, high);
        })
        .pairs(1);
    }
}

#[test]
fn carries() {
    for ty in TYPES {
        for op in CARRIES {
            for c in 0..4 {
                Form::new(format!("{op:?} {ty}, carry {c}"), |b| {
                    let (x, y) = (operand(b, ty, false), operand(b, ty, true));
                    let c = match c {
                        0 | 1 => b.c32(c),
                        2 => {
                            let bit = b.get(NY);
                            b.bin_imm(BinOp::And, bit, 1)
                        }
                        _ => b.set_cond(Cond::LtU, x, y),
                    };
                    let v = b.carry(op, x, y, c);
                    result(b, v);
                })
                .pairs(1);
            }
        }
    }
    for (name, sum, carry) in [
        ("sum", CARRIES[0], CARRIES[1]),
        ("difference", CARRIES[2], CARRIES[3]),
    ] {
        Form::new(format!("a {name} of three words"), |b| {
            let (x, y) = (b.get(X), b.get(Y));
            let mut c = b.c32(0);
            for to in [OUT, X, Y] {
                let v = b.carry(sum, x, y, c);
                c = b.carry(carry, x, y, c);
                b.put(to, v);
            }
            b.put(NOUT, c);
        })
        .pairs(1);
    }
}

#[test]
fn widths() {
    Form::new("truncation".into(), |b| {
        let x = b.get(X);
        let v = b.trunc(x);
        b.put(NOUT, v);
        result_extended(b, v);
    })
    .singles();
    for from in TYPES {
        for ty in TYPES {
            for bits in 1..=from.bits() as u8 {
                for signed in [false, true] {
                    Form::new(
                        format!("{bits} bits of {from} as {ty}, signed: {signed}"),
                        |b| {
                            let x = operand(b, from, false);
                            let v = b.extend(ty, x, bits, signed);
                            result(b, v);
                            result_extended(b, v);
                        },
                    )
                    .singles();
                }
            }
        }
    }
}

#[test]
fn deposits() {
    for ty in TYPES {
        for pos in 0..ty.bits() as u8 {
            let room = ty.bits() as u8 - pos;
            let mut lengths = vec![1, 4, 8, 12, 16, 31, 32, room - 1, room];
            lengths.retain(|&len| len > 0 && len <= room);
            lengths.dedup();
            for len in lengths {
                Form::new(format!("{len} bits at {pos} of {ty}"), |b| {
                    let (x, y) = (operand(b, ty, false), operand(b, ty, true));
                    let v = b.deposit(x, y, pos, len);
                    result(b, v);
                    let w = b.deposit(y, x, pos, len);
                    b.put(if ty == Ty::I64 { X } else { NX }, w);
                })
                .pairs(11);
                Form::new(format!("{len} bits at {pos} of {ty}, constants"), |b| {
                    let x = operand(b, ty, false);
                    let c = b.constant(ty, 0x5a5a_5a5a_a5a5_a5a5);
                    let v = b.deposit(x, c, pos, len);
                    result(b, v);
                    let w = b.deposit(c, x, pos, len);
                    b.put(if ty == Ty::I64 { X } else { NX }, w);
                })
                .singles();
            }
        }
    }
}

#[test]
fn comparisons() {
    for ty in TYPES {
        for cond in CONDS {
            Form::new(format!("{cond:?} {ty}"), |b| {
                let (x, y) = (operand(b, ty, false), operand(b, ty, true));
                let v = b.set_cond(cond, x, y);
                result(b, v);
                result_extended(b, v);
            })
            .pairs(1);
            for &c in &EDGES {
                Form::new(format!("{cond:?} {ty} with {c:#x}, either side"), |b| {
                    let x = operand(b, ty, false);
                    let c = b.constant(ty, c);
                    let (v, w) = (b.set_cond(cond, x, c), b.set_cond(cond, c, x));
                    result(b, v);
                    b.put(NX, w);
                })
                .singles();
            }
            Form::new(format!("{cond:?} {ty} with itself"), |b| {
                let x = operand(b, ty, false);
                let v = b.set_cond(cond, x, x);
                result(b, v);
            })
            .singles();
        }
    }
}

#[test]
fn choices() {
    for cty in TYPES {
        for ty in TYPES {
            for cond in CONDS {
                Form::new(format!("{ty} by {cond:?} {cty}"), |b| {
                    let (x, y) = (operand(b, cty, false), operand(b, cty, true));
                    let (t, f) = (operand(b, ty, true), operand(b, ty, false));
                    let v = b.select(cond, x, y, t, f);
                    result(b, v);
                    result_extended(b, v);
                })
                .pairs(1);
                Form::new(format!("{ty} by {cond:?} {cty}, constants"), |b| {
                    let x = operand(b, cty, false);
                    let zero = b.constant(cty, 0);
                    let one = b.constant(ty, 1);
                    let t = b.constant(ty, 0xffff_fff0_1234);
                    let v = b.select(cond, x, zero, t, one);
                    result(b, v);
                    let f = operand(b, ty, false);
                    let w = b.select(cond, zero, x, one, f);
                    b.put(if ty == Ty::I64 { X } else { NX }, w);
                })
                .singles();
            }
        }
    }
}

#[test]
fn side_exits() {
    for ty in TYPES {
        for cond in CONDS {
            for put in [
                None,
                Some((X, 0x1_0000_0001)),
                Some((NY, 0x8000_0000)),
                Some((OUT, 7)),
            ] {
                let leave = |b: &mut Builder, x: Val, y: Val| {
                    let before = b.c64(0x11);
                    b.put(Y, before);
                    let exit = Exit::Jump { pc: STOP };
                    match put {
                        None => b.exit_if(cond, x, y, exit),
                        Some((global, value)) => {
                            b.exit_if_put(cond, x, y, exit, ExitPut { global, value });
                        }
                    }
                    let after = b.c64(0x22);
                    b.put(OUT, after);
                    b.put(Y, after);
                };
                Form::new(format!("leave if {cond:?} {ty}, with {put:?}"), |b| {
                    let (x, y) = (operand(b, ty, false), operand(b, ty, true));
                    leave(b, x, y);
                })
                .pairs(1);
                for &c in &EDGES {
                    Form::new(
                        format!("leave if {cond:?} {ty} with {c:#x}, with {put:?}"),
                        |b| {
                            let x = operand(b, ty, false);
                            let c = b.constant(ty, c);
                            leave(b, x, c);
                        },
                    )
                    .singles();
                }
            }
        }
    }
}

/// Every register in every part: read, written, and both while the other halves are live.
#[test]
fn registers() {
    let parts = |g: Global| match Scripted::GLOBALS[usize::from(g.0)].ty {
        Ty::I64 => vec![Part::Full, Part::Low32, Part::High32],
        Ty::I32 => vec![Part::Full],
    };
    let globals: Vec<Global> = (0..(WIDE + NARROW) as u16).map(Global).collect();
    for &from in &globals {
        for &to in &globals {
            for get in parts(from) {
                for put in parts(to) {
                    Form::new(format!("{get:?} of {from:?} to {put:?} of {to:?}"), |b| {
                        let v = b.op(Op::Get(from, get));
                        let wide = to.0 < 5 || !matches!(parts(to).len(), 1);
                        let v = match (b.ty(v), put == Part::Full && wide) {
                            (Ty::I32, true) => b.sext(v),
                            (Ty::I64, false) => b.trunc(v),
                            _ => v,
                        };
                        b.op(Op::Put(to, put, v));
                        let again = b.op(Op::Get(to, Part::Full));
                        let turned = b.bin_imm(BinOp::Rotl, again, 5);
                        b.op(Op::Put(to, Part::Full, turned));
                    })
                    .run(0x8765_4321_0fed_cba9, 0x1111_2222_3333_4444);
                }
            }
        }
    }
}

#[test]
fn condition_codes() {
    for ty in TYPES {
        for kind in 0..KINDS {
            Form::new(format!("code of kind {kind}, {ty}"), |b| {
                let (x, y) = (operand(b, ty, false), operand(b, ty, true));
                b.set_cc(kind, x, y);
                let v = b.get_cc();
                result(b, v);
            })
            .pairs(1);
            for mask in 0..16 {
                Form::new(format!("test {mask} of kind {kind}, {ty}"), |b| {
                    let (x, y) = (operand(b, ty, false), operand(b, ty, true));
                    b.set_cc(kind, x, y);
                    let v = b.test_cc(mask);
                    result(b, v);
                })
                .pairs(3);
                Form::new(format!("branch on {mask} of kind {kind}, {ty}"), |b| {
                    let (x, y) = (operand(b, ty, false), operand(b, ty, true));
                    b.set_cc(kind, x, y);
                    b.insn(START + 2, 2);
                    let v = b.test_cc(mask);
                    b.exit_if_true(v, Exit::Jump { pc: STOP });
                    b.insn(START + 4, 2);
                    let other = b.get_cc();
                    b.put(NOUT, other);
                })
                .pairs(3);
            }
        }
    }
}

/// Arguments of either type in each place, constants and values that are used again.
#[test]
fn helpers() {
    for def in HELPERS {
        for types in 0..4u32 {
            Form::new(format!("{} with arguments {types}", def.name), |b| {
                let args: Vec<Val> = (0..u32::from(def.args))
                    .map(|n| match (n + types) % 4 {
                        0 => operand(b, Ty::I32, false),
                        1 => operand(b, Ty::I64, true),
                        2 => b.c64(0x1234_5678_9abc),
                        // A narrow value whose upper half a host register might hold.
                        _ => {
                            let x = operand(b, Ty::I64, false);
                            b.trunc(x)
                        }
                    })
                    .collect();
                let v = b.call(def, &args);
                b.put(OUT, v);
                for (n, &arg) in args.iter().enumerate() {
                    let arg = match b.ty(arg) {
                        Ty::I32 => b.zext(arg),
                        Ty::I64 => arg,
                    };
                    b.put(Global(12 + n as u16), arg);
                }
                // Registers are read anew.
                let x = b.get(X);
                let sum = b.add(x, v);
                b.put(Y, sum);
                // What the helper changed may end the block here.
                b.insn(START + 2, 2);
            })
            .pairs(4);
        }
    }
}

fn shapes(aligned: &[bool], sizes: &[MemSize]) -> Vec<MemOp> {
    let mut all = Vec::new();
    for &size in sizes {
        for &aligned in aligned {
            for signed in [false, true] {
                for mode in [MemMode(0), MemMode(2)] {
                    all.push(MemOp {
                        size,
                        signed,
                        aligned,
                        mode,
                    });
                }
            }
        }
    }
    all
}

/// What all memory operations begin and end with: writes that a trap keeps and loses.
fn around(b: &mut Builder, f: impl FnOnce(&mut Builder, Val) -> Option<Val>) {
    // A store into this block ends it early, and it is begun again.
    let budget = b.get(BUDGET);
    let left = b.bin_imm(BinOp::Sub, budget, 1);
    b.put(BUDGET, left);
    let zero = b.c64(0);
    b.exit_if(Cond::Eq, left, zero, Exit::Jump { pc: STOP });
    let x = b.get(X);
    let before = b.bin_imm(BinOp::Mul, x, 3);
    b.put(Global(12), before);
    b.insn(START + 2, 4);
    b.put(Global(13), before);
    let y = b.get(Y);
    b.set_cc(2, x, y);
    let made = f(b, x);
    if let Some(v) = made {
        result(b, v);
        result_extended(b, v);
    }
    b.put(Global(14), x);
    b.insn(START + 6, 2);
    let sum = b.add(x, before);
    b.put(Global(15), sum);
}

#[test]
fn loads() {
    for mem in shapes(&[false, true], &SIZES) {
        for ty in TYPES {
            Form::new(format!("load {ty} {mem:?}"), |b| {
                around(b, |b, x| Some(b.load(ty, mem, x)));
            })
            .places();
            Form::new(format!("load {ty} {mem:?} at sums"), |b| {
                around(b, |b, x| {
                    let far = b.bin_imm(BinOp::Add, x, 0x1_0000_0000_0008);
                    let back = b.c64(0x1_0000_0000_0000_u64.wrapping_neg());
                    let at = b.add(far, back);
                    let first = b.load(ty, mem, at);
                    let at = b.bin_imm(BinOp::Sub, x, 8);
                    let second = b.load(ty, mem, at);
                    Some(b.xor(first, second))
                });
            })
            .places();
        }
    }
}

#[test]
fn stores() {
    for mem in shapes(&[false, true], &SIZES)
        .into_iter()
        .filter(|mem| !mem.signed)
    {
        for ty in TYPES {
            if mem.size == MemSize::B8 && ty == Ty::I32 {
                continue;
            }
            let value = |b: &mut Builder| {
                let y = b.get(Y);
                if ty == Ty::I32 { b.trunc(y) } else { y }
            };
            Form::new(format!("store {ty} {mem:?}"), |b| {
                around(b, |b, x| {
                    let v = value(b);
                    b.store(mem, x, v);
                    None
                });
            })
            .places();
            Form::new(format!("store of a constant {ty} {mem:?}"), |b| {
                around(b, |b, x| {
                    let v = b.constant(ty, 0xffff_ffff_8000_7f01);
                    b.store(mem, x, v);
                    let at = b.bin_imm(BinOp::Add, x, 16);
                    let zero = b.constant(ty, 0);
                    b.store(mem, at, zero);
                    None
                });
            })
            .places();
            for bit in [0, 1] {
                Form::new(format!("store {ty} {mem:?} if bit {bit}"), |b| {
                    around(b, |b, x| {
                        let v = value(b);
                        let pred = b.trunc(x);
                        let pred = b.bin_imm(BinOp::And, pred, 1 << bit);
                        b.store_if(pred, mem, x, v);
                        Some(v)
                    });
                })
                .places();
            }
        }
    }
}

#[test]
fn interlocked_updates() {
    for mem in shapes(&[true], &[MemSize::B4, MemSize::B8]) {
        for ty in TYPES {
            if mem.signed || mem.size == MemSize::B8 && ty == Ty::I32 {
                continue;
            }
            let low = |b: &mut Builder, g: Global| {
                let y = b.get(g);
                if ty == Ty::I32 { b.trunc(y) } else { y }
            };
            Form::new(format!("compare and swap {ty} {mem:?}"), |b| {
                around(b, |b, x| {
                    let (old, new) = (low(b, OUT), low(b, Y));
                    Some(b.compare_swap(mem, x, old, new))
                });
            })
            .places();
            Form::new(
                format!("compare and swap {ty} {mem:?} of what is there"),
                |b| {
                    around(b, |b, x| {
                        let old = b.load(ty, mem, x);
                        let new = low(b, Y);
                        Some(b.compare_swap(mem, x, old, new))
                    });
                },
            )
            .places();
        }
    }
    let mut all = shapes(&[true], &[MemSize::B4, MemSize::B8]);
    all.extend(shapes(&[false], &[MemSize::B1]));
    for mem in all {
        for ty in TYPES {
            if mem.size == MemSize::B8 && ty == Ty::I32 {
                continue;
            }
            for op in ATOMICS {
                Form::new(format!("{op:?} {ty} {mem:?}"), |b| {
                    around(b, |b, x| {
                        let y = b.get(Y);
                        let y = if ty == Ty::I32 { b.trunc(y) } else { y };
                        Some(b.atomic(op, mem, x, y))
                    });
                })
                .places();
            }
        }
    }
}
