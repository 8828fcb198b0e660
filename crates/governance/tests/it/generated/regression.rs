//! Businesses that once showed the plan or the erasure wrong, each the smallest that still did.

use super::spec::{ErasureSpec, Extra, Spec, TableKind, TableSpec};

/// Somebody else's report points at one of a person's rows and not at the next, which the search told apart by nothing else.
pub(crate) fn one_of_two_alike_is_pointed_at() -> Spec {
    let lines = TableSpec {
        composite: true,
        ..table(TableKind::Owned, 0, 1)
    };
    drawn(0, vec![lines, table(TableKind::Outside, 1, 2)])
}

/// Rows that belong to rows that belong to a detail, which several people share.
pub(crate) fn what_hangs_two_steps_below_a_shared_detail() -> Spec {
    let lines = TableSpec {
        composite: true,
        ..table(TableKind::Owned, 1, 2)
    };
    let lines_of_lines = table(TableKind::Owned, 2, 3);
    drawn(
        6,
        vec![table(TableKind::Detail, 0, 1), lines, lines_of_lines],
    )
}

/// A table that hangs on the one at this place of so many that can have others hanging on them.
fn table(kind: TableKind, place: u16, of: u16) -> TableSpec {
    TableSpec {
        kind,
        parent: u16::MAX / of * place + u16::MAX / of / 2,
        rows: 3,
        composite: false,
        aside: false,
        natural: false,
        erasure: ErasureSpec::Delete,
        extra: Extra::None,
        odd_name: false,
        fields: Vec::new(),
    }
}

fn drawn(seed: u64, tables: Vec<TableSpec>) -> Spec {
    Spec {
        seed,
        subjects: 3,
        hub: false,
        root: ErasureSpec::Delete,
        tables,
    }
}
