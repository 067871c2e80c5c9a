//! Benchmarks: the suite of guests and boots, clock reads, stop and cont; beside QEMU where
//! `qemu-system-s390x` is installed, alternating in one run. Medians with the least and the
//! greatest value. Not a test: nothing here fails for being slow; the suite's guests do fail for a
//! wrong result.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tests::bench::guest::Length;
use tests::bench::moves;
use tests::bench::stop_latency;
use tests::bench::suite::{self, Plan};
use tests::bench::{Sample, Selection, table};
use tests::guests::image;
use tests::{Emu, EmuBuilder, process};
use tod::clock::EpochClock;
use tod::host::LinuxHost;
use tod::{Timebase, host::CounterSource};

const USAGE: &str = "usage: bench [OPTION...] [NAME...]

NAME is one or more of: suite, clock-read, stop-cont, stop-latency, tod-step, moves
(default: all).
--runs N        repetitions of each measurement (default 5)
--qemu PATH     the peer (default: qemu-system-s390x, if it is installed)
--no-qemu       measure without a peer

The suite runs guests that check their own results and prints a table of all rows:
--rows TEXT     only rows whose names contain TEXT
--engines A,B   our engines (default native,interp; one that the program refuses is left out)
--ms N          milliseconds that a row is measured in a run (default 50)";

struct Options {
    runs: usize,
    peer: Option<PathBuf>,
    rows: Option<String>,
    engines: Vec<String>,
    milliseconds: u32,
    names: Vec<String>,
}

/// A number above 0.
fn count<T: std::str::FromStr + PartialOrd + Default>(
    option: &str,
    value: Option<String>,
) -> Result<T, String> {
    let value = value.unwrap_or_default();
    let parsed = value.parse().ok().filter(|count| *count > T::default());
    parsed.ok_or_else(|| format!("{option}: '{value}': expected a number above 0"))
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        runs: 5,
        peer: installed("qemu-system-s390x"),
        rows: None,
        engines: vec!["native".into(), "interp".into()],
        milliseconds: 50,
        names: Vec::new(),
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--runs" => options.runs = count("--runs", words.next())?,
            "--ms" => options.milliseconds = count("--ms", words.next())?,
            "--rows" => options.rows = words.next(),
            "--engines" => {
                let names = words.next().unwrap_or_default();
                options.engines = names.split(',').map(str::to_owned).collect();
            }
            "--qemu" => options.peer = words.next().map(PathBuf::from),
            "--no-qemu" => options.peer = None,
            "--help" | "-h" => return Err(USAGE.into()),
            SUITE => options.names.push(SUITE.into()),
            name if BENCHES.iter().any(|(known, _)| *known == name) => {
                options.names.push(name.into());
            }
            other => return Err(format!("'{other}': unknown\n{USAGE}")),
        }
    }
    Ok(options)
}

fn installed(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// The name of the suite of rows, the only one whose results may be wrong.
const SUITE: &str = "suite";

type Bench = fn(&Options);

const BENCHES: &[(&str, Bench)] = &[
    ("clock-read", clock_read),
    ("stop-cont", stop_cont),
    ("stop-latency", |options| {
        stop_latency::print(40 * options.runs)
    }),
    ("tod-step", tod_step),
    ("moves", |options| {
        moves::print(&process::binary(), options.peer.as_deref(), options.runs);
    }),
];

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(why) => {
            eprintln!("bench: {why}");
            return ExitCode::FAILURE;
        }
    };
    println!("program: {}", process::binary().display());
    match &options.peer {
        Some(path) => println!("peer:    {} ({})", path.display(), table::version(path)),
        None => println!("peer:    none"),
    }
    let wanted = |name: &str| options.names.is_empty() || options.names.iter().any(|n| n == name);
    let mut right = true;
    if wanted(SUITE) {
        println!("\n{SUITE}");
        right = whole_suite(&options);
    }
    for (name, bench) in BENCHES {
        if wanted(name) {
            println!("\n{name}");
            bench(&options);
        }
    }
    if right {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Prints ours and the peer's, alternating runs, and the ratio ours / peer.
fn side_by_side(
    options: &Options,
    what: &str,
    unit: &str,
    mut measure: impl FnMut(&Path) -> Option<f64>,
) {
    let own = process::binary();
    let (mut ours, mut peers) = (Sample(Vec::new()), Sample(Vec::new()));
    for _ in 0..options.runs {
        ours.0.extend(measure(&own));
        if let Some(peer) = &options.peer {
            peers.0.extend(measure(peer));
        }
    }
    println!("  {what:<34} {ours} {unit}");
    if !peers.0.is_empty() {
        println!("  {:<34} {peers} {unit}", "  peer");
        println!(
            "  {:<34} {:>10.2}",
            "  ratio to the peer",
            ours.median() / peers.median()
        );
    }
}

/// The table of all rows on all engines and the peer. Whether all of our results were right.
fn whole_suite(options: &Options) -> bool {
    let plan = Plan {
        binary: process::binary(),
        engines: options.engines.clone(),
        peer: options.peer.clone(),
        runs: options.runs,
        selection: Selection {
            rows: options.rows.clone(),
            length: Length::Milliseconds(options.milliseconds),
        },
    };
    let results = suite::run(&plan, |what| eprintln!("{what}"));
    print!("{}", table::render(&results, &table::versions(&results)));
    results.all_right()
}

/// Nanoseconds of one read of the TOD clock, beside a bare counter read and multiply.
fn clock_read(options: &Options) {
    const READS: u32 = 5_000_000;
    let timebase = match Timebase::new(Arc::new(LinuxHost::new())) {
        Ok(timebase) => timebase,
        Err(error) => {
            println!("  the host clock cannot be read: {error}");
            return;
        }
    };
    let clock = EpochClock::at_host_time(&timebase);
    let time = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64() * 1e9 / f64::from(READS)
    };
    let counter: &CounterSource = timebase.counter();
    let (mut bare, mut read, mut ordered) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.runs.max(9) {
        bare.push(time(&mut || {
            for _ in 0..READS {
                let product = u128::from(counter.read_unordered()) * u128::from(black_box(7u64));
                black_box((product >> 56) as u64);
            }
        }));
        read.push(time(&mut || {
            for _ in 0..READS {
                black_box(clock.now_unordered());
            }
        }));
        ordered.push(time(&mut || {
            for _ in 0..READS {
                black_box(clock.now());
            }
        }));
    }
    let (bare, read, ordered) = (Sample(bare), Sample(read), Sample(ordered));
    println!("  {:<34} {bare} ns", "bare counter read and multiply");
    println!("  {:<34} {read} ns", "TOD through the epoch");
    println!("  {:<34} {ordered} ns", "TOD through the epoch, ordered");
    println!(
        "  {:<34} {:>10.2}",
        "  ratio to bare",
        read.median() / bare.median()
    );
}

/// A running bare-metal guest with a QMP connection.
fn guest(binary: &Path, name: &str, append: &str, extra: &[&str]) -> Emu {
    let builder = EmuBuilder::s390x()
        .with_binary(binary)
        .args(["-m", "64M"])
        .args(extra.iter().copied())
        .kernel(&image(name));
    if append.is_empty() {
        builder.start()
    } else {
        builder.append(append).start()
    }
}

/// Microseconds from a QMP request to its answer.
fn stop_cont(options: &Options) {
    const CYCLES: usize = 200;
    for cpus in ["1", "8"] {
        for verb in ["stop", "cont"] {
            side_by_side(
                options,
                &format!("{verb}, {cpus} vCPU threads"),
                "us",
                |binary| {
                    let emu = guest(binary, "spin", "", &["-smp", cpus]);
                    let mut qmp = emu.qmp();
                    let mut times = Vec::new();
                    for _ in 0..CYCLES {
                        for command in ["stop", "cont"] {
                            let start = Instant::now();
                            qmp.ok(command, json!({}));
                            if command == verb {
                                times.push(start.elapsed().as_secs_f64() * 1e6);
                            }
                            std::thread::sleep(Duration::from_micros(200));
                        }
                    }
                    Some(Sample(times).median())
                },
            );
        }
    }
}

/// Microseconds by which the guest's TOD moves in one step over a stop of 50 ms and a cont: the
/// longest step between two STCKE in a tight loop. A host that takes the CPU away from the guest
/// makes longer ones, so the same is measured over windows of the same requests and running time
/// without a stop; what the stop adds is the difference. And all that once more with the vCPU's
/// thread on a host CPU of its own, where the program's other threads do not get in its way.
fn tod_step(options: &Options) {
    println!("  threads where the host puts them");
    tod_steps(options, |_| true);
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    if cpus < 2 {
        return println!("  SKIPPED: there is no host CPU for the vCPU alone");
    }
    println!("  the vCPU's thread on a host CPU of its own");
    let others = format!("0-{}", cpus - 2);
    let last = format!("{}", cpus - 1);
    let own = std::process::id().to_string();
    tod_steps(options, |emu| {
        // The vCPU is the thread that has used most time; it gets some.
        std::thread::sleep(Duration::from_millis(300));
        busiest_thread(emu.id()).is_some_and(|vcpu| {
            taskset(&["-apc", &others, &own])
                && taskset(&["-apc", &others, &emu.id().to_string()])
                && taskset(&["-pc", &last, &vcpu])
        })
    });
    taskset(&["-apc", &format!("0-{}", cpus - 1), &own]);
}

fn taskset(arguments: &[&str]) -> bool {
    let output = std::process::Command::new("taskset")
        .args(arguments)
        .output();
    output.is_ok_and(|output| output.status.success())
}

/// The thread of a process that has run longest in user mode.
fn busiest_thread(process: u32) -> Option<String> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).ok()?;
    let busy = tasks.filter_map(|task| {
        let stat = std::fs::read_to_string(task.as_ref().ok()?.path().join("stat")).ok()?;
        // proc_pid_stat(5): utime is the 12th field after the name in parentheses.
        let (_, fields) = stat.rsplit_once(')')?;
        let user: u64 = fields.split_whitespace().nth(11)?.parse().ok()?;
        Some((user, task.ok()?.file_name().into_string().ok()?))
    });
    busy.max().map(|(_, thread)| thread)
}

fn tod_steps(options: &Options, arrange: impl Fn(&Emu) -> bool) {
    const WINDOWS: usize = 20;
    let mut all: Vec<(PathBuf, Sample, Sample)> = Vec::new();
    for _ in 0..options.runs {
        for binary in std::iter::once(process::binary()).chain(options.peer.clone()) {
            let emu = guest(&binary, "todlog", "every=0 gap=4000000000000", &[]);
            emu.expect("TODLOG start", 60);
            let mut qmp = emu.qmp();
            if !arrange(&emu) {
                return println!("  SKIPPED: the threads could not be put there");
            }
            let mut longest = |stops: bool| {
                emu.type_text("x");
                emu.expect("TODLOG max=", 60);
                emu.expect("\n", 60);
                // The guest is on its way back to its loop.
                std::thread::sleep(Duration::from_micros(200));
                qmp.ok(if stops { "stop" } else { "query-status" }, json!({}));
                if stops {
                    std::thread::sleep(Duration::from_millis(50));
                }
                qmp.ok(if stops { "cont" } else { "query-status" }, json!({}));
                std::thread::sleep(Duration::from_millis(1));
                emu.type_text("r");
                emu.expect("TODLOG max=", 60);
                let units = u64::from_str_radix(emu.expect(" ", 60).trim(), 16).ok()?;
                Some(units as f64 / 4096.0)
            };
            let at = all
                .iter()
                .position(|(known, ..)| *known == binary)
                .unwrap_or_else(|| {
                    all.push((binary, Sample(Vec::new()), Sample(Vec::new())));
                    all.len() - 1
                });
            for _ in 0..WINDOWS {
                all[at].1.0.extend(longest(true));
                all[at].2.0.extend(longest(false));
            }
        }
    }
    for (binary, over, without) in &all {
        let name = binary.file_name().unwrap_or_default().display();
        println!("  {:<34} {over} us", format!("{name}: over stop and cont"));
        println!("  {:<34} {without} us", "  without, same running time");
    }
    if let [(_, ours, _), (_, peers, _)] = &all[..] {
        println!(
            "  {:<34} {:>10.2}",
            "ratio to the peer",
            ours.median() / peers.median()
        );
    }
}
