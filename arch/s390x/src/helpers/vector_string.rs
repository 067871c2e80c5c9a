//! Helpers of vector string instructions: registers in, a register out; the value is the
//! condition code.
//!
//! They are arrays for bytes, halfwords and words. Not here: what is searched for
//! ([`crate::vector::string`]).

use tcg::Trap;
use tcg::helper::HelperDef;

use crate::cpu::S390Cpu;
use crate::translate::vector::{Operands, REGISTERS};
use crate::vector::Vector;
use crate::vector::string::{self, Found, Search};

/// What a search has found in the registers `V2`, `V3` and `V4`.
fn search(
    cpu: &mut S390Cpu,
    o: Operands,
    f: impl Fn(Vector, Vector, Vector) -> Found,
) -> Result<u64, Trap> {
    let found = f(cpu.vr[o.v2()], cpu.vr[o.v3()], cpu.vr[o.v4()]);
    cpu.vr[o.v1()] = found.result;
    Ok(found.cc.into())
}

macro_rules! sizes {
    ($($(#[$doc:meta])* $name:ident = $f:ident $kind:ident;)*) => {$(
        $(#[$doc])*
        pub static $name: [HelperDef; 3] = [
            sizes!(@$kind $f u8),
            sizes!(@$kind $f u16),
            sizes!(@$kind $f u32),
        ];
    )*};
    (@one $f:ident $lane:ident) => {
        sizes!(@def $f $lane, |_, a, _, _| string::$f::<$lane>(a))
    };
    (@two $f:ident $lane:ident) => {
        sizes!(@def $f $lane, |o: Operands, a, b, _| string::$f::<$lane>(a, b, Search(o.m5())))
    };
    (@three $f:ident $lane:ident) => {
        sizes!(@def $f $lane, |o: Operands, a, b, c| string::$f::<$lane>(a, b, c, Search(o.m6())))
    };
    (@def $f:ident $lane:ident, $call:expr) => {
        HelperDef::new1(
            concat!(stringify!($f), "_", stringify!($lane)),
            REGISTERS,
            |cpu: &mut S390Cpu, operands| {
                let o = Operands(operands);
                let call: fn(Operands, Vector, Vector, Vector) -> Found = $call;
                search(cpu, o, |a, b, c| call(o, a, b, c))
            },
        )
    };
}

sizes! {
    /// VFAE.
    VFAE = find_any_equal two;
    /// VFEE.
    VFEE = find_equal two;
    /// VFENE.
    VFENE = find_not_equal two;
    /// VISTR.
    VISTR = isolate one;
    /// VSTRC.
    VSTRC = find_in_ranges three;
    /// VSTRS.
    VSTRS = find_string three;
}
