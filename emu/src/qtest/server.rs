//! One test's connection: commands in, replies out.
//!
//! [`Server`] takes the bytes that come from the test and gives those to send back. What it
//! drives is a [`Target`]; which machine that is, and the socket, are not its business. Virtual
//! time moves only by `clock_step` and `clock_set`, and stops at every deadline on the way, so
//! that timers fire at their own time.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::command::{Command, Direction, LATEST_NS, Width};

/// The most bytes of memory that one command reads or writes.
pub(super) const MAX_BYTES: u64 = 16 << 20;

/// The most bytes that one `memset` fills: 64 GiB.
pub(super) const MAX_FILLED: u64 = 64 << 30;

/// The longest line: a write of [`MAX_BYTES`] in hexadecimal digits.
const MAX_LINE: usize = 2 * MAX_BYTES as usize + 256;

/// The machine that a test drives. Nothing in it runs by itself.
pub trait Target {
    /// Whether the guest's memory is big-endian.
    fn is_big_endian(&self) -> bool;

    /// Reads an I/O port; what nobody answers reads as ones.
    fn read_port(&mut self, port: u16, width: Width) -> u32;

    /// Writes an I/O port.
    fn write_port(&mut self, port: u16, width: Width, value: u32);

    /// Reads physical memory; where there is none, `bytes` may stay as they are.
    fn read_memory(&mut self, address: u64, bytes: &mut [u8]);

    /// Writes physical memory; what lies where there is none is dropped.
    fn write_memory(&mut self, address: u64, bytes: &[u8]);

    /// Virtual time, in nanoseconds; 0 at first.
    fn now_ns(&self) -> u64;

    /// When the next timer is due; none if none is armed.
    fn next_deadline_ns(&self) -> Option<u64>;

    /// Moves virtual time forward to `ns` and fires what is due then. A machine that is stopped
    /// stays where it is.
    fn move_to(&mut self, ns: u64);

    /// From now on [`Target::take_lines`] gives those of this device.
    ///
    /// # Errors
    /// The reply's text when it has no such lines.
    fn intercept(&mut self, direction: Direction, device: &str) -> Result<(), String>;

    /// Lines of the intercepted device that were driven, with their levels, in order.
    fn take_lines(&mut self) -> Vec<(u32, bool)>;

    /// Drives a line that comes to a device.
    ///
    /// # Errors
    /// The reply's text when it has no such line.
    fn drive_line(&mut self, device: &str, line: u32, level: bool) -> Result<(), String>;
}

/// Whose lines the test is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Intercepted {
    Nobody,
    Device {
        direction: Direction,
        device: String,
    },
}

/// Which way a line went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the test.
    Received,
    /// To the test.
    Sent,
}

/// Gets every line of the protocol, without its end.
pub type Log = Box<dyn FnMut(Way, &str) + Send>;

/// What has come of a line whose end has not.
enum Input {
    Line(Vec<u8>),
    /// More than any command has: the rest of it is of no interest.
    TooLong,
}

/// One test's connection.
pub struct Server<T> {
    target: T,
    log: Option<Log>,
    input: Input,
    intercepted: Intercepted,
    /// Levels last told; lines that are not here are low.
    levels: BTreeMap<u32, bool>,
}

impl<T: Target> Server<T> {
    /// A connection to `target`.
    pub fn new(target: T, log: Option<Log>) -> Self {
        Self {
            target,
            log,
            input: Input::Line(Vec::new()),
            intercepted: Intercepted::Nobody,
            levels: BTreeMap::new(),
        }
    }

    /// The machine.
    pub fn target(&mut self) -> &mut T {
        &mut self.target
    }

    /// Another test connects, in place of the one before: it knows no levels, and what is left
    /// of the other's input is not its. What is intercepted stays so, as in QEMU.
    pub fn connected(&mut self) {
        self.input = Input::Line(Vec::new());
        self.levels.clear();
    }

    /// Takes what has come from the test, any part of lines, and does the commands that are
    /// complete. What is to be sent to the test.
    pub fn receive(&mut self, bytes: &[u8]) -> String {
        let mut replies = String::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            if let Input::Line(line) = &mut self.input {
                line.extend(part);
                if line.len() > MAX_LINE {
                    self.input = Input::TooLong;
                }
            }
            if part.ends_with(b"\n") {
                match std::mem::replace(&mut self.input, Input::Line(Vec::new())) {
                    Input::Line(line) => {
                        self.line(&String::from_utf8_lossy(&line), &mut replies);
                    }
                    Input::TooLong => self.reply(
                        &Err(format!("a line has more than {MAX_LINE} bytes")),
                        &mut replies,
                    ),
                }
            }
        }
        replies
    }

    fn line(&mut self, line: &str, replies: &mut String) {
        self.log(Way::Received, line.trim_end());
        let reply = match Command::parse(line) {
            Ok(None) => return,
            Ok(Some(command)) => self.perform(command),
            Err(error) => Err(error.to_string()),
        };
        self.tell_lines(replies);
        self.reply(&reply, replies);
    }

    fn reply(&mut self, reply: &Result<String, String>, replies: &mut String) {
        let text = match reply {
            Ok(value) if value.is_empty() => "OK".to_owned(),
            Ok(value) => format!("OK {value}"),
            Err(why) => format!("FAIL {why}"),
        };
        self.send(&text, replies);
    }

    fn send(&mut self, line: &str, replies: &mut String) {
        self.log(Way::Sent, line);
        replies.push_str(line);
        replies.push('\n');
    }

    fn log(&mut self, way: Way, line: &str) {
        if let Some(log) = &mut self.log {
            log(way, line);
        }
    }

    /// Lines come before the reply to the command that drove them, and only changes.
    fn tell_lines(&mut self, replies: &mut String) {
        for (line, level) in self.target.take_lines() {
            if self.intercepted == Intercepted::Nobody {
                continue;
            }
            if self.levels.insert(line, level).unwrap_or(false) != level {
                let change = if level { "raise" } else { "lower" };
                self.send(&format!("IRQ {change} {line}"), replies);
            }
        }
    }

    /// The reply's value or why it failed.
    fn perform(&mut self, command: Command<'_>) -> Result<String, String> {
        let done = Ok(String::new());
        match command {
            Command::Endianness => {
                let name = if self.target.is_big_endian() {
                    "big"
                } else {
                    "little"
                };
                Ok(name.into())
            }
            Command::Out { width, port, value } => {
                let value = cut(u64::from(value), width) as u32;
                self.target.write_port(port, width, value);
                done
            }
            Command::In { width, port } => {
                let value = cut(u64::from(self.target.read_port(port, width)), width);
                Ok(format!("{value:#06x}"))
            }
            Command::WriteValue {
                width,
                address,
                value,
            } => {
                let bytes = if self.target.is_big_endian() {
                    (value << (64 - 8 * width.bytes())).to_be_bytes()
                } else {
                    value.to_le_bytes()
                };
                self.target.write_memory(address, &bytes[..width.bytes()]);
                done
            }
            Command::ReadValue { width, address } => {
                let mut bytes = [0; 8];
                self.target
                    .read_memory(address, &mut bytes[..width.bytes()]);
                let value = if self.target.is_big_endian() {
                    u64::from_be_bytes(bytes) >> (64 - 8 * width.bytes())
                } else {
                    u64::from_le_bytes(bytes)
                };
                Ok(format!("{value:#018x}"))
            }
            Command::Read { size: 0, .. } => Err("'read' of no bytes".into()),
            Command::Read { address, size } => {
                // At most MAX_BYTES.
                let mut bytes = vec![0; size as usize];
                self.target.read_memory(address, &mut bytes);
                let mut digits = String::with_capacity(2 * bytes.len() + 2);
                digits.push_str("0x");
                for byte in bytes {
                    let _ = write!(digits, "{byte:02x}");
                }
                Ok(digits)
            }
            Command::Write {
                address,
                size,
                digits,
            } => {
                let mut bytes = vec![0; size as usize];
                for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
                    *byte = nibble(pair[0]) << 4 | nibble(pair[1]);
                }
                self.target.write_memory(address, &bytes);
                done
            }
            Command::ReadBase64 { size: 0, .. } => Err("'b64read' of no bytes".into()),
            Command::ReadBase64 { address, size } => {
                // At most MAX_BYTES.
                let mut bytes = vec![0; size as usize];
                self.target.read_memory(address, &mut bytes);
                Ok(BASE64.encode(bytes))
            }
            Command::WriteBase64 {
                address,
                size,
                text,
            } => {
                let bytes = BASE64
                    .decode(text)
                    .map_err(|error| format!("'b64write': the data is not base64: {error}"))?;
                // As in QEMU: no more than there is, and no more than was said.
                let count = bytes.len().min(size as usize);
                self.target.write_memory(address, &bytes[..count]);
                done
            }
            Command::Memset {
                address,
                size,
                value,
            } => {
                self.memset(address, size, value);
                done
            }
            Command::Intercept { direction, device } => self.intercept(direction, device),
            Command::SetLine {
                device,
                line,
                level,
            } => self
                .target
                .drive_line(device, line, level)
                .map(|()| String::new()),
            Command::ClockStep(by) => self.clock_step(by),
            Command::ClockSet(to) => {
                self.advance(to);
                let now = self.target.now_ns();
                if now == to {
                    Ok(now.to_string())
                } else {
                    Err(now.to_string())
                }
            }
        }
    }

    fn memset(&mut self, address: u64, size: u64, value: u8) {
        const PIECE: u64 = 64 << 10;
        let piece = [value; PIECE as usize];
        // No address is above 2^64: what goes beyond is nowhere.
        let end = address.saturating_add(size);
        let mut at = address;
        while at < end {
            let bytes = (end - at).min(PIECE);
            self.target.write_memory(at, &piece[..bytes as usize]);
            at += bytes;
        }
    }

    fn intercept(&mut self, direction: Direction, device: &str) -> Result<String, String> {
        let wanted = Intercepted::Device {
            direction,
            device: device.into(),
        };
        if self.intercepted == wanted {
            return Ok(String::new());
        }
        if self.intercepted != Intercepted::Nobody {
            return Err("IRQ intercept already enabled".into());
        }
        self.target.intercept(direction, device)?;
        self.intercepted = wanted;
        Ok(String::new())
    }

    fn clock_step(&mut self, by: Option<u64>) -> Result<String, String> {
        let old = self.target.now_ns();
        let to = match by {
            Some(ns) => old.saturating_add(ns).min(LATEST_NS),
            None => self.target.next_deadline_ns().ok_or(
                "cannot advance clock to the next deadline because there is no pending deadline",
            )?,
        };
        self.advance(to);
        let now = self.target.now_ns();
        if now > old {
            Ok(now.to_string())
        } else {
            Err("could not advance time".into())
        }
    }

    /// Moves to `to`, by way of each deadline.
    fn advance(&mut self, to: u64) {
        let mut now = self.target.now_ns();
        while let Some(due) = self.target.next_deadline_ns()
            && due <= to
        {
            let before = now;
            self.target.move_to(due.max(now));
            now = self.target.now_ns();
            if now < due || now == before && self.target.next_deadline_ns() == Some(due) {
                // It is stopped, or a timer that has just fired is due again at once.
                break;
            }
        }
        if now < to {
            self.target.move_to(to);
        }
    }
}

fn cut(value: u64, width: Width) -> u64 {
    value & u64::MAX >> (64 - 8 * width.bytes())
}

/// The value of a hexadecimal digit.
fn nibble(digit: u8) -> u8 {
    char::from(digit).to_digit(16).unwrap_or(0) as u8
}
