//! KVM's time against a fake kernel.

mod cycles;
mod failures;
mod moves;
mod rig;
mod timers;
