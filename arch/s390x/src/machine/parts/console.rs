//! The event facility and what floats: masks, unread input, a pending shutdown signal, the
//! service signal.

use migration::part::{load, save, unsuitable};
use migration::{Part, PartError};
use serde::{Deserialize, Serialize};

use super::SMALL;
use crate::console::events::{EventState, INPUT_CAPACITY};
use crate::machine::Shared;

/// The event facility: masks, unread input, a pending shutdown signal; and the service signal.
pub struct ConsolePart<'a>(pub &'a Shared);

#[derive(Serialize, Deserialize)]
struct ConsoleState {
    events: EventState,
    service_signal: Option<u32>,
}

impl Part for ConsolePart<'_> {
    fn name(&self) -> &'static str {
        "s390x-sclp"
    }

    fn version(&self) -> u32 {
        1
    }

    fn max_bytes(&self) -> usize {
        SMALL
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        let state = ConsoleState {
            events: self.0.sclp.save(),
            service_signal: self.0.floating.saved(),
        };
        save(self, &state)
    }

    fn load(&mut self, version: u32, payload: &[u8]) -> Result<(), PartError> {
        let state: ConsoleState = load(self, version, payload)?;
        let length = state.events.input_len();
        if length > INPUT_CAPACITY {
            let why = format!("{length} bytes of input are more than fit");
            return Err(unsuitable(self, why));
        }
        self.0.sclp.load(state.events);
        self.0.floating.restore(state.service_signal);
        Ok(())
    }
}
