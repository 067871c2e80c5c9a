//! Short and long operations on the native engine, whose inline code leaves out the helpers:
//! exactly what the interpreter does, with its results, flags, condition codes and traps.

use tcg::{EngineKind, mem};

use super::{CODE, DXC, End, PSW_MASK, cc, start_on};
use crate::cpu::S390Cpu;
use tcg::ir::MemSize;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }
}

/// Magnitudes where something changes, binary64.
const LONG: &[u64] = &[
    0,
    1,
    0x0008_0000_0000_0000,
    0x000f_ffff_ffff_ffff, // the greatest subnormal number
    0x0010_0000_0000_0000, // the least normal one
    0x0020_0000_0000_0000,
    0x1e60_0000_0000_0000, // 2^-537, whose square is the least number
    0x2000_0000_0000_0000,
    0x3690_0000_0000_0000, // 2^-150, half of the least short number
    0x36a0_0000_0000_0000,
    0x380f_ffff_e000_0000, // the greatest subnormal short number
    0x380f_ffff_f000_0000, // rounds to the least normal one
    0x3810_0000_0000_0000,
    0x3820_0000_0000_0000,
    0x3fd0_0000_0000_0000,
    0x3fe0_0000_0000_0000, // 0.5
    0x3ff0_0000_0000_0000, // 1
    0x3ff8_0000_0000_0000, // 1.5
    0x4004_0000_0000_0000, // 2.5
    0x4008_0000_0000_0000, // 3
    0x4170_0000_0000_0000, // 2^24
    0x41df_ffff_ffc0_0000, // 2^31 - 1
    0x41df_ffff_ffe0_0000, // 2^31 - 0.5
    0x41e0_0000_0000_0000,
    0x41e0_0000_0020_0000, // 2^31 + 1
    0x4330_0000_0000_0000, // 2^52
    0x4340_0000_0000_0000,
    0x43df_ffff_ffff_ffff, // below 2^63
    0x43e0_0000_0000_0000,
    0x47ef_ffff_e000_0000, // the greatest short number
    0x47ef_ffff_f000_0000, // rounds to infinity
    0x47f0_0000_0000_0000,
    0x5fe0_0000_0000_0000, // 2^511
    0x7fe0_0000_0000_0000,
    0x7fef_ffff_ffff_ffff,
    0x7ff0_0000_0000_0000,
    0x7ff0_0000_0000_0001, // signalling
    0x7ff7_ffff_e000_0000,
    0x7ff8_0000_0000_0000,
    0x7ff8_0000_1234_5678,
];

/// The same of binary32.
const SHORT: &[u32] = &[
    0,
    1,
    0x0040_0000,
    0x007f_ffff,
    0x0080_0000,
    0x0100_0000,
    0x1a00_0000,
    0x2000_0000,
    0x3e80_0000,
    0x3f00_0000,
    0x3f80_0000,
    0x3fc0_0000,
    0x4020_0000,
    0x4040_0000,
    0x4b00_0000,
    0x4b80_0000,
    0x4eff_ffff,
    0x4f00_0000,
    0x5eff_ffff,
    0x5f00_0000,
    0x5f80_0000,
    0x7f00_0000,
    0x7f7f_ffff,
    0x7f80_0000,
    0x7f80_0001,
    0x7fbf_ffff,
    0x7fc0_0000,
    0x7fc1_2345,
];

/// Integers that are as interesting to convert.
const INTEGERS: &[u64] = &[
    0,
    1,
    1 << 24,
    (1 << 24) + 1,
    0x7fff_ffff,
    0x8000_0000,
    0x7fff_ffbf,
    1 << 53,
    (1 << 53) + 1,
    (1 << 53) + 2,
    0x7fff_ffff_ffff_fbff,
    0x7fff_ffff_ffff_fe00,
    0x7fff_ffff_ffff_ffff,
    1 << 63,
];

/// A number with a few bits in its fraction, so that operations on two are often exact.
fn few_bits(dice: &mut Dice) -> f64 {
    let whole = dice.below(1 << 12) as f64 - 2048.0;
    whole / dice.pick(&[1.0, 2.0, 4.0, 1024.0])
}

fn long(dice: &mut Dice) -> u64 {
    let sign = dice.next() & 1 << 63;
    match dice.below(8) {
        0..=2 => dice.pick(LONG) ^ sign,
        3 => sign | (dice.pick(LONG) as i64 + dice.below(5) as i64 - 2).unsigned_abs(),
        4 => few_bits(dice).to_bits(),
        5 => dice.next(),
        // Exponents around that of 1.
        _ => sign | (0x3ff - 32 + dice.below(64)) << 52 | dice.next() >> 12,
    }
}

fn short(dice: &mut Dice) -> u32 {
    let sign = (dice.next() as u32) & 1 << 31;
    match dice.below(8) {
        0..=2 => dice.pick(SHORT) ^ sign,
        3 => sign | (dice.pick(SHORT) as i32 + dice.below(5) as i32 - 2).unsigned_abs(),
        4 => (few_bits(dice) as f32).to_bits(),
        5 => dice.next() as u32,
        _ => sign | (0x7f - 32 + dice.below(64) as u32) << 23 | (dice.next() as u32) >> 9,
    }
}

fn integer(dice: &mut Dice) -> u64 {
    match dice.below(4) {
        0 => dice.pick(INTEGERS),
        1 => dice.pick(INTEGERS).wrapping_neg(),
        2 => dice.next() >> dice.below(64),
        _ => (dice.next() as i64 >> dice.below(64)) as u64,
    }
}

/// Masks, flags and rounding; mostly those of programs.
fn control(dice: &mut Dice) -> u32 {
    match dice.below(8) {
        0..=2 => 0x0008_0000,
        3..=4 => 0,
        5 => dice.pick(&[0, 0x0008_0000]) | dice.pick(&[1, 2, 3, 7]),
        6 => 0x8000_0000 >> dice.below(5) | dice.pick(&[0, 0x0008_0000]),
        _ => dice.next() as u32 & 0xf8f8_0000 | dice.pick(&[0, 1, 2, 3, 7]),
    }
}

/// The registers and controls that a program begins with.
#[derive(Debug, Clone, Copy)]
struct Start {
    fpr: [u64; 16],
    gpr: [u64; 16],
    fpc: u32,
}

impl Start {
    fn new(dice: &mut Dice) -> Self {
        let mut start = Self {
            fpr: [0; 16],
            gpr: [0; 16],
            fpc: control(dice),
        };
        let shorts = dice.below(2) == 0;
        for reg in &mut start.fpr {
            *reg = if shorts {
                u64::from(short(dice)) << 32 | dice.next() & 0xffff_ffff
            } else {
                long(dice)
            };
        }
        for reg in &mut start.gpr {
            *reg = integer(dice);
        }
        // Equal, opposite and neighbouring operands.
        let first = start.fpr[1];
        match dice.below(8) {
            0 => start.fpr[2] = first,
            1 => start.fpr[2] = first ^ 1 << 63,
            2 => start.fpr[2] = first.wrapping_add(dice.pick(&[1, 1 << 32, u64::MAX])),
            _ => {}
        }
        start
    }
}

/// What a program leaves behind.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    fpr: [u64; 16],
    gpr: [u64; 16],
    fpc: u32,
    cc: u64,
    end: End,
}

fn place(cpu: &S390Cpu, program: &[String]) {
    let mut at = CODE;
    for insn in program {
        let bits = u64::from_str_radix(insn, 16).unwrap();
        mem::store_absolute(&cpu.core, at, MemSize::B4, bits);
        at += 4;
    }
    // An operation exception follows, and waits.
    mem::store_absolute(&cpu.core, at, MemSize::B2, 0);
}

fn run(cpu: &mut S390Cpu, start: &Start) -> Left {
    (cpu.gpr, cpu.fpc) = (start.gpr, start.fpc);
    for (register, value) in cpu.vr.iter_mut().zip(start.fpr) {
        register.left = value;
    }
    cpu.core.pc = CODE;
    cpu.psw_mask = PSW_MASK;
    crate::cpu::run::run(cpu);
    let code = mem::load_absolute(&cpu.core, super::PROGRAM_CODE, MemSize::B4);
    Left {
        fpr: cpu.fprs(),
        gpr: cpu.gpr,
        fpc: cpu.fpc,
        cc: cc(cpu),
        end: match code as u16 {
            1 => End::Completed,
            6 => End::Specification,
            _ => End::Data(mem::load_absolute(&cpu.core, DXC, MemSize::B4) as u8),
        },
    }
}

/// A native CPU and one that is right.
fn both() -> Option<(S390Cpu, S390Cpu)> {
    if !EngineKind::ALL.contains(&EngineKind::Native) {
        println!("SKIPPED: no native engine on this host");
        return None;
    }
    Some((start_on(EngineKind::Native), start_on(EngineKind::Interp)))
}

/// Operations without a rounding method, as `b3.. 0012` or `b3.. 1032`.
const PLAIN: &[&str] = &[
    "b30a", "b30b", "b317", "b30d", "b309", "b308", "b302", "b314", "b30c", "b304", // short
    "b31a", "b31b", "b31c", "b31d", "b319", "b318", "b312", "b315", // long
];

/// Multiply and add, as `b3.. 1032`.
const FUSED: &[&str] = &["b30e", "b30f", "b31e", "b31f"];

/// Operations with a rounding method.
const ROUNDED: &[&str] = &[
    "b344", "b357", "b35f", "b394", "b395", "b3a4", "b3a5", "b398", "b399", "b3a8", "b3a9",
];

/// Any of them on registers 0 to 7.
fn any(dice: &mut Dice) -> String {
    let [r1, r2, r3] = std::array::from_fn(|_| dice.below(8));
    match dice.below(8) {
        0..=4 => format!("{}00{r1}{r2}", dice.pick(PLAIN)),
        5 => format!("{}{r1}0{r3}{r2}", dice.pick(FUSED)),
        _ => {
            let (m3, m4) = (dice.pick(&[0, 1, 4, 5, 5, 6, 7]), dice.pick(&[0, 0, 4]));
            format!("{}{m3}{m4}{r1}{r2}", dice.pick(ROUNDED))
        }
    }
}

fn compare(native: &mut S390Cpu, right: &mut S390Cpu, program: &[String], dice: &mut Dice) {
    let start = Start::new(dice);
    let (got, expected) = (run(native, &start), run(right, &start));
    assert_eq!(got, expected, "{program:?} from {start:x?}");
}

fn check(program: &[String], cases: u32, dice: &mut Dice) {
    let Some((mut native, mut right)) = both() else {
        return;
    };
    place(&native, program);
    place(&right, program);
    for _ in 0..cases {
        compare(&mut native, &mut right, program, dice);
    }
}

#[test]
fn native_operations() {
    let dice = &mut Dice(1);
    for opcode in PLAIN {
        check(&[format!("{opcode}0012")], 4000, dice);
    }
    for opcode in FUSED {
        check(&[format!("{opcode}1032")], 4000, dice);
    }
}

#[test]
fn native_conversions() {
    let dice = &mut Dice(2);
    for opcode in ROUNDED {
        for m3 in [0, 1, 3, 4, 5, 6, 7] {
            for m4 in [0, 4] {
                check(&[format!("{opcode}{m3}{m4}12")], 600, dice);
            }
        }
    }
}

/// Several in one block: values pass from one to the next in registers, and there are too few.
#[test]
fn native_sequences() {
    let dice = &mut Dice(3);
    for _ in 0..400 {
        let count = 2 + dice.below(14);
        let program: Vec<String> = (0..count).map(|_| any(dice)).collect();
        check(&program, 40, dice);
    }
}
