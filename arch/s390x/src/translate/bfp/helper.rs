//! Helpers of the binary floating-point instructions.
//!
//! They stand around the functions of [`crate::bfp`], keep the FPC register, and turn what those
//! functions say into data exceptions. Those of short and long operations take the operands'
//! bits and give the result's, so that native code can do the same inline; the last argument,
//! R1's number, is for a result whose exception is signalled after it is written. The others get
//! R1's number first and write registers and condition code themselves; an extended operand is
//! two arguments.

use tcg::ir::Ty;
use tcg::{Effects, Float, FloatControl, FloatOp, HelperDef, Intrinsic, Trap};

use crate::bfp::{
    self, Control, Dxc, Extended, Fixed, Format, Fpc, Long, Outcome, ReservedFpcBits, Rounded,
    Short, Suppressed,
};
use crate::cpu::{ProgramCheck, ProgramCode, S390Cpu, sets};

/// M3 and M4 as one argument.
pub fn modifiers(m3: u8, m4: u8) -> u64 {
    u64::from(m3) | u64::from(m4) << 8
}

fn control(cpu: &S390Cpu, modifiers: u64) -> Result<Control, Trap> {
    // The translator has let only assigned methods pass.
    Control::with_modifiers(fpc(cpu), modifiers as u8, (modifiers >> 8) as u8)
        .map_err(|_| ProgramCode::Specification.into())
}

fn fpc(cpu: &S390Cpu) -> Fpc {
    Fpc::from_register(cpu.fpc)
}

fn data_exception(dxc: Dxc) -> Trap {
    ProgramCheck::data(dxc.0).into()
}

/// A format as it lies in floating-point registers.
trait InRegisters: Format {
    fn read(cpu: &S390Cpu, register: u64) -> Self;
    fn write(self, cpu: &mut S390Cpu, register: u64);
}

fn index(register: u64) -> usize {
    register as usize & 15
}

impl InRegisters for Short {
    fn read(cpu: &S390Cpu, register: u64) -> Self {
        Self((cpu.vr[index(register)].left >> 32) as u32)
    }
    fn write(self, cpu: &mut S390Cpu, register: u64) {
        let place = &mut cpu.vr[index(register)].left;
        *place = *place & 0xffff_ffff | u64::from(self.0) << 32;
    }
}

impl InRegisters for Long {
    fn read(cpu: &S390Cpu, register: u64) -> Self {
        Self(cpu.vr[index(register)].left)
    }
    fn write(self, cpu: &mut S390Cpu, register: u64) {
        cpu.vr[index(register)].left = self.0;
    }
}

impl InRegisters for Extended {
    fn read(cpu: &S390Cpu, register: u64) -> Self {
        extended(
            cpu.vr[index(register)].left,
            cpu.vr[index(register + 2)].left,
        )
    }
    fn write(self, cpu: &mut S390Cpu, register: u64) {
        cpu.vr[index(register)].left = (self.0 >> 64) as u64;
        cpu.vr[index(register + 2)].left = self.0 as u64;
    }
}

fn extended(high: u64, low: u64) -> Extended {
    Extended(u128::from(high) << 64 | u128::from(low))
}

/// Ends an instruction: writes what it leaves behind, raises flags, and traps if it must.
fn finish<T>(
    cpu: &mut S390Cpu,
    outcome: Outcome<T>,
    write: impl FnOnce(&mut S390Cpu, T),
) -> Result<u64, Trap> {
    let done = outcome.map_err(|Suppressed(dxc)| data_exception(dxc))?;
    write(cpu, done.value);
    cpu.fpc = fpc(cpu).with_flags(done.flags).bits();
    match done.trap {
        None => Ok(0),
        Some(dxc) => Err(data_exception(dxc)),
    }
}

/// Ends an operation whose result the caller writes: its bits. A completed result whose exception
/// is signalled is written here, before the trap.
fn leave<T: Copy>(
    cpu: &mut S390Cpu,
    outcome: Outcome<T>,
    bits: impl FnOnce(T) -> u64,
    write: impl FnOnce(&mut S390Cpu, T),
) -> Result<u64, Trap> {
    let done = outcome.map_err(|Suppressed(dxc)| data_exception(dxc))?;
    cpu.fpc = fpc(cpu).with_flags(done.flags).bits();
    match done.trap {
        None => Ok(bits(done.value)),
        Some(dxc) => {
            write(cpu, done.value);
            Err(data_exception(dxc))
        }
    }
}

/// A short or long result.
fn value<F: InRegisters>(cpu: &mut S390Cpu, r1: u64, outcome: Outcome<F>) -> Result<u64, Trap> {
    let write = |cpu: &mut S390Cpu, value: F| value.write(cpu, r1);
    leave(cpu, outcome, |value| value.raw() as u64, write)
}

/// A short or long result that the caller takes the condition code from.
fn value_cc<F: InRegisters>(cpu: &mut S390Cpu, r1: u64, outcome: Outcome<F>) -> Result<u64, Trap> {
    let write = |cpu: &mut S390Cpu, value: F| {
        value.write(cpu, r1);
        cpu.set_cc(bfp::result_cc(value));
    };
    leave(cpu, outcome, |value| value.raw() as u64, write)
}

/// A comparison's condition code.
fn code(cpu: &mut S390Cpu, _r1: u64, outcome: Outcome<u8>) -> Result<u64, Trap> {
    leave(cpu, outcome, u64::from, S390Cpu::set_cc)
}

/// Extended result to R1, no condition code.
fn result<F: InRegisters>(cpu: &mut S390Cpu, r1: u64, outcome: Outcome<F>) -> Result<u64, Trap> {
    finish(cpu, outcome, |cpu, value| value.write(cpu, r1))
}

/// Extended result to R1, and the condition code that it stands for.
fn result_cc<F: InRegisters>(cpu: &mut S390Cpu, r1: u64, outcome: Outcome<F>) -> Result<u64, Trap> {
    finish(cpu, outcome, |cpu, value| {
        value.write(cpu, r1);
        cpu.set_cc(bfp::result_cc(value));
    })
}

/// What governs the operations, for native code.
const CONTROL: FloatControl = FloatControl {
    offset: std::mem::offset_of!(S390Cpu, fpc),
    // The masks, and the rounding mode.
    special: 0xf800_0007,
    toward_zero: 1,
    up: 2,
    down: 3,
    inexact: 0x0008_0000,
};

/// Gives a result, or writes it and the condition code before a trap.
const RESULT: Effects = Effects::TRAPS.writing_at_trap(sets::FPRS.and(sets::CC));
/// The same with a general register.
const INTEGER: Effects = Effects::TRAPS.writing_at_trap(sets::GPRS.and(sets::CC));
/// Writes registers and the condition code itself.
const WRITES: Effects = {
    let all = sets::FPRS.and(sets::GPRS).and(sets::CC);
    Effects::GLOBALS.within(all, all)
};

/// What native code may have inline: an operation and its operands' type.
pub const fn intrinsic(op: FloatOp, ty: Ty) -> Intrinsic {
    Intrinsic::Float(Float {
        op,
        ty,
        control: CONTROL,
    })
}

/// Helpers with the effects `$effects`; native code may have one that is followed by `=>`
/// operation and operands' type inline.
macro_rules! helpers {
    ($effects:expr; $(
        $(#[$doc:meta])*
        $name:ident $new:ident |$cpu:ident $(, $arg:ident)*| $body:expr
        $(=> $op:expr, $ty:ident)?;
    )*) => {$(
        $(#[$doc])*
        pub static $name: HelperDef = HelperDef::$new(
            stringify!($name),
            $effects,
            |$cpu: &mut S390Cpu $(, $arg: u64)*| $body,
        )$(.with_intrinsic(intrinsic($op, Ty::$ty)))?;
    )*};
}

/// Helpers for one operation in the three formats: values `(a, b, r1)` in short and long,
/// `(r1, high, low)` in extended, with one of two ends. `|FPC, first operand, second operand|`
/// gives the outcome.
macro_rules! in_formats {
    ($(
        $doc:literal $op:ident $short:ident $long:ident $end:ident, $extended:ident $extended_end:ident
        |$fpc:ident, $a:ident, $b:ident| $body:expr;
    )*) => {$(
        helpers! {
            RESULT;
            #[doc = concat!($doc, ", short: `(a, b, r1)`.")]
            $short new3 |cpu, a, b, r1| {
                let ($fpc, $a, $b) = (fpc(cpu), Short(a as u32), Short(b as u32));
                $end(cpu, r1, $body)
            } => FloatOp::$op, I32;
            #[doc = concat!($doc, ", long: `(a, b, r1)`.")]
            $long new3 |cpu, a, b, r1| {
                let ($fpc, $a, $b) = (fpc(cpu), Long(a), Long(b));
                $end(cpu, r1, $body)
            } => FloatOp::$op, I64;
        }
        helpers! {
            WRITES;
            #[doc = concat!($doc, ", extended.")]
            $extended new3 |cpu, r1, high, low| {
                let ($fpc, $a, $b) = (fpc(cpu), Extended::read(cpu, r1), extended(high, low));
                $extended_end(cpu, r1, $body)
            };
        }
    )*};
}

/// The same for operations of one operand: `(b, r1)` in short and long.
macro_rules! in_formats_1 {
    ($(
        $doc:literal $op:ident $short:ident $long:ident $end:ident, $extended:ident $extended_end:ident
        |$fpc:ident, $b:ident| $body:expr;
    )*) => {$(
        helpers! {
            RESULT;
            #[doc = concat!($doc, ", short: `(b, r1)`.")]
            $short new2 |cpu, b, r1| {
                let ($fpc, $b) = (fpc(cpu), Short(b as u32));
                $end(cpu, r1, $body)
            } => FloatOp::$op, I32;
            #[doc = concat!($doc, ", long: `(b, r1)`.")]
            $long new2 |cpu, b, r1| {
                let ($fpc, $b) = (fpc(cpu), Long(b));
                $end(cpu, r1, $body)
            } => FloatOp::$op, I64;
        }
        helpers! {
            WRITES;
            #[doc = concat!($doc, ", extended.")]
            $extended new3 |cpu, r1, high, low| {
                let ($fpc, $b) = (fpc(cpu), extended(high, low));
                $extended_end(cpu, r1, $body)
            };
        }
    )*};
}

/// An extended comparison.
fn comparison(cpu: &mut S390Cpu, _r1: u64, outcome: Outcome<u8>) -> Result<u64, Trap> {
    finish(cpu, outcome, S390Cpu::set_cc)
}

in_formats! {
    "ADD" Add AEB ADB value_cc, AXB result_cc |fpc, a, b| bfp::add(fpc, a, b);
    "SUBTRACT" Sub SEB SDB value_cc, SXB result_cc |fpc, a, b| bfp::subtract(fpc, a, b);
    "MULTIPLY" Mul MEEB MDB value, MXB result |fpc, a, b| bfp::multiply(fpc, a, b);
    "DIVIDE" Div DEB DDB value, DXB result |fpc, a, b| bfp::divide(fpc, a, b);
    "COMPARE" Compare CEB CDB code, CXB comparison |fpc, a, b| bfp::compare(fpc, a, b);
    "COMPARE AND SIGNAL" Compare KEB KDB code, KXB comparison
        |fpc, a, b| bfp::compare_and_signal(fpc, a, b);
}

in_formats_1! {
    "LOAD AND TEST" Test LTEB LTDB value_cc, LTXB result_cc |fpc, b| bfp::load_and_test(fpc, b);
    "SQUARE ROOT" Sqrt SQEB SQDB value, SQXB result |fpc, b| bfp::square_root(fpc, b);
}

helpers! {
    RESULT;
    /// MULTIPLY short to long: `(a, b, r1)`.
    MDEB new3 |cpu, a, b, r1| {
        let (a, b) = (Short(a as u32), Short(b as u32));
        let outcome = bfp::multiply_longer::<Short, Long>(fpc(cpu), a, b);
        value(cpu, r1, outcome)
    } => FloatOp::MulLong, I32;
    /// MULTIPLY AND ADD, short: `(third, second, first, r1)`.
    MAEB new4 |cpu, third, second, first, r1| {
        let [first, third, second] = [first, third, second].map(|x| Short(x as u32));
        value(cpu, r1, bfp::multiply_add(fpc(cpu), first, third, second))
    } => FloatOp::MulAdd, I32;
    /// MULTIPLY AND ADD, long: `(third, second, first, r1)`.
    MADB new4 |cpu, third, second, first, r1| {
        let [first, third, second] = [first, third, second].map(Long);
        value(cpu, r1, bfp::multiply_add(fpc(cpu), first, third, second))
    } => FloatOp::MulAdd, I64;
    /// MULTIPLY AND SUBTRACT, short: `(third, second, first, r1)`.
    MSEB new4 |cpu, third, second, first, r1| {
        let [first, third, second] = [first, third, second].map(|x| Short(x as u32));
        value(cpu, r1, bfp::multiply_subtract(fpc(cpu), first, third, second))
    } => FloatOp::MulSub, I32;
    /// MULTIPLY AND SUBTRACT, long: `(third, second, first, r1)`.
    MSDB new4 |cpu, third, second, first, r1| {
        let [first, third, second] = [first, third, second].map(Long);
        value(cpu, r1, bfp::multiply_subtract(fpc(cpu), first, third, second))
    } => FloatOp::MulSub, I64;
    /// LOAD LENGTHENED short to long: `(b, r1)`.
    LDEB new2 |cpu, b, r1| {
        value(cpu, r1, bfp::load_lengthened::<Short, Long>(fpc(cpu), Short(b as u32)))
    } => FloatOp::Lengthen, I32;
    /// LOAD ROUNDED long to short: `(b, modifiers, r1)`.
    LEDB new3 |cpu, b, m, r1| {
        let outcome = bfp::load_rounded::<Long, Short>(control(cpu, m)?, Long(b));
        let bits = |rounded: Rounded<Long, Short>| match rounded {
            Rounded::Target(short) => u64::from(short.0),
            // Only where a trap follows.
            Rounded::Source(long) => long.0,
        };
        leave(cpu, outcome, bits, |cpu, value| write_rounded(cpu, r1, value))
    } => FloatOp::Shorten, I64;
    /// LOAD FP INTEGER, short: `(b, modifiers, r1)`.
    FIEB new3 |cpu, b, m, r1| {
        let control = control(cpu, m)?;
        value(cpu, r1, bfp::load_fp_integer(control, Short(b as u32)))
    } => FloatOp::ToIntegral, I32;
    /// LOAD FP INTEGER, long: `(b, modifiers, r1)`.
    FIDB new3 |cpu, b, m, r1| {
        let control = control(cpu, m)?;
        value(cpu, r1, bfp::load_fp_integer(control, Long(b)))
    } => FloatOp::ToIntegral, I64;
}

helpers! {
    WRITES;
    /// MULTIPLY long to extended.
    MXDB new2 |cpu, r1, b| {
        let outcome = bfp::multiply_longer::<Long, Extended>(fpc(cpu), Long::read(cpu, r1), Long(b));
        result(cpu, r1, outcome)
    };
    /// LOAD LENGTHENED long to extended.
    LXDB new2 |cpu, r1, b| {
        result(cpu, r1, bfp::load_lengthened::<Long, Extended>(fpc(cpu), Long(b)))
    };
    /// LOAD LENGTHENED short to extended.
    LXEB new2 |cpu, r1, b| {
        result(cpu, r1, bfp::load_lengthened::<Short, Extended>(fpc(cpu), Short(b as u32)))
    };
    /// LOAD ROUNDED extended to long: `(r1, high, low, modifiers)`.
    LDXB new4 |cpu, r1, high, low, m| round::<Long>(cpu, r1, extended(high, low), m);
    /// LOAD ROUNDED extended to short: `(r1, high, low, modifiers)`.
    LEXB new4 |cpu, r1, high, low, m| round::<Short>(cpu, r1, extended(high, low), m);
    /// LOAD FP INTEGER, extended: `(r1, high, low, modifiers)`.
    FIXB new4 |cpu, r1, high, low, m| {
        let control = control(cpu, m)?;
        result(cpu, r1, bfp::load_fp_integer(control, extended(high, low)))
    };
    /// DIVIDE TO INTEGER, short: `(r1, r3, b, modifiers)`.
    DIEB new4 |cpu, r1, r3, b, m| divide_to_integer(cpu, r1, r3, Short(b as u32), m);
    /// DIVIDE TO INTEGER, long: `(r1, r3, b, modifiers)`.
    DIDB new4 |cpu, r1, r3, b, m| divide_to_integer(cpu, r1, r3, Long(b), m);
}

fn write_rounded<S: InRegisters, D: InRegisters>(cpu: &mut S390Cpu, r1: u64, value: Rounded<S, D>) {
    match value {
        Rounded::Target(value) => value.write(cpu, r1),
        Rounded::Source(value) => value.write(cpu, r1),
    }
}

fn round<D: InRegisters>(cpu: &mut S390Cpu, r1: u64, x: Extended, m: u64) -> Result<u64, Trap> {
    let outcome = bfp::load_rounded::<Extended, D>(control(cpu, m)?, x);
    finish(cpu, outcome, |cpu, value| write_rounded(cpu, r1, value))
}

fn divide_to_integer<F: InRegisters>(
    cpu: &mut S390Cpu,
    r1: u64,
    r3: u64,
    divisor: F,
    m: u64,
) -> Result<u64, Trap> {
    let rounding = control(cpu, m)?.rounding;
    let dividend = F::read(cpu, r1);
    let outcome = bfp::divide_to_integer(Control::of(fpc(cpu)), rounding, dividend, divisor);
    finish(cpu, outcome, |cpu, results| {
        results.remainder.write(cpu, r1);
        results.quotient.write(cpu, r3);
        cpu.set_cc(results.cc);
    })
}

/// An integer as it lies in a general register.
trait InGeneral: Fixed {
    fn of(bits: u64) -> Self;
    fn write(self, cpu: &mut S390Cpu, register: u64);
    /// Zero-extended.
    fn bits(self) -> u64;
    /// Whether it has 32 bits.
    const NARROW: bool;
}

macro_rules! in_general {
    ($($integer:ty: $unsigned:ty, $keep:expr;)*) => {$(
        impl InGeneral for $integer {
            fn of(bits: u64) -> Self {
                bits as Self
            }
            fn write(self, cpu: &mut S390Cpu, register: u64) {
                let place = &mut cpu.gpr[index(register)];
                *place = *place & $keep | self.bits();
            }
            fn bits(self) -> u64 {
                u64::from(self as $unsigned)
            }
            const NARROW: bool = Self::BITS == 32;
        }
    )*};
}

in_general! {
    i32: u32, 0xffff_ffff_0000_0000;
    u32: u32, 0xffff_ffff_0000_0000;
    i64: u64, 0;
    u64: u64, 0;
}

fn from_fixed<I: InGeneral, F: InRegisters>(
    cpu: &S390Cpu,
    x: u64,
    m: u64,
) -> Result<Outcome<F>, Trap> {
    Ok(Ok(bfp::convert_from_fixed(control(cpu, m)?, I::of(x))))
}

/// Conversion in which the helper writes the general register and the condition code.
fn to_fixed<F: Format, I: InGeneral>(
    cpu: &mut S390Cpu,
    r1: u64,
    x: F,
    m: u64,
) -> Result<u64, Trap> {
    let outcome = bfp::convert_to_fixed::<F, I>(control(cpu, m)?, x);
    finish(cpu, outcome, |cpu, (value, cc)| {
        value.write(cpu, r1);
        cpu.set_cc(cc);
    })
}

/// The bit above a 32-bit result that says that the integer's type does not have the value.
const SPECIAL: u32 = 32;

/// Conversion to an integer that the caller writes; of 32 bits with [`SPECIAL`] above them.
fn to_integer<F: Format, I: InGeneral>(
    cpu: &mut S390Cpu,
    x: F,
    m: u64,
    r1: u64,
) -> Result<u64, Trap> {
    let outcome = bfp::convert_to_fixed::<F, I>(control(cpu, m)?, x);
    let bits = |(value, cc): (I, u8)| {
        let special = I::NARROW && cc == 3;
        value.bits() | u64::from(special) << SPECIAL
    };
    leave(cpu, outcome, bits, |cpu, (value, cc)| {
        value.write(cpu, r1);
        cpu.set_cc(cc);
    })
}

/// Conversions to short and long: `(b, modifiers, r1)`, or `(r1, b, modifiers)` to extended.
macro_rules! from_integers {
    ($($integer:ty: $fe:ident $fd:ident $fx:ident $(=> $ty:ident)?;)*) => {$(
        helpers! {
            RESULT;
            #[doc = concat!("CONVERT FROM ", stringify!($integer), " to short.")]
            $fe new3 |cpu, b, m, r1| {
                let outcome = from_fixed::<$integer, Short>(cpu, b, m)?;
                value(cpu, r1, outcome)
            } $(=> FloatOp::FromInt(Ty::$ty), I32)?;
            #[doc = concat!("CONVERT FROM ", stringify!($integer), " to long.")]
            $fd new3 |cpu, b, m, r1| {
                let outcome = from_fixed::<$integer, Long>(cpu, b, m)?;
                value(cpu, r1, outcome)
            } $(=> FloatOp::FromInt(Ty::$ty), I64)?;
        }
        helpers! {
            WRITES;
            #[doc = concat!("CONVERT FROM ", stringify!($integer), " to extended.")]
            $fx new3 |cpu, r1, b, m| {
                let outcome = from_fixed::<$integer, Extended>(cpu, b, m)?;
                result(cpu, r1, outcome)
            };
        }
    )*};
}

from_integers! {
    i32: CEFB CDFB CXFB => I32;
    i64: CEGB CDGB CXGB => I64;
    u32: CELFB CDLFB CXLFB;
    u64: CELGB CDLGB CXLGB;
}

/// Conversions from short and long: `(b, modifiers, r1)`.
macro_rules! to_integers {
    ($($integer:ty: $te:ident $td:ident $(=> $ty:ident)?;)*) => {
        helpers! {
            INTEGER;
            $(
                #[doc = concat!("CONVERT short TO ", stringify!($integer), ".")]
                $te new3 |cpu, b, m, r1| to_integer::<_, $integer>(cpu, Short(b as u32), m, r1)
                    $(=> FloatOp::ToInt(Ty::$ty), I32)?;
                #[doc = concat!("CONVERT long TO ", stringify!($integer), ".")]
                $td new3 |cpu, b, m, r1| to_integer::<_, $integer>(cpu, Long(b), m, r1)
                    $(=> FloatOp::ToInt(Ty::$ty), I64)?;
            )*
        }
    };
}

to_integers! {
    i32: CFEB CFDB => I32;
    i64: CGEB CGDB => I64;
    u32: CLFEB CLFDB;
}

helpers! {
    WRITES;
    /// CONVERT short TO u64: `(r1, b, modifiers)`.
    CLGEB new3 |cpu, r1, b, m| to_fixed::<_, u64>(cpu, r1, Short(b as u32), m);
    /// CONVERT long TO u64: `(r1, b, modifiers)`.
    CLGDB new3 |cpu, r1, b, m| to_fixed::<_, u64>(cpu, r1, Long(b), m);
    /// CONVERT extended TO i32: `(r1, high, low, modifiers)`.
    CFXB new4 |cpu, r1, high, low, m| to_fixed::<_, i32>(cpu, r1, extended(high, low), m);
    /// CONVERT extended TO i64: `(r1, high, low, modifiers)`.
    CGXB new4 |cpu, r1, high, low, m| to_fixed::<_, i64>(cpu, r1, extended(high, low), m);
    /// CONVERT extended TO u32: `(r1, high, low, modifiers)`.
    CLFXB new4 |cpu, r1, high, low, m| to_fixed::<_, u32>(cpu, r1, extended(high, low), m);
    /// CONVERT extended TO u64: `(r1, high, low, modifiers)`.
    CLGXB new4 |cpu, r1, high, low, m| to_fixed::<_, u64>(cpu, r1, extended(high, low), m);
}

fn load_fpc(cpu: &mut S390Cpu, value: Result<Fpc, ReservedFpcBits>) -> Result<u64, Trap> {
    match value {
        Ok(fpc) => {
            cpu.fpc = fpc.bits();
            Ok(0)
        }
        Err(_) => Err(ProgramCode::Specification.into()),
    }
}

/// Reads and writes the FPC register only.
const FPC_ONLY: Effects = Effects::TRAPS;

helpers! {
    FPC_ONLY;
    /// EFPC, STFPC: `()`; the register.
    GET_FPC new0 |cpu| Ok(u64::from(cpu.fpc));
    /// SFPC, LFPC: `(value)`.
    SET_FPC new1 |cpu, value| load_fpc(cpu, Fpc::new(value as u32));
    /// SRNM, SRNMB: `(mode)`.
    SET_ROUNDING_MODE new1 |cpu, mode| {
        let value = fpc(cpu).with_rounding_mode(mode);
        load_fpc(cpu, value)
    };
    /// SFASR, LFAS: `(value)`.
    SET_FPC_AND_SIGNAL new1 |cpu, value| {
        let (new, dxc) = fpc(cpu).load_and_signal(value as u32).map_err(|_| ProgramCode::Specification)?;
        cpu.fpc = new.bits();
        match dxc {
            None => Ok(0),
            Some(dxc) => Err(data_exception(dxc)),
        }
    };
}

macro_rules! pure {
    ($($(#[$doc:meta])* $name:ident $new:ident |$($arg:ident),*| $cc:expr;)*) => {$(
        $(#[$doc])*
        pub static $name: HelperDef = HelperDef::$new(
            stringify!($name),
            Effects::PURE,
            |_: &mut S390Cpu, $($arg: u64),*| Ok(u64::from($cc)),
        );
    )*};
}

pure! {
    /// Condition code of an extended result: `(high, low)`.
    CC_EXTENDED new2 |high, low| bfp::result_cc(extended(high, low));
    /// TEST DATA CLASS, short: `(operand, mask)`; the condition code.
    TCEB new2 |x, mask| bfp::test_data_class(Short(x as u32), mask);
    /// TEST DATA CLASS, long: `(operand, mask)`; the condition code.
    TCDB new2 |x, mask| bfp::test_data_class(Long(x), mask);
    /// TEST DATA CLASS, extended: `(high, low, mask)`; the condition code.
    TCXB new3 |high, low, mask| bfp::test_data_class(extended(high, low), mask);
}
