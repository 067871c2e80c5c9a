//! Several users on one character device, switched with Ctrl-A.
//!
//! Output of all goes through; input goes to the one in focus. What the one in focus does not
//! take yet waits here, so that the escape key works whatever the guest does.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Frontend, Port};

/// Ctrl-A.
const ESCAPE: u8 = 0x01;

/// Input held for one user at most.
const HELD_LIMIT: usize = 64 << 10;

/// A user that shares a device.
pub trait MuxUser: Frontend {
    /// Input goes here from now on.
    fn focused(&self) {}

    /// The break key: Ctrl-A b.
    fn break_key(&self) {}
}

/// What the escape key may ask of the program.
pub trait MuxHost: Send + Sync {
    /// Ctrl-A x.
    fn exit(&self);
}

struct User {
    user: Arc<dyn MuxUser>,
    held: VecDeque<u8>,
}

struct State {
    users: Vec<User>,
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
    Focus(Arc<dyn MuxUser>),
    Break(Arc<dyn MuxUser>),
    Help,
    Exit,
}

impl Mux {
    /// `users` share the device of `port`; the first has the focus.
    pub fn new(port: Arc<Port>, users: Vec<Arc<dyn MuxUser>>, host: Arc<dyn MuxHost>) -> Self {
        let users = users
            .into_iter()
            .map(|user| User {
                user,
                held: VecDeque::new(),
            })
            .collect();
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

    /// Gives everybody what waits for them, those too that the focus has left meanwhile.
    fn pass_on(&self) {
        let count = self.state().users.len();
        for index in 0..count {
            self.pass_on_to(index);
        }
    }

    fn pass_on_to(&self, index: usize) {
        loop {
            let (user, bytes) = {
                let mut state = self.state();
                let Some(user) = state.users.get_mut(index) else {
                    return;
                };
                if user.held.is_empty() {
                    return;
                }
                (Arc::clone(&user.user), user.held.make_contiguous().to_vec())
            };
            // Not locked here: the user may write, ask run control, or end the program.
            let taken = user.receive(&bytes);
            if taken == 0 {
                return;
            }
            if let Some(user) = self.state().users.get_mut(index) {
                let taken = taken.min(user.held.len());
                user.held.drain(..taken);
            }
        }
    }

    /// Takes one key; `None` if it must wait.
    fn key(&self, byte: u8) -> Option<Asked> {
        let mut state = self.state();
        let focus = state.focus;
        if state.escaped {
            state.escaped = false;
            return Some(match byte {
                ESCAPE => {
                    if let Some(user) = state.users.get_mut(focus) {
                        user.held.push_back(ESCAPE);
                    }
                    Asked::Nothing
                }
                b'c' if state.users.len() > 1 => {
                    state.focus = (focus + 1) % state.users.len();
                    Asked::Focus(Arc::clone(&state.users[state.focus].user))
                }
                b'b' => state
                    .users
                    .get(focus)
                    .map_or(Asked::Nothing, |user| Asked::Break(Arc::clone(&user.user))),
                b'h' | b'?' => Asked::Help,
                b'x' => Asked::Exit,
                _ => Asked::Nothing,
            });
        }
        if byte == ESCAPE {
            state.escaped = true;
            return Some(Asked::Nothing);
        }
        let user = state.users.get_mut(focus)?;
        if user.held.len() >= HELD_LIMIT {
            return None;
        }
        user.held.push_back(byte);
        Some(Asked::Nothing)
    }
}

impl Frontend for Mux {
    fn receive(&self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        for byte in bytes {
            match self.key(*byte) {
                None => break,
                Some(Asked::Nothing) => {}
                Some(asked) => {
                    match asked {
                        Asked::Focus(user) => user.focused(),
                        Asked::Break(user) => {
                            self.pass_on();
                            user.break_key();
                        }
                        Asked::Help => self.port.write(HELP.as_bytes()),
                        Asked::Exit => {
                            self.port.write(b"emu: ended from the terminal\r\n");
                            self.host.exit();
                        }
                        Asked::Nothing => {}
                    }
                    taken += 1;
                    continue;
                }
            }
            taken += 1;
        }
        self.pass_on();
        taken
    }

    fn opened(&self) {
        let users: Vec<_> = self
            .state()
            .users
            .iter()
            .map(|u| Arc::clone(&u.user))
            .collect();
        for user in users {
            user.opened();
        }
        let state = self.state();
        if let Some(user) = state.users.get(state.focus).map(|u| Arc::clone(&u.user)) {
            drop(state);
            user.focused();
        }
    }

    fn closed(&self) {
        let users: Vec<_> = self
            .state()
            .users
            .iter()
            .map(|u| Arc::clone(&u.user))
            .collect();
        for user in users {
            user.closed();
        }
    }

    fn woken(&self) {
        self.pass_on();
    }
}

const HELP: &str = "\r\n\
    Ctrl-A h       this list\r\n\
    Ctrl-A x       end the emulator\r\n\
    Ctrl-A b       break key\r\n\
    Ctrl-A c       switch between console and monitor\r\n\
    Ctrl-A Ctrl-A  send Ctrl-A\r\n";
