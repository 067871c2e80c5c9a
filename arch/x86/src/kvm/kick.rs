//! Getting a vCPU out of the guest.
//!
//! A flag that the kernel looks at before it enters the guest, then a signal that brings the
//! thread out if it was there already (KVM API, `immediate_exit`). Whichever comes first, the
//! next KVM_RUN ends with EINTR, and what an exit has left to do is done before.
#![allow(
    unsafe_code,
    reason = "a signal handler, a signal, a byte in the mapped kvm_run"
)]

use std::mem::offset_of;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};

use kvm_ioctls::VcpuFd;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::KvmError;

/// Installs the handler of the signal, which does nothing. Once for the process.
///
/// # Errors
/// [`KvmError::Call`]: the host refuses.
pub(super) fn prepare() -> Result<(), KvmError> {
    extern "C" fn nothing(_: libc::c_int) {}
    static OUTCOME: OnceLock<i32> = OnceLock::new();
    let errno = *OUTCOME.get_or_init(|| {
        // SAFETY: an all-zero sigaction is a valid one: no flags, an empty mask. Without
        // SA_RESTART the call that the signal interrupts returns.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
        // SAFETY: the handler does nothing, so it is safe in any thread at any time.
        let result = unsafe { libc::sigaction(signal(), &action, std::ptr::null_mut()) };
        if result == 0 {
            0
        } else {
            std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
        }
    });
    match errno {
        0 => Ok(()),
        errno => Err(KvmError::Call {
            action: "preparing the signal that stops a vCPU",
            source: std::io::Error::from_raw_os_error(errno),
        }),
    }
}

fn signal() -> libc::c_int {
    libc::SIGRTMIN()
}

/// Makes one vCPU leave the guest, from any thread. Has the vCPU's shared page mapped for itself.
#[derive(Debug)]
pub struct Kicker {
    page: *mut libc::c_void,
    /// The thread that runs the vCPU; 0 while there is none.
    thread: AtomicI32,
}

// SAFETY: `page` is a mapping that belongs to this alone and is accessed atomically.
unsafe impl Send for Kicker {}
// SAFETY: as above.
unsafe impl Sync for Kicker {}

/// Bytes that are mapped: the flag is in the first page.
const MAPPED: usize = 4096;

impl Kicker {
    /// For a vCPU.
    ///
    /// # Errors
    /// [`KvmError::Call`]: its shared page cannot be mapped.
    pub(super) fn new(vcpu: &VcpuFd) -> Result<Self, KvmError> {
        // SAFETY: a new mapping of a file that this crate's vCPU owns; the kernel allows any
        // number of them. The length is at most what the kernel offers, which is a page at least.
        let page = unsafe {
            mmap(
                std::ptr::null_mut(),
                MAPPED,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                BorrowedFd::borrow_raw(vcpu.as_raw_fd()),
                0,
            )
        }
        .map_err(|source| KvmError::Call {
            action: "mapping a vCPU's shared page",
            source: source.into(),
        })?;
        Ok(Self {
            page,
            thread: AtomicI32::new(0),
        })
    }

    /// `immediate_exit` in the vCPU's `kvm_run`.
    fn flag(&self) -> &AtomicU8 {
        let at = offset_of!(kvm_bindings::kvm_run, immediate_exit);
        // SAFETY: within the mapped page; the kernel only reads it, and this type alone writes it.
        unsafe { AtomicU8::from_ptr(self.page.cast::<u8>().add(at)) }
    }

    /// The calling thread runs the vCPU from now on.
    pub fn take_thread(&self) {
        let thread = rustix::thread::gettid().as_raw_nonzero().get();
        self.thread.store(thread, Ordering::SeqCst);
    }

    /// The thread that runs the vCPU; 0 if there is none.
    #[must_use]
    pub fn thread_id(&self) -> i32 {
        self.thread.load(Ordering::Relaxed)
    }

    /// Brings the vCPU out of the guest, or keeps it from entering once.
    pub fn kick(&self) {
        self.flag().store(1, Ordering::SeqCst);
        let thread = self.thread.load(Ordering::SeqCst);
        if thread != 0 {
            // SAFETY: a system call on numbers. A thread that has ended is no error.
            unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, signal()) };
        }
    }

    /// Forgets kicks up to now. What they were for is looked at afterwards.
    pub fn clear(&self) {
        self.flag().store(0, Ordering::SeqCst);
    }
}

impl Drop for Kicker {
    fn drop(&mut self) {
        // SAFETY: the mapping is this one's own. It fails only for a range that is none.
        let _ = unsafe { munmap(self.page, MAPPED) };
    }
}
