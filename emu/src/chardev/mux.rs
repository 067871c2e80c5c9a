//! Several users on one character device, switched with Ctrl-A.
//!
//! Output of all goes through; input goes to the one in focus.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Frontend, Port};

/// Ctrl-A.
const ESCAPE: u8 = 0x01;

/// A user that shares a device.
pub trait MuxUser: Frontend {
    /// Input goes here from now on.
    fn focused(&self) {}

    /// Input goes elsewhere from now on.
    fn unfocused(&self) {}

    /// The break key: Ctrl-A b.
    fn break_key(&self) {}
}

/// What the escape key may ask of the program.
pub trait MuxHost: Send + Sync {
    /// Ctrl-A x.
    fn exit(&self);
}

struct State {
    users: Vec<Arc<dyn MuxUser>>,
    focus: usize,
    escaped: bool,
}

/// The shared side of a device.
pub struct Mux {
    port: Arc<Port>,
    host: Arc<dyn MuxHost>,
    state: Mutex<State>,
}

/// What a key asks for, to be done when the state is not locked.
enum Asked {
    Nothing,
    Input(u8),
    /// The focus has left this one.
    Focus(Arc<dyn MuxUser>),
    Break,
    Help,
    Exit,
}

impl Mux {
    /// `users` share the device of `port`; the first has the focus.
    pub fn new(port: Arc<Port>, users: Vec<Arc<dyn MuxUser>>, host: Arc<dyn MuxHost>) -> Self {
        Self {
            port,
            host,
            state: Mutex::new(State {
                users,
                focus: 0,
                escaped: false,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn users(&self) -> Vec<Arc<dyn MuxUser>> {
        self.state().users.clone()
    }

    fn focus(&self) -> Option<Arc<dyn MuxUser>> {
        let state = self.state();
        state.users.get(state.focus).cloned()
    }

    /// Takes one key.
    fn key(&self, byte: u8) -> Asked {
        let mut state = self.state();
        if !std::mem::replace(&mut state.escaped, false) {
            if byte == ESCAPE {
                state.escaped = true;
                return Asked::Nothing;
            }
            return Asked::Input(byte);
        }
        match byte {
            ESCAPE => Asked::Input(ESCAPE),
            b'c' if state.users.len() > 1 => {
                let before = Arc::clone(&state.users[state.focus]);
                state.focus = (state.focus + 1) % state.users.len();
                Asked::Focus(before)
            }
            b'b' => Asked::Break,
            b'h' | b'?' => Asked::Help,
            b'x' => Asked::Exit,
            _ => Asked::Nothing,
        }
    }
}

impl Frontend for Mux {
    fn receive(&self, bytes: &[u8]) {
        let mut input = Vec::new();
        let pass_on = |input: &mut Vec<u8>| {
            let bytes = std::mem::take(input);
            // Not locked here: the user may write, ask run control, or end the program.
            match self.focus() {
                Some(user) if !bytes.is_empty() => user.receive(&bytes),
                _ => {}
            }
        };
        for byte in bytes {
            // The focus changes with the key.
            if *byte == ESCAPE {
                pass_on(&mut input);
            }
            match self.key(*byte) {
                Asked::Nothing => {}
                Asked::Input(byte) => input.push(byte),
                Asked::Focus(before) => {
                    before.unfocused();
                    if let Some(user) = self.focus() {
                        user.focused();
                    }
                }
                Asked::Break => {
                    if let Some(user) = self.focus() {
                        user.break_key();
                    }
                }
                Asked::Help => self.port.write(HELP.as_bytes()),
                Asked::Exit => {
                    self.port.write(b"emu: ended from the terminal\r\n");
                    self.host.exit();
                }
            }
        }
        pass_on(&mut input);
    }

    fn backlog(&self) -> usize {
        self.focus().map_or(0, |user| user.backlog())
    }

    fn receive_descriptors(&self, descriptors: Vec<OwnedFd>) {
        if let Some(user) = self.focus() {
            user.receive_descriptors(descriptors);
        }
    }

    fn opened(&self) {
        for user in self.users() {
            user.opened();
        }
        if let Some(user) = self.focus() {
            user.focused();
        }
    }

    fn closed(&self) {
        for user in self.users() {
            user.closed();
        }
    }

    fn woken(&self) {
        for user in self.users() {
            user.woken();
        }
    }
}

const HELP: &str = "\r\n\
    Ctrl-A h       this list\r\n\
    Ctrl-A x       end the emulator\r\n\
    Ctrl-A b       break key\r\n\
    Ctrl-A c       switch between console and monitor\r\n\
    Ctrl-A Ctrl-A  send Ctrl-A\r\n";
