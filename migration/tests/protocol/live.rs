//! Guests that write while they move: convergence with and without the toll, bandwidth, and that
//! nothing written is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use migration::params::Value;
use migration::progress::{MigrationEvent, Status};
use migration::ram::PAGE_BYTES;
use tod::{RunState, SimHost};

use crate::pair::{HANG, Options, Pair, join};
use crate::sim::SimRam;

fn set(pair: &Pair, name: &str, value: u64) {
    pair.settings
        .change_parameters(|parameters| parameters.set(name, Value::Number(value)))
        .unwrap();
}

fn auto_converge(pair: &Pair, on: bool) {
    pair.settings
        .change_capabilities(|capabilities| capabilities.set("auto-converge", on))
        .unwrap();
}

/// A guest that writes to `count` pages between two looks, or, once it pays a toll, to half as
/// many as the time before.
fn write_between_looks(pair: &Pair, count: u64) {
    let mut writes = count;
    let mut value = 1;
    *pair.source.ram.on_take.lock().unwrap() = Some(Box::new(move |ram: &SimRam, into| {
        if ram.toll_ns() > 0 {
            writes /= 2;
        }
        value += 1;
        for page in 0..writes {
            ram.store(page, 1, value);
            into.insert(page);
        }
    }));
}

#[test]
fn a_guest_that_writes_as_fast_as_the_channel_gets_away_by_the_toll() {
    let pair = Pair::new(&Options::default());
    set(&pair, "downtime-limit", 0);
    write_between_looks(&pair, 200);
    pair.source.cont();
    let (report, received) = pair.migrate();
    assert_eq!(report.status, Status::Completed, "{report:?}");
    received.unwrap();
    pair.assert_moved();
    assert!(pair.source.ram.toll_peak_ns.load(Ordering::SeqCst) > 0);
    // 200, 100, 50, 25, 12, 6, 3, 1, 0: the passes that a limit of nothing takes.
    let passes = report.ram.unwrap().dirty_sync_count;
    assert!((9..=14).contains(&passes), "{passes}");
}

#[test]
fn without_the_toll_it_goes_on_until_the_user_gives_up() {
    let pair = Pair::new(&Options::default());
    set(&pair, "downtime-limit", 0);
    auto_converge(&pair, false);
    write_between_looks(&pair, 200);
    pair.source.cont();
    let events = pair.outgoing.subscribe();
    let receiving = pair.receive("move");
    let sending = pair.send("move");
    while events.recv_timeout(HANG).unwrap() != MigrationEvent::Pass(30) {}
    assert_eq!(pair.outgoing.status(), Some(Status::Active));
    assert_eq!(pair.source.state(), RunState::Running);
    assert!(sending.cancel());
    pair.finish(sending);
    assert_eq!(pair.outgoing.status(), Some(Status::Cancelled));
    assert_eq!(pair.source.state(), RunState::Running);
    assert_eq!(pair.source.ram.toll_peak_ns.load(Ordering::SeqCst), 0);
    assert!(join(receiving).is_err());
    // With a limit that it keeps it is stopped at once.
    set(&pair, "downtime-limit", 1_000_000);
    let (report, received) = pair.migrate();
    assert_eq!(report.status, Status::Completed);
    received.unwrap();
    pair.assert_moved();
    assert!(report.ram.unwrap().dirty_sync_count <= 3);
}

/// Guest threads that count in every page of theirs, as fast as they can.
fn counting(pair: &Pair, cpus: usize, pages_each: u64) -> Arc<AtomicU64> {
    let rounds = Arc::<AtomicU64>::default();
    for vm in [&pair.source, &pair.destination] {
        let rounds = Arc::clone(&rounds);
        vm.spawn_guests(cpus, move |cpu, ram: &SimRam| {
            let round = rounds.fetch_add(1, Ordering::SeqCst);
            for page in 0..pages_each {
                ram.store(cpu as u64 * pages_each + page, page % 512, round);
            }
        });
    }
    rounds
}

#[test]
fn nothing_is_lost_of_what_guest_threads_write_and_they_go_on_at_the_destination() {
    for (cpus, start_stopped) in [(1, true), (2, true), (4, false)] {
        let options = Options {
            pages: 1024,
            cpus,
            start_stopped,
            ..Options::default()
        };
        let (here, there) = (SimHost::new(), SimHost::new());
        let pair = Pair::on(&options, Arc::new(here), Arc::new(there));
        let rounds = counting(&pair, cpus, 200);
        pair.source.cont();
        while rounds.load(Ordering::SeqCst) < 20 {
            std::thread::yield_now();
        }
        let (report, received) = pair.migrate();
        assert_eq!(report.status, Status::Completed, "{report:?}");
        received.unwrap();
        assert!(report.ram.unwrap().dirty_sync_count >= 2);
        if start_stopped {
            pair.assert_moved();
            pair.destination.cont();
        }
        let seen = rounds.load(Ordering::SeqCst);
        while rounds.load(Ordering::SeqCst) < seen + 20 {
            std::thread::yield_now();
        }
        pair.world.check();
        pair.source.quit();
        pair.destination.quit();
    }
}

#[test]
fn a_cancelled_move_leaves_guest_threads_at_work() {
    let options = Options {
        pages: 1024,
        cpus: 2,
        ..Options::default()
    };
    let pair = Pair::new(&options);
    auto_converge(&pair, false);
    set(&pair, "downtime-limit", 0);
    let rounds = counting(&pair, 2, 200);
    pair.source.cont();
    let events = pair.outgoing.subscribe();
    let receiving = pair.receive("move");
    let sending = pair.send("move");
    while events.recv_timeout(HANG).unwrap() != MigrationEvent::Pass(2) {}
    sending.cancel();
    pair.finish(sending);
    assert!(join(receiving).is_err());
    let seen = rounds.load(Ordering::SeqCst);
    while rounds.load(Ordering::SeqCst) < seen + 20 {
        std::thread::yield_now();
    }
    pair.source.quit();
    pair.destination.quit();
}

#[test]
fn a_bandwidth_limit_is_kept_and_the_destination_does_not_take_the_wait_for_a_stall() {
    let options = Options {
        pages: 256,
        ..Options::default()
    };
    let pair = Pair::new(&options);
    for page in 0..256 {
        pair.source.ram.store(page, 0, page + 1);
    }
    let limit = 400_000;
    set(&pair, "max-bandwidth", limit);
    // A section of RAM alone takes 650 ms.
    set(&pair, "x-stall-timeout", 400);
    pair.source.cont();
    let (report, received) = pair.migrate();
    assert_eq!(report.status, Status::Completed, "{report:?}");
    received.unwrap();
    pair.assert_moved();
    let ram = report.ram.unwrap();
    assert!(ram.precopy_bytes >= 256 * PAGE_BYTES as u64);
    // No less time than the bytes take at that rate.
    assert!(
        report.total_time >= ram.precopy_bytes * 1000 / limit,
        "{} bytes in {} ms",
        ram.precopy_bytes,
        report.total_time
    );
}

#[test]
fn a_limit_that_would_take_for_ever_does_not_keep_a_user_from_cancelling_or_changing_it() {
    for cancels in [true, false] {
        let pair = Pair::new(&Options::default());
        set(&pair, "max-bandwidth", 1);
        pair.source.cont();
        let receiving = pair.receive("move");
        let sending = pair.send("move");
        while pair
            .outgoing
            .report()
            .unwrap()
            .ram
            .is_none_or(|ram| ram.precopy_bytes == 0)
        {
            std::thread::sleep(Duration::from_millis(1));
        }
        if cancels {
            sending.cancel();
        } else {
            set(&pair, "max-bandwidth", 0);
        }
        pair.finish(sending);
        let expected = if cancels {
            Status::Cancelled
        } else {
            Status::Completed
        };
        assert_eq!(pair.outgoing.status(), Some(expected));
        assert_eq!(join(receiving).is_err(), cancels);
    }
}
