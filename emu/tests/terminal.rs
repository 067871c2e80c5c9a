//! The program as a process: on a terminal, with signals, in the background.
//!
//! The process is this test binary itself, started again to run [`emu_process`] with the fake
//! machine; what the test runner prints before is skipped.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::fake::TYPES;
use common::rig::{LIMIT, Line};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Termios, tcgetattr};

/// Carries the arguments into the started process, one a line.
const ARGUMENTS: &str = "EMU_TEST_ARGUMENTS";

/// Not a test of its own: what the started process runs.
#[test]
fn emu_process() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else {
        return;
    };
    let words: Vec<String> = ["emu"]
        .into_iter()
        .chain(arguments.lines())
        .map(str::to_owned)
        .collect();
    std::process::exit(i32::from(emu::main_with(&words, TYPES)));
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "emu_process", "--nocapture", "-q"])
        .env(ARGUMENTS, arguments.join("\n"));
    command
}

/// The program on a terminal of its own.
struct Session {
    master: File,
    /// Kept open, to look at the modes and to survive the program.
    terminal: OwnedFd,
    found: Termios,
    child: Child,
    seen: String,
}

impl Session {
    fn start(arguments: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let terminal: OwnedFd = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(name.to_str().unwrap())
            .unwrap()
            .into();
        let found = tcgetattr(&terminal).unwrap();
        let stdio = || Stdio::from(terminal.try_clone().unwrap());
        let mut command = command(arguments);
        command.stdin(stdio()).stdout(stdio()).stderr(stdio());
        // A session of its own, as a terminal's program has.
        let child = start_in_own_group(&mut command);
        Self {
            master: master.into(),
            terminal,
            found,
            child,
            seen: String::new(),
        }
    }

    fn send(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    /// Reads until `text` has come; what came before it.
    fn expect(&mut self, text: &str) -> String {
        let mut buffer = [0; 4096];
        loop {
            if let Some(at) = self.seen.find(text) {
                let before = self.seen[..at].to_owned();
                self.seen.drain(..at + text.len());
                return before;
            }
            let mut polled = [rustix::event::PollFd::new(
                &self.master,
                rustix::event::PollFlags::IN,
            )];
            let limit = rustix::event::Timespec {
                tv_sec: LIMIT.as_secs() as i64,
                tv_nsec: 0,
            };
            let ready = rustix::event::poll(&mut polled, Some(&limit)).unwrap();
            assert_eq!(ready, 1, "no {text:?} in {:?}", self.seen);
            let count = self.master.read(&mut buffer).unwrap();
            self.seen
                .push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    }

    fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.terminal).unwrap();
        !modes.local_modes.contains(LocalModes::ICANON)
    }

    fn wait_raw(&self, raw: bool) {
        let until = Instant::now() + LIMIT;
        while self.is_raw() != raw {
            assert!(
                Instant::now() < until,
                "the terminal does not become raw: {raw}"
            );
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end and checks that the terminal is as it was found.
    fn end(mut self) -> ExitStatus {
        let status = wait(&mut self.child);
        let modes = tcgetattr(&self.terminal).unwrap();
        assert_eq!(format!("{modes:?}"), format!("{:?}", self.found));
        status
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Of a test that has failed.
        let _ = self.child.kill();
    }
}

fn start_in_own_group(command: &mut Command) -> Child {
    command.process_group(0).spawn().unwrap()
}

fn wait(child: &mut Child) -> ExitStatus {
    let until = Instant::now() + LIMIT;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > until {
            child.kill().unwrap();
            panic!("the program does not end");
        }
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn console_and_monitor_share_the_terminal() {
    let mut session = Session::start(&["-nographic"]);
    session.wait_raw(true);
    session.send("hello\r");
    session.expect("got: hello");
    session.send("\x01h");
    session.expect("Ctrl-A x       end the emulator");
    session.send("\x01\x01two\r");
    session.expect("got: \\x01two");
    session.send("\x01c");
    session.expect("monitor - type 'help' for more information");
    session.expect("(qemu) ");
    session.send("stop\r");
    session.expect("(qemu) ");
    session.send("info sta\t\r");
    session.expect("VM status: paused");
    session.expect("(qemu) ");
    // What is typed at the console waits while the guest stands.
    session.send("\x01clater\r\x01c");
    session.expect("(qemu) ");
    session.send("cont\r");
    session.expect("got: later");
    // History, and editing in the middle of a line.
    session.send("\x1b[A\x1b[A\r");
    session.expect("VM status: running");
    session.send("nfo namei\x01\x01");
    session.send("i\x1b[F\x7f\r");
    session.expect("info name\x1b[K");
    session.expect("(qemu) ");
    session.send("foo\r");
    session.expect("unknown command: 'foo'");
    session.expect("(qemu) ");
    session.send("\x01x");
    session.expect("emu: ended from the terminal");
    assert_eq!(session.end().code(), Some(0));
}

#[test]
fn the_monitor_looks_at_a_cpu_that_waits_for_this_very_terminal() {
    let mut session = Session::start(&["-nographic"]);
    // The flood fills the queue; nobody reads it, and the same thread serves the monitor.
    session.send("flood\r");
    session.expect("ffff");
    thread::sleep(Duration::from_millis(300));
    session.send("\x01cinfo registers\rinfo cpus\r");
    session.expect("flooded");
    session.expect("R00=0000000000000001");
    session.expect("* CPU #0:");
    session.send("q\r");
    assert_eq!(session.end().code(), Some(0));
}

#[test]
fn the_terminal_is_restored_on_every_way_out() {
    // The guest's shutdown, its crash, and a crash that is a failure.
    for (arguments, line, code) in [
        (&["-nographic"][..], "poweroff\r", 0),
        (&["-nographic"], "crash\r", 0),
        (
            &["-nographic", "-action", "panic=exit-failure"],
            "crash\r",
            1,
        ),
        (&["-nographic"], "panic\r", 101),
    ] {
        let mut session = Session::start(arguments);
        session.wait_raw(true);
        session.send(line);
        assert_eq!(session.end().code(), Some(code), "{line}");
    }
    // The monitor's quit.
    let mut session = Session::start(&["-nodefaults", "-monitor", "stdio"]);
    session.expect("(qemu) ");
    assert!(session.is_raw());
    session.send("q\r");
    assert_eq!(session.end().code(), Some(0));
    // Signals.
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
        let mut session = Session::start(&["-nographic"]);
        session.send("here\r");
        session.expect("got: here");
        assert!(session.is_raw());
        session.signal(signal);
        assert_eq!(session.end().code(), Some(0), "{signal:?}");
    }
    // A start that fails after the terminal was taken.
    let mut session = Session::start(&["-nographic", "-kernel", "/none"]);
    session.expect("emu: -kernel: could not load kernel '/none': ");
    assert_eq!(session.end().code(), Some(1));
    // A start that waits for a client that does not come.
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let mut session = Session::start(&[
        "-nographic",
        "-qmp",
        &format!("unix:{},server=on", socket.display()),
    ]);
    session.expect("waiting for a connection on unix:");
    session.signal(Signal::TERM);
    assert_eq!(session.end().signal(), Some(Signal::TERM.as_raw()));
    assert!(!socket.exists());
}

#[test]
fn the_terminal_is_the_shells_while_the_program_is_stopped() {
    let mut session = Session::start(&["-nographic"]);
    session.send("here\r");
    session.expect("got: here");
    session.wait_raw(true);
    session.signal(Signal::TSTP);
    session.wait_raw(false);
    session.signal(Signal::CONT);
    session.wait_raw(true);
    session.signal(Signal::TERM);
    assert_eq!(session.end().code(), Some(0));
}

#[test]
fn signals_from_the_keyboard_are_input_on_a_shared_terminal_and_signals_on_a_plain_one() {
    let mut session = Session::start(&["-nographic"]);
    session.wait_raw(true);
    session.send("\x03\x1a\r");
    session.expect("got: \\x03\\x1a");
    session.send("\x01x");
    assert_eq!(session.end().code(), Some(0));
    let mut session = Session::start(&["-nodefaults", "-serial", "stdio"]);
    session.send("here\r");
    session.expect("got: here");
    assert!(
        tcgetattr(session.terminal.as_fd())
            .unwrap()
            .local_modes
            .contains(LocalModes::ISIG)
    );
    session.signal(Signal::INT);
    assert_eq!(session.end().code(), Some(0));
}

#[test]
fn an_end_of_input_does_not_end_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("qmp");
    let mut child = command(&[
        "-nodefaults",
        "-serial",
        "stdio",
        "-qmp",
        &format!("unix:{},server=on,wait=off", socket.display()),
    ])
    .stdin(Stdio::null())
    .stdout(Stdio::piped())
    .spawn()
    .unwrap();
    let mut line = Line::connect(&socket);
    line.read_line();
    line.execute("qmp_capabilities");
    assert_eq!(
        line.execute("query-status").1["return"]["status"],
        "running"
    );
    line.execute("system_powerdown");
    line.execute("quit");
    assert_eq!(wait(&mut child).code(), Some(0));
    // Console output goes on after the input's end.
    let mut output = String::new();
    child.stdout.unwrap().read_to_string(&mut output).unwrap();
    assert!(output.ends_with("powerdown\n"), "{output}");
}

#[test]
fn all_output_arrives_before_the_end_however_slow_its_reader() {
    let mut child = command(&["-nodefaults", "-serial", "stdio"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"flood\npoweroff\n")
        .unwrap();
    thread::sleep(Duration::from_millis(300));
    let mut output = Vec::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_end(&mut output)
        .unwrap();
    assert_eq!(wait(&mut child).code(), Some(0));
    assert!(output.ends_with(b"\nflooded\n"));
    assert!(output.iter().filter(|byte| **byte == b'f').count() >= common::fake::FLOOD_BYTES);
}

#[test]
fn a_signal_ends_the_program_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("qmp");
    let pidfile = folder.path().join("pid");
    let mut child = command(&[
        "-display",
        "none",
        "-qmp",
        &format!("unix:{},server=on,wait=off", socket.display()),
        "-pidfile",
        pidfile.to_str().unwrap(),
    ])
    .stdin(Stdio::null())
    .stdout(Stdio::null())
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    let mut line = Line::connect(&socket);
    line.read_line();
    line.execute("qmp_capabilities");
    assert_eq!(
        std::fs::read_to_string(&pidfile).unwrap(),
        format!("{}\n", child.id())
    );
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let event = line.event();
    assert_eq!(event["event"], "SHUTDOWN");
    assert_eq!(event["data"]["reason"], "host-signal");
    assert_eq!(wait(&mut child).code(), Some(0));
    let mut told = String::new();
    child.stderr.unwrap().read_to_string(&mut told).unwrap();
    assert_eq!(told, "emu: terminating on signal 15\n");
    assert!(!socket.exists() && !pidfile.exists());
}

#[test]
fn the_background() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let start = |extra: &[&str]| {
        let qmp = format!("unix:{},server=on,wait=off", path("qmp"));
        let pidfile = path("pid");
        let mut words = vec!["-daemonize", "-qmp", &qmp, "-pidfile", &pidfile];
        words.extend(extra);
        let mut child = command(&words)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let status = wait(&mut child);
        let mut told = String::new();
        child.stderr.unwrap().read_to_string(&mut told).unwrap();
        (status.code(), told)
    };
    let (code, told) = start(&["-kernel", "/none"]);
    assert_eq!(code, Some(1));
    assert!(
        told.starts_with("emu: -kernel: could not load kernel '/none': "),
        "{told}"
    );
    assert!(!Path::new(&path("qmp")).exists());

    assert_eq!(start(&[]), (Some(0), String::new()));
    // All is there when the parent has gone.
    let mut line = Line::connect(Path::new(&path("qmp")));
    line.read_line();
    line.execute("qmp_capabilities");
    assert_eq!(
        line.execute("query-status").1["return"]["status"],
        "running"
    );
    let pid = std::fs::read_to_string(path("pid")).unwrap();
    assert_eq!(
        std::fs::read_link(format!("/proc/{}/cwd", pid.trim())).unwrap(),
        Path::new("/")
    );
    line.execute("quit");
    line.read_rest();
    let until = Instant::now() + LIMIT;
    while Path::new(&path("pid")).exists() {
        assert!(Instant::now() < until);
        thread::sleep(Duration::from_millis(1));
    }
}
