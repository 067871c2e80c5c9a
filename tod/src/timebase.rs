//! The host counter as TOD units: one mapping that every clock shares.
//!
//! `host = base + (counter - counter_base) * mult`. Every running clock and the
//! VM timeline are this mapping plus an offset of their own, published as an
//! epoch each, and re-published together when the mapping changes: when the
//! counter's rate becomes known more exactly, and when the host counter was
//! reset. So clocks never drift against each other, and what the manager counts
//! as time run is exactly what the clocks moved.
//!
//! The mapping never goes backwards and is not a guest's time: it runs from the
//! creation of the timebase whatever the VM does.

use crate::epoch::{Epoch, EpochWriter, PublishedEpoch};
use crate::host::{
    CounterRate, CounterSource, HostClock, HostClockError, HostSample, Waiting, measured_rate,
};
use crate::value::{FineSpan, FineTod, Tod, UnixTime, fine_from_ns, ns_from_units_ceil};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Samples tried before a reading is extrapolated.
const SAMPLE_ATTEMPTS: usize = 4;

/// Samples tried when the counter was reset, where nothing can be extrapolated.
const RECOVERY_ATTEMPTS: usize = 64;

/// Differences between host clocks up to this are no step and no sleep: clocks
/// are read at most some ten nanoseconds apart, beyond their stated bracket.
const STEP_FLOOR_NS: u64 = 1_000;

/// The counter may disagree with CLOCK_MONOTONIC by this and an eighth of the
/// time passed, beyond the stated errors, before it counts as reset or jumped:
/// NTP may slew CLOCK_MONOTONIC by as much, and the rate then follows.
const COUNTER_FLOOR_NS: u64 = 100_000;

/// How fast NTP slews CLOCK_MONOTONIC at most by frequency (adjtimex(2)): a
/// clock continued by it after a counter reset goes ahead by this much.
const SLEW_PPB: u64 = 500_000;

/// A counter this little behind was read by another core of the host, whose
/// counter lags (by some ten ticks, or the kernel would not use it): no reset.
const SKEW_TICKS: u64 = 4096;

/// The shortest span that a rate is measured over.
const RATE_SPAN_NS: u64 = 1_000_000_000;

/// The longest: older samples are forgotten, so that the rate follows the host.
const RATE_WINDOW_NS: u64 = 64_000_000_000;

/// What the mapping has drifted from CLOCK_MONOTONIC is made up over this time.
const DRIFT_SPAN_NS: i128 = 16_000_000_000;

/// ... but never faster than this many parts in 10^9.
const DRIFT_LIMIT_PPB: i128 = 100_000;

/// A measured rate further off than this part of the rate in use is not the
/// counter's: the host's clocks were moved while it was measured.
const RATE_SANITY: u64 = 8;

/// A re-based epoch is ahead of the old one by the two rates' difference over
/// this many ticks: a reader may still hold a counter that it read that long
/// after the new epoch's.
const STRAGGLER_TICKS: u64 = 4096;

/// All host clocks at one instant, with that instant on the shared mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HostReading {
    /// The mapping's value at `counter`. The difference of two readings is what
    /// every running clock moved between them, exactly.
    pub host: FineTod,
    /// The host counter.
    pub counter: u64,
    /// CLOCK_MONOTONIC.
    pub monotonic_ns: u64,
    /// CLOCK_BOOTTIME.
    pub boottime_ns: u64,
    /// CLOCK_REALTIME.
    pub realtime_ns: i64,
    /// Where the clocks' values come from, and how far they may be off.
    pub quality: ReadingQuality,
}

/// How a [`HostReading`] was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadingQuality {
    /// All clocks were read within this of each other.
    Sampled {
        /// Half the bracket's width.
        error_ns: u64,
    },
    /// The host's clocks could not be read: they are continued from the last
    /// sample by the counter. A step or sleep since then is not in them.
    Extrapolated {
        /// The error of the last sample and of the rate since.
        error_ns: u64,
    },
}

impl HostReading {
    /// The bound of the error of the reading's clocks against its counter.
    #[must_use]
    pub fn error_ns(&self) -> u64 {
        match self.quality {
            ReadingQuality::Sampled { error_ns } | ReadingQuality::Extrapolated { error_ns } => {
                error_ns
            }
        }
    }

    /// CLOCK_REALTIME as a TOD value, rounded down. Dates before 1900 give 0.
    #[must_use]
    pub fn realtime_tod(&self) -> Tod {
        Tod::from_unix(UnixTime::from_ns(self.realtime_ns)).unwrap_or_default()
    }
}

/// Something that happened to the host's clocks between two looks at them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum HostEvent {
    /// CLOCK_REALTIME was set.
    Step {
        /// Forward, or back when negative.
        by_ns: i64,
    },
    /// The host slept.
    Sleep {
        /// How long, by CLOCK_BOOTTIME against CLOCK_MONOTONIC.
        for_ns: u64,
    },
    /// The host counter ran further than CLOCK_MONOTONIC, as some do while the
    /// host sleeps. Running clocks have shown this time and keep it.
    CounterAhead {
        /// By how much.
        by_ns: u64,
    },
    /// The host counter was reset or stood. Running clocks were continued by
    /// CLOCK_MONOTONIC, ahead by the error so that they did not go back.
    CounterReset {
        /// How far the continued clocks may be ahead.
        error_ns: u64,
    },
}

/// A host event with the reading that showed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedEvent {
    /// The reading.
    pub at: HostReading,
    /// What it showed.
    pub event: HostEvent,
}

/// Somebody who waits for host time and must look again when clocks jump or run on.
pub(crate) trait Waiter: Send + Sync {
    fn look_again(&self, why: Moved);
}

/// What a clock did that somebody may wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moved {
    /// It was set: a deadline may be due already.
    Jumped,
    /// It stood and runs on. A time-out that was computed before comes too early if anything.
    RanOn,
}

/// How a thread waits for host time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It does something else.
    #[default]
    None,
    /// Until a time-out, which comes with or before all that it waits for.
    Timed,
    /// For something that has no time-out, such as a clock that stands.
    Untimed,
}

impl Wait {
    /// Whether a thread that waits like this is to be woken.
    pub(crate) fn is_ended_by(self, moved: Moved) -> bool {
        match self {
            Self::None => false,
            Self::Timed => moved == Moved::Jumped,
            Self::Untimed => true,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Mapping {
    counter_base: u64,
    mult: u64,
    base: FineTod,
}

impl Mapping {
    fn epoch(&self) -> Epoch {
        Epoch::Running {
            counter_base: self.counter_base,
            mult: self.mult,
            base: self.base,
        }
    }

    fn at(&self, counter: u64) -> FineTod {
        self.epoch().at(counter)
    }
}

/// What the rate is measured against, and the phase that is kept.
#[derive(Debug, Clone, Copy)]
struct Discipline {
    /// The rate is measured from here.
    anchor: HostSample,
    /// The next anchor, half a window younger.
    next_anchor: HostSample,
    /// Where mapping and CLOCK_MONOTONIC last agreed by definition.
    phase_monotonic_ns: u64,
    phase_host: FineTod,
}

impl Discipline {
    fn starting(sample: HostSample, host: FineTod) -> Self {
        Self {
            anchor: sample,
            next_anchor: sample,
            phase_monotonic_ns: sample.monotonic_ns,
            phase_host: host,
        }
    }
}

struct Inner {
    mapping: Mapping,
    error_ppb: u64,
    last: HostSample,
    discipline: Discipline,
    events: Vec<ObservedEvent>,
    tracks: Vec<Weak<PublishedEpoch>>,
}

impl Inner {
    /// `reading`, the last one, as it would have been at another counter close by; as it is, when
    /// the mapping does not go back to that one.
    fn moved(&self, reading: &HostReading, counter: u64) -> HostReading {
        if counter == reading.counter || counter < self.mapping.counter_base {
            return *reading;
        }
        let host = self.mapping.at(counter);
        let by_ns = host.since(reading.host).as_ns();
        let Ok(by_ns) = i64::try_from(by_ns) else {
            return *reading;
        };
        let more_ns = drift_ns(by_ns.unsigned_abs(), self.error_ppb).saturating_add(1);
        let worse = |error_ns: u64| error_ns.saturating_add(more_ns);
        HostReading {
            host,
            counter,
            monotonic_ns: reading.monotonic_ns.saturating_add_signed(by_ns),
            boottime_ns: reading.boottime_ns.saturating_add_signed(by_ns),
            realtime_ns: reading.realtime_ns.saturating_add(by_ns),
            quality: match reading.quality {
                ReadingQuality::Sampled { error_ns } => ReadingQuality::Sampled {
                    error_ns: worse(error_ns),
                },
                ReadingQuality::Extrapolated { error_ns } => ReadingQuality::Extrapolated {
                    error_ns: worse(error_ns),
                },
            },
        }
    }

    /// Whether the counter was reset.
    fn is_behind(&self, counter: u64) -> bool {
        counter.saturating_add(SKEW_TICKS) < self.last.counter.max(self.mapping.counter_base)
    }
}

/// The shared mapping from the host counter to TOD units.
///
/// # Limits
/// A counter that was reset is noticed at once when it then shows less than it
/// did when the mapping was last changed, else at the next reading; a reset that
/// skips back by less than the time since the last reading goes unnoticed by
/// readers in between. Call [`Timebase::check`] often enough for that to be rare.
pub struct Timebase {
    host: Arc<dyn HostClock>,
    source: CounterSource,
    inner: Mutex<Inner>,
    waiters: Mutex<Vec<Weak<dyn Waiter>>>,
}

impl Timebase {
    /// The mapping over `host`, from now on.
    ///
    /// # Errors
    /// [`HostClockError`] when the host's clocks cannot be read at all.
    pub fn new(host: Arc<dyn HostClock>) -> Result<Arc<Self>, HostClockError> {
        let first = sample(&*host, SAMPLE_ATTEMPTS)?;
        let CounterRate { mult, error_ppb } = host.rate();
        let mapping = Mapping {
            counter_base: first.counter,
            mult,
            base: FineTod::default(),
        };
        let timebase = Arc::new(Self {
            source: host.counter(),
            host,
            inner: Mutex::new(Inner {
                mapping,
                error_ppb,
                last: first,
                discipline: Discipline::starting(first, mapping.base),
                events: Vec::new(),
                tracks: Vec::new(),
            }),
            waiters: Mutex::default(),
        });
        let weak = Arc::downgrade(&timebase);
        timebase.host.on_jump(Arc::new(move || {
            if let Some(timebase) = weak.upgrade() {
                timebase.wake_waiters(Moved::Jumped);
            }
        }));
        Ok(timebase)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // No code that can panic runs under this lock with the state half
        // changed; a poisoned lock is still consistent.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counter behind all fast reads.
    #[must_use]
    pub fn counter(&self) -> &CounterSource {
        &self.source
    }

    /// The rate in use, with the error that is known of it.
    #[must_use]
    pub fn rate(&self) -> CounterRate {
        let inner = self.inner();
        CounterRate {
            mult: inner.mapping.mult,
            error_ppb: inner.error_ppb,
        }
    }

    /// Whether waiting on this host takes real time.
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        self.host.waiting()
    }

    /// All host clocks now, on the mapping. Notices host steps, host sleep and
    /// counter resets; see [`Timebase::take_events`]. When the host's clocks
    /// cannot be read, the reading is extrapolated and says so.
    #[must_use]
    pub fn reading(&self) -> HostReading {
        self.reading_locked(&mut self.inner())
    }

    /// The mapping at a host counter that was read a moment ago, or is about to be.
    #[must_use]
    pub fn host_at(&self, counter: u64) -> FineTod {
        let mapping = self.inner().mapping;
        let ticks = i128::from(counter) - i128::from(mapping.counter_base);
        let since = FineSpan::from_bits(ticks * i128::from(mapping.mult));
        mapping.base.wrapping_add(since)
    }

    /// The first host counter at which the mapping shows `host` or more.
    #[must_use]
    pub fn counter_at(&self, host: FineTod) -> u64 {
        let mapping = self.inner().mapping;
        let span = host.since(mapping.base).bits();
        let mult = i128::from(mapping.mult);
        let ticks = span.div_euclid(mult) + i128::from(span.rem_euclid(mult) != 0);
        let counter = i128::from(mapping.counter_base).saturating_add(ticks);
        u64::try_from(counter.max(0)).unwrap_or(u64::MAX)
    }

    /// A reading of the moment of the call: what it costs to take it is not in it.
    pub(crate) fn reading_at_call(&self) -> HostReading {
        let mut inner = self.inner();
        let counter = self.source.read();
        let reading = self.reading_locked(&mut inner);
        inner.moved(&reading, counter.min(reading.counter))
    }

    /// All of `tracks` run on from where they stand, since the reading that is returned: the one
    /// at counter `from`, or else the last thing that is read, so that what else this costs is
    /// before it.
    pub(crate) fn start(&self, tracks: &[&Track], from: Option<u64>) -> HostReading {
        let mut inner = self.inner();
        let reading = self.reading_locked(&mut inner);
        let standing: Vec<_> = tracks
            .iter()
            .filter_map(|track| match track.published.load() {
                Epoch::Standing { value } => Some((track, value)),
                Epoch::Running { .. } => None,
            })
            .collect();
        let from = from.unwrap_or_else(|| self.source.read().max(reading.counter));
        let at = inner.moved(&reading, from);
        for (track, value) in standing {
            track.publish_running(&inner, value, at.host);
        }
        at
    }

    /// What readings noticed since the last call.
    #[must_use]
    pub fn take_events(&self) -> Vec<ObservedEvent> {
        std::mem::take(&mut self.inner().events)
    }

    /// Takes a reading and, when the rate is now known better than before,
    /// re-bases all running clocks to it. Call this every second or so.
    pub fn check(&self) -> HostReading {
        let mut inner = self.inner();
        let reading = self.reading_locked(&mut inner);
        if matches!(reading.quality, ReadingQuality::Sampled { .. }) {
            self.refine(&mut inner);
        }
        reading
    }

    fn reading_locked(&self, inner: &mut Inner) -> HostReading {
        let behind = inner.is_behind(self.source.read());
        let attempts = if behind {
            RECOVERY_ATTEMPTS
        } else {
            SAMPLE_ATTEMPTS
        };
        match sample(&*self.host, attempts) {
            Ok(sample) => {
                self.observe(inner, &sample);
                reading_of(&sample, inner.mapping.at(sample.counter))
            }
            Err(error) => {
                log::warn!("{error}; continuing by the host counter");
                self.extrapolated(inner)
            }
        }
    }

    fn extrapolated(&self, inner: &Inner) -> HostReading {
        let last = inner.last;
        // A counter that went back says nothing; the clocks stand until the
        // host can be read.
        let counter = self
            .source
            .read()
            .max(inner.mapping.counter_base)
            .max(last.counter);
        let host = inner.mapping.at(counter);
        let passed = host.since(inner.mapping.at(last.counter)).as_ns();
        let passed = u64::try_from(passed).unwrap_or(0);
        HostReading {
            host,
            counter,
            monotonic_ns: last.monotonic_ns.saturating_add(passed),
            boottime_ns: last.boottime_ns.saturating_add(passed),
            realtime_ns: last.realtime_ns.saturating_add_unsigned(passed),
            quality: ReadingQuality::Extrapolated {
                error_ns: last
                    .error_ns
                    .saturating_add(drift_ns(passed, inner.error_ppb)),
            },
        }
    }

    /// Compares `sample` with the one before, and re-bases after a reset.
    fn observe(&self, inner: &mut Inner, sample: &HostSample) {
        let last = inner.last;
        let monotonic = sample.monotonic_ns.saturating_sub(last.monotonic_ns);
        let boottime = sample.boottime_ns.saturating_sub(last.boottime_ns);
        let realtime = i128::from(sample.realtime_ns) - i128::from(last.realtime_ns);
        let brackets = sample.error_ns.saturating_add(last.error_ns);
        let slack = brackets.saturating_add(STEP_FLOOR_NS);

        let mut events = Vec::new();
        if boottime.saturating_sub(monotonic) > slack {
            events.push(HostEvent::Sleep {
                for_ns: boottime - monotonic,
            });
        }
        let step = realtime - i128::from(boottime);
        if step.unsigned_abs() > u128::from(slack) {
            let by_ns = i64::try_from(step).unwrap_or(if step < 0 { i64::MIN } else { i64::MAX });
            events.push(HostEvent::Step { by_ns });
        }

        let error_ns = brackets.saturating_add(drift_ns(
            monotonic,
            inner.error_ppb.saturating_add(SLEW_PPB),
        ));
        let tolerance = FineSpan::from_ns(
            error_ns
                .saturating_add(COUNTER_FLOOR_NS)
                .saturating_add(monotonic / 8),
        )
        .bits();
        let expected = FineSpan::from_ns(monotonic).bits();
        let old_host = inner.mapping.at(last.counter);
        let moved = inner.mapping.at(sample.counter).since(old_host).bits();
        let behind = inner.is_behind(sample.counter);
        if behind || moved < expected - tolerance {
            events.push(HostEvent::CounterReset { error_ns });
            let by = FineSpan::from_bits(expected)
                .wrapping_add(FineSpan::from_ns(error_ns.saturating_add(1)));
            let continued = Mapping {
                counter_base: sample.counter,
                mult: inner.mapping.mult,
                base: old_host.wrapping_add(by),
            };
            self.rebase(inner, || continued);
        } else if moved > expected + tolerance {
            let by_ns = FineSpan::from_bits(moved - expected).as_ns();
            events.push(HostEvent::CounterAhead {
                by_ns: u64::try_from(by_ns).unwrap_or(0),
            });
        }

        inner.last = *sample;
        let host = inner.mapping.at(sample.counter);
        if !events.is_empty() {
            inner.discipline = Discipline::starting(*sample, host);
            let at = reading_of(sample, host);
            inner
                .events
                .extend(events.into_iter().map(|event| ObservedEvent { at, event }));
        }
    }

    /// Takes over a better rate, and makes up for what has drifted so far.
    fn refine(&self, inner: &mut Inner) {
        if self.host.rate().error_ppb == 0 {
            return;
        }
        let sample = inner.last;
        let discipline = &mut inner.discipline;
        let age = sample
            .monotonic_ns
            .saturating_sub(discipline.anchor.monotonic_ns);
        if age < RATE_SPAN_NS {
            return;
        }
        let Some(rate) = measured_rate(&discipline.anchor, &sample) else {
            return;
        };
        if rate.mult.abs_diff(inner.mapping.mult) > inner.mapping.mult / RATE_SANITY {
            let host = inner.mapping.at(sample.counter);
            inner.discipline = Discipline::starting(sample, host);
            return;
        }
        if age >= RATE_WINDOW_NS {
            discipline.anchor = discipline.next_anchor;
            discipline.next_anchor = sample;
        }
        let true_host = fine_from_ns(
            sample
                .monotonic_ns
                .saturating_sub(discipline.phase_monotonic_ns),
        );
        let host = inner
            .mapping
            .at(sample.counter)
            .since(discipline.phase_host);
        let behind_ns = FineSpan::from_bits(true_host as i128)
            .wrapping_sub(host)
            .as_ns();
        let steer_ppb =
            (behind_ns * 1_000_000_000 / DRIFT_SPAN_NS).clamp(-DRIFT_LIMIT_PPB, DRIFT_LIMIT_PPB);
        let mult = i128::from(rate.mult) + i128::from(rate.mult) * steer_ppb / 1_000_000_000;
        let Ok(mult) = u64::try_from(mult) else {
            return;
        };
        inner.error_ppb = rate
            .error_ppb
            .saturating_add(steer_ppb.unsigned_abs() as u64);
        if mult == inner.mapping.mult {
            return;
        }
        let old = inner.mapping;
        let source = &self.source;
        self.rebase(inner, || {
            let counter = source.read().max(old.counter_base);
            let ahead = u128::from(old.mult.abs_diff(mult)) * u128::from(STRAGGLER_TICKS);
            let base = old
                .at(counter)
                .wrapping_add(FineSpan::from_bits(ahead as i128));
            Mapping {
                counter_base: counter,
                mult,
                base,
            }
        });
    }

    /// Publishes a new mapping to all clocks. `new` is called while no reader
    /// gets through, so that no reader is ahead of the counter it reads.
    fn rebase(&self, inner: &mut Inner, new: impl FnOnce() -> Mapping) {
        inner.tracks.retain(|track| track.strong_count() > 0);
        let tracks: Vec<_> = inner.tracks.iter().filter_map(Weak::upgrade).collect();
        let old_epochs: Vec<Epoch> = tracks.iter().map(|track| track.load()).collect();
        let old = inner.mapping;
        let mut writers: Vec<EpochWriter<'_>> =
            tracks.iter().map(|track| track.begin_write()).collect();
        let mapping = new();
        for (writer, epoch) in writers.iter_mut().zip(&old_epochs) {
            if let Epoch::Running { base, .. } = *epoch {
                let base = mapping.base.wrapping_add(base.since(old.base));
                writer.write(&Mapping { base, ..mapping }.epoch());
            }
        }
        inner.mapping = mapping;
    }

    pub(crate) fn add_waiter(&self, waiter: Weak<dyn Waiter>) {
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        waiters.retain(|waiter| waiter.strong_count() > 0);
        waiters.push(waiter);
    }

    /// Makes everybody who waits for host time look again.
    pub(crate) fn wake_waiters(&self, moved: Moved) {
        let waiters = self
            .waiters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for waiter in waiters.iter().filter_map(Weak::upgrade) {
            waiter.look_again(moved);
        }
    }
}

fn sample(host: &dyn HostClock, attempts: usize) -> Result<HostSample, HostClockError> {
    let mut result = host.sample();
    for _ in 1..attempts {
        if result.is_ok() {
            break;
        }
        result = host.sample();
    }
    result
}

fn reading_of(sample: &HostSample, host: FineTod) -> HostReading {
    HostReading {
        host,
        counter: sample.counter,
        monotonic_ns: sample.monotonic_ns,
        boottime_ns: sample.boottime_ns,
        realtime_ns: sample.realtime_ns,
        quality: ReadingQuality::Sampled {
            error_ns: sample.error_ns,
        },
    }
}

/// How far two clocks of rates `ppb` apart drift over `ns`, rounded up.
fn drift_ns(ns: u64, ppb: u64) -> u64 {
    let drift = (u128::from(ns) * u128::from(ppb)).div_ceil(1_000_000_000);
    u64::try_from(drift).unwrap_or(u64::MAX)
}

/// One value over the mapping: running along with it, or standing. Clocks and
/// the timeline are tracks.
pub struct Track {
    timebase: Arc<Timebase>,
    source: CounterSource,
    published: Arc<PublishedEpoch>,
}

impl Track {
    /// A track that stands at `value`.
    #[must_use]
    pub fn standing(timebase: &Arc<Timebase>, value: FineTod) -> Self {
        let published = Arc::new(PublishedEpoch::new(Epoch::Standing { value }));
        timebase.inner().tracks.push(Arc::downgrade(&published));
        Self {
            timebase: Arc::clone(timebase),
            source: timebase.source.clone(),
            published,
        }
    }

    /// A track that runs and shows (or showed) `value` at `at`.
    #[must_use]
    pub fn running(timebase: &Arc<Timebase>, value: FineTod, at: &HostReading) -> Self {
        let track = Self::standing(timebase, value);
        track.run_from(value, at);
        track
    }

    /// The shared mapping.
    #[must_use]
    pub fn timebase(&self) -> &Arc<Timebase> {
        &self.timebase
    }

    /// The published epoch, for generated code: it stays where it is for as
    /// long as the `Arc` lives.
    #[must_use]
    pub fn published(&self) -> &Arc<PublishedEpoch> {
        &self.published
    }

    /// The value now. Takes no lock (R12), unless the host counter was reset.
    #[inline(always)]
    #[must_use]
    pub fn now(&self) -> FineTod {
        match self.published.read(|| self.source.read()) {
            Ok(value) => value,
            Err(_) => self.recover(),
        }
    }

    /// The value now, not ordered against other memory accesses.
    #[inline(always)]
    #[must_use]
    pub fn now_unordered(&self) -> FineTod {
        match self.published.read(|| self.source.read_unordered()) {
            Ok(value) => value,
            Err(_) => self.recover(),
        }
    }

    /// The host counter went back: look at the host's clocks, which re-bases.
    #[cold]
    fn recover(&self) -> FineTod {
        let mut inner = self.timebase.inner();
        // Another reader may have been here in the meantime.
        if inner.is_behind(self.source.read()) {
            let _ = self.timebase.reading_locked(&mut inner);
        }
        self.published.load().at(self.source.read())
    }

    /// The value at a reading, exactly, also when the mapping was re-based
    /// since the reading was taken.
    #[must_use]
    pub fn at(&self, reading: &HostReading) -> FineTod {
        let inner = self.timebase.inner();
        self.at_locked(&inner, reading)
    }

    fn at_locked(&self, inner: &Inner, reading: &HostReading) -> FineTod {
        match self.published.load() {
            Epoch::Running { base, .. } => {
                base.wrapping_add(reading.host.since(inner.mapping.base))
            }
            Epoch::Standing { value } => value,
        }
    }

    /// From now on the track runs so that it had shown `value` at `at`.
    pub fn run_from(&self, value: FineTod, at: &HostReading) {
        let inner = self.timebase.inner();
        self.publish_running(&inner, value, at.host);
    }

    /// From now on the track stands at what it showed at `at`; that value.
    pub fn stand(&self, at: &HostReading) -> FineTod {
        let inner = self.timebase.inner();
        let value = self.at_locked(&inner, at);
        self.published
            .begin_write()
            .write(&Epoch::Standing { value });
        value
    }

    /// From now on the track stands at `value`.
    pub fn stand_at(&self, value: FineTod) {
        let _inner = self.timebase.inner();
        self.published
            .begin_write()
            .write(&Epoch::Standing { value });
    }

    /// Sets a running track to `value` now; a standing one stands at `value`.
    /// Returns by how much it jumped.
    pub fn set(&self, value: FineTod) -> FineSpan {
        let mut inner = self.timebase.inner();
        if inner.is_behind(self.source.read()) {
            let _ = self.timebase.reading_locked(&mut inner);
        }
        let old = self.published.load();
        let mapping = inner.mapping;
        let mut writer = self.published.begin_write();
        let counter = self.source.read();
        match old {
            Epoch::Running { .. } => {
                let offset = value.since(mapping.at(counter));
                let base = mapping.base.wrapping_add(offset);
                writer.write(&Mapping { base, ..mapping }.epoch());
            }
            Epoch::Standing { .. } => writer.write(&Epoch::Standing { value }),
        }
        value.since(old.at(counter))
    }

    /// Moves the track forward by `by`, whatever it shows.
    pub fn advance(&self, by: FineSpan) {
        let _inner = self.timebase.inner();
        let epoch = match self.published.load() {
            Epoch::Running {
                counter_base,
                mult,
                base,
            } => Epoch::Running {
                counter_base,
                mult,
                base: base.wrapping_add(by),
            },
            Epoch::Standing { value } => Epoch::Standing {
                value: value.wrapping_add(by),
            },
        };
        self.published.begin_write().write(&epoch);
    }

    fn publish_running(&self, inner: &Inner, value: FineTod, host: FineTod) {
        let base = inner.mapping.base.wrapping_add(value.since(host));
        self.published.begin_write().write(
            &Mapping {
                base,
                ..inner.mapping
            }
            .epoch(),
        );
    }

    /// Host nanoseconds until the track shows `value`, rounded up: zero when it
    /// does by now, none when it stands before `value`.
    #[must_use]
    pub fn ns_until(&self, value: FineTod) -> Option<u64> {
        let left = value.since(self.now());
        if left <= FineSpan::ZERO {
            return Some(0);
        }
        match self.published.load() {
            Epoch::Standing { .. } => None,
            Epoch::Running { .. } => {
                let ns = ns_from_units_ceil(left.units_ceil());
                Some(u64::try_from(ns).unwrap_or(u64::MAX))
            }
        }
    }

    /// The first host counter at which the track shows `value` or more; none
    /// when it stands before it or the counter cannot get that far.
    #[must_use]
    pub fn counter_at(&self, value: FineTod) -> Option<u64> {
        match self.published.load() {
            Epoch::Running {
                counter_base,
                mult,
                base,
            } => {
                let left = value.since(base).bits();
                let ticks = u128::try_from(left).unwrap_or(0).div_ceil(u128::from(mult));
                u64::try_from(ticks)
                    .ok()
                    .and_then(|ticks| counter_base.checked_add(ticks))
            }
            Epoch::Standing { value: at } => (value.since(at) <= FineSpan::ZERO).then_some(0),
        }
    }
}
