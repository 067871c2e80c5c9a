//! The event facility and what floats: masks, unread input, a pending shutdown signal, the
//! service signal.

use migration::StatePart;
use serde::{Deserialize, Serialize};

use super::SMALL;
use crate::console::events::{EventState, INPUT_CAPACITY};
use crate::machine::Shared;

/// The event facility: masks, unread input, a pending shutdown signal; and the service signal.
pub struct ConsolePart<'a>(pub &'a Shared);

#[derive(Serialize, Deserialize)]
pub struct ConsoleState {
    events: EventState,
    service_signal: Option<u32>,
}

impl StatePart for ConsolePart<'_> {
    const NAME: &'static str = "s390x-sclp";
    const MAX_BYTES: usize = SMALL;
    type State = ConsoleState;

    fn state(&self) -> Result<ConsoleState, String> {
        Ok(ConsoleState {
            events: self.0.sclp.save(),
            service_signal: self.0.floating.saved(),
        })
    }

    fn take_over(&mut self, state: ConsoleState) -> Result<(), String> {
        let length = state.events.input_len();
        if length > INPUT_CAPACITY {
            return Err(format!("{length} bytes of input are more than fit"));
        }
        self.0.sclp.load(state.events);
        self.0.floating.restore(state.service_signal);
        Ok(())
    }
}
