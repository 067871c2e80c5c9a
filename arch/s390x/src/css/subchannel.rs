//! One subchannel and the functions that instructions start there (Principles of Operation,
//! chapters 14 to 16).
//!
//! Everything a function does is done when its instruction ends, so a subchannel is never active:
//! it is idle, suspended, or has status pending. Condition codes are returned as numbers. Not
//! here: which subchannels there are, and interruptions among CPUs ([`super`]).

use serde::{Deserialize, Serialize};

use super::blocks::{
    Irb, Modification, Orb, Pmcw, SCHIB_BYTES, SENSE_BYTES, Scsw, pmcw, schib, scsw,
};
use super::program::{Check, Device, End, Program, Run};
use super::storage::Host;
use super::virtio::{NetConfig, Notice, VirtioNet};

/// The one path that virtual devices have.
const PATH: u8 = 0x80;
/// Status pending.
const STATUS_PENDING: u8 = 1;
/// Busy.
const BUSY: u8 = 2;
/// Not operational.
const NOT_OPERATIONAL: u8 = 3;

/// A subchannel with its device. Saved as it is: a change here is a new version of that part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subchannel {
    pmcw: Pmcw,
    scsw: Scsw,
    measurement_block: u64,
    orb: Orb,
    /// Where a suspended program goes on.
    next_ccw: u32,
    sense: [u8; SENSE_BYTES],
    /// An I/O interruption is pending.
    interruption: bool,
    device: VirtioNet,
}

/// An interruption's subclass and parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interruption {
    /// Interruption subclass, 0 to 7.
    pub subclass: u8,
    /// Interruption parameter.
    pub parameter: u32,
}

impl Subchannel {
    /// A subchannel after a reset.
    pub fn new(device_number: u16, config: NetConfig) -> Self {
        let pmcw = Pmcw {
            parameter: 0,
            flags: pmcw::VALID,
            device_number,
            logical_paths: PATH,
            not_operational_paths: 0,
            last_path_used: 0,
            installed_paths: PATH,
            measurement_index: 0,
            operational_paths: 0xff,
            available_paths: PATH,
            path_ids: [0; 8],
            characteristics: 0,
        };
        Self {
            pmcw,
            scsw: Scsw::default(),
            measurement_block: 0,
            orb: Orb::default(),
            next_ccw: 0,
            sense: [0; SENSE_BYTES],
            interruption: false,
            device: VirtioNet::new(config),
        }
    }

    /// As after power-on.
    pub fn reset(&mut self) {
        *self = Self::new(self.pmcw.device_number, *self.device.config());
    }

    /// The device number.
    pub fn device_number(&self) -> u16 {
        self.pmcw.device_number
    }

    /// The device.
    pub fn device(&self) -> &VirtioNet {
        &self.device
    }

    /// Whether a saved subchannel is one of this machine's kind of device.
    pub fn is_sound(&self) -> bool {
        self.device.is_sound()
    }

    fn is_enabled(&self) -> bool {
        self.pmcw.flags & pmcw::ENABLED != 0
    }

    /// The interruption that is pending.
    pub fn interruption(&self) -> Option<Interruption> {
        self.interruption.then_some(Interruption {
            subclass: ((self.pmcw.flags & pmcw::ISC) >> pmcw::ISC_SHIFT) as u8,
            parameter: self.pmcw.parameter,
        })
    }

    /// The interruption has been taken; the status stays.
    pub fn clear_interruption(&mut self) {
        self.interruption = false;
    }

    /// STORE SUBCHANNEL.
    pub fn schib(&self) -> [u8; SCHIB_BYTES] {
        schib(&self.pmcw, &self.scsw, self.measurement_block)
    }

    /// MODIFY SUBCHANNEL.
    pub fn modify(&mut self, new: &Modification) -> u8 {
        if self.scsw.control & scsw::PENDING != 0 {
            return STATUS_PENDING;
        }
        if self.scsw.control & scsw::FUNCTION != 0 {
            return BUSY;
        }
        let was_enabled = self.is_enabled();
        self.pmcw.parameter = new.parameter;
        self.pmcw.flags = self.pmcw.flags & !pmcw::MODIFIABLE | new.flags;
        self.pmcw.logical_paths = new.logical_paths;
        self.pmcw.measurement_index = new.measurement_index;
        self.pmcw.operational_paths = new.operational_paths;
        self.pmcw.characteristics = new.characteristics;
        self.measurement_block = new.measurement_block;
        if was_enabled && !self.is_enabled() {
            self.device.disabled();
        }
        0
    }

    /// CANCEL SUBCHANNEL.
    pub fn cancel(&mut self) -> u8 {
        const PENDING: u16 = scsw::RESUME_PENDING | scsw::START_PENDING | scsw::SUSPENDED;
        let control = self.scsw.control;
        if !self.is_enabled() {
            return NOT_OPERATIONAL;
        }
        if control & scsw::STATUS != 0 {
            return STATUS_PENDING;
        }
        if control & scsw::FUNCTION != scsw::START || control & PENDING == 0 {
            return BUSY;
        }
        self.scsw.control &= !(scsw::START | PENDING);
        self.scsw.device_status = 0;
        self.scsw.subchannel_status = 0;
        0
    }

    /// CLEAR SUBCHANNEL.
    pub fn clear(&mut self) -> u8 {
        if !self.is_enabled() {
            return NOT_OPERATIONAL;
        }
        self.scsw = Scsw {
            flags: self.scsw.flags & !scsw::NO_PATH,
            control: scsw::CLEAR | scsw::PENDING,
            ccw_address: self.scsw.ccw_address,
            device_status: 0,
            subchannel_status: 0,
            count: self.scsw.count,
        };
        self.pmcw.operational_paths = 0xff;
        self.pmcw.last_path_used = PATH;
        self.interruption = true;
        0
    }

    /// HALT SUBCHANNEL.
    pub fn halt(&mut self) -> u8 {
        const TERMINAL: u16 = scsw::ALERT | scsw::PRIMARY | scsw::SECONDARY;
        let control = self.scsw.control;
        if !self.is_enabled() {
            return NOT_OPERATIONAL;
        }
        if control & scsw::STATUS == scsw::PENDING || control & TERMINAL != 0 {
            return STATUS_PENDING;
        }
        if control & (scsw::HALT | scsw::CLEAR) != 0 {
            return BUSY;
        }
        // The device is told only if it is not known to have ended.
        if control & scsw::SUSPENDED == 0 {
            self.scsw.device_status = scsw::DEVICE_END;
        } else {
            self.scsw.ccw_address = self.next_ccw.wrapping_add(8);
        }
        // The start function, if any, ends with it.
        let functions = control & scsw::START | scsw::HALT;
        self.scsw.control = functions | scsw::PENDING;
        self.scsw.subchannel_status = 0;
        self.pmcw.last_path_used = PATH;
        self.interruption = true;
        0
    }

    /// START SUBCHANNEL.
    pub fn start(&mut self, host: Host<'_>, orb: Orb) -> u8 {
        if !self.is_enabled() {
            return NOT_OPERATIONAL;
        }
        if self.scsw.control & scsw::PENDING != 0 {
            return STATUS_PENDING;
        }
        if self.scsw.control & scsw::FUNCTION != 0 {
            return BUSY;
        }
        self.orb = orb;
        self.pmcw.parameter = orb.parameter;
        self.scsw = Scsw {
            flags: orb.control & scsw::FROM_ORB,
            control: scsw::START,
            ccw_address: orb.program,
            ..Scsw::default()
        };
        if orb.logical_paths & PATH == 0 {
            // Accepted, and found to lead nowhere: deferred condition code 3.
            self.scsw.flags |= scsw::DEFERRED_3 | scsw::NO_PATH;
            self.scsw.control |= scsw::ALERT | scsw::PENDING;
            self.interruption = true;
            return 0;
        }
        self.run(host, orb.program);
        0
    }

    /// RESUME SUBCHANNEL.
    pub fn resume(&mut self, host: Host<'_>) -> u8 {
        let control = self.scsw.control;
        if !self.is_enabled() {
            return NOT_OPERATIONAL;
        }
        if control & scsw::PENDING != 0 {
            return STATUS_PENDING;
        }
        if control & scsw::FUNCTION != scsw::START || control & scsw::SUSPENDED == 0 {
            return BUSY;
        }
        self.scsw.control &= !scsw::SUSPENDED;
        self.run(host, self.next_ccw);
        0
    }

    fn run(&mut self, host: Host<'_>, from: u32) {
        let program = Program::new(host, self.orb);
        let device: &mut dyn Device = &mut self.device;
        let Run {
            end,
            last_ccw,
            residual,
            status,
        } = program.run(from, device, &mut self.sense);
        self.pmcw.last_path_used = PATH;
        self.scsw.count = residual;
        self.scsw.subchannel_status = status;
        let intermediate = if status & scsw::PCI != 0 {
            scsw::INTERMEDIATE
        } else {
            0
        };
        let ended = scsw::START | scsw::PRIMARY | scsw::SECONDARY | scsw::PENDING | intermediate;
        self.scsw.ccw_address = last_ccw.wrapping_add(8);
        match end {
            End::Ended => {
                self.scsw.device_status = scsw::CHANNEL_END | scsw::DEVICE_END;
                self.scsw.control = ended;
                if status & scsw::INCORRECT_LENGTH != 0 {
                    self.scsw.control |= scsw::ALERT;
                }
            }
            End::Suspended => {
                self.next_ccw = last_ccw;
                self.scsw.control = scsw::START | scsw::SUSPENDED;
                if self.orb.tells_suspension() || intermediate != 0 {
                    self.scsw.control |= scsw::INTERMEDIATE | scsw::PENDING;
                }
            }
            End::Checked(check) => {
                self.scsw.control = ended | scsw::ALERT;
                match check {
                    Check::Reject => {
                        const COMMAND_REJECT: u8 = 0x80;
                        self.scsw.device_status = scsw::UNIT_CHECK;
                        self.sense = [0; SENSE_BYTES];
                        self.sense[0] = COMMAND_REJECT;
                    }
                    Check::Program => self.scsw.subchannel_status |= scsw::PROGRAM_CHECK,
                    Check::Protection => self.scsw.subchannel_status |= scsw::PROTECTION_CHECK,
                    Check::Control => self.scsw.subchannel_status |= scsw::CONTROL_CHECK,
                    Check::Length => self.scsw.subchannel_status |= scsw::INCORRECT_LENGTH,
                }
            }
        }
        self.interruption = self.scsw.control & scsw::PENDING != 0;
    }

    /// TEST SUBCHANNEL: what is stored, and the condition code; none if not operational. Status
    /// is cleared.
    pub fn test(&mut self) -> Option<(Irb, u8)> {
        /// Extended-report word: the control word holds this many bytes of sense data.
        const SENSE: u32 = 0x0100_0000 | (SENSE_BYTES as u32) << 16;
        if !self.is_enabled() {
            return None;
        }
        let mut irb = Irb {
            scsw: self.scsw,
            logout: 0,
            report: 0,
            control: [0; SENSE_BYTES],
        };
        let control = self.scsw.control;
        if control & scsw::PENDING == 0 {
            return Some((irb, 1));
        }
        irb.logout = u32::from(self.pmcw.last_path_used) << 16;
        if self.scsw.subchannel_status & scsw::CONTROL_CHECK != 0 {
            // Field validity: last path used; the termination is of the channel.
            const TERMINATED: u32 = 0x0400_4000;
            irb.scsw.flags |= scsw::LOGOUT;
            irb.logout |= TERMINATED;
        }
        let concurrent = self.pmcw.characteristics & pmcw::CONCURRENT_SENSE != 0;
        if self.scsw.device_status & scsw::UNIT_CHECK != 0 && concurrent {
            irb.scsw.flags |= scsw::LOGOUT | scsw::EXTENDED_CONTROL;
            irb.report = SENSE;
            irb.control = self.sense;
            self.sense = [0; SENSE_BYTES];
        }
        self.clear_status(control);
        self.interruption = false;
        Some((irb, 0))
    }

    fn clear_status(&mut self, control: u16) {
        self.scsw.flags &= !scsw::NO_PATH;
        if control & scsw::STATUS == scsw::INTERMEDIATE | scsw::PENDING {
            // Suspended, and to go on.
            self.scsw.control &= !scsw::STATUS;
        } else {
            self.scsw.control = 0;
        }
    }

    /// Where a start or resume function is counted: the address of a format-1 block, or the index
    /// of a format-0 one. None unless measurement-block update is on.
    pub fn measured(&self) -> Option<Measured> {
        if self.pmcw.flags & pmcw::MEASURE == 0 {
            None
        } else if self.pmcw.characteristics & pmcw::FORMAT_1 != 0 {
            Some(Measured::Block(self.measurement_block))
        } else {
            Some(Measured::Index(self.pmcw.measurement_index))
        }
    }

    /// Whether a start function would be accepted now.
    pub fn accepts_start(&self) -> bool {
        self.is_enabled() && self.scsw.control & (scsw::PENDING | scsw::FUNCTION) == 0
    }

    /// Whether a resume function would be accepted now.
    pub fn accepts_resume(&self) -> bool {
        self.is_enabled()
            && self.scsw.control & scsw::PENDING == 0
            && self.scsw.control & scsw::FUNCTION == scsw::START
            && self.scsw.control & scsw::SUSPENDED != 0
    }

    /// A program tells the device that a queue has something new. The subclass of the adapter
    /// interruption that follows from it, if one does.
    pub fn kick(&mut self, host: Host<'_>, queue: u64) -> Option<u8> {
        let mut adapter = None;
        for notice in self.device.kick(host, queue) {
            match notice {
                Notice::Adapter { subclass } => adapter = Some(subclass),
                Notice::Device => self.alert(),
            }
        }
        adapter
    }

    /// Status that the program has not asked for.
    fn alert(&mut self) {
        if self.is_enabled() && self.scsw.control & scsw::PENDING == 0 {
            self.scsw.control |= scsw::ALERT | scsw::PENDING;
            self.interruption = true;
        }
    }
}

/// Where a function is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measured {
    /// In the block of this number in the area that SET CHANNEL MONITOR names.
    Index(u16),
    /// In the block at this absolute address.
    Block(u64),
}
