//! Memory for host code: writable and executable, but never at the same address.
//!
//! One anonymous file is mapped twice, once for reading and writing and once for reading and
//! executing (W^X). Code is written through the first mapping and run at the second; x86-64 keeps
//! the two coherent. What may be executed is not changed but for the displacements of jumps
//! ([`Jump`]): each is one aligned word, so that whoever executes it while it changes goes to the
//! old or to the new place. Both are good: blocks are freed through the store's reclamation.
#![allow(
    unsafe_code,
    reason = "maps memory and copies code into it through raw pointers"
)]

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Alignment of code, and the smallest piece handed out.
const GRAIN: usize = 32;

/// A buffer of fixed size.
#[derive(Debug)]
pub(crate) struct CodeBuffer {
    writable: *mut u8,
    executable: *const u8,
    size: usize,
    free: Mutex<FreeList>,
}

// SAFETY: the mappings live as long as the buffer; a piece is written by whoever was handed it,
// before anybody else knows its address.
unsafe impl Send for CodeBuffer {}
// SAFETY: as above.
unsafe impl Sync for CodeBuffer {}

#[derive(Debug)]
struct FreeList {
    /// Offset and size of what is free, never two beside each other.
    pieces: BTreeMap<usize, usize>,
    /// Where the last piece was found: the next search begins there.
    cursor: usize,
}

impl FreeList {
    fn take(&mut self, size: usize) -> Option<usize> {
        let fits = |&(_, &free): &(&usize, &usize)| free >= size;
        let found = self
            .pieces
            .range(self.cursor..)
            .find(fits)
            .or_else(|| self.pieces.range(..self.cursor).find(fits));
        let (&offset, &free) = found?;
        self.pieces.remove(&offset);
        if free > size {
            self.pieces.insert(offset + size, free - size);
        }
        self.cursor = offset;
        Some(offset)
    }

    fn give(&mut self, mut offset: usize, mut size: usize) {
        if let Some((&before, &length)) = self.pieces.range(..offset).next_back()
            && before + length == offset
        {
            self.pieces.remove(&before);
            offset = before;
            size += length;
        }
        if let Some(length) = self.pieces.remove(&(offset + size)) {
            size += length;
        }
        self.pieces.insert(offset, size);
    }
}

impl CodeBuffer {
    /// A buffer of at least `size` bytes. Pages take memory only once they are used.
    pub(crate) fn new(size: usize) -> io::Result<Arc<Self>> {
        let size = size.next_multiple_of(1 << 16);
        let length = libc::off_t::try_from(size).map_err(io::Error::other)?;
        // SAFETY: system calls on a descriptor of our own; the mappings overlap nothing.
        unsafe {
            let file = libc::memfd_create(c"code".as_ptr(), libc::MFD_CLOEXEC);
            if file < 0 {
                return Err(io::Error::last_os_error());
            }
            let map = |protection| {
                libc::mmap(
                    std::ptr::null_mut(),
                    size,
                    protection,
                    libc::MAP_SHARED,
                    file,
                    0,
                )
            };
            let mapped = if libc::ftruncate(file, length) == 0 {
                (
                    map(libc::PROT_READ | libc::PROT_WRITE),
                    map(libc::PROT_READ | libc::PROT_EXEC),
                )
            } else {
                (libc::MAP_FAILED, libc::MAP_FAILED)
            };
            let error = io::Error::last_os_error();
            libc::close(file);
            let (writable, executable) = mapped;
            if writable == libc::MAP_FAILED || executable == libc::MAP_FAILED {
                for mapping in [writable, executable] {
                    if mapping != libc::MAP_FAILED {
                        libc::munmap(mapping, size);
                    }
                }
                return Err(error);
            }
            Ok(Arc::new(Self {
                writable: writable.cast(),
                executable: executable.cast_const().cast(),
                size,
                free: Mutex::new(FreeList {
                    pieces: BTreeMap::from([(0, size)]),
                    cursor: 0,
                }),
            }))
        }
    }

    /// Copies code into a piece of its own; `None` if there is no room.
    pub(crate) fn place(self: &Arc<Self>, code: &[u8]) -> Option<Piece> {
        let size = code.len().max(1).next_multiple_of(GRAIN);
        let offset = self
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(size)?;
        // SAFETY: the piece lies in the mapping and is ours alone.
        unsafe {
            std::ptr::copy_nonoverlapping(code.as_ptr(), self.writable.add(offset), code.len());
        }
        Some(Piece {
            buffer: Arc::clone(self),
            offset,
            size,
            used: code.len(),
        })
    }
}

impl Drop for CodeBuffer {
    fn drop(&mut self) {
        // SAFETY: mapped in `new`; no piece is left, as each holds the buffer.
        unsafe {
            libc::munmap(self.writable.cast(), self.size);
            libc::munmap(self.executable.cast_mut().cast(), self.size);
        }
    }
}

/// A piece of the buffer with code in it; freed when dropped.
#[derive(Debug)]
pub(crate) struct Piece {
    buffer: Arc<CodeBuffer>,
    offset: usize,
    size: usize,
    used: usize,
}

impl Piece {
    /// Address of the first instruction.
    pub(crate) fn address(&self) -> u64 {
        self.buffer.executable.wrapping_add(self.offset).addr() as u64
    }

    /// The jump whose displacement is at this offset, a multiple of 4 and not 0.
    pub(crate) fn jump(&self, offset: usize) -> Option<Jump> {
        if offset == 0 || !offset.is_multiple_of(4) || offset + 4 > self.used {
            return None;
        }
        let at = self.offset + offset;
        let displacement = self.buffer.writable.wrapping_add(at).cast::<AtomicI32>();
        Some(Jump {
            displacement,
            after: self.buffer.executable.wrapping_add(at + 4).addr() as u64,
            // SAFETY: the word lies in the piece and is aligned; it is accessed atomically only.
            first: unsafe { (*displacement).load(Ordering::Relaxed) },
        })
    }

    /// Bytes it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.size
    }

    /// The code.
    pub(crate) fn code(&self) -> &[u8] {
        // SAFETY: written in `place`, and never changed.
        unsafe { std::slice::from_raw_parts(self.buffer.executable.add(self.offset), self.used) }
    }
}

/// A jump in a piece that can be led elsewhere while it is executed.
#[derive(Debug)]
pub(crate) struct Jump {
    displacement: *const AtomicI32,
    /// Address behind it, which it counts from.
    after: u64,
    /// Its displacement as it was written.
    first: i32,
}

// SAFETY: the word is accessed atomically only.
unsafe impl Send for Jump {}
// SAFETY: as above.
unsafe impl Sync for Jump {}

impl Jump {
    /// It goes to this address from now on, if it reaches that far.
    ///
    /// # Safety
    /// Its piece has not been dropped.
    pub(crate) unsafe fn lead(&self, address: u64) {
        let distance = address.wrapping_sub(self.after) as i64;
        if let Ok(distance) = i32::try_from(distance) {
            // SAFETY: the caller's promise.
            unsafe { (*self.displacement).store(distance, Ordering::Release) };
        }
    }

    /// It goes where it went at first.
    ///
    /// # Safety
    /// As [`Self::lead`]'s.
    pub(crate) unsafe fn reset(&self) {
        // SAFETY: the caller's promise.
        unsafe { (*self.displacement).store(self.first, Ordering::Release) };
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.buffer
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .give(self.offset, self.size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_led_elsewhere_and_back() {
        let buffer = CodeBuffer::new(1 << 16).unwrap();
        let code = buffer.place(&[0x90, 0x90, 0x90, 0xe9, 7, 0, 0, 0]).unwrap();
        assert!(code.jump(3).is_none() && code.jump(8).is_none());
        let jump = code.jump(4).unwrap();
        // SAFETY: the piece is there.
        unsafe { jump.lead(code.address()) };
        assert_eq!(code.code()[4..], (-8i32).to_le_bytes());
        // SAFETY: as above.
        unsafe { jump.reset() };
        assert_eq!(code.code()[4..], 7i32.to_le_bytes());
    }

    #[test]
    fn pieces_come_back_and_join() {
        let buffer = CodeBuffer::new(1 << 16).unwrap();
        let a = buffer.place(&[1; 100]).unwrap();
        let b = buffer.place(&[2; 100]).unwrap();
        assert_eq!(a.code(), [1; 100]);
        assert_eq!(b.code(), [2; 100]);
        assert!(buffer.place(&vec![0; 1 << 16]).is_none());
        drop(a);
        drop(b);
        assert!(buffer.place(&vec![0; 1 << 16]).is_some());
    }
}
