//! What the machine is: checked, not taken over, for a guest has looked at it already.

use migration::StatePart;
use serde::{Deserialize, Serialize};

use super::SMALL;
use crate::cpu::features::Abilities;
use crate::machine::{KvmCpus, Shared};

/// What the machine is made of.
pub struct ConfigurationPart<'a> {
    /// The machine.
    pub shared: &'a Shared,
    /// Its CPUs, if they execute anything.
    pub kvm: Option<&'a KvmCpus>,
    /// How many there are.
    pub cpus: usize,
}

/// As it is saved.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    ram_bytes: u64,
    cpus: u32,
    /// What CPUs can do that execute guest code; none if they do not.
    executes: Option<Abilities>,
    /// Whether there is an interval timer.
    pit: bool,
    /// Whether there is a serial port.
    console: bool,
    name: String,
    uuid: Option<[u8; 16]>,
}

impl ConfigurationPart<'_> {
    fn here(&self) -> Configuration {
        Configuration {
            ram_bytes: self.shared.memory.ram().size(),
            cpus: self.cpus as u32,
            executes: self.kvm.map(|kvm| kvm.abilities.clone()),
            pit: self.kvm.is_some_and(|kvm| kvm.vm.has_pit()),
            console: self.shared.board.console_input().is_some(),
            name: self.shared.identity.name.clone(),
            uuid: self.shared.identity.uuid,
        }
    }
}

impl StatePart for ConfigurationPart<'_> {
    const NAME: &'static str = "x86-machine";
    const MAX_BYTES: usize = SMALL;
    type State = Configuration;

    fn state(&self) -> Result<Configuration, String> {
        Ok(self.here())
    }

    fn take_over(&mut self, there: Configuration) -> Result<(), String> {
        let here = self.here();
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let has = |yes| if yes { "has" } else { "lacks" };
        let differs = if there.ram_bytes != here.ram_bytes {
            let (there, here) = (mib(there.ram_bytes), mib(here.ram_bytes));
            Some(format!(
                "the guest has {there} MiB of RAM, this machine {here} (-m)"
            ))
        } else if there.cpus != here.cpus {
            let (there, here) = (there.cpus, here.cpus);
            Some(format!(
                "the guest has {there} CPUs, this machine {here} (-smp)"
            ))
        } else if there.executes.is_some() != here.executes.is_some() {
            Some("one of the machines executes guest code, the other does not (-accel)".into())
        } else if let (Some(there), Some(here)) = (&there.executes, &here.executes)
            && let Some(what) = there.missing(here)
        {
            Some(format!(
                "the guest's CPUs can do what this machine's cannot: {what} (-cpu)"
            ))
        } else if there.pit != here.pit {
            let (there, here) = (has(there.pit), has(here.pit));
            Some(format!(
                "the guest {there} an interval timer, this host's KVM {here} one"
            ))
        } else if there.console != here.console {
            let (there, here) = (has(there.console), has(here.console));
            Some(format!(
                "the guest {there} a serial port, this machine {here} one (-serial)"
            ))
        } else {
            None
        };
        if let Some(why) = differs {
            return Err(why);
        }
        if (there.name, there.uuid) != (here.name, here.uuid) {
            log::warn!("the guest was given another name or UUID than this machine (-name, -uuid)");
        }
        Ok(())
    }
}
