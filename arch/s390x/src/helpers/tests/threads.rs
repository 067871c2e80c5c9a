//! Interlocked updates of several CPUs at once.

use std::sync::Arc;

use machine::{GuestRam, Identity};
use tcg::cpu::System;
use tcg::{CpuCore, mem};

use crate::console::Sclp;
use crate::cpu::handle::CpuState;
use crate::cpu::psw::{self, Psw};
use crate::cpu::{S390Cpu, lowcore};
use crate::machine::shared::{Shared, test_clocks};

const CPUS: u16 = 3;
const ROUNDS: u64 = 3000;
/// Every CPU's prefix area, then what they share.
const PREFIX: u64 = 0x4000;
const CODE: u64 = 0x2000;
const AT: u64 = 0x3000;

/// Lets all CPUs execute a program that loops `ROUNDS` times by register 9, and ends with an
/// operation exception; the sixteen bytes that they share afterwards.
fn race(code: &[u8]) -> Vec<u8> {
    let system = System::new(Arc::new(GuestRam::new(0x2_0000).unwrap()));
    let cores: Vec<_> = (0..CPUS)
        .map(|_| CpuCore::new(Arc::clone(&system)))
        .collect();
    let (_, timeline, clock) = test_clocks();
    let (events, _) = crossbeam::channel::unbounded();
    let identity = Identity {
        name: String::new(),
        uuid: None,
    };
    let sclp = Sclp::new(None);
    let shared = Shared::new(
        Arc::clone(&system),
        &cores,
        sclp,
        clock,
        timeline,
        identity,
        CPUS,
        events,
    );
    mem::write_absolute(&cores[0], CODE, code);
    std::thread::scope(|scope| {
        for (core, address) in cores.into_iter().zip(0..) {
            let shared = Arc::clone(&shared);
            scope.spawn(move || {
                let mut cpu = S390Cpu::new(core, shared, address);
                cpu.set_prefix(PREFIX + u64::from(address) * 0x2000);
                cpu.set_state(CpuState::Operating);
                let wait = Psw {
                    mask: psw::WAIT | psw::ADDRESSING,
                    address: 0xbad,
                };
                cpu.set_lowcore_psw(lowcore::PROGRAM_NEW, wait);
                cpu.gpr[1] = AT;
                cpu.gpr[9] = ROUNDS;
                cpu.gpr[10] = 1;
                cpu.set_psw(Psw {
                    mask: psw::ADDRESSING,
                    address: CODE,
                });
                crate::cpu::run::run(&mut cpu);
                assert_eq!(cpu.gpr[9], 0, "CPU {address} has made all of its rounds");
            });
        }
    });
    let mut bytes = vec![0; 16];
    let core = CpuCore::new(system);
    mem::read_absolute(&core, AT, &mut bytes);
    bytes
}

fn total() -> u64 {
    ROUNDS * u64::from(CPUS)
}

#[test]
fn no_compare_and_swap_is_lost() {
    let code = [
        &[0xe3, 0x20, 0x10, 0, 0, 0x04][..], // LG 2,0(1)
        &[0xb9, 0xe8, 0xa0, 0x42],           // AGRK 4,2,10
        &[0xeb, 0x24, 0x10, 0, 0, 0x30],     // CSG 2,4,0(1)
        &[0xa7, 0x74, 0xff, 0xfb],           // JNE to AGRK
        &[0xa7, 0x97, 0xff, 0xf6],           // BRCTG 9 to LG
        &[0, 0],
    ]
    .concat();
    assert_eq!(race(&code)[..8], total().to_be_bytes());
}

#[test]
fn no_load_and_add_is_lost() {
    let code = [
        &[0xeb, 0x2a, 0x10, 0, 0, 0xe8][..], // LAAG 2,10,0(1)
        &[0xeb, 0x2a, 0x10, 12, 0, 0xfa],    // LAAL 2,10,12(1)
        &[0xa7, 0x97, 0xff, 0xfa],           // BRCTG 9
        &[0, 0],
    ]
    .concat();
    let bytes = race(&code);
    assert_eq!(bytes[..8], total().to_be_bytes());
    assert_eq!(bytes[12..], (total() as u32).to_be_bytes());
}

#[test]
fn no_compare_double_and_swap_is_lost() {
    let code = [
        &[0xe3, 0x20, 0x10, 0, 0, 0x8f][..], // LPQ 2,0(1)
        &[0xb9, 0xe8, 0xa0, 0x42],           // AGRK 4,2,10
        &[0xb9, 0xe8, 0xa0, 0x53],           // AGRK 5,3,10
        &[0xeb, 0x24, 0x10, 0, 0, 0x3e],     // CDSG 2,4,0(1)
        &[0xa7, 0x74, 0xff, 0xf9],           // JNE to AGRK
        &[0xa7, 0x97, 0xff, 0xf4],           // BRCTG 9 to LPQ
        &[0, 0],
    ]
    .concat();
    let bytes = race(&code);
    assert_eq!(bytes[..8], total().to_be_bytes());
    assert_eq!(bytes[8..], total().to_be_bytes());
}

#[test]
fn no_locked_operation_is_lost() {
    let code = [
        &[0xa7, 0x09, 0, 6][..],         // LGHI 0,6: compare and swap, 64 bits
        &[0xe3, 0x20, 0x10, 0, 0, 0x04], // LG 2,0(1)
        &[0xb9, 0xe8, 0xa0, 0x32],       // AGRK 3,2,10
        &[0xee, 0x24, 0x10, 0, 0, 0],    // PLO 2,0(1),4,0
        &[0xa7, 0x74, 0xff, 0xfb],       // JNE to AGRK
        &[0xa7, 0x97, 0xff, 0xf6],       // BRCTG 9 to LG
        &[0, 0],
    ]
    .concat();
    assert_eq!(race(&code)[..8], total().to_be_bytes());
}
