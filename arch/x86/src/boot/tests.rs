//! Boot sources that are taken, and those that are not, with the reason.

use std::io::Write as _;
use std::path::PathBuf;

use machine::BootWhen;

use super::*;

fn surroundings(mib: u64) -> Surroundings {
    Surroundings {
        layout: Layout::new(mib << 20),
        cpus: 1,
    }
}

fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn source(kernel: &Path) -> BootSource {
    BootSource {
        kernel: Some(kernel.into()),
        initrd: None,
        cmdline: String::new(),
        when: BootWhen::Creation,
    }
}

fn refusal(bytes: &[u8], mib: u64) -> String {
    let kernel = file(bytes);
    let error = BootImage::new(&source(kernel.path()), &surroundings(mib)).unwrap_err();
    let name = kernel.path().display().to_string();
    error.to_string().replace(&name, "NAME")
}

/// A flat image with a Multiboot header at its start, loaded at 1 MiB.
fn flat(flags: u32, addresses: [u32; 5]) -> Vec<u8> {
    let mut words = vec![
        0x1bad_b002,
        flags,
        0u32.wrapping_sub(0x1bad_b002).wrapping_sub(flags),
    ];
    words.extend(addresses);
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

const FLAT: [u32; 5] = [0x10_0000, 0x10_0000, 0, 0x10_1000, 0x10_0020];

fn find(image: &BootImage, address: u64) -> &[u8] {
    let segment = image
        .segments
        .iter()
        .find(|segment| segment.address == address);
    &segment.unwrap().bytes
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

#[test]
fn a_flat_image_says_where_it_goes_and_gets_what_multiboot_promises() {
    let kernel = file(&flat(1 << 16, FLAT));
    let (one, two) = (file(b"first"), file(b"second"));
    let mut source = source(kernel.path());
    source.cmdline = "a=1 b".into();
    let list = format!("{} x=y,{}", one.path().display(), two.path().display());
    source.initrd = Some(PathBuf::from(&list));
    let image = BootImage::new(&source, &surroundings(8)).unwrap().unwrap();
    assert_eq!(
        *image.entry(),
        Entry::Multiboot {
            eip: 0x10_0020,
            info: multiboot::INFO_AT as u32
        }
    );
    assert_eq!(find(&image, 0x10_0000).len(), 32);
    let line = format!("{} a=1 b\0", kernel.path().display());
    assert_eq!(find(&image, CMDLINE_AT), line.as_bytes());
    let info = find(&image, multiboot::INFO_AT);
    assert_eq!((word(info, 4), word(info, 8)), (639, 7 << 10));
    let at = |address: u32| (u64::from(address) - multiboot::INFO_AT) as usize;
    // Two modules, each on a page of its own behind the kernel with its zeros.
    assert_eq!(word(info, 20), 2);
    let modules = at(word(info, 24));
    assert_eq!(
        (word(info, modules), word(info, modules + 4)),
        (0x10_1000, 0x10_1005)
    );
    assert_eq!(word(info, modules + 16), 0x10_2000);
    assert_eq!(find(&image, 0x10_2000), b"second");
    let text = at(word(info, modules + 8));
    let first = list.split(',').next().unwrap();
    assert_eq!(
        &info[text..text + first.len() + 1],
        format!("{first}\0").as_bytes()
    );
    // The memory map's second entry is not RAM.
    let map = at(word(info, 48));
    assert_eq!(word(info, map), 20);
    assert_eq!(word(info, map + 24 + 20), 2);
}

#[test]
fn what_is_no_kernel_is_refused_with_the_reason() {
    let missing = source("/nowhere/vmlinux".as_ref());
    let error = BootImage::new(&missing, &surroundings(8)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "could not load kernel '/nowhere/vmlinux': no such file"
    );
    assert_eq!(
        refusal(b"hello", 8),
        "could not load kernel 'NAME': it is neither a Linux bzImage, nor an ELF file, nor has it \
         a Multiboot header"
    );
    assert_eq!(
        refusal(&flat(0, FLAT), 8),
        "could not load kernel 'NAME': its Multiboot header has no addresses, and it is no ELF \
         file"
    );
    assert_eq!(
        refusal(&flat(1 << 5 | 1 << 16, FLAT), 8),
        "could not load kernel 'NAME': its Multiboot header asks for what this loader does not \
         know (flags 0x20)"
    );
    let mut bad = FLAT;
    bad[1] = 0x20_0000;
    assert!(refusal(&flat(1 << 16, bad), 8).contains("contradict each other"));
    bad = FLAT;
    bad[3] = 0x7fff_ffff;
    assert!(refusal(&flat(1 << 16, bad), 8).contains("do not fit into the 8 MiB"));
    bad = [0x9000, 0x9000, 0, 0, 0x9000];
    bad[3] = 0x2_0001;
    assert!(refusal(&flat(1 << 16, bad), 8).contains("where the loader's own data goes"));
    assert!(refusal(b"\x7fELF\x02\x01\x01", 8).contains("the ELF file is damaged"));
    assert!(refusal(b"\x7fELF", 8).contains("the ELF file is damaged"));
}

/// The least that is a bzImage: a setup header, and a page of kernel.
fn bzimage(version: u16, xloadflags: u16) -> Vec<u8> {
    let mut bytes = vec![0; 0x400 + 4096];
    bytes[0x1f1] = 1;
    bytes[0x201] = 0x6a;
    bytes[0x202..0x206].copy_from_slice(b"HdrS");
    bytes[0x206..0x208].copy_from_slice(&version.to_le_bytes());
    bytes[0x211] = 1;
    bytes[0x22c..0x230].copy_from_slice(&0x37ff_ffffu32.to_le_bytes());
    bytes[0x236..0x238].copy_from_slice(&xloadflags.to_le_bytes());
    bytes[0x238..0x23c].copy_from_slice(&2047u32.to_le_bytes());
    bytes[0x258..0x260].copy_from_slice(&0x100_0000u64.to_le_bytes());
    bytes[0x260..0x264].copy_from_slice(&0x40_0000u32.to_le_bytes());
    bytes[0x400] = 0xf4;
    bytes
}

#[test]
fn a_bzimage_gets_its_zero_page() {
    let kernel = file(&bzimage(0x20f, 1));
    let initrd = file(&[7; 5000]);
    let mut source = source(kernel.path());
    source.cmdline = "console=ttyS0".into();
    source.initrd = Some(initrd.path().into());
    let image = BootImage::new(&source, &surroundings(64)).unwrap().unwrap();
    assert_eq!(
        *image.entry(),
        Entry::Linux {
            rip: 0x10_0200,
            zero_page: 0x7000
        }
    );
    let loaded = find(&image, 0x10_0000);
    assert_eq!((loaded.len(), loaded[0]), (4096, 0xf4));
    let page = find(&image, 0x7000);
    assert_eq!(page.len(), 4096);
    assert_eq!(&page[0x202..0x206], b"HdrS");
    assert_eq!(page[0x210], 0xff);
    assert_eq!(u64::from(word(page, 0x228)), CMDLINE_AT);
    // As high as memory goes, and whole pages.
    assert_eq!(
        (word(page, 0x218), word(page, 0x21c)),
        ((64 << 20) - 0x2000, 5000)
    );
    assert_eq!(page[0x1e8], 4);
    assert_eq!(
        (word(page, 0x2d0 + 8), word(page, 0x2d0 + 16)),
        (0x9_fc00, 1)
    );
    assert_eq!(find(&image, CMDLINE_AT), b"console=ttyS0\0");
}

#[test]
fn a_bzimage_that_cannot_start_is_refused() {
    assert!(refusal(&bzimage(0x20f, 0), 64).ends_with("no 64-bit entry (boot protocol 2.15)"));
    assert!(refusal(&bzimage(0x20f, 1), 18).contains("it needs 20 MiB of memory to start"));
    let kernel = file(&bzimage(0x20f, 1));
    let mut long = source(kernel.path());
    long.cmdline = "x".repeat(2048);
    let error = BootImage::new(&long, &surroundings(64)).unwrap_err();
    assert!(error.to_string().contains("at most 2047 bytes"), "{error}");
    let mut large = source(kernel.path());
    let initrd = file(&vec![0; 46 << 20]);
    large.initrd = Some(initrd.path().into());
    let error = BootImage::new(&large, &surroundings(64)).unwrap_err();
    assert!(error.to_string().contains("do not fit between"), "{error}");
}

#[test]
fn an_option_that_goes_to_no_kernel_is_refused() {
    let none = BootSource::default();
    assert!(BootImage::new(&none, &surroundings(8)).unwrap().is_none());
    let cmdline = BootSource {
        cmdline: "quiet".into(),
        ..BootSource::default()
    };
    assert!(BootImage::new(&cmdline, &surroundings(8)).is_err());
    let initrd = BootSource {
        initrd: Some("x".into()),
        ..BootSource::default()
    };
    assert!(BootImage::new(&initrd, &surroundings(8)).is_err());
}

/// A 32-bit ELF file for a machine of that number, with one segment at `address`: a Multiboot
/// header, and 4096 zero bytes after it.
fn elf32(machine: u16, address: u32) -> Vec<u8> {
    const HEADERS: u32 = 52 + 32;
    let data = flat(0, [0; 5]);
    let mut bytes = b"\x7fELF\x01\x01\x01".to_vec();
    bytes.resize(16, 0);
    let entry = address + 12;
    for half in [2u16, machine] {
        bytes.extend(half.to_le_bytes());
    }
    for word in [1, entry, 52, 0, 0] {
        bytes.extend(word.to_le_bytes());
    }
    for half in [52u16, 32, 1, 40, 0, 0] {
        bytes.extend(half.to_le_bytes());
    }
    let size = data.len() as u32;
    // Loaded by the physical address, whatever the virtual one.
    for word in [1, HEADERS, 0xc000_0000, address, size, size + 4096, 7, 4] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(data);
    bytes
}

#[test]
fn an_elf_file_with_a_multiboot_header_is_loaded_by_its_segments() {
    const I386: u16 = 3;
    let kernel = file(&elf32(I386, 0x40_0000));
    let initrd = file(b"module");
    let mut source = source(kernel.path());
    source.initrd = Some(initrd.path().into());
    let image = BootImage::new(&source, &surroundings(16)).unwrap().unwrap();
    assert_eq!(
        *image.entry(),
        Entry::Multiboot {
            eip: 0x40_000c,
            info: multiboot::INFO_AT as u32
        }
    );
    assert_eq!(find(&image, 0x40_0000), flat(0, [0; 5]));
    // Behind the zeros, on a page of its own.
    assert_eq!(find(&image, 0x40_2000), b"module");
    assert!(refusal(&elf32(0x16, 0x40_0000), 16).ends_with("another machine (number 22)"));
    assert!(refusal(&elf32(I386, 0x0ff_f000), 16).contains("does not fit into the 16 MiB"));
}
