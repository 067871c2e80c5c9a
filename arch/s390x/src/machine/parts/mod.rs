//! The machine's parts that save and restore themselves, in the order of the stream: what the
//! machine is, storage keys, what floats and the console, channel devices, the watchdog, then
//! every CPU.
//!
//! What has been told to run control (a guest that has ended, a reset that is wanted) is no part:
//! a told event may never be acted on where the VM came from, so the CPU that ran into it finds
//! it anew when it runs. Nor is what CPUs remember of storage: translations and blocks are made
//! anew. An EXECUTE whose target has not been executed is executed again.
//!
//! Not here: RAM, which migration moves by itself, and the TOD clock and the timeline, which the
//! clock manager keeps. They come after these parts; see [`CpuPart`] for what waits for them.

mod configuration;
mod console;
mod cpu;
mod devices;
mod keys;

use migration::Part;

use super::Shared;
use super::vcpu::Crew;

pub use configuration::ConfigurationPart;
pub use console::ConsolePart;
pub use cpu::CpuPart;
pub use devices::{ChannelPart, WatchdogPart};
pub use keys::KeysPart;

/// All parts of a machine.
pub(super) fn all<'a>(shared: &'a Shared, crew: &'a Crew) -> Vec<Box<dyn Part + 'a>> {
    let mut parts: Vec<Box<dyn Part + 'a>> = vec![Box::new(ConfigurationPart { shared, crew })];
    parts.extend(KeysPart::all(shared).map(|part| Box::new(part) as _));
    parts.push(Box::new(ConsolePart(shared)));
    parts.push(Box::new(ChannelPart(shared)));
    parts.push(Box::new(WatchdogPart(shared)));
    parts.extend(crew.vcpus().map(|vcpu| Box::new(CpuPart(vcpu)) as _));
    parts
}

/// Payload limit of the small parts, in bytes.
const SMALL: usize = 64 << 10;
