//! The protocol with simulated VMs: who has the guest after what, what is moved, and what it says.

#![allow(clippy::unwrap_used, reason = "tests")]

mod broken;
mod faults;
mod live;
mod moves;
mod pair;
mod proxy;
mod refused;
mod sim;
mod snapshots;
