//! The board: a PC's devices behind port I/O, and their interrupt lines.
//!
//! It works without a CPU and without KVM: whoever executes the guest calls
//! [`Board::read_port`] and [`Board::write_port`], and lines end at an [`InterruptSink`]. Not
//! here: interrupt controllers and interval timers, which KVM has.

pub mod bus;
pub mod debug_exit;
pub mod fw_cfg;
pub mod lines;
pub mod power;
pub mod power_button;
pub mod serial;
pub mod test_device;

use std::sync::Arc;

use crossbeam::channel::Sender;
use machine::{ConsoleInput, ConsoleOutput, Device, GuestEvent, RtcOptions};
use migration::Part;
use tod::clock::RegisterError;
use tod::run::{Layer, RunListener};
use tod::value::TodRangeError;
use tod::{ClockManager, EpochClock};

use crate::clock::rtc::{Output, RtcConfig, RtcDevice, RtcListener, RtcPart, base_time, spec};
use bus::{PortBus, PortDevice, PortsTaken};
use debug_exit::DebugExit;
use fw_cfg::{FwCfg, FwCfgItems, FwCfgPart};
pub use lines::{InterruptSink, Lines, NoController};
use power::{Power, PowerPart};
use power_button::{PowerButton, PowerButtonPart};
use serial::{SerialPart, SerialPort};

/// What a board is built from.
pub struct BoardParts<'a> {
    /// Where the RTC's reference is registered, as `rtc`; also the timeline.
    pub clocks: &'a ClockManager,
    /// `-rtc`.
    pub rtc: RtcOptions,
    /// `-device`.
    pub devices: &'a [Device],
    /// What a guest without firmware tables is told of the machine.
    pub fw_cfg: FwCfgItems,
    /// Where the serial port's output goes; without it nobody hears it.
    pub console: Option<Arc<dyn ConsoleOutput>>,
    /// Where resets, power-off and a date that the guest changes are told.
    pub events: Sender<GuestEvent>,
    /// Where interrupt lines end.
    pub lines: Arc<dyn InterruptSink>,
}

/// Why a board cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    /// `-rtc base=` is a date that no clock here shows.
    #[error("the RTC cannot start with that date: {0}")]
    Base(#[from] TodRangeError),
    /// There is a clock of that name.
    #[error(transparent)]
    Clock(#[from] RegisterError),
    /// A device's ports belong to another.
    #[error(transparent)]
    Ports(#[from] PortsTaken),
}

/// The devices.
pub struct Board {
    bus: PortBus,
    lines: Arc<Lines>,
    rtc: Arc<RtcDevice>,
    fw_cfg: Arc<FwCfg>,
    serial: Arc<SerialPort>,
    power: Arc<Power>,
    power_button: Arc<PowerButton>,
    /// Whether the serial port leads anywhere.
    has_console: bool,
}

impl Board {
    /// Devices as at power-on. Registers the clock `rtc`.
    ///
    /// # Errors
    /// [`BoardError`].
    pub fn new(parts: BoardParts<'_>) -> Result<Self, BoardError> {
        let lines = Arc::new(Lines::new(parts.lines));
        let rtc = new_rtc(parts.clocks, parts.rtc, &lines, parts.events.clone())?;
        let fw_cfg = Arc::new(FwCfg::new(parts.fw_cfg));
        let has_console = parts.console.is_some();
        let serial = Arc::new(SerialPort::new(parts.console, &lines));
        let mut bus = PortBus::default();
        let power = Power::add(&mut bus, parts.events.clone())?;
        let power_button = Arc::new(PowerButton::new(&lines));
        bus.add(power_button::PORTS, Arc::clone(&power_button) as _)?;
        bus.add(serial::PORTS, Arc::clone(&serial) as _)?;
        bus.add(
            spec::INDEX_PORT..=spec::DATA_PORT,
            Arc::new(RtcPorts(Arc::clone(&rtc))),
        )?;
        bus.add(fw_cfg::PORTS, Arc::clone(&fw_cfg) as _)?;
        for device in parts.devices {
            match *device {
                Device::IsaDebugExit { io_base, io_bytes } => bus.add(
                    io_base..=io_base.saturating_add(io_bytes - 1),
                    Arc::new(DebugExit::new(parts.events.clone())),
                )?,
                Device::PcTestdev => test_device::add(&mut bus, &lines)?,
                // The command line refuses other architectures' devices.
                _ => {}
            }
        }
        Ok(Self {
            bus,
            lines,
            rtc,
            fw_cfg,
            serial,
            power,
            power_button,
            has_console,
        })
    }

    /// The guest reads `bytes.len()` bytes, 1, 2 or 4, from a port.
    pub fn read_port(&self, port: u16, bytes: &mut [u8]) {
        self.bus.read(port, bytes);
    }

    /// The guest writes 1, 2 or 4 bytes to a port.
    pub fn write_port(&self, port: u16, bytes: &[u8]) {
        self.bus.write(port, bytes);
    }

    /// The interrupt lines.
    #[must_use]
    pub fn lines(&self) -> &Arc<Lines> {
        &self.lines
    }

    /// The real-time clock.
    #[must_use]
    pub fn rtc(&self) -> &Arc<RtcDevice> {
        &self.rtc
    }

    /// The operator console's input, if the serial port leads to one.
    #[must_use]
    pub fn console_input(&self) -> Option<Arc<dyn ConsoleInput>> {
        self.has_console.then(|| Arc::clone(&self.serial) as _)
    }

    /// System reset.
    pub fn reset(&self) {
        self.rtc.reset();
        self.fw_cfg.reset();
        self.serial.reset();
        self.power.reset();
        self.power_button.reset();
    }

    /// Presses the power button. Whether the guest has asked to be told.
    #[must_use]
    pub fn press_power_button(&self) -> bool {
        self.power_button.press()
    }

    /// What wants to know when the VM stops and runs on.
    #[must_use]
    pub fn listeners(&self) -> Vec<(Layer, Box<dyn RunListener>)> {
        vec![(Layer::Devices, Box::new(RtcListener::new(&self.rtc)))]
    }

    /// The parts that are saved and moved, in the order of the stream.
    #[must_use]
    pub fn parts(&self) -> Vec<Box<dyn Part + '_>> {
        vec![
            Box::new(RtcPart::new(&self.rtc)),
            Box::new(FwCfgPart::new(&self.fw_cfg)),
            Box::new(SerialPart::new(&self.serial)),
            Box::new(PowerPart::new(&self.power)),
            Box::new(PowerButtonPart::new(&self.power_button)),
        ]
    }
}

fn new_rtc(
    clocks: &ClockManager,
    options: RtcOptions,
    lines: &Arc<Lines>,
    events: Sender<GuestEvent>,
) -> Result<Arc<RtcDevice>, BoardError> {
    let timebase = clocks.timebase();
    let reading = timebase.reading();
    let reference = EpochClock::new(timebase, base_time(options.base, &reading)?, &reading);
    let policy = options.clock.policy();
    clocks.register("rtc", Box::new(Arc::clone(&reference)), policy)?;
    let config = RtcConfig {
        drift_fix: options.drift_fix,
        ..RtcConfig::default()
    };
    let lines = Arc::clone(lines);
    let sink = move |output| match output {
        Output::Raise => lines.set(spec::IRQ.into(), true),
        Output::Lower => lines.set(spec::IRQ.into(), false),
        // Nobody listens any more when the program is about to end.
        Output::TimeChanged { offset_s } => {
            let _ = events.send(GuestEvent::RtcChange { offset_s });
        }
        Output::OffsetLoaded { .. } => {}
    };
    Ok(RtcDevice::new(clocks.timeline(), &reference, config, sink))
}

/// The RTC's two ports.
struct RtcPorts(Arc<RtcDevice>);

impl PortDevice for RtcPorts {
    fn read(&self, offset: u16) -> u8 {
        self.0.read_port(spec::INDEX_PORT + offset)
    }

    fn write(&self, offset: u16, value: u8) {
        self.0.write_port(spec::INDEX_PORT + offset, value);
    }
}
