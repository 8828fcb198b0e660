//! Suggests a data category for a column from its name, type, table and, where given, its values.

use connectors::{DescribedCollection, DescribedField};
use domain::data_map::ValueKind;

use super::samples;
use super::words::tokens;

/// A suggestion and how sure it is, from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Suggestion {
    pub(super) category: &'static str,
    pub(super) confidence: f64,
}

/// What isn't personal.
pub(super) const OPERATIONS: &str = "system.operations";

/// One line of the table: a column whose name has all of `all` and none of `none` is probably `category`.
struct Rule {
    all: &'static [&'static str],
    none: &'static [&'static str],
    category: &'static str,
    confidence: f64,
}

const fn rule(
    all: &'static [&'static str],
    none: &'static [&'static str],
    category: &'static str,
    confidence: f64,
) -> Rule {
    Rule {
        all,
        none,
        category,
        confidence,
    }
}

/// What a column's words mean; the first line that fits counts.
const COLUMNS: &[Rule] = &[
    // credentials
    rule(
        &["password"],
        &["date", "changed", "expiry", "updated"],
        "user.authorization.password",
        0.97,
    ),
    rule(&["salt"], &[], "user.authorization.password", 0.9),
    rule(&["passphrase"], &[], "user.authorization.password", 0.95),
    rule(
        &["pin"],
        &["code", "date", "pinned"],
        "user.authorization.credentials",
        0.7,
    ),
    rule(&["secret"], &[], "user.authorization.credentials", 0.8),
    rule(
        &["security", "question"],
        &[],
        "user.authorization.credentials",
        0.9,
    ),
    rule(
        &["security", "answer"],
        &[],
        "user.authorization.credentials",
        0.9,
    ),
    rule(&["api", "key"], &[], "user.authorization.credentials", 0.8),
    rule(
        &["access", "token"],
        &[],
        "user.authorization.credentials",
        0.85,
    ),
    rule(
        &["refresh", "token"],
        &[],
        "user.authorization.credentials",
        0.85,
    ),
    rule(&["token"], &[], "user.authorization.credentials", 0.6),
    // preferences
    rule(&["opt", "in"], &[], "user.privacy_preferences", 0.85),
    rule(&["opt", "out"], &[], "user.privacy_preferences", 0.85),
    rule(&["consent"], &[], "user.privacy_preferences", 0.9),
    rule(&["unsubscribed"], &[], "user.privacy_preferences", 0.85),
    rule(&["newsletter"], &[], "user.privacy_preferences", 0.75),
    // what finds a person
    rule(&["email", "type"], &[], OPERATIONS, 0.8),
    rule(&["email", "template"], &[], OPERATIONS, 0.8),
    rule(
        &["email", "promotion"],
        &[],
        "user.privacy_preferences",
        0.7,
    ),
    rule(&["email", "id"], &["address"], OPERATIONS, 0.7),
    rule(&["email", "address", "id"], &[], OPERATIONS, 0.8),
    rule(
        &["email"],
        &[
            "verified",
            "confirmed",
            "hash",
            "subject",
            "body",
            "status",
            "count",
            "sent",
        ],
        "user.contact.email",
        0.97,
    ),
    rule(&["email", "hash"], &[], "user.unique_id.pseudonymous", 0.85),
    rule(&["fax"], &[], "user.contact.fax_number", 0.93),
    rule(
        &["phone"],
        &[
            "type",
            "code",
            "prefix",
            "model",
            "verified",
            "id",
            "extension",
        ],
        "user.contact.phone_number",
        0.95,
    ),
    rule(
        &["mobile"],
        &["app", "verified", "id"],
        "user.contact.phone_number",
        0.88,
    ),
    rule(&["msisdn"], &[], "user.contact.phone_number", 0.95),
    rule(&["whatsapp"], &[], "user.contact.phone_number", 0.85),
    // government
    rule(
        &["ssn"],
        &[],
        "user.government_id.national_identification_number",
        0.97,
    ),
    rule(
        &["social", "security"],
        &[],
        "user.government_id.national_identification_number",
        0.96,
    ),
    rule(
        &["national", "id"],
        &[],
        "user.government_id.national_identification_number",
        0.94,
    ),
    rule(
        &["national", "insurance"],
        &[],
        "user.government_id.national_identification_number",
        0.92,
    ),
    rule(
        &["tax", "id"],
        &[],
        "user.government_id.national_identification_number",
        0.8,
    ),
    rule(
        &["tax", "number"],
        &[],
        "user.government_id.national_identification_number",
        0.75,
    ),
    rule(
        &["passport"],
        &[],
        "user.government_id.passport_number",
        0.95,
    ),
    rule(
        &["driver", "license"],
        &[],
        "user.government_id.drivers_license_number",
        0.95,
    ),
    rule(
        &["driving", "license"],
        &[],
        "user.government_id.drivers_license_number",
        0.95,
    ),
    rule(
        &["license", "plate"],
        &[],
        "user.government_id.vehicle_registration",
        0.9,
    ),
    rule(
        &["immigration"],
        &[],
        "user.government_id.immigration",
        0.85,
    ),
    rule(
        &["visa", "number"],
        &[],
        "user.government_id.immigration",
        0.7,
    ),
    // money
    rule(
        &["card", "number"],
        &["gift"],
        "user.financial.credit_card",
        0.95,
    ),
    rule(&["card", "type"], &[], "user.financial.credit_card", 0.8),
    rule(&["card", "holder"], &[], "user.financial.credit_card", 0.85),
    rule(
        &["credit", "card"],
        &["id"],
        "user.financial.credit_card",
        0.85,
    ),
    rule(&["card", "expiry"], &[], "user.financial.credit_card", 0.9),
    rule(&["expiry", "month"], &[], "user.financial.credit_card", 0.8),
    rule(&["expiry", "year"], &[], "user.financial.credit_card", 0.8),
    rule(&["cvv"], &[], "user.financial.credit_card", 0.97),
    rule(&["cvc"], &[], "user.financial.credit_card", 0.97),
    rule(&["iban"], &[], "user.financial.bank_account", 0.97),
    rule(&["bic"], &[], "user.financial.bank_account", 0.8),
    rule(&["swift"], &[], "user.financial.bank_account", 0.75),
    rule(
        &["routing", "number"],
        &[],
        "user.financial.bank_account",
        0.85,
    ),
    rule(&["sort", "code"], &[], "user.financial.bank_account", 0.75),
    rule(
        &["bank"],
        &["name", "id"],
        "user.financial.bank_account",
        0.8,
    ),
    rule(&["salary"], &[], "user.financial", 0.85),
    rule(&["income"], &[], "user.financial", 0.8),
    rule(&["credit", "limit"], &[], "user.financial", 0.75),
    rule(&["credit", "score"], &[], "user.financial", 0.9),
    // who somebody is
    rule(
        &["birth"],
        &["place", "certificate"],
        "user.demographic.date_of_birth",
        0.95,
    ),
    rule(
        &["birth", "certificate"],
        &[],
        "user.government_id.birth_certificate",
        0.9,
    ),
    rule(&["birth", "place"], &[], "user.demographic", 0.85),
    rule(&["age", "range"], &[], "user.demographic.age_range", 0.85),
    rule(
        &["age"],
        &["group", "limit", "max", "min"],
        "user.demographic.age_range",
        0.7,
    ),
    rule(&["gender"], &[], "user.demographic.gender", 0.95),
    rule(&["sex"], &[], "user.demographic.gender", 0.9),
    rule(&["salutation"], &[], "user.demographic.gender", 0.7),
    rule(&["pronoun"], &[], "user.demographic.gender", 0.8),
    rule(&["marital"], &[], "user.demographic.marital_status", 0.95),
    rule(
        &["race"],
        &["condition", "result"],
        "user.demographic.race_ethnicity",
        0.8,
    ),
    rule(&["ethnicity"], &[], "user.demographic.race_ethnicity", 0.95),
    rule(&["ethnic"], &[], "user.demographic.race_ethnicity", 0.92),
    rule(
        &["religion"],
        &[],
        "user.demographic.religious_belief",
        0.94,
    ),
    rule(
        &["sexual", "orientation"],
        &[],
        "user.demographic.sexual_orientation",
        0.96,
    ),
    rule(
        &["political"],
        &[],
        "user.demographic.political_opinion",
        0.85,
    ),
    rule(&["nationality"], &[], "user.demographic", 0.85),
    rule(&["citizenship"], &[], "user.demographic", 0.85),
    rule(&["demographic"], &[], "user.demographic.profile", 0.85),
    // health
    rule(&["diagnosis"], &[], "user.health_and_medical", 0.9),
    rule(
        &["medical", "record"],
        &[],
        "user.health_and_medical.record_id",
        0.9,
    ),
    rule(&["mrn"], &[], "user.health_and_medical.record_id", 0.85),
    rule(&["medical"], &[], "user.health_and_medical", 0.85),
    rule(&["allergy"], &[], "user.health_and_medical", 0.85),
    rule(&["prescription"], &[], "user.health_and_medical", 0.85),
    rule(&["blood"], &[], "user.health_and_medical", 0.8),
    rule(&["disability"], &[], "user.health_and_medical", 0.85),
    rule(&["genetic"], &[], "user.health_and_medical.genetic", 0.9),
    rule(
        &["insurance", "number"],
        &[],
        "user.health_and_medical.insurance_beneficiary_id",
        0.7,
    ),
    rule(&["sick"], &[], "user.health_and_medical", 0.6),
    rule(
        &["fingerprint"],
        &["browser", "device"],
        "user.biometric.fingerprint",
        0.8,
    ),
    // names
    rule(&["first", "name"], &[], "user.name.first", 0.96),
    rule(&["given", "name"], &[], "user.name.first", 0.95),
    rule(&["last", "name"], &[], "user.name.last", 0.96),
    rule(&["family", "name"], &[], "user.name.last", 0.95),
    rule(&["middle", "name"], &[], "user.name", 0.95),
    rule(&["maiden", "name"], &[], "user.name.last", 0.95),
    rule(&["middle", "initial"], &[], "user.name", 0.9),
    rule(&["full", "name"], &[], "user.name", 0.95),
    rule(&["display", "name"], &[], "user.name", 0.75),
    rule(&["nick", "name"], &[], "user.name", 0.85),
    rule(&["nickname"], &[], "user.name", 0.85),
    rule(&["username"], &[], "user.account.username", 0.93),
    rule(&["user", "name"], &[], "user.account.username", 0.88),
    rule(&["login", "id"], &[], "user.account.username", 0.88),
    rule(&["login", "name"], &[], "user.account.username", 0.9),
    rule(&["screen", "name"], &[], "user.account.username", 0.85),
    rule(&["company", "name"], &[], "user.contact.organization", 0.6),
    // where somebody is
    rule(&["ip"], &["id", "rights"], "user.device.ip_address", 0.93),
    rule(&["mac", "address"], &[], "user.device.device_id", 0.9),
    rule(&["user", "agent"], &[], "user.device", 0.9),
    rule(&["device", "id"], &[], "user.device.device_id", 0.9),
    rule(&["idfa"], &[], "user.device.device_id", 0.95),
    rule(&["gaid"], &[], "user.device.device_id", 0.95),
    rule(&["cookie"], &["policy"], "user.device.cookie_id", 0.85),
    rule(&["session", "id"], &[], "user.device.cookie_id", 0.7),
    rule(&["latitude"], &[], "user.location.precise", 0.9),
    rule(
        &["longitude"],
        &["description"],
        "user.location.precise",
        0.9,
    ),
    rule(&["geo"], &[], "user.location", 0.75),
    rule(&["address", "id"], &[], OPERATIONS, 0.7),
    rule(&["address", "type"], &[], OPERATIONS, 0.85),
    rule(&["street"], &[], "user.contact.address.street", 0.93),
    rule(
        &["house", "number"],
        &[],
        "user.contact.address.street",
        0.88,
    ),
    rule(
        &["postal", "code"],
        &[],
        "user.contact.address.postal_code",
        0.94,
    ),
    rule(&["city"], &["id"], "user.contact.address.city", 0.9),
    rule(&["town"], &[], "user.contact.address.city", 0.85),
    rule(
        &["address", "state"],
        &[],
        "user.contact.address.state",
        0.9,
    ),
    rule(
        &["address", "country"],
        &[],
        "user.contact.address.country",
        0.9,
    ),
    rule(&["address"], &[], "user.contact.address.street", 0.88),
    rule(&["province"], &["id"], "user.contact.address.state", 0.75),
    rule(&["county"], &["id"], "user.contact.address.state", 0.7),
    rule(&["homepage"], &[], "user.contact.url", 0.75),
    rule(&["website"], &[], "user.contact.url", 0.75),
    // what somebody does and says
    rule(
        &["search", "query"],
        &[],
        "user.behavior.search_history",
        0.85,
    ),
    rule(
        &["search", "term"],
        &[],
        "user.behavior.search_history",
        0.8,
    ),
    rule(
        &["page", "view"],
        &[],
        "user.behavior.browsing_history",
        0.8,
    ),
    rule(
        &["referrer"],
        &["id"],
        "user.behavior.browsing_history",
        0.7,
    ),
    rule(&["last", "login"], &[], "user.behavior", 0.8),
    rule(&["last", "seen"], &[], "user.behavior", 0.8),
    rule(&["last", "visit"], &[], "user.behavior", 0.8),
    rule(&["resume"], &[], "user.workplace", 0.85),
    rule(&["curriculum"], &[], "user.workplace", 0.8),
    rule(&["job", "title"], &[], "user.job_title", 0.94),
    rule(&["occupation"], &[], "user.job_title", 0.9),
    rule(&["profession"], &[], "user.job_title", 0.85),
    rule(&["employer"], &[], "user.workplace", 0.85),
    rule(&["avatar"], &[], "user.content.self_image", 0.85),
    rule(&["photo"], &[], "user.content.self_image", 0.75),
    rule(&["selfie"], &[], "user.content.self_image", 0.95),
    rule(&["signature"], &[], "user.biometric", 0.6),
    rule(&["bio"], &[], "user.content.public", 0.7),
    rule(&["timezone"], &[], "user.location.imprecise", 0.6),
];

/// Columns that only speak of a person in a table of persons, or of what a person wrote.
const COLUMNS_OF_PERSONS: &[Rule] = &[
    rule(&["last", "date"], &[], "user.behavior", 0.5),
    rule(
        &["name"],
        &["file", "product", "event", "type"],
        "user.name",
        0.85,
    ),
    rule(&["initial"], &[], "user.name", 0.75),
    rule(&["state"], &["id"], "user.contact.address.state", 0.75),
    rule(&["country"], &["id"], "user.contact.address.country", 0.8),
    rule(&["region"], &["id"], "user.contact.address.state", 0.7),
    rule(&["company"], &["id"], "user.contact.organization", 0.8),
    rule(&["organization"], &["id"], "user.contact.organization", 0.8),
    rule(&["title"], &[], "user.job_title", 0.65),
    rule(&["language"], &["id"], "user.demographic.language", 0.8),
    rule(&["locale"], &[], "user.demographic.language", 0.75),
    rule(&["url"], &[], "user.contact.url", 0.6),
    rule(&["description"], &[], "user.content.private", 0.5),
    rule(&["hire", "date"], &[], "user.workplace", 0.85),
    rule(&["vacation"], &[], "user.workplace", 0.8),
    rule(&["leave"], &[], "user.workplace", 0.75),
    rule(&["pay"], &[], "user.financial", 0.7),
    rule(&["rate"], &["date"], "user.financial", 0.6),
    rule(&["balance"], &[], "user.financial", 0.7),
    rule(&["department"], &["id"], "user.workplace", 0.7),
    rule(&["status"], &[], "user.account", 0.5),
    rule(&["setting"], &[], "user.account.settings", 0.75),
    rule(&["preference"], &[], "user.account.settings", 0.7),
];

/// Texts that a person wrote, in whichever table of a subject they stand.
const WRITINGS: &[Rule] = &[
    rule(&["comment"], &["id", "count"], "user.content.private", 0.75),
    rule(
        &["message"],
        &["id", "count", "type"],
        "user.content.private",
        0.75,
    ),
    rule(&["body"], &[], "user.content.private", 0.65),
    rule(&["note"], &["id"], "user.content.private", 0.7),
    rule(&["remark"], &[], "user.content.private", 0.7),
    rule(
        &["review"],
        &["id", "date", "count"],
        "user.content.public",
        0.7,
    ),
    rule(&["feedback"], &["id"], "user.content.private", 0.75),
    rule(&["question"], &["id"], "user.content.private", 0.6),
    rule(&["answer"], &["id"], "user.content.private", 0.6),
    rule(&["transcript"], &[], "user.content.private", 0.75),
    rule(&["reviewer", "name"], &[], "user.name", 0.9),
    rule(&["author", "name"], &[], "user.name", 0.85),
    rule(&["customer", "name"], &[], "user.name", 0.9),
    rule(&["contact", "name"], &[], "user.name", 0.9),
    rule(&["person", "name"], &[], "user.name", 0.9),
    rule(&["patient", "name"], &[], "user.name", 0.93),
    rule(&["member", "name"], &[], "user.name", 0.88),
    rule(&["recipient", "name"], &[], "user.name", 0.88),
    rule(&["holder", "name"], &[], "user.name", 0.85),
    rule(&["ship", "name"], &[], "user.name", 0.75),
    rule(&["shipping", "name"], &[], "user.name", 0.8),
    rule(&["billing", "name"], &[], "user.name", 0.85),
    rule(
        &["billing"],
        &["cycle", "id", "amount", "date"],
        "user.contact.address",
        0.7,
    ),
    rule(
        &["shipping", "state"],
        &[],
        "user.contact.address.state",
        0.8,
    ),
    rule(
        &["shipping", "country"],
        &[],
        "user.contact.address.country",
        0.8,
    ),
    rule(
        &["ship", "country"],
        &[],
        "user.contact.address.country",
        0.8,
    ),
    rule(&["ship", "region"], &[], "user.contact.address.state", 0.8),
];

/// Figures in tables about purchases.
const PURCHASES: &[&str] = &[
    "total", "amount", "price", "quantity", "subtotal", "discount", "tax", "freight", "sum", "cost",
];

/// Words for a person whose data the business holds.
pub(super) const PERSONS: &[&str] = &[
    "person",
    "people",
    "customer",
    "client",
    "user",
    "member",
    "subscriber",
    "patient",
    "guest",
    "visitor",
    "contact",
    "lead",
    "prospect",
    "buyer",
    "applicant",
    "candidate",
    "student",
    "passenger",
    "tenant",
    "donor",
    "consumer",
    "individual",
    "participant",
    "shopper",
    "cardholder",
    "beneficiary",
    "insured",
    "policyholder",
    "account",
    "author",
    "owner",
    "borrower",
    "renter",
    "rider",
    "player",
    "attendee",
    "viewer",
    "caller",
];

/// Words for a person who works for the business.
pub(super) const STAFF: &[&str] = &[
    "employee",
    "staff",
    "sales",
    "rep",
    "representative",
    "worker",
    "operator",
    "technician",
    "clerk",
    "cashier",
    "agent",
    "salesperson",
    "instructor",
    "driver",
    "manager",
    "supervisor",
];

/// Words for a table whose rows are choices, not anybody's.
const LOOKUPS: &[&str] = &[
    "type",
    "status",
    "category",
    "kind",
    "code",
    "country",
    "region",
    "state",
    "province",
    "territory",
    "currency",
    "language",
    "unit",
    "genre",
    "media",
    "tag",
    "role",
    "permission",
    "reason",
    "level",
    "color",
    "size",
    "method",
    "culture",
    "migration",
    "city",
    "county",
];

/// Words for a table about purchases.
const PURCHASE_TABLES: &[&str] = &[
    "order",
    "invoice",
    "purchase",
    "payment",
    "sale",
    "transaction",
    "cart",
    "basket",
    "receipt",
    "refund",
    "booking",
    "reservation",
    "subscription",
    "rental",
    "ticket",
];

/// What a table's name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// Persons whose data the business holds.
    Persons,
    /// Persons who work for the business.
    Staff,
    /// Organisations.
    Organizations,
    /// Choices that others refer to.
    Choices,
    /// Purchases and the like.
    Purchases,
    /// Anything else.
    Things,
}

/// Words for organisations.
const ORGANIZATIONS: &[&str] = &[
    "store",
    "company",
    "vendor",
    "supplier",
    "department",
    "branch",
    "warehouse",
    "shop",
    "organization",
    "manufacturer",
    "shipper",
    "brand",
    "office",
    "team",
    "division",
    "carrier",
    "publisher",
];

/// What a table is about, by its words. The last noun decides: a `customer_type` is a type.
pub(super) fn about(table: &str) -> About {
    let words = tokens(table);
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let ends = |list: &[&str]| {
        words
            .last()
            .is_some_and(|word| list.contains(&word.as_str()))
    };
    if ends(LOOKUPS) {
        About::Choices
    } else if ends(ORGANIZATIONS) {
        About::Organizations
    } else if has(PURCHASE_TABLES) {
        About::Purchases
    } else if has(STAFF) {
        About::Staff
    } else if has(PERSONS) {
        About::Persons
    } else {
        About::Things
    }
}

/// The suggested category of a column that is neither a key nor a reference.
pub(super) fn suggest(table: &DescribedCollection, field: &DescribedField) -> Suggestion {
    let named = by_name(table, field);
    let seen = samples::recognize(&field.samples).filter(|_| about(&table.table) != About::Choices);
    seen.filter(|seen| named.category == OPERATIONS || seen.confidence > named.confidence)
        .unwrap_or(named)
}

fn by_name(table: &DescribedCollection, field: &DescribedField) -> Suggestion {
    let about = about(&table.table);
    let words = tokens(&field.name);
    if let Some(suggestion) = by_kind(field.kind, &words) {
        return suggestion;
    }
    if about == About::Choices {
        return Suggestion {
            category: OPERATIONS,
            confidence: 0.85,
        };
    }
    let found = first(COLUMNS, &words).or_else(|| context(table, about, field, &words));
    let found = found
        .or_else(|| first(WRITINGS, &words))
        .filter(|found| fits(field.kind, found.category));
    // What an organisation has is its own, unless it is a person's there.
    let found = found.filter(|found| {
        about != About::Organizations || !found.category.starts_with("user.contact.address")
    });
    found.unwrap_or(Suggestion {
        category: OPERATIONS,
        confidence: 0.6,
    })
}

/// Whether the table speaks of persons by its columns, whatever it is called.
fn has_person_columns(table: &DescribedCollection) -> bool {
    let telling = [
        "user.name.first",
        "user.name.last",
        "user.contact.email",
        "user.contact.phone_number",
        "user.demographic.date_of_birth",
        "user.government_id.national_identification_number",
    ];
    table.fields.iter().any(|field| {
        first(COLUMNS, &tokens(&field.name)).is_some_and(|found| telling.contains(&found.category))
    })
}

fn context(
    table: &DescribedCollection,
    about: About,
    field: &DescribedField,
    words: &[String],
) -> Option<Suggestion> {
    let of_person = matches!(about, About::Persons | About::Staff)
        || (about == About::Things && has_person_columns(table));
    if of_person && let Some(found) = first(COLUMNS_OF_PERSONS, words) {
        return Some(found);
    }
    let billed = words
        .iter()
        .any(|word| ["billing", "shipping", "ship", "delivery"].contains(&word.as_str()));
    if (billed || about == About::Staff || words == ["state"] || words == ["country"])
        && has_address(table)
        && let Some(found) = first(COLUMNS_OF_PERSONS, words)
            .filter(|found| found.category.starts_with("user.contact.address"))
    {
        return Some(found);
    }
    let is_figure = matches!(field.kind, ValueKind::Integer | ValueKind::Decimal)
        && words.iter().any(|word| PURCHASES.contains(&word.as_str()));
    (about == About::Purchases && is_figure).then_some(Suggestion {
        category: "user.behavior.purchase_history",
        confidence: 0.75,
    })
}

fn has_address(table: &DescribedCollection) -> bool {
    table.fields.iter().any(|field| {
        tokens(&field.name)
            .iter()
            .any(|word| ["address", "street", "postal", "city"].contains(&word.as_str()))
    })
}

/// Types that say more than a name.
fn by_kind(kind: ValueKind, words: &[String]) -> Option<Suggestion> {
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(&word.as_str()));
    match kind {
        ValueKind::Boolean => {
            let personal = has(&["consent", "opt", "newsletter", "subscribed", "marketing"]);
            Some(if personal {
                Suggestion {
                    category: "user.privacy_preferences",
                    confidence: 0.8,
                }
            } else {
                Suggestion {
                    category: OPERATIONS,
                    confidence: 0.7,
                }
            })
        }
        ValueKind::Date | ValueKind::Timestamp
            if !has(&["birth", "login", "seen", "visit", "hire", "consent"]) =>
        {
            Some(Suggestion {
                category: OPERATIONS,
                confidence: 0.8,
            })
        }
        _ => None,
    }
}

/// Whether a value of that kind can be what the name suggests.
fn fits(kind: ValueKind, category: &str) -> bool {
    let is_text = matches!(kind, ValueKind::Text | ValueKind::Other | ValueKind::Json);
    match category {
        "user.contact.email"
        | "user.name"
        | "user.name.first"
        | "user.name.last"
        | "user.contact.address.street"
        | "user.contact.address.city"
        | "user.content.private" => is_text,
        "user.location.precise" => kind != ValueKind::Boolean,
        _ => true,
    }
}

fn first(rules: &[Rule], words: &[String]) -> Option<Suggestion> {
    let has = |word: &&str| words.iter().any(|own| own == word);
    let found = rules
        .iter()
        .find(|rule| rule.all.iter().all(has) && !rule.none.iter().any(has));
    found.map(|rule| Suggestion {
        category: rule.category,
        confidence: rule.confidence,
    })
}
