//! Businesses that once showed the plan or the erasure wrong, each the smallest that still did.

use super::spec::{ErasureSpec, Extra, PointerSpec, Spec, TableKind, TableSpec};

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

/// A row that stays, overwritten, and whose references are overwritten as well: what it pointed at can go.
pub(crate) fn an_overwritten_row_points_no_longer(pointer: PointerSpec, seed: u64) -> Spec {
    let lines = TableSpec {
        pointer,
        ..table(TableKind::Owned, 0, 1)
    };
    drawn(seed, vec![lines, table(TableKind::Outside, 1, 2)])
}

/// A row that a rule keeps, whose references are emptied all the same.
pub(crate) fn a_row_kept_by_a_rule_gives_its_reference_up(seed: u64) -> Spec {
    let invoices = TableSpec {
        pointer: PointerSpec::Null,
        erasure: ErasureSpec::Retain,
        ..table(TableKind::Owned, 0, 1)
    };
    drawn(seed, vec![invoices])
}

/// Rows in a chain of the same table, of which the first has to stay and lets go of the next.
pub(crate) fn a_chain_lets_go(pointer: PointerSpec, seed: u64) -> Spec {
    let chain = TableSpec {
        pointer,
        extra: Extra::SelfLink,
        ..table(TableKind::Owned, 0, 1)
    };
    drawn(seed, vec![chain, table(TableKind::Outside, 1, 2)])
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
        pointer: PointerSpec::Plain,
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
