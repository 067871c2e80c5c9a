//! The machine on a test bench: memory alone, for this architecture has no I/O ports and no lines
//! into its interrupts.

use machine::bench::by_pages;
use machine::{Bench, LineEnd, NoSuchLine};

use super::S390xMachine;

impl Bench for S390xMachine {
    fn read_port(&self, _port: u16, bytes: &mut [u8]) {
        bytes.fill(0xFF);
    }

    fn write_port(&self, _port: u16, _bytes: &[u8]) {}

    fn read_memory(&self, address: u64, bytes: &mut [u8]) {
        for (at, range) in by_pages(address, bytes.len()) {
            // What is no RAM stays as it is.
            let _ = self.shared.ram().read(at, &mut bytes[range]);
        }
    }

    fn write_memory(&self, address: u64, bytes: &[u8]) {
        for (at, range) in by_pages(address, bytes.len()) {
            // What goes where there is no RAM is lost.
            let _ = self.shared.ram().write(at, &bytes[range]);
        }
    }

    fn intercept(&self, _end: LineEnd, _device: &str) -> Result<(), NoSuchLine> {
        Err(NoSuchLine::Device)
    }

    fn take_lines(&self) -> Vec<(u32, bool)> {
        Vec::new()
    }

    fn drive_line(&self, _device: &str, _line: u32, _level: bool) -> Result<(), NoSuchLine> {
        Err(NoSuchLine::Device)
    }
}
