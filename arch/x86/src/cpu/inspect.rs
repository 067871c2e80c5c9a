//! A CPU's registers as text, its state in a word, and memory as it would translate it.
//!
//! Nothing here changes what the guest sees.

use std::fmt::Write;

use kvm_bindings::{
    KVM_MP_STATE_HALTED, KVM_MP_STATE_INIT_RECEIVED, KVM_MP_STATE_RUNNABLE,
    KVM_MP_STATE_SIPI_RECEIVED, KVM_MP_STATE_UNINITIALIZED, kvm_dtable, kvm_regs, kvm_segment,
    kvm_sregs,
};
use machine::MachineError;
use machine::ram::PAGE_SIZE;

use crate::kvm::{KvmError, VcpuKvm};
use crate::machine::inspect::CodeSize;
use crate::memory::Memory;

/// EFER's long mode active.
const LONG_MODE_ACTIVE: u64 = 1 << 10;

/// What a processor does, in a word.
#[must_use]
pub fn state_name(mp_state: u32) -> &'static str {
    match mp_state {
        KVM_MP_STATE_RUNNABLE => "running",
        KVM_MP_STATE_HALTED => "halted",
        KVM_MP_STATE_UNINITIALIZED => "waits to be started",
        KVM_MP_STATE_INIT_RECEIVED => "waits for a start-up interrupt",
        KVM_MP_STATE_SIPI_RECEIVED => "starting",
        _ => "unknown",
    }
}

/// How the next instruction is encoded.
#[must_use]
pub fn code_size(sregs: &kvm_sregs) -> CodeSize {
    if sregs.efer & LONG_MODE_ACTIVE != 0 && sregs.cs.l != 0 {
        CodeSize::Bits64
    } else if sregs.cs.db != 0 {
        CodeSize::Bits32
    } else {
        CodeSize::Bits16
    }
}

/// The registers, a few lines a group, as QEMU shows them.
///
/// # Errors
/// [`KvmError`].
pub fn registers(vcpu: &VcpuKvm) -> Result<String, KvmError> {
    let regs = vcpu
        .fd()
        .get_regs()
        .map_err(KvmError::call("reading registers"))?;
    let sregs = vcpu
        .fd()
        .get_sregs()
        .map_err(KvmError::call("reading special registers"))?;
    Ok(text(&regs, &sregs))
}

fn text(regs: &kvm_regs, sregs: &kvm_sregs) -> String {
    let mut text = String::new();
    let general = [
        ("RAX", regs.rax),
        ("RBX", regs.rbx),
        ("RCX", regs.rcx),
        ("RDX", regs.rdx),
        ("RSI", regs.rsi),
        ("RDI", regs.rdi),
        ("RBP", regs.rbp),
        ("RSP", regs.rsp),
        ("R8 ", regs.r8),
        ("R9 ", regs.r9),
        ("R10", regs.r10),
        ("R11", regs.r11),
        ("R12", regs.r12),
        ("R13", regs.r13),
        ("R14", regs.r14),
        ("R15", regs.r15),
        ("RIP", regs.rip),
        ("RFL", regs.rflags),
    ];
    // Writing to a string does not fail.
    for (n, (name, value)) in general.iter().enumerate() {
        let end = if n % 4 == 3 { '\n' } else { ' ' };
        let _ = write!(text, "{name}={value:016x}{end}");
    }
    text.push('\n');
    let segments = [
        ("ES ", &sregs.es),
        ("CS ", &sregs.cs),
        ("SS ", &sregs.ss),
        ("DS ", &sregs.ds),
        ("FS ", &sregs.fs),
        ("GS ", &sregs.gs),
        ("LDT", &sregs.ldt),
        ("TR ", &sregs.tr),
    ];
    for (name, segment) in segments {
        let kvm_segment {
            selector,
            base,
            limit,
            ..
        } = segment;
        let flags = attributes(segment);
        let _ = writeln!(
            text,
            "{name}={selector:04x} {base:016x} {limit:08x} {flags:08x}"
        );
    }
    for (name, kvm_dtable { base, limit, .. }) in [("GDT", &sregs.gdt), ("IDT", &sregs.idt)] {
        let _ = writeln!(text, "{name}=     {base:016x} {limit:08x}");
    }
    let _ = writeln!(
        text,
        "CR0={:08x} CR2={:016x} CR3={:016x} CR4={:08x} CR8={:x}",
        sregs.cr0, sregs.cr2, sregs.cr3, sregs.cr4, sregs.cr8
    );
    let _ = writeln!(
        text,
        "EFER={:016x} APIC={:016x}",
        sregs.efer, sregs.apic_base
    );
    text
}

/// The upper word of a segment's descriptor, but for base and limit.
fn attributes(segment: &kvm_segment) -> u32 {
    u32::from(segment.type_) << 8
        | u32::from(segment.s) << 12
        | u32::from(segment.dpl) << 13
        | u32::from(segment.present) << 15
        | u32::from(segment.avl) << 20
        | u32::from(segment.l) << 21
        | u32::from(segment.db) << 22
        | u32::from(segment.g) << 23
}

/// Reads memory as the CPU's data accesses would.
///
/// # Errors
/// [`MachineError::Memory`] at the first address that does not translate or is no RAM.
pub fn read_virtual(
    vcpu: &VcpuKvm,
    memory: &Memory,
    address: u64,
    buffer: &mut [u8],
) -> Result<(), MachineError> {
    let mut address = address;
    let mut rest = buffer;
    while !rest.is_empty() {
        let translation = vcpu
            .fd()
            .translate_gva(address)
            .map_err(KvmError::call("translating an address"))?;
        if translation.valid == 0 {
            return Err(MachineError::Memory {
                address,
                why: "it does not translate on this CPU".into(),
            });
        }
        let count = rest.len().min((PAGE_SIZE - address % PAGE_SIZE) as usize);
        let (now, later) = rest.split_at_mut(count);
        memory.read(translation.physical_address, now)?;
        address = address.wrapping_add(count as u64);
        rest = later;
    }
    Ok(())
}
