//! The operator console's input on its way to the guest.
//!
//! What the machine cannot take yet waits here, and moves with the guest when it moves: it is a
//! part of the saved state. Not here: what the console's device has taken (that is the
//! machine's), and output, which is the character device's.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use machine::ConsoleInput;
use migration::{Part, PartError, decode, encode};
use serde::{Deserialize, Serialize};

use crate::chardev::mux::MuxUser;
use crate::chardev::{Frontend, Port};

/// The section's name.
const NAME: &str = "emu-console";

/// What is saved with it.
const VERSION: u32 = 1;

/// Bytes that wait at most in a saved state: more than a character device ever leaves here.
const MAX_WAITING: usize = 1 << 20;

/// The console's input, as the user of a character device.
///
/// It is there, and saved, also where nobody can type: a guest may come from, or go to, a place
/// where somebody can.
pub(crate) struct Console {
    /// None for a machine without a console.
    input: Option<Arc<dyn ConsoleInput>>,
    /// None for a console that is connected to nothing.
    port: Option<Arc<Port>>,
    state: Mutex<State>,
}

struct State {
    waiting: VecDeque<u8>,
    /// The guest stands between two machines, or is still to come: nothing is passed on.
    held: bool,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    waiting: Vec<u8>,
}

impl Console {
    /// Input from the device of `port` to the machine. `held`: from the start.
    pub(crate) fn new(
        input: Option<Arc<dyn ConsoleInput>>,
        port: Option<Arc<Port>>,
        held: bool,
    ) -> Arc<Self> {
        if let (Some(input), Some(port)) = (&input, &port) {
            let wake = Arc::clone(port);
            input.set_ready(Box::new(move || wake.wake()));
        }
        Arc::new(Self {
            input,
            port,
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                held,
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes nothing on from now on, until [`Console::release`]: what the machine has and what
    /// waits here stay as they are, to be saved or replaced.
    pub(crate) fn hold(&self) {
        self.state().held = true;
    }

    /// Ends [`Console::hold`].
    pub(crate) fn release(&self) {
        self.state().held = false;
        match &self.port {
            // The device's thread passes on what waits.
            Some(port) => port.wake(),
            None => self.pass_on(&mut self.state()),
        }
    }

    /// Its saved state.
    pub(crate) fn part(&self) -> ConsolePart<'_> {
        ConsolePart(self)
    }

    fn pass_on(&self, state: &mut State) {
        let Some(input) = &self.input else { return };
        while !state.held && !state.waiting.is_empty() {
            let taken = input.push(state.waiting.make_contiguous());
            if taken == 0 {
                return;
            }
            let taken = taken.min(state.waiting.len());
            state.waiting.drain(..taken);
        }
    }
}

impl Frontend for Console {
    fn receive(&self, bytes: &[u8]) {
        let mut state = self.state();
        state.waiting.extend(bytes);
        self.pass_on(&mut state);
    }

    fn backlog(&self) -> usize {
        self.state().waiting.len()
    }

    fn woken(&self) {
        self.pass_on(&mut self.state());
    }
}

impl MuxUser for Console {}

/// Console input that the machine has not taken.
pub(crate) struct ConsolePart<'a>(&'a Console);

impl Part for ConsolePart<'_> {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> u32 {
        VERSION
    }

    fn max_bytes(&self) -> usize {
        MAX_WAITING + 64
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        let state = self.0.state();
        let saved = Saved {
            waiting: state.waiting.iter().copied().take(MAX_WAITING).collect(),
        };
        encode(&saved).map_err(|source| PartError::Codec { name: NAME, source })
    }

    fn load(&mut self, version: u32, payload: &[u8]) -> Result<(), PartError> {
        if version != VERSION {
            return Err(PartError::Version {
                name: NAME,
                found: version,
                newest: VERSION,
            });
        }
        let saved: Saved = decode(payload, self.max_bytes())
            .map_err(|source| PartError::Codec { name: NAME, source })?;
        let mut state = self.0.state();
        // What was typed at the guest's former place comes before what was typed here.
        for byte in saved.waiting.into_iter().rev() {
            state.waiting.push_front(byte);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes four bytes at a time, and no more before it is emptied.
    #[derive(Default)]
    struct Small(Mutex<Vec<u8>>);

    impl ConsoleInput for Small {
        fn push(&self, bytes: &[u8]) -> usize {
            let mut held = self.0.lock().unwrap();
            let taken = bytes.len().min(4 - held.len());
            held.extend(&bytes[..taken]);
            taken
        }

        fn set_ready(&self, _: Box<dyn Fn() + Send + Sync>) {}
    }

    fn console(held: bool) -> (Arc<Small>, Arc<Console>) {
        let machine = Arc::new(Small::default());
        let input: Arc<dyn ConsoleInput> = Arc::clone(&machine) as _;
        (
            machine,
            Console::new(Some(input), Some(Port::new("c").unwrap()), held),
        )
    }

    #[test]
    fn what_waits_moves_and_comes_before_what_was_typed_at_the_new_place() {
        let (machine, source) = console(false);
        source.receive(b"abcdefg");
        assert_eq!(*machine.0.lock().unwrap(), b"abcd");
        assert_eq!(source.backlog(), 3);
        source.hold();
        machine.0.lock().unwrap().clear();
        source.woken();
        assert_eq!(source.backlog(), 3, "held input is not passed on");
        let saved = source.part().save().unwrap();

        let (machine, destination) = console(true);
        destination.receive(b"xyz");
        destination.part().load(VERSION, &saved).unwrap();
        assert!(machine.0.lock().unwrap().is_empty());
        destination.release();
        destination.woken();
        assert_eq!(*machine.0.lock().unwrap(), b"efgx");
        assert_eq!(destination.backlog(), 2);
    }

    #[test]
    fn a_state_of_another_version_changes_nothing() {
        let (_, console) = console(true);
        console.receive(b"x");
        assert!(matches!(
            console.part().load(2, &[]),
            Err(PartError::Version { found: 2, .. })
        ));
        assert_eq!(console.backlog(), 1);
    }
}
