//! The run states of QAPI, the legal ways between them, and causes.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What the VM does (QAPI, `RunState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Created with `-S`: never ran.
    Prelaunch,
    /// Waits for an incoming migration.
    Inmigrate,
    /// vCPUs run.
    Running,
    /// Stopped by the user.
    Paused,
    /// Stopped to finish an outgoing migration.
    FinishMigrate,
    /// Stopped after an outgoing migration.
    Postmigrate,
    /// Stopped to save a snapshot.
    SaveVm,
    /// Stopped to load a snapshot.
    RestoreVm,
    /// The guest has shut down and the program stays.
    Shutdown,
    /// The guest suspended itself.
    Suspended,
    /// The guest crashed.
    GuestPanicked,
    /// The emulator cannot go on.
    InternalError,
    /// Stopped by a failed I/O request.
    IoError,
    /// Stopped by the guest's watchdog.
    Watchdog,
}

impl RunState {
    /// Every state.
    pub const ALL: [Self; 14] = [
        Self::Prelaunch,
        Self::Inmigrate,
        Self::Running,
        Self::Paused,
        Self::FinishMigrate,
        Self::Postmigrate,
        Self::SaveVm,
        Self::RestoreVm,
        Self::Shutdown,
        Self::Suspended,
        Self::GuestPanicked,
        Self::InternalError,
        Self::IoError,
        Self::Watchdog,
    ];

    /// QAPI's name of the state.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prelaunch => "prelaunch",
            Self::Inmigrate => "inmigrate",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::FinishMigrate => "finish-migrate",
            Self::Postmigrate => "postmigrate",
            Self::SaveVm => "save-vm",
            Self::RestoreVm => "restore-vm",
            Self::Shutdown => "shutdown",
            Self::Suspended => "suspended",
            Self::GuestPanicked => "guest-panicked",
            Self::InternalError => "internal-error",
            Self::IoError => "io-error",
            Self::Watchdog => "watchdog",
        }
    }

    /// Whether vCPUs run.
    #[must_use]
    pub const fn is_running(self) -> bool {
        matches!(self, Self::Running)
    }

    /// The states that may follow, in no order.
    #[must_use]
    pub const fn successors(self) -> &'static [Self] {
        use RunState::{
            FinishMigrate, GuestPanicked, Inmigrate, InternalError, IoError, Paused, Postmigrate,
            Prelaunch, RestoreVm, Running, SaveVm, Shutdown, Suspended, Watchdog,
        };
        match self {
            Prelaunch => &[
                Running,
                FinishMigrate,
                Inmigrate,
                SaveVm,
                RestoreVm,
                Suspended,
                Paused,
            ],
            Inmigrate => &[
                Running,
                Paused,
                Prelaunch,
                InternalError,
                IoError,
                Shutdown,
                Suspended,
                Watchdog,
                GuestPanicked,
                FinishMigrate,
                Postmigrate,
            ],
            Running => &[
                Paused,
                FinishMigrate,
                SaveVm,
                RestoreVm,
                Shutdown,
                Suspended,
                GuestPanicked,
                InternalError,
                IoError,
                Watchdog,
            ],
            Paused => &[
                Running,
                FinishMigrate,
                Postmigrate,
                Prelaunch,
                SaveVm,
                RestoreVm,
                Shutdown,
                InternalError,
                Suspended,
            ],
            FinishMigrate => &[
                Running,
                Paused,
                Postmigrate,
                Prelaunch,
                InternalError,
                IoError,
                Shutdown,
                Suspended,
                Watchdog,
                GuestPanicked,
            ],
            Postmigrate => &[Running, FinishMigrate, Prelaunch, Paused, SaveVm, RestoreVm],
            SaveVm => &[
                Running,
                Prelaunch,
                Paused,
                Postmigrate,
                Shutdown,
                Suspended,
                GuestPanicked,
                InternalError,
                IoError,
                Watchdog,
            ],
            RestoreVm => &[
                Running,
                Prelaunch,
                Paused,
                Postmigrate,
                Suspended,
                InternalError,
                Shutdown,
                GuestPanicked,
                IoError,
                Watchdog,
            ],
            Shutdown => &[Paused, FinishMigrate, Prelaunch, SaveVm, RestoreVm],
            Suspended => &[
                Running,
                Paused,
                FinishMigrate,
                Prelaunch,
                SaveVm,
                RestoreVm,
                Shutdown,
            ],
            GuestPanicked => &[Running, Paused, FinishMigrate, Prelaunch, SaveVm, RestoreVm],
            InternalError => &[Paused, FinishMigrate, Prelaunch, RestoreVm],
            IoError | Watchdog => &[Running, Paused, FinishMigrate, Prelaunch, SaveVm, RestoreVm],
        }
    }

    /// Whether `next` may follow. No state follows itself.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        self.successors().contains(&next)
    }

    /// The next state, if it may follow.
    ///
    /// # Errors
    /// [`IllegalTransition`] otherwise.
    pub fn become_state(self, next: Self) -> Result<Self, IllegalTransition> {
        if self.may_become(next) {
            Ok(next)
        } else {
            Err(IllegalTransition {
                from: self,
                to: next,
            })
        }
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Two run states that may not follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the VM cannot go from '{from}' to '{to}'")]
pub struct IllegalTransition {
    /// The state it is in.
    pub from: RunState,
    /// The state that was asked for.
    pub to: RunState,
}

/// Who or what stopped, started, saved or loaded the VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The program starts the VM.
    Launch,
    /// A user at a monitor or a management program.
    Monitor,
    /// A signal to the program.
    Signal,
    /// The guest shut down.
    GuestShutdown,
    /// The guest asked for a reset.
    GuestReset,
    /// The guest crashed.
    GuestPanic,
    /// The guest suspended itself or woke up.
    GuestSuspend,
    /// The guest's watchdog ran out.
    Watchdog,
    /// A failed I/O request.
    IoError,
    /// The emulator found a fault of its own.
    InternalError,
    /// A migration.
    Migration,
    /// A snapshot to a file.
    Snapshot,
    /// A debugger.
    Debugger,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Launch => "launch",
            Self::Monitor => "monitor",
            Self::Signal => "signal",
            Self::GuestShutdown => "guest-shutdown",
            Self::GuestReset => "guest-reset",
            Self::GuestPanic => "guest-panic",
            Self::GuestSuspend => "guest-suspend",
            Self::Watchdog => "watchdog",
            Self::IoError => "io-error",
            Self::InternalError => "internal-error",
            Self::Migration => "migration",
            Self::Snapshot => "snapshot",
            Self::Debugger => "debugger",
        })
    }
}
