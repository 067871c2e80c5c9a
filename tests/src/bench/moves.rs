//! How long a guest stands still while it is moved, live and offline.
//!
//! Both programs are judged from outside by the time stamps of their events on one host: the
//! guest stands from the source's STOP to the destination's RESUME. What each says of itself is
//! in `query-migrate`; it is printed too.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::Sample;
use crate::EmuBuilder;
use crate::guests::image;
use crate::moving::{Meeting, Side};

/// How long a guest that has been moved may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// One way to move a guest.
pub struct Case {
    /// What it is called.
    pub name: &'static str,
    /// The guest's parameters.
    append: &'static str,
    live: bool,
}

/// What is measured.
pub const CASES: &[Case] = &[
    Case {
        name: "live, 64 MiB written at full speed",
        append: "mb=64",
        live: true,
    },
    Case {
        name: "live, 64 MiB every 100 ms",
        append: "mb=64 rest=100000",
        live: true,
    },
    Case {
        name: "live, 1 MiB at full speed",
        append: "mb=1",
        live: true,
    },
    Case {
        name: "offline, 1 MiB of 128",
        append: "mb=1",
        live: false,
    },
];

/// One move.
pub struct Moved {
    /// Milliseconds in which the guest did not run.
    pub standing_ms: f64,
    /// Milliseconds from the first request to the guest's running on the other side.
    pub whole_ms: f64,
    /// Milliseconds of standing as the source tells it.
    pub told_ms: f64,
    /// TOD units by which TOD clock and CPU timer moved apart; none if the guest does not answer
    /// any more.
    pub apart: Option<i64>,
}

/// Microseconds of an event's time stamp.
fn stamp(event: &Value) -> f64 {
    let part = |name: &str| event["timestamp"][name].as_f64().unwrap_or(f64::NAN);
    part("seconds") * 1e6 + part("microseconds")
}

fn now_us() -> f64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
}

/// Moves a guest once.
///
/// # Errors
/// What did not work.
pub fn run(binary: &Path, case: &Case) -> Result<Moved, String> {
    let meeting = Meeting::new();
    let address = meeting.address("channel");
    let builder = || {
        EmuBuilder::s390x()
            .with_binary(binary)
            .args(["-m", "128M"])
            .kernel(&image("move"))
            .append(case.append)
    };
    let mut source = Side::start(builder());
    source.emu.expect("MOVE start", 60);
    let mut destination = Side::waiting(builder(), &address);
    // The guest has been through all of its memory a few times.
    std::thread::sleep(Duration::from_millis(500));
    // What a first report costs the engine would be seen as a difference of the clocks.
    source.report();
    let before = source.report();
    // QEMU's default limit would measure the limit.
    source.qmp.ok(
        "migrate-set-parameters",
        json!({ "max-bandwidth": 1u64 << 40 }),
    );
    source.qmp.ok(
        "migrate-set-capabilities",
        json!({ "capabilities": [{ "capability": "events", "state": true }] }),
    );
    let start = now_us();
    if !case.live {
        source.qmp.ok("stop", json!({}));
    }
    source.qmp.command("migrate", json!({ "uri": address }))?;
    let stop = source.qmp.event("STOP")?;
    if !case.live {
        // Waited for, not asked for: asking takes time from who answers.
        while source.qmp.event("MIGRATION")?["data"]["status"] != "completed" {}
        // QEMU forgets a cont that comes before it has loaded.
        while destination.state() == "inmigrate" {}
        destination.qmp.ok("cont", json!({}));
    }
    let resume = destination.qmp.event("RESUME")?;
    let told = source.migration(&["completed", "failed"]);
    if told["status"] != "completed" {
        return Err(told.to_string());
    }
    destination.emu.type_text("r");
    let after = destination
        .report_within(ANSWER)
        .ok()
        .map(|_| destination.report());
    Ok(Moved {
        standing_ms: (stamp(&resume) - stamp(&stop)) / 1e3,
        whole_ms: (stamp(&resume) - start) / 1e3,
        told_ms: told["downtime"].as_f64().unwrap_or(f64::NAN),
        apart: after.map(|after| after.apart - before.apart),
    })
}

/// Measures all cases, ours and the peer's in turn, and prints them.
pub fn print(own: &Path, peer: Option<&Path>, runs: usize) {
    for case in CASES {
        println!("  {}", case.name);
        let mut standing = Vec::new();
        for (name, binary) in [("ours", Some(own)), ("peer", peer)] {
            if let Some(binary) = binary {
                standing.push((name, binary, Measured::default()));
            }
        }
        for _ in 0..runs {
            for (name, binary, measured) in &mut standing {
                match run(binary, case) {
                    Ok(moved) => measured.add(&moved),
                    Err(why) => println!("    {name}: FAILED: {why}"),
                }
            }
        }
        for (name, _, measured) in &standing {
            println!("    {name}: standing       {} ms", measured.standing);
            println!("    {name}: whole move     {} ms", measured.whole);
            println!("    {name}: told downtime  {} ms", measured.told);
            println!("    {name}: clocks apart   {} us", measured.apart);
            if measured.silent > 0 {
                println!("    {name}: {} guests no longer answer", measured.silent);
            }
        }
        if let [(.., ours), (.., peers)] = &standing[..] {
            let ratio = |ours: &Sample, peers: &Sample| ours.median() / peers.median();
            println!(
                "    ratio: standing {:.2}, whole {:.2}",
                ratio(&ours.standing, &peers.standing),
                ratio(&ours.whole, &peers.whole)
            );
        }
    }
}

#[derive(Default)]
struct Measured {
    standing: Sample,
    whole: Sample,
    told: Sample,
    apart: Sample,
    /// Guests that did not answer after the move.
    silent: usize,
}

impl Measured {
    fn add(&mut self, moved: &Moved) {
        self.standing.0.push(moved.standing_ms);
        self.whole.0.push(moved.whole_ms);
        self.told.0.push(moved.told_ms);
        match moved.apart {
            Some(units) => self.apart.0.push(units as f64 / 4096.0),
            None => self.silent += 1,
        }
    }
}
