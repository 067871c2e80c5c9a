//! Moments in which one vCPU runs and the others stand still: for what an instruction does to
//! several places at once and the host has no instruction for.
//!
//! Slow, since every vCPU must come to a block boundary first: for the rare instruction only. Not
//! here: the gate at which vCPUs park when the machine stops.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use crate::guest::Guest;
use crate::system::CpuShared;

/// Who runs alone.
#[derive(Debug, Default)]
pub(crate) struct Alone {
    /// Held by the vCPU that does, or is about to.
    turn: Mutex<()>,
    /// The others are to stand still.
    wanted: AtomicBool,
}

/// Lets the others go on, also if the work panics.
struct Release<'a>(&'a Alone);

impl Drop for Release<'_> {
    fn drop(&mut self) {
        self.0.wanted.store(false, Ordering::SeqCst);
    }
}

impl Alone {
    /// Stands still while another vCPU wants to be alone. Called by a vCPU's thread where it
    /// executes no guest code.
    #[inline]
    pub(crate) fn make_way(&self, shared: &CpuShared) {
        while self.wanted.load(Ordering::SeqCst) {
            shared.aside.store(true, Ordering::SeqCst);
            while self.wanted.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            // Somebody may want it again by now and have seen this CPU stand: looked at once more.
            shared.aside.store(false, Ordering::SeqCst);
        }
    }
}

/// Does `work` while no other vCPU of the machine executes guest code. Called by a vCPU's thread
/// from a helper; it must hold no lock that another vCPU waits for. What others have stored
/// before is seen by `work`.
pub fn alone<G: Guest, R>(cpu: &mut G, work: impl FnOnce(&mut G) -> R) -> R {
    let system = Arc::clone(cpu.core().system());
    let _turn = loop {
        match system.alone.turn.try_lock() {
            Ok(turn) => break turn,
            Err(TryLockError::Poisoned(poisoned)) => break PoisonError::into_inner(poisoned),
            Err(TryLockError::WouldBlock) => {
                cpu.core_mut().serve_flushes();
                std::thread::yield_now();
            }
        }
    };
    let others = system.others(cpu.core().shared());
    system.alone.wanted.store(true, Ordering::SeqCst);
    let _release = Release(&system.alone);
    for other in others {
        other.attention.raise(crate::cpu::ATTENTION_SERVICE);
        while other.is_online() && !other.aside.load(Ordering::SeqCst) {
            // It may wait for this one to forget a translation.
            cpu.core_mut().forget_asked();
            std::hint::spin_loop();
            std::thread::yield_now();
        }
    }
    work(cpu)
}
