//! The calls that guest clocks are made of, as a trait so that a fake kernel can fail any of
//! them, and as the host's KVM answers them.
//!
//! Facts, from the kernel's `Documentation/virt/kvm/api.rst` and `devices/vcpu.rst` ("TSC_CTRL"):
//! KVM_GET_CLOCK says by flags which of its fields it has filled in, and KVM_VCPU_TSC_OFFSET is
//! what is added to the host's (scaled) time stamp counter. Not here: what is done with the
//! values ([`crate::clock`]).
#![allow(
    unsafe_code,
    reason = "the calls that the library lacks: a vCPU's device attributes, the PIT's ticks"
)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd};
use std::sync::Arc;

use kvm_bindings::{
    KVM_CLOCK_HOST_TSC, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET, Msrs, kvm_clock_data,
    kvm_device_attr, kvm_lapic_state, kvm_msr_entry, kvm_pit_state2, kvm_reinject_control,
};
use kvm_ioctls::{Cap, VcpuFd, VmFd};
use tod::CounterSource;

use super::{KvmError, VcpuKvm, Vm};

/// `KVM_SET_DEVICE_ATTR`: `_IOW(0xAE, 0xe1, struct kvm_device_attr)`.
const KVM_SET_DEVICE_ATTR: u32 = 0x4018_aee1;
/// `KVM_GET_DEVICE_ATTR`: `_IOW(0xAE, 0xe2, struct kvm_device_attr)`.
const KVM_GET_DEVICE_ATTR: u32 = 0x4018_aee2;
/// `KVM_REINJECT_CONTROL`: `_IO(0xAE, 0x71)`.
const KVM_REINJECT_CONTROL: u32 = 0xae71;
/// `KVM_VCPU_TSC_SCALE`: how the host's counter is scaled; read only, since Linux 6.2.
const KVM_VCPU_TSC_SCALE: u64 = 1;

/// Bytes of a local APIC's registers.
pub const LAPIC_BYTES: usize = 1024;

/// What KVM_GET_CLOCK says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockData {
    /// kvmclock.
    pub clock_ns: u64,
    /// The host's time stamp counter at that value, if the kernel has said it.
    pub host_tsc: Option<u64>,
}

/// How a guest's time stamp counter goes against the host's: times `ratio`, divided by two to the
/// `fraction_bits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TscScale {
    /// The multiplier.
    pub ratio: u64,
    /// Bits of it that are a fraction, at most 63.
    pub fraction_bits: u32,
}

/// The registers of a local APIC (KVM_GET_LAPIC): 32 bits each, 16 bytes apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lapic(pub [u8; LAPIC_BYTES]);

impl Lapic {
    /// A register, by its offset as in the APIC's memory: a multiple of 16 below 0x400.
    #[must_use]
    pub fn register(&self, offset: usize) -> u32 {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&self.0[offset..offset + 4]);
        u32::from_le_bytes(bytes)
    }

    /// Sets a register.
    pub fn set_register(&mut self, offset: usize, value: u32) {
        self.0[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
    }
}

/// The calls. Those on a vCPU wait until it is out of the guest.
///
/// Every one fails with the kernel's error, and has changed nothing then.
#[expect(
    clippy::missing_errors_doc,
    reason = "they are all alike, and told above"
)]
pub trait ClockCalls: Send {
    /// How many vCPUs there are.
    fn vcpus(&self) -> usize;

    /// Whether a vCPU's time stamp counter can be given another rate (KVM_CAP_TSC_CONTROL).
    fn has_tsc_control(&self) -> bool;

    /// KVM_GET_CLOCK.
    fn clock(&mut self) -> io::Result<ClockData>;

    /// KVM_SET_CLOCK, without a realtime: from now on kvmclock runs from this value.
    fn set_clock(&mut self, ns: u64) -> io::Result<()>;

    /// Device attribute KVM_VCPU_TSC_OFFSET.
    fn tsc_offset(&mut self, vcpu: usize) -> io::Result<u64>;

    /// Sets it.
    fn set_tsc_offset(&mut self, vcpu: usize, offset: u64) -> io::Result<()>;

    /// Device attribute KVM_VCPU_TSC_SCALE.
    fn tsc_scale(&mut self, vcpu: usize) -> io::Result<TscScale>;

    /// KVM_GET_TSC_KHZ.
    fn tsc_khz(&mut self, vcpu: usize) -> io::Result<u32>;

    /// KVM_SET_TSC_KHZ.
    fn set_tsc_khz(&mut self, vcpu: usize, khz: u32) -> io::Result<()>;

    /// KVM_GET_MSRS of one register.
    fn msr(&mut self, vcpu: usize, index: u32) -> io::Result<u64>;

    /// KVM_SET_MSRS of one register.
    fn set_msr(&mut self, vcpu: usize, index: u32, value: u64) -> io::Result<()>;

    /// KVM_KVMCLOCK_CTRL: the guest's watchdogs are told that it was stopped.
    fn tell_guest_stopped(&mut self, vcpu: usize) -> io::Result<()>;

    /// KVM_GET_LAPIC.
    fn lapic(&mut self, vcpu: usize) -> io::Result<Lapic>;

    /// KVM_SET_LAPIC.
    fn set_lapic(&mut self, vcpu: usize, lapic: &Lapic) -> io::Result<()>;

    /// KVM_GET_PIT2; none where the machine has no interval timer in the kernel.
    fn pit(&mut self) -> io::Result<Option<kvm_pit_state2>>;

    /// KVM_SET_PIT2.
    fn set_pit(&mut self, state: &kvm_pit_state2) -> io::Result<()>;

    /// Whether the host counter of guest time is the host's time stamp counter, but for a push.
    fn counter_is_tsc(&self, counter: &CounterSource) -> bool {
        counter.is_tsc()
    }

    /// The host's time stamp counter.
    fn host_tsc(&mut self) -> u64 {
        // SAFETY: LFENCE and RDTSC exist on every CPU that has KVM, and user mode may use them.
        unsafe {
            std::arch::x86_64::_mm_lfence();
            std::arch::x86_64::_rdtsc()
        }
    }

    /// Lets a moment pass: between two looks at the host counter.
    fn pause(&mut self) {
        std::hint::spin_loop();
    }
}

/// The host's KVM.
pub struct HostClockCalls {
    vm: Arc<Vm>,
    /// Descriptors of their own, as the vCPUs' threads have theirs.
    vcpus: Vec<VcpuFd>,
}

impl HostClockCalls {
    /// The calls on `vm`, so far without a vCPU.
    #[must_use]
    pub fn new(vm: &Arc<Vm>) -> Self {
        Self {
            vm: Arc::clone(vm),
            vcpus: Vec::new(),
        }
    }

    /// Adds the next vCPU of that machine. All of them are to be added, in order.
    ///
    /// # Errors
    /// [`KvmError`]: the host gives no more descriptors or mappings.
    pub fn share(&mut self, vcpu: &VcpuKvm) -> Result<(), KvmError> {
        let action = "sharing a vCPU's descriptor";
        // SAFETY: the descriptor is open as long as `vcpu` is borrowed.
        let fd = unsafe { BorrowedFd::borrow_raw(vcpu.fd().as_raw_fd()) };
        let fd = fd
            .try_clone_to_owned()
            .map_err(|source| KvmError::Call { action, source })?;
        // SAFETY: it is a vCPU's descriptor, which the new owner closes.
        let fd = unsafe { self.vm.fd().create_vcpu_from_rawfd(fd.into_raw_fd()) };
        self.vcpus.push(fd.map_err(KvmError::call(action))?);
        Ok(())
    }

    fn vcpu(&self, index: usize) -> io::Result<&VcpuFd> {
        self.vcpus
            .get(index)
            .ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))
    }

    /// A device attribute of the TSC group: the kernel reads or writes `data`.
    fn attribute<T>(&self, vcpu: usize, request: u32, attr: u64, data: &mut T) -> io::Result<()> {
        let argument = kvm_device_attr {
            flags: 0,
            group: KVM_VCPU_TSC_CTRL,
            attr,
            addr: std::ptr::from_mut(data).expose_provenance() as u64,
        };
        let fd = self.vcpu(vcpu)?.as_raw_fd();
        // SAFETY: both requests take a kvm_device_attr, which lives across the call; its `addr` is
        // that of `data`, exclusively borrowed, of the size that the callers have chosen by the
        // attribute.
        let result = unsafe { libc::ioctl(fd, request as _, std::ptr::from_ref(&argument)) };
        if result < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }
}

/// The PIT loses ticks that come before the guest has acknowledged the one before.
pub(super) fn discard_lost_ticks(vm: &VmFd) -> io::Result<()> {
    let argument = kvm_reinject_control::default();
    // SAFETY: the request takes a kvm_reinject_control, which lives across the call.
    let result = unsafe {
        libc::ioctl(
            vm.as_raw_fd(),
            KVM_REINJECT_CONTROL as _,
            std::ptr::from_ref(&argument),
        )
    };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn one_msr(index: u32, data: u64) -> io::Result<Msrs> {
    let entry = kvm_msr_entry {
        index,
        data,
        ..Default::default()
    };
    Msrs::from_entries(&[entry]).map_err(|error| io::Error::other(format!("{error:?}")))
}

/// How many of one register the kernel has taken; it says nothing of why not.
fn taken(count: usize) -> io::Result<()> {
    match count {
        1 => Ok(()),
        _ => Err(io::Error::from_raw_os_error(libc::EINVAL)),
    }
}

impl ClockCalls for HostClockCalls {
    fn vcpus(&self) -> usize {
        self.vcpus.len()
    }

    fn has_tsc_control(&self) -> bool {
        self.vm.offers(Cap::TscControl)
    }

    fn clock(&mut self) -> io::Result<ClockData> {
        let data = self.vm.fd().get_clock()?;
        Ok(ClockData {
            clock_ns: data.clock,
            host_tsc: (data.flags & KVM_CLOCK_HOST_TSC != 0).then_some(data.host_tsc),
        })
    }

    fn set_clock(&mut self, ns: u64) -> io::Result<()> {
        let data = kvm_clock_data {
            clock: ns,
            ..Default::default()
        };
        Ok(self.vm.fd().set_clock(&data)?)
    }

    fn tsc_offset(&mut self, vcpu: usize) -> io::Result<u64> {
        let mut offset = 0_u64;
        let attr = u64::from(KVM_VCPU_TSC_OFFSET);
        self.attribute(vcpu, KVM_GET_DEVICE_ATTR, attr, &mut offset)?;
        Ok(offset)
    }

    fn set_tsc_offset(&mut self, vcpu: usize, offset: u64) -> io::Result<()> {
        let mut offset = offset;
        let attr = u64::from(KVM_VCPU_TSC_OFFSET);
        self.attribute(vcpu, KVM_SET_DEVICE_ATTR, attr, &mut offset)
    }

    fn tsc_scale(&mut self, vcpu: usize) -> io::Result<TscScale> {
        // struct kvm_vcpu_tsc_scale: u64 tsc_ratio, u64 tsc_frac_bits.
        let mut scale = [0_u64; 2];
        self.attribute(vcpu, KVM_GET_DEVICE_ATTR, KVM_VCPU_TSC_SCALE, &mut scale)?;
        let [ratio, fraction_bits] = scale;
        match u32::try_from(fraction_bits) {
            Ok(fraction_bits @ 0..64) => Ok(TscScale {
                ratio,
                fraction_bits,
            }),
            _ => Err(io::Error::from_raw_os_error(libc::ERANGE)),
        }
    }

    fn tsc_khz(&mut self, vcpu: usize) -> io::Result<u32> {
        Ok(self.vcpu(vcpu)?.get_tsc_khz()?)
    }

    fn set_tsc_khz(&mut self, vcpu: usize, khz: u32) -> io::Result<()> {
        Ok(self.vcpu(vcpu)?.set_tsc_khz(khz)?)
    }

    fn msr(&mut self, vcpu: usize, index: u32) -> io::Result<u64> {
        let mut msrs = one_msr(index, 0)?;
        taken(self.vcpu(vcpu)?.get_msrs(&mut msrs)?)?;
        Ok(msrs.as_slice().first().map_or(0, |entry| entry.data))
    }

    fn set_msr(&mut self, vcpu: usize, index: u32, value: u64) -> io::Result<()> {
        let msrs = one_msr(index, value)?;
        taken(self.vcpu(vcpu)?.set_msrs(&msrs)?)
    }

    fn tell_guest_stopped(&mut self, vcpu: usize) -> io::Result<()> {
        Ok(self.vcpu(vcpu)?.kvmclock_ctrl()?)
    }

    fn lapic(&mut self, vcpu: usize) -> io::Result<Lapic> {
        let state = self.vcpu(vcpu)?.get_lapic()?;
        Ok(Lapic(state.regs.map(|byte| byte as u8)))
    }

    fn set_lapic(&mut self, vcpu: usize, lapic: &Lapic) -> io::Result<()> {
        let state = kvm_lapic_state {
            regs: lapic.0.map(|byte| byte as std::ffi::c_char),
        };
        Ok(self.vcpu(vcpu)?.set_lapic(&state)?)
    }

    fn pit(&mut self) -> io::Result<Option<kvm_pit_state2>> {
        if !self.vm.has_pit {
            return Ok(None);
        }
        Ok(Some(self.vm.fd().get_pit2()?))
    }

    fn set_pit(&mut self, state: &kvm_pit_state2) -> io::Result<()> {
        Ok(self.vm.fd().set_pit2(state)?)
    }
}
