//! Memory for host code: writable and executable, but never at the same address.
//!
//! One anonymous file is mapped twice, once for reading and writing and once for reading and
//! executing (W^X). Code is written through the first mapping and run at the second; x86-64 keeps
//! the two coherent. Nothing that has been executed is changed while it may still be executed:
//! blocks are freed through the store's reclamation, so no code is patched in place.
#![allow(
    unsafe_code,
    reason = "maps memory and copies code into it through raw pointers"
)]

use std::collections::BTreeMap;
use std::io;
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
