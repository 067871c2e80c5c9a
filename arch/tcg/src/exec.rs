//! The run loop of a vCPU: attention, block look-up, translation, traps.
//!
//! Not here: what executes a block (`engine`), and where blocks are kept
//! (`cache`).
#![allow(
    unsafe_code,
    reason = "blocks are raw pointers that live until this vCPU announces an epoch"
)]

use std::ptr::null;
use std::sync::Arc;

use crate::cache::StoredBlock;
use crate::cold;
use crate::cpu::{ATTENTION_SERVICE, CpuCore, ENGINE_ATTENTION};
use crate::engine::{self, Leave};
use crate::guest::{Access, BlockKey, Guest, Poll, Trap};
use crate::ir::Builder;
use crate::mem::{self, PAGE_SIZE};
use crate::native;
use crate::opt;
use crate::reference::Left;
use crate::system::{EngineKind, System, trace};

/// Entries of a vCPU's jump cache.
const JUMPS: usize = 4096;

/// A vCPU's own table of blocks by key, in front of the shared store. An entry may be a block
/// that is no longer in the store; it is valid memory until the vCPU announces the next epoch.
pub(crate) struct JumpCache {
    blocks: Box<[*const StoredBlock; JUMPS]>,
    epoch: u64,
}

// SAFETY: the pointers are followed only by the vCPU's thread inside the run loop, where the
// reclamation protocol keeps them valid; the blocks are shared between threads.
unsafe impl Send for JumpCache {}

impl JumpCache {
    pub(crate) fn new() -> Self {
        Self {
            blocks: Box::new([null(); JUMPS]),
            epoch: 0,
        }
    }

    #[inline]
    fn slot(key: &BlockKey) -> usize {
        let pc = key.pc >> 1;
        ((pc ^ pc >> 11 ^ key.aux >> 17 ^ key.aux >> 34 ^ key.flags >> 31) as usize) % JUMPS
    }

    #[inline]
    fn set(&mut self, block: *const StoredBlock, key: &BlockKey) {
        self.blocks[Self::slot(key)] = block;
    }
}

/// The block of a key in the jump cache, if this vCPU's translations lead to the same code.
///
/// The pointer is valid until this vCPU announces the next epoch.
#[inline]
pub(crate) fn find_jump<G: Guest>(core: &CpuCore, key: &BlockKey) -> Option<*const StoredBlock> {
    let place = core.jumps.blocks[JumpCache::slot(key)];
    if place.is_null() {
        return None;
    }
    // SAFETY: entries are valid, see `JumpCache`.
    let block = unsafe { &*place };
    if block.key != *key || block.is_invalid() {
        return None;
    }
    let mode = G::code_mode(key.flags);
    let host = core.tlb.hit(Access::Execute, mode, key.pc, 1)?;
    if host.wrapping_sub(core.ram_host) != block.absolute {
        return None;
    }
    if let Some(second) = block.second {
        let next = (key.pc / PAGE_SIZE).wrapping_add(1).wrapping_mul(PAGE_SIZE);
        let host = core.tlb.hit(Access::Execute, mode, next, 1)?;
        if host.wrapping_sub(core.ram_host) != second {
            return None;
        }
    }
    Some(place)
}

/// The absolute address of an instruction.
fn code_address<G: Guest>(cpu: &mut G, flags: u64, pc: u64) -> Result<u64, Trap> {
    let host = mem::page_host(cpu, G::code_mode(flags), Access::Execute, pc, 2)?;
    Ok(host - cpu.core().ram_host)
}

/// What a key leads to.
enum Found {
    /// A block that an engine executes.
    Block(*const StoredBlock),
    /// One that was executed just now as it is, and how it was left.
    Cold(Result<Left, Trap>),
}

/// Finds or makes the block of a key.
fn find<G: Guest>(cpu: &mut G, system: &System, key: &BlockKey) -> Result<Found, Trap> {
    if let Some(block) = find_jump::<G>(cpu.core(), key) {
        return Ok(Found::Block(block));
    }
    loop {
        let absolute = code_address(cpu, key.flags, key.pc)?;
        if let Some(place) = system.cache.find(key, absolute) {
            // SAFETY: found in the store since this vCPU last announced an epoch.
            let second = unsafe { (*place).second };
            let same = match second {
                None => true,
                // If it is gone, the block must end before it.
                Some(second) => second_page(cpu, key).is_ok_and(|now| now == second),
            };
            if same {
                cpu.core_mut().jumps.set(place, key);
                return Ok(Found::Block(place));
            }
        }
        if system.warmth.is_cold(key, absolute) {
            if system.trace() & trace::EXEC != 0 {
                print_entry(key);
            }
            return Ok(Found::Cold(cold::execute(cpu, key)));
        }
        if system.cache.is_choked(system) {
            // Others hold dropped blocks: wait for them, answering what they ask meanwhile.
            let core = cpu.core_mut();
            core.serve_flushes();
            catch_up(core, system);
            std::thread::yield_now();
            continue;
        }
        if let Some(place) = translate(cpu, system, key, absolute)? {
            cpu.core_mut().jumps.set(place, key);
            return Ok(Found::Block(place));
        }
        // There was no room, which others may be asked for, or the code has changed meanwhile.
        let core = cpu.core_mut();
        core.serve_flushes();
        catch_up(core, system);
    }
}

/// The absolute address of the page after a block's first.
fn second_page<G: Guest>(cpu: &mut G, key: &BlockKey) -> Result<u64, Trap> {
    let next = (key.pc / PAGE_SIZE).wrapping_add(1).wrapping_mul(PAGE_SIZE);
    let next = cpu.wrap_address(next);
    code_address(cpu, key.flags, next)
}

/// Translates a block and stores it; `None` if its code changed meanwhile.
#[cold]
fn translate<G: Guest>(
    cpu: &mut G,
    system: &System,
    key: &BlockKey,
    absolute: u64,
) -> Result<Option<*const StoredBlock>, Trap> {
    cpu.core_mut().fetched = Some(Vec::with_capacity(128));
    let mut builder = Builder::new(G::GLOBALS, key.pc);
    let result = cpu.translate(key, &mut builder);
    let fetched = cpu.core_mut().fetched.take().unwrap_or_default();
    result?;
    let mut block = builder.finish();
    if cfg!(debug_assertions)
        && let Err(error) = block.verify::<G>()
    {
        log::error!(
            "front end made a block that is not valid: {error}\n{}",
            block.display::<G>()
        );
    }

    let bytes = u64::from(block.code_bytes).max(1);
    let room = PAGE_SIZE - absolute % PAGE_SIZE;
    let mut ranges = vec![(absolute, bytes.min(room))];
    let second = if bytes > room {
        // It was fetched from just now; if it is gone, the block ends before it next time.
        let Ok(second) = second_page(cpu, key) else {
            return Ok(None);
        };
        ranges.push((second, bytes - room));
        Some(second)
    } else {
        None
    };
    for &(start, length) in &block.extra_code {
        mem::code_lines::for_pages(start, u64::from(length), |s, n| ranges.push((s, n)));
    }
    ranges.dedup();

    let printed = system.trace();
    if printed & trace::IN_ASM != 0 {
        print_code(cpu, &block, &fetched);
    }
    if printed & trace::OP != 0 {
        log::trace!(target: "tcg::op", "{:#x}:\n{}", key.pc, block.display::<G>());
    }
    let kind = system.options().engine;
    if kind != EngineKind::Reference {
        opt::optimise::<G>(&mut block);
        if cfg!(debug_assertions)
            && let Err(error) = block.verify::<G>()
        {
            log::error!(
                "optimiser made a block that is not valid: {error}\n{}",
                block.display::<G>()
            );
        }
        if printed & trace::OP_OPT != 0 {
            log::trace!(target: "tcg::op_opt", "{:#x}:\n{}", key.pc, block.display::<G>());
        }
    }
    let place = native::Place {
        key: *key,
        two_pages: second.is_some(),
        barriers: system.is_memory_shared(),
    };
    let Ok((compiled, exits)) = engine::compile::<G>(system, block, place) else {
        // Room for native code comes back with the blocks that are dropped here.
        system.cache.make_room(system);
        return Ok(None);
    };
    if printed & trace::OUT_ASM != 0 {
        log::trace!(target: "tcg::out_asm", "{:#x}:\n{compiled:#?}", key.pc);
    }
    let stored = StoredBlock::new(*key, absolute, second, ranges, compiled, exits);

    let core = cpu.core();
    Ok(system.cache.insert(system, stored, system.is_single(), || {
        place.barriers == system.is_memory_shared()
            && fetched.iter().all(|&(absolute, code)| {
                mem::load_absolute(core, absolute, crate::ir::MemSize::B2) == u64::from(code)
            })
    }))
}

fn print_code<G: Guest>(cpu: &G, block: &crate::ir::Block, fetched: &[(u64, u16)]) {
    let Some(&(first, _)) = fetched.first() else {
        return;
    };
    let mut text = String::new();
    let start = block.first_pc();
    for op in &block.ops {
        if let crate::ir::Op::Insn { pc, len } = *op {
            let mut code = [0; 16];
            let at = first.wrapping_add(pc.wrapping_sub(start));
            mem::read_absolute(cpu.core(), at, &mut code[..usize::from(len.min(16))]);
            let (_, line) = cpu.disassemble(pc, &code[..usize::from(len.min(16))]);
            text.push_str(&format!("{pc:#018x}  {line}\n"));
        }
    }
    log::trace!(target: "tcg::in_asm", "{text}");
}

fn print_entry(key: &BlockKey) {
    log::trace!(target: "tcg::exec", "{:#x} {:#x} {:#x}", key.pc, key.flags, key.aux);
}

/// This vCPU holds no block: clears the jump cache and announces the current epoch, if it is new.
#[inline]
fn catch_up(core: &mut CpuCore, system: &System) {
    let epoch = system.epoch();
    if epoch != core.jumps.epoch {
        core.jumps.blocks.fill(null());
        core.native.forget_blocks();
        core.jumps.epoch = epoch;
        system.announce(core.shared(), epoch);
    }
}

fn go_online(core: &mut CpuCore, system: &System) {
    loop {
        let epoch = system.epoch();
        // In the epoch that was announced last nothing was freed.
        if epoch != core.jumps.epoch {
            core.jumps.blocks.fill(null());
            core.native.forget_blocks();
            core.jumps.epoch = epoch;
        }
        system.announce(core.shared(), epoch);
        // An epoch that began before the announcement may not have waited for this vCPU.
        if system.epoch() == epoch {
            break;
        }
    }
    core.serve_flushes();
}

/// Takes the vCPU out of the run loop's books also if the architecture panics.
struct Online<'a>(&'a System, Arc<crate::system::CpuShared>);

impl Drop for Online<'_> {
    fn drop(&mut self) {
        self.0.go_offline(&self.1);
    }
}

/// Executes guest code until [`Guest::poll`] says to leave.
///
/// The owner of the vCPU's thread calls it again for the vCPU to go on. While it runs, other
/// threads reach the vCPU through its [`crate::Attention`] word only.
pub fn run<G: Guest>(cpu: &mut G) {
    let system = Arc::clone(cpu.core().system());
    let shared = Arc::clone(cpu.core().shared());
    go_online(cpu.core_mut(), &system);
    let online = Online(&system, shared);
    let shared = &online.1;
    // The key of the next block, and the exit that leads there.
    let mut next: Option<BlockKey> = None;
    let mut exit: Option<(*const StoredBlock, u32)> = None;
    loop {
        let attention = shared.attention.get();
        if attention != 0 {
            next = None;
            if attention & ATTENTION_SERVICE != 0 {
                shared.attention.take(ATTENTION_SERVICE);
                cpu.core_mut().serve_flushes();
            }
            if attention & !ENGINE_ATTENTION != 0 && cpu.poll() == Poll::Leave {
                return;
            }
        }
        let core = cpu.core_mut();
        if core.jumps.epoch != system.epoch() {
            // The exit's block may be freed from here on.
            exit = None;
            catch_up(core, &system);
        }
        *core.leave_block.get_mut() = 0;
        let key = match next.take() {
            Some(key) => key,
            None => {
                exit = None;
                cpu.key()
            }
        };
        let epoch = cpu.core().jumps.epoch;
        let block = match find(cpu, &system, &key) {
            Ok(Found::Block(block)) => block,
            Ok(Found::Cold(left)) => {
                exit = None;
                match left {
                    Ok(Left::Jump) => next = Some(BlockKey::plain(cpu.core().pc, key.flags)),
                    Ok(Left::Lookup) => {}
                    Err(trap) => deliver(cpu, trap),
                }
                continue;
            }
            Err(trap) => {
                exit = None;
                let core = cpu.core_mut();
                core.pc = key.pc;
                core.ilen = 0;
                deliver(cpu, trap);
                continue;
            }
        };
        // SAFETY: found since this vCPU last announced an epoch; it announces none before the
        // block is left.
        let entered = unsafe { &*block };
        if let Some((from, slot)) = exit.take()
            && cpu.core().jumps.epoch == epoch
            // Linked blocks are entered without coming by here.
            && system.trace() & trace::EXEC == 0
        {
            // SAFETY: `from` was executed, and `block` found, since the last announcement: none
            // was made since the check above, which forgets the exit.
            unsafe { link(&system, from, slot, block) };
        }
        if system.trace() & trace::EXEC != 0 {
            print_entry(&key);
        }
        match engine::enter(cpu, entered) {
            Leave::Lookup => {}
            Leave::Jump { flags } => {
                next = Some(BlockKey::plain(cpu.core().pc, flags));
            }
            Leave::Chain { from, exit: slot } => {
                // SAFETY: it was executed just now.
                let flags = unsafe { (*from).key.flags };
                next = Some(BlockKey::plain(cpu.core().pc, flags));
                exit = Some((from, slot));
            }
            Leave::Trap(trap) => deliver(cpu, trap),
        }
    }
}

/// Links an exit if the target is sure to be reached through the same translations as the source:
/// it lies in one page, and that is one the source lies in, or in the same two.
///
/// # Safety
/// As for [`crate::cache::BlockCache::link`].
unsafe fn link(system: &System, from: *const StoredBlock, slot: u32, to: *const StoredBlock) {
    // SAFETY: the caller's promise.
    let (source, target) = unsafe { (&*from, &*to) };
    let page = target.key.pc / PAGE_SIZE;
    let first = source.key.pc / PAGE_SIZE;
    let number = |absolute: u64| absolute / PAGE_SIZE;
    let (in_first, in_second) = (number(source.absolute), source.second.map(number));
    let same = match target.second.map(number) {
        None => {
            page == first && number(target.absolute) == in_first
                || page == first.wrapping_add(1) && Some(number(target.absolute)) == in_second
        }
        second => page == first && number(target.absolute) == in_first && second == in_second,
    };
    if same && target.key.aux == 0 {
        // SAFETY: the caller's promise.
        unsafe { system.cache.link(from, slot, to) };
    }
}

/// Tells the guest of a trap of the instruction at `core.pc`.
pub(crate) fn deliver<G: Guest>(cpu: &mut G, trap: Trap) {
    if cpu.core().system().trace() & trace::INT != 0 {
        let core = cpu.core();
        log::trace!(target: "tcg::int", "{:#x} at {:#x} + {}", trap.0, core.pc, core.ilen);
    }
    cpu.deliver(trap);
}
