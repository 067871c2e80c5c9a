//! Inline code for helpers that say what they are ([`Intrinsic`]).
//!
//! A case that inline code does not cover goes to the helper itself ([`Lower::fall_back`]), which
//! stays the definition. Not here: the families' code, each in a module of its own.

use super::alloc::width;
use super::asm::Cc;
use super::clock::Read;
use super::lower::Lower;
use crate::guest::Guest;
use crate::helper::{GlobalSet, HelperDef, Intrinsic};
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
            Intrinsic::CopyBytes => self.copy_bytes(def, args) || self.copy_length(def, args),
            Intrinsic::ClearBytes => self.clear_bytes(def, args) || self.clear_length(def, args),
            Intrinsic::CombineBytes(op) => self.combine_bytes(op, def, args),
            Intrinsic::CompareBytes => {
                self.compare_bytes(def, args) || self.compare_length(def, args)
            }
            Intrinsic::TranslateBytes => self.translate_bytes(def, args),
            Intrinsic::NothingIfZero => self.nothing_if_zero(def, args),
            Intrinsic::ReadClock => self.read_clock(def, Read::Unordered),
            Intrinsic::ReadClockUnique => self.read_clock(def, Read::Unique),
            Intrinsic::ReadTimer => self.read_clock(def, Read::Timer),
            Intrinsic::StoreClock { last } => self.store_clock(def, args, last),
        }
    }

    /// Calls a helper only if its first argument is not 0.
    fn nothing_if_zero(&mut self, def: &'static HelperDef, args: &[Option<Val>; 5]) -> bool {
        let Some(condition) = args[0] else {
            return false;
        };
        let used = self.values[self.now].last as usize > self.now;
        // What a helper writes is read again behind a call; there is no such place here.
        let writes = def.effects.writes_globals && def.effects.writes != GlobalSet::NONE;
        if used || writes {
            return false;
        }
        if let Some(c) = self.constant(condition) {
            return c == 0;
        }
        let reg = self.reg(condition);
        let (call, back) = (self.asm.label(), self.asm.label());
        let sources = self.sources(args);
        self.asm.test(width(self.ty(condition)), reg, reg);
        self.asm.jcc(Cc::Ne, call);
        self.asm.bind(back);
        self.fall_back_from(def, sources, call, back, None);
        true
    }
}
