//! The event facility: VT220 console text both ways, and the signal to shut down.
//!
//! Holds the masks which the guest has set, input that it has not read yet, and a pending
//! shutdown signal. Output goes straight to the character device.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use machine::{ConsoleInput, ConsoleOutput};
use serde::{Deserialize, Serialize};

/// Event type: text of a VT220 terminal, both ways.
pub const TYPE_VT220: u8 = 0x1a;
/// Event type: the configuration has changed ("configuration management data").
pub const TYPE_CONFIGURATION: u8 = 0x04;
/// Event type: the operator's wish that the guest shut down ("signal quiesce").
pub const TYPE_SIGNAL_QUIESCE: u8 = 0x1d;

/// Console input that waits for the guest, in bytes, before the program is asked to hold back.
pub const INPUT_CAPACITY: usize = 4096;

/// The mask bit of an event type, in a mask of 64 bits that starts with type 1.
pub const fn mask_bit(event_type: u8) -> u64 {
    1 << (64 - event_type as u32)
}

/// Events that the guest may send to us.
pub const HOST_RECEIVES: u64 = mask_bit(TYPE_VT220);
/// Events that we may send to a guest without a console.
const HOST_SENDS_ALWAYS: u64 = mask_bit(TYPE_SIGNAL_QUIESCE) | mask_bit(TYPE_CONFIGURATION);
/// Events that we may send to the guest.
pub const HOST_SENDS: u64 = mask_bit(TYPE_VT220) | HOST_SENDS_ALWAYS;

/// State that moves with the guest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventState {
    /// Events that the guest takes.
    guest_receives: u64,
    /// Events that the guest says it sends.
    guest_sends: u64,
    /// Input not yet read.
    input: VecDeque<u8>,
    /// A shutdown signal not yet read.
    quiesce: bool,
}

/// Called when an event has become readable; raises the service signal.
type Notify = Box<dyn Fn() + Send + Sync>;

/// The service-call logical processor's event facility.
pub struct Sclp {
    state: Mutex<EventState>,
    /// CPUs have come that the guest has not been told of.
    cpus_changed: AtomicBool,
    output: Option<Arc<dyn ConsoleOutput>>,
    ready: Mutex<Option<Notify>>,
    notify: Mutex<Option<Notify>>,
}

/// One event as READ EVENT DATA stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its type.
    pub event_type: u8,
    /// Its data, after the six-byte header.
    pub data: Vec<u8>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every update leaves the state whole, so a panic elsewhere does not spoil it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sclp {
    /// A facility whose console writes to `output`, if there is one.
    pub fn new(output: Option<Arc<dyn ConsoleOutput>>) -> Self {
        Self {
            state: Mutex::default(),
            cpus_changed: AtomicBool::new(false),
            output,
            ready: Mutex::default(),
            notify: Mutex::default(),
        }
    }

    /// Whether the machine has a console.
    pub fn has_console(&self) -> bool {
        self.output.is_some()
    }

    /// Sets what is called, from any thread, when an event has become readable.
    pub fn set_notify(&self, notify: impl Fn() + Send + Sync + 'static) {
        *lock(&self.notify) = Some(Box::new(notify));
    }

    /// Events that the host takes, as the machine is built.
    pub fn host_receives(&self) -> u64 {
        if self.has_console() { HOST_RECEIVES } else { 0 }
    }

    /// Events that the host sends, as the machine is built.
    pub fn host_sends(&self) -> u64 {
        if self.has_console() {
            HOST_SENDS
        } else {
            HOST_SENDS_ALWAYS
        }
    }

    /// Takes the guest's masks (WRITE EVENT MASK).
    pub fn set_masks(&self, guest_receives: u64, guest_sends: u64) {
        let mut state = lock(&self.state);
        state.guest_receives = guest_receives;
        state.guest_sends = guest_sends;
    }

    /// The events that the guest takes and has not read.
    fn pending(&self, state: &EventState) -> u64 {
        let changed = if self.cpus_changed() {
            mask_bit(TYPE_CONFIGURATION)
        } else {
            0
        };
        (state.waiting() | changed) & state.guest_receives & self.host_sends()
    }

    /// Whether the guest has not been told yet that CPUs have come.
    pub fn cpus_changed(&self) -> bool {
        self.cpus_changed.load(Ordering::Acquire)
    }

    /// That guest has been told, or has not.
    pub fn set_cpus_changed(&self, changed: bool) {
        self.cpus_changed.store(changed, Ordering::Release);
    }

    /// CPUs have come: tells the guest, now or when it takes that event.
    pub fn signal_cpus_changed(&self) {
        self.set_cpus_changed(true);
        if self.is_pending() {
            self.tell_guest();
        }
    }

    /// Whether READ EVENT DATA would find an event.
    pub fn is_pending(&self) -> bool {
        self.pending(&lock(&self.state)) != 0
    }

    /// Takes one event that `selection` names, in the order of types. At most `room` bytes of
    /// data; console input that does not fit stays for the next one.
    pub fn take(&self, selection: u64, room: usize) -> Option<Event> {
        let mut state = lock(&self.state);
        let pending = self.pending(&state) & selection;
        if pending & mask_bit(TYPE_VT220) != 0 && room >= 2 {
            let was_full = state.input.len() >= INPUT_CAPACITY;
            let count = state.input.len().min(room - 1);
            // The driver takes the first byte for the kind of data; 0 is plain input.
            let data = std::iter::once(0)
                .chain(state.input.drain(..count))
                .collect();
            drop(state);
            if was_full && let Some(ready) = &*lock(&self.ready) {
                ready();
            }
            return Some(Event {
                event_type: TYPE_VT220,
                data,
            });
        }
        // A reserved byte and what has changed: CPUs.
        const CPU_CHANGE: [u8; 2] = [0, 1];
        if pending & mask_bit(TYPE_CONFIGURATION) != 0 && room >= CPU_CHANGE.len() {
            self.set_cpus_changed(false);
            return Some(Event {
                event_type: TYPE_CONFIGURATION,
                data: CPU_CHANGE.to_vec(),
            });
        }
        // Timeout 0 in units of 0: at once.
        const QUIESCE_DATA: [u8; 3] = [0; 3];
        if pending & mask_bit(TYPE_SIGNAL_QUIESCE) != 0 && room >= QUIESCE_DATA.len() {
            state.quiesce = false;
            return Some(Event {
                event_type: TYPE_SIGNAL_QUIESCE,
                data: QUIESCE_DATA.to_vec(),
            });
        }
        None
    }

    /// Console text from the guest.
    pub fn write(&self, text: &[u8]) {
        if let Some(output) = &self.output {
            output.write(text);
        }
    }

    /// Asks the guest to shut down; false if it does not take that signal now.
    pub fn signal_quiesce(&self) -> bool {
        {
            let mut state = lock(&self.state);
            if state.guest_receives & mask_bit(TYPE_SIGNAL_QUIESCE) == 0 {
                return false;
            }
            state.quiesce = true;
        }
        self.tell_guest();
        true
    }

    fn tell_guest(&self) {
        if let Some(notify) = &*lock(&self.notify) {
            notify();
        }
    }

    /// System reset: masks and pending signals go, typed-ahead input stays with the terminal.
    pub fn reset(&self) {
        self.set_cpus_changed(false);
        let mut state = lock(&self.state);
        let input = std::mem::take(&mut state.input);
        *state = EventState {
            input,
            ..EventState::default()
        };
    }

    /// The state that moves with the guest.
    pub fn save(&self) -> EventState {
        lock(&self.state).clone()
    }

    /// Takes over a state; input beyond the capacity is refused by the caller's check.
    pub fn load(&self, state: EventState) {
        *lock(&self.state) = state;
    }
}

impl EventState {
    fn waiting(&self) -> u64 {
        let mut events = 0;
        if !self.input.is_empty() {
            events |= mask_bit(TYPE_VT220);
        }
        if self.quiesce {
            events |= mask_bit(TYPE_SIGNAL_QUIESCE);
        }
        events
    }

    /// Bytes of input that wait.
    pub fn input_len(&self) -> usize {
        self.input.len()
    }
}

impl ConsoleInput for Sclp {
    fn push(&self, bytes: &[u8]) -> usize {
        let taken = {
            let mut state = lock(&self.state);
            let room = INPUT_CAPACITY.saturating_sub(state.input.len());
            let taken = room.min(bytes.len());
            state.input.extend(&bytes[..taken]);
            taken
        };
        if taken > 0 && self.is_pending() {
            self.tell_guest();
        }
        taken
    }

    fn set_ready(&self, ready: Box<dyn Fn() + Send + Sync>) {
        *lock(&self.ready) = Some(ready);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_waits_until_the_guest_takes_that_event() {
        let sclp = Sclp::new(Some(Arc::new(Sink)));
        assert_eq!(sclp.push(b"ab"), 2);
        assert!(!sclp.is_pending());
        sclp.set_masks(mask_bit(TYPE_VT220), 0);
        assert!(sclp.is_pending());
        let event = sclp.take(u64::MAX, 100).unwrap();
        assert_eq!(
            (event.event_type, event.data.as_slice()),
            (TYPE_VT220, &b"\0ab"[..])
        );
        assert!(!sclp.is_pending() && sclp.take(u64::MAX, 100).is_none());
    }

    #[test]
    fn input_is_held_back_at_the_capacity_and_asked_for_again() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let sclp = Sclp::new(Some(Arc::new(Sink)));
        sclp.set_masks(mask_bit(TYPE_VT220), 0);
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        sclp.set_ready(Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        }));
        assert_eq!(sclp.push(&[b'x'; INPUT_CAPACITY + 5]), INPUT_CAPACITY);
        assert_eq!(sclp.push(b"y"), 0);
        assert_eq!(sclp.take(u64::MAX, 11).unwrap().data.len(), 11);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert_eq!(sclp.push(&[b'z'; 20]), 10);
    }

    #[test]
    fn the_shutdown_signal_needs_a_guest_that_takes_it() {
        let sclp = Sclp::new(None);
        assert!(!sclp.signal_quiesce());
        sclp.set_masks(mask_bit(TYPE_SIGNAL_QUIESCE), 0);
        assert!(sclp.signal_quiesce() && sclp.is_pending());
        assert_eq!(
            sclp.take(u64::MAX, 100).unwrap().event_type,
            TYPE_SIGNAL_QUIESCE
        );
        assert!(!sclp.is_pending());
    }

    struct Sink;
    impl ConsoleOutput for Sink {
        fn write(&self, _bytes: &[u8]) {}
    }
}
