//! What proptest draws and shrinks: a short description from which a whole business is built.

use proptest::prelude::*;

/// A business, in short.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    /// For values, row counts and who points where.
    pub(crate) seed: u64,
    /// People.
    pub(crate) subjects: usize,
    /// Whether the e-mail address stands in a table of its own, which is about the same subject as the person's row.
    pub(crate) hub: bool,
    /// What the erasure does to the persons' own rows.
    pub(crate) root: ErasureSpec,
    /// The other tables.
    pub(crate) tables: Vec<TableSpec>,
}

/// One table, in short.
#[derive(Clone, Debug)]
pub(crate) struct TableSpec {
    pub(crate) kind: TableKind,
    /// Which of the earlier tables it hangs on: how far down their list, in parts of 65,536.
    pub(crate) parent: u16,
    pub(crate) rows: u8,
    /// Whether the parent's key is part of its own.
    pub(crate) composite: bool,
    /// Whether it is in the second system.
    pub(crate) aside: bool,
    /// Whether its key is a text, and what refers to the person goes by her e-mail address.
    pub(crate) natural: bool,
    pub(crate) erasure: ErasureSpec,
    pub(crate) extra: Extra,
    pub(crate) pointer: PointerSpec,
    pub(crate) odd_name: bool,
    pub(crate) fields: Vec<FieldSpec>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TableKind {
    /// Rows of the parent's subject.
    Owned,
    /// About the same subject as the parent's row.
    Same,
    /// Pointed at by the parent; sometimes by several people's rows.
    Detail,
    /// Pointed at by the parent; nobody's data.
    Lookup,
    /// Nobody's data, and points at the parent's rows.
    Outside,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErasureSpec {
    Delete,
    Redact,
    Keep,
    Retain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extra {
    None,
    /// Rows point at rows of the same table: the same person's.
    SelfOwned,
    /// Rows point at rows of the same table: anybody's.
    SelfLink,
    /// The parent's rows point back at rows here, so that foreign keys go in a circle.
    Circle,
    /// Rows point at the parent's rows of other people.
    LinkToOthers,
}

/// What is said of the references that come with a table, as far as they may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PointerSpec {
    /// A foreign key, and nothing more.
    Plain,
    /// A foreign key that is emptied in rows that stay.
    Null,
    /// A foreign key that is kept in rows that stay.
    Keep,
    /// Personal, and no foreign key of the database.
    Declared,
    /// No foreign key of the database; overwritten with a text or number in rows that stay.
    Redact,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct FieldSpec {
    pub(crate) nullable: bool,
    pub(crate) unique: bool,
    pub(crate) short: bool,
    pub(crate) strategy: FieldStrategy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldStrategy {
    Unsaid,
    Null,
    Redact,
    Hash,
    Keep,
}

pub(crate) fn spec() -> impl Strategy<Value = Spec> {
    let tables = prop::collection::vec(table(), 2..=8);
    (any::<u64>(), 3..=4usize, any::<bool>(), erasure(), tables).prop_map(
        |(seed, subjects, hub, root, tables)| Spec {
            seed,
            subjects,
            hub,
            root,
            tables,
        },
    )
}

fn table() -> impl Strategy<Value = TableSpec> {
    let kind = prop_oneof![6 => Just(TableKind::Owned), 1 => Just(TableKind::Same), 2 => Just(TableKind::Detail), 1 => Just(TableKind::Lookup), 1 => Just(TableKind::Outside)];
    let extra = prop_oneof![4 => Just(Extra::None), 1 => Just(Extra::SelfOwned), 1 => Just(Extra::SelfLink), 1 => Just(Extra::Circle), 1 => Just(Extra::LinkToOthers)];
    let flags = (
        any::<bool>(),
        prop::bool::weighted(0.25),
        any::<bool>(),
        any::<bool>(),
    );
    let pointer = prop_oneof![4 => Just(PointerSpec::Plain), 1 => Just(PointerSpec::Null), 1 => Just(PointerSpec::Keep), 1 => Just(PointerSpec::Declared), 1 => Just(PointerSpec::Redact)];
    let fields = prop::collection::vec(field(), 0..=3);
    let place = (any::<u16>(), 0..=3u8);
    (kind, place, flags, erasure(), extra, pointer, fields).prop_map(
        |(kind, (parent, rows), flags, erasure, extra, pointer, fields)| {
            let (composite, aside, natural, odd_name) = flags;
            TableSpec {
                kind,
                parent,
                rows,
                composite,
                aside,
                natural,
                erasure,
                extra,
                pointer,
                odd_name,
                fields,
            }
        },
    )
}

fn erasure() -> impl Strategy<Value = ErasureSpec> {
    prop_oneof![7 => Just(ErasureSpec::Delete), 1 => Just(ErasureSpec::Redact), 1 => Just(ErasureSpec::Keep), 2 => Just(ErasureSpec::Retain)]
}

fn field() -> impl Strategy<Value = FieldSpec> {
    let strategy = prop_oneof![5 => Just(FieldStrategy::Unsaid), 1 => Just(FieldStrategy::Null), 1 => Just(FieldStrategy::Redact), 1 => Just(FieldStrategy::Hash), 1 => Just(FieldStrategy::Keep)];
    (
        any::<bool>(),
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.3),
        strategy,
    )
        .prop_map(|(nullable, unique, short, strategy)| FieldSpec {
            nullable,
            unique,
            short,
            strategy,
        })
}
