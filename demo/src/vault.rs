//! The business's customers in Privity's own vault: filled when the demo starts, and looked at afterwards in the vault's own file, where
//! everything is sealed. INVARIANT: what is claimed of it is read by SQL from the file, not asked of Privity.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use domain::audit::Actor;
use domain::profile::{AttributeNumber, Schema};
use domain::sensitive::Sensitive;
use governance::Privity;
use governance::profile::{GivenRecord, GivenValue, write};
use rusqlite::{Connection, OpenFlags, Row};

use crate::business::Business;
use crate::claim::{Keys, changed};
use crate::customer::{Customer, Customers};
use crate::shop::card_number;

/// The schema of attributes.
const SCHEMA: &str = include_str!("../profile.yaml");
/// Whose profiles are kept; Maya and her husband are among them.
const NUMBERS: RangeInclusive<u32> = 3_001..=5_000;
/// Records that are written together.
const BATCH: usize = 500;

/// Writes the schema for Privity to find.
///
/// # Errors
/// The folder can't be written.
pub(crate) fn write_schema(business: &Path) -> anyhow::Result<PathBuf> {
    let path = business.join("profile.yaml");
    std::fs::write(&path, SCHEMA).context("the schema of attributes can't be written")?;
    Ok(path)
}

/// Fills the vault as the shop would, and answers how many profiles it holds.
///
/// # Errors
/// Privity does not take them.
pub(crate) async fn fill(privity: &Privity, customers: &Customers) -> anyhow::Result<u64> {
    let schema = privity
        .schema()
        .context("the demo has no schema of attributes")?
        .clone();
    let shop = schema
        .source_of("shop")
        .context("the schema has no source `shop`")?;
    let people: Vec<&Customer> = customers
        .all
        .iter()
        .filter(|one| NUMBERS.contains(&one.number))
        .collect();
    let mut kept = 0;
    for batch in people.chunks(BATCH) {
        let records = batch
            .iter()
            .map(|one| record(&schema, customers, one))
            .collect();
        let written = write(privity, shop, records, Actor::System).await?;
        anyhow::ensure!(
            written.refused.is_empty(),
            "a profile was refused: {:?}",
            written.refused.first()
        );
        kept += written.new;
    }
    Ok(kept)
}

fn record(schema: &Schema, customers: &Customers, customer: &Customer) -> GivenRecord {
    let address = customers.address_of(customer);
    let part = |of: &dyn Fn(&crate::customer::Address) -> String| address.map(of);
    let values = [
        ("customer_number", Some(customer.number.to_string())),
        ("email", Some(customer.email.clone())),
        ("phone", Some(customer.phone.clone())),
        ("first_name", Some(customer.first_name.clone())),
        ("last_name", Some(customer.last_name.clone())),
        ("street", part(&|address| address.street.clone())),
        ("city", part(&|address| address.city.to_owned())),
        ("state", part(&|address| address.state.to_owned())),
        ("postal_code", part(&|address| address.postal_code.clone())),
        ("birth_date", customer.birth_date.map(|day| day.to_string())),
        ("customer_since", Some(customer.since.to_string())),
        ("card_number", Some(card_number(customer.number))),
    ];
    let given = |(key, value): (&str, Option<String>)| -> Option<(AttributeNumber, GivenValue)> {
        Some((
            schema.attribute_of(key)?.number,
            Sensitive::new(value?).into(),
        ))
    };
    GivenRecord {
        values: values.into_iter().filter_map(given).collect(),
        observed_at: None,
    }
}

/// What lies in the vault's tables, by table and key, as texts; and the sealed bytes and wrapped keys of each subject.
pub(crate) struct Vault {
    rows: BTreeMap<String, BTreeMap<String, u64>>,
    secret: BTreeMap<String, Vec<Vec<u8>>>,
}

const TABLES: [(&str, &str); 4] = [
    (
        "subject",
        "SELECT hex(id), hex(wrapped_key) FROM subject WHERE wrapped_key IS NOT NULL",
    ),
    (
        "profile_segment",
        "SELECT hex(subject_id) || '.' || segment, row_version || hex(sealed) FROM profile_segment",
    ),
    (
        "identifier",
        "SELECT kind || '.' || hex(tag) || '.' || hex(subject_id) || '.' || source, key_version FROM identifier",
    ),
    (
        "source_record",
        "SELECT source || '.' || hex(tag), hex(subject_id) FROM source_record",
    ),
];

/// What became of the vault between two looks.
pub(crate) struct Gone {
    /// Rows that are not as they were, by table.
    pub(crate) changed: Keys,
    /// Sealed bytes and wrapped keys that were there and are not any more.
    pub(crate) secrets: Vec<Vec<u8>>,
}

impl Vault {
    /// Reads the vault's file.
    ///
    /// # Errors
    /// The file can't be read.
    pub(crate) fn look(business: &Business) -> anyhow::Result<Self> {
        let path = business.dir.join("privity/privity.db");
        let database = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .with_context(|| format!("`{}` can't be read", path.display()))?;
        let mut rows = BTreeMap::new();
        for (table, query) in TABLES {
            let text = |row: &Row<'_>| {
                let content = crate::claim::text_of(row.get_ref(1)?);
                Ok((row.get::<_, String>(0)?, crate::claim::hash_of(&content)))
            };
            let mut statement = database.prepare(query)?;
            let found = statement
                .query_map([], text)?
                .collect::<rusqlite::Result<_>>()?;
            rows.insert(table.to_owned(), found);
        }
        let mut secret: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
        for query in [
            "SELECT hex(id), wrapped_key FROM subject WHERE wrapped_key IS NOT NULL",
            "SELECT hex(subject_id), sealed FROM profile_segment",
        ] {
            let mut statement = database.prepare(query)?;
            let found =
                statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
            for one in found {
                let (subject, bytes) = one?;
                secret.entry(subject).or_default().push(bytes);
            }
        }
        Ok(Self { rows, secret })
    }

    /// What is not there any more, or not as it was.
    pub(crate) fn gone_since(&self, before: &Self) -> Gone {
        let changed = changed(&before.rows, &self.rows);
        let subjects = changed.get("subject").cloned().unwrap_or_default();
        let secrets = subjects
            .iter()
            .filter_map(|id| before.secret.get(id))
            .flatten();
        Gone {
            secrets: secrets.cloned().collect(),
            changed,
        }
    }
}

impl Gone {
    /// Whether everything that changed is of one subject, who lost her key, all of her sealed rows and all that led to her.
    pub(crate) fn is_one_subject(&self) -> Result<(), String> {
        let subjects = self.changed.get("subject").cloned().unwrap_or_default();
        let Some(subject) = subjects.first().filter(|_| subjects.len() == 1) else {
            return Err(format!(
                "one key destroyed was expected; {} were",
                subjects.len()
            ));
        };
        let of_her = |table: &str| {
            let keys = self.changed.get(table).map_or(0, BTreeSet::len);
            let hers = self.changed.get(table).into_iter().flatten();
            let hers = hers.filter(|key| key.contains(subject.as_str())).count();
            (keys, hers)
        };
        let (segments, identifiers) = (of_her("profile_segment"), of_her("identifier"));
        let sources = self.changed.get("source_record").map_or(0, BTreeSet::len);
        let all_hers = segments.0 == segments.1 && identifiers.0 == identifiers.1;
        if all_hers && segments.0 > 1 && identifiers.0 > 1 && sources == 1 {
            return Ok(());
        }
        Err(format!(
            "only hers were expected to go; segments, and hers among them: {segments:?}, identifiers: {identifiers:?}, records of sources: {sources}"
        ))
    }

    /// Files in which bytes that were sealed for her, or her wrapped key, are still found.
    ///
    /// # Errors
    /// A file can't be read.
    pub(crate) fn files_with_rest(&self, files: &[PathBuf]) -> anyhow::Result<Vec<String>> {
        let mut found = Vec::new();
        for path in files {
            let bytes = std::fs::read(path)
                .with_context(|| format!("`{}` can't be read", path.display()))?;
            let holds =
                |wanted: &Vec<u8>| bytes.windows(wanted.len()).any(|window| window == wanted);
            if self.secrets.iter().any(holds) {
                found.push(path.display().to_string());
            }
        }
        Ok(found)
    }
}
