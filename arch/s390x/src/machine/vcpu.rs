//! A vCPU's thread: through the gate into the guest, out of it to wait, stop or be looked at.
//!
//! The CPU's state is behind a mutex that its thread holds while it is in the guest. Who wants to
//! look makes the CPU leave for a moment; the guest's clock goes on meanwhile. Not here: what
//! makes a CPU leave ([`crate::cpu::interrupt`]) or sleep ([`crate::cpu::wait`]).

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use machine::{GuestEvent, PanicInfo, ShutdownCause};
use tod::run::{Passage, VcpuGate};

use super::Shared;
use crate::cpu::control::Leave;
use crate::cpu::handle::{self, CpuHandle};
use crate::cpu::{S390Cpu, wait};

/// A disabled wait at an address that ends in these bits is an orderly shutdown.
const ORDERLY: u64 = 0xfff;

/// One vCPU of the machine.
pub struct Vcpu {
    cpu: Mutex<S390Cpu>,
    handle: Arc<CpuHandle>,
    visitors: Mutex<u32>,
    alone: Condvar,
    thread_id: AtomicI32,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Vcpu {
    /// A vCPU around its state.
    pub fn new(cpu: S390Cpu) -> Self {
        Self {
            handle: cpu.control.handle.clone(),
            cpu: Mutex::new(cpu),
            visitors: Mutex::new(0),
            alone: Condvar::new(),
            thread_id: AtomicI32::new(0),
        }
    }

    /// What other CPUs and threads know of it.
    pub fn handle(&self) -> &Arc<CpuHandle> {
        &self.handle
    }

    /// Its host thread (gettid), 0 before it runs.
    pub fn thread_id(&self) -> i32 {
        self.thread_id.load(Ordering::Relaxed)
    }

    /// Looks at or changes the CPU while it is out of the guest.
    pub fn visit<R>(&self, look: impl FnOnce(&mut S390Cpu) -> R) -> R {
        *lock(&self.visitors) += 1;
        self.handle.kick(handle::PARK);
        let result = look(&mut lock(&self.cpu));
        *lock(&self.visitors) -= 1;
        self.alone.notify_all();
        result
    }

    fn enter(&self) -> MutexGuard<'_, S390Cpu> {
        let mut visitors = lock(&self.visitors);
        while *visitors > 0 {
            visitors = self.alone.wait(visitors).unwrap_or_else(PoisonError::into_inner);
        }
        // Not held any longer: a visitor who comes now kicks and waits for the CPU's mutex.
        drop(visitors);
        lock(&self.cpu)
    }

    /// The thread's life.
    pub fn run(&self, shared: &Shared, gate: &VcpuGate) {
        let index = usize::from(self.handle.address());
        let Some(seat) = gate.seat(index) else {
            shared.tell(GuestEvent::InternalError(format!("CPU {index} has a thread already")));
            return;
        };
        self.thread_id.store(rustix::thread::gettid().as_raw_nonzero().get(), Ordering::Relaxed);
        tod::timeline::prepare_thread();
        while seat.pass() == Passage::Run {
            let mut cpu = self.enter();
            tcg::exec::run(&mut *cpu);
            let leave = cpu.control.take_leave();
            match leave {
                Leave::Park => {}
                Leave::Wait => {
                    let until = wait::until(&cpu);
                    drop(cpu);
                    wait::sleep(shared, &self.handle, &until);
                }
                Leave::Stopped | Leave::AwaitReset => {
                    let last = leave == Leave::Stopped && shared.retire(&self.handle);
                    drop(cpu);
                    if last {
                        shared.tell(GuestEvent::Shutdown(ShutdownCause::Guest));
                    }
                    wait::for_kick(&self.handle);
                }
                Leave::DisabledWait | Leave::Crash(_) => {
                    let psw = cpu.psw();
                    let last = shared.retire(&self.handle);
                    drop(cpu);
                    if last {
                        shared.tell(dead_end(index, leave, psw.mask, psw.address));
                    }
                    wait::for_kick(&self.handle);
                }
            }
        }
    }
}

/// What run control is told when the last CPU has come to a dead end.
fn dead_end(index: usize, leave: Leave, psw_mask: u64, psw_addr: u64) -> GuestEvent {
    let reason = match leave {
        Leave::Crash(reason) => reason,
        _ if psw_addr & ORDERLY == ORDERLY => return GuestEvent::Shutdown(ShutdownCause::Guest),
        _ => "disabled-wait",
    };
    GuestEvent::Panicked(PanicInfo::S390 { core: index as u32, psw_mask, psw_addr, reason })
}
