//! Names of tiles as C2SP tlog-tiles lays them out, so that any tool of that family can read an exported log.

use std::fmt;

/// How many hashes a full tile holds.
pub const TILE_WIDTH: u64 = 256;

/// One tile of a tree: hashes at height `8 * level`, from `256 * index` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// 0 holds leaf hashes, 1 the hashes of full tiles of level 0, and so on.
    pub level: u8,
    /// Which one of its level, from the left.
    pub index: u64,
    /// How many hashes it holds: 256 when full.
    pub width: u16,
}

impl Tile {
    /// Every tile of a tree of `size` leaves, lowest level first.
    pub fn all(size: u64) -> impl Iterator<Item = Self> {
        (0u8..8).flat_map(move |level| {
            let hashes = size >> (8 * u32::from(level));
            let partial = u16::try_from(hashes % TILE_WIDTH).unwrap_or(0);
            let full = (0..hashes / TILE_WIDTH).map(move |index| Self {
                level,
                index,
                width: 256,
            });
            full.chain((partial > 0).then_some(Self {
                level,
                index: hashes / TILE_WIDTH,
                width: partial,
            }))
        })
    }

    /// Path of the bundle with the entries under a tile of level 0.
    pub fn entries_path(&self) -> String {
        format!(
            "tile/entries/{}{}",
            index_path(self.index),
            partial_suffix(self.width)
        )
    }
}

impl fmt::Display for Tile {
    /// The path: `tile/0/x001/x234/067`, with `.p/112` behind it when only 112 hashes are there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "tile/{}/{}{}",
            self.level,
            index_path(self.index),
            partial_suffix(self.width)
        )
    }
}

/// A tile's index as path elements of three digits, all but the last behind an `x`.
pub fn index_path(index: u64) -> String {
    let mut path = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    path
}

fn partial_suffix(width: u16) -> String {
    if u64::from(width) == TILE_WIDTH {
        String::new()
    } else {
        format!(".p/{width}")
    }
}

/// Entries as a bundle: each behind its length in 16 bits, big-endian. `None` when one is longer than that counts.
pub fn entry_bundle<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut bundle = Vec::new();
    for entry in entries {
        bundle.extend(u16::try_from(entry.len()).ok()?.to_be_bytes());
        bundle.extend_from_slice(entry);
    }
    Some(bundle)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    #[test]
    fn a_partial_tile_says_how_many_hashes_it_holds() {
        let tiles: Vec<_> = Tile::all(70_000).collect();
        assert_eq!(tiles[273].to_string(), "tile/0/273.p/112");
        assert_eq!(tiles[0].to_string(), "tile/0/000");
        assert_eq!(tiles[273].entries_path(), "tile/entries/273.p/112");
        assert_eq!(tiles.last().unwrap().to_string(), "tile/2/000.p/1");
    }

    #[test]
    fn a_bundle_counts_each_entry_in_two_bytes() {
        assert_eq!(
            entry_bundle([b"ab".as_slice(), b""]).unwrap(),
            b"\0\x02ab\0\0"
        );
        assert_eq!(entry_bundle([[0u8; 65_536].as_slice()]), None);
    }
}
