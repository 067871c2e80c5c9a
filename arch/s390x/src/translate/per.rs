//! What blocks do for program-event recording: such a block has one instruction, which tells the
//! CPU where it begins and where it branches. What becomes of that is in [`crate::cpu::per`].

use tcg::ir::{Cond, Exit, Val};
use tcg::{Effects, HelperDef};

use super::{Target, Tx};
use crate::cpu::{BREAKING_EVENT, EXECUTE_ADDRESS, S390Cpu};

static BEGIN: HelperDef = HelperDef::new0("per_begin", Effects::TRAPS, |cpu: &mut S390Cpu| {
    cpu.per_begin().map(|()| 0)
});

static FETCHED: HelperDef = HelperDef::new1(
    "per_fetched",
    Effects::TRAPS,
    |cpu: &mut S390Cpu, address| cpu.per_fetched(address).map(|()| 0),
);

static BRANCHED: HelperDef = HelperDef::new2(
    "per_branched",
    Effects::TRAPS,
    |cpu: &mut S390Cpu, taken, target| {
        if taken != 0 {
            cpu.per_branched(target);
        }
        Ok(0)
    },
);

/// Says that it writes memory so that it stays behind the store.
static STORED_REAL: HelperDef =
    HelperDef::new0("per_stored_real", Effects::MEMORY, |cpu: &mut S390Cpu| {
        cpu.per_stored_real();
        Ok(0)
    });

impl Tx<'_> {
    /// An instruction begins.
    pub(super) fn per_begin(&mut self) {
        if self.flags.per() {
            self.call(&BEGIN, &[]);
        }
    }

    /// The target of an EXECUTE begins.
    pub(super) fn per_target(&mut self) {
        if self.flags.per() {
            let address = self.b.get(EXECUTE_ADDRESS);
            self.call(&FETCHED, &[address]);
        }
    }

    /// A branch is taken if the comparison holds.
    pub(super) fn per_branch_if(&mut self, cond: Cond, a: Val, b: Val, target: Target) {
        let (one, zero) = (self.c64(1), self.c64(0));
        let taken = self.b.select(cond, a, b, one, zero);
        let from = self.c64(self.pc);
        let old = self.b.get(BREAKING_EVENT);
        let from = self.b.select(cond, a, b, from, old);
        self.b.put(BREAKING_EVENT, from);
        let exit = self.branched(taken, target);
        self.b.exit_if(Cond::Ne, taken, zero, exit);
    }

    /// A branch is taken; the exit to its target.
    pub(super) fn per_branch(&mut self, target: Target) -> Exit {
        let one = self.c64(1);
        self.branched(one, target)
    }

    /// The exit is one that always comes by the run loop's look for interruptions.
    fn branched(&mut self, taken: Val, target: Target) -> Exit {
        let target = match target {
            Target::Const(address) => self.c64(address),
            Target::Computed(address) => address,
        };
        self.call(&BRANCHED, &[taken, target]);
        Exit::Lookup { pc: Some(target) }
    }

    /// An operand at a real address has been stored.
    pub(super) fn per_stored_real(&mut self) {
        if self.flags.per() {
            self.call(&STORED_REAL, &[]);
        }
    }
}
