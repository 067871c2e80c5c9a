//! SIGP between CPUs whose threads run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tcg::ir::MemSize;
use tcg::mem;

use super::facility::VECTOR;
use super::handle::{CpuHandle, CpuState};
use super::orders::{Outcome, signal, status};
use super::testing::{Bench, code_psw};
use super::{S390Cpu, lowcore, run, wait};
use crate::machine::Shared;
use crate::vector::Vector;

/// A CPU with a thread of its own: in the guest, asleep, and back.
struct Threaded {
    handle: Arc<CpuHandle>,
    quit: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<S390Cpu>,
}

impl Threaded {
    fn start(mut cpu: S390Cpu, shared: &Arc<Shared>) -> Self {
        let handle = Arc::clone(&cpu.control.handle);
        let quit = Arc::new(AtomicBool::new(false));
        let (ended, shared) = (Arc::clone(&quit), Arc::clone(shared));
        let thread = std::thread::spawn(move || {
            while !ended.load(Ordering::Acquire) {
                run::run(&mut cpu);
                if !ended.load(Ordering::Acquire) {
                    let until = wait::until(&cpu);
                    wait::sleep(&shared, &cpu.control.handle, &until);
                }
            }
            cpu
        });
        Self {
            handle,
            quit,
            thread,
        }
    }

    fn end(self) -> S390Cpu {
        self.quit.store(true, Ordering::Release);
        self.handle.kick(super::handle::PARK);
        self.thread.join().unwrap()
    }
}

/// Sends until the receiver is not busy, as programs do.
fn send(cpu: &mut S390Cpu, order: u8, parameter: u64) -> Outcome {
    loop {
        match signal(cpu, order, 1, parameter) {
            Outcome::Busy => std::thread::yield_now(),
            outcome => return outcome,
        }
    }
}

fn until_state(handle: &CpuHandle, state: CpuState) {
    while handle.state() != state {
        std::thread::yield_now();
    }
}

/// `j .`
const LOOP: [u8; 4] = [0xa7, 0xf4, 0, 0];

#[test]
fn a_cpu_is_brought_up_stopped_and_looked_at() {
    let mut bench = Bench::new(2);
    let mut other = bench.cpus.pop().unwrap();
    let mut cpu = bench.cpus.pop().unwrap();
    other.cpu_reset();
    other.gpr[7] = 0x1234_5678_9abc_def0;
    other.vr[17] = Vector {
        left: 0xff17,
        right: 0x1717,
    };
    mem::write_absolute(&cpu.core, 0x9000, &LOOP);
    // Where the CPU's prefix area will be.
    let area = 0x2_0000;
    let restart = code_psw(0x9000);
    mem::store_absolute(
        &cpu.core,
        area + lowcore::RESTART_NEW,
        MemSize::B8,
        restart.mask,
    );
    mem::store_absolute(
        &cpu.core,
        area + lowcore::RESTART_NEW + 8,
        MemSize::B8,
        restart.address,
    );
    let other = Threaded::start(other, &bench.shared);

    assert_eq!(send(&mut cpu, 0x01, 0), Outcome::Status(status::STOPPED));
    assert_eq!(
        send(&mut cpu, 0x15, 0),
        Outcome::Status(status::NOT_RUNNING)
    );
    assert_eq!(send(&mut cpu, 0x0b, 0), Outcome::Accepted);
    let beyond = super::testing::RAM;
    assert_eq!(
        send(&mut cpu, 0x0d, beyond),
        Outcome::Status(status::INVALID_PARAMETER)
    );
    // Bits that are not part of a prefix do not count.
    assert_eq!(
        send(&mut cpu, 0x0d, 0xffff_ffff_8000_0000 | area | 0x1fff),
        Outcome::Accepted
    );
    assert_eq!(send(&mut cpu, 0x06, 0), Outcome::Accepted);
    until_state(&other.handle, CpuState::Operating);
    while !other.handle.is_in_guest() {
        std::thread::yield_now();
    }
    assert_eq!(send(&mut cpu, 0x15, 0), Outcome::Accepted);
    assert_eq!(send(&mut cpu, 0x01, 0), Outcome::Accepted);
    // Only a stopped CPU takes a prefix or stores its status at an address.
    cpu.control.facilities.set(VECTOR, true);
    for order in [0x0d, 0x0e, 0x17] {
        assert_eq!(
            send(&mut cpu, order, 0x3_0000),
            Outcome::Status(status::INCORRECT_STATE)
        );
    }
    assert_eq!(send(&mut cpu, 0x09, 0), Outcome::Accepted);
    until_state(&other.handle, CpuState::Stopped);
    let stored = |offset: u64, size| mem::load_absolute(&cpu.core, 0x1200 + offset, size);
    assert_eq!(stored(0x80 + 7 * 8, MemSize::B8), 0x1234_5678_9abc_def0);
    assert_eq!(stored(0x108, MemSize::B8), 0x9000);
    assert_eq!(stored(0x118, MemSize::B4), area);
    assert_eq!(mem::load_absolute(&cpu.core, 163, MemSize::B1), 1);
    // Vector registers, from a multiple of 1 KiB on.
    for (parameter, outcome) in [
        (0x3_1100, Outcome::Status(status::INVALID_PARAMETER)),
        (beyond, Outcome::Status(status::INVALID_PARAMETER)),
        (0x3_1000, Outcome::Accepted),
    ] {
        assert_eq!(send(&mut cpu, 0x17, parameter), outcome);
    }
    assert_eq!(
        mem::load_absolute(&cpu.core, 0x3_1000 + 16 * 17 + 8, MemSize::B8),
        0x1717
    );
    assert_eq!(
        mem::load_absolute(&cpu.core, 0x3_1000 + 16 * 17, MemSize::B8),
        0xff17
    );
    assert_eq!(send(&mut cpu, 0x0e, 0x3_0000), Outcome::Accepted);
    assert_eq!(
        mem::load_absolute(&cpu.core, 0x3_0000 + 0x118, MemSize::B4),
        area
    );
    let other = other.end();
    assert_eq!(other.prefix, area);
    assert_eq!(other.core.pc, 0x9000);
}

#[test]
fn a_start_goes_on_where_the_stop_was() {
    let mut bench = Bench::new(2);
    let mut other = bench.cpus.pop().unwrap();
    let mut cpu = bench.cpus.pop().unwrap();
    mem::write_absolute(&cpu.core, 0x9000, &LOOP);
    other.set_psw(code_psw(0x9000));
    let other = Threaded::start(other, &bench.shared);
    for _ in 0..20 {
        assert_eq!(send(&mut cpu, 0x05, 0), Outcome::Accepted);
        until_state(&other.handle, CpuState::Stopped);
        assert_eq!(send(&mut cpu, 0x04, 0), Outcome::Accepted);
        until_state(&other.handle, CpuState::Operating);
    }
    assert_eq!(other.end().core.pc, 0x9000);
}

#[test]
fn orders_that_latch_and_orders_that_are_none() {
    let mut bench = Bench::new(2);
    let cpu = &mut bench.cpus[0];
    assert_eq!(signal(cpu, 0x02, 1, 0), Outcome::Accepted);
    assert_eq!(
        signal(cpu, 0x02, 1, 0),
        Outcome::Status(status::EXTERNAL_CALL_PENDING)
    );
    assert_eq!(
        signal(cpu, 0x01, 1, 0),
        Outcome::Status(status::EXTERNAL_CALL_PENDING)
    );
    assert_eq!(signal(cpu, 0x03, 1, 0), Outcome::Accepted);
    assert_eq!(signal(cpu, 0x03, 1, 0), Outcome::Accepted);
    assert_eq!(signal(cpu, 0x01, 7, 0), Outcome::NotOperational);
    assert_eq!(
        signal(cpu, 0x44, 1, 0),
        Outcome::Status(status::INVALID_ORDER)
    );
    // There are no vector registers to be stored.
    cpu.control.facilities.set(VECTOR, false);
    assert_eq!(
        signal(cpu, 0x17, 1, 0x3_0000),
        Outcome::Status(status::INVALID_ORDER)
    );
    // To itself.
    assert_eq!(signal(cpu, 0x01, 0, 0), Outcome::Accepted);
    assert_eq!(
        signal(cpu, 0x0d, 0, 0x3_0000),
        Outcome::Status(status::INCORRECT_STATE)
    );
    // A CPU that is about to stop finds time for nothing else, not even for telling its state.
    assert_eq!(signal(cpu, 0x05, 1, 0), Outcome::Accepted);
    for order in [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x09, 0x0d, 0x13, 0x15] {
        assert_eq!(signal(cpu, order, 1, 0), Outcome::Busy, "{order:#x}");
    }
}

/// Resets find no CPU busy, nor in a state that does not allow them; nothing else reaches one in
/// the check-stop state.
#[test]
fn a_cpu_in_the_check_stop_state_takes_resets_only() {
    let mut bench = Bench::new(2);
    let mut other = bench.cpus.pop().unwrap();
    let mut cpu = bench.cpus.pop().unwrap();
    other.set_state(CpuState::CheckStop);
    let other = Threaded::start(other, &bench.shared);
    for order in [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x09, 0x0d, 0x0e, 0x13] {
        assert_eq!(
            signal(&mut cpu, order, 1, 0x3_0000),
            Outcome::Status(status::CHECK_STOP),
            "{order:#x}"
        );
    }
    assert_eq!(
        signal(&mut cpu, 0x15, 1, 0),
        Outcome::Status(status::NOT_RUNNING)
    );
    assert_eq!(
        signal(&mut cpu, 0x16, 1, 0),
        Outcome::Status(status::INVALID_ORDER)
    );
    assert_eq!(other.handle.state(), CpuState::CheckStop);
    assert_eq!(send(&mut cpu, 0x0c, 0), Outcome::Accepted);
    assert_eq!(send(&mut cpu, 0x01, 0), Outcome::Status(status::STOPPED));
    other.end();
}

#[test]
fn a_standby_cpu_is_not_operational() {
    let mut bench = Bench::new(2);
    bench.shared.cpus[1].configure(false);
    let cpu = &mut bench.cpus[0];
    for order in [0x01, 0x06, 0x0b, 0x15, 0x44] {
        assert_eq!(signal(cpu, order, 1, 0), Outcome::NotOperational);
    }
    // Set architecture does not look whom it is addressed to.
    assert_eq!(
        signal(cpu, 0x12, 1, 0),
        Outcome::Status(status::INVALID_PARAMETER)
    );
}

/// Sense running is no order where its facility is off; store status at an address does not tell
/// the architectural mode.
#[test]
fn orders_without_their_facility_and_modes() {
    let mut bench = Bench::new(1);
    let cpu = &mut bench.cpus[0];
    cpu.control
        .facilities
        .set(super::facility::SENSE_RUNNING, false);
    assert_eq!(
        signal(cpu, 0x15, 0, 0),
        Outcome::Status(status::INVALID_ORDER)
    );
    mem::store_absolute(&cpu.core, 163, MemSize::B1, 0);
    cpu.cpu_reset();
    assert_eq!(signal(cpu, 0x0e, 0, lowcore::SAVE_AREA), Outcome::Accepted);
    assert_eq!(mem::load_absolute(&cpu.core, 163, MemSize::B1), 0);
    assert_eq!(signal(cpu, 0x09, 0, 0), Outcome::Accepted);
    assert_eq!(mem::load_absolute(&cpu.core, 163, MemSize::B1), 1);
}

#[test]
fn every_source_of_an_emergency_signal_has_its_own_bit() {
    let bench = Bench::new(1);
    let handle = &bench.shared.cpus[0];
    for source in [200, 64, 3, 200, 247] {
        handle.post_emergency(source);
    }
    let taken = std::iter::from_fn(|| handle.take_emergency());
    assert_eq!(taken.collect::<Vec<_>>(), [3, 64, 200, 247]);
    assert!(!handle.has_emergency());
}

#[test]
fn two_cpus_that_signal_each_other_both_go_on() {
    use std::sync::atomic::AtomicU32;

    let mut bench = Bench::new(2);
    let done = Arc::new(AtomicU32::new(0));
    let threads = [bench.cpus.pop().unwrap(), bench.cpus.pop().unwrap()].map(|mut cpu| {
        let done = Arc::clone(&done);
        std::thread::spawn(move || {
            let target = 1 - cpu.cpu_address;
            let mut accepted = 0;
            // Whoever is ready first goes on serving the other, as a CPU in the guest does
            // between its instructions.
            while done.load(Ordering::Acquire) < 2 {
                super::interrupt::poll(&mut cpu);
                if accepted == 200 {
                    std::thread::yield_now();
                    continue;
                }
                match signal(&mut cpu, 0x04, target, 0) {
                    Outcome::Accepted => accepted += 1,
                    Outcome::Busy => std::thread::yield_now(),
                    outcome => panic!("{outcome:?}"),
                }
                if accepted == 200 {
                    done.fetch_add(1, Ordering::AcqRel);
                }
            }
        })
    });
    for thread in threads {
        thread.join().unwrap();
    }
}
