//! Inline binary floating point ([`Intrinsic::Float`]) by the host's own instructions.
//!
//! Results, rounding and exceptions of the two are the same but for NaNs, tininess (the host looks
//! after rounding) and what is out of an integer's range; those cases are the helper's. Whether an
//! operation was exact matters only until the guest's control word records that one was not. From
//! then on the result alone tells whether anything else could have happened: a normal number
//! beyond the least one's binade comes with no other exception. Only the rest looks at MXCSR.
//! Rust code between may find its flags set, which it does not look at, and the rest as always:
//! another rounding is there for one operation only.
//!
//! Registers xmm0 to xmm2 hold operands within one op, nothing beyond it.

use super::alloc::width;
use super::asm::{Alu, Cc, Label, Mem, Reg, Rm, Scalar, Shift, Width, at_index};
use super::leave::Ending;
use super::lower::Lower;
use super::{PINS, State, thunks};
use crate::guest::Guest;
use crate::helper::{Float, FloatControl, FloatOp, HelperDef};
use crate::ir::{Ty, Val};

/// xmm registers, by their numbers.
const X0: Reg = Reg(0);
const X1: Reg = Reg(1);
const X2: Reg = Reg(2);

/// MXCSR as it is at reset and as Rust code wants it: all exceptions masked, to nearest, no flags.
const MXCSR: i32 = 0x1f80;
/// MXCSR's rounding, each in place.
const MXCSR_DOWN: i32 = 1 << 13;
const MXCSR_UP: i32 = 2 << 13;
const MXCSR_TOWARD_ZERO: i32 = 3 << 13;
/// MXCSR's flags but the one of a denormal operand, which is no exception to the guest.
const EXCEPTIONS: i32 = 0x3d;

/// The numbers of ROUNDSS's and ROUNDSD's rounding, with no inexact exception.
const NEAREST: u8 = 8;
const DOWN: u8 = 9;
const UP: u8 = 10;
const TOWARD_ZERO: u8 = 11;

/// An operation that rounds, with its operands where they are.
#[derive(Debug, Clone, Copy)]
struct Rounded {
    op: FloatOp,
    /// Of the operands.
    ty: Ty,
    operands: [Rm; 3],
}

impl Rounded {
    /// The format of the result.
    fn result(&self) -> Ty {
        match self.op {
            FloatOp::Shorten => Ty::I32,
            _ => self.ty,
        }
    }
}

/// What tells whether a conversion was exact: the result, converted back.
#[derive(Debug, Clone, Copy)]
enum Back {
    /// Rounded in xmm1, the operand in xmm0.
    Integral(Ty),
    /// From the format in xmm0 to the integer in the register.
    ToInt { ty: Ty, integer: Ty, result: Reg },
    /// From the integer to the format in xmm0.
    FromInt {
        ty: Ty,
        integer: Ty,
        operand: Rm,
        free: Reg,
    },
}

/// Code behind the block.
#[derive(Debug)]
enum Kind {
    Rounded {
        operation: Rounded,
        /// Where it goes if the control word does not record an inexact result, or traps.
        unrecorded: Label,
        /// Where it goes with a result that alone does not tell enough.
        odd: Label,
        /// What governs it, if it rounds as the control word says.
        current: Option<FloatControl>,
        /// The masked control word.
        word: Reg,
        result: Reg,
    },
    Converted {
        unrecorded: Label,
        back: Back,
    },
}

/// The less usual cases of an operation.
#[derive(Debug)]
pub(super) struct Cold {
    kind: Kind,
    /// Where the result is complete.
    finish: Label,
    helper: Label,
}

/// Where an operation's parts are.
struct Frame {
    operands: [Rm; 3],
    /// Where the result is made: a register that no other value is in.
    result: Reg,
    /// Where it goes.
    target: Reg,
    /// For the op's own use.
    free: Reg,
    helper: Label,
    finish: Label,
    back: Label,
}

/// How a conversion rounds.
#[derive(Debug, Clone, Copy)]
struct Rounding {
    /// ROUNDSD's number; `None` if only an exact result is the same.
    host: Option<u8>,
    /// It depends on the control word.
    current: bool,
    /// Being inexact is no exception.
    quiet: bool,
}

impl Rounding {
    /// What a *rounding* argument stands for.
    fn of(argument: u64) -> Option<Self> {
        let quiet = match argument >> 8 {
            0 => false,
            4 => true,
            _ => return None,
        };
        let host = match argument as u8 {
            0 | 4 => Some(NEAREST),
            5 => Some(TOWARD_ZERO),
            6 => Some(UP),
            7 => Some(DOWN),
            1 | 3 => None,
            _ => return None,
        };
        Some(Self {
            host,
            current: argument as u8 == 0,
            quiet,
        })
    }
}

impl<G: Guest> Lower<'_, G> {
    /// Writes an operation; false if there is no inline code for it.
    pub(super) fn float(
        &mut self,
        float: Float,
        def: &'static HelperDef,
        args: &[Option<Val>; 5],
    ) -> bool {
        let Float { op, ty, control } = float;
        let argument = |n: usize| {
            args[n]
                .and_then(|v| self.constant(v))
                .and_then(Rounding::of)
        };
        match op {
            FloatOp::Add | FloatOp::Sub | FloatOp::Mul | FloatOp::Div => {
                self.rounded((op, ty), 2, (control, true), def, args);
            }
            FloatOp::Sqrt => self.rounded((op, ty), 1, (control, true), def, args),
            FloatOp::MulAdd | FloatOp::MulSub => {
                if !self.features.fma {
                    return false;
                }
                self.rounded((op, ty), 3, (control, true), def, args);
            }
            FloatOp::Shorten => match argument(1) {
                Some(Rounding {
                    host: Some(NEAREST),
                    quiet: false,
                    current,
                }) => self.rounded((op, ty), 1, (control, current), def, args),
                _ => return false,
            },
            FloatOp::MulLong | FloatOp::Lengthen | FloatOp::Test => {
                self.exact(op, ty, def, args);
            }
            FloatOp::Compare => self.compare_floats(ty, def, args),
            FloatOp::ToIntegral => match argument(1) {
                Some(rounding) if self.features.sse41 => {
                    self.convert_to_integral(ty, rounding, control, def, args);
                }
                _ => return false,
            },
            FloatOp::ToInt(integer) => match argument(1) {
                Some(rounding)
                    if self.features.sse41 || !matches!(rounding.host, Some(UP) | Some(DOWN)) =>
                {
                    self.convert_to_int((ty, integer), rounding, control, def, args);
                }
                _ => return false,
            },
            FloatOp::FromInt(integer) => match argument(1) {
                Some(rounding) => {
                    self.convert_from_int((ty, integer), rounding, control, def, args)
                }
                None => return false,
            },
        }
        true
    }

    /// Operands, the result's place and the way to the helper.
    fn frame(&mut self, count: usize, def: &'static HelperDef, args: &[Option<Val>; 5]) -> Frame {
        let mut operands = [Rm::Reg(X0); 3];
        let mut taken = Vec::new();
        for (operand, v) in operands.iter_mut().zip(args).take(count) {
            let Some(v) = *v else {
                self.failed = true;
                continue;
            };
            *operand = self.operand(v);
            if let Rm::Reg(reg) = *operand {
                taken.push(reg);
            }
        }
        let target = self.define(&taken);
        let free = self.temp();
        let result = if PINS.contains(&target) {
            self.temp()
        } else {
            target
        };
        let [helper, finish, back] = std::array::from_fn(|_| self.asm.label());
        self.fall_back(def, args, helper, back, Some(target));
        Frame {
            operands,
            result,
            target,
            free,
            helper,
            finish,
            back,
        }
    }

    /// The result is made.
    fn finish(&mut self, frame: &Frame) {
        self.asm.bind(frame.finish);
        self.asm.mov_if_other(frame.target, frame.result);
        self.asm.bind(frame.back);
    }

    /// Loads an operand.
    fn load_float(&mut self, x: Reg, ty: Ty, from: Rm) {
        match from {
            Rm::Reg(reg) => self.asm.move_in(width(ty), x, reg),
            Rm::Mem(mem) => self.asm.scalar(Scalar::Move, ty, x, mem),
        }
    }

    /// Writes an operation that rounds; its result is in xmm0.
    fn write_rounded(&mut self, operation: &Rounded) {
        let Rounded { op, ty, operands } = *operation;
        self.load_float(X0, ty, operands[0]);
        let scalar = match op {
            FloatOp::Sub => Scalar::Sub,
            FloatOp::Mul => Scalar::Mul,
            FloatOp::Div => Scalar::Div,
            FloatOp::Sqrt => {
                self.asm.scalar(Scalar::Sqrt, ty, X0, X0);
                return;
            }
            FloatOp::Shorten => {
                self.asm.scalar(Scalar::Convert, ty, X0, X0);
                return;
            }
            FloatOp::MulAdd | FloatOp::MulSub => {
                self.load_float(X1, ty, operands[1]);
                self.load_float(X2, ty, operands[2]);
                self.asm.fused(op == FloatOp::MulSub, width(ty), X0, X1, X2);
                return;
            }
            _ => Scalar::Add,
        };
        let second = match operands[1] {
            Rm::Reg(reg) => {
                self.asm.move_in(width(ty), X1, reg);
                Rm::Reg(X1)
            }
            mem => mem,
        };
        self.asm.scalar(scalar, ty, X0, second);
    }

    fn rounded(
        &mut self,
        (op, ty): (FloatOp, Ty),
        count: usize,
        (control, current): (FloatControl, bool),
        def: &'static HelperDef,
        args: &[Option<Val>; 5],
    ) {
        let frame = self.frame(count, def, args);
        let (free, result) = (frame.free, frame.result);
        let operation = Rounded {
            op,
            ty,
            operands: frame.operands,
        };
        let (unrecorded, odd) = (self.asm.label(), self.asm.label());
        self.write_rounded(&operation);
        self.look_recorded(control, free, unrecorded);
        let ty = operation.result();
        self.asm.move_out(width(ty), result, X0);
        self.look_usual(ty, result, free, 1, odd);
        self.finish(&frame);
        self.later(Ending::Float(Cold {
            kind: Kind::Rounded {
                operation,
                unrecorded,
                odd,
                current: current.then_some(control),
                word: free,
                result,
            },
            finish: frame.finish,
            helper: frame.helper,
        }));
    }

    /// Goes on only if a result is a normal number, but neither of the least exponent nor of the
    /// `above - 1` greatest ones.
    fn look_usual(&mut self, ty: Ty, result: Reg, free: Reg, above: i32, odd: Label) {
        let w = width(ty);
        let (exponent, all) = match ty {
            Ty::I32 => (24, 0xff),
            Ty::I64 => (53, 0x7ff),
        };
        // The biased exponent; that of infinities and NaNs is all ones.
        self.asm.lea(w, free, at_index(result, result, 0));
        self.asm.shift_imm(Shift::Shr, w, free, exponent);
        self.asm.alu_imm(Alu::Sub, Width::W32, free, 2);
        self.asm
            .alu_imm(Alu::Cmp, Width::W32, free, all - above - 1);
        self.asm.jcc(Cc::Ae, odd);
    }

    /// Goes on only if an inexact result is just recorded, and is recorded already. The word of
    /// these bits is left in `free`.
    fn look_recorded(&mut self, control: FloatControl, free: Reg, unrecorded: Label) {
        let word = self.core(control.offset);
        let FloatControl {
            special, inexact, ..
        } = control;
        self.asm.mov(Width::W32, free, word);
        self.asm
            .alu_imm(Alu::And, Width::W32, free, (special | inexact) as i32);
        self.asm.alu_imm(Alu::Cmp, Width::W32, free, inexact as i32);
        self.asm.jcc(Cc::Ne, unrecorded);
    }

    /// Operations that are exact and cannot but fail with a NaN.
    fn exact(&mut self, op: FloatOp, ty: Ty, def: &'static HelperDef, args: &[Option<Val>; 5]) {
        let count = if op == FloatOp::MulLong { 2 } else { 1 };
        let frame = self.frame(count, def, args);
        self.load_float(X0, ty, frame.operands[0]);
        let to = match op {
            FloatOp::Test => ty,
            _ => {
                self.asm.scalar(Scalar::Convert, ty, X0, X0);
                Ty::I64
            }
        };
        if op == FloatOp::MulLong {
            self.load_float(X1, ty, frame.operands[1]);
            self.asm.scalar(Scalar::Convert, ty, X1, X1);
            self.asm.scalar(Scalar::Mul, to, X0, X1);
        }
        self.asm.compare_scalars(to, X0, X0);
        self.asm.jcc(Cc::P, frame.helper);
        self.asm.move_out(width(to), frame.result, X0);
        self.finish(&frame);
    }

    /// No exception without a NaN, whatever the control word says.
    fn compare_floats(&mut self, ty: Ty, def: &'static HelperDef, args: &[Option<Val>; 5]) {
        let frame = self.frame(2, def, args);
        let second = match frame.operands[1] {
            Rm::Reg(reg) => {
                self.asm.move_in(width(ty), X1, reg);
                Rm::Reg(X1)
            }
            mem => mem,
        };
        self.load_float(X0, ty, frame.operands[0]);
        self.asm.compare_scalars(ty, X0, second);
        self.asm.jcc(Cc::P, frame.helper);
        let d = frame.result;
        // Twice whether it is above, and the carry: whether it is below.
        self.asm.mov_imm_keep_flags(d, 0);
        self.asm.setcc(Cc::A, d);
        self.asm.alu(Alu::Adc, Width::W32, d, d);
        self.finish(&frame);
    }

    /// Makes sure that a conversion's result is right: behind the block where it need not be exact.
    fn look_converted(
        &mut self,
        rounding: Rounding,
        control: FloatControl,
        frame: &Frame,
        back: Back,
    ) {
        if rounding.host.is_none() {
            self.write_back(back, frame.helper);
            self.finish(frame);
            return;
        }
        let unrecorded = self.asm.label();
        if !rounding.quiet {
            self.look_recorded(control, frame.free, unrecorded);
        } else if rounding.current {
            let word = self.core(control.offset);
            self.asm.test_imm(Width::W32, word, control.special as i32);
            self.asm.jcc(Cc::Ne, unrecorded);
        }
        self.finish(frame);
        if !rounding.quiet || rounding.current {
            self.later(Ending::Float(Cold {
                kind: Kind::Converted { unrecorded, back },
                finish: frame.finish,
                helper: frame.helper,
            }));
        }
    }

    /// To the helper, unless the result converted back is the operand.
    fn write_back(&mut self, back: Back, helper: Label) {
        match back {
            Back::Integral(ty) => self.asm.compare_scalars(ty, X1, X0),
            Back::ToInt {
                ty,
                integer,
                result,
            } => {
                self.asm.clear_xmm(X1);
                self.asm.convert_in(ty, width(integer), X1, result);
                self.asm.compare_scalars(ty, X1, X0);
            }
            Back::FromInt {
                ty,
                integer,
                operand,
                free,
            } => {
                // Out of range gives the least integer, which is itself converted exactly.
                let w = width(integer);
                self.asm.convert_out(ty, w, true, free, X0);
                self.asm.alu(Alu::Cmp, w, free, operand);
            }
        }
        self.asm.jcc(Cc::Ne, helper);
    }

    fn convert_to_integral(
        &mut self,
        ty: Ty,
        rounding: Rounding,
        control: FloatControl,
        def: &'static HelperDef,
        args: &[Option<Val>; 5],
    ) {
        let frame = self.frame(1, def, args);
        self.load_float(X0, ty, frame.operands[0]);
        let host = rounding.host.unwrap_or(TOWARD_ZERO);
        self.asm.clear_xmm(X1);
        self.asm.round(ty, X1, X0, host);
        self.asm.compare_scalars(ty, X1, X1);
        self.asm.jcc(Cc::P, frame.helper);
        self.asm.move_out(width(ty), frame.result, X1);
        self.look_converted(rounding, control, &frame, Back::Integral(ty));
    }

    fn convert_to_int(
        &mut self,
        (ty, integer): (Ty, Ty),
        rounding: Rounding,
        control: FloatControl,
        def: &'static HelperDef,
        args: &[Option<Val>; 5],
    ) {
        let frame = self.frame(1, def, args);
        self.load_float(X0, ty, frame.operands[0]);
        let w = width(integer);
        let truncate = rounding.host != Some(NEAREST);
        let source = match rounding.host {
            Some(host @ (UP | DOWN)) => {
                self.asm.clear_xmm(X1);
                self.asm.round(ty, X1, X0, host);
                X1
            }
            _ => X0,
        };
        self.asm.convert_out(ty, w, truncate, frame.result, source);
        // The least integer stands for what is out of range.
        self.asm.alu_imm(Alu::Cmp, w, frame.result, 1);
        self.asm.jcc(Cc::O, frame.helper);
        let back = Back::ToInt {
            ty,
            integer,
            result: frame.result,
        };
        self.look_converted(rounding, control, &frame, back);
    }

    fn convert_from_int(
        &mut self,
        (ty, integer): (Ty, Ty),
        rounding: Rounding,
        control: FloatControl,
        def: &'static HelperDef,
        args: &[Option<Val>; 5],
    ) {
        let frame = self.frame(1, def, args);
        let operand = frame.operands[0];
        self.asm.clear_xmm(X0);
        self.asm.convert_in(ty, width(integer), X0, operand);
        self.asm.move_out(width(ty), frame.result, X0);
        if (ty, integer) == (Ty::I64, Ty::I32) {
            self.finish(&frame);
            return;
        }
        let rounding = Rounding {
            host: rounding.host.filter(|&host| host == NEAREST),
            ..rounding
        };
        let back = Back::FromInt {
            ty,
            integer,
            operand,
            free: frame.free,
        };
        self.look_converted(rounding, control, &frame, back);
    }

    /// Where MXCSR is loaded from and stored to.
    fn mxcsr(&self) -> Mem {
        self.core(thunks::state(std::mem::offset_of!(State, shape)))
    }

    /// Writes the less usual cases behind the block.
    pub(super) fn write_float(&mut self, cold: Cold) {
        let Cold {
            kind,
            finish,
            helper,
        } = cold;
        match kind {
            Kind::Converted { unrecorded, back } => {
                // An exact result depends on no rounding and is no exception.
                self.asm.bind(unrecorded);
                self.write_back(back, helper);
                self.asm.jmp(finish);
            }
            Kind::Rounded {
                operation,
                unrecorded,
                odd,
                current,
                word,
                result,
            } => {
                let ty = operation.result();
                let w = width(ty);
                let place = self.mxcsr();
                let exact = self.asm.label();
                self.asm.bind(unrecorded);
                // All zero, or something special.
                let special = match current {
                    Some(_) => self.asm.label(),
                    None => helper,
                };
                self.asm.test(Width::W32, word, word);
                self.asm.jcc(Cc::Ne, special);
                // No flag at all, old or new?
                self.asm.store_mxcsr(place);
                self.asm.test_imm(Width::W32, place, EXCEPTIONS);
                self.asm.jcc(Cc::E, exact);
                let again = self.asm.label();
                self.asm.jmp(again);
                self.asm.bind(odd);
                if matches!(operation.op, FloatOp::Add | FloatOp::Sub) {
                    // A sum is zero only if it is exact.
                    self.asm.lea(w, word, at_index(result, result, 0));
                    self.asm.test(w, word, word);
                    self.asm.jcc(Cc::E, finish);
                }
                self.asm.bind(again);
                self.asm.store_imm(Width::W32, place, MXCSR);
                self.asm.load_mxcsr(place);
                self.write_rounded(&operation);
                self.asm.store_mxcsr(place);
                self.asm.test_imm(Width::W32, place, EXCEPTIONS);
                self.asm.jcc(Cc::Ne, helper);
                self.asm.bind(exact);
                self.asm.compare_scalars(ty, X0, X0);
                self.asm.jcc(Cc::P, helper);
                self.asm.move_out(w, result, X0);
                self.asm.jmp(finish);
                if let Some(control) = current {
                    self.asm.bind(special);
                    self.write_directed(&operation, control, word, result, helper);
                    self.asm.jmp(finish);
                }
            }
        }
    }

    /// The operation with another rounding than to nearest, if nothing else is special and an
    /// inexact result is recorded.
    fn write_directed(
        &mut self,
        operation: &Rounded,
        control: FloatControl,
        word: Reg,
        result: Reg,
        helper: Label,
    ) {
        let place = self.mxcsr();
        let ready = self.asm.label();
        for (bits, rounding) in [
            (control.toward_zero, MXCSR_TOWARD_ZERO),
            (control.up, MXCSR_UP),
            (control.down, MXCSR_DOWN),
        ] {
            let bits = (bits | control.inexact) as i32;
            self.asm.store_imm(Width::W32, place, MXCSR | rounding);
            self.asm.alu_imm(Alu::Cmp, Width::W32, word, bits);
            self.asm.jcc(Cc::E, ready);
        }
        self.asm.jmp(helper);
        self.asm.bind(ready);
        self.asm.load_mxcsr(place);
        self.write_rounded(operation);
        self.asm.store_imm(Width::W32, place, MXCSR);
        self.asm.load_mxcsr(place);
        let ty = operation.result();
        self.asm.move_out(width(ty), result, X0);
        // The greatest number may stand for an overflow.
        self.look_usual(ty, result, word, 2, helper);
    }
}
