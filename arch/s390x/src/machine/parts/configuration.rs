//! What the machine is: checked, not taken over, for a guest has looked at it already.

use machine::{CpuPlace, CpuTopology, Entitlement};
use migration::part::{decode, load, save, unsuitable};
use migration::{Part, PartError};
use serde::{Deserialize, Serialize};

use super::SMALL;
use crate::cpu::facility::{self, ESOP, Facilities, PLO, TOPOLOGY};
use crate::cpu::features;
use crate::machine::Shared;
use crate::machine::vcpu::Crew;

/// What the machine is made of.
pub struct ConfigurationPart<'a> {
    /// The machine.
    pub shared: &'a Shared,
    /// Its CPUs.
    pub crew: &'a Crew,
}

/// What it is saved with: 2 has facilities beyond those of the facility list, CPUs by their
/// addresses, and whether the guest is still to be told of new ones.
const VERSION: u32 = 2;

/// As it is saved.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Configuration {
    ram_bytes: u64,
    /// CPUs that are there.
    cpus: Vec<SavedPlace>,
    /// Drawers, books in one, sockets in one, CPUs in one.
    shape: [u32; 4],
    /// CPUs are polarized vertically.
    vertical: bool,
    /// A change of the topology has not been reported.
    topology_changed: bool,
    /// The guest has not been told of all of them.
    cpus_changed: bool,
    /// CPUs that can ever be present.
    max_cpus: u16,
    /// What the guest's CPUs show.
    facilities: [u64; facility::WORDS],
    /// Whether there is an operator's console.
    console: bool,
    /// Name and UUID, which STORE SYSTEM INFORMATION shows.
    name: String,
    uuid: Option<[u8; 16]>,
}

/// A CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct SavedPlace {
    address: u16,
    configured: bool,
    drawer: u32,
    book: u32,
    socket: u32,
    /// 1 to 3.
    entitlement: u8,
    dedicated: bool,
}

impl SavedPlace {
    fn new(address: u16, configured: bool, attributes: CpuTopology) -> Self {
        let CpuPlace {
            drawer,
            book,
            socket,
        } = attributes.place;
        Self {
            address,
            configured,
            drawer,
            book,
            socket,
            entitlement: match attributes.entitlement {
                Entitlement::Low => 1,
                Entitlement::Medium => 2,
                Entitlement::High => 3,
            },
            dedicated: attributes.dedicated,
        }
    }

    fn attributes(&self) -> CpuTopology {
        CpuTopology {
            place: CpuPlace {
                drawer: self.drawer,
                book: self.book,
                socket: self.socket,
            },
            entitlement: match self.entitlement {
                1 => Entitlement::Low,
                2 => Entitlement::Medium,
                _ => Entitlement::High,
            },
            dedicated: self.dedicated,
        }
    }
}

#[derive(Deserialize)]
struct Configuration1 {
    ram_bytes: u64,
    cpus: u16,
    max_cpus: u16,
    facilities: [u64; facility::LIST_WORDS],
    console: bool,
    name: String,
    uuid: Option<[u8; 16]>,
}

impl From<Configuration1> for Configuration {
    /// Machines of version 1 always had enhanced suppression on protection and all functions of
    /// PERFORM LOCKED OPERATION, which the facility list does not tell.
    fn from(old: Configuration1) -> Self {
        let mut words = [0; facility::WORDS];
        words[..facility::LIST_WORDS].copy_from_slice(&old.facilities);
        let mut facilities = Facilities::from_words(words);
        facilities.set(ESOP, true);
        for function in 0..24 {
            facilities.set(PLO + function, true);
        }
        Self {
            ram_bytes: old.ram_bytes,
            cpus: (0..old.cpus)
                .map(|address| SavedPlace::new(address, true, CpuTopology::default()))
                .collect(),
            shape: [1, 1, 1, u32::from(old.max_cpus)],
            vertical: false,
            topology_changed: false,
            cpus_changed: false,
            max_cpus: old.max_cpus,
            facilities: facilities.words(),
            console: old.console,
            name: old.name,
            uuid: old.uuid,
        }
    }
}

impl ConfigurationPart<'_> {
    fn here(&self) -> Configuration {
        let cpus = self.shared.cpus.iter();
        let topology = self.shared.topology();
        let places = cpus.map(|cpu| {
            let address = cpu.address();
            SavedPlace::new(address, cpu.is_configured(), topology.attributes(address))
        });
        let shape = topology.shape();
        Configuration {
            ram_bytes: self.shared.ram().size(),
            cpus: places.collect(),
            shape: [shape.drawers, shape.books, shape.sockets, shape.cores],
            vertical: topology.is_vertical(),
            topology_changed: topology.report_pending(),
            cpus_changed: self.shared.sclp.cpus_changed(),
            max_cpus: self.shared.max_cpus,
            facilities: self.shared.facilities().words(),
            console: self.shared.sclp.has_console(),
            name: self.shared.identity.name.clone(),
            uuid: self.shared.identity.uuid,
        }
    }

    /// What of the guest's machine cannot be had here.
    fn objection(&self, there: &Configuration) -> Option<String> {
        let shown = Facilities::from_words(there.facilities);
        let lacking: Vec<String> = shown
            .without(&self.shared.installed_facilities())
            .map(features::name)
            .collect();
        let here = self.here();
        let addresses = |cpus: &[SavedPlace]| cpus.iter().map(|cpu| cpu.address).collect();
        let (guests, present): (Vec<u16>, Vec<u16>) =
            (addresses(&there.cpus), addresses(&here.cpus));
        let mut absent = guests.clone();
        absent.retain(|address| !present.contains(address));
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        if there.ram_bytes != here.ram_bytes {
            let (there, here) = (mib(there.ram_bytes), mib(here.ram_bytes));
            Some(format!(
                "the guest has {there} MiB of RAM, this machine {here} (-m)"
            ))
        } else if there.max_cpus != here.max_cpus {
            Some(format!(
                "the guest has {} CPUs of at most {}, this machine {} of {} (-smp)",
                there.cpus.len(),
                there.max_cpus,
                here.cpus.len(),
                here.max_cpus
            ))
        } else if let Some(first) = absent.first() {
            Some(format!(
                "the guest has CPUs with the core ids {}, and this machine, with {}, lacks {} \
                 (-smp; -device ...-s390x-cpu,core-id={first})",
                numbers(&guests),
                numbers(&present),
                numbers(&absent)
            ))
        } else if shown.has(TOPOLOGY) && there.shape != here.shape {
            let words = |[drawers, books, sockets, cores]: [u32; 4]| {
                format!("drawers={drawers},books={books},sockets={sockets},cores={cores}")
            };
            let (there, here) = (words(there.shape), words(here.shape));
            Some(format!(
                "the guest's CPUs lie in {there}, this machine's in {here} (-smp)"
            ))
        } else if !lacking.is_empty() {
            Some(format!(
                "the guest's CPUs have features that this machine's lack (-cpu): {}",
                lacking.join(", ")
            ))
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
        }
    }

    /// The guest shows what it showed where it came from, also where more is installed here. CPUs
    /// that it has not are new to it.
    fn take_over(&self, there: &Configuration) {
        let shown = Facilities::from_words(there.facilities);
        let here = self.here();
        if (&there.name, there.uuid) != (&here.name, here.uuid) {
            log::warn!("the guest was given another name or UUID than this machine (-name, -uuid)");
        }
        // What had become of the guest that was here, if any, is not this one's.
        self.crew.revive();
        for vcpu in self.crew.vcpus() {
            let address = vcpu.handle().address();
            vcpu.expect(there.cpus.iter().any(|cpu| cpu.address == address));
        }
        for saved in &there.cpus {
            if let Some(cpu) = self.shared.cpus.get(saved.address) {
                cpu.configure(saved.configured);
            }
        }
        // Where nothing is shown of it, it stays as it is here.
        if shown.has(TOPOLOGY) {
            let cpus = there.cpus.iter();
            self.shared.topology().restore(
                there.vertical,
                there.topology_changed,
                cpus.map(|cpu| (cpu.address, cpu.attributes())),
            );
        }
        self.shared.sclp.set_cpus_changed(there.cpus_changed);
        if shown != self.shared.facilities() {
            self.shared.show_facilities(shown);
            for vcpu in self.crew.vcpus() {
                vcpu.visit(|cpu| cpu.control.facilities = shown);
            }
            // Blocks were made for other facilities.
            self.shared.system.forget_blocks();
        }
    }

    fn decode(&self, version: u32, payload: &[u8]) -> Result<Configuration, PartError> {
        match version {
            1 => Ok(decode::<Configuration1>(self, payload)?.into()),
            _ => load(self, version, payload),
        }
    }
}

/// Numbers for people: `0-2, 5`.
fn numbers(of: &[u16]) -> String {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for &number in of {
        match ranges.last_mut() {
            Some((_, last)) if number.checked_sub(1) == Some(*last) => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let words = ranges.into_iter().map(|(first, last)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    });
    words.collect::<Vec<_>>().join(", ")
}

impl Part for ConfigurationPart<'_> {
    fn name(&self) -> &'static str {
        "s390x-machine"
    }

    fn version(&self) -> u32 {
        VERSION
    }

    fn max_bytes(&self) -> usize {
        SMALL
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        save(self, &self.here())
    }

    fn check(&self, version: u32, payload: &[u8]) -> Result<(), PartError> {
        let there = self.decode(version, payload)?;
        self.objection(&there)
            .map_or(Ok(()), |why| Err(unsuitable(self, why)))
    }

    fn load(&mut self, version: u32, payload: &[u8]) -> Result<(), PartError> {
        let there = self.decode(version, payload)?;
        if let Some(why) = self.objection(&there) {
            return Err(unsuitable(self, why));
        }
        self.take_over(&there);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_in_ranges() {
        assert_eq!(numbers(&[]), "");
        assert_eq!(numbers(&[3]), "3");
        assert_eq!(numbers(&[0, 1, 2, 5, 7, 8]), "0-2, 5, 7-8");
    }
}
