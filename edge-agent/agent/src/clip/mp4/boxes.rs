//! Writes ISO/IEC 14496-12 boxes: a length, a four-letter name, content.

/// A buffer that boxes are written into; lengths are filled in when a box ends.
#[derive(Debug, Default)]
pub(super) struct Boxes {
    bytes: Vec<u8>,
}

impl Boxes {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// A box named `name` with what `content` writes.
    pub(super) fn boxed(&mut self, name: [u8; 4], content: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.u32(0);
        self.raw(&name);
        content(self);
        // A header is a few megabytes at most: its samples are listed, not held.
        let length = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        if let Some(place) = self.bytes.get_mut(start..start + 4) {
            place.copy_from_slice(&length.to_be_bytes());
        }
    }

    /// A box that begins with a version and 24 bits of flags.
    pub(super) fn full(&mut self, name: [u8; 4], version: u8, flags: u32, content: impl FnOnce(&mut Self)) {
        self.boxed(name, |boxes| {
            boxes.u32(u32::from(version) << 24 | flags & 0x00ff_ffff);
            content(boxes);
        });
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn zeros(&mut self, count: usize) {
        self.bytes.resize(self.bytes.len() + count, 0);
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.raw(&value.to_be_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.raw(&value.to_be_bytes());
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.raw(&value.to_be_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.raw(&value.to_be_bytes());
    }

    /// A count, as tables begin with. Tables longer than `u32` would not fit into memory first.
    pub(super) fn count(&mut self, count: usize) {
        self.u32(u32::try_from(count).unwrap_or(u32::MAX));
    }
}
