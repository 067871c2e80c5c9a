//! STORE SYSTEM INFORMATION: the blocks it stores.
//!
//! Layouts: Principles of Operation, STORE SYSTEM INFORMATION; Linux arch/s390/include/asm/
//! sysinfo.h. The manufacturer is `QEMU`, by which test suites know a machine under translation,
//! and the control program `KVM/Linux`, by which Linux knows a virtual machine with a VT220
//! console. Not here: the instruction's checks and condition codes.

use super::Shared;
use super::ebcdic::field;
use crate::cpu::facility::TOPOLOGY;

/// Bytes of a block.
pub const BLOCK: usize = 4096;

/// Capability rating: there is no processor to compare with.
const CAPABILITY: u32 = 1000;

fn put(block: &mut [u8; BLOCK], at: usize, bytes: &[u8]) {
    block[at..at + bytes.len()].copy_from_slice(bytes);
}

/// The block of a function code, selector 1 and selector 2, as the CPU of this address and machine
/// type sees it; `None` if there is none.
pub fn block(
    shared: &Shared,
    function: u8,
    selector1: u8,
    selector2: u16,
    cpu_address: u16,
    machine_type: u16,
) -> Option<Box<[u8; BLOCK]>> {
    let mut block = Box::new([0; BLOCK]);
    match (function, selector1, selector2) {
        (1, 1, 1) => {
            put(&mut block, 32, &field::<16>("QEMU"));
            put(&mut block, 48, &field::<4>(&format!("{machine_type:04x}")));
            put(&mut block, 64, &field::<16>("QEMU"));
            put(&mut block, 80, &field::<16>("QEMU"));
            put(&mut block, 96, &field::<4>("QEMU"));
            put(&mut block, 100, &field::<16>("QEMU"));
        }
        (1, 2, 1) => {
            put(&mut block, 80, &field::<16>("QEMU"));
            put(&mut block, 96, &field::<4>("QEMU"));
            put(&mut block, 102, &cpu_address.to_be_bytes());
        }
        (1, 2, 2) => {
            put(&mut block, 32, &CAPABILITY.to_be_bytes());
            put_cpus(&mut block, 36, shared);
        }
        (2, 2, 1) => {
            put(&mut block, 80, &field::<16>("QEMU"));
            put(&mut block, 96, &field::<4>("QEMU"));
            put(&mut block, 100, &cpu_address.to_be_bytes());
            put(&mut block, 102, &cpu_address.to_be_bytes());
        }
        (2, 2, 2) => {
            // Logical CPUs: shared. One partition, number 0.
            put(&mut block, 35, &[0x40]);
            put_cpus(&mut block, 36, shared);
            put(&mut block, 44, &field::<8>("QEMU"));
            put(&mut block, 52, &CAPABILITY.to_be_bytes());
            let (dedicated, shared_cpus) =
                shared.configured_cpus().fold((0u16, 0u16), |(a, b), cpu| {
                    match shared.topology().attributes(cpu).dedicated {
                        true => (a + 1, b),
                        false => (a, b + 1),
                    }
                });
            put(&mut block, 72, &dedicated.to_be_bytes());
            put(&mut block, 74, &shared_cpus.to_be_bytes());
        }
        (3, 2, 2) => {
            const VM: usize = 32;
            put(&mut block, 31, &[1]);
            put_cpus(&mut block, VM + 4, shared);
            let name = match shared.identity.name.as_str() {
                "" => "KVMguest",
                name => name,
            };
            put(&mut block, VM + 12, &field::<8>(name));
            put(&mut block, VM + 20, &CAPABILITY.to_be_bytes());
            put(&mut block, VM + 24, &field::<16>("KVM/Linux"));
            // The extended name is in UTF-8.
            put(&mut block, VM + 43, &[2]);
            if let Some(uuid) = shared.identity.uuid {
                put(&mut block, VM + 48, &uuid);
            }
            const EXTENDED_NAMES: usize = 2048;
            let mut end = name.len().min(255);
            while !name.is_char_boundary(end) {
                end -= 1;
            }
            put(&mut block, EXTENDED_NAMES, &name.as_bytes()[..end]);
        }
        (15, 1, level) if shared.facilities().has(TOPOLOGY) => {
            return shared.topology().block(level, shared.configured_cpus());
        }
        _ => return None,
    }
    Some(block)
}

/// Total, configured, standby and reserved CPUs, four halfwords.
fn put_cpus(block: &mut [u8; BLOCK], at: usize, shared: &Shared) {
    let (there, configured) = (shared.cpus.count() as u16, shared.cpus.configured());
    let reserved = shared.max_cpus.saturating_sub(there);
    put(block, at, &shared.max_cpus.to_be_bytes());
    put(block, at + 2, &configured.to_be_bytes());
    put(block, at + 4, &(there - configured).to_be_bytes());
    put(block, at + 6, &reserved.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use machine::{GuestRam, Identity};
    use tcg::cpu::System;

    use super::*;
    use crate::console::Sclp;

    #[test]
    fn a_guest_finds_its_name_and_uuid() {
        let identity = Identity {
            name: "grüße".into(),
            uuid: Some([7; 16]),
        };
        let (events, _) = crossbeam::channel::unbounded();
        let system = System::new(Arc::new(GuestRam::new(4096).unwrap()));
        let shared = crate::machine::shared::test_shared(system, Sclp::new(None), identity, events);
        let stored = block(&shared, 3, 2, 2, 0, 0x8561).unwrap();
        assert_eq!(stored[31], 1);
        assert_eq!(stored[32 + 24..32 + 28], field::<4>("KVM/"));
        assert_eq!(stored[80..96], [7; 16]);
        assert_eq!(&stored[2048..2055], "grüße".as_bytes());
        assert!(
            block(&shared, 3, 2, 1, 0, 0x8561).is_none()
                && block(&shared, 15, 1, 2, 0, 0x8561).is_none()
        );
    }

    /// Total, configured, standby and reserved CPUs, wherever they are told.
    #[test]
    fn cpus_are_counted_by_what_they_are() {
        let bench = crate::cpu::testing::Bench::new(3);
        bench.shared.cpus[2].configure(false);
        let count = |function, selector2, at: usize| {
            let stored = block(&bench.shared, function, 2, selector2, 0, 0x8561).unwrap();
            let half = |n: usize| u16::from_be_bytes([stored[at + 2 * n], stored[at + 2 * n + 1]]);
            [half(0), half(1), half(2), half(3)]
        };
        assert_eq!(count(1, 2, 36), [3, 2, 1, 0]);
        assert_eq!(count(2, 2, 36), [3, 2, 1, 0]);
        assert_eq!(count(3, 2, 36), [3, 2, 1, 0]);
        // None is dedicated.
        assert_eq!(count(2, 2, 72)[..2], [0, 2]);
    }
}
