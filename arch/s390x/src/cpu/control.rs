//! The control side of a CPU: what only helpers and the vCPU's thread use.
//!
//! Architected registers that instructions name are in [`super::S390Cpu`]; here are the CPU's
//! clocks, its ways to the rest of the machine, and details of the interruption being made.

use std::sync::Arc;

use machine::ResetCause;

use super::handle::CpuHandle;
use super::key::MEM_MODES;
use super::per::Per;
use crate::clock::CpuClock;
use crate::machine::Shared;
use crate::memory::spaces::Spaces;
use crate::memory::{Keyed, Space};

/// Details of an access exception, which a trap's code does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccessFault {
    /// Translation-exception identification, stored at real 168.
    pub teid: u64,
    /// Exception access identification, stored at real 160.
    pub access_id: u8,
}

/// Details of a monitor event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MonitorEvent {
    /// Monitor class, 0 to 15.
    pub class: u8,
    /// Monitor code.
    pub code: u64,
}

/// Why a CPU has left the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// Somebody asked for it ([`super::handle::PARK`]).
    Park,
    /// As many instructions as were asked for have been executed
    /// ([`super::S390Cpu::set_stop_at`]).
    Count,
    /// It waits for an interruption: see [`super::wait`].
    Wait,
    /// It waits with all interruptions disabled; told once, then it is [`Leave::Wait`].
    DisabledWait,
    /// It is not in the operating state.
    Stopped,
    /// It has asked for a reset of the machine, or has crashed, and does nothing until one.
    AwaitReset,
    /// It would take the same interruption for ever: QAPI's `S390CrashReason`. Told once, then
    /// it is [`Leave::AwaitReset`].
    Crash(&'static str),
}

/// An interruption that the CPU would take for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// A program interruption.
    ProgramLoop,
    /// An operation exception.
    OperationLoop,
    /// An external interruption.
    ExternalLoop,
}

impl Crash {
    /// QAPI's `S390CrashReason`.
    pub fn reason(self) -> &'static str {
        match self {
            Self::ProgramLoop => "pgmint-loop",
            Self::OperationLoop => "opint-loop",
            Self::ExternalLoop => "extint-loop",
        }
    }
}

/// Something that the machine or run control is told of once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tell<T> {
    Untold(T),
    Told(T),
}

impl<T: Copy> Tell<T> {
    fn get(self) -> T {
        match self {
            Self::Untold(what) | Self::Told(what) => what,
        }
    }

    /// What is to be told now, if it has not been.
    pub(super) fn tell(this: &mut Option<Self>) -> Option<T> {
        match *this {
            Some(Self::Untold(what)) => {
                *this = Some(Self::Told(what));
                Some(what)
            }
            _ => None,
        }
    }
}

/// What only helpers and the vCPU's thread use.
pub struct Control {
    /// What all CPUs share.
    pub shared: Arc<Shared>,
    /// This CPU as others see it.
    pub handle: Arc<CpuHandle>,
    /// Clock comparator, CPU timer and what belongs to reading the TOD clock.
    pub clock: CpuClock,
    /// Tags of address spaces.
    pub spaces: Spaces,
    /// The space that each mode meant when its tag was last asked for.
    pub(crate) tagged: [Option<Space>; MEM_MODES],
    /// Operands with an access key of their own.
    pub(crate) keyed: [Keyed; 2],
    /// Details of the access exception under way.
    pub fault: AccessFault,
    /// Details of the monitor event under way.
    pub monitor: MonitorEvent,
    /// Program-event recording of the instruction under way.
    pub(super) per: Per,
    /// Instruction address of a PSW that was found invalid as soon as it was loaded.
    pub(super) early_address: u64,
    /// Instructions after which the CPU leaves.
    pub(super) stop_at: Option<u64>,
    /// Why the CPU leaves; set by `poll`.
    pub(super) leave: Option<Leave>,
    /// Only a reset goes on from here.
    pub(super) crash: Option<Tell<Crash>>,
    /// The reset that the CPU has asked for and is in the load state for.
    pub(super) reset: Option<Tell<ResetCause>>,
    /// Installed facilities.
    pub facilities: super::facility::Facilities,
    /// The disabled wait that the PSW says has been told.
    pub(super) wait_told: bool,
    /// The last program interruption, if it was taken at the program new PSW itself.
    pub(super) at_new_psw: Option<u16>,
}

impl Control {
    /// The control side of a CPU, as after power-on.
    pub fn new(shared: Arc<Shared>, handle: Arc<CpuHandle>) -> Self {
        let facilities = shared.facilities();
        let clock = CpuClock::new(&shared.timeline, &handle);
        Self {
            shared,
            handle,
            clock,
            spaces: Spaces::default(),
            tagged: [None; MEM_MODES],
            keyed: [Keyed::default(); 2],
            fault: AccessFault::default(),
            monitor: MonitorEvent::default(),
            per: Per::default(),
            early_address: 0,
            stop_at: None,
            leave: None,
            crash: None,
            reset: None,
            facilities,
            wait_told: false,
            at_new_psw: None,
        }
    }

    /// Why the CPU has left the guest; asked once after each stay.
    pub fn take_leave(&mut self) -> Leave {
        // The loop ends only through `poll`, which has set a reason.
        self.leave.take().unwrap_or(Leave::Park)
    }

    /// The CPU cannot go on: told once, and it does nothing more until it is reset.
    pub(crate) fn crash(&mut self, crash: Crash) {
        self.crash = Some(Tell::Untold(crash));
        self.handle.kick(super::handle::INTERRUPT);
    }

    /// Whether the CPU has crashed, and how.
    pub fn crashed(&self) -> Option<Crash> {
        self.crash.map(Tell::get)
    }

    /// The CPU, in the load state, has asked for this reset and told so (DIAGNOSE X'308').
    pub(crate) fn want_reset(&mut self, cause: ResetCause) {
        self.reset = Some(Tell::Told(cause));
    }

    /// The CPU came here in the load state: when it runs it asks for the reset once more.
    pub(crate) fn want_reset_again(&mut self, cause: ResetCause) {
        self.reset = Some(Tell::Untold(cause));
    }

    /// The reset that the CPU has asked for.
    pub fn wanted_reset(&self) -> Option<ResetCause> {
        self.reset.map(Tell::get)
    }
}
