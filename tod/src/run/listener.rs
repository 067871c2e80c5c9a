//! Those who are told when the VM stops and runs on, in a fixed order.

use super::Cause;

/// Where in the order a listener stands. vCPUs come first on stop and last on
/// cont, clocks the other way round; both are not listeners but have types that
/// enforce their place (R9): [`super::VcpuGate`] and [`crate::ClockManager`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Threads beside the vCPUs that drive them: stopped first, started last.
    Vcpus,
    /// Devices: stopped after vCPUs.
    Devices,
    /// What feeds devices (block and network backends): stopped after devices.
    Backends,
}

/// Somebody who is told of stop and cont. Neither may fail: a listener that
/// has trouble deals with it, the VM goes on.
pub trait RunListener: Send {
    /// A name for diagnostics.
    fn name(&self) -> &str;

    /// No vCPU is in the guest any more; guest clocks still run.
    fn on_stop(&mut self, cause: Cause);

    /// Guest clocks run again; no vCPU is in the guest yet.
    fn on_cont(&mut self, cause: Cause);
}

/// Listeners in order.
#[derive(Default)]
pub struct Listeners(Vec<(Layer, Box<dyn RunListener>)>);

impl Listeners {
    /// Adds one, after all others of its layer.
    pub fn add(&mut self, layer: Layer, listener: Box<dyn RunListener>) {
        let place = self.0.partition_point(|(other, _)| *other <= layer);
        self.0.insert(place, (layer, listener));
    }

    /// Tells all of a stop: layers in order, each in order of addition.
    pub fn stop(&mut self, cause: Cause) {
        for (layer, listener) in &mut self.0 {
            log::trace!("stop ({cause}): {layer:?} {}", listener.name());
            listener.on_stop(cause);
        }
    }

    /// Tells all of a cont: exactly the reverse order.
    pub fn cont(&mut self, cause: Cause) {
        for (layer, listener) in self.0.iter_mut().rev() {
            log::trace!("cont ({cause}): {layer:?} {}", listener.name());
            listener.on_cont(cause);
        }
    }

    /// The names in the order of a stop.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(_, listener)| listener.name()).collect()
    }
}
