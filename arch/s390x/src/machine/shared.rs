//! What all CPUs of a machine share.
//!
//! One [`Shared`] per machine, reachable from every CPU's control side. Not here: any CPU's own
//! state, and threads ([`super`]).

use std::sync::Arc;

use crossbeam::channel::Sender;
use machine::{GuestEvent, GuestRam, Identity};
use tcg::cpu::System;

use crate::console::Sclp;

/// What all CPUs of a machine share.
pub struct Shared {
    /// Translation: RAM, blocks, the other CPUs' TLBs.
    pub system: Arc<System>,
    /// The service-call logical processor: console, configuration, shutdown signal.
    pub sclp: Sclp,
    /// Name and UUID, as STSI tells them.
    pub identity: Identity,
    /// CPUs present, numbered from 0.
    pub cpu_count: u16,
    /// CPUs that can ever be present.
    pub max_cpus: u16,
    /// Where run control listens.
    pub events: Sender<GuestEvent>,
}

impl Shared {
    /// Guest RAM.
    pub fn ram(&self) -> &GuestRam {
        self.system.ram()
    }

    /// Tells run control of something that the guest did. Run control outlives the machine, so
    /// a failure means that the program is ending and nobody needs to know any more.
    pub fn tell(&self, event: GuestEvent) {
        if self.events.send(event).is_err() {
            log::debug!("run control has gone; a guest event is dropped");
        }
    }
}

/// A machine's shared part without CPUs, for tests of its devices.
#[cfg(test)]
pub(crate) fn test_shared(
    system: Arc<System>,
    sclp: Sclp,
    identity: Identity,
    events: Sender<GuestEvent>,
) -> Arc<Shared> {
    Arc::new(Shared {
        system,
        sclp,
        identity,
        cpu_count: 1,
        max_cpus: 1,
        events,
    })
}
