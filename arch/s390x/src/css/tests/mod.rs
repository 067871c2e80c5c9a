//! A channel subsystem with one device, and what programs do to it.

mod program;
mod virtio;

use std::sync::Arc;

use machine::{DeviceNumber, GuestRam, NetDevice};
use tcg::CpuCore;
use tcg::cpu::System;

use super::blocks::{Irb, Modification, Orb, pmcw, scsw};
use super::{AddError, ChannelSubsystem, Host, SubchannelId};
use crate::memory::keys::StorageKeys;

const RAM: u64 = 1 << 20;
/// Where channel programs are.
const PROGRAM: u32 = 0x1000;
/// Where data are.
const DATA: u32 = 0x4000;

/// An ORB's control: format-1 CCWs.
const FORMAT_1: u16 = 0x0080;

/// A format-1 CCW: command, flags, count, data.
type Ccw = (u8, u8, u16, u32);

struct Lab {
    css: ChannelSubsystem,
    ram: Arc<GuestRam>,
    core: CpuCore,
    keys: StorageKeys,
    id: SubchannelId,
}

impl Lab {
    /// A device on an enabled subchannel of subclass 3.
    fn new() -> Self {
        let ram = Arc::new(GuestRam::new(RAM).unwrap());
        let css = ChannelSubsystem::default();
        css.add(&NetDevice::default()).unwrap();
        let lab = Self {
            css,
            core: CpuCore::new(System::new(Arc::clone(&ram))),
            ram,
            keys: StorageKeys::new(RAM),
            id: SubchannelId::from_register(0x0001_0000).unwrap(),
        };
        assert_eq!(lab.enable(3, 0), 0);
        lab
    }

    fn host(&self) -> Host<'_> {
        Host {
            core: &self.core,
            keys: &self.keys,
        }
    }

    /// Enables the subchannel with a subclass and characteristics.
    fn enable(&self, subclass: u16, characteristics: u32) -> u8 {
        let new = Modification {
            parameter: 0x1234,
            flags: pmcw::ENABLED | subclass << pmcw::ISC_SHIFT,
            logical_paths: 0xff,
            operational_paths: 0xff,
            measurement_index: 0,
            characteristics,
            measurement_block: 0,
        };
        self.css.modify(self.id, &new)
    }

    fn write(&self, at: u32, bytes: &[u8]) {
        self.ram.write(at.into(), bytes).unwrap();
    }

    fn read<const N: usize>(&self, at: u32) -> [u8; N] {
        let mut bytes = [0; N];
        self.ram.read(at.into(), &mut bytes).unwrap();
        bytes
    }

    /// Writes CCWs one after the other.
    fn ccws(&self, ccws: &[Ccw]) {
        for (number, (command, flags, count, data)) in (0u32..).zip(ccws) {
            let mut bytes = [0; 8];
            bytes[0] = *command;
            bytes[1] = *flags;
            bytes[2..4].copy_from_slice(&count.to_be_bytes());
            bytes[4..].copy_from_slice(&data.to_be_bytes());
            self.write(PROGRAM + 8 * number, &bytes);
        }
    }

    fn start(&self, control: u16) -> u8 {
        let orb = Orb {
            parameter: 0xcafe,
            control,
            logical_paths: 0xff,
            program: PROGRAM,
        };
        self.css.start(self.host(), self.id, orb)
    }

    /// Runs CCWs of format 1 and takes the status that follows.
    fn run(&self, ccws: &[Ccw]) -> Irb {
        self.ccws(ccws);
        assert_eq!(self.start(FORMAT_1), 0);
        self.status()
    }

    fn status(&self) -> Irb {
        let (irb, cc) = self.css.test(self.id).unwrap();
        assert_eq!(cc, 0);
        irb
    }
}

#[test]
fn a_status_interrupts_once_and_is_cleared_by_testing() {
    let lab = Lab::new();
    assert_eq!(lab.css.io_pending(), 0);
    lab.ccws(&[(0x03, 0, 0, 0)]);
    assert_eq!(lab.start(FORMAT_1), 0);
    // Status pending: nothing else is accepted.
    assert_eq!(lab.start(FORMAT_1), 1);
    assert_eq!(lab.enable(3, 0), 1);
    assert_eq!(lab.css.halt(lab.id), 1);
    assert_eq!(lab.css.cancel(lab.id), 1);
    assert_eq!(lab.css.io_pending(), 0x10);
    assert_eq!(lab.css.take_io(0xef), None);
    let code = lab.css.take_io(0x10).unwrap();
    assert_eq!(code.subsystem, 0x0001_0000);
    assert_eq!(code.parameter, 0xcafe);
    assert_eq!(code.identification, 3 << 27);
    assert_eq!(lab.css.take_io(0xff), None);
    assert_eq!(lab.css.io_pending(), 0);
    let irb = lab.status();
    assert_eq!(irb.scsw.control, 0x4007);
    assert_eq!(irb.scsw.device_status, 0x0c);
    assert_eq!(irb.scsw.ccw_address, PROGRAM + 8);
    assert_eq!(irb.logout, 0x0080_0000);
    // Tested: there is nothing.
    assert_eq!(
        lab.css.test(lab.id).map(|(irb, cc)| (irb.scsw.control, cc)),
        Some((0, 1))
    );
    // Testing withdraws an interruption that has not been taken.
    assert_eq!(lab.start(FORMAT_1), 0);
    lab.status();
    assert_eq!(lab.css.io_pending(), 0);
}

#[test]
fn functions_on_an_idle_and_a_disabled_subchannel() {
    let lab = Lab::new();
    assert_eq!(lab.css.resume(lab.host(), lab.id), 2);
    assert_eq!(lab.css.cancel(lab.id), 2);
    assert_eq!(lab.css.clear(lab.id), 0);
    assert_eq!(lab.status().scsw.control, scsw::CLEAR | scsw::PENDING);
    assert_eq!(lab.css.halt(lab.id), 0);
    let irb = lab.status();
    assert_eq!(irb.scsw.control, scsw::HALT | scsw::PENDING);
    assert_eq!(irb.scsw.device_status, scsw::DEVICE_END);
    let mut off = [0; 52];
    off[4] = 0x18;
    let off = Modification::from_bytes(&off).unwrap();
    assert_eq!(lab.css.modify(lab.id, &off), 0);
    assert_eq!(lab.css.test(lab.id), None);
    for cc in [
        lab.css.clear(lab.id),
        lab.css.halt(lab.id),
        lab.css.cancel(lab.id),
        lab.css.resume(lab.host(), lab.id),
        lab.start(FORMAT_1),
    ] {
        assert_eq!(cc, 3);
    }
    // It can be stored all the same; another one cannot.
    assert!(lab.css.store(lab.id).is_some());
    assert_eq!(
        lab.css
            .store(SubchannelId::from_register(0x0001_0001).unwrap()),
        None
    );
}

#[test]
fn a_device_has_a_number_and_a_set_that_must_be_enabled() {
    let lab = Lab::new();
    let at = |set, number| NetDevice {
        mac: None,
        at: Some(DeviceNumber { set, number }),
    };
    lab.css.add(&at(1, 0)).unwrap();
    lab.css.add(&NetDevice::default()).unwrap();
    assert_eq!(
        lab.css.add(&at(0, 1)),
        Err(AddError::Taken { set: 0, number: 1 })
    );
    let second = SubchannelId::from_register(0x0001_0001).unwrap();
    let schib = lab.css.store(second).unwrap();
    assert_eq!(schib[4..8], [0, 1, 0, 1]);
    let other_set = SubchannelId::from_register(0x0003_0000).unwrap();
    assert_eq!(lab.css.store(other_set), None);
    lab.write(0x8000, &[0x04, 0x00, 0x00, 0x31, 0, 0, 0, 2]);
    lab.css.call(&lab.core, 0x8000).unwrap();
    assert!(lab.css.store(other_set).is_some());
    // By its subsystem's number too.
    assert!(
        lab.css
            .store(SubchannelId::from_register(0xfe09_0000).unwrap())
            .is_some()
    );
    assert!(
        lab.css
            .store(SubchannelId::from_register(0x0009_0000).unwrap())
            .is_none()
    );
}

#[test]
fn resetting_the_path_reports_it() {
    let lab = Lab::new();
    assert_eq!(lab.css.reset_path(0, 1), Ok(3));
    assert!(lab.css.reset_path(1, 0).is_err());
    assert!(!lab.css.report_pending());
    assert_eq!(lab.css.reset_path(0, 0), Ok(0));
    assert!(lab.css.report_pending());
    assert!(lab.css.take_report());
    assert!(!lab.css.report_pending());
    assert_eq!(lab.css.take_word(), Some(0x4402_0000));
    assert_eq!(lab.css.take_word(), None);
}

#[test]
fn measured_starts_are_counted_where_their_format_says() {
    let lab = Lab::new();
    lab.css.set_monitor(Some((0, 0xa000)));
    let measured = |index, characteristics, measurement_block| Modification {
        parameter: 0,
        flags: pmcw::ENABLED | pmcw::MEASURE,
        logical_paths: 0xff,
        operational_paths: 0xff,
        measurement_index: index,
        characteristics,
        measurement_block,
    };
    assert_eq!(lab.css.modify(lab.id, &measured(2, 0, 0)), 0);
    for _ in 0..3 {
        lab.run(&[(0x03, 0, 0, 0)]);
    }
    assert_eq!(lab.read::<4>(0xa040), [0, 3, 0, 0]);
    assert_eq!(
        lab.css.modify(lab.id, &measured(2, pmcw::FORMAT_1, 0xb000)),
        0
    );
    lab.run(&[(0x03, 0, 0, 0)]);
    assert_eq!(lab.read::<4>(0xb000), [0, 0, 0, 1]);
    // One that is not accepted does not count.
    lab.ccws(&[(0x03, 0, 0, 0)]);
    assert_eq!(lab.start(FORMAT_1), 0);
    assert_eq!(lab.start(FORMAT_1), 1);
    assert_eq!(lab.read::<4>(0xb000), [0, 0, 0, 2]);
    lab.status();
    // A block that the key does not open.
    lab.keys.update(0xb000, |_| Some(0x30));
    lab.css.set_monitor(Some((2, 0xa000)));
    lab.run(&[(0x03, 0, 0, 0)]);
    assert_eq!(lab.read::<4>(0xb000), [0, 0, 0, 2]);
}

#[test]
fn a_saved_state_comes_back_and_must_fit() {
    let lab = Lab::new();
    lab.run(&[(0x03, 0, 0, 0)]);
    lab.css.reset_path(0, 0).unwrap();
    assert_eq!(lab.start(FORMAT_1), 0);
    let saved = lab.css.saved();
    let other = Lab::new();
    other.css.restore(saved.clone()).unwrap();
    assert_eq!(other.css.saved(), saved);
    assert_eq!(other.css.io_pending(), 0x10);
    assert!(other.css.report_pending());
    let empty = ChannelSubsystem::default();
    assert!(empty.restore(saved).is_err());
    other.css.reset();
    assert_eq!(other.css.io_pending(), 0);
    assert_eq!(other.css.saved(), {
        let fresh = ChannelSubsystem::default();
        fresh.add(&NetDevice::default()).unwrap();
        fresh.saved()
    });
}
