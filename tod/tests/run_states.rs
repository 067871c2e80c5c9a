//! Run states, their transitions, and the order of stop and cont.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::{Arc, Mutex};
use tod::run::{Layer, RunListener, Vcpus};
use tod::{
    AllParked, Captured, Cause, ClockBackend, ClockError, ClockManager, HostReading, Policy,
    RunControl, RunState, SimHost, StartToken, Timebase, Timeline, Tod, VcpuGate,
};

#[test]
fn names_are_qapi_s() {
    let names = [
        "prelaunch",
        "inmigrate",
        "running",
        "paused",
        "finish-migrate",
        "postmigrate",
        "save-vm",
        "restore-vm",
        "shutdown",
        "suspended",
        "guest-panicked",
        "internal-error",
        "io-error",
        "watchdog",
    ];
    for (state, name) in RunState::ALL.into_iter().zip(names) {
        assert_eq!(state.to_string(), name);
        assert_eq!(
            serde_json::to_string(&state).unwrap(),
            format!("\"{name}\"")
        );
        assert_eq!(
            serde_json::from_str::<RunState>(&format!("\"{name}\"")).unwrap(),
            state
        );
    }
    assert_eq!(format!("{:>10}|", RunState::Paused), "    paused|");
}

#[test]
fn only_listed_transitions_are_legal() {
    use RunState::*;
    for state in RunState::ALL {
        assert!(!state.may_become(state), "{state} follows itself");
        assert!(state.become_state(state).is_err());
        // Whatever happens to it, a VM that runs can be stopped.
        if !state.is_running() && Running.may_become(state) {
            assert_ne!(state.successors(), [], "{state} is a trap");
        }
    }
    // A guest that has shut down, or an emulator at fault, needs a reset first.
    for state in [Shutdown, InternalError] {
        assert!(!state.may_become(Running) && state.may_become(Prelaunch));
    }
    // Migration that fails goes back to where it came from.
    for state in [Running, Paused, Prelaunch] {
        assert!(state.may_become(FinishMigrate) && FinishMigrate.may_become(state));
    }
    assert!(FinishMigrate.may_become(Postmigrate) && Inmigrate.may_become(Running));
    assert!(!Running.may_become(Prelaunch) && !Running.may_become(Inmigrate));
    assert_eq!(
        Shutdown.become_state(Running).unwrap_err().to_string(),
        "the VM cannot go from 'shutdown' to 'running'"
    );
}

type Log = Arc<Mutex<Vec<String>>>;

struct Told(&'static str, Log);

impl RunListener for Told {
    fn name(&self) -> &str {
        self.0
    }
    fn on_stop(&mut self, _cause: Cause) {
        self.1.lock().unwrap().push(format!("stop {}", self.0));
    }
    fn on_cont(&mut self, _cause: Cause) {
        self.1.lock().unwrap().push(format!("cont {}", self.0));
    }
}

struct Gate(Arc<VcpuGate>, Log);

impl Vcpus for Gate {
    fn park(&self) -> AllParked {
        self.1.lock().unwrap().push("park".into());
        self.0.close_and_wait()
    }
    fn unpark(&self, token: StartToken) {
        self.1.lock().unwrap().push("unpark".into());
        self.0.open(token);
    }
}

struct Clock(Log);

impl ClockBackend for Clock {
    fn capture(&mut self, _at: &HostReading) -> Result<Captured, ClockError> {
        self.0.lock().unwrap().push("capture".into());
        Ok(Captured::read(Tod::UNIX_EPOCH, 0))
    }
    fn install(&mut self, _value: &Captured, _at: &HostReading) -> Result<(), ClockError> {
        self.0.lock().unwrap().push("install".into());
        Ok(())
    }
}

#[test]
fn vcpus_devices_clocks_and_back() {
    let log = Log::default();
    let timebase = Timebase::new(Arc::new(SimHost::new())).unwrap();
    let clocks = ClockManager::new(Timeline::new(&timebase));
    clocks
        .register("clock", Box::new(Clock(Arc::clone(&log))), Policy::Freeze)
        .unwrap();
    let gate = Gate(Arc::new(VcpuGate::new(Vec::new())), Arc::clone(&log));
    let mut run = RunControl::new(RunState::Running, gate, clocks);
    assert_eq!(
        run.state(),
        RunState::Prelaunch,
        "nothing runs before the first cont"
    );
    let told = |name| Box::new(Told(name, Arc::clone(&log)));
    run.add_listener(Layer::Backends, told("disk file"));
    run.add_listener(Layer::Devices, told("console"));
    run.add_listener(Layer::Vcpus, told("profiler"));
    run.add_listener(Layer::Devices, told("disk"));
    let did = |run: &mut RunControl<Gate>, next: RunState| {
        if next.is_running() {
            run.cont(Cause::Monitor)
        } else {
            run.stop(next, Cause::Monitor)
        }
        .map(|changed| (changed, std::mem::take(&mut *log.lock().unwrap())))
    };
    let started = [
        "cont disk file",
        "cont disk",
        "cont console",
        "cont profiler",
        "unpark",
    ];
    assert_eq!(
        did(&mut run, RunState::Running).unwrap(),
        (true, started.map(String::from).into())
    );
    let stopped = [
        "park",
        "stop profiler",
        "stop console",
        "stop disk",
        "stop disk file",
        "capture",
    ];
    assert_eq!(
        did(&mut run, RunState::Paused).unwrap(),
        (true, stopped.map(String::from).into())
    );
    // Already so: nothing moves (R3).
    assert_eq!(
        did(&mut run, RunState::Paused).unwrap(),
        (false, Vec::new())
    );
    assert_eq!(
        did(&mut run, RunState::Shutdown).unwrap(),
        (true, Vec::new())
    );
    // Not legal: nothing moves, either.
    did(&mut run, RunState::Running).unwrap_err();
    assert_eq!(run.state(), RunState::Shutdown);
    assert!(log.lock().unwrap().is_empty());
    assert_eq!(
        did(&mut run, RunState::Prelaunch).unwrap(),
        (true, Vec::new())
    );
    let again: Vec<String> = std::iter::once("install")
        .chain(started)
        .map(String::from)
        .collect();
    assert_eq!(did(&mut run, RunState::Running).unwrap(), (true, again));
}

#[test]
fn a_vm_that_moves_goes_through_these_states_and_its_clocks_with_them() {
    use RunState::*;
    let log = Log::default();
    let vm = |state| {
        let timebase = Timebase::new(Arc::new(SimHost::new())).unwrap();
        let clocks = ClockManager::new(Timeline::new(&timebase));
        clocks
            .register("clock", Box::new(Clock(Arc::clone(&log))), Policy::Freeze)
            .unwrap();
        let gate = Gate(Arc::new(VcpuGate::new(Vec::new())), Arc::clone(&log));
        RunControl::new(state, gate, clocks)
    };
    let told = || std::mem::take(&mut *log.lock().unwrap());
    let stopped = ["park", "capture"];

    // A live move: to the end, or back.
    let mut source = vm(Prelaunch);
    for _ in 0..2 {
        assert!(source.cont(Cause::Launch).unwrap());
        told();
        assert!(source.stop(FinishMigrate, Cause::Migration).unwrap());
        assert_eq!(told(), stopped);
    }
    assert!(source.stop(Postmigrate, Cause::Migration).unwrap());
    assert_eq!(told(), [""; 0], "it stood already (R3)");
    assert!(source.cont(Cause::Monitor).unwrap(), "an explicit choice");
    told();

    // A move, or a snapshot, of a VM that stands: it is as before afterwards, and its clocks
    // have not been touched.
    let standing = [
        Paused,
        Shutdown,
        Suspended,
        GuestPanicked,
        IoError,
        Watchdog,
    ];
    for state in standing {
        source.stop(Paused, Cause::Monitor).unwrap();
        source.cont(Cause::Monitor).unwrap();
        source.stop(state, Cause::Monitor).unwrap();
        told();
        for through in [FinishMigrate, SaveVm] {
            assert!(source.stop(through, Cause::Migration).unwrap());
            assert!(!source.stop(through, Cause::Migration).unwrap());
            assert!(source.stop(state, Cause::Migration).unwrap(), "{state}");
        }
        assert!(source.stop(FinishMigrate, Cause::Migration).unwrap());
        assert!(source.stop(Postmigrate, Cause::Migration).unwrap());
        assert_eq!(told(), [""; 0]);
    }

    // What arrives goes on as what it was.
    for state in standing.into_iter().chain([Prelaunch, Running]) {
        for waiting in [Inmigrate, RestoreVm] {
            let mut target = vm(waiting);
            assert_eq!(target.state(), waiting);
            if state == Running {
                assert!(target.cont(Cause::Migration).unwrap());
                assert_eq!(told(), ["unpark"]);
            } else {
                assert!(target.stop(state, Cause::Migration).unwrap());
                assert_eq!(told(), [""; 0], "it never ran");
            }
        }
    }
}
