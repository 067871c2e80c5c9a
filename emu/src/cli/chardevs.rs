//! `-chardev KIND,...` and the short form of `-serial`, `-monitor` and `-qmp`.

use std::path::PathBuf;

use super::{CliError, KeyVals, help};

/// A character device as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChardevSpec {
    /// Its id, unique.
    pub id: String,
    /// What it is.
    pub kind: ChardevKind,
    /// Whether several users share it, switched with Ctrl-A c.
    pub mux: bool,
    /// The option that asked for it, for messages.
    pub argument: String,
}

/// The kinds of character devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChardevKind {
    /// Takes everything, gives nothing.
    Null,
    /// Standard input and output.
    Stdio {
        /// Whether Ctrl-C at the terminal is a signal rather than input.
        signal: bool,
    },
    /// Output into a file.
    File {
        /// The file.
        path: PathBuf,
        /// Keep what it holds.
        append: bool,
    },
    /// Named pipes `PATH.in` and `PATH.out`, or one at `PATH`.
    Pipe {
        /// The path.
        path: PathBuf,
    },
    /// A stream socket.
    Socket(SocketSpec),
}

/// A stream socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketSpec {
    /// Where.
    pub address: SocketAddress,
    /// Which side.
    pub mode: Mode,
}

/// Where a socket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketAddress {
    /// A path.
    Unix(PathBuf),
    /// A host name or address and a port.
    Tcp {
        /// Host; for a server the address to listen on, empty for all.
        host: String,
        /// Port; 0 lets the host choose.
        port: u16,
    },
}

/// Which side of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Listens, for one client after another.
    Server {
        /// Hold up the start until the first client is there.
        wait: bool,
    },
    /// Connects once, at start.
    Client,
}

impl ChardevSpec {
    /// `-chardev VALUE`.
    ///
    /// # Errors
    /// Any mistake in it.
    pub(super) fn parse(option: &str, value: &str) -> Result<Self, CliError> {
        let mut kv = KeyVals::parse(option, value, Some("backend"))?;
        let backend = kv.require("backend", "a kind of chardev")?;
        let id = kv.require("id", "the chardev's id")?;
        check_id(&kv, &id)?;
        let mux = kv.switch("mux")?.unwrap_or(false);
        let argument = kv.argument().to_owned();
        let kind = match backend.as_str() {
            "null" => ChardevKind::Null,
            "stdio" => ChardevKind::Stdio {
                signal: kv.switch("signal")?.unwrap_or(true),
            },
            "file" => ChardevKind::File {
                path: kv.require("path", "a file name")?.into(),
                append: kv.switch("append")?.unwrap_or(false),
            },
            "pipe" => ChardevKind::Pipe {
                path: kv.require("path", "a path")?.into(),
            },
            "socket" => {
                let address = match (kv.take("path")?, kv.take("host")?, kv.take("port")?) {
                    (Some(path), None, None) => SocketAddress::Unix(path.into()),
                    (None, host, Some(port)) => SocketAddress::Tcp {
                        host: host.unwrap_or_default(),
                        port: parse_port(&kv, &port)?,
                    },
                    (None, Some(_), None) => {
                        return Err(kv.error("parameter 'port' is missing, expected a port number"));
                    }
                    (None, None, None) => {
                        return Err(kv.error("expected path=PATH, or host=HOST and port=PORT"));
                    }
                    (Some(_), ..) => {
                        return Err(kv.error("expected either path= or host= and port=, not both"));
                    }
                };
                ChardevKind::Socket(socket(&mut kv, address)?)
            }
            other => {
                return Err(kv.error(format!(
                    "'{other}' is not a chardev kind, expected one of: {}",
                    help::chardevs()
                        .lines()
                        .skip(1)
                        .map(str::trim)
                        .collect::<Vec<_>>()
                        .join(", ")
                )));
            }
        };
        kv.finish()?;
        Ok(Self {
            id,
            kind,
            mux,
            argument,
        })
    }

    /// The short form, as `-serial VALUE` has it. `id` names the new device.
    ///
    /// # Errors
    /// Any mistake in it.
    pub(super) fn parse_short(option: &str, value: &str, id: String) -> Result<Self, CliError> {
        let argument = format!("{option} {value}");
        let fail = |problem: &str| Err(CliError::new(&argument, problem));
        let kind = match value.split_once(':') {
            None if value == "null" => ChardevKind::Null,
            None if value == "stdio" => ChardevKind::Stdio { signal: true },
            Some(("mon", "stdio")) => ChardevKind::Stdio { signal: false },
            Some(("mon", rest)) => {
                let inner = Self::parse_short(option, rest, id)?;
                return Ok(Self {
                    mux: true,
                    argument,
                    ..inner
                });
            }
            Some(("file" | "pipe" | "unix" | "tcp", "")) => {
                return fail("expected something after the colon");
            }
            Some(("file", path)) => ChardevKind::File {
                path: path.into(),
                append: false,
            },
            Some(("pipe", path)) => ChardevKind::Pipe { path: path.into() },
            Some((scheme @ ("unix" | "tcp"), _)) => {
                let mut kv = KeyVals::parse(option, value, Some("address"))?;
                let address = kv.require("address", "an address")?;
                let address = &address[scheme.len() + 1..];
                let address = if scheme == "unix" {
                    SocketAddress::Unix(address.into())
                } else {
                    let Some((host, port)) = address.rsplit_once(':') else {
                        return fail("expected tcp:HOST:PORT");
                    };
                    let host = host.trim_start_matches('[').trim_end_matches(']');
                    SocketAddress::Tcp {
                        host: host.into(),
                        port: parse_port(&kv, port)?,
                    }
                };
                let spec = socket(&mut kv, address)?;
                kv.finish()?;
                ChardevKind::Socket(spec)
            }
            _ => {
                return fail(
                    "expected stdio, mon:DEV, file:PATH, pipe:PATH, null, none, chardev:ID, \
                     unix:PATH or tcp:HOST:PORT",
                );
            }
        };
        let mux = value.starts_with("mon:");
        Ok(Self {
            id,
            kind,
            mux,
            argument,
        })
    }
}

fn socket(kv: &mut KeyVals, address: SocketAddress) -> Result<SocketSpec, CliError> {
    let server = kv.switch("server")?.unwrap_or(false);
    let wait = kv.switch("wait")?;
    // Latency settings which are always as if on.
    let delay = kv.switch("delay")?;
    let nodelay = kv.switch("nodelay")?;
    if delay == Some(true) || nodelay == Some(false) {
        return Err(kv.error("this version always sends at once, expected nodelay=on"));
    }
    let mode = match (server, wait) {
        (true, wait) => Mode::Server {
            wait: wait.unwrap_or(true),
        },
        (false, None) => Mode::Client,
        (false, Some(_)) => {
            return Err(kv.error("parameter 'wait' is for servers, expected server=on with it"));
        }
    };
    Ok(SocketSpec { address, mode })
}

fn parse_port(kv: &KeyVals, text: &str) -> Result<u16, CliError> {
    text.parse()
        .map_err(|_| kv.error(format!("port '{text}' is not a number from 0 to 65535")))
}

/// QEMU's rule for ids: a letter, then letters, digits, `-`, `.`, `_`.
fn check_id(kv: &KeyVals, id: &str) -> Result<(), CliError> {
    let mut chars = id.chars();
    let good = chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    if good {
        Ok(())
    } else {
        Err(kv.error(format!(
            "parameter 'id' is '{id}', expected a letter and then letters, digits, '-', '.', '_'"
        )))
    }
}
