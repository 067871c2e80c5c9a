//! SERVICE CALL's other half: the SCCB in guest memory, commands and response codes.
//!
//! Facts: Linux drivers/s390/char/sclp.h and sclp_early_core.c; response codes as
//! kvm-unit-tests' sclp test expects them. Not here: the instruction itself (privilege, condition
//! code, raising the service signal).

use tcg::CpuCore;
use tcg::mem::{read_absolute, write_absolute};

use super::events::{TYPE_VT220, mask_bit};
use crate::cpu::ProgramCode;
use crate::cpu::facility::{ESOP, TOPOLOGY};
use crate::cpu::handle::CpuState;
use crate::machine::Shared;
use crate::machine::topology::LEVELS;

/// Bits of the command word that name the command; the others are for the command's use.
const COMMAND_MASK: u32 = 0xffff_00ff;
const READ_SCP_INFO: u32 = 0x0002_0001;
const READ_SCP_INFO_FORCED: u32 = 0x0012_0001;
const CONFIGURE_CPU: u32 = 0x0011_0001;
const DECONFIGURE_CPU: u32 = 0x0010_0001;
const READ_CPU_INFO: u32 = 0x0001_0001;
const READ_EVENT_DATA: u32 = 0x0077_0005;
const WRITE_EVENT_DATA: u32 = 0x0076_0005;
const WRITE_EVENT_MASK: u32 = 0x0078_0005;

/// Response codes (class in the high byte, as the driver's table has them).
mod response {
    pub(super) const NORMAL_READ: u16 = 0x0010;
    pub(super) const NORMAL: u16 = 0x0020;
    pub(super) const BOUNDARY_VIOLATION: u16 = 0x0100;
    pub(super) const INVALID_COMMAND: u16 = 0x01f0;
    pub(super) const INSUFFICIENT_LENGTH: u16 = 0x0300;
    pub(super) const INVALID_FUNCTION: u16 = 0x40f0;
    /// The resource is in that state already.
    pub(super) const ALREADY: u16 = 0x0120;
    /// There is no such CPU.
    pub(super) const NO_SUCH_CPU: u16 = 0x09f0;
    /// The CPU executes, so it cannot be taken away.
    pub(super) const CPU_IN_USE: u16 = 0x05f0;
    pub(super) const NO_EVENTS: u16 = 0x60f0;
    pub(super) const INVALID_SELECTION_MASK: u16 = 0x70f0;
    pub(super) const INCONSISTENT_LENGTHS: u16 = 0x72f0;
    pub(super) const EVENT_SYNTAX: u16 = 0x73f0;
    pub(super) const INVALID_MASK_LENGTH: u16 = 0x74f0;
}

/// Bytes of the SCCB header: length, function code, control mask, response code.
const HEADER: usize = 8;
/// Bytes of an event's header: length, type, flags, reserved.
const EVENT_HEADER: usize = 6;
/// Event flag: the event has been taken.
const EVENT_ACCEPTED: u8 = 0x80;
/// Control mask, third byte: the guest wants the SCCB's length set to what was stored.
const VARIABLE_LENGTH: u8 = 0x80;
/// Where the CPU list of READ SCP INFO starts.
const CPU_LIST: usize = 128;
/// Bytes of a CPU entry.
const CPU_ENTRY: usize = 16;
/// Where the CPU list of READ CPU INFO starts.
const CPU_INFO_LIST: usize = 24;
/// Storage increments that a 16-bit count and Linux's tables hold comfortably.
const MAX_INCREMENTS: u64 = 1020;
/// Longest event mask that is taken, in bytes.
const MAX_MASK: usize = 32;
/// READ SCP INFO facility: READ CPU INFO is there.
const FACILITY_CPU_INFO: u64 = 0x0800_0000_0000_0000;
/// READ SCP INFO facility: CONFIGURE CPU and DECONFIGURE CPU are there.
const FACILITY_CPU_CONFIGURE: u64 = 0x0400_0000_0000_0000;
/// Characteristics byte 85, bit 6: enhanced suppression on protection.
const ESOP_BIT: u8 = 0x02;

/// A service call that was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completed {
    /// Parameter of the service signal (external interruption 0x2401): the SCCB's address, with
    /// the lowest bit set if events are pending.
    pub parameter: u32,
}

/// Bytes of storage in one increment, a power of two of at least 1 MiB.
pub fn increment_bytes(ram_bytes: u64) -> u64 {
    let mut shift = 20;
    while ram_bytes >> shift > MAX_INCREMENTS {
        shift += 1;
    }
    1 << shift
}

/// Carries out a service call of the CPU with this prefix.
///
/// # Errors
/// Specification if the SCCB is misaligned, beyond 2 GiB (all 64 bits count, in any addressing
/// mode: as QEMU has it, and as kvm-unit-tests' sclp test expects), in the low or prefix area, or its
/// length is less than a header; addressing if it is not in RAM.
pub fn service_call(
    shared: &Shared,
    core: &CpuCore,
    prefix: u64,
    command: u32,
    address: u64,
) -> Result<Completed, ProgramCode> {
    if address & !0x7fff_fff8 != 0
        || address & !0x1fff == 0
        || address & !0x1fff == prefix & !0x1fff
    {
        return Err(ProgramCode::Specification);
    }
    let mut header = [0; HEADER];
    if !shared.ram().contains(address, HEADER as u64) {
        return Err(ProgramCode::Addressing);
    }
    read_absolute(core, address, &mut header);
    let length = usize::from(u16::from_be_bytes([header[0], header[1]]));
    if length < HEADER {
        return Err(ProgramCode::Specification);
    }
    let mut sccb = Sccb {
        bytes: vec![0; length],
    };
    let code = command & COMMAND_MASK;
    let response = if !is_known(code) {
        sccb.bytes.truncate(HEADER);
        sccb.bytes.copy_from_slice(&header);
        response::INVALID_COMMAND
    } else if (address & 0xfff) + length as u64 > 4096 {
        sccb.bytes.truncate(HEADER);
        sccb.bytes.copy_from_slice(&header);
        response::BOUNDARY_VIOLATION
    } else {
        sccb.bytes
            .copy_from_slice(&read_prefix(core, address, length, shared)?);
        match code {
            READ_SCP_INFO | READ_SCP_INFO_FORCED => read_scp_info(shared, &mut sccb),
            READ_CPU_INFO => read_cpu_info(shared, &mut sccb),
            CONFIGURE_CPU | DECONFIGURE_CPU => {
                configure_cpu(shared, (command >> 8) as u8, code == CONFIGURE_CPU)
            }
            WRITE_EVENT_MASK => write_event_mask(shared, &mut sccb),
            WRITE_EVENT_DATA => write_event_data(shared, &mut sccb),
            _ => read_event_data(shared, &mut sccb),
        }
    };
    sccb.put16(6, response);
    write_absolute(core, address, &sccb.bytes);
    let pending = u32::from(shared.sclp.is_pending());
    Ok(Completed {
        parameter: address as u32 & !7 | pending,
    })
}

fn is_known(code: u32) -> bool {
    matches!(
        code,
        READ_SCP_INFO
            | READ_SCP_INFO_FORCED
            | READ_CPU_INFO
            | CONFIGURE_CPU
            | DECONFIGURE_CPU
            | READ_EVENT_DATA
            | WRITE_EVENT_DATA
            | WRITE_EVENT_MASK
    )
}

fn read_prefix(
    core: &CpuCore,
    address: u64,
    length: usize,
    shared: &Shared,
) -> Result<Vec<u8>, ProgramCode> {
    if !shared.ram().contains(address, length as u64) {
        return Err(ProgramCode::Addressing);
    }
    let mut bytes = vec![0; length];
    read_absolute(core, address, &mut bytes);
    Ok(bytes)
}

/// An SCCB's bytes; accesses beyond its length are dropped, reads there give 0.
struct Sccb {
    bytes: Vec<u8>,
}

impl Sccb {
    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    fn put8(&mut self, at: usize, value: u8) {
        self.put(at, &[value]);
    }

    fn put16(&mut self, at: usize, value: u16) {
        self.put(at, &value.to_be_bytes());
    }

    fn put64(&mut self, at: usize, value: u64) {
        self.put(at, &value.to_be_bytes());
    }

    fn get8(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    fn get16(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.get8(at), self.get8(at + 1)])
    }

    /// An event mask of `length` bytes as a left-aligned 64-bit mask.
    fn mask(&self, at: usize, length: usize) -> u64 {
        (0..8).fold(0, |mask, n| {
            let byte = if n < length { self.get8(at + n) } else { 0 };
            mask << 8 | u64::from(byte)
        })
    }

    fn put_mask(&mut self, at: usize, length: usize, mask: u64) {
        for n in 0..length {
            let byte = if n < 8 { mask.to_be_bytes()[n] } else { 0 };
            self.put8(at + n, byte);
        }
    }
}

/// The CPU entries, those that are configured first. Only such a list as fits is asked for.
fn put_cpus(shared: &Shared, sccb: &mut Sccb, at: usize) {
    let configured = shared.cpus.iter().filter(|cpu| cpu.is_configured());
    let standby = shared.cpus.iter().filter(|cpu| !cpu.is_configured());
    for (n, cpu) in configured.chain(standby).enumerate() {
        let entry = at + n * CPU_ENTRY;
        sccb.put(entry, &[0; CPU_ENTRY]);
        sccb.put8(entry, cpu.address() as u8);
    }
}

fn read_scp_info(shared: &Shared, sccb: &mut Sccb) -> u16 {
    let needed = CPU_LIST + shared.cpus.count() * CPU_ENTRY;
    if sccb.len() < needed {
        sccb.put16(0, needed as u16);
        return response::INSUFFICIENT_LENGTH;
    }
    let ram = shared.ram().size();
    let increment = increment_bytes(ram);
    let increments = ram / increment;
    let megabytes = increment >> 20;
    sccb.put(HEADER, &[0; CPU_LIST - HEADER]);
    sccb.put16(8, increments as u16);
    match u8::try_from(megabytes) {
        Ok(size) => sccb.put8(10, size),
        Err(_) => sccb.put(100, &(megabytes as u32).to_be_bytes()),
    }
    sccb.put64(104, increments);
    if shared.facilities().has(TOPOLOGY) {
        sccb.put8(15, LEVELS);
    }
    sccb.put16(16, shared.cpus.configured());
    sccb.put16(18, CPU_LIST as u16);
    // No load parameter: eight EBCDIC blanks.
    sccb.put(24, &[0x40; 8]);
    sccb.put64(48, FACILITY_CPU_INFO | FACILITY_CPU_CONFIGURE);
    if shared.facilities().has(ESOP) {
        sccb.put8(85, ESOP_BIT);
    }
    sccb.put16(120, shared.max_cpus.saturating_sub(1));
    put_cpus(shared, sccb, CPU_LIST);
    response::NORMAL_READ
}

fn read_cpu_info(shared: &Shared, sccb: &mut Sccb) -> u16 {
    let needed = CPU_INFO_LIST + shared.cpus.count() * CPU_ENTRY;
    if sccb.len() < needed {
        sccb.put16(0, needed as u16);
        return response::INSUFFICIENT_LENGTH;
    }
    sccb.put(HEADER, &[0; CPU_INFO_LIST - HEADER]);
    let configured = shared.cpus.configured();
    sccb.put16(8, configured);
    sccb.put16(10, CPU_INFO_LIST as u16);
    sccb.put16(12, shared.cpus.count() as u16 - configured);
    sccb.put16(14, CPU_INFO_LIST as u16 + configured * CPU_ENTRY as u16);
    put_cpus(shared, sccb, CPU_INFO_LIST);
    response::NORMAL_READ
}

/// CONFIGURE CPU, DECONFIGURE CPU: a CPU that is there becomes configured, or, when it is stopped,
/// standby. CPU 0 stays.
fn configure_cpu(shared: &Shared, address: u8, configured: bool) -> u16 {
    let Some(cpu) = shared.cpus.get(address.into()) else {
        return response::NO_SUCH_CPU;
    };
    if cpu.is_configured() == configured {
        return response::ALREADY;
    }
    if !configured && (address == 0 || cpu.state() != CpuState::Stopped) {
        return response::CPU_IN_USE;
    }
    cpu.configure(configured);
    shared.topology().changed();
    response::NORMAL
}

fn write_event_mask(shared: &Shared, sccb: &mut Sccb) -> u16 {
    let length = usize::from(sccb.get16(10));
    if length == 0 || length > MAX_MASK {
        return response::INVALID_MASK_LENGTH;
    }
    let masks = 12;
    if sccb.len() < masks + 4 * length {
        return response::INSUFFICIENT_LENGTH;
    }
    shared
        .sclp
        .set_masks(sccb.mask(masks, length), sccb.mask(masks + length, length));
    sccb.put_mask(masks + 2 * length, length, shared.sclp.host_receives());
    sccb.put_mask(masks + 3 * length, length, shared.sclp.host_sends());
    response::NORMAL
}

fn write_event_data(shared: &Shared, sccb: &mut Sccb) -> u16 {
    if sccb.len() < HEADER + EVENT_HEADER {
        return response::INSUFFICIENT_LENGTH;
    }
    if sccb.get8(2) != 0 {
        return response::INVALID_FUNCTION;
    }
    // All lengths are looked at before anything is shown.
    let mut starts = Vec::new();
    let mut at = HEADER;
    while at < sccb.len() {
        let length = usize::from(sccb.get16(at));
        if length < EVENT_HEADER {
            return response::EVENT_SYNTAX;
        }
        if length > sccb.len() - at {
            return response::INCONSISTENT_LENGTHS;
        }
        starts.push((at, length));
        at += length;
    }
    let mut result = response::INVALID_FUNCTION;
    for (at, length) in starts {
        let event_type = sccb.get8(at + 2);
        if event_type == TYPE_VT220 && shared.sclp.host_receives() & mask_bit(TYPE_VT220) != 0 {
            shared
                .sclp
                .write(&sccb.bytes[at + EVENT_HEADER..at + length]);
            sccb.put8(at + 3, sccb.get8(at + 3) | EVENT_ACCEPTED);
            result = response::NORMAL;
        } else {
            // A guest that writes the same line as a message too (kvm-unit-tests) is told that
            // this function is not there; its text has been shown once.
            return response::INVALID_FUNCTION;
        }
    }
    result
}

fn read_event_data(shared: &Shared, sccb: &mut Sccb) -> u16 {
    const UNCONDITIONAL: u8 = 0;
    const SELECTIVE: u8 = 1;
    let selection = match sccb.get8(2) {
        UNCONDITIONAL => u64::MAX,
        SELECTIVE if sccb.len() >= HEADER + 4 => sccb.mask(HEADER, (sccb.len() - HEADER).min(8)),
        SELECTIVE => return response::INSUFFICIENT_LENGTH,
        _ => return response::INVALID_FUNCTION,
    };
    if sccb.get8(2) == SELECTIVE && selection & shared.sclp.host_sends() == 0 {
        return response::INVALID_SELECTION_MASK;
    }
    let room = sccb.len().saturating_sub(HEADER + EVENT_HEADER);
    let Some(event) = shared.sclp.take(selection, room) else {
        return response::NO_EVENTS;
    };
    let length = EVENT_HEADER + event.data.len();
    sccb.put16(HEADER, length as u16);
    sccb.put8(HEADER + 2, event.event_type);
    sccb.put8(HEADER + 3, 0);
    sccb.put16(HEADER + 4, 0);
    sccb.put(HEADER + EVENT_HEADER, &event.data);
    if sccb.get8(5) & VARIABLE_LENGTH != 0 {
        sccb.put8(5, sccb.get8(5) & !VARIABLE_LENGTH);
        sccb.put16(0, (HEADER + length) as u16);
    }
    response::NORMAL
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use machine::{ConsoleInput, ConsoleOutput, GuestRam, Identity};
    use tcg::cpu::System;

    use super::*;
    use crate::console::Sclp;

    #[derive(Default)]
    struct Screen(Mutex<Vec<u8>>);
    impl ConsoleOutput for Screen {
        fn write(&self, bytes: &[u8]) {
            self.0.lock().unwrap().extend_from_slice(bytes);
        }
    }

    struct Bench {
        shared: Arc<Shared>,
        core: CpuCore,
        screen: Arc<Screen>,
    }

    const SCCB: u64 = 0x10000;

    fn bench(ram_bytes: u64) -> Bench {
        let screen = Arc::new(Screen::default());
        let system = System::new(Arc::new(GuestRam::new(ram_bytes).unwrap()));
        let (events, _) = crossbeam::channel::unbounded();
        let shared = crate::machine::shared::test_shared(
            system.clone(),
            Sclp::new(Some(screen.clone())),
            Identity::default(),
            events,
        );
        Bench {
            core: CpuCore::new(system),
            shared,
            screen,
        }
    }

    impl Bench {
        fn call(&self, command: u32, sccb: &[u8]) -> Result<u32, ProgramCode> {
            self.shared.ram().write(SCCB, sccb).unwrap();
            service_call(&self.shared, &self.core, 0, command, SCCB).map(|done| done.parameter)
        }

        fn bytes(&self, at: usize, count: usize) -> Vec<u8> {
            let mut bytes = vec![0; count];
            self.shared
                .ram()
                .read(SCCB + at as u64, &mut bytes)
                .unwrap();
            bytes
        }

        fn response(&self) -> u16 {
            u16::from_be_bytes(self.bytes(6, 2).try_into().unwrap())
        }
    }

    fn header(length: u16) -> Vec<u8> {
        let mut sccb = vec![0; usize::from(length)];
        sccb[..2].copy_from_slice(&length.to_be_bytes());
        sccb
    }

    #[test]
    fn the_sizes_of_storage_multiply_to_the_ram() {
        for megabytes in [64u64, 128, 1024, 3072] {
            let bench = bench(megabytes << 20);
            bench.call(READ_SCP_INFO_FORCED, &header(4096)).unwrap();
            assert_eq!(bench.response(), response::NORMAL_READ);
            let count = u16::from_be_bytes(bench.bytes(8, 2).try_into().unwrap());
            let size = bench.bytes(10, 1)[0];
            assert_eq!(u64::from(count) * u64::from(size), megabytes);
        }
    }

    #[test]
    fn errors_have_the_codes_that_the_suites_expect() {
        let bench = bench(1 << 20);
        bench.call(0x00de_0001, &header(4096)).unwrap();
        assert_eq!(bench.response(), response::INVALID_COMMAND);
        bench.call(READ_SCP_INFO, &header(64)).unwrap();
        assert_eq!(bench.response(), response::INSUFFICIENT_LENGTH);
        assert_eq!(bench.call(READ_SCP_INFO, &header(8)[..8]), Ok(SCCB as u32));
        assert_eq!(
            bench.call(READ_SCP_INFO, &[0, 7, 0, 0, 0, 0, 0, 0]),
            Err(ProgramCode::Specification)
        );
        let call = |address| {
            service_call(&bench.shared, &bench.core, 0x8000, READ_SCP_INFO, address).unwrap_err()
        };
        assert_eq!(call(SCCB + 4), ProgramCode::Specification);
        assert_eq!(call(0x1000), ProgramCode::Specification);
        assert_eq!(call(0x9000), ProgramCode::Specification);
        assert_eq!(call(0x8000_0000), ProgramCode::Specification);
        assert_eq!(call(1 << 32 | SCCB), ProgramCode::Specification);
        assert_eq!(call(1 << 63 | SCCB), ProgramCode::Specification);
        assert_eq!(call(1 << 20), ProgramCode::Addressing);
        bench.shared.ram().write(SCCB + 0xff8, &header(16)).unwrap();
        service_call(&bench.shared, &bench.core, 0, READ_SCP_INFO, SCCB + 0xff8).unwrap();
        assert_eq!(
            bench.bytes(0xffe, 2),
            response::BOUNDARY_VIOLATION.to_be_bytes()
        );
        // More than a page crosses a boundary wherever it starts.
        bench
            .shared
            .ram()
            .write(SCCB, &[0x10, 1, 0, 0, 0, 0, 0, 0])
            .unwrap();
        service_call(&bench.shared, &bench.core, 0, WRITE_EVENT_DATA, SCCB).unwrap();
        assert_eq!(bench.response(), response::BOUNDARY_VIOLATION);
    }

    #[test]
    fn text_is_shown_once_and_input_comes_with_its_leading_byte() {
        let bench = bench(1 << 20);
        let mut mask = header(12 + 32);
        mask[11] = 8;
        mask[12..20].copy_from_slice(&mask_bit(TYPE_VT220).to_be_bytes());
        bench.call(WRITE_EVENT_MASK, &mask).unwrap();
        assert_eq!(bench.response(), response::NORMAL);
        assert_eq!(
            bench.bytes(28, 8),
            bench.shared.sclp.host_receives().to_be_bytes()
        );

        let mut write = header(8 + 6 + 3);
        write[9] = 9;
        write[10] = TYPE_VT220;
        write[14..].copy_from_slice(b"abc");
        bench.call(WRITE_EVENT_DATA, &write).unwrap();
        assert_eq!(bench.response(), response::NORMAL);
        write[10] = 2;
        bench.call(WRITE_EVENT_DATA, &write).unwrap();
        assert_eq!(bench.response(), response::INVALID_FUNCTION);
        assert_eq!(*bench.screen.0.lock().unwrap(), b"abc");

        bench.call(READ_EVENT_DATA, &header(100)).unwrap();
        assert_eq!(bench.response(), response::NO_EVENTS);
        bench.shared.sclp.push(b"q\n");
        let mut read = header(100);
        read[5] = VARIABLE_LENGTH;
        bench.call(READ_EVENT_DATA, &read).unwrap();
        assert_eq!(bench.response(), response::NORMAL);
        assert_eq!(bench.bytes(0, 2), 17u16.to_be_bytes());
        assert_eq!(
            bench.bytes(8, 9),
            [0, 9, TYPE_VT220, 0, 0, 0, 0, b'q', b'\n']
        );
    }

    #[test]
    fn event_lengths_that_lie_are_refused() {
        let bench = bench(1 << 20);
        let mut write = header(8 + 6);
        write[9] = 5;
        write[10] = TYPE_VT220;
        bench.call(WRITE_EVENT_DATA, &write).unwrap();
        assert_eq!(bench.response(), response::EVENT_SYNTAX);
        write[9] = 200;
        bench.call(WRITE_EVENT_DATA, &write).unwrap();
        assert_eq!(bench.response(), response::INCONSISTENT_LENGTHS);
    }
}
