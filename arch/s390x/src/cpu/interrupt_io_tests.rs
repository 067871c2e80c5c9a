//! I/O interruptions and machine checks among CPUs: masks, order, what is stored.

use machine::NetDevice;
use tcg::Poll;
use tcg::ir::MemSize;

use super::facility::VECTOR;
use super::handle::CpuState;
use super::interrupt::{poll, subclass};
use super::psw::{self, Psw};
use super::testing::{Bench, HANDLERS, code_psw};
use super::{S390Cpu, lowcore};
use crate::css::blocks::{Modification, Orb, pmcw};
use crate::css::{Host, SubchannelId};

/// CR6 for subclass 3.
const SUBCLASS_3: u64 = 0x1000_0000;
/// CR14: channel reports.
const REPORTS: u64 = 0x1000_0000;

/// A machine with a device, whose subchannel has status pending.
fn pending(cpus: u16) -> Bench {
    let mut bench = Bench::new(cpus);
    bench.shared.css.add(&NetDevice::default()).unwrap();
    let id = SubchannelId::from_register(0x0001_0000).unwrap();
    let new = Modification {
        parameter: 0,
        flags: pmcw::ENABLED | 3 << pmcw::ISC_SHIFT,
        logical_paths: 0xff,
        operational_paths: 0xff,
        measurement_index: 0,
        characteristics: 0,
        measurement_block: 0,
    };
    assert_eq!(bench.shared.css.modify(id, &new), 0);
    for cpu in &mut bench.cpus {
        for new in [lowcore::IO_NEW, lowcore::MACHINE_CHECK_NEW] {
            cpu.set_lowcore_psw(new, code_psw(HANDLERS + new));
        }
        cpu.take_attention();
    }
    let host = Host {
        core: &bench.cpus[0].core,
        keys: &bench.shared.keys,
    };
    // Storage is zeros: an invalid command, and so status.
    let orb = Orb {
        parameter: 0x1234_5678,
        control: 0x0080,
        logical_paths: 0x80,
        program: 0x10_0000,
    };
    assert_eq!(bench.shared.css.start(host, id, orb), 0);
    bench
}

fn run_at(cpu: &mut S390Cpu, mask: u64) -> u64 {
    cpu.set_psw(Psw {
        mask: psw::ADDRESSING | mask,
        address: 0x1000,
    });
    assert_eq!(poll(cpu), Poll::Run);
    cpu.core.pc
}

#[test]
fn the_cpu_that_is_enabled_takes_it() {
    let mut bench = pending(2);
    let [first, second] = &mut bench.cpus[..] else {
        panic!("two CPUs");
    };
    // All are told, for who is enabled is not known.
    assert!(first.take_attention() && second.take_attention());
    // By the subclass only, and by the PSW only: not enabled.
    first.cr[6] = SUBCLASS_3;
    assert_eq!(run_at(first, 0), 0x1000);
    assert_eq!(first.pending & psw::IO, psw::IO);
    second.cr[6] = !SUBCLASS_3;
    assert_eq!(run_at(second, psw::IO), 0x1000);
    second.cr[6] = SUBCLASS_3;
    assert_eq!(run_at(second, psw::IO), HANDLERS + lowcore::IO_NEW);
    assert_eq!(
        second.lowcore(lowcore::IO_CODE, MemSize::B8),
        0x0001_0000_1234_5678
    );
    assert_eq!(second.lowcore(lowcore::IO_CODE + 8, MemSize::B4), 3 << 27);
    assert_eq!(second.lowcore_psw(lowcore::IO_OLD).address, 0x1000);
    // It is taken, for the first one too.
    assert_eq!(run_at(first, psw::IO), 0x1000);
}

#[test]
fn machine_check_external_io_and_restart_come_in_that_order() {
    let mut bench = pending(1);
    bench.shared.css.reset_path(0, 0).unwrap();
    let cpu = &mut bench.cpus[0];
    cpu.cr[0] = subclass::EXTERNAL_CALL;
    cpu.cr[6] = SUBCLASS_3;
    cpu.cr[14] = REPORTS;
    cpu.control.handle.post_external_call(0);
    cpu.restart();
    let all = psw::MACHINE_CHECK | psw::EXTERNAL | psw::IO;
    for new in [
        lowcore::MACHINE_CHECK_NEW,
        lowcore::EXTERNAL_NEW,
        lowcore::IO_NEW,
    ] {
        let psw = Psw {
            mask: psw::ADDRESSING | all,
            address: HANDLERS + new,
        };
        cpu.set_lowcore_psw(new, psw);
    }
    // The last one taken runs first; each old PSW names the one before.
    assert_eq!(run_at(cpu, all), HANDLERS + lowcore::RESTART_NEW);
    for (old, before) in [
        (lowcore::RESTART_OLD, HANDLERS + lowcore::IO_NEW),
        (lowcore::IO_OLD, HANDLERS + lowcore::EXTERNAL_NEW),
        (lowcore::EXTERNAL_OLD, HANDLERS + lowcore::MACHINE_CHECK_NEW),
        (lowcore::MACHINE_CHECK_OLD, 0x1000),
    ] {
        assert_eq!(cpu.lowcore_psw(old).address, before);
    }
}

#[test]
fn a_machine_check_stores_registers_in_their_own_units() {
    let mut bench = pending(2);
    bench.shared.css.reset_path(0, 0).unwrap();
    bench.stop();
    let cpu = &mut bench.cpus[1];
    cpu.gpr[5] = 0x55;
    cpu.set_cpu_timer(0x1234_5678_9abc_def0);
    cpu.set_comparator(0xfedc_ba98_7654_3210);
    cpu.cr[14] = 0;
    cpu.set_psw(Psw {
        mask: psw::ADDRESSING | psw::MACHINE_CHECK,
        address: 0x1000,
    });
    poll(cpu);
    assert_eq!(cpu.core.pc, 0x1000);
    cpu.cr[14] = REPORTS;
    poll(cpu);
    assert_eq!(cpu.core.pc, HANDLERS + lowcore::MACHINE_CHECK_NEW);
    assert_eq!(
        cpu.lowcore(lowcore::MACHINE_CHECK_CODE, MemSize::B8),
        0x0040_0f1d_4033_0000
    );
    let stored = |offset: u64| cpu.lowcore(lowcore::SAVE_AREA + offset, MemSize::B8);
    assert_eq!(stored(0x80 + 5 * 8), 0x55);
    assert_eq!(stored(0x128), 0x1234_5678_9abc_def0);
    assert_eq!(stored(0x130), 0x00fe_dcba_9876_5432);
    assert_eq!(stored(0x180 + 14 * 8), REPORTS);
    // Once.
    cpu.set_psw(Psw {
        mask: psw::ADDRESSING | psw::MACHINE_CHECK,
        address: 0x1000,
    });
    poll(cpu);
    assert_eq!(cpu.core.pc, 0x1000);
}

#[test]
fn a_machine_check_stores_vector_registers_where_they_are_wanted() {
    let area = 0x3_0400;
    for (installed, designation, stored) in [
        (true, area, true),
        (true, area | 0x3ff, true),
        (true, 0x3ff, false),
        (true, crate::cpu::testing::RAM, false),
        (false, area, false),
    ] {
        let mut bench = pending(1);
        bench.shared.css.reset_path(0, 0).unwrap();
        let cpu = &mut bench.cpus[0];
        cpu.control.facilities.set(VECTOR, installed);
        cpu.vr[31].right = 0x31;
        cpu.set_lowcore(lowcore::EXTENDED_SAVE_AREA, MemSize::B8, designation);
        cpu.cr[14] = REPORTS;
        cpu.set_psw(Psw {
            mask: psw::ADDRESSING | psw::MACHINE_CHECK,
            address: 0x1000,
        });
        poll(cpu);
        let code = cpu.lowcore(lowcore::MACHINE_CHECK_CODE, MemSize::B8);
        let valid = if stored { 0x40_0000_0000 } else { 0 };
        assert_eq!(code, 0x0040_0f1d_4033_0000 | valid);
        let last = tcg::mem::load_absolute(&cpu.core, area + 0x1f8, MemSize::B8);
        assert_eq!(last, if stored { 0x31 } else { 0 });
    }
}

#[test]
fn restart_brings_a_stopped_cpu_back_and_not_a_dead_one() {
    let mut bench = Bench::new(1);
    let cpu = &mut bench.cpus[0];
    cpu.set_state(CpuState::CheckStop);
    cpu.restart();
    assert_eq!(cpu.control.handle.state(), CpuState::CheckStop);
    cpu.set_state(CpuState::Stopped);
    cpu.restart();
    assert_eq!(cpu.control.handle.state(), CpuState::Operating);
    assert_eq!(poll(cpu), Poll::Run);
    assert_eq!(cpu.core.pc, HANDLERS + lowcore::RESTART_NEW);
}
