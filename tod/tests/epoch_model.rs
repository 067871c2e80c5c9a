//! The published epoch under loom, which tries every interleaving and every
//! stale value that the memory model allows: no torn epoch, no time going back.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering, fence};
use loom::thread;
use tod::FineTod;
use tod::epoch::{Epoch, PublishedEpoch, Word};

/// The atomic word of the product, as loom's.
struct Checked(AtomicU64);

impl Word for Checked {
    fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }
    fn load(&self, order: Ordering) -> u64 {
        self.0.load(order)
    }
    fn store(&self, value: u64, order: Ordering) {
        self.0.store(value, order);
    }
    fn swap_if(&self, old: u64, new: u64) -> bool {
        self.0
            .compare_exchange(old, new, Ordering::SeqCst, Ordering::Relaxed)
            .is_ok()
    }
    fn fence(order: Ordering) {
        fence(order);
    }
    fn relax(_spins: u32) {
        thread::yield_now();
    }
}

/// The same without fences: a sequence lock that is wrong.
struct Unfenced(AtomicU64);

impl Word for Unfenced {
    fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }
    fn load(&self, _order: Ordering) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
    fn store(&self, value: u64, _order: Ordering) {
        self.0.store(value, Ordering::Relaxed);
    }
    fn swap_if(&self, old: u64, new: u64) -> bool {
        self.0
            .compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }
    fn fence(_order: Ordering) {}
    fn relax(_spins: u32) {
        thread::yield_now();
    }
}

fn check(test: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    // Every schedule with up to this many preemptions; more find nothing new
    // in a lock of two threads and cost minutes.
    builder.preemption_bound = Some(2);
    builder.check(test);
}

/// An epoch whose every word tells its number.
fn numbered(number: u64) -> Epoch {
    let base = FineTod::from_bits(u128::from(number) << 64 | u128::from(number));
    Epoch::Running {
        counter_base: number,
        mult: number,
        base,
    }
}

fn no_epoch_is_torn<W: Word + Send + Sync + 'static>() {
    let published = Arc::new(PublishedEpoch::<W>::new(numbered(1)));
    let writer = {
        let published = Arc::clone(&published);
        thread::spawn(move || {
            published.begin_write().write(&numbered(2));
            published.begin_write().write(&Epoch::Standing {
                value: FineTod::from_bits(3),
            });
        })
    };
    let seen = published.load();
    let whole = [
        numbered(1),
        numbered(2),
        Epoch::Standing {
            value: FineTod::from_bits(3),
        },
    ];
    assert!(whole.contains(&seen), "torn: {seen:?}");
    writer.join().unwrap();
    assert_eq!(published.load(), whole[2]);
}

#[test]
fn epochs_are_never_torn() {
    check(no_epoch_is_torn::<Checked>);
}

#[test]
fn the_checker_sees_a_missing_fence() {
    let result = std::panic::catch_unwind(|| check(no_epoch_is_torn::<Unfenced>));
    let payload = result.expect_err("loom did not find the torn epoch of a lock without fences");
    let message = payload.downcast_ref::<String>().map_or("", String::as_str);
    assert!(message.starts_with("torn: "), "{message}");
}

#[test]
fn two_writers_exclude_each_other() {
    check(|| {
        let published = Arc::new(PublishedEpoch::<Checked>::new(numbered(1)));
        let other = {
            let published = Arc::clone(&published);
            thread::spawn(move || published.begin_write().write(&numbered(2)))
        };
        published.begin_write().write(&numbered(3));
        other.join().unwrap();
        let seen = published.load();
        assert!([numbered(2), numbered(3)].contains(&seen), "torn: {seen:?}");
    });
}

/// A host counter that advances with every look, in one order for all threads.
fn tick(counter: &AtomicU64) -> u64 {
    counter.fetch_add(1, Ordering::SeqCst)
}

/// Re-bases to half the speed, as the timebase does: the counter is read while
/// no reader gets through.
fn rebase_slower(published: &PublishedEpoch<Checked>, counter: &AtomicU64) {
    let old = published.load();
    let mut writer = published.begin_write();
    let now = tick(counter);
    writer.write(&Epoch::Running {
        counter_base: now,
        mult: 1 << 4,
        base: old.at(now),
    });
}

fn fast() -> PublishedEpoch<Checked> {
    let base = FineTod::from_bits(u128::from(u64::MAX) - 100);
    PublishedEpoch::new(Epoch::Running {
        counter_base: 0,
        mult: 1 << 5,
        base,
    })
}

#[test]
fn time_does_not_go_back_on_one_thread() {
    check(|| {
        let published = Arc::new(fast());
        let counter = Arc::new(AtomicU64::new(0));
        let writer = {
            let (published, counter) = (Arc::clone(&published), Arc::clone(&counter));
            thread::spawn(move || rebase_slower(&published, &counter))
        };
        let first = published.read(|| tick(&counter)).unwrap();
        let second = published.read(|| tick(&counter)).unwrap();
        assert!(second.bits() > first.bits(), "{first:?} {second:?}");
        writer.join().unwrap();
    });
}

#[test]
fn time_does_not_go_back_from_thread_to_thread() {
    check(|| {
        let published = Arc::new(fast());
        let counter = Arc::new(AtomicU64::new(0));
        let message = Arc::new(AtomicU64::new(0));
        let writer = {
            let (published, counter) = (Arc::clone(&published), Arc::clone(&counter));
            thread::spawn(move || rebase_slower(&published, &counter))
        };
        let sender = {
            let (published, counter) = (Arc::clone(&published), Arc::clone(&counter));
            let message = Arc::clone(&message);
            thread::spawn(move || {
                let value = published.read(|| tick(&counter)).unwrap();
                // The base is near 2^64, so that both halves of it matter.
                message.store(value.bits() as u64 | 1, Ordering::Release);
            })
        };
        let told = message.load(Ordering::Acquire);
        let value = published.read(|| tick(&counter)).unwrap();
        if told != 0 {
            let ahead = (value.bits() as u64).wrapping_sub(told & !1);
            assert!(ahead < 1 << 32, "told {told:x}, read {value:?}");
        }
        writer.join().unwrap();
        sender.join().unwrap();
    });
}
