//! Guest RAM of a translated machine as a migration sees it.
//!
//! Marks. While tracking is on, a vCPU's first write to a page goes the slow way
//! ([`crate::mem::page_host`]), which marks the page and lets later writes go by the TLB. Taking
//! the marks away is fetch-and-clear, and then every vCPU forgets its TLB before anybody reads
//! the pages. So a write that went by the TLB, or between its mark and a clear, happened before
//! that: its page is in what was taken and is read afterwards. What is written by absolute
//! address is marked after the write, to the same end.
//!
//! The toll. A guest that dirties memory faster than a channel takes it would never be moved: it
//! is slowed down where it costs those who write much and nobody else. It ends early when
//! somebody wants the vCPU's attention, so it holds up a stop by one slice at most.
//!
//! Not here: which pages are sent when, and what toll is asked.

use std::num::NonZeroU64;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use machine::ram::OutOfRam;
use migration::ram::PageSet;
use migration::vm::Ram;

use crate::cpu::CpuCore;
use crate::system::System;

/// The largest toll, in nanoseconds.
pub const MAX_TOLL_NS: u32 = 100_000;

/// A toll is paid in slices of this, in nanoseconds, with a look at who wants attention before
/// each.
const SLICE_NS: u64 = 20_000;

impl Ram for System {
    fn size(&self) -> u64 {
        self.ram().size()
    }

    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), OutOfRam> {
        self.ram().read(address, buffer)
    }

    fn write(&self, address: u64, bytes: &[u8]) -> Result<(), OutOfRam> {
        self.ram().write(address, bytes)?;
        self.code_changed(address, bytes.len() as u64);
        Ok(())
    }

    fn zero(&self, address: u64, length: u64) -> Result<(), OutOfRam> {
        self.ram().zero(address, length)?;
        self.code_changed(address, length);
        Ok(())
    }

    fn is_fresh(&self) -> bool {
        self.ram().is_fresh()
    }

    fn touched(&self) -> PageSet {
        self.ram().touched()
    }

    fn track(&self, on: bool) {
        if !on {
            self.set_toll(0);
        }
        if on == self.is_tracking_dirty() {
            return;
        }
        if on {
            // No vCPU has marked anything since it was last on, only others have: whoever begins
            // sends every page that was ever touched.
            self.ram().clear_marks();
        }
        self.dirty_tracking(on);
    }

    fn take_dirty(&self, into: &mut PageSet) {
        self.ram().take_dirty(into);
        self.dirty_marks_cleared();
    }

    fn set_toll(&self, ns: u32) {
        self.toll_ns.store(ns.min(MAX_TOLL_NS), Ordering::Relaxed);
    }
}

impl CpuCore {
    /// This vCPU is about to write to a page that was clean, and which it has marked.
    pub(crate) fn pay_toll(&self) {
        let toll = u64::from(self.system().toll_ns.load(Ordering::Relaxed));
        if toll > 0 {
            self.wait_for_toll(toll);
        }
    }

    #[cold]
    #[inline(never)]
    fn wait_for_toll(&self, toll_ns: u64) {
        let since = Instant::now();
        // By default a sleep lasts 50 microseconds longer than asked. A refusal costs only that.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        loop {
            let passed = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
            let left = toll_ns.saturating_sub(passed);
            if left == 0 || self.attention().get() != 0 {
                break;
            }
            std::thread::sleep(Duration::from_nanos(left.min(SLICE_NS)));
        }
    }
}
