//! The state in which CPU 0 enters a kernel.
//!
//! Linux, 64 bits (Documentation/arch/x86/boot.rst, "64-bit Boot Protocol"): paging on with an
//! identity mapping, flat segments 0x10 (code) and 0x18 (data), interrupts off, RSI at the zero
//! page. Multiboot (specification 0.6.96, section 3.2): protected mode, flat segments, paging and
//! interrupts off, EAX and EBX. Not here: what lies in memory there.

use kvm_bindings::{kvm_dtable, kvm_regs, kvm_segment};

use super::Segment;
use crate::kvm::{KvmError, VcpuKvm};

/// Where the descriptor table is.
const GDT_AT: u64 = 0x500;
/// Where page tables are: one page of the fourth level, one of the third, and four of the second,
/// which map 4 GiB with pages of 2 MiB.
const PAGE_TABLES_AT: u64 = 0x9000;
/// GiB that are mapped.
const MAPPED_GIB: u64 = 4;

/// Selectors, as the boot protocol names them.
const CODE: u16 = 0x10;
const DATA: u16 = 0x18;

/// CR0: protection, extension type, paging.
const CR0_PE: u64 = 1;
const CR0_ET: u64 = 1 << 4;
const CR0_PG: u64 = 1 << 31;
/// CR4: physical address extension.
const CR4_PAE: u64 = 1 << 5;
/// EFER: long mode enabled and active.
const EFER_LONG: u64 = 1 << 8 | 1 << 10;
/// RFLAGS: the bit that is always set.
const FLAGS: u64 = 2;

/// Where the stack begins for a kernel that should have one of its own: Multiboot promises none,
/// and kernels exist that count on one.
const STACK_AT: u64 = 0x7000;

/// Multiboot's mark in EAX.
const MULTIBOOT: u64 = 0x2bad_b002;

/// How CPU 0 is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// 64 bits, as Linux wants it.
    Linux {
        /// First instruction.
        rip: u64,
        /// The zero page.
        zero_page: u64,
    },
    /// 32 bits, as Multiboot wants it.
    Multiboot {
        /// First instruction.
        eip: u32,
        /// The information structure.
        info: u32,
    },
}

fn segment(selector: u16, type_: u8, long: bool) -> kvm_segment {
    kvm_segment {
        base: 0,
        limit: 0xffff_ffff,
        selector,
        type_,
        present: 1,
        dpl: 0,
        db: u8::from(!long),
        s: 1,
        l: u8::from(long),
        g: 1,
        ..Default::default()
    }
}

/// A flat segment's descriptor.
fn descriptor(segment: &kvm_segment) -> u64 {
    0x0000_ffff
        | 0xf << 48
        | u64::from(segment.type_) << 40
        | u64::from(segment.s) << 44
        | u64::from(segment.present) << 47
        | u64::from(segment.l) << 53
        | u64::from(segment.db) << 54
        | u64::from(segment.g) << 55
}

impl Entry {
    fn code(&self) -> kvm_segment {
        // Executable, readable, accessed.
        segment(CODE, 0xb, matches!(self, Self::Linux { .. }))
    }

    fn data() -> kvm_segment {
        // Writable, accessed.
        segment(DATA, 0x3, false)
    }

    /// What has to be in memory for this entry, beside the kernel.
    pub(super) fn segments(&self) -> Vec<Segment> {
        let gdt: Vec<u8> = [0, 0, descriptor(&self.code()), descriptor(&Self::data())]
            .iter()
            .flat_map(|entry| entry.to_le_bytes())
            .collect();
        let mut segments = vec![Segment::new(GDT_AT, gdt)];
        if let Self::Linux { .. } = self {
            segments.push(Segment::new(PAGE_TABLES_AT, page_tables()));
        }
        segments
    }

    /// Puts a CPU that has been reset there.
    ///
    /// # Errors
    /// [`KvmError`].
    pub fn apply(&self, vcpu: &VcpuKvm) -> Result<(), KvmError> {
        let fd = vcpu.fd();
        let mut sregs = fd
            .get_sregs()
            .map_err(KvmError::call("reading special registers"))?;
        let mut regs = kvm_regs {
            rflags: FLAGS,
            ..Default::default()
        };
        let data = Self::data();
        sregs.cs = self.code();
        (sregs.ds, sregs.es, sregs.fs) = (data, data, data);
        (sregs.gs, sregs.ss) = (data, data);
        sregs.gdt = kvm_dtable {
            base: GDT_AT,
            limit: 4 * 8 - 1,
            ..Default::default()
        };
        match *self {
            Self::Linux { rip, zero_page } => {
                sregs.cr0 = CR0_PE | CR0_ET | CR0_PG;
                sregs.cr3 = PAGE_TABLES_AT;
                sregs.cr4 = CR4_PAE;
                sregs.efer = EFER_LONG;
                regs.rip = rip;
                regs.rsi = zero_page;
            }
            Self::Multiboot { eip, info } => {
                sregs.cr0 = CR0_PE | CR0_ET;
                regs.rip = eip.into();
                regs.rax = MULTIBOOT;
                regs.rbx = info.into();
                regs.rsp = STACK_AT;
            }
        }
        fd.set_sregs(&sregs)
            .map_err(KvmError::call("setting special registers"))?;
        fd.set_regs(&regs)
            .map_err(KvmError::call("setting registers"))
    }
}

fn page_tables() -> Vec<u8> {
    const PRESENT_WRITABLE: u64 = 3;
    const LARGE: u64 = 1 << 7;
    const PAGE: u64 = 4096;
    let third = PAGE_TABLES_AT + PAGE;
    let second = third + PAGE;
    let mut entries = vec![third | PRESENT_WRITABLE];
    entries.resize(512, 0);
    entries.extend((0..MAPPED_GIB).map(|n| (second + n * PAGE) | PRESENT_WRITABLE));
    entries.resize(1024, 0);
    entries.extend((0..MAPPED_GIB * 512).map(|n| n << 21 | PRESENT_WRITABLE | LARGE));
    entries
        .iter()
        .flat_map(|entry| entry.to_le_bytes())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_what_the_boot_protocol_shows() {
        let linux = Entry::Linux {
            rip: 0,
            zero_page: 0,
        };
        let multiboot = Entry::Multiboot { eip: 0, info: 0 };
        assert_eq!(descriptor(&linux.code()), 0x00af_9b00_0000_ffff);
        assert_eq!(descriptor(&multiboot.code()), 0x00cf_9b00_0000_ffff);
        assert_eq!(descriptor(&Entry::data()), 0x00cf_9300_0000_ffff);
    }

    #[test]
    fn page_tables_end_before_what_follows_them() {
        let tables = page_tables();
        assert_eq!(tables.len(), 6 * 4096);
        assert!(PAGE_TABLES_AT + tables.len() as u64 <= super::super::multiboot::INFO_AT);
        // The last entry: the last 2 MiB of 4 GiB.
        assert_eq!(tables[tables.len() - 8..], 0xffe0_0083u64.to_le_bytes());
    }
}
