//! Guest time: the timeline, run states, listeners, the clock manager and its ledger.
//!
//! The crate knows no architecture, no device and no socket. Its rules are
//! cited by number (R1 to R13) in comments and tests:
//!
//! - R1 On stop, after the last vCPU has left the guest, each clock is captured.
//!   If capture fails: warn, and the clock stays free-running.
//! - R2 On cont, each clock is installed before the first vCPU enters the guest.
//!   If install fails: warn, and the clock counts as having run all along.
//! - R3 Repeated stops or conts change nothing.
//! - R4 A fresh VM's clock runs from the start and is not captured before its
//!   first stop, so a simple guest's time equals host time.
//! - R5 An incoming state is installed when it is loaded, so that errors show
//!   while the source can still resume, and then stands still until the guest
//!   starts.
//! - R6 If a clock cannot be read for saving, the record says so; both sides
//!   warn; the destination's clock free-runs.
//! - R7 Guest time never goes backwards on any vCPU, and elapsed guest time is
//!   time run plus gaps granted by policy. The ledger proves it.
//! - R8 A timer, alarm or comparator lives on the same timeline as the value it
//!   is compared with. Nothing fires while stopped.
//! - R9 A vCPU cannot start without the token that installing the clocks returns.
//! - R10 Rounding has a direction (readings down, deadlines up) and carries its
//!   remainder: a million stop/cont cycles lose zero units.
//! - R11 Every stop, cont, save, load, fallback, host step and host sleep is a
//!   ledger entry.
//! - R12 Reading a clock from a vCPU takes no lock.
//! - R13 The host clock is a trait, with a simulated host beside the real one.

pub mod clock;
pub mod epoch;
pub mod host;
pub mod ledger;
pub mod run;
pub mod timebase;
pub mod timeline;
pub mod value;

pub use clock::{
    BootMoment, Captured, ClockBackend, ClockError, ClockEvent, ClockManager, ClockReport,
    ClockState, ClocksReport, Downtime, EpochClock, FaultPoint, HostOffset, Phase, Policy,
    SavedClocks, StartToken,
};
pub use epoch::{Epoch, PublishedEpoch};
pub use host::{CounterSource, HostClock, HostPusher, LinuxHost, PushableHost, SimHost};
pub use ledger::{Exactness, Ledger};
pub use run::{AllParked, Cause, Passage, RunControl, RunState, VcpuGate};
pub use timebase::{HostEvent, HostReading, Timebase, Track};
pub use timeline::{Deadline, Sleeper, Timeline, Timer, Woke};
pub use value::{FineSpan, FineTod, TOD_UNIX_EPOCH, Tod, UnixTime, VmDuration, VmTime};
