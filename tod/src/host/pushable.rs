//! A real host whose clocks can be pushed forward by another thread.
//!
//! For end-to-end tests with a real guest: a stop of two minutes is over at
//! once, and everything that reads a host clock sees the same two minutes. It
//! is not a simulation: between pushes all clocks are the real host's.

use super::{
    CounterRate, CounterSource, HostClock, HostClockError, HostSample, Waiting, WakeFn,
    measured_rate,
};
use crate::value::fine_from_ns;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The rate is measured anew when it can be from a span this long.
const RATE_SPAN_NS: u64 = 10_000_000;

/// Host counters stay below 2^63; pushes keep half of that for the host.
const MOST_TICKS: u64 = 1 << 62;

#[derive(Debug, Clone, Copy, Default)]
struct Pushed {
    ns: u64,
    /// In 2^-56 TOD units: what of `ns` is less than a tick.
    rest: u128,
}

struct Shared {
    host: Arc<dyn HostClock>,
    counter_ticks: Arc<AtomicU64>,
    /// Held over a push and over a sample, so that a sample is all before or
    /// all after a push.
    pushed: Mutex<Pushed>,
    /// The unpushed host when it was wrapped, to measure the counter's rate by.
    first: Option<HostSample>,
    wakers: Mutex<Vec<WakeFn>>,
}

/// A host clock with a push.
pub struct PushableHost {
    source: CounterSource,
    shared: Arc<Shared>,
}

/// Pushes the clocks of a [`PushableHost`]; may be cloned and used anywhere.
#[derive(Clone)]
pub struct HostPusher(Arc<Shared>);

impl PushableHost {
    /// Wraps a real host. A simulated one has its own controls: its counter is
    /// left as it is.
    pub fn new(host: impl HostClock + 'static) -> Self {
        let counter_ticks = Arc::new(AtomicU64::new(0));
        let source = match host.counter() {
            #[cfg(target_arch = "x86_64")]
            CounterSource::Tsc => CounterSource::PushedTsc(Arc::clone(&counter_ticks)),
            CounterSource::MonotonicNs => {
                CounterSource::PushedMonotonicNs(Arc::clone(&counter_ticks))
            }
            other => other,
        };
        let shared = Shared {
            first: host.sample().ok(),
            host: Arc::new(host),
            counter_ticks,
            pushed: Mutex::default(),
            wakers: Mutex::default(),
        };
        Self {
            source,
            shared: Arc::new(shared),
        }
    }

    /// The handle that pushes this host's clocks.
    #[must_use]
    pub fn pusher(&self) -> HostPusher {
        HostPusher(Arc::clone(&self.shared))
    }
}

impl Shared {
    /// The rate of the host's own counter, as exactly as it can be known now:
    /// a push of hours by a rate of some ppm would show.
    fn true_rate(&self) -> u64 {
        let nominal = self.host.rate();
        if nominal.error_ppb == 0 {
            return nominal.mult;
        }
        let (Some(first), Ok(now)) = (self.first, self.host.sample()) else {
            return nominal.mult;
        };
        if now.monotonic_ns.saturating_sub(first.monotonic_ns) < RATE_SPAN_NS {
            return nominal.mult;
        }
        measured_rate(&first, &now).map_or(nominal.mult, |rate| rate.mult.max(1))
    }
}

impl HostPusher {
    /// Moves every clock of the host forward by `ns`, then wakes all waiters.
    /// A push that would take the host's counter beyond its range (after some
    /// decades in sum) does nothing.
    pub fn push(&self, ns: u64) {
        {
            let mut pushed = self.0.pushed.lock().unwrap_or_else(PoisonError::into_inner);
            let mult = u128::from(self.0.true_rate());
            let due = fine_from_ns(ns) + pushed.rest;
            let before = self.0.counter_ticks.load(Ordering::SeqCst);
            let ticks = u64::try_from(due / mult)
                .ok()
                .and_then(|ticks| before.checked_add(ticks));
            let sum = pushed
                .ns
                .checked_add(ns)
                .filter(|sum| i64::try_from(*sum).is_ok());
            let (Some(ticks), Some(sum)) = (ticks.filter(|ticks| *ticks < MOST_TICKS), sum) else {
                return;
            };
            *pushed = Pushed {
                ns: sum,
                rest: due % mult,
            };
            self.0.counter_ticks.store(ticks, Ordering::SeqCst);
        }
        let wakers = self
            .0
            .wakers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for wake in wakers {
            wake();
        }
    }
}

impl HostClock for PushableHost {
    fn counter(&self) -> CounterSource {
        self.source.clone()
    }

    fn rate(&self) -> CounterRate {
        self.shared.host.rate()
    }

    fn sample(&self) -> Result<HostSample, HostClockError> {
        let pushed = self
            .shared
            .pushed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut sample = self.shared.host.sample()?;
        sample.counter = sample
            .counter
            .wrapping_add(self.shared.counter_ticks.load(Ordering::SeqCst));
        sample.monotonic_ns = sample.monotonic_ns.saturating_add(pushed.ns);
        sample.boottime_ns = sample.boottime_ns.saturating_add(pushed.ns);
        sample.realtime_ns = sample.realtime_ns.saturating_add_unsigned(pushed.ns);
        Ok(sample)
    }

    fn waiting(&self) -> Waiting {
        self.shared.host.waiting()
    }

    fn on_jump(&self, wake: WakeFn) {
        self.shared
            .wakers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&wake));
        self.shared.host.on_jump(wake);
    }
}
