//! A guest that is moved again and again does exactly what it does where it starts.
//!
//! Both run on simulated hosts whose clocks move with the instructions executed, so that they see
//! the same time; one stays, the other goes from one machine and engine to the other. Where they
//! are to be compared both stand between two instructions of their own.

use std::sync::Arc;

use machine::{ConsoleOutput, GuestRam, Identity};
use migration::Part;
use s390x::boot::BootImage;
use s390x::clock::TodBackend;
use s390x::console::Sclp;
use s390x::cpu::S390Cpu;
use s390x::cpu::control::Leave;
use s390x::cpu::handle::CpuState;
use s390x::machine::Shared;
use s390x::machine::parts::{ConsolePart, CpuPart, KeysPart};
use s390x::machine::vcpu::Vcpu;
use tcg::{CpuCore, EngineKind, Options, System};
use tod::clock::{ClockManager, Policy};
use tod::run::Cause;
use tod::{EpochClock, FineSpan, SimHost, Timebase, Timeline};

use crate::rig::{Kind, Screen};

/// Nanoseconds that an instruction takes.
const NS_PER_INSN: u64 = 2;
/// While the guest waits the clock moves by this much at a time.
const WAIT_NS: u64 = 500_000;
/// A guest that waits longer waits for ever.
const LONGEST_WAIT_NS: u64 = 2_000_000_000;

struct Lab {
    vcpu: Vcpu,
    shared: Arc<Shared>,
    clocks: Arc<ClockManager>,
    host: SimHost,
    screen: Arc<Screen>,
    /// Instructions executed on other machines.
    before: u64,
}

impl Lab {
    fn new(kind: &Kind, engine: EngineKind, screen: &Arc<Screen>, host: SimHost) -> Self {
        let timebase = Timebase::new(Arc::new(host.clone())).unwrap();
        let timeline = Timeline::new(&timebase);
        let clocks = ClockManager::new(Arc::clone(&timeline));
        let options = Options {
            engine,
            ..Options::default()
        };
        let ram = GuestRam::new(kind.ram_bytes).unwrap();
        let system = System::with_options(Arc::new(ram), options);
        let core = CpuCore::new(system.clone());
        let (events, _) = crossbeam::channel::unbounded();
        let console: Arc<dyn ConsoleOutput> = Arc::clone(screen) as _;
        let shared = Shared::new(
            system,
            std::slice::from_ref(&core),
            Sclp::new(Some(console)),
            EpochClock::at_host_time(&timebase),
            timeline,
            Identity::default(),
            1,
            events,
        );
        let backend = TodBackend::new(shared.tod.clone(), shared.cpus.clone());
        clocks
            .register("tod", Box::new(backend), Policy::Freeze)
            .unwrap();
        let vcpu = Vcpu::new(S390Cpu::new(core, Arc::clone(&shared), 0));
        Self {
            vcpu,
            shared,
            clocks,
            host,
            screen: Arc::clone(screen),
            before: 0,
        }
    }

    fn boot(kind: &Kind, engine: EngineKind) -> Self {
        let lab = Self::new(kind, engine, &Arc::default(), SimHost::new());
        let boot = BootImage::new(&kind.boot, kind.ram_bytes).unwrap().unwrap();
        boot.load(|at, bytes| lab.shared.ram().write(at, bytes).unwrap());
        lab.vcpu.visit(|cpu| {
            cpu.set_state(CpuState::Operating);
            cpu.set_psw(boot.entry());
        });
        lab.start();
        lab
    }

    fn start(&self) {
        self.shared.gate.open(self.clocks.on_cont(Cause::Migration));
    }

    fn insns(&self) -> u64 {
        self.before + self.vcpu.visit(|cpu| cpu.core.insns)
    }

    fn advance(&self, ns: u64) {
        self.host.advance(ns);
        self.shared.timeline.run_due();
    }

    /// Runs until so many instructions have been executed in all, and the last one whole.
    fn run_to(&self, count: u64) -> Leave {
        let before = self.before;
        self.vcpu.visit(|cpu| {
            let mut count = count - before;
            loop {
                cpu.set_stop_at(Some(count));
                cpu.control.handle.clear_park();
                let left = s390x::cpu::run::run(cpu);
                // An EXECUTE that is moved before its target is executed counts twice.
                if left != Leave::Count || cpu.execute_target == 0 {
                    return left;
                }
                count = cpu.core.insns + 1;
            }
        })
    }

    /// Runs for so many instructions, with time; false at the guest's end.
    fn step(&self, length: u64) -> bool {
        let at = self.insns();
        match self.run_to(at + length) {
            Leave::Count => {
                self.advance((self.insns() - at) * NS_PER_INSN);
                true
            }
            Leave::Wait => {
                let mut waited = 0;
                while self.run_to(at + length) == Leave::Wait {
                    self.advance(WAIT_NS);
                    waited += WAIT_NS;
                    if waited > LONGEST_WAIT_NS {
                        return false;
                    }
                }
                true
            }
            _ => false,
        }
    }

    fn parts(&self) -> Vec<Box<dyn Part + '_>> {
        let mut parts: Vec<Box<dyn Part + '_>> = vec![
            Box::new(ConsolePart(&self.shared)),
            Box::new(CpuPart(&self.vcpu)),
        ];
        parts.extend(KeysPart::all(&self.shared).map(|part| Box::new(part) as _));
        parts
    }

    fn saved_parts(&self) -> Vec<Vec<u8>> {
        let parts = self.parts();
        parts.iter().map(|part| part.save().unwrap()).collect()
    }

    /// The same guest on another machine, whose host has other clocks.
    fn moved(self, kind: &Kind, engine: EngineKind) -> Self {
        let parked = self.shared.gate.close_and_wait();
        self.clocks.on_stop(parked, Cause::Migration);
        let saved = self.clocks.on_save(Cause::Migration);
        let host = SimHost::new();
        host.advance(self.insns() % 1_000_003 * 1000);
        let mut new = Self::new(kind, engine, &self.screen, host);
        new.before = self.insns();
        let mut page = [0; 4096];
        for at in self.shared.ram().touched().runs().flatten() {
            self.shared.ram().read(at * 4096, &mut page).unwrap();
            new.shared.ram().write(at * 4096, &page).unwrap();
        }
        for (there, here) in new.parts().iter_mut().zip(self.parts()) {
            there.load(here.version(), &here.save().unwrap()).unwrap();
        }
        new.clocks.on_load(saved, None, Cause::Migration).unwrap();
        assert!(new.saved_parts() == self.saved_parts());
        new.start();
        new
    }
}

fn assert_alike(stays: &Lab, moves: &Lab, name: &str) {
    let at = stays.insns();
    assert_eq!(moves.insns(), at, "{name}: instructions");
    assert_eq!(moves.screen.text(), stays.screen.text(), "{name} at {at}");
    let registers = |lab: &Lab| {
        lab.vcpu.visit(|cpu| {
            let text = s390x::machine::inspect::registers(cpu);
            // The count is of this machine alone.
            let end = text.find("INSNS=").unwrap();
            (text[..end].to_owned(), cpu.tod_extended())
        })
    };
    assert_eq!(registers(moves), registers(stays), "{name} at {at}");
    assert!(
        moves.shared.keys.saved(0, usize::MAX) == stays.shared.keys.saved(0, usize::MAX),
        "{name} at {at}: storage keys"
    );
    const CHUNK: usize = 1 << 16;
    let (mut ours, mut theirs) = (vec![0; CHUNK], vec![0; CHUNK]);
    for at in (0..stays.shared.ram().size()).step_by(CHUNK) {
        stays.shared.ram().read(at, &mut ours).unwrap();
        moves.shared.ram().read(at, &mut theirs).unwrap();
        assert!(ours == theirs, "{name}: storage near {at:#x}");
    }
}

/// Runs a guest for so many steps of so many instructions, one of them moved after every few.
fn alike(name: &str, kind: &Kind, (steps, length): (u64, u64), every: u64) -> String {
    let engines = EngineKind::ALL.split_at(1).1;
    let stays = Lab::boot(kind, engines[0]);
    let mut moves = Lab::boot(kind, engines[0]);
    let mut moved = 0;
    for step in 1..=steps {
        let goes_on = stays.step(length);
        assert_eq!(moves.step(length), goes_on, "{name}");
        if !goes_on {
            break;
        }
        if step % every == 0 {
            moved += 1;
            moves = moves.moved(kind, engines[moved % engines.len()]);
        }
        if step % (every * 16) == 0 {
            assert_alike(&stays, &moves, name);
        }
    }
    assert_alike(&stays, &moves, name);
    let parked = moves.shared.gate.close_and_wait();
    moves.clocks.on_stop(parked, Cause::Monitor);
    let ledger = moves.clocks.ledger();
    ledger.verify().unwrap();
    let account = ledger.account("tod").unwrap();
    assert_eq!(
        (account.granted(), account.unexplained()),
        (FineSpan::ZERO, FineSpan::ZERO)
    );
    println!("{name}: {} instructions, {moved} moves", stays.insns());
    stays.screen.text()
}

#[test]
fn guests_that_check_themselves() {
    for name in [
        "insn", "string", "decimal", "float", "pgm", "dat", "keys", "smc",
    ] {
        let text = alike(name, &Kind::image(name, "", 1), (100_000, 2_500), 1);
        assert!(text.contains("EXIT: STATUS=1"), "{name}:\n{text}");
    }
}

#[test]
fn clocks() {
    for (name, cmdline) in [("ckc", ""), ("clock", "period=20")] {
        alike(name, &Kind::image(name, cmdline, 1), (400, 20_000), 8);
    }
}

#[test]
fn debian() {
    let Some(kind) = Kind::debian(1) else {
        return;
    };
    let text = alike("debian", &kind, (1_000, 20_000), 50);
    assert!(!text.is_empty());
}
