//! A machine under the qtest protocol, and the virtual time that it lives in.
//!
//! [`VirtualTime`] is a host whose clocks move only here. The VM's timeline and every guest clock
//! follow it, as they follow a real host's clocks: what a test sees of stop, cont and saved
//! states is what a guest sees. Its timers fire on the thread that moves the time.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use machine::{Bench, LineEnd, Machine};
use tod::value::{ns_from_units_ceil, units_from_ns};
use tod::{HostClock, SimHost, Timeline};

use super::command::{Direction, Width};
use super::server::Target;

/// The counter's rate: one tick for each unit of guest time, so that a step of n nanoseconds is
/// one of n nanoseconds for every clock, without rounding.
const COUNTER_HZ: u64 = 4_096_000_000;

/// A host whose clocks stand until a test moves them. Shared by cloning.
#[derive(Clone)]
pub struct VirtualTime(SimHost);

impl VirtualTime {
    /// A host whose wallclock shows now.
    #[must_use]
    pub fn starting_now() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let ns = now.map_or(0, |since| {
            i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
        });
        Self::starting_at(ns)
    }

    /// A host whose wallclock shows so many nanoseconds since 1970.
    #[must_use]
    pub fn starting_at(realtime_ns: i64) -> Self {
        let host = SimHost::with_counter_hz(COUNTER_HZ);
        host.set_realtime_ns(realtime_ns);
        Self(host)
    }

    /// The host's clocks.
    #[must_use]
    pub fn host(&self) -> Arc<dyn HostClock> {
        Arc::new(self.0.clone())
    }
}

/// A machine that a test drives.
pub struct MachineBench {
    machine: Arc<dyn Machine>,
    time: VirtualTime,
    timeline: Arc<Timeline>,
    /// Virtual time: what the test has moved it by.
    ns: u64,
}

/// The machine offers no way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this machine has no way in for a test")]
pub struct NoBench;

impl MachineBench {
    /// A machine whose timeline runs by `time`, and has no thread.
    ///
    /// # Errors
    /// [`NoBench`].
    pub fn new(
        machine: Arc<dyn Machine>,
        time: VirtualTime,
        timeline: Arc<Timeline>,
    ) -> Result<Self, NoBench> {
        machine.bench().ok_or(NoBench)?;
        Ok(Self {
            machine,
            time,
            timeline,
            ns: 0,
        })
    }

    /// Looked up at each use, for it belongs to the machine; it was there at the start.
    fn with<T: Default>(&self, act: impl FnOnce(&dyn Bench) -> T) -> T {
        self.machine.bench().map(act).unwrap_or_default()
    }
}

fn end(direction: Direction) -> LineEnd {
    match direction {
        Direction::In => LineEnd::In,
        Direction::Out => LineEnd::Out,
    }
}

impl Target for MachineBench {
    fn is_big_endian(&self) -> bool {
        self.machine.big_endian()
    }

    fn read_port(&mut self, port: u16, width: Width) -> u32 {
        // Port I/O is little-endian wherever it exists.
        let mut bytes = [0; 4];
        self.with(|bench| bench.read_port(port, &mut bytes[..width.bytes().min(4)]));
        u32::from_le_bytes(bytes)
    }

    fn write_port(&mut self, port: u16, width: Width, value: u32) {
        let bytes = value.to_le_bytes();
        self.with(|bench| bench.write_port(port, &bytes[..width.bytes().min(4)]));
    }

    fn read_memory(&mut self, address: u64, bytes: &mut [u8]) {
        self.with(|bench| bench.read_memory(address, bytes));
    }

    fn write_memory(&mut self, address: u64, bytes: &[u8]) {
        self.with(|bench| bench.write_memory(address, bytes));
    }

    fn now_ns(&self) -> u64 {
        self.ns
    }

    fn next_deadline_ns(&self) -> Option<u64> {
        // What became due without a move, as after a cont, has no deadline left.
        self.timeline.run_due();
        let due = self.timeline.next_deadline()?;
        if !self.timeline.is_running() {
            return None;
        }
        // The counter has a tick for each unit that has passed since virtual time 0, rounded
        // down, and the timeline moves by those: so the nanosecond in which it shows `due` is
        // known exactly, whatever it showed at first.
        let left = due.saturating_since(self.timeline.now()).units();
        let passed = units_from_ns(self.ns.into()) + i128::from(left);
        u64::try_from(ns_from_units_ceil(passed)).ok()
    }

    fn move_to(&mut self, ns: u64) {
        let Some(by) = ns
            .checked_sub(self.ns)
            .filter(|_| self.timeline.is_running())
        else {
            return;
        };
        self.time.0.advance(by);
        self.ns = ns;
        self.timeline.run_due();
    }

    fn intercept(&mut self, direction: Direction, device: &str) -> Result<(), String> {
        match self.machine.bench() {
            Some(bench) => bench
                .intercept(end(direction), device)
                .map_err(|error| error.to_string()),
            None => Err(NoBench.to_string()),
        }
    }

    fn take_lines(&mut self) -> Vec<(u32, bool)> {
        self.with(|bench| bench.take_lines())
    }

    fn drive_line(&mut self, device: &str, line: u32, level: bool) -> Result<(), String> {
        match self.machine.bench() {
            Some(bench) => bench
                .drive_line(device, line, level)
                .map_err(|error| error.to_string()),
            None => Err(NoBench.to_string()),
        }
    }
}
