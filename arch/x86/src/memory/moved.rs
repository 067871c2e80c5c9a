//! RAM as a migration sees it: read, written, and told which pages were written.
//!
//! KVM keeps its log only while pages are tracked. Taking it write-protects the pages before it
//! returns, so a page that is written after that is in the next one, and whoever reads the pages
//! afterwards sees what the log stands for.
//!
//! The toll. While one is asked, a thread takes the log every few milliseconds, charges the vCPUs
//! for the pages that are new in it, and keeps the pages for whoever asks next. So guests that
//! write much are slowed down and others hardly notice. It is a machine's and not a vCPU's, for
//! the log does not say who wrote.
//!
//! Not here: which pages are sent when, what toll is asked, and how it is paid
//! ([`crate::cpu::toll`]).

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use machine::ram::{OutOfRam, PAGE_SIZE};
use migration::ram::PageSet;
use migration::vm::Ram;

use super::Memory;
use crate::cpu::Crew;
use crate::kvm::Vm;

/// How often the toll is collected.
const INTERVAL: Duration = Duration::from_millis(5);

/// What vCPUs write to RAM.
pub(super) struct Writes {
    vm: Arc<Vm>,
    crew: Arc<Crew>,
    tracking: AtomicBool,
    /// Taken from the log and not asked for yet.
    pending: Mutex<PageSet>,
    /// What a page costs, in nanoseconds.
    toll_ns: AtomicU32,
    collector: Mutex<Option<JoinHandle<()>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Writes {
    /// Of this machine's vCPUs.
    pub(super) fn new(vm: Arc<Vm>, crew: Arc<Crew>, ram_bytes: u64) -> Arc<Self> {
        Arc::new(Self {
            vm,
            crew,
            tracking: AtomicBool::new(false),
            pending: Mutex::new(PageSet::empty(ram_bytes / PAGE_SIZE)),
            toll_ns: AtomicU32::new(0),
            collector: Mutex::new(None),
        })
    }

    fn track(self: &Arc<Self>, on: bool) {
        if !on {
            self.set_toll(0);
        }
        let mut pending = lock(&self.pending);
        if self.tracking.swap(on, Ordering::SeqCst) == on {
            return;
        }
        pending.clear();
        if let Err(error) = self.vm.set_slots(on) {
            log::warn!("which pages vCPUs write is not known: {error}");
        }
    }

    /// Takes the log.
    fn look(&self, pending: &mut PageSet) {
        if !self.tracking.load(Ordering::SeqCst) {
            return;
        }
        if let Err(error) = self.vm.take_log(pending) {
            log::warn!("all pages count as written, for the host does not tell which: {error}");
            pending.insert_range(0..pending.size());
        }
    }

    fn take(&self, into: &mut PageSet) {
        let mut pending = lock(&self.pending);
        self.look(&mut pending);
        into.union(&pending);
        pending.clear();
    }

    fn set_toll(self: &Arc<Self>, ns: u32) {
        let mut collector = lock(&self.collector);
        self.toll_ns.store(ns, Ordering::SeqCst);
        match (ns, collector.take()) {
            (0, None) => {}
            (0, Some(thread)) => {
                self.crew.toll.forgive();
                self.crew.kick();
                thread.thread().unpark();
                if thread.join().is_err() {
                    log::error!("the thread that collects the toll has panicked");
                }
            }
            (_, Some(thread)) => *collector = Some(thread),
            (_, None) => {
                let writes = Arc::clone(self);
                let thread = std::thread::Builder::new()
                    .name("toll".into())
                    .spawn(move || writes.collect());
                match thread {
                    Ok(thread) => *collector = Some(thread),
                    Err(error) => log::warn!("the guest is not slowed down: {error}"),
                }
            }
        }
    }

    /// The collector's life.
    fn collect(&self) {
        loop {
            std::thread::park_timeout(INTERVAL);
            let toll_ns = self.toll_ns.load(Ordering::SeqCst);
            if toll_ns == 0 {
                return;
            }
            let mut pending = lock(&self.pending);
            let before = pending.len();
            self.look(&mut pending);
            let new = pending.len() - before;
            drop(pending);
            if new > 0 {
                let price = new.saturating_mul(toll_ns.into());
                self.crew.toll.charge(Duration::from_nanos(price));
                self.crew.kick();
            }
        }
    }
}

impl Ram for Memory {
    fn size(&self) -> u64 {
        self.ram.size()
    }

    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), OutOfRam> {
        self.ram.read(address, buffer)
    }

    fn write(&self, address: u64, bytes: &[u8]) -> Result<(), OutOfRam> {
        self.ram.write(address, bytes)
    }

    fn zero(&self, address: u64, length: u64) -> Result<(), OutOfRam> {
        self.ram.zero(address, length)
    }

    fn is_fresh(&self) -> bool {
        self.ram.is_fresh()
    }

    fn touched(&self) -> PageSet {
        self.ram.touched()
    }

    fn track(&self, on: bool) {
        if on {
            self.ram.clear_marks();
        }
        if let Some(writes) = &self.writes {
            writes.track(on);
        }
    }

    fn take_dirty(&self, into: &mut PageSet) {
        self.ram.take_dirty(into);
        if let Some(writes) = &self.writes {
            writes.take(into);
        }
    }

    fn set_toll(&self, ns: u32) {
        if let Some(writes) = &self.writes {
            writes.set_toll(ns);
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Some(writes) = &self.writes {
            writes.set_toll(0);
        }
    }
}
