//! The run loop of a vCPU: attention, block look-up, translation, execution, traps.
//!
//! Not here: what executes a block ([`crate::reference`]).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::guest::{Access, BlockKey, Guest, Poll, Trap};
use crate::ir::{Block, Builder};
use crate::mem::PAGE_SIZE;
use crate::reference;

/// Bytes of a line, the grain at which stores are told from code.
const LINE: u64 = 64;

/// Translated blocks of a machine.
pub(crate) struct Blocks {
    lines: Vec<AtomicU64>,
    store: Mutex<Store>,
}

#[derive(Default)]
struct Store {
    map: HashMap<(BlockKey, u64), Arc<Stored>>,
    pages: HashMap<u64, Vec<Arc<Stored>>>,
}

struct Stored {
    id: (BlockKey, u64),
    block: Block,
    /// Absolute ranges of code it was made from.
    code: Vec<(u64, u64)>,
}

fn line_bits(start: u64, end: u64) -> u64 {
    let first = start % PAGE_SIZE / LINE;
    let last = (end - 1) % PAGE_SIZE / LINE;
    (u64::MAX >> (63 - last)) & (u64::MAX << first)
}

impl Blocks {
    pub(crate) fn new(ram_bytes: u64) -> Self {
        Self {
            lines: (0..ram_bytes / PAGE_SIZE)
                .map(|_| AtomicU64::new(0))
                .collect(),
            store: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes were written: forgets the blocks made from them, and says whether there were any.
    pub(crate) fn written(&self, absolute: u64, length: u64) -> bool {
        let mut any = false;
        for_pages(absolute, length, |start, end| {
            let page = start / PAGE_SIZE;
            if let Some(lines) = self.lines.get(page as usize)
                && lines.load(Ordering::Relaxed) & line_bits(start, end) != 0
            {
                let store = &mut *self.lock();
                if let Some(list) = store.pages.get_mut(&page) {
                    let map = &mut store.map;
                    list.retain(|stored| {
                        let hit = stored.code.iter().any(|&(s, e)| s < end && start < e);
                        if hit {
                            map.remove(&stored.id);
                            any = true;
                        }
                        !hit
                    });
                    let mut bits = 0;
                    for stored in list.iter() {
                        for &(s, e) in &stored.code {
                            for_pages(s, e - s, |s, e| {
                                if s / PAGE_SIZE == page {
                                    bits |= line_bits(s, e);
                                }
                            });
                        }
                    }
                    lines.store(bits, Ordering::Relaxed);
                }
            }
        });
        any
    }

    fn insert(&self, stored: Arc<Stored>) {
        let store = &mut *self.lock();
        for &(start, end) in &stored.code {
            for_pages(start, end - start, |start, end| {
                if let Some(lines) = self.lines.get((start / PAGE_SIZE) as usize) {
                    lines.fetch_or(line_bits(start, end), Ordering::Relaxed);
                }
                let list = store.pages.entry(start / PAGE_SIZE).or_default();
                if !list.last().is_some_and(|last| Arc::ptr_eq(last, &stored)) {
                    list.push(Arc::clone(&stored));
                }
            });
        }
        store.map.insert(stored.id, stored);
    }
}

/// Calls `f(start, end)` for the part of a range in each page it touches.
fn for_pages(start: u64, length: u64, mut f: impl FnMut(u64, u64)) {
    let end = start.saturating_add(length);
    let mut at = start;
    while at < end {
        let next = (at / PAGE_SIZE + 1).saturating_mul(PAGE_SIZE).min(end);
        f(at, next);
        at = next;
    }
}

fn find<G: Guest>(cpu: &mut G, key: &BlockKey) -> Result<Arc<Stored>, Trap> {
    let mode = G::code_mode(key.flags);
    let absolute = cpu.translate_address(key.pc, Access::Execute, mode)?.page + key.pc % PAGE_SIZE;
    let id = (*key, absolute);
    let system = Arc::clone(cpu.core().system());
    if let Some(stored) = system.blocks.lock().map.get(&id) {
        return Ok(Arc::clone(stored));
    }
    let mut builder = Builder::new(G::GLOBALS, key.pc);
    cpu.translate(key, &mut builder)?;
    let block = builder.finish();
    let bytes = u64::from(block.code_bytes);
    let room = PAGE_SIZE - absolute % PAGE_SIZE;
    let mut code = vec![(absolute, absolute + bytes.min(room))];
    let mut passing = bytes > room;
    if passing {
        let next = cpu.wrap_address(key.pc.wrapping_add(room));
        match cpu.translate_address(next, Access::Execute, mode) {
            Ok(mapping) => code.push((mapping.page, mapping.page + bytes - room)),
            Err(_) => passing = true,
        }
    }
    code.extend(block.extra_code.iter().map(|&(a, n)| (a, a + u64::from(n))));
    let stored = Arc::new(Stored { id, block, code });
    // A block over two pages depends on both mappings: it is made anew each time.
    if !passing {
        system.blocks.insert(Arc::clone(&stored));
    }
    Ok(stored)
}

/// Executes guest code until [`Guest::poll`] says to leave.
pub fn run<G: Guest>(cpu: &mut G) {
    let attention = Arc::clone(cpu.core().attention());
    loop {
        if attention.get() != 0 && cpu.poll() == Poll::Leave {
            return;
        }
        *cpu.core_mut().leave_block.get_mut() = 0;
        let key = cpu.key();
        let result = match find(cpu, &key) {
            Ok(stored) => reference::execute(cpu, &stored.block),
            Err(trap) => {
                let core = cpu.core_mut();
                core.pc = key.pc;
                core.ilen = 0;
                Err(trap)
            }
        };
        if let Err(trap) = result {
            cpu.deliver(trap);
        }
    }
}
