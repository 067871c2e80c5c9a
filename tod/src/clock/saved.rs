//! The clocks as a saved record: what a migration or a snapshot carries.

use super::gap::{BootMoment, SavedAt, Stood};
use super::{Captured, Policy};
use crate::ledger::Ledger;
use crate::value::{FRACTION_BITS, FineSpan, FineTod};
use serde::{Deserialize, Serialize};

/// TOD units that no VM has run for: 71 years.
const TIMELINE_LIMIT: u128 = 1 << 63;

/// The value of one clock in a saved record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SavedValue {
    /// It was read.
    Captured(Captured),
    /// It could not be read (R6); on the other side the clock runs free.
    Missing {
        /// Why, in one sentence.
        why: String,
    },
}

/// One clock in a saved record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SavedClock {
    /// The clock's name.
    pub name: String,
    /// What it does about gaps.
    pub policy: Policy,
    /// Its value.
    pub value: SavedValue,
    /// What is left of an earlier gap (slewing clocks).
    pub owed: FineSpan,
    /// How long the clock had stood at this value when it was saved. A clock that could not be
    /// kept has not stood at all: its value is that of the save.
    pub stood: Stood,
}

/// All clocks of a VM, the timeline and the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SavedClocks {
    /// The VM timeline, with its fraction.
    pub timeline: FineTod,
    /// When the record was made, on the saving host's clocks.
    pub saved_at: SavedAt,
    /// How long the VM had been stopped by then; zero for one that has never run.
    pub stood: Stood,
    /// Every clock.
    pub clocks: Vec<SavedClock>,
    /// The ledger up to and including the save.
    pub ledger: Ledger,
}

impl SavedClocks {
    /// When the VM stopped, on the saving host's CLOCK_BOOTTIME: as the last vCPU left the guest.
    #[must_use]
    pub fn stopped(&self) -> BootMoment {
        BootMoment {
            boottime_ns: i64::try_from(self.saved_at.boottime_ns)
                .unwrap_or(i64::MAX)
                .saturating_sub_unsigned(self.stood.ns),
            error_ns: self.stood.error_ns.max(self.saved_at.error_ns),
        }
    }

    /// Whether a VM may have such clocks: nothing in the record makes a later step of the manager
    /// overflow or a clock go back. Else why not, in one clause.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.timeline.tod().units() >= TIMELINE_LIMIT || self.timeline.bits() >> 127 != 0 {
            return Err(format!(
                "the VM cannot have run for {} TOD units",
                self.timeline.bits() >> FRACTION_BITS
            ));
        }
        for clock in &self.clocks {
            if clock.owed < FineSpan::ZERO {
                let owed = clock.owed.as_ns();
                return Err(format!("clock '{}' is owed {owed} ns", clock.name));
            }
            if let Policy::Slew { rate_ppm: 0 } = clock.policy {
                return Err(format!("clock '{}' is slewed by nothing", clock.name));
            }
        }
        self.ledger.check()
    }
}
