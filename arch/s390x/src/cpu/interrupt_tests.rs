//! Interruptions: order, masks, levels and latches, wait states, loops.

use tcg::ir::MemSize;
use tcg::{Guest, Poll, Trap};

use super::control::Leave;
use super::handle::{self, CpuState};
use super::interrupt::{self, poll, subclass};
use super::psw::{self, Psw};
use super::testing::{Bench, HANDLERS, code_psw};
use super::{ProgramCode, S390Cpu, lowcore};

const ALL: u64 = subclass::EMERGENCY
    | subclass::EXTERNAL_CALL
    | subclass::CLOCK_COMPARATOR
    | subclass::CPU_TIMER
    | subclass::SERVICE;

/// Takes what is enabled now; the external code, 0 if none was taken.
fn next(cpu: &mut S390Cpu) -> u64 {
    cpu.enable(0x1000);
    assert_eq!(poll(cpu), Poll::Run);
    cpu.take_external_code()
}

#[test]
fn externals_come_in_the_order_of_their_priority() {
    let mut bench = Bench::new(3);
    let cpu = &mut bench.cpus[0];
    cpu.cr[0] = ALL;
    cpu.set_comparator(0);
    cpu.set_cpu_timer(u64::MAX);
    bench
        .shared
        .floating
        .service_signal(&bench.shared.cpus, 0x5001);
    bench.shared.cpus[0].post_external_call(1);
    bench.shared.cpus[0].post_emergency(2);
    bench.shared.cpus[0].post_emergency(1);
    assert_eq!(next(cpu), 0x1201);
    assert_eq!(cpu.lowcore(lowcore::EXTERNAL_CPU, MemSize::B2), 1);
    assert_eq!(next(cpu), 0x1201);
    assert_eq!(cpu.lowcore(lowcore::EXTERNAL_CPU, MemSize::B2), 2);
    assert_eq!(next(cpu), 0x1202);
    assert_eq!(cpu.lowcore(lowcore::EXTERNAL_CPU, MemSize::B2), 1);
    assert_eq!(next(cpu), 0x1004);
    assert_eq!(cpu.lowcore(lowcore::EXTERNAL_CPU, MemSize::B2), 0);
    // A level: there again until it is withdrawn.
    assert_eq!(next(cpu), 0x1004);
    cpu.set_comparator(u64::MAX);
    assert_eq!(next(cpu), 0x1005);
    cpu.set_cpu_timer(u64::MAX >> 1);
    assert_eq!(next(cpu), 0x2401);
    assert_eq!(
        cpu.lowcore(lowcore::EXTERNAL_PARAMETER, MemSize::B4),
        0x5001
    );
    assert_eq!(next(cpu), 0);
}

#[test]
fn a_masked_condition_waits_for_its_mask() {
    for (mask, code) in [
        (subclass::EMERGENCY, 0x1201),
        (subclass::EXTERNAL_CALL, 0x1202),
        (subclass::CLOCK_COMPARATOR, 0x1004),
        (subclass::CPU_TIMER, 0x1005),
        (subclass::SERVICE, 0x2401),
    ] {
        let mut bench = Bench::new(2);
        let cpu = &mut bench.cpus[0];
        cpu.set_comparator(0);
        cpu.set_cpu_timer(1 << 63);
        bench.shared.cpus[0].post_emergency(1);
        bench.shared.cpus[0].post_external_call(1);
        bench
            .shared
            .floating
            .service_signal(&bench.shared.cpus, 0x1000);
        cpu.cr[0] = ALL & !mask;
        // Everything else is taken or withdrawn.
        cpu.set_comparator(if mask == subclass::CLOCK_COMPARATOR {
            0
        } else {
            u64::MAX
        });
        cpu.set_cpu_timer(if mask == subclass::CPU_TIMER {
            1 << 63
        } else {
            1 << 62
        });
        while next(cpu) != 0 {}
        assert_eq!(cpu.pending, 0, "a condition without its mask is not noted");
        cpu.cr[0] = mask;
        assert_eq!(next(cpu), code);
    }
}

#[test]
fn what_the_psw_disables_is_noted_and_enabling_it_asks_for_attention() {
    let mut bench = Bench::new(1);
    let cpu = &mut bench.cpus[0];
    cpu.cr[0] = ALL;
    bench
        .shared
        .floating
        .service_signal(&bench.shared.cpus, 0x1000);
    cpu.set_psw(code_psw(0x1000));
    assert!(cpu.take_attention());
    cpu.recheck_interruptions();
    cpu.set_comparator(u64::MAX);
    assert_eq!(poll(cpu), Poll::Run);
    assert_eq!(cpu.pending, psw::EXTERNAL);
    assert!(
        !cpu.take_attention(),
        "nothing is asked for while it is disabled"
    );
    cpu.enable(0x1000);
    assert!(cpu.take_attention());
    cpu.recheck_interruptions();
    assert_eq!(poll(cpu), Poll::Run);
    assert_eq!(cpu.take_external_code(), 0x2401);
    assert_eq!(cpu.pending, 0);
}

#[test]
fn the_old_psw_has_everything_and_the_new_one_comes_from_the_prefix_area() {
    let mut bench = Bench::new(2);
    let cpu = &mut bench.cpus[1];
    cpu.cr[0] = ALL;
    cpu.set_comparator(u64::MAX);
    let old = Psw {
        mask: psw::ADDRESSING | psw::EXTERNAL | psw::PROBLEM | psw::KEY | 2 << psw::CC_SHIFT,
        address: 0x1234,
    };
    cpu.set_psw(old);
    bench.shared.cpus[1].post_emergency(0);
    assert_eq!(poll(cpu), Poll::Run);
    assert_eq!(cpu.lowcore_psw(lowcore::EXTERNAL_OLD), old);
    assert_eq!(cpu.psw(), code_psw(HANDLERS + lowcore::EXTERNAL_NEW));
    // CPU 1's prefix area is elsewhere; CPU 0's is untouched.
    assert_eq!(
        bench.cpus[0].lowcore(lowcore::EXTERNAL_CODE, MemSize::B2),
        0
    );
}

#[test]
fn an_enabled_wait_waits_and_a_disabled_one_is_told_once() {
    let mut bench = Bench::new(1);
    let cpu = &mut bench.cpus[0];
    let wait = |mask| Psw {
        mask: psw::ADDRESSING | psw::WAIT | mask,
        address: 0x2000,
    };
    cpu.set_psw(wait(psw::EXTERNAL));
    assert!(cpu.take_attention(), "loading a wait PSW is looked at");
    assert_eq!(poll(cpu), Poll::Leave);
    assert_eq!(cpu.control.take_leave(), Leave::Wait);
    cpu.cr[0] = ALL;
    cpu.set_comparator(0);
    assert_eq!(poll(cpu), Poll::Run);
    assert_eq!(cpu.take_external_code(), 0x1004);
    assert_eq!(cpu.lowcore_psw(lowcore::EXTERNAL_OLD), wait(psw::EXTERNAL));

    cpu.set_psw(wait(0));
    assert_eq!(poll(cpu), Poll::Leave);
    assert_eq!(cpu.control.take_leave(), Leave::DisabledWait);
    assert_eq!(poll(cpu), Poll::Leave);
    assert_eq!(cpu.control.take_leave(), Leave::Wait);
    // A restart ends any wait.
    bench.shared.cpus[0].post_restart();
    assert_eq!(poll(cpu), Poll::Run);
    assert_eq!(cpu.psw(), code_psw(HANDLERS + lowcore::RESTART_NEW));
    assert_eq!(cpu.lowcore_psw(lowcore::RESTART_OLD), wait(0));
}

#[test]
fn a_restart_comes_last_but_to_a_stopped_cpu_first() {
    let mut bench = Bench::new(1);
    let cpu = &mut bench.cpus[0];
    cpu.cr[0] = ALL;
    cpu.set_comparator(0);
    cpu.enable(0x1000);
    cpu.restart();
    assert_eq!(poll(cpu), Poll::Run);
    assert_eq!(cpu.psw(), code_psw(HANDLERS + lowcore::RESTART_NEW));
    assert_eq!(cpu.take_external_code(), 0x1004);
    let handler = HANDLERS + lowcore::EXTERNAL_NEW;
    assert_eq!(cpu.lowcore_psw(lowcore::RESTART_OLD), code_psw(handler));

    cpu.set_state(CpuState::Stopped);
    cpu.enable(0x1000);
    cpu.restart();
    assert_eq!(poll(cpu), Poll::Run);
    assert_eq!(cpu.psw(), code_psw(HANDLERS + lowcore::RESTART_NEW));
    // What is pending waits until the program enables it again.
    assert_eq!(cpu.take_external_code(), 0);
    let old = cpu.lowcore_psw(lowcore::RESTART_OLD);
    assert_eq!(
        (old.address, old.mask & psw::EXTERNAL),
        (0x1000, psw::EXTERNAL)
    );
    cpu.enable(0x1000);
    assert_eq!(poll(cpu), Poll::Run);
    assert_eq!(cpu.take_external_code(), 0x1004);
}

#[test]
fn a_stop_comes_after_the_interruptions_that_are_enabled() {
    let mut bench = Bench::new(1);
    let cpu = &mut bench.cpus[0];
    cpu.cr[0] = ALL;
    cpu.set_comparator(0);
    cpu.enable(0x1000);
    bench.shared.cpus[0].post_stop(false);
    assert_eq!(poll(cpu), Poll::Leave);
    assert_eq!(cpu.control.take_leave(), Leave::Stopped);
    assert_eq!(cpu.take_external_code(), 0x1004);
    assert_eq!(bench.shared.cpus[0].state(), CpuState::Stopped);
    // A stopped CPU takes nothing.
    cpu.enable(0x1000);
    assert_eq!(poll(cpu), Poll::Leave);
    assert_eq!(cpu.take_external_code(), 0);
}

#[test]
fn a_request_to_park_comes_first_and_loses_nothing() {
    let mut bench = Bench::new(1);
    let cpu = &mut bench.cpus[0];
    cpu.cr[0] = ALL;
    cpu.set_comparator(0);
    cpu.enable(0x1000);
    bench.shared.cpus[0].kick(handle::PARK);
    assert_eq!(poll(cpu), Poll::Leave);
    assert_eq!(cpu.control.take_leave(), Leave::Park);
    assert_eq!(cpu.take_external_code(), 0);
    bench.shared.cpus[0].clear_park();
    assert_eq!(poll(cpu), Poll::Run);
    assert_eq!(cpu.take_external_code(), 0x1004);
}

#[test]
fn an_invalid_new_psw_is_an_early_specification_exception() {
    let mut bench = Bench::new(1);
    let cpu = &mut bench.cpus[0];
    let invalid = Psw {
        mask: psw::ADDRESSING | 1,
        address: 0x3000,
    };
    cpu.set_lowcore_psw(lowcore::EXTERNAL_NEW, invalid);
    cpu.cr[0] = ALL;
    cpu.set_comparator(0);
    cpu.enable(0x1000);
    assert_eq!(poll(cpu), Poll::Run);
    assert_eq!(cpu.lowcore(lowcore::PROGRAM_ID, MemSize::B4), 6, "length 0");
    assert_eq!(cpu.lowcore_psw(lowcore::PROGRAM_OLD), invalid);
    assert_eq!(cpu.psw(), code_psw(HANDLERS + lowcore::PROGRAM_NEW));
}

#[test]
fn endless_interruptions_are_told_and_leave_the_thread_free() {
    // The program new PSW itself is invalid.
    let mut bench = Bench::new(1);
    let cpu = &mut bench.cpus[0];
    cpu.set_lowcore_psw(
        lowcore::PROGRAM_NEW,
        Psw {
            mask: 1,
            address: 0,
        },
    );
    cpu.core.ilen = 4;
    cpu.deliver(ProgramCode::Operation.into());
    assert_eq!(poll(cpu), Poll::Leave);
    assert_eq!(cpu.control.take_leave(), Leave::Crash("pgmint-loop"));
    assert_eq!(poll(cpu), Poll::Leave);
    assert_eq!(cpu.control.take_leave(), Leave::AwaitReset, "told once");
    cpu.initial_reset();
    cpu.set_state(CpuState::Operating);
    cpu.set_psw(code_psw(0x1000));
    assert_eq!(poll(cpu), Poll::Run);

    // The handler's first instruction fails as the program did.
    for (code, reason) in [
        (ProgramCode::PageTranslation, "pgmint-loop"),
        (ProgramCode::Operation, "opint-loop"),
    ] {
        let mut bench = Bench::new(1);
        let cpu = &mut bench.cpus[0];
        cpu.core.ilen = 0;
        let mut deliveries = 0;
        while poll(cpu) == Poll::Run {
            cpu.deliver(code.into());
            deliveries += 1;
            assert!(deliveries < 10);
        }
        assert_eq!(cpu.control.take_leave(), Leave::Crash(reason));
        assert!(
            deliveries > 2,
            "a handler that fails once may be repaired by another CPU"
        );
    }

    // The external new PSW lets the comparator in again at once.
    let mut bench = Bench::new(1);
    let cpu = &mut bench.cpus[0];
    let enabled = Psw {
        mask: psw::ADDRESSING | psw::EXTERNAL,
        address: 0x3000,
    };
    cpu.set_lowcore_psw(lowcore::EXTERNAL_NEW, enabled);
    cpu.cr[0] = ALL;
    cpu.set_comparator(0);
    cpu.enable(0x1000);
    assert_eq!(poll(cpu), Poll::Leave);
    assert_eq!(cpu.control.take_leave(), Leave::Crash("extint-loop"));
}

/// Code, bytes of the instruction, and how far the old PSW is from it.
#[test]
fn the_old_psw_of_a_program_interruption_follows_the_way_it_ended() {
    for (code, ilen, distance) in [
        (ProgramCode::Operation, 4, 4),
        (ProgramCode::Protection, 6, 6),
        (ProgramCode::Addressing, 2, 2),
        (ProgramCode::FixedPointOverflow, 2, 2),
        (ProgramCode::SpecialOperation, 4, 4),
        (ProgramCode::TranslationSpecification, 6, 6),
        (ProgramCode::SpaceSwitch, 4, 4),
        (ProgramCode::Monitor, 4, 4),
        (ProgramCode::SegmentTranslation, 4, 0),
        (ProgramCode::PageTranslation, 6, 0),
        (ProgramCode::AsceType, 6, 0),
        (ProgramCode::RegionFirstTranslation, 6, 0),
        (ProgramCode::RegionThirdTranslation, 6, 0),
        (ProgramCode::AlenTranslation, 4, 0),
        (ProgramCode::TraceTable, 4, 0),
        (ProgramCode::StackFull, 4, 0),
    ] {
        let mut bench = Bench::new(1);
        let cpu = &mut bench.cpus[0];
        cpu.core.ilen = ilen;
        cpu.breaking_event = 0x7777;
        cpu.deliver(code.into());
        let id = u64::from(ilen) << 16 | code as u64;
        assert_eq!(
            cpu.lowcore(lowcore::PROGRAM_ID, MemSize::B4),
            id,
            "{code:?}"
        );
        let old = cpu.lowcore_psw(lowcore::PROGRAM_OLD);
        assert_eq!(old, code_psw(0x1000 + distance), "{code:?}");
        assert_eq!(cpu.lowcore(lowcore::BREAKING_EVENT, MemSize::B8), 0x7777);
        assert_eq!(cpu.psw(), code_psw(HANDLERS + lowcore::PROGRAM_NEW));
    }
}

#[test]
fn a_data_exception_has_its_code_in_storage_and_with_afp_control_in_the_fpc() {
    for (afp, fpc) in [(0, 0), (1 << (63 - 45), 0x0800)] {
        let mut bench = Bench::new(1);
        let cpu = &mut bench.cpus[0];
        cpu.cr[0] = afp;
        cpu.core.ilen = 4;
        cpu.deliver(Trap::from(super::ProgramCheck::data(8)));
        assert_eq!(cpu.lowcore(lowcore::DATA_EXCEPTION, MemSize::B4), 8);
        assert_eq!(cpu.fpc, fpc);
    }
}

#[test]
fn a_supervisor_call_stores_its_number_and_the_next_address() {
    let mut bench = Bench::new(1);
    let cpu = &mut bench.cpus[0];
    cpu.core.ilen = 2;
    interrupt::supervisor_call(cpu, 0xfe);
    assert_eq!(cpu.lowcore(lowcore::SVC_ID, MemSize::B4), 0x0002_00fe);
    assert_eq!(cpu.lowcore_psw(lowcore::SVC_OLD), code_psw(0x1002));
    assert_eq!(cpu.psw(), code_psw(HANDLERS + lowcore::SVC_NEW));
}
