//! What a foreign key says about whose row it is: each case of the table in `data_map/describe/relation.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use connectors::{DescribedCollection, DescribedField, DescribedReference, Description};
use domain::data_map::{CollectionKey, Relation, SystemKey, SystemKind, ValueKind};
use domain::sensitive::Sensitive;
use governance::data_map::{DescribedSystem, FileText, LoadedMap, parse, suggest};

use crate::data_map::Words;

/// A table, as a test writes it: `*` marks key columns, `!` unique ones, `->` references with the rows that point and are pointed at.
fn table(name: &str, rows: u64, columns: &[&str]) -> DescribedCollection {
    let mut table = DescribedCollection {
        schema: None,
        table: name.to_owned(),
        fields: Vec::new(),
        primary_key: Vec::new(),
        references: Vec::new(),
        rows,
    };
    for column in columns {
        let (column, reference) = column
            .split_once(" -> ")
            .map_or((*column, None), |(column, reference)| {
                (column, Some(reference))
            });
        let name = column.trim_end_matches(['*', '!', '?']);
        if column.contains('*') {
            table.primary_key.push(name.to_owned());
        }
        if let Some(reference) = reference {
            table.references.push(pointing(name, reference));
        }
        let kind = if name.ends_with("id") || name.ends_with("Id") {
            ValueKind::Integer
        } else {
            ValueKind::Text
        };
        let nullable = column.contains('?');
        table.fields.push(DescribedField {
            name: name.to_owned(),
            declared_type: String::new(),
            kind,
            nullable,
            unique: column.contains('!'),
            indexed: true,
            max_length: None,
            samples: Vec::new(),
        });
    }
    table
}

/// `customer.id 100/20`: 100 rows point at 20.
fn pointing(field: &str, text: &str) -> DescribedReference {
    let (target, figures) = text.rsplit_once(' ').unwrap();
    let (to_table, to_field) = target.rsplit_once('.').unwrap();
    let (pointing, distinct) = figures.split_once('/').unwrap();
    let number = |text: &str| text.parse().unwrap();
    DescribedReference {
        fields: vec![field.to_owned()],
        to_schema: None,
        to_table: to_table.to_owned(),
        to_fields: vec![to_field.to_owned()],
        pointing_rows: number(pointing),
        distinct_targets: number(distinct),
    }
}

fn draft(collections: Vec<DescribedCollection>) -> LoadedMap {
    let system = DescribedSystem {
        key: SystemKey::from("it"),
        kind: SystemKind::Sqlite,
        reached_by: "it.sqlite".to_owned(),
    };
    let text = suggest(&Description { collections }, &system, &Words::new());
    let files = vec![FileText {
        name: "draft.yaml".to_owned(),
        folder: "/".into(),
        text,
    }];
    parse(files, &|_| None, &Words::new()).unwrap_or_else(|findings| panic!("{findings}"))
}

#[track_caller]
fn expect(map: &LoadedMap, expected: &[(&str, Relation)]) {
    for (path, relation) in expected {
        let (collection, field) = path.split_once('.').unwrap();
        let collection = &map.map.collections[&CollectionKey::new("it", collection)];
        let reference = collection
            .references
            .iter()
            .find(|reference| reference.fields[0].as_ref() == field)
            .unwrap();
        assert_eq!(reference.relation, *relation, "{path}");
    }
}

use Relation::{Detail, Link, OwnedBy, SameSubject};

#[test]
fn a_row_belongs_to_its_customer_and_its_parts_to_it() {
    let map = draft(vec![
        table("customer", 100, &["id*", "email", "name"]),
        table(
            "orders",
            250,
            &["id*", "customer_id -> customer.id 250/90", "total"],
        ),
        table(
            "order_item",
            900,
            &[
                "id*",
                "order_id -> orders.id 900/250",
                "product_id -> product.id 900/40",
                "quantity",
            ],
        ),
        table("product", 40, &["id*", "name", "price"]),
    ]);
    expect(
        &map,
        &[
            ("orders.customer_id", OwnedBy),
            ("order_item.order_id", OwnedBy),
            ("order_item.product_id", Link),
        ],
    );
}

#[test]
fn whoever_serves_a_customer_is_not_the_customer() {
    let map = draft(vec![
        table(
            "customer",
            100,
            &[
                "id*",
                "email",
                "support_rep_id? -> employee.id 100/3",
                "employee_id? -> employee.id 100/3",
            ],
        ),
        table(
            "employee",
            8,
            &["id*", "email", "reports_to? -> employee.id 7/2"],
        ),
        table(
            "orders",
            250,
            &[
                "id*",
                "customer_id -> customer.id 250/90",
                "employee_id? -> employee.id 250/5",
                "created_by? -> employee.id 250/5",
            ],
        ),
        table(
            "employee_territory",
            20,
            &["employee_id* -> employee.id 20/8", "territory_code*"],
        ),
    ]);
    expect(
        &map,
        &[
            ("customer.support_rep_id", Link),
            ("customer.employee_id", Link),
            ("employee.reports_to", Link),
            ("orders.customer_id", OwnedBy),
            ("orders.employee_id", Link),
            ("orders.created_by", Link),
            ("employee_territory.employee_id", OwnedBy),
        ],
    );
}

#[test]
fn choices_and_organisations_belong_to_nobody() {
    let map = draft(vec![
        table(
            "customer",
            100,
            &[
                "id*",
                "email",
                "type_id -> customer_type.id 100/3",
                "store_id? -> store.id 40/4",
                "country_code -> country.code 100/9",
            ],
        ),
        table("customer_type", 3, &["id*", "name"]),
        table("country", 200, &["code*", "name", "phone_prefix"]),
        table("store", 4, &["id*", "name", "owner_id -> customer.id 4/4"]),
    ]);
    expect(
        &map,
        &[
            ("customer.type_id", Link),
            ("customer.store_id", Link),
            ("customer.country_code", Link),
            ("store.owner_id", Link),
        ],
    );
}

#[test]
fn identifiers_in_a_table_of_their_own_lead_to_whom_they_name() {
    let map = draft(vec![
        table("party", 120, &["id*", "created_at"]),
        table(
            "party_email",
            100,
            &["party_id* -> party.id 100/100", "email*"],
        ),
        table(
            "party_phone",
            100,
            &["party_id* -> party.id 100/60", "phone_number*"],
        ),
        table(
            "party_relation",
            30,
            &[
                "party_id* -> party.id 30/20",
                "person_id* -> party.id 30/30",
                "kind_code*",
            ],
        ),
    ]);
    expect(
        &map,
        &[
            ("party_email.party_id", SameSubject),
            ("party_phone.party_id", OwnedBy),
            ("party_relation.person_id", OwnedBy),
            ("party_relation.party_id", Link),
        ],
    );
}

#[test]
fn addresses_and_cards_are_details_and_never_lead_to_other_peoples_rows() {
    let map = draft(vec![
        table(
            "customer",
            100,
            &["id*", "email", "address_id? -> address.id 90/85"],
        ),
        table(
            "employee",
            10,
            &["id*", "email", "address_id? -> address.id 10/9"],
        ),
        table("address", 100, &["id*", "street", "city", "zip"]),
        table(
            "orders",
            250,
            &[
                "id*",
                "customer_id -> customer.id 250/90",
                "shipping_address_id? -> address.id 250/95",
            ],
        ),
        table(
            "payment_card",
            80,
            &[
                "id*",
                "card_number",
                "customer_id -> customer.id 80/75",
                "billing_address_id? -> address.id 80/70",
            ],
        ),
        table(
            "warehouse",
            3,
            &["id*", "name", "address_id -> address.id 3/3"],
        ),
    ]);
    expect(
        &map,
        &[
            ("customer.address_id", Detail),
            ("employee.address_id", Detail),
            ("orders.customer_id", OwnedBy),
            ("orders.shipping_address_id", Detail),
            ("payment_card.customer_id", OwnedBy),
            ("payment_card.billing_address_id", Detail),
            ("warehouse.address_id", Link),
        ],
    );
}

#[test]
fn an_address_that_names_its_customer_belongs_to_that_customer() {
    let map = draft(vec![
        table(
            "customer",
            100,
            &["id*", "email", "default_address_id? -> address.id 90/90"],
        ),
        table(
            "address",
            130,
            &[
                "id*",
                "customer_id -> customer.id 130/100",
                "street",
                "city",
            ],
        ),
        table(
            "orders",
            250,
            &[
                "id*",
                "customer_id -> customer.id 250/90",
                "ship_to_address_id? -> address.id 250/95",
            ],
        ),
    ]);
    expect(
        &map,
        &[
            ("address.customer_id", OwnedBy),
            ("customer.default_address_id", Link),
            ("orders.ship_to_address_id", Link),
        ],
    );
}

#[test]
fn orders_of_a_guest_have_an_address_of_their_own_and_still_belong_to_the_customer() {
    let map = draft(vec![
        table("customer", 100, &["id*", "email"]),
        table(
            "orders",
            250,
            &["id*", "guest_email?", "customer_id? -> customer.id 200/90"],
        ),
        table(
            "users",
            100,
            &["id*", "email", "customer_id? -> customer.id 100/100"],
        ),
    ]);
    expect(
        &map,
        &[
            ("orders.customer_id", OwnedBy),
            ("users.customer_id", OwnedBy),
        ],
    );
}

#[test]
fn a_line_belongs_to_its_order_and_not_to_its_seller() {
    let map = draft(vec![
        table("customers", 100, &["customer_id*", "email"]),
        table(
            "orders",
            250,
            &["order_id*", "customer_id -> customers.customer_id 250/90"],
        ),
        table("sellers", 10, &["seller_id*", "email"]),
        table(
            "order_items",
            900,
            &[
                "order_id* -> orders.order_id 900/250",
                "item_id*",
                "seller_id -> sellers.seller_id 900/10",
            ],
        ),
    ]);
    expect(
        &map,
        &[
            ("order_items.order_id", OwnedBy),
            ("order_items.seller_id", Link),
        ],
    );
}

#[test]
fn mixed_case_names_are_read_as_well() {
    let map = draft(vec![
        table(
            "Customer",
            100,
            &[
                "CustomerId*",
                "Email",
                "SupportRepId? -> Employee.EmployeeId 100/3",
            ],
        ),
        table("Employee", 8, &["EmployeeId*", "EMail"]),
        table(
            "CUSTORD",
            300,
            &["OrdId*", "CustId -> Customer.CustomerId 300/80"],
        ),
    ]);
    expect(
        &map,
        &[("Customer.SupportRepId", Link), ("CUSTORD.CustId", OwnedBy)],
    );
}

#[test]
fn columns_get_categories_by_name_type_table_and_values() {
    let mut customer = table(
        "cust",
        50,
        &[
            "cust_id*",
            "fname",
            "lname",
            "e_mail",
            "DOB",
            "addr1",
            "zip",
            "tel_no",
            "loyalty_ref",
            "newsletter_optin",
            "pwd_hash",
            "cust_no!",
        ],
    );
    let samples = ["4111111111111111", "5500005555555559", "340000000000009"]
        .map(|value| Sensitive::new(value.to_owned()));
    customer
        .fields
        .iter_mut()
        .find(|field| field.name == "loyalty_ref")
        .unwrap()
        .samples = samples.to_vec();
    let map = draft(vec![
        customer,
        table("genre", 5, &["id*", "name"]),
        table("event", 5, &["id*", "name", "city"]),
    ]);
    let category = |table: &str, field: &str| {
        map.map.collections[&CollectionKey::new("it", table)]
            .field(&field.into())
            .unwrap()
            .category
            .clone()
            .unwrap()
    };
    for (field, expected) in [
        ("cust_id", "user.unique_id"),
        ("fname", "user.name.first"),
        ("lname", "user.name.last"),
        ("e_mail", "user.contact.email"),
        ("DOB", "user.demographic.date_of_birth"),
        ("addr1", "user.contact.address.street"),
        ("zip", "user.contact.address.postal_code"),
        ("tel_no", "user.contact.phone_number"),
        ("loyalty_ref", "user.financial.credit_card"),
        ("newsletter_optin", "user.privacy_preferences"),
        ("pwd_hash", "user.authorization.password"),
    ] {
        assert_eq!(category("cust", field), expected, "{field}");
    }
    assert_eq!(category("genre", "name"), "system.operations");
    assert_eq!(category("event", "name"), "system.operations");
    let identities: Vec<_> = map.map.collections[&CollectionKey::new("it", "cust")]
        .fields
        .iter()
        .filter_map(|field| {
            Some((
                field.name.as_ref(),
                field.identity.as_ref()?.kind.0.as_str(),
            ))
        })
        .collect();
    assert_eq!(
        identities,
        [("e_mail", "email"), ("cust_no", "customer_number")]
    );
}

#[test]
fn any_name_that_a_database_allows_survives_the_way_through_the_file() {
    let map = draft(vec![
        table(
            "My \"Customers\": all",
            3,
            &["no*", "null", "e-mail #1!", "ключ", "a.b", "{x}"],
        ),
        table("yes", 3, &["id*", "n -> My \"Customers\": all.no 3/3"]),
    ]);
    let collection = &map.map.collections[&CollectionKey::new("it", "My \"Customers\": all")];
    assert_eq!(
        collection
            .fields
            .iter()
            .map(|field| field.name.as_ref())
            .collect::<Vec<_>>(),
        ["no", "null", "e-mail #1", "ключ", "a.b", "{x}"]
    );
    assert_eq!(
        map.map.collections[&CollectionKey::new("it", "yes")].references[0].to,
        collection.key
    );
}

#[test]
fn a_database_without_foreign_keys_is_connected_by_its_names() {
    let map = draft(vec![
        table("customers", 100, &["id*", "email"]),
        table("orders", 250, &["id*", "customer_id", "total"]),
        table(
            "order_items",
            900,
            &["id*", "order_id", "product_id", "quantity"],
        ),
        table("products", 40, &["id*", "name"]),
        table("KUNDE_ARCHIV", 10, &["ArchivNr*", "custno"]),
    ]);
    expect(
        &map,
        &[
            ("orders.customer_id", OwnedBy),
            ("order_items.order_id", OwnedBy),
            ("order_items.product_id", Link),
        ],
    );
    let orders = &map.map.collections[&CollectionKey::new("it", "orders")];
    assert!(!orders.references[0].enforced);
    assert!(
        map.map.collections[&CollectionKey::new("it", "KUNDE_ARCHIV")]
            .references
            .is_empty()
    );
}
