//! Monitors: one table of commands, two faces.
//!
//! [`qmp`] is for programs (JSON), [`hmp`] for people (lines on a terminal). Both look commands
//! up in [`table`]; what a command does stands once. Monitors change nothing themselves: they
//! ask run control and read the machine.

mod clocks;
mod descriptors;
mod expression;
pub mod hmp;
mod hotplug;
mod interrupt;
mod memory;
mod migration;
mod models;
pub mod qmp;
mod qom;
mod query;
mod snapshots;
mod table;

use std::ops::Deref;
use std::sync::{Arc, Mutex};

use machine::{Accel, Identity, Machine, MachineType};
use serde_json::{Map, Value, json};
use tod::clock::Shown;
use tod::{ClockManager, HostPusher, Tod};

use crate::chardev::{Port, Relief};
use crate::control::{Control, Refusal};
use crate::migrate::Migrations;
pub(crate) use qom::RTC_PATH;

/// What commands work with.
pub struct Context {
    /// Run control.
    pub control: Control,
    /// The machine.
    pub machine: Arc<dyn Machine>,
    /// Its clocks.
    pub clocks: Arc<ClockManager>,
    /// Its kind.
    pub kind: &'static dyn MachineType,
    /// All kinds that this program has.
    pub types: Vec<&'static dyn MachineType>,
    /// `-name`, `-uuid`.
    pub identity: Identity,
    /// `-accel`.
    pub accel: Accel,
    /// The operator console's device.
    pub console: Option<Arc<Port>>,
    /// All character devices, in order.
    pub ports: Vec<Arc<Port>>,
    /// The ids of CPUs that `device_add` has added.
    pub added_cpus: Mutex<Vec<String>>,
    /// Migrations and snapshots.
    pub migrations: Arc<Migrations>,
    /// With `-hostclock test`: pushes the host's clocks.
    pub pusher: Option<HostPusher>,
}

/// The machine while it is being looked at: a vCPU that is looked at does not wait for the
/// console's reader meanwhile.
struct Inspected<'a> {
    machine: &'a dyn Machine,
    _relief: Option<Relief>,
}

impl<'a> Deref for Inspected<'a> {
    type Target = dyn Machine + 'a;

    fn deref(&self) -> &Self::Target {
        self.machine
    }
}

impl Context {
    /// The kinds of machines of this one's architecture: all that a QEMU would have.
    fn kinds(&self) -> impl Iterator<Item = &'static dyn MachineType> + '_ {
        let arch = self.kind.arch();
        let kinds = self.types.iter().copied();
        kinds.filter(move |kind| kind.arch() == arch)
    }

    /// The machine, to look at.
    fn inspect(&self) -> Inspected<'_> {
        Inspected {
            machine: &*self.machine,
            _relief: self.console.as_ref().map(Port::relieve),
        }
    }
}

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// QMP's error class.
    pub class: &'static str,
    /// One sentence.
    pub text: String,
}

impl Failure {
    /// QMP's class for everything that clients need not tell apart.
    pub fn generic(text: impl Into<String>) -> Self {
        Self {
            class: "GenericError",
            text: text.into(),
        }
    }

    /// The command is not there, or not now.
    pub fn not_found(text: impl Into<String>) -> Self {
        Self {
            class: "CommandNotFound",
            text: text.into(),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::generic(refusal.to_string())
    }
}

/// A QMP command's arguments, checked against the command's list.
pub(crate) type Args = Map<String, Value>;

/// A TOD value for programs: both parts, and the date that it stands for.
fn tod_value(tod: Tod) -> Value {
    json!({ "epoch-index": tod.epoch_index(), "clock": tod.clock(), "utc": utc(tod) })
}

/// A clock's value for programs, in the clock's own terms.
pub(crate) fn shown_value(value: Shown) -> Value {
    match value {
        Shown::Date(tod) => tod_value(tod),
        Shown::ElapsedNs(ns) => json!({ "ns": ns }),
        Shown::Cycles(cycles) => json!({ "cycles": cycles }),
    }
}

/// The date that a TOD value stands for, to the nanosecond.
pub(crate) fn utc(tod: Tod) -> String {
    let time = tod.to_unix();
    // The TOD's range, with its epoch index, ends in the year 38435.
    match i32::try_from(time.nanos())
        .ok()
        .and_then(|nanos| jiff::Timestamp::new(time.secs(), nanos).ok())
    {
        Some(stamp) => format!("{stamp:.9}"),
        None => format!("{}.{:09} s after 1970", time.secs(), time.nanos()),
    }
}
