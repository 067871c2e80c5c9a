//! A real host whose clocks can be pushed forward by another thread.
//!
//! For end-to-end tests with a real guest: a stop of two minutes is over at
//! once, and everything that reads a host clock sees the same two minutes. It
//! is not a simulation: between pushes all clocks are the real host's.

use super::{CounterRate, CounterSource, HostClock, HostClockError, HostSample, Waiting, WakeFn};
use crate::value::fine_from_ns;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

struct Shared {
    counter_ticks: Arc<AtomicU64>,
    /// Held over a push and over a sample, so that a sample is all before or
    /// all after a push.
    pushed_ns: Mutex<u64>,
    rate: CounterRate,
    wakers: Mutex<Vec<WakeFn>>,
}

/// A host clock with a push.
pub struct PushableHost<H> {
    host: H,
    source: CounterSource,
    shared: Arc<Shared>,
}

/// Pushes the clocks of a [`PushableHost`]; may be cloned and used anywhere.
#[derive(Clone)]
pub struct HostPusher(Arc<Shared>);

impl<H: HostClock> PushableHost<H> {
    /// Wraps a real host. A simulated one has its own controls: its counter is
    /// left as it is.
    pub fn new(host: H) -> Self {
        let counter_ticks = Arc::new(AtomicU64::new(0));
        let source = match host.counter() {
            #[cfg(target_arch = "x86_64")]
            CounterSource::Tsc => CounterSource::PushedTsc(Arc::clone(&counter_ticks)),
            CounterSource::MonotonicNs => {
                CounterSource::PushedMonotonicNs(Arc::clone(&counter_ticks))
            }
            other => other,
        };
        let rate = host.rate();
        let shared = Shared {
            counter_ticks,
            pushed_ns: Mutex::new(0),
            rate,
            wakers: Mutex::new(Vec::new()),
        };
        Self {
            host,
            source,
            shared: Arc::new(shared),
        }
    }

    /// The handle that pushes this host's clocks.
    pub fn pusher(&self) -> HostPusher {
        HostPusher(Arc::clone(&self.shared))
    }
}

impl HostPusher {
    /// Moves every clock of the host forward by `ns`, then wakes all waiters.
    /// A host pushed by more than 2^63 ns (292 years) in sum stays where it is.
    pub fn push(&self, ns: u64) {
        {
            let mut pushed = self
                .0
                .pushed_ns
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let Some(sum) = pushed
                .checked_add(ns)
                .filter(|sum| i64::try_from(*sum).is_ok())
            else {
                return;
            };
            *pushed = sum;
            // From the sum, so that the rounding of many pushes does not add up.
            let ticks = fine_from_ns(sum) / u128::from(self.0.rate.mult);
            self.0.counter_ticks.store(ticks as u64, Ordering::SeqCst);
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

impl<H: HostClock> HostClock for PushableHost<H> {
    fn counter(&self) -> CounterSource {
        self.source.clone()
    }

    fn rate(&self) -> CounterRate {
        self.shared.rate
    }

    fn sample(&self) -> Result<HostSample, HostClockError> {
        let pushed = self
            .shared
            .pushed_ns
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut sample = self.host.sample()?;
        sample.counter = sample
            .counter
            .wrapping_add(self.shared.counter_ticks.load(Ordering::SeqCst));
        sample.monotonic_ns = sample.monotonic_ns.saturating_add(*pushed);
        sample.boottime_ns = sample.boottime_ns.saturating_add(*pushed);
        sample.realtime_ns = sample.realtime_ns.saturating_add_unsigned(*pushed);
        Ok(sample)
    }

    fn waiting(&self) -> Waiting {
        self.host.waiting()
    }

    fn on_jump(&self, wake: WakeFn) {
        self.shared
            .wakers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&wake));
        self.host.on_jump(wake);
    }
}
