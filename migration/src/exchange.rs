//! What two hosts' clocks have to do with each other, found out over the channel.
//!
//! Four time stamps make an exchange, as in NTP (RFC 5905): `t1` is taken at the source before a
//! ping is sent, `t2` at the destination after it has come, `t3` there before the pong is sent,
//! `t4` at the source after that has come. All are CLOCK_BOOTTIME, which no administrator sets
//! and which runs while a host sleeps. As nothing arrives before it was sent, with
//! `offset = destination - source`:
//!
//! ```text
//! t2 >= t1 + offset   so   offset <= t2 - t1
//! t4 >= t3 - offset   so   offset >= t3 - t4
//! ```
//!
//! These are bounds, not estimates: however long either way took, the offset lies between. Every
//! exchange gives another pair, and what is known is where all of them overlap, each widened by
//! what two clocks may drift apart since. The middle is what is told, and half the width is its
//! error. Not here: how pings travel, and what the offset is used for.

use serde::{Deserialize, Serialize};

use tod::{BootMoment, Downtime, HostOffset};

/// How fast two hosts' CLOCK_BOOTTIMEs may drift apart, in parts per 10^9: each has a crystal
/// within 100 ppm (the usual tolerance) which NTP corrects by at most 500 ppm (adjtimex(2)).
pub const DRIFT_PPB: u64 = 2 * (100_000 + 500_000);

/// One clock's reading: nanoseconds and the bound of its error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// CLOCK_BOOTTIME in nanoseconds.
    pub ns: u64,
    /// The clock showed it at most this far from the moment it is meant for.
    pub error_ns: u64,
}

/// An exchange of two time stamps each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange {
    /// When the source sent.
    pub t1: Stamp,
    /// When the destination received.
    pub t2: Stamp,
    /// When the destination sent.
    pub t3: Stamp,
    /// When the source received.
    pub t4: Stamp,
}

/// Bounds at a moment of the source's clock, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bounds {
    low: i128,
    high: i128,
    at: u64,
}

/// All exchanges together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Offsets {
    bounds: Option<Bounds>,
}

/// The stamps contradict each other: a clock is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the two hosts' clocks contradict each other: the destination's is ahead by at least {low} ns \
     and at most {high} ns"
)]
pub struct Contradiction {
    /// Lower bound.
    pub low: i128,
    /// Upper bound, which is less.
    pub high: i128,
}

impl Bounds {
    fn of(exchange: &Exchange) -> Result<Self, Contradiction> {
        let Exchange { t1, t2, t3, t4 } = exchange;
        let difference = |a: &Stamp, b: &Stamp| i128::from(a.ns) - i128::from(b.ns);
        let error = |a: &Stamp, b: &Stamp| i128::from(a.error_ns) + i128::from(b.error_ns);
        Self {
            low: difference(t3, t4) - error(t3, t4),
            high: difference(t2, t1) + error(t2, t1),
            at: t4.ns,
        }
        .checked()
    }

    fn checked(self) -> Result<Self, Contradiction> {
        let Self { low, high, .. } = self;
        if low > high {
            return Err(Contradiction { low, high });
        }
        Ok(self)
    }

    /// What is left of them at another moment.
    fn at(self, at: u64) -> Self {
        let passed = u128::from(self.at.abs_diff(at));
        let drift = (passed * u128::from(DRIFT_PPB)).div_ceil(1_000_000_000);
        let drift = i128::try_from(drift).unwrap_or(i128::MAX / 4);
        Self {
            low: self.low - drift,
            high: self.high + drift,
            at,
        }
    }
}

impl Offsets {
    /// Takes an exchange into account.
    ///
    /// # Errors
    /// [`Contradiction`]: the exchange is impossible by itself, or with those before. Then all
    /// of them are forgotten but this one, if it is possible by itself: a clock has jumped.
    pub fn add(&mut self, exchange: &Exchange) -> Result<(), Contradiction> {
        let before = self.bounds.take();
        let new = Bounds::of(exchange)?;
        self.bounds = Some(new);
        if let Some(before) = before.map(|bounds| bounds.at(new.at)) {
            let both = Bounds {
                low: new.low.max(before.low),
                high: new.high.min(before.high),
                at: new.at,
            };
            self.bounds = Some(both.checked()?);
        }
        Ok(())
    }

    /// The offset as it is known for a moment of the source's clock; none if there was no
    /// exchange, or its bounds are beyond all reason.
    #[must_use]
    pub fn at(&self, source_ns: u64) -> Option<HostOffset> {
        let Bounds { low, high, .. } = self.bounds?.at(source_ns);
        Some(HostOffset {
            ns: i64::try_from(low.checked_add(high)?.div_euclid(2)).ok()?,
            error_ns: u64::try_from((high - low + 1) / 2).ok()?,
        })
    }
}

/// How long the guest stood, from `stopped` to `started`, both on one host's clock. None when that
/// cannot be: the end is before the beginning by more than the errors explain.
#[must_use]
pub fn downtime(stopped: BootMoment, started: BootMoment) -> Option<Downtime> {
    let downtime = Downtime::between(&stopped, &started);
    let possible = downtime.ns >= 0 || downtime.ns.unsigned_abs() <= downtime.error_ns;
    if !possible {
        log::warn!(
            "the guest would have started {} ns before it stopped, by clocks that are known to \
             {} ns: its downtime is not known",
            downtime.ns.unsigned_abs(),
            downtime.error_ns
        );
    }
    possible.then_some(downtime)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stamp(ns: u64) -> Stamp {
        Stamp { ns, error_ns: 0 }
    }

    fn exchange(t1: u64, t2: u64, t3: u64, t4: u64) -> Exchange {
        let [t1, t2, t3, t4] = [t1, t2, t3, t4].map(stamp);
        Exchange { t1, t2, t3, t4 }
    }

    #[test]
    fn the_offset_is_the_middle_and_the_error_half_the_delay() {
        let mut offsets = Offsets::default();
        assert_eq!(offsets.at(0), None);
        // 1,000 ahead; 30 there, 50 inside, 30 back.
        offsets.add(&exchange(100, 1130, 1180, 210)).unwrap();
        assert_eq!(
            offsets.at(210),
            Some(HostOffset {
                ns: 1000,
                error_ns: 30
            })
        );
        // Two seconds later two clocks may be 2.4 ms apart, either way.
        assert_eq!(offsets.at(2_000_000_210).unwrap().error_ns, 2_400_030);
    }

    #[test]
    fn two_lopsided_exchanges_together_know_more_than_the_better_one() {
        let mut offsets = Offsets::default();
        offsets.add(&exchange(0, 1000, 1000, 400)).unwrap();
        offsets.add(&exchange(500, 1900, 1900, 900)).unwrap();
        // 600..=1000, widened by 1, and 1000..=1400.
        assert_eq!(
            offsets.at(900),
            Some(HostOffset {
                ns: 1000,
                error_ns: 1
            })
        );
    }

    #[test]
    fn a_clock_that_jumped_is_told_and_the_newest_exchange_counts() {
        let mut offsets = Offsets::default();
        offsets.add(&exchange(0, 10, 10, 20)).unwrap();
        let jumped = exchange(100, 5_000_110, 5_000_110, 120);
        assert!(offsets.add(&jumped).is_err());
        assert_eq!(offsets.at(120).unwrap().ns, 5_000_000);
        assert!(offsets.add(&exchange(200, 0, 5_000_000, 210)).is_err());
        assert_eq!(offsets.at(210), None);
    }

    #[test]
    fn a_downtime_below_zero_is_only_within_the_error() {
        let moment = |boottime_ns, error_ns| BootMoment {
            boottime_ns,
            error_ns,
        };
        assert_eq!(
            downtime(moment(100, 5), moment(95, 1)),
            Some(Downtime {
                ns: -5,
                error_ns: 6
            })
        );
        assert_eq!(downtime(moment(100, 2), moment(95, 1)), None);
    }

    proptest! {
        /// Whatever the delays and however the clocks drift, the offset is within its bounds.
        #[test]
        fn the_true_offset_is_never_outside(
            start in 0u64..1 << 60,
            offset in -(1i64 << 59)..1 << 59,
            drift_ppb in -(DRIFT_PPB as i64)..DRIFT_PPB as i64,
            legs in prop::collection::vec((0u64..10_000_000, 0u64..10_000_000, 0u64..10_000_000), 1..8),
            rest in 0u64..10_000_000_000,
        ) {
            let start = start + (1 << 60);
            let there = |now: u64| {
                let passed = i128::from(now - start);
                let drift = passed * i128::from(drift_ppb) / 1_000_000_000;
                (i128::from(now) + i128::from(offset) + drift) as u64
            };
            let stamp = |ns| Stamp { ns, error_ns: 1 };
            let (mut now, mut offsets) = (start, Offsets::default());
            for (to, inside, back) in legs {
                let t1 = stamp(now);
                let t2 = stamp(there(now + to));
                let t3 = stamp(there(now + to + inside));
                now += to + inside + back;
                offsets.add(&Exchange { t1, t2, t3, t4: stamp(now) }).unwrap();
            }
            now += rest;
            let known = offsets.at(now).unwrap();
            let truth = i128::from(there(now)) - i128::from(now);
            prop_assert!((truth - i128::from(known.ns)).unsigned_abs() <= u128::from(known.error_ns) + 1);
        }
    }
}
