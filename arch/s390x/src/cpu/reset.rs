//! Resets of one CPU and the store-status operation (Principles of Operation, chapter 4,
//! "Resets" and "Store Status").
//!
//! Not here: who asks for a reset, and what the rest of the machine does ([`crate::machine`]).

use tcg::ir::MemSize;
use tcg::mem;

use super::S390Cpu;
use super::handle::CpuState;
use super::lowcore;
use super::psw::Psw;
use crate::vector::Vector;

/// CR0 after an initial reset.
const CR0_INITIAL: u64 = 0xe0;
/// Bytes that the vector registers take in storage.
pub(super) const VECTOR_BYTES: u64 = 0x200;
/// CR14 after an initial reset.
const CR14_INITIAL: u64 = 0xc200_0000;

impl S390Cpu {
    /// CPU reset: clears what is pending; registers and the PSW stay. The CPU is stopped.
    pub fn cpu_reset(&mut self) {
        self.control.handle.clear_latched();
        self.control.crash = None;
        self.control.reset = None;
        self.control.at_new_psw = None;
        self.pending = 0;
        self.execute_target = 0;
        self.core.flush_tlb();
        self.set_state(CpuState::Stopped);
    }

    /// Initial CPU reset: CPU reset, and PSW, prefix, timers, control registers and FPC as
    /// after power-on. General, access and floating-point registers stay.
    pub fn initial_reset(&mut self) {
        self.cpu_reset();
        self.set_psw(Psw {
            mask: 0,
            address: 0,
        });
        self.set_prefix(0);
        self.cr = [0; 16];
        self.cr[0] = CR0_INITIAL;
        self.cr[14] = CR14_INITIAL;
        self.fpc = 0;
        // Bits 63 alone: the manual's value of the breaking-event-address register.
        self.breaking_event = 1;
        self.reset_clocks();
        self.core.spaces_changed();
    }

    /// Clear reset of the CPU: initial reset, and all registers zero.
    pub fn clear_reset(&mut self) {
        self.initial_reset();
        self.gpr = [0; 16];
        self.vr = [Vector::ZERO; 32];
        self.ar = [0; 16];
    }

    /// Sets the prefix; all translations are forgotten, since real addresses have changed.
    pub fn set_prefix(&mut self, prefix: u64) {
        self.prefix = prefix;
        self.core.flush_tlb();
    }

    /// What SIGP's stop and store status stores: the status at [`lowcore::SAVE_AREA`], and the
    /// architectural mode, which is z/Architecture.
    pub fn store_status_after_stop(&mut self) {
        self.store_status(lowcore::SAVE_AREA);
        mem::store_absolute(&self.core, lowcore::MODE, MemSize::B1, 1);
    }

    /// Stores the CPU's status in 512 bytes from an absolute address.
    pub fn store_status(&mut self, area: u64) {
        self.store_registers(area);
        let core = &self.core;
        let put = |offset: u64, size: MemSize, value: u64| {
            mem::store_absolute(core, area.wrapping_add(offset), size, value);
        };
        let psw = self.psw();
        put(0x100, MemSize::B8, psw.mask);
        put(0x108, MemSize::B8, psw.address);
        put(0x118, MemSize::B4, self.prefix);
    }

    /// Stores the registers in 512 bytes from an absolute address, as the store-status operation
    /// and a machine-check interruption both do: CPU timer and clock comparator as instructions
    /// show them, the comparator without its rightmost byte.
    pub(super) fn store_registers(&self, area: u64) {
        let core = &self.core;
        let put = |offset: u64, size: MemSize, value: u64| {
            mem::store_absolute(core, area.wrapping_add(offset), size, value);
        };
        for n in 0..16 {
            let at = n as u64;
            put(at * 8, MemSize::B8, self.vr[n].left);
            put(0x80 + at * 8, MemSize::B8, self.gpr[n]);
            put(0x140 + at * 4, MemSize::B4, u64::from(self.ar[n]));
            put(0x180 + at * 8, MemSize::B8, self.cr[n]);
        }
        put(0x11c, MemSize::B4, u64::from(self.fpc));
        put(
            0x124,
            MemSize::B4,
            u64::from(self.control.clock.programmable),
        );
        put(0x128, MemSize::B8, self.cpu_timer());
        put(0x130, MemSize::B8, self.control.clock.comparator >> 8);
    }

    /// Stores the vector registers, [`VECTOR_BYTES`], from an absolute address.
    pub(super) fn store_vectors(&self, area: u64) {
        for (n, register) in (0..).zip(&self.vr) {
            mem::write_absolute(&self.core, area.wrapping_add(16 * n), &register.to_bytes());
        }
    }
}
