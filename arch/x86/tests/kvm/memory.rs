//! What vCPUs write is known, above the hole too.

use machine::ram::PAGE_SIZE;
use machine::{AddressSpace, BootWhen};
use migration::ram::PageSet;

use crate::guests::{self, COUNT};
use crate::rig::{Rig, Wanted, has_kvm};

fn dirty(rig: &Rig) -> PageSet {
    let ram = rig.machine.migration_ram();
    let mut set = PageSet::empty(ram.size() / PAGE_SIZE);
    ram.take_dirty(&mut set);
    set
}

#[test]
fn pages_that_a_cpu_writes_are_marked_again_and_again() {
    if !has_kvm() {
        return;
    }
    let mut rig = Rig::with(guests::counter());
    rig.cont();
    rig.wait_for_more();
    rig.machine.migration_ram().track(true);
    for _ in 0..20 {
        dirty(&rig);
        rig.wait_for_more();
        rig.wait_for_more();
        let pages = dirty(&rig);
        assert!(pages.contains(COUNT / PAGE_SIZE), "{pages:?}");
        assert!(pages.len() < 4, "{pages:?}");
    }
    rig.stop();
    dirty(&rig);
    assert!(dirty(&rig).is_empty());
    // What others write is marked as well.
    rig.machine.migration_ram().write(0x30_0000, &[1]).unwrap();
    assert!(dirty(&rig).contains(0x300));
    rig.machine.migration_ram().track(false);
}

#[test]
fn a_guest_that_pays_a_toll_is_stopped_and_runs_on_without_it() {
    if !has_kvm() {
        return;
    }
    let mut rig = Rig::with(guests::counter());
    rig.cont();
    rig.wait_for_more();
    let ram = rig.machine.migration_ram();
    ram.track(true);
    // A page costs more than vCPUs stay outside at once: they hardly run.
    ram.set_toll(u32::MAX);
    let mut pages = PageSet::empty(ram.size() / PAGE_SIZE);
    for _ in 0..10 {
        rig.wait_for_more();
        rig.machine.registers(0).unwrap();
    }
    rig.stop();
    let ram = rig.machine.migration_ram();
    // What was taken to collect the toll is not lost.
    ram.take_dirty(&mut pages);
    assert!(pages.contains(COUNT / PAGE_SIZE), "{pages:?}");
    rig.cont();
    rig.wait_for_more();
    rig.machine.migration_ram().track(false);
    rig.wait_for_more();
}

#[test]
fn memory_above_the_hole_is_by_its_own_address_there() {
    if !has_kvm() {
        return;
    }
    let rig = Rig::new(Wanted {
        ram_bytes: (3 << 30) + (1 << 20),
        when: BootWhen::Reset,
        ..Wanted::default()
    });
    let ram = rig.machine.migration_ram();
    ram.write(3 << 30, &[7]).unwrap();
    let mut byte = [0];
    let physical = AddressSpace::Physical;
    rig.machine
        .read_memory(physical, 4 << 30, &mut byte)
        .unwrap();
    assert_eq!(byte, [7]);
    assert!(
        rig.machine
            .read_memory(physical, 3 << 30, &mut byte)
            .is_err()
    );
}
