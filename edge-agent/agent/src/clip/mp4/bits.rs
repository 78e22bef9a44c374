//! Reads the bits of a parameter set (ITU-T H.265 clause 7.2 and 9.2).

/// The payload of a NAL unit without its emulation prevention bytes (`00 00 03` stands for `00 00`).
pub(super) fn unescape(nal: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for &byte in nal {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        payload.push(byte);
    }
    payload
}

/// A position in a payload; every read past its end gives `None`.
#[derive(Debug, Clone)]
pub(super) struct Bits<'p> {
    payload: &'p [u8],
    position: usize,
}

impl<'p> Bits<'p> {
    pub(super) fn new(payload: &'p [u8]) -> Self {
        Self { payload, position: 0 }
    }

    pub(super) fn bit(&mut self) -> Option<u32> {
        let byte = self.payload.get(self.position / 8)?;
        let bit = byte >> (7 - self.position % 8) & 1;
        self.position += 1;
        Some(u32::from(bit))
    }

    pub(super) fn bits(&mut self, count: usize) -> Option<u32> {
        (0..count).try_fold(0, |value: u32, _| Some(value << 1 | self.bit()?))
    }

    pub(super) fn skip(&mut self, count: usize) -> Option<()> {
        self.position = self.position.checked_add(count)?;
        (self.position <= self.payload.len() * 8).then_some(())
    }

    /// An unsigned Exp-Golomb code, `ue(v)`.
    pub(super) fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.bits(zeros)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_codes_are_those_of_table_9_2() {
        // 1, 010, 011, 00100, 00111 and then padding.
        let payload = [0b1010_0110, 0b0100_0011, 0b1000_0000];
        let mut bits = Bits::new(&payload);
        assert_eq!([(); 5].map(|()| bits.exp_golomb()), [Some(0), Some(1), Some(2), Some(3), Some(6)]);
        assert_eq!(bits.exp_golomb(), None, "only zeros are left");
    }

    #[test]
    fn only_the_byte_after_two_zeros_is_dropped() {
        assert_eq!(unescape(&[1, 0, 0, 3, 1, 0, 3, 0, 0, 3]), [1, 0, 0, 1, 0, 3, 0, 0]);
    }
}
