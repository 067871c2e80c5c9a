//! Guest clocks: what a guest can read, and their manager.
//!
//! A *backend* reads and sets one clock; the [`ClockManager`] captures all
//! clocks when the VM stops and installs them when it runs on, and deals with
//! every failure on the way. How a clock is read by a guest is not decided here.

mod backend;
mod epoch_clock;
mod gap;
mod launch;
mod manager;
mod report;
mod saved;
pub mod scale;
mod start;
mod transfer;

pub use backend::{Captured, ClockBackend, ClockError, Ready};
pub use epoch_clock::EpochClock;
pub use gap::{Arrival, BootMoment, Downtime, HostOffset, SavedAt, Stood, StoppedAt};
pub use launch::{Launched, Launcher};
pub use manager::{ClockManager, RegisterError};
pub use report::{ClockReport, ClockStateReport, ClocksReport};
pub use saved::{SavedClock, SavedClocks, SavedValue};
pub use scale::{Hz, Scale, Shown};
pub(crate) use start::InGuest;
pub use start::StartToken;
pub use transfer::LoadError;

use crate::timebase::HostReading;
use crate::value::FineSpan;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a clock does about a gap: time that passed on the host while the VM
/// was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Policy {
    /// Nothing: the guest does not see the gap.
    #[default]
    Freeze,
    /// The clock jumps forward over the gap when the VM runs on.
    CatchUp,
    /// The clock runs faster by this many parts per million until it has made
    /// up for the gap; see [`ClockManager::tick`].
    Slew {
        /// Parts per million, at least 1.
        rate_ppm: u32,
    },
}

/// What the manager was doing with a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Reading it when the VM stopped.
    Capture,
    /// Setting it when the VM ran on.
    Install,
    /// Reading it to save it.
    Save,
    /// Setting it to an incoming value.
    Load,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Capture => "capture",
            Self::Install => "install",
            Self::Save => "save",
            Self::Load => "load",
        })
    }
}

/// A backend call that a test may make fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultPoint {
    /// [`ClockBackend::capture`].
    Capture,
    /// [`ClockBackend::install`].
    Install,
}

/// Why a clock runs free.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Fallback {
    /// What failed.
    pub phase: Phase,
    /// How, in one sentence.
    pub error: String,
}

/// What the manager knows of one clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClockState {
    /// The clock runs: since its creation (R4) or since it was installed.
    Running,
    /// The clock runs and is being moved forward over a gap bit by bit.
    Slewing {
        /// What is left of the gap.
        left: FineSpan,
        /// The last time it was moved.
        moved: HostReading,
    },
    /// The VM is stopped and the clock's value is kept.
    Stopped {
        /// The value.
        base: Captured,
        /// Since when.
        at: StoppedAt,
        /// What is left of an earlier gap.
        owed: FineSpan,
    },
    /// The clock could not be read or set: it runs on by itself, whether the VM
    /// runs or not.
    FreeRunning {
        /// Since when.
        since: HostReading,
        /// Why.
        why: Fallback,
    },
}

/// What happened to a clock, for monitors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum ClockEvent {
    /// It was captured and stands.
    Stopped {
        /// The clock's name.
        clock: String,
        /// Its value.
        value: Shown,
    },
    /// It was installed and runs.
    Started {
        /// The clock's name.
        clock: String,
        /// Its value.
        value: Shown,
        /// How far it was moved forward over the gap, in nanoseconds.
        granted_ns: u64,
    },
    /// It could not be read or set, and runs free.
    Fallback {
        /// The clock's name.
        clock: String,
        /// What failed.
        phase: Phase,
        /// How, in one sentence.
        error: String,
    },
}
