//! Inline code for helpers that say what they are ([`Intrinsic`]).
//!
//! A case that inline code does not cover goes to the helper itself ([`Lower::fall_back`]), which
//! stays the definition. Not here: the families' code, each in a module of its own.

use super::lower::Lower;
use crate::guest::Guest;
use crate::helper::{HelperDef, Intrinsic};
use crate::ir::Val;

impl<G: Guest> Lower<'_, G> {
    /// Writes inline code for a helper, if there is any.
    pub(super) fn intrinsic(
        &mut self,
        intrinsic: Intrinsic,
        def: &'static HelperDef,
        args: &[Option<Val>; 5],
    ) -> bool {
        match intrinsic {
            Intrinsic::Float(float) => self.float(float, def, args),
            _ => false,
        }
    }
}
