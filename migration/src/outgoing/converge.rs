//! When the guest is stopped: after each pass over RAM, whether the rest is little enough, whether
//! another pass pays, and what the guest is to be slowed down by.
//!
//! Pure: numbers of a pass in, a verdict out. A pass over what the guest wrote during the one
//! before shrinks as long as the channel is faster than the guest. Where it no longer does, the
//! guest pays a toll: a wait at its first write to a page in a pass. With a toll of twice the time
//! that a page takes on the channel a vCPU dirties at most half as many pages as are sent meanwhile,
//! and passes halve again. A guest that writes little, or to few pages, hardly notices.

use std::time::Duration;

/// A pass pays if it leaves less than two thirds of what it sent.
const SHRINKS_TO: (u64, u64) = (2, 3);

/// No more passes once the rest takes no longer than this, whatever the limit: what else a stop
/// costs is of the same order.
const AIM: Duration = Duration::from_millis(1);

/// A toll up to this is paid to make the downtime as short as can be, even below the limit.
const GENTLE_TOLL_NS: u32 = 100_000;

/// A toll up to this is paid only where the limit could not be kept otherwise.
const MAX_TOLL_NS: u32 = 20_000_000;

/// How a pass went.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pass {
    /// Pages sent.
    pub(super) sent: u64,
    /// What they took, with everything that the guest may write in.
    pub(super) took: Duration,
    /// Pages that the guest wrote to meanwhile.
    pub(super) rest: u64,
    /// What these would take with the guest stopped.
    pub(super) rest_takes: Duration,
    /// How long the guest may stand.
    pub(super) limit: Duration,
    /// Whether a toll may be raised.
    pub(super) may_toll: bool,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Stop the guest.
    Stop,
    /// Another pass, with this toll.
    Again {
        /// Nanoseconds; 0 for none.
        toll_ns: u32,
    },
}

/// What is remembered from pass to pass.
#[derive(Debug, Default)]
pub(super) struct Convergence {
    toll_ns: u32,
}

impl Convergence {
    /// After each pass.
    pub(super) fn judge(&mut self, pass: &Pass) -> Verdict {
        if pass.rest == 0 || pass.rest_takes <= AIM.min(pass.limit) {
            return Verdict::Stop;
        }
        let shrinks =
            pass.rest.saturating_mul(SHRINKS_TO.1) < pass.sent.saturating_mul(SHRINKS_TO.0);
        let within = pass.rest_takes <= pass.limit;
        if !shrinks {
            let most = match (pass.may_toll, within) {
                (false, _) => 0,
                (true, true) => GENTLE_TOLL_NS,
                (true, false) => MAX_TOLL_NS,
            };
            if self.toll_ns < most {
                let page_ns = pass.took.as_nanos() / u128::from(pass.sent.max(1));
                let fair = u32::try_from(2 * page_ns).unwrap_or(u32::MAX);
                let least = if within { GENTLE_TOLL_NS } else { MAX_TOLL_NS };
                self.toll_ns = fair.max(self.toll_ns.saturating_mul(2)).clamp(1, least);
            } else if within {
                return Verdict::Stop;
            }
        }
        Verdict::Again {
            toll_ns: self.toll_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A guest that writes to `rate` pages for each page sent, but to no more than `working_set`;
    /// a page takes 4 us. The passes until the guest is stopped and the rest then.
    fn passes(
        first: u64,
        rate: f64,
        working_set: u64,
        limit_ms: u64,
        may_toll: bool,
    ) -> (u64, u64) {
        const PAGE_NS: u64 = 4_000;
        let mut convergence = Convergence::default();
        let (mut sent, mut toll_ns) = (first, 0);
        for pass in 1..1000 {
            let took_ns = sent * PAGE_NS;
            let free = (sent as f64 * rate) as u64;
            let paid = if toll_ns == 0 {
                free
            } else {
                took_ns / u64::from(toll_ns)
            };
            let rest = free.min(paid).min(working_set);
            let verdict = convergence.judge(&Pass {
                sent,
                took: Duration::from_nanos(took_ns),
                rest,
                rest_takes: Duration::from_nanos(rest * PAGE_NS),
                limit: Duration::from_millis(limit_ms),
                may_toll,
            });
            match verdict {
                Verdict::Stop => return (pass, rest),
                Verdict::Again { toll_ns: toll } => toll_ns = toll,
            }
            sent = rest;
        }
        (u64::MAX, 0)
    }

    #[test]
    fn a_guest_slower_than_the_channel_gets_there_by_itself() {
        let (count, rest) = passes(100_000, 0.4, 100_000, 300, false);
        assert!(count < 8 && rest <= 250, "{count} passes, {rest} pages");
    }

    #[test]
    fn a_guest_as_fast_as_the_channel_pays_and_gets_there_too() {
        let (count, rest) = passes(100_000, 2.0, 16_384, 300, true);
        assert!(count < 12 && rest <= 250, "{count} passes, {rest} pages");
    }

    #[test]
    fn without_the_toll_the_limit_decides_as_in_qemu() {
        // 16,384 pages take 66 ms.
        let (count, rest) = passes(100_000, 2.0, 16_384, 300, false);
        assert_eq!((count, rest), (2, 16_384));
        assert_eq!(passes(100_000, 2.0, 16_384, 10, false).0, u64::MAX);
    }

    #[test]
    fn an_idle_guest_is_stopped_after_one_pass() {
        assert_eq!(passes(100_000, 0.0, 0, 300, true), (1, 0));
        assert_eq!(passes(0, 1.0, 100, 0, true), (1, 0));
    }

    #[test]
    fn a_toll_that_does_not_help_ends_where_the_limit_is_kept() {
        let mut convergence = Convergence::default();
        let mut pass = Pass {
            sent: 1000,
            took: Duration::from_millis(10),
            rest: 1000,
            rest_takes: Duration::from_millis(10),
            limit: Duration::from_millis(50),
            may_toll: true,
        };
        let mut tolls = Vec::new();
        while let Verdict::Again { toll_ns } = convergence.judge(&pass) {
            tolls.push(toll_ns);
        }
        assert_eq!(tolls, [20_000, 40_000, 80_000, GENTLE_TOLL_NS]);
        // Above the limit it goes on, to the highest toll and then for ever.
        pass.limit = Duration::from_millis(5);
        for _ in 0..50 {
            assert_ne!(convergence.judge(&pass), Verdict::Stop);
        }
        assert_eq!(
            convergence.judge(&pass),
            Verdict::Again {
                toll_ns: MAX_TOLL_NS
            }
        );
    }
}
