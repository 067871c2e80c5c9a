//! A machine's state goes into another machine.

use machine::ram::PAGE_SIZE;
use machine::{BootWhen, GuestEvent};
use tod::Cause;

use crate::guests::{self, OTHERS};
use crate::rig::{Rig, Wanted, has_kvm};

/// All of a stopped machine into one that has not run; returns what the parts say if one refuses.
pub(crate) fn copy(from: &Rig, to: &Rig) -> Result<(), String> {
    let (source, destination) = (from.machine.migration_ram(), to.machine.migration_ram());
    let touched = source.touched();
    let mut page = vec![0; PAGE_SIZE as usize];
    for number in (0..source.size() / PAGE_SIZE).filter(|number| touched.contains(*number)) {
        source.read(number * PAGE_SIZE, &mut page).unwrap();
        destination.write(number * PAGE_SIZE, &page).unwrap();
    }
    let saved: Vec<_> = from
        .machine
        .parts()
        .iter()
        .map(|part| {
            (
                part.name(),
                part.instance(),
                part.version(),
                part.save().unwrap(),
            )
        })
        .collect();
    for (part, (name, instance, version, payload)) in to.machine.parts().iter_mut().zip(saved) {
        assert_eq!((part.name(), part.instance()), (name, instance));
        part.load(version, &payload)
            .map_err(|error| error.to_string())?;
    }
    to.clocks
        .on_load(
            from.clocks.on_save(Cause::Migration),
            None,
            Cause::Migration,
        )
        .map_err(|error| error.to_string())?;
    Ok(())
}

pub(crate) fn empty(cpus: u32) -> Rig {
    Rig::new(Wanted {
        cpus,
        when: BootWhen::Reset,
        ..Wanted::default()
    })
}

#[test]
fn a_cpu_goes_on_elsewhere_with_all_its_registers() {
    if !has_kvm() {
        return;
    }
    let mut here = Rig::with(guests::fills_registers());
    here.cont();
    here.wait(|rig| rig.count() > 1000);
    here.stop();
    for _ in 0..5 {
        let mut there = empty(1);
        copy(&here, &there).unwrap();
        assert_eq!(
            there.machine.registers(0).unwrap(),
            here.machine.registers(0).unwrap()
        );
        assert_eq!(there.count(), here.count());
        there.cont();
        there.wait_for_more();
        there.stop();
        assert!(there.count() > here.count());
        here = there;
    }
}

#[test]
fn halted_cpus_and_those_that_wait_to_be_started_stay_so() {
    if !has_kvm() {
        return;
    }
    for image in [guests::starts_others(), guests::halted()] {
        let mut here = Rig::new(Wanted {
            image: Some(image),
            cpus: 2,
            ..Wanted::default()
        });
        here.cont();
        here.wait(|rig| rig.machine.cpus()[0].state == "halted");
        here.wait(|rig| rig.machine.cpus()[1].state != "running");
        here.stop();
        let states = |rig: &Rig| -> Vec<_> {
            let cpus = rig.machine.cpus();
            cpus.iter().map(|cpu| (cpu.state, cpu.pc)).collect()
        };
        let mut there = empty(2);
        copy(&here, &there).unwrap();
        assert_eq!(states(&there), states(&here));
        there.cont();
        there.wait(|rig| rig.machine.cpus()[0].state == "halted");
        assert_eq!(there.dword(OTHERS), here.dword(OTHERS));
        assert_eq!(there.events.try_recv().ok(), None::<GuestEvent>);
    }
}

#[test]
fn another_machine_does_not_take_it() {
    if !has_kvm() {
        return;
    }
    let here = Rig::with(guests::counter());
    let refusal = copy(&here, &empty(2)).unwrap_err();
    assert_eq!(
        refusal,
        "section 'x86-machine': the guest has 1 CPUs, this machine 2 (-smp)"
    );
    let poorer = || {
        Rig::new(Wanted {
            cpu: Some("host,-fxsr"),
            when: BootWhen::Reset,
            ..Wanted::default()
        })
    };
    assert_eq!(
        copy(&here, &poorer()).unwrap_err(),
        "section 'x86-machine': the guest's CPUs can do what this machine's cannot: they have \
         fxsr (-cpu)"
    );
    copy(&poorer(), &here).unwrap();
}

#[test]
fn a_damaged_state_is_refused_and_changes_nothing() {
    if !has_kvm() {
        return;
    }
    let here = Rig::with(guests::counter());
    let there = empty(1);
    let before = there.machine.registers(0).unwrap();
    for part in &mut there.machine.parts() {
        let good = part.save().unwrap();
        assert!(part.load(part.version() + 1, &good).is_err());
        assert!(part.load(part.version(), &good[..good.len() - 1]).is_err());
        // Whatever is in it, no state that no CPU can be in is taken half.
        for at in (0..good.len()).step_by(97) {
            let mut bad = good.clone();
            bad[at] ^= 0xff;
            let _ = part.load(part.version(), &bad);
            part.load(part.version(), &good).unwrap();
        }
    }
    assert_eq!(there.machine.registers(0).unwrap(), before);
    drop(here);
}
