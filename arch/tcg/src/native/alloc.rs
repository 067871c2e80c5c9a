//! Where the values of a block live: constants, host registers, spill words, guest registers.
//!
//! A value read from a guest register is that register until somebody writes it; then those who
//! still need the old value get a copy. Decisions are made op by op, going forward; when registers
//! run out, the value whose last use is farthest goes to a spill word. Nothing here changes flags.

use super::asm::{Mem, R8, RAX, RBP, RCX, RDI, RDX, RSI, Reg, Rm, Width, at};
use super::lower::Lower;
use crate::cpu::{CpuCore, SCRATCH_WORDS};
use crate::guest::Guest;
use crate::helper::GlobalSet;
use crate::ir::{Global, Part, Ty, Val};

/// Registers for values, in the order of preference: those that instructions ask for last.
const TEMPS: [Reg; 6] = [RSI, RDI, R8, RAX, RDX, RCX];

/// A place in memory that holds a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    /// A word of `CpuCore::scratch`.
    Spill(u16),
    /// A guest register, or half of one.
    Global { global: u16, disp: i32, bytes: u8 },
}

/// What is known of a value.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Value {
    /// Index of the last op that reads it.
    pub(super) last: u32,
    pub(super) constant: Option<u64>,
    pub(super) reg: Option<Reg>,
    pub(super) home: Option<Home>,
    /// Bits 32-63 of `reg` (or of a spill word) are zero.
    pub(super) zero_extended: bool,
}

/// The width of a type.
pub(super) fn width(ty: Ty) -> Width {
    match ty {
        Ty::I32 => Width::W32,
        Ty::I64 => Width::W64,
    }
}

/// A constant as a sign-extended immediate of the width.
pub(super) fn immediate(ty: Ty, c: u64) -> Option<i32> {
    match ty {
        Ty::I32 => Some(c as i32),
        Ty::I64 => i32::try_from(c as i64).ok(),
    }
}

impl<G: Guest> Lower<'_, G> {
    /// A field of the core.
    pub(super) fn core(&self, offset: usize) -> Mem {
        at(RBP, offset as i32 - self.bias)
    }

    /// A guest register in the CPU: its place and bytes.
    pub(super) fn place(&self, global: Global, part: Part) -> (i32, u8) {
        let decl = &G::GLOBALS[usize::from(global.0)];
        let disp = decl.offset as i32 - self.bias;
        match (part, decl.ty) {
            (Part::Full, Ty::I64) => (disp, 8),
            (Part::Full, Ty::I32) | (Part::Low32, _) => (disp, 4),
            (Part::High32, _) => (disp + 4, 4),
        }
    }

    pub(super) fn home_mem(&self, home: Home) -> Mem {
        match home {
            Home::Spill(word) => {
                self.core(std::mem::offset_of!(CpuCore, scratch) + usize::from(word) * 8)
            }
            Home::Global { disp, .. } => at(RBP, disp),
        }
    }

    /// The index under which a value is kept: values that are the same bits share one.
    pub(super) fn root(&self, v: Val) -> usize {
        self.roots[v.0 as usize] as usize
    }

    pub(super) fn constant(&self, v: Val) -> Option<u64> {
        self.values[self.root(v)]
            .constant
            .map(|c| match self.ty(v) {
                Ty::I32 => c & u64::from(u32::MAX),
                Ty::I64 => c,
            })
    }

    pub(super) fn ty(&self, v: Val) -> Ty {
        self.types[v.0 as usize]
    }

    /// Whether no op after the current one reads the value.
    pub(super) fn dies(&self, v: Val) -> bool {
        self.values[self.root(v)].last as usize <= self.now
    }

    pub(super) fn lock(&mut self, reg: Reg) {
        self.locked |= 1 << reg.0;
    }

    pub(super) fn unlock(&mut self, reg: Reg) {
        self.locked &= !(1 << reg.0);
    }

    pub(super) fn is_locked(&self, reg: Reg) -> bool {
        self.locked >> reg.0 & 1 != 0
    }

    /// The host register that a guest register lives in.
    pub(super) fn pin(&self, global: Global) -> Option<Reg> {
        self.pins[usize::from(global.0)]
    }

    /// A register that nothing is in.
    pub(super) fn free_temp(&self) -> Option<Reg> {
        TEMPS
            .into_iter()
            .find(|&reg| self.holders[usize::from(reg.0)].is_none() && !self.is_locked(reg))
    }

    fn spill_word(&mut self) -> u16 {
        let word = self
            .words
            .iter()
            .position(|&(_, end)| (end as usize) < self.now);
        match word {
            Some(word) => self.words[word].0,
            None => {
                self.failed |= self.words.len() >= SCRATCH_WORDS;
                let word = self.words.len() as u16;
                self.words.push((word, 0));
                word
            }
        }
    }

    /// Writes a value that is in a register to a spill word, if it is nowhere else.
    fn save(&mut self, root: usize) {
        let value = self.values[root];
        let Some(reg) = value.reg else { return };
        if value.constant.is_none() && value.home.is_none() {
            let word = self.spill_word();
            if let Some(slot) = self.words.get_mut(usize::from(word)) {
                slot.1 = value.last;
            }
            let home = Home::Spill(word);
            let place = self.home_mem(home);
            self.asm.store(Width::W64, place, reg);
            self.values[root].home = Some(home);
        }
    }

    /// Takes a value out of its register.
    fn evict(&mut self, reg: Reg) {
        if let Some(root) = self.holders[usize::from(reg.0)].take() {
            let root = root as usize;
            if self.values[root].last as usize >= self.now {
                self.save(root);
            }
            self.values[root].reg = None;
        }
    }

    /// A register for the current op's own use.
    pub(super) fn temp(&mut self) -> Reg {
        let reg = self.free_temp().or_else(|| {
            let victim = TEMPS
                .into_iter()
                .filter(|&reg| !self.is_locked(reg))
                .max_by_key(|&reg| {
                    self.holders[usize::from(reg.0)]
                        .map_or(0, |root| self.values[root as usize].last)
                })?;
            self.evict(victim);
            Some(victim)
        });
        let Some(reg) = reg else {
            self.failed = true;
            return RAX;
        };
        self.lock(reg);
        reg
    }

    /// A particular register for the current op's own use; asked for before any operand.
    pub(super) fn take(&mut self, reg: Reg) {
        self.failed |= self.is_locked(reg);
        if let Some(root) = self.holders[usize::from(reg.0)] {
            let free = TEMPS.into_iter().find(|&other| {
                other != reg
                    && self.holders[usize::from(other.0)].is_none()
                    && !self.is_locked(other)
                    && other != RAX
                    && other != RDX
                    && other != RCX
            });
            match free {
                Some(other) => {
                    self.asm.mov(Width::W64, other, reg);
                    self.holders[usize::from(reg.0)] = None;
                    self.holders[usize::from(other.0)] = Some(root);
                    self.values[root as usize].reg = Some(other);
                }
                None => self.evict(reg),
            }
        }
        self.lock(reg);
    }

    /// A value in a register, which is not to be changed.
    pub(super) fn reg(&mut self, v: Val) -> Reg {
        let root = self.root(v);
        let value = self.values[root];
        if let Some(reg) = value.reg {
            self.lock(reg);
            return reg;
        }
        let reg = self.temp();
        if let Some(c) = value.constant {
            self.asm.mov_imm_keep_flags(reg, c);
            self.values[root].zero_extended = u32::try_from(c).is_ok();
        } else if let Some(home) = value.home {
            let place = self.home_mem(home);
            let short = matches!(home, Home::Global { bytes: 4, .. });
            let width = if short { Width::W32 } else { Width::W64 };
            self.asm.mov(width, reg, place);
            if short {
                self.values[root].zero_extended = true;
            }
        } else {
            // A value that is read was made.
            self.failed = true;
        }
        self.values[root].reg = Some(reg);
        self.holders[usize::from(reg.0)] = Some(root as u32);
        reg
    }

    /// A value as an operand that is not changed: in a register, or in memory where it is.
    pub(super) fn operand(&mut self, v: Val) -> Rm {
        let value = self.values[self.root(v)];
        if value.reg.is_none()
            && value.constant.is_none()
            && let Some(home) = value.home
        {
            let bytes = match home {
                Home::Spill(_) => 8,
                Home::Global { bytes, .. } => bytes,
            };
            if u32::from(bytes) * 8 >= self.ty(v).bits() && self.dies(v) {
                return self.home_mem(home).into();
            }
        }
        self.reg(v).into()
    }

    /// Copies a value to a register of the current op's own.
    pub(super) fn copy_to(&mut self, reg: Reg, v: Val) {
        if let Some(c) = self.constant(v) {
            self.asm.mov_imm_keep_flags(reg, c);
            return;
        }
        let ty = self.ty(v);
        let source = self.operand(v);
        self.asm.mov(width(ty), reg, source);
    }

    /// A value in a register with its upper half zero.
    pub(super) fn reg_extended(&mut self, v: Val) -> Reg {
        if self.ty(v) == Ty::I64 {
            return self.reg(v);
        }
        let root = self.root(v);
        let reg = self.reg(v);
        let own = self.types[root] == Ty::I32 && self.values[root].zero_extended;
        if own
            || self.values[root]
                .constant
                .is_some_and(|c| u32::try_from(c).is_ok())
        {
            return reg;
        }
        let copy = self.temp();
        self.asm.mov(Width::W32, copy, reg);
        copy
    }

    /// The register for the current op's value. It is none of `avoid`, and none that an operand
    /// or a temporary of the op is in, unless that operand is the guest register written.
    pub(super) fn define(&mut self, avoid: &[Reg]) -> Reg {
        let now = self.now;
        if let Some(global) = self.direct[now]
            && let Some(reg) = self.pin(global)
            && !avoid.contains(&reg)
        {
            self.detach(global);
            self.values[now].reg = Some(reg);
            self.aliases[usize::from(global.0)].push(now as u32);
            return reg;
        }
        let reg = self.temp();
        self.hold(reg);
        reg
    }

    /// As [`Self::define`], but in a register that was taken, if it is to be in no guest register.
    pub(super) fn define_in(&mut self, taken: Reg) -> Reg {
        if self.direct[self.now].is_some() {
            return self.define(&[]);
        }
        self.hold(taken);
        taken
    }

    /// The current op's value is made in this register.
    pub(super) fn hold(&mut self, reg: Reg) {
        let now = self.now;
        if let Some(root) = self.holders[usize::from(reg.0)] {
            self.values[root as usize].reg = None;
        }
        self.holders[usize::from(reg.0)] = Some(now as u32);
        self.values[now].reg = Some(reg);
        self.values[now].zero_extended = self.types[now] == Ty::I32;
        self.lock(reg);
    }

    /// As [`Self::define`], with the value of an operand in it, whose register it takes over if
    /// it can.
    pub(super) fn define_from(&mut self, v: Val, avoid: &[Reg]) -> Reg {
        let root = self.root(v);
        let now = self.now;
        let pinned = self.direct[now].and_then(|g| self.pin(g));
        if pinned.is_none_or(|reg| avoid.contains(&reg))
            && self.dies(v)
            && self.values[root].constant.is_none()
            && let Some(reg) = self.values[root].reg
            && self.holders[usize::from(reg.0)] == Some(root as u32)
            && !avoid.contains(&reg)
        {
            self.hold(reg);
            return reg;
        }
        if let Some(c) = self.constant(v) {
            let reg = self.define(avoid);
            self.asm.mov_imm_keep_flags(reg, c);
            return reg;
        }
        let source = self.operand(v);
        let reg = self.define(avoid);
        if source != Rm::Reg(reg) {
            let ty = self.ty(v);
            self.asm.mov(width(ty), reg, source);
        }
        reg
    }

    /// The current op's value is the same bits as another's.
    pub(super) fn same_as(&mut self, v: Val) {
        let (root, now) = (self.root(v), self.now);
        self.roots[now] = root as u32;
        let last = self.values[now].last;
        let value = &mut self.values[root];
        value.last = value.last.max(last);
        if let Some(Home::Spill(word)) = value.home
            && let Some(slot) = self.words.get_mut(usize::from(word))
        {
            slot.1 = slot.1.max(last);
        }
    }

    /// The guest register is about to change: those who need its old value after this op get a
    /// copy.
    pub(super) fn detach(&mut self, global: Global) {
        let aliases = std::mem::take(&mut self.aliases[usize::from(global.0)]);
        let pin = self.pin(global);
        for &root in &aliases {
            let root = root as usize;
            let value = self.values[root];
            let in_pin = pin.is_some() && value.reg == pin;
            let in_home =
                matches!(value.home, Some(Home::Global { global: g, .. }) if g == global.0);
            if in_home {
                self.values[root].home = None;
            }
            if in_pin {
                self.values[root].reg = None;
            }
            if value.last as usize <= self.now.max(self.horizon) || value.constant.is_some() {
                continue;
            }
            if in_pin {
                if let (Some(from), Some(to)) = (pin, self.free_temp()) {
                    self.asm.mov(Width::W64, to, from);
                    self.values[root].reg = Some(to);
                    self.holders[usize::from(to.0)] = Some(root as u32);
                } else if !matches!(value.home, Some(Home::Spill(_))) {
                    self.values[root].reg = pin;
                    self.values[root].home = None;
                    self.save(root);
                    self.values[root].reg = None;
                }
            } else if in_home
                && value.reg.is_none()
                && let Some(home) = value.home
            {
                self.copy_home(root, home);
            }
        }
        let mut aliases = aliases;
        aliases.clear();
        // Keeps its memory.
        if self.aliases[usize::from(global.0)].is_empty() {
            self.aliases[usize::from(global.0)] = aliases;
        }
    }

    /// A value that is only in a guest register in memory moves elsewhere.
    fn copy_home(&mut self, root: usize, home: Home) {
        let from = self.home_mem(home);
        let short = matches!(home, Home::Global { bytes: 4, .. });
        let width = if short { Width::W32 } else { Width::W64 };
        if short {
            self.values[root].zero_extended = true;
        }
        if let Some(to) = self.free_temp() {
            self.asm.mov(width, to, from);
            self.values[root].reg = Some(to);
            self.holders[usize::from(to.0)] = Some(root as u32);
            return;
        }
        // No register is free: through one that is put aside.
        let word = self.spill_word();
        if let Some(slot) = self.words.get_mut(usize::from(word)) {
            slot.1 = self.values[root].last;
        }
        let to = self.home_mem(Home::Spill(word));
        let aside = self.core(super::thunks::aside());
        self.asm.store(Width::W64, aside, RAX);
        self.asm.mov(width, RAX, from);
        self.asm.store(Width::W64, to, RAX);
        self.asm.mov(Width::W64, RAX, aside);
        self.values[root].home = Some(Home::Spill(word));
    }

    /// A helper is about to be called: values that later ops need get a place in memory; those
    /// that are a guest register that is `written` one of their own. Registers stay as they are until
    /// [`Self::after_call`].
    pub(super) fn before_call(&mut self, written: GlobalSet) {
        for global in 0..self.aliases.len() {
            if written.has(Global(global as u16)) {
                self.spill_aliases(global);
            }
        }
        for reg in TEMPS {
            if let Some(root) = self.holders[usize::from(reg.0)]
                && self.values[root as usize].last as usize > self.now
            {
                self.save(root as usize);
            }
        }
    }

    /// Values that are a guest register get a place of their own in memory.
    fn spill_aliases(&mut self, global: usize) {
        let mut aliases = std::mem::take(&mut self.aliases[global]);
        let pin = self.pin(Global(global as u16));
        for &root in &aliases {
            let root = root as usize;
            let value = self.values[root];
            let in_home = matches!(value.home, Some(Home::Global { global: g, .. }) if usize::from(g) == global);
            let in_pin = pin.is_some() && value.reg == pin;
            if value.last as usize > self.now && value.constant.is_none() {
                if in_home && value.reg.is_none() {
                    let reg = self.temp();
                    if let Some(home) = value.home {
                        let place = self.home_mem(home);
                        let short = matches!(home, Home::Global { bytes: 4, .. });
                        self.values[root].zero_extended |= short;
                        let width = if short { Width::W32 } else { Width::W64 };
                        self.asm.mov(width, reg, place);
                    }
                    self.values[root].reg = Some(reg);
                    self.holders[usize::from(reg.0)] = Some(root as u32);
                    self.unlock(reg);
                }
                if in_home {
                    self.values[root].home = None;
                }
                self.save(root);
            } else if in_home {
                self.values[root].home = None;
            }
            if in_pin {
                self.values[root].reg = None;
            }
        }
        aliases.clear();
        self.aliases[global] = aliases;
    }

    /// A helper was called: no register but the pinned ones holds a value.
    pub(super) fn after_call(&mut self) {
        self.locked = 0;
        for reg in TEMPS {
            if let Some(root) = self.holders[usize::from(reg.0)].take() {
                self.values[root as usize].reg = None;
            }
        }
    }

    /// The current op is done: registers of values that nobody reads any more are free.
    pub(super) fn end_op(&mut self) {
        self.locked = 0;
        for reg in TEMPS {
            let slot = usize::from(reg.0);
            if let Some(root) = self.holders[slot]
                && self.values[root as usize].last as usize <= self.now
            {
                self.values[root as usize].reg = None;
                self.holders[slot] = None;
            }
        }
    }
}
