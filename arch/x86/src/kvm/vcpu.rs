//! A vCPU as the kernel runs it.
//!
//! Not here: its thread ([`crate::cpu`]) and what its registers mean.
#![allow(unsafe_code, reason = "reads the kvm_run page that the kernel shares")]

use kvm_bindings::{KVM_EXIT_IO, KVM_EXIT_IO_OUT, Msrs, kvm_msr_entry, kvm_run, kvm_xsave};
use kvm_ioctls::{VcpuExit, VcpuFd};

use super::exit::name;
use super::{Direction, Exit, Kicker, KvmError};

/// MSRs in one call: a chunk that the kernel copies at once.
const MSRS_AT_ONCE: usize = 128;

/// A vCPU of the kernel's.
pub struct VcpuKvm {
    fd: VcpuFd,
}

impl VcpuKvm {
    pub(super) fn new(fd: VcpuFd) -> Self {
        Self { fd }
    }

    /// The vCPU's descriptor.
    pub fn fd(&self) -> &VcpuFd {
        &self.fd
    }

    /// What brings this vCPU out of the guest.
    ///
    /// # Errors
    /// [`KvmError::Call`].
    pub fn kicker(&self) -> Result<Kicker, KvmError> {
        Kicker::new(&self.fd)
    }

    /// Enters the guest, until something is to be done.
    ///
    /// The kernel finishes what the last exit was about before it looks at kicks: a vCPU that is
    /// out with [`Exit::Interrupted`] has nothing half done (KVM API, "KVM_RUN").
    pub fn run(&mut self) -> Exit<'_> {
        let (reason, exit) = match self.fd.run() {
            Ok(VcpuExit::IoIn(..) | VcpuExit::IoOut(..)) => (KVM_EXIT_IO, None),
            Ok(VcpuExit::MmioRead(address, data)) => {
                let (data, length) = (data.as_mut_ptr(), data.len());
                return Exit::Memory {
                    direction: Direction::In,
                    address,
                    // SAFETY: in the shared page, which lives and is borrowed as long as `self`.
                    data: unsafe { std::slice::from_raw_parts_mut(data, length) },
                };
            }
            Ok(VcpuExit::MmioWrite(address, data)) => {
                let (data, length) = (data.as_ptr(), data.len());
                return Exit::Memory {
                    direction: Direction::Out,
                    address,
                    // SAFETY: as above.
                    data: unsafe { std::slice::from_raw_parts_mut(data.cast_mut(), length) },
                };
            }
            Ok(VcpuExit::Shutdown) => (0, Some(Exit::TripleFault)),
            Ok(VcpuExit::Hlt) => (0, Some(Exit::Halt)),
            Ok(VcpuExit::Intr | VcpuExit::IrqWindowOpen) => (0, Some(Exit::Interrupted)),
            Ok(VcpuExit::FailEntry(reason, _)) => {
                let why = format!("the host's processor refuses to enter the guest ({reason:#x})");
                (0, Some(Exit::Failed(why)))
            }
            Ok(VcpuExit::InternalError) => (0, None),
            Ok(VcpuExit::MemoryFault { gpa, .. }) => {
                let why = format!("the host has no memory at guest-physical {gpa:#x}");
                (0, Some(Exit::Failed(why)))
            }
            Ok(_) => (0, None),
            Err(error) => match error.errno() {
                // EAGAIN: a processor that waited to be started has been sent INIT or a start-up
                // interrupt.
                libc::EINTR | libc::EAGAIN => (0, Some(Exit::Interrupted)),
                _ => {
                    let error = std::io::Error::from(error);
                    (0, Some(Exit::Failed(format!("KVM_RUN fails: {error}"))))
                }
            },
        };
        match exit {
            Some(exit) => exit,
            None if reason == KVM_EXIT_IO => self.port_exit(),
            None => Exit::Failed(self.failure()),
        }
    }

    fn port_exit(&mut self) -> Exit<'_> {
        let run = self.fd.get_kvm_run();
        // SAFETY: the kernel has left with KVM_EXIT_IO, so this is the union's field.
        let io = unsafe { run.__bindgen_anon_1.io };
        let page: *mut kvm_run = run;
        // SAFETY: the kernel says where in the mapped pages the data lies: one page after the
        // first, in which any count of accesses that it hands out has room. They are borrowed as
        // long as `self`.
        let data = unsafe {
            let start = page.cast::<u8>().add(io.data_offset as usize);
            std::slice::from_raw_parts_mut(start, usize::from(io.size) * io.count as usize)
        };
        Exit::Port {
            direction: if u32::from(io.direction) == KVM_EXIT_IO_OUT {
                Direction::Out
            } else {
                Direction::In
            },
            port: io.port,
            width: usize::from(io.size).max(1),
            data,
        }
    }

    /// Words for an exit that nobody can go on from.
    fn failure(&mut self) -> String {
        let run = self.fd.get_kvm_run();
        let reason = run.exit_reason;
        if reason != kvm_bindings::KVM_EXIT_INTERNAL_ERROR {
            return format!(
                "the guest was left for {}, which nobody handles",
                name(reason)
            );
        }
        // SAFETY: the exit reason says that this is the union's field.
        let internal = unsafe { run.__bindgen_anon_1.internal };
        let what = match internal.suberror {
            kvm_bindings::KVM_INTERNAL_ERROR_EMULATION => {
                "an instruction that the host cannot emulate".into()
            }
            kvm_bindings::KVM_INTERNAL_ERROR_DELIVERY_EV => {
                "an event that cannot be delivered".into()
            }
            kvm_bindings::KVM_INTERNAL_ERROR_SIMUL_EX => "exceptions at the same time".into(),
            kvm_bindings::KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON => {
                "an exit that the host does not know".into()
            }
            other => format!("internal error {other}"),
        };
        let data: Vec<_> = internal
            .data
            .iter()
            .take((internal.ndata as usize).min(internal.data.len()))
            .map(|word| format!("{word:#x}"))
            .collect();
        if data.is_empty() {
            what
        } else {
            format!("{what} (data {})", data.join(" "))
        }
    }

    /// The registers of [`std::arch::x86_64`]'s XSAVE area.
    ///
    /// # Errors
    /// [`KvmError`].
    pub fn xsave(&self) -> Result<kvm_xsave, KvmError> {
        self.fd
            .get_xsave()
            .map_err(KvmError::call("reading extended registers"))
    }

    /// Sets them.
    ///
    /// # Errors
    /// [`KvmError`].
    pub fn set_xsave(&self, xsave: &kvm_xsave) -> Result<(), KvmError> {
        // SAFETY: the kernel copies more than a `kvm_xsave` only for features that a process has
        // asked leave for (arch_prctl ARCH_REQ_XCOMP_GUEST_PERM), which this one never does.
        unsafe { self.fd.set_xsave(xsave) }.map_err(KvmError::call("setting extended registers"))
    }

    /// Those of the model-specific registers that can be read, with their values.
    ///
    /// # Errors
    /// [`KvmError`]: the call fails as a whole.
    pub fn msrs(&self, indices: &[u32]) -> Result<Vec<(u32, u64)>, KvmError> {
        let action = "reading model-specific registers";
        let mut values = Vec::with_capacity(indices.len());
        let mut rest = indices;
        while !rest.is_empty() {
            let chunk = &rest[..rest.len().min(MSRS_AT_ONCE)];
            let entries: Vec<_> = chunk
                .iter()
                .map(|&index| kvm_msr_entry {
                    index,
                    ..Default::default()
                })
                .collect();
            let mut msrs = fam(&entries, action)?;
            let count = self
                .fd
                .get_msrs(&mut msrs)
                .map_err(KvmError::call(action))?;
            let read = msrs.as_slice().iter().take(count);
            values.extend(read.map(|entry| (entry.index, entry.data)));
            // It stops at the first that this guest does not have.
            let skip = if count < chunk.len() {
                count + 1
            } else {
                count
            };
            rest = &rest[skip..];
        }
        Ok(values)
    }

    /// Sets model-specific registers, in order.
    ///
    /// # Errors
    /// [`KvmError::Msr`] at the first that does not take its value; those before it are set.
    pub fn set_msrs(&self, values: &[(u32, u64)]) -> Result<(), KvmError> {
        let action = "setting model-specific registers";
        for chunk in values.chunks(MSRS_AT_ONCE) {
            let entries: Vec<_> = chunk
                .iter()
                .map(|&(index, data)| kvm_msr_entry {
                    index,
                    data,
                    ..Default::default()
                })
                .collect();
            let count = self
                .fd
                .set_msrs(&fam(&entries, action)?)
                .map_err(KvmError::call(action))?;
            if let Some(&(index, value)) = chunk.get(count) {
                return Err(KvmError::Msr { index, value });
            }
        }
        Ok(())
    }
}

fn fam(entries: &[kvm_msr_entry], action: &'static str) -> Result<Msrs, KvmError> {
    Msrs::from_entries(entries).map_err(|error| KvmError::Call {
        action,
        source: std::io::Error::other(format!("{error:?}")),
    })
}
