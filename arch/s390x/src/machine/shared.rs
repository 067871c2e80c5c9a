//! What all CPUs of a machine share.
//!
//! One [`Shared`] per machine, reachable from every CPU's control side. Not here: any CPU's own
//! state, and threads ([`super`]).

use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use crossbeam::channel::Sender;
use machine::{Device, GuestEvent, GuestRam, Identity};
use tcg::CpuCore;
use tcg::cpu::System;
use tod::run::{Kick, VcpuGate};
use tod::{EpochClock, Sleeper, Timeline};

use super::watchdog::Watchdog;
use crate::clock::TodClock;
use crate::console::Sclp;
use crate::cpu::facility::Facilities;
use crate::cpu::floating::Floating;
use crate::cpu::handle::{self, CpuHandle};
use crate::cpu::slots::CpuSlots;
use crate::css::{AddError, ChannelSubsystem};
use crate::memory::keys::StorageKeys;

use super::topology::Topology;

/// Facilities that are installed, and those of them that the guest is shown.
#[derive(Debug, Clone, Copy, Default)]
struct Announced {
    installed: Facilities,
    shown: Facilities,
}

/// What all CPUs of a machine share.
pub struct Shared {
    /// Translation: RAM, blocks, the other CPUs' TLBs.
    pub system: Arc<System>,
    /// The service-call logical processor: console, configuration, shutdown signal.
    pub sclp: Sclp,
    /// Name and UUID, as STSI tells them.
    pub identity: Identity,
    /// The CPUs as others see them, by CPU address.
    pub cpus: Arc<CpuSlots>,
    /// Interruptions that any CPU may take.
    pub floating: Floating,
    /// Where the CPUs' threads park.
    pub gate: VcpuGate,
    /// The TOD clock.
    pub tod: Arc<TodClock>,
    /// The VM's own time, on which CPU timers and wake-ups hang.
    pub timeline: Arc<Timeline>,
    /// Storage keys.
    pub keys: StorageKeys,
    /// Where CPUs are, and how they are polarized.
    pub topology: OnceLock<Topology>,
    /// The channel subsystem.
    pub css: ChannelSubsystem,
    /// The watchdog, if the machine has one.
    pub watchdog: OnceLock<Watchdog>,
    /// Held by the one CPU that waits for another to carry out its order.
    pub signal_path: Mutex<()>,
    /// CPUs that can ever be present.
    pub max_cpus: u16,
    /// What the CPUs have by `-cpu`, and what of that the guest has been told: a guest that came
    /// from a machine with less keeps to that.
    facilities: RwLock<Announced>,
    /// Where run control listens.
    pub events: Sender<GuestEvent>,
}

impl Shared {
    /// The shared part of a machine whose CPUs will be made of these cores, in order of their
    /// addresses; `max_cpus` can ever be present.
    #[allow(
        clippy::too_many_arguments,
        reason = "one place puts the machine together"
    )]
    pub fn new(
        system: Arc<System>,
        cores: &[CpuCore],
        sclp: Sclp,
        clock: Arc<EpochClock>,
        timeline: Arc<Timeline>,
        identity: Identity,
        max_cpus: u16,
        events: Sender<GuestEvent>,
    ) -> Arc<Self> {
        let cpus = CpuSlots::new(max_cpus);
        // A place without a CPU has no thread at the gate, so nobody kicks it.
        let kicks = (0..max_cpus)
            .map(|address| {
                let cpus = Arc::clone(&cpus);
                Box::new(move || {
                    if let Some(cpu) = cpus.get(address) {
                        cpu.kick(handle::PARK);
                    }
                }) as Kick
            })
            .collect();
        let shared = Arc::new(Self {
            gate: VcpuGate::new(kicks),
            keys: StorageKeys::new(system.ram().size()),
            system,
            sclp,
            identity,
            max_cpus,
            cpus,
            floating: Floating::default(),
            tod: TodClock::new(clock, max_cpus),
            css: ChannelSubsystem::default(),
            watchdog: OnceLock::new(),
            timeline,
            topology: OnceLock::new(),
            signal_path: Mutex::new(()),
            facilities: RwLock::default(),
            events,
        });
        for (core, address) in cores.iter().zip(0..) {
            shared.plug(core, address);
        }
        let weak = Arc::downgrade(&shared);
        shared.css.set_notify(move || {
            if let Some(shared) = weak.upgrade() {
                for cpu in shared.cpus.iter() {
                    cpu.kick(handle::INTERRUPT);
                }
            }
        });
        shared
    }

    /// Adds what `-device` asks for. Once, before any CPU runs.
    ///
    /// # Errors
    /// Two devices at one place.
    pub fn add_devices(&self, devices: &[Device]) -> Result<(), AddError> {
        for device in devices {
            match device {
                Device::VirtioNetCcw(net) => self.css.add(net)?,
                Device::Diag288 => {
                    self.watchdog
                        .get_or_init(|| Watchdog::new(&self.timeline, self.events.clone()));
                }
                // CPUs are plugged elsewhere, and other machines' devices not asked for here.
                Device::Cpu(_) | Device::IsaDebugExit { .. } | Device::PcTestdev => {}
            }
        }
        Ok(())
    }

    /// A CPU that will be made of this core is plugged in; false if there is no such place or it
    /// is taken. The handle of the CPU is there for others when this returns, so the CPU itself
    /// is to be made at once.
    pub fn plug(&self, core: &CpuCore, address: u16) -> bool {
        let sleeper = Sleeper::new(&self.timeline, &format!("cpu{address}"));
        let attention = Arc::clone(core.attention());
        self.cpus.plug(CpuHandle::new(address, attention, sleeper))
    }

    /// Where CPUs are, and how they are polarized: in one socket, unless
    /// [`Shared::topology`] was set before.
    pub fn topology(&self) -> &Topology {
        self.topology.get_or_init(|| {
            let all = u32::from(self.max_cpus);
            Topology::new(machine::Smp::flat(all, all).shape, self.max_cpus)
        })
    }

    /// The addresses of the CPUs that are configured.
    pub fn configured_cpus(&self) -> impl Iterator<Item = u16> {
        let cpus = self.cpus.iter();
        cpus.filter(|cpu| cpu.is_configured())
            .map(|cpu| cpu.address())
    }

    /// The facilities that CPUs show now.
    pub fn facilities(&self) -> Facilities {
        self.announced().shown
    }

    /// The facilities that CPUs have by `-cpu`.
    pub fn installed_facilities(&self) -> Facilities {
        self.announced().installed
    }

    fn announced(&self) -> Announced {
        *self
            .facilities
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// CPUs have these facilities. Before any CPU is made.
    pub fn install_facilities(&self, installed: Facilities) {
        *self
            .facilities
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Announced {
            installed,
            shown: installed,
        };
    }

    /// The guest knows these facilities, all of which are installed. CPUs that are there are told
    /// so by the caller.
    pub fn show_facilities(&self, shown: Facilities) {
        self.facilities
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .shown = shown;
    }

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
    let (_, timeline, clock) = test_clocks();
    let cores = [CpuCore::new(system.clone())];
    Shared::new(system, &cores, sclp, clock, timeline, identity, 1, events)
}

/// A simulated host, a timeline that runs on it, and a TOD clock.
#[cfg(test)]
pub(crate) fn test_clocks() -> (tod::SimHost, Arc<Timeline>, Arc<EpochClock>) {
    let host = tod::SimHost::new();
    let timebase = tod::Timebase::new(Arc::new(host.clone())).expect("a simulated host has clocks");
    let timeline = Timeline::new(&timebase);
    let clock = EpochClock::at_host_time(&timebase);
    (host, timeline, clock)
}
