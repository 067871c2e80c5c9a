//! Events that a guest can cause as often as it likes: QEMU's limit for them.
//!
//! The first is told at once. What comes within a second of it waits for that second's end, and
//! then only the last is told, which stands for all before it. Not here: what is told.

use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, after, never};

use super::Event;

/// How long one event keeps the next from being told.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);

/// One kind of event.
pub(super) struct Throttle {
    state: State,
}

enum State {
    /// None was told within the last interval.
    Quiet,
    /// One was told; this is what is to be told at the interval's end.
    Told {
        end: Receiver<Instant>,
        pending: Option<Event>,
    },
}

impl Throttle {
    pub(super) fn new() -> Self {
        Self {
            state: State::Quiet,
        }
    }

    /// An event has come. Returned if it is to be told now.
    pub(super) fn offer(&mut self, event: Event) -> Option<Event> {
        match &mut self.state {
            State::Quiet => {
                self.state = State::told();
                Some(event)
            }
            State::Told { pending, .. } => {
                *pending = Some(event);
                None
            }
        }
    }

    /// Gets a message when [`Throttle::expired`] is to be called.
    pub(super) fn end(&self) -> Receiver<Instant> {
        match &self.state {
            State::Quiet => never(),
            State::Told { end, .. } => end.clone(),
        }
    }

    /// The interval has ended. Returns what is to be told now.
    pub(super) fn expired(&mut self) -> Option<Event> {
        let pending = self.flush();
        self.state = match &pending {
            Some(_) => State::told(),
            None => State::Quiet,
        };
        pending
    }

    /// What waits, for nothing else will come.
    pub(super) fn flush(&mut self) -> Option<Event> {
        match &mut self.state {
            State::Quiet => None,
            State::Told { pending, .. } => pending.take(),
        }
    }
}

impl State {
    fn told() -> Self {
        Self::Told {
            end: after(INTERVAL),
            pending: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_at_once_and_then_the_last() {
        let mut throttle = Throttle::new();
        let (a, b, c) = (
            Event::rtc_change(1),
            Event::rtc_change(2),
            Event::rtc_change(3),
        );
        assert_eq!(throttle.offer(a.clone()), Some(a));
        assert_eq!(throttle.offer(b), None);
        assert_eq!(throttle.offer(c.clone()), None);
        // The next interval begins with what is told late.
        assert_eq!(throttle.expired(), Some(c));
        let d = Event::rtc_change(4);
        assert_eq!(throttle.offer(d.clone()), None);
        assert_eq!(throttle.flush(), Some(d));
        assert_eq!(throttle.flush(), None);
        assert_eq!(throttle.expired(), None);
        let e = Event::rtc_change(5);
        assert_eq!(throttle.offer(e.clone()), Some(e));
    }

    #[test]
    fn a_quiet_one_wakes_nobody() {
        let mut throttle = Throttle::new();
        assert!(throttle.end().try_recv().is_err());
        assert!(throttle.offer(Event::rtc_change(0)).is_some());
        throttle.end().recv().expect("the interval ends");
        assert_eq!(throttle.expired(), None);
        assert!(throttle.end().try_recv().is_err());
    }
}
