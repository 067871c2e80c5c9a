//! The virtio device's own commands and its queues.

use super::*;

const SUPPRESS: u8 = 0x20;
const UNIT_CHECK: u8 = 0x02;
const PROGRAM_CHECK: u8 = 0x20;

/// Where the queue of what is sent has its rings.
const AVAILABLE: u32 = 0x10000;
const USED: u32 = 0x11000;
/// Where indicators are.
const SUMMARY: u32 = 0x12000;
const INDICATORS: u32 = 0x12010;
const CONFIG_INDICATORS: u32 = 0x12020;

impl Lab {
    /// A command that has these data; its device and subchannel status.
    fn tell(&self, command: u8, data: &[u8]) -> (u8, u8) {
        self.write(DATA, data);
        self.command(command, data.len() as u16)
    }

    /// A command with so many bytes of data.
    fn command(&self, command: u8, count: u16) -> (u8, u8) {
        let irb = self.run(&[(command, 0, count, DATA)]);
        (irb.scsw.device_status, irb.scsw.subchannel_status)
    }

    fn revision(&self, number: u8) -> (u8, u8) {
        self.tell(0x83, &[0, number, 0, 0])
    }

    /// A driver of revision 1 that is told by adapter interruptions of subclass 5, its queue of
    /// what is sent set up with four entries.
    fn driver() -> Self {
        let lab = Self::new();
        assert_eq!(lab.revision(1), DONE);
        let mut queue = Vec::new();
        queue.extend(0x13000u64.to_be_bytes());
        queue.extend([0, 0, 0, 0, 0, 1, 0, 4]);
        queue.extend(u64::from(AVAILABLE).to_be_bytes());
        queue.extend(u64::from(USED).to_be_bytes());
        assert_eq!(lab.tell(0x13, &queue), DONE);
        let mut indicators = Vec::new();
        indicators.extend(u64::from(SUMMARY).to_be_bytes());
        indicators.extend(u64::from(INDICATORS).to_be_bytes());
        indicators.extend(9u64.to_be_bytes());
        indicators.push(5);
        assert_eq!(lab.tell(0x73, &indicators), DONE);
        let config = u64::from(CONFIG_INDICATORS).to_be_bytes();
        assert_eq!(lab.tell(0x53, &config), DONE);
        assert_eq!(lab.tell(0x31, &[0x0f]), DONE);
        lab
    }

    fn kick(&self, queue: u64) {
        assert!(self.css.kick(self.host(), self.id, queue));
    }
}

const DONE: (u8, u8) = (0x0c, 0);

#[test]
fn a_revision_is_chosen_once_after_enabling() {
    let lab = Lab::new();
    assert_eq!(lab.revision(3), (UNIT_CHECK, 0));
    assert_eq!(lab.revision(2), DONE);
    assert_eq!(lab.revision(1), (UNIT_CHECK, 0));
    let mut off = [0; 52];
    off[4] = 0x18;
    assert_eq!(
        lab.css
            .modify(lab.id, &Modification::from_bytes(&off).unwrap()),
        0
    );
    assert_eq!(lab.enable(3, 0), 0);
    // Anything else first makes the driver a legacy one.
    assert_eq!(lab.command(0x33, 0), DONE);
    assert_eq!(lab.revision(1), (UNIT_CHECK, 0));
}

#[test]
fn features_and_configuration_by_revision() {
    let read = |lab: &Lab, index: u8| -> u32 {
        assert_eq!(lab.tell(0x12, &[0, 0, 0, 0, index]), DONE);
        u32::from_le_bytes(lab.read(DATA))
    };
    let modern = Lab::new();
    assert_eq!(modern.revision(1), DONE);
    assert_eq!(read(&modern, 0), 0x1001_0020);
    assert_eq!(read(&modern, 1), 1);
    assert_eq!(read(&modern, 2), 0);
    assert_eq!(modern.command(0x22, 8), DONE);
    assert_eq!(modern.read(DATA), [0x52, 0x54, 0, 0x12, 0x34, 0x56, 1, 0]);
    assert_eq!(modern.tell(0x32, &[0, 1, 0, 0]), DONE);
    assert_eq!(modern.read(DATA), [0, 1, 1, 0]);
    assert_eq!(modern.tell(0x32, &[0, 2, 0, 0]), DONE);
    assert_eq!(modern.read(DATA), [0, 2, 0, 0]);
    let legacy = Lab::new();
    assert_eq!(read(&legacy, 1), 0);
    assert_eq!(legacy.tell(0x21, &[0x02, 1, 2, 3, 4, 5]), DONE);
    assert_eq!(legacy.command(0x22, 8), DONE);
    assert_eq!(legacy.read(DATA), [0x02, 1, 2, 3, 4, 5, 0, 1]);
    // Too few bytes, and the program does not mind: the device does.
    let irb = legacy.run(&[(0x31, SUPPRESS, 0, DATA)]);
    assert_eq!(irb.scsw.subchannel_status, PROGRAM_CHECK);
}

#[test]
fn what_is_sent_comes_back_and_is_told_of() {
    let lab = Lab::driver();
    // Three buffers, in little-endian order: 7, 1, 2.
    lab.write(AVAILABLE, &[0, 0, 3, 0, 7, 0, 1, 0, 2, 0]);
    lab.kick(1);
    assert_eq!(
        lab.read(USED),
        [0, 0, 3, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]
    );
    assert_eq!(lab.read(SUMMARY), [1]);
    assert_eq!(lab.read(INDICATORS), [0, 0x20]);
    assert_eq!(lab.css.io_pending(), 0x04);
    let code = lab.css.take_io(0xff).unwrap();
    assert_eq!((code.subsystem, code.parameter), (0, 0));
    assert_eq!(code.identification, 0x8000_0000 | 5 << 27);
    // Two more, round the ring; the summary is still set, so nobody is told again.
    lab.write(AVAILABLE, &[0, 0, 5, 0, 9, 0, 1, 0, 2, 0, 8, 0]);
    lab.kick(1);
    assert_eq!(lab.read(USED + 2), [5, 0, 9, 0, 0, 0]);
    assert_eq!(lab.css.io_pending(), 0);
    // Asked for no interruption.
    lab.write(SUMMARY, &[0]);
    lab.write(AVAILABLE, &[1, 0, 6, 0]);
    lab.kick(1);
    assert_eq!(lab.read(USED + 2), [6, 0]);
    assert_eq!(lab.read(SUMMARY), [0]);
    // Nothing new, and the other queue: nothing.
    lab.kick(1);
    lab.kick(0);
    lab.kick(77);
    assert_eq!(lab.css.io_pending(), 0);
}

#[test]
fn a_broken_queue_needs_a_reset() {
    let lab = Lab::driver();
    lab.write(AVAILABLE, &[0, 0, 5, 0]);
    lab.kick(1);
    assert_eq!(lab.read(USED + 2), [0, 0]);
    assert_eq!(lab.read(CONFIG_INDICATORS + 7), [1]);
    // Told by status that nobody asked for.
    assert_eq!(lab.css.io_pending(), 0x10);
    assert_eq!(lab.status().scsw.control, scsw::ALERT | scsw::PENDING);
    assert_eq!(lab.command(0x72, 1), DONE);
    assert_eq!(lab.read(DATA), [0x4f]);
    lab.write(AVAILABLE, &[0, 0, 1, 0]);
    lab.kick(1);
    assert_eq!(lab.read(USED + 2), [0, 0]);
    assert_eq!(lab.command(0x33, 0), DONE);
    assert_eq!(lab.command(0x72, 1), DONE);
    assert_eq!(lab.read(DATA), [0]);
}

#[test]
fn classic_indicators_interrupt_by_the_subchannel() {
    let lab = Lab::new();
    // Legacy: the guest's byte order, and rings that follow each other.
    let mut queue = Vec::new();
    queue.extend(0x20000u64.to_be_bytes());
    queue.extend(4096u32.to_be_bytes());
    queue.extend([0, 1, 1, 0]);
    assert_eq!(lab.tell(0x13, &queue), DONE);
    assert_eq!(lab.tell(0x43, &u64::from(INDICATORS).to_be_bytes()), DONE);
    lab.write(0x21000, &[0, 0, 0, 1, 0, 7]);
    lab.kick(1);
    assert_eq!(lab.read(0x22000), [0, 0, 0, 1, 0, 0, 0, 7]);
    assert_eq!(lab.read(INDICATORS), [0, 0, 0, 0, 0, 0, 0, 2]);
    assert_eq!(lab.css.io_pending(), 0x10);
    assert_eq!(lab.status().scsw.control, scsw::ALERT | scsw::PENDING);
}
