//! The clocks as a saved record: what a migration or a snapshot carries.

use super::{Captured, Policy};
use crate::ledger::Ledger;
use crate::value::{FineSpan, FineTod};
use serde::{Deserialize, Serialize};

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
}

/// All clocks of a VM, the timeline and the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SavedClocks {
    /// The VM timeline, with its fraction.
    pub timeline: FineTod,
    /// CLOCK_REALTIME of the saving host when the clocks stood still.
    pub realtime_ns: i64,
    /// Every clock.
    pub clocks: Vec<SavedClock>,
    /// The ledger up to and including the save.
    pub ledger: Ledger,
}
