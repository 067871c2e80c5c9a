//! SIGNAL PROCESSOR: orders from one CPU to another, their conditions, and carrying them out
//! (Principles of Operation, chapter 4, "CPU Signaling and Response").
//!
//! Orders that look at or latch something are done by the sender on the receiver's handle. The
//! others need the receiver's registers: they go through its [`OrderSlot`], its own thread
//! carries them out, and the sender waits for that. At most one CPU of a machine is a waiting
//! sender at a time (others find the access path busy, as real CPUs do), so no two can wait for
//! each other; and a sender whose own VM stops withdraws an order that was not yet begun.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::S390Cpu;
use super::facility::{SENSE_RUNNING, VECTOR};
use super::handle::{self, CpuHandle, CpuState};
use super::psw;
use super::reset::VECTOR_BYTES;

/// Status bits that SIGP stores (bits 32-63 of R1).
pub mod status {
    /// Bit 54: the receiver's state does not allow the order.
    pub const INCORRECT_STATE: u32 = 0x200;
    /// Bit 55: the parameter is not valid.
    pub const INVALID_PARAMETER: u32 = 0x100;
    /// Bit 56: an external call is pending.
    pub const EXTERNAL_CALL_PENDING: u32 = 0x80;
    /// Bit 57: stopped.
    pub const STOPPED: u32 = 0x40;
    /// Bit 59: check-stop.
    pub const CHECK_STOP: u32 = 0x10;
    /// Bit 62: no such order.
    pub const INVALID_ORDER: u32 = 0x02;
    /// Bit 53, sense running status: not running.
    pub const NOT_RUNNING: u32 = 0x400;
}

/// What additional status is stored at is a multiple of this: without guarded storage there is
/// nothing beside vector registers.
const ADDITIONAL_STATUS_BOUNDARY: u64 = 0x400;

/// How SIGP ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Condition code 0: accepted.
    Accepted,
    /// Condition code 1: status stored.
    Status(u32),
    /// Condition code 2: busy.
    Busy,
    /// Condition code 3: no such CPU.
    NotOperational,
}

/// An order that the receiver's own thread carries out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Start,
    Restart,
    StoreStatus,
    InitialReset,
    Reset,
    SetPrefix(u64),
    StoreStatusAt(u64),
    StoreAdditionalStatusAt(u64),
    ConditionalEmergency { asn: u16, by: u16 },
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Slot {
    #[default]
    Empty,
    Posted(Order),
    Taken,
    Done(Outcome),
}

/// Where an order to a CPU lies until it is carried out.
#[derive(Debug, Default)]
pub struct OrderSlot {
    slot: Mutex<Slot>,
    changed: Condvar,
}

impl OrderSlot {
    fn lock(&self) -> MutexGuard<'_, Slot> {
        // Every update is one assignment: a panic elsewhere leaves the slot whole.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// SIGNAL PROCESSOR from `cpu`: order code, receiver's address, and parameter.
pub fn signal(cpu: &mut S390Cpu, order: u8, address: u16, parameter: u64) -> Outcome {
    // Set architecture concerns all CPUs; the address does not matter. z/Architecture is the
    // only mode, so there is none to be set.
    if order == 0x12 {
        return Outcome::Status(status::INVALID_PARAMETER);
    }
    let shared = Arc::clone(&cpu.control.shared);
    let Some(target) = shared.cpus.get(address).filter(|cpu| cpu.is_configured()) else {
        return Outcome::NotOperational;
    };
    // A CPU in the check-stop state is never busy and takes resets only; only one that looks
    // whether it runs finds out less.
    let resets = matches!(order, 0x0b | 0x0c);
    if target.state() == CpuState::CheckStop && !resets && is_known(cpu, order) && order != 0x15 {
        return Outcome::Status(status::CHECK_STOP | external_call(target, order));
    }
    // Until a CPU has completed its stop it takes no order but resets, not even one that looks at
    // it: who sees no busy condition after a stop may count on the stopped state.
    if target.has_stop() && !resets {
        return Outcome::Busy;
    }
    let sender = cpu.cpu_address;
    match order {
        0x01 => sense(target),
        0x02 => {
            if target.post_external_call(sender) {
                Outcome::Accepted
            } else {
                Outcome::Status(status::EXTERNAL_CALL_PENDING)
            }
        }
        0x03 => {
            target.post_emergency(sender);
            Outcome::Accepted
        }
        0x04 => send(cpu, target, Order::Start),
        0x05 => stop(target, false),
        0x06 => send(cpu, target, Order::Restart),
        0x09 if target.state() == CpuState::Stopped => send(cpu, target, Order::StoreStatus),
        0x09 => stop(target, true),
        0x0b => send(cpu, target, Order::InitialReset),
        0x0c => send(cpu, target, Order::Reset),
        0x0d => {
            let prefix = parameter & 0x7fff_e000;
            if cpu.core.system().ram().contains(prefix, 0x2000) {
                send(cpu, target, Order::SetPrefix(prefix))
            } else {
                Outcome::Status(status::INVALID_PARAMETER)
            }
        }
        0x0e => {
            let area = parameter & 0x7fff_fe00;
            if cpu.core.system().ram().contains(area, 0x200) {
                send(cpu, target, Order::StoreStatusAt(area))
            } else {
                Outcome::Status(status::INVALID_PARAMETER)
            }
        }
        0x13 => conditional_emergency(cpu, target, parameter as u16),
        0x15 if cpu.control.facilities.has(SENSE_RUNNING) => {
            // A CPU that has stopped may still be on its thread's way out.
            if target.is_in_guest() && target.state() == CpuState::Operating {
                Outcome::Accepted
            } else {
                Outcome::Status(status::NOT_RUNNING)
            }
        }
        0x17 if cpu.control.facilities.has(VECTOR) => {
            let ram = cpu.core.system().ram();
            if parameter.is_multiple_of(ADDITIONAL_STATUS_BOUNDARY)
                && ram.contains(parameter, VECTOR_BYTES)
            {
                send(cpu, target, Order::StoreAdditionalStatusAt(parameter))
            } else {
                Outcome::Status(status::INVALID_PARAMETER)
            }
        }
        _ => Outcome::Status(status::INVALID_ORDER),
    }
}

/// Whether there is such an order.
fn is_known(cpu: &S390Cpu, order: u8) -> bool {
    match order {
        0x01..=0x06 | 0x09 | 0x0b..=0x0e | 0x12 | 0x13 => true,
        0x15 => cpu.control.facilities.has(SENSE_RUNNING),
        0x17 => cpu.control.facilities.has(VECTOR),
        _ => false,
    }
}

/// The status of a pending external call, which only sense tells beside another status.
fn external_call(target: &CpuHandle, order: u8) -> u32 {
    if order == 0x01 && target.has_external_call() {
        status::EXTERNAL_CALL_PENDING
    } else {
        0
    }
}

fn sense(target: &CpuHandle) -> Outcome {
    let mut bits = external_call(target, 0x01);
    if target.state() == CpuState::Stopped {
        bits |= status::STOPPED;
    }
    if bits == 0 {
        Outcome::Accepted
    } else {
        Outcome::Status(bits)
    }
}

/// An emergency signal to a CPU that may use what the sender is about to change: to any that is
/// not stopped, and to a stopped one if its PSW disables external or I/O interruptions, if it
/// waits at an address other than 0, or if it does not wait and has this address-space number as
/// its primary or secondary one. (What the order tests, and that only of a stopped CPU, as KVM
/// does: arch/s390/kvm/sigp.c.)
fn conditional_emergency(cpu: &mut S390Cpu, target: &Arc<CpuHandle>, asn: u16) -> Outcome {
    match target.state() {
        CpuState::Stopped => send(
            cpu,
            target,
            Order::ConditionalEmergency {
                asn,
                by: cpu.cpu_address,
            },
        ),
        CpuState::Operating | CpuState::Load | CpuState::CheckStop => {
            target.post_emergency(cpu.cpu_address);
            Outcome::Accepted
        }
    }
}

/// Whether a stopped CPU gets a conditional emergency signal for an address-space number.
fn concerns(cpu: &S390Cpu, asn: u16) -> bool {
    let psw = cpu.psw();
    let both = psw::IO | psw::EXTERNAL;
    let here = [cpu.cr[3] as u16, cpu.cr[4] as u16].contains(&asn);
    psw.mask & both != both
        || if psw.mask & psw::WAIT != 0 {
            psw.address != 0
        } else {
            here
        }
}

/// Sends an order and waits until the receiver has carried it out.
fn send(cpu: &mut S390Cpu, target: &Arc<CpuHandle>, order: Order) -> Outcome {
    if target.address() == cpu.cpu_address {
        return carry_out(cpu, order);
    }
    let shared = Arc::clone(&cpu.control.shared);
    let _path = match shared.signal_path.try_lock() {
        Ok(guard) => guard,
        Err(std::sync::TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(std::sync::TryLockError::WouldBlock) => return Outcome::Busy,
    };
    {
        let mut slot = target.orders.lock();
        if *slot != Slot::Empty {
            return Outcome::Busy;
        }
        *slot = Slot::Posted(order);
    }
    target.kick(handle::ORDER);
    // The receiver may wait for this CPU to forget translations, or others may.
    cpu.core.rest();
    let outcome = wait_for(cpu, target);
    cpu.core.resume();
    outcome
}

/// Waits until the order in a receiver's slot has been carried out.
fn wait_for(cpu: &mut S390Cpu, target: &CpuHandle) -> Outcome {
    let mut slot = target.orders.lock();
    loop {
        match *slot {
            Slot::Done(outcome) => {
                *slot = Slot::Empty;
                return outcome;
            }
            // The VM stops: the receiver's thread may be parked already. Another look every
            // millisecond, since nobody else knows this condition variable.
            Slot::Posted(_) if cpu.core.attention().get() & handle::PARK != 0 => {
                *slot = Slot::Empty;
                return Outcome::Busy;
            }
            _ => {}
        }
        // It may want to run alone.
        drop(slot);
        cpu.core.serve_flushes();
        slot = target.orders.lock();
        if !matches!(*slot, Slot::Done(_)) {
            slot = target
                .orders
                .changed
                .wait_timeout(slot, std::time::Duration::from_millis(1))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

/// Carries out an order that lies in this CPU's slot.
pub(super) fn serve(cpu: &mut S390Cpu) {
    let handle = Arc::clone(&cpu.control.handle);
    let order = {
        let mut slot = handle.orders.lock();
        let Slot::Posted(order) = *slot else { return };
        *slot = Slot::Taken;
        order
    };
    let outcome = carry_out(cpu, order);
    *handle.orders.lock() = Slot::Done(outcome);
    handle.orders.changed.notify_all();
}

fn carry_out(cpu: &mut S390Cpu, order: Order) -> Outcome {
    let state = cpu.control.handle.state();
    if state == CpuState::CheckStop && !matches!(order, Order::InitialReset | Order::Reset) {
        return Outcome::Status(status::CHECK_STOP);
    }
    match order {
        Order::Start => {
            if state == CpuState::Stopped {
                cpu.set_state(CpuState::Operating);
            }
        }
        // A CPU that is being loaded, or waits for a reset, has no restart.
        Order::Restart if state == CpuState::Load => {}
        Order::Restart => cpu.restart(),
        Order::StoreStatus => cpu.store_status_after_stop(),
        Order::InitialReset => cpu.initial_reset(),
        Order::Reset => cpu.cpu_reset(),
        Order::SetPrefix(prefix) => {
            if state != CpuState::Stopped {
                return Outcome::Status(status::INCORRECT_STATE);
            }
            cpu.set_prefix(prefix);
        }
        Order::StoreStatusAt(area) => {
            if state != CpuState::Stopped {
                return Outcome::Status(status::INCORRECT_STATE);
            }
            cpu.store_status(area);
        }
        Order::StoreAdditionalStatusAt(area) => {
            if state != CpuState::Stopped {
                return Outcome::Status(status::INCORRECT_STATE);
            }
            cpu.store_vectors(area);
        }
        Order::ConditionalEmergency { asn, by } => {
            if state == CpuState::Stopped && !concerns(cpu, asn) {
                return Outcome::Status(status::INCORRECT_STATE);
            }
            cpu.control.handle.post_emergency(by);
        }
    }
    Outcome::Accepted
}

/// Latches a stop: the receiver takes the interruptions that are enabled, and then stops. Until
/// it has, further orders to it find it busy.
fn stop(target: &CpuHandle, store_status: bool) -> Outcome {
    if target.state() == CpuState::Operating {
        target.post_stop(store_status);
    }
    Outcome::Accepted
}
