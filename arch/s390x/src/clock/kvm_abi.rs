//! The attribute calls of a KVM virtual machine, as the kernel's ABI lays them out.
//!
//! Request numbers: `include/uapi/linux/kvm.h` (type 0xAE) with `asm-generic/ioctl.h`, which
//! s390x uses. `struct kvm_device_attr`: u32 flags, u32 group, u64 attr, u64 addr. Group and
//! attributes: `arch/s390/include/uapi/asm/kvm.h`; what they do:
//! `Documentation/virt/kvm/devices/vm.rst`, "GROUP: KVM_S390_VM_TOD".
//!
//! Not here: what is done with the values ([`super::tod_kvm`]).
#![allow(unsafe_code, reason = "the ioctl system call")]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// `KVM_CHECK_EXTENSION`: `_IO(0xAE, 0x03)`.
pub const KVM_CHECK_EXTENSION: u32 = io_number(0, 0x03, 0);
/// `KVM_SET_DEVICE_ATTR`: `_IOW(0xAE, 0xe1, struct kvm_device_attr)`.
pub const KVM_SET_DEVICE_ATTR: u32 = io_number(1, 0xe1, size_of::<DeviceAttr>());
/// `KVM_GET_DEVICE_ATTR`: `_IOW(0xAE, 0xe2, struct kvm_device_attr)`; the data goes to `addr`.
pub const KVM_GET_DEVICE_ATTR: u32 = io_number(1, 0xe2, size_of::<DeviceAttr>());
/// `KVM_HAS_DEVICE_ATTR`: `_IOW(0xAE, 0xe3, struct kvm_device_attr)`.
pub const KVM_HAS_DEVICE_ATTR: u32 = io_number(1, 0xe3, size_of::<DeviceAttr>());
/// The VM's file descriptor takes the attribute calls.
pub const KVM_CAP_VM_ATTRIBUTES: u32 = 101;

/// Attribute group: the guest's TOD clock.
pub const KVM_S390_VM_TOD: u32 = 1;

/// `_IOC(direction, 0xAE, number, size)` as `asm-generic/ioctl.h` packs it.
const fn io_number(direction: u32, number: u32, size: usize) -> u32 {
    const KVMIO: u32 = 0xae;
    direction << 30 | (size as u32) << 16 | KVMIO << 8 | number
}

/// `struct kvm_device_attr`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
struct DeviceAttr {
    flags: u32,
    group: u32,
    attr: u64,
    addr: u64,
}

/// Attributes of the group [`KVM_S390_VM_TOD`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TodAttribute {
    /// `KVM_S390_VM_TOD_LOW`: the 64-bit clock, a u64.
    Low,
    /// `KVM_S390_VM_TOD_HIGH`: the epoch index, a u8; only 0 can be set.
    High,
    /// `KVM_S390_VM_TOD_EXT`: both, a `struct kvm_s390_vm_tod_clock`.
    Ext,
}

impl TodAttribute {
    /// The attribute's number.
    pub fn number(self) -> u64 {
        match self {
            Self::Low => 0,
            Self::High => 1,
            Self::Ext => 2,
        }
    }

    /// Bytes of its data.
    pub fn bytes(self) -> usize {
        match self {
            Self::Low => 8,
            Self::High => 1,
            Self::Ext => EXT_BYTES,
        }
    }

    /// Its name in the kernel's header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "TOD_LOW",
            Self::High => "TOD_HIGH",
            Self::Ext => "TOD_EXT",
        }
    }
}

/// Bytes of `struct kvm_s390_vm_tod_clock`: u8 epoch_idx, padding to 8, u64 tod.
pub const EXT_BYTES: usize = 16;

/// `struct kvm_s390_vm_tod_clock` in the byte order of the host that runs KVM.
pub fn ext_image(epoch_index: u8, clock: u64) -> [u8; EXT_BYTES] {
    let mut image = [0; EXT_BYTES];
    image[0] = epoch_index;
    image[8..].copy_from_slice(&clock.to_ne_bytes());
    image
}

/// The inverse of [`ext_image`].
pub fn from_ext_image(image: &[u8; EXT_BYTES]) -> (u8, u64) {
    let mut clock = [0; 8];
    clock.copy_from_slice(&image[8..]);
    (image[0], u64::from_ne_bytes(clock))
}

/// The calls that the TOD backend makes on the VM's file descriptor.
pub trait VmAttributes: Send {
    /// `KVM_CHECK_EXTENSION`.
    ///
    /// # Errors
    /// The kernel's.
    fn check_extension(&mut self, capability: u32) -> io::Result<i32>;

    /// `KVM_HAS_DEVICE_ATTR` in the TOD group.
    ///
    /// # Errors
    /// The kernel's; ENXIO if it does not have the attribute.
    fn has(&mut self, attribute: TodAttribute) -> io::Result<()>;

    /// `KVM_GET_DEVICE_ATTR` in the TOD group; `data` has the attribute's size.
    ///
    /// # Errors
    /// The kernel's; `data` is then not to be used.
    fn get(&mut self, attribute: TodAttribute, data: &mut [u8]) -> io::Result<()>;

    /// `KVM_SET_DEVICE_ATTR` in the TOD group; `data` has the attribute's size.
    ///
    /// # Errors
    /// The kernel's; nothing is set then.
    fn set(&mut self, attribute: TodAttribute, data: &[u8]) -> io::Result<()>;
}

/// A virtual machine's file descriptor.
pub struct VmFd(OwnedFd);

impl VmFd {
    /// Takes over the descriptor that `KVM_CREATE_VM` returned.
    pub fn new(vm: OwnedFd) -> Self {
        Self(vm)
    }

    fn call(&self, request: u32, argument: u64) -> io::Result<i32> {
        // SAFETY: the requests of this module take an integer (KVM_CHECK_EXTENSION) or the
        // address of a DeviceAttr that lives across the call, whose `addr` is null or that of a
        // buffer of the attribute's size, exclusively borrowed where the kernel writes to it.
        let result = unsafe { libc::ioctl(self.0.as_raw_fd(), request as _, argument) };
        if result < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(result)
        }
    }

    fn attribute(&self, request: u32, attribute: TodAttribute, addr: u64) -> io::Result<()> {
        let argument = DeviceAttr {
            flags: 0,
            group: KVM_S390_VM_TOD,
            attr: attribute.number(),
            addr,
        };
        self.call(request, std::ptr::from_ref(&argument) as u64)?;
        Ok(())
    }
}

fn check_size(attribute: TodAttribute, found: usize) -> io::Result<()> {
    if found == attribute.bytes() {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(libc::EINVAL))
    }
}

impl VmAttributes for VmFd {
    fn check_extension(&mut self, capability: u32) -> io::Result<i32> {
        self.call(KVM_CHECK_EXTENSION, u64::from(capability))
    }

    fn has(&mut self, attribute: TodAttribute) -> io::Result<()> {
        self.attribute(KVM_HAS_DEVICE_ATTR, attribute, 0)
    }

    fn get(&mut self, attribute: TodAttribute, data: &mut [u8]) -> io::Result<()> {
        check_size(attribute, data.len())?;
        self.attribute(KVM_GET_DEVICE_ATTR, attribute, data.as_mut_ptr() as u64)
    }

    fn set(&mut self, attribute: TodAttribute, data: &[u8]) -> io::Result<()> {
        check_size(attribute, data.len())?;
        self.attribute(KVM_SET_DEVICE_ATTR, attribute, data.as_ptr() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written down from the kernel's headers: sizeof(struct kvm_device_attr) is 24 = 0x18,
    /// _IOC_WRITE is 1, KVMIO is 0xAE.
    #[test]
    fn request_numbers_are_the_kernels() {
        assert_eq!(KVM_CHECK_EXTENSION, 0x0000_ae03);
        assert_eq!(KVM_SET_DEVICE_ATTR, 0x4018_aee1);
        assert_eq!(KVM_GET_DEVICE_ATTR, 0x4018_aee2);
        assert_eq!(KVM_HAS_DEVICE_ATTR, 0x4018_aee3);
        assert_eq!(KVM_S390_VM_TOD, 1);
        let numbers = [TodAttribute::Low, TodAttribute::High, TodAttribute::Ext];
        assert_eq!(numbers.map(TodAttribute::number), [0, 1, 2]);
        assert_eq!(numbers.map(TodAttribute::bytes), [8, 1, 16]);
    }

    #[test]
    fn the_argument_is_laid_out_as_the_kernel_reads_it() {
        let argument = DeviceAttr {
            flags: 0x0102_0304,
            group: 0x0506_0708,
            attr: 0x1112_1314_1516_1718,
            addr: 0x2122_2324_2526_2728,
        };
        assert_eq!(size_of::<DeviceAttr>(), 24);
        // SAFETY: DeviceAttr is repr(C) without padding (4 + 4 + 8 + 8 bytes), so all of its
        // bytes are initialised.
        let bytes: [u8; 24] = unsafe { std::mem::transmute(argument) };
        assert_eq!(bytes[0..4], 0x0102_0304u32.to_ne_bytes());
        assert_eq!(bytes[4..8], 0x0506_0708u32.to_ne_bytes());
        assert_eq!(bytes[8..16], 0x1112_1314_1516_1718u64.to_ne_bytes());
        assert_eq!(bytes[16..24], 0x2122_2324_2526_2728u64.to_ne_bytes());
    }

    #[test]
    fn the_extended_clock_has_its_index_first_and_its_clock_aligned() {
        let image = ext_image(0x7f, 0x0123_4567_89ab_cdef);
        assert_eq!(image[..8], [0x7f, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(image[8..], 0x0123_4567_89ab_cdefu64.to_ne_bytes());
        assert_eq!(from_ext_image(&image), (0x7f, 0x0123_4567_89ab_cdef));
    }

    #[test]
    fn a_descriptor_that_is_no_vm_is_refused_by_the_kernel() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let mut vm = VmFd::new(file.into());
        let error = vm.get(TodAttribute::Low, &mut [0; 8]).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOTTY));
        let error = vm.check_extension(KVM_CAP_VM_ATTRIBUTES).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOTTY));
        // A buffer of another size never reaches the kernel.
        let error = vm.get(TodAttribute::Ext, &mut [0; 8]).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
    }
}
