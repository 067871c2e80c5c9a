//! Field instructions (MVC, NC, CLC, OC, XC, TR), by themselves and by EXECUTE RELATIVE LONG, on
//! fields of every length that overlap, cross pages, lie beside code and reach into storage that is
//! protected.

use tcg::EngineKind;

use crate::dice::Dice;
use crate::lab::{Lab, Snapshot, TESTED};
use crate::scaled;

/// Where code, condition codes and fields are; fields take the pages from the code's on.
const CODE: u64 = 0x4000;
const CODES: u64 = 0x3000;
/// Where instructions have their lengths in storage, a byte each.
const LENGTHS: u64 = CODES + 0x400;
const FIELDS: std::ops::Range<u64> = 0x4e00..0x9200;
/// A page that may not be stored into by the program's key.
const PROTECTED: u64 = 0x9000;
/// Instructions of a program.
const COUNT: u64 = 80;

/// A field instruction with its operands' addresses.
struct Field {
    opcode: u8,
    length: u64,
    first: u64,
    second: u64,
    /// Its length is in a register.
    executed: bool,
}

impl Field {
    fn random(dice: &mut Dice) -> Self {
        let opcode = [0xd2, 0xd2, 0xd4, 0xd5, 0xd5, 0xd6, 0xd7, 0xdc][dice.next() as usize % 8];
        let length = match dice.next() % 4 {
            0 => 1 + dice.next() % 9,
            1 => 1 + dice.next() % 64,
            _ => 1 + dice.next() % 256,
        };
        let anywhere = |dice: &mut Dice| match dice.next() % 128 {
            // Into the protected page.
            0 => PROTECTED - dice.next() % 256,
            // Across the end of a page.
            1..16 => 0x5000 + 0x1000 * (dice.next() % 4) - dice.next() % 256,
            _ => FIELDS.start + dice.next() % (PROTECTED - 512 - FIELDS.start),
        };
        let first = anywhere(dice);
        let second = match dice.next() % 8 {
            0 => first,
            1 => first - 1,
            2 | 3 => first + dice.next() % 520 - 260,
            _ => anywhere(dice),
        };
        Self {
            opcode,
            length,
            first,
            second,
            executed: dice.next().is_multiple_of(2),
        }
    }

    /// Its code, and that which keeps the condition code it leaves.
    fn code(&self, number: u64) -> Vec<u8> {
        let mut code = Vec::new();
        for (register, address) in [(1, self.first), (2, self.second)] {
            // LGFI
            code.extend([0xc0, register << 4 | 1]);
            code.extend((address as u32).to_be_bytes());
        }
        let length = (self.length - 1) as u8;
        // A field with itself is one in the instruction, too.
        let second = if self.first == self.second {
            0x10
        } else {
            0x20
        };
        let field = |length| [self.opcode, length, 0x10, 0, second, 0];
        if self.executed {
            // LLGC 3, so that nobody knows the length before; EXRL 3 to behind the next one; J behind
            // its target
            let place = LENGTHS - CODES + number;
            code.extend([0xe3, 0x30, 0x90 | (place >> 8) as u8, place as u8, 0, 0x90]);
            code.extend([0xc6, 0x30, 0, 0, 0, 5, 0xa7, 0xf4, 0, 5]);
            code.extend(field(0));
        } else {
            code.extend(field(length));
        }
        // IPM 5; ST 5,number*4(9)
        code.extend([0xb2, 0x22, 0x00, 0x50]);
        code.extend(0x5050_9000u32.wrapping_add(number as u32 * 4).to_be_bytes());
        code
    }
}

fn run(engine: EngineKind, seed: u64) -> Snapshot {
    let dice = &mut Dice::new(seed);
    let mut lab = Lab::new(engine);
    let ram = lab.shared.ram();
    let wait = [0x0002_0001_8000_0000u64, 0xdead]
        .map(u64::to_be_bytes)
        .concat();
    for place in [0x1d0, 0x200] {
        ram.write(place, &wait).unwrap();
    }
    // Fields are often equal for long.
    let bytes: Vec<u8> = (0..FIELDS.end - FIELDS.start + 0x400)
        .map(|_| match dice.next() % 200 {
            0 => dice.next() as u8,
            _ => 0x5a,
        })
        .collect();
    ram.write(FIELDS.start, &bytes).unwrap();
    let mut code = Vec::new();
    for number in 0..COUNT {
        let field = Field::random(dice);
        let length = [(field.length - 1) as u8];
        ram.write(LENGTHS + number, &length).unwrap();
        code.extend(field.code(number));
    }
    // BRCT 7 to the start: the first pass finds the TLB empty.
    let back = -(code.len() as i64 / 2);
    code.extend([0xa7, 0x76]);
    code.extend((back as i16).to_be_bytes());
    // LPSWE 512
    code.extend([0xb2, 0xb2, 0x02, 0x00]);
    assert!(CODE + code.len() as u64 <= FIELDS.start);
    ram.write(CODE, &code).unwrap();
    let mut keys = lab.shared.keys.saved(0, usize::MAX);
    keys[(PROTECTED >> 12) as usize] = 0x20;
    for key in &mut keys[(CODES >> 12) as usize..(PROTECTED >> 12) as usize] {
        *key = 0x10;
    }
    assert!(lab.shared.keys.restore(0, &keys));
    lab.cpu.set_state(s390x::cpu::handle::CpuState::Operating);
    lab.cpu.gpr[7] = 3;
    lab.cpu.gpr[9] = CODES;
    // Key 1 in one half of the cases.
    let key = (seed & 1) << 52;
    lab.go_to(0x0000_0001_8000_0000 | key, CODE);
    lab.run(None)
}

/// Tries every second case, from `first` on.
fn cases(first: u64) {
    for n in 0..u64::from(scaled(40)) {
        let seed = 0xf1e1d << 16 | n << 1 | first;
        let expected = run(EngineKind::Reference, seed);
        for &engine in TESTED {
            let got = run(engine, seed);
            assert!(
                got == expected,
                "{engine:?} differs from the reference (seed {seed:#x}):\n{}",
                got.differences(&expected)
            );
        }
    }
}

#[test]
fn fields_with_key_0() {
    cases(0);
}

#[test]
fn fields_with_a_key() {
    cases(1);
}
