//! A CPU, but for its clocks; whether it can go on, too.

use migration::part::{load, save, unsuitable};
use migration::{Part, PartError};
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

#[derive(Serialize, Deserialize)]
struct SavedCpu {
    /// Whether it has ever been started. One that can no longer go on counts, too: what run control
    /// was told may never be acted on where the VM came from, and it runs into the same again.
    started: bool,
    state: CpuState,
}

impl Part for CpuPart<'_> {
    fn name(&self) -> &'static str {
        "x86-cpu"
    }

    fn instance(&self) -> u32 {
        self.vcpu.index() as u32
    }

    fn version(&self) -> u32 {
        1
    }

    fn max_bytes(&self) -> usize {
        SMALL
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        let saved = SavedCpu {
            started: self.vcpu.has_started(),
            state: self
                .vcpu
                .visit(|vcpu| CpuState::read(vcpu, &self.kvm.msrs))
                .map_err(|error| unsuitable(self, error))?,
        };
        save(self, &saved)
    }

    fn load(&mut self, version: u32, payload: &[u8]) -> Result<(), PartError> {
        let saved: SavedCpu = load(self, version, payload)?;
        let outcome = self.vcpu.visit(|vcpu| {
            let before = CpuState::read(vcpu, &self.kvm.msrs)?;
            saved.state.set(vcpu).inspect_err(|_| {
                // What was here is valid.
                if let Err(error) = before.set(vcpu) {
                    log::error!("CPU {} is in no state: {error}", self.instance());
                }
            })
        });
        outcome.map_err(|error: KvmError| unsuitable(self, error))?;
        if saved.started {
            self.vcpu.revive();
        } else {
            self.vcpu.rest();
        }
        Ok(())
    }
}
