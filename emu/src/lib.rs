//! The program: command line, machine assembly, run control and monitors.
//!
//! A library, so that tests can use its parts with machines of their own; the binary is
//! [`main_with`] and [`machines::MACHINES`].

mod assemble;
pub mod chardev;
pub mod cleanup;
pub mod cli;
mod console;
pub mod control;
mod logging;
pub mod machines;
pub mod migrate;
pub mod monitor;
mod process;
pub mod qtest;
pub mod terminal;

pub use assemble::{main_with, run_inside};
