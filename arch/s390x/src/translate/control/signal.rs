//! SIGNAL PROCESSOR: registers and condition code. What orders do is in [`crate::cpu::orders`].

use tcg::{Effects, HelperDef};

use super::super::{Flow, Tx, require};
use crate::cpu::S390Cpu;
use crate::cpu::orders::{self, Outcome};
use crate::insn::Insn;

/// SIGNAL PROCESSOR: order from the second operand's address, receiver from R3, parameter from
/// R1 or the odd register after it, status to R1.
pub(crate) fn sigp(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    static SIGNAL: HelperDef =
        HelperDef::new3("sigp", Effects::ALL, |cpu: &mut S390Cpu, r1, r3, order| {
            let parameter = cpu.gpr[r1 as usize | 1];
            let address = cpu.gpr[r3 as usize] as u16;
            let cc = match orders::signal(cpu, order as u8, address, parameter) {
                Outcome::Accepted => 0,
                Outcome::Status(status) => {
                    let r1 = &mut cpu.gpr[r1 as usize];
                    *r1 = *r1 & !0xffff_ffff | u64::from(status);
                    1
                }
                Outcome::Busy => 2,
                Outcome::NotOperational => 3,
            };
            cpu.set_cc(cc);
            Ok(0)
        });
    require!(tx.privileged());
    let (r1, r3) = (tx.c64(i.r1.into()), tx.c64(i.r3.into()));
    let order = tx.ea2(i);
    tx.call(&SIGNAL, &[r1, r3, order]);
    // An order to itself may have stopped this CPU or changed its state.
    Flow::NewBlock
}
