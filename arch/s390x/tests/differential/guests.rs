//! Whole guests on two engines: bare-metal guests and Debian's kernel.
//!
//! The host's clock moves with the instructions executed, so both engines see the same time. The
//! guests are stopped after equal numbers of instructions and compared: registers each time,
//! storage now and then. Where they differ they are run once more, to the last place where they
//! were alike, and from there block by block.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use machine::{BootSource, ConsoleOutput};
use s390x::boot::BootImage;
use s390x::cpu::control::Leave;
use s390x::cpu::handle::CpuState;
use tcg::EngineKind;
use tcg::system::trace;

use crate::lab::{Lab, TESTED, different_items};
use crate::logged::logged;
use crate::scaled;

/// Pairs of engines: which says what is right, which is tested, and how many times as many
/// instructions a run may take. The reference is slow, and the interpreter is compared with it.
fn pairs() -> impl Iterator<Item = (EngineKind, EngineKind, u64)> {
    TESTED.iter().map(|&engine| match engine {
        EngineKind::Interp => (EngineKind::Reference, engine, 1),
        _ => (EngineKind::Interp, engine, 4),
    })
}

/// Instructions between two looks.
const STEP: u64 = 20_000;
/// Nanoseconds that an instruction takes.
const NS_PER_INSN: u64 = 2;
/// Looks between two comparisons of storage.
const MEMORY_EVERY: u64 = 100;
/// While a guest waits the clock moves by this much at a time.
const WAIT_NS: u64 = 500_000;
/// A guest that waits longer waits for ever.
const LONGEST_WAIT_NS: u64 = 20_000_000_000;

#[derive(Default)]
struct Screen(Mutex<String>);

impl ConsoleOutput for Screen {
    fn write(&self, bytes: &[u8]) {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.push_str(&String::from_utf8_lossy(bytes));
    }
}

/// What is booted.
#[derive(Clone)]
struct Source {
    boot: BootSource,
    ram_bytes: u64,
}

struct Guest {
    lab: Lab,
    screen: Arc<Screen>,
}

impl Guest {
    fn new(engine: EngineKind, source: &Source) -> Self {
        let screen = Arc::new(Screen::default());
        let console: Arc<dyn ConsoleOutput> = Arc::clone(&screen) as _;
        let cold_runs = match engine {
            EngineKind::Native => 2,
            _ => 0,
        };
        let cache = (32 << 20, cold_runs);
        let mut lab = Lab::with(engine, source.ram_bytes, cache, Some(console));
        let boot = BootImage::new(&source.boot, source.ram_bytes)
            .expect("a guest that boots")
            .expect("a kernel");
        let ram = lab.shared.ram();
        boot.load(|at, bytes| ram.write(at, bytes).expect("the image fits"));
        lab.cpu.set_state(CpuState::Operating);
        lab.cpu.set_psw(boot.entry());
        Self { lab, screen }
    }

    fn insns(&self) -> u64 {
        self.lab.cpu.core.insns
    }

    fn text(&self) -> String {
        let text = self.screen.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.clone()
    }

    fn advance(&self, ns: u64) {
        self.lab.host.advance(ns);
        self.lab.shared.timeline.run_due();
    }
}

/// Runs both until they stand after the same number of instructions, at least `limit` of them,
/// or have left for another reason.
fn meet(a: &mut Guest, b: &mut Guest, limit: u64) -> (Leave, Leave) {
    let mut left_a = a.lab.run_to(Some(limit));
    let mut left_b = b.lab.run_to(Some(limit));
    for _ in 0..10_000 {
        let (at_a, at_b) = (a.insns(), b.insns());
        match (left_a, left_b) {
            (Leave::Count, Leave::Count) if at_a == at_b => break,
            (Leave::Count, Leave::Count) if at_a < at_b => left_a = a.lab.run_to(Some(at_b)),
            (Leave::Count, Leave::Count) => left_b = b.lab.run_to(Some(at_a)),
            (Leave::Count, _) if at_a <= at_b => left_a = a.lab.run_to(Some(at_b + 1)),
            (_, Leave::Count) if at_b <= at_a => left_b = b.lab.run_to(Some(at_a + 1)),
            _ => break,
        }
    }
    (left_a, left_b)
}

/// What differs now, if anything.
fn difference(a: &Guest, b: &Guest, leaves: (Leave, Leave), memory: bool) -> Option<String> {
    let (expected, got) = (a.lab.items(), b.lab.items());
    let mut text = String::new();
    if leaves.0 != leaves.1 {
        let _ = writeln!(text, "  leaves by {:?}, not {:?}", leaves.1, leaves.0);
    }
    text.push_str(&different_items(&got, &expected));
    if memory {
        text.push_str(&different_storage(b, a));
    }
    if a.text() != b.text() {
        let _ = writeln!(text, "  console: {:?}\n  not {:?}", b.text(), a.text());
    }
    (!text.is_empty()).then_some(text)
}

fn different_storage(a: &Guest, b: &Guest) -> String {
    const CHUNK: usize = 1 << 16;
    let (mut ours, mut theirs) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut text = String::new();
    let mut lines = 0;
    for at in (0..a.lab.shared.ram().size()).step_by(CHUNK) {
        a.lab.shared.ram().read(at, &mut ours).expect("RAM");
        b.lab.shared.ram().read(at, &mut theirs).expect("RAM");
        if ours == theirs {
            continue;
        }
        let bytes = ours.iter().zip(&theirs).zip(at..);
        for ((x, y), at) in bytes.filter(|((x, y), _)| x != y) {
            let _ = writeln!(text, "  storage {at:#x}: {x:#04x}, not {y:#04x}");
            lines += 1;
            if lines == 24 {
                return text;
            }
        }
    }
    text
}

/// How a run in steps ended.
enum Outcome {
    /// Nothing more happens.
    Ended,
    /// It goes on, but has done enough.
    Enough,
    /// They differ: after how many instructions they were last alike, and what differs.
    Differs(u64, String),
}

/// Runs two guests in steps; from `fine` instructions on block by block.
fn in_steps(
    a: &mut Guest,
    b: &mut Guest,
    most: u64,
    fine: Option<u64>,
    started: &dyn Fn(&Guest),
) -> Outcome {
    let mut alike = 0;
    let mut looks = 0;
    let mut tracing = false;
    loop {
        let at = a.insns();
        let fine = fine.is_some_and(|from| at >= from);
        if fine && !tracing {
            started(b);
            tracing = true;
        }
        let mut leaves = meet(a, b, at + if fine { 1 } else { STEP });
        looks += 1;
        let memory = fine || looks % MEMORY_EVERY == 0 || leaves.0 != Leave::Count;
        if let Some(text) = difference(a, b, leaves, memory) {
            return Outcome::Differs(alike, text);
        }
        alike = a.insns();
        // One that mostly waits executes little.
        if alike >= most || looks > 2 * most / STEP {
            return Outcome::Enough;
        }
        match leaves.0 {
            Leave::Count if fine => {}
            Leave::Count => {
                let ns = (alike - at) * NS_PER_INSN;
                a.advance(ns);
                b.advance(ns);
            }
            Leave::Wait => {
                let mut waited = 0;
                while leaves == (Leave::Wait, Leave::Wait) {
                    a.advance(WAIT_NS);
                    b.advance(WAIT_NS);
                    waited += WAIT_NS;
                    if waited > LONGEST_WAIT_NS {
                        return Outcome::Ended;
                    }
                    leaves = (a.lab.run_to(Some(alike)), b.lab.run_to(Some(alike)));
                }
            }
            _ => return Outcome::Ended,
        }
    }
}

/// Runs a guest in steps on each pair of engines, for so many million instructions; the console's
/// text.
fn alike_in_steps(name: &str, source: &Source, millions: u64) -> String {
    let mut text = String::new();
    for (oracle, engine, times) in pairs() {
        let new = || (Guest::new(oracle, source), Guest::new(engine, source));
        let most = u64::from(scaled(millions as u32)) * 1_000_000 * times;
        let (mut a, mut b) = new();
        match in_steps(&mut a, &mut b, most, None, &|_| {}) {
            Outcome::Ended | Outcome::Enough => {
                println!(
                    "{name}: {oracle:?} and {engine:?} alike for {} instructions",
                    a.insns()
                );
                text = b.text();
            }
            Outcome::Differs(alike, coarse) => {
                let (mut a, mut b) = new();
                let mut fine = String::new();
                let code = logged(|| {
                    let trace = |guest: &Guest| {
                        let bits = trace::IN_ASM | trace::OP_OPT | trace::OUT_ASM | trace::EXEC;
                        // Blocks are made anew, and so printed.
                        guest.lab.shared.system.forget_blocks();
                        guest.lab.shared.system.set_trace(bits);
                    };
                    let from = alike;
                    if let Outcome::Differs(alike, text) =
                        in_steps(&mut a, &mut b, alike + 20 * STEP, Some(from), &trace)
                    {
                        fine = format!("alike until instruction {alike}, then\n{text}");
                    }
                });
                let end = code.len().saturating_sub(40_000);
                let last = code.get(end..).unwrap_or(&code);
                panic!(
                    "{name}: {engine:?} differs from {oracle:?}, alike until {alike}, then\n\
                     {coarse}\nblock by block: {fine}\nthe last blocks:\n{last}"
                );
            }
        }
    }
    text
}

/// Runs a guest to its end without steps, blocks linked and no time passing.
fn alike_at_the_end(name: &str, cmdline: &str) -> String {
    let source = image(name, cmdline);
    let mut text = String::new();
    for (oracle, engine, _) in pairs() {
        let mut a = Guest::new(oracle, &source);
        let mut b = Guest::new(engine, &source);
        let leaves = (a.lab.run_to(None), b.lab.run_to(None));
        assert_ne!(leaves.0, Leave::Park, "{name} does not end by itself");
        if let Some(differences) = difference(&a, &b, leaves, true) {
            let steps = std::panic::catch_unwind(|| alike_in_steps(name, &source, 1000));
            let found = if steps.is_ok() {
                "not found"
            } else {
                "shown above"
            };
            panic!(
                "{name}: {engine:?} differs from {oracle:?} at its end:\n{differences}\n\
                 in steps: {found}"
            );
        }
        println!("{name}: {} instructions", a.insns());
        text = b.text();
    }
    text
}

fn image(name: &str, cmdline: &str) -> Source {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests/images");
    Source {
        boot: BootSource {
            kernel: Some(images.join(name)),
            initrd: None,
            cmdline: cmdline.into(),
            ..BootSource::default()
        },
        ram_bytes: 32 << 20,
    }
}

/// A guest that checks itself: alike on all engines, to the end.
fn checks_itself(name: &str) {
    let text = alike_at_the_end(name, "");
    assert!(text.contains("EXIT: STATUS=1"), "{name}:\n{text}");
}

#[test]
fn hello() {
    assert!(alike_at_the_end("hello", "").contains("Hello"));
}

#[test]
fn integer_instructions() {
    checks_itself("insn");
}

#[test]
fn strings() {
    checks_itself("string");
}

#[test]
fn decimal() {
    checks_itself("decimal");
}

#[test]
fn floating_point() {
    checks_itself("float");
}

#[test]
fn program_interruptions() {
    checks_itself("pgm");
}

#[test]
fn translation() {
    checks_itself("dat");
}

#[test]
fn protection() {
    checks_itself("keys");
}

#[test]
fn changing_code() {
    checks_itself("smc");
}

#[test]
fn clocks() {
    alike_in_steps("ckc", &image("ckc", ""), 2);
    alike_in_steps("clock", &image("clock", "period=20"), 1);
}

#[test]
fn debian() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let cache = std::env::var_os("EMU_CACHE").map_or_else(|| top.join("cache"), PathBuf::from);
    let folder = cache.join("debian-s390x");
    let (kernel, initrd) = (folder.join("vmlinuz"), folder.join("initramfs.cpio.gz"));
    if !kernel.is_file() || !initrd.is_file() {
        println!(
            "SKIPPED: Debian's s390x kernel is not in the cache: tests/scripts/get-debian-guest \
             gets it"
        );
        return;
    }
    let source = Source {
        boot: BootSource {
            kernel: Some(kernel),
            initrd: Some(initrd),
            cmdline: "console=ttysclp0".into(),
            ..BootSource::default()
        },
        ram_bytes: 256 << 20,
    };
    let text = alike_in_steps("debian", &source, 20);
    println!("{text}");
}
