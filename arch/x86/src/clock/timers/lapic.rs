//! A local APIC's timer across a stop, through the registers that KVM gives and takes.
//!
//! A timer that counts is a count in KVM's registers, relative to the moment of the call; one
//! that waits for a TSC value is that value (MSR 0x6e0). KVM keeps host timers for both, which
//! run on while the VM stands, and marks an interrupt for the next entry when one expires;
//! setting the registers (or the MSR) forgets that mark and starts the host timer anew.
//!
//! Measured (Linux 6.18): KVM_GET_LAPIC has the current count, KVM_SET_LAPIC goes on from it, in
//! one-shot and in periodic mode, with the initial count and so the period unchanged. KVM_SET_LAPIC
//! keeps a TSC deadline. A deadline reads as set until its interrupt has been injected, also when
//! it is past, and one that is set again past its time fires at the next entry.
//!
//! A one-shot timer whose count is 0 has fired or is just about to, which KVM does not tell; it is
//! left alone.

use serde::{Deserialize, Serialize};

use crate::kvm::{ClockCalls, Lapic};

/// IA32_TSC_DEADLINE.
const MSR_TSC_DEADLINE: u32 = 0x6e0;

/// LVT timer register.
const LVT_TIMER: usize = 0x320;
/// Initial count.
const INITIAL_COUNT: usize = 0x380;
/// Current count.
const CURRENT_COUNT: usize = 0x390;
/// Divide configuration.
const DIVIDE: usize = 0x3e0;

/// A count of the undivided timer takes this long (KVM's `APIC_BUS_CYCLE_NS_DEFAULT`).
const BUS_CYCLE_NS: u64 = 1;

/// A local APIC's timer, at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::clock) enum LapicTimer {
    /// Nothing is to come.
    Idle,
    /// It fires in so many nanoseconds; of a periodic one, next.
    Counting { left_ns: u64 },
    /// It fires when the TSC shows this.
    Deadline { tsc: u64 },
}

/// What the timer does when its count reaches 0, by bits 18:17 of the LVT.
fn waits_for_tsc(lapic: &Lapic) -> bool {
    (lapic.register(LVT_TIMER) >> 17) & 3 == 2
}

/// Nanoseconds of one count.
fn count_ns(lapic: &Lapic) -> u64 {
    // Bits 3, 1 and 0 are one less than the exponent, modulo 8 (SDM volume 3, "Divide
    // Configuration Register").
    let bits = lapic.register(DIVIDE);
    let exponent = (((bits & 3) | ((bits & 8) >> 1)) + 1) & 7;
    BUS_CYCLE_NS << exponent
}

impl LapicTimer {
    /// Reads the timer of a vCPU that is out of the guest.
    pub(super) fn read(calls: &mut dyn ClockCalls, vcpu: usize) -> std::io::Result<Self> {
        let lapic = calls.lapic(vcpu)?;
        if waits_for_tsc(&lapic) {
            return Ok(match calls.msr(vcpu, MSR_TSC_DEADLINE)? {
                0 => Self::Idle,
                tsc => Self::Deadline { tsc },
            });
        }
        let count = u64::from(lapic.register(CURRENT_COUNT));
        Ok(match count {
            0 => Self::Idle,
            count => Self::Counting {
                left_ns: count * count_ns(&lapic),
            },
        })
    }

    /// As it was `ns` earlier.
    pub(super) fn earlier(self, ns: u64) -> Self {
        match self {
            Self::Counting { left_ns } => Self::Counting {
                left_ns: left_ns.saturating_add(ns),
            },
            other => other,
        }
    }

    /// Starts it, to fire in `left_ns` if it counts. Whether it could be done: a timer cannot be
    /// made to count from more than where it began.
    pub(super) fn arm(
        self,
        calls: &mut dyn ClockCalls,
        vcpu: usize,
        left: impl FnOnce(u64) -> Left,
    ) -> std::io::Result<Armed> {
        match self {
            Self::Idle => Ok(Armed::Yes),
            Self::Deadline { tsc } => calls
                .set_msr(vcpu, MSR_TSC_DEADLINE, tsc)
                .map(|()| Armed::Yes),
            Self::Counting { left_ns } => {
                // Everything else in it is as it is now.
                let mut lapic = calls.lapic(vcpu)?;
                let limit = lapic.register(INITIAL_COUNT);
                if waits_for_tsc(&lapic) || limit == 0 {
                    return Ok(Armed::Yes);
                }
                let Left { ns, is_last_chance } = left(left_ns);
                let count = ns.div_ceil(count_ns(&lapic)).max(1);
                let count = match u32::try_from(count) {
                    Ok(count) if count <= limit => count,
                    _ if is_last_chance => limit,
                    _ => return Ok(Armed::Later),
                };
                lapic.set_register(CURRENT_COUNT, count);
                calls.set_lapic(vcpu, &lapic).map(|()| Armed::Yes)
            }
        }
    }
}

/// When a timer that counts is to fire, as seen when it is started.
pub(super) struct Left {
    /// In so many nanoseconds.
    pub(super) ns: u64,
    /// Whether it is started now, come what may.
    pub(super) is_last_chance: bool,
}

/// Whether a timer was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Armed {
    /// It runs, or needs not.
    Yes,
    /// It cannot count from that far.
    Later,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kvm::LAPIC_BYTES;

    #[test]
    fn a_count_takes_what_the_divide_register_says() {
        let mut lapic = Lapic([0; LAPIC_BYTES]);
        for (bits, ns) in [
            (0b0000, 2),
            (0b0001, 4),
            (0b0010, 8),
            (0b0011, 16),
            (0b1000, 32),
            (0b1001, 64),
            (0b1010, 128),
            (0b1011, 1),
        ] {
            lapic.set_register(DIVIDE, bits);
            assert_eq!(count_ns(&lapic), ns, "{bits:#b}");
        }
    }
}
