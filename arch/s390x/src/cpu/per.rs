//! Program-event recording: which events an instruction has caused, and telling the guest
//! (Principles of Operation, chapter 4, "Program-Event Recording").
//!
//! While PSW bit 1 is one every instruction is a block of its own (the bit is one of the block
//! key's). The block begins with [`S390Cpu::per_begin`]; a taken branch calls
//! [`S390Cpu::per_branched`]; stores come by way of address translation, which lets no page be
//! remembered as writable meanwhile ([`S390Cpu::per_stored`]). What has been recognised waits in
//! [`Per`] until the instruction ends: together with a program interruption of its own
//! ([`super::program_interrupt::deliver`]), else by [`deliver`], the first thing at the next look
//! for interruptions. So nothing is ever waiting while a CPU is saved.
//!
//! Installed are the events of branching, fetching (also with nullification, PER-3), storage
//! alteration and store using real address; not those of other facilities (storage keys, zero
//! addresses, transactions). Not here: what is emitted into a block ([`crate::translate::per`]).

use std::num::NonZeroU8;

use tcg::Trap;
use tcg::ir::{MemMode, MemSize};

use super::key::{MODE_ACCESS_REGISTER, MODE_HOME, MODE_PRIMARY, MODE_REAL, MODE_SECONDARY};
use super::{ProgramCode, S390Cpu, lowcore, psw};
use crate::memory::Space;

/// Event masks and codes: bits 32-39 of CR9, and the PER code.
pub mod event {
    /// Successful branching.
    pub const BRANCH: u8 = 0x80;
    /// Instruction fetching.
    pub const FETCH: u8 = 0x40;
    /// Storage alteration.
    pub const STORE: u8 = 0x20;
    /// Store using real address; its mask needs that of [`STORE`] and its code has that too.
    pub const STORE_REAL: u8 = 0x08;
    /// Instruction fetching, the instruction nullified; with [`FETCH`] only.
    pub const NULLIFICATION: u8 = 0x01;
}

/// Where the event masks are in CR9.
const EVENTS_SHIFT: u32 = 63 - 39;
/// CR9 bit 40, branch-address control: only branches to the designated area count.
const BRANCH_ADDRESS: u64 = 1 << (63 - 40);
/// CR9 bit 42, storage-alteration-space control: only designated spaces count.
const ALTERATION_SPACE: u64 = 1 << (63 - 42);
/// Bit 56 of an address-space-control element: storage alterations of the space count.
const SPACE_ALTERATION: u64 = 0x80;

/// The instruction in execution, as an event tells it.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    address: u64,
    /// Addressing and translation mode identification, without the space of a store.
    modes: u8,
    length: u8,
}

/// Events of the instruction in execution.
#[derive(Debug, Clone, Copy)]
pub(super) struct Events {
    code: NonZeroU8,
    at: Place,
    /// PER ASCE identification of a store, and its access register.
    space: u8,
    access_register: u8,
}

/// What of an instruction has happened when it ends in a program interruption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Everything.
    Completed,
    /// Nothing, or the completed units of operation ([`S390Cpu::per_unit_done`]).
    Nullified,
}

/// Program-event recording of a CPU.
#[derive(Debug, Clone, Copy, Default)]
pub struct Per {
    at: Place,
    /// All events so far.
    events: Option<Events>,
    /// Those which count even if the rest of the instruction does not happen.
    lasting: Option<Events>,
}

impl Per {
    fn add(&mut self, codes: NonZeroU8, space: u8, access_register: u8) {
        let events = self.events.get_or_insert(Events {
            code: codes,
            at: self.at,
            space: 0,
            access_register: 0,
        });
        events.code |= codes;
        if codes.get() & event::STORE != 0 {
            (events.space, events.access_register) = (space, access_register);
        }
    }

    /// Whether an event waits for its instruction's end.
    pub(super) fn is_pending(&self) -> bool {
        self.events.is_some()
    }

    /// The events of an instruction that has ended so.
    pub(super) fn take(&mut self, ending: Ending) -> Option<Events> {
        let (all, lasting) = (self.events.take(), self.lasting.take());
        match ending {
            Ending::Completed => all,
            Ending::Nullified => lasting,
        }
    }
}

impl S390Cpu {
    fn per_events(&self) -> u8 {
        (self.cr[9] >> EVENTS_SHIFT) as u8
    }

    /// Whether an address lies in the designated area, which may wrap around.
    fn per_designates(&self, address: u64) -> bool {
        let (start, end) = (self.cr[10], self.cr[11]);
        if start <= end {
            (start..=end).contains(&address)
        } else {
            address >= start || address <= end
        }
    }

    fn per_add(&mut self, codes: u8, space: u8, access_register: u8) {
        if let Some(codes) = NonZeroU8::new(codes) {
            self.control.per.add(codes, space, access_register);
            self.recheck_interruptions();
        }
    }

    /// Whether stores are monitored.
    pub(crate) fn per_watches_stores(&self) -> bool {
        self.psw_mask & psw::PER != 0 && self.per_events() & event::STORE != 0
    }

    /// PSW bits have changed: whether stores are monitored decides which translations are used.
    pub(crate) fn per_mask_changed(&mut self, changed: u64) {
        if changed & psw::PER != 0 && self.per_events() & event::STORE != 0 {
            self.core.spaces_changed();
        }
    }

    /// The instruction at `core.pc` begins.
    ///
    /// # Errors
    /// The PER event that nullifies it.
    pub(crate) fn per_begin(&mut self) -> Result<(), Trap> {
        let bit = |at: u32| (self.psw_mask >> (63 - at) & 1) as u8;
        self.control.per = Per {
            at: Place {
                address: self.core.pc,
                modes: bit(31) << 7
                    | 1 << 6
                    | bit(32) << 5
                    | bit(5) << 4
                    | bit(16) << 3
                    | bit(17) << 2,
                length: self.core.ilen as u8,
            },
            ..Per::default()
        };
        self.per_fetched(self.core.pc)
    }

    /// The first byte of the instruction, or of its target, has been fetched from here.
    ///
    /// # Errors
    /// The PER event that nullifies it.
    pub(crate) fn per_fetched(&mut self, address: u64) -> Result<(), Trap> {
        let events = self.per_events();
        if events & event::FETCH == 0 || !self.per_designates(address) {
            return Ok(());
        }
        self.per_add(events & (event::FETCH | event::NULLIFICATION), 0, 0);
        self.per_unit_done();
        if events & event::NULLIFICATION != 0 {
            return Err(ProgramCode::PerEvent.into());
        }
        Ok(())
    }

    /// The instruction branches.
    pub(crate) fn per_branched(&mut self, target: u64) {
        if self.per_events() & event::BRANCH != 0
            && (self.cr[9] & BRANCH_ADDRESS == 0 || self.per_designates(target))
        {
            self.per_add(event::BRANCH, 0, 0);
        }
    }

    /// The instruction stores bytes at an address that does not wrap.
    pub(crate) fn per_stored(&mut self, address: u64, length: u64, mode: MemMode) {
        let translated = self.psw_mask & psw::DAT != 0;
        // Real addresses while DAT is on are no operand's.
        if !self.per_watches_stores() || length == 0 || translated && mode == MODE_REAL {
            return;
        }
        let last = address.wrapping_add(length - 1);
        // An area that begins inside has its first byte there.
        if !self.per_designates(address) && !(address..=last).contains(&self.cr[10]) {
            return;
        }
        if translated
            && self.cr[9] & ALTERATION_SPACE != 0
            && let Ok(Space::Virtual { asce, .. }) = self.space(mode)
            && asce.0 & SPACE_ALTERATION == 0
        {
            return;
        }
        let (space, register) = match mode {
            MODE_REAL | MODE_PRIMARY => (0, 0),
            MODE_SECONDARY => (2, 0),
            MODE_HOME => (3, 0),
            MemMode(mode) => (1, mode - MODE_ACCESS_REGISTER),
        };
        self.per_add(event::STORE, space, register);
    }

    /// The instruction was a store by a real address: that is an event of its own.
    pub(crate) fn per_stored_real(&mut self) {
        const BOTH: u8 = event::STORE | event::STORE_REAL;
        let per = &mut self.control.per;
        per.events = per.lasting;
        if self.per_events() & BOTH == BOTH {
            self.per_add(BOTH, 0, 0);
        }
    }

    /// A unit of operation of an interruptible instruction is complete: its events count,
    /// however the instruction ends.
    pub(crate) fn per_unit_done(&mut self) {
        self.control.per.lasting = self.control.per.events;
    }

    /// Stores what a program interruption tells of PER events.
    pub(super) fn store_events(&mut self, events: Events) {
        let code = u64::from(events.code.get()) << 8 | u64::from(events.at.modes | events.space);
        self.set_lowcore(lowcore::PER_CODE, MemSize::B2, code);
        self.set_lowcore(lowcore::PER_ADDRESS, MemSize::B8, events.at.address);
        let register = u64::from(events.access_register);
        self.set_lowcore(lowcore::PER_ACCESS, MemSize::B1, register);
    }
}

/// Makes the events of an instruction that was completed a program interruption of their own.
pub(super) fn deliver(cpu: &mut S390Cpu) {
    let Some(events) = cpu.control.per.take(Ending::Completed) else {
        return;
    };
    super::program_interrupt::interrupt(
        cpu,
        ProgramCode::PerEvent as u16,
        u64::from(events.at.length),
        cpu.psw(),
        Some(events),
    );
}
