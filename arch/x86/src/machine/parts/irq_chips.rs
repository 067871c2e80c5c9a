//! The interrupt controllers in the kernel: both PICs and the I/O APIC.

use migration::StatePart;

use super::SMALL;
use crate::kvm::{IrqChips, Vm};

/// The interrupt controllers.
pub struct IrqChipsPart<'a>(pub &'a Vm);

impl StatePart for IrqChipsPart<'_> {
    const NAME: &'static str = "x86-irqchips";
    const MAX_BYTES: usize = SMALL;
    type State = IrqChips;

    fn state(&self) -> Result<IrqChips, String> {
        self.0.irq_chips().map_err(|error| error.to_string())
    }

    fn take_over(&mut self, chips: IrqChips) -> Result<(), String> {
        if !chips.is_complete() {
            return Err("it is not the state of two PICs and an I/O APIC".into());
        }
        self.0
            .set_irq_chips(&chips)
            .map_err(|error| error.to_string())
    }
}
