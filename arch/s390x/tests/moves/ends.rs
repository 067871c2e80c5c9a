//! Guests that have ended, or wait for run control, when they are moved: who loads them is told
//! anew, since what the other side was told may never have been acted on.

use std::sync::Arc;
use std::time::Duration;

use machine::{GuestEvent, PanicInfo, ResetCause, ShutdownCause};
use tod::RunState;

use crate::rig::{ENGINES, Kind, Saved, Screen, Vm};

const LONG: Duration = Duration::from_secs(60);

fn told(vm: &Vm) -> GuestEvent {
    vm.event(LONG).expect("the guest ends")
}

/// What a guest makes happen where it starts, and what once more where it goes to.
fn told_twice(mut vm: Vm, kind: &Kind) -> GuestEvent {
    let screen = Arc::new(Screen::default());
    let first = told(&vm);
    vm.stop();
    let saved = vm.save();
    vm.end();
    for &engine in ENGINES {
        let mut new = Vm::new(kind, engine, &screen, RunState::Inmigrate);
        new.load(&saved);
        assert!(new.events.is_empty(), "not before it runs");
        assert!(new.save_parts() == saved.parts);
        let before = new.machine().cpus();
        new.cont();
        assert_eq!(told(&new), first);
        new.stop();
        let after = new.machine().cpus();
        assert_eq!(
            (after[0].state, after[0].pc),
            (before[0].state, before[0].pc)
        );
        new.end();
    }
    first
}

#[test]
fn a_guest_that_has_stopped_itself() {
    let kind = Kind::image("hello", "", 1);
    let vm = Vm::start(&kind, ENGINES[0], &Arc::default());
    let event = told_twice(vm, &kind);
    assert_eq!(event, GuestEvent::Shutdown(ShutdownCause::Guest));
}

#[test]
fn a_guest_in_a_disabled_wait() {
    let kind = Kind::image("dwait", "", 1);
    let vm = Vm::start(&kind, ENGINES[0], &Arc::default());
    let event = told_twice(vm, &kind);
    assert!(matches!(event, GuestEvent::Panicked(_)), "{event:?}");
}

/// A guest of these instructions.
fn program(code: &[u8]) -> (Vm, Kind) {
    let kind = Kind::image("hello", "", 1);
    let mut vm = Vm::new(&kind, ENGINES[0], &Arc::default(), RunState::Prelaunch);
    let entry = vm.machine().cpus()[0].pc;
    vm.machine().migration_ram().write(entry, code).unwrap();
    vm.cont();
    (vm, kind)
}

#[test]
fn a_guest_that_has_asked_for_a_reset() {
    // lghi %r3,SUBCODE; diag %r2,%r3,0x308
    for (subcode, expected) in [
        (3, ResetCause::GuestReipl),
        (1, ResetCause::GuestModified { keep_memory: true }),
        (0, ResetCause::GuestModified { keep_memory: false }),
    ] {
        let (vm, kind) = program(&[0xa7, 0x39, 0, subcode, 0x83, 0x23, 0x03, 0x08]);
        assert_eq!(told_twice(vm, &kind), GuestEvent::Reset(expected));
    }
}

#[test]
fn a_guest_whose_program_interruptions_have_no_end() {
    // An operation exception, whose new PSW (0 in storage) leads to another one.
    let (vm, kind) = program(&[0, 0]);
    let event = told_twice(vm, &kind);
    let GuestEvent::Panicked(PanicInfo::S390 { reason, .. }) = event else {
        panic!("{event:?}");
    };
    assert_eq!(reason, "opint-loop");
}

#[test]
fn another_machine_is_refused_by_what_differs() {
    let kind = Kind::image("hello", "", 2);
    let vm = Vm::new(&kind, ENGINES[0], &Arc::default(), RunState::Prelaunch);
    let Saved { parts, .. } = vm.save();
    vm.end();
    let refused = |kind: &Kind| {
        let vm = Vm::new(kind, ENGINES[0], &Arc::default(), RunState::Inmigrate);
        let error = vm.load_part(&parts[0]).unwrap_err().to_string();
        vm.end();
        error
    };
    let more = Kind {
        cpus: 3,
        ..kind.clone()
    };
    assert_eq!(
        refused(&more),
        "section 's390x-machine': the guest has 2 CPUs of at most 2, this machine 3 of 3 (-smp)"
    );
    let larger = Kind {
        ram_bytes: 96 << 20,
        ..kind
    };
    assert_eq!(
        refused(&larger),
        "section 's390x-machine': the guest has 64 MiB of RAM, this machine 96 (-m)"
    );
}
