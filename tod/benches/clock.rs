//! What guest time costs: `cargo bench -p tod`.
//!
//! Prints the cost of a clock read through the published epoch beside a bare
//! RDTSC and multiply, the latency of stop and cont with 1 and 8 vCPU threads,
//! and how late an idle vCPU wakes. Medians of many runs; nothing is asserted.
#![allow(
    unsafe_code,
    reason = "the bare time stamp counter is measured for comparison"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tod::run::Kick;
use tod::{
    Cause, ClockManager, Deadline, EpochClock, LinuxHost, Passage, Policy, RunControl, RunState,
    Sleeper, Timebase, Timeline, VcpuGate,
};

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Nanoseconds per call.
fn cost(mut call: impl FnMut() -> u64) -> f64 {
    const CALLS: u32 = 20_000;
    let runs = (0..101).map(|_| {
        let start = Instant::now();
        for _ in 0..CALLS {
            black_box(call());
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
    });
    median(runs.collect())
}

#[cfg(target_arch = "x86_64")]
fn rdtsc(ordered: bool) -> u64 {
    // SAFETY: LFENCE and RDTSC exist on every x86-64 CPU.
    unsafe {
        if ordered {
            core::arch::x86_64::_mm_lfence();
        }
        core::arch::x86_64::_rdtsc()
    }
}

fn reads(tod: &EpochClock) {
    println!(
        "clock reads (host counter: {})",
        tod.timebase().counter().name()
    );
    #[cfg(target_arch = "x86_64")]
    {
        let mult = black_box(tod.timebase().rate().mult);
        let scale = |ticks: u64| ((u128::from(ticks) * u128::from(mult)) >> 56) as u64;
        let bare = cost(|| scale(rdtsc(false)));
        let fenced = cost(|| scale(rdtsc(true)));
        let unordered = cost(|| tod.now_unordered().clock());
        let ordered = cost(|| tod.now().clock());
        println!("  rdtsc and multiply           {bare:6.2} ns");
        println!("  lfence, rdtsc and multiply   {fenced:6.2} ns");
        println!(
            "  now_unordered()              {unordered:6.2} ns  {:.2} of bare",
            unordered / bare
        );
        println!(
            "  now()                        {ordered:6.2} ns  {:.2} of fenced",
            ordered / fenced
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    println!(
        "  now()                        {:6.2} ns",
        cost(|| tod.now().clock())
    );
    println!(
        "  Instant::now()               {:6.2} ns",
        cost(|| {
            black_box(Instant::now());
            0
        })
    );
}

/// vCPU threads that run (poll their exit request) or idle (sleep).
fn stop_cont(timebase: &Arc<Timebase>, cpus: usize, idle: bool) {
    const CYCLES: usize = 2000;
    let timeline = Timeline::new(timebase);
    let clocks = ClockManager::new(Arc::clone(&timeline));
    let tod = EpochClock::at_host_time(timebase);
    if clocks
        .register("tod", Box::new(tod), Policy::Freeze)
        .is_err()
    {
        return;
    }
    let exits: Vec<Arc<AtomicBool>> = (0..cpus).map(|_| Arc::default()).collect();
    let sleepers: Vec<Arc<Sleeper>> = (0..cpus)
        .map(|cpu| Sleeper::new(&timeline, &format!("cpu{cpu}")))
        .collect();
    let kicks = exits
        .iter()
        .zip(&sleepers)
        .map(|(exit, sleeper)| {
            let (exit, sleeper) = (Arc::clone(exit), Arc::clone(sleeper));
            Box::new(move || {
                exit.store(true, Ordering::SeqCst);
                sleeper.kick();
            }) as Kick
        })
        .collect();
    let gate = Arc::new(VcpuGate::new(kicks));
    let threads: Vec<_> = (0..cpus)
        .map(|cpu| {
            let (gate, exit) = (Arc::clone(&gate), Arc::clone(&exits[cpu]));
            let sleeper = Arc::clone(&sleepers[cpu]);
            std::thread::spawn(move || {
                let Some(seat) = gate.seat(cpu) else { return };
                while seat.pass() == Passage::Run {
                    if idle {
                        sleeper.sleep_until(&Deadline::NEVER);
                    } else {
                        while !exit.swap(false, Ordering::SeqCst) {
                            std::hint::spin_loop();
                        }
                    }
                }
            })
        })
        .collect();
    let mut run = RunControl::new(RunState::Prelaunch, Arc::clone(&gate), clocks);
    let (mut stops, mut conts) = (Vec::new(), Vec::new());
    for _ in 0..CYCLES {
        let start = Instant::now();
        let started = run.cont(Cause::Monitor);
        conts.push(start.elapsed().as_secs_f64() * 1e6);
        // Long enough for the vCPUs to be on their way, as between two commands.
        std::thread::sleep(std::time::Duration::from_micros(200));
        let start = Instant::now();
        let stopped = run.stop(RunState::Paused, Cause::Monitor);
        stops.push(start.elapsed().as_secs_f64() * 1e6);
        if started.is_err() || stopped.is_err() {
            break;
        }
    }
    gate.quit();
    for thread in threads {
        let _ = thread.join();
    }
    let what = if idle { "idle" } else { "busy" };
    println!(
        "  {cpus} {what} vCPUs: stop {:7.1} us, cont {:7.1} us",
        median(stops),
        median(conts)
    );
}

fn wake_ups(timebase: &Arc<Timebase>) {
    let timeline = Timeline::new(timebase);
    let tod = EpochClock::at_host_time(timebase);
    let sleeper = Sleeper::new(&timeline, "cpu0");
    let mut late: Vec<f64> = (0..2000)
        .map(|_| {
            let due = tod.now().wrapping_add(500 * 4096);
            sleeper.sleep_until(&Deadline::clock(&tod, due));
            tod.now().signed_units_since(due) as f64 / 4096.0
        })
        .collect();
    late.sort_by(f64::total_cmp);
    println!(
        "an idle vCPU wakes {:.1} us late (median), {:.1} us (99 of 100), after 500 us",
        late[late.len() / 2],
        late[late.len() * 99 / 100]
    );
}

fn main() {
    let timebase = match Timebase::new(Arc::new(LinuxHost::new())) {
        Ok(timebase) => timebase,
        Err(error) => return eprintln!("{error}"),
    };
    println!(
        "rate known to {} ppb after start",
        timebase.rate().error_ppb
    );
    reads(&EpochClock::at_host_time(&timebase));
    println!("stop and cont (one clock)");
    for cpus in [1, 8] {
        stop_cont(&timebase, cpus, true);
        stop_cont(&timebase, cpus, false);
    }
    wake_ups(&timebase);
}
