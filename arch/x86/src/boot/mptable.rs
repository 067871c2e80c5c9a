//! The table by which a kernel without ACPI finds its CPUs and interrupt lines.
//!
//! MultiProcessor Specification 1.4, chapter 4: a floating pointer and behind it the
//! configuration table, in what would be firmware's read-only memory. ISA interrupt `n` is I/O
//! APIC input `n`, but for the timer's, which KVM's I/O APIC has at 2 as the PICs' cascade is
//! none of its inputs. Not here: starting the CPUs, which the guest does through its local APIC.

use super::Segment;

/// Where it lies.
pub const AT: u64 = 0xf_0000;

const LOCAL_APIC: u32 = 0xfee0_0000;
const IO_APIC: u32 = 0xfec0_0000;
/// Version of an integrated local APIC, and of the I/O APIC.
const LOCAL_APIC_VERSION: u8 = 0x14;
const IO_APIC_VERSION: u8 = 0x11;
/// Family 6, model 1, stepping 1, with an FPU and an APIC: a kernel asks CPUID anyway.
const SIGNATURE: u32 = 0x0611;
const FEATURES: u32 = 1 << 9 | 1;

/// Interrupt types.
const INT: u8 = 0;
const NMI: u8 = 1;
const EXTINT: u8 = 3;

/// Every local APIC.
const ALL: u8 = 0xff;

/// The tables for so many CPUs.
pub(super) fn segment(cpus: u32) -> Segment {
    Segment::new(AT, bytes(cpus))
}

fn bytes(cpus: u32) -> Vec<u8> {
    const POINTER: u32 = 16;
    const HEADER: usize = 44;
    let io_apic = cpus as u8;
    let mut entries: Vec<Vec<u8>> = Vec::new();
    for cpu in 0..cpus {
        // Enabled, and CPU 0 is the one that boots.
        let flags = 1 | if cpu == 0 { 2 } else { 0 };
        let mut entry = vec![0, cpu as u8, LOCAL_APIC_VERSION, flags];
        entry.extend(SIGNATURE.to_le_bytes());
        entry.extend(FEATURES.to_le_bytes());
        entry.extend([0; 8]);
        entries.push(entry);
    }
    let mut bus = vec![1, 0];
    bus.extend(b"ISA   ");
    entries.push(bus);
    let mut apic = vec![2, io_apic, IO_APIC_VERSION, 1];
    apic.extend(IO_APIC.to_le_bytes());
    entries.push(apic);
    // Polarity and trigger mode as the bus has them: 0.
    let interrupt =
        |kind, type_, irq, destination, input| vec![kind, type_, 0, 0, 0, irq, destination, input];
    for irq in 0..16 {
        match irq {
            0 => entries.push(interrupt(3, INT, 0, io_apic, 2)),
            2 => {}
            _ => entries.push(interrupt(3, INT, irq, io_apic, irq)),
        }
    }
    entries.push(interrupt(4, EXTINT, 0, 0, 0));
    entries.push(interrupt(4, NMI, 0, ALL, 1));

    let length = HEADER + entries.iter().map(Vec::len).sum::<usize>();
    let mut table = b"PCMP".to_vec();
    table.extend((length as u16).to_le_bytes());
    table.extend([4, 0]);
    table.extend(b"EMU     PC          ");
    table.extend([0; 6]);
    table.extend((entries.len() as u16).to_le_bytes());
    table.extend(LOCAL_APIC.to_le_bytes());
    table.extend([0; 4]);
    table.extend(entries.concat());
    table[7] = checksum(&table);

    let mut bytes = b"_MP_".to_vec();
    bytes.extend((AT as u32 + POINTER).to_le_bytes());
    bytes.extend([1, 4, 0]);
    bytes.extend([0; 5]);
    bytes[10] = checksum(&bytes);
    bytes.extend(table);
    bytes
}

/// What makes all bytes add up to zero.
fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0u8, |sum, byte| sum.wrapping_sub(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_and_lengths_hold_for_any_number_of_cpus() {
        for cpus in [1, 2, 4, 254] {
            let bytes = bytes(cpus);
            assert_eq!(&bytes[..4], b"_MP_");
            assert_eq!(checksum(&bytes[..16]), 0);
            let table = &bytes[16..];
            let length = usize::from(u16::from_le_bytes([table[4], table[5]]));
            assert_eq!(length, table.len());
            assert_eq!(checksum(table), 0);
            let mut rest = &table[44..];
            let mut count = 0;
            while let Some(kind) = rest.first() {
                rest = &rest[if *kind == 0 { 20 } else { 8 }..];
                count += 1;
            }
            assert_eq!(u16::from_le_bytes([table[34], table[35]]), count);
            assert!(AT + bytes.len() as u64 <= 0x10_0000);
        }
    }
}
