//! The device on a VM's clocks, on a simulated host.

use std::sync::{Arc, Mutex};

use machine::RealTimeClock;
use migration::{Part, PartError};
use tod::run::Layer;
use tod::{
    Cause, ClockManager, EpochClock, Policy, RunControl, RunState, SavedClocks, SimHost, Timebase,
    Timeline, Tod, UnixTime, VcpuGate,
};

use super::START_S;
use crate::clock::rtc::spec::{self, b, c};
use crate::clock::rtc::{Output, RtcClock, RtcConfig, RtcDevice, RtcListener, RtcPart};

const SECOND: u64 = 1_000_000_000;

struct Vm {
    host: SimHost,
    timeline: Arc<Timeline>,
    clocks: Arc<ClockManager>,
    run: RunControl<Arc<VcpuGate>>,
    rtc: Arc<RtcDevice>,
    outputs: Arc<Mutex<Vec<Output>>>,
}

impl Vm {
    fn new(policy: Policy) -> Self {
        // A counter in TOD units: a nanosecond of the host is one of the guest's to the unit.
        Self::on(SimHost::with_counter_hz(4_096_000_000), policy)
    }

    fn on(host: SimHost, policy: Policy) -> Self {
        let timebase = Timebase::new(Arc::new(host.clone())).unwrap();
        let timeline = Timeline::new(&timebase);
        let clocks = ClockManager::new(Arc::clone(&timeline));
        let start = Tod::from_unix(UnixTime::new(START_S, 0).unwrap()).unwrap();
        let reference = EpochClock::new(&timebase, start, &timebase.reading());
        clocks
            .register("rtc", Box::new(Arc::clone(&reference)), policy)
            .unwrap();
        let outputs = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&outputs);
        let rtc = RtcDevice::new(&timeline, &reference, RtcConfig::default(), move |output| {
            sink.lock().unwrap().push(output);
        });
        let gate = Arc::new(VcpuGate::new(vec![]));
        let mut run = RunControl::new(RunState::Prelaunch, gate, Arc::clone(&clocks));
        run.add_listener(Layer::Devices, Box::new(RtcListener::new(&rtc)));
        Self {
            host,
            timeline,
            clocks,
            run,
            rtc,
            outputs,
        }
    }

    fn cont(&mut self) {
        self.run.cont(Cause::Monitor).unwrap();
        self.timeline.run_due();
    }

    fn stop(&mut self) {
        self.run.stop(RunState::Paused, Cause::Monitor).unwrap();
    }

    /// Host time passes; timers fire when they are due.
    fn pass(&self, ns: u64) {
        let mut left = ns;
        while let Some(next) = self.timeline.ns_to_next_deadline()
            && next <= left
        {
            self.host.advance(next);
            left -= next;
            self.timeline.run_due();
        }
        self.host.advance(left);
        self.timeline.run_due();
    }

    fn write(&self, register: u8, value: u8) {
        self.rtc.write_port(spec::INDEX_PORT, register);
        self.rtc.write_port(spec::DATA_PORT, value);
    }

    fn read(&self, register: u8) -> u8 {
        self.rtc.write_port(spec::INDEX_PORT, register);
        self.rtc.read_port(spec::DATA_PORT)
    }

    fn time(&self) -> [u8; 3] {
        [spec::HOURS, spec::MINUTES, spec::SECONDS].map(|register| self.read(register))
    }

    /// Interrupts since the last call.
    fn raised(&self) -> usize {
        let outputs = std::mem::take(&mut *self.outputs.lock().unwrap());
        outputs
            .iter()
            .filter(|output| **output == Output::Raise)
            .count()
    }

    fn load(&mut self, part: &[u8], clocks: SavedClocks) {
        RtcPart::new(&self.rtc).load(1, part).unwrap();
        self.clocks.on_load(clocks, None, Cause::Migration).unwrap();
    }
}

/// The guest's clock two hours ahead, 08:05:04, and an alarm in 10 s.
fn with_alarm(vm: &Vm) {
    vm.write(spec::HOURS, 0x08);
    vm.write(spec::SECONDS_ALARM, 0x14);
    vm.write(spec::MINUTES_ALARM, 0xC0);
    vm.write(spec::HOURS_ALARM, 0xC0);
    vm.write(spec::REG_B, b::HOURS_24 | b::AIE);
}

#[test]
fn an_alarm_fires_after_what_was_left_of_it() {
    let mut vm = Vm::new(Policy::Freeze);
    vm.cont();
    with_alarm(&vm);
    vm.pass(4 * SECOND);
    for _ in 0..1000 {
        vm.stop();
        vm.pass(3600 * SECOND + 7);
        assert_eq!((vm.raised(), vm.rtc.time().tm_sec), (0, 8));
        vm.cont();
    }
    assert_eq!(vm.time(), [0x08, 0x05, 0x08]);
    vm.pass(6 * SECOND - 1);
    assert_eq!((vm.raised(), vm.time()[2]), (0, 0x13));
    vm.pass(1);
    assert_eq!((vm.raised(), vm.time()[2]), (1, 0x14));
    assert_eq!(vm.read(spec::REG_C) & c::AF, c::AF);
    vm.pass(59 * SECOND);
    assert_eq!(vm.raised(), 0);
    assert_eq!(vm.rtc.offset_s(), 7200);
}

#[test]
fn nothing_fires_while_the_vm_stands_whoever_looks() {
    let mut vm = Vm::new(Policy::Freeze);
    vm.cont();
    with_alarm(&vm);
    vm.pass(9 * SECOND);
    vm.stop();
    vm.pass(SECOND);
    for _ in 0..10 {
        vm.pass(60 * SECOND);
        let time = vm.rtc.time();
        assert_eq!((time.tm_hour, time.tm_min, time.tm_sec), (8, 5, 13));
        RtcPart::new(&vm.rtc).save().unwrap();
    }
    assert_eq!(vm.raised(), 0);
    vm.cont();
    vm.pass(SECOND);
    assert_eq!(vm.raised(), 1);
}

#[test]
fn an_alarm_in_a_granted_gap_fires_once_at_resume() {
    assert_eq!(RtcClock::Host.policy(), Policy::CatchUp);
    let mut vm = Vm::new(RtcClock::Host.policy());
    vm.cont();
    with_alarm(&vm);
    vm.pass(4 * SECOND);
    vm.stop();
    vm.pass(3 * 3600 * SECOND);
    assert_eq!(vm.raised(), 0);
    vm.cont();
    assert_eq!(vm.raised(), 1);
    assert_eq!(vm.time(), [0x11, 0x05, 0x08]);
    vm.read(spec::REG_C);
    vm.pass(5 * SECOND);
    assert_eq!(vm.raised(), 0);
    vm.pass(SECOND);
    assert_eq!(vm.raised(), 1);
}

#[test]
fn periods_neither_stop_short_nor_double_over_a_thousand_stops() {
    let mut vm = Vm::new(Policy::Freeze);
    vm.cont();
    vm.write(spec::REG_B, b::HOURS_24 | b::PIE);
    vm.read(spec::REG_C);
    let mut periods = 0;
    for cycle in 0..1000u64 {
        // Not in step with the periods of 976,562.5 ns.
        let mut left = 3_333_333 + cycle % 7;
        while let Some(next) = vm.timeline.ns_to_next_deadline()
            && next <= left
        {
            vm.host.advance(next);
            left -= next;
            vm.timeline.run_due();
            periods += vm.raised() as u64;
            vm.read(spec::REG_C);
        }
        vm.host.advance(left);
        vm.stop();
        vm.host.advance(SECOND + cycle);
        vm.cont();
        periods += vm.raised() as u64;
        vm.read(spec::REG_C);
    }
    let ran: u64 = (0..1000).map(|cycle| 3_333_333 + cycle % 7).sum();
    assert_eq!(periods, ran * 1024 / SECOND);
}

#[test]
fn offset_and_alarm_go_with_the_vm_to_another_host() {
    let mut source = Vm::new(Policy::Freeze);
    source.cont();
    with_alarm(&source);
    source.pass(9 * SECOND + 250_000_000);
    source.stop();
    // Saved late, loaded later, on a host whose clocks agree about nothing.
    source.host.advance(500 * SECOND);
    let part = RtcPart::new(&source.rtc).save().unwrap();
    let clocks = source.clocks.on_save(Cause::Migration);
    let host = SimHost::with_counter_hz(24_000_000);
    host.advance(86_400 * SECOND);
    host.step(-12_345 * SECOND as i64);
    let mut vm = Vm::on(host, Policy::Freeze);
    vm.load(&part, clocks);
    let loaded = std::mem::take(&mut *vm.outputs.lock().unwrap());
    assert_eq!(loaded, [Output::OffsetLoaded { offset_s: 7200 }]);
    vm.pass(3600 * SECOND);
    assert_eq!(vm.rtc.time().tm_sec, 13);
    assert_eq!(
        RtcPart::new(&vm.rtc).save().unwrap(),
        part,
        "it has not run since"
    );
    vm.cont();
    vm.pass(749_999_000);
    assert_eq!((vm.raised(), vm.time()), (0, [0x08, 0x05, 0x13]));
    vm.pass(2_000);
    assert_eq!((vm.raised(), vm.time()), (1, [0x08, 0x05, 0x14]));
    vm.read(spec::REG_C);
    vm.pass(59 * SECOND);
    assert_eq!(vm.raised(), 0);
    vm.pass(SECOND);
    assert_eq!(vm.raised(), 1);
}

#[test]
fn a_part_of_another_version_or_none_at_all_is_refused() {
    let vm = Vm::new(Policy::Freeze);
    let mut part = RtcPart::new(&vm.rtc);
    let saved = part.save().unwrap();
    assert!(matches!(
        part.load(2, &saved),
        Err(PartError::Version { found: 2, .. })
    ));
    assert!(matches!(part.load(1, &[]), Err(PartError::Codec { .. })));
    assert!(saved.len() <= part.max_bytes());
    part.load(1, &saved).unwrap();
}
