//! Interrupt lines: from a device to an interrupt controller, or to a test that listens.
//!
//! Lines are numbered as global system interrupts; the ISA ones, 0 to 15, are the same numbers.
//! Not here: the controllers themselves.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Lines that the machine has: the inputs of its I/O APIC.
pub const LINES: u32 = 24;

/// Where interrupt lines end.
pub trait InterruptSink: Send + Sync {
    /// A device drives line `gsi` high or low. Called at changes and, now and then, without one.
    fn set(&self, gsi: u32, level: bool);
}

/// Lines that end nowhere: those of a machine whose CPUs never run.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoController;

impl InterruptSink for NoController {
    fn set(&self, _gsi: u32, _level: bool) {}
}

/// The lines of a machine.
pub struct Lines {
    sink: Arc<dyn InterruptSink>,
    intercept: Mutex<Intercept>,
}

/// Who is told of lines beside, or instead of, the controller.
enum Intercept {
    /// Nobody.
    Off,
    /// A test, instead: what was driven since it last asked, in order.
    Inputs(Vec<(u32, bool)>),
    /// A test, beside: what one device has driven, as the line of that number.
    Output {
        gsi: u32,
        number: u32,
        driven: Vec<(u32, bool)>,
    },
}

impl Lines {
    /// Lines to a controller.
    #[must_use]
    pub fn new(sink: Arc<dyn InterruptSink>) -> Self {
        Self {
            sink,
            intercept: Mutex::new(Intercept::Off),
        }
    }

    fn intercepted(&self) -> MutexGuard<'_, Intercept> {
        self.intercept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A device drives a line.
    pub fn set(&self, gsi: u32, level: bool) {
        match &mut *self.intercepted() {
            Intercept::Inputs(driven) => {
                driven.push((gsi, level));
                return;
            }
            Intercept::Output {
                gsi: of,
                number,
                driven,
            } if *of == gsi => driven.push((*number, level)),
            Intercept::Off | Intercept::Output { .. } => {}
        }
        self.sink.set(gsi, level);
    }

    /// A test drives an input of the controller, past any intercept.
    pub fn force(&self, gsi: u32, level: bool) {
        self.sink.set(gsi, level);
    }

    /// From now on the lines end at [`Lines::take`] instead of the controller.
    pub fn intercept_inputs(&self) {
        *self.intercepted() = Intercept::Inputs(Vec::new());
    }

    /// From now on [`Lines::take`] tells of this one, which a device calls its `number`th.
    pub fn intercept_output(&self, gsi: u32, number: u32) {
        *self.intercepted() = Intercept::Output {
            gsi,
            number,
            driven: Vec::new(),
        };
    }

    /// Lines that were driven since the last call, with their levels, in order; none without an
    /// intercept.
    pub fn take(&self) -> Vec<(u32, bool)> {
        match &mut *self.intercepted() {
            Intercept::Off => Vec::new(),
            Intercept::Inputs(driven) | Intercept::Output { driven, .. } => std::mem::take(driven),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Controller(Mutex<Vec<(u32, bool)>>);

    impl InterruptSink for Controller {
        fn set(&self, gsi: u32, level: bool) {
            self.0.lock().unwrap().push((gsi, level));
        }
    }

    #[test]
    fn intercepted_inputs_no_longer_reach_the_controller() {
        let controller = Arc::new(Controller::default());
        let lines = Lines::new(Arc::clone(&controller) as _);
        lines.set(8, true);
        assert_eq!(lines.take(), []);
        lines.intercept_inputs();
        lines.set(8, false);
        lines.set(4, true);
        lines.force(5, true);
        assert_eq!(lines.take(), [(8, false), (4, true)]);
        assert_eq!(lines.take(), []);
        assert_eq!(*controller.0.lock().unwrap(), [(8, true), (5, true)]);
    }

    #[test]
    fn an_intercepted_output_still_reaches_the_controller() {
        let controller = Arc::new(Controller::default());
        let lines = Lines::new(Arc::clone(&controller) as _);
        lines.intercept_output(8, 0);
        lines.set(8, true);
        lines.set(4, true);
        assert_eq!(lines.take(), [(0, true)]);
        assert_eq!(*controller.0.lock().unwrap(), [(8, true), (4, true)]);
    }
}
