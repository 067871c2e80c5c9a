//! Control registers, prefix, and what a CPU tells of itself.

use tcg::ir::{MemSize, Ty};
use tcg::{Effects, HelperDef, Trap, mem};

use super::super::operand::{B2, B4};
use super::super::{Flow, Tx, require};
use super::{LOOKS, check_alignment, mode};
use crate::cpu::{ProgramCode, S390Cpu, lowcore, sets};
use crate::insn::Insn;

/// Control registers whose contents decide what is enabled: CR0, CR6, CR14.
const ENABLING: u16 = 1 << 0 | 1 << 6 | 1 << 14;
/// Control registers that name address spaces or change what translation allows: CR0, CR1, CR7,
/// CR13, and CR2, CR5 and CR8 by access registers; CR9 tells which stores program-event recording
/// is to see.
const SPACES: u16 = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 13;

impl S390Cpu {
    /// Control registers of this set (bit n for CRn) have new contents.
    fn control_registers_loaded(&mut self, set: u16) {
        if set & SPACES != 0 {
            self.core.spaces_changed();
        }
        if set & ENABLING != 0 {
            self.recheck_interruptions();
        }
    }
}

/// How many registers `first` to `last` are, wrapping, and their numbers.
fn registers(first: u64, last: u64) -> impl Iterator<Item = usize> {
    let count = (last.wrapping_sub(first) & 15) + 1;
    (0..count).map(move |n| (first.wrapping_add(n) & 15) as usize)
}

fn load_control(
    cpu: &mut S390Cpu,
    pair: u64,
    address: u64,
    space: u64,
    bytes: usize,
) -> Result<u64, Trap> {
    check_alignment(address, bytes as u64)?;
    let (first, last) = (pair >> 4, pair & 15);
    let mut buffer = [0; 16 * 8];
    let count = registers(first, last).count();
    mem::read_bytes(cpu, mode(space), address, &mut buffer[..count * bytes])?;
    let mut changed = 0;
    for (n, image) in registers(first, last).zip(buffer.chunks_exact(bytes)) {
        let value = image
            .iter()
            .fold(0, |value, &byte| value << 8 | u64::from(byte));
        let old = cpu.cr[n];
        cpu.cr[n] = if bytes == 4 {
            old & !0xffff_ffff | value
        } else {
            value
        };
        if cpu.cr[n] != old {
            changed |= 1 << n;
        }
    }
    cpu.control_registers_loaded(changed);
    Ok(0)
}

fn store_control(
    cpu: &mut S390Cpu,
    pair: u64,
    address: u64,
    space: u64,
    bytes: usize,
) -> Result<u64, Trap> {
    check_alignment(address, bytes as u64)?;
    let mut image = Vec::with_capacity(16 * 8);
    for n in registers(pair >> 4, pair & 15) {
        image.extend_from_slice(&cpu.cr[n].to_be_bytes()[8 - bytes..]);
    }
    mem::write_bytes(cpu, mode(space), address, &image)?;
    Ok(0)
}

static LOAD_CONTROL_64: HelperDef = HelperDef::new3(
    "lctlg",
    Effects::TRANSLATION,
    |cpu: &mut S390Cpu, pair, address, space| load_control(cpu, pair, address, space, 8),
);
static LOAD_CONTROL_32: HelperDef = HelperDef::new3(
    "lctl",
    Effects::TRANSLATION,
    |cpu: &mut S390Cpu, pair, address, space| load_control(cpu, pair, address, space, 4),
);
static STORE_CONTROL_64: HelperDef = HelperDef::new3(
    "stctg",
    Effects::MEMORY,
    |cpu: &mut S390Cpu, pair, address, space| store_control(cpu, pair, address, space, 8),
);
static STORE_CONTROL_32: HelperDef = HelperDef::new3(
    "stctl",
    Effects::MEMORY,
    |cpu: &mut S390Cpu, pair, address, space| store_control(cpu, pair, address, space, 4),
);

fn control(tx: &mut Tx<'_>, i: &Insn, helper: &'static HelperDef) -> Flow {
    require!(tx.privileged());
    let pair = tx.c64(u64::from(i.r1 << 4 | i.r3));
    let (address, space) = (tx.ea2(i), tx.data_mode_arg(i.b2));
    tx.call(helper, &[pair, address, space]);
    Flow::Next
}

pub(crate) fn lctlg(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    match control(tx, i, &LOAD_CONTROL_64) {
        Flow::Next => Flow::NewBlock,
        flow => flow,
    }
}

pub(crate) fn lctl(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    match control(tx, i, &LOAD_CONTROL_32) {
        Flow::Next => Flow::NewBlock,
        flow => flow,
    }
}

pub(crate) fn stctg(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    control(tx, i, &STORE_CONTROL_64)
}

pub(crate) fn stctl(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    control(tx, i, &STORE_CONTROL_32)
}

/// A number that a store instruction shows.
fn show(tx: &mut Tx<'_>, i: &Insn, size: MemSize, value: &'static HelperDef) -> Flow {
    require!(tx.privileged());
    let address = tx.ea2(i);
    let value = tx.call(value, &[]);
    tx.store_aligned(size, i.b2, address, value);
    Flow::Next
}

/// STORE CPU ADDRESS.
pub(crate) fn stap(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    static ADDRESS: HelperDef = HelperDef::new0("cpu_address", LOOKS, |cpu: &mut S390Cpu| {
        Ok(cpu.cpu_address.into())
    });
    show(tx, i, B2, &ADDRESS)
}

/// STORE PREFIX.
pub(crate) fn stpx(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    static PREFIX: HelperDef = HelperDef::new0("prefix", LOOKS, |cpu: &mut S390Cpu| Ok(cpu.prefix));
    show(tx, i, B4, &PREFIX)
}

/// SET PREFIX.
pub(crate) fn spx(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    static SET: HelperDef =
        HelperDef::new1("spx", Effects::TRANSLATION, |cpu: &mut S390Cpu, operand| {
            let prefix = operand & 0x7fff_e000;
            if !cpu.core.system().ram().contains(prefix, 0x2000) {
                return Err(ProgramCode::Addressing.into());
            }
            cpu.set_prefix(prefix);
            Ok(0)
        });
    require!(tx.privileged());
    let address = tx.ea2(i);
    let operand = tx.load_aligned(Ty::I64, B4, i.b2, address);
    tx.call(&SET, &[operand]);
    Flow::NewBlock
}

/// STORE FACILITY LIST: bits 0-31 at real 200.
pub(crate) fn stfl(tx: &mut Tx<'_>, _: &Insn) -> Flow {
    static STORE: HelperDef = HelperDef::new0("stfl", Effects::MEMORY, |cpu: &mut S390Cpu| {
        let first = cpu.control.facilities.doublewords()[0] >> 32;
        cpu.set_lowcore(lowcore::FACILITIES, B4, first);
        Ok(0)
    });
    require!(tx.privileged());
    tx.call(&STORE, &[]);
    Flow::Next
}

/// STORE FACILITY LIST EXTENDED.
pub(crate) fn stfle(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    static STORE: HelperDef = HelperDef::new2(
        "stfle",
        Effects::ALL.within(sets::GR0, sets::GR0.and(sets::CC)),
        |cpu: &mut S390Cpu, address, space| {
            check_alignment(address, 8)?;
            let list = cpu.control.facilities.doublewords();
            let used = list
                .iter()
                .rposition(|&word| word != 0)
                .map_or(1, |last| last + 1);
            let room = (cpu.gpr[0] & 0xff) as usize + 1;
            let mut image = Vec::with_capacity(used * 8);
            for word in &list[..used.min(room)] {
                image.extend_from_slice(&word.to_be_bytes());
            }
            mem::write_bytes(cpu, mode(space), address, &image)?;
            cpu.gpr[0] = cpu.gpr[0] & !0xff | (used as u64 - 1);
            cpu.set_cc(if room < used { 3 } else { 0 });
            Ok(0)
        },
    );
    let (address, space) = (tx.ea2(i), tx.data_mode_arg(i.b2));
    tx.call(&STORE, &[address, space]);
    Flow::Next
}
