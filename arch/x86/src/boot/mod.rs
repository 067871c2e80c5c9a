//! Boot: what `-kernel`, `-initrd` and `-append` put into memory, and where CPU 0 starts.
//!
//! There is no firmware: a kernel is entered as its boot protocol wants it, with what firmware
//! would have left behind: a memory map, tables of processors and interrupt lines. A boot source is read and
//! checked once, when the machine is built, and kept as memory segments, so that a reset cannot
//! fail on a file that has gone since. Formats: Linux's bzImage ([`linux`]), ELF ([`elf`]), and
//! Multiboot 1 ([`multiboot`]), which is also how flat images for tests say where they go.
//!
//! Below 1 MiB the guest finds, by address:
//! - 0x500: a descriptor table; 0x7000: Linux's zero page, or the end of a Multiboot kernel's first
//!   stack; 0x9000: page tables;
//! - 0x10000: the Multiboot information; 0x20000: the command line;
//! - 0xe0000: ACPI's tables ([`acpi`]) and 0xf0000: the older table of processors ([`mptable`]),
//!   where firmware's read-only memory would be.
//!
//! Not here: resetting CPUs and devices.

pub mod acpi;
pub mod elf;
pub mod entry;
pub mod linux;
pub mod map;
pub mod mptable;
pub mod multiboot;

use std::path::Path;
use std::sync::Arc;

use machine::{BootSource, MachineError};

use crate::memory::{Layout, Memory};
pub use entry::Entry;

/// Where the command line goes.
const CMDLINE_AT: u64 = 0x2_0000;
/// Longest command line, with its final zero byte.
const CMDLINE_MAX: u64 = 0x1_0000;

/// Bytes and where they go.
#[derive(Debug, Clone)]
struct Segment {
    address: u64,
    bytes: Arc<[u8]>,
    /// Zero bytes after them. Memory is zero before it is loaded, so these only take room.
    zeros: u64,
}

impl Segment {
    fn new(address: u64, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self {
            address,
            bytes: bytes.into(),
            zeros: 0,
        }
    }

    fn end(&self) -> u64 {
        self.address + self.bytes.len() as u64 + self.zeros
    }
}

/// A checked boot source, ready to be put into memory any number of times.
#[derive(Debug, Clone)]
pub struct BootImage {
    segments: Vec<Segment>,
    entry: Entry,
}

/// Where a machine's kernel finds itself.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings {
    /// RAM.
    pub layout: Layout,
    /// How many CPUs there are.
    pub cpus: u32,
}

impl Surroundings {
    /// The end of RAM that a kernel is loaded to.
    fn low_end(&self) -> u64 {
        self.layout.stretches().next().map_or(0, |low| low.bytes)
    }
}

impl BootImage {
    /// Reads and checks a boot source against a machine; `None` if no kernel is named.
    ///
    /// # Errors
    /// [`MachineError::Kernel`], [`MachineError::Initrd`], or [`MachineError::Option`] for a
    /// command line that is too long or has no kernel to go to.
    pub fn new(
        source: &BootSource,
        surroundings: &Surroundings,
    ) -> Result<Option<Self>, MachineError> {
        let Some(kernel) = &source.kernel else {
            return match &source.initrd {
                Some(initrd) => Err(MachineError::Initrd {
                    name: initrd.display().to_string(),
                    why: "-initrd needs -kernel".into(),
                }),
                None if !source.cmdline.is_empty() => Err(MachineError::Option {
                    option: "-append",
                    value: source.cmdline.clone(),
                    expected: "a kernel command line needs -kernel".into(),
                }),
                None => Ok(None),
            };
        };
        let name = kernel.display().to_string();
        let fail = |why: String| MachineError::Kernel {
            name: name.clone(),
            why,
        };
        let bytes = read(kernel).map_err(fail)?;
        let mut image = if linux::is_image(&bytes) {
            linux::image(&bytes, source, surroundings, &fail)?
        } else if let Some(header) = multiboot::Header::find(&bytes).map_err(fail)? {
            multiboot::image(&bytes, header, &name, source, surroundings, &fail)?
        } else if elf::is_elf(&bytes) {
            linux::elf_image(&bytes, source, surroundings, &fail)?
        } else {
            return Err(fail(
                "it is neither a Linux bzImage, nor an ELF file, nor has it a Multiboot header"
                    .into(),
            ));
        };
        image.segments.push(mptable::segment(surroundings.cpus));
        image.segments.push(acpi::segment(surroundings.cpus));
        Ok(Some(image))
    }

    /// Puts everything into memory, which holds zeros.
    pub fn load(&self, memory: &Memory) {
        for segment in &self.segments {
            // All ranges are inside the RAM that the image was checked against.
            if let Err(error) = memory.write(segment.address, &segment.bytes) {
                log::error!("a part of the boot image is lost: {error}");
            }
        }
    }

    /// Where CPU 0 starts.
    #[must_use]
    pub fn entry(&self) -> &Entry {
        &self.entry
    }
}

/// A command line with its final zero byte, if it is no longer than `limit` with it.
fn cmdline(text: &str, limit: u64) -> Result<Segment, MachineError> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    let limit = limit.min(CMDLINE_MAX);
    if bytes.len() as u64 > limit {
        return Err(MachineError::Option {
            option: "-append",
            value: format!("{}...", text.chars().take(40).collect::<String>()),
            expected: format!(
                "this kernel takes at most {} bytes, these are {}",
                limit - 1,
                text.len()
            ),
        });
    }
    Ok(Segment::new(CMDLINE_AT, bytes))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    if path.is_dir() {
        return Err("it is a directory".into());
    }
    std::fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    })
}

#[cfg(test)]
mod tests;
