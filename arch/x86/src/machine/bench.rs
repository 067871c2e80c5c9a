//! The machine on a test bench: its ports, memory and interrupt lines, as qtest uses them.
//!
//! Devices are named as QEMU's object tree names them, with or without what is before the last
//! slash.

use machine::bench::by_pages;
use machine::{Bench, LineEnd, NoSuchLine};

use super::X86Machine;
use crate::board::lines::LINES;
use crate::clock::rtc::spec;

/// The interrupt controller whose inputs the devices' lines are.
const CONTROLLER: &str = "ioapic";

/// Devices that drive one line each, and which it is there.
const DRIVERS: &[(&str, u32)] = &[("rtc", spec::IRQ as u32)];

fn last_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

impl Bench for X86Machine {
    fn read_port(&self, port: u16, bytes: &mut [u8]) {
        self.shared.board.read_port(port, bytes);
    }

    fn write_port(&self, port: u16, bytes: &[u8]) {
        self.shared.board.write_port(port, bytes);
    }

    fn read_memory(&self, address: u64, bytes: &mut [u8]) {
        for (at, range) in by_pages(address, bytes.len()) {
            // What is no RAM stays as it is.
            let _ = self.shared.memory.read(at, &mut bytes[range]);
        }
    }

    fn write_memory(&self, address: u64, bytes: &[u8]) {
        for (at, range) in by_pages(address, bytes.len()) {
            // What goes where there is no RAM is lost.
            let _ = self.shared.memory.write(at, &bytes[range]);
        }
    }

    fn intercept(&self, end: LineEnd, device: &str) -> Result<(), NoSuchLine> {
        let lines = self.shared.board.lines();
        let device = last_name(device);
        let driver = DRIVERS.iter().find(|(name, _)| *name == device);
        match (end, driver) {
            (LineEnd::In, None) if device == CONTROLLER => lines.intercept_inputs(),
            (LineEnd::Out, Some((_, gsi))) => lines.intercept_output(*gsi, 0),
            (LineEnd::Out, None) if device == CONTROLLER => return Err(NoSuchLine::Line),
            (LineEnd::In, Some(_)) => return Err(NoSuchLine::Line),
            (LineEnd::In | LineEnd::Out, None) => return Err(NoSuchLine::Device),
        }
        Ok(())
    }

    fn take_lines(&self) -> Vec<(u32, bool)> {
        self.shared.board.lines().take()
    }

    fn drive_line(&self, device: &str, line: u32, level: bool) -> Result<(), NoSuchLine> {
        if last_name(device) != CONTROLLER {
            return Err(NoSuchLine::Device);
        }
        if line >= LINES {
            return Err(NoSuchLine::Line);
        }
        self.shared.board.lines().force(line, level);
        Ok(())
    }
}
