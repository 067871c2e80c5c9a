//! What the machine is: checked, not taken over, for a guest has looked at it already.

use migration::StatePart;
use serde::{Deserialize, Serialize};

use super::SMALL;
use crate::machine::Shared;
use crate::machine::vcpu::Crew;

/// What the machine is made of.
pub struct ConfigurationPart<'a> {
    /// The machine.
    pub shared: &'a Shared,
    /// Its CPUs.
    pub crew: &'a Crew,
}

/// As it is saved.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    ram_bytes: u64,
    cpus: u16,
    /// CPUs that can ever be present.
    max_cpus: u16,
    /// The facility list.
    facilities: [u64; 4],
    /// Whether there is an operator's console.
    console: bool,
    /// Name and UUID, which STORE SYSTEM INFORMATION shows.
    name: String,
    uuid: Option<[u8; 16]>,
}

impl ConfigurationPart<'_> {
    fn here(&self) -> Configuration {
        let facilities = self.crew.vcpus[0].visit(|cpu| *cpu.control.facilities.doublewords());
        Configuration {
            ram_bytes: self.shared.ram().size(),
            cpus: self.shared.cpu_count,
            max_cpus: self.shared.max_cpus,
            facilities,
            console: self.shared.sclp.has_console(),
            name: self.shared.identity.name.clone(),
            uuid: self.shared.identity.uuid,
        }
    }
}

impl StatePart for ConfigurationPart<'_> {
    const NAME: &'static str = "s390x-machine";
    const MAX_BYTES: usize = SMALL;
    type State = Configuration;

    fn state(&self) -> Result<Configuration, String> {
        Ok(self.here())
    }

    fn take_over(&mut self, there: Configuration) -> Result<(), String> {
        let here = self.here();
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let differs = if there.ram_bytes != here.ram_bytes {
            let (there, here) = (mib(there.ram_bytes), mib(here.ram_bytes));
            Some(format!(
                "the guest has {there} MiB of RAM, this machine {here} (-m)"
            ))
        } else if (there.cpus, there.max_cpus) != (here.cpus, here.max_cpus) {
            Some(format!(
                "the guest has {} CPUs of at most {}, this machine {} of {} (-smp)",
                there.cpus, there.max_cpus, here.cpus, here.max_cpus
            ))
        } else if there.facilities != here.facilities {
            Some("the guest's CPUs have other facilities than this machine's (-cpu)".into())
        } else if there.console != here.console {
            let (is, has) = if there.console {
                ("has", "has none")
            } else {
                ("has no", "has one")
            };
            Some(format!(
                "the guest {is} an operator's console, this machine {has} (-device sclpconsole)"
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
        // What had become of the guest that was here, if any, is not this one's.
        self.crew.revive();
        Ok(())
    }
}
