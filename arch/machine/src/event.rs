//! What the guest makes happen, told to run control over a channel.

/// An event that a vCPU or device thread sends to run control. The sender goes on at once; a
/// vCPU that cannot go on (a disabled wait, all CPUs stopped) waits in its own state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GuestEvent {
    /// The guest has shut itself down (s390x: the last CPU stopped, or an orderly disabled wait).
    Shutdown(ShutdownCause),
    /// The guest asks for a reset (s390x: DIAGNOSE X'308' subcodes 0, 1, 3, 4).
    Reset(ResetCause),
    /// The guest has crashed.
    Panicked(PanicInfo),
    /// The guest has changed its real-time clock's date.
    RtcChange {
        /// The date now less what `-rtc base=` leads to, in seconds: cumulative.
        offset_s: i64,
    },
    /// The guest's watchdog has run out: what follows is for `-action watchdog=` to say.
    Watchdog,
    /// The guest ends the program, with this exit status, whatever `-action` says (x86:
    /// `isa-debug-exit`).
    Exit {
        /// The program's exit status.
        status: u8,
    },
    /// The emulator met a state that it cannot go on from. Never a guest's ordinary doing.
    InternalError(String),
}

/// Who asked for the shutdown; QAPI's `ShutdownCause` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShutdownCause {
    /// `guest-shutdown`.
    Guest,
    /// `host-qmp-quit`.
    HostQmpQuit,
    /// `host-signal`.
    HostSignal,
    /// `host-ui`: the terminal's Ctrl-A x, or HMP `quit`.
    HostUi,
    /// `guest-reset` under `-no-reboot`.
    GuestReset,
    /// `host-error`.
    HostError,
    /// `guest-panic`.
    GuestPanic,
}

impl ShutdownCause {
    /// QAPI's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Guest => "guest-shutdown",
            Self::HostQmpQuit => "host-qmp-quit",
            Self::HostSignal => "host-signal",
            Self::HostUi => "host-ui",
            Self::GuestReset => "guest-reset",
            Self::HostError => "host-error",
            Self::GuestPanic => "guest-panic",
        }
    }

    /// QAPI's `guest` flag: whether the guest itself caused it.
    pub fn by_guest(self) -> bool {
        matches!(self, Self::Guest | Self::GuestReset | Self::GuestPanic)
    }
}

/// Who asked for a reset, and what sort it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetCause {
    /// `system_reset` at a monitor.
    HostMonitor,
    /// The guest: reset and load the boot image anew (s390x: DIAG X'308' subcodes 3 and 4).
    GuestReipl,
    /// The guest: clear or load-normal reset that goes on at the restart PSW or the IPL PSW in
    /// memory (s390x: DIAG X'308' subcodes 0 and 1).
    GuestModified {
        /// Memory is kept (subcode 1, load normal) rather than cleared (subcode 0).
        keep_memory: bool,
    },
}

/// QAPI's `GuestPanicInformation`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PanicInfo {
    /// `type: s390`.
    S390 {
        /// CPU number.
        core: u32,
        /// PSW bits 0-63.
        psw_mask: u64,
        /// PSW bits 64-127.
        psw_addr: u64,
        /// QAPI's `S390CrashReason`: `disabled-wait`, `pgmint-loop`, `extint-loop`,
        /// `opint-loop`, `unknown`.
        reason: &'static str,
    },
}
