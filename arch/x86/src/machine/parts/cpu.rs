//! A CPU, but for its clocks; whether it can go on, too.

use migration::StatePart;
use serde::{Deserialize, Serialize};

use super::SMALL;
use crate::cpu::{CpuState, Vcpu};
use crate::kvm::KvmError;
use crate::machine::KvmCpus;

/// A CPU.
pub struct CpuPart<'a> {
    /// It.
    pub vcpu: &'a Vcpu,
    /// What it belongs to.
    pub kvm: &'a KvmCpus,
}

/// A CPU as it is saved.
#[derive(Serialize, Deserialize)]
pub struct SavedCpu {
    /// Whether it has ever been started. One that can no longer go on counts, too: what run control
    /// was told may never be acted on where the VM came from, and it runs into the same again.
    started: bool,
    state: CpuState,
}

impl StatePart for CpuPart<'_> {
    const NAME: &'static str = "x86-cpu";
    const MAX_BYTES: usize = SMALL;
    type State = SavedCpu;

    fn number(&self) -> u32 {
        self.vcpu.index() as u32
    }

    fn state(&self) -> Result<SavedCpu, String> {
        let state = self
            .vcpu
            .visit(|vcpu| CpuState::read(vcpu, &self.kvm.msrs))
            .map_err(|error| error.to_string())?;
        Ok(SavedCpu {
            started: self.vcpu.has_started(),
            state,
        })
    }

    fn take_over(&mut self, saved: SavedCpu) -> Result<(), String> {
        let outcome = self.vcpu.visit(|vcpu| {
            let before = CpuState::read(vcpu, &self.kvm.msrs)?;
            saved.state.set(vcpu).inspect_err(|_| {
                // What was here is valid.
                if let Err(error) = before.set(vcpu) {
                    log::error!("CPU {} is in no state: {error}", self.number());
                }
            })
        });
        outcome.map_err(|error: KvmError| error.to_string())?;
        if saved.started {
            self.vcpu.revive();
        } else {
            self.vcpu.rest();
        }
        Ok(())
    }
}
