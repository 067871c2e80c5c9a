//! Multiboot 1: kernels that say with a header how they want to be loaded.
//!
//! Multiboot Specification 0.6.96. A header within the first 8192 bytes, at a multiple of 4; the
//! file is ELF, or the header's address fields say what of the file goes where ("a.out kludge"),
//! by which any flat image can be booted. The kernel gets a command line that begins with its
//! file's name, modules from `-initrd FILE[ ARGUMENTS][,FILE...]`, and the memory map. Not here:
//! graphics modes, which nobody could show.

use machine::{BootSource, MachineError};

use super::{BootImage, Entry, Segment, Surroundings, cmdline, elf, map, read};

/// Where the information structure goes; all it points to follows it, but for modules and the
/// command line.
pub(super) const INFO_AT: u64 = 0x1_0000;
/// Room for it.
const INFO_END: u64 = super::CMDLINE_AT;

/// Bytes in which the header is looked for.
const SEARCHED: usize = 8192;
const MAGIC: u32 = 0x1bad_b002;

/// Header flags: modules on page boundaries, memory information, a video mode, addresses.
const WANTS_VIDEO: u32 = 1 << 2;
const HAS_ADDRESSES: u32 = 1 << 16;
/// What a loader has to know or refuse.
const KNOWN: u32 = 0x3;
const REQUIRED: u32 = 0xffff;

/// Information flags: memory sizes, command line, modules, memory map, loader's name.
const INFO_FLAGS: u32 = 1 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9;
const INFO_BYTES: u64 = 120;

/// A header that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Where in the file.
    offset: usize,
    flags: u32,
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

impl Header {
    /// Looks for a header; `None` if the file has none.
    ///
    /// # Errors
    /// The header asks for what this loader does not do, in words.
    pub(super) fn find(bytes: &[u8]) -> Result<Option<Self>, String> {
        let found = (0..SEARCHED.min(bytes.len()))
            .step_by(4)
            .find_map(|offset| {
                let (magic, flags) = (word(bytes, offset)?, word(bytes, offset + 4)?);
                let sum = magic
                    .wrapping_add(flags)
                    .wrapping_add(word(bytes, offset + 8)?);
                (magic == MAGIC && sum == 0).then_some(Self { offset, flags })
            });
        let Some(header) = found else { return Ok(None) };
        if header.flags & WANTS_VIDEO != 0 {
            log::warn!("the kernel asks for a video mode, and there is no display");
        }
        let unknown = header.flags & REQUIRED & !KNOWN & !WANTS_VIDEO;
        if unknown != 0 {
            return Err(format!(
                "its Multiboot header asks for what this loader does not know (flags {unknown:#x})"
            ));
        }
        Ok(Some(header))
    }

    /// The kernel's segments, by the header's addresses or as an ELF file, and its entry.
    fn kernel(self, bytes: &[u8], end: u64) -> Result<(Vec<Segment>, u64), String> {
        if self.flags & HAS_ADDRESSES == 0 {
            if !elf::is_elf(bytes) {
                return Err("its Multiboot header has no addresses, and it is no ELF file".into());
            }
            let elf = elf::parse(bytes, end)?;
            return Ok((elf.segments, elf.entry));
        }
        let field = |n: usize| {
            word(bytes, self.offset + 12 + 4 * n)
                .map(u64::from)
                .ok_or("its Multiboot header is cut off")
        };
        let (header_at, load) = (field(0)?, field(1)?);
        let (load_end, bss_end, entry) = (field(2)?, field(3)?, field(4)?);
        let bad = || "the addresses in its Multiboot header contradict each other".to_owned();
        let before = header_at.checked_sub(load).ok_or_else(bad)?;
        let start = (self.offset as u64).checked_sub(before).ok_or_else(bad)?;
        let rest = &bytes[start as usize..];
        let length = match load_end {
            0 => rest.len() as u64,
            end => end.checked_sub(load).ok_or_else(bad)?,
        };
        let data = rest
            .get(..length as usize)
            .ok_or("the file ends before what its Multiboot header says")?;
        let zeros = match bss_end {
            0 => 0,
            end => end.checked_sub(load + length).ok_or_else(bad)?,
        };
        let segment = Segment {
            address: load,
            bytes: data.into(),
            zeros,
        };
        if segment.end() > end {
            return Err(format!(
                "its {} bytes at {load:#x} do not fit into the {} MiB of memory there",
                segment.end() - load,
                end >> 20
            ));
        }
        Ok((vec![segment], entry))
    }
}

struct Module {
    start: u64,
    bytes: Vec<u8>,
    text: String,
}

/// Modules as `-initrd` names them, on page boundaries from `from` on.
fn modules(source: &BootSource, from: u64, end: u64) -> Result<Vec<Module>, MachineError> {
    let Some(list) = &source.initrd else {
        return Ok(Vec::new());
    };
    let list = list.display().to_string();
    let mut at = from;
    let mut modules = Vec::new();
    for text in list.split(',') {
        let name = text.split(' ').next().unwrap_or(text);
        let fail = |why: String| MachineError::Initrd {
            name: name.to_owned(),
            why,
        };
        let bytes = read(name.as_ref()).map_err(fail)?;
        at = at.next_multiple_of(4096);
        let length = bytes.len() as u64;
        if at.checked_add(length).is_none_or(|last| last > end) {
            return Err(fail(format!(
                "its {length} bytes do not fit at {at:#x} into the {} MiB of memory there",
                end >> 20
            )));
        }
        modules.push(Module {
            start: at,
            bytes,
            text: text.to_owned(),
        });
        at += length;
    }
    Ok(modules)
}

/// A kernel with a Multiboot header, ready to be entered.
pub(super) fn image(
    bytes: &[u8],
    header: Header,
    name: &str,
    source: &BootSource,
    surroundings: &Surroundings,
    fail: &dyn Fn(String) -> MachineError,
) -> Result<BootImage, MachineError> {
    let low_end = surroundings.low_end();
    let (mut segments, entry) = header.kernel(bytes, low_end).map_err(fail)?;
    let eip = u32::try_from(entry)
        .map_err(|_| fail(format!("its entry {entry:#x} is not in the first 4 GiB")))?;
    let end = segments.iter().map(Segment::end).max().unwrap_or(0);
    let modules = modules(source, end.max(map::ABOVE_1M), low_end)?;
    let line = match source.cmdline.as_str() {
        "" => name.to_owned(),
        arguments => format!("{name} {arguments}"),
    };
    let entry = Entry::Multiboot {
        eip,
        info: INFO_AT as u32,
    };
    let mut ours = entry.segments();
    ours.push(cmdline(&line, u64::MAX)?);
    let info = information(surroundings, &modules);
    if INFO_AT + info.len() as u64 > INFO_END {
        return Err(MachineError::Initrd {
            name: name.to_owned(),
            why: format!("{} modules are too many", modules.len()),
        });
    }
    ours.push(Segment::new(INFO_AT, info));
    for segment in &segments {
        let overlaps =
            |other: &&Segment| segment.address < other.end() && other.address < segment.end();
        if let Some(taken) = ours.iter().find(overlaps) {
            return Err(fail(format!(
                "it wants memory at {:#x}, where the loader's own data goes",
                taken.address
            )));
        }
    }
    segments.extend(ours);
    let module = |module: Module| Segment::new(module.start, module.bytes);
    segments.extend(modules.into_iter().map(module));
    Ok(BootImage { segments, entry })
}

/// The information structure and what it points to.
fn information(surroundings: &Surroundings, modules: &[Module]) -> Vec<u8> {
    let mut map = Vec::new();
    for range in map::ranges(surroundings.layout) {
        // The size of an entry does not count itself.
        map.extend(20u32.to_le_bytes());
        map.extend(range.start.to_le_bytes());
        map.extend((range.end - range.start).to_le_bytes());
        map.extend(range.kind.number().to_le_bytes());
    }
    let map_at = INFO_AT + INFO_BYTES;
    let modules_at = map_at + map.len() as u64;
    let mut text_at = modules_at + 16 * modules.len() as u64;
    let (mut list, mut texts) = (Vec::new(), Vec::new());
    let mut text = |text: &str| {
        let at = text_at;
        texts.extend(text.as_bytes());
        texts.push(0);
        text_at += text.len() as u64 + 1;
        at as u32
    };
    for module in modules {
        let end = module.start + module.bytes.len() as u64;
        for value in [module.start as u32, end as u32, text(&module.text), 0] {
            list.extend(value.to_le_bytes());
        }
    }
    let loader = text("emu");
    let upper = surroundings.low_end().saturating_sub(map::ABOVE_1M) >> 10;

    let mut info = vec![0; INFO_BYTES as usize];
    let mut put = |at: usize, value: u64| {
        info[at..at + 4].copy_from_slice(&(value as u32).to_le_bytes());
    };
    put(0, INFO_FLAGS.into());
    put(4, map::BASE_END >> 10);
    put(8, upper);
    put(16, super::CMDLINE_AT);
    put(20, modules.len() as u64);
    put(24, modules_at);
    put(44, map.len() as u64);
    put(48, map_at);
    put(64, loader.into());
    info.extend(map);
    info.extend(list);
    info.extend(texts);
    info
}
