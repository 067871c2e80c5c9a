//! Channel subsystem and watchdog: what `-device` adds.

use migration::StatePart;

use super::SMALL;
use crate::css;
use crate::machine::Shared;
use crate::machine::watchdog::WatchdogState;

/// The channel subsystem with its subchannels and devices.
pub struct ChannelPart<'a>(pub &'a Shared);

impl StatePart for ChannelPart<'_> {
    const NAME: &'static str = "s390x-css";
    const MAX_BYTES: usize = 1 << 20;
    type State = css::State;

    fn is_optional(&self) -> bool {
        // There was none when there were no devices.
        !self.0.css.has_devices()
    }

    fn state(&self) -> Result<css::State, String> {
        Ok(self.0.css.saved())
    }

    fn take_over(&mut self, state: css::State) -> Result<(), String> {
        self.0.css.restore(state)
    }
}

/// The watchdog. It is loaded before the timeline on which it counts, by its place there (R8).
pub struct WatchdogPart<'a>(pub &'a Shared);

impl StatePart for WatchdogPart<'_> {
    const NAME: &'static str = "s390x-watchdog";
    const MAX_BYTES: usize = SMALL;
    type State = Option<WatchdogState>;

    fn is_optional(&self) -> bool {
        self.0.watchdog.get().is_none()
    }

    fn state(&self) -> Result<Self::State, String> {
        Ok(self.0.watchdog.get().map(|watchdog| watchdog.state()))
    }

    fn take_over(&mut self, state: Self::State) -> Result<(), String> {
        match (self.0.watchdog.get(), state) {
            (Some(watchdog), Some(state)) => watchdog.set(state),
            (None, None) => {}
            (Some(_), None) => {
                return Err("the guest has no watchdog, this machine has (-device diag288)".into());
            }
            (None, Some(_)) => {
                return Err("the guest has a watchdog, this machine none (-device diag288)".into());
            }
        }
        Ok(())
    }
}
