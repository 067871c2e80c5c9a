//! The program: command line, machine assembly, run control and monitors.

pub mod chardev;
pub mod cleanup;
pub mod cli;
pub mod control;
pub mod monitor;
pub mod terminal;
