//! The seam between a machine's operator console and the program's character devices.

/// Where the guest's console output goes. Implemented by `emu`'s character devices.
pub trait ConsoleOutput: Send + Sync {
    /// Takes all bytes. May block briefly (a full pipe), never loses any while the peer lives,
    /// and never fails towards the guest.
    fn write(&self, bytes: &[u8]);
}

/// Where console input goes. Implemented by the machine's console device.
pub trait ConsoleInput: Send + Sync {
    /// Offers input; returns how many leading bytes were taken. The rest is offered again when
    /// [`ConsoleInput::set_ready`]'s callback says so.
    fn push(&self, bytes: &[u8]) -> usize;

    /// Registers a callback which the device calls, from any thread, when it can take input
    /// again after `push` took less than offered.
    fn set_ready(&self, ready: Box<dyn Fn() + Send + Sync>);
}
