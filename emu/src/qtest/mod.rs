//! The qtest protocol: a test program drives a machine's devices from outside, and its virtual
//! time.
//!
//! The protocol is QEMU's (its documentation, "QTest Device Emulation Testing Framework").
//! [`server`] is the protocol, [`bench`] a machine under it with its virtual time, [`link`] the
//! connection to the test. Not here: `module_load`, for there are no modules, and commands of
//! other architectures (`rtas`).

pub mod bench;
mod command;
pub mod link;
pub mod server;

#[cfg(test)]
mod tests;

pub use bench::{MachineBench, VirtualTime};
pub use command::{Direction, Width};
pub use link::Link;
pub use server::{Server, Target};
