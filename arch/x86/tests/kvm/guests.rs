//! Guests of a few instructions, by hand.
//!
//! Each is a flat image that begins with a Multiboot header: 12 bytes of header, 20 of addresses,
//! then code for 32-bit protected mode, loaded at 1 MiB and entered there.

/// Where images go.
pub(crate) const LOAD: u32 = 0x10_0000;
/// The first instruction's address.
pub(crate) const ENTRY: u32 = LOAD + 32;
/// A dword that guests count in.
pub(crate) const COUNT: u64 = 0x20_0000;

/// An image with that code.
pub(crate) fn image(code: &[&[u8]]) -> Vec<u8> {
    const MAGIC: u32 = 0x1bad_b002;
    const ADDRESSES: u32 = 1 << 16;
    let words = [
        MAGIC,
        ADDRESSES,
        0u32.wrapping_sub(MAGIC).wrapping_sub(ADDRESSES),
        LOAD,
        LOAD,
        0,
        0,
        ENTRY,
    ];
    let mut image: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    image.extend(code.concat());
    image
}

/// Counts for ever.
pub(crate) fn counter() -> Vec<u8> {
    image(&[
        &[0xff, 0x05, 0x00, 0x00, 0x20, 0x00], // 1: incl COUNT
        &[0xeb, 0xf8],                         // jmp 1b
    ])
}

/// Counts and, at every step, writes a port that nobody has and reads another.
pub(crate) fn port_counter() -> Vec<u8> {
    image(&[
        &[0xff, 0x05, 0x00, 0x00, 0x20, 0x00], // 1: incl COUNT
        &[0xe6, 0xe0],                         // out %al, $0xe0
        &[0xe4, 0xe1],                         // in $0xe1, %al
        &[0x3c, 0xff],                         // cmp $0xff, %al
        &[0x74, 0xf2],                         // je 1b
        &[0xf4],                               // hlt
    ])
}

/// Halts with interrupts off.
pub(crate) fn halted() -> Vec<u8> {
    image(&[&[0xfa, 0xf4, 0xeb, 0xfd]]) // cli; 1: hlt; jmp 1b
}

/// Counts once, then faults without a way to take the fault.
pub(crate) fn triple_fault() -> Vec<u8> {
    image(&[
        &[0xff, 0x05, 0x00, 0x00, 0x20, 0x00],       // incl COUNT
        &[0x0f, 0x01, 0x1d, 0x00, 0x10, 0x20, 0x00], // lidt COUNT + 0x1000, which is zeros
        &[0x31, 0xc0],                               // xor %eax, %eax
        &[0xf7, 0xf0],                               // div %eax
    ])
}

/// CPU 0 starts all others, which count once each; all halt.
pub(crate) fn starts_others() -> Vec<u8> {
    const TRAMPOLINE: [u8; 20] = [
        0xfa, // cli
        0xb8, 0x00, 0x90, // mov $0x9000, %ax
        0x8e, 0xd8, // mov %ax, %ds
        0x66, 0xf0, 0xff, 0x06, 0x00, 0x00, // lock incl 0
        0xf4, // 1: hlt
        0xeb, 0xfd, // jmp 1b
        0, 0, 0, 0, 0,
    ];
    image(&[
        &[0xeb, 0x14], // jmp over it
        &TRAMPOLINE,
        &[0xbe, 0x22, 0x00, 0x10, 0x00],       // mov $LOAD + 34, %esi
        &[0xbf, 0x00, 0x80, 0x00, 0x00],       // mov $0x8000, %edi
        &[0xb9, 0x14, 0x00, 0x00, 0x00],       // mov $20, %ecx
        &[0xfc, 0xf3, 0xa4],                   // cld; rep movsb
        &[0xbb, 0x00, 0x03, 0xe0, 0xfe],       // mov $0xfee00300, %ebx
        &[0xc7, 0x03, 0x00, 0x45, 0x0c, 0x00], // movl $0xc4500, (%ebx): INIT to others
        &[0xc7, 0x03, 0x08, 0x46, 0x0c, 0x00], // movl $0xc4608, (%ebx): start at 0x8000
        &[0xfa, 0xf4, 0xeb, 0xfd],             // cli; 1: hlt; jmp 1b
    ])
}

/// Where [`starts_others`]'s CPUs count.
pub(crate) const OTHERS: u64 = 0x9_0000;

/// Fills registers of all sorts with what is easily known again, then counts. The vector register
/// goes by memory, for a host that interprets guests may know no other way.
pub(crate) fn fills_registers() -> Vec<u8> {
    image(&[
        &[0x0f, 0x20, 0xe0],                         // mov %cr4, %eax
        &[0x0d, 0x00, 0x06, 0x00, 0x00],             // or $0x600, %eax: OSFXSR, OSXMMEXCPT
        &[0x0f, 0x22, 0xe0],                         // mov %eax, %cr4
        &[0xb8, 0x78, 0x56, 0x34, 0x12],             // mov $0x12345678, %eax
        &[0xa3, 0x00, 0x10, 0x20, 0x00],             // mov %eax, COUNT + 0x1000
        &[0x0f, 0x10, 0x05, 0x00, 0x10, 0x20, 0x00], // movups COUNT + 0x1000, %xmm0
        &[0x0f, 0x23, 0xc0],                         // mov %eax, %dr0
        &[0xb9, 0x74, 0x01, 0x00, 0x00],             // mov $0x174, %ecx: SYSENTER_CS
        &[0xb8, 0x18, 0x00, 0x00, 0x00],             // mov $0x18, %eax
        &[0x31, 0xd2],                               // xor %edx, %edx
        &[0x0f, 0x30],                               // wrmsr
        &[0xbb, 0xef, 0xbe, 0xad, 0xde],             // mov $0xdeadbeef, %ebx
        // 1: as long as the vector register is what it was.
        &[0x0f, 0x11, 0x05, 0x10, 0x10, 0x20, 0x00], // movups %xmm0, COUNT + 0x1010
        &[0xa1, 0x10, 0x10, 0x20, 0x00],             // mov COUNT + 0x1010, %eax
        &[0x3d, 0x78, 0x56, 0x34, 0x12],             // cmp $0x12345678, %eax
        &[0x75, 0x08],                               // jne 2f
        &[0xff, 0x05, 0x00, 0x00, 0x20, 0x00],       // incl COUNT
        &[0xeb, 0xe5],                               // jmp 1b
        &[0xfa, 0xf4, 0xeb, 0xfd],                   // 2: cli; 3: hlt; jmp 3b
    ])
}
