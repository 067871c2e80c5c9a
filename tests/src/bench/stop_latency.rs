//! How long it takes from the request to stop until the last vCPU has left the guest, with all
//! vCPUs in tight loops of several kinds.
//!
//! The machine is in this process, so that nothing but run control, the vCPU threads and the
//! engine is measured: no monitor, no socket. The host must have a CPU for each vCPU, or its
//! scheduler is measured as well.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use machine::{
    Accel, BootSource, ConsoleOutput, Engine, Identity, Machine, MachineConfig, MachineParts,
    RtcOptions, Smp,
};
use tod::clock::{ClockManager, StartToken};
use tod::host::{HostClock, LinuxHost};
use tod::run::{AllParked, Cause, RunControl, RunState, Vcpus};
use tod::{HostReading, Timebase, Timeline};

use super::Sample;
use crate::guests::image;

/// What the guest `tight` does with `loop=` its place here.
const LOOPS: [&str; 7] = [
    "a branch to itself",
    "linked blocks",
    "MVCLE of 1 MiB",
    "chain of pointers",
    "calls and returns",
    "MVCL of 8 MiB",
    "CLST of 4 MiB",
];

/// How long all vCPUs may take to come to their loops.
const READY: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Screen(Mutex<Vec<u8>>);

impl ConsoleOutput for Screen {
    fn write(&self, bytes: &[u8]) {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.extend_from_slice(bytes);
    }
}

impl Screen {
    fn says(&self, what: &str) -> bool {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&text).contains(what)
    }
}

/// Microseconds of the stops of one machine, from the request.
#[derive(Default)]
struct Stops {
    /// Until the last vCPU was out of the guest.
    out: Sample,
    /// Until the requester's thread knew.
    known: Sample,
}

/// A machine whose stops are timed.
struct Timed {
    machine: Box<dyn Machine>,
    timebase: Arc<Timebase>,
    stops: Mutex<Stops>,
}

impl Vcpus for Timed {
    fn park(&self) -> AllParked {
        let request = self.timebase.reading();
        let parked = self.machine.park();
        let known = self.timebase.reading();
        let microseconds = |at: HostReading| {
            let units = at.host.tod().signed_units_since(request.host.tod());
            units as f64 / 4096.0
        };
        let mut stops = self.stops.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(out) = parked.reading() {
            stops.out.0.push(microseconds(out));
            stops.known.0.push(microseconds(known));
        }
        parked
    }

    fn unpark(&self, token: StartToken) {
        self.machine.unpark(token);
    }
}

/// The stops of a machine with so many vCPUs in loop number `number`.
fn stops(engine: Engine, cpus: u32, number: usize, count: usize) -> Result<Stops, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let host: Arc<dyn HostClock> = Arc::new(LinuxHost::new());
    let timebase = Timebase::new(host.clone()).map_err(|e| text(&e))?;
    let timeline = Timeline::new(&timebase);
    timeline.start_thread().map_err(|e| text(&e))?;
    let clocks = ClockManager::new(timeline);
    let screen = Arc::new(Screen::default());
    let (events, _keep) = crossbeam::channel::unbounded();
    let config = MachineConfig {
        machine: "s390-ccw-virtio".into(),
        cpu: None,
        smp: Smp::flat(cpus, cpus),
        ram_bytes: 64 << 20,
        accel: Accel::Tcg(engine.into()),
        boot: BootSource {
            kernel: Some(image("tight")),
            initrd: None,
            cmdline: format!("loop={number}"),
            ..BootSource::default()
        },
        identity: Identity::default(),
        devices: Vec::new(),
        lost_ticks: Default::default(),
        rtc: RtcOptions::default(),
        trace: Vec::new(),
    };
    let parts = MachineParts {
        host,
        clocks: &clocks,
        events,
        console: Some(screen.clone()),
    };
    let machine = s390x::machine::TYPE
        .create(&config, parts)
        .map_err(|e| text(&e))?;
    let timed = Timed {
        machine,
        timebase,
        stops: Mutex::default(),
    };
    let mut control = RunControl::new(RunState::Prelaunch, timed, clocks);
    control.cont(Cause::Launch).map_err(|e| text(&e))?;
    let until = Instant::now() + READY;
    while !screen.says("TIGHT") {
        if Instant::now() > until {
            return Err("the guest does not come to its loop".into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    for _ in 0..count {
        std::thread::sleep(Duration::from_millis(2));
        control
            .stop(RunState::Paused, Cause::Monitor)
            .map_err(|e| text(&e))?;
        control.cont(Cause::Monitor).map_err(|e| text(&e))?;
    }
    control
        .stop(RunState::Shutdown, Cause::Monitor)
        .map_err(|e| text(&e))?;
    let timed = control.vcpus();
    timed.machine.shut_down();
    let mut stops = timed.stops.lock().unwrap_or_else(PoisonError::into_inner);
    // The last one comes without a pause before it.
    stops.out.0.pop();
    stops.known.0.pop();
    Ok(std::mem::take(&mut stops))
}

/// Prints microseconds from the stop request until the last vCPU was out of the guest, and until
/// the requester knew: medians, least and greatest, for each loop with 1, 2 and 8 vCPUs, on the default engine and the interpreter.
pub fn print(count: usize) {
    let host_cpus = std::thread::available_parallelism().map_or(1, |cpus| cpus.get());
    println!("  {count} stops each; the host has {host_cpus} CPUs");
    for (name, engine) in [("default", Engine::Default), ("interp", Engine::Interp)] {
        for cpus in [1, 2, 8] {
            for (number, what) in LOOPS.iter().enumerate() {
                let row = format!("{name}, {cpus} vCPUs, {what}");
                match stops(engine, cpus, number, count) {
                    Ok(stops) => println!("  {row:<44} {} us, known {} us", stops.out, stops.known),
                    Err(why) => println!("  {row:<44} {why}"),
                }
            }
        }
    }
}
