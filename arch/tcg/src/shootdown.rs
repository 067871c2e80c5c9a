//! What others ask a vCPU to forget, and when those who ask may go on.
//!
//! A vCPU that executes guest code answers at its next block boundary. One that *rests* uses no
//! translation, and does what was asked before it uses one again: nobody waits for it. That is one
//! which waits for answers itself, since the host may not run it for a long time just then. The
//! two cannot miss each other: who asks counts the request and then looks whether the vCPU rests;
//! that one says that it rests no more and then looks at the count, all in one order.
//!
//! Not here: who is asked ([`crate::system`]), what forgetting is ([`crate::cpu`]).

use std::sync::PoisonError;
use sync::{AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering};

/// The locks: the product's, or in tests those of a scheduler that tries interleavings.
mod sync {
    #[cfg(test)]
    pub(super) use shuttle::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    #[cfg(test)]
    pub(super) use shuttle::sync::{Mutex, MutexGuard};
    #[cfg(not(test))]
    pub(super) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    #[cfg(not(test))]
    pub(super) use std::sync::{Mutex, MutexGuard};
}

/// What a vCPU is asked to forget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flush {
    All,
    /// The pages whose addresses agree with the first in the bits of the second.
    Pages(u64, u64),
}

/// More page flushes than this waiting for one vCPU become one full flush.
const PAGE_FLUSHES: usize = 16;

/// A request, by its number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket(u64);

/// What is asked of one vCPU.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    pending: Mutex<Vec<Flush>>,
    /// How many were asked, and how many are done.
    asked: AtomicU64,
    done: AtomicU64,
    resting: AtomicBool,
}

impl Requests {
    fn lock(&self) -> MutexGuard<'_, Vec<Flush>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a flush. The vCPU's attention is the caller's to get.
    pub(crate) fn ask(&self, flush: Flush) -> Ticket {
        let mut pending = self.lock();
        if pending.len() >= PAGE_FLUSHES {
            pending.clear();
            pending.push(Flush::All);
        } else {
            pending.push(flush);
        }
        Ticket(self.asked.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// Whether the vCPU uses nothing any more that it was to forget.
    pub(crate) fn is_over(&self, ticket: Ticket) -> bool {
        self.done.load(Ordering::SeqCst) >= ticket.0 || self.resting.load(Ordering::SeqCst)
    }

    /// Takes what was asked, does it, and says so. Called by the vCPU's own thread.
    pub(crate) fn serve(&self, mut flush: impl FnMut(Flush)) {
        if self.asked.load(Ordering::SeqCst) == self.done.load(Ordering::Relaxed) {
            return;
        }
        let mut pending = self.lock();
        for what in pending.drain(..) {
            flush(what);
        }
        // Under the lock: no request is counted that was not taken.
        self.done
            .store(self.asked.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// The vCPU uses no translation from here on to [`Self::resume`]. Called by its own thread.
    pub(crate) fn rest(&self) {
        self.resting.store(true, Ordering::SeqCst);
    }

    /// The end of a rest: does what was asked meanwhile.
    pub(crate) fn resume(&self, flush: impl FnMut(Flush)) {
        self.resting.store(false, Ordering::SeqCst);
        self.serve(flush);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shuttle::thread;
    use std::sync::Arc;

    /// A page that two vCPUs have a translation of; each takes it away once.
    #[derive(Default)]
    struct Machine {
        requests: [Requests; 2],
        /// That a vCPU's IPTE is complete.
        complete: [AtomicBool; 2],
        offline: [AtomicBool; 2],
    }

    /// How a vCPU ends its rest.
    #[derive(Clone, Copy, PartialEq)]
    enum Resume {
        Rightly,
        /// It looks before it says so.
        Late,
    }

    impl Machine {
        /// An access by the translation that the other's IPTE takes away, if it is still there.
        fn access(&self, own: usize, translation: &mut bool) {
            if *translation {
                let complete = self.complete[1 - own].load(Ordering::SeqCst);
                assert!(!complete, "the old translation was used afterwards");
            }
        }

        fn run(&self, own: usize, resume: Resume) {
            let mut translation = true;
            let (mine, other) = (&self.requests[own], &self.requests[1 - own]);
            self.access(own, &mut translation);
            mine.serve(|_| translation = false);
            self.access(own, &mut translation);
            // IPTE.
            let ticket = other.ask(Flush::Pages(0, u64::MAX));
            mine.rest();
            while !other.is_over(ticket) && !self.offline[1 - own].load(Ordering::SeqCst) {
                thread::yield_now();
            }
            match resume {
                Resume::Rightly => mine.resume(|_| translation = false),
                Resume::Late => {
                    mine.serve(|_| translation = false);
                    mine.resting.store(false, Ordering::SeqCst);
                }
            }
            self.complete[own].store(true, Ordering::SeqCst);
            self.access(own, &mut translation);
            mine.serve(|_| translation = false);
            self.access(own, &mut translation);
            self.offline[own].store(true, Ordering::SeqCst);
        }
    }

    fn both(resume: Resume) {
        shuttle::check_random(
            move || {
                let machine = Arc::new(Machine::default());
                let other = Arc::clone(&machine);
                let thread = thread::spawn(move || other.run(1, resume));
                machine.run(0, resume);
                thread.join().unwrap();
            },
            20_000,
        );
    }

    #[test]
    fn no_old_translation_is_used_once_the_asker_goes_on() {
        both(Resume::Rightly);
    }

    #[test]
    #[should_panic(expected = "used afterwards")]
    fn a_rest_that_ends_too_late_is_found() {
        both(Resume::Late);
    }
}
