//! The CPU timer: a signed 64-bit count, at the TOD clock's rate, downwards, over the VM's
//! timeline. It stands while the CPU is stopped, and with the timeline while the VM is.

use tod::{VmDuration, VmTime};

/// The state of a CPU timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CpuTimer {
    /// It counts.
    Running {
        /// Where on the timeline, modulo 2^64 units, it shows zero.
        zero_at: u64,
    },
    /// It stands.
    Standing {
        /// What it shows.
        value: u64,
    },
    /// It was loaded by its value alone, and stands until the CPU first runs: only then is the
    /// timeline where it was when the timer was saved.
    Loaded {
        /// What it shows.
        value: u64,
    },
}

impl CpuTimer {
    /// What it shows.
    pub fn value(self, now: VmTime) -> u64 {
        match self {
            Self::Running { zero_at } => zero_at.wrapping_sub(now.units()),
            Self::Standing { value } | Self::Loaded { value } => value,
        }
    }

    /// Sets it.
    pub fn set(&mut self, value: u64, now: VmTime) {
        *self = match self {
            Self::Running { .. } => Self::Running {
                zero_at: value.wrapping_add(now.units()),
            },
            Self::Standing { .. } => Self::Standing { value },
            Self::Loaded { .. } => Self::Loaded { value },
        };
    }

    /// Lets it count or stand.
    pub fn run(&mut self, run: bool, now: VmTime) {
        let value = self.value(now);
        *self = if run {
            Self::Running {
                zero_at: value.wrapping_add(now.units()),
            }
        } else {
            Self::Standing { value }
        };
    }

    /// Where on the timeline it shows zero, if it counts.
    pub fn zero_at(self) -> Option<u64> {
        match self {
            Self::Running { zero_at } => Some(zero_at),
            Self::Standing { .. } | Self::Loaded { .. } => None,
        }
    }

    /// When it becomes negative; now, if it is; never, if it stands above.
    pub fn negative_at(self, now: VmTime) -> Option<VmTime> {
        let value = self.value(now);
        match self {
            _ if (value as i64) < 0 => Some(now),
            Self::Running { .. } => {
                Some(now.saturating_add(VmDuration::from_units(value.saturating_add(1))))
            }
            Self::Standing { .. } | Self::Loaded { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_down_while_it_runs_and_stands_otherwise() {
        let at = VmTime::from_units;
        let mut timer = CpuTimer::Standing { value: 100 };
        assert_eq!(timer.value(at(7)), 100);
        assert_eq!(timer.negative_at(at(7)), None);
        timer.run(true, at(1000));
        assert_eq!(timer.value(at(1100)), 0);
        assert_eq!(timer.negative_at(at(1050)), Some(at(1101)));
        assert_eq!(timer.value(at(1101)), u64::MAX);
        assert_eq!(timer.negative_at(at(1200)), Some(at(1200)));
        timer.run(false, at(1110));
        assert_eq!(timer.value(at(9999)) as i64, -10);
        timer.run(true, at(20_000));
        assert_eq!(timer.value(at(20_001)) as i64, -11);
        timer.set(u64::MAX, at(30_000));
        assert_eq!(timer.value(at(30_000)) as i64, -1);
        timer.set(i64::MAX as u64, at(40_000));
        assert!(timer.negative_at(at(40_000)).unwrap() > at(i64::MAX as u64));
    }
}
