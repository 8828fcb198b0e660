//! What becomes of each row that a search found: which go, which can only be overwritten because something that stays points
//! at them, and which stay. What stays is catching, so it is reckoned over all rows of a batch until nothing changes.
//!
//! Pure, and the same rules as a connector's erasure: a plan must say what will happen. Values are fingerprints here.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::data_map::graph::SearchGraph;
use crate::data_map::{CollectionErasure, CollectionKey, FieldName};
use crate::plan::{Redaction, redactions, retained_redactions};

/// A fingerprint of values.
pub type Print = [u8; 16];

/// Which collections' rows point at which, by number of node.
pub struct Links {
    here: Vec<Vec<Link>>,
    there: Vec<Vec<Link>>,
}

/// One end of a pointer.
struct Link {
    /// The pointer's number, the same at both ends.
    pointer: usize,
    fields: Vec<FieldName>,
    /// Whether the row pointed at stays as it is while something points at it.
    guards: bool,
    /// Whether the pointing row no longer points once it is overwritten.
    lets_go: bool,
    /// The same of a row that a retention rule keeps, of which only what the data map demands is overwritten.
    retained_lets_go: bool,
}

impl Links {
    /// Takes from the graph what points where.
    pub fn new(graph: &SearchGraph) -> Self {
        let empty = || {
            graph
                .nodes()
                .iter()
                .map(|_| Vec::new())
                .collect::<Vec<Vec<Link>>>()
        };
        let mut links = Self {
            here: empty(),
            there: empty(),
        };
        let mut pointer = 0;
        for (number, node) in graph.nodes().iter().enumerate() {
            let guards = node.guards.iter().map(|pointer| (pointer, true));
            for (pointed, guards) in
                guards.chain(node.blockers.iter().map(|pointer| (pointer, false)))
            {
                let (there, here): (Vec<FieldName>, Vec<FieldName>) =
                    pointed.pairs.iter().cloned().unzip();
                let from = graph.number(&pointed.from);
                if let (Some(end), Some(start)) = (
                    links.here.get_mut(number),
                    from.and_then(|from| links.there.get_mut(from)),
                ) {
                    let [lets_go, retained_lets_go] =
                        from.map_or([false; 2], |from| overwrites(graph, from, &there));
                    let link = |fields| Link {
                        pointer,
                        fields,
                        guards,
                        lets_go,
                        retained_lets_go,
                    };
                    end.push(link(here));
                    start.push(link(there));
                }
                pointer += 1;
            }
        }
        links
    }

    /// Whether rows of a node point at others or are pointed at.
    pub fn concern(&self, node: usize) -> bool {
        [&self.here, &self.there]
            .into_iter()
            .any(|links| links.get(node).is_some_and(|links| !links.is_empty()))
    }

    /// For each pointer at a node's rows the fields there.
    pub fn here(&self, node: usize) -> impl Iterator<Item = &[FieldName]> {
        self.here
            .get(node)
            .into_iter()
            .flatten()
            .map(|link| link.fields.as_slice())
    }

    /// For each pointer from a node's rows its fields.
    pub fn there(&self, node: usize) -> impl Iterator<Item = &[FieldName]> {
        self.there
            .get(node)
            .into_iter()
            .flatten()
            .map(|link| link.fields.as_slice())
    }
}

/// Whether one of these fields is overwritten in a row of this node that is redacted, and in one that a rule keeps.
/// Whatever takes its place, it points no longer.
fn overwrites(graph: &SearchGraph, node: usize, fields: &[FieldName]) -> [bool; 2] {
    let Some(node) = graph.nodes().get(node) else {
        return [false; 2];
    };
    let any = |redactions: Vec<(FieldName, Redaction)>| {
        redactions.iter().any(|(field, _)| fields.contains(field))
    };
    [
        any(redactions(&node.collection, &node.pointed_at)),
        any(retained_redactions(&node.collection, &node.pointed_at)),
    ]
}

/// Rows of a batch of subjects.
#[derive(Default)]
pub struct Rows(Vec<Note>);

/// What is remembered of a row, or of a group of equal ones.
pub struct Note {
    /// Whose it is, by place in the batch.
    pub subject: usize,
    /// The number of its collection's node.
    pub node: usize,
    /// Its fingerprint.
    pub row: Print,
    /// How many rows.
    pub rows: u64,
    /// Whether a retention rule keeps it.
    pub retained: bool,
    /// Its values for each pointer at it, in the order of [`Links::here`].
    pub here: Box<[Option<Print>]>,
    /// Its values for each pointer from it, in the order of [`Links::there`].
    pub there: Box<[Option<Print>]>,
}

impl Rows {
    /// Remembers a row.
    pub fn note(&mut self, note: Note) {
        self.0.push(note);
    }
}

/// Rows at which rows of nobody in the batch point.
#[derive(Default)]
pub struct Outside {
    /// As at their detail: they are somebody else's too.
    pub guarded: HashSet<(usize, Print)>,
    /// In any other way: they can be overwritten, but not deleted.
    pub blocked: HashSet<(usize, Print)>,
}

/// How many rows of one subject in one collection end how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Deleted.
    pub delete: u64,
    /// Overwritten.
    pub redact: u64,
    /// Kept by a retention rule, or because the whole collection stays.
    pub kept: u64,
    /// Left as they are, because they are somebody else's too.
    pub shared: u64,
    /// Left as they are, because they are a detail of something of hers that stays.
    pub attached: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Delete,
    Redact,
    /// Kept by a rule; what the data map demands even then is overwritten.
    Retained,
    Kept,
    Shared,
    Attached,
}

/// Tells for each subject and each collection that [`Links::concern`], how its rows end. `stays` says of a subject's rows in a
/// collection whether they all stay; a row that stays for one subject stays for every other whose it is as well.
pub fn tally(
    graph: &SearchGraph,
    links: &Links,
    rows: &Rows,
    outside: &Outside,
    stays: &dyn Fn(usize, &CollectionKey) -> bool,
) -> HashMap<usize, BTreeMap<CollectionKey, Tally>> {
    let stays = |note: &Note| {
        let node = graph.nodes().get(note.node);
        node.is_some_and(|node| stays(note.subject, &node.collection.key))
    };
    let staying = rows.0.iter().filter(|note| stays(note));
    let spared: HashSet<(usize, Print)> = staying.map(|note| (note.node, note.row)).collect();
    let mut fates: Vec<Fate> = rows
        .0
        .iter()
        .map(
            |note| match (stays(note), spared.contains(&(note.node, note.row))) {
                (true, _) => Fate::Kept,
                (false, true) => Fate::Shared,
                (false, false) => first_fate(graph, note, outside),
            },
        )
        .collect();
    while spread(links, rows, &mut fates) {}
    let mut tallies: HashMap<usize, BTreeMap<CollectionKey, Tally>> = HashMap::new();
    for (note, fate) in rows.0.iter().zip(&fates) {
        let Some(node) = graph.nodes().get(note.node) else {
            continue;
        };
        let tally = tallies
            .entry(note.subject)
            .or_default()
            .entry(node.collection.key.clone())
            .or_default();
        *match fate {
            Fate::Delete => &mut tally.delete,
            Fate::Redact => &mut tally.redact,
            Fate::Retained | Fate::Kept => &mut tally.kept,
            Fate::Shared => &mut tally.shared,
            Fate::Attached => &mut tally.attached,
        } += note.rows;
    }
    tallies
}

fn first_fate(graph: &SearchGraph, note: &Note, outside: &Outside) -> Fate {
    let Some(node) = graph.nodes().get(note.node) else {
        return Fate::Kept;
    };
    let row = (note.node, note.row);
    if note.retained && outside.guarded.contains(&row) {
        Fate::Kept
    } else if note.retained {
        Fate::Retained
    } else if outside.guarded.contains(&row) {
        Fate::Shared
    } else if node.collection.erasure == CollectionErasure::Redact || outside.blocked.contains(&row)
    {
        Fate::Redact
    } else {
        Fate::Delete
    }
}

/// Lets what stays keep what it points at; whether that changed anything.
fn spread(links: &Links, rows: &Rows, fates: &mut [Fate]) -> bool {
    let mut staying: HashSet<(usize, Print)> = HashSet::new();
    for (note, fate) in rows.0.iter().zip(fates.iter()) {
        let ends = links.there.get(note.node).into_iter().flatten();
        let holding = ends
            .zip(&note.there)
            .filter(|(link, _)| fate.still_points(link));
        staying.extend(holding.filter_map(|(link, print)| Some((link.pointer, (*print)?))));
    }
    let mut changed = false;
    for (note, fate) in rows.0.iter().zip(fates.iter_mut()) {
        let ends = links.here.get(note.node).into_iter().flatten();
        for (link, print) in ends.zip(&note.here) {
            if print.is_some_and(|print| staying.contains(&(link.pointer, print))) {
                let pointed_at = fate.pointed_at(link);
                changed |= *fate != pointed_at;
                *fate = pointed_at;
            }
        }
    }
    changed
}

impl Fate {
    /// Whether a row that ends like this goes on pointing.
    const fn still_points(self, link: &Link) -> bool {
        match self {
            Self::Delete => false,
            Self::Redact => !link.lets_go,
            Self::Retained => !link.retained_lets_go,
            Self::Kept | Self::Shared | Self::Attached => true,
        }
    }

    /// How the row ends when something that stays points at it.
    const fn pointed_at(self, link: &Link) -> Self {
        match (self, link.guards) {
            (Self::Delete | Self::Redact, true) => Self::Attached,
            (Self::Delete, false) => Self::Redact,
            (Self::Retained, true) => Self::Kept,
            (fate, _) => fate,
        }
    }
}
