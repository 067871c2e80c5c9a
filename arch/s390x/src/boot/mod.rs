//! Initial program load: what `-kernel`, `-initrd` and `-append` put into memory.
//!
//! A boot source is read and checked once, when the machine is built, and kept as memory
//! segments, so that a reset or a guest's re-IPL cannot fail on a file that has gone since.
//! Facts: s390 Linux boot protocol (arch/s390/boot/head.S and include/asm/setup.h): the image is
//! loaded at 0 and says `S390EP` at 0x10008; entry 0x10000; parameter area at 0x10400. Not here:
//! resetting CPUs.

use std::path::Path;
use std::sync::Arc;

use machine::{BootSource, MachineError};
use object::Endianness;
use object::elf::{EM_S390, FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};

use crate::cpu::psw::{ADDRESSING, BASIC_ADDRESSING, Psw};

/// Entry of a Linux image.
const LINUX_ENTRY: u64 = 0x10000;
/// Where a Linux image has its mark.
const LINUX_MARK_AT: usize = 0x10008;
/// The mark, ASCII.
const LINUX_MARK: &[u8] = b"S390EP";
/// Parameter area: address and size of the initial RAM disk, two doublewords.
const INITRD_AT: u64 = 0x10408;
/// Parameter area: longest command line, a doubleword; 0 in images from before it existed.
const CMDLINE_LIMIT_AT: u64 = 0x10430;
/// Parameter area: the command line, ended by a zero byte.
const CMDLINE_AT: u64 = 0x10480;
/// Longest command line where the image does not say, with the zero byte.
const CMDLINE_LEGACY: u64 = 896;
/// Lowest address of the initial RAM disk.
const INITRD_MIN: u64 = 8 << 20;
/// Room left between the kernel's end and the initial RAM disk.
const INITRD_GAP: u64 = 1 << 20;

/// Bytes and where they go.
#[derive(Debug, Clone)]
struct Segment {
    address: u64,
    bytes: Arc<[u8]>,
    /// Zero bytes after them.
    zeros: u64,
}

/// A checked boot source, ready to be put into memory any number of times.
#[derive(Debug, Clone)]
pub struct BootImage {
    segments: Vec<Segment>,
    entry: Psw,
}

impl BootImage {
    /// Reads and checks a boot source against this much RAM; `None` if no kernel is named.
    ///
    /// # Errors
    /// [`MachineError::Kernel`], [`MachineError::Initrd`], or [`MachineError::Option`] for a
    /// command line that is too long or has no kernel to go to.
    pub fn new(source: &BootSource, ram_bytes: u64) -> Result<Option<Self>, MachineError> {
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
        let bytes = read(kernel).map_err(|why| MachineError::Kernel {
            name: name.clone(),
            why,
        })?;
        let (mut image, end) =
            load_kernel(&bytes, ram_bytes).map_err(|why| MachineError::Kernel {
                name: name.clone(),
                why,
            })?;
        let takes_parameters = image.entry.address == LINUX_ENTRY;
        if takes_parameters {
            image.set_cmdline(&source.cmdline)?;
        } else if !source.cmdline.is_empty() {
            return Err(MachineError::Option {
                option: "-append",
                value: source.cmdline.clone(),
                expected: format!(
                    "a command line needs a kernel with entry {LINUX_ENTRY:#x}, this one has {:#x}",
                    image.entry.address
                ),
            });
        }
        if let Some(initrd) = &source.initrd {
            image.add_initrd(initrd, end, ram_bytes, takes_parameters)?;
        }
        Ok(Some(image))
    }

    /// Puts everything into memory through `write`, which takes an absolute address and bytes;
    /// all ranges are inside the RAM that the image was checked against.
    pub fn load(&self, mut write: impl FnMut(u64, &[u8])) {
        for segment in &self.segments {
            write(segment.address, &segment.bytes);
            let mut at = segment.address + segment.bytes.len() as u64;
            let end = at + segment.zeros;
            while at < end {
                let count = (end - at).min(4096);
                write(at, &[0; 4096][..count as usize]);
                at += count;
            }
        }
    }

    /// The PSW that the boot CPU starts with.
    pub fn entry(&self) -> Psw {
        self.entry
    }

    fn set_cmdline(&mut self, cmdline: &str) -> Result<(), MachineError> {
        let limit = match self.doubleword(CMDLINE_LIMIT_AT) {
            0 => CMDLINE_LEGACY,
            limit => limit,
        };
        if cmdline.len() as u64 >= limit {
            return Err(MachineError::Option {
                option: "-append",
                value: format!("{}...", cmdline.chars().take(40).collect::<String>()),
                expected: format!(
                    "this kernel takes at most {} bytes, these are {}",
                    limit - 1,
                    cmdline.len()
                ),
            });
        }
        let mut bytes = cmdline.as_bytes().to_vec();
        bytes.push(0);
        self.overwrite(CMDLINE_AT, bytes);
        Ok(())
    }

    fn add_initrd(
        &mut self,
        path: &Path,
        kernel_end: u64,
        ram_bytes: u64,
        takes_parameters: bool,
    ) -> Result<(), MachineError> {
        let name = path.display().to_string();
        let fail = |why: String| MachineError::Initrd {
            name: name.clone(),
            why,
        };
        let bytes = read(path).map_err(fail)?;
        let address = (kernel_end + INITRD_GAP)
            .next_multiple_of(4096)
            .max(INITRD_MIN);
        let length = bytes.len() as u64;
        if address
            .checked_add(length)
            .is_none_or(|end| end > ram_bytes)
        {
            return Err(fail(format!(
                "its {length} bytes do not fit at {address:#x} into {} MiB of memory",
                ram_bytes >> 20
            )));
        }
        self.segments.push(Segment {
            address,
            bytes: bytes.into(),
            zeros: 0,
        });
        if takes_parameters {
            let mut parameters = address.to_be_bytes().to_vec();
            parameters.extend(length.to_be_bytes());
            self.overwrite(INITRD_AT, parameters);
        }
        Ok(())
    }

    /// What a doubleword of memory will hold; 0 where the image has nothing.
    fn doubleword(&self, address: u64) -> u64 {
        let mut bytes = [0; 8];
        for segment in &self.segments {
            for (n, byte) in bytes.iter_mut().enumerate() {
                if let Some(at) = (address + n as u64).checked_sub(segment.address)
                    && let Some(value) = segment.bytes.get(at as usize)
                {
                    *byte = *value;
                }
            }
        }
        u64::from_be_bytes(bytes)
    }

    /// Later segments lie over earlier ones.
    fn overwrite(&mut self, address: u64, bytes: Vec<u8>) {
        self.segments.push(Segment {
            address,
            bytes: bytes.into(),
            zeros: 0,
        });
    }
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

const MASK_64: u64 = ADDRESSING;
const MASK_31: u64 = BASIC_ADDRESSING;

/// The kernel as segments, and the first address after it.
fn load_kernel(bytes: &[u8], ram_bytes: u64) -> Result<(BootImage, u64), String> {
    if bytes.starts_with(b"\x7fELF") {
        return load_elf(bytes, ram_bytes);
    }
    let length = bytes.len() as u64;
    if length > ram_bytes {
        return Err(format!(
            "its {length} bytes do not fit into {} MiB of memory",
            ram_bytes >> 20
        ));
    }
    let is_linux = bytes
        .get(LINUX_MARK_AT..)
        .is_some_and(|rest| rest.starts_with(LINUX_MARK));
    let entry = if is_linux {
        Psw {
            mask: MASK_64,
            address: LINUX_ENTRY,
        }
    } else {
        // A flat image starts with an IPL PSW: eight bytes, a short PSW.
        let word = |at: usize| {
            bytes
                .get(at..at + 4)
                .map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
        };
        const SHORT_PSW_BIT: u32 = 0x0008_0000;
        // Bits 0, 2-4 and 24-30, which are zero in every valid PSW.
        const RESERVED: u32 = 0xb800_00fe;
        let entry = u64::from(word(4) & 0x7fff_ffff);
        if word(0) & (SHORT_PSW_BIT | RESERVED) != SHORT_PSW_BIT
            || entry == 0
            || entry >= length
            || entry % 2 != 0
        {
            return Err(
                "it is neither a Linux image, nor an ELF file, nor does it start with an \
                        IPL PSW"
                    .into(),
            );
        }
        let mode = if word(4) & 0x8000_0000 != 0 {
            MASK_31
        } else {
            0
        };
        let mask = u64::from(word(0) & !SHORT_PSW_BIT) << 32;
        Psw {
            mask: mask | mode,
            address: entry,
        }
    };
    let segments = vec![Segment {
        address: 0,
        bytes: bytes.into(),
        zeros: 0,
    }];
    Ok((BootImage { segments, entry }, length))
}

fn load_elf(bytes: &[u8], ram_bytes: u64) -> Result<(BootImage, u64), String> {
    let damaged = |error: object::Error| format!("the ELF file is damaged: {error}");
    let header = FileHeader64::<Endianness>::parse(bytes)
        .map_err(|_| "it is no 64-bit ELF file".to_owned())?;
    let endian = header.endian().map_err(damaged)?;
    if !header.is_big_endian() || header.e_machine(endian) != EM_S390 {
        return Err(format!(
            "it is an ELF file for another machine (number {})",
            header.e_machine(endian)
        ));
    }
    let mut segments = Vec::new();
    let mut end = 0;
    for program in header.program_headers(endian, bytes).map_err(damaged)? {
        if program.p_type(endian) != PT_LOAD || program.p_memsz(endian) == 0 {
            continue;
        }
        let data = program
            .data(endian, bytes)
            .map_err(|()| "the ELF file is damaged: a segment lies outside it".to_owned())?;
        let (address, size) = (program.p_paddr(endian), program.p_memsz(endian));
        let zeros = size
            .checked_sub(data.len() as u64)
            .ok_or("the ELF file is damaged: a segment is larger in the file than in memory")?;
        let segment_end = address.checked_add(size).filter(|&end| end <= ram_bytes).ok_or_else(
            || {
                format!(
                    "its segment of {size} bytes at {address:#x} does not fit into {} MiB of memory",
                    ram_bytes >> 20
                )
            },
        )?;
        end = end.max(segment_end);
        segments.push(Segment {
            address,
            bytes: data.into(),
            zeros,
        });
    }
    if segments.is_empty() {
        return Err("the ELF file has nothing to load".into());
    }
    let entry = Psw {
        mask: MASK_64,
        address: header.e_entry(endian),
    };
    Ok((BootImage { segments, entry }, end))
}

#[cfg(test)]
mod tests {
    use machine::GuestRam;

    use super::*;

    fn flat_linux(limit: u64) -> Vec<u8> {
        let mut image = vec![0; 0x11000];
        image[LINUX_MARK_AT..LINUX_MARK_AT + 6].copy_from_slice(LINUX_MARK);
        image[0x10430..0x10438].copy_from_slice(&limit.to_be_bytes());
        image
    }

    fn source(
        dir: &tempfile::TempDir,
        kernel: &[u8],
        initrd: Option<&[u8]>,
        line: &str,
    ) -> BootSource {
        let path = dir.path().join("kernel");
        std::fs::write(&path, kernel).unwrap();
        let initrd = initrd.map(|bytes| {
            let path = dir.path().join("initrd");
            std::fs::write(&path, bytes).unwrap();
            path
        });
        BootSource {
            kernel: Some(path),
            initrd,
            cmdline: line.into(),
            ..BootSource::default()
        }
    }

    #[test]
    fn a_linux_image_gets_its_parameters() {
        let dir = tempfile::tempdir().unwrap();
        let source = source(&dir, &flat_linux(4096), Some(b"disk"), "root=/dev/x");
        let ram = GuestRam::new(16 << 20).unwrap();
        let image = BootImage::new(&source, ram.size()).unwrap().unwrap();
        image.load(|at, bytes| ram.write(at, bytes).unwrap());
        assert_eq!(
            image.entry(),
            Psw {
                mask: 0x1_8000_0000,
                address: 0x10000
            }
        );
        let mut line = [0; 12];
        ram.read(CMDLINE_AT, &mut line).unwrap();
        assert_eq!(&line, b"root=/dev/x\0");
        let mut place = [0; 16];
        ram.read(INITRD_AT, &mut place).unwrap();
        assert_eq!(place[..8], INITRD_MIN.to_be_bytes());
        assert_eq!(place[8..], 4u64.to_be_bytes());
    }

    #[test]
    fn what_does_not_fit_is_said_in_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let ram = 16 << 20;
        let message = |kernel: &[u8], initrd: Option<&[u8]>, line: &str| {
            BootImage::new(&source(&dir, kernel, initrd, line), ram)
                .unwrap_err()
                .to_string()
        };
        let long = "x".repeat(900);
        assert!(message(&flat_linux(0), None, &long).contains("takes at most 895 bytes"));
        assert!(message(b"nothing", None, "").contains("neither a Linux image"));
        assert!(message(b"root:x:0:0:root:/root:/bin/bash", None, "").contains("neither"));
        assert!(message(b"\x7fELF\x02\x02\x01", None, "").starts_with("could not load kernel"));
        let big = vec![0; 9 << 20];
        assert!(message(&flat_linux(0), Some(&big), "").contains("do not fit"));
        let missing = BootSource {
            kernel: Some("nowhere".into()),
            ..BootSource::default()
        };
        assert_eq!(
            BootImage::new(&missing, ram).unwrap_err().to_string(),
            "could not load kernel 'nowhere': no such file"
        );
    }

    #[test]
    fn a_flat_image_starts_at_its_ipl_psw() {
        let dir = tempfile::tempdir().unwrap();
        let mut image = vec![0x00, 0x08, 0, 0, 0x80, 0, 0x02, 0x00];
        image.resize(0x300, 0);
        let source = source(&dir, &image, None, "");
        let image = BootImage::new(&source, 1 << 20).unwrap().unwrap();
        assert_eq!(
            image.entry(),
            Psw {
                mask: 0x8000_0000,
                address: 0x200
            }
        );
    }
}
