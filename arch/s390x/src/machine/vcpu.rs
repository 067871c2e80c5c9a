//! A vCPU's thread: through the gate into the guest, out of it to wait, stop or be looked at.
//!
//! The CPU's state is behind a mutex that its thread holds while it is in the guest.
//! Who wants to look makes the CPU leave for a moment; the guest's clock goes on meanwhile. Not
//! here: what makes a CPU leave or how it sleeps ([`crate::cpu::run`],
//! [`crate::cpu::wait`]).

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use machine::{GuestEvent, PanicInfo, ShutdownCause};
use tod::run::Passage;

use crate::cpu::control::Leave;
use crate::cpu::handle::{self, CpuHandle, CpuState};
use crate::cpu::{S390Cpu, psw, run, wait};

use super::Shared;

/// A disabled wait at an address that ends in these bits is an orderly shutdown.
const ORDERLY: u64 = 0xfff;

/// One vCPU of the machine.
pub struct Vcpu {
    cpu: Mutex<S390Cpu>,
    handle: Arc<CpuHandle>,
    visitors: Mutex<u32>,
    alone: Condvar,
    thread_id: AtomicI32,
    /// Guest instructions executed, as of its last leave.
    instructions: AtomicU64,
    /// It waits with all interruptions disabled.
    in_disabled_wait: AtomicBool,
    /// The guest that is being loaded has it.
    expected: AtomicBool,
}

/// What the vCPU threads of one machine know together.
pub struct Crew {
    /// A place for each CPU address.
    places: Vec<OnceLock<Vcpu>>,
    /// Run control has been told that no CPU can go on.
    end_told: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Guards are dropped between whole steps only; see `Vcpu::visit`.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Crew {
    /// The crew of a machine of at most so many CPUs, without any.
    pub fn new(max_cpus: u16) -> Self {
        Self {
            places: (0..max_cpus).map(|_| OnceLock::new()).collect(),
            end_told: AtomicBool::new(false),
        }
    }

    /// Adds a vCPU; the place of its address is empty.
    pub fn add(&self, vcpu: Vcpu) {
        let address = usize::from(vcpu.handle.address());
        if self.places[address].set(vcpu).is_err() {
            log::error!("CPU {address} is there already");
        }
    }

    /// All vCPUs, in the order of their addresses.
    pub fn vcpus(&self) -> impl Iterator<Item = &Vcpu> {
        self.places.iter().filter_map(OnceLock::get)
    }

    /// The vCPU of that address, if there is one.
    pub fn get(&self, address: usize) -> Option<&Vcpu> {
        self.places.get(address)?.get()
    }

    /// Forgets that the guest has ended. For a reset, while parked.
    pub fn revive(&self) {
        self.end_told.store(false, Ordering::Release);
        for vcpu in self.vcpus() {
            vcpu.in_disabled_wait.store(false, Ordering::Release);
        }
    }

    /// Whether no CPU can go on by itself.
    fn has_ended(&self) -> bool {
        self.vcpus().all(|vcpu| {
            vcpu.handle.state() == CpuState::Stopped
                || vcpu.in_disabled_wait.load(Ordering::Acquire)
        })
    }

    /// True for the one thread that is to tell run control of the guest's end.
    fn tells_the_end(&self) -> bool {
        self.has_ended() && !self.end_told.swap(true, Ordering::AcqRel)
    }
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
            instructions: AtomicU64::new(0),
            in_disabled_wait: AtomicBool::new(false),
            expected: AtomicBool::new(true),
        }
    }

    /// A guest is being loaded which has this CPU, or has not.
    pub fn expect(&self, expected: bool) {
        self.expected.store(expected, Ordering::Release);
    }

    /// Whether the last guest that was loaded has this CPU.
    pub fn is_expected(&self) -> bool {
        self.expected.load(Ordering::Acquire)
    }

    /// What other CPUs and threads know of it.
    pub fn handle(&self) -> &Arc<CpuHandle> {
        &self.handle
    }

    /// Its host thread (gettid), 0 before it runs.
    pub fn thread_id(&self) -> i32 {
        self.thread_id.load(Ordering::Relaxed)
    }

    /// Guest instructions executed, as of the last time it left the guest.
    pub fn instructions(&self) -> u64 {
        self.instructions.load(Ordering::Relaxed)
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

    /// The CPU, when nobody else wants it. A visitor who comes later asks it to leave.
    fn enter(&self) -> MutexGuard<'_, S390Cpu> {
        let mut visitors = lock(&self.visitors);
        while *visitors > 0 {
            visitors = self
                .alone
                .wait(visitors)
                .unwrap_or_else(PoisonError::into_inner);
        }
        drop(visitors);
        lock(&self.cpu)
    }

    /// The thread's life; returns when the gate says that the program ends.
    pub fn live(&self, crew: &Crew, shared: &Shared) {
        let index = usize::from(self.handle.address());
        let Some(seat) = shared.gate.seat(index) else {
            log::error!("CPU {index} has a thread already");
            return;
        };
        let thread = rustix::thread::gettid().as_raw_nonzero().get();
        self.thread_id.store(thread, Ordering::Relaxed);
        loop {
            // Before the gate: a request that comes after it has passed is not lost.
            self.handle.clear_park();
            if seat.approach() == Passage::Quit {
                return;
            }
            let mut cpu = self.enter();
            let leave = run::run(&mut cpu);
            self.instructions.store(cpu.core.insns, Ordering::Relaxed);
            if leave == Leave::Park {
                continue;
            }
            let waits_disabled = cpu.psw_mask & psw::WAIT != 0
                && cpu.psw_mask & (psw::IO | psw::EXTERNAL | psw::MACHINE_CHECK) == 0;
            // Another CPU may still bring a CPU out of these, so they end nothing by themselves.
            let dead = matches!(leave, Leave::DisabledWait | Leave::Crash(_))
                || leave == Leave::Wait && waits_disabled;
            self.in_disabled_wait.store(dead, Ordering::Release);
            if (dead || leave == Leave::Stopped) && crew.tells_the_end() {
                let event = end(index, leave, dead, &cpu);
                cpu.control.shared.tell(event);
            }
            match leave {
                Leave::Wait => {
                    let until = wait::until(&cpu);
                    drop(cpu);
                    seat.leave();
                    wait::sleep(shared, &self.handle, &until);
                }
                _ => {
                    drop(cpu);
                    seat.leave();
                    wait::for_kick(&self.handle);
                }
            }
        }
    }
}

/// What run control is told when no CPU can go on, by the last one that could.
fn end(index: usize, leave: Leave, dead: bool, cpu: &S390Cpu) -> GuestEvent {
    let psw = cpu.psw();
    let reason = match leave {
        Leave::Crash(reason) => reason,
        _ if !dead || psw.address & ORDERLY == ORDERLY => {
            return GuestEvent::Shutdown(ShutdownCause::Guest);
        }
        _ => "disabled-wait",
    };
    GuestEvent::Panicked(PanicInfo::S390 {
        core: index as u32,
        psw_mask: psw.mask,
        psw_addr: psw.address,
        reason,
    })
}
