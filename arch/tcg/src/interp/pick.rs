//! The step for an operation: from values to generic parameters.
//!
//! Operations are given as indexes into the tables of [`super::ops`].

use super::Handler;
use super::{access, ops};
use crate::guest::Guest;
use crate::ir::Ty;

// `match`es over a number and flags, with an arm for each combination.

macro_rules! number_and_width {
    ($number:expr, $ty:expr, $module:ident::$step:ident, [$($n:literal),*]) => {{
        let handler: Handler = match ($number, $ty) {
            $(
                ($n, Ty::I32) => $module::$step::<$n, false>,
                ($n, Ty::I64) => $module::$step::<$n, true>,
            )*
            // Indexes come from the table itself.
            _ => unreachable!("no operation {} in the table", $number),
        };
        handler
    }};
}

macro_rules! comparison {
    ($number:expr, $ty:expr, $imm:expr, $step:ident) => {
        comparison!(@arms $number, $ty, $imm, $step, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    };
    (@arms $number:expr, $ty:expr, $imm:expr, $step:ident, [$($n:literal),*]) => {{
        let handler: Handler = match ($number, $ty, $imm) {
            $(
                ($n, Ty::I32, false) => ops::$step::<$n, false, false>,
                ($n, Ty::I32, true) => ops::$step::<$n, false, true>,
                ($n, Ty::I64, false) => ops::$step::<$n, true, false>,
                ($n, Ty::I64, true) => ops::$step::<$n, true, true>,
            )*
            _ => unreachable!("no comparison {} in the table", $number),
        };
        handler
    }};
}

pub(super) fn pick_bin(op: usize, ty: Ty) -> Handler {
    number_and_width!(op, ty, ops::bin, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
}

pub(super) fn pick_bin_imm(op: usize, ty: Ty) -> Handler {
    number_and_width!(
        op,
        ty,
        ops::bin_imm,
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    )
}

pub(super) fn pick_un(op: usize, ty: Ty) -> Handler {
    number_and_width!(op, ty, ops::un, [0, 1, 2, 3, 4])
}

pub(super) fn pick_carry(op: usize, ty: Ty) -> Handler {
    number_and_width!(op, ty, ops::carry, [0, 1, 2, 3])
}

pub(super) fn pick_extend(bits: u8, signed: bool, ty: Ty) -> Handler {
    match (bits, signed, ty) {
        (8, false, Ty::I32) => ops::extend::<8, false, false>,
        (8, false, Ty::I64) => ops::extend::<8, false, true>,
        (8, true, Ty::I32) => ops::extend::<8, true, false>,
        (8, true, Ty::I64) => ops::extend::<8, true, true>,
        (16, false, Ty::I32) => ops::extend::<16, false, false>,
        (16, false, Ty::I64) => ops::extend::<16, false, true>,
        (16, true, Ty::I32) => ops::extend::<16, true, false>,
        (16, true, Ty::I64) => ops::extend::<16, true, true>,
        (32, false, Ty::I32) => ops::extend::<32, false, false>,
        (32, false, Ty::I64) => ops::extend::<32, false, true>,
        (32, true, Ty::I32) => ops::extend::<32, true, false>,
        (32, true, Ty::I64) => ops::extend::<32, true, true>,
        (_, false, Ty::I32) => ops::extend::<0, false, false>,
        (_, false, Ty::I64) => ops::extend::<0, false, true>,
        (_, true, Ty::I32) => ops::extend::<0, true, false>,
        (_, true, Ty::I64) => ops::extend::<0, true, true>,
    }
}

pub(super) fn pick_set_cond(cond: usize, ty: Ty, imm: bool) -> Handler {
    comparison!(cond, ty, imm, set_cond)
}

pub(super) fn pick_exit_if(cond: usize, ty: Ty, imm: bool) -> Handler {
    comparison!(cond, ty, imm, exit_if)
}

pub(super) fn pick_skip_if(cond: usize, ty: Ty, imm: bool) -> Handler {
    comparison!(cond, ty, imm, skip_if)
}

pub(super) fn pick_cc_exit_if(cond: usize, ty: Ty, imm: bool) -> Handler {
    comparison!(cond, ty, imm, cc_exit_if)
}

macro_rules! loads {
    ($guest:ident, $size:expr, $signed:expr, $ty:expr, $index:expr, [$($n:literal),*]) => {{
        let handler: Handler = match ($size, $signed, $ty, $index) {
            $(
                ($n, false, Ty::I32, false) => access::load::<$guest, $n, false, false, false>,
                ($n, false, Ty::I32, true) => access::load::<$guest, $n, false, false, true>,
                ($n, false, Ty::I64, false) => access::load::<$guest, $n, false, true, false>,
                ($n, false, Ty::I64, true) => access::load::<$guest, $n, false, true, true>,
                ($n, true, Ty::I32, false) => access::load::<$guest, $n, true, false, false>,
                ($n, true, Ty::I32, true) => access::load::<$guest, $n, true, false, true>,
                ($n, true, Ty::I64, false) => access::load::<$guest, $n, true, true, false>,
                ($n, true, Ty::I64, true) => access::load::<$guest, $n, true, true, true>,
            )*
            _ => unreachable!("no size {} in the table", $size),
        };
        handler
    }};
}

pub(super) fn pick_load<G: Guest>(size: usize, signed: bool, ty: Ty, index: bool) -> Handler {
    loads!(G, size, signed, ty, index, [0, 1, 2, 3])
}

pub(super) fn pick_store<G: Guest>(size: usize, index: bool) -> Handler {
    match (size, index) {
        (0, false) => access::store::<G, 0, false>,
        (0, true) => access::store::<G, 0, true>,
        (1, false) => access::store::<G, 1, false>,
        (1, true) => access::store::<G, 1, true>,
        (2, false) => access::store::<G, 2, false>,
        (2, true) => access::store::<G, 2, true>,
        (_, false) => access::store::<G, 3, false>,
        (_, true) => access::store::<G, 3, true>,
    }
}

pub(super) fn pick_call(args: u8, check: bool) -> Handler {
    match (args, check) {
        (0, false) => access::call::<0, false>,
        (0, true) => access::call::<0, true>,
        (1, false) => access::call::<1, false>,
        (1, true) => access::call::<1, true>,
        (2, false) => access::call::<2, false>,
        (2, true) => access::call::<2, true>,
        (3, false) => access::call::<3, false>,
        (3, true) => access::call::<3, true>,
        (4, false) => access::call::<4, false>,
        (4, true) => access::call::<4, true>,
        (_, false) => access::call::<5, false>,
        (_, true) => access::call::<5, true>,
    }
}
