//! A vCPU's thread: through the gate into the guest, out of it to serve an access, stop, or be
//! looked at.
//!
//! The vCPU is behind a mutex that its thread holds while it is in the guest. Who wants to look
//! makes it leave for a moment; the guest's clock goes on meanwhile. HLT and waiting to be
//! started happen inside the kernel: for the gate such a vCPU is in the guest. Not here: what a
//! port does ([`Board`]), and the order of stop and cont (`tod`).

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam::channel::Sender;
use machine::{GuestEvent, ResetCause};
use tod::VcpuGate;
use tod::run::{Kick, Passage};

use super::toll::Toll;
use crate::board::Board;
use crate::kvm::{Direction, Exit, Kicker, KvmError, VcpuKvm};

/// Whether a vCPU can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nobody has started it yet.
    Resting,
    Alive,
    /// It has told run control that it cannot; a reset revives it.
    Ended,
}

/// What wakes a thread that waits outside of the guest.
#[derive(Debug)]
struct Bell {
    standing: Standing,
    kicked: bool,
}

/// One vCPU of the machine.
pub struct Vcpu {
    index: usize,
    kvm: Mutex<VcpuKvm>,
    kicker: Kicker,
    visitors: Mutex<u32>,
    alone: Condvar,
    bell: Mutex<Bell>,
    rung: Condvar,
    toll: Arc<Toll>,
}

/// The vCPUs of one machine, in order of their numbers.
pub struct Crew {
    /// All of them.
    pub vcpus: Vec<Arc<Vcpu>>,
    /// What they pay while they are moved.
    pub toll: Arc<Toll>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Guards are dropped between whole steps only.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Crew {
    /// Brings all of them out of the guest, or out of their waits.
    pub fn kick(&self) {
        self.vcpus.iter().for_each(|vcpu| vcpu.kick());
    }

    /// What the gate kicks them with.
    #[must_use]
    pub fn kicks(&self) -> Vec<Kick> {
        let kick = |vcpu: &Arc<Vcpu>| {
            let vcpu = Arc::clone(vcpu);
            Box::new(move || vcpu.kick()) as Kick
        };
        self.vcpus.iter().map(kick).collect()
    }
}

impl Vcpu {
    /// A vCPU of the kernel's, by its number; it pays this toll.
    ///
    /// # Errors
    /// [`KvmError`].
    pub fn new(index: usize, kvm: VcpuKvm, toll: &Arc<Toll>) -> Result<Self, KvmError> {
        Ok(Self {
            index,
            toll: Arc::clone(toll),
            kicker: kvm.kicker()?,
            kvm: Mutex::new(kvm),
            visitors: Mutex::new(0),
            alone: Condvar::new(),
            bell: Mutex::new(Bell {
                standing: Standing::Resting,
                kicked: false,
            }),
            rung: Condvar::new(),
        })
    }

    /// Its number, which is its APIC identifier.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Its host thread (gettid), 0 before it runs.
    #[must_use]
    pub fn thread_id(&self) -> i32 {
        self.kicker.thread_id()
    }

    /// Whether it executes nothing until it is started, or reset and started.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        lock(&self.bell).standing != Standing::Alive
    }

    /// Whether it has ever been started, whatever has become of it.
    #[must_use]
    pub fn has_started(&self) -> bool {
        lock(&self.bell).standing != Standing::Resting
    }

    /// Brings it out of the guest, or out of its wait.
    pub fn kick(&self) {
        self.kicker.kick();
        lock(&self.bell).kicked = true;
        self.rung.notify_all();
    }

    /// It executes nothing until it is revived. For a reset, while parked.
    pub fn rest(&self) {
        lock(&self.bell).standing = Standing::Resting;
    }

    /// Lets it run. For a start or a loaded state, while parked.
    pub fn revive(&self) {
        lock(&self.bell).standing = Standing::Alive;
        self.rung.notify_all();
    }

    /// Looks at or changes the vCPU while it is out of the guest, with no access half done. Not
    /// for the vCPU's own thread.
    pub fn visit<R>(&self, look: impl FnOnce(&mut VcpuKvm) -> R) -> R {
        *lock(&self.visitors) += 1;
        self.kicker.kick();
        let result = look(&mut lock(&self.kvm));
        *lock(&self.visitors) -= 1;
        self.alone.notify_all();
        result
    }

    /// The vCPU, when nobody else wants it. A visitor who comes later asks it to leave.
    fn enter(&self) -> MutexGuard<'_, VcpuKvm> {
        let mut visitors = lock(&self.visitors);
        while *visitors > 0 {
            visitors = self
                .alone
                .wait(visitors)
                .unwrap_or_else(PoisonError::into_inner);
        }
        drop(visitors);
        lock(&self.kvm)
    }

    /// The thread's life; returns when the gate says that the program ends.
    pub fn live(&self, gate: &VcpuGate, board: &Board, events: &Sender<GuestEvent>) {
        let Some(seat) = gate.seat(self.index) else {
            log::error!("CPU {} has a thread already", self.index);
            return;
        };
        self.kicker.take_thread();
        loop {
            // Before the gate: a request that comes after it has passed is not lost.
            self.kicker.clear();
            lock(&self.bell).kicked = false;
            if seat.approach() == Passage::Quit {
                return;
            }
            if self.has_ended() {
                seat.leave();
                self.wait_for_bell();
                continue;
            }
            if let Some(left) = self.toll.left() {
                self.wait_for_kick(left);
                continue;
            }
            // Before the vCPU is taken, for what is started may want to set its registers.
            if !gate.enter() {
                continue;
            }
            let mut kvm = self.enter();
            let Some(event) = self.run(&mut kvm, board) else {
                continue;
            };
            drop(kvm);
            lock(&self.bell).standing = Standing::Ended;
            // Run control outlives the machine; without it the program is ending.
            if events.send(event).is_err() {
                log::debug!("run control has gone; a guest event is dropped");
            }
        }
    }

    fn wait_for_bell(&self) {
        let mut bell = lock(&self.bell);
        while bell.standing != Standing::Alive && !bell.kicked {
            bell = self.rung.wait(bell).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn wait_for_kick(&self, at_most: Duration) {
        let bell = lock(&self.bell);
        if !bell.kicked {
            // Whoever rings has something to say; a wait that ends early is only a look.
            drop(self.rung.wait_timeout(bell, at_most));
        }
    }

    /// Runs until it is wanted outside, or cannot go on.
    fn run(&self, kvm: &mut VcpuKvm, board: &Board) -> Option<GuestEvent> {
        loop {
            match kvm.run() {
                Exit::Port {
                    direction,
                    port,
                    width,
                    data,
                } => {
                    for access in data.chunks_mut(width) {
                        match direction {
                            Direction::In => board.read_port(port, access),
                            Direction::Out => board.write_port(port, access),
                        }
                    }
                }
                // Nobody answers.
                Exit::Memory {
                    direction: Direction::In,
                    data,
                    ..
                } => data.fill(0xff),
                Exit::Memory { .. } => {}
                Exit::Interrupted => return None,
                Exit::TripleFault => {
                    log::info!("triple fault on CPU {}: the machine is reset", self.index);
                    return Some(GuestEvent::Reset(ResetCause::GuestReipl));
                }
                Exit::Halt => return Some(self.failure(kvm, "HLT that nobody ends")),
                Exit::Failed(why) => return Some(self.failure(kvm, &why)),
            }
        }
    }

    fn failure(&self, kvm: &VcpuKvm, why: &str) -> GuestEvent {
        let at = match kvm.fd().get_regs() {
            Ok(regs) => format!(" at RIP {:#x}", regs.rip),
            Err(_) => String::new(),
        };
        GuestEvent::InternalError(format!(
            "KVM cannot go on with CPU {}{at}: {why}",
            self.index
        ))
    }
}
