//! Bytes that wait inside of the filter: personal values of which nobody has decided yet, or that are to be changed. Wiped when dropped.

use std::ops::Range;

/// A buffer that leaves nothing behind in memory that it gave back.
#[derive(Default)]
pub(super) struct Held(Vec<u8>);

impl Held {
    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn extend(&mut self, bytes: &[u8]) {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut larger = Vec::with_capacity(needed.max(self.0.capacity() * 2).max(256));
            larger.extend_from_slice(&self.0);
            wipe(&mut std::mem::replace(&mut self.0, larger));
        }
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn get(&self, range: Range<usize>) -> &[u8] {
        self.0.get(range).unwrap_or_default()
    }

    /// Forgets what stands behind.
    pub(super) fn truncate(&mut self, length: usize) {
        self.0.truncate(length);
    }

    /// Forgets what stands before.
    pub(super) fn take_off(&mut self, length: usize) {
        self.0.drain(..length.min(self.0.len()));
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Everything that ever stood in it, and not one byte at a time.
fn wipe(bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.resize(bytes.capacity(), 0);
    zeroize::optimization_barrier(bytes.as_slice());
}
