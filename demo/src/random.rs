//! Random choices that are the same on every machine and in every run: the demo's business must be repeatable.

/// SplitMix64 (Steele, Lea and Flood, 2014). Good enough to invent customers with, and for nothing secret.
pub(crate) struct Random(u64);

impl Random {
    /// A stream of its own for each part of the business, so that a change in one leaves the others as they were.
    pub(crate) fn of(part: &str) -> Self {
        let seed = part.bytes().fold(0x0068_6561_7274_6863_u64, |seed, byte| {
            seed.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte)
        });
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `end`, without `end`.
    pub(crate) fn below(&mut self, end: u32) -> u32 {
        let end = u64::from(end.max(1));
        u32::try_from(self.next() % end).unwrap_or_default()
    }

    /// Whether something happens that does so in `percent` of a hundred cases.
    pub(crate) fn happens(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    /// One of several.
    #[expect(
        clippy::indexing_slicing,
        reason = "a number below the length, of lists that are never empty"
    )]
    pub(crate) fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(u32::try_from(list.len()).unwrap_or(u32::MAX)) as usize]
    }
}
