//! Forgetting translations, on this CPU and on all others.
//!
//! The manual's instructions that invalidate (IPTE, IDTE, CSP, SSKE) complete only when no CPU
//! uses the old translation any more: the CPU that executes one asks every other CPU in the
//! guest to purge its TLB, and waits until each has. While it waits it answers others' requests,
//! so any number of CPUs may do this at once. A CPU that is not in the guest purges before it
//! enters again.

use std::sync::Arc;

use crate::cpu::S390Cpu;

/// Has every other CPU forget all its translations before this returns.
pub fn others(cpu: &mut S390Cpu) {
    let shared = Arc::clone(&cpu.control.shared);
    let me = cpu.cpu_address;
    let tickets: Vec<_> = shared
        .cpus
        .iter()
        .filter(|other| other.address() != me)
        .map(|other| (other, other.want_purge()))
        .collect();
    for (other, ticket) in tickets {
        let mut spins = 0u32;
        while !other.has_purged(ticket) {
            serve(cpu);
            spins = spins.saturating_add(1);
            if spins < 200 {
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
    }
}

/// Does what others have asked of this CPU.
pub fn serve(cpu: &mut S390Cpu) {
    if let Some(ticket) = cpu.control.handle.wanted_purge() {
        cpu.core.flush_tlb();
        cpu.control.handle.purged(ticket);
    }
}
