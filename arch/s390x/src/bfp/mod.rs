//! Binary floating point (BFP): what the instructions of the Principles of Operation's chapter 19
//! compute, as pure functions of operands and floating-point-control register.
//!
//! It knows bit patterns, rounding, IEEE exceptions and the results of masked and trapped
//! exceptions. It is NOT the instructions: it neither reads nor writes registers or storage,
//! does not check CR0's AFP-register control, and presents no interruption; the translator's
//! helpers do that with what a function here returns.
//!
//! Every operation works the same way: operands are unpacked into [`number::Number`] (sign,
//! exponent, 128-bit significand whose lowest bit is sticky), the exact result is formed there,
//! and one function rounds it into a format ([`round`]).
//!
//! What an operation returns is an [`Outcome`]: `Err` when an exception suppresses it (nothing
//! may change but the DXC), else a [`Done`] with the result, the flags to raise, and the data
//! exception to take after the result has been written, if any.

pub mod arith;
pub mod compare;
pub mod convert;
pub mod divide;
pub mod format;
pub mod fpc;
mod number;
mod round;
#[cfg(test)]
mod tests;

pub use arith::{
    add, divide, multiply, multiply_add, multiply_longer, multiply_subtract, square_root, subtract,
};
pub use compare::{
    compare, compare_and_signal, load_and_test, load_complement, load_negative, load_positive,
    result_cc, test_data_class,
};
pub use convert::{
    Fixed, Rounded, convert_from_fixed, convert_to_fixed, load_fp_integer, load_lengthened,
    load_rounded,
};
pub use divide::{DividedToInteger, divide_to_integer};
pub use format::{Extended, Format, Long, Short};
pub use fpc::{Control, Dxc, Flags, Fpc, InvalidRounding, ReservedFpcBits, RoundingMode};

/// What an operation leaves behind when it is completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Done<T> {
    /// The result to write to the target.
    pub value: T,
    /// Flags to OR into the FPC register (exceptions whose mask bit is zero).
    pub flags: Flags,
    /// The data exception to present after `value` has been written (overflow, underflow or
    /// inexact whose mask bit is one). `value` is then the trapped result of the Principles of
    /// Operation, scaled where it says so.
    pub trap: Option<Dxc>,
}

impl<T> Done<T> {
    /// A result without any exception.
    pub(crate) const fn exact(value: T) -> Self {
        Self {
            value,
            flags: Flags::empty(),
            trap: None,
        }
    }

    /// The same exceptions with another result.
    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> Done<U> {
        Done {
            value: f(self.value),
            flags: self.flags,
            trap: self.trap,
        }
    }
}

/// A data exception that suppresses the operation: neither target, condition code nor flags
/// change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("IEEE exception with DXC {0:#04x} suppresses the operation")]
pub struct Suppressed(pub Dxc);

/// What a BFP operation yields.
pub type Outcome<T> = Result<Done<T>, Suppressed>;
