//! The seam between a machine and a test that drives its devices from outside (qtest).
//!
//! Not here: the test's protocol and its virtual time, which are the program's.

/// A machine on a test bench. Methods may be called from any thread; each is done when it
/// returns, whether the VM runs or not.
pub trait Bench: Send + Sync {
    /// Reads 1, 2 or 4 bytes from an I/O port. All ones where nothing answers.
    fn read_port(&self, port: u16, bytes: &mut [u8]);

    /// Writes 1, 2 or 4 bytes to an I/O port. Lost where nothing answers.
    fn write_port(&self, port: u16, bytes: &[u8]);

    /// Reads physical memory. What is not there leaves `bytes` as they are.
    fn read_memory(&self, address: u64, bytes: &mut [u8]);

    /// Writes physical memory, as a device does: the pages are marked. What is not there is
    /// lost.
    fn write_memory(&self, address: u64, bytes: &[u8]);

    /// From now on [`Bench::take_lines`] gives the interrupt lines at that end of a device.
    /// Lines that come to an interrupt controller no longer reach it.
    ///
    /// # Errors
    /// [`NoSuchLine`].
    fn intercept(&self, end: LineEnd, device: &str) -> Result<(), NoSuchLine>;

    /// Lines of the intercepted device that were driven since the last call, with their levels,
    /// in order.
    fn take_lines(&self) -> Vec<(u32, bool)>;

    /// Drives a line that comes to a device.
    ///
    /// # Errors
    /// [`NoSuchLine`].
    fn drive_line(&self, device: &str, line: u32, level: bool) -> Result<(), NoSuchLine>;
}

/// Which interrupt lines of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineEnd {
    /// Those that come to it.
    In,
    /// Those that it drives.
    Out,
}

/// There is no such device, or it has no such line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSuchLine {
    /// No device of that name has interrupt lines.
    #[error("Unknown device")]
    Device,
    /// The device has none at that end, or none of that number.
    #[error("the device has no such interrupt line")]
    Line,
}

/// The pages of 4 KiB, or the parts of them, that `length` bytes from `address` on touch, each
/// as its address and where it lies among the bytes. Nothing lies beyond the last address.
pub fn by_pages(
    address: u64,
    length: usize,
) -> impl Iterator<Item = (u64, std::ops::Range<usize>)> {
    const PAGE: u64 = 4096;
    let mut done = 0_usize;
    std::iter::from_fn(move || {
        let at = address.checked_add(done as u64)?;
        if done == length {
            return None;
        }
        let piece = (length - done).min((PAGE - at % PAGE) as usize);
        let range = done..done + piece;
        done += piece;
        Some((at, range))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_cut_at_their_boundaries_and_end_with_the_address_space() {
        let pages = |address, length| by_pages(address, length).collect::<Vec<_>>();
        assert_eq!(pages(0x1000, 0), []);
        assert_eq!(pages(0xFFE, 1), [(0xFFE, 0..1)]);
        assert_eq!(
            pages(0xFFE, 0x1003),
            [(0xFFE, 0..2), (0x1000, 2..0x1002), (0x2000, 0x1002..0x1003)]
        );
        assert_eq!(pages(u64::MAX, 5), [(u64::MAX, 0..1)]);
        assert_eq!(pages(u64::MAX - 1, 2), [(u64::MAX - 1, 0..2)]);
    }
}
