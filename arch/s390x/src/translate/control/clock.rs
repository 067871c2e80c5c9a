//! Instructions that read and set clocks. What clocks are is in [`crate::clock`].

use tcg::ir::{BinOp, Ty};
use tcg::{Effects, HelperDef, Intrinsic, Trap, mem};

use super::super::operand::B8;
use super::super::{Flow, Tx, require};
use super::{CONTROLS, LOOKS, mode};
use crate::clock::steering;
use crate::cpu::{ProgramCode, S390Cpu, facility, sets};
use crate::insn::Insn;

static TOD: HelperDef =
    HelperDef::new0("tod", LOOKS, |cpu: &mut S390Cpu| Ok(cpu.read_tod().clock()))
        .with_intrinsic(Intrinsic::ReadClock);
static TOD_UNIQUE: HelperDef = HelperDef::new0("tod_unique", LOOKS, |cpu: &mut S390Cpu| {
    Ok(cpu.read_tod_unique())
})
.with_intrinsic(Intrinsic::ReadClockUnique);

/// STORE CLOCK: serialised before and after; no two CPUs and no two executions store the same value.
pub(crate) fn stck(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let address = tx.ea2(i);
    tx.b.fence();
    let value = tx.call(&TOD_UNIQUE, &[]);
    tx.store(B8, i.b2, address, value);
    tx.b.fence();
    tx.set_cc_const(0);
    Flow::Next
}

/// STORE CLOCK FAST.
pub(crate) fn stckf(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let address = tx.ea2(i);
    let value = tx.call(&TOD, &[]);
    tx.store(B8, i.b2, address, value);
    tx.set_cc_const(0);
    Flow::Next
}

/// STORE CLOCK EXTENDED: serialised as STORE CLOCK.
pub(crate) fn stcke(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    fn store(cpu: &mut S390Cpu, address: u64, space: u64) -> Result<u64, Trap> {
        let image = cpu.tod_extended();
        mem::write_bytes(cpu, mode(space), address, &image)?;
        Ok(0)
    }
    static STORE: HelperDef = HelperDef::new2("stcke", Effects::MEMORY, store);
    // What an engine does by itself has the epoch index in it.
    static STORE_INDEX: HelperDef = HelperDef::new2("stcke_index", Effects::MEMORY, store)
        .with_intrinsic(Intrinsic::StoreClock {
            last: std::mem::offset_of!(S390Cpu, control.clock.programmable),
        });
    let (address, space) = (tx.ea2(i), tx.data_mode_arg(i.b2));
    let helper = if tx.has(facility::MULTIPLE_EPOCH) {
        &STORE_INDEX
    } else {
        &STORE
    };
    tx.b.fence();
    tx.call(helper, &[address, space]);
    tx.b.fence();
    tx.set_cc_const(0);
    Flow::Next
}

/// An instruction that takes an aligned doubleword.
fn takes(tx: &mut Tx<'_>, i: &Insn, helper: &'static HelperDef) -> Flow {
    require!(tx.privileged());
    let address = tx.ea2(i);
    let value = tx.load_aligned(Ty::I64, B8, i.b2, address);
    tx.call(helper, &[value]);
    // A condition that holds now interrupts before the next instruction.
    Flow::NewBlock
}

/// An instruction that stores an aligned doubleword.
fn gives(tx: &mut Tx<'_>, i: &Insn, helper: &'static HelperDef) -> Flow {
    require!(tx.privileged());
    let address = tx.ea2(i);
    let value = tx.call(helper, &[]);
    tx.store_aligned(B8, i.b2, address, value);
    Flow::Next
}

/// SET CLOCK.
pub(crate) fn sck(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    static SET: HelperDef = HelperDef::new1("sck", CONTROLS, |cpu: &mut S390Cpu, value| {
        cpu.set_tod(value);
        Ok(0)
    });
    let flow = takes(tx, i, &SET);
    if flow == Flow::NewBlock {
        tx.set_cc_const(0);
    }
    flow
}

/// SET CLOCK COMPARATOR.
pub(crate) fn sckc(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    static SET: HelperDef = HelperDef::new1("sckc", CONTROLS, |cpu: &mut S390Cpu, value| {
        cpu.set_comparator(value);
        Ok(0)
    });
    takes(tx, i, &SET)
}

/// STORE CLOCK COMPARATOR.
pub(crate) fn stckc(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    static GET: HelperDef = HelperDef::new0("ckc", LOOKS, |cpu: &mut S390Cpu| {
        Ok(cpu.control.clock.comparator)
    });
    gives(tx, i, &GET)
}

/// SET CPU TIMER.
pub(crate) fn spt(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    static SET: HelperDef = HelperDef::new1("spt", CONTROLS, |cpu: &mut S390Cpu, value| {
        cpu.set_cpu_timer(value);
        Ok(0)
    });
    takes(tx, i, &SET)
}

static CPU_TIMER: HelperDef =
    HelperDef::new0("cpu_timer", LOOKS, |cpu: &mut S390Cpu| Ok(cpu.cpu_timer()))
        .with_intrinsic(Intrinsic::ReadTimer);

/// STORE CPU TIMER.
pub(crate) fn stpt(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    gives(tx, i, &CPU_TIMER)
}

/// SET CLOCK PROGRAMMABLE FIELD: register 0, whose bits 32-47 are zero.
pub(crate) fn sckpf(tx: &mut Tx<'_>, _: &Insn) -> Flow {
    static SET: HelperDef = HelperDef::new1("sckpf", Effects::TRAPS, |cpu: &mut S390Cpu, value| {
        if value & 0xffff_0000 != 0 {
            return Err(ProgramCode::Specification.into());
        }
        cpu.control.clock.programmable = value as u16;
        Ok(0)
    });
    require!(tx.privileged());
    let value = tx.r64(0);
    tx.call(&SET, &[value]);
    Flow::Next
}

/// PERFORM TIMING FACILITY FUNCTION: the function is in register 0, the parameter block where
/// register 1 says. Control functions, with bit 57 of register 0 one, are privileged.
pub(crate) fn ptff(tx: &mut Tx<'_>, _: &Insn) -> Flow {
    static PERFORM: HelperDef = HelperDef::new2(
        "ptff",
        Effects::ALL.within(sets::GR0, sets::CC),
        |cpu: &mut S390Cpu, address, space| {
            let function = cpu.gpr[0] as u8;
            if function & steering::RESERVED != 0 {
                return Err(ProgramCode::Specification.into());
            }
            if function & steering::CONTROLS != 0 && cpu.flags().problem() {
                return Err(ProgramCode::PrivilegedOperation.into());
            }
            let Some(query) = cpu.query(function) else {
                cpu.set_cc(3);
                return Ok(0);
            };
            mem::write_bytes(cpu, mode(space), address, &cpu.ask(query))?;
            cpu.set_cc(0);
            Ok(0)
        },
    );
    let (address, space) = (tx.register_address(1), tx.data_mode_arg(1));
    tx.call(&PERFORM, &[address, space]);
    Flow::Next
}

/// EXTRACT CPU TIME: register 0 gets the first operand less the CPU timer, register 1 the second
/// operand, R3 the doubleword that it addresses.
pub(crate) fn ectg(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let (first, second) = (tx.ea1(i), tx.ea2(i));
    let third = tx.register_address(i.r3);
    let first = tx.load(Ty::I64, B8, i.b1, first);
    let second = tx.load(Ty::I64, B8, i.b2, second);
    let third = tx.load(Ty::I64, B8, i.r3, third);
    let timer = tx.call(&CPU_TIMER, &[]);
    let elapsed = tx.b.bin(BinOp::Sub, first, timer);
    tx.set_r64(0, elapsed);
    tx.set_r64(1, second);
    tx.set_r64(i.r3, third);
    Flow::Next
}
