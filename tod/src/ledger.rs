//! The ledger: what happened to every clock, and the proof that it adds up (R7, R11).
//!
//! Running totals are exact and complete; of single entries the last
//! [`Ledger::CAPACITY`] are kept, so a million cycles need no more memory than
//! a hundred. The ledger migrates with the VM. It decides nothing.

use crate::clock::{Captured, Downtime, Phase};
use crate::run::Cause;
use crate::timebase::{HostEvent, HostReading};
use crate::value::{FineSpan, FineTod, Tod};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How well a value is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exactness {
    /// To the last bit of the fraction.
    Exact,
    /// Within this bound.
    Estimated {
        /// Plus or minus.
        ns: u64,
    },
    /// Not at all: the clock could not be read or set.
    Lost,
}

/// What an entry is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Event {
    /// The VM stopped.
    Stop(Cause),
    /// The VM ran on.
    Cont(Cause),
    /// The clocks were saved.
    Save(Cause),
    /// Saved clocks were loaded.
    Load(Cause),
    /// The machine was reset.
    Reset(Cause),
    /// A clock could not be read or set.
    Fallback {
        /// What failed.
        phase: Phase,
        /// How, in one sentence.
        error: String,
    },
    /// A slewing clock has made up for its gap.
    Slewed,
    /// The VM was moved between hosts and ran on neither for this long.
    Downtime(Downtime),
    /// Something happened to the host's clocks.
    Host(HostEvent),
}

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Entry {
    /// Counts all entries of the VM's life, from 0.
    pub number: u64,
    /// What happened.
    pub event: Event,
    /// To which clock; none for the host or the machine as a whole.
    pub clock: Option<String>,
    /// When, on all of the host's clocks.
    pub at: HostReading,
    /// The clock's value before, when it is known.
    pub before: Option<Tod>,
    /// The clock's value after, when it is known.
    pub after: Option<Tod>,
    /// How far policy (or a failure) let the clock move during a gap.
    pub granted: FineSpan,
    /// How well the values are known.
    pub exactness: Exactness,
}

/// The running totals of one clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Account {
    /// The clock's name.
    pub clock: String,
    /// The value that the account starts with: at the clock's first capture
    /// (R4), or after its relation was lost. None until there is one.
    origin: Option<FineTod>,
    /// The value that is booked.
    value: FineTod,
    /// The host mapping at the last booking. Of this host only.
    host: FineTod,
    run: FineSpan,
    granted: FineSpan,
    stepped: FineSpan,
    /// Of `stepped`, what the backend has reported since its last install.
    stepped_seen: FineSpan,
    unexplained: FineSpan,
    /// The most that `unexplained` may be by the captures' error bounds; none
    /// when a backend cannot tell how far the guest has set its clock.
    allowance: Option<FineSpan>,
}

impl Account {
    fn new(clock: &str, host: FineTod) -> Self {
        Self {
            clock: clock.into(),
            origin: None,
            value: FineTod::default(),
            host,
            run: FineSpan::ZERO,
            granted: FineSpan::ZERO,
            stepped: FineSpan::ZERO,
            stepped_seen: FineSpan::ZERO,
            unexplained: FineSpan::ZERO,
            allowance: Some(FineSpan::ZERO),
        }
    }

    /// The booked value: the clock's at the last booking.
    #[must_use]
    pub fn value(&self) -> Option<FineTod> {
        self.origin.map(|_| self.value)
    }

    /// Time the clock ran while the VM ran.
    #[must_use]
    pub fn run(&self) -> FineSpan {
        self.run
    }

    /// Time granted during gaps, by policy or by failure.
    #[must_use]
    pub fn granted(&self) -> FineSpan {
        self.granted
    }

    /// How far the guest itself has set the clock.
    #[must_use]
    pub fn stepped(&self) -> FineSpan {
        self.stepped
    }

    /// What is neither: zero for clocks of this crate.
    #[must_use]
    pub fn unexplained(&self) -> FineSpan {
        self.unexplained
    }

    fn since_booked(&mut self, host: FineTod) -> FineSpan {
        let span = host.since(self.host);
        self.host = host;
        span
    }

    /// The clock ran while the VM ran.
    pub(crate) fn book_run(&mut self, host: FineTod) {
        let span = self.since_booked(host);
        self.run = self.run.wrapping_add(span);
        self.value = self.value.wrapping_add(span);
    }

    /// The clock ran while the VM was stopped.
    pub(crate) fn book_free_run(&mut self, host: FineTod) -> FineSpan {
        let span = self.since_booked(host);
        self.book_grant(span);
        span
    }

    /// The clock stood.
    pub(crate) fn book_standing(&mut self, host: FineTod) {
        self.host = host;
    }

    /// The clock was moved forward.
    pub(crate) fn book_grant(&mut self, span: FineSpan) {
        self.granted = self.granted.wrapping_add(span);
        self.value = self.value.wrapping_add(span);
    }

    /// The clock was read at the last booking; an install is not pending.
    pub(crate) fn book_capture(&mut self, captured: &Captured) {
        let stepped = captured.stepped.unwrap_or(self.stepped_seen);
        let delta = stepped.wrapping_sub(self.stepped_seen);
        self.stepped_seen = stepped;
        if self.origin.is_none() {
            self.start_at(captured.value);
        } else {
            self.stepped = self.stepped.wrapping_add(delta);
            let expected = self.value.wrapping_add(delta);
            self.unexplained = self
                .unexplained
                .wrapping_add(captured.value.since(expected));
            let bound = FineSpan::from_ns(captured.error_ns);
            self.allowance = match (self.allowance, captured.stepped) {
                (Some(sum), Some(_)) => Some(sum.wrapping_add(bound).wrapping_add(bound)),
                _ => None,
            };
        }
        self.value = captured.value;
    }

    /// The clock was set to `value`, which is booked already unless the account
    /// starts with it.
    pub(crate) fn book_install(&mut self, value: FineTod) {
        self.stepped_seen = FineSpan::ZERO;
        if self.origin.is_none() {
            self.start_at(value);
        }
    }

    /// A saved value was taken over.
    pub(crate) fn book_load(&mut self, saved: &Captured) {
        if self.origin.is_none() {
            self.start_at(saved.value);
        } else {
            let off = saved.value.since(self.value);
            self.unexplained = self.unexplained.wrapping_add(off);
            self.value = saved.value;
        }
        self.stepped_seen = FineSpan::ZERO;
    }

    /// What the clock shows has nothing to do with what is booked: the account
    /// starts anew with the next value that is known.
    pub(crate) fn book_lost(&mut self) {
        self.origin = None;
    }

    fn start_at(&mut self, value: FineTod) {
        self.origin = Some(value);
        self.value = value;
        self.run = FineSpan::ZERO;
        self.granted = FineSpan::ZERO;
        self.stepped = FineSpan::ZERO;
        self.unexplained = FineSpan::ZERO;
        self.allowance = Some(FineSpan::ZERO);
    }

    /// Elapsed = run + granted + stepped, but for what reading cannot tell.
    fn check(&self) -> Result<(), LedgerError> {
        let Some(origin) = self.origin else {
            return Ok(());
        };
        let elapsed = self.value.since(origin);
        let explained = self
            .run
            .wrapping_add(self.granted)
            .wrapping_add(self.stepped);
        let rest = elapsed.wrapping_sub(explained);
        if rest != self.unexplained {
            return Err(LedgerError::Sum {
                clock: self.clock.clone(),
                off_by: rest,
            });
        }
        match self.allowance {
            Some(allowance) if rest.bits().unsigned_abs() > allowance.bits().unsigned_abs() => {
                Err(LedgerError::Unexplained {
                    clock: self.clock.clone(),
                    off_by: rest,
                })
            }
            _ => Ok(()),
        }
    }
}

/// The ledger does not add up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The totals contradict each other.
    #[error("the ledger of clock '{clock}' is off by {} ns", .off_by.as_ns())]
    Sum {
        /// The clock.
        clock: String,
        /// Elapsed less explained.
        off_by: FineSpan,
    },
    /// The clock moved by itself, further than its error bounds allow.
    #[error("clock '{clock}' moved {} ns that are neither run nor granted", .off_by.as_ns())]
    Unexplained {
        /// The clock.
        clock: String,
        /// Elapsed less explained.
        off_by: FineSpan,
    },
    /// Between two entries the clock went back.
    #[error("entry {number} has clock '{clock}' going back from {from} to {to}")]
    Backwards {
        /// The later entry.
        number: u64,
        /// The clock.
        clock: String,
        /// The value before.
        from: Tod,
        /// The value after.
        to: Tod,
    },
}

/// All accounts and the last entries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Ledger {
    accounts: Vec<Account>,
    entries: VecDeque<Entry>,
    /// How many entries there have been.
    count: u64,
}

impl Ledger {
    /// Entries that are kept.
    pub const CAPACITY: usize = 512;

    /// The kept entries, oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> + ExactSizeIterator {
        self.entries.iter()
    }

    /// How many entries there have been in the VM's life.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The account of every clock.
    #[must_use]
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// The account of one clock.
    #[must_use]
    pub fn account(&self, clock: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.clock == clock)
    }

    /// The account of one clock, opened at `host` if there is none.
    pub(crate) fn account_mut(&mut self, clock: &str, host: FineTod) -> &mut Account {
        let place = self
            .accounts
            .iter()
            .position(|account| account.clock == clock);
        let place = place.unwrap_or_else(|| {
            self.accounts.push(Account::new(clock, host));
            self.accounts.len() - 1
        });
        &mut self.accounts[place]
    }

    /// Adds an entry; its number.
    pub(crate) fn push(&mut self, mut entry: Entry) -> u64 {
        let number = self.count;
        entry.number = number;
        self.count += 1;
        if self.entries.len() >= Self::CAPACITY {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
        number
    }

    /// An entry, if it is still kept.
    pub(crate) fn entry_mut(&mut self, number: u64) -> Option<&mut Entry> {
        let back = usize::try_from(self.count.checked_sub(number)?).ok()?;
        let index = self.entries.len().checked_sub(back)?;
        self.entries.get_mut(index)
    }

    /// Whether this may be some VM's ledger, whatever the totals say; else why not.
    pub(crate) fn check(&self) -> Result<(), String> {
        let (kept, count) = (self.entries.len(), self.count);
        if kept > Self::CAPACITY || kept as u64 > count || count > u64::MAX / 2 {
            return Err(format!("the ledger has {kept} entries of {count}"));
        }
        Ok(())
    }

    /// Proves R7: for every clock elapsed guest time is time run plus gaps
    /// granted (plus what the guest itself has set), and no stop, cont or load
    /// moved a clock back.
    ///
    /// # Errors
    /// The first [`LedgerError`] found.
    pub fn verify(&self) -> Result<(), LedgerError> {
        self.accounts.iter().try_for_each(Account::check)?;
        for entry in &self.entries {
            if let (Some(from), Some(to), Some(clock)) = (entry.before, entry.after, &entry.clock)
                && to.is_before(from)
            {
                let (number, clock) = (entry.number, clock.clone());
                return Err(LedgerError::Backwards {
                    number,
                    clock,
                    from,
                    to,
                });
            }
        }
        Ok(())
    }
}
