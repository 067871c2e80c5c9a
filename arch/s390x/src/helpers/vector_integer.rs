//! Helpers of vector integer instructions: registers in, a register out.
//!
//! Those of an instruction with several element sizes are an array, the least size first. Each
//! gets an [`Operands`] word; shifts get a count beside. Not here: what is computed
//! ([`crate::vector`]).

use tcg::Trap;
use tcg::helper::HelperDef;

use crate::cpu::S390Cpu;
use crate::translate::vector::{Operands, REGISTERS};
use crate::vector::{Vector, integer, multiply, shift};

fn unary(cpu: &mut S390Cpu, operands: u64, f: impl Fn(Vector) -> Vector) -> Result<u64, Trap> {
    let o = Operands(operands);
    cpu.vr[o.v1()] = f(cpu.vr[o.v2()]);
    Ok(0)
}

fn binary(
    cpu: &mut S390Cpu,
    operands: u64,
    f: impl Fn(Vector, Vector) -> Vector,
) -> Result<u64, Trap> {
    let o = Operands(operands);
    cpu.vr[o.v1()] = f(cpu.vr[o.v2()], cpu.vr[o.v3()]);
    Ok(0)
}

fn ternary(
    cpu: &mut S390Cpu,
    operands: u64,
    f: impl Fn(Vector, Vector, Vector) -> Vector,
) -> Result<u64, Trap> {
    let o = Operands(operands);
    cpu.vr[o.v1()] = f(cpu.vr[o.v2()], cpu.vr[o.v3()], cpu.vr[o.v4()]);
    Ok(0)
}

/// The third register by a count.
fn shifted(
    cpu: &mut S390Cpu,
    operands: u64,
    count: u64,
    f: impl Fn(Vector, u32) -> Vector,
) -> Result<u64, Trap> {
    let o = Operands(operands);
    cpu.vr[o.v1()] = f(cpu.vr[o.v3()], count as u32);
    Ok(0)
}

/// Arrays of helpers, one for each choice of elements.
macro_rules! sizes {
    ($(
        $(#[$doc:meta])*
        $name:ident = $kind:ident $module:ident::$f:ident $(<$($lane:ident),+>)+;
    )*) => {$(
        $(#[$doc])*
        pub static $name: [HelperDef; [$(($(stringify!($lane),)+)),+].len()] = [$(
            sizes!(
                @$kind
                concat!(stringify!($f) $(, "_", stringify!($lane))+),
                $module::$f::<$($lane),+>
            )
        ),+];
    )*};
    (@shifted $text:expr, $f:expr) => {
        HelperDef::new2($text, REGISTERS, |cpu: &mut S390Cpu, operands, count| {
            shifted(cpu, operands, count, $f)
        })
    };
    (@$kind:ident $text:expr, $f:expr) => {
        HelperDef::new1($text, REGISTERS, |cpu: &mut S390Cpu, operands| {
            $kind(cpu, operands, $f)
        })
    };
}

sizes! {
    /// VCLZ.
    VCLZ = unary integer::leading_zeros <u8> <u16> <u32> <u64>;
    /// VCTZ.
    VCTZ = unary integer::trailing_zeros <u8> <u16> <u32> <u64>;
    /// VSUM, of bytes and halfwords.
    VSUM = binary integer::sum_across <u8, u32> <u16, u32>;
    /// VSUMG, of halfwords and words.
    VSUMG = binary integer::sum_across <u16, u64> <u32, u64>;
    /// VSUMQ, of words and doublewords.
    VSUMQ = binary integer::sum_across <u32, u128> <u64, u128>;

    /// VML.
    VML = binary multiply::low <u8> <u16> <u32>;
    /// VMAL.
    VMAL = ternary multiply::add_low <u8> <u16> <u32>;
    /// VMH.
    VMH = binary multiply::high <i8> <i16> <i32>;
    /// VMLH.
    VMLH = binary multiply::high <u8> <u16> <u32>;
    /// VMAH.
    VMAH = ternary multiply::add_high <i8> <i16> <i32>;
    /// VMALH.
    VMALH = ternary multiply::add_high <u8> <u16> <u32>;
    /// VME.
    VME = binary multiply::even <i8> <i16> <i32>;
    /// VMLE.
    VMLE = binary multiply::even <u8> <u16> <u32>;
    /// VMO.
    VMO = binary multiply::odd <i8> <i16> <i32>;
    /// VMLO.
    VMLO = binary multiply::odd <u8> <u16> <u32>;
    /// VMAE.
    VMAE = ternary multiply::add_even <i8> <i16> <i32>;
    /// VMALE.
    VMALE = ternary multiply::add_even <u8> <u16> <u32>;
    /// VMAO.
    VMAO = ternary multiply::add_odd <i8> <i16> <i32>;
    /// VMALO.
    VMALO = ternary multiply::add_odd <u8> <u16> <u32>;
    /// VGFM.
    VGFM = binary multiply::galois <u8> <u16> <u32> <u64>;
    /// VGFMA.
    VGFMA = ternary multiply::galois_add <u8> <u16> <u32> <u64>;

    /// VESLV.
    VESLV = binary shift::left_each <u8> <u16> <u32> <u64>;
    /// VESRAV.
    VESRAV = binary shift::right_each <i8> <i16> <i32> <i64>;
    /// VESRLV.
    VESRLV = binary shift::right_each <u8> <u16> <u32> <u64>;
    /// VERLLV.
    VERLLV = binary shift::rotate_each <u8> <u16> <u32> <u64>;
    /// VESL.
    VESL = shifted shift::left_all <u8> <u16> <u32> <u64>;
    /// VESRA.
    VESRA = shifted shift::right_all <i8> <i16> <i32> <i64>;
    /// VESRL.
    VESRL = shifted shift::right_all <u8> <u16> <u32> <u64>;
    /// VERLL.
    VERLL = shifted shift::rotate_all <u8> <u16> <u32> <u64>;
}

/// Helpers of instructions that know one size only.
macro_rules! wholes {
    ($($(#[$doc:meta])* $name:ident = $module:ident::$f:ident;)*) => {$(
        $(#[$doc])*
        pub static $name: HelperDef =
            HelperDef::new1(stringify!($f), REGISTERS, |cpu: &mut S390Cpu, operands| {
                binary(cpu, operands, $module::$f)
            });
    )*};
}

wholes! {
    /// VCKSM.
    VCKSM = integer::checksum;
    /// VBPERM.
    VBPERM = integer::bit_permute;
    /// VSL.
    VSL = shift::left_bits;
    /// VSRL.
    VSRL = shift::right_bits;
    /// VSRA.
    VSRA = shift::right_bits_signed;
    /// VSLB.
    VSLB = shift::left_bytes;
    /// VSRLB.
    VSRLB = shift::right_bytes;
    /// VSRAB.
    VSRAB = shift::right_bytes_signed;
}

/// VMSL: bits 0 and 1 of M6 double the products.
pub static VMSL: HelperDef =
    HelperDef::new1("sum_long", REGISTERS, |cpu: &mut S390Cpu, operands| {
        let m6 = Operands(operands).m6();
        ternary(cpu, operands, |a, b, c| {
            multiply::sum_long(a, b, c, m6 & 8 != 0, m6 & 4 != 0)
        })
    });
