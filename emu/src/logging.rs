//! Where messages go: warnings and errors are for the user, `-d` items for the log.

use std::fs::File;
use std::io::{self, Write as _};

use env_logger::{Builder, Target};
use log::{Level, LevelFilter};

use crate::cli::{CliError, LogSettings};

/// Where the code that an item of `-d` is about lives. An item that is not here is itself the
/// target of its messages.
const MODULES: &[(&str, &[&str])] = &[
    ("clock", &["clock", "tod"]),
    ("exec", &["tcg::exec"]),
    ("in_asm", &["tcg::in_asm"]),
    ("int", &["tcg::int", "s390x::cpu"]),
    ("op", &["tcg::op"]),
    ("op_opt", &["tcg::op_opt"]),
    ("out_asm", &["tcg::out_asm"]),
];

/// Sets up logging; once per process.
///
/// # Errors
/// The log file cannot be opened.
pub(crate) fn start(settings: &LogSettings, guest_name: &str) -> Result<(), CliError> {
    let log: Box<dyn io::Write + Send> = match &settings.file {
        None => Box::new(io::stderr()),
        Some(path) => Box::new(File::create(path).map_err(|e| {
            CliError::new(
                format!("-D {}", path.display()),
                format!("could not open the log file: {e}"),
            )
        })?),
    };
    let mut builder = Builder::new();
    builder
        .filter_level(LevelFilter::Warn)
        .target(Target::Pipe(log));
    for item in &settings.items {
        let own = [*item];
        let modules = MODULES
            .iter()
            .find(|(name, _)| name == item)
            .map_or(&own[..], |(_, m)| m);
        for module in modules {
            builder.filter_module(module, LevelFilter::Trace);
        }
    }
    let timestamp = settings.timestamp;
    let name = if settings.guest_name && !guest_name.is_empty() {
        format!("{guest_name} ")
    } else {
        String::new()
    };
    builder.format(move |log, record| {
        let time = if timestamp {
            format!("{:.6} ", jiff::Timestamp::now())
        } else {
            String::new()
        };
        match record.level() {
            Level::Error => writeln!(io::stderr(), "{time}{name}emu: {}", record.args()),
            Level::Warn => writeln!(io::stderr(), "{time}{name}emu: warning: {}", record.args()),
            _ => writeln!(log, "{time}{}", record.args()),
        }
    });
    // A second start, as tests make it, keeps the first one's settings.
    let _ = builder.try_init();
    Ok(())
}
