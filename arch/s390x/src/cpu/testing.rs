//! CPUs on a simulated host, for tests of the control side.

use std::sync::Arc;

use machine::{GuestRam, Identity};
use tcg::CpuCore;
use tcg::cpu::System;
use tcg::ir::MemSize;
use tod::clock::{ClockManager, Policy};
use tod::run::{Cause, VcpuGate};
use tod::{EpochClock, HostReading, SimHost, Timebase, Timeline, Tod};

use super::handle::CpuState;
use super::psw::{self, Psw};
use super::{S390Cpu, lowcore};
use crate::clock::TodBackend;
use crate::console::Sclp;
use crate::machine::Shared;

/// Bytes of RAM.
pub(crate) const RAM: u64 = 4 << 20;
/// The address of every new PSW in the prefix areas is this plus the new PSW's offset.
pub(crate) const HANDLERS: u64 = 0x4_0000;

/// CPUs, their clocks, and the host under them. The VM runs.
pub(crate) struct Bench {
    pub(crate) host: SimHost,
    pub(crate) clocks: Arc<ClockManager>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) cpus: Vec<S390Cpu>,
}

impl Bench {
    /// A machine whose TOD clock starts at the host's time.
    pub(crate) fn new(count: u16) -> Self {
        Self::with_clock(count, |at| at.realtime_tod())
    }

    /// A machine whose TOD clock starts at a value.
    pub(crate) fn with_clock(count: u16, start: impl Fn(&HostReading) -> Tod) -> Self {
        let host = SimHost::new();
        let timebase = Timebase::new(Arc::new(host.clone())).unwrap();
        let timeline = Timeline::new(&timebase);
        let clocks = ClockManager::new(Arc::clone(&timeline));
        let reading = timebase.reading();
        let clock = EpochClock::new(&timebase, start(&reading), &reading);
        let system = System::new(Arc::new(GuestRam::new(RAM).unwrap()));
        let cores: Vec<_> = (0..count).map(|_| CpuCore::new(system.clone())).collect();
        let (events, _) = crossbeam::channel::unbounded();
        let identity = Identity::default();
        let shared = Shared::new(
            system,
            &cores,
            Sclp::new(None),
            clock,
            timeline,
            identity,
            count,
            events,
        );
        let backend = TodBackend::new(Arc::clone(&shared.tod), shared.cpus.clone());
        clocks
            .register("tod", Box::new(backend), Policy::Freeze)
            .unwrap();
        let cpus = cores
            .into_iter()
            .zip(0..)
            .map(|(core, address)| {
                let mut cpu = S390Cpu::new(core, Arc::clone(&shared), address);
                cpu.set_prefix(u64::from(address) * 0x2000);
                cpu.core.attention().take(u32::MAX);
                cpu.cr[0] = 0;
                for new in [
                    lowcore::RESTART_NEW,
                    lowcore::EXTERNAL_NEW,
                    lowcore::SVC_NEW,
                    lowcore::PROGRAM_NEW,
                ] {
                    cpu.set_lowcore_psw(new, code_psw(HANDLERS + new));
                }
                cpu.set_psw(code_psw(0x1000));
                cpu.set_state(CpuState::Operating);
                cpu.core.attention().take(u32::MAX);
                cpu
            })
            .collect();
        let bench = Self {
            host,
            clocks,
            shared,
            cpus,
        };
        bench.cont();
        bench
    }

    /// Time passes on the host; timers that are due fire.
    pub(crate) fn advance(&self, ns: u64) {
        self.host.advance(ns);
        self.shared.timeline.run_due();
    }

    /// The VM stops.
    pub(crate) fn stop(&self) {
        let parked = VcpuGate::new(Vec::new()).close_and_wait();
        self.clocks.on_stop(parked, Cause::Monitor);
    }

    /// The VM goes on.
    pub(crate) fn cont(&self) {
        VcpuGate::new(Vec::new()).open(self.clocks.on_cont(Cause::Monitor));
    }
}

/// 64-bit mode, everything disabled.
pub(crate) fn code_psw(address: u64) -> Psw {
    Psw {
        mask: psw::ADDRESSING,
        address,
    }
}

impl S390Cpu {
    /// The code of the last external interruption, and forgets it.
    pub(crate) fn take_external_code(&mut self) -> u64 {
        let code = self.lowcore(lowcore::EXTERNAL_CODE, MemSize::B2);
        self.set_lowcore(lowcore::EXTERNAL_CODE, MemSize::B2, 0);
        code
    }

    /// Loads a PSW that is enabled for external interruptions.
    pub(crate) fn enable(&mut self, address: u64) {
        self.set_psw(Psw {
            mask: psw::ADDRESSING | psw::EXTERNAL,
            address,
        });
    }

    /// Whether attention is wanted, and takes it back.
    pub(crate) fn take_attention(&mut self) -> bool {
        self.core.attention().take(u32::MAX) != 0
    }
}
