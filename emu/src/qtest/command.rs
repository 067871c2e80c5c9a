//! One line of the qtest protocol, taken apart. Not here: what a command does.

use super::server::{MAX_BYTES, MAX_FILLED};

/// Bytes of one access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// `b`: 1 byte.
    Byte,
    /// `w`: 2 bytes.
    Word,
    /// `l`: 4 bytes.
    Long,
    /// `q`: 8 bytes; memory only.
    Quad,
}

impl Width {
    fn of(letter: &str) -> Option<Self> {
        Some(match letter {
            "b" => Self::Byte,
            "w" => Self::Word,
            "l" => Self::Long,
            "q" => Self::Quad,
            _ => return None,
        })
    }

    /// In bytes.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Byte => 1,
            Self::Word => 2,
            Self::Long => 4,
            Self::Quad => 8,
        }
    }
}

/// Which lines of a device are listened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// `irq_intercept_in`: those that come to it.
    In,
    /// `irq_intercept_out`: those that it drives.
    Out,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command<'a> {
    Endianness,
    Out {
        width: Width,
        port: u16,
        value: u32,
    },
    In {
        width: Width,
        port: u16,
    },
    WriteValue {
        width: Width,
        address: u64,
        value: u64,
    },
    ReadValue {
        width: Width,
        address: u64,
    },
    Read {
        address: u64,
        size: u64,
    },
    /// Digits without the prefix.
    Write {
        address: u64,
        size: u64,
        digits: &'a str,
    },
    Memset {
        address: u64,
        size: u64,
        value: u8,
    },
    ReadBase64 {
        address: u64,
        size: u64,
    },
    WriteBase64 {
        address: u64,
        size: u64,
        text: &'a str,
    },
    Intercept {
        direction: Direction,
        device: &'a str,
    },
    SetLine {
        device: &'a str,
        line: u32,
        level: bool,
    },
    /// To the next deadline without a number.
    ClockStep(Option<u64>),
    ClockSet(u64),
}

/// Why a line is no command; the reply's text after `FAIL`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CommandError {
    #[error("Unknown command '{0}'")]
    Unknown(String),
    #[error("'{command}' lacks its {what}")]
    Missing { command: String, what: &'static str },
    #[error("'{command}': {what} '{found}' is not a number from 0 to {limit:#x}")]
    Number {
        command: String,
        what: &'static str,
        found: String,
        limit: u64,
    },
    #[error("'{command}': '{found}' is one word too many")]
    Extra { command: String, found: String },
    #[error("'{command}': the data is not '0x' and pairs of hexadecimal digits")]
    Data { command: String },
    #[error("'{command}': '{found}' is not '{UNNAMED_LINES}', and no lines here have a name")]
    Name { command: String, found: String },
}

/// What a test calls input lines without a name.
const UNNAMED_LINES: &str = "unnamed-gpio-in";

/// A number as C's `strtoull` reads it with base 0, without a sign.
fn number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    if digits.starts_with('+') {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

struct Words<'a> {
    command: &'a str,
    rest: std::str::SplitAsciiWhitespace<'a>,
}

impl<'a> Words<'a> {
    fn word(&mut self, what: &'static str) -> Result<&'a str, CommandError> {
        self.rest.next().ok_or_else(|| CommandError::Missing {
            command: self.command.into(),
            what,
        })
    }

    fn number(&mut self, what: &'static str, limit: u64) -> Result<u64, CommandError> {
        let found = self.word(what)?;
        self.as_number(found, what, limit)
    }

    fn as_number(&self, found: &str, what: &'static str, limit: u64) -> Result<u64, CommandError> {
        number(found)
            .filter(|number| *number <= limit)
            .ok_or_else(|| CommandError::Number {
                command: self.command.into(),
                what,
                found: found.into(),
                limit,
            })
    }

    fn address(&mut self) -> Result<u64, CommandError> {
        self.number("address", u64::MAX)
    }

    fn port(&mut self) -> Result<u16, CommandError> {
        Ok(self.number("port", u16::MAX.into())? as u16)
    }
}

/// The latest virtual time, as QEMU has it: it counts nanoseconds in a signed number.
pub(super) const LATEST_NS: u64 = i64::MAX as u64;

impl<'a> Command<'a> {
    /// Takes a line apart; none if it is empty.
    pub(super) fn parse(line: &'a str) -> Result<Option<Self>, CommandError> {
        let mut rest = line.split_ascii_whitespace();
        let Some(command) = rest.next() else {
            return Ok(None);
        };
        let mut words = Words { command, rest };
        let parsed = Self::parse_words(&mut words)?;
        match words.rest.next() {
            None => Ok(Some(parsed)),
            Some(found) => Err(CommandError::Extra {
                command: command.into(),
                found: found.into(),
            }),
        }
    }

    fn parse_words(words: &mut Words<'a>) -> Result<Self, CommandError> {
        let of_width = |prefix| words.command.strip_prefix(prefix).and_then(Width::of);
        let of_port = |prefix| of_width(prefix).filter(|width| *width != Width::Quad);
        if let Some(width) = of_port("out") {
            return Ok(Self::Out {
                width,
                port: words.port()?,
                // More bytes than the access has are cut off.
                value: words.number("value", u64::MAX)? as u32,
            });
        }
        if let Some(width) = of_port("in") {
            return Ok(Self::In {
                width,
                port: words.port()?,
            });
        }
        if let Some(width) = of_width("write") {
            return Ok(Self::WriteValue {
                width,
                address: words.address()?,
                value: words.number("value", u64::MAX)?,
            });
        }
        if let Some(width) = of_width("read") {
            return Ok(Self::ReadValue {
                width,
                address: words.address()?,
            });
        }
        let size = "size";
        Ok(match words.command {
            "endianness" => Self::Endianness,
            "read" => Self::Read {
                address: words.address()?,
                size: words.number(size, MAX_BYTES)?,
            },
            "write" => Self::Write {
                address: words.address()?,
                size: words.number(size, MAX_BYTES)?,
                digits: words.data()?,
            },
            "memset" => Self::Memset {
                address: words.address()?,
                size: words.number(size, MAX_FILLED)?,
                value: words.number("value", u64::MAX)? as u8,
            },
            "b64read" => Self::ReadBase64 {
                address: words.address()?,
                size: words.number(size, MAX_BYTES)?,
            },
            "b64write" => Self::WriteBase64 {
                address: words.address()?,
                size: words.number(size, MAX_BYTES)?,
                text: words.word("data")?,
            },
            "irq_intercept_in" => Self::Intercept {
                direction: Direction::In,
                device: words.word("device")?,
            },
            "irq_intercept_out" => Self::Intercept {
                direction: Direction::Out,
                device: words.word("device")?,
            },
            "set_irq_in" => {
                let device = words.word("device")?;
                let name = words.word("name")?;
                if name != UNNAMED_LINES {
                    return Err(CommandError::Name {
                        command: words.command.into(),
                        found: name.into(),
                    });
                }
                Self::SetLine {
                    device,
                    line: words.number("line", u32::MAX.into())? as u32,
                    level: words.number("level", u64::MAX)? != 0,
                }
            }
            "clock_step" => Self::ClockStep(match words.rest.next() {
                None => None,
                Some(found) => Some(words.as_number(found, "time", LATEST_NS)?),
            }),
            "clock_set" => Self::ClockSet(words.number("time", LATEST_NS)?),
            other => return Err(CommandError::Unknown(other.into())),
        })
    }
}

impl<'a> Words<'a> {
    fn data(&mut self) -> Result<&'a str, CommandError> {
        self.word("data")?
            .strip_prefix("0x")
            .filter(|digits| digits.len().is_multiple_of(2))
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .ok_or_else(|| CommandError::Data {
                command: self.command.into(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_strtoull_reads_them() {
        for (text, value) in [
            ("0", Some(0)),
            ("10", Some(10)),
            ("010", Some(8)),
            ("0x10", Some(16)),
            ("0XfF", Some(255)),
            ("0xffffffffffffffff", Some(u64::MAX)),
            ("0x10000000000000000", None),
            ("-1", None),
            ("+1", None),
            ("0x+1", None),
            ("08", None),
            ("0x", None),
            ("", None),
            ("1x", None),
        ] {
            assert_eq!(number(text), value, "'{text}'");
        }
    }

    #[test]
    fn lines_become_commands_or_say_why_not() {
        let parse = |line| Command::parse(line).map_err(|error| error.to_string());
        assert_eq!(parse(""), Ok(None));
        assert_eq!(parse("  \r"), Ok(None));
        assert_eq!(
            parse("outb 0x70 0xb"),
            Ok(Some(Command::Out {
                width: Width::Byte,
                port: 0x70,
                value: 0xB
            }))
        );
        assert_eq!(
            parse("readq 0x1000"),
            Ok(Some(Command::ReadValue {
                width: Width::Quad,
                address: 0x1000
            }))
        );
        assert_eq!(parse("clock_step"), Ok(Some(Command::ClockStep(None))));
        assert_eq!(
            parse("clock_step 1000000000"),
            Ok(Some(Command::ClockStep(Some(1_000_000_000))))
        );
        for (line, text) in [
            ("frob 1", "Unknown command 'frob'"),
            ("inq 0x70", "Unknown command 'inq'"),
            ("readx 1", "Unknown command 'readx'"),
            ("inb", "'inb' lacks its port"),
            ("outb 0x70", "'outb' lacks its value"),
            (
                "inb 0x10000",
                "'inb': port '0x10000' is not a number from 0 to 0xffff",
            ),
            ("inb 1 2", "'inb': '2' is one word too many"),
            (
                "write 0 1 0x1",
                "'write': the data is not '0x' and pairs of hexadecimal digits",
            ),
            (
                "clock_set -5",
                "'clock_set': time '-5' is not a number from 0 to 0x7fffffffffffffff",
            ),
        ] {
            assert_eq!(parse(line), Err(text.to_owned()));
        }
    }
}
