//! The command line: from words to typed settings.
//!
//! QEMU's grammar, because that is what this field's tools speak: long options with one dash or
//! two, an option's value always the next word whatever it looks like, and comma lists of
//! `key=value` inside a value. clap parses the options, from one table of them; the comma lists
//! are read here. Nothing here opens a file or touches the host.

mod accel;
mod chardevs;
mod clock;
mod cpus;
mod devices;
mod help;
mod keyval;
mod kinds;
mod machine;
mod objects;
mod options;
mod settings;

pub use chardevs::{ChardevKind, ChardevSpec, Mode, SocketAddress, SocketSpec};
pub use cpus::parse_added as parse_added_device;
pub use help::{COMPATIBLE_VERSION, version_line};
pub use keyval::KeyVals;
pub use settings::{
    Actions, GuestSource, HostClockChoice, LogSettings, MonitorFace, MonitorSpec, PanicAction,
    QtestSettings, RebootAction, Settings, ShutdownAction, WatchdogAction, parse,
};

/// A mistake in the command line. Reads as one line: the argument, then what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{argument}: {problem}")]
pub struct CliError {
    /// The option and its value as given.
    pub argument: String,
    /// What is wrong and what was expected.
    pub problem: String,
}

impl CliError {
    /// An error at `argument`; control characters in it are shown escaped, so that the whole
    /// stays one line.
    pub fn new(argument: impl AsRef<str>, problem: impl AsRef<str>) -> Self {
        Self {
            argument: one_line(argument.as_ref()),
            problem: one_line(problem.as_ref()),
        }
    }
}

fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default())
        } else {
            line.push(c)
        }
    }
    line
}

/// What the command line asks for.
#[derive(Debug)]
pub enum Invocation {
    /// Print this and exit with status 0.
    Print(String),
    /// Run a machine.
    Run(Box<Settings>),
}
