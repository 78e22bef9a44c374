//! NAL units behind 4-byte lengths to NAL units behind start codes (ITU-T H.264 and H.265, annex B).

/// Replaces every length by a start code of the same size, in place. False if the lengths do not add up, which
/// means that the access unit is damaged; its bytes are then not to be used.
pub(super) fn lengths_to_start_codes(unit: &mut [u8]) -> bool {
    let mut rest = unit;
    while !rest.is_empty() {
        let Some((length, after)) = rest.split_first_chunk_mut::<4>() else { return false };
        let Ok(nal) = usize::try_from(u32::from_be_bytes(*length)) else { return false };
        if nal == 0 || nal > after.len() {
            return false;
        }
        *length = [0, 0, 0, 1];
        rest = after.split_at_mut(nal).1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_becomes_a_start_code_and_nothing_else_changes() {
        let mut unit = vec![0, 0, 0, 2, 0x67, 0x42, 0, 0, 0, 1, 0x65];
        assert!(lengths_to_start_codes(&mut unit));
        assert_eq!(unit, [0, 0, 0, 1, 0x67, 0x42, 0, 0, 0, 1, 0x65]);
    }

    #[test]
    fn lengths_that_do_not_add_up_are_refused() {
        for damaged in [&[0, 0, 0, 3, 1, 2][..], &[0, 0, 0, 0], &[0, 0, 1], &[0xff, 0xff, 0xff, 0xff, 1]] {
            assert!(!lengths_to_start_codes(&mut damaged.to_vec()), "{damaged:?}");
        }
    }
}
