//! References that no foreign key declares: a column called `customer_id` next to a table of customers. Many databases have no
//! foreign keys at all, and a map without references would find a subject's first table only.

use connectors::{DescribedCollection, DescribedField, DescribedReference, Description};
use domain::data_map::ValueKind;

use super::words::tokens;

/// The description with implied references behind each collection's declared ones, and how many of these there were.
pub(super) fn with_implied(description: &Description) -> (Description, Vec<usize>) {
    let declared = description
        .collections
        .iter()
        .map(|collection| collection.references.len())
        .collect();
    let collections = description.collections.iter().map(|here| {
        let implied = here
            .fields
            .iter()
            .filter_map(|field| implied(description, here, field));
        let mut collection = here.clone();
        collection.references.extend(implied);
        collection
    });
    (
        Description {
            collections: collections.collect(),
        },
        declared,
    )
}

/// The only table that the column's name can mean, if it has a key of the same kind.
fn implied(
    description: &Description,
    here: &DescribedCollection,
    field: &DescribedField,
) -> Option<DescribedReference> {
    let is_declared = here
        .references
        .iter()
        .any(|reference| reference.fields.contains(&field.name));
    let is_own_key = here.primary_key == [field.name.clone()];
    if is_declared
        || is_own_key
        || !matches!(
            field.kind,
            ValueKind::Integer | ValueKind::Uuid | ValueKind::Text
        )
    {
        return None;
    }
    let mut meant = description
        .collections
        .iter()
        .filter(|there| !std::ptr::eq(*there, here))
        .filter_map(|there| key_meant(there, field).map(|key| (there, key)));
    let (there, key) = meant.next()?;
    // A name that could mean two tables means none.
    if meant.next().is_some() {
        return None;
    }
    Some(DescribedReference {
        fields: vec![field.name.clone()],
        to_schema: there.schema.clone(),
        to_table: there.table.clone(),
        to_fields: vec![key.name.clone()],
        // Nobody counted; the relation is decided by names alone.
        pointing_rows: 0,
        distinct_targets: 0,
    })
}

/// The table's key, if the column is named after the table (`customer_id`) or like its key (`custno`).
fn key_meant<'t>(
    there: &'t DescribedCollection,
    field: &DescribedField,
) -> Option<&'t DescribedField> {
    let [key] = there.primary_key.as_slice() else {
        return None;
    };
    let key = there
        .fields
        .iter()
        .find(|own| own.name == *key)
        .filter(|own| own.kind == field.kind)?;
    let named = tokens(&field.name);
    let mut after_table = tokens(&there.table);
    after_table.push("id".to_owned());
    let is_telling = tokens(&key.name).len() > 1;
    (named == after_table || (is_telling && named == tokens(&key.name))).then_some(key)
}
