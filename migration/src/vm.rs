//! What the protocol needs of a virtual machine: the traits between it and who owns the VM.
//!
//! A source has a [`SourceVm`], a destination a [`DestinationVm`]; both have [`Ram`] and the
//! host's clocks. They are called from the migration's own thread, never from a vCPU's, and may
//! block for as long as the VM needs, but for no peer. Nothing here knows the stream, and nothing
//! decides when the guest is stopped or who may run: that is [`crate::outgoing`] and
//! [`crate::incoming`].

use tod::{BootMoment, Downtime, HostClock, HostOffset, RunState, SavedClocks};

use crate::PartError;
use crate::ram::PageSet;

/// What a VM is: a stream is only taken by its like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Architecture as in QAPI's `SysEmuTarget`, such as `s390x`.
    pub architecture: String,
    /// The machine's canonical name, as `-machine` takes it.
    pub machine: String,
    /// Bytes of guest RAM.
    pub ram_bytes: u64,
    /// Name and version of the program, for people only.
    pub program: String,
}

/// The VM could not do what the migration needs of it. Reads as one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot {action}: {why}")]
pub struct VmError {
    /// What was asked for, as "stop the guest".
    pub action: &'static str,
    /// The reason.
    pub why: String,
}

/// An address range is not all in guest RAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("guest memory holds no {length} bytes at {address:#x}")]
pub struct OutOfRam {
    /// First byte, guest-absolute.
    pub address: u64,
    /// Bytes.
    pub length: u64,
}

/// Guest RAM, guest-absolute from 0, in pages of 4096 bytes.
///
/// Tracking: while it is on, every write by a vCPU or device, and by [`Ram::write`] and
/// [`Ram::zero`], marks its pages. A write that is not in what a [`Ram::take_dirty`] returned and
/// not yet visible to the [`Ram::read`] that follows it must be in what the next one returns.
pub trait Ram: Send + Sync {
    /// Bytes; a multiple of the page.
    fn size(&self) -> u64;

    /// Copies out. Races with vCPUs: bytes written meanwhile may be old or new, each.
    ///
    /// # Errors
    /// [`OutOfRam`].
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), OutOfRam>;

    /// Copies in. Only while no vCPU runs.
    ///
    /// # Errors
    /// [`OutOfRam`]; nothing is written then.
    fn write(&self, address: u64, bytes: &[u8]) -> Result<(), OutOfRam>;

    /// Sets a range to zero and gives the host's memory behind whole pages back where it can.
    /// Only while no vCPU runs.
    ///
    /// # Errors
    /// [`OutOfRam`]; nothing is written then.
    fn zero(&self, address: u64, length: u64) -> Result<(), OutOfRam>;

    /// True if nothing was ever written, so that every byte is zero.
    fn is_fresh(&self) -> bool;

    /// A set that holds every page which may hold other bytes than zero.
    fn touched(&self) -> PageSet;

    /// Switches tracking. Switching it on clears all marks before it returns; what vCPUs write
    /// after that is marked. Twice the same changes nothing. Off also takes the toll away.
    fn track(&self, on: bool);

    /// Adds the marked pages to `into` and clears the marks, such that later writes mark again.
    fn take_dirty(&self, into: &mut PageSet);

    /// While tracking, a vCPU's first write to a page since its mark was cleared waits this long,
    /// in nanoseconds; 0 for no wait.
    fn set_toll(&self, ns: u32);
}

/// The source's guest stands for the migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// What it was before [`SourceVm::stop`], and is to be on the destination.
    pub state: RunState,
    /// Since when its clocks stand: when the last vCPU left the guest, also if that was long
    /// before. None if it never ran.
    pub since: Option<BootMoment>,
}

/// One part's saved state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedPart {
    /// The section's name.
    pub name: String,
    /// Which of several parts of that name.
    pub instance: u32,
    /// The payload's version.
    pub version: u32,
    /// The state, in the part's own encoding.
    pub payload: Vec<u8>,
}

/// The VM that is to move away, or of which a snapshot is saved.
///
/// [`SourceVm::stop`] is followed by exactly one of [`SourceVm::take_back`] and
/// [`SourceVm::hand_over`]; neither comes without it.
pub trait SourceVm: Send + Sync {
    /// What it is.
    fn identity(&self) -> Identity;

    /// Guest RAM.
    fn ram(&self) -> &dyn Ram;

    /// The host's clocks, for time stamps.
    fn host_clock(&self) -> &dyn HostClock;

    /// Stops the guest (run state `finish-migrate`, for a snapshot `save-vm`), if it runs, and
    /// returns when the last vCPU has left it and the clocks are captured. From then on nothing
    /// else may start it.
    ///
    /// # Errors
    /// [`VmError`]: the run state does not allow it. The guest is as it was.
    fn stop(&self) -> Result<Stopped, VmError>;

    /// Every part's state, in the order of the stream. Only while stopped.
    ///
    /// # Errors
    /// [`PartError`].
    fn save_parts(&self) -> Result<Vec<SavedPart>, PartError>;

    /// The clocks and the ledger. Only while stopped. A clock that cannot be read is recorded as
    /// missing (R6).
    fn save_clocks(&self) -> SavedClocks;

    /// The destination has everything: from now on this VM is `postmigrate` and is never started
    /// but by an explicit `cont`. (A finished snapshot ends with `take_back`.)
    fn hand_over(&self);

    /// The guest stays here: it runs again if it ran before `stop`, else it has its former state.
    fn take_back(&self);

    /// What the move cost the guest, for the ledger. After [`SourceVm::hand_over`] only.
    fn downtime(&self, downtime: Downtime);
}

/// Which part a section belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartId {
    /// The section's name.
    pub name: String,
    /// Which of several parts of that name.
    pub instance: u32,
}

/// What became of an incoming guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// It runs.
    Running {
        /// When the first vCPU entered the guest, if one has.
        since: Option<BootMoment>,
    },
    /// It stands, as it did at the source or as `-S` asks.
    Standing,
}

/// The VM that a stream is loaded into. It does not run before [`DestinationVm::start`].
///
/// Order: RAM, then every part, then the clocks, then `start`; [`DestinationVm::fail`] at any
/// point before `start` ends it.
pub trait DestinationVm: Send + Sync {
    /// What it is.
    fn identity(&self) -> Identity;

    /// Guest RAM.
    fn ram(&self) -> &dyn Ram;

    /// The host's clocks, for time stamps.
    fn host_clock(&self) -> &dyn HostClock;

    /// All parts it has: each must come, once.
    fn parts(&self) -> Vec<PartId>;

    /// Those of [`DestinationVm::parts`] that need not come ([`crate::Part::may_be_missing`]).
    fn optional_parts(&self) -> Vec<PartId>;

    /// The largest payload that parts of this name take, in bytes; none for a name that is not
    /// known.
    fn part_limit(&self, name: &str) -> Option<usize>;

    /// Takes over a part's state.
    ///
    /// # Errors
    /// [`PartError`]; the VM cannot be started then.
    fn load_part(&self, part: &SavedPart) -> Result<(), PartError>;

    /// A part that may be missing is ([`crate::Part::absent`]).
    ///
    /// # Errors
    /// [`PartError`]; the VM cannot be started then.
    fn part_is_absent(&self, _id: &PartId) -> Result<(), PartError> {
        Ok(())
    }

    /// Whether a part's state suits this VM ([`crate::Part::check`]); it may run meanwhile.
    ///
    /// # Errors
    /// [`PartError`].
    fn check_part(&self, _part: &SavedPart) -> Result<(), PartError> {
        Ok(())
    }

    /// Installs the clocks (R5); they stand until `start`, or until a later `cont`. `offset` is
    /// this host's CLOCK_BOOTTIME less the source's, if it was measured: better than the two
    /// wallclocks. Failures of clocks are the callee's to tell; none costs the guest (R6).
    ///
    /// # Errors
    /// [`VmError`]: no VM can have such clocks.
    fn load_clocks(&self, saved: SavedClocks, offset: Option<HostOffset>) -> Result<(), VmError>;

    /// The guest is this VM's now. `state` is what it was at the source: running guests are
    /// started, unless the user wants them to stand, all others stand in that state. Returns
    /// when the first vCPU has entered the guest, or soon if none comes.
    fn start(&self, state: RunState) -> Started;

    /// The stream is not taken; what was loaded is worthless.
    fn fail(&self);
}
