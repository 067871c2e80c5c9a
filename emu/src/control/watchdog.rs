//! What follows when the guest's watchdog has run out: `-action watchdog=`.
//!
//! The event and its action come as in QEMU. Not here: the watchdog, which is the machine's.

use machine::{ResetCause, ShutdownCause};
use serde_json::json;
use tod::{Cause, RunState};

use super::{Ending, Event, Owner};
use crate::cli::WatchdogAction;

impl WatchdogAction {
    /// Every action, with QAPI's name.
    pub(crate) const NAMES: [(&'static str, Self); 7] = [
        ("reset", Self::Reset),
        ("shutdown", Self::Shutdown),
        ("poweroff", Self::Poweroff),
        ("pause", Self::Pause),
        ("debug", Self::Debug),
        ("none", Self::None),
        ("inject-nmi", Self::InjectNmi),
    ];

    /// The action of that name.
    pub(crate) fn find(name: &str) -> Option<Self> {
        Self::NAMES
            .into_iter()
            .find_map(|(other, action)| (other == name).then_some(action))
    }

    /// Whether the guest learns of it. QEMU's watchdog is then off; otherwise a program may set it
    /// anew as if it counted.
    fn tells_guest(self) -> bool {
        match self {
            Self::Reset | Self::Shutdown | Self::Poweroff | Self::InjectNmi => true,
            Self::Pause | Self::Debug | Self::None => false,
        }
    }

    fn name(self) -> &'static str {
        Self::NAMES
            .into_iter()
            .find_map(|(name, other)| (other == self).then_some(name))
            .unwrap_or_default()
    }
}

impl Owner {
    pub(super) fn watchdog(&mut self) {
        let action = self.actions.watchdog;
        let event = Event::with("WATCHDOG", json!({ "action": action.name() }));
        if action == WatchdogAction::Pause {
            self.stop(RunState::Watchdog, Cause::Watchdog, Some(event));
            return;
        }
        if action.tells_guest() {
            self.machine.watchdog_is_told();
        }
        self.events.emit(&event);
        match action {
            WatchdogAction::Reset => {
                // Its failure is told where it happens, and there is nobody to answer.
                let _ = self.reset(ResetCause::GuestReipl);
            }
            WatchdogAction::Shutdown => {
                self.events.emit(&Event::new("POWERDOWN"));
                if !self.machine.powerdown() {
                    log::warn!("the watchdog asks the guest to power down, and it does not listen");
                }
            }
            WatchdogAction::Poweroff => {
                self.ending.get_or_insert(Ending {
                    cause: ShutdownCause::HostError,
                    status: 0,
                });
            }
            WatchdogAction::Debug => log::warn!("watchdog: timer fired"),
            WatchdogAction::InjectNmi => {
                if let Err(e) = self.machine.inject_nmi(0) {
                    log::warn!("the watchdog cannot interrupt the guest: {e}");
                }
            }
            WatchdogAction::None | WatchdogAction::Pause => {}
        }
    }
}
