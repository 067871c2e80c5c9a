//! The clocks of a CPU: reading the TOD clock, the clock comparator and the CPU timer.
//!
//! The TOD clock itself is one 72-bit quantity with one setter, [`TodClock`]; every CPU reads it
//! through [`TodClock::read`] and nothing else, comparator included, so that no reading is ever
//! below a comparator which has interrupted. The CPU timer lives on the VM's timeline (rule R8:
//! it stands while the VM stands).
//!
//! Both conditions are levels: pending while `TOD > comparator`, as `comparison` says, and while
//! the CPU timer is negative; [`crate::cpu::interrupt`] evaluates them each time it looks. What is here
//! wakes the CPU when one is about to become pending: while guest code runs, by a timer of the
//! VM's timeline which raises the CPU's attention; in the wait state by its sleeper. The timer is
//! armed anew only for an earlier deadline; one that fires too early finds nothing and is armed
//! for the rest. Nothing polls.
//!
//! What PERFORM TIMING FACILITY FUNCTION tells is in [`steering`].

mod comparison;
mod cpu_timer;
pub mod kvm_abi;
pub mod steering;
pub mod tod_kvm;
mod tod_tcg;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tod::{Timeline, Timer, Tod, VmDuration, VmTime};

use comparison::Comparison;
pub use comparison::SIGN_CONTROL;
pub use cpu_timer::CpuTimer;
pub use tod_tcg::{TodBackend, TodClock};

use crate::cpu::S390Cpu;
use crate::cpu::facility::MULTIPLE_EPOCH;
use crate::cpu::handle::{self, CpuHandle};
use crate::cpu::interrupt::subclass;
use crate::cpu::psw;

/// What a CPU has of clocks.
pub struct CpuClock {
    /// The clock comparator: compared with TOD bits 0-63.
    pub comparator: u64,
    /// TOD programmable register, bits 16-31 of its 32.
    pub programmable: u16,
    timer: CpuTimer,
    /// The setting of the clock that the last value of STORE CLOCK belongs to, which the core has;
    /// none if there was none.
    last_unique: Option<u64>,
    /// By how many units this CPU's programs have set the TOD clock forward, modulo 2^64.
    set_by: u64,
    /// Raises attention when a timer condition is due while guest code runs.
    wake_up: Timer,
    /// When it will at the latest; never, if it is not armed.
    armed: VmTime,
    /// What the comparator wakes the CPU for while it waits, enabled for that.
    awaited: Option<Awaited>,
}

/// A clock-comparator condition ahead.
#[derive(Debug, Clone, Copy)]
struct Awaited {
    /// Where it begins to hold.
    due: Tod,
    /// The setting of the clock that this belongs to.
    setting: u64,
}

/// The clock side of a CPU for saving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ClockState {
    /// Clock comparator.
    pub comparator: u64,
    /// TOD programmable register.
    pub programmable: u16,
    /// CPU timer, in TOD units.
    pub cpu_timer: u64,
}

impl CpuClock {
    /// The clocks of a new CPU: all zero, CPU timer standing.
    pub fn new(timeline: &Arc<Timeline>, handle: &Arc<CpuHandle>) -> Self {
        let wakes = Arc::clone(handle);
        let name = format!("cpu{}", handle.address());
        Self {
            comparator: 0,
            programmable: 0,
            timer: CpuTimer::Standing { value: 0 },
            last_unique: None,
            set_by: 0,
            wake_up: timeline.timer(&name, move |_| wakes.kick(handle::INTERRUPT)),
            armed: VmTime::NEVER,
            awaited: None,
        }
    }
}

impl S390Cpu {
    /// The TOD clock as STORE CLOCK FAST and STORE CLOCK EXTENDED show it to this CPU.
    pub fn read_tod(&self) -> Tod {
        self.control.shared.tod.read(self.cpu_address)
    }

    /// The TOD clock as STORE CLOCK shows it: bits 0-63, different from every other value that
    /// STORE CLOCK gives on any CPU until the clock is set.
    pub fn read_tod_unique(&mut self) -> u64 {
        // The CPU's number is in the low bits, so only this CPU's own values can be equal; the
        // next one is at most a step of the clock away, 62 ns with 248 CPUs. A host clock that stands (a simulated one) must not
        // hold the CPU: the value then runs ahead by the least there is.
        const LOOKS: u32 = 64;
        // After a stop the clock goes on from where it was captured, which is never before what
        // the CPU has read. One that has gone back further was set by other means.
        const SET_BACK: u64 = 1 << 20;
        let tod = &self.control.shared.tod;
        let sequence = self.core.clock.sequence();
        let setting = tod.setting();
        let mut value = tod.read(self.cpu_address).clock();
        if let Some(of) = self.control.clock.last_unique {
            let last = self.core.clock.last_unique();
            let mut looks = 0;
            while value == last && looks < LOOKS {
                std::hint::spin_loop();
                value = tod.read(self.cpu_address).clock();
                looks += 1;
            }
            let behind = last.wrapping_sub(value);
            if behind == 0 || of == setting && behind < SET_BACK {
                value = last.wrapping_add(tod.grain().units());
            }
        }
        self.control.clock.last_unique = Some(setting);
        self.core.clock.gave_unique(value, sequence);
        value
    }

    /// The TOD clock in 16 bytes, as STORE CLOCK EXTENDED stores it: byte 0 is the epoch index, or
    /// zeros without the multiple-epoch facility.
    pub fn tod_extended(&self) -> [u8; 16] {
        let mut image = self.read_tod().stcke_image(self.control.clock.programmable);
        if !self.control.facilities.has(MULTIPLE_EPOCH) {
            image[0] = 0;
        }
        image
    }

    /// SET CLOCK: bits 0-63; the epoch index becomes 0 (as KVM's `handle_set_clock` has it). Every
    /// CPU's comparator is looked at anew.
    ///
    /// The clock runs on at once. The TOD-clock-sync control (CR0 bit 34) would have it stand until
    /// a signal of other clocks that it is to run in step with; a configuration has one clock here,
    /// for all CPUs, so there is nothing to wait for and the control does nothing (as under KVM).
    pub fn set_tod(&mut self, clock: u64) {
        let shared = &self.control.shared;
        let by = shared.tod.set(Tod::new(0, clock), &shared.cpus);
        self.control.clock.set_by = self.control.clock.set_by.wrapping_add(by);
    }

    /// How the comparator is compared now.
    fn comparison(&self) -> Comparison {
        Comparison::of(self.cr[0], self.control.facilities.has(MULTIPLE_EPOCH))
    }

    /// SET CLOCK COMPARATOR.
    pub fn set_comparator(&mut self, comparator: u64) {
        self.control.clock.comparator = comparator;
        self.timer_changed(subclass::CLOCK_COMPARATOR);
    }

    /// SET CPU TIMER.
    pub fn set_cpu_timer(&mut self, value: u64) {
        let now = self.control.shared.timeline.now();
        self.control.clock.timer.set(value, now);
        self.show_cpu_timer();
        self.timer_changed(subclass::CPU_TIMER);
    }

    /// The CPU timer.
    pub fn cpu_timer(&self) -> u64 {
        self.control
            .clock
            .timer
            .value(self.control.shared.timeline.now())
    }

    /// A CPU timer that was loaded counts from now on, if the CPU's state lets it.
    pub(crate) fn begin_cpu_timer(&mut self) {
        if let CpuTimer::Loaded { .. } = self.control.clock.timer {
            self.run_cpu_timer(self.control.handle.state().runs_cpu_timer());
        }
    }

    /// Starts or stops the CPU timer with the CPU's state.
    pub(crate) fn run_cpu_timer(&mut self, run: bool) {
        let now = self.control.shared.timeline.now();
        self.control.clock.timer.run(run, now);
        self.show_cpu_timer();
    }

    /// The CPU timer has changed: generated code reads it by itself while it counts.
    fn show_cpu_timer(&mut self) {
        let shown = &mut self.core.timer;
        match self.control.clock.timer.zero_at() {
            Some(zero_at) => {
                if !shown.has_recipe() {
                    shown.set_recipe(tod_tcg::timeline_recipe(&self.control.shared.timeline));
                }
                shown.count_down_to(zero_at);
            }
            None => shown.set_recipe(None),
        }
    }

    /// What an initial CPU reset does to the clocks.
    pub(crate) fn reset_clocks(&mut self) {
        self.control.clock.comparator = 0;
        self.control.clock.awaited = None;
        self.control.clock.programmable = 0;
        self.set_cpu_timer(0);
    }

    /// A timer value has changed: if its interruption is enabled in CR0, look before the next
    /// block whether it is pending, or arm the wake-up. Otherwise nothing can follow from it.
    fn timer_changed(&mut self, mask: u64) {
        if self.cr[0] & mask == 0 {
            return;
        }
        if self.comparator_pending() || self.cpu_timer_pending() || self.pending != 0 {
            self.recheck_interruptions();
        } else {
            self.arm_wake_up();
        }
    }

    /// Whether the clock comparator's condition holds now.
    pub fn comparator_pending(&self) -> bool {
        let comparator = self.control.clock.comparator;
        self.comparison().holds(self.read_tod().clock(), comparator)
    }

    /// Whether the CPU timer's condition holds now.
    pub fn cpu_timer_pending(&self) -> bool {
        (self.cpu_timer() as i64) < 0
    }

    /// The first value of the TOD clock at which the comparator's condition holds; none if it does
    /// not before the values compared begin anew, or its interruption is disabled in CR0.
    pub(crate) fn comparator_due(&self) -> Option<Tod> {
        if self.cr[0] & subclass::CLOCK_COMPARATOR == 0 {
            return None;
        }
        let comparator = self.control.clock.comparator;
        let grain = self.control.shared.tod.grain();
        self.comparison()
            .due(self.read_tod(), comparator, grain, self.cpu_address)
    }

    /// When the CPU timer's condition holds; none if its interruption is disabled in CR0.
    pub(crate) fn cpu_timer_due(&self) -> Option<VmTime> {
        if self.cr[0] & subclass::CPU_TIMER == 0 {
            return None;
        }
        self.control
            .clock
            .timer
            .negative_at(self.control.shared.timeline.now())
    }

    /// Arms the wake-up for the earlier of the two conditions, if it is not armed for that or an
    /// earlier time already. A condition that holds needs none: it has been noted, or is looked
    /// at again.
    pub(crate) fn arm_wake_up(&mut self) {
        let comparator = self.comparator_due().filter(|_| !self.comparator_pending());
        let timer = self.cpu_timer_due().filter(|_| !self.cpu_timer_pending());
        let holds = comparator.is_none() && self.comparator_due().is_some()
            || timer.is_none() && self.cpu_timer_due().is_some();
        if holds && self.pending == 0 {
            self.recheck_interruptions();
        }
        let timeline = &self.control.shared.timeline;
        let clock = comparator.map(|due| {
            // Both run at the same rate, so what is left on one is left on the other; a unit
            // more makes up for what rounding takes.
            let left = due
                .signed_units_since(self.control.shared.tod.clock().now())
                .max(0);
            let left = u64::try_from(left).unwrap_or(u64::MAX).saturating_add(1);
            timeline.now().saturating_add(VmDuration::from_units(left))
        });
        let due = match (clock, timer) {
            (Some(a), Some(b)) => a.min(b),
            (a, b) => a.or(b).unwrap_or(VmTime::NEVER),
        };
        let clock = &mut self.control.clock;
        if clock.armed <= timeline.now() {
            clock.armed = VmTime::NEVER;
        }
        if due < clock.armed {
            clock.armed = due;
            clock.wake_up.arm(due);
        }
    }

    /// The CPU begins to wait, or goes on with it.
    pub(crate) fn await_comparator(&mut self) {
        let due = (self.psw_mask & psw::EXTERNAL != 0)
            .then(|| self.comparator_due())
            .flatten();
        let setting = self.control.shared.tod.setting();
        self.control.clock.awaited = due.map(|due| Awaited { due, setting });
    }

    /// Whether the comparator's condition held while the CPU waited for it, and has gone since
    /// because the clock has rolled over: a host that woke the CPU late. It was enabled all the
    /// time, so it has taken the interruption. Asked once.
    pub(crate) fn has_slept_over_comparator(&mut self) -> bool {
        let Some(awaited) = self.control.clock.awaited.take() else {
            return false;
        };
        let waits = psw::WAIT | psw::EXTERNAL;
        self.psw_mask & waits == waits
            && self.cr[0] & subclass::CLOCK_COMPARATOR != 0
            && awaited.setting == self.control.shared.tod.setting()
            && !self.read_tod().is_before(awaited.due)
            && !self.comparator_pending()
    }

    /// The clock side for saving.
    pub fn clock_state(&self) -> ClockState {
        ClockState {
            comparator: self.control.clock.comparator,
            programmable: self.control.clock.programmable,
            cpu_timer: self.cpu_timer(),
        }
    }

    /// Where on the timeline the CPU timer shows zero, if it counts.
    pub fn timer_zero_at(&self) -> Option<u64> {
        self.control.clock.timer.zero_at()
    }

    /// The last value that STORE CLOCK has given under the clock's present setting.
    pub fn last_unique(&self) -> Option<u64> {
        let of = self.control.clock.last_unique?;
        (of == self.control.shared.tod.setting()).then(|| self.core.clock.last_unique())
    }

    /// By how many units this CPU's programs have set the TOD clock forward in all, modulo 2^64.
    pub fn has_set_tod_by(&self) -> u64 {
        self.control.clock.set_by
    }

    /// Takes over what was saved: [`S390Cpu::clock_state`], [`S390Cpu::timer_zero_at`],
    /// [`S390Cpu::last_unique`] and [`S390Cpu::has_set_tod_by`]. The timeline and the TOD clock
    /// come later; the CPU looks at its timers when it runs.
    pub fn restore_clock_state(
        &mut self,
        state: &ClockState,
        timer_zero_at: Option<u64>,
        last_unique: Option<u64>,
        set_by: u64,
    ) {
        let counts = self.control.handle.state().runs_cpu_timer();
        let tod = &self.control.shared.tod;
        let setting = tod.setting();
        tod.restore_set_by(self.control.clock.set_by, set_by);
        let clock = &mut self.control.clock;
        clock.set_by = set_by;
        clock.comparator = state.comparator;
        clock.awaited = None;
        clock.programmable = state.programmable;
        let value = state.cpu_timer;
        clock.timer = match timer_zero_at {
            Some(zero_at) if counts => CpuTimer::Running { zero_at },
            None if counts => CpuTimer::Loaded { value },
            _ => CpuTimer::Standing { value },
        };
        clock.wake_up.disarm();
        clock.armed = VmTime::NEVER;
        clock.last_unique = last_unique.map(|_| setting);
        if let Some(last) = last_unique {
            let sequence = self.core.clock.sequence();
            self.core.clock.gave_unique(last, sequence);
        }
        self.show_cpu_timer();
        self.recheck_interruptions();
    }
}
