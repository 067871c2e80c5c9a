//! What a move costs, as far as the protocol is concerned. For people:
//! `cargo test --release -p migration --test protocol -- --ignored --nocapture measure`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use migration::progress::Status;
use migration::ram::PAGE_BYTES;
use tod::{HostClock, LinuxHost};

use crate::pair::{Options, Pair, join};
use crate::sim::SimRam;

fn host() -> Arc<dyn HostClock> {
    Arc::new(LinuxHost::new())
}

fn spread(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    format!(
        "median {:.3} ({:.3} to {:.3})",
        values[values.len() / 2],
        values[0],
        values[values.len() - 1]
    )
}

#[test]
#[ignore = "measures"]
fn measure_an_offline_move_of_a_small_vm() {
    for (mib, data_pages, cycles) in [(1, 9, 1), (1, 9, 300), (128, 400, 1)] {
        let mut times = Vec::new();
        for _ in 0..50 {
            let options = Options {
                pages: mib * 256,
                ..Options::default()
            };
            let pair = Pair::on(&options, host(), host());
            for page in 0..data_pages {
                pair.source.ram.store(page, 1, page + 1);
            }
            for _ in 0..cycles {
                pair.source.cont();
                pair.source.pause();
            }
            let receiving = pair.receive("move");
            let begun = Instant::now();
            let sending = pair.send("move");
            assert!(pair.outgoing.wait(crate::pair::HANG));
            times.push(begun.elapsed().as_secs_f64() * 1e3);
            join(receiving).unwrap();
            pair.finish(sending);
        }
        println!(
            "offline move, {mib} MiB, {data_pages} pages of data, after {cycles} stops: {} ms",
            spread(times)
        );
    }
}

#[test]
#[ignore = "measures"]
fn measure_the_downtime_of_a_guest_that_writes_to_64_mib() {
    for toll in [true, false] {
        let (mut downtimes, mut errors, mut totals, mut passes) = (vec![], vec![], vec![], vec![]);
        for _ in 0..10 {
            let pages = (64 << 20) / PAGE_BYTES as u64;
            let options = Options {
                pages: pages + 256,
                cpus: 1,
                ..Options::default()
            };
            let pair = Pair::on(&options, host(), host());
            pair.settings
                .change_capabilities(|capabilities| capabilities.set("auto-converge", toll))
                .unwrap();
            for vm in [&pair.source, &pair.destination] {
                let mut round = 0;
                let next = std::sync::Mutex::new(move || {
                    round += 1;
                    round
                });
                let next = Arc::new(next);
                vm.spawn_guests(1, move |_, ram: &SimRam| {
                    let round = (*next.lock().unwrap())();
                    // As often as a vCPU looks whether it should stop.
                    let from = round * 16 % pages;
                    for page in from..from + 16 {
                        ram.store(page, 0, round);
                    }
                });
            }
            pair.source.cont();
            std::thread::sleep(Duration::from_millis(100));
            let receiving = pair.receive("move");
            let sending = pair.send("move");
            join(receiving).unwrap();
            pair.finish(sending);
            let report = pair.outgoing.report().unwrap();
            assert_eq!(report.status, Status::Completed, "{report:?}");
            downtimes.push(report.x_downtime_ns.unwrap() as f64 / 1e6);
            errors.push(report.x_downtime_error_ns.unwrap() as f64 / 1e3);
            totals.push(report.total_time as f64);
            passes.push(report.ram.unwrap().dirty_sync_count as f64);
            pair.source.quit();
            pair.destination.quit();
        }
        println!(
            "64 MiB written at full speed, toll {toll}: downtime {} ms, known to {} us, in all {} ms, \
             {} passes",
            spread(downtimes),
            spread(errors),
            spread(totals),
            spread(passes)
        );
    }
}
