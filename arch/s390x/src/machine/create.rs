//! Building a machine from its configuration.
//!
//! Not here: reading the command line, and what a built machine does ([`super`]).

use std::sync::{Arc, Mutex};

use machine::{
    Accel, BootWhen, CpuFeature, Device, Engine, GuestRam, Machine, MachineConfig, MachineError,
    MachineParts, MachineType, RtcBase, Smp, Tcg,
};
use tcg::cpu::System;
use tcg::system::trace;
use tcg::{CpuCore, EngineKind, Options};
use tod::clock::{EpochClock, Policy};
use tod::{Tod, UnixTime};

use super::plug::Threads;
use super::topology::Topology;
use super::vcpu::{Crew, Vcpu};
use super::{S390xMachine, Shared};
use crate::boot::BootImage;
use crate::clock::TodBackend;
use crate::console::Sclp;
use crate::cpu::S390Cpu;
use crate::cpu::features;
use crate::cpu::handle::MAX_CPUS;
use crate::cpu::model::{self, Model, ModelError};

/// Least RAM: the lowcore, a kernel's parameter area, and something to run in.
const MIN_RAM_BYTES: u64 = 2 << 20;
/// Most RAM: SCCBs and prefix areas are below 2 GiB anywhere; the limit is what SCLP describes.
const MAX_RAM_BYTES: u64 = 1 << 40;

/// The s390x machine that `-machine` names.
struct CcwVirtio;

/// The machine type, as `emu` lists it.
pub static TYPE: &dyn MachineType = &CcwVirtio;

/// How often a block is executed as IR before it is compiled. Of the blocks that Debian's kernel
/// executes to its first process a third run once, two fifths at most twice (measured): a second
/// run as IR gains little there, and makes much code that stays wait longer.
const COLD_RUNS: u8 = 1;

impl MachineType for CcwVirtio {
    fn names(&self) -> &'static [&'static str] {
        &["s390-ccw-virtio", "s390-ccw"]
    }

    fn description(&self) -> &'static str {
        "IBM Z class machine: CPUs, SCLP console, channel subsystem"
    }

    fn arch(&self) -> &'static str {
        "s390x"
    }

    fn default_ram_bytes(&self) -> u64 {
        128 << 20
    }

    fn cpu_models(&self) -> &'static [&'static str] {
        &["qemu", "max", "zEC12"]
    }

    fn cpus_can_come(&self) -> bool {
        true
    }

    fn cpu_model_description(&self, name: &str) -> Option<&'static str> {
        Model::find(name).map(Model::description)
    }

    fn cpu_features(&self, cpu: Option<&str>) -> Result<Vec<CpuFeature>, MachineError> {
        let chosen = model::choose(cpu).map_err(|error| refused_cpu(cpu, &error))?;
        Ok(features::here()
            .map(|feature| CpuFeature {
                name: feature.name,
                installed: chosen.facilities.has(feature.number),
            })
            .collect())
    }

    fn create(
        &self,
        config: &MachineConfig,
        parts: MachineParts<'_>,
    ) -> Result<Box<dyn Machine>, MachineError> {
        check_accel(config.accel)?;
        let chosen = chosen_cpu(config.cpu.as_deref())?;
        let (cpu_count, max_cpus) = check_smp(config.smp)?;
        if !(MIN_RAM_BYTES..=MAX_RAM_BYTES).contains(&config.ram_bytes) {
            return Err(MachineError::Option {
                option: "-m",
                value: format!("{} bytes", config.ram_bytes),
                expected: format!(
                    "expected {} MiB to {} GiB",
                    MIN_RAM_BYTES >> 20,
                    MAX_RAM_BYTES >> 30
                ),
            });
        }
        let boot = BootImage::new(&config.boot, config.ram_bytes)?;
        let ram = GuestRam::new(config.ram_bytes).map_err(|error| MachineError::Option {
            option: "-m",
            value: format!("{} MiB", config.ram_bytes >> 20),
            expected: error.to_string(),
        })?;
        let at_once = config.boot.when == BootWhen::Creation;
        if let Some(boot) = boot.as_ref().filter(|_| at_once) {
            // The image was checked against this much RAM.
            boot.load(|at, bytes| {
                let _ = ram.write(at, bytes);
            });
        }

        let timebase = parts.clocks.timebase();
        let clock = guest_clock(timebase, config.rtc.base)?;
        let tcg = match config.accel {
            Accel::Tcg(tcg) => tcg,
            _ => Tcg::default(),
        };
        let engine = engine_kind(tcg.engine);
        let options = Options {
            engine,
            count: false,
            cold_runs: match engine {
                EngineKind::Native => COLD_RUNS,
                EngineKind::Interp | EngineKind::Reference => 0,
            },
            ..Options::default()
        };
        let options = match tcg.cache_mib {
            Some(mib) => Options {
                cache_bytes: (mib as usize) << 20,
                ..options
            },
            None => options,
        };
        let system = System::with_options(Arc::new(ram), options);
        system.set_trace(
            config
                .trace
                .iter()
                .fold(0, |bits, item| bits | trace_bit(item)),
        );
        let cores: Vec<CpuCore> = (0..cpu_count)
            .map(|_| CpuCore::new(system.clone()))
            .collect();
        let shared = Shared::new(
            system,
            &cores,
            Sclp::new(parts.console),
            clock,
            parts.clocks.timeline().clone(),
            config.identity.clone(),
            max_cpus,
            parts.events,
        );
        shared.install_facilities(chosen.facilities);
        shared
            .topology
            .get_or_init(|| Topology::new(config.smp.shape, max_cpus));
        shared
            .add_devices(&config.devices)
            .map_err(|error| MachineError::Option {
                option: "-device",
                value: "virtio-net-ccw".into(),
                expected: error.to_string(),
            })?;
        let backend = TodBackend::new(shared.tod.clone(), shared.cpus.clone());
        parts
            .clocks
            .register("tod", Box::new(backend), Policy::Freeze)
            .map_err(|error| MachineError::Option {
                option: "-machine",
                value: config.machine.clone(),
                expected: error.to_string(),
            })?;
        let weak = Arc::downgrade(&shared);
        shared.sclp.set_notify(move || {
            if let Some(shared) = weak.upgrade() {
                // No SCCB, only the bit that says that events are pending.
                shared.floating.service_signal(&shared.cpus, 1);
            }
        });
        let crew = Crew::new(shared.max_cpus);
        for (core, address) in cores.into_iter().zip(0..) {
            crew.add(Vcpu::new(S390Cpu::new(core, shared.clone(), address)));
        }
        let machine = S390xMachine {
            shared,
            crew: Arc::new(crew),
            model: chosen.model,
            boot,
            threads: Mutex::new(Threads::NotYet),
        };
        for device in &config.devices {
            if let Device::Cpu(cpu) = device {
                machine.plug(cpu)?;
            }
        }
        match &machine.boot {
            _ if !at_once => {}
            Some(boot) => machine.start_boot_cpu(boot.entry()),
            None => log::warn!("there is no -kernel, so all CPUs stay stopped"),
        }
        if config.accel != Accel::Qtest {
            machine.start_threads()?;
        }
        Ok(Box::new(machine))
    }
}

/// The bit of a `-d` item that translation prints; 0 for items that are others'.
fn trace_bit(item: &str) -> u32 {
    match item {
        "in_asm" => trace::IN_ASM,
        "op" => trace::OP,
        "op_opt" => trace::OP_OPT,
        "out_asm" => trace::OUT_ASM,
        "exec" => trace::EXEC,
        "int" => trace::INT,
        _ => 0,
    }
}

/// The engine of that name.
fn engine_kind(engine: Engine) -> EngineKind {
    match engine {
        Engine::Default => EngineKind::default(),
        Engine::Interp => EngineKind::Interp,
        Engine::Native => EngineKind::Native,
        Engine::Reference => EngineKind::Reference,
    }
}

fn check_accel(accel: Accel) -> Result<(), MachineError> {
    let refused = |value: &str, expected: &str| {
        Err(MachineError::Option {
            option: "-accel",
            value: value.into(),
            expected: expected.into(),
        })
    };
    match accel {
        Accel::Tcg(tcg) if EngineKind::ALL.contains(&engine_kind(tcg.engine)) => Ok(()),
        Accel::Tcg(_) => refused(
            "tcg,engine=native",
            "native code is made for x86-64 hosts, use engine=interp",
        ),
        Accel::Kvm => refused("kvm", "s390x guests run under tcg on this host"),
        // CPUs are there and never run: they have no threads.
        Accel::Qtest => Ok(()),
    }
}

fn refused_cpu(cpu: Option<&str>, error: &ModelError) -> MachineError {
    MachineError::Option {
        option: "-cpu",
        value: cpu.unwrap_or_default().into(),
        expected: error.to_string(),
    }
}

/// What `-cpu` asks for; features that lack what they need are told of.
fn chosen_cpu(cpu: Option<&str>) -> Result<model::Chosen, MachineError> {
    let chosen = model::choose(cpu).map_err(|error| refused_cpu(cpu, &error))?;
    for warning in &chosen.warnings {
        log::warn!("-cpu: {warning}");
    }
    Ok(chosen)
}

/// How many CPUs there are at first, and at most.
fn check_smp(smp: Smp) -> Result<(u16, u16), MachineError> {
    match (u16::try_from(smp.cpus), u16::try_from(smp.max_cpus)) {
        (Ok(cpus @ 1..), Ok(max)) if cpus <= max && max <= MAX_CPUS => Ok((cpus, max)),
        _ => Err(MachineError::Option {
            option: "-smp",
            value: smp.max_cpus.to_string(),
            expected: format!("expected 1 to {MAX_CPUS} CPUs"),
        }),
    }
}

/// The TOD clock at the VM's start.
fn guest_clock(
    timebase: &Arc<tod::Timebase>,
    base: RtcBase,
) -> Result<Arc<EpochClock>, MachineError> {
    let out_of_range = |unix_s: i64| MachineError::Option {
        option: "-rtc base",
        value: format!("of {unix_s} s from 1970"),
        expected: "expected a date from 1900-01-01 on, where the TOD clock begins".into(),
    };
    Ok(match base {
        RtcBase::Utc => EpochClock::at_host_time(timebase),
        RtcBase::Localtime { utc_offset_s } => {
            let reading = timebase.reading();
            let shift = i128::from(utc_offset_s) * i128::from(tod::value::UNITS_PER_SECOND);
            let local = reading.realtime_tod().wrapping_add(shift);
            EpochClock::new(timebase, local, &reading)
        }
        RtcBase::Date { unix_s } => {
            let tod = UnixTime::new(unix_s, 0)
                .ok()
                .and_then(|time| Tod::from_unix(time).ok())
                .ok_or_else(|| out_of_range(unix_s))?;
            EpochClock::new(timebase, tod, &timebase.reading())
        }
    })
}
