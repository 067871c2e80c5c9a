//! Several CPUs: guests that check themselves, with 1, 2, 4 and 8 CPUs on every engine.
//!
//! How long a guest goes on depends on the host: with more CPUs than the host has, each word from
//! one to another waits for the host's scheduler. `EMU_SMP_ROUNDS=N` makes every guest N times as
//! long.

use tests::engines;
use tests::self_checking::Run;

/// How much longer than usual a guest goes on.
fn factor() -> u32 {
    std::env::var("EMU_SMP_ROUNDS")
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(1)
}

/// Runs a guest for so many rounds with 1 and 2 CPUs; with 4 and 8 for a quarter and an eighth,
/// but at least 16.
fn passes(name: &str, cpus: u32, rounds: u32) {
    let share = match cpus {
        ..=2 => 1,
        cpus => cpus,
    };
    let append = format!("rounds={}", (rounds / share).max(16) * factor());
    let run = Run {
        name,
        cpus,
        append: &append,
    };
    for engine in engines() {
        run.passes(engine);
    }
}

/// A test for each number of CPUs.
macro_rules! with_cpus {
    ($($guest:ident, $rounds:literal;)*) => {$(
        mod $guest {
            #[test]
            fn with_1_cpu() {
                super::passes(stringify!($guest), 1, $rounds);
            }
            #[test]
            fn with_2_cpus() {
                super::passes(stringify!($guest), 2, $rounds);
            }
            #[test]
            fn with_4_cpus() {
                super::passes(stringify!($guest), 4, $rounds);
            }
            #[test]
            fn with_8_cpus() {
                super::passes(stringify!($guest), 8, $rounds);
            }
        }
    )*};
}

with_cpus! {
    // SIGNAL PROCESSOR: bring-up, stop, start, restart, calls, states.
    smp, 60;
    // Interlocked updates: exact totals.
    atomic, 4000;
    // IPTE, IDTE, CSPG, SSKE, RRBE: no old translation afterwards.
    smpdat, 120;
    // One TOD clock, ordered and unique.
    smptod, 4000;
    // Comparators and CPU timers of all CPUs, SET CLOCK under everybody's eyes.
    probe, 200;
    // What order other CPUs see storage accesses in.
    litmus, 24;
    // Code that another CPU changes.
    smpcode, 320;
}
