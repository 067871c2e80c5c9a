//! What an operation must yield, derived from rustc_apfloat.
//!
//! The library rounds, but knows neither this architecture's traps nor tininess before rounding
//! nor the mode that prepares for shorter precision. Those follow from its result toward zero.

use rustc_apfloat::ieee::{Double, Quad, Single};
use rustc_apfloat::{Float, FloatConvert, Round, Status, StatusAnd};

use crate::bfp::{
    Control, Done, Dxc, Extended, Flags, Format, Long, Outcome, RoundingMode, Short, Suppressed,
};

/// A format with its counterpart in the library.
pub(super) trait Oracle: Format + 'static {
    type Ap: Float + Copy + core::fmt::Debug + FloatConvert<Quad>;
    fn ap(self) -> Self::Ap {
        Self::Ap::from_bits(self.raw())
    }
    fn of(x: Self::Ap) -> Self {
        Self::from_raw(x.to_bits())
    }
    fn quad(self) -> Quad {
        self.ap().convert(&mut false).value
    }
    fn of_quad(x: Quad, mode: Round) -> StatusAnd<Self::Ap>;
}

macro_rules! oracle {
    ($($format:ident $ap:ident),*) => {$(
        impl Oracle for $format {
            type Ap = $ap;
            fn of_quad(x: Quad, mode: Round) -> StatusAnd<$ap> {
                let StatusAnd { status, value } = x.convert_r(mode, &mut false);
                StatusAnd { status, value }
            }
        }
    )*};
}
oracle!(Short Single, Long Double, Extended Quad);

pub(super) fn library_mode(mode: RoundingMode) -> Round {
    match mode {
        RoundingMode::NearestEven => Round::NearestTiesToEven,
        RoundingMode::NearestAway => Round::NearestTiesToAway,
        RoundingMode::TowardZero | RoundingMode::ShorterPrecision => Round::TowardZero,
        RoundingMode::Up => Round::TowardPositive,
        RoundingMode::Down => Round::TowardNegative,
    }
}

/// Rounds a result which the library has truncated to odd, so that a later rounding to fewer
/// digits is as good as one rounding.
pub(super) fn to_odd(x: StatusAnd<Quad>) -> Quad {
    let inexact = x.status.contains(Status::INEXACT);
    Quad::from_bits(x.value.to_bits() | u128::from(inexact))
}

/// The outcome of an operation without NaN operands. `op` is the operation with a rounding mode;
/// `wide` the same in extended format, rounded to odd, for formats with room for it. `None` if
/// the library cannot tell (overflow and trapped underflow in extended format).
pub(super) fn expected<F: Oracle>(
    control: Control,
    op: impl Fn(Round) -> StatusAnd<F::Ap>,
    wide: Option<Quad>,
) -> Option<Outcome<F>> {
    let mode = library_mode(control.rounding);
    let truncated = op(Round::TowardZero);
    let result = op(mode);
    let masks = control.fpc.masks();
    for (status, flag) in [
        (Status::INVALID_OP, Flags::INVALID),
        (Status::DIV_BY_ZERO, Flags::DIVISION_BY_ZERO),
    ] {
        if result.status.contains(status) {
            if masks.contains(flag) {
                return Some(Err(Suppressed(Dxc(flag.bits()))));
            }
            let value = if flag == Flags::INVALID {
                F::from_raw(F::DEFAULT_NAN)
            } else {
                F::of(result.value)
            };
            return Some(Ok(Done {
                value,
                flags: flag,
                trap: None,
            }));
        }
    }
    let inexact = truncated.status.contains(Status::INEXACT);
    let low = F::of(truncated.value);
    let value = match control.rounding {
        RoundingMode::ShorterPrecision if inexact => F::from_raw(low.raw() | 1),
        _ => F::of(result.value),
    };
    // Tiny before rounding: the truncated result lies below the normal numbers.
    let tiny = low.raw() & !F::SIGN < F::QUIET * 2 && (inexact || !low.is_zero());
    // The library does not call it overflow if the largest number is the result.
    let at_largest = inexact && value.raw() & !F::SIGN == F::MAX;
    let overflow = match wide {
        Some(wide) if at_largest => wide.ilogb() > F::MAX_EXPONENT,
        None if at_largest => return None,
        _ => result.status.contains(Status::OVERFLOW),
    };
    let mut dxc = match (inexact, value == low) {
        (false, _) => 0,
        (true, true) => 0x08,
        (true, false) => 0x0c,
    };

    let condition = match (overflow, tiny) {
        (true, _) => Flags::OVERFLOW,
        (_, true) => Flags::UNDERFLOW,
        _ => Flags::empty(),
    };
    if !condition.is_empty() && masks.contains(condition) {
        let scale = if overflow { -F::SCALE } else { F::SCALE };
        let wide = wide?;
        let wide = wide.scalbn_r(scale, Round::TowardZero);
        let low = F::of_quad(wide, Round::TowardZero);
        let mut scaled = F::of(F::of_quad(wide, mode).value);
        dxc = 0;
        if low.status.contains(Status::INEXACT) {
            if control.rounding == RoundingMode::ShorterPrecision {
                scaled = F::from_raw(scaled.raw() | 1);
            }
            dxc = if scaled == F::of(low.value) {
                0x08
            } else {
                0x0c
            };
        }
        return Some(Ok(Done {
            value: scaled,
            flags: Flags::empty(),
            trap: Some(Dxc(condition.bits() | dxc)),
        }));
    }
    let mut flags = if overflow || inexact {
        condition
    } else {
        Flags::empty()
    };
    let mut trap = None;
    if inexact && !control.suppress_inexact {
        if masks.contains(Flags::INEXACT) {
            trap = Some(Dxc(dxc));
        } else {
            flags |= Flags::INEXACT;
        }
    }
    Some(Ok(Done { value, flags, trap }))
}
