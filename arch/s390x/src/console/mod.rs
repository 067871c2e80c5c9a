//! The operator console behind the service-call logical processor (SCLP).
//!
//! [`Sclp`] is the device; [`service`] is the SERVICE CALL instruction's other half: SCCBs in
//! guest memory, commands and response codes. Facts: Linux drivers/s390/char/sclp*.h and what
//! its driver and kvm-unit-tests send (measured). Not here: who shows the text (the program's
//! character devices).

pub mod events;
pub mod service;

pub use events::Sclp;
