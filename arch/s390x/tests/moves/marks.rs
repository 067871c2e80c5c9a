//! Every page that a guest changes while it is tracked is marked, whoever changes it by whatever
//! instruction, and stays so in what is taken while it goes on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use machine::Engine;
use migration::ram::PageSet;
use migration::vm::Ram;

use crate::rig::{ENGINES, Kind, PAGE, Screen, Vm};

/// How long the guest runs between two looks at its storage.
const STRETCH: Duration = Duration::from_millis(15);
/// How often marks are taken in a stretch, while vCPUs go on.
const TAKES: u32 = 3;

/// All that storage holds, by pages.
fn image(vm: &Vm) -> BTreeMap<u64, Vec<u8>> {
    let all = vm.machine().migration_ram().touched();
    vm.pages(&all).into_iter().collect()
}

fn pages(ram: &dyn Ram) -> u64 {
    ram.size() / PAGE
}

/// Pages that differ.
fn changed(old: &BTreeMap<u64, Vec<u8>>, new: &BTreeMap<u64, Vec<u8>>) -> Vec<u64> {
    let numbers: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).copied().collect();
    let differ = |page: &u64| old.get(page) != new.get(page);
    numbers.into_iter().filter(differ).collect()
}

/// Follows a guest for some stretches; how many pages have changed and how many were marked.
fn follow(kind: &Kind, engine: Engine, stretches: u32, toll_ns: u32) -> (usize, u64) {
    let screen = Arc::new(Screen::default());
    let mut vm = Vm::start(kind, engine, &screen);
    vm.machine().migration_ram().track(true);
    vm.machine().migration_ram().set_toll(toll_ns);
    let (mut changes, mut marks) = (0, 0);
    for stretch in 0..stretches {
        vm.stop();
        let ram = vm.machine().migration_ram();
        let before = image(&vm);
        let mut marked = PageSet::empty(pages(ram));
        // What was written until now has been seen.
        ram.take_dirty(&mut marked);
        marked.clear();
        vm.cont();
        for _ in 0..TAKES {
            std::thread::sleep(STRETCH / TAKES);
            vm.machine().migration_ram().take_dirty(&mut marked);
        }
        vm.stop();
        let ram = vm.machine().migration_ram();
        ram.take_dirty(&mut marked);
        let after = image(&vm);
        let changed = changed(&before, &after);
        for page in &changed {
            assert!(
                marked.contains(*page),
                "{engine:?}, stretch {stretch}: page {page:#x} has changed without a mark"
            );
        }
        changes += changed.len();
        marks += marked.len();
        vm.cont();
        if vm.event(Duration::ZERO).is_some() {
            break;
        }
    }
    vm.end();
    (changes, marks)
}

fn every_change_is_marked(name: &str, cmdline: &str, cpus: u32) {
    for &engine in ENGINES {
        let kind = Kind::image(name, cmdline, cpus);
        let (changes, marks) = follow(&kind, engine, 25, 0);
        println!("{name}, {cpus} CPUs, {engine:?}: {changes} changed, {marks} marked");
        assert!(changes > 0, "{name} with {cpus} CPUs writes");
    }
}

#[test]
fn storage_to_storage_and_all_kinds_of_instructions() {
    for name in ["string", "insn", "dat", "pgm", "smc"] {
        every_change_is_marked(name, "", 1);
    }
}

#[test]
fn interruptions_and_console() {
    every_change_is_marked("ckc", "", 1);
    every_change_is_marked("clock", "period=1000", 1);
}

#[test]
fn pages_over_and_over() {
    every_change_is_marked("move", "mb=8", 1);
}

#[test]
fn interlocked_updates() {
    for cpus in [1, 2, 4] {
        every_change_is_marked("atomic", "rounds=2000000", cpus);
    }
}

#[test]
fn several_cpus() {
    for cpus in [1, 2, 4] {
        every_change_is_marked("smp", "rounds=100000", cpus);
        every_change_is_marked("smpdat", "rounds=100000", cpus);
        every_change_is_marked("smpcode", "rounds=100000", cpus);
    }
}

#[test]
fn debian() {
    for cpus in [1, 2, 4] {
        for &engine in ENGINES {
            let Some(kind) = Kind::debian(cpus) else {
                return;
            };
            let (changes, marks) = follow(&kind, engine, 25, 0);
            println!("Debian, {cpus} CPUs, {engine:?}: {changes} changed, {marks} marked");
            assert!(changes > 100);
        }
    }
}

/// A guest that pays to write writes less, and stops as soon as it is asked.
#[test]
fn a_toll_slows_down_who_writes() {
    for &engine in ENGINES {
        let kind = Kind::image("move", "mb=16", 1);
        let (free, _) = follow(&kind, engine, 6, 0);
        let (paid, _) = follow(&kind, engine, 6, u32::MAX);
        println!("{engine:?}: {free} pages free, {paid} with a toll of 100 us each");
        // At 100 microseconds each, a stretch has room for so many; a host that is busy elsewhere
        // may give the guest more time than it was meant to have.
        assert!(paid > 0 && paid < free, "{engine:?}: {paid} of {free}");
    }
}
