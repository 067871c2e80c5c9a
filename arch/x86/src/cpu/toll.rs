//! What vCPUs pay for the pages that they write while they are moved: time outside of the guest.
//!
//! KVM has nothing by which one write could be made to wait. Whoever counts the pages charges all
//! vCPUs of the machine for them together, afterwards; a vCPU that is charged comes out of the
//! guest and stays outside until it has paid. It is at the gate all that time, so no stop waits
//! for it. Not here: who counts ([`crate::memory`]).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The longest time that vCPUs stay outside at once.
const LONGEST: Duration = Duration::from_millis(250);

/// Until when vCPUs stay outside.
#[derive(Debug)]
pub struct Toll {
    since: Instant,
    /// In nanoseconds from `since`.
    until_ns: AtomicU64,
}

impl Default for Toll {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            until_ns: AtomicU64::new(0),
        }
    }
}

impl Toll {
    /// Adds to what is left to pay, up to a limit. Kick the vCPUs afterwards.
    pub fn charge(&self, more: Duration) {
        let now = nanoseconds(self.since.elapsed());
        let longest = now.saturating_add(nanoseconds(LONGEST));
        // It never fails: there is always a new value.
        let _ = self
            .until_ns
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |until| {
                let until = until.max(now).saturating_add(nanoseconds(more));
                Some(until.min(longest))
            });
    }

    /// All is paid.
    pub fn forgive(&self) {
        self.until_ns.store(0, Ordering::SeqCst);
    }

    /// What is left to pay, if anything is.
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        let until = Duration::from_nanos(self.until_ns.load(Ordering::SeqCst));
        until
            .checked_sub(self.since.elapsed())
            .filter(|left| !left.is_zero())
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_charged_adds_up_to_a_limit_and_can_be_forgiven() {
        let toll = Toll::default();
        assert_eq!(toll.left(), None);
        toll.charge(Duration::from_secs(3600));
        assert!(toll.left().is_some_and(|left| left <= LONGEST));
        toll.charge(Duration::MAX);
        toll.forgive();
        assert_eq!(toll.left(), None);
    }
}
