//! PERFORM LOCKED OPERATION: its 24 functions.
//!
//! A function code is a family (what is compared and stored) and a variant (how wide, and
//! whether values are in registers or in the parameter list). One lock serves all lock tokens:
//! the architecture orders executions of this instruction among each other only. All stores are
//! checked before the first is made; the second operand is stored last.

use std::sync::atomic::{Ordering, fence};
use std::sync::{Mutex, PoisonError};

use tcg::Trap;
use tcg::helper::{Effects, HelperDef};
use tcg::ir::MemMode;

use super::interlocked::{aligned, demand_store, load, store};
use super::operand::{first, low_half, second};
use crate::cpu::facility::PLO as PLO_FUNCTIONS;
use crate::cpu::{ProgramCode, S390Cpu, psw};

/// PLO: `(R1 | R3 << 8, second address, fourth address, spaces)`, the third space being that of
/// operands named by the parameter list; the condition code.
pub static PLO: HelperDef = HelperDef::new4("plo", Effects::ALL, plo);

/// Held during every execution.
static LOCK: Mutex<()> = Mutex::new(());

/// What is compared and stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// Compare and load.
    CompareLoad,
    /// Compare and swap.
    Swap,
    /// Double compare and swap.
    DoubleSwap,
    /// Compare and swap and store.
    SwapStore,
    /// Compare and swap and double store.
    SwapDoubleStore,
    /// Compare and swap and triple store.
    SwapTripleStore,
}

/// Where the values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Values {
    Registers,
    List,
}

/// Slots of 16 bytes in the parameter list; shorter values are at their right ends.
mod slot {
    pub(super) const COMPARE_1: u64 = 0;
    pub(super) const REPLACE_1: u64 = 16;
    pub(super) const OPERAND_3: u64 = 32;
    pub(super) const REPLACE_3: u64 = 48;
    /// Operands 3 (as stored), 5 and 7, and from each the distances of the ALET and the address
    /// of where it is stored.
    pub(super) const STORED: [u64; 3] = [48, 80, 112];
    pub(super) const ALET: u64 = 20;
    pub(super) const ADDRESS: u64 = 24;
}

/// One execution.
struct Operation {
    r1: usize,
    r3: usize,
    /// Address of the second operand.
    second: u64,
    second_space: MemMode,
    /// Address of the fourth operand or of the parameter list.
    fourth: u64,
    fourth_space: MemMode,
    /// Space of what the parameter list names.
    named_space: MemMode,
    /// Bytes of the values.
    size: u64,
    values: Values,
}

fn specification() -> Trap {
    ProgramCode::Specification.into()
}

fn plo(
    cpu: &mut S390Cpu,
    registers: u64,
    second_address: u64,
    fourth: u64,
    spaces: u64,
) -> Result<u64, Trap> {
    let control = cpu.gpr[0] as u32;
    if control & 0xffff_fe00 != 0 {
        return Err(specification());
    }
    let code = control & 0xff;
    let installed = code < 24 && cpu.control.facilities.has(PLO_FUNCTIONS + code as u16);
    if control & 0x100 != 0 {
        return Ok(if installed { 0 } else { 3 });
    }
    if !installed {
        return Err(specification());
    }
    let family = match code / 4 {
        0 => Family::CompareLoad,
        1 => Family::Swap,
        2 => Family::DoubleSwap,
        3 => Family::SwapStore,
        4 => Family::SwapDoubleStore,
        5 => Family::SwapTripleStore,
        _ => return Err(specification()),
    };
    let (size, values) = match code % 4 {
        0 => (4, Values::Registers),
        1 => (8, Values::List),
        2 => (8, Values::Registers),
        _ => (16, Values::List),
    };
    let operation = Operation {
        r1: registers as usize & 15,
        r3: (registers >> 8) as usize & 15,
        second: second_address,
        second_space: first(spaces),
        fourth,
        fourth_space: second(spaces),
        named_space: MemMode((spaces >> 16) as u8),
        size,
        values,
    };
    operation.check(family)?;
    let _guard = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    fence(Ordering::SeqCst);
    let result = operation.perform(cpu, family);
    fence(Ordering::SeqCst);
    result
}

impl Operation {
    /// Alignment and register numbers.
    fn check(&self, family: Family) -> Result<(), Trap> {
        aligned(self.second, self.size)?;
        let registers = self.values == Values::Registers;
        let pairs = match family {
            _ if !registers => 0,
            Family::CompareLoad => 0,
            Family::DoubleSwap => self.r1 | self.r3,
            _ => self.r1,
        };
        if pairs % 2 != 0 {
            return Err(specification());
        }
        match family {
            Family::Swap if registers => Ok(()),
            _ => aligned(self.fourth, self.size.min(8)),
        }
    }

    fn perform(&self, cpu: &mut S390Cpu, family: Family) -> Result<u64, Trap> {
        let compare = match self.values {
            Values::Registers => self.register(cpu, self.r1),
            Values::List => self.listed(cpu, slot::COMPARE_1)?,
        };
        let found = load(cpu, self.second_space, self.second, self.size)?;
        if found != compare {
            match self.values {
                Values::Registers => self.set_register(cpu, self.r1, found),
                Values::List => self.set_listed(cpu, slot::COMPARE_1, found)?,
            }
            return Ok(1);
        }
        match family {
            Family::CompareLoad => self.load_third(cpu),
            Family::Swap => self.swap(cpu, &[]),
            Family::DoubleSwap => self.double_swap(cpu),
            Family::SwapStore => {
                let stored = match self.values {
                    Values::Registers => {
                        let value = self.register(cpu, self.r3);
                        Store {
                            at: self.fourth,
                            space: self.fourth_space,
                            alet: None,
                            value,
                        }
                    }
                    Values::List => self.listed_store(cpu, slot::STORED[0])?,
                };
                self.swap(cpu, &[stored])
            }
            Family::SwapDoubleStore => {
                let stores = [
                    self.listed_store(cpu, slot::STORED[0])?,
                    self.listed_store(cpu, slot::STORED[1])?,
                ];
                self.swap(cpu, &stores)
            }
            Family::SwapTripleStore => {
                let stores = [
                    self.listed_store(cpu, slot::STORED[0])?,
                    self.listed_store(cpu, slot::STORED[1])?,
                    self.listed_store(cpu, slot::STORED[2])?,
                ];
                self.swap(cpu, &stores)
            }
        }
    }

    /// The fourth operand replaces the third.
    fn load_third(&self, cpu: &mut S390Cpu) -> Result<u64, Trap> {
        match self.values {
            Values::Registers => {
                let value = load(cpu, self.fourth_space, self.fourth, self.size)?;
                self.set_register(cpu, self.r3, value);
            }
            Values::List => {
                let at = self.listed_store(cpu, slot::STORED[0])?;
                at.name(cpu, self.r3);
                let value = load(cpu, at.space, at.at, self.size)?;
                self.set_listed(cpu, slot::OPERAND_3, value)?;
            }
        }
        Ok(0)
    }

    fn double_swap(&self, cpu: &mut S390Cpu) -> Result<u64, Trap> {
        let (compare, stored) = match self.values {
            Values::Registers => {
                let value = self.register(cpu, self.r3 + 1);
                let stored = Store {
                    at: self.fourth,
                    space: self.fourth_space,
                    alet: None,
                    value,
                };
                (self.register(cpu, self.r3), stored)
            }
            Values::List => {
                let compare = self.listed(cpu, slot::OPERAND_3)?;
                let value = self.listed(cpu, slot::REPLACE_3)?;
                let named = self.listed_store(cpu, slot::STORED[0])?;
                (compare, Store { value, ..named })
            }
        };
        stored.name(cpu, self.r3);
        let found = load(cpu, stored.space, stored.at, self.size)?;
        if found != compare {
            match self.values {
                Values::Registers => self.set_register(cpu, self.r3, found),
                Values::List => self.set_listed(cpu, slot::OPERAND_3, found)?,
            }
            return Ok(2);
        }
        self.swap(cpu, &[stored])
    }

    /// Makes the stores, and replaces the second operand last.
    fn swap(&self, cpu: &mut S390Cpu, stores: &[Store]) -> Result<u64, Trap> {
        let replacement = match self.values {
            Values::Registers => self.register(cpu, self.r1 + 1),
            Values::List => self.listed(cpu, slot::REPLACE_1)?,
        };
        demand_store(cpu, self.second_space, self.second, self.size)?;
        for stored in stores {
            stored.name(cpu, self.r3);
            demand_store(cpu, stored.space, stored.at, self.size)?;
        }
        for stored in stores {
            stored.name(cpu, self.r3);
            store(cpu, stored.space, stored.at, self.size, stored.value)?;
        }
        store(cpu, self.second_space, self.second, self.size, replacement)?;
        Ok(0)
    }

    fn register(&self, cpu: &S390Cpu, register: usize) -> u128 {
        let value = cpu.gpr[register];
        u128::from(if self.size == 4 {
            u64::from(value as u32)
        } else {
            value
        })
    }

    fn set_register(&self, cpu: &mut S390Cpu, register: usize, value: u128) {
        let value = value as u64;
        cpu.gpr[register] = if self.size == 4 {
            low_half(cpu.gpr[register], value)
        } else {
            value
        };
    }

    /// A value in the parameter list.
    fn listed(&self, cpu: &mut S390Cpu, slot: u64) -> Result<u128, Trap> {
        let at = cpu.wrap(self.fourth.wrapping_add(slot + 16 - self.size));
        self.list_field(cpu, at, self.size)
    }

    /// Fields of the list are on their natural boundaries but for quadwords.
    fn list_field(&self, cpu: &mut S390Cpu, at: u64, size: u64) -> Result<u128, Trap> {
        let mut bytes = [0; 16];
        super::operand::read(cpu, self.fourth_space, at, &mut bytes[16 - size as usize..])?;
        Ok(u128::from_be_bytes(bytes))
    }

    fn set_listed(&self, cpu: &mut S390Cpu, slot: u64, value: u128) -> Result<(), Trap> {
        let at = cpu.wrap(self.fourth.wrapping_add(slot + 16 - self.size));
        let bytes = value.to_be_bytes();
        super::operand::write(
            cpu,
            self.fourth_space,
            at,
            &bytes[16 - self.size as usize..],
        )
    }

    /// A value in the parameter list and where the list says that it is stored.
    fn listed_store(&self, cpu: &mut S390Cpu, slot: u64) -> Result<Store, Trap> {
        let value = self.listed(cpu, slot)?;
        let mut alet = None;
        if cpu.psw_mask & psw::DAT != 0 && (cpu.psw_mask & psw::SPACE) >> psw::SPACE_SHIFT == 1 {
            if self.r3 == 0 {
                return Err(specification());
            }
            let at = cpu.wrap(self.fourth.wrapping_add(slot + slot::ALET));
            alet = Some(self.list_field(cpu, at, 4)? as u32);
        }
        let at = cpu.wrap(self.fourth.wrapping_add(slot + slot::ADDRESS));
        let at = self.list_field(cpu, at, 8)? as u64;
        let at = cpu.wrap(at);
        aligned(at, self.size)?;
        Ok(Store {
            at,
            space: self.named_space,
            alet,
            value,
        })
    }
}

/// A value and where it goes.
struct Store {
    at: u64,
    space: MemMode,
    /// In access-register mode: what the parameter list puts into access register R3.
    alet: Option<u32>,
    value: u128,
}

impl Store {
    /// Makes access register R3 name the store's space.
    fn name(&self, cpu: &mut S390Cpu, r3: usize) {
        if let Some(alet) = self.alet
            && cpu.ar[r3] != alet
        {
            cpu.ar[r3] = alet;
            cpu.core.spaces_changed();
        }
    }
}
