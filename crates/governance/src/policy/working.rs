//! Works out what is known of a subject from everything that she and others chose: one bit for each purpose, and exceptions beside them.
//!
//! Law: Civ. Code 1798.120, 1798.121, 1798.135; 11 CCR 7025; GDPR Art. 18, 21.

use std::collections::{BTreeMap, BTreeSet};

use domain::consent::{
    Act, Age, AttributeKey, By, ConsentEvent, Matter, Question, Reason, Standing, Terms,
};
use domain::data_map::RecipientKey;
use domain::policy::{AgeBand, AttributeSet, ChoiceFacts, Exception, Fact, Layout, SubjectFacts};
use domain::purpose_of_use::{Choice, PurposeKey, PurposeOfUse, UseKind};
use domain::wording::Wording;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::consent::{Ground, History};
use crate::{Privity, Problem};

/// What holds of a subject besides her choices.
#[derive(Clone, Debug)]
pub(crate) struct Circumstances {
    /// The jurisdiction that protects her.
    pub(crate) jurisdiction: String,
    /// How old she is, as far as consents are judged by it.
    pub(crate) age: Age,
    /// The same as policies see it, with the moment at which it changes; `None` when nobody looked.
    pub(crate) band: Option<(AgeBand, Option<Timestamp>)>,
    /// A legal hold keeps her data, and until when at the least.
    pub(crate) held: (bool, Option<Timestamp>),
}

/// Purposes that are not there: what she said of everything of a sort is asked of them.
struct Sorts {
    sale: PurposeOfUse,
    advertising: PurposeOfUse,
    sensitive: PurposeOfUse,
}

impl Sorts {
    fn new() -> Self {
        Self {
            sale: every(&[UseKind::Sale, UseKind::Sharing]),
            advertising: every(&[UseKind::TargetedAdvertising]),
            sensitive: every(&[UseKind::Sensitive]),
        }
    }
}

/// A purpose with these uses that no choice names. INVARIANT: keys of real purposes have no blank.
fn every(uses: &[UseKind]) -> PurposeOfUse {
    PurposeOfUse {
        key: PurposeKey::from("every purpose of a sort"),
        title: Wording::default(),
        description: Wording::default(),
        categories: BTreeSet::new(),
        sensitive: BTreeSet::new(),
        uses: uses.iter().copied().collect(),
        choice: Choice::OptOut,
        choice_under: BTreeMap::new(),
        recipients: BTreeSet::new(),
        consent_lasts_months: None,
        notice: None,
        collected_by: BTreeSet::new(),
        dpv: None,
    }
}

/// Works out a subject's facts at a moment, without their version.
///
/// # Errors
/// Law data that can't be read.
pub(crate) fn work_out(
    p: &Privity,
    layout: &Layout,
    history: &History,
    circumstances: &Circumstances,
    on: Timestamp,
) -> Result<SubjectFacts, Problem> {
    let law = p.law_of(&circumstances.jurisdiction);
    let ground = p.ground(law.as_deref(), on)?;
    let law_changes = p.next_law_day(&ground);
    let mut work = Work {
        history,
        ground: &ground,
        age: circumstances.age,
        until: None,
    };
    let mut facts = SubjectFacts::unknown(layout, 0).living_in(layout, &circumstances.jurisdiction);
    if let Some((band, changes)) = circumstances.band {
        facts = facts.aged(band);
        work.ends(changes);
    }
    work.ends(circumstances.held.1);
    work.ends(law_changes);
    facts = work.sorts(facts);
    facts = facts
        .with(Fact::OnLegalHold, circumstances.held.0)
        // No privacy request restricts anything yet (domain::privacy_request::RequestKind).
        .with(Fact::Restricted, false);
    for purpose in p.purposes().iter() {
        facts = work.purpose(layout, purpose, facts);
    }
    Ok(facts.until(work.until))
}

impl Privity {
    /// The next moment at which law data or a published notice says something else, since choices are judged by what holds on the day.
    fn next_law_day(&self, ground: &Ground) -> Option<Timestamp> {
        let today = ground.on.to_zoned(ground.time_zone.clone()).date();
        let rows = self.law().laws().flat_map(|law| &law.rows);
        let days = rows.flat_map(|row| {
            let ends = row.text.valid_to.and_then(|day| day.tomorrow().ok());
            [Some(row.text.valid_from), ends]
        });
        let next = days.flatten().filter(|day| *day > today).min();
        let next = next.and_then(|day| day.to_zoned(ground.time_zone.clone()).ok());
        let notices = self.notices().iter().map(|notice| notice.published_from);
        let notices = notices.filter(|from| *from > ground.on);
        notices.chain(next.map(|day| day.timestamp())).min()
    }

    /// The law of a jurisdiction by which choices are judged; the business's own for one that has none.
    pub(super) fn law_of(&self, jurisdiction: &str) -> Option<String> {
        let own = &self.settings().business.default_law;
        let is_own = self
            .law()
            .law(own)
            .is_ok_and(|law| law.jurisdiction == jurisdiction);
        if is_own {
            return None;
        }
        let mut laws = self.law().laws();
        let found = laws.find(|law| law.jurisdiction == jurisdiction)?;
        Some(found.key.clone())
    }
}

struct Work<'a> {
    history: &'a History,
    ground: &'a Ground,
    age: Age,
    until: Option<Timestamp>,
}

impl Work<'_> {
    fn ends(&mut self, at: Option<Timestamp>) {
        self.until = self.until.into_iter().chain(at).min();
    }

    fn ask(
        &mut self,
        purpose: &PurposeOfUse,
        recipient: Option<&RecipientKey>,
        attribute: Option<&AttributeKey>,
    ) -> ChoiceFacts {
        let question = Question {
            purpose,
            recipient,
            attribute,
        };
        let standing =
            self.history
                .standing(&question, self.ground.on, &self.ground.facts(self.age));
        self.ends(standing.until);
        let mut choice = ChoiceFacts::from(&standing);
        if standing.reason == Reason::NoChoice && !self.history.is_empty() {
            // She may object to what she has no choice about, too (GDPR Art. 21).
            choice.opted_out = self.objects(purpose, recipient, attribute);
        }
        choice
    }

    /// Whether a no stands, whatever it changes.
    fn objects(
        &mut self,
        purpose: &PurposeOfUse,
        recipient: Option<&RecipientKey>,
        attribute: Option<&AttributeKey>,
    ) -> bool {
        let open = PurposeOfUse {
            choice: Choice::OptOut,
            choice_under: BTreeMap::new(),
            ..purpose.clone()
        };
        let question = Question {
            purpose: &open,
            recipient,
            attribute,
        };
        let standing = self.without_law(self.history, &question);
        // A yes that lifts it may end.
        self.ends(standing.until);
        standing.opposed
    }

    /// What the choices alone come to: no law raises what is asked for.
    fn without_law(&self, history: &History, question: &Question<'_>) -> Standing {
        let (terms, time_zone) = (Terms::default(), TimeZone::UTC);
        let facts = domain::consent::Facts {
            age: Age::Unknown,
            time_zone: &time_zone,
            terms: &terms,
            collected_without_notice: false,
        };
        history.standing(question, self.ground.on, &facts)
    }

    /// What she said of everything of a sort.
    fn sorts(&self, facts: SubjectFacts) -> SubjectFacts {
        let none = self.history.is_empty();
        let sorts = Sorts::new();
        let says_no = |history: &History, purpose: &PurposeOfUse| {
            let question = Question {
                purpose,
                recipient: None,
                attribute: None,
            };
            !self.without_law(history, &question).allowed
        };
        let is_no = |purpose| !none && says_no(self.history, purpose);
        let by_signal = |sort| !none && says_no(&self.history.only(is_signal), sort);
        let signal = by_signal(&sorts.sale) || by_signal(&sorts.advertising);
        facts
            .with(Fact::OptedOutOfSale, is_no(&sorts.sale))
            .with(
                Fact::OptedOutOfTargetedAdvertising,
                is_no(&sorts.advertising),
            )
            .with(Fact::Limited, is_no(&sorts.sensitive))
            .with(Fact::Signal, signal)
    }

    /// What she chose about one purpose, and where that differs for a recipient or an attribute.
    fn purpose(
        &mut self,
        layout: &Layout,
        purpose: &PurposeOfUse,
        facts: SubjectFacts,
    ) -> SubjectFacts {
        let Some(slot) = layout.purpose(&purpose.key) else {
            return facts;
        };
        let whole = self.ask(purpose, None, None);
        let mut facts = facts.choosing(slot, whole);
        let (recipients, attributes) = self.named(purpose);
        let named: Vec<_> = attributes
            .iter()
            .filter_map(|key| Some((key, one(layout, key)?)))
            .collect();
        let exception = |recipient, attributes, choice| Exception {
            purpose: slot,
            recipient,
            attributes,
            choice: Some(choice),
        };
        let mut has_attributes = false;
        for (key, set) in &named {
            let choice = self.ask(purpose, None, Some(key));
            if choice != whole {
                facts = facts.except(exception(None, *set, choice));
                has_attributes = true;
            }
        }
        for key in recipients {
            let Some(recipient) = layout.recipient(&key) else {
                continue;
            };
            let all = self.ask(purpose, Some(&key), None);
            if all != whole || has_attributes {
                facts = facts.except(exception(Some(recipient), AttributeSet::ALL, all));
            }
            for (attribute, set) in &named {
                let choice = self.ask(purpose, Some(&key), Some(attribute));
                if choice != all {
                    facts = facts.except(exception(Some(recipient), *set, choice));
                }
            }
        }
        facts
    }

    /// The recipients and attributes that some choice about this purpose names.
    fn named(&self, purpose: &PurposeOfUse) -> (BTreeSet<RecipientKey>, BTreeSet<AttributeKey>) {
        let (mut recipients, mut attributes) = (BTreeSet::new(), BTreeSet::new());
        let is_about = |event: &&ConsentEvent| match &event.scope.of {
            Matter::Purpose(key) => *key == purpose.key,
            Matter::Every(kinds) => !kinds.is_disjoint(&purpose.uses),
        };
        for event in self.history.events().filter(is_about) {
            recipients.extend(event.scope.recipient.clone());
            attributes.extend(event.scope.attributes.iter().cloned());
        }
        (recipients, attributes)
    }
}

fn one(layout: &Layout, key: &AttributeKey) -> Option<AttributeSet> {
    let slot = layout.attribute(key.as_ref())?;
    Some([slot].into_iter().collect())
}

fn is_signal(event: &ConsentEvent) -> bool {
    matches!(event.by, By::Signal { .. })
        || !matches!(
            event.act,
            Act::OptedOut { .. } | Act::Refused { .. } | Act::Withdrawn { .. }
        )
}
