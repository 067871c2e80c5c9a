//! The connection between a test and the protocol's server: a character device's user.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Instant;

use super::bench::MachineBench;
use super::server::{Log, Server, Way};
use crate::chardev::mux::MuxUser;
use crate::chardev::{Frontend, Port};
use crate::control::Control;

/// A test's connection on a character device.
pub struct Link {
    port: Arc<Port>,
    control: Control,
    server: Mutex<Server<MachineBench>>,
    launched: Once,
}

impl Link {
    /// A connection on `port`.
    #[must_use]
    pub fn new(port: Arc<Port>, control: Control, server: Server<MachineBench>) -> Self {
        Self {
            port,
            control,
            server: Mutex::new(server),
            launched: Once::new(),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Server<MachineBench>) -> T) -> T {
        act(&mut self.server.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Frontend for Link {
    fn opened(&self) {
        self.with(Server::connected);
    }

    fn receive(&self, bytes: &[u8]) {
        // A test that is quick finds the VM as it was launched: running, unless by -S. Run
        // control answers once it has launched it.
        self.launched.call_once(|| {
            self.control.state();
        });
        let replies = self.with(|server| server.receive(bytes));
        if !replies.is_empty() {
            self.port.write(replies.as_bytes());
        }
    }
}

impl MuxUser for Link {}

/// Writes the protocol's lines to a file, as QEMU does: `[R +SECONDS] LINE` for those received,
/// `[S ...` for those sent, in the host's time since now.
///
/// # Errors
/// The file cannot be opened.
pub fn log_to(path: &Path) -> std::io::Result<Log> {
    let mut file = File::create(path)?;
    let start = Instant::now();
    Ok(Box::new(move |way, line| {
        let letter = match way {
            Way::Received => 'R',
            Way::Sent => 'S',
        };
        let seconds = start.elapsed().as_secs_f64();
        // A log that cannot be written is no reason to fail a test.
        let _ = writeln!(file, "[{letter} +{seconds:.6}] {line}");
    }))
}
