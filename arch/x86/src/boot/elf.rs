//! ELF files as memory segments.
//!
//! By physical addresses of the program headers, 32-bit and 64-bit alike. Not here: how what
//! they hold is entered.

use object::Endianness;
use object::elf::{EM_386, EM_X86_64, FileHeader32, FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};

use super::Segment;

/// An ELF file's segments.
pub(super) struct Elf {
    pub(super) segments: Vec<Segment>,
    /// As the header has it, which for kernels is a physical address.
    pub(super) entry: u64,
    /// Whether it is a 64-bit file.
    pub(super) is_64: bool,
}

/// Whether a file begins as ELF files do.
pub(super) fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF")
}

/// Reads an ELF file whose segments all lie below `end`.
///
/// # Errors
/// The reason in words.
pub(super) fn parse(bytes: &[u8], end: u64) -> Result<Elf, String> {
    const CLASS_AT: usize = 4;
    const CLASS_64: u8 = 2;
    if bytes.get(CLASS_AT) == Some(&CLASS_64) {
        parse_as::<FileHeader64<Endianness>>(bytes, end, EM_X86_64)
    } else {
        parse_as::<FileHeader32<Endianness>>(bytes, end, EM_386)
    }
}

fn parse_as<H: FileHeader<Endian = Endianness>>(
    bytes: &[u8],
    end: u64,
    machine: u16,
) -> Result<Elf, String> {
    let damaged = |error: object::Error| format!("the ELF file is damaged: {error}");
    let header = H::parse(bytes).map_err(damaged)?;
    let endian = header.endian().map_err(damaged)?;
    let found = header.e_machine(endian);
    if header.is_big_endian() || found != machine {
        return Err(format!(
            "it is an ELF file for another machine (number {found})"
        ));
    }
    let mut segments = Vec::new();
    for program in header.program_headers(endian, bytes).map_err(damaged)? {
        let size: u64 = program.p_memsz(endian).into();
        if program.p_type(endian) != PT_LOAD || size == 0 {
            continue;
        }
        let address: u64 = program.p_paddr(endian).into();
        let data = program
            .data(endian, bytes)
            .map_err(|()| "the ELF file is damaged: a segment is not in the file".to_owned())?;
        let zeros = size.checked_sub(data.len() as u64).ok_or(
            "the ELF file is damaged: a segment has more bytes in the file than in memory",
        )?;
        if address.checked_add(size).is_none_or(|last| last > end) {
            return Err(format!(
                "its segment of {size} bytes at {address:#x} does not fit into the {} MiB of \
                 memory there",
                end >> 20
            ));
        }
        segments.push(Segment {
            address,
            bytes: data.into(),
            zeros,
        });
    }
    if segments.is_empty() {
        return Err("the ELF file has nothing to load".into());
    }
    Ok(Elf {
        segments,
        entry: header.e_entry(endian).into(),
        is_64: header.is_class_64(),
    })
}
