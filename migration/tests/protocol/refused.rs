//! Streams that a destination does not take, and sources that cannot go on: what is said on both
//! sides, and that the guest stays.

use std::sync::atomic::Ordering;

use migration::incoming::IncomingError;
use migration::progress::Status;
use migration::vm::VmError;
use tod::RunState;

use crate::pair::{Options, Pair};

/// A move that must fail: what the source and the destination say.
fn refused(pair: &Pair) -> (String, IncomingError) {
    pair.source.cont();
    let (report, received) = pair.migrate();
    assert_eq!(report.status, Status::Failed, "{report:?}");
    assert_eq!(pair.source.state(), RunState::Running);
    assert_eq!(pair.source.hand_overs.load(Ordering::SeqCst), 0);
    assert_eq!(pair.destination.failures.load(Ordering::SeqCst), 1);
    assert_eq!(pair.destination.state(), RunState::Prelaunch);
    let error = received.unwrap_err();
    let told = pair.incoming.report().unwrap();
    assert_eq!(told.status, Status::Failed);
    assert_eq!(told.error_desc.unwrap(), error.to_string());
    (report.error_desc.unwrap(), error)
}

#[test]
fn a_part_that_the_machine_has_and_the_stream_lacks() {
    let pair = Pair::new(&Options::default());
    pair.destination.add_part("watchdog", 3, 1, b"");
    let (source, destination) = refused(&pair);
    assert_eq!(
        destination.to_string(),
        "the stream lacks section 'watchdog' (instance 3)"
    );
    assert_eq!(source, format!("the destination refuses: {destination}"));
}

#[test]
fn a_part_that_the_stream_has_and_the_machine_lacks() {
    let pair = Pair::new(&Options::default());
    pair.source.add_part("watchdog", 0, 1, b"");
    let (source, _) = refused(&pair);
    assert!(
        source.contains("section 'watchdog' (instance 0)"),
        "{source}"
    );
    let pair = Pair::new(&Options::default());
    pair.source.add_part("cpu", 2, 1, b"one more");
    let (source, _) = refused(&pair);
    assert!(source.contains("section 'cpu' (instance 2)"), "{source}");
}

#[test]
fn a_part_that_comes_twice() {
    let pair = Pair::new(&Options::default());
    pair.source.repeat_part("cpu", 1);
    let (source, destination) = refused(&pair);
    assert!(matches!(
        destination,
        IncomingError::Twice { instance: 1, .. }
    ));
    assert!(source.contains("for the second time"), "{source}");
}

#[test]
fn a_version_that_is_not_known() {
    let pair = Pair::new(&Options::default());
    pair.source.add_part("disk", 0, 9, b"from the future");
    pair.destination.add_part("disk", 0, 1, b"");
    let (source, _) = refused(&pair);
    assert!(
        source.contains("version 9 is not known, the newest known is 2"),
        "{source}"
    );
}

#[test]
fn a_part_that_is_longer_than_it_may_be() {
    let pair = Pair::new(&Options::default());
    pair.source.set_part("cpu", 0, &vec![1; (1 << 16) + 1]);
    let (source, _) = refused(&pair);
    assert!(source.contains("the limit is 65536"), "{source}");
}

#[test]
fn a_part_that_is_called_as_a_section_of_the_streams_own() {
    let pair = Pair::new(&Options::default());
    pair.source.add_part("go", 0, 1, b"");
    let (source, destination) = refused(&pair);
    assert!(
        source.contains("a part of the machine is called 'go'"),
        "{source}"
    );
    assert!(matches!(destination, IncomingError::GivenUp(why) if source == why));
}

#[test]
fn parts_that_cannot_be_saved_or_loaded() {
    let pair = Pair::new(&Options::default());
    pair.source.faults.lock().unwrap().save_part = Some("no".into());
    let (source, destination) = refused(&pair);
    assert_eq!(source, "section 'cpu': no");
    assert_eq!(
        destination.to_string(),
        "the source gives up: section 'cpu': no"
    );

    let pair = Pair::new(&Options::default());
    pair.destination.faults.lock().unwrap().load_part = Some("no".into());
    let (source, _) = refused(&pair);
    assert_eq!(source, "the destination refuses: section 'cpu': no");
}

#[test]
fn a_guest_that_cannot_be_stopped() {
    let pair = Pair::new(&Options::default());
    pair.source.faults.lock().unwrap().stop = Some(VmError {
        action: "stop the guest",
        why: "it is busy".into(),
    });
    let (source, _) = refused(&pair);
    assert_eq!(source, "cannot stop the guest: it is busy");
    assert_eq!(pair.source.take_backs.load(Ordering::SeqCst), 0);
}

#[test]
fn a_panic_costs_the_migration_and_not_the_guest() {
    let pair = Pair::new(&Options::default());
    pair.source.faults.lock().unwrap().panic_in_save = true;
    let (source, _) = refused(&pair);
    assert!(source.contains("internal error"), "{source}");
    assert_eq!(pair.source.take_backs.load(Ordering::SeqCst), 1);

    let pair = Pair::new(&Options::default());
    pair.destination.faults.lock().unwrap().panic_in_load = true;
    let (source, _) = refused(&pair);
    assert!(
        source.contains("refuses: the destination has come upon"),
        "{source}"
    );
}

#[test]
fn nobody_listens() {
    let pair = Pair::new(&Options::default());
    pair.source.cont();
    let sending = pair.send("nowhere");
    pair.finish(sending);
    let report = pair.outgoing.report().unwrap();
    assert_eq!(report.status, Status::Failed);
    assert!(report.error_desc.unwrap().contains("cannot connect to"));
    assert_eq!(pair.source.state(), RunState::Running);
    // Another attempt is possible at once.
    let (report, received) = pair.migrate();
    assert_eq!(report.status, Status::Completed);
    received.unwrap();
}
