//! A CPU: registers, PSW, timers, its state, and the interruptions latched for it.

use std::array;

use machine::ResetCause;
use migration::part::{decode, load, save, unsuitable};
use migration::{Part, PartError};
use serde::{Deserialize, Serialize};

use super::SMALL;
use crate::bfp::fpc::Fpc;
use crate::clock::ClockState;
use crate::cpu::S390Cpu;
use crate::cpu::control::Crash;
use crate::cpu::handle::{CPU_WORDS, CpuState, LATCHED, MAX_CPUS};
use crate::cpu::psw::Psw;
use crate::machine::vcpu::Vcpu;
use crate::vector::Vector;

/// What [`CpuPart`] saves with: 2 has the load and check-stop states, a CPU that has crashed or
/// waits for the reset it asked for, the place of the CPU timer on the timeline, and the last
/// value of STORE CLOCK; 3 has how far the CPU has set the TOD clock; 4 has emergency signals of CPUs
/// from number 64 on; 5 has what vector registers have beyond floating-point registers.
const VERSION: u32 = 5;

/// Bytes of the prefix area, in which a prefix is a multiple of its size.
const PREFIX_AREA: u64 = 0x2000;

/// A CPU.
///
/// Its CPU timer is loaded before the timeline on which it counts, by its place there (R8).
pub struct CpuPart<'a>(pub &'a Vcpu);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum SavedState {
    Stopped,
    Operating,
    /// With the reset that it asked for (DIAGNOSE X'308').
    Load(Option<SavedReset>),
    CheckStop,
    /// Operating, but it would take the same interruption for ever.
    Crashed(SavedCrash),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum SavedReset {
    Reipl,
    Modified { keep_memory: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum SavedCrash {
    Program,
    Operation,
    External,
}

/// What all versions have.
#[derive(Serialize, Deserialize)]
struct Registers {
    psw: (u64, u64),
    gpr: [u64; 16],
    fpr: [u64; 16],
    ar: [u32; 16],
    cr: [u64; 16],
    fpc: u32,
    prefix: u64,
    breaking_event: u64,
    clock: ClockState,
    /// Emergency signals, external call, restart and stop.
    latched: (u64, u32, u32),
}

#[derive(Deserialize)]
struct SavedCpu1 {
    operating: bool,
    registers: Registers,
}

#[derive(Serialize, Deserialize)]
struct SavedCpu2 {
    state: SavedState,
    registers: Registers,
    /// Where on the VM's timeline, in TOD units modulo 2^64, the CPU timer shows zero; none if it
    /// stands.
    timer_zero_at: Option<u64>,
    /// The last value that STORE CLOCK gave under the clock's present setting.
    last_unique: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct SavedCpu {
    cpu: SavedCpu4,
    vectors: Vectors,
}

/// Of the vector registers, what [`Registers`] does not have.
#[derive(Default, Serialize, Deserialize)]
struct Vectors {
    /// Bits 64-127 of all.
    right: [u64; 32],
    /// Bits 0-63 of registers 16 to 31.
    left: [u64; 16],
}

impl From<SavedCpu4> for SavedCpu {
    /// Version 4 had machines without vector registers.
    fn from(cpu: SavedCpu4) -> Self {
        Self {
            cpu,
            vectors: Vectors::default(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct SavedCpu4 {
    cpu: SavedCpu3,
    /// Sources of emergency signals from 64 on, a bit each.
    further_emergencies: [u64; CPU_WORDS - 1],
}

impl From<SavedCpu3> for SavedCpu4 {
    /// Version 3 had machines of at most 64 CPUs.
    fn from(cpu: SavedCpu3) -> Self {
        Self {
            cpu,
            further_emergencies: [0; CPU_WORDS - 1],
        }
    }
}

#[derive(Serialize, Deserialize)]
struct SavedCpu3 {
    cpu: SavedCpu2,
    /// By how many units this CPU's programs have set the TOD clock forward, modulo 2^64.
    has_set_tod_by: u64,
}

impl From<SavedCpu2> for SavedCpu3 {
    /// Version 2 did not count by how much the clock was set; nothing could ask for it.
    fn from(cpu: SavedCpu2) -> Self {
        Self {
            cpu,
            has_set_tod_by: 0,
        }
    }
}

impl From<SavedCpu1> for SavedCpu2 {
    /// Version 1 took the load state and a crash for "not operating" and "operating": a CPU that
    /// waited for a reset stays stopped, one that had crashed crashes again. The CPU timer goes on
    /// when the CPU first runs, a little after the other clocks; STORE CLOCK goes on from what the
    /// clock shows.
    fn from(old: SavedCpu1) -> Self {
        Self {
            state: if old.operating {
                SavedState::Operating
            } else {
                SavedState::Stopped
            },
            registers: old.registers,
            timer_zero_at: None,
            last_unique: None,
        }
    }
}

impl SavedCpu {
    fn of(cpu: &S390Cpu) -> Self {
        let (psw, control) = (cpu.psw(), &cpu.control);
        let has_set_tod_by = cpu.has_set_tod_by();
        let further_emergencies = control.handle.further_emergencies();
        let state = match (control.crashed(), control.handle.state()) {
            (Some(crash), CpuState::Operating) => SavedState::Crashed(match crash {
                Crash::ProgramLoop => SavedCrash::Program,
                Crash::OperationLoop => SavedCrash::Operation,
                Crash::ExternalLoop => SavedCrash::External,
            }),
            (_, CpuState::Operating) => SavedState::Operating,
            (_, CpuState::Stopped) => SavedState::Stopped,
            (_, CpuState::CheckStop) => SavedState::CheckStop,
            (_, CpuState::Load) => SavedState::Load(match control.wanted_reset() {
                Some(ResetCause::GuestModified { keep_memory }) => {
                    Some(SavedReset::Modified { keep_memory })
                }
                Some(ResetCause::GuestReipl) => Some(SavedReset::Reipl),
                Some(ResetCause::HostMonitor) | None => None,
            }),
        };
        let vectors = Vectors {
            right: cpu.vr.map(|register| register.right),
            left: array::from_fn(|n| cpu.vr[16 + n].left),
        };
        let cpu = SavedCpu2 {
            state,
            registers: Registers {
                psw: (psw.mask, psw.address),
                gpr: cpu.gpr,
                fpr: cpu.fprs(),
                ar: cpu.ar,
                cr: cpu.cr,
                fpc: cpu.fpc,
                prefix: cpu.prefix,
                breaking_event: cpu.breaking_event,
                clock: cpu.clock_state(),
                latched: control.handle.latched_words(),
            },
            timer_zero_at: cpu.timer_zero_at(),
            last_unique: cpu.last_unique(),
        };
        Self {
            cpu: SavedCpu4 {
                cpu: SavedCpu3 {
                    cpu,
                    has_set_tod_by,
                },
                further_emergencies,
            },
            vectors,
        }
    }

    /// Why no CPU can be in this state, if so.
    fn objection(&self, cpu: &S390Cpu) -> Option<String> {
        let registers = &self.cpu.cpu.cpu.registers;
        let prefix = registers.prefix;
        if !prefix.is_multiple_of(PREFIX_AREA)
            || !cpu.control.shared.ram().contains(prefix, PREFIX_AREA)
        {
            return Some(format!("its prefix {prefix:#x} is not in storage"));
        }
        if Fpc::new(registers.fpc).is_err() {
            let fpc = registers.fpc;
            return Some(format!(
                "its floating-point control {fpc:#010x} has reserved bits"
            ));
        }
        let (_, call, latched) = registers.latched;
        if call > u32::from(MAX_CPUS) || latched & !LATCHED != 0 {
            return Some("it has an interruption pending that there is not".into());
        }
        None
    }

    fn apply(&self, target: &mut S390Cpu) {
        let SavedCpu4 {
            cpu,
            further_emergencies,
        } = &self.cpu;
        let SavedCpu2 {
            state, registers, ..
        } = &cpu.cpu;
        target.clear_reset();
        target.gpr = registers.gpr;
        let left = registers.fpr.into_iter().chain(self.vectors.left);
        for (register, (left, right)) in target.vr.iter_mut().zip(left.zip(self.vectors.right)) {
            *register = Vector { left, right };
        }
        target.ar = registers.ar;
        target.cr = registers.cr;
        target.fpc = registers.fpc;
        target.set_prefix(registers.prefix);
        target.breaking_event = registers.breaking_event;
        target.core.spaces_changed();
        target.set_psw(Psw {
            mask: registers.psw.0,
            address: registers.psw.1,
        });
        target.set_state(match state {
            SavedState::Stopped => CpuState::Stopped,
            SavedState::Operating | SavedState::Crashed(_) => CpuState::Operating,
            SavedState::Load(_) => CpuState::Load,
            SavedState::CheckStop => CpuState::CheckStop,
        });
        match *state {
            SavedState::Crashed(crash) => target.control.crash(match crash {
                SavedCrash::Program => Crash::ProgramLoop,
                SavedCrash::Operation => Crash::OperationLoop,
                SavedCrash::External => Crash::ExternalLoop,
            }),
            SavedState::Load(Some(reset)) => target.control.want_reset_again(match reset {
                SavedReset::Reipl => ResetCause::GuestReipl,
                SavedReset::Modified { keep_memory } => ResetCause::GuestModified { keep_memory },
            }),
            _ => {}
        }
        target.restore_clock_state(
            &registers.clock,
            cpu.cpu.timer_zero_at,
            cpu.cpu.last_unique,
            cpu.has_set_tod_by,
        );
        target.control.handle.restore_latched(registers.latched);
        target
            .control
            .handle
            .restore_further_emergencies(*further_emergencies);
    }
}

/// What version 2 had, in the present one.
fn upgrade(cpu: SavedCpu2) -> SavedCpu {
    SavedCpu4::from(SavedCpu3::from(cpu)).into()
}

impl Part for CpuPart<'_> {
    fn name(&self) -> &'static str {
        "s390x-cpu"
    }

    fn instance(&self) -> u32 {
        u32::from(self.0.handle().address())
    }

    fn version(&self) -> u32 {
        VERSION
    }

    fn max_bytes(&self) -> usize {
        SMALL
    }

    /// One that came after the guest was saved is new to it.
    fn may_be_missing(&self) -> bool {
        true
    }

    fn absent(&mut self) -> Result<(), PartError> {
        if self.0.is_expected() {
            let address = self.0.handle().address();
            return Err(unsuitable(
                self,
                format!("the state of the guest's CPU {address} is missing"),
            ));
        }
        self.0.visit(|cpu| {
            cpu.clear_reset();
            // Nor has it ever set the clock.
            let clocks = cpu.clock_state();
            cpu.restore_clock_state(&clocks, None, None, 0);
            let shared = &cpu.control.shared;
            shared.topology().changed();
            shared.sclp.signal_cpus_changed();
        });
        Ok(())
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        let saved = self.0.visit(|cpu| SavedCpu::of(cpu));
        save(self, &saved)
    }

    fn load(&mut self, version: u32, payload: &[u8]) -> Result<(), PartError> {
        let saved: SavedCpu = match version {
            1 => upgrade(decode::<SavedCpu1>(self, payload)?.into()),
            2 => upgrade(decode::<SavedCpu2>(self, payload)?),
            3 => SavedCpu4::from(decode::<SavedCpu3>(self, payload)?).into(),
            4 => decode::<SavedCpu4>(self, payload)?.into(),
            _ => load(self, version, payload)?,
        };
        self.0.visit(|cpu| match saved.objection(cpu) {
            Some(why) => Err(unsuitable(self, why)),
            None => {
                saved.apply(cpu);
                Ok(())
            }
        })
    }
}
