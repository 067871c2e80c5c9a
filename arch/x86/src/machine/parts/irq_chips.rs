//! The interrupt controllers in the kernel: both PICs and the I/O APIC.

use migration::part::{load, save, unsuitable};
use migration::{Part, PartError};

use super::SMALL;
use crate::kvm::{IrqChips, Vm};

/// The interrupt controllers.
pub struct IrqChipsPart<'a>(pub &'a Vm);

impl Part for IrqChipsPart<'_> {
    fn name(&self) -> &'static str {
        "x86-irqchips"
    }

    fn version(&self) -> u32 {
        1
    }

    fn max_bytes(&self) -> usize {
        SMALL
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        let chips = self
            .0
            .irq_chips()
            .map_err(|error| unsuitable(self, error))?;
        save(self, &chips)
    }

    fn load(&mut self, version: u32, payload: &[u8]) -> Result<(), PartError> {
        let chips: IrqChips = load(self, version, payload)?;
        if !chips.is_complete() {
            return Err(unsuitable(
                self,
                "it is not the state of two PICs and an I/O APIC",
            ));
        }
        self.0
            .set_irq_chips(&chips)
            .map_err(|error| unsuitable(self, error))
    }
}
