//! What the configuration is in Cedar's words: recipients in roles are principals, purposes in groups are actions, attributes in categories
//! are resources, and what is known of a subject is the context. The only place where the two vocabularies meet.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;

use cedar_policy::{
    Entities, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression, Schema,
};
use domain::policy::{Configuration, Fact, PolicyAttribute, PolicyPurpose, PolicyRecipient};
use domain::profile::Sensitivity;
use domain::purpose_of_use::UseKind;
use domain::recipient::RecipientRole;

/// Facts that the configuration gives, by cell and attribute.
pub(crate) const PURPOSE_DECLARES_ATTRIBUTE: &str = "purpose_declares_attribute";
pub(crate) const PURPOSE_DECLARES_RECIPIENT: &str = "purpose_declares_recipient";
pub(crate) const RECIPIENT_DECLARES_ATTRIBUTE: &str = "recipient_declares_attribute";
/// Facts about the subject that are neither so nor not.
pub(crate) const JURISDICTION: &str = "jurisdiction";
pub(crate) const AGE: &str = "age";
pub(crate) const LEAST_AGE: &str = "least_age";

/// Types of entities.
pub(crate) const RECIPIENT: &str = "Recipient";
pub(crate) const ROLE: &str = "Role";
pub(crate) const ATTRIBUTE: &str = "Attribute";
pub(crate) const CATEGORY: &str = "Category";
pub(crate) const SENSITIVE_CATEGORY: &str = "SensitiveCategory";
pub(crate) const ACTION: &str = "Action";
/// Groups of purposes beside those of [`UseKind`].
const DIRECT_MARKETING: &str = "direct_marketing";

/// An entity's type and id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Uid {
    pub(crate) kind: &'static str,
    pub(crate) id: String,
}

/// What a policy may compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Atom {
    Bool(bool),
    Long(i64),
    Text(String),
    Entity(Uid),
}

/// Every entity with what is above it and what is known of it.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    entities: BTreeMap<Uid, Known>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    parents: BTreeSet<Uid>,
    /// All that is above, itself included.
    above: BTreeSet<Uid>,
    attributes: BTreeMap<&'static str, Atom>,
}

/// A configuration that cannot be said in Cedar.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ModelError {
    #[error(
        "the purpose `{0}` is called like the group of all purposes with that use, and does not declare it; add `uses: [{0}]` or call it otherwise"
    )]
    PurposeLikeGroup(String),
    #[error("the configuration makes no schema: {0}")]
    Schema(String),
}

/// The schema in Cedar's own syntax, as editors and other Cedar tools read it.
pub fn cedar_schema(configuration: &Configuration) -> String {
    Model::of(configuration).schema_text(configuration)
}

pub(crate) fn uid(kind: &'static str, id: &str) -> Uid {
    Uid {
        kind,
        id: id.to_owned(),
    }
}

/// The text of a use: the name of its group of purposes.
const fn use_text(kind: UseKind) -> &'static str {
    match kind {
        UseKind::Sale => "sale",
        UseKind::Sharing => "sharing",
        UseKind::TargetedAdvertising => "targeted_advertising",
        UseKind::Sensitive => "sensitive",
        UseKind::Incentive => "incentive",
    }
}

const USES: [UseKind; 5] = [
    UseKind::Sale,
    UseKind::Sharing,
    UseKind::TargetedAdvertising,
    UseKind::Sensitive,
    UseKind::Incentive,
];

const ROLES: [RecipientRole; 4] = [
    RecipientRole::Internal,
    RecipientRole::ServiceProvider,
    RecipientRole::Contractor,
    RecipientRole::ThirdParty,
];

const fn role_text(role: RecipientRole) -> &'static str {
    match role {
        RecipientRole::Internal => "internal",
        RecipientRole::ServiceProvider => "service_provider",
        RecipientRole::Contractor => "contractor",
        RecipientRole::ThirdParty => "third_party",
    }
}

const fn sensitivity_text(sensitivity: Sensitivity) -> &'static str {
    match sensitivity {
        Sensitivity::Basic => "basic",
        Sensitivity::Sensitive => "sensitive",
        Sensitivity::Unstructured => "unstructured",
    }
}

fn groups() -> impl Iterator<Item = &'static str> {
    USES.into_iter().map(use_text).chain([DIRECT_MARKETING])
}

fn groups_of(purpose: &PolicyPurpose) -> BTreeSet<Uid> {
    let uses = purpose.uses.iter().map(|kind| use_text(*kind));
    let marketing = purpose.direct_marketing.then_some(DIRECT_MARKETING);
    let groups = uses.chain(marketing);
    let groups = groups.filter(|group| *group != purpose.key.as_ref());
    groups.map(|group| uid(ACTION, group)).collect()
}

impl Model {
    pub(crate) fn of(configuration: &Configuration) -> Self {
        let mut model = Self {
            entities: BTreeMap::new(),
        };
        for role in ROLES {
            model.add(uid(ROLE, role_text(role)), BTreeSet::new());
        }
        for group in groups() {
            model.add(uid(ACTION, group), BTreeSet::new());
        }
        model.add_categories(configuration);
        for purpose in &configuration.purposes {
            model.add(uid(ACTION, purpose.key.as_ref()), groups_of(purpose));
        }
        for recipient in &configuration.recipients {
            model.add_recipient(recipient);
        }
        for attribute in &configuration.attributes {
            model.add_attribute(configuration, attribute);
        }
        model.close();
        model
    }

    fn add(&mut self, uid: Uid, parents: BTreeSet<Uid>) -> &mut Known {
        let known = self.entities.entry(uid).or_default();
        known.parents.extend(parents);
        known
    }

    fn add_categories(&mut self, configuration: &Configuration) {
        for (category, sensitive) in &configuration.categories {
            let above = category.rsplit_once('.').map(|(above, _)| above);
            let above = above.filter(|above| configuration.categories.contains_key(*above));
            let kind = sensitive.as_ref().map(|kind| uid(SENSITIVE_CATEGORY, kind));
            if let Some(kind) = &kind {
                self.add(kind.clone(), BTreeSet::new());
            }
            let parents = above.map(|above| uid(CATEGORY, above));
            let parents = parents.into_iter().chain(kind).collect();
            self.add(uid(CATEGORY, category), parents);
        }
    }

    fn add_recipient(&mut self, recipient: &PolicyRecipient) {
        let role = uid(ROLE, role_text(recipient.role));
        let known = self.add(uid(RECIPIENT, recipient.key.as_ref()), [role].into());
        known.attributes = [
            ("contract_compliant", recipient.contract_compliant),
            ("sold", recipient.sold),
            ("shared", recipient.shared),
        ]
        .into_iter()
        .map(|(name, is)| (name, Atom::Bool(is)))
        .collect();
    }

    fn add_attribute(&mut self, configuration: &Configuration, attribute: &PolicyAttribute) {
        let category = uid(CATEGORY, &attribute.category);
        // A category that law data does not know has no place in the hierarchy, and no law is found by it.
        let is_known = configuration.categories.contains_key(&attribute.category);
        let parents = is_known.then_some(category).into_iter().collect();
        let sensitive = configuration.sensitive_kind(&attribute.category).is_some();
        let known = self.add(uid(ATTRIBUTE, attribute.key.as_ref()), parents);
        let sensitivity = sensitivity_text(attribute.sensitivity).to_owned();
        known.attributes = [
            ("sensitive", Atom::Bool(sensitive)),
            ("sensitivity", Atom::Text(sensitivity)),
        ]
        .into();
    }

    /// Works out what is above each entity.
    fn close(&mut self) {
        let parents: BTreeMap<_, _> = self
            .entities
            .iter()
            .map(|(uid, known)| (uid.clone(), known.parents.clone()))
            .collect();
        for (uid, known) in &mut self.entities {
            let mut open = vec![uid.clone()];
            while let Some(next) = open.pop() {
                if known.above.insert(next.clone()) {
                    open.extend(parents.get(&next).into_iter().flatten().cloned());
                }
            }
        }
    }

    pub(crate) fn knows(&self, uid: &Uid) -> bool {
        self.entities.contains_key(uid)
    }

    /// Whether an entity is another or stands below it.
    pub(crate) fn is_in(&self, uid: &Uid, above: &Uid) -> bool {
        uid == above
            || self
                .entities
                .get(uid)
                .is_some_and(|known| known.above.contains(above))
    }

    pub(crate) fn attribute(&self, uid: &Uid, name: &str) -> Option<&Atom> {
        self.entities.get(uid)?.attributes.get(name)
    }

    /// The names of all entities of a type, for faults.
    pub(crate) fn ids(&self, kind: &str) -> Vec<&str> {
        let all = self.entities.keys().filter(|uid| uid.kind == kind);
        all.map(|uid| uid.id.as_str()).collect()
    }

    pub(crate) fn schema(&self, configuration: &Configuration) -> Result<Schema, ModelError> {
        for purpose in &configuration.purposes {
            let key: &str = purpose.key.as_ref();
            let is_so = purpose.uses.iter().any(|kind| use_text(*kind) == key)
                || (purpose.direct_marketing && key == DIRECT_MARKETING);
            if groups().any(|group| group == key) && !is_so {
                return Err(ModelError::PurposeLikeGroup(key.to_owned()));
            }
        }
        let text = self.schema_text(configuration);
        let (schema, _) = Schema::from_cedarschema_str(&text)
            .map_err(|error| ModelError::Schema(error.to_string()))?;
        Ok(schema)
    }

    fn schema_text(&self, configuration: &Configuration) -> String {
        let mut text = String::from(
            "// Made from the configuration: what a policy may name.\n\n// What a recipient is to the business; a service provider or contractor without a compliant contract is a third party.\n",
        );
        self.enumerated(&mut text, ROLE);
        text.push_str("// Sensitive personal information, Civ. Code 1798.140(ae), by the keys of law/categories.yaml.\n");
        self.enumerated(&mut text, SENSITIVE_CATEGORY);
        let above = if self.ids(SENSITIVE_CATEGORY).is_empty() {
            CATEGORY.to_owned()
        } else {
            format!("{CATEGORY}, {SENSITIVE_CATEGORY}")
        };
        let facts = facts_text();
        let _ = write!(
            text,
            "// Data categories of law/categories.yaml: `user.contact` is above `user.contact.email`.\n\
             entity {CATEGORY} in [{above}];\n\
             entity {RECIPIENT} in [{ROLE}] {{ contract_compliant: Bool, sold: Bool, shared: Bool }};\n\
             // `sensitive` by its category, `sensitivity` as the profile's schema says: basic, sensitive or unstructured.\n\
             entity {ATTRIBUTE} in [{CATEGORY}] {{ sensitive: Bool, sensitivity: String }};\n\n\
             type Facts = {{\n{facts}}};\n\n"
        );
        self.actions(&mut text, configuration);
        text
    }

    fn enumerated(&self, text: &mut String, kind: &str) {
        let ids: Vec<_> = self.ids(kind).into_iter().map(quoted).collect();
        if !ids.is_empty() {
            let _ = writeln!(text, "entity {kind} enum [{}];", ids.join(", "));
        }
    }

    fn actions(&self, text: &mut String, configuration: &Configuration) {
        let purposes: BTreeMap<&str, _> = configuration
            .purposes
            .iter()
            .map(|purpose| (purpose.key.as_ref(), groups_of(purpose)))
            .collect();
        text.push_str("// Groups of purposes, by what the law looks at in them.\n");
        for group in groups().filter(|group| !purposes.contains_key(group)) {
            let _ = writeln!(text, "action {};", quoted(group));
        }
        text.push_str("// Purposes of use.\n");
        for (purpose, groups) in &purposes {
            let groups: Vec<_> = groups
                .iter()
                .map(|group| format!("{ACTION}::{}", quoted(&group.id)))
                .collect();
            let within = if groups.is_empty() {
                String::new()
            } else {
                format!(" in [{}]", groups.join(", "))
            };
            let _ = writeln!(
                text,
                "action {}{within} appliesTo {{ principal: [{RECIPIENT}], resource: [{ATTRIBUTE}], context: Facts }};",
                quoted(purpose)
            );
        }
    }

    /// All entities as Cedar takes them; it adds the actions from the schema.
    pub(crate) fn entities(&self, schema: &Schema) -> Result<Entities, String> {
        let mut all = Vec::new();
        for (uid, known) in self.entities.iter().filter(|(uid, _)| uid.kind != ACTION) {
            let parents: HashSet<_> = known
                .parents
                .iter()
                .map(cedar_uid)
                .collect::<Result<_, _>>()?;
            let attributes: HashMap<_, _> = known
                .attributes
                .iter()
                .map(|(name, atom)| ((*name).to_owned(), expression(atom)))
                .collect();
            let entity = Entity::new(cedar_uid(uid)?, attributes, parents);
            all.push(entity.map_err(|error| error.to_string())?);
        }
        Entities::from_entities(all, Some(schema)).map_err(|error| error.to_string())
    }
}

fn facts_text() -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "  // Where she lives: a jurisdiction of law data, `other` or `unknown`.\n  {JURISDICTION}: String,"
    );
    let _ = writeln!(
        text,
        "  // unknown, under_13, 13_to_15, 16_17 or adult.\n  {AGE}: String,"
    );
    let _ = writeln!(
        text,
        "  // The years that she surely has: 0, 13, 16 or 18.\n  {LEAST_AGE}: Long,"
    );
    for fact in Fact::ALL {
        let _ = writeln!(text, "  {}: Bool,", fact.text());
    }
    for name in [
        PURPOSE_DECLARES_ATTRIBUTE,
        PURPOSE_DECLARES_RECIPIENT,
        RECIPIENT_DECLARES_ATTRIBUTE,
    ] {
        let _ = writeln!(text, "  {name}: Bool,");
    }
    text
}

/// A text literal of Cedar.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.escape_debug())
}

pub(crate) fn cedar_uid(uid: &Uid) -> Result<EntityUid, String> {
    let kind: EntityTypeName = uid
        .kind
        .parse()
        .map_err(|error: cedar_policy::ParseErrors| error.to_string())?;
    Ok(EntityUid::from_type_name_and_id(
        kind,
        EntityId::new(&uid.id),
    ))
}

fn expression(atom: &Atom) -> RestrictedExpression {
    match atom {
        Atom::Bool(is) => RestrictedExpression::new_bool(*is),
        Atom::Long(number) => RestrictedExpression::new_long(*number),
        Atom::Text(text) => RestrictedExpression::new_string(text.clone()),
        Atom::Entity(uid) => cedar_uid(uid).map_or_else(
            |_| RestrictedExpression::new_bool(false),
            RestrictedExpression::new_entity_uid,
        ),
    }
}
