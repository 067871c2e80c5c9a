//! What concerns the process: background, pid file, name, signals, panics.
#![allow(unsafe_code, reason = "fork, which no safe interface offers")]

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread;

use machine::ShutdownCause;
use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::pipe::PipeFlags;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::cli::CliError;
use crate::control::Control;
use crate::{cleanup, terminal};

/// In the background process of `-daemonize`: tells the waiting parent that all is set up.
pub(crate) struct Daemon {
    parent: File,
}

/// Goes to the background: returns in the child only. The parent waits until the child is
/// ready or has failed and exits accordingly. To be called before any thread is started.
///
/// # Errors
/// The host refuses.
pub(crate) fn daemonize() -> io::Result<Daemon> {
    let (ready, parent) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    let (mut ready, parent) = (File::from(ready), File::from(parent));
    // SAFETY: no other thread exists, so the child may do whatever the parent might.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            drop(ready);
            rustix::process::setsid()?;
            Ok(Daemon { parent })
        }
        _ => {
            drop(parent);
            // The child closes its end without a byte when it fails.
            let status = i32::from(ready.read(&mut [0]).ok() != Some(1));
            std::process::exit(status);
        }
    }
}

impl Daemon {
    /// Leaves the terminal and the folder, and lets the parent go.
    ///
    /// # Errors
    /// The host refuses.
    pub(crate) fn ready(mut self) -> io::Result<()> {
        rustix::process::chdir("/")?;
        let null = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/null")?;
        rustix::stdio::dup2_stdin(&null)?;
        rustix::stdio::dup2_stdout(&null)?;
        rustix::stdio::dup2_stderr(&null)?;
        self.parent.write_all(&[0])
    }
}

/// A pid file, locked while it lives and removed at the end.
pub(crate) struct PidFile {
    _file: File,
}

impl PidFile {
    /// Writes the process id into `path`.
    ///
    /// # Errors
    /// The file cannot be written, or another program holds it.
    pub(crate) fn create(path: &Path) -> Result<Self, CliError> {
        let fail = |why: String| {
            CliError::new(
                format!("-pidfile {}", path.display()),
                format!("cannot create PID file: {why}"),
            )
        };
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(|e| fail(e.to_string()))?;
        fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| fail("another program holds it".into()))?;
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(|e| fail(e.to_string()))?;
        cleanup::unlink_at_exit(path);
        Ok(Self { _file: file })
    }
}

/// The program ends at once, without a clean-up, when the thread that started it does
/// (prctl(2), PR_SET_PDEATHSIG).
///
/// # Errors
/// The host refuses.
pub(crate) fn exit_with_parent() -> io::Result<()> {
    Ok(rustix::process::set_parent_process_death_signal(Some(
        rustix::process::Signal::KILL,
    ))?)
}

/// Names the process, as `ps` shows it: its first 15 bytes.
pub(crate) fn set_name(name: &str) {
    let end = name
        .char_indices()
        .map(|(at, c)| at + c.len_utf8())
        .take_while(|end| *end <= 15);
    if let Ok(name) = CString::new(&name[..end.last().unwrap_or(0)]) {
        // A name is a convenience: nothing depends on it.
        let _ = rustix::thread::set_name(&name);
    }
}

/// Where a signal that ends the program goes: to run control once there is one.
pub(crate) type SignalTarget = Arc<OnceLock<Control>>;

/// Starts the thread that deals with signals. The first one that asks for an end goes to run
/// control; one that comes before there is any, or after the end has begun, ends the program
/// at once, cleaned up.
///
/// # Errors
/// The host refuses.
pub(crate) fn handle_signals(target: SignalTarget) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT])?;
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            let mut asked = false;
            for signal in signals.forever() {
                match signal {
                    SIGTSTP => {
                        terminal::lend();
                        // Stops the process; goes on at SIGCONT.
                        let _ = emulate_default_handler(SIGTSTP);
                    }
                    SIGCONT => terminal::take_back(),
                    signal => match target.get() {
                        Some(control) if !asked => {
                            asked = true;
                            eprintln!("emu: terminating on signal {signal}");
                            control.request_quit(ShutdownCause::HostSignal);
                        }
                        _ => {
                            cleanup::run();
                            let _ = emulate_default_handler(signal);
                        }
                    },
                }
            }
        })?;
    Ok(())
}

/// A panic is a fault of this program: it says so and ends it, the terminal restored. A VM of
/// which one thread is missing would not be right about anything.
pub(crate) fn end_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        terminal::restore();
        report(info);
        cleanup::run();
        std::process::exit(101);
    }));
}
