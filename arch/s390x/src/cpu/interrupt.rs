//! Interruptions other than program ones: what is pending, what is enabled, and taking it.
//!
//! Sources are *levels* (clock comparator, CPU timer: evaluated each time, delivery clears
//! nothing), *latches* of this CPU (emergency signals, external call, restart, stop) and
//! *floating* ones of the configuration (service signal; I/O and channel reports, which are
//! [`super::io_interrupt`]'s and [`super::machine_check`]'s). Order and formats: Principles of
//! Operation, chapter 6, "Priority of Interruptions" and "External Interruption".
//!
//! How attention and masks play together. For every source that is pending, one of these holds:
//! the attention bit is up; or [`poll`] has seen the source, found it disabled by the PSW and
//! noted it in `S390Cpu::pending`; or the control-register mask is off (a changed control
//! register raises attention); or it is a timer not yet due, and the CPU's host timer is armed
//! for it. So enabling a PSW mask needs to look at one word only.

use machine::GuestEvent;
use tcg::Poll;
use tcg::ir::MemSize;

use super::S390Cpu;
use super::control::{Crash, Leave, Tell};
use super::handle::{self, CpuState};
use super::lowcore;
use super::psw::{self, Psw};

/// CR0 bit 48, malfunction alert, and its neighbours: external-interruption subclass masks.
pub mod subclass {
    /// CR0 bit 49: emergency signal.
    pub const EMERGENCY: u64 = 0x4000;
    /// CR0 bit 50: external call.
    pub const EXTERNAL_CALL: u64 = 0x2000;
    /// CR0 bit 52: clock comparator.
    pub const CLOCK_COMPARATOR: u64 = 0x800;
    /// CR0 bit 53: CPU timer.
    pub const CPU_TIMER: u64 = 0x400;
    /// CR0 bit 54: service signal.
    pub const SERVICE: u64 = 0x200;
}

/// External interruptions taken in one poll at most, so that a guest whose external new PSW
/// enables a level that stays up cannot hold the thread.
const MAX_IN_ONE_POLL: u32 = 64;

/// External interruptions, in the order of their priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum External {
    Emergency,
    Call,
    ClockComparator,
    CpuTimer,
    Service,
}

impl External {
    const IN_ORDER: [Self; 5] = [
        Self::Emergency,
        Self::Call,
        Self::ClockComparator,
        Self::CpuTimer,
        Self::Service,
    ];

    fn subclass(self) -> u64 {
        match self {
            Self::Emergency => subclass::EMERGENCY,
            Self::Call => subclass::EXTERNAL_CALL,
            Self::ClockComparator => subclass::CLOCK_COMPARATOR,
            Self::CpuTimer => subclass::CPU_TIMER,
            Self::Service => subclass::SERVICE,
        }
    }

    fn code(self) -> u16 {
        match self {
            Self::Emergency => 0x1201,
            Self::Call => 0x1202,
            Self::ClockComparator => 0x1004,
            Self::CpuTimer => 0x1005,
            Self::Service => 0x2401,
        }
    }

    fn is_level(self) -> bool {
        matches!(self, Self::ClockComparator | Self::CpuTimer)
    }

    fn is_pending(self, cpu: &S390Cpu) -> bool {
        match self {
            Self::Emergency => cpu.control.handle.has_emergency(),
            Self::Call => cpu.control.handle.has_external_call(),
            Self::ClockComparator => cpu.comparator_pending(),
            Self::CpuTimer => cpu.cpu_timer_pending(),
            Self::Service => cpu.control.shared.floating.has_service_signal(),
        }
    }
}

/// Looks at everything that may want the CPU; [`tcg::Guest::poll`].
pub fn poll(cpu: &mut S390Cpu) -> Poll {
    if cpu.control.per.is_pending() {
        if cpu.execute_target != 0 {
            // Between an EXECUTE and its target: both are one instruction.
            return Poll::Run;
        }
        super::per::deliver(cpu);
    }
    let bits = cpu.core.attention().get();
    if bits & handle::PARK != 0 {
        return leave(cpu, Leave::Park);
    }
    if cpu
        .control
        .stop_at
        .is_some_and(|count| cpu.core.insns >= count)
    {
        return leave(cpu, Leave::Count);
    }
    // Taken before anything is looked at: what is posted later raises it anew.
    cpu.core.attention().take(handle::INTERRUPT | handle::ORDER);
    super::orders::serve(cpu);
    cpu.begin_cpu_timer();
    if cpu.control.crash.is_none() && cpu.control.handle.state() == CpuState::Operating {
        take_all(cpu);
    }
    if let Some(crash) = Tell::tell(&mut cpu.control.crash) {
        return leave(cpu, Leave::Crash(crash.reason()));
    }
    if cpu.control.crash.is_some() {
        return leave(cpu, Leave::AwaitReset);
    }
    if let Some(cause) = Tell::tell(&mut cpu.control.reset) {
        cpu.control.shared.tell(GuestEvent::Reset(cause));
    }
    if cpu.control.handle.state() != CpuState::Operating {
        return leave(cpu, Leave::Stopped);
    }
    if cpu.control.handle.has_stop() {
        if cpu.control.handle.stop_stores_status() {
            cpu.store_status_after_stop();
        }
        cpu.set_state(CpuState::Stopped);
        cpu.control.handle.clear_stop();
        return leave(cpu, Leave::Stopped);
    }
    cpu.arm_wake_up();
    if cpu.psw_mask & psw::WAIT != 0 {
        if cpu.psw().is_disabled_wait() && !cpu.control.wait_told {
            cpu.control.wait_told = true;
            return leave(cpu, Leave::DisabledWait);
        }
        cpu.await_comparator();
        return leave(cpu, Leave::Wait);
    }
    // The last thing before guest code, so that the guest's time runs while the guest does.
    if !cpu.control.shared.gate.enter() {
        return leave(cpu, Leave::Park);
    }
    Poll::Run
}

impl S390Cpu {
    /// Leaves the guest with [`Leave::Count`] before the first block at which `core.insns` is not
    /// below this number; `None`: no more. While it is set each block returns to the run loop,
    /// so that engines with the same blocks stop at the same place. For comparing engines.
    pub fn set_stop_at(&mut self, count: Option<u64>) {
        self.control.stop_at = count;
        let attention = self.core.attention();
        match count {
            Some(_) => attention.raise(handle::COUNT),
            None => {
                attention.take(handle::COUNT);
            }
        }
    }
}

fn leave(cpu: &mut S390Cpu, reason: Leave) -> Poll {
    cpu.control.leave = Some(reason);
    Poll::Leave
}

/// Takes what is enabled, one after the other, each under the PSW that the one before has
/// loaded: the last one taken is executed first.
fn take_all(cpu: &mut S390Cpu) {
    if super::machine_check::is_enabled(cpu) {
        super::machine_check::take(cpu);
        if cpu.control.crash.is_some() {
            return;
        }
    }
    if cpu.has_slept_over_comparator() && cpu.psw_mask & psw::EXTERNAL != 0 {
        take_external(cpu, External::ClockComparator);
    }
    for _ in 0..MAX_IN_ONE_POLL {
        let Some(external) = next_external(cpu) else {
            break;
        };
        take_external(cpu, external);
        if cpu.control.crash.is_some() {
            return;
        }
    }
    for _ in 0..MAX_IN_ONE_POLL {
        if !super::io_interrupt::take(cpu) {
            break;
        }
        if cpu.control.crash.is_some() {
            return;
        }
    }
    if cpu.control.handle.take_restart() {
        take_restart(cpu);
    }
    cpu.pending = noted(cpu);
    if cpu.pending & cpu.psw_mask != 0 {
        // More than one look takes, or it became pending meanwhile.
        cpu.recheck_interruptions();
    }
}

/// The first external interruption that is pending and enabled.
fn next_external(cpu: &S390Cpu) -> Option<External> {
    if cpu.psw_mask & psw::EXTERNAL == 0 {
        return None;
    }
    External::IN_ORDER
        .into_iter()
        .find(|external| cpu.cr[0] & external.subclass() != 0 && external.is_pending(cpu))
}

/// What is pending but disabled by the PSW alone, as PSW bits.
fn noted(cpu: &S390Cpu) -> u64 {
    let any = External::IN_ORDER
        .into_iter()
        .any(|external| cpu.cr[0] & external.subclass() != 0 && external.is_pending(cpu));
    let external = if any { psw::EXTERNAL } else { 0 };
    external | super::io_interrupt::noted(cpu) | super::machine_check::noted(cpu)
}

/// Takes one external interruption. A level that the new PSW lets interrupt again at once, and
/// so for ever, makes the CPU leave.
fn take_external(cpu: &mut S390Cpu, external: External) {
    let (source, parameter) = match external {
        External::Emergency => (cpu.control.handle.take_emergency(), None),
        External::Call => (cpu.control.handle.take_external_call(), None),
        External::ClockComparator | External::CpuTimer => (Some(0), None),
        External::Service => {
            // Another CPU may have been faster.
            let Some(parameter) = cpu.control.shared.floating.take_service_signal() else {
                return;
            };
            (Some(0), Some(parameter))
        }
    };
    let Some(source) = source else { return };
    cpu.set_lowcore(lowcore::EXTERNAL_CPU, MemSize::B2, u64::from(source));
    cpu.set_lowcore(
        lowcore::EXTERNAL_CODE,
        MemSize::B2,
        u64::from(external.code()),
    );
    if let Some(parameter) = parameter {
        cpu.set_lowcore(
            lowcore::EXTERNAL_PARAMETER,
            MemSize::B4,
            u64::from(parameter),
        );
    }
    log::trace!(
        "CPU {}: external interruption {:#06x} at {:#x}",
        cpu.cpu_address,
        external.code(),
        cpu.core.pc
    );
    swap(cpu, lowcore::EXTERNAL_OLD, lowcore::EXTERNAL_NEW);
    if external.is_level()
        && cpu.psw_mask & psw::EXTERNAL != 0
        && cpu.cr[0] & external.subclass() != 0
        && external.is_pending(cpu)
    {
        cpu.control.crash(Crash::ExternalLoop);
    }
}

fn take_restart(cpu: &mut S390Cpu) {
    swap(cpu, lowcore::RESTART_OLD, lowcore::RESTART_NEW);
}

/// Stores the old PSW and loads the new one. An invalid new PSW is a program interruption of its
/// own, at once.
pub(super) fn swap(cpu: &mut S390Cpu, old: u64, new: u64) {
    let psw = cpu.psw();
    swap_from(cpu, old, new, psw);
}

/// [`swap`] with an old PSW other than the current one.
pub(super) fn swap_from(cpu: &mut S390Cpu, old: u64, new: u64, old_psw: Psw) {
    cpu.set_lowcore_psw(old, old_psw);
    let new_psw = cpu.lowcore_psw(new);
    if let Err(trap) = cpu.load_psw(new_psw) {
        super::program_interrupt::deliver(cpu, trap);
    }
}

/// SUPERVISOR CALL: `core.pc` and `ilen` tell the instruction.
pub fn supervisor_call(cpu: &mut S390Cpu, code: u8) {
    let id = u64::from(cpu.core.ilen) << 16 | u64::from(code);
    cpu.set_lowcore(lowcore::SVC_ID, MemSize::B4, id);
    let mut psw = cpu.psw();
    psw.address = cpu.wrap_pc(psw.address.wrapping_add(u64::from(cpu.core.ilen)));
    swap_from(cpu, lowcore::SVC_OLD, lowcore::SVC_NEW, psw);
}

impl S390Cpu {
    /// Control-register masks, timers or the TOD clock have changed: look before the next block.
    pub fn recheck_interruptions(&self) {
        self.core.attention().raise(handle::INTERRUPT);
    }

    /// Whether guest code can be left for a pending interruption of any kind now: for loops in
    /// helpers that may run long.
    pub fn wants_attention(&self) -> bool {
        self.core.attention().get() != 0
    }

    /// Wraps an instruction address to the current addressing mode.
    pub(super) fn wrap_pc(&self, address: u64) -> u64 {
        address & super::key::Flags(self.psw_mask).addressing().mask()
    }

    /// Restart, as the operator's key or a non-maskable interruption wants it: the CPU operates,
    /// if it can, and takes the interruption: after all others that are enabled, but one that was
    /// stopped before any of them. In the check-stop state nothing happens, and a CPU that is
    /// being loaded takes it afterwards.
    pub fn restart(&mut self) {
        match self.control.handle.state() {
            CpuState::CheckStop => {}
            CpuState::Stopped => {
                self.set_state(CpuState::Operating);
                take_restart(self);
            }
            CpuState::Operating | CpuState::Load => {
                self.control.handle.post_restart();
                self.recheck_interruptions();
            }
        }
    }

    /// Changes the CPU's state; the CPU timer runs in the operating and load states only.
    pub fn set_state(&mut self, state: CpuState) {
        self.control.handle.publish_state(state);
        self.run_cpu_timer(state.runs_cpu_timer());
        self.recheck_interruptions();
    }
}
