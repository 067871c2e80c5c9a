//! Helpers of the binary floating-point instructions.
//!
//! They read and write registers, FPC and condition code around the functions of
//! [`crate::bfp`], and turn what those say into data exceptions. Unless said otherwise the first
//! argument is R1's number, the others are operands; an extended operand is two arguments.

use tcg::{Effects, HelperDef, Trap};

use crate::bfp::{
    self, Control, Done, Dxc, Extended, Fixed, Format, Fpc, Long, Outcome, ReservedFpcBits,
    Rounded, Short, Suppressed,
};
use crate::cpu::{ProgramCheck, ProgramCode, S390Cpu};

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
        Self((cpu.fpr[index(register)] >> 32) as u32)
    }
    fn write(self, cpu: &mut S390Cpu, register: u64) {
        let place = &mut cpu.fpr[index(register)];
        *place = *place & 0xffff_ffff | u64::from(self.0) << 32;
    }
}

impl InRegisters for Long {
    fn read(cpu: &S390Cpu, register: u64) -> Self {
        Self(cpu.fpr[index(register)])
    }
    fn write(self, cpu: &mut S390Cpu, register: u64) {
        cpu.fpr[index(register)] = self.0;
    }
}

impl InRegisters for Extended {
    fn read(cpu: &S390Cpu, register: u64) -> Self {
        extended(cpu.fpr[index(register)], cpu.fpr[index(register + 2)])
    }
    fn write(self, cpu: &mut S390Cpu, register: u64) {
        cpu.fpr[index(register)] = (self.0 >> 64) as u64;
        cpu.fpr[index(register + 2)] = self.0 as u64;
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

/// Result to R1, no condition code.
fn result<F: InRegisters>(cpu: &mut S390Cpu, r1: u64, outcome: Outcome<F>) -> Result<u64, Trap> {
    finish(cpu, outcome, |cpu, value| value.write(cpu, r1))
}

/// Result to R1, and the condition code that it stands for.
fn result_cc<F: InRegisters>(cpu: &mut S390Cpu, r1: u64, outcome: Outcome<F>) -> Result<u64, Trap> {
    finish(cpu, outcome, |cpu, value| {
        value.write(cpu, r1);
        cpu.set_cc(bfp::result_cc(value));
    })
}

/// A comparison's condition code.
fn only_cc(cpu: &mut S390Cpu, outcome: Outcome<u8>) -> Result<u64, Trap> {
    finish(cpu, outcome, S390Cpu::set_cc)
}

macro_rules! helpers {
    ($(
        $(#[$doc:meta])*
        $name:ident $new:ident |$cpu:ident $(, $arg:ident)*| $body:expr;
    )*) => {$(
        $(#[$doc])*
        pub static $name: HelperDef = HelperDef::$new(
            stringify!($name),
            Effects::GLOBALS,
            |$cpu: &mut S390Cpu $(, $arg: u64)*| $body,
        );
    )*};
}

/// Helpers for one operation in the three formats: `(r1, b)`, `(r1, b)`, `(r1, high, low)`.
/// `|control, first operand, second operand|` gives the outcome.
macro_rules! in_formats {
    ($(
        $doc:literal $short:ident $long:ident $extended:ident $end:ident
        |$fpc:ident, $a:ident, $b:ident| $body:expr;
    )*) => {$(
        helpers! {
            #[doc = concat!($doc, ", short.")]
            $short new2 |cpu, r1, b| {
                let ($fpc, $a, $b) = (fpc(cpu), Short::read(cpu, r1), Short(b as u32));
                $end(cpu, r1, $body)
            };
            #[doc = concat!($doc, ", long.")]
            $long new2 |cpu, r1, b| {
                let ($fpc, $a, $b) = (fpc(cpu), Long::read(cpu, r1), Long(b));
                $end(cpu, r1, $body)
            };
            #[doc = concat!($doc, ", extended.")]
            $extended new3 |cpu, r1, high, low| {
                let ($fpc, $a, $b) = (fpc(cpu), Extended::read(cpu, r1), extended(high, low));
                $end(cpu, r1, $body)
            };
        }
    )*};
}

/// [`only_cc`] with the parameters of the other ends.
fn comparison(cpu: &mut S390Cpu, _r1: u64, outcome: Outcome<u8>) -> Result<u64, Trap> {
    only_cc(cpu, outcome)
}

in_formats! {
    "ADD" AEB ADB AXB result_cc |fpc, a, b| bfp::add(fpc, a, b);
    "SUBTRACT" SEB SDB SXB result_cc |fpc, a, b| bfp::subtract(fpc, a, b);
    "MULTIPLY" MEEB MDB MXB result |fpc, a, b| bfp::multiply(fpc, a, b);
    "DIVIDE" DEB DDB DXB result |fpc, a, b| bfp::divide(fpc, a, b);
    "COMPARE" CEB CDB CXB comparison |fpc, a, b| bfp::compare(fpc, a, b);
    "COMPARE AND SIGNAL" KEB KDB KXB comparison |fpc, a, b| bfp::compare_and_signal(fpc, a, b);
    "LOAD AND TEST" LTEB LTDB LTXB result_cc |fpc, _a, b| bfp::load_and_test(fpc, b);
    "SQUARE ROOT" SQEB SQDB SQXB result |fpc, _a, b| bfp::square_root(fpc, b);
}

helpers! {
    /// MULTIPLY short to long.
    MDEB new2 |cpu, r1, b| {
        let outcome = bfp::multiply_longer::<Short, Long>(fpc(cpu), Short::read(cpu, r1), Short(b as u32));
        result(cpu, r1, outcome)
    };
    /// MULTIPLY long to extended.
    MXDB new2 |cpu, r1, b| {
        let outcome = bfp::multiply_longer::<Long, Extended>(fpc(cpu), Long::read(cpu, r1), Long(b));
        result(cpu, r1, outcome)
    };
    /// MULTIPLY AND ADD, short: `(r1, third, second)`.
    MAEB new3 |cpu, r1, third, second| {
        let first = Short::read(cpu, r1);
        result(cpu, r1, bfp::multiply_add(fpc(cpu), first, Short(third as u32), Short(second as u32)))
    };
    /// MULTIPLY AND ADD, long: `(r1, third, second)`.
    MADB new3 |cpu, r1, third, second| {
        let first = Long::read(cpu, r1);
        result(cpu, r1, bfp::multiply_add(fpc(cpu), first, Long(third), Long(second)))
    };
    /// MULTIPLY AND SUBTRACT, short: `(r1, third, second)`.
    MSEB new3 |cpu, r1, third, second| {
        let first = Short::read(cpu, r1);
        result(cpu, r1, bfp::multiply_subtract(fpc(cpu), first, Short(third as u32), Short(second as u32)))
    };
    /// MULTIPLY AND SUBTRACT, long: `(r1, third, second)`.
    MSDB new3 |cpu, r1, third, second| {
        let first = Long::read(cpu, r1);
        result(cpu, r1, bfp::multiply_subtract(fpc(cpu), first, Long(third), Long(second)))
    };
    /// LOAD LENGTHENED short to long.
    LDEB new2 |cpu, r1, b| {
        result(cpu, r1, bfp::load_lengthened::<Short, Long>(fpc(cpu), Short(b as u32)))
    };
    /// LOAD LENGTHENED long to extended.
    LXDB new2 |cpu, r1, b| {
        result(cpu, r1, bfp::load_lengthened::<Long, Extended>(fpc(cpu), Long(b)))
    };
    /// LOAD LENGTHENED short to extended.
    LXEB new2 |cpu, r1, b| {
        result(cpu, r1, bfp::load_lengthened::<Short, Extended>(fpc(cpu), Short(b as u32)))
    };
    /// LOAD ROUNDED long to short: `(r1, b, modifiers)`.
    LEDB new3 |cpu, r1, b, m| round::<Long, Short>(cpu, r1, Long(b), m);
    /// LOAD ROUNDED extended to long: `(r1, high, low, modifiers)`.
    LDXB new4 |cpu, r1, high, low, m| round::<Extended, Long>(cpu, r1, extended(high, low), m);
    /// LOAD ROUNDED extended to short: `(r1, high, low, modifiers)`.
    LEXB new4 |cpu, r1, high, low, m| round::<Extended, Short>(cpu, r1, extended(high, low), m);
    /// LOAD FP INTEGER, short: `(r1, b, modifiers)`.
    FIEB new3 |cpu, r1, b, m| {
        let control = control(cpu, m)?;
        result(cpu, r1, bfp::load_fp_integer(control, Short(b as u32)))
    };
    /// LOAD FP INTEGER, long: `(r1, b, modifiers)`.
    FIDB new3 |cpu, r1, b, m| {
        let control = control(cpu, m)?;
        result(cpu, r1, bfp::load_fp_integer(control, Long(b)))
    };
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

fn round<S: InRegisters, D: InRegisters>(
    cpu: &mut S390Cpu,
    r1: u64,
    x: S,
    m: u64,
) -> Result<u64, Trap> {
    let outcome = bfp::load_rounded::<S, D>(control(cpu, m)?, x);
    finish(cpu, outcome, |cpu, value| match value {
        Rounded::Target(value) => value.write(cpu, r1),
        Rounded::Source(value) => value.write(cpu, r1),
    })
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
}

macro_rules! in_general {
    ($($integer:ty: $unsigned:ty, $keep:expr;)*) => {$(
        impl InGeneral for $integer {
            fn of(bits: u64) -> Self {
                bits as Self
            }
            fn write(self, cpu: &mut S390Cpu, register: u64) {
                let place = &mut cpu.gpr[index(register)];
                *place = *place & $keep | u64::from(self as $unsigned);
            }
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
    cpu: &mut S390Cpu,
    r1: u64,
    x: u64,
    m: u64,
) -> Result<u64, Trap> {
    let done: Done<F> = bfp::convert_from_fixed(control(cpu, m)?, I::of(x));
    result(cpu, r1, Ok(done))
}

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

/// Conversions from and to one kind of integer: `(r1, b, modifiers)`, or
/// `(r1, high, low, modifiers)` from extended.
macro_rules! conversions {
    ($($integer:ty: $fe:ident $fd:ident $fx:ident $te:ident $td:ident $tx:ident;)*) => {$(
        helpers! {
            #[doc = concat!("CONVERT FROM ", stringify!($integer), " to short.")]
            $fe new3 |cpu, r1, b, m| from_fixed::<$integer, Short>(cpu, r1, b, m);
            #[doc = concat!("CONVERT FROM ", stringify!($integer), " to long.")]
            $fd new3 |cpu, r1, b, m| from_fixed::<$integer, Long>(cpu, r1, b, m);
            #[doc = concat!("CONVERT FROM ", stringify!($integer), " to extended.")]
            $fx new3 |cpu, r1, b, m| from_fixed::<$integer, Extended>(cpu, r1, b, m);
            #[doc = concat!("CONVERT short TO ", stringify!($integer), ".")]
            $te new3 |cpu, r1, b, m| to_fixed::<_, $integer>(cpu, r1, Short(b as u32), m);
            #[doc = concat!("CONVERT long TO ", stringify!($integer), ".")]
            $td new3 |cpu, r1, b, m| to_fixed::<_, $integer>(cpu, r1, Long(b), m);
            #[doc = concat!("CONVERT extended TO ", stringify!($integer), ".")]
            $tx new4 |cpu, r1, high, low, m| to_fixed::<_, $integer>(cpu, r1, extended(high, low), m);
        }
    )*};
}

conversions! {
    i32: CEFB CDFB CXFB CFEB CFDB CFXB;
    i64: CEGB CDGB CXGB CGEB CGDB CGXB;
    u32: CELFB CDLFB CXLFB CLFEB CLFDB CLFXB;
    u64: CELGB CDLGB CXLGB CLGEB CLGDB CLGXB;
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

helpers! {
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
    /// Condition code of a short result: `(bits)`.
    CC_SHORT new1 |x| bfp::result_cc(Short(x as u32));
    /// Condition code of a long result: `(bits)`.
    CC_LONG new1 |x| bfp::result_cc(Long(x));
    /// Condition code of an extended result: `(high, low)`.
    CC_EXTENDED new2 |high, low| bfp::result_cc(extended(high, low));
    /// TEST DATA CLASS, short: `(operand, mask)`; the condition code.
    TCEB new2 |x, mask| bfp::test_data_class(Short(x as u32), mask);
    /// TEST DATA CLASS, long: `(operand, mask)`; the condition code.
    TCDB new2 |x, mask| bfp::test_data_class(Long(x), mask);
    /// TEST DATA CLASS, extended: `(high, low, mask)`; the condition code.
    TCXB new3 |high, low, mask| bfp::test_data_class(extended(high, low), mask);
}
