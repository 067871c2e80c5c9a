//! Where a stream goes to or comes from, as QEMU's `migrate` and `-incoming` have it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A migration URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uri {
    /// `unix:PATH`: a socket in the file system.
    Unix {
        /// Its path.
        path: PathBuf,
    },
    /// `tcp:HOST:PORT`.
    Tcp {
        /// Name or address; `None` (`tcp::PORT` and `tcp:0:PORT`) is this host alone.
        host: Option<String>,
        /// The port; 0 listens on one that is free.
        port: u16,
    },
    /// `exec:COMMAND`: the standard input or output of a shell command.
    Exec {
        /// The command, for `/bin/sh -c`.
        command: String,
    },
    /// `file:PATH[,offset=N]`.
    File {
        /// The file.
        path: PathBuf,
        /// Where in it the stream begins, in bytes.
        offset: u64,
    },
    /// `fd:N`: a descriptor that the program was started with.
    Fd {
        /// Its number.
        number: i32,
    },
    /// `fd:NAME`: a descriptor that was given through a monitor (`getfd`).
    NamedFd {
        /// The name it was given.
        name: String,
    },
}

/// Why a text is no migration URI.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// It names no transport.
    #[error(
        "unknown migration protocol: '{text}' (known are unix:PATH, tcp:HOST:PORT, exec:COMMAND, \
         file:PATH[,offset=N] and fd:NUMBER-OR-NAME)"
    )]
    Protocol {
        /// The text.
        text: String,
    },
    /// Something is missing.
    #[error("'{text}' has no {what}")]
    Missing {
        /// The text.
        text: String,
        /// What is missing.
        what: &'static str,
    },
    /// Something has no meaning.
    #[error("'{value}' in '{text}' is no {what}")]
    Value {
        /// The text.
        text: String,
        /// The part of it.
        value: String,
        /// What it should be.
        what: &'static str,
    },
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let unknown = || UriError::Protocol {
            text: text.to_owned(),
        };
        let (scheme, rest) = text.split_once(':').ok_or_else(unknown)?;
        let parser = Parser { text };
        match scheme {
            "unix" => Ok(Self::Unix {
                path: parser.present(rest, "path")?.into(),
            }),
            "tcp" => parser.tcp(rest),
            "exec" => Ok(Self::Exec {
                command: parser.present(rest, "command")?.to_owned(),
            }),
            "file" => parser.file(rest),
            "fd" => parser.fd(rest),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix { path } => write!(f, "unix:{}", path.display()),
            Self::Tcp { host: None, port } => write!(f, "tcp::{port}"),
            Self::Tcp {
                host: Some(host),
                port,
            } if host.contains(':') => write!(f, "tcp:[{host}]:{port}"),
            Self::Tcp {
                host: Some(host),
                port,
            } => write!(f, "tcp:{host}:{port}"),
            Self::Exec { command } => write!(f, "exec:{command}"),
            Self::File { path, offset: 0 } => write!(f, "file:{}", path.display()),
            Self::File { path, offset } => {
                write!(f, "file:{},offset={offset}", path.display())
            }
            Self::Fd { number } => write!(f, "fd:{number}"),
            Self::NamedFd { name } => write!(f, "fd:{name}"),
        }
    }
}

/// Parses the parts of one text, which its errors cite.
struct Parser<'a> {
    text: &'a str,
}

impl Parser<'_> {
    fn present<'b>(&self, part: &'b str, what: &'static str) -> Result<&'b str, UriError> {
        if part.is_empty() {
            return Err(UriError::Missing {
                text: self.text.to_owned(),
                what,
            });
        }
        Ok(part)
    }

    fn value(&self, value: &str, what: &'static str) -> UriError {
        UriError::Value {
            text: self.text.to_owned(),
            value: value.to_owned(),
            what,
        }
    }

    fn tcp(&self, rest: &str) -> Result<Uri, UriError> {
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest
                    .split_once(']')
                    .ok_or_else(|| self.value(rest, "IPv6 address in brackets"))?;
                (host, rest.strip_prefix(':').unwrap_or_default())
            }
            None => rest.rsplit_once(':').unwrap_or((rest, "")),
        };
        if host.contains([',', '[', ']', '/']) {
            return Err(self.value(host, "host"));
        }
        let port = self.present(port, "port")?;
        let port = port
            .parse()
            .map_err(|_| self.value(port, "port (0 to 65535)"))?;
        let host = match host {
            "" | "0" => None,
            host => Some(host.to_owned()),
        };
        Ok(Uri::Tcp { host, port })
    }

    fn file(&self, rest: &str) -> Result<Uri, UriError> {
        let (path, offset) = match rest.rsplit_once(",offset=") {
            Some((path, text)) => {
                let offset = size(text)
                    .ok_or_else(|| self.value(text, "offset in bytes (as 4096 or 4k)"))?;
                (path, offset)
            }
            None => (rest, 0),
        };
        Ok(Uri::File {
            path: self.present(path, "path")?.into(),
            offset,
        })
    }

    /// QEMU takes what begins with a digit for a number.
    fn fd(&self, rest: &str) -> Result<Uri, UriError> {
        let name = self.present(rest, "descriptor")?;
        if !name.starts_with(|c: char| c.is_ascii_digit()) {
            return Ok(Uri::NamedFd {
                name: name.to_owned(),
            });
        }
        let number = name
            .parse()
            .map_err(|_| self.value(name, "descriptor's number"))?;
        Ok(Uri::Fd { number })
    }
}

/// A size in bytes as QEMU writes them: decimal or `0x`, with a suffix for powers of 1024.
fn size(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    if let Some(digits) = digits {
        return u64::from_str_radix(digits, 16).ok();
    }
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let shift = match suffix {
        "" | "b" | "B" => 0,
        "k" | "K" => 10,
        "m" | "M" => 20,
        "g" | "G" => 30,
        "t" | "T" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}
