//! Getting a vCPU out of the guest.
//!
//! A flag that the kernel looks at before it enters the guest, then a signal that brings the
//! thread out if it was there already (KVM API, `immediate_exit`). Whichever comes first, the
//! next KVM_RUN ends with EINTR, and what an exit has left to do is done before.
#![allow(
    unsafe_code,
    reason = "a signal handler, a signal, a byte in the mapped kvm_run"
)]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};

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

/// Makes one vCPU leave the guest. Lives as long as the vCPU that it came from.
#[derive(Debug)]
pub struct Kicker {
    /// `immediate_exit` in the vCPU's `kvm_run`, which is mapped.
    flag: *const AtomicU8,
    /// The thread that runs the vCPU; 0 while there is none.
    thread: AtomicI32,
}

// SAFETY: `flag` is an atomic that is mapped as long as the vCPU lives, which is as long as this.
unsafe impl Send for Kicker {}
// SAFETY: as above.
unsafe impl Sync for Kicker {}

impl Kicker {
    /// For the vCPU whose `immediate_exit` lies at `flag`.
    ///
    /// # Safety
    /// `flag` stays valid as long as the kicker is used, and is accessed by the kernel and
    /// atomically only.
    pub(super) unsafe fn new(flag: *mut u8) -> Self {
        Self {
            flag: flag.cast(),
            thread: AtomicI32::new(0),
        }
    }

    fn flag(&self) -> &AtomicU8 {
        // SAFETY: see `new`.
        unsafe { &*self.flag }
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
