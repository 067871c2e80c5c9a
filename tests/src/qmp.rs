//! A QMP client over a Unix socket.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long an answer or event may take before a test fails. Generous: machines are slow.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A negotiated connection.
pub struct Qmp {
    stream: UnixStream,
    reader: BufReader<UnixStream>,
    /// Events that came while an answer was waited for.
    events: Vec<Value>,
    /// The greeting, as received.
    pub greeting: Value,
}

impl Qmp {
    /// Connects (waiting for the socket to appear), reads the greeting and negotiates.
    ///
    /// # Errors
    /// No such socket within the time, or a peer that does not speak QMP.
    pub fn connect(path: &Path) -> Result<Self, String> {
        let until = Instant::now() + LIMIT;
        let stream = loop {
            match UnixStream::connect(path) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() > until => {
                    return Err(format!("connecting to {}: {error}", path.display()));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(2)),
            }
        };
        Self::over(stream)
    }

    /// Reads the greeting on a connection and negotiates.
    ///
    /// # Errors
    /// A peer that does not speak QMP.
    pub fn over(stream: UnixStream) -> Result<Self, String> {
        stream
            .set_read_timeout(Some(LIMIT))
            .map_err(|e| e.to_string())?;
        let reader = BufReader::new(stream.try_clone().map_err(|e| e.to_string())?);
        let mut qmp = Self {
            stream,
            reader,
            events: Vec::new(),
            greeting: Value::Null,
        };
        qmp.greeting = qmp.read()?;
        if qmp.greeting.get("QMP").is_none() {
            return Err(format!("no QMP greeting: {}", qmp.greeting));
        }
        qmp.command("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    fn read(&mut self) -> Result<Value, String> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) => Err("the QMP connection was closed".into()),
            Ok(_) => serde_json::from_str(&line).map_err(|e| format!("{line:?}: {e}")),
            Err(error) => Err(format!("reading from QMP: {error}")),
        }
    }

    /// Sends a command and waits for its answer: the return value.
    ///
    /// # Errors
    /// The error's description, or a broken connection.
    pub fn command(&mut self, name: &str, arguments: Value) -> Result<Value, String> {
        self.send(name, arguments)?;
        self.answer()
    }

    /// Sends a command without waiting.
    ///
    /// # Errors
    /// A broken connection.
    pub fn send(&mut self, name: &str, arguments: Value) -> Result<(), String> {
        let mut command = json!({ "execute": name });
        if arguments.as_object().is_some_and(|a| !a.is_empty()) {
            command["arguments"] = arguments;
        }
        let line = format!("{command}\n");
        self.stream
            .write_all(line.as_bytes())
            .map_err(|e| format!("writing to QMP: {e}"))
    }

    /// Waits for the answer to the last command sent.
    ///
    /// # Errors
    /// As [`Qmp::command`].
    pub fn answer(&mut self) -> Result<Value, String> {
        loop {
            let message = self.read()?;
            if message.get("event").is_some() {
                self.events.push(message);
            } else if let Some(value) = message.get("return") {
                return Ok(value.clone());
            } else {
                return Err(message["error"]["desc"].as_str().unwrap_or("?").to_owned());
            }
        }
    }

    /// A command whose failure fails the test.
    pub fn ok(&mut self, name: &str, arguments: Value) -> Value {
        self.command(name, arguments)
            .unwrap_or_else(|why| panic!("{name}: {why}"))
    }

    /// Waits for an event of that name, dropping others before it.
    ///
    /// # Errors
    /// A broken connection or none within the time.
    pub fn event(&mut self, name: &str) -> Result<Value, String> {
        while let Some(event) = if self.events.is_empty() {
            None
        } else {
            Some(self.events.remove(0))
        } {
            if event["event"] == name {
                return Ok(event);
            }
        }
        loop {
            let message = self.read()?;
            if message["event"] == name {
                return Ok(message);
            }
        }
    }

    /// Events received so far and not yet taken, by name.
    pub fn taken_events(&self) -> Vec<&str> {
        self.events
            .iter()
            .filter_map(|event| event["event"].as_str())
            .collect()
    }

    /// The QMP face of an HMP command.
    pub fn hmp(&mut self, line: &str) -> String {
        let answer = self.ok("human-monitor-command", json!({ "command-line": line }));
        answer.as_str().unwrap_or_default().to_owned()
    }
}
