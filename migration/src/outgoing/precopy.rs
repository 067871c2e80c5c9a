//! Precopy: RAM goes while the guest runs, and what it writes meanwhile goes again, until the rest
//! is little enough to stop it.

use std::time::{Duration, Instant};

use crossbeam::channel::Receiver;

use super::converge::{self, Convergence, Verdict};
use super::error::OutgoingError;
use super::held::Held;
use super::session::{Phase, Sent, Session};
use crate::params::Settings;
use crate::progress::Progress;
use crate::ram::{PAGE_BYTES, PageSet};
use std::io::Write;

/// Where a round trip takes no longer than this, exchanges of time stamps right before the stop
/// tell more than those at the beginning, and cost nothing.
const QUICK: Duration = Duration::from_millis(1);

/// Exchanges at the beginning of a slow channel, while nothing else is on it.
const PINGS: usize = 3;

/// Sends RAM until the guest is to be stopped; what is still to be sent then, beside what it
/// writes until it is.
pub(super) fn run<W: Write, T>(
    session: &mut Session<'_, W>,
    held: &mut Held<'_>,
    settings: &Settings,
    progress: &Progress,
    wake: &Receiver<T>,
) -> Result<(PageSet, u64), OutgoingError> {
    let mut round_trip = Duration::MAX;
    for _ in 0..PINGS {
        round_trip = round_trip.min(session.ping()?);
        if round_trip <= QUICK {
            break;
        }
    }
    held.track();
    let ram = held.vm().ram();
    let mut pages = ram.touched();
    let may_toll = settings.capabilities().auto_converge;
    let mut convergence = Convergence::default();
    let mut bandwidth = Bandwidth::default();
    for number in 1.. {
        session.announce(number, pages.len())?;
        let begun = Instant::now();
        let sent = session.pages(&pages, Phase::Precopy, wake)?;
        // What is only in the channel's buffers has not arrived.
        let answer = session.ping()?;
        let took = begun.elapsed();
        pages.clear();
        ram.take_dirty(&mut pages);
        let parameters = settings.parameters();
        let busy = took.saturating_sub(sent.held_back);
        bandwidth.measure(sent.bytes, busy, round_trip);
        let bandwidth = match parameters.avail_switchover_bandwidth {
            0 => bandwidth,
            bytes => Bandwidth {
                bytes,
                time: Duration::from_secs(1),
            },
        };
        let rest_takes = bandwidth.time_for(pages.len() * PAGE_BYTES as u64);
        report(progress, &sent, took, pages.len(), rest_takes);
        let verdict = convergence.judge(&converge::Pass {
            sent: sent.pages,
            took,
            rest: pages.len(),
            rest_takes,
            limit: parameters.downtime_limit(),
            may_toll,
        });
        log::debug!(
            "pass {number}: {} pages in {took:?}, {} are dirty and would take {rest_takes:?}: \
             {verdict:?}",
            sent.pages,
            pages.len()
        );
        match verdict {
            Verdict::Again { toll_ns } => ram.set_toll(toll_ns),
            Verdict::Stop => {
                // The last one may have waited for the pass to be taken.
                if round_trip <= QUICK && answer > 2 * round_trip {
                    session.ping()?;
                }
                return Ok((pages, number));
            }
        }
    }
    Err(OutgoingError::Cancelled)
}

/// What the channel carries: bytes in a time. Nothing until it is measured.
#[derive(Debug, Clone, Copy, Default)]
struct Bandwidth {
    bytes: u64,
    time: Duration,
}

impl Bandwidth {
    /// A pass of fewer bytes says more of the channel's delay than of its bandwidth.
    const MEANINGFUL_BYTES: u64 = 1 << 20;

    /// This many bytes took `time`, with a round trip at its end.
    fn measure(&mut self, bytes: u64, time: Duration, round_trip: Duration) {
        if bytes >= Self::MEANINGFUL_BYTES.min(self.bytes) {
            *self = Self {
                bytes,
                time: time.saturating_sub(round_trip).max(time / 2),
            };
        }
    }

    fn time_for(&self, bytes: u64) -> Duration {
        let ns = self.time.as_nanos() * u128::from(bytes) / u128::from(self.bytes.max(1));
        Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
    }
}

fn report(progress: &Progress, sent: &Sent, took: Duration, rest: u64, rest_takes: Duration) {
    let seconds = took.as_secs_f64().max(1e-9);
    progress.ram(|ram| {
        ram.remaining = rest * PAGE_BYTES as u64;
        ram.dirty_pages_rate = (rest as f64 / seconds) as u64;
        ram.pages_per_second = (sent.pages as f64 / seconds) as u64;
        ram.mbps = sent.bytes as f64 * 8.0 / 1e6 / seconds;
    });
    progress.expect_downtime(rest_takes);
}
