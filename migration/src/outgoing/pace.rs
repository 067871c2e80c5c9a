//! Keeps the channel's use within a bandwidth, which may change at any time.

use std::time::{Duration, Instant};

/// Time in which too little was sent is made up for as far as this: a thread that is woken too
/// late does not make the channel slower than it may be.
const CREDIT: Duration = Duration::from_millis(10);

/// What was sent last, and from when on it takes its time.
#[derive(Debug)]
pub(super) struct Pace {
    from: Instant,
    bytes: u64,
}

impl Pace {
    /// Nothing was sent.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            from: now,
            bytes: 0,
        }
    }

    /// `bytes` were sent from `begun` on, and nothing before is left to wait for.
    pub(super) fn sent(&mut self, begun: Instant, bytes: u64) {
        self.from = self.from.max(begun.checked_sub(CREDIT).unwrap_or(begun));
        self.bytes = bytes;
    }

    /// How long to wait at `now` so that no more than `limit` bytes go in a second; 0 is no limit.
    pub(super) fn left(&self, now: Instant, limit: u64) -> Duration {
        let end = self.from.checked_add(self.takes(limit));
        end.map_or(Duration::MAX, |end| end.saturating_duration_since(now))
    }

    /// It was waited for.
    pub(super) fn waited(&mut self, limit: u64) {
        self.from = self
            .from
            .checked_add(self.takes(limit))
            .unwrap_or(self.from);
        self.bytes = 0;
    }

    fn takes(&self, limit: u64) -> Duration {
        if limit == 0 {
            return Duration::ZERO;
        }
        let ns = u128::from(self.bytes) * 1_000_000_000 / u128::from(limit);
        Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn no_more_than_the_limit_goes_and_idle_time_is_hardly_credit() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        // 1000 bytes at 10,000 bytes a second take 100 ms, of which sending took 30.
        pace.sent(start, 1000);
        assert_eq!(pace.left(start + ms(30), 10_000), ms(70));
        pace.waited(10_000);
        // Woken 4 ms late.
        pace.sent(start + ms(104), 1000);
        assert_eq!(pace.left(start + ms(104), 10_000), ms(96));
        pace.waited(10_000);
        // A second of silence later the next thousand take nearly as long.
        pace.sent(start + ms(1200), 1000);
        assert_eq!(pace.left(start + ms(1200), 10_000), ms(90));
        // The limit changes meanwhile.
        assert_eq!(pace.left(start + ms(1200), 20_000), ms(40));
        assert_eq!(pace.left(start + ms(1200), 0), ms(0));
        pace.sent(start, u64::MAX);
        assert!(pace.left(start, 1) > ms(1_000_000));
        pace.waited(1);
    }
}
