//! CPUs come: at the machine's start, and while it is there.
//!
//! A CPU that comes later is stopped and shows the clock that all others show; the guest is told
//! by an event of the SCLP, starts it by SIGP, and so decides when it runs. None ever goes. Not
//! here: how many there are at first ([`super::create`]).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use machine::{CpuDevice, CpuMove, CpuTopology, Entitlement, MachineError, PossibleCpu};
use tcg::CpuCore;

use super::S390xMachine;
use super::topology;
use super::vcpu::Vcpu;
use crate::cpu::S390Cpu;
use crate::cpu::facility::TOPOLOGY;

/// The threads of the CPUs.
#[derive(Debug)]
pub(super) enum Threads {
    /// CPUs get theirs later, or never.
    NotYet,
    /// Every CPU has one.
    Started(Vec<JoinHandle<()>>),
    /// They have been ended.
    Ended,
}

fn lock(threads: &Mutex<Threads>) -> MutexGuard<'_, Threads> {
    // What is in it is replaced or added to in one step.
    threads.lock().unwrap_or_else(PoisonError::into_inner)
}

impl S390xMachine {
    /// Starts the threads of the CPUs that are there.
    pub(super) fn start_threads(&self) -> Result<(), MachineError> {
        let mut threads = lock(&self.threads);
        let started = self
            .crew
            .vcpus()
            .map(|vcpu| self.start_thread(vcpu.handle().address()))
            .collect::<Result<_, _>>()?;
        *threads = Threads::Started(started);
        Ok(())
    }

    fn start_thread(&self, address: u16) -> Result<JoinHandle<()>, MachineError> {
        let (crew, shared) = (self.crew.clone(), self.shared.clone());
        let live = move || {
            if let Some(vcpu) = crew.get(usize::from(address)) {
                vcpu.live(&crew, &shared);
            }
        };
        std::thread::Builder::new()
            .name(format!("cpu{address}"))
            .spawn(live)
            .map_err(|source| MachineError::Host {
                what: format!("starting a thread for CPU {address}"),
                source,
            })
    }

    /// Waits for the threads' ends, which the gate has told them.
    pub(super) fn join_threads(&self) {
        let threads = std::mem::replace(&mut *lock(&self.threads), Threads::Ended);
        let Threads::Started(threads) = threads else {
            return;
        };
        for thread in threads {
            if thread.join().is_err() {
                log::error!("a vCPU's thread has panicked");
            }
        }
    }

    /// The driver of this machine's CPUs.
    fn cpu_driver(&self) -> String {
        format!("{}-s390x-cpu", self.model.name())
    }

    /// Plugs a CPU in, with a thread where the others have theirs. The guest is not told.
    pub(super) fn plug(&self, device: &CpuDevice) -> Result<(), MachineError> {
        let refused = |why: String| Err(MachineError::Cpu(why));
        let driver = self.cpu_driver();
        if device.driver != driver {
            return refused(format!(
                "'{}' is not this machine's CPU, expected {driver}",
                device.driver
            ));
        }
        let most = self.shared.max_cpus - 1;
        let address = match u16::try_from(device.core_id) {
            Ok(address) if address <= most => address,
            _ => {
                return refused(format!(
                    "there can be no CPU with core-id {}, the greatest is {most} (-smp maxcpus=)",
                    device.core_id
                ));
            }
        };
        let mut threads = lock(&self.threads);
        if self.crew.get(usize::from(address)).is_some() {
            return refused(format!("there is a CPU with core-id {address} already"));
        }
        let attributes = CpuTopology {
            place: device.place.unwrap_or_else(|| {
                let shape = self.shared.topology().shape();
                topology::usual_place(&shape, device.core_id)
            }),
            entitlement: device.entitlement,
            dedicated: device.dedicated,
        };
        let present = self.shared.cpus.iter().map(|cpu| cpu.address());
        self.shared
            .topology()
            .put(address, attributes, present)
            .map_err(|error| MachineError::Cpu(error.to_string()))?;
        let core = CpuCore::new(self.shared.system.clone());
        self.shared.plug(&core, address);
        self.crew
            .add(Vcpu::new(S390Cpu::new(core, self.shared.clone(), address)));
        if let Threads::Started(threads) = &mut *threads {
            threads.push(self.start_thread(address)?);
        }
        Ok(())
    }

    /// Plugs a CPU in and tells the guest.
    pub(super) fn hot_plug(&self, device: &CpuDevice) -> Result<(), MachineError> {
        self.plug(device)?;
        self.shared.topology().changed();
        self.shared.sclp.signal_cpus_changed();
        Ok(())
    }

    /// Whether the guest is shown where CPUs are.
    pub(super) fn shows_topology(&self) -> bool {
        self.shared.facilities().has(TOPOLOGY)
    }

    /// Moves a CPU in the topology and reports it to the guest.
    pub(super) fn relocate(&self, core_id: u32, to: &CpuMove) -> Result<(), MachineError> {
        let refused = |why: String| Err(MachineError::Cpu(why));
        if !self.shows_topology() {
            return refused("the guest is shown no CPU topology (-cpu ...,ctop=on)".into());
        }
        let address = u16::try_from(core_id)
            .ok()
            .filter(|&address| self.shared.cpus.get(address).is_some());
        let Some(address) = address else {
            return refused(format!("there is no CPU with core-id {core_id}"));
        };
        let topology = self.shared.topology();
        let mut attributes = topology.attributes(address);
        let place = &mut attributes.place;
        place.drawer = to.drawer.unwrap_or(place.drawer);
        place.book = to.book.unwrap_or(place.book);
        place.socket = to.socket.unwrap_or(place.socket);
        attributes.dedicated = to.dedicated.unwrap_or(attributes.dedicated);
        attributes.entitlement = match (to.entitlement, attributes.dedicated) {
            (Some(Entitlement::Low | Entitlement::Medium), true) => {
                return refused("a dedicated CPU has entitlement high".into());
            }
            (_, true) => Entitlement::High,
            (entitlement, false) => entitlement.unwrap_or(attributes.entitlement),
        };
        let present = self.shared.cpus.iter().map(|cpu| cpu.address());
        topology
            .put(address, attributes, present)
            .map_err(|error| MachineError::Cpu(error.to_string()))?;
        topology.changed();
        Ok(())
    }

    /// The CPUs that can be there.
    pub(super) fn places(&self) -> Vec<PossibleCpu> {
        (0..self.shared.max_cpus)
            .map(|address| PossibleCpu {
                driver: self.cpu_driver(),
                core_id: u32::from(address),
                present: self.shared.cpus.get(address).is_some(),
            })
            .collect()
    }
}
