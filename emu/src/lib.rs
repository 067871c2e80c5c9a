//! The program: command line, machine assembly, run control and monitors.

pub mod chardev;
pub mod cleanup;
pub mod cli;
pub mod terminal;
