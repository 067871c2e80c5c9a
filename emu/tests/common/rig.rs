//! Runs the program inside the test, on sockets in a folder of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use emu::cli::{Invocation, parse};
use serde_json::Value;

use super::fake::TYPES;

/// Nothing takes this long but what hangs.
pub const LIMIT: Duration = Duration::from_secs(30);

/// The program, running on a thread.
pub struct Rig {
    pub folder: tempfile::TempDir,
    thread: Option<JoinHandle<Result<u8, String>>>,
    starts: bool,
}

impl Rig {
    /// Starts it; `@` in an argument stands for the rig's folder.
    pub fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let words: Vec<String> = ["emu"]
            .iter()
            .chain(arguments)
            .map(|word| word.replace('@', folder.path().to_str().unwrap()))
            .collect();
        let thread = thread::spawn(move || match parse(&words, TYPES) {
            Ok(Invocation::Run(settings)) => {
                emu::run_inside(*settings, TYPES).map_err(|e| e.to_string())
            }
            Ok(Invocation::Print(text)) => Err(text),
            Err(e) => Err(e.to_string()),
        });
        Self {
            folder,
            thread: Some(thread),
            starts: !arguments.contains(&"-S"),
        }
    }

    /// The usual one: console and two QMP monitors, nothing on the terminal.
    pub fn usual(extra: &[&str]) -> Self {
        let mut words = vec![
            "-nodefaults",
            "-display",
            "none",
            "-serial",
            "unix:@/con,server=on,wait=off",
            "-qmp",
            "unix:@/qmp,server=on,wait=off",
            "-qmp",
            "unix:@/qmp2,server=on,wait=off",
            "-monitor",
            "unix:@/hmp,server=on,wait=off",
        ];
        words.extend(extra);
        Self::start(&words)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn connect(&self, name: &str) -> Line {
        Line::connect(&self.path(name))
    }

    /// A negotiated QMP connection.
    pub fn qmp(&self, name: &str) -> Line {
        let mut line = self.connect(name);
        assert!(line.read_line().starts_with(r#"{"QMP": {"version""#));
        line.send(r#"{"execute":"qmp_capabilities"}"#);
        assert_eq!(line.read_line(), r#"{"return": {}}"#);
        if self.starts {
            // Answered by run control: the launch and its events are over then.
            line.execute("cont");
        }
        line
    }

    /// The exit status, or the message.
    pub fn end(&mut self) -> Result<u8, String> {
        let thread = self.thread.take().unwrap();
        let until = Instant::now() + LIMIT;
        while !thread.is_finished() {
            assert!(Instant::now() < until, "the program does not end");
            thread::sleep(Duration::from_millis(1));
        }
        thread.join().unwrap()
    }
}

/// A connection.
pub struct Line {
    pub stream: UnixStream,
    reader: BufReader<UnixStream>,
}

impl Line {
    pub fn connect(path: &Path) -> Self {
        let until = Instant::now() + LIMIT;
        let stream = loop {
            match UnixStream::connect(path) {
                Ok(stream) => break stream,
                Err(e) => assert!(Instant::now() < until, "{}: {e}", path.display()),
            }
            thread::sleep(Duration::from_millis(1));
        };
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        Self { stream, reader }
    }

    pub fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    /// One line without its end.
    pub fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        line.trim_end_matches(['\r', '\n']).to_owned()
    }

    /// Everything to the end of the connection.
    pub fn read_rest(&mut self) -> String {
        let mut text = String::new();
        self.reader.read_to_string(&mut text).unwrap();
        text
    }

    /// Reads up to and including `end`.
    pub fn read_until(&mut self, end: &str) -> String {
        let mut text = Vec::new();
        let mut byte = [0];
        while !text.ends_with(end.as_bytes()) {
            if let Err(e) = self.reader.read_exact(&mut byte) {
                panic!("{e}; no {end:?} in {:?}", String::from_utf8_lossy(&text));
            }
            text.push(byte[0]);
        }
        String::from_utf8(text).unwrap()
    }

    /// Sends a QMP command; its answer, and the names of events before it.
    pub fn command(&mut self, text: &str) -> (Vec<String>, Value) {
        self.send(text);
        let mut events = Vec::new();
        loop {
            let value: Value = serde_json::from_str(&self.read_line()).unwrap();
            match value.get("event").and_then(Value::as_str) {
                Some(name) => events.push(name.to_owned()),
                None => return (events, value),
            }
        }
    }

    /// The next event.
    pub fn event(&mut self) -> Value {
        let value: Value = serde_json::from_str(&self.read_line()).unwrap();
        assert!(value.get("event").is_some(), "{value}");
        value
    }

    pub fn execute(&mut self, name: &str) -> (Vec<String>, Value) {
        self.command(&format!(r#"{{"execute":"{name}"}}"#))
    }
}
