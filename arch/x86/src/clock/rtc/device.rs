//! The RTC on a VM's clocks: its reference is a clock of the clock manager, its events are timers
//! on the VM's timeline.
//!
//! The manager stops the reference with the VM and lets it run on with it, saves and loads it
//! (R1 to R10); the device only asks what time it is. A timer that is due too early, for the
//! reference has moved against the timeline, finds nothing and is armed for the rest; when the
//! VM runs on, the device looks again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use machine::RealTimeClock;
use migration::StatePart;
use tod::run::RunListener;
use tod::{Cause, EpochClock, FineTod, Timeline, Timer, Tod, VmDuration, VmTime};

use super::{Output, Rtc, RtcConfig, RtcState, RtcTime};

type Sink = Box<dyn FnMut(Output) + Send>;

/// What is known of the reference. It runs on while the VM stands and is set back with the next
/// start, so then it says nothing.
#[derive(Debug, Clone, Copy)]
enum Known {
    /// It showed `reference` no later than the timeline showed `vm`.
    Read { reference: FineTod, vm: FineTod },
    /// A state was loaded and the VM has not run since: no time has passed for it.
    Loaded,
}

struct Inner {
    rtc: Rtc,
    sink: Sink,
    timer: Timer,
    known: Known,
}

/// An RTC in a machine.
pub struct RtcDevice {
    timeline: Arc<Timeline>,
    reference: Arc<EpochClock>,
    inner: Mutex<Inner>,
}

impl RtcDevice {
    /// An RTC that runs by `reference`, which the machine has registered with its clock manager
    /// ([`super::RtcClock::policy`]). `sink` gets every [`Output`] in order, on the thread that
    /// has caused it or the timer thread; it must not call the device.
    pub fn new(
        timeline: &Arc<Timeline>,
        reference: &Arc<EpochClock>,
        config: RtcConfig,
        sink: impl FnMut(Output) + Send + 'static,
    ) -> Arc<Self> {
        Arc::new_cyclic(|device: &Weak<Self>| {
            let device = Weak::clone(device);
            let timer = timeline.timer("rtc", move |_| {
                if let Some(device) = device.upgrade() {
                    device.with(|_, _| ());
                }
            });
            let now = reference.now();
            Self {
                timeline: Arc::clone(timeline),
                reference: Arc::clone(reference),
                inner: Mutex::new(Inner {
                    rtc: Rtc::new(config, now),
                    sink: Box::new(sink),
                    timer,
                    known: Known::Read {
                        reference: now.into(),
                        vm: timeline.track().now(),
                    },
                }),
            }
        })
    }

    /// The guest reads a byte from port 0x70 or 0x71.
    pub fn read_port(&self, port: u16) -> u8 {
        self.with(|rtc, now| rtc.read_port(port, now))
    }

    /// The guest writes a byte to port 0x70 or 0x71.
    pub fn write_port(&self, port: u16, value: u8) {
        self.with(|rtc, now| rtc.write_port(port, value, now));
    }

    /// The machine is reset.
    pub fn reset(&self) {
        self.with(Rtc::reset);
    }

    /// [`Rtc::set_offset`].
    pub fn set_offset(&self, offset_s: i64) {
        self.with(|rtc, now| rtc.set_offset(offset_s, now));
    }

    /// Whether NMI is masked.
    pub fn nmi_masked(&self) -> bool {
        self.lock().rtc.nmi_masked()
    }

    /// Sets a byte of CMOS RAM.
    pub fn set_ram(&self, register: u8, value: u8) {
        self.lock().rtc.set_ram(register, value);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whatever is done to the RTC: time up to now is accounted for, what follows is handed out,
    /// and the timer is set for what comes next.
    fn with<T>(&self, act: impl FnOnce(&mut Rtc, Tod) -> T) -> T {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let (vm_now, now) = self.now(inner);
        inner.rtc.advance(now);
        let result = act(&mut inner.rtc, now);
        for output in inner.rtc.take_outputs() {
            (inner.sink)(output);
        }
        match inner.rtc.next_event() {
            None => inner.timer.disarm(),
            Some(due) => {
                let left = due.signed_units_since(now).max(0);
                let left = u64::try_from(left).unwrap_or(u64::MAX);
                let at = vm_now.saturating_add(VmDuration::from_units(left));
                if inner.timer.deadline() != Some(at) {
                    inner.timer.arm(at);
                }
            }
        }
        result
    }

    /// The timeline and what the RTC runs by, now or when the VM stopped.
    fn now(&self, inner: &mut Inner) -> (VmTime, Tod) {
        if self.timeline.is_running() {
            let reference = self.reference.fine_now();
            let vm = self.timeline.track().now();
            inner.known = Known::Read { reference, vm };
            // Read after the timeline: a timer may come early, but never late.
            return (vm_time(vm), self.reference.now());
        }
        let vm = self.timeline.track().now();
        let seen = inner.rtc.seen();
        let now = match inner.known {
            Known::Read {
                reference,
                vm: then,
            } => reference.wrapping_add(vm.since(then)).tod(),
            Known::Loaded => seen,
        };
        (vm_time(vm), if now.is_before(seen) { seen } else { now })
    }

    /// As soon as the VM runs, look at what time it is.
    fn look_when_running(&self) {
        self.lock().timer.arm(VmTime::ZERO);
    }
}

impl RealTimeClock for RtcDevice {
    fn time(&self) -> RtcTime {
        self.with(|rtc, now| rtc.time(now))
    }

    fn offset_s(&self) -> i64 {
        self.with(|rtc, now| rtc.offset_s(now))
    }

    fn reset_reinjection(&self) {
        self.with(|rtc, _| rtc.reset_reinjection());
    }
}

fn vm_time(value: FineTod) -> VmTime {
    VmTime::from_units(value.tod().clock())
}

/// Tells an RTC that the VM runs on.
pub struct RtcListener(Arc<RtcDevice>);

impl RtcListener {
    /// To be added to the run control's devices.
    #[must_use]
    pub fn new(device: &Arc<RtcDevice>) -> Self {
        Self(Arc::clone(device))
    }
}

impl RunListener for RtcListener {
    fn name(&self) -> &str {
        "rtc"
    }

    fn on_stop(&mut self, _cause: Cause) {}

    fn on_cont(&mut self, _cause: Cause) {
        self.0.look_when_running();
    }
}

/// The RTC as a part of a machine that is saved and moved.
pub struct RtcPart(Arc<RtcDevice>);

impl RtcPart {
    /// The part of a device.
    #[must_use]
    pub fn new(device: &Arc<RtcDevice>) -> Self {
        Self(Arc::clone(device))
    }
}

impl StatePart for RtcPart {
    const NAME: &'static str = "rtc";
    const MAX_BYTES: usize = 1024;
    type State = RtcState;

    fn state(&self) -> Result<RtcState, String> {
        Ok(self.0.with(Rtc::save))
    }

    fn take_over(&mut self, state: RtcState) -> Result<(), String> {
        // The clocks, this one's reference among them, are loaded later: nothing is accounted
        // for until the VM runs.
        let mut inner = self.0.lock();
        let inner = &mut *inner;
        inner.rtc.load(&state).map_err(|error| error.to_string())?;
        for output in inner.rtc.take_outputs() {
            (inner.sink)(output);
        }
        inner.known = Known::Loaded;
        inner.timer.arm(VmTime::ZERO);
        Ok(())
    }
}
