//! Every page that a guest changes while it is tracked is marked, whoever changes it by whatever
//! instruction, and stays so in what is taken while it goes on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use machine::Engine;
use migration::ram::PageSet;
use migration::vm::Ram;
use tod::RunState;

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

/// What was seen of a guest.
#[derive(Default)]
struct Seen {
    /// Pages that had changed, over all stretches.
    changed: usize,
    /// Pages that were marked, by each look.
    marked: u64,
    /// How often marks were taken.
    takes: u64,
    /// For how long the guest ran.
    ran_ns: u64,
}

/// Follows a guest from its start for some stretches.
fn follow(kind: &Kind, engine: Engine, stretches: u32, toll_ns: u32) -> Seen {
    let screen = Arc::new(Screen::default());
    let mut vm = Vm::new(kind, engine, &screen, RunState::Prelaunch);
    vm.machine().migration_ram().track(true);
    vm.machine().migration_ram().set_toll(toll_ns);
    let mut seen = Seen::default();
    let mut take = |vm: &Vm, marked: &mut PageSet| {
        let ram = vm.machine().migration_ram();
        let mut now = PageSet::empty(pages(ram));
        ram.take_dirty(&mut now);
        seen.marked += now.len();
        seen.takes += 1;
        marked.union(&now);
    };
    let mut seen_changed = 0;
    for stretch in 0..stretches {
        vm.stop();
        let before = image(&vm);
        let mut marked = PageSet::empty(pages(vm.machine().migration_ram()));
        // What was written until now has been seen.
        take(&vm, &mut marked);
        marked.clear();
        vm.cont();
        for _ in 0..TAKES {
            std::thread::sleep(STRETCH / TAKES);
            take(&vm, &mut marked);
        }
        vm.stop();
        take(&vm, &mut marked);
        let after = image(&vm);
        let changed = changed(&before, &after);
        for page in &changed {
            assert!(
                marked.contains(*page),
                "{engine:?}, stretch {stretch}: page {page:#x} has changed without a mark"
            );
        }
        seen_changed += changed.len();
        vm.cont();
        if vm.event(Duration::ZERO).is_some() {
            break;
        }
    }
    vm.stop();
    let ran_ns = vm.clocks.timeline().now().as_ns();
    vm.end();
    Seen {
        changed: seen_changed,
        ran_ns,
        ..seen
    }
}

fn every_change_is_marked(name: &str, cmdline: &str, cpus: u32) {
    for &engine in ENGINES {
        let kind = Kind::image(name, cmdline, cpus);
        let seen = follow(&kind, engine, 25, 0);
        let Seen {
            changed, marked, ..
        } = seen;
        println!("{name}, {cpus} CPUs, {engine:?}: {changed} changed, {marked} marked");
        assert!(changed > 0, "{name} with {cpus} CPUs writes");
    }
}

#[test]
fn storage_to_storage_and_all_kinds_of_instructions() {
    for name in ["string", "insn", "dat", "keys", "pgm", "smc"] {
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
            let Seen {
                changed, marked, ..
            } = follow(&kind, engine, 25, 0);
            println!("Debian, {cpus} CPUs, {engine:?}: {changed} changed, {marked} marked");
            assert!(changed > 100);
        }
    }
}

/// A guest that pays for its first write to each page cannot write to more pages than it has time
/// to pay for. A look at the marks, and a stop, spare it one payment each, and pages that are
/// written by absolute address cost nothing.
#[test]
fn a_toll_slows_down_who_writes() {
    const FREE: u64 = 8;
    for &engine in ENGINES {
        let kind = Kind::image("move", "mb=16", 1);
        let seen = follow(&kind, engine, 6, u32::MAX);
        let paid = seen.ran_ns / u64::from(tcg::MAX_TOLL_NS);
        let most = paid + seen.takes * FREE;
        println!("{engine:?}: {} pages, at most {most}", seen.marked);
        assert!(seen.changed > 0 && seen.marked <= most);
    }
}

/// Copies a running guest's storage as a migration does; the copy is the guest's when it stands.
fn copied_while_it_runs(kind: &Kind, engine: Engine, turns: u32) {
    let mut vm = Vm::start(kind, engine, &Arc::new(Screen::default()));
    for turn in 0..turns {
        std::thread::sleep(STRETCH);
        let ram = vm.machine().migration_ram();
        let mut copy = vec![0; usize::try_from(ram.size()).unwrap()];
        let mut read = |ram: &dyn Ram, set: &PageSet| {
            for run in set.runs() {
                let bytes = (run.start * PAGE) as usize..(run.end * PAGE) as usize;
                ram.read(run.start * PAGE, &mut copy[bytes]).unwrap();
            }
        };
        ram.track(true);
        read(ram, &ram.touched());
        let mut set = PageSet::empty(pages(ram));
        for _ in 0..12 {
            set.clear();
            ram.take_dirty(&mut set);
            read(ram, &set);
        }
        vm.stop();
        let ram = vm.machine().migration_ram();
        set.clear();
        ram.take_dirty(&mut set);
        read(ram, &set);
        ram.track(false);
        let mut real = vec![0; PAGE as usize];
        for (page, copied) in copy.chunks(PAGE as usize).enumerate() {
            ram.read(page as u64 * PAGE, &mut real).unwrap();
            assert!(
                copied == real,
                "{engine:?}, turn {turn}: page {page:#x} is not as it was copied"
            );
        }
        vm.cont();
    }
    vm.end();
}

#[test]
fn a_copy_made_while_the_guest_runs_is_whole() {
    for &engine in ENGINES {
        copied_while_it_runs(&Kind::image("move", "mb=8", 1), engine, 8);
        for cpus in [2, 4] {
            for name in ["smpdat", "atomic", "smpcode"] {
                let kind = Kind::image(name, "rounds=1000000", cpus);
                copied_while_it_runs(&kind, engine, 4);
            }
        }
        if let Some(kind) = Kind::debian(2) {
            copied_while_it_runs(&kind, engine, 10);
        }
    }
}
