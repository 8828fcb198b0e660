//! A business in memory: tables, references and rows, built from a [`Spec`].

use domain::data_map::Relation;

use super::spec::{
    ErasureSpec, Extra, FieldSpec, FieldStrategy, PointerSpec, Spec, TableKind, TableSpec,
};

/// Where a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum System {
    Main,
    Aside,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Integer,
    Text,
    Date,
}

#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) nullable: bool,
    pub(crate) unique: bool,
    pub(crate) max_length: Option<u32>,
    pub(crate) personal: bool,
    pub(crate) identity: bool,
    pub(crate) strategy: FieldStrategy,
}

#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub(crate) fields: Vec<usize>,
    pub(crate) to: usize,
    pub(crate) to_fields: Vec<usize>,
    pub(crate) relation: Relation,
    /// A foreign key of the database.
    pub(crate) enforced: bool,
}

pub(crate) type Row = Vec<Option<String>>;

#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) system: System,
    pub(crate) fields: Vec<Field>,
    pub(crate) primary_key: Vec<usize>,
    pub(crate) references: Vec<Reference>,
    pub(crate) erasure: ErasureSpec,
    /// The field with the date of the retention rule.
    pub(crate) since: Option<usize>,
    pub(crate) rows: Vec<Row>,
    /// Whose data stands in each row, for the markers only.
    owners: Vec<Option<usize>>,
    /// Whether it is about people at all.
    about_people: bool,
    /// Whether what hangs on it can still tell that it is shared.
    can_have_children: bool,
    /// Whether it is a detail, or hangs on one.
    hangs_on_detail: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) subjects: usize,
    pub(crate) tables: Vec<Table>,
    numbers: Numbers,
}

/// Small and the same on every run.
#[derive(Clone, Debug)]
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }

    fn one_in(&mut self, parts: usize) -> bool {
        self.below(parts) == 0
    }
}

const WORDS: [&str; 10] = [
    "rye",
    "Ærø",
    "Ζωή",
    "мука",
    "小麦粉",
    "خبز",
    "חיטה",
    "o'Neil \"Bo\"",
    "a\\b;--",
    "{{7*7}}<b>",
];
/// The day of the retention rules' cut-off (seven years before the tests' day) and days around it.
const DAYS: [&str; 6] = [
    "2012-01-31",
    "2019-11-01",
    "2019-11-02",
    "2019-11-03",
    "2024-02-29",
    "2026-10-31",
];

/// What stands in every value of a subject.
pub(crate) fn marker(subject: usize) -> String {
    format!("mk{subject}mk")
}

/// A subject's e-mail address as the business has it.
pub(crate) fn email(subject: usize) -> String {
    let names = ["Ana", "o'Brien", "ZED", "bo+news"];
    format!(
        "{}.{}@Example.org",
        names[subject % names.len()],
        marker(subject)
    )
}

impl Model {
    pub(crate) fn build(spec: &Spec) -> Self {
        let mut model = Self {
            subjects: spec.subjects,
            tables: Vec::new(),
            numbers: Numbers(spec.seed),
        };
        model.add_person(spec);
        if spec.hub {
            model.add_hub();
        }
        for table in &spec.tables {
            model.add(table);
        }
        model
    }

    fn add_person(&mut self, spec: &Spec) {
        let mut table = self.table("person", false, System::Main, spec.root);
        table.fields.push(key_field("id", Kind::Integer));
        table.primary_key = vec![0];
        if !spec.hub {
            table.fields.push(email_field());
        }
        let fields = [
            FieldSpec {
                nullable: false,
                unique: false,
                short: false,
                strategy: FieldStrategy::Unsaid,
            },
            FieldSpec {
                nullable: true,
                unique: false,
                short: true,
                strategy: FieldStrategy::Unsaid,
            },
        ];
        self.begin_fields(&mut table, spec.root, &fields);
        self.tables.push(table);
        for subject in 0..self.subjects {
            let mut row = vec![Some((subject + 1).to_string())];
            if !spec.hub {
                row.push(Some(email(subject)));
            }
            self.push_row(0, row, Some(subject));
        }
    }

    fn add_hub(&mut self) {
        let mut table = self.table("address_book", false, System::Main, ErasureSpec::Delete);
        table.fields.push(key_field("id", Kind::Integer));
        table.primary_key = vec![0];
        table.fields.push(email_field());
        self.refer(
            &mut table,
            0,
            Relation::SameSubject,
            PointerSpec::Plain,
            false,
        );
        let number = self.tables.len();
        self.tables.push(table);
        for subject in 0..self.subjects {
            for more in 0..=self.numbers.below(2) {
                let address = if more == 0 {
                    email(subject)
                } else {
                    format!("second.{}", email(subject))
                };
                let row = vec![
                    Some((10 * subject + more + 1).to_string()),
                    Some(address),
                    Some((subject + 1).to_string()),
                ];
                self.push_row(number, row, Some(subject));
            }
        }
    }

    fn table(&self, name: &str, odd: bool, system: System, erasure: ErasureSpec) -> Table {
        let number = self.tables.len();
        let key = format!("{name}_{number}");
        let name = if odd {
            format!("Odd \"{name}\" {number} Ü'")
        } else {
            key.clone()
        };
        Table {
            key,
            name,
            system,
            fields: Vec::new(),
            primary_key: Vec::new(),
            references: Vec::new(),
            erasure,
            since: None,
            rows: Vec::new(),
            owners: Vec::new(),
            about_people: true,
            can_have_children: true,
            hangs_on_detail: false,
        }
    }

    fn add(&mut self, spec: &TableSpec) {
        match spec.kind {
            TableKind::Owned => self.add_owned(spec, Relation::OwnedBy),
            TableKind::Same => self.add_owned(spec, Relation::SameSubject),
            TableKind::Detail => self.add_detail(spec),
            TableKind::Lookup => self.add_lookup(spec),
            TableKind::Outside => self.add_outside(spec),
        }
    }

    fn parent(&self, spec: &TableSpec) -> usize {
        let candidates: Vec<usize> = (0..self.tables.len())
            .filter(|number| {
                self.tables[*number].about_people && self.tables[*number].can_have_children
            })
            .collect();
        candidates[(usize::from(spec.parent) * candidates.len()) >> 16]
    }

    /// Adds columns that point at a table's primary key, and the reference.
    fn refer(
        &self,
        table: &mut Table,
        to: usize,
        relation: Relation,
        pointer: PointerSpec,
        nullable: bool,
    ) -> Vec<usize> {
        let there = &self.tables[to];
        let pointer = if nullable {
            pointer
        } else {
            PointerSpec::Plain
        };
        let mut fields = Vec::new();
        for &key in &there.primary_key {
            let name = format!(
                "{}_{}_{}",
                there.key.split('_').next().unwrap(),
                table.fields.len(),
                ["Ref", "ref no."][table.fields.len() % 2]
            );
            fields.push(table.fields.len());
            table.fields.push(Field {
                name,
                nullable,
                ..pointer_field(pointer, there.fields[key].kind)
            });
        }
        table.references.push(Reference {
            fields: fields.clone(),
            to,
            to_fields: there.primary_key.clone(),
            relation,
            enforced: there.system == table.system && is_foreign_key(pointer),
        });
        fields
    }

    fn begin_fields(&mut self, table: &mut Table, erasure: ErasureSpec, specs: &[FieldSpec]) {
        if erasure == ErasureSpec::Retain {
            table.since = Some(table.fields.len());
            table.fields.push(Field {
                name: "issued on".to_owned(),
                nullable: true,
                ..key_field("", Kind::Date)
            });
        }
        for spec in specs {
            let strategy = match spec.strategy {
                FieldStrategy::Null if !spec.nullable => FieldStrategy::Unsaid,
                FieldStrategy::Redact if spec.unique => FieldStrategy::Hash,
                other => other,
            };
            let name = ["note", "Full Name", "größe", "select"][table.fields.len() % 4];
            let name = format!("{name}{}", table.fields.len());
            table.fields.push(Field {
                name,
                kind: Kind::Text,
                nullable: spec.nullable,
                unique: spec.unique,
                max_length: spec.short.then_some(24),
                personal: true,
                identity: false,
                strategy,
            });
        }
    }

    /// Appends a row: what is given, then a date and texts for the fields after it.
    fn push_row(&mut self, number: usize, mut row: Row, owner: Option<usize>) -> usize {
        let fields = self.tables[number].fields.clone();
        let serial = self.tables[number].rows.len();
        for field in fields.iter().skip(row.len()) {
            let empty = field.nullable && self.numbers.one_in(5);
            row.push((!empty).then(|| match field.kind {
                Kind::Date => DAYS[self.numbers.below(DAYS.len())].to_owned(),
                _ => self.text(field, owner, serial),
            }));
        }
        self.tables[number].rows.push(row);
        self.tables[number].owners.push(owner);
        serial
    }

    fn text(&mut self, field: &Field, owner: Option<usize>, serial: usize) -> String {
        let marker = owner.map_or_else(|| "nobody".to_owned(), marker);
        let word = WORDS[self.numbers.below(WORDS.len())];
        let text = if field.unique {
            format!("{marker} {serial} {word}")
        } else {
            format!("{marker} {word}")
        };
        field.max_length.map_or(text.clone(), |length| {
            text.chars().take(length as usize).collect()
        })
    }

    fn add_owned(&mut self, spec: &TableSpec, relation: Relation) {
        let parent = self.parent(spec);
        // Whether a row is shared can't be told from another system (`data-map check` says so).
        let is_hanging_on_detail = self.tables[parent].hangs_on_detail;
        let system = if self.tables[parent].system == System::Aside
            || (spec.aside && !is_hanging_on_detail)
        {
            System::Aside
        } else {
            System::Main
        };
        let mut table = self.table("thing", spec.odd_name, system, spec.erasure);
        table.hangs_on_detail = is_hanging_on_detail;
        let by_email = spec.natural
            && parent == 0
            && system == System::Aside
            && self.tables[0].fields[1].identity;
        let composite = spec.composite && !by_email && relation == Relation::OwnedBy;
        let reference = if composite {
            let fields = self.refer(&mut table, parent, relation, spec.pointer, false);
            table.primary_key = fields.iter().copied().chain([fields.len()]).collect();
            table.fields.push(key_field("line", Kind::Integer));
            fields
        } else {
            table.fields.push(key_field(
                "id",
                if spec.natural {
                    Kind::Text
                } else {
                    Kind::Integer
                },
            ));
            table.primary_key = vec![0];
            if by_email {
                table.fields.push(Field {
                    unique: false,
                    identity: false,
                    nullable: true,
                    ..email_field()
                });
                table.references.push(Reference {
                    fields: vec![1],
                    to: 0,
                    to_fields: vec![1],
                    relation,
                    enforced: false,
                });
                vec![1]
            } else {
                self.refer(&mut table, parent, relation, spec.pointer, true)
            }
        };
        // Grandchildren of a shared row must carry what tells that it is shared (`data-map check` says so).
        table.can_have_children = !is_hanging_on_detail || composite;
        let to_itself = matches!(spec.extra, Extra::SelfOwned | Extra::SelfLink)
            .then(|| self.refer_to_itself(&mut table, spec));
        let to_others = (spec.extra == Extra::LinkToOthers && system == self.tables[parent].system)
            .then(|| self.refer(&mut table, parent, Relation::Link, spec.pointer, true));
        self.begin_fields(&mut table, spec.erasure, &spec.fields);
        let number = self.tables.len();
        self.tables.push(table);
        self.fill_owned(spec, number, parent, &reference, composite);
        to_itself
            .into_iter()
            .for_each(|fields| self.point_within(number, &fields, spec.extra == Extra::SelfOwned));
        to_others
            .into_iter()
            .for_each(|fields| self.point_anywhere(number, &fields, parent));
        if spec.extra == Extra::Circle && system == self.tables[parent].system {
            self.add_pointer(parent, number, Relation::Link, spec.pointer);
            let fields = self.tables[parent]
                .references
                .last()
                .unwrap()
                .fields
                .clone();
            self.point_anywhere(parent, &fields, number);
        }
    }

    fn refer_to_itself(&self, table: &mut Table, spec: &TableSpec) -> Vec<usize> {
        let mut fields = Vec::new();
        for key in table.primary_key.clone() {
            fields.push(table.fields.len());
            let kind = table.fields[key].kind;
            table.fields.push(Field {
                name: format!("previous{}", table.fields.len()),
                nullable: true,
                ..pointer_field(spec.pointer, kind)
            });
        }
        let relation = if spec.extra == Extra::SelfOwned {
            Relation::SameSubject
        } else {
            Relation::Link
        };
        table.references.push(Reference {
            fields: fields.clone(),
            to: self.tables.len(),
            to_fields: table.primary_key.clone(),
            relation,
            enforced: is_foreign_key(spec.pointer),
        });
        fields
    }

    fn fill_owned(
        &mut self,
        spec: &TableSpec,
        number: usize,
        parent: usize,
        reference: &[usize],
        composite: bool,
    ) {
        let to_fields = self.tables[number].references[0].to_fields.clone();
        let parents = self.tables[parent].rows.clone();
        for (place, parent_row) in parents.iter().enumerate() {
            let owner = self.tables[parent].owners[place];
            for line in 0..self.numbers.below(usize::from(spec.rows) + 1) {
                let key: Row = to_fields
                    .iter()
                    .map(|field| parent_row[*field].clone())
                    .collect();
                self.push_owned(number, key, composite, line, reference.len(), owner);
            }
        }
        if !composite {
            self.push_owned(
                number,
                vec![None; reference.len()],
                false,
                0,
                reference.len(),
                None,
            );
        }
    }

    fn push_owned(
        &mut self,
        number: usize,
        key: Row,
        composite: bool,
        line: usize,
        width: usize,
        owner: Option<usize>,
    ) {
        assert_eq!(key.len(), width);
        let table = &self.tables[number];
        let serial = table.rows.len() + 1;
        let mut row = if composite {
            key.into_iter()
                .chain([Some((line + 1).to_string())])
                .collect::<Row>()
        } else {
            let id = if table.fields[0].kind == Kind::Text {
                format!("{}-{serial}", WORDS[serial % WORDS.len()])
            } else {
                serial.to_string()
            };
            [Some(id)].into_iter().chain(key).collect()
        };
        // References that are filled in afterwards.
        let filled: usize = table
            .references
            .iter()
            .skip(1)
            .map(|reference| reference.fields.len())
            .sum();
        row.extend(vec![None; filled]);
        self.push_row(number, row, owner);
    }

    fn point_within(&mut self, number: usize, fields: &[usize], same_owner: bool) {
        let table = self.tables[number].clone();
        for place in 0..table.rows.len() {
            let targets: Vec<usize> = (0..table.rows.len())
                .filter(|other| !same_owner || table.owners[*other] == table.owners[place])
                .collect();
            if targets.is_empty()
                || (same_owner && table.owners[place].is_none())
                || self.numbers.one_in(2)
            {
                continue;
            }
            let target = targets[self.numbers.below(targets.len())];
            for (field, key) in fields.iter().zip(&table.primary_key) {
                self.tables[number].rows[place][*field] = table.rows[target][*key].clone();
            }
        }
    }

    fn point_anywhere(&mut self, number: usize, fields: &[usize], to: usize) {
        let there = self.tables[to].clone();
        for place in 0..self.tables[number].rows.len() {
            if there.rows.is_empty() || self.numbers.one_in(3) {
                continue;
            }
            let target = self.numbers.below(there.rows.len());
            for (field, key) in fields.iter().zip(&there.primary_key) {
                self.tables[number].rows[place][*field] = there.rows[target][*key].clone();
            }
        }
    }

    /// Adds empty columns to a table that has rows already.
    fn add_pointer(&mut self, from: usize, to: usize, relation: Relation, pointer: PointerSpec) {
        let mut table = self.tables[from].clone();
        let fields = self.refer(&mut table, to, relation, pointer, true);
        table
            .rows
            .iter_mut()
            .for_each(|row| row.extend(vec![None; fields.len()]));
        self.tables[from] = table;
    }

    fn add_detail(&mut self, spec: &TableSpec) {
        let parent = self.parent(spec);
        let erasure = if spec.erasure == ErasureSpec::Retain {
            ErasureSpec::Delete
        } else {
            spec.erasure
        };
        let mut table = self.table("detail", spec.odd_name, self.tables[parent].system, erasure);
        table.hangs_on_detail = true;
        table.fields.push(key_field(
            "id",
            if spec.natural {
                Kind::Text
            } else {
                Kind::Integer
            },
        ));
        table.primary_key = vec![0];
        self.begin_fields(&mut table, erasure, &spec.fields);
        let number = self.tables.len();
        self.tables.push(table);
        self.add_pointer(parent, number, Relation::Detail, spec.pointer);
        let field = self.tables[parent].references.last().unwrap().fields[0];
        let mut common: Option<String> = None;
        for place in 0..self.tables[parent].rows.len() {
            let owner = self.tables[parent].owners[place];
            let choice = self.numbers.below(4);
            if choice == 0 {
                continue;
            }
            let id = match (&common, choice) {
                (Some(id), 1) => id.clone(),
                _ => {
                    let id = format!("{}", 100 + self.tables[number].rows.len());
                    self.push_row(
                        number,
                        vec![Some(id.clone())],
                        if choice == 1 { None } else { owner },
                    );
                    if choice == 1 {
                        common = Some(id.clone());
                    }
                    id
                }
            };
            self.tables[parent].rows[place][field] = Some(id);
        }
    }

    fn add_lookup(&mut self, spec: &TableSpec) {
        let parent = self.parent(spec);
        let mut table = self.table(
            "product",
            spec.odd_name,
            self.tables[parent].system,
            ErasureSpec::Delete,
        );
        table.about_people = false;
        table.fields.push(key_field("id", Kind::Integer));
        table.primary_key = vec![0];
        table.fields.push(key_field("label", Kind::Text));
        let number = self.tables.len();
        self.tables.push(table);
        for (id, word) in WORDS.iter().enumerate().take(4).skip(1) {
            self.push_row(
                number,
                vec![Some(id.to_string()), Some(format!("nobody's {word}"))],
                None,
            );
        }
        self.add_pointer(parent, number, Relation::Link, spec.pointer);
        let fields = self.tables[parent]
            .references
            .last()
            .unwrap()
            .fields
            .clone();
        self.point_anywhere(parent, &fields, number);
    }

    fn add_outside(&mut self, spec: &TableSpec) {
        let parent = self.parent(spec);
        let mut table = self.table(
            "report",
            spec.odd_name,
            self.tables[parent].system,
            ErasureSpec::Delete,
        );
        table.about_people = false;
        table.fields.push(key_field("id", Kind::Integer));
        table.primary_key = vec![0];
        let fields = self.refer(&mut table, parent, Relation::Link, spec.pointer, true);
        let number = self.tables.len();
        self.tables.push(table);
        for id in 0..spec.rows {
            let row = [Some(id.to_string())]
                .into_iter()
                .chain(vec![None; fields.len()])
                .collect();
            self.push_row(number, row, None);
        }
        self.point_anywhere(number, &fields, parent);
    }
}

fn key_field(name: &str, kind: Kind) -> Field {
    Field {
        name: name.to_owned(),
        kind,
        nullable: false,
        unique: false,
        max_length: None,
        personal: false,
        identity: false,
        strategy: FieldStrategy::Unsaid,
    }
}

const fn is_foreign_key(pointer: PointerSpec) -> bool {
    !matches!(pointer, PointerSpec::Declared | PointerSpec::Redact)
}

fn pointer_field(pointer: PointerSpec, kind: Kind) -> Field {
    Field {
        personal: pointer == PointerSpec::Declared,
        strategy: match pointer {
            PointerSpec::Plain | PointerSpec::Declared => FieldStrategy::Unsaid,
            PointerSpec::Null => FieldStrategy::Null,
            PointerSpec::Keep => FieldStrategy::Keep,
            PointerSpec::Redact => FieldStrategy::Redact,
        },
        ..key_field("", kind)
    }
}

fn email_field() -> Field {
    Field {
        name: "E-Mail".to_owned(),
        kind: Kind::Text,
        nullable: false,
        unique: true,
        max_length: Some(60),
        personal: true,
        identity: true,
        strategy: FieldStrategy::Unsaid,
    }
}
