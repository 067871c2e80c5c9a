//! The machine as the program builds it, with the checked-in guests, without the program.

#![allow(clippy::unwrap_used, reason = "what is unexpected fails the test")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use machine::{
    Accel, BootSource, BootWhen, ConsoleOutput, Engine, GuestEvent, Identity, Machine,
    MachineConfig, MachineParts, PanicInfo, ResetCause, RtcOptions, ShutdownCause, Smp,
};
use tod::clock::ClockManager;
use tod::host::{HostClock, LinuxHost};
use tod::run::{Cause, RunControl, RunState, Vcpus};
use tod::{Timebase, Timeline};

#[derive(Default)]
struct Screen(Mutex<Vec<u8>>);

impl ConsoleOutput for Screen {
    fn write(&self, bytes: &[u8]) {
        self.0.lock().unwrap().extend_from_slice(bytes);
    }
}

struct Running(Box<dyn Machine>);

impl Vcpus for Running {
    fn park(&self) -> tod::run::AllParked {
        self.0.park()
    }
    fn unpark(&self, token: tod::clock::StartToken) {
        self.0.unpark(token);
    }
}

fn image(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/guests/images")
        .join(name)
}

/// Runs a guest to its first event; its console text.
fn run(name: &str, cmdline: &str) -> (GuestEvent, String) {
    run_after(name, cmdline, BootWhen::Creation, |_| {})
}

/// [`run`], with something done to the machine first.
fn run_after(
    name: &str,
    cmdline: &str,
    when: BootWhen,
    first: impl FnOnce(&dyn Machine),
) -> (GuestEvent, String) {
    let host: Arc<dyn HostClock> = Arc::new(LinuxHost::new());
    let timebase = Timebase::new(host.clone()).unwrap();
    let timeline = Timeline::new(&timebase);
    timeline.start_thread().unwrap();
    let clocks = ClockManager::new(timeline);
    let screen = Arc::new(Screen::default());
    let (sender, events) = crossbeam::channel::unbounded();
    let config = MachineConfig {
        machine: "s390-ccw-virtio".into(),
        cpu: None,
        smp: Smp::default(),
        ram_bytes: 64 << 20,
        accel: Accel::Tcg(Engine::Interp.into()),
        boot: BootSource {
            kernel: Some(image(name)),
            initrd: None,
            cmdline: cmdline.into(),
            when,
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
        events: sender,
        console: Some(screen.clone()),
    };
    let machine = s390x::machine::TYPE.create(&config, parts).unwrap();
    first(&*machine);
    let mut control = RunControl::new(RunState::Prelaunch, Running(machine), clocks);
    control.cont(Cause::Launch).unwrap();
    let limit = Instant::now() + Duration::from_secs(120);
    let event = events.recv_deadline(limit);
    let text = String::from_utf8_lossy(&screen.0.lock().unwrap()).into_owned();
    let event = event.unwrap_or_else(|_| {
        panic!(
            "no event\n{}\n{text}",
            control.vcpus().0.registers(0).unwrap()
        )
    });
    control
        .stop(RunState::Shutdown, Cause::GuestShutdown)
        .unwrap();
    control.vcpus().0.shut_down();
    (event, text)
}

#[test]
fn a_guest_greets_and_stops_itself() {
    let (event, text) = run("hello", "");
    assert_eq!(event, GuestEvent::Shutdown(ShutdownCause::Guest), "{text}");
    assert!(text.to_lowercase().contains("hello"), "{text:?}");
}

/// A machine for a guest from elsewhere is empty; a reset boots it all the same.
#[test]
fn what_is_booted_at_a_reset_is_not_in_memory_before() {
    let (event, text) = run_after("hello", "", BootWhen::Reset, |machine| {
        assert!(machine.migration_ram().is_fresh());
        assert_eq!(machine.cpus()[0].state, "stopped");
        machine.reset(ResetCause::HostMonitor).unwrap();
        assert!(!machine.migration_ram().is_fresh());
    });
    assert_eq!(event, GuestEvent::Shutdown(ShutdownCause::Guest), "{text}");
    assert!(text.to_lowercase().contains("hello"), "{text:?}");
}

#[test]
fn a_disabled_wait_is_a_panic_or_an_orderly_end_by_its_address() {
    let (event, text) = run("dwait", "");
    let GuestEvent::Panicked(PanicInfo::S390 {
        reason, psw_addr, ..
    }) = event
    else {
        panic!("{event:?} {text}");
    };
    assert_eq!(reason, "disabled-wait");
    assert_ne!(psw_addr & 0xfff, 0xfff);
}

#[test]
fn what_is_saved_comes_back_and_what_is_damaged_changes_nothing() {
    let host: Arc<dyn HostClock> = Arc::new(LinuxHost::new());
    let clocks = ClockManager::new(Timeline::new(&Timebase::new(host.clone()).unwrap()));
    let (events, _keep) = crossbeam::channel::unbounded();
    let config = MachineConfig {
        machine: "s390-ccw-virtio".into(),
        cpu: None,
        smp: Smp::flat(2, 2),
        ram_bytes: 64 << 20,
        accel: Accel::Tcg(Engine::Interp.into()),
        boot: BootSource {
            kernel: Some(image("hello")),
            initrd: None,
            cmdline: String::new(),
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
        console: None,
    };
    let machine = s390x::machine::TYPE.create(&config, parts).unwrap();
    let saved: Vec<_> = machine
        .parts()
        .iter()
        .map(|part| (part.name(), part.instance(), part.save().unwrap()))
        .collect();
    let names: Vec<_> = saved
        .iter()
        .map(|(name, number, _)| (*name, *number))
        .collect();
    let all = [
        ("s390x-machine", 0),
        ("s390x-keys", 0),
        ("s390x-sclp", 0),
        ("s390x-css", 0),
        ("s390x-watchdog", 0),
        ("s390x-cpu", 0),
        ("s390x-cpu", 1),
    ];
    assert_eq!(names, all);
    // The two CPUs differ: one starts at the kernel, the other is stopped.
    let (operating, stopped) = (&saved[5].2, &saved[6].2);
    assert_ne!(operating, stopped);
    for (number, part) in machine.parts().iter_mut().enumerate() {
        let bytes = &saved[number].2;
        assert!(part.load(part.version() + 1, bytes).is_err());
        assert!(part.load(0, bytes).is_err());
        assert!(
            part.load(part.version(), &bytes[..bytes.len() - 1])
                .is_err()
        );
        assert_eq!(&part.save().unwrap(), bytes);
    }
    // The stopped CPU's state in the first, and back.
    let mut parts = machine.parts();
    let version = parts[5].version();
    parts[5].load(version, stopped).unwrap();
    assert_eq!(&parts[5].save().unwrap(), stopped);
    parts[5].load(version, operating).unwrap();
    assert_eq!(&parts[5].save().unwrap(), operating);
    drop(parts);
    machine.shut_down();
}
