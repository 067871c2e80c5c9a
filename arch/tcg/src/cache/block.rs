//! A translated block as it is stored and chained.

use std::ptr::null;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::engine::Compiled;
use crate::guest::BlockKey;
use crate::interp::Step;

/// A place where a block jumps to a constant address: null until that target is linked.
#[derive(Debug, Default)]
pub(crate) struct ExitSlot {
    pub(crate) target: AtomicPtr<StoredBlock>,
    /// The guest address it leads to.
    pub(crate) pc: u64,
    /// Instructions of the block that were executed when it is taken.
    pub(crate) insns: u32,
    /// What the interpreter writes into the CPU when it takes the exit, and at which offset: a
    /// register's, or 0, which is the core's `pc` and is set anew by whoever leaves.
    pub(crate) value: u64,
    pub(crate) put_at: u32,
}

/// A block, its compiled form and what it depends on.
#[derive(Debug)]
pub(crate) struct StoredBlock {
    pub(crate) key: BlockKey,
    /// Guest-absolute address of its first byte.
    pub(crate) absolute: u64,
    /// Guest-absolute address of the second page it reaches into.
    pub(crate) second: Option<u64>,
    /// Absolute ranges (start, bytes) of the code it was made from, none across a page.
    pub(crate) ranges: Vec<(u64, u64)>,
    pub(crate) compiled: Compiled,
    /// The interpreter's first step, or null where another engine executes the block.
    pub(crate) entry: *const Step,
    pub(crate) exits: Box<[ExitSlot]>,
    /// No longer in the store: nothing may go on to it.
    pub(crate) invalid: AtomicBool,
    /// Who jumps here: (block, exit). Changed under the store's lock only.
    incoming: Mutex<Vec<(*const StoredBlock, u32)>>,
}

impl StoredBlock {
    pub(crate) fn new(
        key: BlockKey,
        absolute: u64,
        second: Option<u64>,
        ranges: Vec<(u64, u64)>,
        compiled: Compiled,
        exits: Box<[ExitSlot]>,
    ) -> Self {
        let entry = match &compiled {
            Compiled::Interp(code) => code.first(),
            Compiled::Reference(_) => null(),
        };
        Self {
            key,
            absolute,
            second,
            ranges,
            compiled,
            entry,
            exits,
            invalid: AtomicBool::new(false),
            incoming: Mutex::default(),
        }
    }

    pub(crate) fn incoming(&self) -> MutexGuard<'_, Vec<(*const Self, u32)>> {
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    pub(crate) fn is_invalid(&self) -> bool {
        self.invalid.load(Ordering::Acquire)
    }

    /// Bytes of memory it takes, roughly.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.compiled.bytes()
            + self.exits.len() * (size_of::<ExitSlot>() + 16)
            + self.ranges.len() * 16
            // Its entries in the store's maps.
            + 128
    }
}
