//! Linux kernels: bzImage and ELF (`vmlinux`), entered at their 64-bit entry.
//!
//! Documentation/arch/x86/boot.rst and zero-page.rst. What real-mode code would have found out is
//! in the zero page: the memory map, the command line, the initial RAM disk. There is no ACPI;
//! CPUs are found by the table of [`super::mptable`]. Not here: the state of the CPU
//! ([`super::entry`]).

use std::io::Cursor;
use std::path::Path;

use linux_loader::loader::bootparam::{boot_e820_entry, boot_params, setup_header};
use linux_loader::loader::{BzImage, KernelLoader};
use machine::{BootSource, MachineError};
use vm_memory::{ByteValued, GuestAddress, GuestMemoryMmap};

use super::{BootImage, Entry, Segment, Surroundings, cmdline, elf, map, read};

/// Where the protected-mode part of a bzImage is loaded, whatever address it prefers: it moves
/// itself there.
const LOAD_AT: u64 = 0x10_0000;
/// From there to the 64-bit entry.
const ENTRY_64: u64 = 0x200;
const ZERO_PAGE_AT: u64 = 0x7000;

/// Of the setup header in the file: itself, the byte that says how long it is and what that is
/// counted from, and its mark.
const HEADER_AT: usize = 0x1f1;
const LENGTH_AT: usize = 0x201;
const LENGTH_FROM: usize = 0x202;
const MARK: &[u8] = b"HdrS";

/// `xloadflags`: there is a 64-bit entry.
const KERNEL_64: u16 = 1;
/// `loadflags`: the kernel is loaded high.
const LOADED_HIGH: u8 = 1;
/// `type_of_loader`: one that has no number.
const UNKNOWN_LOADER: u8 = 0xff;
/// Oldest protocol that has a 64-bit entry, 2.12.
const OLDEST: u16 = 0x020c;

/// What a kernel that says nothing takes: `vmlinux` has no setup header.
const CMDLINE_LIMIT: u64 = 2048;
const INITRD_MAX: u64 = 0x7fff_ffff;

/// `setup_header.header` and `boot_flag`.
const HEADER_MARK: u32 = 0x5372_6448;
const BOOT_FLAG: u16 = 0xaa55;

/// Whether a file is a bzImage, or one of its elders.
pub(super) fn is_image(bytes: &[u8]) -> bool {
    bytes
        .get(LENGTH_FROM..)
        .is_some_and(|rest| rest.starts_with(MARK))
}

/// A bzImage, ready to be entered.
pub(super) fn image(
    bytes: &[u8],
    source: &BootSource,
    surroundings: &Surroundings,
    fail: &dyn Fn(String) -> MachineError,
) -> Result<BootImage, MachineError> {
    let header = header(bytes);
    if header.version < OLDEST || header.xloadflags & KERNEL_64 == 0 {
        let version = header.version;
        return Err(fail(format!(
            "it has no 64-bit entry (boot protocol {}.{})",
            version >> 8,
            version & 0xff
        )));
    }
    // The library checks the rest of the header, and knows where the kernel begins in the file.
    let scratch: GuestMemoryMmap<()> =
        GuestMemoryMmap::from_ranges(&[(GuestAddress(LOAD_AT), bytes.len())])
            .map_err(|error| fail(error.to_string()))?;
    let loaded = BzImage::load(
        &scratch,
        Some(GuestAddress(LOAD_AT)),
        &mut Cursor::new(bytes),
        None,
    )
    .map_err(|error| fail(format!("it is no bzImage: {error}")))?;
    let length = (loaded.kernel_end - LOAD_AT) as usize;
    let kernel = Segment::new(LOAD_AT, &bytes[bytes.len() - length..]);
    // While it moves and unpacks itself it needs this much, from where it prefers to be.
    let init_size = u64::from(header.init_size);
    let needed = header.pref_address.max(LOAD_AT).saturating_add(init_size);
    let needed = needed.max(kernel.end());
    if needed > surroundings.low_end() {
        return Err(fail(format!(
            "it needs {} MiB of memory to start, and there are {}",
            needed.div_ceil(1 << 20),
            surroundings.low_end() >> 20
        )));
    }
    finish(
        vec![kernel],
        LOAD_AT + ENTRY_64,
        header,
        needed,
        source,
        surroundings,
    )
}

/// A 64-bit ELF file, ready to be entered as Linux.
pub(super) fn elf_image(
    bytes: &[u8],
    source: &BootSource,
    surroundings: &Surroundings,
    fail: &dyn Fn(String) -> MachineError,
) -> Result<BootImage, MachineError> {
    let elf = elf::parse(bytes, surroundings.low_end()).map_err(fail)?;
    if !elf.is_64 {
        return Err(fail(
            "it is a 32-bit ELF file without a Multiboot header".into(),
        ));
    }
    if elf
        .segments
        .iter()
        .any(|segment| segment.address < map::ABOVE_1M)
    {
        return Err(fail(
            "it wants memory below 1 MiB, where the loader's own data goes".into(),
        ));
    }
    let end = elf.segments.iter().map(Segment::end).max().unwrap_or(0);
    let header = setup_header {
        header: HEADER_MARK,
        boot_flag: BOOT_FLAG,
        version: OLDEST,
        ..Default::default()
    };
    finish(elf.segments, elf.entry, header, end, source, surroundings)
}

/// The setup header of a file; what the file's own does not have is zero.
fn header(bytes: &[u8]) -> setup_header {
    let mut header = setup_header::default();
    let length = bytes.get(LENGTH_AT).copied().unwrap_or(0);
    let end = (LENGTH_FROM + usize::from(length)).min(bytes.len());
    let there = bytes.get(HEADER_AT..end).unwrap_or_default();
    let count = there.len().min(size_of::<setup_header>());
    header.as_mut_slice()[..count].copy_from_slice(&there[..count]);
    header
}

/// Adds what every Linux kernel is given.
fn finish(
    mut segments: Vec<Segment>,
    rip: u64,
    mut header: setup_header,
    kernel_end: u64,
    source: &BootSource,
    surroundings: &Surroundings,
) -> Result<BootImage, MachineError> {
    let limit = match header.cmdline_size {
        0 => CMDLINE_LIMIT,
        // Without the final zero byte.
        size => u64::from(size) + 1,
    };
    let line = cmdline(&source.cmdline, limit)?;
    header.type_of_loader = UNKNOWN_LOADER;
    header.loadflags |= LOADED_HIGH;
    header.code32_start = LOAD_AT as u32;
    header.cmd_line_ptr = line.address as u32;
    if let Some(path) = &source.initrd {
        let highest = match header.initrd_addr_max {
            0 => INITRD_MAX,
            highest => highest.into(),
        };
        let end = surroundings.low_end().min(highest + 1);
        let initrd = initrd(path, kernel_end, end)?;
        header.ramdisk_image = initrd.address as u32;
        header.ramdisk_size = initrd.bytes.len() as u32;
        segments.push(initrd);
    }
    let mut page = boot_params {
        hdr: header,
        acpi_rsdp_addr: super::acpi::RSDP_AT,
        ..Default::default()
    };
    let ranges = map::ranges(surroundings.layout);
    let mut table = page.e820_table;
    for (entry, range) in table.iter_mut().zip(&ranges) {
        *entry = boot_e820_entry {
            addr: range.start,
            size: range.end - range.start,
            type_: range.kind.number(),
        };
    }
    page.e820_table = table;
    page.e820_entries = ranges.len().min(table.len()) as u8;
    let entry = Entry::Linux {
        rip,
        zero_page: ZERO_PAGE_AT,
    };
    segments.extend(entry.segments());
    segments.push(Segment::new(ZERO_PAGE_AT, page.as_slice()));
    segments.push(line);
    Ok(BootImage { segments, entry })
}

/// The initial RAM disk, as high as it may be.
fn initrd(path: &Path, from: u64, end: u64) -> Result<Segment, MachineError> {
    let fail = |why: String| MachineError::Initrd {
        name: path.display().to_string(),
        why,
    };
    let bytes = read(path).map_err(fail)?;
    let length = bytes.len() as u64;
    let at = end
        .checked_sub(length)
        .map(|at| at & !0xfff)
        .filter(|at| *at >= from)
        .ok_or_else(|| {
            fail(format!(
                "its {length} bytes do not fit between the kernel's end at {from:#x} and {end:#x}"
            ))
        })?;
    Ok(Segment::new(at, bytes))
}
