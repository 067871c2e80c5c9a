//! Clock comparator, CPU timer and readings, on a simulated host; uniqueness on the real one.

use std::collections::HashSet;
use std::sync::Arc;

use tcg::Poll;
use tcg::ir::MemSize;
use tod::{Tod, VmDuration};

use super::SIGN_CONTROL;
use crate::cpu::S390Cpu;
use crate::cpu::facility::Facilities;
use crate::cpu::handle::CpuState;
use crate::cpu::interrupt::{poll, subclass};
use crate::cpu::psw::{self, Psw};
use crate::cpu::testing::Bench;
use crate::cpu::{control::Leave, lowcore, wait};

const MILLISECOND: u64 = 4_096_000;

/// A CPU that is enabled for both timers, its conditions far away.
fn enabled(cpu: &mut S390Cpu) {
    cpu.set_comparator(u64::MAX);
    cpu.set_cpu_timer(u64::MAX >> 1);
    cpu.cr[0] = subclass::CLOCK_COMPARATOR | subclass::CPU_TIMER;
    cpu.enable(0x1000);
    assert_eq!(poll(cpu), Poll::Run);
    assert!(!cpu.take_attention());
}

/// What is taken now.
fn take(cpu: &mut S390Cpu) -> u64 {
    cpu.enable(0x1000);
    assert_eq!(poll(cpu), Poll::Run);
    cpu.take_external_code()
}

#[test]
fn a_comparator_ahead_wakes_a_cpu_that_runs_when_it_is_due_and_not_before() {
    let mut bench = Bench::new(1);
    enabled(&mut bench.cpus[0]);
    let target = bench.cpus[0].read_tod().clock() + MILLISECOND;
    bench.cpus[0].set_comparator(target);
    bench.advance(999_900);
    assert!(!bench.cpus[0].take_attention());
    assert_eq!(take(&mut bench.cpus[0]), 0);
    bench.advance(200);
    assert!(bench.cpus[0].take_attention());
    assert_eq!(take(&mut bench.cpus[0]), 0x1004);
    assert!(bench.cpus[0].read_tod().clock() > target);
    // Still there, and gone with a later comparator.
    assert_eq!(take(&mut bench.cpus[0]), 0x1004);
    let cpu = &mut bench.cpus[0];
    cpu.set_comparator(cpu.read_tod().clock() + MILLISECOND);
    assert_eq!(take(cpu), 0);
}

#[test]
fn the_wake_up_is_armed_anew_for_an_earlier_deadline_only() {
    let mut bench = Bench::new(1);
    enabled(&mut bench.cpus[0]);
    let armed = |bench: &Bench| bench.shared.timeline.next_deadline();
    assert!(
        armed(&bench).is_some_and(|at| at.units() > 1 << 60),
        "the CPU timer is far away"
    );
    let now = bench.shared.timeline.now();
    let tod = bench.cpus[0].read_tod().clock();
    bench.cpus[0].set_comparator(tod + 10 * MILLISECOND);
    let first = armed(&bench).unwrap();
    assert!(first >= now.saturating_add(VmDuration::from_units(10 * MILLISECOND - 64)));
    bench.cpus[0].set_comparator(tod + 20 * MILLISECOND);
    assert_eq!(armed(&bench), Some(first));
    bench.cpus[0].set_comparator(tod + 5 * MILLISECOND);
    assert!(armed(&bench).unwrap() < first);
    // The early one finds nothing and the rest is armed.
    bench.cpus[0].set_comparator(tod + 20 * MILLISECOND);
    bench.advance(6_000_000);
    assert!(bench.cpus[0].take_attention());
    assert_eq!(take(&mut bench.cpus[0]), 0);
    bench.advance(14_100_000);
    assert!(bench.cpus[0].take_attention());
    assert_eq!(take(&mut bench.cpus[0]), 0x1004);
}

#[test]
fn without_its_mask_a_timer_costs_nothing() {
    let mut bench = Bench::new(1);
    let cpu = &mut bench.cpus[0];
    cpu.cr[0] = 0;
    cpu.set_comparator(0);
    cpu.set_cpu_timer(1);
    assert!(!cpu.take_attention());
    assert_eq!(bench.shared.timeline.next_deadline(), None);
}

#[test]
fn a_condition_that_holds_but_is_disabled_wakes_nobody_again() {
    let mut bench = Bench::new(1);
    enabled(&mut bench.cpus[0]);
    let cpu = &mut bench.cpus[0];
    cpu.set_psw(crate::cpu::testing::code_psw(0x1000));
    cpu.set_cpu_timer(u64::MAX);
    cpu.set_comparator(0);
    assert_eq!(poll(cpu), Poll::Run);
    assert_eq!(cpu.pending, psw::EXTERNAL);
    assert!(!cpu.take_attention());
    // A wake-up that was armed before the comparator passed may fire once.
    bench.advance(1_000_000);
    bench.cpus[0].take_attention();
    assert_eq!(poll(&mut bench.cpus[0]), Poll::Run);
    for _ in 0..100 {
        bench.advance(1_000_000);
        assert!(!bench.cpus[0].take_attention());
    }
    assert_eq!(take(&mut bench.cpus[0]), 0x1004);
}

#[test]
fn comparator_edges() {
    let mut bench = Bench::with_clock(1, |_| Tod::new(0, 1 << 60));
    let cpu = &mut bench.cpus[0];
    let now = cpu.read_tod().clock();
    for (comparator, pending) in [
        (0, true),
        (now - 1, true),
        (now, false),
        (now + 1, false),
        // Unsigned: these are far ahead, not behind.
        (1 << 63, false),
        (u64::MAX, false),
    ] {
        cpu.set_comparator(comparator);
        assert_eq!(cpu.comparator_pending(), pending, "{comparator:#x}");
    }
}

#[test]
fn a_comparator_is_due_at_the_first_reading_above_it() {
    for cpu_count in [1, 2, 64] {
        let mut bench = Bench::with_clock(cpu_count, |_| Tod::new(0, 1 << 40));
        let cpu = bench.cpus.last_mut().unwrap();
        cpu.cr[0] = subclass::CLOCK_COMPARATOR;
        for distance in (1..400).chain([1000, 4096, 123_457]) {
            let comparator = cpu.read_tod().clock() + distance;
            cpu.set_comparator(comparator);
            let due = cpu.comparator_due().unwrap();
            let number = u64::from(cpu.cpu_address);
            let grain = cpu_count as u64;
            let reading = |clock: u64| clock & !(grain - 1) | number;
            assert!(reading(due.clock()) > comparator);
            assert!(reading(due.clock() - 1) <= comparator);
        }
        cpu.set_comparator(u64::MAX);
        assert_eq!(cpu.comparator_due(), None);
    }
}

#[test]
fn nothing_moves_while_the_vm_is_stopped_and_what_was_left_is_left() {
    let mut bench = Bench::new(1);
    enabled(&mut bench.cpus[0]);
    let start = bench.cpus[0].read_tod();
    let target = start.clock() + 1000 * MILLISECOND;
    bench.cpus[0].set_comparator(target);
    bench.cpus[0].set_cpu_timer(1500 * MILLISECOND);
    bench.advance(400_000_000);
    let timer = bench.cpus[0].cpu_timer();
    bench.stop();
    bench.advance(120_000_000_000);
    assert!(!bench.cpus[0].take_attention());
    bench.cont();
    // Clock and timeline have stood together: nobody need look.
    assert!(!bench.cpus[0].take_attention());
    let moved = bench.cpus[0].read_tod().units_since(start);
    // One CPU reads every unit.
    assert!(
        moved.abs_diff(400 * u128::from(MILLISECOND)) <= 1,
        "{moved}"
    );
    assert!(timer.abs_diff(bench.cpus[0].cpu_timer()) <= 1);
    assert_eq!(take(&mut bench.cpus[0]), 0);
    bench.advance(599_000_000);
    assert!(!bench.cpus[0].take_attention());
    bench.advance(2_000_000);
    assert!(bench.cpus[0].take_attention());
    assert_eq!(take(&mut bench.cpus[0]), 0x1004);
    bench.cpus[0].set_comparator(u64::MAX);
    bench.advance(498_000_000);
    assert_eq!(take(&mut bench.cpus[0]), 0);
    bench.advance(2_000_000);
    assert!(bench.cpus[0].take_attention());
    assert_eq!(take(&mut bench.cpus[0]), 0x1005);
}

#[test]
fn the_cpu_timer_is_signed_and_a_level() {
    let mut bench = Bench::new(1);
    enabled(&mut bench.cpus[0]);
    let cpu = &mut bench.cpus[0];
    for negative in [u64::MAX, 1 << 63, (-4_096_000i64) as u64] {
        cpu.set_cpu_timer(negative);
        assert_eq!(cpu.cpu_timer(), negative);
        assert!(cpu.take_attention());
        assert_eq!(take(cpu), 0x1005);
        assert_eq!(take(cpu), 0x1005);
    }
    cpu.set_cpu_timer(0);
    assert_eq!(take(cpu), 0);
    bench.advance(1);
    assert_eq!(take(&mut bench.cpus[0]), 0x1005);
    let cpu = &mut bench.cpus[0];
    cpu.set_cpu_timer(MILLISECOND);
    assert_eq!(take(cpu), 0);
}

#[test]
fn the_cpu_timer_stands_while_its_cpu_is_stopped() {
    let mut bench = Bench::new(1);
    bench.cpus[0].set_cpu_timer(1 << 40);
    bench.advance(1_000_000);
    bench.cpus[0].set_state(CpuState::Stopped);
    let stopped = bench.cpus[0].cpu_timer();
    assert!((1u64 << 40).abs_diff(stopped + MILLISECOND) <= 1);
    bench.advance(5_000_000);
    assert_eq!(bench.cpus[0].cpu_timer(), stopped);
    bench.cpus[0].set_state(CpuState::Operating);
    bench.advance(1_000_000);
    assert!(stopped.abs_diff(bench.cpus[0].cpu_timer() + MILLISECOND) <= 1);
}

#[test]
fn setting_the_clock_reaches_every_comparator() {
    let mut bench = Bench::new(2);
    for cpu in &mut bench.cpus {
        enabled(cpu);
    }
    let target = bench.cpus[0].read_tod().clock() + 1000 * MILLISECOND;
    bench.cpus[1].set_comparator(target);
    // Forward past it.
    bench.cpus[0].set_tod(target + 100_000);
    assert!(bench.cpus[1].take_attention());
    assert_eq!(take(&mut bench.cpus[1]), 0x1004);
    // Back before it: withdrawn, and due after the new distance.
    bench.cpus[0].set_tod(target - 10 * MILLISECOND);
    assert_eq!(take(&mut bench.cpus[1]), 0);
    bench.advance(9_900_000);
    assert_eq!(take(&mut bench.cpus[1]), 0);
    bench.advance(200_000);
    assert!(bench.cpus[1].take_attention());
    assert_eq!(take(&mut bench.cpus[1]), 0x1004);
}

#[test]
fn set_clock_zeroes_the_index_and_frees_the_values_below() {
    let mut bench = Bench::with_clock(1, |_| Tod::new(3, u64::MAX - 1_000_000));
    let cpu = &mut bench.cpus[0];
    let before = cpu.read_tod_unique();
    assert!(before > u64::MAX - 2_000_000);
    cpu.set_tod(0xcafe_f00d_beef);
    let after = cpu.read_tod_unique();
    assert!(
        (0xcafe_f00d_bec0..0xcafe_f00d_bf40).contains(&after),
        "{after:#x}"
    );
    assert_eq!(cpu.read_tod().epoch_index(), 0);
    // A clock that stands still, as a simulated one may, does not hold a CPU or repeat a value.
    let mut last = after;
    for _ in 0..100 {
        let next = cpu.read_tod_unique();
        assert!(next > last);
        last = next;
    }
}

#[test]
fn the_clock_rolls_over_into_its_index() {
    let mut bench = Bench::with_clock(1, |_| Tod::new(0, u64::MAX - MILLISECOND));
    let image = |cpu: &S390Cpu| cpu.tod_extended();
    enabled(&mut bench.cpus[0]);
    bench.cpus[0].control.clock.programmable = 0xabcd;
    bench.cpus[0].set_comparator(u64::MAX - 1000);
    let before = image(&bench.cpus[0]);
    assert_eq!(before[0], 0);
    bench.advance(2_000_000);
    // The comparison is unsigned: after the roll-over the clock is below the comparator.
    assert_eq!(take(&mut bench.cpus[0]), 0);
    let after = image(&bench.cpus[0]);
    assert_eq!(after[0], 1);
    assert!(after > before);
    assert_eq!(after[14..], [0xab, 0xcd]);
    assert_ne!(after[9..14], [0; 5], "bits 64-103 are not zero");
    let (tod, programmable) = Tod::from_stcke_image(after);
    assert_eq!((tod, programmable), (bench.cpus[0].read_tod(), 0xabcd));
    // Without the facility there is no index to be seen.
    bench.cpus[0].control.facilities = Facilities::new(&[]);
    let without = image(&bench.cpus[0]);
    assert_eq!((without[0], &without[1..8]), (0, &after[1..8]));
}

#[test]
fn a_signed_comparator_beyond_the_roll_over_of_2042_wakes_at_its_time() {
    for cpu_count in [1, 2, 64] {
        let mut bench = Bench::with_clock(cpu_count, |_| Tod::new(0, u64::MAX - MILLISECOND));
        let cpu = &mut bench.cpus[0];
        enabled(cpu);
        cpu.cr[0] |= SIGN_CONTROL;
        let target = cpu.read_tod().clock().wrapping_add(3 * MILLISECOND);
        cpu.set_comparator(target);
        assert!(!cpu.take_attention());
        assert_eq!(take(cpu), 0);
        for _ in 0..2 {
            bench.advance(1_499_000);
            assert!(!bench.cpus[0].take_attention());
            assert_eq!(take(&mut bench.cpus[0]), 0);
        }
        bench.advance(3_000);
        assert!(bench.cpus[0].take_attention());
        assert_eq!(take(&mut bench.cpus[0]), 0x1004);
        // A level, and passed comparators of before the roll-over still are.
        assert_eq!(take(&mut bench.cpus[0]), 0x1004);
        bench.cpus[0].set_comparator(u64::MAX - MILLISECOND);
        assert_eq!(take(&mut bench.cpus[0]), 0x1004);
        // What Linux means by never.
        bench.cpus[0].set_comparator(u64::MAX >> 1);
        assert_eq!(take(&mut bench.cpus[0]), 0);
    }
}

#[test]
fn the_sign_control_creates_and_withdraws_the_condition() {
    // In 2026 bit 0 of the clock is one.
    let mut bench = Bench::new(1);
    let cpu = &mut bench.cpus[0];
    enabled(cpu);
    let unsigned = cpu.cr[0];
    for (comparator, as_unsigned, as_signed) in [
        (0, true, false),
        (u64::MAX >> 1, true, false),
        (1 << 63, true, true),
        (cpu.read_tod().clock() - 1, true, true),
        (u64::MAX, false, false),
    ] {
        cpu.set_comparator(comparator);
        for _ in 0..2 {
            cpu.cr[0] = unsigned;
            assert_eq!(take(cpu) == 0x1004, as_unsigned, "{comparator:#x}");
            cpu.cr[0] = unsigned | SIGN_CONTROL;
            assert_eq!(take(cpu) == 0x1004, as_signed, "{comparator:#x}");
        }
    }
    // Without the facility the control is none.
    cpu.control.facilities = Facilities::new(&[]);
    cpu.set_comparator(0);
    assert_eq!(take(cpu), 0x1004);
}

#[test]
fn a_signed_comparator_beyond_the_roll_over_keeps_over_a_stop_what_was_left() {
    let mut bench = Bench::with_clock(1, |_| Tod::new(0, u64::MAX - MILLISECOND));
    enabled(&mut bench.cpus[0]);
    let cpu = &mut bench.cpus[0];
    cpu.cr[0] |= SIGN_CONTROL;
    cpu.set_comparator(cpu.read_tod().clock().wrapping_add(3 * MILLISECOND));
    for _ in 0..2 {
        bench.advance(1_000_000);
        bench.stop();
        bench.advance(120_000_000_000);
        bench.cont();
        assert!(!bench.cpus[0].take_attention());
        assert_eq!(take(&mut bench.cpus[0]), 0);
    }
    assert_eq!(bench.cpus[0].read_tod().epoch_index(), 1);
    bench.advance(1_001_000);
    assert!(bench.cpus[0].take_attention());
    assert_eq!(take(&mut bench.cpus[0]), 0x1004);
}

/// A machine check and SIGP's stop and store status save the CPU timer and the comparator as
/// instructions show them: in TOD units, the comparator without its rightmost byte.
#[test]
fn save_areas_have_cpu_timer_and_comparator_in_tod_units() {
    const CPU_TIMER: u64 = 0x1328;
    const COMPARATOR: u64 = 0x1330;
    let mut bench = Bench::new(1);
    let css = &bench.shared.css;
    let device = machine::NetDevice {
        mac: None,
        at: None,
    };
    css.add(&device).unwrap();
    assert_eq!(css.reset_path(0, 0), Ok(0), "a channel report is made");
    let cpu = &mut bench.cpus[0];
    let saved = |cpu: &S390Cpu, at| cpu.lowcore(at, MemSize::B8);
    let comparator = 0xfedc_ba98_7654_3210;
    cpu.set_comparator(comparator);
    cpu.set_cpu_timer(-4_096i64 as u64);
    bench.host.advance(1_000_000);
    let cpu = &mut bench.cpus[0];
    let timer = cpu.cpu_timer();
    assert!((timer as i64 + 4_096 + 4_096_000).abs() <= 1, "{timer:#x}");
    cpu.cr[14] = u64::MAX;
    cpu.set_psw(Psw {
        mask: psw::ADDRESSING | psw::MACHINE_CHECK,
        address: 0x1000,
    });
    assert_eq!(poll(cpu), Poll::Run);
    assert_eq!(cpu.core.pc, saved(cpu, lowcore::MACHINE_CHECK_NEW + 8));
    assert_eq!(saved(cpu, CPU_TIMER), timer);
    assert_eq!(saved(cpu, COMPARATOR), comparator >> 8);
    for at in [CPU_TIMER, COMPARATOR] {
        cpu.set_lowcore(at, MemSize::B8, 0);
    }
    cpu.store_status_after_stop();
    assert_eq!(saved(cpu, CPU_TIMER), timer);
    assert_eq!(saved(cpu, COMPARATOR), comparator >> 8);
}

#[test]
fn a_waiting_cpu_wakes_at_its_comparator_without_help() {
    let mut bench = Bench::new(1);
    let host = bench.host.clone();
    let cpu = &mut bench.cpus[0];
    enabled(cpu);
    let target = cpu.read_tod().clock() + 5 * MILLISECOND;
    cpu.set_comparator(target);
    cpu.set_psw(Psw {
        mask: psw::ADDRESSING | psw::EXTERNAL | psw::WAIT,
        address: 0x1000,
    });
    assert_eq!(poll(cpu), Poll::Leave);
    assert_eq!(cpu.control.take_leave(), Leave::Wait);
    let until = wait::until(cpu);
    let handle = Arc::clone(&cpu.control.handle);
    let shared = Arc::clone(&bench.shared);
    let sleeper = std::thread::spawn(move || wait::sleep(&shared, &handle, &until));
    // Not `bench.advance`: no timer fires, the sleeper's own deadline wakes it.
    while !sleeper.is_finished() {
        host.advance(100_000);
        std::thread::yield_now();
    }
    sleeper.join().unwrap();
    let cpu = &mut bench.cpus[0];
    assert!(cpu.read_tod().clock() > target);
    assert_eq!(poll(cpu), Poll::Run);
    assert_eq!(cpu.take_external_code(), 0x1004);
}

#[test]
fn a_host_that_wakes_a_waiting_cpu_late_does_not_take_an_interruption_from_it() {
    let waits = |cpu: &mut S390Cpu| {
        cpu.set_psw(Psw {
            mask: psw::ADDRESSING | psw::EXTERNAL | psw::WAIT,
            address: 0x1000,
        });
        assert_eq!(poll(cpu), Poll::Leave);
        assert_eq!(cpu.control.take_leave(), Leave::Wait);
    };
    let before = |_: &_| Tod::new(0, u64::MAX - MILLISECOND);
    let comparator = u64::MAX - MILLISECOND / 2;

    // Half a millisecond before the roll-over, and the CPU looks a millisecond after that.
    let mut bench = Bench::with_clock(1, before);
    enabled(&mut bench.cpus[0]);
    bench.cpus[0].set_comparator(comparator);
    waits(&mut bench.cpus[0]);
    bench.advance(1_500_000);
    let cpu = &mut bench.cpus[0];
    assert_eq!((cpu.read_tod().epoch_index(), poll(cpu)), (1, Poll::Run));
    assert_eq!(cpu.take_external_code(), 0x1004);
    // That was that: from here on the comparator is ahead again.
    assert_eq!(take(cpu), 0);

    // One that comes first takes nothing from it either.
    let mut bench = Bench::with_clock(2, before);
    enabled(&mut bench.cpus[0]);
    bench.cpus[0].cr[0] |= 0x4000;
    bench.cpus[0].set_comparator(comparator);
    waits(&mut bench.cpus[0]);
    bench.advance(1_500_000);
    bench.cpus[0].control.handle.post_emergency(1);
    assert_eq!(poll(&mut bench.cpus[0]), Poll::Run);
    assert_eq!(bench.cpus[0].take_external_code(), 0x1004);
    assert_eq!(take(&mut bench.cpus[0]), 0x1201);

    // A program that has set the clock meanwhile has withdrawn it.
    let mut bench = Bench::with_clock(2, before);
    enabled(&mut bench.cpus[0]);
    bench.cpus[0].set_comparator(comparator);
    waits(&mut bench.cpus[0]);
    bench.advance(1_500_000);
    bench.cpus[1].set_tod(0);
    assert_eq!(poll(&mut bench.cpus[0]), Poll::Leave);
    assert_eq!(bench.cpus[0].control.take_leave(), Leave::Wait);
}

/// On the real host's clock: every value of STORE CLOCK on any CPU is another one, and on each
/// CPU no reading of any kind is below an earlier one.
#[test]
fn store_clock_is_unique_over_all_cpus_and_readings_never_go_back() {
    use machine::{GuestRam, Identity};
    use tcg::CpuCore;
    use tcg::cpu::System;

    const CPUS: u16 = 4;
    const READINGS: usize = 20_000;
    let timebase = tod::Timebase::new(Arc::new(tod::LinuxHost::new())).unwrap();
    let timeline = tod::Timeline::new(&timebase);
    let clock = tod::EpochClock::at_host_time(&timebase);
    let system = System::new(Arc::new(GuestRam::new(1 << 20).unwrap()));
    let cores: Vec<_> = (0..CPUS).map(|_| CpuCore::new(system.clone())).collect();
    let (events, _) = crossbeam::channel::unbounded();
    let shared = crate::machine::Shared::new(
        system,
        &cores,
        crate::console::Sclp::new(None),
        clock,
        timeline,
        Identity::default(),
        CPUS,
        events,
    );
    let threads: Vec<_> = cores
        .into_iter()
        .zip(0..)
        .map(|(core, address)| {
            let mut cpu = S390Cpu::new(core, Arc::clone(&shared), address);
            std::thread::spawn(move || {
                let mut last = 0;
                let mut values = Vec::with_capacity(READINGS);
                for n in 0..READINGS {
                    let unique = cpu.read_tod_unique();
                    assert!(unique >= last, "{unique:#x} after {last:#x}");
                    last = unique;
                    let extended = Tod::from_stcke_image(cpu.tod_extended()).0.clock();
                    assert!(extended >= last, "{extended:#x} after {last:#x}");
                    if n % 3 == 0 {
                        last = extended;
                    }
                    let fast = cpu.read_tod().clock();
                    assert!(fast >= last);
                    values.push(unique);
                }
                values
            })
        })
        .collect();
    let mut seen = HashSet::new();
    for thread in threads {
        for value in thread.join().unwrap() {
            assert!(seen.insert(value), "{value:#x} twice");
        }
    }
    assert_eq!(seen.len(), usize::from(CPUS) * READINGS);
}

/// The values that a guest program of STORE CLOCK, STORE CLOCK EXTENDED and STORE CLOCK FAST
/// stores on each of so many CPUs on the real host's clock. Those of STORE CPU TIMER in between are
/// looked at here.
fn stored_clocks(
    engine: tcg::EngineKind,
    cpus: u16,
    again: impl Fn(&mut S390Cpu) + Sync,
) -> Vec<[Vec<[u64; 3]>; 2]> {
    use machine::{GuestRam, Identity};
    use tcg::{CpuCore, Options, System};

    const READINGS: u64 = 2000;
    const TIMER: u64 = 1 << 40;
    const CODE: [u16; 14] = [
        0xb205, 0x2000, // STCK 0(R2)
        0xb278, 0x2008, // STCKE 8(R2)
        0xb27c, 0x2018, // STCKF 24(R2)
        0xb209, 0x2020, // STPT 32(R2)
        0xa72b, 0x0028, // AGHI R2,40
        0xa737, 0xfff6, // BRCTG R3,.-20
        0xb2b2, 0x0200, // LPSWE 512
    ];
    let timebase = tod::Timebase::new(Arc::new(tod::LinuxHost::new())).unwrap();
    let timeline = tod::Timeline::new(&timebase);
    let clock = tod::EpochClock::at_host_time(&timebase);
    let ram = GuestRam::new(1 << 20).unwrap();
    let code: Vec<u8> = CODE.iter().flat_map(|half| half.to_be_bytes()).collect();
    ram.write(0x1000, &code).unwrap();
    let wait = [0x0002_0001_8000_0000u64, 0].map(u64::to_be_bytes).concat();
    ram.write(0x200, &wait).unwrap();
    let options = Options {
        engine,
        cache_bytes: 1 << 20,
        ..Options::default()
    };
    let system = System::with_options(Arc::new(ram), options);
    let cores: Vec<_> = (0..cpus).map(|_| CpuCore::new(system.clone())).collect();
    let (events, _) = crossbeam::channel::unbounded();
    let clocks = tod::ClockManager::new(Arc::clone(&timeline));
    let shared = crate::machine::Shared::new(
        system,
        &cores,
        crate::console::Sclp::new(None),
        clock,
        timeline,
        Identity::default(),
        cpus,
        events,
    );
    tod::VcpuGate::new(Vec::new()).open(clocks.on_cont(tod::Cause::Launch));
    let pass = |cpu: &mut S390Cpu, number: u64| {
        let buffer = 0x2_0000 * (1 + number);
        cpu.gpr[2] = buffer;
        cpu.gpr[3] = READINGS;
        cpu.set_psw(crate::cpu::testing::code_psw(0x1000));
        let mut timer = cpu.cpu_timer();
        let before = cpu.read_tod().clock();
        assert_eq!(crate::cpu::run::run(cpu), Leave::DisabledWait);
        let after = cpu.read_tod().clock();
        let timer_after = cpu.cpu_timer();
        assert!(timer_after < timer, "the CPU timer counts down");
        let mut values = Vec::new();
        for n in 0..READINGS {
            let mut bytes = [0; 40];
            shared.ram().read(buffer + 40 * n, &mut bytes).unwrap();
            let word = |at: usize| u64::from_be_bytes(bytes[at..][..8].try_into().unwrap());
            let (extended, last) = Tod::from_stcke_image(bytes[8..24].try_into().unwrap());
            assert_eq!((extended.epoch_index(), last), (0, 0xab00 + number as u16));
            assert_eq!(bytes[17..22], [0, 0, 0, 0, 1]);
            let row = [word(0), extended.clock(), word(24)];
            for value in row {
                assert_eq!(value % u64::from(cpus).next_power_of_two(), number);
                assert!((before..=after).contains(&value), "{value:#x}");
            }
            let left = word(32);
            assert!(timer_after <= left && left <= timer, "{left:#x}");
            timer = left;
            values.push(row);
        }
        values
    };
    let mut all = Vec::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> = cores
            .into_iter()
            .zip(0..)
            .map(|(core, address)| {
                let mut cpu = S390Cpu::new(core, Arc::clone(&shared), address);
                cpu.control.clock.programmable = 0xab00 + address;
                cpu.set_state(CpuState::Operating);
                cpu.set_cpu_timer(TIMER);
                let (pass, again) = (&pass, &again);
                scope.spawn(move || {
                    let first = pass(&mut cpu, address.into());
                    again(&mut cpu);
                    [first, pass(&mut cpu, address.into())]
                })
            })
            .collect();
        for thread in threads {
            all.push(thread.join().unwrap());
        }
    });
    all
}

/// The same for what guest programs store, on each engine.
#[test]
fn stored_clocks_are_unique_and_never_go_back() {
    use tcg::EngineKind::{Interp, Native};
    for (engine, cpus) in [(Native, 1), (Native, 3), (Interp, 1), (Interp, 3)] {
        let mut seen = HashSet::new();
        for passes in stored_clocks(engine, cpus, |_| {}) {
            let mut last = 0;
            for [unique, extended, _] in passes.concat() {
                assert!(
                    unique > last && extended >= unique,
                    "{unique:#x} {extended:#x}"
                );
                assert!(seen.insert(unique), "{unique:#x} twice");
                last = unique;
            }
        }
    }
}

/// A program's setting of the clock is what the next instruction sees, although it goes back.
#[test]
fn stored_clocks_follow_the_setting() {
    const SET: u64 = 0x1234_5678_0000_0000;
    const CPUS: u16 = 3;
    let stood = std::sync::Barrier::new(CPUS.into());
    let set = |cpu: &mut S390Cpu| {
        stood.wait();
        if cpu.cpu_address == 1 {
            cpu.set_tod(SET);
        }
        stood.wait();
    };
    for [_, after] in stored_clocks(tcg::EngineKind::Native, CPUS, set) {
        let mut last = SET - 1;
        for [unique, extended, _] in after {
            assert!(
                unique > last && extended >= unique,
                "{unique:#x} {extended:#x}"
            );
            last = unique;
        }
    }
}
