//! The control side of a CPU: timers, pending interruptions, facilities. No translated code
//! touches it.

/// What only helpers and the vCPU's thread use.
#[derive(Debug, Default)]
pub struct Control {
    /// Installed facilities.
    pub facilities: super::facility::Facilities,
    /// Translation-exception identification of the last access exception.
    pub translation_exception: u64,
    /// Exception access identification of the last access exception.
    pub exception_access_id: u8,
}
