//! The guest's time stamp counters: the host's, scaled where its KVM can, plus an offset for each
//! vCPU.
//!
//! The offsets are what is captured and set (device attribute KVM_VCPU_TSC_OFFSET, or where a
//! kernel lacks it MSR 0x10), so no cycle is lost: from stop to cont all are moved by what the
//! host's counter has moved, and vCPUs whose counters were equal still have equal ones. A guest
//! that has set one vCPU's counter finds that difference again.
//!
//! Some hosts cannot do it: a KVM that is itself a para-virtual guest takes the attribute and the
//! MSR without an effect, and its guests read the host's counter. That is found out when the
//! machine is built. Their TSC then runs through a stop, which is what the policy `catch-up` says,
//! and a timer that waits for it fires once, at cont; kvmclock is not affected, for KVM relates it
//! to the counter as it is.
//!
//! Measured (Linux 6.18, AMD EPYC, para-virtual nested KVM): a call on a vCPU takes 4.5 us;
//! KVM_SET_TSC_KHZ succeeds there for a higher rate although KVM_CAP_TSC_CONTROL is missing, and
//! the counter does not go faster, so the capability is what counts.

use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tod::clock::scale::{cycles_from_elapsed, elapsed_from_cycles};
use tod::clock::{Captured, ClockBackend, ClockError, Hz, Policy, Ready, Scale};
use tod::{FineSpan, FineTod, HostReading};

use super::kvm_time::{KvmTime, failed};
use crate::kvm::{ClockCalls, TscScale};

/// The clock's name.
pub const TSC: &str = "tsc";

/// IA32_TIME_STAMP_COUNTER.
const MSR_TSC: u32 = 0x10;
/// IA32_TSC_ADJUST: what the guest has added to the counter.
const MSR_TSC_ADJUST: u32 = 0x3b;

/// By how much an offset is moved to see whether that has an effect.
const PROBE: u64 = 1 << 20;

/// A counter that was set through its MSR is right within a millisecond, or was not set.
const MSR_TOLERANCE_PER_SECOND: u64 = 1000;

/// A counter that goes on from a value that was not read then is set ahead by a millisecond.
const ROUGHLY_PER_SECOND: u64 = 1000;

/// KVM takes a rate this near to the host's for the same (`tsc_tolerance_ppm`, 250 by default).
const SAME_RATE_PPM: u64 = 250;

/// The TSC, as a backend of the clock manager. Its value is that of vCPU 0.
pub struct Tsc(Arc<KvmTime>);

impl Tsc {
    /// That of a machine.
    #[must_use]
    pub fn new(time: &Arc<KvmTime>) -> Self {
        Self(Arc::clone(time))
    }
}

impl ClockBackend for Tsc {
    fn scale(&self) -> Scale {
        let hz = self.0.tsc_hz();
        Scale::Cycles { hz }
    }

    fn capture(&mut self, at: &HostReading) -> Result<Captured, ClockError> {
        self.0.capture_tsc(at)
    }

    fn install(&mut self, value: &Captured, at: &HostReading) -> Result<(), ClockError> {
        self.0.install_tsc(value.value, at)
    }

    fn make_ready(&mut self, value: &Captured, at: &HostReading) -> Result<Ready, ClockError> {
        self.0.make_tsc_ready(value.value, at)?;
        Ok(Ready::Launched)
    }

    fn advance(&mut self, _by: FineSpan, _at: &HostReading) -> Result<(), ClockError> {
        Err(ClockError::Refused {
            action: "move the TSC".into(),
            reason: "it cannot be set while vCPUs run".into(),
        })
    }
}

/// What sets a guest's TSC on this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TscSetting {
    /// KVM_VCPU_TSC_OFFSET: to the cycle.
    Offset,
    /// MSR 0x10: to some microseconds. The kernel takes a value within a second of the one that
    /// the counter has for an attempt to synchronise vCPUs, and leaves the counter as it is.
    Msr,
    /// Nothing: the guest reads the host's counter.
    Nothing,
}

impl TscSetting {
    /// What the guest's TSC does about a gap.
    #[must_use]
    pub fn policy(self) -> Policy {
        match self {
            Self::Offset | Self::Msr => Policy::Freeze,
            Self::Nothing => Policy::CatchUp,
        }
    }
}

/// What travels with a machine beside the clock's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SavedTsc {
    /// Whether it stood while the VM was stopped.
    stands: bool,
    /// Thousands of cycles per second.
    pub(super) khz: u32,
    /// Of every vCPU's counter: how far it is ahead of vCPU 0's.
    pub(super) ahead: Vec<i64>,
    /// About what vCPU 0's counter shows, from when its offset was last known.
    cycles: Option<u64>,
    /// What every vCPU has in IA32_TSC_ADJUST; none where there is no such register.
    pub(super) adjust: Vec<Option<u64>>,
}

/// A frequency that a saved machine cannot have had, or that this host cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TscLoadError {
    /// Another number of vCPUs.
    #[error("it has the time stamp counters of {found} vCPUs, not of {expected}")]
    Vcpus { found: usize, expected: usize },
    /// No CPU has such a frequency.
    #[error("no time stamp counter runs at {0} kHz")]
    Frequency(u32),
    /// The host promised scaling and refuses.
    #[error("the host's KVM does not let the guest's time stamp counter run at {khz} kHz: {error}")]
    Scaling { khz: u32, error: String },
}

/// All vCPUs' counters.
#[derive(Debug)]
pub(super) struct Counters {
    setting: TscSetting,
    /// Of the guest.
    khz: u32,
    hz: Hz,
    host_khz: u32,
    host_hz: Hz,
    scale: Option<TscScale>,
    /// What every vCPU's counter shows beyond the scaled host's; or why that is not known.
    offsets: Result<Vec<u64>, String>,
    /// The first of them, as last known.
    last_offset: Option<u64>,
    /// How far each is ahead of the first, as last known.
    ahead: Vec<u64>,
    /// What is known of how the value that is installed next came about.
    known: Known,
}

/// Where a value of the TSC comes from; it tells how far a counter that cannot be set may be off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// The counter showed this when it was last captured here.
    Captured(u64),
    /// It is about to be loaded, as of the moment at which it was captured elsewhere.
    Arriving,
    /// It was loaded.
    Arrived,
}

fn hz_of(khz: u32) -> Option<Hz> {
    Hz::new(u64::from(khz) * 1000).ok()
}

impl Counters {
    /// Those of a machine that has just been built.
    pub(super) fn new(calls: &mut dyn ClockCalls) -> Result<Self, ClockError> {
        let khz = calls
            .tsc_khz(0)
            .map_err(|error| failed("ask for the TSC's frequency", error))?;
        let hz = hz_of(khz).ok_or_else(|| ClockError::Refused {
            action: "ask for the TSC's frequency".into(),
            reason: format!("the host's KVM says {khz} kHz"),
        })?;
        let setting = probe(calls)?;
        let mut counters = Self {
            setting,
            khz,
            hz,
            host_khz: khz,
            host_hz: hz,
            scale: None,
            offsets: Err("it has not been read".into()),
            last_offset: None,
            ahead: vec![0; calls.vcpus()],
            known: Known::Arriving,
        };
        counters.read(calls);
        Ok(counters)
    }

    pub(super) fn setting(&self) -> TscSetting {
        self.setting
    }

    /// The guest's frequency.
    pub(super) fn hz(&self) -> Hz {
        self.hz
    }

    /// The host's frequency, as KVM knows it.
    pub(super) fn host_hz(&self) -> Hz {
        self.host_hz
    }

    fn scaled(&self, host_tsc: u64) -> u64 {
        match self.scale {
            None => host_tsc,
            Some(TscScale {
                ratio,
                fraction_bits,
            }) => ((u128::from(host_tsc) * u128::from(ratio)) >> fraction_bits) as u64,
        }
    }

    /// Reads all vCPUs' offsets. No vCPU is in the guest.
    pub(super) fn read(&mut self, calls: &mut dyn ClockCalls) {
        let offsets: io::Result<Vec<u64>> = (0..calls.vcpus())
            .map(|vcpu| self.read_one(calls, vcpu))
            .collect();
        if let Ok(offsets) = &offsets
            && let Some(first) = offsets.first()
        {
            // Through the MSR each is read a little off; what is as good as equal is equal.
            let same = match self.setting {
                TscSetting::Msr => self.hz.get() / MSR_TOLERANCE_PER_SECOND,
                TscSetting::Offset | TscSetting::Nothing => 0,
            };
            let ahead = |offset: &u64| match offset.wrapping_sub(*first) {
                ahead if (ahead as i64).unsigned_abs() <= same => 0,
                ahead => ahead,
            };
            self.ahead = offsets.iter().map(ahead).collect();
            self.last_offset = Some(*first);
        }
        self.offsets = offsets.map_err(|error| error.to_string());
    }

    fn read_one(&self, calls: &mut dyn ClockCalls, vcpu: usize) -> io::Result<u64> {
        match self.setting {
            TscSetting::Offset | TscSetting::Nothing => calls.tsc_offset(vcpu),
            TscSetting::Msr => {
                let before = calls.host_tsc();
                let shown = calls.msr(vcpu, MSR_TSC)?;
                let after = calls.host_tsc();
                let between = before.wrapping_add(after.wrapping_sub(before) / 2);
                Ok(shown.wrapping_sub(self.scaled(between)))
            }
        }
    }

    /// What vCPU 0's counter shows when the host's shows `host_tsc`.
    pub(super) fn capture(&mut self, host_tsc: u64) -> Result<Captured, ClockError> {
        let offset = match &self.offsets {
            Ok(offsets) => offsets.first().copied().unwrap_or(0),
            Err(why) => {
                return Err(ClockError::Refused {
                    action: "read the TSC".into(),
                    reason: why.clone(),
                });
            }
        };
        let cycles = self.scaled(host_tsc).wrapping_add(offset);
        self.known = Known::Captured(cycles);
        let error_ns = match self.setting {
            TscSetting::Offset | TscSetting::Nothing => 0,
            // What a call on a vCPU takes.
            TscSetting::Msr => 5_000,
        };
        Ok(Captured {
            value: elapsed_from_cycles(cycles, self.hz),
            error_ns,
            stepped: None,
        })
    }

    /// The cycles of a value.
    pub(super) fn cycles(&self, value: FineTod) -> u64 {
        cycles_from_elapsed(value, self.hz)
    }

    /// Sets all counters: vCPU 0's shows `cycles` when the host's shows `host_tsc`. On an error
    /// they are as they were.
    pub(super) fn install(
        &mut self,
        calls: &mut dyn ClockCalls,
        cycles: u64,
        host_tsc: u64,
    ) -> Result<(), ClockError> {
        let first = cycles.wrapping_sub(self.scaled(host_tsc));
        let wanted: Vec<u64> = self
            .ahead
            .iter()
            .map(|ahead| first.wrapping_add(*ahead))
            .collect();
        match self.setting {
            TscSetting::Nothing => return self.check_unset(cycles, host_tsc),
            TscSetting::Offset => {
                for (vcpu, offset) in wanted.iter().enumerate() {
                    if let Err(error) = calls.set_tsc_offset(vcpu, *offset) {
                        self.back(calls, vcpu);
                        return Err(failed(&format!("set the TSC of vCPU {vcpu}"), error));
                    }
                }
            }
            TscSetting::Msr => self.install_by_msr(calls, &wanted)?,
        }
        self.last_offset = wanted.first().copied();
        self.offsets = Ok(wanted);
        Ok(())
    }

    /// The vCPUs before `failed` have new offsets; none shall.
    fn back(&self, calls: &mut dyn ClockCalls, failed: usize) {
        let Ok(offsets) = &self.offsets else { return };
        for (vcpu, offset) in offsets.iter().enumerate().take(failed) {
            if let Err(error) = calls.set_tsc_offset(vcpu, *offset) {
                log::warn!("the TSC of vCPU {vcpu} could not be set back ({error})");
            }
        }
    }

    fn install_by_msr(
        &mut self,
        calls: &mut dyn ClockCalls,
        wanted: &[u64],
    ) -> Result<(), ClockError> {
        for (vcpu, offset) in wanted.iter().enumerate() {
            let shows = self.scaled(calls.host_tsc()).wrapping_add(*offset);
            calls
                .set_msr(vcpu, MSR_TSC, shows)
                .map_err(|error| failed(&format!("set the TSC of vCPU {vcpu}"), error))?;
        }
        let tolerance = self.hz.get() / MSR_TOLERANCE_PER_SECOND;
        for (vcpu, offset) in wanted.iter().enumerate() {
            let action = format!("set the TSC of vCPU {vcpu}");
            let found = self
                .read_one(calls, vcpu)
                .map_err(|error| failed(&action, error))?;
            let off = found.wrapping_sub(*offset) as i64;
            if off.unsigned_abs() > tolerance {
                return Err(ClockError::Refused {
                    action,
                    reason: format!("the kernel has left it {off} cycles ahead"),
                });
            }
        }
        Ok(())
    }

    /// The counters cannot be set. What they show is right if they have run on as they were to,
    /// as far as two clocks' rates, or two hosts' dates, agree.
    fn check_unset(&mut self, cycles: u64, host_tsc: u64) -> Result<(), ClockError> {
        let refused = |reason: String| {
            Err(ClockError::Refused {
                action: "set the TSC".into(),
                reason,
            })
        };
        let offset = match &self.offsets {
            Ok(offsets) => offsets.first().copied().unwrap_or(0),
            Err(why) => return refused(why.clone()),
        };
        let shows = self.scaled(host_tsc).wrapping_add(offset);
        let ahead = shows.wrapping_sub(cycles) as i64;
        let is_right = match self.known {
            Known::Captured(then) => {
                let since = shows.wrapping_sub(then);
                ahead.unsigned_abs() <= (self.hz.get() + since) / 1000
            }
            // How long ago is seen at the cont.
            Known::Arriving => ahead >= 0,
            Known::Arrived => ahead.unsigned_abs() <= self.hz.get(),
        };
        if self.known == Known::Arriving {
            self.known = Known::Arrived;
        }
        if !is_right {
            return refused(format!(
                "the host's KVM cannot do that, and it is {ahead} cycles ahead of {cycles}"
            ));
        }
        Ok(())
    }

    /// Sets all counters for a start at which they are to show what they showed at the stop.
    pub(super) fn install_stopped(
        &mut self,
        calls: &mut dyn ClockCalls,
        cycles: u64,
        host_tsc: u64,
    ) -> Result<(), ClockError> {
        if self.setting == TscSetting::Nothing {
            return Err(ClockError::Refused {
                action: "set the TSC".into(),
                reason: "the host's KVM cannot do that, and it has run on".into(),
            });
        }
        self.install(calls, cycles, host_tsc)
    }

    /// For a migration or a snapshot.
    pub(super) fn save(&self, calls: &mut dyn ClockCalls, host_tsc: u64) -> SavedTsc {
        SavedTsc {
            stands: self.setting != TscSetting::Nothing,
            khz: self.khz,
            ahead: self.ahead.iter().map(|ahead| *ahead as i64).collect(),
            cycles: self
                .last_offset
                .map(|offset| self.scaled(host_tsc).wrapping_add(offset)),
            adjust: (0..calls.vcpus())
                .map(|vcpu| calls.msr(vcpu, MSR_TSC_ADJUST).ok())
                .collect(),
        }
    }

    /// Takes over what was saved; the values come with the clocks. Nothing changes on an error.
    pub(super) fn load(
        &mut self,
        calls: &mut dyn ClockCalls,
        saved: &SavedTsc,
    ) -> Result<(), TscLoadError> {
        let expected = self.ahead.len();
        for found in [saved.ahead.len(), saved.adjust.len()] {
            if found != expected {
                return Err(TscLoadError::Vcpus { found, expected });
            }
        }
        let hz = hz_of(saved.khz).ok_or(TscLoadError::Frequency(saved.khz))?;
        if saved.stands && self.setting == TscSetting::Nothing {
            log::warn!(
                "this host's KVM cannot set the guest's time stamp counter, which the host that it \
                 comes from could: it shows what this host's does"
            );
        }
        if saved.khz != self.khz {
            self.change_rate(calls, saved.khz)?;
        }
        // The values are times: they are cycles of the rate that the guest knows.
        (self.khz, self.hz) = (saved.khz, hz);
        self.ahead = saved.ahead.iter().map(|ahead| *ahead as u64).collect();
        self.known = Known::Arriving;
        for (vcpu, adjust) in saved.adjust.iter().enumerate() {
            // The host sets the register only, not the counter.
            if let Some(adjust) = adjust
                && let Err(error) = calls.set_msr(vcpu, MSR_TSC_ADJUST, *adjust)
            {
                log::warn!("IA32_TSC_ADJUST of vCPU {vcpu} cannot be set ({error})");
            }
        }
        Ok(())
    }

    /// Sets the counters to about what they were to show when the state was saved.
    pub(super) fn go_on_roughly(
        &mut self,
        calls: &mut dyn ClockCalls,
        saved: &SavedTsc,
        host_tsc: u64,
    ) {
        if let Some(cycles) = saved.cycles
            && self.setting != TscSetting::Nothing
        {
            let ahead = self.hz.get() / ROUGHLY_PER_SECOND;
            // What fails is told when the value is installed.
            let _ = self.install(calls, cycles.wrapping_add(ahead), host_tsc);
        }
    }

    /// Lets the guest's counters run at `khz`, or warns that they do not.
    fn change_rate(&mut self, calls: &mut dyn ClockCalls, khz: u32) -> Result<(), TscLoadError> {
        let near = u64::from(khz.abs_diff(self.host_khz)) * 1_000_000
            <= u64::from(self.host_khz) * SAME_RATE_PPM;
        if near && self.scale.is_none() {
            return Ok(());
        }
        if !calls.has_tsc_control() {
            log::warn!(
                "the guest's time stamp counter ran at {khz} kHz, this host's runs at {} kHz, and \
                 its KVM cannot scale it: what the guest measures by its TSC is off by {} ppm; \
                 kvmclock is not",
                self.host_khz,
                u64::from(khz.abs_diff(self.host_khz)) * 1_000_000 / u64::from(self.host_khz)
            );
            return Ok(());
        }
        let scaling = |error: io::Error| TscLoadError::Scaling {
            khz,
            error: error.to_string(),
        };
        let old = self.khz;
        for vcpu in 0..calls.vcpus() {
            if let Err(error) = calls.set_tsc_khz(vcpu, khz) {
                for vcpu in 0..vcpu {
                    if let Err(error) = calls.set_tsc_khz(vcpu, old) {
                        log::warn!("the TSC of vCPU {vcpu} keeps another rate ({error})");
                    }
                }
                return Err(scaling(error));
            }
        }
        self.scale = Some(calls.tsc_scale(0).map_err(scaling)?);
        Ok(())
    }
}

/// What sets the counters on this host. They are as before afterwards.
fn probe(calls: &mut dyn ClockCalls) -> Result<TscSetting, ClockError> {
    let action = "try to set the TSC";
    let before: io::Result<Vec<u64>> = (0..calls.vcpus())
        .map(|vcpu| calls.tsc_offset(vcpu))
        .collect();
    let before = match before {
        Ok(before) => before,
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => return Ok(TscSetting::Msr),
        Err(error) => return Err(failed(action, error)),
    };
    let Some(first) = before.first() else {
        return Ok(TscSetting::Nothing);
    };
    let moved = first.wrapping_add(PROBE);
    let setting = match calls.set_tsc_offset(0, moved) {
        Err(error) => {
            log::warn!("the host's KVM does not set the guest's TSC ({error})");
            return Ok(TscSetting::Nothing);
        }
        Ok(()) => match calls.tsc_offset(0) {
            Ok(found) if found == moved => TscSetting::Offset,
            Ok(_) => TscSetting::Nothing,
            Err(error) => return Err(failed(action, error)),
        },
    };
    // All of them: KVM gives vCPUs one clock only when their offsets were set one after the
    // other to the same value.
    for (vcpu, offset) in before.iter().enumerate() {
        calls
            .set_tsc_offset(vcpu, *offset)
            .map_err(|error| failed(action, error))?;
    }
    Ok(setting)
}
