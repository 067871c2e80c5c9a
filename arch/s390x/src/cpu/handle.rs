//! What other threads see and do of a CPU: its state, and the interruptions latched for it.
//!
//! One [`CpuHandle`] per CPU, in [`crate::machine::Shared`]. Everything here is atomic: the CPU's
//! own registers are touched by its thread alone. Orders that need that thread are in
//! [`super::orders`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

use tcg::Attention;
use tod::Sleeper;

use super::orders::OrderSlot;

/// Attention: something about interruptions, timers, masks or the wait state is to be looked at.
pub const INTERRUPT: u32 = 1 << 0;
/// Attention: another CPU has posted an order.
pub const ORDER: u32 = 1 << 1;
/// Attention: the VM stops, somebody wants to look at the CPU, or the program ends: leave the
/// guest. The vCPU's thread clears it before it passes the gate.
pub const PARK: u32 = 1 << 2;
/// Attention: a stop at a number of instructions is wanted; up as long as it is, so that every
/// block is followed by a look. See [`super::S390Cpu::set_stop_at`].
pub const COUNT: u32 = 1 << 3;

/// CPUs that a machine can have at most, as in QEMU; so STORE CLOCK has at most eight bits for the
/// CPU's number.
pub const MAX_CPUS: u16 = 248;

/// Words of one bit per CPU.
pub const CPU_WORDS: usize = 4;

/// CPU states (Principles of Operation, chapter 4, "Stopped, Operating, Load, and Check-Stop
/// States").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CpuState {
    /// Executes nothing and takes no interruption; the CPU timer stands.
    Stopped,
    /// Executes instructions or waits.
    Operating,
    /// Being loaded.
    Load,
    /// Only a reset helps.
    CheckStop,
}

impl CpuState {
    fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Stopped,
            1 => Self::Operating,
            2 => Self::Load,
            _ => Self::CheckStop,
        }
    }

    /// Whether the CPU timer counts in this state.
    pub fn runs_cpu_timer(self) -> bool {
        matches!(self, Self::Operating | Self::Load)
    }

    /// The name that `info cpus` shows.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Operating => "operating",
            Self::Load => "load",
            Self::CheckStop => "check-stop",
        }
    }
}

/// The bits of the last of [`CpuHandle::latched_words`].
pub const LATCHED: u32 = STOP | RESTART | STORE_STATUS;
const STOP: u32 = 1 << 0;
const RESTART: u32 = 1 << 1;
const STORE_STATUS: u32 = 1 << 2;

/// A CPU as others see it.
pub struct CpuHandle {
    address: u16,
    attention: Arc<Attention>,
    sleeper: Arc<Sleeper>,
    state: AtomicU8,
    /// The PSW's wait bit is one and the thread sleeps.
    waiting: AtomicBool,
    /// The thread executes guest code, or is about to.
    in_guest: AtomicBool,
    /// Whether orders reach it; see [`super::slots`].
    configured: AtomicBool,
    /// Emergency signals, one bit per sending CPU, the lowest address first.
    emergency: [AtomicU64; CPU_WORDS],
    /// One external call: sending CPU + 1, or 0.
    external_call: AtomicU32,
    /// Restart interruption and stop order.
    latched: AtomicU32,
    pub(super) orders: OrderSlot,
}

impl CpuHandle {
    /// A handle for the CPU whose attention word this is.
    pub fn new(address: u16, attention: Arc<Attention>, sleeper: Arc<Sleeper>) -> Arc<Self> {
        Arc::new(Self {
            address,
            attention,
            sleeper,
            state: AtomicU8::new(CpuState::Stopped as u8),
            waiting: AtomicBool::new(false),
            in_guest: AtomicBool::new(false),
            configured: AtomicBool::new(true),
            emergency: Default::default(),
            external_call: AtomicU32::new(0),
            latched: AtomicU32::new(0),
            orders: OrderSlot::default(),
        })
    }

    /// The CPU address.
    pub fn address(&self) -> u16 {
        self.address
    }

    /// Where the CPU's thread sleeps.
    pub fn sleeper(&self) -> &Arc<Sleeper> {
        &self.sleeper
    }

    /// The state.
    pub fn state(&self) -> CpuState {
        CpuState::from_number(self.state.load(Ordering::Acquire))
    }

    pub(super) fn publish_state(&self, state: CpuState) {
        self.state.store(state as u8, Ordering::Release);
    }

    /// Whether the CPU waits for an interruption.
    pub fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Acquire)
    }

    pub(super) fn set_waiting(&self, waiting: bool) {
        self.waiting.store(waiting, Ordering::Release);
    }

    /// Whether the CPU's thread executes guest code now.
    pub fn is_in_guest(&self) -> bool {
        self.in_guest.load(Ordering::Acquire)
    }

    /// Sets attention bits and wakes the thread if it sleeps.
    pub fn kick(&self, bits: u32) {
        self.attention.raise(bits);
        self.sleeper.kick();
    }

    /// Whether attention is wanted.
    pub fn has_attention(&self) -> bool {
        self.attention.get() != 0
    }

    /// Withdraws [`PARK`]; called by the CPU's own thread before it passes the gate, so that a
    /// request after that is not lost.
    pub fn clear_park(&self) {
        self.attention.take(PARK);
    }

    /// An emergency signal from a CPU.
    pub fn post_emergency(&self, source: u16) {
        self.emergency[usize::from(source / 64) % CPU_WORDS]
            .fetch_or(1 << (source % 64), Ordering::AcqRel);
        self.kick(INTERRUPT);
    }

    /// An external call from a CPU; false if one is still pending.
    pub fn post_external_call(&self, source: u16) -> bool {
        let posted = self
            .external_call
            .compare_exchange(
                0,
                u32::from(source) + 1,
                Ordering::AcqRel,
                Ordering::Acquire,
            )
            .is_ok();
        if posted {
            self.kick(INTERRUPT);
        }
        posted
    }

    /// Whether an external call is pending.
    pub fn has_external_call(&self) -> bool {
        self.external_call.load(Ordering::Acquire) != 0
    }

    pub(super) fn has_emergency(&self) -> bool {
        self.emergency
            .iter()
            .any(|word| word.load(Ordering::Acquire) != 0)
    }

    /// Takes the emergency signal of the lowest-numbered source.
    pub(super) fn take_emergency(&self) -> Option<u16> {
        for (word, first) in self.emergency.iter().zip((0u16..).step_by(64)) {
            let bits = word.load(Ordering::Acquire);
            if bits != 0 {
                let source = bits.trailing_zeros();
                word.fetch_and(!(1 << source), Ordering::AcqRel);
                return Some(first + source as u16);
            }
        }
        None
    }

    pub(super) fn take_external_call(&self) -> Option<u16> {
        match self.external_call.swap(0, Ordering::AcqRel) {
            0 => None,
            source => Some((source - 1) as u16),
        }
    }

    /// A restart interruption.
    pub fn post_restart(&self) {
        self.latched.fetch_or(RESTART, Ordering::AcqRel);
        self.kick(INTERRUPT);
    }

    pub(super) fn take_restart(&self) -> bool {
        self.latched.fetch_and(!RESTART, Ordering::AcqRel) & RESTART != 0
    }

    /// Asks the CPU to enter the stopped state after its current instruction, and to store its
    /// status then if that is wanted.
    pub fn post_stop(&self, store_status: bool) {
        let bits = if store_status {
            STOP | STORE_STATUS
        } else {
            STOP
        };
        self.latched.fetch_or(bits, Ordering::AcqRel);
        self.kick(INTERRUPT);
    }

    /// Whether a stop is pending.
    pub fn has_stop(&self) -> bool {
        self.latched.load(Ordering::Acquire) & STOP != 0
    }

    /// Whether the pending stop stores the status.
    pub(super) fn stop_stores_status(&self) -> bool {
        self.latched.load(Ordering::Acquire) & STORE_STATUS != 0
    }

    /// The stop has been carried out.
    pub(super) fn clear_stop(&self) {
        self.latched
            .fetch_and(!(STOP | STORE_STATUS), Ordering::AcqRel);
    }

    /// Whether the CPU is configured, so that orders reach it.
    pub fn is_configured(&self) -> bool {
        self.configured.load(Ordering::Acquire)
    }

    /// Makes the CPU configured, or standby; what it was before.
    pub fn configure(&self, configured: bool) -> bool {
        self.configured.swap(configured, Ordering::AcqRel)
    }

    /// Latched interruptions for saving: emergency-signal sources below 64, external call,
    /// restart and stop.
    pub fn latched_words(&self) -> (u64, u32, u32) {
        (
            self.emergency[0].load(Ordering::Acquire),
            self.external_call.load(Ordering::Acquire),
            self.latched.load(Ordering::Acquire),
        )
    }

    /// Takes over what [`CpuHandle::latched_words`] gave.
    pub fn restore_latched(&self, (emergency, external_call, latched): (u64, u32, u32)) {
        self.emergency[0].store(emergency, Ordering::Release);
        self.external_call.store(external_call, Ordering::Release);
        self.latched.store(latched, Ordering::Release);
        self.kick(INTERRUPT);
    }

    /// Sources of emergency signals from 64 on, for saving.
    pub fn further_emergencies(&self) -> [u64; CPU_WORDS - 1] {
        std::array::from_fn(|n| self.emergency[n + 1].load(Ordering::Acquire))
    }

    /// Takes over what [`CpuHandle::further_emergencies`] gave, after
    /// [`CpuHandle::restore_latched`].
    pub fn restore_further_emergencies(&self, words: [u64; CPU_WORDS - 1]) {
        for (word, value) in self.emergency[1..].iter().zip(words) {
            word.store(value, Ordering::Release);
        }
    }

    /// What a CPU reset clears.
    pub(super) fn clear_latched(&self) {
        for word in &self.emergency {
            word.store(0, Ordering::Release);
        }
        self.external_call.store(0, Ordering::Release);
        self.latched.store(0, Ordering::Release);
    }

    /// The thread enters the guest.
    pub(super) fn enter_guest(&self) {
        self.in_guest.store(true, Ordering::SeqCst);
    }

    /// The thread has left the guest.
    pub(super) fn leave_guest(&self) {
        self.in_guest.store(false, Ordering::SeqCst);
    }
}
