//! The channel subsystem: which subchannels there are, what is pending in it, and who hears of it.
//!
//! It is one object that all CPUs share, behind a lock; what is pending is published in a word
//! that CPUs look at without the lock. Principles of Operation, chapters 13 to 17. Not here: the
//! instructions' privilege and operand checks ([`crate::helpers::io`]), and interruptions being
//! taken ([`crate::cpu::interrupt`]).

pub mod blocks;
pub mod chsc;
pub mod id;
pub mod program;
pub mod report;
pub mod storage;
pub mod subchannel;
#[cfg(test)]
mod tests;
pub mod virtio;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use machine::NetDevice;
use serde::{Deserialize, Serialize};
use tcg::CpuCore;

use crate::cpu::ProgramCode;
use blocks::{Irb, Modification, Orb, SCHIB_BYTES};
use chsc::Facilities;
pub use id::SubchannelId;
use id::{CSSID, SETS};
use report::Reports;
pub use storage::Host;
use subchannel::{Measured, Subchannel};
use virtio::NetConfig;

/// Condition code: not operational.
const NOT_OPERATIONAL: u8 = 3;
/// The MAC address that the first device has unless it is given one, as with QEMU.
const FIRST_MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
/// In the published word, beside a bit for each interruption subclass (0 is 0x80): the machine
/// check for channel reports is pending.
const REPORT: u32 = 0x100;

/// Why a device cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// The number is taken.
    #[error("device fe.{set:x}.{number:04x} already exists")]
    Taken {
        /// Subchannel set.
        set: u8,
        /// Device number.
        number: u16,
    },
}

/// An I/O interruption's code (Principles of Operation, chapter 16, "Interruption Code").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IoInterruption {
    /// Subsystem-identification word; 0 for an adapter.
    pub subsystem: u32,
    /// Interruption parameter.
    pub parameter: u32,
    /// Interruption-identification word: adapter bit and subclass.
    pub identification: u32,
}

/// What SET CHANNEL MONITOR has switched on: counting, in an area and with an access key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Monitor {
    key: u8,
    area: u64,
}

/// Everything that changes. Saved as it is: a change here is a new version of that part.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    sets: [Vec<Subchannel>; SETS],
    /// A program has enabled multiple channel subsystems.
    many_subsystems: bool,
    /// A program has enabled multiple subchannel sets.
    many_sets: bool,
    monitor: Option<Monitor>,
    reports: Reports,
    /// Subclasses, 0 as 0x80, for which an adapter interruption is pending.
    adapters: u8,
}

type Notify = Box<dyn Fn() + Send + Sync>;

/// The channel subsystem of a machine.
#[derive(Default)]
pub struct ChannelSubsystem {
    state: Mutex<State>,
    /// What is pending: subclasses and [`REPORT`].
    pending: AtomicU32,
    /// Makes all CPUs look.
    notify: OnceLock<Notify>,
}

fn bit(subclass: u8) -> u8 {
    0x80 >> (subclass & 7)
}

impl State {
    /// The subchannel of that name, if the program can see one.
    fn find(&mut self, id: SubchannelId) -> Option<&mut Subchannel> {
        let visible =
            id.subsystem.is_none_or(|number| number == CSSID) && (id.set == 0 || self.many_sets);
        self.sets
            .get_mut(usize::from(id.set))
            .filter(|_| visible)?
            .get_mut(usize::from(id.number))
    }

    fn all(&self) -> impl Iterator<Item = (u8, u16, &Subchannel)> {
        (0u8..).zip(&self.sets).flat_map(|(set, subchannels)| {
            (0u16..)
                .zip(subchannels)
                .map(move |(number, one)| (set, number, one))
        })
    }

    fn has(&self, set: u8, device: u16) -> bool {
        self.all()
            .any(|(there, _, one)| there == set && one.device_number() == device)
    }

    fn has_devices(&self) -> bool {
        self.sets.iter().any(|set| !set.is_empty())
    }

    fn pending(&self) -> u32 {
        let subclasses = self
            .all()
            .filter_map(|(_, _, one)| one.interruption())
            .fold(self.adapters, |bits, one| bits | bit(one.subclass));
        let report = if self.reports.interrupts() { REPORT } else { 0 };
        u32::from(subclasses) | report
    }

    /// Takes the interruption of the highest priority among these subclasses: the lowest
    /// subclass, subchannels before adapters.
    fn take_io(&mut self, subclasses: u8) -> Option<IoInterruption> {
        let pending = self.pending() as u8 & subclasses;
        if pending == 0 {
            return None;
        }
        let subclass = pending.leading_zeros() as u8;
        let identification = u32::from(subclass) << 27;
        let multiple = self.many_subsystems;
        for (set, subchannels) in (0u8..).zip(&mut self.sets) {
            for (number, one) in (0u16..).zip(subchannels) {
                let interruption = one.interruption().filter(|i| i.subclass == subclass);
                if let Some(interruption) = interruption {
                    one.clear_interruption();
                    return Some(IoInterruption {
                        subsystem: SubchannelId::word(set, number, multiple),
                        parameter: interruption.parameter,
                        identification,
                    });
                }
            }
        }
        const ADAPTER: u32 = 0x8000_0000;
        self.adapters &= !bit(subclass);
        Some(IoInterruption {
            subsystem: 0,
            parameter: 0,
            identification: identification | ADAPTER,
        })
    }

    fn count(&self, host: Host<'_>, measured: Option<Measured>) {
        const BLOCK_0_BYTES: u64 = 32;
        let (Some(monitor), Some(measured)) = (self.monitor, measured) else {
            return;
        };
        // A block that is not there, or that the key does not open, is not counted in.
        let _ = match measured {
            Measured::Index(index) => {
                let at = monitor.area + BLOCK_0_BYTES * u64::from(index);
                let mut count = [0; 2];
                host.fetch(monitor.key, at, &mut count).and_then(|()| {
                    let next = u16::from_be_bytes(count).wrapping_add(1);
                    host.store(monitor.key, at, &next.to_be_bytes())
                })
            }
            Measured::Block(at) => {
                let mut count = [0; 4];
                host.fetch(monitor.key, at, &mut count).and_then(|()| {
                    let next = u32::from_be_bytes(count).wrapping_add(1);
                    host.store(monitor.key, at, &next.to_be_bytes())
                })
            }
        };
    }

    /// Whether a saved state is of a machine with the same devices.
    fn suits(&self, here: &Self) -> Result<(), String> {
        let devices = |state: &Self| -> Vec<_> {
            let one = |(set, number, one): (u8, u16, &Subchannel)| {
                (set, number, one.device_number(), *one.device().config())
            };
            state.all().map(one).collect()
        };
        if devices(self) != devices(here) {
            return Err(
                "the guest has other channel devices than this machine (-device virtio-net-ccw)"
                    .into(),
            );
        }
        if !self.reports.is_sound() || !self.all().all(|(_, _, one)| one.is_sound()) {
            return Err("a channel device is in a state that there is not".into());
        }
        Ok(())
    }
}

impl ChannelSubsystem {
    /// Adds a device. Before any CPU runs: nobody is told of it.
    ///
    /// # Errors
    /// [`AddError`].
    pub fn add(&self, device: &NetDevice) -> Result<(), AddError> {
        let mut state = self.lock();
        let there = state.all().count();
        let (set, number) = match device.at {
            Some(at) => (at.set & 3, at.number),
            None => (0, (0..u16::MAX).find(|n| !state.has(0, *n)).unwrap_or(0)),
        };
        if state.has(set, number) {
            return Err(AddError::Taken { set, number });
        }
        let mac = device.mac.unwrap_or_else(|| {
            let mut mac = FIRST_MAC;
            mac[5] = mac[5].wrapping_add(there as u8);
            mac
        });
        let one = Subchannel::new(number, NetConfig { mac });
        state.sets[usize::from(set)].push(one);
        Ok(())
    }

    /// Who is told when an interruption becomes pending. Once.
    pub fn set_notify(&self, notify: impl Fn() + Send + Sync + 'static) {
        // A second one would be a mistake of the machine's, and changes nothing.
        let _ = self.notify.set(Box::new(notify));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on the state, and publishes what is pending then.
    fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        let result = work(&mut state);
        let pending = state.pending();
        let before = self.pending.swap(pending, Ordering::AcqRel);
        drop(state);
        if pending & !before != 0
            && let Some(notify) = self.notify.get()
        {
            notify();
        }
        result
    }

    /// Works on a subchannel; condition code 3 if there is none.
    fn on(&self, id: SubchannelId, work: impl FnOnce(&mut Subchannel) -> u8) -> u8 {
        self.with(|state| state.find(id).map_or(NOT_OPERATIONAL, work))
    }

    /// Whether there is any device.
    pub fn has_devices(&self) -> bool {
        self.lock().has_devices()
    }

    /// As after power-on.
    pub fn reset(&self) {
        self.with(|state| {
            for one in state.sets.iter_mut().flatten() {
                one.reset();
            }
            *state = State {
                sets: std::mem::take(&mut state.sets),
                ..State::default()
            };
        });
    }

    /// Subclasses, 0 as 0x80, for which an I/O interruption is pending.
    pub fn io_pending(&self) -> u8 {
        self.pending.load(Ordering::Acquire) as u8
    }

    /// Whether the machine check for channel reports is pending.
    pub fn report_pending(&self) -> bool {
        self.pending.load(Ordering::Acquire) & REPORT != 0
    }

    /// Takes an I/O interruption of one of these subclasses; another CPU may have been faster.
    pub fn take_io(&self, subclasses: u8) -> Option<IoInterruption> {
        self.with(|state| state.take_io(subclasses))
    }

    /// Takes the machine check for channel reports; false if another CPU was faster.
    pub fn take_report(&self) -> bool {
        self.with(|state| state.reports.interrupt())
    }

    /// STORE SUBCHANNEL.
    pub fn store(&self, id: SubchannelId) -> Option<[u8; SCHIB_BYTES]> {
        self.lock().find(id).map(|one| one.schib())
    }

    /// MODIFY SUBCHANNEL: the condition code.
    pub fn modify(&self, id: SubchannelId, new: &Modification) -> u8 {
        self.on(id, |one| one.modify(new))
    }

    /// START SUBCHANNEL: the condition code.
    pub fn start(&self, host: Host<'_>, id: SubchannelId, orb: Orb) -> u8 {
        self.with(|state| {
            let Some(one) = state.find(id) else {
                return NOT_OPERATIONAL;
            };
            let measured = one.measured().filter(|_| one.accepts_start());
            let cc = one.start(host, orb);
            state.count(host, measured);
            cc
        })
    }

    /// RESUME SUBCHANNEL: the condition code.
    pub fn resume(&self, host: Host<'_>, id: SubchannelId) -> u8 {
        self.with(|state| {
            let Some(one) = state.find(id) else {
                return NOT_OPERATIONAL;
            };
            let measured = one.measured().filter(|_| one.accepts_resume());
            let cc = one.resume(host);
            state.count(host, measured);
            cc
        })
    }

    /// TEST SUBCHANNEL: what is stored, and the condition code; none: not operational.
    pub fn test(&self, id: SubchannelId) -> Option<(Irb, u8)> {
        self.with(|state| state.find(id).and_then(Subchannel::test))
    }

    /// CANCEL SUBCHANNEL: the condition code.
    pub fn cancel(&self, id: SubchannelId) -> u8 {
        self.on(id, Subchannel::cancel)
    }

    /// CLEAR SUBCHANNEL: the condition code.
    pub fn clear(&self, id: SubchannelId) -> u8 {
        self.on(id, Subchannel::clear)
    }

    /// HALT SUBCHANNEL: the condition code.
    pub fn halt(&self, id: SubchannelId) -> u8 {
        self.on(id, Subchannel::halt)
    }

    /// STORE CHANNEL REPORT WORD: the word, if there is one.
    pub fn take_word(&self) -> Option<u32> {
        self.with(|state| state.reports.take())
    }

    /// The word could not be stored.
    pub fn put_word_back(&self, word: u32) {
        self.with(|state| state.reports.put_back(word));
    }

    /// RESET CHANNEL PATH: the condition code.
    ///
    /// # Errors
    /// Operand, if there is no such channel subsystem.
    pub fn reset_path(&self, subsystem: u8, path: u8) -> Result<u8, ProgramCode> {
        self.with(|state| {
            let ours = if state.many_subsystems { CSSID } else { 0 };
            if subsystem != ours {
                return Err(ProgramCode::Operand);
            }
            if path != 0 || !state.has_devices() {
                return Ok(NOT_OPERATIONAL);
            }
            let named = state.many_subsystems.then_some(CSSID);
            state.reports.path_reset(path, named);
            Ok(0)
        })
    }

    /// SET CHANNEL MONITOR: measurement-block update with a key and an area, or none.
    pub fn set_monitor(&self, update: Option<(u8, u64)>) {
        self.with(|state| state.monitor = update.map(|(key, area)| Monitor { key, area }));
    }

    /// CHANNEL SUBSYSTEM CALL on the command block at an absolute page address.
    ///
    /// # Errors
    /// Operand, if the request's length is wrong.
    pub fn call(&self, core: &CpuCore, block: u64) -> Result<(), ProgramCode> {
        self.with(|state| {
            let mut facilities = Facilities {
                path: state.has_devices(),
                subsystems: state.many_subsystems,
                sets: state.many_sets,
            };
            let result = chsc::call(core, block, &mut facilities);
            state.many_subsystems = facilities.subsystems;
            state.many_sets = facilities.sets;
            result
        })
    }

    /// A program has something new in a queue of a virtio device; false if there is no such
    /// device.
    pub fn kick(&self, host: Host<'_>, id: SubchannelId, queue: u64) -> bool {
        self.with(|state| {
            let Some(one) = state.find(id) else {
                return false;
            };
            if let Some(subclass) = one.kick(host, queue) {
                state.adapters |= bit(subclass);
            }
            true
        })
    }

    /// The state, for saving.
    pub fn saved(&self) -> State {
        self.lock().clone()
    }

    /// Takes over a saved state; on an error nothing has changed.
    ///
    /// # Errors
    /// Why it does not suit this machine, in words.
    pub fn restore(&self, saved: State) -> Result<(), String> {
        self.with(|state| {
            saved.suits(state)?;
            *state = saved;
            Ok(())
        })
    }
}
