//! The instructions as a guest executes them: where operands come from, what is left behind, and
//! which program interruption follows. What they compute is tested in `crate::bfp`.

use std::sync::Arc;

use machine::{GuestRam, Identity};
use tcg::ir::MemSize;
use tcg::{CpuCore, EngineKind, Options, System, mem};

use crate::console::Sclp;
use crate::cpu::S390Cpu;
use crate::cpu::handle::CpuState;
use crate::insn::decode::length;
use crate::machine::shared::test_shared;

mod native;

const CODE: u64 = 0x1000;
const DATA: u64 = 0x2000;
const PROGRAM_OLD: u64 = 0x150;
const PROGRAM_NEW: u64 = 0x1d0;
const PROGRAM_CODE: u64 = 0x8c;
const DXC: u64 = 0x90;
/// The 64-bit mode, and nothing enabled.
const PSW_MASK: u64 = 0x0000_0001_8000_0000;
const ALL_MASKS: u32 = 0xf800_0000;

/// What program interruption an instruction ended in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Completed,
    Specification,
    /// With the data-exception code.
    Data(u8),
}

/// A CPU in the 64-bit mode, AFP registers on, R5 at the data.
fn start() -> S390Cpu {
    start_on(EngineKind::default())
}

fn start_on(engine: EngineKind) -> S390Cpu {
    let options = Options {
        engine,
        ..Options::default()
    };
    let ram = GuestRam::new(1 << 20).expect("a little RAM");
    let system = System::with_options(Arc::new(ram), options);
    let (events, _) = crossbeam::channel::unbounded();
    let shared = test_shared(system.clone(), Sclp::new(None), Identity::default(), events);
    let mut cpu = S390Cpu::new(CpuCore::new(system), shared, 0);
    cpu.set_state(CpuState::Operating);
    cpu.cr[0] = 1 << (63 - 45);
    cpu.gpr[5] = DATA;
    let word = |at, v| mem::store_absolute(&cpu.core, at, MemSize::B8, v);
    word(PROGRAM_NEW, 0x0002_0001_8000_0000); // disabled wait
    word(PROGRAM_NEW + 8, 0);
    cpu
}

/// Executes one instruction, given by its hexadecimal digits.
fn execute(cpu: &mut S390Cpu, digits: &str) -> End {
    let image = u64::from_str_radix(digits, 16).expect("digits") << (64 - 4 * digits.len());
    let count = u64::from(length((image >> 56) as u8));
    assert_eq!(count * 2, digits.len() as u64, "{digits}");
    mem::store_absolute(&cpu.core, CODE, MemSize::B8, image);
    // An operation exception follows, and waits.
    mem::store_absolute(&cpu.core, CODE + count, MemSize::B2, 0);
    cpu.core.pc = CODE;
    cpu.psw_mask = PSW_MASK;
    crate::cpu::run::run(cpu);
    let code = mem::load_absolute(&cpu.core, PROGRAM_CODE, MemSize::B4);
    match code as u16 {
        1 => End::Completed,
        6 => End::Specification,
        7 => End::Data(mem::load_absolute(&cpu.core, DXC, MemSize::B4) as u8),
        other => panic!("program interruption {other:#x} after {digits}"),
    }
}

/// The condition code that the instruction has left: the interruption that follows has put it
/// into the old PSW.
fn cc(cpu: &S390Cpu) -> u64 {
    mem::load_absolute(&cpu.core, PROGRAM_OLD, MemSize::B8) >> 44 & 3
}

fn double(x: f64) -> u64 {
    x.to_bits()
}

/// A short operand with something in the right half that must stay.
fn single(x: f32) -> u64 {
    u64::from(x.to_bits()) << 32 | 0xdead_beef
}

#[test]
fn short_operands_are_left_halves() {
    let mut cpu = start();
    (cpu.vr[1].left, cpu.vr[2].left) = (single(1.5), single(-3.0));
    assert_eq!(execute(&mut cpu, "b30a0012"), End::Completed); // AEBR
    assert_eq!((cpu.vr[1].left, cc(&cpu)), (single(-1.5), 1));
    mem::store_absolute(&cpu.core, DATA + 4, MemSize::B4, f32::to_bits(-1.5).into());
    assert_eq!(execute(&mut cpu, "ed105004000b"), End::Completed); // SEB
    assert_eq!((cpu.vr[1].left, cc(&cpu)), (single(0.0), 0));
    assert_eq!(execute(&mut cpu, "b3040012"), End::Completed); // LDEBR
    assert_eq!(cpu.vr[1].left, double(-3.0));
}

#[test]
fn long_operands_from_registers_and_storage() {
    let mut cpu = start();
    (cpu.vr[8].left, cpu.vr[15].left) = (double(10.0), double(4.0));
    assert_eq!(execute(&mut cpu, "b31d008f"), End::Completed); // DDBR
    assert_eq!(cpu.vr[8].left, double(2.5));
    mem::store_absolute(&cpu.core, DATA + 16, MemSize::B8, double(2.5));
    (cpu.gpr[6], cpu.fpc) = (6, 0);
    assert_eq!(execute(&mut cpu, "ed86500a0019"), End::Completed); // CDB with an index
    assert_eq!(cc(&cpu), 0);
    assert_eq!(execute(&mut cpu, "b315008f"), End::Completed); // SQDBR
    assert_eq!((cpu.vr[8].left, cpu.fpc), (double(2.0), 0));
    assert_eq!(execute(&mut cpu, "b31d0088"), End::Completed); // 2 / 2
    cpu.vr[1].left = double(3.0);
    assert_eq!(execute(&mut cpu, "b31d0081"), End::Completed); // 1 / 3: inexact
    assert_eq!((cpu.vr[8].left, cpu.fpc), (double(1.0 / 3.0), 0x0008_0000));
}

#[test]
fn extended_operands_are_pairs() {
    let mut cpu = start();
    cpu.vr[4].left = double(3.0);
    assert_eq!(execute(&mut cpu, "b3050014"), End::Completed); // LXDBR 1,4
    assert_eq!((cpu.vr[1].left, cpu.vr[3].left), (0x4000_8000_0000_0000, 0));
    assert_eq!(execute(&mut cpu, "b34c0011"), End::Completed); // MXBR: 9
    assert_eq!(execute(&mut cpu, "b34d0051"), End::Completed); // DXBR: 0 / 9
    assert_eq!(
        (cpu.vr[1].left, cpu.vr[5].left, cpu.vr[7].left),
        (0x4002_2000_0000_0000, 0, 0)
    );
    assert_eq!(execute(&mut cpu, "b3430051"), End::Completed); // LCXBR
    assert_eq!((cpu.vr[5].left, cc(&cpu)), (0xc002_2000_0000_0000, 1));
    cpu.gpr[9] = 0xaaaa_aaaa_5555_5555;
    assert_eq!(execute(&mut cpu, "b39a5095"), End::Completed); // CFXBR
    assert_eq!((cpu.gpr[9], cc(&cpu)), (0xaaaa_aaaa_ffff_fff7, 1));
    for odd in [
        "b34a0020",
        "b34a0002",
        "b3050024",
        "b3050034",
        "ed2050000007",
        "b39a5092",
    ] {
        assert_eq!(execute(&mut cpu, odd), End::Specification, "{odd}");
    }
}

#[test]
fn multiply_and_add_takes_r3_r2_r1() {
    let mut cpu = start();
    (cpu.vr[1].left, cpu.vr[2].left, cpu.vr[3].left) = (double(1.0), double(2.0), double(10.0));
    assert_eq!(execute(&mut cpu, "b31e1032"), End::Completed); // MADBR 1,3,2
    assert_eq!(cpu.vr[1].left, double(21.0));
    mem::store_absolute(&cpu.core, DATA, MemSize::B8, double(0.5));
    assert_eq!(execute(&mut cpu, "ed305000101f"), End::Completed); // MSDB 1,3,0(5)
    assert_eq!(cpu.vr[1].left, double(-16.0));
    let quiet = |payload: u64| 0x7ff8_0000_0000_0000 | payload;
    (cpu.vr[1].left, cpu.vr[2].left, cpu.vr[3].left) = (quiet(1), quiet(2), quiet(3));
    assert_eq!(execute(&mut cpu, "b31e1032"), End::Completed);
    assert_eq!(cpu.vr[1].left, quiet(3));
}

/// Invalid operation and division by zero suppress; the others complete and then interrupt.
#[test]
fn traps() {
    let mut cpu = start();
    (cpu.vr[1].left, cpu.vr[2].left, cpu.fpc) = (double(1.0), 0, ALL_MASKS);
    cpu.set_cc(2);
    assert_eq!(execute(&mut cpu, "b31d0012"), End::Data(0x40)); // 1 / 0
    assert_eq!((cpu.vr[1].left, cpu.fpc), (double(1.0), ALL_MASKS | 0x4000));
    assert_eq!(cc(&cpu), 2);
    (cpu.vr[1].left, cpu.vr[2].left, cpu.fpc) = (double(1e300), double(1.0), ALL_MASKS);
    assert_eq!(execute(&mut cpu, "b31a0012"), End::Data(0x08));
    assert_eq!(
        (cpu.vr[1].left, cpu.fpc),
        (double(1e300), ALL_MASKS | 0x0800)
    );
    cpu.vr[1].left = 0x7fe0_0000_0000_0000;
    assert_eq!(execute(&mut cpu, "b31a0011"), End::Data(0x20)); // scaled by 2 to the -1536
    assert_eq!(
        (cpu.vr[1].left, cpu.fpc),
        (0x1ff0_0000_0000_0000, ALL_MASKS | 0x2000)
    );
    assert_eq!(cc(&cpu), 2);
    // LOAD ROUNDED leaves a long result
    (cpu.vr[1].left, cpu.vr[2].left) = (0, 0x47f0_0000_0000_0000);
    assert_eq!(execute(&mut cpu, "b3440012"), End::Data(0x20));
    assert_eq!(cpu.vr[1].left, 0x27f0_0000_0000_0000);
    // CONVERT TO FIXED: inexact completes, out of range is suppressed
    (cpu.gpr[1], cpu.vr[2].left) = (7, double(2.5));
    assert_eq!(execute(&mut cpu, "b3a90012"), End::Data(0x08));
    assert_eq!(cpu.gpr[1], 2);
    assert_eq!(execute(&mut cpu, "b3a90412"), End::Completed); // XxC
    cpu.vr[2].left = double(1e30);
    assert_eq!(execute(&mut cpu, "b3a90012"), End::Data(0x80));
    assert_eq!(cpu.gpr[1], 2);
}

#[test]
fn modifiers() {
    let mut cpu = start();
    cpu.vr[2].left = double(2.5);
    for (m3, result) in [(0, 2), (1, 3), (3, 3), (4, 2), (5, 2), (6, 3), (7, 2)] {
        assert_eq!(execute(&mut cpu, &format!("b3a9{m3}012")), End::Completed);
        assert_eq!((cpu.gpr[1], cc(&cpu)), (result, 2), "M3 {m3}");
    }
    for m3 in ["2", "8", "f"] {
        assert_eq!(
            execute(&mut cpu, &format!("b3a9{m3}012")),
            End::Specification
        );
        assert_eq!(
            execute(&mut cpu, &format!("b35b3{m3}12")),
            End::Specification
        );
    }
    cpu.gpr[2] = u64::MAX;
    assert_eq!(execute(&mut cpu, "b3910012"), End::Completed); // CDLFBR
    assert_eq!(cpu.vr[1].left, double(4_294_967_295.0));
    assert_eq!(execute(&mut cpu, "b3950012"), End::Completed); // CDFBR
    assert_eq!(cpu.vr[1].left, double(-1.0));
    assert_eq!(execute(&mut cpu, "b3a15012"), End::Completed); // CDLGBRA toward zero
    assert_eq!(cpu.vr[1].left, double(18_446_744_073_709_549_568.0));
}

#[test]
fn division_to_an_integer() {
    let mut cpu = start();
    (cpu.vr[1].left, cpu.vr[2].left) = (double(-7.0), double(2.0));
    assert_eq!(execute(&mut cpu, "b35b3512"), End::Completed); // DIDBR 1,3,2,5
    assert_eq!(
        (cpu.vr[1].left, cpu.vr[3].left, cc(&cpu)),
        (double(-1.0), double(-3.0), 0)
    );
    for same in ["b35b1512", "b35b2512", "b35b3511", "b3531512"] {
        assert_eq!(execute(&mut cpu, same), End::Specification, "{same}");
    }
}

#[test]
fn data_classes() {
    let mut cpu = start();
    cpu.vr[1].left = 0xfff0_0000_0000_0000;
    assert_eq!(execute(&mut cpu, "ed1000100011"), End::Completed); // TCDB: minus infinity
    assert_eq!(cc(&cpu), 1);
    assert_eq!(execute(&mut cpu, "ed100fef0011"), End::Completed);
    assert_eq!(cc(&cpu), 0);
}

/// CR0's AFP-register control off: no BFP, and four registers only.
#[test]
fn without_afp_registers() {
    let mut cpu = start();
    cpu.cr[0] = 0;
    cpu.vr[2].left = 5;
    for bfp in [
        "b31a0002",
        "ed005000001a",
        "b3100002",
        "b38c0010",
        "b29c5000",
        "b2990000",
        "b3960000",
    ] {
        assert_eq!(execute(&mut cpu, bfp), End::Data(2), "{bfp}");
    }
    for additional in [
        "2801", "2810", "b3750080", "b3c10010", "68105000", "b3721002", "b3650001",
    ] {
        assert_eq!(execute(&mut cpu, additional), End::Data(1), "{additional}");
    }
    assert_eq!(execute(&mut cpu, "2862"), End::Completed);
    assert_eq!((cpu.vr[6].left, cpu.fpc), (5, 0));
}

#[test]
fn registers_storage_and_signs() {
    let mut cpu = start();
    cpu.gpr[2] = 0x8123_4567_89ab_cdef;
    assert_eq!(execute(&mut cpu, "b3c10012"), End::Completed); // LDGR
    assert_eq!(execute(&mut cpu, "60105008"), End::Completed); // STD
    assert_eq!(execute(&mut cpu, "7030500c"), End::Completed); // STE
    assert_eq!(
        mem::load_absolute(&cpu.core, DATA + 8, MemSize::B8),
        0x8123_4567_0000_0000
    );
    assert_eq!(execute(&mut cpu, "3831"), End::Completed); // LER
    assert_eq!(cpu.vr[3].left, 0x8123_4567_0000_0000);
    assert_eq!(execute(&mut cpu, "ed1050080064"), End::Completed); // LEY
    assert_eq!(cpu.vr[1].left, 0x8123_4567_89ab_cdef);
    assert_eq!(execute(&mut cpu, "b3700041"), End::Completed); // LPDFR
    assert_eq!(cpu.vr[4].left, 0x0123_4567_89ab_cdef);
    assert_eq!(execute(&mut cpu, "b3721064"), End::Completed); // CPSDR 6,1,4
    assert_eq!(cpu.vr[6].left, 0x8123_4567_89ab_cdef);
    assert_eq!(execute(&mut cpu, "b3cd00a6"), End::Completed); // LGDR
    assert_eq!(cpu.gpr[10], 0x8123_4567_89ab_cdef);
    assert_eq!(execute(&mut cpu, "b3730066"), End::Completed); // LCDFR
    assert_eq!(execute(&mut cpu, "b3740060"), End::Completed); // LZER
    assert_eq!(cpu.vr[6].left, 0x89ab_cdef);
    assert_eq!(execute(&mut cpu, "b3650046"), End::Specification); // LXR 4,6
    cpu.vr[7].left = 1;
    assert_eq!(execute(&mut cpu, "b3650015"), End::Completed); // LXR 1,5
    assert_eq!(cpu.vr[3].left, 1);
}

#[test]
fn control_register() {
    let mut cpu = start();
    (cpu.gpr[1], cpu.gpr[2]) = (0xffff_ffff_f800_0003, u64::MAX);
    assert_eq!(execute(&mut cpu, "b3840010"), End::Completed); // SFPC
    assert_eq!(execute(&mut cpu, "b38c0020"), End::Completed); // EFPC
    assert_eq!(cpu.gpr[2], 0xffff_ffff_f800_0003);
    assert_eq!(execute(&mut cpu, "b2990001"), End::Completed); // SRNM 1
    assert_eq!(cpu.fpc, 0xf800_0001);
    assert_eq!(execute(&mut cpu, "b2b80007"), End::Completed); // SRNMB 7
    assert_eq!(execute(&mut cpu, "b2990006"), End::Completed); // SRNM: two bits
    assert_eq!(cpu.fpc, 0xf800_0002);
    for mode in ["b2b80004", "b2b80008", "b2b80087"] {
        assert_eq!(execute(&mut cpu, mode), End::Specification, "{mode}");
    }
    assert_eq!(execute(&mut cpu, "b29c5003"), End::Completed); // STFPC
    assert_eq!(
        mem::load_absolute(&cpu.core, DATA + 3, MemSize::B4),
        0xf800_0002
    );
    mem::store_absolute(&cpu.core, DATA, MemSize::B4, 0x0100_0000);
    assert_eq!(execute(&mut cpu, "b29d5000"), End::Specification); // LFPC
    assert_eq!(cpu.fpc, 0xf800_0002);
    // an old flag whose new mask is one is signalled
    cpu.fpc = 0x0048_0000;
    mem::store_absolute(&cpu.core, DATA, MemSize::B4, 0x0800_0000);
    assert_eq!(execute(&mut cpu, "b2bd5000"), End::Data(0x0b)); // LFAS
    assert_eq!(cpu.fpc, 0x0848_0b00);
    cpu.gpr[1] = 0x4000_0000;
    assert_eq!(execute(&mut cpu, "b3850010"), End::Data(0x43)); // SFASR
    assert_eq!(cpu.fpc, 0x4048_4300);
}
