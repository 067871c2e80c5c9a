//! Blocks that have hardly run: executed as IR, and forgotten.
//!
//! To compile a block costs as much as to execute it some ten times as it is. Much code never
//! runs that often: what boots a system, and what is patched again and again. Nothing is stored for
//! it, so no store into it is noticed: the block is compared with memory whenever it may have
//! changed. Not here: who executes the IR ([`crate::reference`]).

use std::sync::atomic::{AtomicU16, Ordering};

use crate::cpu::CpuCore;
use crate::guest::{BlockKey, Guest, Trap};
use crate::ir::{Builder, MemSize};
use crate::mem;
use crate::reference::{self, Left};

/// Places that are counted at a time; a power of two.
const PLACES: usize = 1 << 16;

/// Bits of an entry that count; the others tell which block it is about.
const COUNT: u16 = 15;

/// How often blocks have run that are in no store. An entry that two blocks fight for counts for
/// the later one.
pub(crate) struct Warmth {
    counts: Box<[AtomicU16]>,
    runs: u16,
}

impl Warmth {
    /// Blocks are cold for so many runs, at most 15.
    pub(crate) fn new(runs: u8) -> Self {
        let places = if runs == 0 { 0 } else { PLACES };
        Self {
            counts: (0..places).map(|_| AtomicU16::new(0)).collect(),
            runs: u16::from(runs).min(COUNT),
        }
    }

    fn entry(&self, key: &BlockKey, absolute: u64) -> Option<(&AtomicU16, u16)> {
        let mixed = (key.pc ^ absolute.rotate_left(40) ^ key.aux.rotate_left(20) ^ key.flags)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let entry = self.counts.get((mixed >> 48) as usize % PLACES)?;
        Some((entry, (mixed >> 32) as u16 & !COUNT))
    }

    /// The block is about to run: whether it is still cold.
    pub(crate) fn is_cold(&self, key: &BlockKey, absolute: u64) -> bool {
        let Some((entry, tag)) = self.entry(key, absolute) else {
            return false;
        };
        let known = entry.load(Ordering::Relaxed);
        let count = if known & !COUNT == tag {
            known & COUNT
        } else {
            0
        };
        if count >= self.runs {
            return false;
        }
        entry.store(tag | (count + 1), Ordering::Relaxed);
        true
    }

    /// The block's code has changed: it begins anew.
    pub(crate) fn cool(&self, key: &BlockKey, absolute: u64) {
        if let Some((entry, tag)) = self.entry(key, absolute) {
            entry.store(tag, Ordering::Relaxed);
        }
    }
}

/// Whether memory still has the code that a block was made from.
fn is_same(core: &CpuCore, fetched: &[(u64, u16)]) -> bool {
    fetched
        .iter()
        .all(|&(at, code)| mem::load_absolute(core, at, MemSize::B2) == u64::from(code))
}

/// Translates a block and executes it.
///
/// # Errors
/// The trap of the first fetch, with `core.pc` at the block and no length; else as
/// [`reference::execute`].
#[cold]
pub(crate) fn execute<G: Guest>(cpu: &mut G, key: &BlockKey) -> Result<Left, Trap> {
    cpu.core_mut().fetched = Some(Vec::with_capacity(128));
    let mut builder = Builder::new(G::GLOBALS, key.pc);
    let translated = cpu.translate(key, &mut builder);
    let core = cpu.core_mut();
    let fetched = core.fetched.take().unwrap_or_default();
    let mut values = std::mem::take(&mut core.cold_values);
    let result = match translated {
        Ok(()) => {
            let block = builder.finish();
            reference::execute(cpu, &block, &mut values, |cpu| {
                is_same(cpu.core(), &fetched)
            })
        }
        Err(trap) => {
            core.pc = key.pc;
            core.ilen = 0;
            Err(trap)
        }
    };
    cpu.core_mut().cold_values = values;
    result
}
