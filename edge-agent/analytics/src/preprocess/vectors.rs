//! Drawn planes and the hash of what the training code makes of them; both sides must agree bit for bit.

/// A plane whose sample at (x, y) is `x * a + y * b + (x * y) % 31 + c`, modulo 256, with padding after each row.
pub(super) fn drawn(width: u32, height: u32, stride: usize, [a, b, c]: [u32; 3]) -> Vec<u8> {
    let mut bytes = vec![0xEE; stride * height as usize];
    for y in 0..height {
        for x in 0..width {
            let value = x * a + y * b + (x * y) % 31 + c;
            bytes[y as usize * stride + x as usize] = u8::try_from(value & 255).unwrap();
        }
    }
    bytes
}

/// The three planes that every vector uses.
pub(super) const PATTERNS: [[u32; 3]; 3] = [[7, 13, 0], [3, 5, 40], [11, 2, 90]];

/// An RGB picture of the three planes.
pub(super) fn drawn_rgb(width: u32, height: u32) -> Vec<u8> {
    let [r, g, b] = PATTERNS.map(|pattern| drawn(width, height, width as usize, pattern));
    r.iter().zip(&g).zip(&b).flat_map(|((r, g), b)| [*r, *g, *b]).collect()
}

/// FNV-1a, 64 bit.
pub(super) fn fnv(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
}
