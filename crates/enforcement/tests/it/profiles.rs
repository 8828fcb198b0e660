//! What the tests of profiles share: a schema, a profile with something in every segment, permits to see it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::disclosure::{
    Disclosure, DisclosureRecipient, NeverDisclosed, ProfileFacts, ProfileQuery, Purpose,
};
use domain::id::{OperatorId, SubjectId};
use domain::law::Category;
use domain::profile::{
    AttributeKey, AttributeNumber, AttributeText, AttributeValue, Confidence, IdentifierText,
    IdentityText, Profile, Schema, SchemaFile, Segment, Sensitivity, SourceNumber, SourceText,
};
use domain::rng::new_id;
use enforcement::vault::SegmentPlace;
use enforcement::{Judgements, RecordedPermit, decide_profile};
use jiff::Timestamp;

use crate::log::{SeededRng, recorded};

pub(crate) fn subject(number: u128) -> SubjectId {
    SubjectId::from_uuid(uuid::Uuid::from_u128(number))
}

pub(crate) fn operator() -> DisclosureRecipient {
    DisclosureRecipient::Operator(OperatorId::from_uuid(uuid::Uuid::from_u128(7)))
}

pub(crate) fn place(segment: Segment) -> SegmentPlace {
    SegmentPlace {
        table: "profile_segment",
        segment,
        row_version: 1,
        schema: 1,
    }
}

/// Number, key, category, sensitivity, segment, identifier.
type Row = (
    u16,
    &'static str,
    &'static str,
    Sensitivity,
    Option<Segment>,
    Option<&'static str>,
);

const ATTRIBUTES: [Row; 6] = [
    (1, "name", "user.name", Sensitivity::Basic, None, None),
    (
        2,
        "email",
        "user.contact.email",
        Sensitivity::Basic,
        Some(Segment::Contact),
        Some("email"),
    ),
    (
        3,
        "phone",
        "user.contact.phone_number",
        Sensitivity::Basic,
        Some(Segment::Contact),
        Some("phone"),
    ),
    (
        4,
        "ssn",
        "user.government_id.national",
        Sensitivity::Sensitive,
        None,
        None,
    ),
    (
        5,
        "purchases",
        "user.behavior",
        Sensitivity::Unstructured,
        None,
        None,
    ),
    (
        6,
        "born",
        "user.demographic.date_of_birth",
        Sensitivity::Basic,
        Some(Segment::Preferences),
        None,
    ),
];

pub(crate) fn schema() -> Arc<Schema> {
    let source = SourceText {
        source: "crm".to_owned(),
        number: 1,
        title: "Customers".to_owned(),
        record: None,
        proves: Vec::new(),
    };
    let file = SchemaFile {
        lives_in: None,
        version: 1,
        identity: IdentityText {
            default_country: Some("US".to_owned()),
            most_subjects: None,
            possible_match: None,
        },
        birth_date: Some("born".to_owned()),
        sources: vec![source],
        attributes: ATTRIBUTES.into_iter().map(attribute).collect(),
        retired_attributes: Vec::new(),
        retired_sources: Vec::new(),
        sync: Vec::new(),
        scim: None,
    };
    let category = |(_, _, category, ..): Row| {
        let known = serde_json::from_value::<Category>(
            serde_json::json!({"category": category, "title": category}),
        );
        (category.to_owned(), known.unwrap())
    };
    let categories: BTreeMap<_, _> = ATTRIBUTES.into_iter().map(category).collect();
    Arc::new(Schema::check("profile.yaml", &file, &categories).unwrap())
}

fn attribute((number, key, category, sensitivity, segment, rule): Row) -> AttributeText {
    let identifier = rule.map(|rule| IdentifierText {
        kind: None,
        rule: serde_json::from_value(rule.into()).unwrap(),
        unique: true,
        pseudonym: false,
        one_per_subject: false,
    });
    AttributeText {
        attribute: key.to_owned(),
        number,
        title: key.to_owned(),
        kind: match key {
            "purchases" => domain::data_map::ValueKind::Json,
            "born" => domain::data_map::ValueKind::Date,
            _ => domain::data_map::ValueKind::Text,
        },
        category: category.to_owned(),
        sensitivity,
        segment,
        sources: Vec::new(),
        prefer: domain::profile::Preference::Precedence,
        retention: None,
        identifies: false,
        identifier,
    }
}

pub(crate) fn value(text: &str) -> AttributeValue {
    AttributeValue {
        value: text.to_owned().into(),
        source: SourceNumber(1),
        observed_at: Timestamp::from_second(1_795_000_000).unwrap(),
        confidence: Confidence::FULL,
        verified: true,
    }
}

pub(crate) fn profile(of: SubjectId) -> Profile {
    let mut profile = Profile::new(of);
    for (number, text) in [
        (1, "Ada Byron"),
        (2, "Ada@Example.com"),
        (3, "(415) 555-0100"),
        (4, "078-05-1120"),
        (5, "[{\"item\":\"teapot\"}]"),
    ] {
        profile.set(AttributeNumber(number), value(text));
    }
    profile
}

/// The part of the profile that is sealed in one segment.
pub(crate) fn part(of: SubjectId, segment: Segment) -> Profile {
    profile(of).split(&schema()).remove(&segment).unwrap()
}

pub(crate) fn facts(members: &[u128]) -> ProfileFacts {
    let known = ATTRIBUTES.map(|(_, _, category, ..)| category.to_owned());
    ProfileFacts {
        subject: subject(members[0]),
        members: members.iter().map(|number| subject(*number)).collect(),
        subject_verified: true,
        operator_sees_sensitive: false,
        schema: schema(),
        known_categories: BTreeSet::from(known).into(),
        never_disclosed: [NeverDisclosed {
            category: "user.government_id".to_owned(),
            description: "a government identification number".to_owned(),
            citation: "11 CCR 7024(d)".to_owned(),
        }]
        .into(),
    }
}

pub(crate) fn query(
    purpose: Purpose,
    recipient: DisclosureRecipient,
    attributes: &[&str],
) -> ProfileQuery {
    static RNG: std::sync::LazyLock<SeededRng> = std::sync::LazyLock::new(|| SeededRng::new(78));
    ProfileQuery {
        id: new_id::<Disclosure>(&*RNG, Timestamp::UNIX_EPOCH),
        subject: subject(1),
        recipient,
        purpose,
        attributes: attributes.iter().copied().map(AttributeKey::from).collect(),
    }
}

/// A recorded permit for the first subject to see these attributes of her records.
pub(crate) fn permit(members: &[u128], attributes: &[&str]) -> RecordedPermit {
    let query = query(
        Purpose::GiveAccess,
        DisclosureRecipient::Subject,
        attributes,
    );
    recorded(decide_profile(&query, &facts(members), &Judgements::default()).unwrap())
}
