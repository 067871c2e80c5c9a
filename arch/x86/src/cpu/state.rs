//! A CPU's state: read, set, saved.
//!
//! Order matters to KVM in both directions:
//! - *reading*: the processor state first, for asking for it makes the kernel act on INIT and
//!   start-up interrupts that are pending, which changes registers.
//! - *setting*: special registers before all that depends on them (the APIC base in them says
//!   where and whether the local APIC is); extended control registers before the registers that
//!   they enable; the local APIC before model-specific registers (some are looked at through its
//!   mode); the processor state before pending events, which it would clear.
//!
//! The clocks' registers ([`super::msrs::OF_CLOCKS`]) are no part: the clocks set the TSC after
//! this, then the TSC deadline, which is compared with it, and the local APIC by then stands in
//! the mode that the deadline needs. Not here: what the registers mean.

use kvm_bindings::{
    kvm_debugregs, kvm_lapic_state, kvm_mp_state, kvm_regs, kvm_sregs, kvm_vcpu_events, kvm_xcrs,
    kvm_xsave,
};
use serde::{Deserialize, Serialize};

use super::msrs;
use crate::kvm::{KvmError, VcpuKvm};

/// All of a CPU's state but for what belongs to clocks.
#[derive(Debug, Serialize, Deserialize)]
pub struct CpuState {
    /// General registers, RIP and RFLAGS.
    pub regs: kvm_regs,
    /// Segments, descriptor tables, control registers, EFER, the APIC base.
    pub sregs: kvm_sregs,
    xcrs: kvm_xcrs,
    xsave: kvm_xsave,
    debug: kvm_debugregs,
    lapic: kvm_lapic_state,
    msrs: Vec<(u32, u64)>,
    /// Whether it runs, is halted, or waits to be started.
    pub mp_state: kvm_mp_state,
    events: kvm_vcpu_events,
}

impl CpuState {
    /// Reads the state of a vCPU that is out of the guest; `msrs` are the numbers of the
    /// model-specific registers to save.
    ///
    /// # Errors
    /// [`KvmError`].
    pub fn read(vcpu: &VcpuKvm, msrs: &[u32]) -> Result<Self, KvmError> {
        let fd = vcpu.fd();
        let mp_state = fd
            .get_mp_state()
            .map_err(KvmError::call("reading a processor's state"))?;
        Ok(Self {
            regs: fd.get_regs().map_err(KvmError::call("reading registers"))?,
            sregs: fd
                .get_sregs()
                .map_err(KvmError::call("reading special registers"))?,
            xcrs: fd
                .get_xcrs()
                .map_err(KvmError::call("reading extended control registers"))?,
            xsave: vcpu.xsave()?,
            debug: fd
                .get_debug_regs()
                .map_err(KvmError::call("reading debug registers"))?,
            lapic: fd
                .get_lapic()
                .map_err(KvmError::call("reading a local APIC"))?,
            msrs: vcpu.msrs(msrs)?,
            mp_state,
            events: fd
                .get_vcpu_events()
                .map_err(KvmError::call("reading pending events"))?,
        })
    }

    /// Gives a vCPU this state. It is out of the guest.
    ///
    /// # Errors
    /// [`KvmError`]; some of the state has been set then.
    pub fn set(&self, vcpu: &VcpuKvm) -> Result<(), KvmError> {
        let fd = vcpu.fd();
        // What an INIT that is pending does is done before.
        fd.get_mp_state()
            .map_err(KvmError::call("reading a processor's state"))?;
        fd.set_sregs(&self.sregs)
            .map_err(KvmError::call("setting special registers"))?;
        fd.set_regs(&self.regs)
            .map_err(KvmError::call("setting registers"))?;
        fd.set_xcrs(&self.xcrs)
            .map_err(KvmError::call("setting extended control registers"))?;
        vcpu.set_xsave(&self.xsave)?;
        fd.set_debug_regs(&self.debug)
            .map_err(KvmError::call("setting debug registers"))?;
        fd.set_lapic(&self.lapic)
            .map_err(KvmError::call("setting a local APIC"))?;
        msrs::restore(vcpu, &self.msrs)?;
        fd.set_mp_state(self.mp_state)
            .map_err(KvmError::call("setting a processor's state"))?;
        fd.set_vcpu_events(&self.events)
            .map_err(KvmError::call("setting pending events"))
    }
}
