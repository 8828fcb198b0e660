//! Our own data map against the real schema.

use std::collections::BTreeSet;

use storage::{Database, Error, own_data_map};

use crate::place::on_each_engine;

#[tokio::test]
async fn the_own_data_map_names_every_column_of_the_real_schema_and_no_other() {
    on_each_engine(async |database| {
        let described: BTreeSet<_> = own_data_map()
            .iter()
            .map(|column| (column.table.to_owned(), column.column.to_owned()))
            .collect();
        assert_eq!(
            described.len(),
            own_data_map().len(),
            "a column is described once"
        );
        assert_eq!(columns(database).await, described);
    })
    .await;
}

#[test]
fn whatever_is_sealed_is_personal_and_every_column_says_what_it_holds() {
    for column in own_data_map() {
        assert!(
            !column.sealed || column.category.is_some(),
            "{}.{}",
            column.table,
            column.column
        );
        assert!(!column.holds.is_empty() && !column.retention.is_empty());
    }
}

async fn columns(database: &Database) -> BTreeSet<(String, String)> {
    let sqlite = "-- list columns
        SELECT m.name AS table_name, c.name AS column_name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'";
    let postgres = "-- list columns
        SELECT CAST(table_name AS TEXT) AS table_name, CAST(column_name AS TEXT) AS column_name FROM information_schema.columns WHERE table_schema = 'public'";
    let sql = if database.describe().starts_with("SQLite") {
        sqlite
    } else {
        postgres
    };
    let rows = database
        .read("list columns", move |tx| tx.query(sql, &[]))
        .await
        .unwrap();
    let column = |row: &storage::Row| {
        Ok::<_, Error>((
            row.text("table_name")?.to_owned(),
            row.text("column_name")?.to_owned(),
        ))
    };
    rows.iter().map(column).collect::<Result<_, _>>().unwrap()
}
