//! The periodic interrupt, and the ticks of it that a guest has missed.
//!
//! A period is a power of two of 32,768 Hz ticks, each exactly 125,000 TOD units, so nothing is
//! ever rounded (R10). The flag is raised at each period's end whether or not its interrupt is
//! enabled. Periods are counted from when the interrupt was last enabled or a rate chosen where
//! there was none; another rate goes on from the last period's end.

use super::options::DriftFix;
use super::spec::TICK_UNITS;

/// A missed tick is given back at once when the guest has acknowledged one, but so many times
/// only: then some time must pass, or a guest would do nothing else.
const AT_ONCE: u8 = 20;

/// A tick that was missed is given back within 1/8 of a period or, if fewer are missing, later.
const FASTEST: u64 = 8;

/// 32,768 Hz ticks of a period for the rate in register A; none for rate 0.
///
/// On a PC rates 1 and 2 are 256 and 128 Hz, the same as 8 and 9; 3 to 15 are 8192 to 2 Hz.
pub(super) fn period_ticks(rate: u8) -> Option<u64> {
    match rate & 0xF {
        0 => None,
        rate @ 1..=2 => Some(1 << (rate + 6)),
        rate => Some(1 << (rate - 1)),
    }
}

/// The state of the periodic interrupt.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Periodic {
    /// When the last period ended, in the RTC's units.
    last: i128,
    /// Ticks of 32,768 Hz in periods which the guest was not told of (`driftfix=slew`). Kept in
    /// these ticks, they need no conversion when the rate changes.
    owed_ticks: u64,
    /// How many were given back at an acknowledgement since a period last ended.
    at_once: u8,
    /// When the guest last acknowledged.
    acknowledged: i128,
}

impl Periodic {
    pub(super) fn new(now: i128) -> Self {
        Self {
            last: now,
            owed_ticks: 0,
            at_once: 0,
            acknowledged: now,
        }
    }

    /// Periods count from now.
    pub(super) fn restart(&mut self, now: i128) {
        self.last = now;
    }

    /// What was missed stays missed.
    pub(super) fn forget_missed(&mut self) {
        self.owed_ticks = 0;
        self.at_once = 0;
    }

    /// The clock has been set back: nothing is due that was.
    pub(super) fn set_back(&mut self, now: i128) {
        self.last = self.last.min(now);
        self.acknowledged = self.acknowledged.min(now);
    }

    /// Periods that the guest was not told of.
    pub(super) fn missed(&self, rate: u8) -> u64 {
        period_ticks(rate).map_or(0, |ticks| self.owed_ticks / ticks)
    }

    fn gives_back(&self, ticks: u64) -> i128 {
        let parts = (self.owed_ticks / ticks + 1).min(FASTEST);
        self.acknowledged + i128::from(ticks) * TICK_UNITS / i128::from(parts)
    }

    /// Time has come to `now`: the flag, which is `raised` so far. `enabled`: its interrupt is.
    pub(super) fn advance(
        &mut self,
        now: i128,
        rate: u8,
        raised: bool,
        enabled: bool,
        fix: DriftFix,
    ) -> bool {
        let Some(ticks) = period_ticks(rate) else {
            return raised;
        };
        let mut raised = raised;
        let period = i128::from(ticks) * TICK_UNITS;
        let ended = (now - self.last).div_euclid(period).max(0);
        if ended > 0 {
            self.last += ended * period;
            if enabled && fix == DriftFix::Slew {
                let told = i128::from(!raised);
                let missed = u64::try_from(ended - told).unwrap_or(u64::MAX);
                self.owed_ticks = self.owed_ticks.saturating_add(missed.saturating_mul(ticks));
                if self.at_once >= AT_ONCE {
                    self.at_once = 0;
                }
            }
            raised = true;
        }
        if !raised && enabled && self.owed_ticks >= ticks && now >= self.gives_back(ticks) {
            self.owed_ticks -= ticks;
            raised = true;
        }
        raised
    }

    /// The guest has seen the flag; whether it is raised again at once for a missed tick.
    pub(super) fn acknowledge(&mut self, now: i128, rate: u8, enabled: bool) -> bool {
        self.acknowledged = now;
        let Some(ticks) = period_ticks(rate) else {
            return false;
        };
        let again = enabled && self.owed_ticks >= ticks && self.at_once < AT_ONCE;
        if again {
            self.owed_ticks -= ticks;
            self.at_once += 1;
        }
        again
    }

    /// When the next period ends or, if the flag is not `raised`, a missed one is given back. For
    /// an interrupt that is enabled.
    pub(super) fn next(&self, rate: u8, raised: bool) -> Option<i128> {
        let ticks = period_ticks(rate)?;
        let end = self.last + i128::from(ticks) * TICK_UNITS;
        Some(if !raised && self.owed_ticks >= ticks {
            end.min(self.gives_back(ticks))
        } else {
            end
        })
    }

    /// Whether nothing in it makes a later step overflow, at a time of `now`.
    pub(super) fn is_sound(&self, limit: i128) -> bool {
        let within = |time: i128| (-limit..limit).contains(&time);
        within(self.last) && within(self.acknowledged)
    }
}
