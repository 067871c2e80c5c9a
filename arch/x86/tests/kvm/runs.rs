//! Running, stopping, looking, resetting.

use std::time::Duration;

use machine::{AddressSpace, GuestEvent, ResetCause};

use crate::guests::{self, COUNT, ENTRY, OTHERS};
use crate::rig::{LIMIT, Rig, Wanted, has_kvm};

#[test]
fn a_guest_runs_stands_and_runs_on() {
    if !has_kvm() {
        return;
    }
    for image in [guests::counter(), guests::port_counter()] {
        let mut rig = Rig::with(image);
        assert_eq!(rig.count(), 0);
        rig.cont();
        for _ in 0..100 {
            rig.wait_for_more();
            rig.stop();
            let stands_at = rig.count();
            std::thread::sleep(Duration::from_millis(1));
            assert_eq!(rig.count(), stands_at);
            rig.cont();
        }
        rig.wait_for_more();
        assert!(rig.events.try_recv().is_err());
    }
}

#[test]
fn a_halted_cpu_is_stopped_and_continued_too() {
    if !has_kvm() {
        return;
    }
    let mut rig = Rig::with(guests::halted());
    rig.cont();
    rig.wait(|rig| rig.machine.cpus()[0].state == "halted");
    for _ in 0..20 {
        rig.stop();
        rig.cont();
    }
    rig.wait(|rig| rig.machine.cpus()[0].halted);
}

#[test]
fn a_cpu_is_looked_at_while_it_runs() {
    if !has_kvm() {
        return;
    }
    let mut rig = Rig::with(guests::fills_registers());
    rig.cont();
    rig.wait_for_more();
    for _ in 0..100 {
        let text = rig.machine.registers(0).unwrap();
        assert!(text.contains("RBX=00000000deadbeef"), "{text}");
        let cpu = rig.machine.cpus().remove(0);
        let code = u64::from(ENTRY)..u64::from(ENTRY) + 90;
        assert!(code.contains(&cpu.pc), "{cpu:?}");
        assert_ne!(cpu.thread_id, 0);
    }
    // No paging: virtual and physical are the same, and the code is 32 bits wide.
    let mut code = [0; 6];
    let virtual_ = AddressSpace::Virtual { cpu: 0 };
    rig.machine
        .read_memory(virtual_, ENTRY.into(), &mut code)
        .unwrap();
    assert_eq!(
        rig.machine.disassemble(ENTRY.into(), &code),
        (3, "movl     %cr4, %eax".into())
    );
    rig.wait_for_more();
    assert!(rig.machine.registers(1).is_err());
    assert!(
        rig.machine
            .read_memory(virtual_, 0xf000_0000, &mut code)
            .is_err()
    );
}

#[test]
fn a_cpu_starts_the_others() {
    if !has_kvm() {
        return;
    }
    for cpus in [2, 4] {
        let mut rig = Rig::new(Wanted {
            image: Some(guests::starts_others()),
            cpus,
            ..Wanted::default()
        });
        let states: Vec<_> = rig.machine.cpus().iter().map(|cpu| cpu.state).collect();
        assert_eq!(states[0], "running");
        assert!(
            states[1..]
                .iter()
                .all(|state| *state == "waits to be started")
        );
        rig.cont();
        rig.wait(|rig| rig.dword(OTHERS) == cpus - 1);
        rig.wait(|rig| rig.machine.cpus().iter().all(|cpu| cpu.state == "halted"));
        // A reset, and all of it again.
        rig.stop();
        rig.machine.reset(ResetCause::HostMonitor).unwrap();
        assert_eq!(rig.dword(OTHERS), 0);
        rig.cont();
        rig.wait(|rig| rig.dword(OTHERS) == cpus - 1);
    }
}

#[test]
fn a_triple_fault_asks_for_a_reset_once() {
    if !has_kvm() {
        return;
    }
    let mut rig = Rig::with(guests::triple_fault());
    rig.cont();
    for _ in 0..3 {
        let event = rig.events.recv_timeout(LIMIT).unwrap();
        assert_eq!(event, GuestEvent::Reset(ResetCause::GuestReipl));
        assert_eq!(rig.count(), 1);
        // It stays where it is until the reset comes.
        rig.stop();
        rig.cont();
        std::thread::sleep(Duration::from_millis(5));
        assert!(rig.events.try_recv().is_err());
        rig.stop();
        rig.machine.reset(ResetCause::GuestReipl).unwrap();
        assert_eq!(rig.count(), 0);
        rig.cont();
    }
}

#[test]
fn a_reset_begins_from_the_start() {
    if !has_kvm() {
        return;
    }
    let mut rig = Rig::with(guests::fills_registers());
    rig.cont();
    rig.wait(|rig| rig.count() > 1000);
    rig.stop();
    rig.machine.reset(ResetCause::HostMonitor).unwrap();
    assert_eq!(rig.count(), 0);
    let text = rig.machine.registers(0).unwrap();
    assert!(
        text.contains("CR4=00000000") && text.contains("RBX=0000000000010000"),
        "{text}"
    );
    rig.cont();
    rig.wait_for_more();
}

#[test]
fn a_machine_without_a_kernel_stands() {
    if !has_kvm() {
        return;
    }
    let mut rig = Rig::new(Wanted::default());
    rig.cont();
    std::thread::sleep(Duration::from_millis(5));
    assert_eq!(rig.machine.cpus()[0].state, "stopped");
    assert!(rig.events.try_recv().is_err());
    assert_eq!(rig.dword(COUNT), 0);
    rig.stop();
}
