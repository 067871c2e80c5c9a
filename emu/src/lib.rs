//! The program: command line, machine assembly, run control and monitors.

pub mod cli;
