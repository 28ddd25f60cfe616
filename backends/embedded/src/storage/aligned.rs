//! A buffer at a block boundary in memory, as direct I/O demands, without unsafe code: the
//! allocation is a block longer than needed, and the buffer begins at its first boundary.

/// The unit of everything that is written: a block of 4 KiB, at a multiple of its size.
pub const BLOCK_BYTES: usize = 4096;

/// A growable buffer whose bytes begin at a block boundary in memory.
#[derive(Debug)]
pub struct AlignedBuf {
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl AlignedBuf {
    /// An empty buffer with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        let memory = vec![0; capacity.next_multiple_of(BLOCK_BYTES) + BLOCK_BYTES];
        let start = memory.as_ptr().align_offset(BLOCK_BYTES).min(BLOCK_BYTES);
        Self { memory, start, len: 0 }
    }

    /// A buffer of `len` zeroes.
    pub fn zeroed(len: usize) -> Self {
        let mut buffer = Self::with_capacity(len);
        buffer.len = len;
        buffer
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        self.memory.get(self.start..self.start + self.len).unwrap_or_default()
    }

    /// The bytes.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        self.memory.get_mut(self.start..self.start + self.len).unwrap_or_default()
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets the bytes, and keeps the room.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Adds `bytes` at the end, growing as needed.
    pub fn extend(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        self.reserve(end);
        if let Some(target) = self.memory.get_mut(self.start + self.len..self.start + end) {
            target.copy_from_slice(bytes);
        }
        self.len = end;
    }

    /// Adds zeroes up to the next block boundary.
    pub fn pad_to_block(&mut self) {
        let end = self.len.next_multiple_of(BLOCK_BYTES);
        self.reserve(end);
        if let Some(target) = self.memory.get_mut(self.start + self.len..self.start + end) {
            target.fill(0);
        }
        self.len = end;
    }

    fn reserve(&mut self, capacity: usize) {
        if self.start + capacity <= self.memory.len() {
            return;
        }
        let mut larger = Self::with_capacity(capacity.max(2 * self.len));
        larger.len = self.len;
        larger.as_mut_slice().copy_from_slice(self.as_slice());
        *self = larger;
    }
}
