//! Snapshots: the same stream, written to something that keeps it and read back by nobody in
//! particular.
//!
//! [`save`] stops the guest, writes everything and lets it go on as before. [`load`] takes a
//! stream over without starting anything; as it replaces RAM as it reads, a stream should be
//! looked through by [`verify`] before, while there is still a guest to keep.

use std::io::{Read, Write};

use tod::RunState;

use crate::incoming::{self, IncomingError};
use crate::outgoing::{self, OutgoingError};
use crate::params::Settings;
use crate::vm::{DestinationVm, SourceVm};

/// Writes a snapshot and flushes it; that it reaches its place (`fsync`) is the caller's. The
/// guest is stopped meanwhile, and as before afterwards. Bytes written.
///
/// # Errors
/// [`OutgoingError`]; the guest is as before, too.
pub fn save(
    vm: &dyn SourceVm,
    settings: &Settings,
    writer: impl Write,
) -> Result<u64, OutgoingError> {
    outgoing::save(vm, settings, writer)
}

/// Takes a stream over: RAM, parts and clocks. The guest stands; the run state that it was saved
/// in is returned.
///
/// # Errors
/// [`IncomingError`]; the VM must not be started then, unless another stream is loaded.
pub fn load(vm: &dyn DestinationVm, reader: impl Read) -> Result<RunState, IncomingError> {
    incoming::load_snapshot(vm, reader)
}

/// Looks a stream through to its end without changing anything: every checksum, every record of
/// RAM, every section's name and length, and that none is missing. Only the parts' own payloads
/// are not understood.
///
/// # Errors
/// [`IncomingError`]: what [`load`] would find.
pub fn verify(vm: &dyn DestinationVm, reader: impl Read) -> Result<(), IncomingError> {
    incoming::verify_snapshot(vm, reader)
}
