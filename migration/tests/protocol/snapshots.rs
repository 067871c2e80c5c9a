//! Snapshots: no peer, no time-out, and the guest goes on.

use std::io::{self, Write};
use std::sync::atomic::Ordering;

use migration::incoming::IncomingError;
use migration::snapshot;
use tod::RunState;

use crate::pair::{Options, Pair};

/// Takes so many bytes, then fails as a full disk does.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn saved(pair: &Pair) -> Vec<u8> {
    let mut bytes = Vec::new();
    let written = snapshot::save(&*pair.source, &pair.settings, &mut bytes).unwrap();
    assert_eq!(written, bytes.len() as u64);
    bytes
}

#[test]
fn a_snapshot_is_loaded_as_often_as_one_likes_and_the_guest_that_was_saved_runs_on() {
    let pair = Pair::new(&Options::default());
    pair.source.cont();
    let bytes = saved(&pair);
    assert_eq!(pair.source.state(), RunState::Running);
    assert_eq!(pair.source.take_backs.load(Ordering::SeqCst), 1);
    snapshot::verify(&*pair.destination, &bytes[..]).unwrap();
    assert!(
        pair.destination.ram.load(5, 5) == 0,
        "verifying changes nothing"
    );
    for _ in 0..2 {
        let state = snapshot::load(&*pair.destination, &bytes[..]).unwrap();
        assert_eq!(state, RunState::Running);
        pair.assert_moved();
        pair.destination.ram.store(9, 9, 9);
    }
    pair.world.check();
}

#[test]
fn a_full_disk_costs_the_snapshot_and_not_the_guest() {
    let pair = Pair::new(&Options::default());
    let whole = saved(&pair).len();
    pair.source.cont();
    for room in [0, 1, 100, whole / 2, whole - 1] {
        let error = snapshot::save(&*pair.source, &pair.settings, Full(room)).unwrap_err();
        assert!(error.to_string().contains("cannot be written"), "{error}");
        assert_eq!(pair.source.state(), RunState::Running);
    }
}

#[test]
fn whatever_is_cut_off_or_flipped_is_found_before_anything_changes() {
    let pair = Pair::new(&Options::default());
    let bytes = saved(&pair);
    for end in (0..bytes.len()).step_by(41) {
        assert!(snapshot::verify(&*pair.destination, &bytes[..end]).is_err());
    }
    for at in (0..bytes.len()).step_by(23) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        assert!(
            snapshot::verify(&*pair.destination, &damaged[..]).is_err(),
            "bit {} of byte {at}",
            at % 8
        );
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(snapshot::verify(&*pair.destination, &longer[..]).is_err());
    assert!(!pair.destination.ram.is_tracking() && pair.destination.ram.load(1, 1) == 0);
}

#[test]
fn a_snapshot_of_another_machine_says_what_differs() {
    let small = Pair::new(&Options {
        pages: 300,
        ..Options::default()
    });
    let pair = Pair::new(&Options::default());
    let error = snapshot::load(&*pair.destination, &saved(&small)[..]).unwrap_err();
    assert!(matches!(
        &error,
        IncomingError::Other {
            what: "RAM in bytes",
            ..
        }
    ));
    assert_eq!(
        error.to_string(),
        "the stream is of another VM: its RAM in bytes is 1228800, this one's is 1048576"
    );
}
