//! A machine's CPUs as KVM executes them, all together: built, reset, started, looked at.
//!
//! Not here: one CPU's thread and state ([`crate::cpu`]), and stop and cont, which is the gate's.

use std::io;
use std::sync::Arc;

use kvm_bindings::kvm_pit_state2;
use kvm_ioctls::Cap;
use machine::{CpuSummary, MachineError};
use tod::clock::{ClockError, Launcher};
use tod::{ClockManager, Policy};

use super::inspect::CodeSize;
use crate::board::InterruptSink;
use crate::boot::Entry;
use crate::clock::{KVMCLOCK, KvmClock, KvmTime, TSC, Tsc};
use crate::cpu::cpuid::Choice;
use crate::cpu::features::{Abilities, Processor};
use crate::cpu::{CpuState, Crew, Vcpu, inspect, msrs, setup};
use crate::kvm::{HostClockCalls, IrqChips, KvmError, Vm};
use crate::memory::Memory;

/// What the machine was when the power was switched on.
struct PowerOn {
    cpus: Vec<CpuState>,
    chips: IrqChips,
    pit: Option<kvm_pit_state2>,
}

/// A machine's CPUs and the rest of what KVM has of it.
pub struct KvmCpus {
    /// The virtual machine.
    pub vm: Arc<Vm>,
    /// The vCPUs.
    pub crew: Arc<Crew>,
    /// Model-specific registers that a CPU's state has.
    pub msrs: Vec<u32>,
    /// What each CPU can do.
    pub abilities: Abilities,
    /// kvmclock, the TSCs and the interval timers.
    pub time: Arc<KvmTime>,
    power_on: PowerOn,
}

impl KvmCpus {
    /// Creates CPUs that have not been started, and registers their clocks.
    ///
    /// # Errors
    /// [`MachineError`]: KVM refuses a call, or the host lacks a feature that is to be on.
    pub fn new(
        vm: Arc<Vm>,
        count: u32,
        processor: &Processor,
        clocks: &ClockManager,
    ) -> Result<Self, MachineError> {
        let supported = vm.supported_cpuid()?;
        processor.check(supported.as_slice())?;
        let toll = Arc::default();
        let mut vcpus = Vec::new();
        let mut abilities = Abilities::of(&[]);
        for index in 0..count {
            let vcpu = vm.create_vcpu(index)?;
            let choice = Choice {
                cpus: count,
                tsc_deadline: vm.offers(Cap::TscDeadlineTimer),
                tsc_khz: vcpu.fd().get_tsc_khz().ok().filter(|khz| *khz > 0),
                processor,
            };
            abilities = setup::set_up(&vcpu, supported.as_slice(), &choice, index)?;
            vcpus.push(Arc::new(Vcpu::new(index as usize, vcpu, &toll)?));
        }
        let crew = Arc::new(Crew { vcpus, toll });
        let indices = vm.msr_indices()?;
        let msrs = match crew.vcpus.first() {
            Some(first) => first.visit(|vcpu| msrs::saved(vcpu, &indices))?,
            None => Vec::new(),
        };
        let states = crew.vcpus.iter();
        let power_on = PowerOn {
            cpus: states
                .map(|vcpu| vcpu.visit(|vcpu| CpuState::read(vcpu, &msrs)))
                .collect::<Result<_, KvmError>>()?,
            chips: vm.irq_chips()?,
            pit: vm.pit()?,
        };
        let time = keep_time(&vm, &crew, clocks)?;
        Ok(Self {
            vm,
            crew,
            msrs,
            abilities,
            time,
            power_on,
        })
    }

    /// Resets CPUs, interrupt controllers and interval timer. Only while parked. Nobody runs
    /// before [`KvmCpus::start`].
    ///
    /// The TSC goes on: guest time never goes backwards.
    ///
    /// # Errors
    /// [`KvmError`].
    pub fn reset(&self) -> Result<(), KvmError> {
        for (vcpu, state) in self.crew.vcpus.iter().zip(&self.power_on.cpus) {
            vcpu.rest();
            vcpu.visit(|vcpu| {
                state.set(vcpu)?;
                // KVM must not write any more to where the guest before had these.
                msrs::restore(vcpu, &msrs::CLEARED_AT_RESET)
            })?;
        }
        self.vm.set_irq_chips(&self.power_on.chips)?;
        if let Some(pit) = &self.power_on.pit {
            self.vm.set_pit(pit)?;
        }
        self.time.reset();
        Ok(())
    }

    /// Has CPU 0 start there; the others wait until the guest starts them. They have been reset.
    ///
    /// # Errors
    /// [`KvmError`].
    pub fn start(&self, entry: &Entry) -> Result<(), KvmError> {
        if let Some(first) = self.crew.vcpus.first() {
            first.visit(|vcpu| entry.apply(vcpu))?;
        }
        self.crew.vcpus.iter().for_each(|vcpu| vcpu.revive());
        Ok(())
    }

    /// A line on each CPU. What the host refuses to say is left at zero.
    #[must_use]
    pub fn summaries(&self) -> Vec<CpuSummary> {
        let summary = |vcpu: &Arc<Vcpu>| {
            let (mp_state, pc) = vcpu.visit(|vcpu| {
                let fd = vcpu.fd();
                let mp_state = fd.get_mp_state().unwrap_or_default().mp_state;
                let sregs = fd.get_sregs().unwrap_or_default();
                let regs = fd.get_regs().unwrap_or_default();
                (mp_state, sregs.cs.base.wrapping_add(regs.rip))
            });
            let state = match vcpu.has_ended() {
                true => "stopped",
                false => inspect::state_name(mp_state),
            };
            CpuSummary {
                index: vcpu.index(),
                thread_id: vcpu.thread_id(),
                state,
                halted: state != "running",
                pc,
                topology: None,
            }
        };
        self.crew.vcpus.iter().map(summary).collect()
    }

    /// A CPU's registers as text.
    ///
    /// # Errors
    /// [`MachineError`].
    pub fn registers(&self, cpu: usize) -> Result<String, MachineError> {
        Ok(self.vcpu(cpu)?.visit(|vcpu| inspect::registers(vcpu))?)
    }

    /// Memory as a CPU would translate it.
    ///
    /// # Errors
    /// [`MachineError`].
    pub fn read_virtual(
        &self,
        cpu: usize,
        memory: &Memory,
        address: u64,
        buffer: &mut [u8],
    ) -> Result<(), MachineError> {
        self.vcpu(cpu)?
            .visit(|vcpu| inspect::read_virtual(vcpu, memory, address, buffer))
    }

    /// How CPU 0's next instruction is encoded.
    #[must_use]
    pub fn code_size(&self) -> CodeSize {
        let sregs = self
            .crew
            .vcpus
            .first()
            .and_then(|first| first.visit(|vcpu| vcpu.fd().get_sregs().ok()));
        sregs.map_or(CodeSize::Bits16, |sregs| inspect::code_size(&sregs))
    }

    fn vcpu(&self, index: usize) -> Result<&Vcpu, MachineError> {
        let count = self.crew.vcpus.len();
        self.crew
            .vcpus
            .get(index)
            .map(|vcpu| &**vcpu)
            .ok_or(MachineError::NoSuchCpu { index, count })
    }
}

/// Registers the clocks that KVM keeps with the manager, which starts and stops them.
fn keep_time(
    vm: &Arc<Vm>,
    crew: &Crew,
    clocks: &ClockManager,
) -> Result<Arc<KvmTime>, MachineError> {
    let mut calls = HostClockCalls::new(vm);
    for vcpu in &crew.vcpus {
        vcpu.visit(|vcpu| calls.share(vcpu))?;
    }
    let time = KvmTime::new(clocks.timebase(), Box::new(calls)).map_err(clock_error)?;
    let tsc_policy = time.tsc_setting().policy();
    let registered = clocks
        .register(KVMCLOCK, Box::new(KvmClock::new(&time)), Policy::Freeze)
        .and_then(|()| clocks.register(TSC, Box::new(Tsc::new(&time)), tsc_policy));
    registered.map_err(|error| MachineError::Host {
        what: "registering KVM's clocks".into(),
        source: io::Error::other(error),
    })?;
    clocks.set_launcher(Arc::clone(&time) as Arc<dyn Launcher>);
    Ok(time)
}

fn clock_error(error: ClockError) -> MachineError {
    match error {
        ClockError::Host { action, source } => MachineError::Host {
            what: format!("KVM: {action}"),
            source,
        },
        other => MachineError::Host {
            what: "KVM's clocks".into(),
            source: io::Error::other(other),
        },
    }
}

/// The interrupt controllers in the kernel, as the board's lines see them.
pub struct KvmLines(pub Arc<Vm>);

impl InterruptSink for KvmLines {
    fn set(&self, gsi: u32, level: bool) {
        if let Err(error) = self.0.set_irq_line(gsi, level) {
            log::error!("interrupt line {gsi} keeps its level: {error}");
        }
    }
}
