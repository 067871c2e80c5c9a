//! DIAGNOSE: the functions that a virtual machine offers.
//!
//! X'10' (release pages), X'44' and X'9C' (yield), X'288' (watchdog, where there is one), X'308'
//! (IPL functions), X'500' (virtio). Everything else is a specification exception, by which guests
//! know that it is not there (Linux 6.1 probes X'204', X'258', X'260' and copes; measured).
//! Facts: Linux arch/s390/kvm/diag.c and drivers/watchdog/diag288_wdt.c. Not here: the privilege
//! check.

mod ipl;

use std::time::Duration;

use tcg::Trap;
use tcg::mem::{PAGE_SIZE, read_absolute, write_absolute};

use crate::cpu::{ProgramCode, S390Cpu};
use crate::css::{Host, SubchannelId};

/// Release pages.
const RELEASE: u64 = 0x10;
/// Time-slice end.
const YIELD: u64 = 0x44;
/// Time-slice end, directed to a CPU.
const YIELD_TO: u64 = 0x9c;
/// Watchdog.
const WATCHDOG: u64 = 0x288;
/// IPL functions.
const IPL: u64 = 0x308;
/// Virtio.
const VIRTIO: u64 = 0x500;

fn specification<T>() -> Result<T, Trap> {
    Err(ProgramCode::Specification.into())
}

/// Carries out DIAGNOSE with this function code.
///
/// # Errors
/// A specification exception for an unknown function or bad operands.
pub fn diagnose(cpu: &mut S390Cpu, r1: u8, r3: u8, function: u64) -> Result<(), Trap> {
    match function & 0xffff {
        RELEASE => release_pages(cpu, cpu.gpr[usize::from(r1)], cpu.gpr[usize::from(r3)]),
        YIELD | YIELD_TO => {
            if cpu.control.shared.cpus.count() > 1 {
                std::thread::yield_now();
            }
            Ok(())
        }
        WATCHDOG => watchdog(cpu, r1, cpu.gpr[usize::from(r3)]),
        IPL => ipl::function(cpu, r1, cpu.gpr[usize::from(r3)]),
        VIRTIO => virtio(cpu),
        _ => specification(),
    }
}

/// The guest does not need what is in pages from a real address to another, inclusive: they
/// become zeros. Pages that are not there do not matter.
fn release_pages(cpu: &S390Cpu, first: u64, last: u64) -> Result<(), Trap> {
    /// The assigned storage locations, which cannot be released.
    const LOWEST: u64 = 2 * PAGE_SIZE;
    let at_pages = first.is_multiple_of(PAGE_SIZE) && last.is_multiple_of(PAGE_SIZE);
    if !at_pages || first > last || first < LOWEST {
        return specification();
    }
    let end = last.min(cpu.control.shared.ram().size());
    let zeros = [0; PAGE_SIZE as usize];
    let mut there = [0; PAGE_SIZE as usize];
    for real in (first..=end).step_by(PAGE_SIZE as usize) {
        let page = cpu.absolute(real);
        if !cpu.core.system().ram().contains(page, PAGE_SIZE) {
            continue;
        }
        read_absolute(&cpu.core, page, &mut there);
        if there != zeros {
            write_absolute(&cpu.core, page, &zeros);
        }
    }
    Ok(())
}

/// The watchdog: function and timeout in the register pair, action in the other register.
fn watchdog(cpu: &S390Cpu, r1: u8, action: u64) -> Result<(), Trap> {
    const INIT: u64 = 0;
    const CHANGE: u64 = 1;
    const CANCEL: u64 = 2;
    const SHORTEST: Duration = Duration::from_secs(15);
    /// The one action: what the machine's owner has chosen.
    const RESTART: u64 = 0;
    if !r1.is_multiple_of(2) || action != RESTART {
        return specification();
    }
    let function = cpu.gpr[usize::from(r1)];
    let timeout = Duration::from_secs(cpu.gpr[usize::from(r1) + 1]);
    if function != CANCEL && timeout < SHORTEST {
        return specification();
    }
    let Some(watchdog) = cpu.control.shared.watchdog.get() else {
        return specification();
    };
    let done = match function {
        INIT => {
            watchdog.start(timeout);
            true
        }
        CHANGE => watchdog.change(timeout),
        CANCEL => watchdog.cancel(),
        _ => false,
    };
    if done { Ok(()) } else { specification() }
}

/// Virtio functions: the number in GR1, operands from GR2 on, the answer in GR2.
fn virtio(cpu: &mut S390Cpu) -> Result<(), Trap> {
    /// What Linux calls the first function; it is a console's, and there is none of that kind.
    const NOTIFY: u64 = 0;
    /// Something is new in a queue of the device on a subchannel.
    const NOTIFY_CCW: u64 = 3;
    /// Queues that a device can have.
    const QUEUES: u64 = 1024;
    /// Linux's error number for a bad operand.
    const EINVAL: u64 = (-22i64) as u64;
    let [_, function, operand, queue, ..] = cpu.gpr;
    let done = match function {
        // Early consoles of old kernels notify an address in storage; others are devices'.
        NOTIFY => operand < cpu.control.shared.ram().size(),
        NOTIFY_CCW => {
            let shared = cpu.control.shared.clone();
            let host = Host {
                core: &cpu.core,
                keys: &shared.keys,
            };
            SubchannelId::from_register(operand)
                .is_some_and(|id| queue < QUEUES && shared.css.kick(host, id, queue))
        }
        _ => return specification(),
    };
    cpu.gpr[2] = if done { 0 } else { EINVAL };
    Ok(())
}
