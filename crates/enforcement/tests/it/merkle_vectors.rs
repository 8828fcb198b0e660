//! The tree against the vectors of transparency-dev/merkle and of C2SP tlog-tiles.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::audit::merkle::{Frontier, verify_consistency, verify_inclusion};
use domain::audit::tile::{Tile, index_path};
use domain::audit::{Hash, leaf_hash};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inclusion {
    leaf_idx: u64,
    tree_size: u64,
    root: Option<String>,
    leaf_hash: Option<String>,
    proof: Option<Vec<Option<String>>>,
    want_err: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Consistency {
    size1: u64,
    size2: u64,
    root1: Option<String>,
    root2: Option<String>,
    proof: Option<Vec<Option<String>>>,
    want_err: bool,
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn decoded(text: &Option<String>) -> Vec<u8> {
    STANDARD.decode(text.as_deref().unwrap_or("")).unwrap()
}

/// Consistency cases whose roots nobody looks at carry a text instead; equal texts stay equal, and none becomes a right root.
fn root(text: &Option<String>) -> Hash {
    let bytes = decoded(text);
    Hash::try_from(bytes.as_slice()).unwrap_or_else(|_| Hash::of(&bytes))
}

fn hashes(proof: &Option<Vec<Option<String>>>) -> Option<Vec<Hash>> {
    proof
        .iter()
        .flatten()
        .map(|text| Hash::try_from(decoded(text).as_slice()).ok())
        .collect()
}

/// What is not 32 bytes long is refused before it reaches the proof.
fn inclusion_holds(case: &Inclusion) -> bool {
    let hash = |text| Hash::try_from(decoded(text).as_slice()).ok();
    let (Some(leaf), Some(root), Some(proof)) =
        (hash(&case.leaf_hash), hash(&case.root), hashes(&case.proof))
    else {
        return false;
    };
    verify_inclusion(case.leaf_idx, case.tree_size, leaf, &proof, root).is_ok()
}

fn consistency_holds(case: &Consistency) -> bool {
    let (older, newer) = (root(&case.root1), root(&case.root2));
    hashes(&case.proof).is_some_and(|proof| {
        verify_consistency(case.size1, case.size2, older, newer, &proof).is_ok()
    })
}

fn json_files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            json_files(&path, into)
        } else {
            into.push(path)
        }
    }
}

#[test]
fn all_196_published_proofs_are_judged_as_published() {
    let mut files = Vec::new();
    json_files(&vectors().join("rfc6962-merkle/testdata"), &mut files);
    assert_eq!(files.len(), 196);
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let inclusion = path
            .components()
            .any(|part| part.as_os_str() == "inclusion");
        let (holds, want_err) = if inclusion {
            let case: Inclusion = serde_json::from_str(&text).unwrap();
            (inclusion_holds(&case), case.want_err)
        } else {
            let case: Consistency = serde_json::from_str(&text).unwrap();
            (consistency_holds(&case), case.want_err)
        };
        assert_eq!(holds, !want_err, "{}", path.display());
    }
}

#[test]
fn hashes_and_tile_paths_are_those_of_the_specification() {
    let vectors: Value =
        serde_json::from_str(&fs::read_to_string(vectors().join("c2sp/tlog-tiles.json")).unwrap())
            .unwrap();
    let known = |n: usize| vectors["rfc6962"][n]["hex"].as_str().unwrap().to_owned();
    assert_eq!(Frontier::default().root().to_string(), known(0));
    assert_eq!(leaf_hash(b"").to_string(), known(1));
    assert_eq!(leaf_hash(b"L123456").to_string(), known(2));
    for path in vectors["tile_paths"].as_array().unwrap() {
        assert_eq!(
            index_path(path["index"].as_u64().unwrap()),
            path["path"].as_str().unwrap()
        );
    }
    let tree = &vectors["tree_70000"];
    let count = |level: u8| {
        Tile::all(70_000)
            .filter(|tile| tile.level == level && tile.width == 256)
            .count()
    };
    let partial = |level: u8| {
        Tile::all(70_000)
            .find(|tile| tile.level == level && tile.width < 256)
            .map(|tile| tile.width)
    };
    assert_eq!(
        (count(0), count(1)),
        (
            tree["full_l0"].as_u64().unwrap() as usize,
            tree["full_l1"].as_u64().unwrap() as usize
        )
    );
    assert_eq!(
        [partial(0), partial(1), partial(2)].map(|width| width.map(u64::from)),
        [
            tree["partial_l0"].as_u64(),
            tree["partial_l1"].as_u64(),
            tree["partial_l2"].as_u64()
        ]
    );
    assert_eq!(
        Tile::all(256)
            .map(|tile| tile.to_string())
            .collect::<Vec<_>>(),
        ["tile/0/000", "tile/1/000.p/1"]
    );
}

#[test]
fn a_tree_of_two_hashes_them_with_the_prefix_of_a_node() {
    // The published vector for a node hashes two five-byte texts, which no tree of 32-byte hashes holds; this is its shape.
    let (left, right) = (leaf_hash(b"a"), leaf_hash(b"b"));
    let mut frontier = Frontier::default();
    [left, right]
        .into_iter()
        .for_each(|leaf| frontier.append(leaf, &mut Vec::new()));
    assert_eq!(
        frontier.root(),
        Hash::of(&[[1].as_slice(), &left.0, &right.0].concat())
    );
}
