//! Moves that succeed, and how long the guest stood.

use std::sync::atomic::Ordering;
use std::time::Duration;

use migration::params::Value;
use migration::progress::{MigrationEvent, Status};
use migration::ram::PAGE_BYTES;
use migration::transport::Uri;
use migration::vm::{Ram, Started};
use tod::ledger::Event;
use tod::{FaultPoint, RunState, SimHost};

use crate::pair::{Options, Pair, join};

#[test]
fn a_guest_that_stands_moves_and_stands() {
    let pair = Pair::new(&Options::default());
    pair.source.cont();
    pair.source.pause();
    let (report, received) = pair.migrate();
    assert_eq!(report.status, Status::Completed, "{report:?}");
    assert_eq!(received.unwrap(), Started::Standing);
    assert_eq!(pair.source.state(), RunState::Postmigrate);
    assert_eq!(pair.destination.state(), RunState::Paused);
    pair.assert_moved();
    let ram = report.ram.unwrap();
    assert_eq!((ram.normal, ram.duplicate, ram.remaining), (9, 2, 0));
    assert_eq!(ram.normal_bytes, 9 * PAGE_BYTES as u64);
    assert!(ram.transferred >= ram.precopy_bytes + ram.downtime_bytes);
    assert_eq!(report.x_downtime_ns, None);
    assert_eq!(pair.destination.failures.load(Ordering::SeqCst), 0);
    // It goes on where it stood, when somebody says so.
    let stood = pair.source.tod.now();
    pair.destination.cont();
    assert_eq!(pair.destination.tod.now(), stood);
}

#[test]
fn a_guest_that_runs_moves_and_runs_and_its_clock_stood_meanwhile() {
    let (here, there) = (SimHost::new(), SimHost::new());
    there.advance(123_456_789_000);
    let pair = Pair::on(
        &Options::default(),
        std::sync::Arc::new(here.clone()),
        std::sync::Arc::new(there.clone()),
    );
    let events = pair.outgoing.subscribe();
    pair.source.cont();
    here.advance(5_000_000);
    there.advance(5_000_000);
    let before = pair.source.tod.now();
    *pair.destination.before_start.lock().unwrap() = Some(Box::new({
        let (here, there) = (here.clone(), there.clone());
        move || {
            here.advance(3_000_000);
            there.advance(3_000_000);
        }
    }));
    let (report, received) = pair.migrate();
    assert_eq!(report.status, Status::Completed, "{report:?}");
    assert!(matches!(
        received.unwrap(),
        Started::Running { since: Some(_) }
    ));
    assert_eq!(pair.source.state(), RunState::Postmigrate);
    assert_eq!(pair.destination.state(), RunState::Running);
    pair.assert_moved();
    assert_eq!(pair.destination.tod.now(), before);
    there.advance(1_000_000);
    assert_eq!(
        pair.destination.tod.now().units_since(before),
        4_096_000_000 / 1_000
    );
    // 3 ms, known to what the clocks may have drifted apart since the last exchange.
    let at_source = pair.source.downtimes();
    assert_eq!(at_source.len(), 1);
    let told = report.x_downtime_error_ns.unwrap();
    assert!(told <= 3 * 1_200 + 2, "{told}");
    assert!(report.x_downtime_ns.unwrap().abs_diff(3_000_000) <= told);
    assert_eq!(
        report.downtime,
        Some(
            report
                .x_downtime_ns
                .unwrap()
                .unsigned_abs()
                .div_ceil(1_000_000)
        )
    );
    // Both ledgers have it, and the destination's the source's whole history.
    for ledger in [
        pair.source.clocks.ledger(),
        pair.destination.clocks.ledger(),
    ] {
        let downtime = ledger.entries().find_map(|entry| match entry.event {
            Event::Downtime(downtime) => Some(downtime),
            _ => None,
        });
        let downtime = downtime.expect("a downtime in the ledger");
        assert!(
            downtime.ns.abs_diff(3_000_000) <= downtime.error_ns,
            "{downtime:?}"
        );
    }
    let arrived = pair.incoming.report().unwrap();
    assert_eq!(arrived.status, Status::Completed);
    assert!(
        arrived.x_downtime_ns.unwrap().abs_diff(3_000_000) <= arrived.x_downtime_error_ns.unwrap()
    );
    let statuses: Vec<_> = events
        .try_iter()
        .filter_map(|event| match event {
            MigrationEvent::Status(status) => Some(status),
            MigrationEvent::Pass(_) => None,
        })
        .collect();
    assert_eq!(
        statuses,
        [
            Status::Setup,
            Status::Active,
            Status::Device,
            Status::Completed
        ]
    );
}

#[test]
fn with_dash_s_a_running_guest_stands_at_the_destination() {
    let pair = Pair::new(&Options {
        start_stopped: true,
        ..Options::default()
    });
    pair.source.cont();
    let (report, received) = pair.migrate();
    assert_eq!(report.status, Status::Completed);
    assert_eq!(received.unwrap(), Started::Standing);
    assert_eq!(pair.destination.state(), RunState::Paused);
    assert_eq!(report.x_downtime_ns, None);
}

#[test]
fn there_and_back_many_times() {
    let mut pair = Pair::new(&Options::default());
    pair.source.cont();
    let start = pair.source.tod.now();
    for _ in 0..20 {
        let (report, received) = pair.migrate();
        assert_eq!(report.status, Status::Completed, "{report:?}");
        received.unwrap();
        pair.assert_moved();
        // The old source is the next destination; its RAM is not fresh, and has too much in it.
        pair.source.ram.store(77, 7, 7);
        std::mem::swap(&mut pair.source, &mut pair.destination);
    }
    assert_eq!(pair.source.ram.load(77, 7), 0);
    assert_eq!(pair.source.tod.now(), start);
    let ledger = pair.source.clocks.ledger();
    ledger.verify().unwrap();
    assert_eq!(
        ledger.account("tod").unwrap().unexplained(),
        tod::FineSpan::ZERO
    );
}

#[test]
fn a_clock_that_cannot_be_read_does_not_cost_the_guest() {
    let pair = Pair::new(&Options::default());
    pair.source.cont();
    pair.source
        .clocks
        .inject("tod", FaultPoint::Capture, 2)
        .unwrap();
    let (report, received) = pair.migrate();
    assert_eq!(report.status, Status::Completed, "{report:?}");
    assert!(matches!(received.unwrap(), Started::Running { .. }));
    let ledger = pair.destination.clocks.ledger();
    let lost = |entry: &tod::ledger::Entry| matches!(entry.event, Event::Fallback { .. });
    assert!(ledger.entries().filter(|entry| lost(entry)).count() >= 2);
}

#[test]
fn host_clocks_that_cannot_be_read_cost_only_the_measurement() {
    let (here, there) = (SimHost::new(), SimHost::new());
    let pair = Pair::on(
        &Options::default(),
        std::sync::Arc::new(here.clone()),
        std::sync::Arc::new(there.clone()),
    );
    pair.source.cont();
    there.fail_samples(u32::MAX);
    let (report, received) = pair.migrate();
    assert_eq!(report.status, Status::Completed, "{report:?}");
    assert!(matches!(received.unwrap(), Started::Running { .. }));
    assert_eq!(report.x_downtime_ns, None);
    assert!(report.downtime.is_some());
}

#[test]
fn a_destination_with_compressed_ram_is_the_same() {
    let pair = Pair::new(&Options::default());
    pair.settings
        .change_parameters(|parameters| {
            parameters.set("x-compression", Value::Text("zstd".into()))?;
            parameters.set("x-compression-level", Value::Number(3))
        })
        .unwrap();
    for page in 0..64 {
        pair.source.ram.store(page, 3, 1);
    }
    pair.source.cont();
    let (report, received) = pair.migrate();
    received.unwrap();
    pair.assert_moved();
    assert!(report.ram.unwrap().transferred < 64 * 1024);
}

#[test]
fn a_file_keeps_what_a_destination_takes_over_later() {
    let pair = Pair::new(&Options::default());
    let file = Uri::File {
        path: pair.path("vm"),
        offset: 0,
    };
    pair.source.cont();
    let sending = pair.send_to(file.clone());
    pair.finish(sending);
    let report = pair.outgoing.report().unwrap();
    assert_eq!(report.status, Status::Completed, "{report:?}");
    assert_eq!(pair.source.state(), RunState::Postmigrate);
    let received = join(pair.receive_from(&file)).unwrap();
    assert!(matches!(received, Started::Running { .. }));
    pair.assert_moved();
    pair.world.check();
}

#[test]
fn the_pause_before_the_switch_over_lasts_until_somebody_says_so() {
    let pair = Pair::new(&Options::default());
    pair.settings
        .change_capabilities(|capabilities| capabilities.set("pause-before-switchover", true))
        .unwrap();
    // Far shorter than the pause: the destination is kept from taking it for a stall.
    pair.settings
        .change_parameters(|parameters| parameters.set("x-stall-timeout", Value::Number(400)))
        .unwrap();
    pair.source.cont();
    let events = pair.outgoing.subscribe();
    let receiving = pair.receive("move");
    let sending = pair.send("move");
    let paused = MigrationEvent::Status(Status::PreSwitchover);
    while events.recv_timeout(crate::pair::HANG).unwrap() != paused {}
    assert_eq!(pair.source.state(), RunState::FinishMigrate);
    std::thread::sleep(Duration::from_millis(1200));
    assert_eq!(pair.outgoing.status(), Some(Status::PreSwitchover));
    sending.go_on().unwrap();
    join(receiving).unwrap();
    pair.finish(sending);
    assert_eq!(pair.outgoing.status(), Some(Status::Completed));
    pair.assert_moved();
}

#[test]
fn a_destination_that_is_not_fresh_forgets_what_it_had() {
    let pair = Pair::new(&Options::default());
    pair.destination.ram.store(33, 1, 0xdead);
    assert!(!pair.destination.ram.is_fresh());
    pair.source.cont();
    pair.migrate().1.unwrap();
    pair.assert_moved();
}
