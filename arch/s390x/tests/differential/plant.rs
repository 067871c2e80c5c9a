//! What instructions with narrow demands need: valid decimal operands, PSWs to load, function
//! codes in registers. Put into the state of a case where its program begins with such.

use s390x::cpu::psw;
use s390x::insn::{Insn, decode};
use s390x::vector::ElementSize;

use crate::dice::Dice;
use crate::program::Program;
use crate::state::{CODE, CODE_END, DATA, DATA_END, RAM, State, TABLES, address};

/// Puts into `state` what the program's instructions ask for, mostly.
pub(crate) fn plant(seed: u64, program: &Program, state: &mut State) {
    let dice = &mut Dice::new(seed ^ 0x914a);
    for (_, bytes) in &program.places {
        let mut image = [0; 8];
        image[2..2 + bytes.len().min(6)].copy_from_slice(&bytes[..bytes.len().min(6)]);
        if let Some(insn) = decode(u64::from_be_bytes(image))
            && dice.chance(3, 4)
        {
            demand(&insn, state, dice);
        }
    }
}

/// Where an operand is, if that is in the data: translation leaves most addresses what they are.
fn place(state: &State, base: u8, index: u8, displacement: i32) -> Option<usize> {
    let part = |n: u8| if n == 0 { 0 } else { state.gpr[usize::from(n)] };
    let sum = part(base)
        .wrapping_add(part(index))
        .wrapping_add(displacement as u64);
    let address = match state.mask & psw::ADDRESSING {
        psw::ADDRESSING => sum,
        psw::BASIC_ADDRESSING => sum & 0x7fff_ffff,
        _ => sum & 0xff_ffff,
    };
    (DATA..DATA_END - 0x100)
        .contains(&address)
        .then_some(address as usize)
}

fn packed(state: &mut State, at: Option<usize>, length: usize, dice: &mut Dice) {
    let Some(at) = at else { return };
    // Often short numbers, so that sums fit.
    let zeros = dice.below(length as u64 + 1) as usize;
    for (n, byte) in state.memory[at..at + length].iter_mut().enumerate() {
        let digits = dice.below(10) << 4 | dice.below(10);
        *byte = if n < zeros { 0 } else { digits as u8 };
    }
    let last = &mut state.memory[at + length - 1];
    *last = *last & 0xf0 | (0xa + dice.below(6)) as u8;
}

fn put(state: &mut State, at: Option<usize>, value: u64) {
    if let Some(at) = at {
        state.memory[at..at + 8].copy_from_slice(&value.to_be_bytes());
    }
}

fn demand(i: &Insn, state: &mut State, dice: &mut Dice) {
    let first = place(state, i.b1, 0, i.d1);
    let second = place(state, i.b2, i.x2, i.d2);
    let (l1, l2) = (usize::from(i.l1) + 1, usize::from(i.l2) + 1);
    let set = |state: &mut State, n: u8, value: u64| state.gpr[usize::from(n)] = value;
    match i.row.name {
        "AP" | "SP" | "CP" | "MP" | "DP" | "ZAP" => {
            packed(state, first, l1.min(16), dice);
            packed(state, second, l2.min(16), dice);
            if i.row.name == "MP"
                && let Some(at) = first
            {
                // Room for the product.
                let zeros = l2.min(l1 - 1);
                state.memory[at..at + zeros].fill(0);
            }
        }
        "SRP" | "TP" => packed(state, first, l1.min(16), dice),
        "UNPK" | "UNPKA" | "UNPKU" => packed(state, second, l2.min(16), dice),
        "CVB" | "CVBY" => packed(state, second, 8, dice),
        "CVBG" => packed(state, second, 16, dice),
        "ED" | "EDMK" => {
            if let Some(at) = first {
                for byte in &mut state.memory[at..at + l1.min(0x80)] {
                    *byte = dice.pick(&[0x20, 0x20, 0x20, 0x21, 0x22, 0x40, 0x6b]);
                }
            }
            packed(state, second, 16, dice);
        }
        "LPSW" => {
            let mask = state.mask >> 32 & 0x07f4_ff00 | 0x0008_0000;
            let modes = dice.pick(&[0x8000_0000, 0x1_8000_0000, 0]);
            let address = CODE + (dice.below(CODE_END - CODE) & !1);
            put(
                state,
                second,
                (mask << 32 | modes) & !0x0002_0000_0000_0000 | address,
            );
        }
        "LPSWE" => {
            let mask = state.mask & !psw::WAIT ^ dice.next() & psw::CC;
            put(state, second, mask);
            let address = CODE + (dice.below(CODE_END - CODE) & !1);
            put(state, second.map(|at| at + 8), address);
        }
        "SIGP" => {
            set(state, i.r3, 0);
            set(state, i.b2, dice.below(0x16));
        }
        "STSI" => {
            let level = dice.below(4);
            set(state, 0, level << 28 | dice.below(4));
            set(state, 1, dice.below(4));
        }
        "SERVC" => {
            let command = dice.pick(&[
                0x0002_0001,
                0x0001_0001,
                0x0076_0005,
                0x0077_0005,
                0x0078_0005,
            ]);
            set(state, i.r1, command);
            let sccb = DATA + 0x1000 * dice.below(8);
            set(state, i.r2, sccb);
            state.memory[sccb as usize..][..2].copy_from_slice(&0x1000u16.to_be_bytes());
        }
        "DIAG" => {
            let code = dice.pick(&[0x44, 0x9c, 0x10, 0x258, 0x288, 0x308, 0x318, 0x500]);
            set(state, i.b2, code);
            set(state, i.r3, dice.below(8));
        }
        "PLO" => {
            let test = if dice.chance(1, 4) { 0x100 } else { 0 };
            set(state, 0, dice.below(24) | test);
            set(state, 1, address(dice) & !7);
        }
        "VGEF" | "VGEG" | "VSCEF" | "VSCEG" => {
            let size = if i.row.name.ends_with('F') {
                ElementSize::Word
            } else {
                ElementSize::Doubleword
            };
            let index = dice.below(0x200);
            state.vr[usize::from(i.v2)].set(size, i.m3.into(), index.into());
        }
        "VLL" | "VSTL" => set(state, i.r3, dice.below(20)),
        "STFLE" => set(state, 0, dice.below(6)),
        "IPTE" | "IDTE" => {
            let pages = TABLES + 0x1000 + 0x2000 * dice.below(3);
            set(state, i.r1, pages);
            set(state, i.r2, DATA + 0x1000 * dice.below(10));
        }
        "SPX" => put(state, second, dice.below(RAM >> 13) << 45),
        "MVCOS" | "MVCP" | "MVCS" | "MVCK" | "MVCSK" | "MVCDK" => {
            if i.r1 < 8 {
                set(state, i.r1, dice.below(300));
            }
            if i.r3 < 8 {
                set(state, i.r3, dice.below(16) << 4);
            }
        }
        "TRTE" | "TRTRE" | "TRTT" | "TRTO" | "TROT" | "TROO" => {
            set(state, 1, DATA + 0x1000 * dice.below(8));
            set(state, i.r1, DATA + (dice.below(0x8000) & !1));
            set(state, i.r1 | 1, dice.below(80) & !1);
        }
        "CSCH" | "HSCH" | "MSCH" | "SSCH" | "STSCH" | "TSCH" | "RSCH" | "XSCH" => {
            set(state, 1, 0x1_0000 | dice.below(4));
        }
        "RCHP" => set(state, 1, dice.below(256)),
        "SCK" | "SCKC" | "SPT" => put(state, second, dice.next() >> (dice.below(4) * 16)),
        _ => {}
    }
}
