//! Keeps the channel's use within a bandwidth.

use std::time::{Duration, Instant};

/// When the next byte may go.
#[derive(Debug)]
pub(super) struct Pace {
    free_at: Instant,
}

impl Pace {
    /// The first bytes may go at once.
    pub(super) fn new(now: Instant) -> Self {
        Self { free_at: now }
    }

    /// `bytes` were sent from `begun` on: how long to wait at `now` so that no more than `limit`
    /// bytes go in a second; 0 is no limit. Time in which nothing was sent is not made up for.
    pub(super) fn after(
        &mut self,
        begun: Instant,
        now: Instant,
        bytes: u64,
        limit: u64,
    ) -> Duration {
        if limit == 0 {
            self.free_at = now;
            return Duration::ZERO;
        }
        let ns = u128::from(bytes) * 1_000_000_000 / u128::from(limit);
        let takes = Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX));
        let from = self.free_at.max(begun);
        self.free_at = from.checked_add(takes).unwrap_or(from);
        self.free_at.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_limit_goes_in_any_time_and_idle_time_is_no_credit() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        let mut pace = Pace::new(start);
        // 1000 bytes at 10,000 bytes a second take 100 ms, of which sending took 30.
        assert_eq!(pace.after(start, start + ms(30), 1000, 10_000), ms(70));
        assert_eq!(
            pace.after(start + ms(100), start + ms(101), 1000, 10_000),
            ms(99)
        );
        // A second of silence later the next thousand take as long.
        assert_eq!(
            pace.after(start + ms(1200), start + ms(1200), 1000, 10_000),
            ms(100)
        );
        assert_eq!(
            pace.after(start + ms(1200), start + ms(1200), 1000, 0),
            ms(0)
        );
        let _ = pace.after(start, start, u64::MAX, 1);
    }
}
