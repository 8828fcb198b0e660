//! Any imports, merges, splits and words of operators, in any order: storage says of who is who what the pure rules say of the same
//! records, and with every merge taken apart there is exactly what was there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests"
)]

use std::collections::{BTreeMap, BTreeSet};

use domain::audit::{Actor, Hash};
use domain::data_map::IdentifierKind;
use domain::disclosure::{Disclosure, DisclosureRecipient, ProfileFacts, ProfileQuery, Purpose};
use domain::id::{OperatorId, SubjectId};
use domain::identity::{
    BlockedBy, Decided, HeldIdentifier, History, IdentifierTag, IdentityEvent, Merge, MergeId,
    MergeReason, Resolution, ReviewId, ReviewKind, SourceRecord, normalise, possible_match_text,
    resolve,
};
use domain::profile::{AttributeNumber, Profile, Schema, SourceNumber};
use domain::sensitive::Sensitive;
use enforcement::vault::{KeyRing, SegmentPlace, WrappedSubjectKey};
use enforcement::{Judgements, decide_profile};
use governance::identity::{self, Decision};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use storage::{Error, profile_segment, subject};
use uuid::Uuid;

use crate::profile_house::{CRM, HELP_DESK, ProfileHouse, SHOP, SUBJECT, schema_file};
use crate::server::{Engine, engine};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Import(SourceNumber, Vec<Given>),
    Merge(usize, usize),
    Split(usize),
    KeepApart(usize, usize),
    Decide(usize, Decision),
}

/// One record of a source; few values, so that they meet.
#[derive(Clone, Debug)]
struct Given {
    key: u8,
    /// The shop's and the sales team's e-mail address; `Some(None)` takes it out.
    email: Option<Option<u8>>,
    /// Name, birth date and address of one of two people.
    alike: Option<u8>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let given = (0u8..4, option(option(0u8..3)), option(0u8..2));
    let given = given.prop_map(|(key, email, alike)| Given { key, email, alike });
    let source = prop_oneof![Just(SHOP), Just(CRM), Just(HELP_DESK), Just(SUBJECT)];
    let decision = prop_oneof![
        Just(Decision::Merge),
        Just(Decision::KeepApart),
        Just(Decision::Leave)
    ];
    let at = 0usize..64;
    let step = prop_oneof![
        6 => (source, proptest::collection::vec(given, 1..4)).prop_map(|(source, given)| Step::Import(source, given)),
        3 => (at.clone(), at.clone()).prop_map(|(one, other)| Step::Merge(one, other)),
        3 => at.clone().prop_map(Step::Split),
        1 => (at.clone(), at.clone()).prop_map(|(one, other)| Step::KeepApart(one, other)),
        2 => (at, decision).prop_map(|(at, decision)| Step::Decide(at, decision)),
    ];
    proptest::collection::vec(step, 1..16)
}

fn option<T: std::fmt::Debug + Clone>(
    some: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<T>> {
    proptest::option::of(some)
}

impl Given {
    fn values(&self, source: SourceNumber) -> Vec<(&'static str, String)> {
        let mut values = Vec::new();
        if source == SHOP || source == CRM {
            values.push(("customer_number", format!("{}", self.key)));
            if let Some(email) = self.email {
                let text = email.map(|number| format!("person{number}@example.org"));
                values.push(("email", text.unwrap_or_default()));
            }
        } else {
            values.push(("email", format!("Person{}@example.org", self.key)));
        }
        if let Some(alike) = self.alike {
            values.extend([
                ("first_name", format!("Maya{alike}")),
                ("last_name", "Okafor".to_owned()),
                ("birth_date", "1990-12-31".to_owned()),
                ("street", "1 Rye Lane".to_owned()),
                ("postal_code", "94601".to_owned()),
            ]);
        }
        values
    }
}

/// What was written and what happened, in memory and by the pure rules alone.
struct Model {
    schema: std::sync::Arc<Schema>,
    values: BTreeMap<SubjectId, BTreeMap<(AttributeNumber, SourceNumber), String>>,
    history: History,
    answered: BTreeSet<Question>,
    ids: u128,
}

type Question = (
    ReviewKind,
    SubjectId,
    Option<SubjectId>,
    Option<IdentifierKind>,
);

impl Model {
    fn take(&mut self, subject: SubjectId, source: SourceNumber, given: &Given) {
        let record = self.values.entry(subject).or_default();
        for (key, text) in given.values(source) {
            let number = self.schema.attribute_of(key).unwrap().number;
            if text.is_empty() {
                record.remove(&(number, source));
            } else {
                record.insert((number, source), text);
            }
        }
    }

    fn records(&self) -> Vec<SourceRecord> {
        let records = self.values.iter();
        records
            .map(|(subject, values)| SourceRecord {
                subject: *subject,
                identifiers: values
                    .iter()
                    .filter_map(|((number, source), text)| self.held(*number, *source, text))
                    .collect(),
                possible_match: self.alike(values),
            })
            .collect()
    }

    fn held(
        &self,
        number: AttributeNumber,
        source: SourceNumber,
        text: &str,
    ) -> Option<HeldIdentifier> {
        let used = self.schema.attribute(number)?.identifier.as_ref()?;
        let country = self.schema.identity().default_country;
        let normal = normalise(used.rule, &text.to_owned().into(), country).ok()?;
        Some(HeldIdentifier {
            kind: used.kind.clone(),
            tag: tag(&format!("{}|{}", used.kind.0, normal.expose())),
            verified: self.schema.source(source).unwrap().proves.contains(&number),
        })
    }

    fn alike(
        &self,
        values: &BTreeMap<(AttributeNumber, SourceNumber), String>,
    ) -> Option<IdentifierTag> {
        let rule = self.schema.possible_match()?;
        let one = |number: AttributeNumber| {
            let mut values = values.iter();
            values
                .find(|((attribute, _), _)| *attribute == number)
                .map(|(_, text)| text.clone())
        };
        let all = |numbers: &[AttributeNumber]| -> Sensitive<String> {
            let parts: Vec<_> = numbers.iter().filter_map(|number| one(*number)).collect();
            parts.join(" ").into()
        };
        let born = one(rule.birth_date)?.parse().ok()?;
        let text = possible_match_text(&all(&rule.name), born, &all(&rule.address))?;
        Some(tag(text.expose()))
    }

    /// What the rules say now, recorded.
    fn settle(&mut self) -> Resolution {
        let resolution = resolve(self.schema.identity(), &self.records(), &self.history);
        for link in &resolution.new_merges {
            self.ids += 1;
            let merge = Merge {
                id: MergeId::from_uuid(Uuid::from_u128(self.ids)),
                one: link.one,
                other: link.other,
                reason: MergeReason::Identifier(link.kind.clone(), link.tag),
            };
            self.history.add(IdentityEvent::Merged(merge)).unwrap();
        }
        for merge in &resolution.withdrawn {
            let by = Decided::Rule;
            let event = IdentityEvent::Split { merge: *merge, by };
            self.history.add(event).unwrap();
        }
        resolution
    }

    /// All possible matches, however many are like them.
    fn all_alike(&self) -> BTreeSet<Question> {
        let mut rules = self.schema.identity().clone();
        rules.most_subjects = usize::MAX;
        let records = self.records().into_iter().map(|record| SourceRecord {
            identifiers: Vec::new(),
            ..record
        });
        let records: Vec<_> = records.collect();
        questions(&resolve(&rules, &records, &self.history), &records)
    }

    fn merge(&mut self, one: SubjectId, other: SubjectId, operator: OperatorId) {
        self.ids += 1;
        let merge = Merge {
            id: MergeId::from_uuid(Uuid::from_u128(self.ids)),
            one,
            other,
            reason: MergeReason::Operator(operator),
        };
        self.history.add(IdentityEvent::Merged(merge)).unwrap();
    }

    fn same(&self, one: SubjectId, other: SubjectId) -> bool {
        let groups = self.history.groups(self.values.keys().copied());
        groups.same(one, other)
    }

    /// All questions about these two, whichever of their records they name, have an answer.
    fn answer(&mut self, asked: &BTreeSet<Question>, one: SubjectId, other: SubjectId) {
        let groups = self.history.groups(self.values.keys().copied());
        let pair = |one, other| BTreeSet::from([groups.canonical(one), groups.canonical(other)]);
        let wanted = pair(one, other);
        let about = asked.iter().filter(|question| {
            question
                .2
                .is_some_and(|other| pair(question.1, other) == wanted)
        });
        self.answered.extend(about.cloned());
    }
}

fn tag(text: &str) -> IdentifierTag {
    IdentifierTag(*Hash::of(text.as_bytes()).as_bytes().first_chunk().unwrap())
}

fn questions(resolution: &Resolution, records: &[SourceRecord]) -> BTreeSet<Question> {
    let mut asked = BTreeSet::new();
    for pair in &resolution.possible_matches {
        asked.insert((ReviewKind::PossibleMatch, pair.one, Some(pair.other), None));
    }
    for blocked in &resolution.blocked {
        if let BlockedBy::Conflict(kind) = &blocked.by {
            let one = resolution.groups.canonical(blocked.link.one).unwrap();
            let other = resolution.groups.canonical(blocked.link.other).unwrap();
            let (one, other) = (one.min(other), one.max(other));
            asked.insert((ReviewKind::Conflict, one, Some(other), Some(kind.clone())));
        }
    }
    for one in &resolution.contested {
        let kind = Some(one.kind.clone());
        asked.insert((ReviewKind::Contested, one.subject, None, kind));
    }
    for hub in &resolution.hubs {
        let mut holders = records.iter().filter(|record| {
            let mut held = record.identifiers.iter();
            held.any(|held| (&held.kind, held.tag) == (&hub.kind, hub.tag))
        });
        let oldest = holders.next().unwrap().subject;
        asked.insert((ReviewKind::Everybodys, oldest, None, Some(hub.kind.clone())));
    }
    asked
}

/// A house and its model, side by side.
struct Twin {
    house: ProfileHouse,
    operator: OperatorId,
    model: Model,
    asked: BTreeSet<Question>,
}

/// Identifiers of one merge that both sides know it by: merges that stand never make one what is one already.
type Standing = BTreeMap<(SubjectId, SubjectId), MergeId>;

impl Twin {
    async fn new(house: ProfileHouse) -> Self {
        let operator = governance::operator::add(&house.p, "Robin")
            .await
            .unwrap()
            .0;
        let model = Model {
            schema: std::sync::Arc::clone(house.p.schema().unwrap()),
            values: BTreeMap::new(),
            history: History::default(),
            answered: BTreeSet::new(),
            ids: 0,
        };
        Self {
            house,
            operator,
            model,
            asked: BTreeSet::new(),
        }
    }

    fn subject(&self, at: usize) -> Option<SubjectId> {
        let ids: Vec<_> = self.model.values.keys().copied().collect();
        (!ids.is_empty()).then(|| ids[at % ids.len()])
    }

    async fn run(&mut self, step: &Step) {
        match step {
            Step::Import(source, given) => self.import(*source, given).await,
            Step::Merge(one, other) => self.merge(*one, *other).await,
            Step::Split(at) => {
                let standing = self.standing().await;
                if let Some((_, merge)) = standing.iter().nth(at % standing.len().max(1)) {
                    self.split(*merge, &standing).await;
                }
            }
            Step::KeepApart(one, other) => self.keep_apart(*one, *other).await,
            Step::Decide(at, decision) => self.decide(*at, *decision).await,
        }
        self.compare().await;
    }

    async fn import(&mut self, source: SourceNumber, given: &[Given]) {
        let records = given.iter().map(|given| {
            let values = given.values(source);
            let values: Vec<_> = values
                .iter()
                .map(|(key, text)| (*key, text.as_str()))
                .collect();
            self.house.record(&values)
        });
        let records = records.collect();
        let written = self.house.write_given(source, records).await;
        assert!(written.refused.is_empty());
        for (given, subject) in given.iter().zip(&written.subjects) {
            self.model.take(subject.unwrap(), source, given);
        }
    }

    async fn merge(&mut self, one: usize, other: usize) {
        let (Some(one), Some(other)) = (self.subject(one), self.subject(other)) else {
            return;
        };
        let merged = identity::merge(&self.house.p, one, other, self.operator).await;
        if one == other {
            assert_eq!(merged.unwrap_err().status, 422);
        } else if self.model.same(one, other) {
            assert_eq!(merged.unwrap_err().status, 409);
        } else {
            merged.unwrap();
            self.model.answer(&self.asked, one, other);
            self.model.merge(one, other, self.operator);
        }
    }

    async fn split(&mut self, merge: MergeId, standing: &Standing) {
        let (pair, _) = standing.iter().find(|(_, id)| **id == merge).unwrap();
        let split = identity::split(&self.house.p, merge, self.operator)
            .await
            .unwrap();
        let known = self.model.history.standing();
        let known = known.map(|merge| (merge.id, (merge.one, merge.other)));
        let same = |(one, other): (SubjectId, SubjectId)| (one.min(other), one.max(other)) == *pair;
        let merge = known.filter(|(_, pair)| same(*pair)).last().unwrap().0;
        let by = Decided::Operator(self.operator);
        let event = IdentityEvent::Split { merge, by };
        self.model.history.add(event).unwrap();
        assert_eq!(split.subjects, *pair);
        assert_eq!(split.still_one, self.model.same(pair.0, pair.1));
    }

    async fn keep_apart(&mut self, one: usize, other: usize) {
        let (Some(one), Some(other)) = (self.subject(one), self.subject(other)) else {
            return;
        };
        let kept = identity::keep_apart(&self.house.p, one, other, self.operator).await;
        if one == other {
            assert_eq!(kept.unwrap_err().status, 422);
        } else if self.model.same(one, other) {
            assert_eq!(kept.unwrap_err().status, 409);
        } else {
            kept.unwrap();
            self.kept_apart(one, other);
        }
    }

    fn kept_apart(&mut self, one: SubjectId, other: SubjectId) {
        self.model.answer(&self.asked, one, other);
        let by = self.operator;
        let event = IdentityEvent::KeptApart { one, other, by };
        self.model.history.add(event).unwrap();
    }

    async fn decide(&mut self, at: usize, decision: Decision) {
        let open = self.open().await;
        let Some((question, id)) = open.iter().nth(at % open.len().max(1)) else {
            return;
        };
        let decided = identity::decide(&self.house.p, *id, decision, self.operator).await;
        match (decision, question.2) {
            (Decision::Leave, _) => {
                decided.unwrap();
                self.model.answered.insert(question.clone());
            }
            (_, None) => assert_eq!(decided.unwrap_err().status, 422),
            (Decision::Merge, Some(other)) => {
                assert!(decided.unwrap().is_some());
                self.model.answer(&self.asked, question.1, other);
                self.model.merge(question.1, other, self.operator);
            }
            (Decision::KeepApart, Some(other)) => {
                decided.unwrap();
                self.kept_apart(question.1, other);
            }
        }
        let again = identity::decide(&self.house.p, *id, Decision::Leave, self.operator).await;
        if decision == Decision::Leave || question.2.is_some() {
            assert_eq!(again.unwrap_err().status, 409, "answered once");
        } else {
            again.unwrap();
            self.model.answered.insert(question.clone());
        }
    }

    /// Storage says what the rules say of the model.
    async fn compare(&mut self) {
        let resolution = self.model.settle();
        self.asked = questions(&resolution, &self.model.records());
        let ids: BTreeSet<_> = self.model.values.keys().copied().collect();
        let expected: BTreeMap<_, _> = ids
            .iter()
            .map(|id| (*id, resolution.groups.canonical(*id).unwrap()))
            .collect();
        assert_eq!(self.canonical(ids).await, expected);
        let known = self.model.history.standing();
        let known = known.map(|merge| (merge.one.min(merge.other), merge.one.max(merge.other)));
        let known: BTreeSet<_> = known.collect();
        assert_eq!(
            self.standing().await.into_keys().collect::<BTreeSet<_>>(),
            known
        );
        let open: BTreeSet<_> = self.open().await.into_keys().collect();
        let expected = self.asked.difference(&self.model.answered);
        let expected: BTreeSet<_> = expected.cloned().collect();
        assert!(open.is_superset(&expected), "{open:?}, not {expected:?}");
        // Two that were asked about before too many became like them may stay asked about; nobody else.
        let alike = self.model.all_alike();
        let more: BTreeSet<_> = open.difference(&expected).cloned().collect();
        assert!(more.is_subset(&alike), "{more:?}, but {alike:?}");
    }

    async fn canonical(&self, ids: BTreeSet<SubjectId>) -> BTreeMap<SubjectId, SubjectId> {
        let read = self
            .house
            .p
            .database()
            .read("read groups", move |tx| subject::get_many(tx, &ids));
        let stored = read.await.unwrap_or_else(|error: Error| panic!("{error}"));
        let stored = stored.iter();
        stored.map(|one| (one.id, one.stands_for())).collect()
    }

    /// Merges that stand, as the histories of all subjects tell of them.
    async fn standing(&self) -> Standing {
        let mut standing = Standing::new();
        for id in self.model.values.keys() {
            let history = identity::history(&self.house.p, *id).await.unwrap();
            for event in history.events.iter().filter(|event| event.stands) {
                standing.insert((event.one, event.other), event.merge.unwrap());
            }
        }
        standing
    }

    async fn open(&self) -> BTreeMap<Question, ReviewId> {
        let page = identity::Page {
            after: None,
            limit: 200,
        };
        let list = identity::reviews(&self.house.p, page).await.unwrap();
        assert_eq!(list.open, list.reviews.len() as u64);
        let reviews = list.reviews.into_iter().map(|line| line.review);
        reviews
            .map(|review| {
                let question = (review.kind, review.one, review.other, review.identifier);
                (question, review.id)
            })
            .collect()
    }

    /// Takes every merge apart; afterwards each record stands alone with exactly what its source said.
    async fn undo_everything(&mut self) {
        loop {
            let standing = self.standing().await;
            let Some(merge) = standing.values().next().copied() else {
                break;
            };
            self.split(merge, &standing).await;
            self.compare().await;
        }
        for (subject, values) in &self.model.values {
            let history = identity::history(&self.house.p, *subject).await.unwrap();
            assert_eq!((history.canonical, history.records.len()), (*subject, 1));
            let opened = opened(&self.house, *subject, self.operator).await;
            let held: BTreeMap<_, _> = opened
                .values()
                .map(|(number, value)| ((number, value.source), value.value.expose().clone()))
                .collect();
            assert_eq!(&held, values);
        }
    }
}

/// Everything that one record holds, by the whole way: decision, record, permit, vault.
async fn opened(house: &ProfileHouse, subject: SubjectId, operator: OperatorId) -> Profile {
    let schema = house.p.schema().unwrap();
    let query = ProfileQuery {
        id: domain::id::Id::<Disclosure>::from_uuid(subject.uuid()),
        subject,
        recipient: DisclosureRecipient::Operator(operator),
        purpose: Purpose::ShowOperator,
        attributes: std::sync::Arc::clone(schema.keys()),
    };
    let categories = house.p.law().categories();
    let facts = ProfileFacts {
        subject,
        members: [subject].into(),
        subject_verified: false,
        operator_sees_sensitive: true,
        schema: std::sync::Arc::clone(schema),
        known_categories: std::sync::Arc::new(
            categories
                .map(|category| category.category.clone())
                .collect(),
        ),
        never_disclosed: [].into(),
    };
    let permit = decide_profile(&query, &facts, &Judgements::default()).unwrap();
    let names = permit.names(house.p.now()).unwrap();
    let record = permit.new_record(house.p.now(), Actor::Operator(operator));
    let written = house.p.database().write_recorded("record look", move |tx| {
        let log = "privacy.hearth.example/audit";
        let pending = storage::audit::append(tx, log, vec![names.clone(), record.clone()])?;
        let stored = subject::get_many(tx, &[subject].into())?;
        let segments = profile_segment::of_subjects(tx, &[subject].into())?;
        Ok::<_, Error>(((stored, segments), pending))
    });
    let ((stored, segments), mut proofs) = written.await.unwrap();
    let own = proofs.pop().unwrap();
    permit.names_recorded(&proofs.pop().unwrap()).unwrap();
    let permit = permit.record(own).unwrap();
    let keys = KeyRing::open(&house.dir.path().join("privity.key")).unwrap();
    let key = stored[0].key.clone().unwrap();
    let wrapped = WrappedSubjectKey::from_parts(key.version, key.wrapped);
    let key = keys.unwrap_subject_key(subject, &wrapped).unwrap();
    let mut profile = Profile::new(subject);
    for segment in &segments {
        let place = SegmentPlace {
            table: profile_segment::TABLE,
            segment: segment.segment,
            row_version: segment.row_version,
            schema: segment.schema_version,
        };
        let part = key
            .open_segment(&permit, schema, &place, &segment.sealed)
            .unwrap();
        for (number, value) in part.profile.values() {
            profile.set(number, value.clone());
        }
    }
    profile
}

/// Two are many here, so that identifiers of everybody come up.
fn few() -> String {
    let schema = std::fs::read_to_string(schema_file()).unwrap();
    let schema = schema.replace("most_subjects: 10", "most_subjects: 3");
    assert!(schema.contains("most_subjects: 3"));
    schema
}

fn try_any(cases: u32, place: impl Fn() -> Option<crate::server::Store>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = TestRunner::new(Config {
        cases,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&steps(), |steps| {
        runtime.block_on(async {
            let house = ProfileHouse::with_schema(place(), Some(&few())).await;
            let mut twin = Twin::new(house).await;
            for step in &steps {
                twin.run(step).await;
            }
            twin.undo_everything().await;
        });
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

/// Orders of events in which storage once said something else.
fn once_wrong() -> Vec<Vec<Step>> {
    let given = |key, email: Option<u8>| Given {
        key,
        email: email.map(Some),
        alike: None,
    };
    vec![vec![
        Step::Import(SHOP, vec![given(2, Some(2))]),
        Step::Import(SUBJECT, vec![given(0, None)]),
        Step::Import(SHOP, vec![given(1, None)]),
        Step::Import(SHOP, vec![given(0, Some(0)), given(1, Some(2))]),
        Step::Import(SUBJECT, vec![given(2, None)]),
    ]]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_storage_once_said_otherwise_than_the_rules_it_says_as_they_do() {
    for steps in once_wrong() {
        let house = ProfileHouse::with_schema(None, Some(&few())).await;
        let mut twin = Twin::new(house).await;
        for step in &steps {
            twin.run(step).await;
        }
        twin.undo_everything().await;
    }
}

#[test]
fn storage_says_what_the_rules_say_and_every_merge_can_be_taken_apart_on_sqlite() {
    try_any(cases(24), || None);
}

#[test]
fn storage_says_what_the_rules_say_and_every_merge_can_be_taken_apart_on_postgresql() {
    if engine(Engine::Postgres).is_none() {
        return;
    }
    try_any(cases(8), || engine(Engine::Postgres));
}

/// More where somebody asks for more.
fn cases(usual: u32) -> u32 {
    let asked = std::env::var("PROPTEST_CASES").ok();
    asked.and_then(|cases| cases.parse().ok()).unwrap_or(usual)
}
