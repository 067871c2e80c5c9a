//! Channel programs.

use super::*;

const SENSE_ID: u8 = 0xe4;
const NOP: u8 = 0x03;
const TIC: u8 = 0x08;

const CHAIN_DATA: u8 = 0x80;
const CHAIN: u8 = 0x40;
const SUPPRESS: u8 = 0x20;
const SKIP: u8 = 0x10;
const PCI: u8 = 0x08;
const INDIRECT: u8 = 0x04;
const SUSPEND: u8 = 0x02;

const PROGRAM_CHECK: u8 = 0x20;
const INCORRECT_LENGTH: u8 = 0x40;

/// What SENSE ID says first.
const IDENTITY: [u8; 8] = [0xff, 0x38, 0x32, 0x01, 0, 0, 0, 0];

#[test]
fn sense_id_says_what_the_device_is() {
    let lab = Lab::new();
    let irb = lab.run(&[(SENSE_ID, SUPPRESS, 12, DATA)]);
    assert_eq!(lab.read(DATA), IDENTITY);
    assert_eq!(irb.scsw.subchannel_status, 0);
    assert_eq!(irb.scsw.count, 0);
    // Without suppression the length must be right.
    let irb = lab.run(&[(SENSE_ID, 0, 12, DATA), (NOP, 0, 0, 0)]);
    assert_eq!(irb.scsw.subchannel_status, INCORRECT_LENGTH);
    assert_eq!(irb.scsw.control & scsw::ALERT, scsw::ALERT);
    let irb = lab.run(&[(SENSE_ID, 0, 256, DATA)]);
    assert_eq!(irb.scsw.subchannel_status, 0);
    let irb = lab.run(&[(SENSE_ID, SUPPRESS, 300, DATA)]);
    assert_eq!((irb.scsw.subchannel_status, irb.scsw.count), (0, 44));
}

#[test]
fn format_0_has_other_places_and_no_empty_commands() {
    let lab = Lab::new();
    lab.write(PROGRAM, &[SENSE_ID, 0, 0x40, 0, SUPPRESS, 0, 0, 8]);
    assert_eq!(lab.start(0), 0);
    assert_eq!(lab.status().scsw.subchannel_status, 0);
    assert_eq!(lab.read(DATA), IDENTITY);
    lab.write(PROGRAM, &[NOP, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(lab.start(0), 0);
    assert_eq!(lab.status().scsw.subchannel_status, PROGRAM_CHECK);
    // Any TIC code, and nothing else of it counts.
    lab.write(PROGRAM, &[NOP, 0, 0, 0, CHAIN, 0, 0, 1]);
    lab.write(PROGRAM + 8, &[0x58, 0, 0x10, 0x20, 0xff, 0, 7, 7]);
    lab.write(PROGRAM + 0x20, &[NOP, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(lab.start(0), 0);
    let irb = lab.status();
    assert_eq!(irb.scsw.subchannel_status, 0);
    assert_eq!(irb.scsw.ccw_address, PROGRAM + 0x28);
}

#[test]
fn commands_are_chained_and_transfers_followed() {
    let lab = Lab::new();
    let irb = lab.run(&[
        (NOP, CHAIN, 1, 0),
        (TIC, 0, 0, PROGRAM + 24),
        (0x00, 0, 0, 0),
        (SENSE_ID, SUPPRESS | PCI, 8, DATA),
    ]);
    assert_eq!(lab.read(DATA), IDENTITY);
    assert_eq!(irb.scsw.subchannel_status, 0x80);
    assert_eq!(irb.scsw.ccw_address, PROGRAM + 32);
}

#[test]
fn wrong_programs_are_checked_where_they_are_wrong() {
    let lab = Lab::new();
    let cases: &[(&[Ccw], u32)] = &[
        // Commands that there cannot be.
        (&[(0x00, 0, 1, 0)], 8),
        (&[(NOP, CHAIN, 0, 0), (0x10, 0, 1, 0)], 16),
        // The first one, and two in succession, transfer.
        (&[(TIC, 0, 0, PROGRAM + 8), (NOP, 0, 0, 0)], 8),
        (
            &[
                (NOP, CHAIN, 0, 0),
                (TIC, 0, 0, PROGRAM + 16),
                (TIC, 0, 0, PROGRAM),
            ],
            24,
        ),
        // Transfers with more than an address, or to an odd place.
        (&[(NOP, CHAIN, 0, 0), (0x18, 0, 0, PROGRAM)], 16),
        (&[(NOP, CHAIN, 0, 0), (TIC, 0, 1, PROGRAM)], 16),
        // Suspension that the ORB does not allow, and modified indirect addressing.
        (&[(NOP, SUSPEND, 0, 0)], 8),
        (&[(NOP, 1, 0, 0)], 8),
        // Data beyond storage, or beyond addresses.
        (&[(SENSE_ID, SUPPRESS, 8, RAM as u32 - 4)], 8),
        (&[(SENSE_ID, SUPPRESS, 8, 0x7fff_fffc)], 8),
        (&[(SENSE_ID, SUPPRESS, 8, 0x8000_0000)], 8),
        // Chained data without any.
        (&[(SENSE_ID, CHAIN_DATA, 0, DATA)], 8),
    ];
    for (ccws, offset) in cases {
        let irb = lab.run(ccws);
        assert_eq!(irb.scsw.subchannel_status, PROGRAM_CHECK, "{ccws:x?}");
        assert_eq!(irb.scsw.ccw_address, PROGRAM + offset, "{ccws:x?}");
        assert_eq!(irb.scsw.device_status, 0);
    }
}

#[test]
fn a_program_without_end_is_given_up() {
    let lab = Lab::new();
    let irb = lab.run(&[(NOP, CHAIN, 0, 0), (TIC, 0, 0, PROGRAM)]);
    assert_eq!(irb.scsw.subchannel_status, 0x04);
}

#[test]
fn data_are_chained_skipped_and_found_through_words() {
    let lab = Lab::new();
    lab.write(DATA, &[0xaa; 32]);
    let irb = lab.run(&[
        (SENSE_ID, CHAIN_DATA, 2, DATA),
        (0x00, CHAIN_DATA | SKIP, 1, DATA + 2),
        (0x00, SUPPRESS, 5, DATA + 3),
    ]);
    assert_eq!(irb.scsw.subchannel_status, 0);
    assert_eq!(lab.read(DATA), [0xff, 0x38, 0xaa, 0x01, 0, 0, 0, 0]);
    assert_eq!(irb.scsw.ccw_address, PROGRAM + 24);
    // Words of 31 bits: the first names the end of a block, the next the beginning of one.
    lab.write(DATA + 0x100, &0x67fdu32.to_be_bytes());
    lab.write(DATA + 0x104, &0x7800u32.to_be_bytes());
    let irb = lab.run(&[(SENSE_ID, SUPPRESS | INDIRECT, 8, DATA + 0x100)]);
    assert_eq!(irb.scsw.subchannel_status, 0);
    assert_eq!(lab.read(0x67fd), [0xff, 0x38, 0x32]);
    assert_eq!(lab.read(0x7800), [0x01, 0, 0, 0, 0]);
    lab.write(DATA + 0x104, &0x7804u32.to_be_bytes());
    let irb = lab.run(&[(SENSE_ID, SUPPRESS | INDIRECT, 8, DATA + 0x100)]);
    assert_eq!(irb.scsw.subchannel_status, PROGRAM_CHECK);
    // Doublewords name 4 KiB.
    lab.write(DATA + 0x200, &0x9ffau64.to_be_bytes());
    lab.write(DATA + 0x208, &0xc000u64.to_be_bytes());
    lab.ccws(&[(SENSE_ID, SUPPRESS | INDIRECT, 8, DATA + 0x200)]);
    assert_eq!(lab.start(FORMAT_1 | 0x0002), 0);
    assert_eq!(lab.status().scsw.subchannel_status, 0);
    assert_eq!(lab.read(0x9ffa), [0xff, 0x38, 0x32, 0x01, 0, 0]);
}

#[test]
fn the_subchannel_key_opens_storage() {
    let lab = Lab::new();
    lab.ccws(&[(SENSE_ID, SUPPRESS, 8, DATA)]);
    lab.keys.update(DATA.into(), |_| Some(0x40));
    assert_eq!(lab.start(FORMAT_1 | 0x3000), 0);
    assert_eq!(lab.status().scsw.subchannel_status, 0x10);
    assert_eq!(lab.start(FORMAT_1 | 0x4000), 0);
    assert_eq!(lab.status().scsw.subchannel_status, 0);
    // The CCWs themselves, when they are protected against fetching.
    lab.keys.update(PROGRAM.into(), |_| Some(0x58));
    assert_eq!(lab.start(FORMAT_1 | 0x4000), 0);
    assert_eq!(lab.status().scsw.subchannel_status, 0x10);
    assert_eq!(lab.start(FORMAT_1), 0);
    assert_eq!(lab.status().scsw.subchannel_status, 0);
}

#[test]
fn a_suspended_program_goes_on_when_it_is_resumed() {
    const MAY_SUSPEND: u16 = 0x0800;
    const QUIET: u16 = 0x0008;
    let lab = Lab::new();
    let program = [(NOP, CHAIN, 0, 0), (SENSE_ID, SUPPRESS | SUSPEND, 8, DATA)];
    lab.ccws(&program);
    assert_eq!(lab.start(FORMAT_1 | MAY_SUSPEND), 0);
    let irb = lab.status();
    assert_eq!(irb.scsw.control, 0x4029);
    assert_eq!(lab.enable(3, 0), 2);
    assert_eq!(lab.start(FORMAT_1), 2);
    assert_eq!(lab.read(DATA), [0; 8]);
    // Not changed: suspended again.
    assert_eq!(lab.css.resume(lab.host(), lab.id), 0);
    assert_eq!(lab.status().scsw.control, 0x4029);
    lab.write(PROGRAM + 9, &[SUPPRESS]);
    assert_eq!(lab.css.resume(lab.host(), lab.id), 0);
    assert_eq!(lab.status().scsw.control, 0x4007);
    assert_eq!(lab.read(DATA), IDENTITY);
    // Without a word, and cancelled.
    lab.ccws(&program);
    assert_eq!(lab.start(FORMAT_1 | MAY_SUSPEND | QUIET), 0);
    assert_eq!(lab.css.io_pending(), 0);
    assert_eq!(lab.css.cancel(lab.id), 0);
    assert_eq!(lab.start(FORMAT_1 | MAY_SUSPEND | QUIET), 0);
    assert_eq!(lab.css.halt(lab.id), 0);
    assert_eq!(lab.status().scsw.control, 0x6001);
}

#[test]
fn an_unknown_command_is_a_unit_check_with_sense() {
    let lab = Lab::new();
    let irb = lab.run(&[(0xf7, SUPPRESS, 1, DATA)]);
    assert_eq!(irb.scsw.device_status, 0x02);
    assert_eq!(irb.report, 0);
    lab.write(DATA, &[0xff; 32]);
    let irb = lab.run(&[(0x04, 0, 32, DATA)]);
    assert_eq!(irb.scsw.subchannel_status, 0);
    assert_eq!(lab.read(DATA), [0x80, 0]);
    // Sensed: it is gone.
    lab.run(&[(0x04, SUPPRESS, 1, DATA)]);
    assert_eq!(lab.read(DATA), [0]);
    // Concurrent sense comes with the status.
    assert_eq!(lab.enable(3, pmcw::CONCURRENT_SENSE), 0);
    let irb = lab.run(&[(0xf7, SUPPRESS, 1, DATA)]);
    assert_eq!(irb.report, 0x0120_0000);
    assert_eq!(irb.control[0], 0x80);
    assert_eq!(irb.scsw.flags & 0x0402, 0x0402);
}

#[test]
fn no_path_is_a_deferred_condition() {
    let lab = Lab::new();
    let orb = Orb {
        parameter: 1,
        control: FORMAT_1,
        logical_paths: 0x7f,
        program: PROGRAM,
    };
    assert_eq!(lab.css.start(lab.host(), lab.id, orb), 0);
    let irb = lab.status();
    assert_eq!(irb.scsw.flags & 0x0301, 0x0301);
    assert_eq!(irb.scsw.control, 0x4011);
}
