//! Moving a guest from one program to another: the two programs, the migration between them, what
//! the guest `move` says of it, and a channel that fails on demand.
//!
//! Nothing here knows our program from QEMU: both speak the same QMP.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{Emu, EmuBuilder, Qmp};

/// How long a migration may take before a test fails. Generous: machines are slow.
pub const LIMIT: Duration = Duration::from_secs(120);

/// One program of a move, with its QMP connection.
pub struct Side {
    /// The program.
    pub emu: Emu,
    /// Its control connection.
    pub qmp: Qmp,
}

impl Side {
    /// Starts a program.
    pub fn start(builder: EmuBuilder) -> Self {
        let emu = builder.start();
        let qmp = emu.qmp();
        Self { emu, qmp }
    }

    /// Starts a program that waits for a guest at `address`, and waits until it does.
    pub fn waiting(builder: EmuBuilder, address: &str) -> Self {
        let mut side = Self::start(builder.args(["-incoming", "defer"]));
        side.qmp.ok("migrate-incoming", json!({ "uri": address }));
        side
    }

    /// The run state's name.
    pub fn state(&mut self) -> String {
        let status = self.qmp.ok("query-status", json!({}));
        status["status"].as_str().unwrap_or_default().to_owned()
    }

    /// Whether the guest runs.
    pub fn runs(&mut self) -> bool {
        self.qmp.ok("query-status", json!({}))["running"] == true
    }

    /// Waits for one of these migration statuses; the answer of `query-migrate` with it.
    pub fn migration(&mut self, wanted: &[&str]) -> Value {
        let until = Instant::now() + LIMIT;
        loop {
            let answer = self.qmp.ok("query-migrate", json!({}));
            if wanted.iter().any(|status| answer["status"] == *status) {
                return answer;
            }
            assert!(
                Instant::now() < until,
                "waiting for {wanted:?}: {answer}; stderr: {}",
                self.emu.stderr()
            );
            sleep(Duration::from_millis(1));
        }
    }

    /// Gives the guest away to who waits at `address`; fails the test if that fails.
    pub fn give(&mut self, address: &str) -> Value {
        self.qmp.ok("migrate", json!({ "uri": address }));
        let answer = self.migration(&["completed", "failed", "cancelled"]);
        assert_eq!(
            answer["status"],
            "completed",
            "{answer}; stderr: {}",
            self.emu.stderr()
        );
        answer
    }

    /// Asks the guest `move` for a report, on the side where it runs.
    pub fn report(&self) -> Report {
        self.emu.type_text("r");
        self.next_report()
    }

    /// The next report of the guest `move`; fails the test if none comes.
    pub fn next_report(&self) -> Report {
        self.report_within(LIMIT)
            .unwrap_or_else(|why| panic!("{why}\nstderr: {}", self.emu.stderr()))
    }

    /// The next report of the guest `move`.
    ///
    /// # Errors
    /// None has come within the limit, or something else has.
    pub fn report_within(&self, limit: Duration) -> Result<Report, String> {
        self.emu.console.expect("MOVE sweeps=", limit)?;
        let line = self.emu.console.line(limit)?;
        Report::parse(&line).ok_or_else(|| format!("no report: {line:?}"))
    }
}

/// What the guest `move` says; times in TOD units (1/4096 microsecond).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// How often it has written all of its memory.
    pub sweeps: u64,
    /// Clock comparator interruptions.
    pub ticks: u64,
    /// The latest of them.
    pub late: u64,
    /// The longest step between two looks at the TOD clock.
    pub step: u64,
    /// How much further the TOD clock has moved than the CPU timer.
    pub apart: i64,
    /// The TOD clock.
    pub tod: u64,
}

impl Report {
    /// What follows `MOVE sweeps=`.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let sweeps = words.next()?.parse().ok()?;
        let mut value = |name: &str| {
            words
                .next()
                .and_then(|word| word.strip_prefix(name))
                .and_then(|word| word.strip_prefix('='))
        };
        let ticks = value("ticks")?.parse().ok()?;
        let mut hex = |name: &str| value(name).and_then(|text| u64::from_str_radix(text, 16).ok());
        Some(Self {
            sweeps,
            ticks,
            late: hex("late")?,
            step: hex("step")?,
            apart: hex("apart")?.cast_signed(),
            tod: hex("tod")?,
        })
    }
}

/// A folder with a place for a socket.
pub struct Meeting(tempfile::TempDir);

impl Meeting {
    /// A new one.
    #[expect(
        clippy::new_without_default,
        reason = "it makes a folder, which a default should not"
    )]
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// The path of a socket in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The address of a socket in it.
    pub fn address(&self, name: &str) -> String {
        format!("unix:{}", self.path(name).display())
    }
}

/// What goes wrong with a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Both directions end after so many bytes of one.
    Cut,
    /// One bit of the byte at that place is another one.
    Flip(u8),
    /// After so many bytes of one direction nothing moves in either, but nothing is closed.
    Stall,
    /// The byte at that place is missing.
    Drop,
}

/// The direction that a fault is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the source to the destination.
    Forth,
    /// From the destination to the source.
    Back,
}

/// A channel between source and destination with a fault at one place.
pub struct FaultyChannel {
    threads: Vec<JoinHandle<()>>,
    /// Bytes passed on, forth and back.
    passed: Arc<[AtomicU64; 2]>,
}

impl FaultyChannel {
    /// Listens at `from`, passes on to `to`; `fault` happens at byte `at` of `direction`.
    pub fn new(from: &Path, to: &Path, direction: Direction, at: u64, fault: Fault) -> Self {
        let listener = UnixListener::bind(from).expect("a socket");
        let to = to.to_owned();
        let passed: Arc<[AtomicU64; 2]> = Arc::default();
        let count = Arc::clone(&passed);
        let thread = std::thread::spawn(move || {
            let Ok((source, _)) = listener.accept() else {
                return;
            };
            let Ok(destination) = UnixStream::connect(&to) else {
                return;
            };
            let plan = |own: Direction| if own == direction { fault } else { Fault::None };
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    pass(&source, &destination, plan(Direction::Forth), at, &count[0]);
                });
                scope.spawn(|| {
                    pass(&destination, &source, plan(Direction::Back), at, &count[1]);
                });
            });
        });
        Self {
            threads: vec![thread],
            passed,
        }
    }

    /// Bytes passed on from source to destination.
    pub fn forth(&self) -> u64 {
        self.passed[0].load(Ordering::Relaxed)
    }

    /// Bytes passed on from destination to source.
    pub fn back(&self) -> u64 {
        self.passed[1].load(Ordering::Relaxed)
    }

    /// Waits until both sides have closed.
    pub fn join(self) {
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

/// Passes bytes on until the end or the fault.
fn pass(mut from: &UnixStream, mut to: &UnixStream, fault: Fault, at: u64, count: &AtomicU64) {
    let close = || {
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    };
    let mut buffer = vec![0; 64 << 10];
    let mut place = 0u64;
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer) else {
            let _ = to.shutdown(Shutdown::Write);
            return;
        };
        let mut bytes = &mut buffer[..length];
        let inside = at.checked_sub(place).filter(|at| *at < length as u64);
        if let Some(offset) = inside.map(|at| at as usize) {
            match fault {
                Fault::None => {}
                Fault::Flip(bit) => bytes[offset] ^= 1 << (bit & 7),
                Fault::Cut => {
                    let _ = to.write_all(&bytes[..offset]);
                    count.fetch_add(offset as u64, Ordering::Relaxed);
                    return close();
                }
                Fault::Stall => {
                    let _ = to.write_all(&bytes[..offset]);
                    count.fetch_add(offset as u64, Ordering::Relaxed);
                    // Until a side gives up.
                    let mut rest = [0; 4096];
                    while from
                        .set_read_timeout(Some(Duration::from_millis(50)))
                        .is_ok()
                    {
                        match (&mut from).read(&mut rest) {
                            Ok(0) => break,
                            Ok(_) => {}
                            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                            Err(_) => break,
                        }
                    }
                    return close();
                }
                Fault::Drop => {
                    bytes.copy_within(offset + 1.., offset);
                    bytes = &mut bytes[..length - 1];
                }
            }
        }
        place += length as u64;
        if to.write_all(bytes).is_err() {
            return close();
        }
        count.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read() {
        let line = "12 ticks=3 late=0000000000001000 step=0000000000002000 \
                    apart=FFFFFFFFFFFFFFFF tod=E39E645D91283D80";
        assert_eq!(
            Report::parse(line),
            Some(Report {
                sweeps: 12,
                ticks: 3,
                late: 0x1000,
                step: 0x2000,
                apart: -1,
                tod: 0xe39e_645d_9128_3d80,
            })
        );
        assert_eq!(Report::parse("12 ticks=3 late=1"), None);
    }
}
