//! Brotli (RFC 7932), piece by piece, with a bound on what becomes of each.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use super::Undecodable;

/// What a piece may become; a thousand times its size, as with deflate. Brotli itself would make sixteen million of a few bytes.
const MOST: usize = 1 << 20;
/// What is decoded at once.
const STEP: usize = 16 << 10;

/// Decodes one body. Its window takes up to 16 MiB: those that the standard doesn't know are refused.
pub(crate) struct Brotli {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    is_at_end: bool,
}

impl Default for Brotli {
    fn default() -> Self {
        let memory = || StandardAlloc::default();
        Self {
            state: BrotliState::new_strict(memory(), memory(), memory()),
            is_at_end: false,
        }
    }
}

impl Brotli {
    /// What becomes of the next piece.
    pub(super) fn decode(&mut self, piece: &[u8]) -> Result<Vec<u8>, Undecodable> {
        let mut decoded = Vec::new();
        let (mut left, mut at) = (piece.len(), 0);
        while !self.is_at_end {
            let free = decoded.len();
            decoded.resize(free + STEP, 0);
            let (mut room, mut end, mut all) = (STEP, free, 0);
            let result = BrotliDecompressStream(
                &mut left,
                &mut at,
                piece,
                &mut room,
                &mut end,
                &mut decoded,
                &mut all,
                &mut self.state,
            );
            decoded.truncate(end);
            match result {
                BrotliResult::ResultSuccess => self.is_at_end = true,
                BrotliResult::NeedsMoreInput => break,
                BrotliResult::NeedsMoreOutput if decoded.len() <= MOST => {}
                BrotliResult::NeedsMoreOutput => return Err(Undecodable::Bomb),
                BrotliResult::ResultFailure => return Err(Undecodable::Broken),
            }
        }
        // Whatever follows its end is no part of the body.
        if left > 0 {
            return Err(Undecodable::Broken);
        }
        Ok(decoded)
    }

    /// Whether the body was whole.
    pub(super) const fn is_at_end(&self) -> bool {
        self.is_at_end
    }
}
