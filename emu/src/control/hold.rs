//! The VM held for a migration or a snapshot: it stands, and who holds it says how it goes on.
//!
//! What users ask for meanwhile is kept in mind for the end of the hold. Not here: how the VM is
//! stopped and started, which is the owner's.

use tod::{Cause, RunState};

/// What the VM is held for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// The end of an outgoing migration.
    FinishMigrate,
    /// A snapshot that is being saved.
    SaveVm,
    /// A snapshot that is being loaded.
    RestoreVm,
}

impl Hold {
    /// The run state meanwhile.
    pub(super) fn state(self) -> RunState {
        match self {
            Self::FinishMigrate => RunState::FinishMigrate,
            Self::SaveVm => RunState::SaveVm,
            Self::RestoreVm => RunState::RestoreVm,
        }
    }

    /// The ledger's word for it.
    pub(crate) fn cause(self) -> Cause {
        match self {
            Self::FinishMigrate => Cause::Migration,
            Self::SaveVm | Self::RestoreVm => Cause::Snapshot,
        }
    }
}

/// How a held VM goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// As it was before: it runs again if it did.
    TakeBack,
    /// Its guest is elsewhere now.
    HandOver,
    /// What it was is gone: it stands, or runs if `run`, with the guest of a snapshot.
    Restored {
        /// Whether it is to run.
        run: bool,
    },
    /// What it was is gone and nothing has taken its place.
    Broken,
}

/// A hold, with what is to follow it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) hold: Hold,
    /// What the VM is to be when it is taken back; users change it meanwhile.
    pub(super) then: RunState,
    /// A reset that was asked for meanwhile.
    pub(super) reset: bool,
}

impl Held {
    /// `stop` while held: it stays stopped afterwards.
    pub(super) fn stop(&mut self) {
        if self.then.is_running() {
            self.then = RunState::Paused;
        }
    }
}
