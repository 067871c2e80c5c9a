//! The machine's parts that save and restore themselves, in the order of the stream: what floats,
//! the console, then every CPU.
//!
//! Not here: RAM, which migration moves by itself, and the TOD clock, which the clock manager
//! keeps.

use migration::{Part, PartError, decode, encode};
use serde::{Deserialize, Serialize};

use super::Shared;
use super::vcpu::Vcpu;
use crate::clock::ClockState;
use crate::console::events::{EventState, INPUT_CAPACITY};
use crate::cpu::handle::CpuState;
use crate::cpu::psw::Psw;

/// What the parts of a machine are saved with.
const VERSION: u32 = 1;

/// Payload limit of the small parts, in bytes.
const MAX_BYTES: usize = 64 << 10;

fn load<T: serde::de::DeserializeOwned>(
    name: &'static str,
    version: u32,
    payload: &[u8],
) -> Result<T, PartError> {
    if version != VERSION {
        return Err(PartError::Version {
            name,
            found: version,
            newest: VERSION,
        });
    }
    decode(payload, MAX_BYTES).map_err(|source| PartError::Codec { name, source })
}

fn save<T: Serialize>(name: &'static str, state: &T) -> Result<Vec<u8>, PartError> {
    encode(state).map_err(|source| PartError::Codec { name, source })
}

/// The event facility: masks, unread input, a pending shutdown signal; and the service signal.
pub struct ConsolePart<'a>(pub &'a Shared);

#[derive(Serialize, Deserialize)]
struct ConsoleState {
    events: EventState,
    service_signal: Option<u32>,
}

impl Part for ConsolePart<'_> {
    fn name(&self) -> &'static str {
        "s390x-sclp"
    }

    fn version(&self) -> u32 {
        VERSION
    }

    fn max_bytes(&self) -> usize {
        MAX_BYTES
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        let state = ConsoleState {
            events: self.0.sclp.save(),
            service_signal: self.0.floating.saved(),
        };
        save(self.name(), &state)
    }

    fn load(&mut self, version: u32, payload: &[u8]) -> Result<(), PartError> {
        let state: ConsoleState = load(self.name(), version, payload)?;
        if state.events.input_len() > INPUT_CAPACITY {
            return Err(PartError::Unsuitable {
                name: self.name(),
                why: format!(
                    "{} bytes of input are more than fit",
                    state.events.input_len()
                ),
            });
        }
        self.0.sclp.load(state.events);
        self.0.floating.restore(state.service_signal);
        Ok(())
    }
}

/// A CPU: registers, PSW, timers, and the interruptions latched for it.
pub struct CpuPart<'a>(pub &'a Vcpu);

#[derive(Serialize, Deserialize)]
struct SavedCpu {
    operating: bool,
    psw: (u64, u64),
    gpr: [u64; 16],
    fpr: [u64; 16],
    ar: [u32; 16],
    cr: [u64; 16],
    fpc: u32,
    prefix: u64,
    breaking_event: u64,
    clock: ClockState,
    latched: (u64, u32, u32),
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
        MAX_BYTES
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        let state = self.0.visit(|cpu| {
            let psw = cpu.psw();
            SavedCpu {
                operating: cpu.control.handle.state() == CpuState::Operating,
                psw: (psw.mask, psw.address),
                gpr: cpu.gpr,
                fpr: cpu.fpr,
                ar: cpu.ar,
                cr: cpu.cr,
                fpc: cpu.fpc,
                prefix: cpu.prefix,
                breaking_event: cpu.breaking_event,
                clock: cpu.clock_state(),
                latched: cpu.control.handle.latched_words(),
            }
        });
        save(self.name(), &state)
    }

    fn load(&mut self, version: u32, payload: &[u8]) -> Result<(), PartError> {
        let saved: SavedCpu = load(self.name(), version, payload)?;
        let name = self.name();
        self.0.visit(|cpu| {
            if !cpu
                .control
                .shared
                .ram()
                .contains(saved.prefix & !0x1fff, 0x2000)
            {
                return Err(PartError::Unsuitable {
                    name,
                    why: format!("its prefix {:#x} is beyond memory", saved.prefix),
                });
            }
            cpu.clear_reset();
            cpu.gpr = saved.gpr;
            cpu.fpr = saved.fpr;
            cpu.ar = saved.ar;
            cpu.cr = saved.cr;
            cpu.fpc = saved.fpc;
            cpu.set_prefix(saved.prefix & !0x1fff);
            cpu.breaking_event = saved.breaking_event;
            cpu.core.spaces_changed();
            cpu.set_psw(Psw {
                mask: saved.psw.0,
                address: saved.psw.1,
            });
            let state = if saved.operating {
                CpuState::Operating
            } else {
                CpuState::Stopped
            };
            cpu.set_state(state);
            cpu.restore_clock_state(&saved.clock);
            cpu.control.handle.restore_latched(saved.latched);
            Ok(())
        })
    }
}
