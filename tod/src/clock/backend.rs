//! The trait between a clock and its manager, and what passes over it.

use super::{EpochClock, Scale};
use crate::timebase::HostReading;
use crate::value::{FineSpan, FineTod, Tod};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A clock's value at a host reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Captured {
    /// The value, with its fraction below the unit.
    pub value: FineTod,
    /// How far `value` may be from what the clock showed at the reading.
    pub error_ns: u64,
    /// By how much the guest has set the clock since it was last installed (or
    /// created); none when the backend cannot know.
    pub stepped: Option<FineSpan>,
}

impl Captured {
    /// A value read from hardware or a kernel: no fraction, and unknown steps.
    #[must_use]
    pub fn read(value: Tod, error_ns: u64) -> Self {
        Self {
            value: value.into(),
            error_ns,
            stepped: None,
        }
    }

    /// The value as a guest reads it.
    #[must_use]
    pub fn tod(&self) -> Tod {
        self.value.tod()
    }
}

/// A clock could not be read or set.
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    /// The host refused.
    #[error("could not {action}: {source}")]
    Host {
        /// What was tried, such as "get attribute TOD_EXT of the VM".
        action: String,
        /// The host's answer.
        source: std::io::Error,
    },
    /// The clock has no such value or operation.
    #[error("could not {action}: {reason}")]
    Refused {
        /// What was tried.
        action: String,
        /// Why not.
        reason: String,
    },
    /// A test asked for this failure.
    #[error("a failure of this call was asked for")]
    Injected,
}

/// How a clock waits for the first vCPU to enter the guest.
#[derive(Clone)]
pub enum Ready {
    /// It runs already, since the reading at which it was set.
    Runs,
    /// It stands at the value that was set; this is what makes it run on.
    Stands(Arc<EpochClock>),
    /// It was set as by [`ClockBackend::install`], and the machine's [`super::Launcher`] sets it
    /// once more when the VM starts.
    Launched,
}

/// One guest clock, as the manager handles it.
///
/// The clock behaves like hardware: it always runs, unless it is set anew. So
/// a stop is a `capture`, a cont sets the captured value (`make_ready`, or
/// `install` for a clock that catches up), and when either fails the clock has
/// simply run all along (R1, R2).
///
/// `at` is one reading for all clocks of a stop or cont: the value to return is
/// the clock's at `at.counter`, and the value to install is to be right at
/// `at.counter`, though the calls come later: a stop's by as long as the host
/// takes to wake run control.
pub trait ClockBackend: Send {
    /// What the clock counts. A guest's TOD or RTC is a date; a counter's frequency may change
    /// when a saved state is loaded.
    fn scale(&self) -> Scale {
        Scale::Date
    }

    /// Reads the clock. Also called while it runs and vCPUs are in the guest.
    ///
    /// # Errors
    /// [`ClockError`]; the clock must be as it was.
    fn capture(&mut self, at: &HostReading) -> Result<Captured, ClockError>;

    /// Sets the clock, which runs from there. No vCPU is in the guest.
    ///
    /// # Errors
    /// [`ClockError`]; the clock must have run on as it was.
    fn install(&mut self, value: &Captured, at: &HostReading) -> Result<(), ClockError>;

    /// Sets the clock for a start of the VM, before any vCPU enters the guest. A clock on the
    /// host counter stands at `value` and is started by the first vCPU that enters, so that how
    /// long a host takes to wake a thread is not in it; others are installed, as by default.
    ///
    /// # Errors
    /// [`ClockError`]; the clock must have run on as it was.
    fn make_ready(&mut self, value: &Captured, at: &HostReading) -> Result<Ready, ClockError> {
        self.install(value, at).map(|()| Ready::Runs)
    }

    /// Moves the clock forward by `by` while vCPUs are in the guest. A backend
    /// whose clock the guest may set at the same time does this in one step.
    ///
    /// # Errors
    /// [`ClockError`]; the clock must have run on as it was.
    fn advance(&mut self, by: FineSpan, at: &HostReading) -> Result<(), ClockError> {
        let mut now = self.capture(at)?;
        now.value = now.value.wrapping_add(by);
        self.install(&now, at)
    }
}
