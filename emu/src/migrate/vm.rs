//! The VM as migration sees it: what [`migration::vm`] asks for, done by run control, the
//! machine, the clocks and the console.
//!
//! Nothing here changes the run state: run control is asked to. Nothing here knows a channel.

use std::sync::Arc;
use std::time::Duration;

use machine::Machine;
use migration::vm::{
    DestinationVm, Identity, PartId, Ram, SavedPart, SourceVm, Started, Stopped, VmError,
};
use migration::{Part, PartError};
use tod::{Cause, ClockManager, Downtime, HostClock, HostOffset, RunState, SavedClocks};

use crate::chardev::Port;
use crate::console::Console;
use crate::control::{Control, Hold, Release};

/// How long a guest that has moved waits for its console's reader before the move is over.
const CONSOLE_PATIENCE: Duration = Duration::from_secs(1);

/// How long the first vCPU may take to enter the guest before the start is reported without it.
const FIRST_VCPU: Duration = Duration::from_secs(1);

/// What a VM consists of.
pub(crate) struct Vm {
    pub(crate) control: Control,
    pub(crate) machine: Arc<dyn Machine>,
    pub(crate) clocks: Arc<ClockManager>,
    pub(crate) host: Arc<dyn HostClock>,
    pub(crate) console: Arc<Console>,
    /// The console's device.
    pub(crate) port: Option<Arc<Port>>,
    /// Architecture, as in QAPI.
    pub(crate) architecture: &'static str,
    /// The machine's canonical name.
    pub(crate) name: &'static str,
}

impl Vm {
    fn identity(&self) -> Identity {
        Identity {
            architecture: self.architecture.to_owned(),
            machine: self.name.to_owned(),
            ram_bytes: self.ram().size(),
            program: concat!("emu ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    fn ram(&self) -> &dyn Ram {
        self.machine.migration_ram()
    }

    /// Calls `visit` with every part, in the order of the stream; ends with its first answer.
    fn each_part<T>(&self, mut visit: impl FnMut(&mut dyn Part) -> Option<T>) -> Option<T> {
        let mut parts = self.machine.parts();
        parts.push(Box::new(self.console.part()));
        parts.iter_mut().find_map(|part| visit(&mut **part))
    }
}

/// The VM of which everything is to be written, and for what.
pub(crate) struct Source {
    pub(crate) vm: Arc<Vm>,
    pub(crate) hold: Hold,
}

impl Source {
    fn release(&self, release: Release) {
        // A program that is ending has no run state any more, and its guest does not run.
        let _ = self.vm.control.release(release);
        self.vm.console.release();
    }
}

impl SourceVm for Source {
    fn identity(&self) -> Identity {
        self.vm.identity()
    }

    fn ram(&self) -> &dyn Ram {
        self.vm.ram()
    }

    fn host_clock(&self) -> &dyn HostClock {
        &*self.vm.host
    }

    fn stop(&self) -> Result<Stopped, VmError> {
        let state = self.vm.control.hold(self.hold).map_err(|e| VmError {
            action: "stop the guest",
            why: e.to_string(),
        })?;
        self.vm.console.hold();
        Ok(Stopped {
            state,
            since: self.vm.clocks.stopped(),
        })
    }

    fn save_parts(&self) -> Result<Vec<SavedPart>, PartError> {
        let mut saved = Vec::new();
        let failed = self.vm.each_part(|part| match part.save() {
            Ok(payload) => {
                saved.push(SavedPart {
                    name: part.name().to_owned(),
                    instance: part.instance(),
                    version: part.version(),
                    payload,
                });
                None
            }
            Err(e) => Some(e),
        });
        failed.map_or(Ok(saved), Err)
    }

    fn save_clocks(&self) -> SavedClocks {
        self.vm.clocks.on_save(self.hold.cause())
    }

    fn hand_over(&self) {
        self.release(Release::HandOver);
        // Whoever reads the console here is to have all of it before the move is reported done.
        if let Some(port) = &self.vm.port {
            port.drain(CONSOLE_PATIENCE);
        }
    }

    fn take_back(&self) {
        self.release(Release::TakeBack);
    }

    fn downtime(&self, downtime: Downtime) {
        self.vm.clocks.on_moved(downtime);
    }
}

/// Where a guest comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From another program: run control waits for it.
    Elsewhere,
    /// A file with which the program was started (`-loadvm`): it runs, whatever it did when it
    /// was saved, unless it is to stand.
    Launch,
    /// A file, in place of the guest that is here and held: who holds it starts it.
    Snapshot,
}

/// The VM that a guest comes into.
pub(crate) struct Destination {
    pub(crate) vm: Arc<Vm>,
    pub(crate) origin: Origin,
}

impl Destination {
    fn cause(&self) -> Cause {
        match self.origin {
            Origin::Elsewhere => Cause::Migration,
            Origin::Launch | Origin::Snapshot => Cause::Snapshot,
        }
    }
}

impl Destination {
    /// The parts of which this holds.
    fn ids(&self, holds: impl Fn(&dyn Part) -> bool) -> Vec<PartId> {
        let mut ids = Vec::new();
        self.vm.each_part(|part| {
            if holds(part) {
                ids.push(PartId {
                    name: part.name().to_owned(),
                    instance: part.instance(),
                });
            }
            None::<()>
        });
        ids
    }
}

impl DestinationVm for Destination {
    fn identity(&self) -> Identity {
        self.vm.identity()
    }

    fn ram(&self) -> &dyn Ram {
        self.vm.ram()
    }

    fn host_clock(&self) -> &dyn HostClock {
        &*self.vm.host
    }

    fn parts(&self) -> Vec<PartId> {
        self.ids(|_| true)
    }

    fn optional_parts(&self) -> Vec<PartId> {
        self.ids(|part| part.may_be_missing())
    }

    fn part_limit(&self, name: &str) -> Option<usize> {
        self.vm
            .each_part(|part| (part.name() == name).then(|| part.max_bytes()))
    }

    fn load_part(&self, saved: &SavedPart) -> Result<(), PartError> {
        let loaded = self.vm.each_part(|part| {
            (part.name() == saved.name && part.instance() == saved.instance)
                .then(|| part.load(saved.version, &saved.payload))
        });
        loaded.unwrap_or_else(|| {
            Err(PartError::Unsuitable {
                name: "part",
                why: format!(
                    "this machine has no part '{}' {}",
                    saved.name, saved.instance
                ),
            })
        })
    }

    fn part_is_absent(&self, id: &PartId) -> Result<(), PartError> {
        let told = self.vm.each_part(|part| {
            (part.name() == id.name && part.instance() == id.instance).then(|| part.absent())
        });
        told.unwrap_or(Ok(()))
    }

    fn check_part(&self, saved: &SavedPart) -> Result<(), PartError> {
        let checked = self.vm.each_part(|part| {
            (part.name() == saved.name && part.instance() == saved.instance)
                .then(|| part.check(saved.version, &saved.payload))
        });
        checked.unwrap_or(Ok(()))
    }

    fn load_clocks(&self, saved: SavedClocks, offset: Option<HostOffset>) -> Result<(), VmError> {
        // Clocks that fall back tell that by themselves, to run control.
        self.vm
            .clocks
            .on_load(saved, offset, self.cause())
            .map(drop)
            .map_err(|e| VmError {
                action: "load the clocks",
                why: e.to_string(),
            })
    }

    fn start(&self, state: RunState) -> Started {
        let now = match self.origin {
            Origin::Elsewhere => self.vm.control.arrived(state),
            Origin::Launch => self.vm.control.arrived(RunState::Running),
            Origin::Snapshot => return Started::Standing,
        };
        let started = match now {
            Ok(RunState::Running) => Started::Running {
                since: self.vm.clocks.wait_until_started(FIRST_VCPU),
            },
            Ok(_) => Started::Standing,
            Err(e) => {
                log::error!("the guest that has come cannot be started: {e}");
                Started::Standing
            }
        };
        self.vm.console.release();
        started
    }

    fn fail(&self) {
        // Nothing to undo: who waits for the guest is told that it does not come, and decides.
    }
}
