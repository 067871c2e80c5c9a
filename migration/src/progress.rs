//! How far a migration is: status, numbers and times as `query-migrate` tells them (QAPI,
//! `MigrationInfo`), and events for who wants to follow.
//!
//! One [`Progress`] serves a program for all its migrations, in either direction: at most one is
//! under way. It decides nothing.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, unbounded};
use serde::Serialize;

use tod::Downtime;

use crate::ram::PAGE_BYTES;

/// What a migration does (QAPI, `MigrationStatus`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// The channel is being opened.
    Setup,
    /// RAM is on its way while the guest may run.
    Active,
    /// The guest is stopped; the rest waits for `migrate-continue`.
    PreSwitchover,
    /// The guest is stopped; the rest is on its way.
    Device,
    /// The user has given it up; it is being undone.
    Cancelling,
    /// The user has given it up. The guest is here.
    Cancelled,
    /// It failed. The guest is at the source.
    Failed,
    /// The destination has the guest.
    Completed,
}

impl Status {
    /// QAPI's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Active => "active",
            Self::PreSwitchover => "pre-switchover",
            Self::Device => "device",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Completed => "completed",
        }
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Cancelled | Self::Failed | Self::Completed)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Something to tell who follows a migration (QAPI, `MIGRATION` and `MIGRATION_PASS`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrationEvent {
    /// Another status.
    Status(Status),
    /// A pass over RAM begins, counted from 1.
    Pass(u64),
}

/// RAM's numbers (QAPI, `MigrationStats`).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RamReport {
    /// Bytes that went through the channel.
    pub transferred: u64,
    /// Bytes of RAM that are still to be sent, as far as is known.
    pub remaining: u64,
    /// Bytes of guest RAM.
    pub total: u64,
    /// Zero pages sent.
    pub duplicate: u64,
    /// Always 0, as in QEMU.
    pub skipped: u64,
    /// Pages sent with their data.
    pub normal: u64,
    /// The same in bytes.
    pub normal_bytes: u64,
    /// Pages a second that the guest wrote to, in the last pass.
    pub dirty_pages_rate: u64,
    /// Throughput in megabits a second, in the last pass.
    pub mbps: f64,
    /// Passes begun.
    pub dirty_sync_count: u64,
    /// Always 0: there is no postcopy.
    pub postcopy_requests: u64,
    /// Bytes of a page.
    pub page_size: u64,
    /// Always 0: there is one channel.
    pub multifd_bytes: u64,
    /// Pages a second sent in the last pass.
    pub pages_per_second: u64,
    /// Bytes sent while the guest was not stopped for the migration.
    pub precopy_bytes: u64,
    /// Bytes sent while it was.
    pub downtime_bytes: u64,
    /// Always 0: there is no postcopy.
    pub postcopy_bytes: u64,
    /// Always 0: pages are copied.
    pub dirty_sync_missed_zero_copy: u64,
}

/// One migration, as `query-migrate` tells it. Times in milliseconds, rounded up.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// What it does.
    pub status: Status,
    /// Since it began, or how long it took.
    pub total_time: u64,
    /// How long the guest would stand if it were stopped now; while it is active.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_downtime: Option<u64>,
    /// How long the guest stood; of completed ones. Where it was not measured over the channel
    /// (see `x_downtime_ns`), from its stop to the last word of the destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downtime: Option<u64>,
    /// How long it took until the first byte of RAM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setup_time: Option<u64>,
    /// RAM's numbers; at the source, once RAM is on its way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ram: Option<RamReport>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_desc: Option<String>,
    /// How long the guest stood, in nanoseconds, measured between the two hosts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x_downtime_ns: Option<i64>,
    /// The bound of its error in nanoseconds, either way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x_downtime_error_ns: Option<u64>,
    /// What the user should know although it completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x_warning: Option<String>,
}

/// There is one already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("There's a migration process in progress")]
pub struct Busy;

/// How long the guest stood.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stood {
    /// Measured between the two hosts.
    Measured(Downtime),
    /// At most this long.
    AtMost(Duration),
}

#[derive(Debug)]
struct Migration {
    status: Status,
    begun: Instant,
    setup: Option<Duration>,
    ended: Option<Duration>,
    ram: Option<RamReport>,
    expected_downtime: Option<Duration>,
    stood: Option<Stood>,
    error: Option<String>,
    warning: Option<String>,
}

#[derive(Debug, Default)]
struct Inner {
    migration: Option<Migration>,
    listeners: Vec<Sender<MigrationEvent>>,
}

/// The one place that knows.
#[derive(Debug, Default)]
pub struct Progress {
    inner: Mutex<Inner>,
    changed: Condvar,
    watchers: AtomicUsize,
}

/// Somebody who waits for a migration's end and tells a user how it was; until it is dropped.
#[derive(Debug)]
pub struct Watch(Arc<Progress>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.watchers.fetch_sub(1, Ordering::AcqRel);
    }
}

fn ms_ceil(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

impl Migration {
    fn report(&self) -> Report {
        let measured = match self.stood {
            Some(Stood::Measured(downtime)) => Some(downtime),
            _ => None,
        };
        let stood = self.stood.map(|stood| match stood {
            Stood::Measured(downtime) => Duration::from_nanos(downtime.ns.max(0).unsigned_abs()),
            Stood::AtMost(time) => time,
        });
        Report {
            status: self.status,
            total_time: ms_ceil(self.ended.unwrap_or_else(|| self.begun.elapsed())),
            expected_downtime: self
                .expected_downtime
                .filter(|_| !self.status.is_final())
                .map(ms_ceil),
            downtime: stood.map(ms_ceil),
            setup_time: self.setup.map(ms_ceil),
            ram: self.ram,
            error_desc: self.error.clone(),
            x_downtime_ns: measured.map(|downtime| downtime.ns),
            x_downtime_error_ns: measured.map(|downtime| downtime.error_ns),
            x_warning: self.warning.clone(),
        }
    }
}

impl Progress {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The migration under way or the last one; none before any.
    #[must_use]
    pub fn report(&self) -> Option<Report> {
        self.lock().migration.as_ref().map(Migration::report)
    }

    /// What that one does.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        self.lock()
            .migration
            .as_ref()
            .map(|migration| migration.status)
    }

    /// From now on, until the answer is dropped, the caller tells the user why a migration has
    /// failed; it is not logged as well. Before the migration begins.
    #[must_use]
    pub fn watch(self: &Arc<Self>) -> Watch {
        self.watchers.fetch_add(1, Ordering::AcqRel);
        Watch(Arc::clone(self))
    }

    /// Whether somebody does.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.watchers.load(Ordering::Acquire) > 0
    }

    /// A channel that gets every event from now on.
    #[must_use]
    pub fn subscribe(&self) -> Receiver<MigrationEvent> {
        let (sender, receiver) = unbounded();
        self.lock().listeners.push(sender);
        receiver
    }

    /// Waits until there is no migration under way, at most this long. Whether that is so.
    pub fn wait(&self, at_most: Duration) -> bool {
        let under_way = |inner: &mut Inner| {
            let migration = inner.migration.as_ref();
            migration.is_some_and(|migration| !migration.status.is_final())
        };
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), at_most, under_way);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// A migration begins, with [`Status::Setup`].
    ///
    /// # Errors
    /// [`Busy`] while one is under way.
    pub(crate) fn begin(&self) -> Result<(), Busy> {
        let mut inner = self.lock();
        if let Some(migration) = &inner.migration
            && !migration.status.is_final()
        {
            return Err(Busy);
        }
        inner.migration = Some(Migration {
            status: Status::Setup,
            begun: Instant::now(),
            setup: None,
            ended: None,
            ram: None,
            expected_downtime: None,
            stood: None,
            error: None,
            warning: None,
        });
        inner.tell(MigrationEvent::Status(Status::Setup));
        Ok(())
    }

    fn change(&self, change: impl FnOnce(&mut Migration)) {
        if let Some(migration) = &mut self.lock().migration {
            change(migration);
        }
    }

    /// Another status. Nothing follows a final one, nor anything but that [`Status::Cancelling`].
    pub(crate) fn become_status(&self, status: Status) {
        let mut inner = self.lock();
        let Some(migration) = &mut inner.migration else {
            return;
        };
        let before = migration.status;
        if before == status
            || before.is_final()
            || (before == Status::Cancelling && !status.is_final())
        {
            return;
        }
        migration.status = status;
        if status == Status::Active {
            migration.setup = Some(migration.begun.elapsed());
        }
        if status.is_final() {
            migration.ended = Some(migration.begun.elapsed());
        }
        inner.tell(MigrationEvent::Status(status));
        drop(inner);
        self.changed.notify_all();
    }

    /// It ends without the guest having moved.
    pub(crate) fn fail(&self, error: &str) {
        self.change(|migration| migration.error = Some(error.to_owned()));
        self.become_status(Status::Failed);
    }

    /// It ends with the guest at the destination.
    pub(crate) fn complete(&self, stood: Option<Stood>, warning: Option<String>) {
        self.change(|migration| {
            migration.stood = stood;
            migration.warning = warning;
            if let Some(ram) = &mut migration.ram {
                ram.remaining = 0;
            }
        });
        self.become_status(Status::Completed);
    }

    /// A pass begins.
    pub(crate) fn pass(&self, number: u64) {
        let mut inner = self.lock();
        if let Some(migration) = &mut inner.migration {
            migration.ram.get_or_insert_with(new_ram).dirty_sync_count = number;
        }
        inner.tell(MigrationEvent::Pass(number));
    }

    /// Changes RAM's numbers.
    pub(crate) fn ram(&self, change: impl FnOnce(&mut RamReport)) {
        self.change(|migration| change(migration.ram.get_or_insert_with(new_ram)));
    }

    pub(crate) fn expect_downtime(&self, time: Duration) {
        self.change(|migration| migration.expected_downtime = Some(time));
    }
}

fn new_ram() -> RamReport {
    RamReport {
        page_size: PAGE_BYTES as u64,
        ..RamReport::default()
    }
}

impl Inner {
    fn tell(&mut self, event: MigrationEvent) {
        self.listeners
            .retain(|listener| listener.send(event).is_ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_at_a_time_and_its_end_is_final() {
        let progress = Progress::default();
        let events = progress.subscribe();
        assert!(progress.report().is_none() && progress.wait(Duration::ZERO));
        progress.begin().unwrap();
        assert_eq!(progress.begin(), Err(Busy));
        assert!(!progress.wait(Duration::ZERO));
        progress.become_status(Status::Active);
        progress.pass(1);
        progress.become_status(Status::Cancelling);
        progress.become_status(Status::Device);
        progress.become_status(Status::Cancelled);
        progress.fail("too late");
        assert!(progress.wait(Duration::ZERO));
        use MigrationEvent::{Pass, Status as Is};
        assert_eq!(
            events.try_iter().collect::<Vec<_>>(),
            [
                Is(Status::Setup),
                Is(Status::Active),
                Pass(1),
                Is(Status::Cancelling),
                Is(Status::Cancelled)
            ]
        );
        progress.begin().unwrap();
        assert_eq!(progress.report().unwrap().error_desc, None);
    }

    #[test]
    fn times_are_rounded_up_and_a_measured_downtime_keeps_its_nanoseconds() {
        let progress = Progress::default();
        progress.begin().unwrap();
        let downtime = Downtime {
            ns: 1_000_001,
            error_ns: 7,
        };
        progress.complete(Some(Stood::Measured(downtime)), None);
        let report = progress.report().unwrap();
        assert_eq!(report.downtime, Some(2));
        assert_eq!(report.x_downtime_ns, Some(1_000_001));
        assert_eq!(report.x_downtime_error_ns, Some(7));
        assert_eq!(report.expected_downtime, None);
    }
}
