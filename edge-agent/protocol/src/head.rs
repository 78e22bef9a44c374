//! The head of a signed file whose contents follow it: eight bytes that say what it is, the length of the signed
//! manifest in 4 bytes, least significant first, and the manifest.

/// The longest signed manifest.
pub(crate) const MAX_MANIFEST_BYTES: usize = 64 * 1024;

/// Puts the head together; none where the manifest is longer than any reader takes.
pub(crate) fn head(magic: [u8; 8], sealed: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(sealed.len()).ok().filter(|_| sealed.len() <= MAX_MANIFEST_BYTES)?;
    Some([magic.as_slice(), &length.to_le_bytes(), sealed].concat())
}

/// The length of the manifest that follows these first bytes; none where they begin something else.
pub(crate) fn manifest_length(magic: [u8; 8], first: [u8; 12]) -> Option<usize> {
    let (found, length) = first.split_at(magic.len());
    let length = usize::try_from(u32::from_le_bytes(length.try_into().ok()?)).ok()?;
    (found == magic && length <= MAX_MANIFEST_BYTES).then_some(length)
}
