//! The timers that the host's kernel keeps, over stop and cont, without a guest: what is left of
//! them is compared with the time that the VM has run, and only in the direction that no slow
//! host changes: none is early.

use std::sync::Arc;
use std::time::Duration;

use kvm_bindings::kvm_pit_channel_state;
use machine::{GuestRam, LostTicks};
use tod::clock::Launcher;
use tod::host::LinuxHost;
use tod::run::{Layer, RunControl, RunState};
use tod::{Cause, ClockManager, Policy, Timebase, Timeline, VcpuGate};
use x86::clock::{KVMCLOCK, KvmClock, KvmTime, KvmTimeListener};
use x86::kvm::{HostClockCalls, VcpuKvm, Vm};

use crate::rig::has_kvm;

const SPURIOUS: usize = 0xf0;
const LVT_TIMER: usize = 0x320;
const INITIAL_COUNT: usize = 0x380;
const CURRENT_COUNT: usize = 0x390;
const DIVIDE: usize = 0x3e0;

const ONE_SHOT: u32 = 0;
const PERIODIC: u32 = 1 << 17;
const DEADLINE: u32 = 2 << 17;

const MSR_TSC_DEADLINE: u32 = 0x6e0;

struct Kernel {
    vm: Arc<Vm>,
    vcpu: VcpuKvm,
    clocks: Arc<ClockManager>,
    run: RunControl<Arc<VcpuGate>>,
}

impl Kernel {
    fn new() -> Self {
        let ram = Arc::new(GuestRam::new(2 << 20).unwrap());
        let vm = Vm::new(ram, LostTicks::Delay).unwrap();
        let vcpu = vm.create_vcpu(0).unwrap();
        let supported = vm.supported_cpuid().unwrap();
        vcpu.fd().set_cpuid2(&supported).unwrap();
        let timebase = Timebase::new(Arc::new(LinuxHost::new())).unwrap();
        let clocks = ClockManager::new(Timeline::new(&timebase));
        let mut calls = HostClockCalls::new(&vm);
        calls.share(&vcpu).unwrap();
        let time = KvmTime::new(&timebase, Box::new(calls)).unwrap();
        clocks
            .register(KVMCLOCK, Box::new(KvmClock::new(&time)), Policy::Freeze)
            .unwrap();
        clocks.set_launcher(Arc::clone(&time) as Arc<dyn Launcher>);
        let gate = Arc::new(VcpuGate::new(Vec::new()));
        let mut run = RunControl::new(RunState::Prelaunch, gate, Arc::clone(&clocks));
        run.add_listener(Layer::Devices, Box::new(KvmTimeListener::new(&time)));
        Self {
            vm,
            vcpu,
            clocks,
            run,
        }
    }

    fn cont(&mut self) {
        self.run.cont(Cause::Monitor).unwrap();
    }

    fn stop(&mut self) {
        self.run.stop(RunState::Paused, Cause::Monitor).unwrap();
    }

    fn ran_ns(&self) -> u64 {
        self.clocks.timeline().now().as_ns()
    }

    fn register(&self, offset: usize) -> u32 {
        let regs = self.vcpu.fd().get_lapic().unwrap().regs;
        u32::from_le_bytes([0, 1, 2, 3].map(|byte| regs[offset + byte] as u8))
    }

    /// The APIC's timer in that mode, undivided: a count is a nanosecond.
    fn start_timer(&self, mode: u32, count: u32) {
        let mut lapic = self.vcpu.fd().get_lapic().unwrap();
        for (offset, value) in [
            (SPURIOUS, 0x1ff),
            (LVT_TIMER, mode | 0x40),
            (DIVIDE, 0b1011),
            (INITIAL_COUNT, count),
            (CURRENT_COUNT, count),
        ] {
            for (byte, value) in value_bytes(value).into_iter().enumerate() {
                lapic.regs[offset + byte] = value;
            }
        }
        self.vcpu.fd().set_lapic(&lapic).unwrap();
    }

    fn deadline(&self) -> u64 {
        self.vcpu.msrs(&[MSR_TSC_DEADLINE]).unwrap()[0].1
    }
}

fn value_bytes(value: u32) -> [std::ffi::c_char; 4] {
    value.to_le_bytes().map(|byte| byte as std::ffi::c_char)
}

/// How long the VM stands: more than all that it runs for.
const STANDS: Duration = Duration::from_millis(100);

#[test]
fn a_one_shot_of_the_kernel_s_has_left_what_it_had() {
    if !has_kvm() {
        return;
    }
    const COUNT: u32 = 4_000_000_000;
    let mut kernel = Kernel::new();
    kernel.cont();
    let armed = kernel.ran_ns();
    kernel.start_timer(ONE_SHOT, COUNT);
    for _ in 0..20 {
        kernel.stop();
        std::thread::sleep(STANDS);
        kernel.cont();
        let left = kernel.register(CURRENT_COUNT);
        let ran = kernel.ran_ns() - armed;
        assert!(
            u64::from(left) + ran >= u64::from(COUNT),
            "{left} left of {COUNT} after {ran} ns"
        );
        assert!(left <= COUNT);
    }
    let left = u64::from(kernel.register(CURRENT_COUNT)) + kernel.ran_ns() - armed;
    println!(
        "after 20 stops the timer is late by {} ns",
        left - u64::from(COUNT)
    );
}

#[test]
fn a_periodic_timer_of_the_kernel_s_stays_in_its_period() {
    if !has_kvm() {
        return;
    }
    const PERIOD: u32 = 4_000_000_000;
    let mut kernel = Kernel::new();
    kernel.cont();
    let armed = kernel.ran_ns();
    kernel.start_timer(PERIODIC, PERIOD);
    for _ in 0..10 {
        kernel.stop();
        std::thread::sleep(STANDS);
        kernel.cont();
        let left = kernel.register(CURRENT_COUNT);
        let ran = kernel.ran_ns() - armed;
        assert!(u64::from(left) + ran >= u64::from(PERIOD), "{left} {ran}");
        assert_eq!(kernel.register(INITIAL_COUNT), PERIOD);
    }
}

#[test]
fn a_deadline_stays_what_the_guest_has_written() {
    if !has_kvm() {
        return;
    }
    let mut kernel = Kernel::new();
    kernel.cont();
    kernel.start_timer(DEADLINE, 0);
    let far = 1 << 62;
    kernel.vcpu.set_msrs(&[(MSR_TSC_DEADLINE, far)]).unwrap();
    if kernel.deadline() != far {
        println!("SKIPPED: this host's KVM has no TSC deadline");
        return;
    }
    for _ in 0..5 {
        kernel.stop();
        kernel.cont();
        assert_eq!(kernel.deadline(), far);
        assert_eq!(kernel.register(LVT_TIMER), DEADLINE | 0x40);
    }
}

#[test]
fn the_pit_is_held_while_the_vm_stands() {
    if !has_kvm() {
        return;
    }
    let mut kernel = Kernel::new();
    let Ok(Some(mut pit)) = kernel.vm.pit() else {
        println!("SKIPPED: this host's KVM has no interval timer");
        return;
    };
    pit.channels[0] = kvm_pit_channel_state {
        mode: 2,
        count: 11_932,
        rw_mode: 3,
        gate: 1,
        ..Default::default()
    };
    kernel.vm.set_pit(&pit).unwrap();
    kernel.cont();
    let mode = |kernel: &Kernel| {
        let pit = kernel.vm.pit().unwrap().unwrap();
        (pit.channels[0].mode, pit.channels[0].count)
    };
    for _ in 0..5 {
        assert_eq!(mode(&kernel), (2, 11_932));
        kernel.stop();
        assert_eq!(mode(&kernel), (5, 11_932));
        kernel.cont();
    }
}
