//! I/O instructions: order of their checks, condition codes, what they store.

use machine::NetDevice;

use super::*;

const OPERAND: End = End::Check(0x15);
const PRIVILEGED: End = End::Check(2);

const SSCH: u16 = 0xb233;
const STSCH: u16 = 0xb234;
const MSCH: u16 = 0xb232;
const TSCH: u16 = 0xb235;
const TPI: u16 = 0xb236;
const STCRW: u16 = 0xb239;
const RCHP: u16 = 0xb23b;

/// With a block.
const WITH_BLOCK: [u16; 4] = [MSCH, SSCH, STSCH, TSCH];
/// With a subchannel alone: CSCH, HSCH, RSCH, XSCH.
const ALONE: [u16; 4] = [0xb230, 0xb231, 0xb238, 0xb276];

/// Where blocks are.
const BLOCK: u64 = 0x2000;
/// An address beyond storage.
const BEYOND: u64 = RAM as u64;

/// S instruction whose operand is at 0 of register 2.
fn s(opcode: u16) -> [u8; 4] {
    let [a, b] = opcode.to_be_bytes();
    [a, b, 0x20, 0]
}

/// A CPU with one device; GR1 names its subchannel, GR2 a block.
fn bench() -> Bench {
    let mut bench = Bench::new();
    let shared = bench.cpu.control.shared.clone();
    shared.css.add(&NetDevice::default()).unwrap();
    bench.cpu.gpr[1] = 0x0001_0000;
    bench.cpu.gpr[2] = BLOCK;
    bench
}

/// Enables the subchannel, subclass 2, and starts a program: zeros, which is none.
fn with_status() -> Bench {
    let mut bench = bench();
    bench.put(BLOCK, &[0; 52]);
    bench.put(BLOCK + 4, &[0x10, 0x80]);
    bench.put(BLOCK + 8, &[0x80]);
    assert_eq!(bench.run(&s(MSCH)), End::Cc(0));
    bench.put(
        BLOCK,
        &[0x12, 0x34, 0x56, 0x78, 0, 0x80, 0x80, 0, 0, 0, 0x30, 0],
    );
    assert_eq!(bench.run(&s(SSCH)), End::Cc(0));
    bench
}

#[test]
fn checks_come_in_their_order() {
    let mut bench = bench();
    bench.before = psw::PROBLEM;
    for opcode in WITH_BLOCK
        .into_iter()
        .chain(ALONE)
        .chain([TPI, STCRW, RCHP])
    {
        assert_eq!(bench.run(&s(opcode)), PRIVILEGED, "{opcode:x}");
    }
    bench.before = 0;
    // Nothing is right: alignment, then access, then the subchannel's name.
    bench.cpu.gpr[1] = 0;
    for opcode in WITH_BLOCK {
        bench.cpu.gpr[2] = BEYOND + 2;
        assert_eq!(bench.run(&s(opcode)), SPECIFICATION, "{opcode:x}");
        bench.cpu.gpr[2] = BEYOND;
        assert_eq!(bench.run(&s(opcode)), ADDRESSING, "{opcode:x}");
        bench.cpu.gpr[2] = BLOCK;
        assert_eq!(bench.run(&s(opcode)), OPERAND, "{opcode:x}");
    }
    for opcode in ALONE {
        assert_eq!(bench.run(&s(opcode)), OPERAND, "{opcode:x}");
    }
    for opcode in [TPI, STCRW] {
        bench.cpu.gpr[2] = BEYOND + 2;
        assert_eq!(bench.run(&s(opcode)), SPECIFICATION, "{opcode:x}");
        bench.cpu.gpr[2] = BEYOND;
        assert_eq!(bench.run(&s(opcode)), ADDRESSING, "{opcode:x}");
    }
    // A subchannel that there is not: the operand's access comes before that, too.
    bench.cpu.gpr[1] = 0x0001_0001;
    for opcode in WITH_BLOCK {
        bench.cpu.gpr[2] = BEYOND;
        assert_eq!(bench.run(&s(opcode)), ADDRESSING, "{opcode:x}");
        bench.cpu.gpr[2] = BLOCK;
        assert_eq!(bench.run(&s(opcode)), End::Cc(3), "{opcode:x}");
    }
    for opcode in ALONE {
        assert_eq!(bench.run(&s(opcode)), End::Cc(3), "{opcode:x}");
    }
    bench.cpu.gpr[1] = 0x0000_0100;
    assert_eq!(bench.run(&s(RCHP)), OPERAND);
}

#[test]
fn a_pending_interruption_is_tested_for_by_subclass() {
    let mut bench = with_status();
    assert_eq!(bench.run(&s(TPI)), End::Cc(0));
    bench.cpu.cr[6] = 0xdf00_0000;
    assert_eq!(bench.run(&s(TPI)), End::Cc(0));
    bench.cpu.cr[6] = 0x2000_0000;
    assert_eq!(bench.run(&s(TPI)), End::Cc(1));
    assert_eq!(bench.get(BLOCK, 8), [0, 1, 0, 0, 0x12, 0x34, 0x56, 0x78]);
    assert_eq!(bench.run(&s(TPI)), End::Cc(0));
    // The status is there all the same; address 0 stands for the assigned locations.
    assert_eq!(bench.run(&s(TSCH)), End::Cc(0));
    assert_eq!(bench.run(&s(TSCH)), End::Cc(1));
    let mut bench = with_status();
    bench.cpu.cr[6] = 0x2000_0000;
    bench.cpu.gpr[2] = 0;
    assert_eq!(bench.run(&s(TPI)), End::Cc(1));
    assert_eq!(
        bench.get(lowcore::IO_CODE, 12),
        [0, 1, 0, 0, 0x12, 0x34, 0x56, 0x78, 0x10, 0, 0, 0]
    );
}

#[test]
fn a_report_that_cannot_be_stored_is_not_lost() {
    let mut bench = bench();
    bench.put(BLOCK, &[0xff; 4]);
    assert_eq!(bench.run(&s(STCRW)), End::Cc(1));
    assert_eq!(bench.get(BLOCK, 4), [0; 4]);
    bench.cpu.gpr[1] = 0;
    assert_eq!(bench.run(&s(RCHP)), End::Cc(0));
    bench.cpu.gpr[2] = BEYOND;
    assert_eq!(bench.run(&s(STCRW)), ADDRESSING);
    bench.cpu.gpr[2] = BLOCK;
    assert_eq!(bench.run(&s(STCRW)), End::Cc(0));
    assert_eq!(bench.get(BLOCK, 4), [0x44, 0x02, 0, 0]);
}
