//! The loop over a block's instructions: fetch, decode, check what every instruction needs, and
//! hand over to the row's function.

use tcg::ir::{Builder, Exit, MemMode};
use tcg::{Access, BlockKey, Effects, HelperDef, Trap, mem};

use super::{Flow, Tx};
use crate::bfp::Dxc;
use crate::cpu::facility::{ETF2_ENHANCEMENT, ETF3_ENHANCEMENT, EXTENSIONS_3, LOCAL_CLEARING};
use crate::cpu::key::{self, Flags};
use crate::cpu::{EXECUTE_TARGET, ProgramCheck, ProgramCode, S390Cpu};
use crate::insn::Insn;
use crate::insn::decode::{self, decode};
use crate::memory;
use crate::memory::protection::FETCH_OVERRIDE_END;

/// Bytes of a page: a block's instructions all begin in one.
const PAGE: u64 = mem::PAGE_SIZE;

/// Translates one block; see [`tcg::Guest::translate`].
///
/// # Errors
/// The trap of fetching the first instruction.
pub fn translate(cpu: &mut S390Cpu, key: &BlockKey, b: &mut Builder) -> Result<(), Trap> {
    let flags = Flags(key.flags);
    if let Some((image, execute_length)) = key::executed(key.aux) {
        b.insn(key.pc, execute_length);
        // The target is executed once: whatever follows is ordinary code.
        let none = b.c64(0);
        b.put(EXECUTE_TARGET, none);
        let mut tx = Tx {
            b,
            flags,
            pc: key.pc,
            next_pc: 0,
            next_pc_unwrapped: 0,
            executed: true,
            target: None,
            facilities: cpu.control.facilities,
        };
        tx.set_next(execute_length);
        tx.per_target();
        let flow = one(cpu, &mut tx, image);
        end(&mut tx, flow);
        return Ok(());
    }
    let mut pc = key.pc;
    loop {
        let image = match fetch(cpu, flags, pc) {
            Ok(image) => image,
            Err(trap) if pc == key.pc => return Err(trap),
            Err(_) => {
                b.exit(Exit::Jump { pc });
                return Ok(());
            }
        };
        let length = decode::length((image >> 40) as u8);
        b.insn(pc, length);
        let mut tx = Tx {
            b,
            flags,
            pc,
            next_pc: 0,
            next_pc_unwrapped: 0,
            executed: false,
            target: None,
            facilities: cpu.control.facilities,
        };
        tx.check_fetch(length);
        tx.target = target_of(cpu, &mut tx, image);
        tx.set_next(length);
        tx.per_begin();
        let flow = one(cpu, &mut tx, image);
        let next = tx.next_pc;
        if flow != Flow::Next || flags.per() || tx.b.is_full() || next / PAGE != key.pc / PAGE {
            end(&mut tx, flow);
            return Ok(());
        }
        pc = next;
    }
}

/// Checks the fetch of an instruction's last halfword, in the mode of the code.
static CHECK_FETCH: HelperDef = HelperDef::new2(
    "check_fetch",
    Effects::TRAPS,
    |cpu: &mut S390Cpu, address, mode| {
        memory::translate(cpu, address, Access::Execute, MemMode(mode as u8))?;
        Ok(0)
    },
);

impl Tx<'_> {
    /// Where fetch-protection override opens only the first half of a page, translations of blocks
    /// cannot tell what is in the second: each instruction there is checked as it is executed.
    fn check_fetch(&mut self, length: u8) {
        let last = self.wrap_const(self.pc.wrapping_add(u64::from(length) - 2));
        if self.flags.fetch_override() && (FETCH_OVERRIDE_END..PAGE).contains(&last) {
            let (last, mode) = (self.c64(last), self.c64(self.flags.code_mode().0.into()));
            self.call(&CHECK_FETCH, &[last, mode]);
        }
    }

    /// The instruction has this length in bytes.
    fn set_next(&mut self, length: u8) {
        self.next_pc_unwrapped = self.pc.wrapping_add(length.into());
        self.next_pc = self.wrap_const(self.next_pc_unwrapped);
    }
}

/// Ends the block after an instruction.
fn end(tx: &mut Tx<'_>, flow: Flow) {
    match flow {
        Flow::Ended => {}
        // An exit that always comes by the run loop's look for interruptions.
        Flow::Next if !tx.flags.per() => tx.b.exit(Exit::Jump { pc: tx.next_pc }),
        Flow::Next | Flow::NewBlock => {
            let next = tx.b.c64(tx.next_pc);
            tx.b.exit(Exit::Lookup { pc: Some(next) });
        }
    }
}

/// Translates one instruction from its image.
fn one(cpu: &S390Cpu, tx: &mut Tx<'_>, image: u64) -> Flow {
    match decode(image) {
        Some(mut insn) if cpu.control.facilities.has(insn.row.facility) => {
            ignore_absent_controls(cpu, &mut insn);
            if insn.row.format.is_vector() && !tx.flags.vector() {
                return tx.raise(ProgramCheck::data(Dxc::VECTOR_INSTRUCTION.0));
            }
            (insn.row.translate)(tx, &insn)
        }
        _ => tx.raise(ProgramCode::Operation),
    }
}

/// Mask fields that a facility added to an older instruction are ignored without it.
fn ignore_absent_controls(cpu: &S390Cpu, insn: &mut Insn) {
    let facilities = &cpu.control.facilities;
    match insn.row.opcode {
        // TROO, TROT, TRTO, TRTT: ETF2 enhancement.
        0xb990..=0xb993 if !facilities.has(ETF2_ENHANCEMENT) => insn.m3 = 0,
        // CU12, CU21, CU14, CU24: ETF3 enhancement.
        0xb2a6 | 0xb2a7 | 0xb9b0 | 0xb9b1 if !facilities.has(ETF3_ENHANCEMENT) => insn.m3 = 0,
        // POPCNT.
        0xb9e1 if !facilities.has(EXTENSIONS_3) => insn.m3 = 0,
        // IPTE, IDTE.
        0xb221 | 0xb98e if !facilities.has(LOCAL_CLEARING) => insn.m4 = 0,
        _ => {}
    }
}

/// The target of an EXECUTE RELATIVE LONG that lies in the block's first page, so that the same
/// translation leads to both; the block then depends on its bytes.
fn target_of(cpu: &mut S390Cpu, tx: &mut Tx<'_>, image: u64) -> Option<u64> {
    const EXRL: u64 = 0xc60;
    // Program events need to know of the target: it is then executed by itself.
    if image >> 36 & 0xff0 | image >> 32 & 0xf != EXRL || tx.flags.per() {
        return None;
    }
    let distance = i64::from(image as u32 as i32) * 2;
    let address = tx.wrap_const(tx.pc.wrapping_add(distance as u64));
    let last = tx.wrap_const(address.wrapping_add(5));
    if address / PAGE != tx.pc / PAGE || last / PAGE != tx.pc / PAGE {
        return None;
    }
    let target = fetch(cpu, tx.flags, address).ok()?;
    let length = decode::length((target >> 40) as u8);
    let mode = tx.flags.code_mode();
    let place = mem::span(cpu, mode, Access::Execute, address, length.into()).ok()?;
    tx.b.depends_on(place.absolute(), length.into());
    Some(target)
}

/// Fetches the instruction at an address: its image, as many bytes as its first one says.
fn fetch(cpu: &mut S390Cpu, flags: Flags, pc: u64) -> Result<u64, Trap> {
    if !pc.is_multiple_of(2) {
        return Err(ProgramCode::Specification.into());
    }
    let mode = flags.code_mode();
    let mask = flags.addressing().mask();
    let first = mem::fetch(cpu, mode, pc)?;
    let mut image = u64::from(first) << 32;
    let length = decode::length((first >> 8) as u8);
    for halfword in 1..u64::from(length / 2) {
        let next = mem::fetch(cpu, mode, pc.wrapping_add(2 * halfword) & mask)?;
        image |= u64::from(next) << (32 - 16 * halfword);
    }
    Ok(image)
}
