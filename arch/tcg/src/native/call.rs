//! Calls of helpers.

use super::alloc::width;
use super::asm::{Cc, Label, Mem, R8, R9, RAX, RBP, RCX, RDI, RDX, RSI, Reg, Rm, Width, at};
use super::leave::Ending;
use super::lower::{Lower, Site};
use super::{PINS, PINS_KEPT, State, thunks};
use crate::guest::Guest;
use crate::helper::{Effects, GlobalSet, HelperDef};
use crate::ir::{Global, Val};

/// Where the C calling convention wants the arguments behind the CPU.
pub(super) const ARGUMENTS: [Reg; 5] = [RSI, RDX, RCX, R8, R9];

/// Where an argument comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    Constant(u64),
    /// A register; of 32 bits, to be extended.
    Reg(Reg, Width),
    Mem(Mem, Width),
}

impl<G: Guest> Lower<'_, G> {
    /// The pinned registers with their places in the CPU.
    fn pinned(&self) -> Vec<(usize, Global, Reg, Mem)> {
        super::pins::<G>()
            .enumerate()
            .map(|(n, (reg, global, offset))| (n, global, reg, at(RBP, offset as i32 - self.bias)))
            .collect()
    }

    /// What a call comes from: constants, registers, memory.
    pub(super) fn sources(&mut self, args: &[Option<Val>; 5]) -> [Option<Source>; 5] {
        let mut sources = [None; 5];
        for (source, v) in sources.iter_mut().zip(args) {
            let Some(v) = *v else { continue };
            let w = width(self.ty(v));
            *source = Some(match self.constant(v) {
                Some(c) => Source::Constant(c),
                None => match self.operand(v) {
                    Rm::Reg(reg) => Source::Reg(reg, w),
                    Rm::Mem(mem) => Source::Mem(mem, w),
                },
            });
        }
        sources
    }

    /// Behind the block: calls the helper that inline code stands for, since the case is not one
    /// of its own. Everything is as it was at the jump to `label`; the value goes to `result`,
    /// and `back` follows. Call it before any register that an argument is in is changed.
    pub(super) fn fall_back(
        &mut self,
        def: &'static HelperDef,
        args: &[Option<Val>; 5],
        label: Label,
        back: Label,
        result: Option<Reg>,
    ) {
        let sources = self.sources(args);
        self.fall_back_from(def, sources, label, back, result);
    }

    /// The same for arguments that were found before by [`Self::sources`].
    pub(super) fn fall_back_from(
        &mut self,
        def: &'static HelperDef,
        sources: [Option<Source>; 5],
        label: Label,
        back: Label,
        result: Option<Reg>,
    ) {
        let looks = def.effects.writes_memory || def.effects.writes_globals;
        let leave = if looks { self.leave_after() } else { None };
        self.later(Ending::Helper {
            label,
            back,
            def,
            sources,
            result,
            leave,
            looks,
            site: self.site,
        });
    }

    /// Writes the call of a helper behind the block.
    pub(super) fn write_helper(
        &mut self,
        def: &'static HelperDef,
        sources: [Option<Source>; 5],
        result: Option<Reg>,
        site: Site,
    ) {
        let word = |offset| thunks::state(offset);
        let aside = self.core(thunks::aside());
        for (n, source) in sources.iter().enumerate() {
            let place = self.core(word(std::mem::offset_of!(State, arguments) + n * 8));
            match *source {
                None => {}
                Some(Source::Constant(c)) => match i32::try_from(c as i64) {
                    Ok(c) => self.asm.store_imm(Width::W64, place, c),
                    Err(_) => {
                        self.asm.store(Width::W64, aside, RAX);
                        self.asm.mov_imm_keep_flags(RAX, c);
                        self.asm.store(Width::W64, place, RAX);
                        self.asm.mov(Width::W64, RAX, aside);
                    }
                },
                Some(Source::Reg(reg, Width::W64)) => self.asm.store(Width::W64, place, reg),
                Some(Source::Reg(reg, Width::W32)) => {
                    self.asm.store_imm(Width::W64, place, 0);
                    self.asm.store(Width::W32, place, reg);
                }
                Some(Source::Mem(mem, w)) => {
                    self.asm.store(Width::W64, aside, RAX);
                    self.asm.mov(w, RAX, mem);
                    self.asm.store(Width::W64, place, RAX);
                    self.asm.mov(Width::W64, RAX, aside);
                }
            }
        }
        self.asm.store(Width::W64, aside, RAX);
        self.write_site(site, RAX);
        let function = self.core(word(std::mem::offset_of!(State, function)));
        self.asm.mov_imm_keep_flags(RAX, def.func as usize as u64);
        self.asm.store(Width::W64, function, RAX);
        self.asm.mov(Width::W64, RAX, aside);
        let thunk = self.core(thunks::thunk(thunks::HELPER));
        self.asm.call_mem(thunk);
        if let Some(reg) = result {
            let value = self.core(word(std::mem::offset_of!(State, value)));
            self.asm.mov(Width::W64, reg, value);
        }
    }

    pub(super) fn call(&mut self, def: &'static HelperDef, args: &[Option<Val>; 5]) {
        let effects = def.effects;
        if let Some(intrinsic) = def.intrinsic
            && self.intrinsic(intrinsic, def, args)
        {
            return;
        }
        let sources = self.sources(args);
        let writes = if effects.writes_globals {
            effects.writes
        } else {
            GlobalSet::NONE
        };
        self.before_call(writes);
        // Registers that the helper does not keep, or may want to see, or may write in part.
        let pinned = self.pinned();
        let at_trap = pinned
            .iter()
            .any(|&(_, global, ..)| effects.writes_at_trap.has(global));
        for &(n, global, reg, place) in &pinned {
            let seen = effects.reads_globals && effects.reads.has(global);
            if n >= PINS_KEPT || seen || writes.has(global) || at_trap {
                self.asm.store(Width::W64, place, reg);
            }
        }
        self.move_arguments(sources);
        if effects != Effects::PURE {
            self.write_site(self.site, RAX);
        }
        self.asm.lea(Width::W64, RDI, at(RBP, -self.bias));
        self.asm.mov_imm_keep_flags(RAX, def.func as usize as u64);
        self.asm.call_reg(RAX);
        self.after_call();
        for &(n, global, reg, place) in &pinned {
            if n >= PINS_KEPT || writes.has(global) {
                self.asm.mov(Width::W64, reg, place);
            }
        }
        if effects.traps {
            let known = self.trap_labels[usize::from(at_trap)];
            let label = match known {
                Some(label) => label,
                None => {
                    let label = self.asm.label();
                    self.trap_labels[usize::from(at_trap)] = Some(label);
                    self.later(Ending::Trap {
                        label,
                        reload: at_trap,
                    });
                    label
                }
            };
            self.asm.test(Width::W64, RDX, RDX);
            self.asm.jcc(Cc::Ne, label);
        }
        if writes.has_cc() {
            self.cc_kind = None;
        }
        if effects.writes_globals || effects.writes_memory {
            self.may_leave = true;
        }
        if self.values[self.now].last as usize > self.now {
            if self.direct[self.now].is_some() {
                self.lock(RAX);
                let d = self.define(&[]);
                self.asm.mov(Width::W64, d, RAX);
            } else {
                self.hold(RAX);
            }
        }
    }

    /// Moves arguments to their registers, all at once.
    fn move_arguments(&mut self, sources: [Option<Source>; 5]) {
        let mut left: Vec<(Reg, Reg, Width)> = Vec::new();
        for (source, to) in sources.iter().zip(ARGUMENTS) {
            if let Some(Source::Reg(from, w)) = *source {
                left.push((to, from, w));
            }
        }
        while !left.is_empty() {
            // One whose target nobody else still reads.
            let ready = left.iter().position(|&(to, ..)| {
                left.iter()
                    .filter(|&&(other, from, _)| from == to && other != to)
                    .count()
                    == 0
            });
            match ready {
                Some(n) => {
                    let (to, from, w) = left.swap_remove(n);
                    self.asm.mov(w, to, from);
                }
                None => {
                    // A cycle: rax breaks it, which is no argument's register.
                    let (_, from, _) = left[0];
                    self.asm.mov(Width::W64, RAX, from);
                    for entry in &mut left {
                        if entry.1 == from {
                            entry.1 = RAX;
                        }
                    }
                }
            }
        }
        for (source, to) in sources.iter().zip(ARGUMENTS) {
            match *source {
                Some(Source::Constant(c)) => self.asm.mov_imm_keep_flags(to, c),
                Some(Source::Mem(mem, w)) => self.asm.mov(w, to, mem),
                _ => {}
            }
        }
    }
}

/// The registers that a call does not keep, beside the result's: none of them is pinned.
pub(super) const NOT_KEPT: [Reg; 6] = [RAX, RCX, RDX, RSI, RDI, R8];

/// The pinned registers that a call does not keep.
pub(super) fn pins_not_kept() -> &'static [Reg] {
    &PINS[PINS_KEPT..]
}
