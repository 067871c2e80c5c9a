//! A translated block as it is stored and chained.
#![allow(
    unsafe_code,
    reason = "jumps are led elsewhere in code that lives as long as its block"
)]

use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::engine::Compiled;
use crate::guest::BlockKey;
use crate::interp::Step;
use crate::native::buffer::Jump;

/// Which way an exit of native code goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Way {
    /// To any block, by its entries.
    #[default]
    Onward,
    /// To another pass of its own block, which is a loop, or out: guest registers are not where
    /// other blocks look for them.
    Back,
}

/// A place where a block jumps to a constant address: null until that target is linked.
#[derive(Debug, Default)]
pub(crate) struct ExitSlot {
    /// The jump of native code, which goes to the target's entry once linked, else out of the block.
    pub(crate) jump: Option<Jump>,
    pub(crate) target: AtomicPtr<StoredBlock>,
    /// The block whose exit it is, once that is in the store.
    pub(crate) owner: AtomicPtr<StoredBlock>,
    /// Where the displacement of that jump is, from the beginning of the code; 0 if it has none.
    pub(crate) jump_at: u32,
    /// Where that jump may lead.
    pub(crate) way: Way,
    /// Its place among the block's exits.
    pub(crate) number: u32,
    /// The guest address it leads to.
    pub(crate) pc: u64,
    /// Instructions of the block that were executed when it is taken.
    pub(crate) insns: u32,
    /// What the interpreter writes into the CPU when it takes the exit, and at which offset: a
    /// register's, or that of the core's `pc`, which is set anew by whoever leaves.
    pub(crate) value: u64,
    pub(crate) put_at: u32,
}

impl ExitSlot {
    /// An exit of native code to `pc` after that many instructions.
    pub(crate) fn native(pc: u64, insns: u32, number: u32, jump_at: u32, way: Way) -> Self {
        Self {
            jump_at,
            way,
            number,
            pc,
            insns,
            ..Self::default()
        }
    }

    /// The block whose exit it is.
    pub(crate) fn owner(&self) -> *const StoredBlock {
        self.owner.load(Ordering::Relaxed)
    }

    /// Leads to a block from now on. Called under the store's lock.
    ///
    /// # Safety
    /// It is an exit of `from`.
    pub(crate) unsafe fn link(&self, from: &StoredBlock, to: &StoredBlock) {
        self.target
            .store(std::ptr::from_ref(to).cast_mut(), Ordering::Release);
        if let (Some(jump), Compiled::Native(code)) = (&self.jump, &to.compiled) {
            let entry = match self.way {
                // Another block made from the same code is gone to by the store.
                Way::Back => match code.again().filter(|_| std::ptr::eq(from, to)) {
                    Some(again) => again,
                    None => return,
                },
                // Every loop has a link that does not go forward: there the attention word is
                // looked at.
                Way::Onward if to.key.pc > from.key.pc => code.unchecked_entry(),
                Way::Onward => code.entry(),
            };
            // SAFETY: the code is that of `from`.
            unsafe { jump.lead(entry) };
        }
    }

    /// Leads nowhere from now on; where it led. Called under the store's lock.
    ///
    /// # Safety
    /// Its block has not been freed.
    pub(crate) unsafe fn unlink(&self) -> *mut StoredBlock {
        if let Some(jump) = &self.jump
            && !self.target.load(Ordering::Relaxed).is_null()
        {
            // SAFETY: the caller's promise.
            unsafe { jump.reset() };
        }
        self.target.swap(null_mut(), Ordering::AcqRel)
    }
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
    /// Where native code enters it, or 0 where another engine executes it. Once the block is no
    /// longer in the store: where the way to it ends.
    pub(crate) native: AtomicU64,
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
            _ => null(),
        };
        let native = match &compiled {
            Compiled::Native(code) => code.entry(),
            _ => 0,
        };
        Self {
            key,
            absolute,
            second,
            ranges,
            compiled,
            entry,
            native: AtomicU64::new(native),
            exits,
            invalid: AtomicBool::new(false),
            incoming: Mutex::default(),
        }
    }

    /// It lives at its final address from now on.
    pub(crate) fn settle(&self) {
        for slot in &self.exits {
            slot.owner
                .store(std::ptr::from_ref(self).cast_mut(), Ordering::Relaxed);
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
