//! A qtest client: the program as QEMU's libqtest starts it, and what tests say to it.
//!
//! The test listens on two sockets and the program connects to both; one carries the qtest
//! protocol, the other QMP. The program goes by a name that ends in the architecture.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::process::binary;
use crate::qmp::{LIMIT, Qmp};

/// A machine whose devices and time a test drives. Killed when dropped.
pub struct Qtest {
    child: Child,
    writer: UnixStream,
    reader: BufReader<UnixStream>,
    /// Levels of the intercepted lines, as told.
    lines: BTreeMap<u32, bool>,
    /// Changes of lines that were told, in order.
    changes: Vec<(u32, bool)>,
    /// Its monitor.
    pub qmp: Qmp,
    folder: tempfile::TempDir,
}

fn accept(listener: &UnixListener, child: &mut Child, errors: &Path) -> UnixStream {
    listener.set_nonblocking(true).expect("a socket's mode");
    let until = Instant::now() + LIMIT;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).expect("a socket's mode");
                stream
                    .set_read_timeout(Some(LIMIT))
                    .expect("a socket's time limit");
                return stream;
            }
            Err(error) => {
                let ended = child.try_wait().expect("waiting for a child");
                if ended.is_some() || Instant::now() > until {
                    let said = std::fs::read_to_string(errors).unwrap_or_default();
                    panic!("the program does not connect ({error}); it said: {said}");
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }
}

impl Qtest {
    /// Starts a machine of an architecture, as libqtest does; `@` in an argument stands for a
    /// folder of the machine's own.
    pub fn start(arch: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        let program = path(&format!("emu-system-{arch}"));
        let target = std::path::absolute(binary()).expect("the program's path");
        std::os::unix::fs::symlink(target, &program).expect("a symbolic link");
        let qtest = UnixListener::bind(path("qtest")).expect("a socket");
        let qmp = UnixListener::bind(path("qmp")).expect("a socket");
        let errors = path("stderr");
        let here = folder.path().to_str().expect("a folder's name");
        let mut child = Command::new(&program)
            .arg("-qtest")
            .arg(format!("unix:{here}/qtest"))
            .arg("-qtest-log")
            .arg(path("log"))
            .arg("-chardev")
            .arg(format!("socket,path={here}/qmp,id=char0"))
            .args(["-mon", "chardev=char0,mode=control"])
            .args(["-display", "none", "-audio", "none"])
            .args(["-run-with", "exit-with-parent=on"])
            .args(arguments.iter().map(|word| word.replace('@', here)))
            .args(["-accel", "qtest"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&errors).expect("a file for stderr"))
            .spawn()
            .unwrap_or_else(|e| panic!("starting {}: {e}", program.display()));
        let stream = accept(&qtest, &mut child, &errors);
        let qmp = Qmp::over(accept(&qmp, &mut child, &errors))
            .unwrap_or_else(|why| panic!("the monitor: {why}"));
        Self {
            child,
            reader: BufReader::new(stream.try_clone().expect("a second handle")),
            writer: stream,
            lines: BTreeMap::new(),
            changes: Vec::new(),
            qmp,
            folder,
        }
    }

    /// A file in the machine's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sends a command and does not wait for an answer: the program may end first.
    pub fn send(&mut self, command: &str) {
        self.writer
            .write_all(format!("{command}\n").as_bytes())
            .unwrap_or_else(|e| panic!("sending '{command}': {e}"));
    }

    /// Sends a command. What comes back: the text behind `OK`, or behind `FAIL`.
    pub fn try_ask(&mut self, command: &str) -> Result<String, String> {
        self.send(command);
        loop {
            let mut line = String::new();
            match self.reader.read_line(&mut line) {
                Ok(0) => panic!("'{command}': the connection was closed"),
                Ok(_) => {}
                Err(e) => panic!("'{command}': {e}"),
            }
            let line = line.trim_end();
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["IRQ", change @ ("raise" | "lower"), number] => {
                    let number = number.parse().expect("a line's number");
                    let level = *change == "raise";
                    self.lines.insert(number, level);
                    self.changes.push((number, level));
                }
                ["OK", rest @ ..] => return Ok(rest.join(" ")),
                ["FAIL", rest @ ..] => return Err(rest.join(" ")),
                _ => panic!("'{command}': the answer is '{line}'"),
            }
        }
    }

    /// A command that must not fail.
    pub fn ask(&mut self, command: &str) -> String {
        self.try_ask(command)
            .unwrap_or_else(|why| panic!("'{command}': {why}"))
    }

    fn number(&mut self, command: &str) -> u64 {
        let text = self.ask(command);
        let number = match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => text.parse(),
        };
        number.unwrap_or_else(|e| panic!("'{command}': '{text}': {e}"))
    }

    /// Writes a byte to a port.
    pub fn outb(&mut self, port: u16, value: u8) {
        self.ask(&format!("outb {port:#x} {value:#x}"));
    }

    /// Reads a byte from a port.
    pub fn inb(&mut self, port: u16) -> u8 {
        self.number(&format!("inb {port:#x}")) as u8
    }

    /// Reads a number from memory: `readb` to `readq`.
    pub fn read(&mut self, command: &str, address: u64) -> u64 {
        self.number(&format!("{command} {address:#x}"))
    }

    /// Virtual time goes on by so many nanoseconds; what it is then.
    pub fn step(&mut self, ns: u64) -> u64 {
        self.number(&format!("clock_step {ns}"))
    }

    /// Virtual time goes on to the next timer; what it is then.
    pub fn step_to_timer(&mut self) -> u64 {
        self.number("clock_step")
    }

    /// The level of an intercepted line, as last told.
    pub fn line(&self, number: u32) -> bool {
        self.lines.get(&number).copied().unwrap_or(false)
    }

    /// Changes of intercepted lines since the last call.
    pub fn changes(&mut self) -> Vec<(u32, bool)> {
        std::mem::take(&mut self.changes)
    }

    /// Waits for the program's end.
    pub fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.child.try_wait().expect("waiting for a child") {
                return status;
            }
            assert!(Instant::now() < until, "the program does not end");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Ends the program as libqtest does: SIGTERM, and its exit status must be 0.
    pub fn finish(mut self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill {pid}");
        assert_eq!(self.wait().code(), Some(0), "{}", self.errors());
    }

    /// What the program has said on standard error.
    pub fn errors(&self) -> String {
        std::fs::read_to_string(self.path("stderr")).unwrap_or_default()
    }
}

impl Drop for Qtest {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
