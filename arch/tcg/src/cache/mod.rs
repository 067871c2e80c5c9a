//! The store of translated blocks, shared by all vCPUs of a machine.
//!
//! Blocks are found by key and absolute address. Each is in the list of every page it was made
//! from, so that a store finds what it changes; a page's word of code lines follows its list. The
//! store is bounded: when full it drops everything. What is dropped is unlinked at once and freed
//! when no vCPU can be executing it any more ([`reclaim`]).
//!
//! All changes happen under one lock; executing and following links takes none. Not here: who
//! translates ([`crate::exec`]).
#![allow(
    unsafe_code,
    reason = "links between blocks are raw pointers that reclamation keeps valid"
)]

pub(crate) mod block;
mod reclaim;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) use block::StoredBlock;
use reclaim::Garbage;

use crate::guest::BlockKey;
use crate::mem::PAGE_SIZE;
use crate::mem::code_lines;
use crate::system::System;

/// Multiplies and folds: keys are addresses, and nobody attacks the table but the guest itself.
#[derive(Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }
    fn write_u64(&mut self, v: u64) {
        let mixed = (self.0.rotate_left(23) ^ v).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 32;
    }
}

type Map<K, V> = HashMap<K, V, BuildHasherDefault<KeyHasher>>;
type Blocks = Vec<*mut StoredBlock>;

/// Numbers about the store, for statistics and tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheStats {
    /// Blocks in the store.
    pub blocks: usize,
    /// Bytes they take.
    pub bytes: usize,
    /// Bytes of dropped blocks that are not freed yet.
    pub garbage_bytes: usize,
    /// Blocks ever put into the store.
    pub translated: u64,
    /// Blocks dropped because their code changed.
    pub invalidated: u64,
    /// Times that everything was dropped because the store was full.
    pub overflows: u64,
}

/// The store.
pub(crate) struct BlockCache {
    store: Mutex<Store>,
    limit: usize,
}

#[derive(Default)]
struct Store {
    map: Map<(BlockKey, u64), *mut StoredBlock>,
    pages: Map<u64, Blocks>,
    garbage: Garbage,
    stats: CacheStats,
    /// Where native code goes that looks for a block which was dropped.
    stale: u64,
}

// SAFETY: the pointers are owned by the store, which is behind a lock; a `StoredBlock` itself is
// shared between threads by atomics and locks only.
unsafe impl Send for Store {}

impl BlockCache {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            store: Mutex::default(),
            limit,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn stats(&self) -> CacheStats {
        let store = self.lock();
        CacheStats {
            blocks: store.map.len(),
            garbage_bytes: store.garbage.bytes(),
            ..store.stats
        }
    }

    /// Where native code goes that looks for a block which was dropped.
    pub(crate) fn set_stale(&self, stale: u64) {
        self.lock().stale = stale;
    }

    /// True while dropped blocks take more than the store may.
    pub(crate) fn is_choked(&self, system: &System) -> bool {
        let mut store = self.lock();
        store.garbage.free(system);
        store.garbage.bytes() > self.limit
    }

    /// A block by key and place.
    pub(crate) fn find(&self, key: &BlockKey, absolute: u64) -> Option<*const StoredBlock> {
        let store = self.lock();
        store
            .map
            .get(&(*key, absolute))
            .map(|&block| block.cast_const())
    }

    /// Puts a block into the store and returns where it is. `check` is called once its code
    /// lines are marked and visible; if it says that the code is not what the block was made
    /// from, nothing is stored.
    pub(crate) fn insert(
        &self,
        system: &System,
        block: StoredBlock,
        alone: bool,
        check: impl FnOnce() -> bool,
    ) -> Option<*const StoredBlock> {
        let mut guard = self.lock();
        let store = &mut *guard;
        let bytes = block.bytes();
        if store.stats.bytes + bytes > self.limit {
            store.drop_all();
        }
        let id = (block.key, block.absolute);
        if let Some(&old) = store.map.get(&id) {
            // Another vCPU was faster, or the code's second page is another one now.
            // SAFETY: what is in the store is valid.
            if unsafe { (*old).ranges == block.ranges } {
                return Some(old);
            }
            // Before the new block's lines are marked: this clears those that nobody else has.
            store.drop_block(system, old);
        }
        let mut fresh = false;
        for &(start, length) in &block.ranges {
            fresh |= system.lines.add(start, length);
        }
        if fresh {
            system.lines.publish(alone);
        }
        if !check() {
            for &(start, _) in &block.ranges {
                store.refresh_lines(system, start / PAGE_SIZE);
            }
            return None;
        }
        let ranges = block.ranges.clone();
        let place = Box::into_raw(Box::new(block));
        // SAFETY: just made, and nobody else knows it yet.
        unsafe { (*place).settle() };
        for (start, _) in ranges {
            let list = store.pages.entry(start / PAGE_SIZE).or_default();
            if list.last() != Some(&place) {
                list.push(place);
            }
        }
        store.map.insert(id, place);
        store.stats.bytes += bytes;
        store.stats.translated += 1;
        store.garbage.collect(system, self.limit);
        Some(place)
    }

    /// Bytes were written: drops the blocks made from them, and says whether there were any.
    pub(crate) fn written(&self, system: &System, absolute: u64, length: u64) -> bool {
        let mut guard = self.lock();
        let store = &mut *guard;
        let mut hit = Vec::new();
        let mut forgotten = false;
        code_lines::for_pages(absolute, length, |start, count| {
            let end = start + count;
            if !store.pages.contains_key(&(start / PAGE_SIZE)) {
                // All blocks were dropped since; a vCPU may still be executing one of them.
                forgotten |= system.lines.any(start, count);
                system.lines.set_page(start / PAGE_SIZE, 0);
            }
            for &block in store.pages.get(&(start / PAGE_SIZE)).into_iter().flatten() {
                // SAFETY: what is in the store is valid.
                let ranges = unsafe { &(*block).ranges };
                if ranges.iter().any(|&(s, n)| s < end && start < s + n) {
                    hit.push(block);
                }
            }
        });
        // A block may stand in the lists of several of the pages.
        hit.sort_unstable();
        hit.dedup();
        for &block in &hit {
            // SAFETY: what is in the store is valid.
            let dropped = unsafe { &*block };
            system.warmth.cool(&dropped.key, dropped.absolute);
            store.drop_block(system, block);
        }
        store.stats.invalidated += hit.len() as u64;
        store.garbage.collect(system, self.limit);
        forgotten || !hit.is_empty()
    }

    /// Links an exit of a block to another one, unless either is no longer in the store.
    ///
    /// # Safety
    /// Both pointers came from this store since the calling vCPU last announced an epoch.
    pub(crate) unsafe fn link(&self, from: *const StoredBlock, exit: u32, to: *const StoredBlock) {
        let _guard = self.lock();
        // SAFETY: the caller's promise: neither is freed before this vCPU's next announcement.
        let (source, target) = unsafe { (&*from, &*to) };
        if source.is_invalid() || target.is_invalid() {
            return;
        }
        let Some(slot) = source.exits.get(exit as usize) else {
            return;
        };
        if slot.target.load(Ordering::Relaxed).is_null() {
            target.incoming().push((from, exit));
            // SAFETY: it is one of its exits.
            unsafe { slot.link(source, target) };
        }
    }

    /// Drops every block, and has them freed as soon as no vCPU can be executing any: an engine
    /// has no room for more code.
    pub(crate) fn make_room(&self, system: &System) {
        let mut store = self.lock();
        store.drop_all();
        store.garbage.begin(system);
        store.garbage.free(system);
    }

    /// Drops every block.
    pub(crate) fn clear(&self, system: &System) {
        let mut store = self.lock();
        store.drop_all();
        store.garbage.collect(system, self.limit);
    }
}

impl Store {
    /// Recomputes a page's code lines from its list, and forgets an empty list.
    fn refresh_lines(&mut self, system: &System, page: u64) {
        let mut bits = 0;
        if let Some(list) = self.pages.get(&page) {
            for &block in list {
                // SAFETY: what is in the store is valid.
                for &(start, length) in unsafe { &(*block).ranges } {
                    if start / PAGE_SIZE == page {
                        bits |= code_lines::bits(start, length);
                    }
                }
            }
            if list.is_empty() {
                self.pages.remove(&page);
            }
        }
        system.lines.set_page(page, bits);
    }

    /// Takes a block out of everything that leads to it.
    fn drop_block(&mut self, system: &System, block: *mut StoredBlock) {
        // SAFETY: what is in the store is valid, and garbage lives until reclaimed.
        let dropped = unsafe { &*block };
        self.map.remove(&(dropped.key, dropped.absolute));
        for &(start, _) in &dropped.ranges {
            let page = start / PAGE_SIZE;
            if let Some(list) = self.pages.get_mut(&page) {
                list.retain(|&other| other != block);
            }
            self.refresh_lines(system, page);
        }
        self.stats.bytes -= dropped.bytes();
        self.discard(block);
    }

    /// Unlinks a block that is in no list any more and gives it to the garbage.
    fn discard(&mut self, block: *mut StoredBlock) {
        // SAFETY: the block is valid, and so is what it is linked with: links are cut on both
        // sides before either becomes garbage.
        unsafe {
            let dropped = &*block;
            dropped.invalid.store(true, Ordering::Release);
            if dropped.native.load(Ordering::Relaxed) != 0 {
                dropped.native.store(self.stale, Ordering::Release);
            }
            for (from, exit) in dropped.incoming().drain(..) {
                let source = &*from;
                if let Some(slot) = source.exits.get(exit as usize) {
                    slot.unlink();
                }
            }
            for slot in &dropped.exits {
                let target = slot.unlink();
                if !target.is_null() {
                    let linked = &*target;
                    linked
                        .incoming()
                        .retain(|&(from, _)| !std::ptr::eq(from, block));
                }
            }
            self.garbage.push(Box::from_raw(block));
        }
    }

    fn drop_all(&mut self) {
        for (_, block) in std::mem::take(&mut self.map) {
            self.discard(block);
        }
        // Code lines stay, for vCPUs that are executing what was dropped; see `written`.
        self.pages.clear();
        self.stats.bytes = 0;
        self.stats.overflows += 1;
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        for (_, block) in std::mem::take(&mut self.map) {
            self.discard(block);
        }
    }
}
