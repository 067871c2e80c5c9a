//! The host's KVM: a virtual machine with its memory slots and interrupt controllers, and its
//! vCPUs as the kernel runs them. The one place where KVM is called.
//!
//! What the host's KVM offers is asked, never assumed. Not here: when a vCPU runs
//! ([`crate::cpu`]), what is in its registers, and what the clocks' calls are for
//! ([`crate::clock`]).

mod clock_calls;
mod error;
mod exit;
mod kick;
mod slots;
mod vcpu;

use std::sync::Arc;

use kvm_bindings::{
    CpuId, KVM_API_VERSION, KVM_IRQCHIP_IOAPIC, KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE,
    KVM_MAX_CPUID_ENTRIES, KVM_PIT_SPEAKER_DUMMY, kvm_irqchip, kvm_pit_config, kvm_pit_state2,
};
use kvm_ioctls::{Cap, Kvm, VmFd};
use serde::{Deserialize, Serialize};

use crate::memory::Layout;
use machine::{GuestRam, LostTicks};

pub use clock_calls::{ClockCalls, ClockData, HostClockCalls, LAPIC_BYTES, Lapic, TscScale};
pub use error::KvmError;
pub use exit::{Direction, Exit};
pub use kick::Kicker;
pub use vcpu::VcpuKvm;

/// Where Intel hosts keep three pages for real mode, in the hole below 4 GiB and outside of all
/// that is described to the guest (as QEMU places them).
const TSS_ADDRESS: usize = 0xfffb_d000;
/// One page, likewise, for real mode's identity map.
const IDENTITY_MAP_ADDRESS: u64 = 0xfffb_c000;

/// A virtual machine of the host's KVM.
pub struct Vm {
    kvm: Kvm,
    fd: VmFd,
    has_pit: bool,
    ram: Arc<GuestRam>,
    layout: Layout,
}

/// The state of the interrupt controllers in the kernel.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IrqChips {
    /// The two PICs and the I/O APIC.
    chips: Vec<kvm_irqchip>,
}

/// The controllers, in the order of [`IrqChips`].
const CHIPS: [u32; 3] = [
    KVM_IRQCHIP_PIC_MASTER,
    KVM_IRQCHIP_PIC_SLAVE,
    KVM_IRQCHIP_IOAPIC,
];

impl IrqChips {
    /// Whether it is the state of all controllers, each once.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.chips.iter().map(|chip| chip.chip_id).eq(CHIPS)
    }
}

/// Whether this host lets this program use its KVM.
#[must_use]
pub fn is_there() -> bool {
    Kvm::new().is_ok()
}

impl Vm {
    /// A virtual machine with this RAM, interrupt controllers, and, where the host has one, a PIT
    /// that does this with ticks which the guest is too slow for.
    ///
    /// # Errors
    /// [`KvmError`]: the device cannot be opened, lacks what is needed, or refuses a call.
    pub fn new(ram: Arc<GuestRam>, lost_ticks: LostTicks) -> Result<Arc<Self>, KvmError> {
        let kvm = Kvm::new().map_err(KvmError::open)?;
        let version = kvm.get_api_version();
        if version != KVM_API_VERSION as i32 {
            return Err(KvmError::Version { version });
        }
        for (cap, what) in [
            (Cap::UserMemory, "memory of the program's own"),
            (Cap::Irqchip, "interrupt controllers in the kernel"),
            (Cap::ImmediateExit, "immediate exit"),
            (Cap::MpState, "processor states"),
            (Cap::VcpuEvents, "pending events"),
            (Cap::Xsave, "extended registers"),
            (Cap::Xcrs, "extended control registers"),
            (Cap::Debugregs, "debug registers"),
        ] {
            if !kvm.check_extension(cap) {
                return Err(KvmError::Lacks { what });
            }
        }
        kick::prepare()?;
        let fd = kvm
            .create_vm()
            .map_err(KvmError::call("creating a virtual machine"))?;
        if kvm.check_extension(Cap::SetTssAddr) {
            fd.set_tss_address(TSS_ADDRESS)
                .map_err(KvmError::call("placing the real-mode task segment"))?;
        }
        if kvm.check_extension(Cap::SetIdentityMapAddr) {
            fd.set_identity_map_address(IDENTITY_MAP_ADDRESS)
                .map_err(KvmError::call("placing the real-mode page table"))?;
        }
        fd.create_irq_chip()
            .map_err(KvmError::call("creating the interrupt controllers"))?;
        let has_pit = kvm.check_extension(Cap::Pit2);
        if has_pit {
            let config = kvm_pit_config {
                // The kernel answers port 0x61 too, by whose bit 5 kernels calibrate their TSC.
                flags: KVM_PIT_SPEAKER_DUMMY,
                ..Default::default()
            };
            fd.create_pit2(config)
                .map_err(KvmError::call("creating the interval timer"))?;
        } else {
            log::warn!("the host's KVM has no interval timer (PIT), so neither has the guest");
        }
        if has_pit && lost_ticks == LostTicks::Discard {
            clock_calls::discard_lost_ticks(&fd).map_err(|source| KvmError::Call {
                action: "telling the interval timer to discard ticks",
                source,
            })?;
        }
        let layout = Layout::new(ram.size());
        let vm = Self {
            kvm,
            fd,
            has_pit,
            ram,
            layout,
        };
        vm.set_slots(false)?;
        Ok(Arc::new(vm))
    }

    /// The virtual machine's descriptor.
    pub fn fd(&self) -> &VmFd {
        &self.fd
    }

    /// The system's descriptor, for what it supports.
    pub fn kvm(&self) -> &Kvm {
        &self.kvm
    }

    /// Whether the host offers an extension.
    #[must_use]
    pub fn offers(&self, cap: Cap) -> bool {
        self.kvm.check_extension(cap)
    }

    /// Creates the vCPU of that number, which is its APIC identifier too.
    ///
    /// # Errors
    /// [`KvmError`].
    pub fn create_vcpu(&self, index: u32) -> Result<VcpuKvm, KvmError> {
        let fd = self
            .fd
            .create_vcpu(u64::from(index))
            .map_err(KvmError::call("creating a vCPU"))?;
        Ok(VcpuKvm::new(fd))
    }

    /// What CPUID can say to a guest on this host.
    ///
    /// # Errors
    /// [`KvmError`].
    pub fn supported_cpuid(&self) -> Result<CpuId, KvmError> {
        self.kvm
            .get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)
            .map_err(KvmError::call("asking for the CPUID that is supported"))
    }

    /// Numbers of the model-specific registers that hold a vCPU's state.
    ///
    /// # Errors
    /// [`KvmError`].
    pub fn msr_indices(&self) -> Result<Vec<u32>, KvmError> {
        let list = self
            .kvm
            .get_msr_index_list()
            .map_err(KvmError::call("asking for the MSRs that are saved"))?;
        Ok(list.as_slice().to_vec())
    }

    /// Drives an interrupt line of the controllers in the kernel.
    ///
    /// # Errors
    /// [`KvmError`].
    pub fn set_irq_line(&self, gsi: u32, level: bool) -> Result<(), KvmError> {
        self.fd
            .set_irq_line(gsi, level)
            .map_err(KvmError::call("driving an interrupt line"))
    }

    /// The interrupt controllers' state.
    ///
    /// # Errors
    /// [`KvmError`].
    pub fn irq_chips(&self) -> Result<IrqChips, KvmError> {
        let chip = |chip_id| {
            let mut chip = kvm_irqchip {
                chip_id,
                ..Default::default()
            };
            self.fd
                .get_irqchip(&mut chip)
                .map(|()| chip)
                .map_err(KvmError::call("reading an interrupt controller"))
        };
        Ok(IrqChips {
            chips: CHIPS.into_iter().map(chip).collect::<Result<_, _>>()?,
        })
    }

    /// Sets the interrupt controllers' state.
    ///
    /// # Errors
    /// [`KvmError`].
    pub fn set_irq_chips(&self, chips: &IrqChips) -> Result<(), KvmError> {
        for chip in &chips.chips {
            self.fd
                .set_irqchip(chip)
                .map_err(KvmError::call("setting an interrupt controller"))?;
        }
        Ok(())
    }

    /// Whether the host has an interval timer for the guest.
    #[must_use]
    pub fn has_pit(&self) -> bool {
        self.has_pit
    }

    /// The interval timer's state; none where the host has no interval timer.
    ///
    /// # Errors
    /// [`KvmError`].
    pub fn pit(&self) -> Result<Option<kvm_pit_state2>, KvmError> {
        if !self.has_pit {
            return Ok(None);
        }
        self.fd
            .get_pit2()
            .map(Some)
            .map_err(KvmError::call("reading the interval timer"))
    }

    /// Sets the interval timer's state: its counters start anew from there.
    ///
    /// # Errors
    /// [`KvmError`].
    pub fn set_pit(&self, state: &kvm_pit_state2) -> Result<(), KvmError> {
        self.fd
            .set_pit2(state)
            .map_err(KvmError::call("setting the interval timer"))
    }
}
