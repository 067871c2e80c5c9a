//! The least of ACPI: tables by which a kernel finds its CPUs, its interrupt lines, and how the
//! machine is reset and switched off.
//!
//! Kernels that distributions make for virtual machines no longer read the older table of
//! [`super::mptable`] (Debian's for clouds does not). ACPI Specification 6.5, chapter 5: RSDP,
//! XSDT, FADT, MADT, DSDT. The power management registers are those that PIIX4 has at 0x600, as
//! on QEMU's `pc`; there is no power management timer, which would be one more clock. Not here:
//! the registers themselves ([`crate::board`]).

use acpi_tables::aml::{Device, EISAName, IO, Interrupt, Name, Package, Path, ResourceTemplate};
use acpi_tables::rsdp::Rsdp;
use acpi_tables::sdt::{GenericAddress, Sdt};
use acpi_tables::{Aml, AmlSink};

use super::Segment;

/// Where the RSDP is, at a place where kernels look for it by themselves, too; the tables follow.
pub const RSDP_AT: u64 = 0xe_0000;

const OEM: [u8; 6] = *b"EMU   ";
const OEM_TABLE: [u8; 8] = *b"EMU PC  ";

const LOCAL_APIC: u32 = 0xfee0_0000;
const IO_APIC: u32 = 0xfec0_0000;

/// Power management: events, control; and the reset register with what is written there.
const PM1_EVENTS: u16 = 0x600;
const PM1_CONTROL: u16 = 0x604;
const RESET: u16 = 0xcf9;
const RESET_VALUE: u8 = 6;
/// The interrupt of power management events.
const SCI: u16 = 9;
/// The CMOS register with the century.
const CENTURY: u8 = 0x32;
/// What `\_S5` writes to sleep type to switch the machine off.
const SLEEP_TYPE_OFF: u8 = 0;

/// Offsets in the FADT, and its length in revision 6.3.
mod fadt {
    pub(super) const LENGTH: u32 = 276;
    pub(super) const DSDT: usize = 40;
    pub(super) const SCI_INT: usize = 46;
    pub(super) const PM1A_EVT_BLK: usize = 56;
    pub(super) const PM1A_CNT_BLK: usize = 64;
    pub(super) const PM1_EVT_LEN: usize = 88;
    pub(super) const PM1_CNT_LEN: usize = 89;
    pub(super) const CENTURY: usize = 108;
    pub(super) const IAPC_BOOT_ARCH: usize = 109;
    pub(super) const FLAGS: usize = 112;
    pub(super) const RESET_REG: usize = 116;
    pub(super) const RESET_VALUE: usize = 128;
    pub(super) const MINOR: usize = 131;
    pub(super) const X_DSDT: usize = 140;
    pub(super) const X_PM1A_EVT_BLK: usize = 148;
    pub(super) const X_PM1A_CNT_BLK: usize = 172;

    /// IAPC_BOOT_ARCH: legacy devices; no VGA.
    pub(super) const BOOT_ARCH: u16 = 1 | 1 << 2;
    /// WBINVD works; C1 on all; no sleep button; there is a reset register. The power button is
    /// a fixed event.
    pub(super) const FLAG_BITS: u32 = 1 | 1 << 2 | 1 << 5 | 1 << 10;
}

/// The tables for so many CPUs.
pub(super) fn segment(cpus: u32) -> Segment {
    Segment::new(RSDP_AT, bytes(cpus))
}

fn bytes(cpus: u32) -> Vec<u8> {
    let mut tables = Tables {
        bytes: vec![0; Rsdp::len().next_multiple_of(16)],
    };
    let dsdt = tables.add(&dsdt());
    let facp = tables.add(&facp(dsdt));
    let madt = tables.add(&madt(cpus));
    let mut xsdt = table(*b"XSDT", 36, 1);
    xsdt.append(facp);
    xsdt.append(madt);
    let xsdt = tables.add(&xsdt);
    let mut rsdp = Bytes(Vec::new());
    Rsdp::new(OEM, xsdt).to_aml_bytes(&mut rsdp);
    let mut bytes = tables.bytes;
    bytes[..rsdp.0.len()].copy_from_slice(&rsdp.0);
    bytes
}

struct Tables {
    bytes: Vec<u8>,
}

impl Tables {
    /// Where the table goes.
    fn add(&mut self, table: &Sdt) -> u64 {
        let at = RSDP_AT + self.bytes.len() as u64;
        self.bytes.extend(table.as_slice());
        self.bytes.resize(self.bytes.len().next_multiple_of(16), 0);
        at
    }
}

struct Bytes(Vec<u8>);

impl AmlSink for Bytes {
    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }
}

fn table(signature: [u8; 4], length: u32, revision: u8) -> Sdt {
    Sdt::new(signature, length, revision, OEM, OEM_TABLE, 1)
}

fn facp(dsdt: u64) -> Sdt {
    let mut table = table(*b"FACP", fadt::LENGTH, 6);
    table.write_u32(fadt::DSDT, dsdt as u32);
    table.write_u16(fadt::SCI_INT, SCI);
    table.write_u32(fadt::PM1A_EVT_BLK, PM1_EVENTS.into());
    table.write_u32(fadt::PM1A_CNT_BLK, PM1_CONTROL.into());
    table.write_u8(fadt::PM1_EVT_LEN, 4);
    table.write_u8(fadt::PM1_CNT_LEN, 2);
    table.write_u8(fadt::CENTURY, CENTURY);
    table.write_u16(fadt::IAPC_BOOT_ARCH, fadt::BOOT_ARCH);
    table.write_u32(fadt::FLAGS, fadt::FLAG_BITS);
    table.write(
        fadt::RESET_REG,
        GenericAddress::io_port_address::<u8>(RESET),
    );
    table.write_u8(fadt::RESET_VALUE, RESET_VALUE);
    table.write_u8(fadt::MINOR, 3);
    table.write_u64(fadt::X_DSDT, dsdt);
    let events = GenericAddress::io_port_address::<u32>(PM1_EVENTS);
    table.write(fadt::X_PM1A_EVT_BLK, events);
    let control = GenericAddress::io_port_address::<u16>(PM1_CONTROL);
    table.write(fadt::X_PM1A_CNT_BLK, control);
    table
}

fn madt(cpus: u32) -> Sdt {
    // Whether there are 8259s, too.
    const PCAT_COMPAT: u32 = 1;
    const ENABLED: u32 = 1;
    const ACTIVE_HIGH_LEVEL: u16 = 0xd;
    const ALL_CPUS: u8 = 0xff;
    let mut table = table(*b"APIC", 44, 5);
    table.write_u32(36, LOCAL_APIC);
    table.write_u32(40, PCAT_COMPAT);
    for cpu in 0..cpus {
        table.append_slice(&[0, 8, cpu as u8, cpu as u8]);
        table.append(ENABLED);
    }
    // The I/O APIC, whose number follows the CPUs', from line 0 on.
    table.append_slice(&[1, 12, cpus as u8, 0]);
    table.append(IO_APIC);
    table.append(0u32);
    // KVM's I/O APIC has the timer's ISA interrupt 0 at 2.
    for (source, line, flags) in [(0, 2u32, 0), (SCI as u8, SCI.into(), ACTIVE_HIGH_LEVEL)] {
        table.append_slice(&[2, 10, 0, source]);
        table.append(line);
        table.append(flags);
    }
    // NMI comes at LINT1.
    table.append_slice(&[4, 6, ALL_CPUS, 0, 0, 1]);
    table
}

fn dsdt() -> Sdt {
    let mut table = table(*b"DSDT", 36, 6);
    let edge = |number| Interrupt::new(true, true, false, false, number);
    let rtc_ports = IO::new(0x70, 0x70, 1, 2);
    let rtc_line = edge(8);
    let rtc_resources = ResourceTemplate::new(vec![&rtc_ports, &rtc_line]);
    let rtc_id = Name::new(Path::new("_HID"), &EISAName::new("PNP0B00"));
    let rtc_resources = Name::new(Path::new("_CRS"), &rtc_resources);
    Device::new(Path::new("_SB_.RTC_"), vec![&rtc_id, &rtc_resources]).to_aml_bytes(&mut table);
    let ports = IO::new(0x3f8, 0x3f8, 1, 8);
    let line = edge(4);
    let resources = ResourceTemplate::new(vec![&ports, &line]);
    let id = Name::new(Path::new("_HID"), &EISAName::new("PNP0501"));
    let uid = Name::new(Path::new("_UID"), &1u8);
    let resources = Name::new(Path::new("_CRS"), &resources);
    Device::new(Path::new("_SB_.COM1"), vec![&id, &uid, &resources]).to_aml_bytes(&mut table);
    let off = Package::new(vec![&SLEEP_TYPE_OFF, &SLEEP_TYPE_OFF, &0u8, &0u8]);
    Name::new(Path::new("_S5_"), &off).to_aml_bytes(&mut table);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(bytes: &[u8]) -> u8 {
        bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
    }

    /// The table at an address, checked.
    fn at(bytes: &[u8], address: u64) -> &[u8] {
        let rest = &bytes[(address - RSDP_AT) as usize..];
        let length = u32::from_le_bytes(rest[4..8].try_into().unwrap());
        let table = &rest[..length as usize];
        assert_eq!(sum(table), 0);
        table
    }

    fn address(bytes: &[u8], offset: usize) -> u64 {
        u64::from_le_bytes(bytes[offset..offset + 8].try_into().unwrap())
    }

    #[test]
    fn every_table_is_found_and_adds_up() {
        for cpus in [1, 4, 254] {
            let bytes = bytes(cpus);
            assert!(RSDP_AT + bytes.len() as u64 <= super::super::mptable::AT);
            assert_eq!(&bytes[..8], b"RSD PTR ");
            assert_eq!((sum(&bytes[..20]), sum(&bytes[..36])), (0, 0));
            let xsdt = at(&bytes, address(&bytes, 24));
            assert_eq!((&xsdt[..4], xsdt.len()), (&b"XSDT"[..], 36 + 16));
            let facp = at(&bytes, address(xsdt, 36));
            assert_eq!((&facp[..4], facp.len()), (&b"FACP"[..], 276));
            let dsdt = at(&bytes, address(facp, fadt::X_DSDT));
            assert_eq!(&dsdt[..4], b"DSDT");
            let madt = at(&bytes, address(xsdt, 44));
            assert_eq!(&madt[..4], b"APIC");
            let (mut rest, mut apics) = (&madt[44..], 0);
            while let [kind, length, ..] = rest {
                apics += u32::from(*kind == 0);
                rest = &rest[usize::from(*length)..];
            }
            assert_eq!(apics, cpus);
        }
    }
}
