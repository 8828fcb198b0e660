//! The Merkle tree of RFC 6962: growing it, and proving what is in it.
//!
//! Kept for ever are leaf hashes and the hashes of full tiles (subtrees of 256, 65,536, ... leaves); every other node is computed
//! from at most 255 of those. Growing needs only the [`Frontier`]; proving says first which hashes it needs ([`inclusion_needs`],
//! [`consistency_needs`]), so that storage can fetch them in one query.

use std::collections::BTreeMap;

use super::hash::{Hash, node_hash};

/// The hash of a full subtree of `2^level` leaves, counted from the left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubtreeHash {
    /// 8, 16, 24, ...: heights of full tiles.
    pub level: u8,
    /// Which one of its level, from 0.
    pub index: u64,
    /// Its hash.
    pub hash: Hash,
}

/// The right edge of a tree: enough to grow it and to know its root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    // Roots of the full subtrees that the size's binary digits name, largest first.
    peaks: Vec<Hash>,
}

/// Bytes that are no frontier.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "the stored end of the audit log is damaged; restore the database from a backup or rebuild it from the entries"
)]
pub struct DamagedFrontier;

impl Frontier {
    /// How many leaves the tree has.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf. Puts the hash of every tile that becomes full into `full_tiles`.
    pub fn append(&mut self, leaf: Hash, full_tiles: &mut Vec<SubtreeHash>) {
        let mut hash = leaf;
        let merges = self.size.trailing_ones();
        self.size += 1;
        for level in 1..=merges {
            let Some(left) = self.peaks.pop() else { break };
            hash = node_hash(&left, &hash);
            if let (0, Ok(level)) = (level % 8, u8::try_from(level)) {
                full_tiles.push(SubtreeHash {
                    level,
                    index: (self.size >> level) - 1,
                    hash,
                });
            }
        }
        self.peaks.push(hash);
    }

    /// The tree's root; of an empty tree, SHA-256 of nothing.
    pub fn root(&self) -> Hash {
        self.peaks
            .iter()
            .rev()
            .copied()
            .reduce(|right, left| node_hash(&left, &right))
            .unwrap_or_else(|| Hash::of(b""))
    }

    /// Eight bytes of size, then the hashes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.size.to_be_bytes().to_vec();
        self.peaks
            .iter()
            .for_each(|peak| bytes.extend_from_slice(peak.as_bytes()));
        bytes
    }

    /// Reads [`Frontier::to_bytes`] back.
    ///
    /// # Errors
    /// [`DamagedFrontier`] when the number of hashes doesn't fit the size.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DamagedFrontier> {
        let Some((size, rest)) = bytes.split_first_chunk::<8>() else {
            return Err(DamagedFrontier);
        };
        let size = u64::from_be_bytes(*size);
        let (peaks, []) = rest.as_chunks::<32>() else {
            return Err(DamagedFrontier);
        };
        if peaks.len() != size.count_ones() as usize {
            return Err(DamagedFrontier);
        }
        Ok(Self {
            size,
            peaks: peaks.iter().copied().map(Hash).collect(),
        })
    }
}

/// Hashes that are stored: `level` 0 holds leaf hashes, 8, 16, 24, ... the hashes of full tiles.
pub trait HashReader {
    /// The stored hash; `None` when there is none.
    fn hash(&self, level: u8, index: u64) -> Option<Hash>;
}

impl HashReader for BTreeMap<(u8, u64), Hash> {
    fn hash(&self, level: u8, index: u64) -> Option<Hash> {
        self.get(&(level, index)).copied()
    }
}

impl<F: Fn(u8, u64) -> Option<Hash>> HashReader for F {
    fn hash(&self, level: u8, index: u64) -> Option<Hash> {
        self(level, index)
    }
}

/// A run of stored hashes of one level that a proof is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HashRange {
    /// 0, 8, 16, ...
    pub level: u8,
    /// The first.
    pub first: u64,
    /// How many; at most 255.
    pub count: u64,
}

/// Why a proof could not be made or does not hold.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ProofError {
    /// The leaf or the older tree is not within the tree.
    #[error("there is no such record in a log of {size} records")]
    OutOfRange {
        /// Leaves of the tree.
        size: u64,
    },
    /// Storage doesn't have a hash that it must have.
    #[error(
        "the audit log has lost the hash {index} of level {level}; its entries or tiles were deleted"
    )]
    MissingHash {
        /// Height in the tree.
        level: u8,
        /// Which one, from the left.
        index: u64,
    },
    /// The number of hashes is wrong for the place and the size.
    #[error("the proof has the wrong length")]
    WrongLength,
    /// The computed root is another one.
    #[error("the proof leads to another root")]
    WrongRoot,
}

/// Which stored hashes [`prove_inclusion`] will read.
///
/// # Errors
/// [`ProofError::OutOfRange`] unless `index < size`.
pub fn inclusion_needs(index: u64, size: u64) -> Result<Vec<HashRange>, ProofError> {
    Ok(inclusion_path(index, size)?
        .iter()
        .flat_map(Span::subtrees)
        .map(|(level, index)| stored(level, index))
        .collect())
}

/// The inclusion proof of leaf `index` in the tree of the first `size` leaves (RFC 6962 section 2.1.1).
///
/// # Errors
/// [`ProofError::OutOfRange`], [`ProofError::MissingHash`].
pub fn prove_inclusion(
    index: u64,
    size: u64,
    reader: &impl HashReader,
) -> Result<Vec<Hash>, ProofError> {
    inclusion_path(index, size)?
        .iter()
        .map(|span| span.hash(reader))
        .collect()
}

/// Which stored hashes [`prove_consistency`] will read.
///
/// # Errors
/// [`ProofError::OutOfRange`] unless `0 < older <= newer`.
pub fn consistency_needs(older: u64, newer: u64) -> Result<Vec<HashRange>, ProofError> {
    Ok(consistency_path(older, newer)?
        .iter()
        .flat_map(Span::subtrees)
        .map(|(level, index)| stored(level, index))
        .collect())
}

/// The proof that the tree of `newer` leaves only added to that of `older` leaves (RFC 6962 section 2.1.2).
///
/// # Errors
/// [`ProofError::OutOfRange`], [`ProofError::MissingHash`].
pub fn prove_consistency(
    older: u64,
    newer: u64,
    reader: &impl HashReader,
) -> Result<Vec<Hash>, ProofError> {
    consistency_path(older, newer)?
        .iter()
        .map(|span| span.hash(reader))
        .collect()
}

/// Checks that `leaf` is leaf `index` of the tree of `size` leaves with `root` (RFC 9162 section 2.1.3.2).
///
/// # Errors
/// [`ProofError`] when it isn't, or the proof doesn't show it.
pub fn verify_inclusion(
    index: u64,
    size: u64,
    leaf: Hash,
    proof: &[Hash],
    root: Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::OutOfRange { size });
    }
    let (mut node, mut last, mut hash) = (index, size - 1, leaf);
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::WrongLength);
        }
        if node % 2 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            // At the right edge a node without a sibling rises unchanged until it becomes a right child.
            let rise = if node % 2 == 1 {
                0
            } else {
                node.trailing_zeros().min(63)
            };
            (node, last) = (node >> rise, last >> rise);
        } else {
            hash = node_hash(&hash, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if last != 0 {
        return Err(ProofError::WrongLength);
    }
    same_root(hash, root)
}

/// Checks that the tree of `newer` leaves with `newer_root` only added to that of `older` leaves with `older_root`
/// (RFC 9162 section 2.1.4.2).
///
/// # Errors
/// [`ProofError`] when it doesn't, or the proof doesn't show it. An older tree without leaves proves nothing and is refused.
pub fn verify_consistency(
    older: u64,
    newer: u64,
    older_root: Hash,
    newer_root: Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if older == 0 || older > newer {
        return Err(ProofError::OutOfRange { size: newer });
    }
    if older == newer {
        return if proof.is_empty() {
            same_root(older_root, newer_root)
        } else {
            Err(ProofError::WrongLength)
        };
    }
    let rise = older.trailing_zeros();
    let (mut node, mut last) = ((older - 1) >> rise, (newer - 1) >> rise);
    // A whole older tree is a subtree of the newer one: its root is where the proof starts.
    let (start, rest) = if node == 0 {
        (older_root, proof)
    } else {
        proof
            .split_first()
            .map(|(first, rest)| (*first, rest))
            .ok_or(ProofError::WrongLength)?
    };
    let (mut old_hash, mut new_hash) = (start, start);
    for sibling in rest {
        if last == 0 {
            return Err(ProofError::WrongLength);
        }
        if node % 2 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            let rise = if node % 2 == 1 {
                0
            } else {
                node.trailing_zeros().min(63)
            };
            (node, last) = (node >> rise, last >> rise);
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if last != 0 {
        return Err(ProofError::WrongLength);
    }
    same_root(old_hash, older_root)?;
    same_root(new_hash, newer_root)
}

fn same_root(computed: Hash, expected: Hash) -> Result<(), ProofError> {
    if computed == expected {
        Ok(())
    } else {
        Err(ProofError::WrongRoot)
    }
}

/// Leaves `from..to` under one node of the tree: a node of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    from: u64,
    to: u64,
}

impl Span {
    const fn len(&self) -> u64 {
        self.to - self.from
    }

    /// Where RFC 6962 splits it: at the largest power of two below its length. INVARIANT: at least two leaves.
    const fn split(&self) -> u64 {
        self.from + (1 << (self.len() - 1).ilog2())
    }

    const fn halves(&self) -> (Self, Self) {
        (
            Self {
                from: self.from,
                to: self.split(),
            },
            Self {
                from: self.split(),
                to: self.to,
            },
        )
    }

    /// The full subtrees that it is made of, as (level, index), left to right.
    fn subtrees(&self) -> Vec<(u8, u64)> {
        let mut subtrees = Vec::new();
        let mut from = self.from;
        while from < self.to {
            let level = (self.to - from).ilog2();
            subtrees.push((u8::try_from(level).unwrap_or(63), from >> level));
            from += 1 << level;
        }
        subtrees
    }

    fn hash(&self, reader: &impl HashReader) -> Result<Hash, ProofError> {
        let mut hashes = Vec::new();
        for (level, index) in self.subtrees() {
            hashes.push(subtree_hash(level, index, reader)?);
        }
        hashes
            .into_iter()
            .rev()
            .reduce(|right, left| node_hash(&left, &right))
            .ok_or(ProofError::WrongLength)
    }
}

/// The stored hashes from which the hash of a full subtree is computed.
const fn stored(level: u8, index: u64) -> HashRange {
    let rise = level % 8;
    HashRange {
        level: level - rise,
        first: index << rise,
        count: 1 << rise,
    }
}

fn subtree_hash(level: u8, index: u64, reader: &impl HashReader) -> Result<Hash, ProofError> {
    let range = stored(level, index);
    let mut frontier = Frontier::default();
    for index in range.first..range.first + range.count {
        let hash = reader
            .hash(range.level, index)
            .ok_or(ProofError::MissingHash {
                level: range.level,
                index,
            })?;
        frontier.append(hash, &mut Vec::new());
    }
    Ok(frontier.root())
}

/// The nodes of an inclusion proof, from the leaf to the root.
fn inclusion_path(index: u64, size: u64) -> Result<Vec<Span>, ProofError> {
    if index >= size {
        return Err(ProofError::OutOfRange { size });
    }
    let mut path = Vec::new();
    let mut span = Span { from: 0, to: size };
    while span.len() > 1 {
        let (left, right) = span.halves();
        let (inside, sibling) = if index < left.to {
            (left, right)
        } else {
            (right, left)
        };
        path.push(sibling);
        span = inside;
    }
    path.reverse();
    Ok(path)
}

/// The nodes of a consistency proof, from the older tree's edge to the newer root.
fn consistency_path(older: u64, newer: u64) -> Result<Vec<Span>, ProofError> {
    if older == 0 || older > newer {
        return Err(ProofError::OutOfRange { size: newer });
    }
    let mut path = Vec::new();
    let mut span = Span { from: 0, to: newer };
    while older != span.to {
        let (left, right) = span.halves();
        let (inside, sibling) = if older <= left.to {
            (left, right)
        } else {
            (right, left)
        };
        path.push(sibling);
        span = inside;
    }
    // The verifier knows the older root already when the older tree is a whole subtree.
    if span.from != 0 {
        path.push(span);
    }
    path.reverse();
    Ok(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use proptest::prelude::*;

    use super::super::hash::leaf_hash;
    use super::*;

    /// RFC 6962 section 2.1, word for word.
    fn naive_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Hash::of(b""),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(1 << (leaves.len() - 1).ilog2());
                node_hash(&naive_root(left), &naive_root(right))
            }
        }
    }

    fn leaves(size: u64) -> Vec<Hash> {
        (0..size).map(|n| leaf_hash(&n.to_be_bytes())).collect()
    }

    fn grow(leaves: &[Hash]) -> (Frontier, BTreeMap<(u8, u64), Hash>) {
        let (mut frontier, mut full, mut stored) =
            (Frontier::default(), Vec::new(), BTreeMap::new());
        for (index, leaf) in leaves.iter().enumerate() {
            stored.insert((0, index as u64), *leaf);
            frontier.append(*leaf, &mut full);
        }
        stored.extend(
            full.iter()
                .map(|tile| ((tile.level, tile.index), tile.hash)),
        );
        (frontier, stored)
    }

    fn flip(hash: Hash, bit: u8) -> Hash {
        let mut bytes = hash.0;
        bytes[usize::from(bit >> 3)] ^= 1 << (bit & 7);
        Hash(bytes)
    }

    #[test]
    fn every_small_tree_agrees_with_the_definition() {
        let all = leaves(70);
        for size in 0..=70 {
            let (frontier, stored) = grow(&all[..size as usize]);
            let root = naive_root(&all[..size as usize]);
            assert_eq!(frontier.root(), root);
            for index in 0..size {
                let proof = prove_inclusion(index, size, &stored).unwrap();
                assert_eq!(
                    verify_inclusion(index, size, all[index as usize], &proof, root),
                    Ok(())
                );
            }
            for older in 1..=size {
                let proof = prove_consistency(older, size, &stored).unwrap();
                assert_eq!(
                    verify_consistency(
                        older,
                        size,
                        naive_root(&all[..older as usize]),
                        root,
                        &proof
                    ),
                    Ok(())
                );
            }
        }
    }

    #[test]
    fn a_proof_in_a_tree_of_three_tile_levels_reads_few_hashes() {
        let all = leaves(66_000);
        let (frontier, stored) = grow(&all);
        let needs = inclusion_needs(300, 66_000).unwrap();
        let few: BTreeMap<_, _> = needs
            .iter()
            .flat_map(|range| {
                (range.first..range.first + range.count).map(|index| (range.level, index))
            })
            .map(|place| (place, stored[&place]))
            .collect();
        assert!(few.len() < 1100, "{}", few.len());
        let proof = prove_inclusion(300, 66_000, &few).unwrap();
        assert_eq!(
            verify_inclusion(300, 66_000, all[300], &proof, frontier.root()),
            Ok(())
        );
    }

    #[test]
    fn a_proof_that_climbs_above_the_root_is_refused() {
        // Right in a larger tree, so that only its length gives it away.
        let all = leaves(4);
        let root = naive_root(&all);
        let pair = node_hash(&all[0], &all[1]);
        let right = node_hash(&all[2], &all[3]);
        assert_eq!(
            verify_inclusion(0, 2, all[0], &[all[1], right], node_hash(&right, &pair)),
            Err(ProofError::WrongLength)
        );
        assert_eq!(
            verify_inclusion(0, 1, all[1], &[all[0]], pair),
            Err(ProofError::WrongLength)
        );
        assert_eq!(
            verify_consistency(1, 2, all[0], root, &[all[1], right]),
            Err(ProofError::WrongLength)
        );
    }

    #[test]
    fn a_lost_hash_is_named() {
        let (_, mut stored) = grow(&leaves(10));
        stored.remove(&(0, 9));
        assert_eq!(
            prove_inclusion(0, 10, &stored),
            Err(ProofError::MissingHash { level: 0, index: 9 })
        );
    }

    proptest! {
        #[test]
        fn every_proof_verifies_and_every_changed_bit_is_noticed(size in 1u64..1500, place in any::<prop::sample::Index>(), bit: u8, which in any::<prop::sample::Index>()) {
            let all = leaves(size);
            let (frontier, stored) = grow(&all);
            let (index, root) = (place.index(size as usize) as u64, frontier.root());
            prop_assert_eq!(root, naive_root(&all));
            let leaf = all[index as usize];
            let mut proof = prove_inclusion(index, size, &stored).unwrap();
            prop_assert_eq!(verify_inclusion(index, size, leaf, &proof, root), Ok(()));
            prop_assert!(verify_inclusion(index, size, flip(leaf, bit), &proof, root).is_err());
            prop_assert!(verify_inclusion(index, size, leaf, &proof, flip(root, bit)).is_err());
            if !proof.is_empty() {
                let which = which.index(proof.len());
                proof[which] = flip(proof[which], bit);
                prop_assert!(verify_inclusion(index, size, leaf, &proof, root).is_err());
                proof.pop();
                prop_assert!(verify_inclusion(index, size, leaf, &proof, root).is_err());
            }
        }

        #[test]
        fn a_log_that_only_grew_proves_it_and_a_rewritten_one_cannot(newer in 2u64..1500, cut in any::<prop::sample::Index>(), bit: u8, which in any::<prop::sample::Index>()) {
            let all = leaves(newer);
            let (frontier, stored) = grow(&all);
            let older = cut.index(newer as usize - 1) as u64 + 1;
            let older_root = naive_root(&all[..older as usize]);
            let mut proof = prove_consistency(older, newer, &stored).unwrap();
            prop_assert_eq!(verify_consistency(older, newer, older_root, frontier.root(), &proof), Ok(()));
            prop_assert!(verify_consistency(older, newer, flip(older_root, bit), frontier.root(), &proof).is_err());
            prop_assert!(verify_consistency(older, newer, older_root, flip(frontier.root(), bit), &proof).is_err());
            let which = which.index(proof.len());
            proof[which] = flip(proof[which], bit);
            prop_assert!(verify_consistency(older, newer, older_root, frontier.root(), &proof).is_err());
        }

        #[test]
        fn a_frontier_reads_back_and_grows_on(size in 0u64..600) {
            let (frontier, _) = grow(&leaves(size));
            let bytes = frontier.to_bytes();
            prop_assert_eq!(Frontier::from_bytes(&bytes), Ok(frontier));
            prop_assert_eq!(Frontier::from_bytes(&bytes[1..]), Err(DamagedFrontier));
        }
    }
}
