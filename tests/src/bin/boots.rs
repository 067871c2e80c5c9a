//! Boots Debian's kernel again and again, with 1 to 8 CPUs on each engine, and looks for boots
//! that hang and for warnings that the kernel does not give under QEMU.
//!
//! A warning is a console line of level "warning" or worse; lines are compared without their
//! time stamps and numbers. Ends with status 1 if anything was found.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ::tests::bench::{Program, Sample};
use ::tests::guests::Debian;
use ::tests::process;

const USAGE: &str = "usage: boots [OPTION...]

--runs N        boots for each engine and number of CPUs (default 20)
--cpus A,B      numbers of CPUs (default 1,2,4,8)
--engines A,B   engines (default native,interp; one that the program refuses is left out)
--limit S       seconds after which a boot hangs (default 300)
--qemu PATH     where the expected warnings come from (default qemu-system-s390x)
--no-qemu       every warning counts
--qemu-runs N   boots of QEMU for each number of CPUs (default 2)";

struct Options {
    runs: usize,
    cpus: Vec<u32>,
    engines: Vec<String>,
    limit: Duration,
    peer: Option<PathBuf>,
    peer_runs: usize,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        runs: 20,
        cpus: vec![1, 2, 4, 8],
        engines: vec!["native".into(), "interp".into()],
        limit: Duration::from_secs(300),
        peer: Some("qemu-system-s390x".into()),
        peer_runs: 2,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if matches!(word.as_str(), "--help" | "-h") {
            return Err(USAGE.into());
        }
        if word == "--no-qemu" {
            options.peer = None;
            continue;
        }
        let value = words.next().unwrap_or_default();
        let wrong = || format!("{word}: '{value}' is not what was expected\n{USAGE}");
        match word.as_str() {
            "--runs" => options.runs = value.parse().map_err(|_| wrong())?,
            "--qemu-runs" => options.peer_runs = value.parse().map_err(|_| wrong())?,
            "--limit" => {
                options.limit = Duration::from_secs(value.parse().map_err(|_| wrong())?);
            }
            "--cpus" => {
                let numbers = value.split(',').map(str::parse).collect();
                options.cpus = Result::map_err(numbers, |_| wrong())?;
            }
            "--engines" => options.engines = value.split(',').map(str::to_owned).collect(),
            "--qemu" => options.peer = Some(value.into()),
            _ => return Err(format!("'{word}': unknown\n{USAGE}")),
        }
    }
    Ok(options)
}

/// How a boot went.
enum Boot {
    /// It powered off: seconds, and its warnings.
    Done(f64, Vec<String>),
    /// It did not come to its end in time; what it said last.
    Hung(String),
    /// It ended in another way.
    Failed(String),
}

fn boot(program: &Program, debian: &Debian, cpus: u32, limit: Duration) -> Boot {
    let start = Instant::now();
    let mut emu = program
        .machine()
        .args(["-m", "512M", "-smp", &cpus.to_string()])
        .kernel(&debian.kernel)
        .initrd(&debian.initrd)
        .append("emu.run=poweroff console_msg_format=syslog")
        .start();
    let status = emu.ends_within(limit);
    let seconds = start.elapsed().as_secs_f64();
    let text = emu.console.text();
    match status {
        None => Boot::Hung(tail(&text)),
        Some(status) if !status.success() || !text.contains("READY poweroff") => Boot::Failed(
            format!("{status}; {}; {}", emu.stderr().trim(), tail(&text)),
        ),
        Some(_) => {
            let said_by_program = emu.stderr();
            let own = said_by_program
                .lines()
                .map(|line| format!("stderr: {line}"));
            Boot::Done(
                seconds,
                text.lines().filter_map(warning).chain(own).collect(),
            )
        }
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}

/// The text of a kernel line of level warning (4) or worse, `<12>[    0.123456] text`, its
/// numbers replaced by `#`.
fn warning(line: &str) -> Option<String> {
    let (level, rest) = line.trim().strip_prefix('<')?.split_once('>')?;
    if level.parse::<u32>().ok()? % 8 > 4 {
        return None;
    }
    let text = rest
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "))
        .map_or(rest, |(_, text)| text);
    let mut plain = String::new();
    for word in text.split_whitespace() {
        if !plain.is_empty() {
            plain.push(' ');
        }
        // Also hexadecimal ones: a word's run of digits and a to f that begins with a digit.
        let mut in_number = false;
        for c in word.chars() {
            let goes_on = c.is_ascii_digit() || in_number && c.is_ascii_hexdigit();
            if goes_on && !in_number {
                plain.push('#');
            }
            if !goes_on {
                plain.push(c);
            }
            in_number = goes_on;
        }
    }
    Some(plain)
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(why) => {
            eprintln!("boots: {why}");
            return ExitCode::FAILURE;
        }
    };
    let debian = match Debian::find() {
        Ok(debian) => debian,
        Err(why) => {
            println!("SKIPPED: {why}");
            return ExitCode::SUCCESS;
        }
    };
    let mut found = false;
    for &cpus in &options.cpus {
        let mut expected = BTreeSet::new();
        if let Some(peer) = &options.peer {
            let program = Program::peer(peer.clone());
            for _ in 0..options.peer_runs {
                match boot(&program, &debian, cpus, options.limit) {
                    Boot::Done(_, warnings) => expected.extend(warnings),
                    Boot::Hung(last) => println!("QEMU, {cpus} CPUs: hung: {last}"),
                    Boot::Failed(why) => println!("QEMU, {cpus} CPUs: {why}"),
                }
            }
        }
        for engine in &options.engines {
            let program = Program::engine(process::binary(), engine);
            if let Err(why) = program.probe() {
                println!("SKIPPED: engine {engine}: {why}");
                continue;
            }
            found |= !all_well(&program, &debian, cpus, &options, &expected);
        }
    }
    if found {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Boots one engine with so many CPUs, and says how it went; true if there is nothing to find.
fn all_well(
    program: &Program,
    debian: &Debian,
    cpus: u32,
    options: &Options,
    expected: &BTreeSet<String>,
) -> bool {
    let mut seconds = Sample(Vec::new());
    let mut new: BTreeMap<String, usize> = BTreeMap::new();
    let mut lost = Vec::new();
    for run in 1..=options.runs {
        match boot(program, debian, cpus, options.limit) {
            Boot::Done(took, warnings) => {
                seconds.0.push(took);
                for warning in warnings {
                    if !expected.contains(&warning) {
                        *new.entry(warning).or_default() += 1;
                    }
                }
            }
            Boot::Hung(last) => lost.push(format!("boot {run} hung: {last}")),
            Boot::Failed(why) => lost.push(format!("boot {run} failed: {why}")),
        }
    }
    println!(
        "{}, {cpus} CPUs: {} of {} boots came to their end, {:.1} s ({:.1} to {:.1}); {} warnings \
         that QEMU's boot has as well are expected, {} are new",
        program.name,
        seconds.0.len(),
        options.runs,
        seconds.median(),
        seconds.least(),
        seconds.greatest(),
        expected.len(),
        new.len(),
    );
    for line in &lost {
        println!("  {line}");
    }
    for (warning, count) in &new {
        println!("  new, {count} times: {warning}");
    }
    lost.is_empty() && new.is_empty()
}

#[cfg(test)]
mod tests {
    use super::warning;

    #[test]
    fn warnings_are_told_from_the_rest_and_from_their_numbers() {
        assert_eq!(warning("<6>[    0.1] Booting"), None);
        assert_eq!(warning("READY poweroff"), None);
        assert_eq!(
            warning("<12>[    3.45] rcu: 12 stalls on 0x3ffe0 in CPU1\r").as_deref(),
            Some("rcu: # stalls on #x# in CPU#")
        );
    }
}
