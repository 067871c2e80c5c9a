//! The program as a child process: console on its standard streams, QMP on a socket.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::{Console, Qmp};

/// How long what has ended may take to hand over its output (a child of its own may have it, too).
const LIMIT_OF_READING: Duration = Duration::from_secs(30);

/// The program under test: `$EMU_BINARY`, else what cargo has built beside this test.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("EMU_BINARY") {
        return path.into();
    }
    // target/PROFILE/deps/test-HASH or target/PROFILE/bench
    let mut folder = std::env::current_exe().unwrap_or_default();
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    let path = folder.join("emu");
    assert!(
        path.is_file(),
        "{} is not there: build the workspace, or set EMU_BINARY",
        path.display()
    );
    path
}

/// A command line under construction.
pub struct EmuBuilder {
    binary: PathBuf,
    arguments: Vec<OsString>,
    qmp: bool,
}

impl EmuBuilder {
    /// The program with no arguments at all.
    pub fn bare() -> Self {
        Self {
            binary: binary(),
            arguments: Vec::new(),
            qmp: false,
        }
    }

    /// An s390x machine with its console on the standard streams, and QMP.
    pub fn s390x() -> Self {
        let mut builder = Self::bare().args([
            "-machine",
            "s390-ccw-virtio",
            "-nodefaults",
            "-nographic",
            "-chardev",
            "stdio,id=con0",
            "-device",
            "sclpconsole,chardev=con0",
        ]);
        builder.qmp = true;
        builder
    }

    /// A PC under KVM with its serial port on the standard streams, and QMP.
    pub fn pc() -> Self {
        let mut builder = Self::bare().args([
            "-machine",
            "pc,accel=kvm",
            "-nodefaults",
            "-display",
            "none",
            "-chardev",
            "stdio,id=con0,signal=off",
            "-serial",
            "chardev:con0",
        ]);
        builder.qmp = true;
        builder
    }

    /// Another program with the same command line, as QEMU.
    pub fn with_binary(mut self, binary: impl Into<PathBuf>) -> Self {
        self.binary = binary.into();
        self
    }

    /// Further arguments.
    pub fn args<T: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// `-kernel`.
    pub fn kernel(self, path: &Path) -> Self {
        self.args(["-kernel".into(), path.as_os_str().to_owned()])
    }

    /// `-initrd`.
    pub fn initrd(self, path: &Path) -> Self {
        self.args(["-initrd".into(), path.as_os_str().to_owned()])
    }

    /// `-append`.
    pub fn append(self, line: &str) -> Self {
        self.args(["-append", line])
    }

    /// Starts the program.
    pub fn start(self) -> Emu {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let socket = folder.path().join("qmp");
        let errors = folder.path().join("stderr");
        let mut command = Command::new(&self.binary);
        command.args(&self.arguments);
        if self.qmp {
            command
                .arg("-qmp")
                .arg(format!("unix:{},server=on,wait=off", socket.display()));
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&errors).expect("a file for stderr"))
            .spawn()
            .unwrap_or_else(|e| panic!("starting {}: {e}", self.binary.display()));
        let output = child.stdout.take().expect("stdout is a pipe");
        let input = child.stdin.take().expect("stdin is a pipe");
        let console = Console::new(output, Box::new(input));
        Emu {
            child,
            console,
            socket,
            errors,
            _folder: folder,
        }
    }
}

/// The running program. Killed when dropped.
pub struct Emu {
    child: Child,
    /// Its standard streams.
    pub console: Console,
    socket: PathBuf,
    errors: PathBuf,
    _folder: tempfile::TempDir,
}

impl Emu {
    /// Connects to its QMP socket.
    pub fn qmp(&self) -> Qmp {
        Qmp::connect(&self.socket).unwrap_or_else(|why| panic!("{why}; stderr: {}", self.stderr()))
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has said on standard error.
    pub fn stderr(&self) -> String {
        std::fs::read_to_string(&self.errors).unwrap_or_default()
    }

    /// Waits for console text or fails the test.
    pub fn expect(&self, wanted: &str, limit_s: u64) -> String {
        self.console
            .expect(wanted, Duration::from_secs(limit_s))
            .unwrap_or_else(|why| panic!("{why}\nstderr: {}", self.stderr()))
    }

    /// Types or fails the test.
    pub fn type_text(&self, text: &str) {
        self.console
            .type_text(text)
            .unwrap_or_else(|why| panic!("typing {text:?}: {why}"));
    }

    /// Waits for the program's end, or fails the test.
    pub fn wait(&mut self, limit_s: u64) -> ExitStatus {
        self.ends_within(Duration::from_secs(limit_s))
            .unwrap_or_else(|| {
                panic!(
                    "the program did not end; console:\n{}\nstderr: {}",
                    self.console.text(),
                    self.stderr()
                )
            })
    }

    /// Waits for the program's end; `None` if it does not come within the limit. After the end
    /// the console has everything that was printed.
    pub fn ends_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + limit;
        loop {
            let status = self.child.try_wait().expect("waiting for a child");
            if status.is_some() {
                // The end of the process may be seen before the last of its output.
                self.console.wait_for_end(LIMIT_OF_READING);
            }
            if status.is_some() || Instant::now() >= until {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Emu {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
