//! Multiplication and division.

use super::{CODE, Lab, pairs, usual};

const LOW: u64 = 0xffff_ffff;

fn signed32(v: u64) -> i128 {
    i128::from(v as u32 as i32)
}

fn signed64(v: u64) -> i128 {
    i128::from(v as i64)
}

#[test]
fn single_products() {
    let mut lab = Lab::new();
    for (x, y) in pairs() {
        let half = i128::from(y as u16 as i16);
        // Name, product, whether 64 bits of it count, whether Y is a halfword in storage.
        for (name, product, wide, size) in [
            ("MSR", signed32(x) * signed32(y), false, 0),
            ("MS", signed32(x) * signed32(y), false, 4),
            ("MSY", signed32(x) * signed32(y), false, 4),
            ("MH", signed32(x) * half, false, 2),
            ("MHY", signed32(x) * half, false, 2),
            ("MHI", signed32(x) * half, false, 0),
            ("MGHI", signed64(x) * half, true, 0),
            ("MSFI", signed32(x) * signed32(y), false, 0),
            ("MSGFI", signed64(x) * signed32(y), true, 0),
            ("MSGR", signed64(x).wrapping_mul(signed64(y)), true, 0),
            ("MSG", signed64(x).wrapping_mul(signed64(y)), true, 8),
            ("MSGFR", signed64(x) * signed32(y), true, 0),
            ("MSGF", signed64(x) * signed32(y), true, 4),
        ] {
            let mut insn = usual(name);
            insn.i2 = y as i64;
            lab.cpu.gpr[1..3].copy_from_slice(&[x, y]);
            if size != 0 {
                lab.set_data(y << (64 - 8 * size));
            }
            let after = lab.run_cc(&insn, 3);
            let expected = if wide {
                product as u64
            } else {
                x & !LOW | product as u64 & LOW
            };
            assert_eq!(lab.cpu.gpr[1], expected, "{name} {x:x} {y:x}");
            assert_eq!((after.cc, after.program), (3, 0), "{name}");
        }
    }
}

#[test]
fn double_products() {
    let mut lab = Lab::new();
    for (x, y) in pairs() {
        let signed = (signed32(x) * signed32(y)) as u64;
        let unsigned = (x & LOW) * (y & LOW);
        let long = u128::from(x) * u128::from(y);
        for (name, product, storage) in [
            ("MR", signed, false),
            ("M", signed, true),
            ("MFY", signed, true),
            ("MLR", unsigned, false),
            ("ML", unsigned, true),
        ] {
            let mut insn = usual(name);
            insn.r1 = 8;
            lab.cpu.gpr[8..10].copy_from_slice(&[!x, x]);
            lab.cpu.gpr[2] = if storage { 0 } else { y };
            lab.set_data(y << 32);
            let after = lab.run_cc(&insn, 2);
            let expected = [!x & !LOW | product >> 32, x & !LOW | product & LOW];
            assert_eq!(lab.cpu.gpr[8..10], expected, "{name} {x:x} {y:x}");
            assert_eq!(after.cc, 2, "{name}");
        }
        for name in ["MLGR", "MLG"] {
            let mut insn = usual(name);
            insn.r1 = 8;
            lab.cpu.gpr[8..10].copy_from_slice(&[!x, x]);
            lab.cpu.gpr[2] = y;
            lab.set_data(y);
            lab.run(&insn);
            let expected = [(long >> 64) as u64, long as u64];
            assert_eq!(lab.cpu.gpr[8..10], expected, "{name} {x:x} {y:x}");
        }
    }
}

/// Remainder and quotient, or `None` for a fixed-point-divide exception; the quotient must lie
/// in the range.
fn divide(a: i128, b: i128, least: i128, most: i128) -> Option<(u64, u64)> {
    let quotient = a.checked_div(b)?;
    let fits = (least..=most).contains(&quotient);
    fits.then_some(((a % b) as u64, quotient as u64))
}

#[test]
fn quotients() {
    let mut lab = Lab::new();
    let numbers: Vec<(u64, u64)> = pairs().collect();
    for (n, &(x, y)) in numbers.iter().enumerate() {
        // A high half that lets many quotients fit, and one that lets few.
        for high in [0, u64::MAX, y >> 1, numbers[(n * 7 + 3) % numbers.len()].0] {
            let pair = (high & LOW) << 32 | x & LOW;
            let (min32, max32) = (i32::MIN.into(), i32::MAX.into());
            let (min64, max64) = (i64::MIN.into(), i64::MAX.into());
            let s32 = divide(signed64(pair), signed32(y), min32, max32);
            let u32 = divide(pair.into(), (y & LOW).into(), 0, u32::MAX.into());
            let s64 = divide(signed64(x), signed64(y), min64, max64);
            let s64f = divide(signed64(x), signed32(y), min64, max64);
            let dividend = u128::from(high) << 64 | u128::from(x);
            let u64 = dividend
                .checked_div(y.into())
                .and_then(|q| Some(((dividend % u128::from(y)) as u64, u64::try_from(q).ok()?)));
            for (name, result, wide, data) in [
                ("DR", s32, false, 0),
                ("D", s32, false, y << 32),
                ("DLR", u32, false, 0),
                ("DL", u32, false, y << 32),
                ("DSGR", s64, true, 0),
                ("DSG", s64, true, y),
                ("DSGFR", s64f, true, 0),
                ("DSGF", s64f, true, y << 32),
                ("DLGR", u64, true, 0),
                ("DLG", u64, true, y),
            ] {
                let mut insn = usual(name);
                insn.r1 = 8;
                let old = [high, x];
                lab.cpu.gpr[8..10].copy_from_slice(&old);
                lab.cpu.gpr[2] = y;
                lab.set_data(data);
                let after = lab.run_cc(&insn, 1);
                let expected = match result {
                    None => old,
                    Some((rest, quotient)) if wide => [rest, quotient],
                    Some((rest, quotient)) => [high & !LOW | rest & LOW, x & !LOW | quotient & LOW],
                };
                let context = format!("{name} {high:x} {x:x} {y:x} {after:?}");
                assert_eq!(lab.cpu.gpr[8..10], expected, "{context}");
                let program = if result.is_some() { 0 } else { 9 };
                assert_eq!((after.program, after.cc), (program, 1), "{context}");
            }
        }
    }
}

#[test]
fn pairs_begin_at_even_registers() {
    let mut lab = Lab::new();
    for name in [
        "MR", "M", "MFY", "MLR", "ML", "MLGR", "MLG", "DR", "D", "DLR", "DL", "DSGR", "DSG",
        "DSGFR", "DSGF", "DLGR", "DLG",
    ] {
        let insn = usual(name);
        let after = lab.run(&insn);
        assert_eq!(after.program, 6, "{name}");
        assert_eq!(after.next, CODE + u64::from(insn.len), "{name}");
    }
}
