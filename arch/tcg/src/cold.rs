//! Blocks that have hardly run: executed as IR, and forgotten.
//!
//! To compile a block costs as much as to execute it some ten times as it is. Much code never
//! runs that often: what boots a system, and what is patched again and again. Nothing is stored for
//! it, so no store into it is noticed: the block is compared with memory whenever it may have
//! changed. Not here: who executes the IR ([`crate::reference`]).

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use crate::cpu::CpuCore;
use crate::guest::{BlockKey, Guest, Trap};
use crate::ir::{Builder, MemSize};
use crate::mem;
use crate::reference::{self, Left};

/// Places that are counted at a time; a power of two.
const PLACES: usize = 1 << 18;

/// Entries from here on are of blocks whose code has changed: for what is patched in a loop they stay
/// cold longer.
const CHANGED: u8 = 128;

/// The last such entry, which is not cold any more.
const LAST: u8 = CHANGED + 8;

/// How often blocks have run that are in no store. Blocks that share an entry are compiled a
/// little sooner; when many do, all begin anew.
pub(crate) struct Warmth {
    counts: Box<[AtomicU8]>,
    runs: u8,
    /// Entries that are not zero, roughly.
    used: AtomicU32,
}

impl Warmth {
    /// Blocks are cold for so many runs, at most 127.
    pub(crate) fn new(runs: u8) -> Self {
        let places = if runs == 0 { 0 } else { PLACES };
        Self {
            counts: (0..places).map(|_| AtomicU8::new(0)).collect(),
            runs: runs.min(CHANGED - 1),
            used: AtomicU32::new(0),
        }
    }

    fn entry(&self, key: &BlockKey, absolute: u64) -> Option<&AtomicU8> {
        let mixed = (key.pc ^ absolute.rotate_left(40) ^ key.aux.rotate_left(20) ^ key.flags)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.counts.get((mixed >> 40) as usize % PLACES)
    }

    /// The block is about to run: whether it is still cold.
    pub(crate) fn is_cold(&self, key: &BlockKey, absolute: u64) -> bool {
        let Some(entry) = self.entry(key, absolute) else {
            return false;
        };
        let count = entry.load(Ordering::Relaxed);
        let most = if count < CHANGED { self.runs } else { LAST };
        if count >= most {
            return false;
        }
        if count == 0 && self.used.fetch_add(1, Ordering::Relaxed) as usize > PLACES / 4 {
            self.used.store(0, Ordering::Relaxed);
            for entry in &self.counts {
                entry.store(0, Ordering::Relaxed);
            }
        }
        entry.store(count + 1, Ordering::Relaxed);
        true
    }

    /// The block's code has changed: it begins anew, and may change again soon.
    pub(crate) fn cool(&self, key: &BlockKey, absolute: u64) {
        if let Some(entry) = self.entry(key, absolute) {
            entry.store(CHANGED, Ordering::Relaxed);
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
