//! A kernel in the place of the host's KVM: its clocks run on a simulated host, every call takes
//! time and can be made to fail.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use kvm_bindings::{kvm_pit_channel_state, kvm_pit_state2};
use tod::{CounterSource, HostClock, SimHost};

use crate::kvm::{ClockCalls, ClockData, LAPIC_BYTES, Lapic, TscScale};

/// The calls that a kernel may refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Call {
    GetClock,
    SetClock,
    GetOffset,
    SetOffset,
    GetScale,
    GetKhz,
    SetKhz,
    GetMsr,
    SetMsr,
    Ctrl,
    GetLapic,
    SetLapic,
    GetPit,
    SetPit,
}

impl Call {
    pub(super) const ALL: [Self; 14] = [
        Self::GetClock,
        Self::SetClock,
        Self::GetOffset,
        Self::SetOffset,
        Self::GetScale,
        Self::GetKhz,
        Self::SetKhz,
        Self::GetMsr,
        Self::SetMsr,
        Self::Ctrl,
        Self::GetLapic,
        Self::SetLapic,
        Self::GetPit,
        Self::SetPit,
    ];
}

/// What sets the TSC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tsc {
    Offset,
    Msr,
    /// Neither has an effect.
    Fixed,
}

pub(super) const LVT_TIMER: usize = 0x320;
pub(super) const INITIAL_COUNT: usize = 0x380;
pub(super) const CURRENT_COUNT: usize = 0x390;
pub(super) const DIVIDE: usize = 0x3e0;

#[derive(Debug, Clone)]
struct Vcpu {
    offset: u64,
    khz: u32,
    adjust: u64,
    page: u64,
    lapic: Lapic,
    deadline: u64,
    /// CLOCK_MONOTONIC at which the host timer of the APIC's expires.
    expires_ns: Option<u64>,
    pending: bool,
    /// When the guest got its timer interrupts: CLOCK_MONOTONIC.
    fired_ns: Vec<u64>,
}

pub(super) struct State {
    pub(super) host: SimHost,
    pub(super) host_khz: u32,
    pub(super) tsc: Tsc,
    pub(super) tsc_control: bool,
    /// Whether KVM_GET_CLOCK says when it read the clock.
    pub(super) says_tsc: bool,
    /// Whether the host counter of guest time is the TSC.
    counter_is_tsc: bool,
    /// What a call takes, before and after it has its effect.
    pub(super) call_ns: (u64, u64),
    /// Calls that fail, with the errno.
    pub(super) failures: HashMap<Call, i32>,
    /// The call of this number from now on fails, whatever it is.
    pub(super) fail_at: Option<u64>,
    pub(super) calls: Vec<Call>,
    pub(super) pit: Option<kvm_pit_state2>,
    pub(super) pit_set_ns: u64,
    clock_ns: u64,
    clock_tsc: u64,
    running: bool,
    vcpus: Vec<Vcpu>,
}

/// The fake; its clones are the same kernel.
#[derive(Clone)]
pub(super) struct FakeKernel(Arc<Mutex<State>>);

impl FakeKernel {
    pub(super) fn new(host: &SimHost, host_khz: u32, vcpus: usize) -> Self {
        let vcpu = Vcpu {
            offset: 0,
            khz: host_khz,
            adjust: 0,
            page: 0,
            lapic: Lapic([0; LAPIC_BYTES]),
            deadline: 0,
            expires_ns: None,
            pending: false,
            fired_ns: vec![],
        };
        let channel = kvm_pit_channel_state {
            mode: 2,
            count: 11_932,
            ..Default::default()
        };
        let mut state = State {
            host: host.clone(),
            host_khz,
            tsc: Tsc::Offset,
            tsc_control: false,
            says_tsc: true,
            counter_is_tsc: true,
            call_ns: (700, 500),
            failures: HashMap::new(),
            fail_at: None,
            calls: vec![],
            pit: Some(kvm_pit_state2 {
                channels: [channel; 3],
                ..Default::default()
            }),
            pit_set_ns: 0,
            clock_ns: 0,
            clock_tsc: 0,
            running: false,
            vcpus: vec![vcpu; vcpus],
        };
        state.begin();
        Self(Arc::new(Mutex::new(state)))
    }

    /// The host counter of guest time is not the TSC.
    pub(super) fn has_another_counter(&self) {
        let mut state = self.state();
        state.counter_is_tsc = false;
        state.begin();
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The guest is entered or left by all vCPUs.
    pub(super) fn set_running(&self, running: bool) {
        let mut state = self.state();
        state.expire();
        state.running = running;
        state.expire();
    }

    /// What a guest reads as kvmclock.
    pub(super) fn guest_clock(&self) -> u64 {
        self.state().clock()
    }

    pub(super) fn guest_tsc(&self, vcpu: usize) -> u64 {
        self.state().guest_tsc(vcpu)
    }

    pub(super) fn offsets(&self) -> Vec<u64> {
        self.state().vcpus.iter().map(|vcpu| vcpu.offset).collect()
    }

    pub(super) fn khz(&self, vcpu: usize) -> u32 {
        self.state().vcpus[vcpu].khz
    }

    /// The guest writes a vCPU's TSC.
    pub(super) fn guest_moves_tsc(&self, vcpu: usize, by: i64) {
        let mut state = self.state();
        let vcpu = &mut state.vcpus[vcpu];
        vcpu.offset = vcpu.offset.wrapping_add(by as u64);
        vcpu.adjust = vcpu.adjust.wrapping_add(by as u64);
    }

    /// The guest says where a vCPU's page of kvmclock is.
    pub(super) fn guest_sets_page(&self, vcpu: usize, page: u64) {
        self.state().vcpus[vcpu].page = page;
    }

    /// What a vCPU has in IA32_TSC_ADJUST, and where its page of kvmclock is.
    pub(super) fn clock_registers(&self, vcpu: usize) -> (u64, u64) {
        let state = self.state();
        (state.vcpus[vcpu].adjust, state.vcpus[vcpu].page)
    }

    /// The guest starts its APIC timer: LVT mode bits and a count, undivided.
    pub(super) fn guest_starts_timer(&self, vcpu: usize, mode: u32, count: u32) {
        let mut state = self.state();
        let lapic = &mut state.vcpus[vcpu].lapic;
        lapic.set_register(LVT_TIMER, mode << 17 | 0x40);
        lapic.set_register(DIVIDE, 0b1011);
        lapic.set_register(INITIAL_COUNT, count);
        lapic.set_register(CURRENT_COUNT, count);
        state.start_count(vcpu);
    }

    pub(super) fn guest_sets_deadline(&self, vcpu: usize, tsc: u64) {
        let mut state = self.state();
        state.vcpus[vcpu]
            .lapic
            .set_register(LVT_TIMER, 2 << 17 | 0x40);
        state.start_deadline(vcpu, tsc);
    }

    /// A vCPU's registers are loaded from another kernel, as its part does.
    pub(super) fn load_registers(&self, from: &Self) {
        let mut from = from.clone();
        for vcpu in 0..from.vcpus() {
            let lapic = from.lapic(vcpu).unwrap();
            let deadline = from.state().vcpus[vcpu].deadline;
            let mut to = self.clone();
            to.set_lapic(vcpu, &lapic).unwrap();
            to.set_msr(vcpu, 0x6e0, deadline).unwrap();
        }
    }

    pub(super) fn fired_ns(&self, vcpu: usize) -> Vec<u64> {
        let mut state = self.state();
        state.expire();
        state.vcpus[vcpu].fired_ns.clone()
    }
}

impl State {
    /// All clocks of a fresh guest show 0.
    fn begin(&mut self) {
        self.clock_tsc = self.tsc();
        let offset = self.tsc().wrapping_neg();
        for vcpu in &mut self.vcpus {
            vcpu.offset = offset;
        }
    }

    fn tsc(&self) -> u64 {
        match self.host.counter() {
            // As if the counter of guest time were another one.
            counter if !self.counter_is_tsc => counter.read().wrapping_sub(1_000_000_007),
            counter => counter.read(),
        }
    }

    fn monotonic_ns(&self) -> u64 {
        self.host.sample().unwrap().monotonic_ns
    }

    fn clock(&self) -> u64 {
        let ticks = u128::from(self.tsc().wrapping_sub(self.clock_tsc));
        self.clock_ns + (ticks * 1_000_000 / u128::from(self.host_khz)) as u64
    }

    fn scale(&self, khz: u32) -> TscScale {
        TscScale {
            ratio: ((u128::from(khz) << 32) / u128::from(self.host_khz)) as u64,
            fraction_bits: 32,
        }
    }

    fn guest_tsc(&self, vcpu: usize) -> u64 {
        let vcpu = &self.vcpus[vcpu];
        let ratio = self.scale(vcpu.khz).ratio;
        let scaled = (u128::from(self.tsc()) * u128::from(ratio)) >> 32;
        let offset = if self.tsc == Tsc::Fixed {
            0
        } else {
            vcpu.offset
        };
        (scaled as u64).wrapping_add(offset)
    }

    fn call(&mut self, call: Call) -> io::Result<()> {
        self.calls.push(call);
        self.host.advance(self.call_ns.0);
        let number = self.fail_at.map(|left| left.checked_sub(1));
        match number {
            Some(None) => {
                self.fail_at = None;
                return Err(io::Error::from_raw_os_error(libc::EIO));
            }
            Some(left) => self.fail_at = left,
            None => {}
        }
        match self.failures.get(&call) {
            Some(&errno) => Err(io::Error::from_raw_os_error(errno)),
            None => Ok(()),
        }
    }

    fn done<T>(&mut self, result: T) -> io::Result<T> {
        self.host.advance(self.call_ns.1);
        self.expire();
        Ok(result)
    }

    fn mode(&self, vcpu: usize) -> u32 {
        self.vcpus[vcpu].lapic.register(LVT_TIMER) >> 17 & 3
    }

    fn start_count(&mut self, vcpu: usize) {
        let now = self.monotonic_ns();
        let mode = self.mode(vcpu);
        let vcpu = &mut self.vcpus[vcpu];
        vcpu.pending = false;
        let initial = vcpu.lapic.register(INITIAL_COUNT);
        if initial == 0 || mode == 2 {
            vcpu.expires_ns = None;
            return;
        }
        let left = match vcpu.lapic.register(CURRENT_COUNT) {
            0 if mode == 1 => initial,
            left => left.min(initial),
        };
        vcpu.expires_ns = Some(now + u64::from(left));
    }

    fn start_deadline(&mut self, vcpu: usize, tsc: u64) {
        if self.mode(vcpu) != 2 {
            return;
        }
        let now = self.monotonic_ns();
        let shows = self.guest_tsc(vcpu);
        let khz = u128::from(self.vcpus[vcpu].khz);
        let vcpu = &mut self.vcpus[vcpu];
        vcpu.pending = false;
        vcpu.deadline = tsc;
        vcpu.expires_ns = (tsc != 0).then(|| {
            let left = u128::from(tsc.saturating_sub(shows));
            now + (left * 1_000_000).div_ceil(khz) as u64
        });
    }

    /// Host timers that are due expire; a guest that runs gets their interrupts.
    fn expire(&mut self) {
        let now = self.monotonic_ns();
        for index in 0..self.vcpus.len() {
            let mode = self.mode(index);
            let running = self.running;
            let vcpu = &mut self.vcpus[index];
            while let Some(expires) = vcpu.expires_ns
                && expires <= now
            {
                vcpu.expires_ns = None;
                if mode == 1 {
                    let period = u64::from(vcpu.lapic.register(INITIAL_COUNT));
                    vcpu.expires_ns = Some(expires + period);
                }
                if running {
                    vcpu.fired_ns.push(expires);
                    vcpu.deadline = 0;
                } else {
                    vcpu.pending = true;
                }
            }
            if vcpu.pending && running {
                vcpu.pending = false;
                vcpu.deadline = 0;
                vcpu.fired_ns.push(now);
            }
        }
    }
}

impl ClockCalls for FakeKernel {
    fn vcpus(&self) -> usize {
        self.state().vcpus.len()
    }

    fn has_tsc_control(&self) -> bool {
        self.state().tsc_control
    }

    fn clock(&mut self) -> io::Result<ClockData> {
        let mut state = self.state();
        state.call(Call::GetClock)?;
        let data = ClockData {
            clock_ns: state.clock(),
            host_tsc: state.says_tsc.then(|| state.tsc()),
        };
        state.done(data)
    }

    fn set_clock(&mut self, ns: u64) -> io::Result<()> {
        let mut state = self.state();
        state.call(Call::SetClock)?;
        (state.clock_ns, state.clock_tsc) = (ns, state.tsc());
        state.done(())
    }

    fn tsc_offset(&mut self, vcpu: usize) -> io::Result<u64> {
        let mut state = self.state();
        state.call(Call::GetOffset)?;
        match state.tsc {
            Tsc::Msr => Err(io::Error::from_raw_os_error(libc::ENXIO)),
            Tsc::Fixed => state.done(0),
            Tsc::Offset => {
                let offset = state.vcpus[vcpu].offset;
                state.done(offset)
            }
        }
    }

    fn set_tsc_offset(&mut self, vcpu: usize, offset: u64) -> io::Result<()> {
        let mut state = self.state();
        state.call(Call::SetOffset)?;
        if state.tsc == Tsc::Msr {
            return Err(io::Error::from_raw_os_error(libc::ENXIO));
        }
        state.vcpus[vcpu].offset = offset;
        state.done(())
    }

    fn tsc_scale(&mut self, vcpu: usize) -> io::Result<TscScale> {
        let mut state = self.state();
        state.call(Call::GetScale)?;
        let scale = state.scale(state.vcpus[vcpu].khz);
        state.done(scale)
    }

    fn tsc_khz(&mut self, vcpu: usize) -> io::Result<u32> {
        let mut state = self.state();
        state.call(Call::GetKhz)?;
        let khz = state.vcpus[vcpu].khz;
        state.done(khz)
    }

    fn set_tsc_khz(&mut self, vcpu: usize, khz: u32) -> io::Result<()> {
        let mut state = self.state();
        state.call(Call::SetKhz)?;
        state.vcpus[vcpu].khz = khz;
        state.done(())
    }

    fn msr(&mut self, vcpu: usize, index: u32) -> io::Result<u64> {
        let mut state = self.state();
        state.call(Call::GetMsr)?;
        let value = match index {
            0x10 => state.guest_tsc(vcpu),
            0x6e0 => state.vcpus[vcpu].deadline,
            0x3b => state.vcpus[vcpu].adjust,
            0x4b56_4d01 => state.vcpus[vcpu].page,
            _ => return Err(io::Error::from_raw_os_error(libc::EINVAL)),
        };
        state.done(value)
    }

    fn set_msr(&mut self, vcpu: usize, index: u32, value: u64) -> io::Result<()> {
        let mut state = self.state();
        state.call(Call::SetMsr)?;
        match index {
            0x10 if state.tsc == Tsc::Fixed => {}
            0x10 => {
                let shows = state.guest_tsc(vcpu);
                let off = value.wrapping_sub(shows) as i64;
                // Within a second: an attempt to synchronise.
                let second = u64::from(state.vcpus[vcpu].khz) * 1000;
                if off.unsigned_abs() >= second {
                    let offset = &mut state.vcpus[vcpu].offset;
                    *offset = offset.wrapping_add(off as u64);
                }
            }
            0x6e0 => state.start_deadline(vcpu, value),
            0x3b => state.vcpus[vcpu].adjust = value,
            0x4b56_4d01 => state.vcpus[vcpu].page = value,
            _ => return Err(io::Error::from_raw_os_error(libc::EINVAL)),
        }
        state.done(())
    }

    fn tell_guest_stopped(&mut self, _vcpu: usize) -> io::Result<()> {
        let mut state = self.state();
        state.call(Call::Ctrl)?;
        state.done(())
    }

    fn lapic(&mut self, vcpu: usize) -> io::Result<Lapic> {
        let mut state = self.state();
        state.call(Call::GetLapic)?;
        let now = state.monotonic_ns();
        let mut lapic = state.vcpus[vcpu].lapic;
        let left = match (state.mode(vcpu), state.vcpus[vcpu].expires_ns) {
            (0 | 1, Some(expires)) => expires.saturating_sub(now),
            _ => 0,
        };
        lapic.set_register(CURRENT_COUNT, u32::try_from(left).unwrap());
        state.done(lapic)
    }

    fn set_lapic(&mut self, vcpu: usize, lapic: &Lapic) -> io::Result<()> {
        let mut state = self.state();
        state.call(Call::SetLapic)?;
        state.vcpus[vcpu].lapic = *lapic;
        if state.mode(vcpu) != 2 {
            state.start_count(vcpu);
        }
        state.done(())
    }

    fn pit(&mut self) -> io::Result<Option<kvm_pit_state2>> {
        let mut state = self.state();
        state.call(Call::GetPit)?;
        let pit = state.pit;
        state.done(pit)
    }

    fn set_pit(&mut self, pit: &kvm_pit_state2) -> io::Result<()> {
        let mut state = self.state();
        state.call(Call::SetPit)?;
        state.pit = Some(*pit);
        state.pit_set_ns = state.monotonic_ns();
        state.done(())
    }

    fn counter_is_tsc(&self, _counter: &CounterSource) -> bool {
        self.state().counter_is_tsc
    }

    fn host_tsc(&mut self) -> u64 {
        self.state().tsc()
    }

    fn pause(&mut self) {
        self.state().host.advance(20);
    }
}
