//! Floating-point support: moves between floating-point registers, general registers and
//! storage, signs, and the FPC register. The same for all radixes (Principles of Operation,
//! chapter 9).

use tcg::HelperDef;
use tcg::ir::{BinOp, Ty};

use super::bfp::{Sign, helper};
use super::operand::{B4, B8};
use super::{Flow, Tx, require};
use crate::bfp::Dxc;
use crate::cpu::{ProgramCheck, key};
use crate::insn::Insn;

impl Tx<'_> {
    /// Demands that CR0's AFP-register control is one if any of the registers is one of the
    /// additional ones (not 0, 2, 4 or 6): else a data exception.
    ///
    /// # Errors
    /// The flow to return.
    pub fn fp_registers(&mut self, registers: &[u8]) -> Result<(), Flow> {
        let additional = registers.iter().any(|r| r & !6 != 0);
        let allowed = !additional || self.flags.0 & key::AFP != 0;
        self.demand(allowed, ProgramCheck::data(Dxc::AFP_REGISTER.0))
    }
}

/// LER.
pub fn ler(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.fp_registers(&[i.r1, i.r2]));
    let v = tx.f32(i.r2);
    tx.set_f32(i.r1, v);
    Flow::Next
}

/// LDR.
pub fn ldr(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.fp_registers(&[i.r1, i.r2]));
    let v = tx.f64(i.r2);
    tx.set_f64(i.r1, v);
    Flow::Next
}

/// LXR.
pub fn lxr(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.fp_registers(&[i.r1, i.r2]));
    require!(tx.fp_pair(i.r1));
    require!(tx.fp_pair(i.r2));
    let (high, low) = (tx.f64(i.r2), tx.f64(i.r2 + 2));
    tx.set_f64(i.r1, high);
    tx.set_f64(i.r1 + 2, low);
    Flow::Next
}

/// LZER.
pub fn lzer(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.fp_registers(&[i.r1]));
    let zero = tx.c32(0);
    tx.set_f32(i.r1, zero);
    Flow::Next
}

/// LZDR.
pub fn lzdr(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.fp_registers(&[i.r1]));
    let zero = tx.c64(0);
    tx.set_f64(i.r1, zero);
    Flow::Next
}

/// LZXR.
pub fn lzxr(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.fp_registers(&[i.r1]));
    require!(tx.fp_pair(i.r1));
    let zero = tx.c64(0);
    tx.set_f64(i.r1, zero);
    tx.set_f64(i.r1 + 2, zero);
    Flow::Next
}

/// LGDR.
pub fn lgdr(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.fp_registers(&[i.r2]));
    let v = tx.f64(i.r2);
    tx.set_r64(i.r1, v);
    Flow::Next
}

/// LDGR.
pub fn ldgr(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.fp_registers(&[i.r1]));
    let v = tx.r64(i.r2);
    tx.set_f64(i.r1, v);
    Flow::Next
}

/// LPDFR, LNDFR, LCDFR: no condition code.
pub fn sign(tx: &mut Tx<'_>, i: &Insn, sign: Sign) -> Flow {
    require!(tx.fp_registers(&[i.r1, i.r2]));
    let v = tx.f64(i.r2);
    let v = sign.apply(tx, v);
    tx.set_f64(i.r1, v);
    Flow::Next
}

/// CPSDR: R2 with the sign of R3.
pub fn cpsdr(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.fp_registers(&[i.r1, i.r2, i.r3]));
    let (magnitude, sign) = (tx.f64(i.r2), tx.f64(i.r3));
    let sign = tx.b.bin_imm(BinOp::Shr, sign, 63);
    let v = tx.b.deposit(magnitude, sign, 63, 1);
    tx.set_f64(i.r1, v);
    Flow::Next
}

/// LE, LEY.
pub fn le(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.fp_registers(&[i.r1]));
    let address = tx.ea2(i);
    let v = tx.load(Ty::I32, B4, i.b2, address);
    tx.set_f32(i.r1, v);
    Flow::Next
}

/// LD, LDY.
pub fn ld(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.fp_registers(&[i.r1]));
    let address = tx.ea2(i);
    let v = tx.load(Ty::I64, B8, i.b2, address);
    tx.set_f64(i.r1, v);
    Flow::Next
}

/// STE, STEY.
pub fn ste(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.fp_registers(&[i.r1]));
    let (address, v) = (tx.ea2(i), tx.f32(i.r1));
    tx.store(B4, i.b2, address, v);
    Flow::Next
}

/// STD, STDY.
pub fn std(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.fp_registers(&[i.r1]));
    let (address, v) = (tx.ea2(i), tx.f64(i.r1));
    tx.store(B8, i.b2, address, v);
    Flow::Next
}

/// EFPC.
pub fn efpc(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.bfp());
    let v = tx.call(&helper::GET_FPC, &[]);
    let v = tx.b.trunc(v);
    tx.set_r32(i.r1, v);
    Flow::Next
}

/// STFPC.
pub fn stfpc(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.bfp());
    let (address, v) = (tx.ea2(i), tx.call(&helper::GET_FPC, &[]));
    tx.store(B4, i.b2, address, v);
    Flow::Next
}

/// SFPC, SFASR: the helper gets the register.
pub fn set_fpc(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    require!(tx.bfp());
    let v = tx.r32(i.r1);
    tx.call(def, &[v]);
    Flow::Next
}

/// LFPC, LFAS: the helper gets the word in storage.
pub fn load_fpc(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    require!(tx.bfp());
    let address = tx.ea2(i);
    let v = tx.load(Ty::I32, B4, i.b2, address);
    tx.call(def, &[v]);
    Flow::Next
}

/// SRNM (the last two bits of the address), SRNMB (the last eight, of which only assigned modes
/// are valid).
pub fn set_rounding_mode(tx: &mut Tx<'_>, i: &Insn, bits: u64) -> Flow {
    require!(tx.bfp());
    let address = tx.ea2(i);
    let mode = tx.b.bin_imm(BinOp::And, address, bits);
    tx.call(&helper::SET_ROUNDING_MODE, &[mode]);
    Flow::Next
}
