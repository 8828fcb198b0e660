//! A small shop's purposes and notices, and histories in one line each.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use domain::consent::{
    Act, Age, Assent, AttributeKey, BirthDate, By, ConsentEvent, ConsentId, Facts, GuardianProof,
    How, Party, Question, Scope, Standing, Steps, Tag, Terms, standing,
};
use domain::data_map::RecipientKey;
use domain::id::SubjectId;
use domain::notice::{NoticeBook, NoticeFile, Shown, Way};
use domain::purpose_of_use::{PurposeBook, PurposeFile, PurposeKey, PurposeOfUse};
use domain::signal::Signal;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use uuid::Uuid;

pub(crate) const PURPOSES: &str = r#"
purposes:
  fulfil_orders:
    title: {en: "Your orders"}
    description: {en: "We pack and send what you order."}
    categories: [user.contact.email, user.name]
    choice: none
    dpv: DeliveryOfGoods
  marketing_email:
    title: {en: "Offers by e-mail", es: "Ofertas por correo"}
    description: {en: "We write to you about offers.", es: "Le escribimos sobre ofertas."}
    categories: [user.contact.email]
    choice: opt_out
    choice_under: {gdpr: opt_in}
    recipients: [mail_house]
    consent_lasts_months: 24
    notice: {key: newsletter, from_version: 2}
    dpv: DirectMarketing
  sell_purchases:
    title: {en: "Sale of purchase history"}
    description: {en: "Brokers pay us for what you bought."}
    categories: [user.behavior.purchase_history]
    uses: [sale, sharing]
    choice: opt_out
    recipients: [broker, ad_network]
  train_ad_model:
    title: {en: "Training of an advertising model"}
    description: {en: "What you had delivered trains a model."}
    categories: [user.behavior.purchase_history]
    choice: opt_in
    notice: {key: model, from_version: 1}
  loyalty_card:
    title: {en: "Loyalty card"}
    description: {en: "Points for your purchase history, which partners buy."}
    categories: [user.behavior.purchase_history]
    uses: [sale, incentive]
    choice: opt_in
    recipients: [broker]
  sell_places:
    title: {en: "Sale of places"}
    description: {en: "Brokers pay us for where you are."}
    categories: [user.location.precise]
    uses: [sale]
    choice: opt_in
    recipients: [broker]
  sell_health_segment:
    title: {en: "Sale of a health segment"}
    description: {en: "Brokers pay us for what you take."}
    categories: [user.health_and_medical]
    uses: [sale]
    choice: opt_in
    recipients: [broker]
  infer_health:
    title: {en: "Health advice"}
    description: {en: "We infer what may help you."}
    categories: [user.health_and_medical]
    uses: [sensitive]
    choice: opt_out
    collected_by: [web]
"#;

pub(crate) const NOTICES: &str = r#"
notices:
  - notice: newsletter
    version: 1
    kind: consent
    published_from: 2024-01-01T00:00:00Z
    purposes: [marketing_email]
    told_by: [web]
    texts: {en: {title: "Newsletter", body: "We write to you monthly."}}
  - notice: newsletter
    version: 2
    kind: consent
    published_from: 2025-01-01T00:00:00Z
    purposes: [marketing_email]
    told_by: [web]
    texts:
      en: {title: "Newsletter", body: "We write to you weekly."}
      es: {title: "Boletín", body: "Le escribimos cada semana."}
  - notice: model
    version: 1
    kind: consent
    published_from: 2025-01-01T00:00:00Z
    purposes: [train_ad_model]
    told_by: [web]
    texts: {en: {title: "Our model", body: "May your deliveries train it?"}}
  - notice: choices
    version: 1
    kind: right_to_opt_out
    published_from: 2025-01-01T00:00:00Z
    purposes: [sell_purchases, loyalty_card, sell_places, sell_health_segment]
    told_by: [web]
    contains: [right, how_to_opt_out]
    texts: {en: {title: "Your Privacy Choices", body: "We sell what you bought. You may stop that here."}}
  - notice: limit
    version: 1
    kind: right_to_limit
    published_from: 2025-01-01T00:00:00Z
    purposes: [infer_health]
    told_by: [web]
    contains: [right, how_to_limit]
    texts: {en: {title: "Limit the Use of My Sensitive Personal Information", body: "You may limit it here."}}
"#;

pub(crate) fn recipients() -> BTreeSet<RecipientKey> {
    ["mail_house", "broker", "ad_network"]
        .map(RecipientKey::from)
        .into()
}

pub(crate) fn purposes_of(text: &str) -> Result<PurposeBook, domain::law::Faults> {
    let file: PurposeFile = serde_saphyr::from_str(text).unwrap();
    PurposeBook::check("purposes.yaml", file, crate::law::book(), &recipients())
}

pub(crate) fn notices_of(text: &str) -> Result<NoticeBook, domain::law::Faults> {
    let file: NoticeFile = serde_saphyr::from_str(text).unwrap();
    NoticeBook::check("notices.yaml", file, crate::law::book(), purposes())
}

pub(crate) fn purposes() -> &'static PurposeBook {
    static BOOK: LazyLock<PurposeBook> =
        LazyLock::new(|| purposes_of(PURPOSES).unwrap_or_else(|faults| panic!("{faults}")));
    &BOOK
}

pub(crate) fn notices() -> &'static NoticeBook {
    static BOOK: LazyLock<NoticeBook> =
        LazyLock::new(|| notices_of(NOTICES).unwrap_or_else(|faults| panic!("{faults}")));
    &BOOK
}

pub(crate) fn purpose(key: &str) -> &'static PurposeOfUse {
    purposes().get(&PurposeKey::from(key)).unwrap()
}

/// A moment: a day is read as noon in UTC.
pub(crate) fn at(text: &str) -> Timestamp {
    text.parse()
        .unwrap_or_else(|_| format!("{text}T12:00:00Z").parse().unwrap())
}

pub(crate) fn shown(notice: &str, version: u32) -> Shown {
    let mut all = notices().iter();
    let notice = all.find(|known| known.key.as_ref() == notice && known.version == version);
    notice.unwrap().shown_in("en").unwrap()
}

/// The subject of all histories.
pub(crate) fn subject() -> Party {
    Party::Subject(SubjectId::from_uuid(Uuid::from_u128(7)))
}

pub(crate) const PHONE: Tag = Tag([1; 16]);
pub(crate) const LAPTOP: Tag = Tag([2; 16]);

fn notice_for(purpose: &str) -> Shown {
    match purpose {
        "marketing_email" => shown("newsletter", 2),
        "train_ad_model" => shown("model", 1),
        "infer_health" => shown("limit", 1),
        _ => shown("choices", 1),
    }
}

pub(crate) fn event(scope: Scope, act: Act, on: &str) -> ConsentEvent {
    ConsentEvent {
        id: ConsentId::from_uuid(Uuid::from_u128(1)),
        party: subject(),
        scope,
        act,
        at: at(on),
        by: By::Subject,
        how: How::Told(Way::Web),
        place: "privacy_center".to_owned(),
    }
}

fn assent(purpose: &str, steps: Steps) -> Assent {
    Assent {
        shown: notice_for(purpose),
        steps,
        despite_signal_of: None,
        expires: None,
    }
}

/// A confirmed yes of the subject.
pub(crate) fn yes(purpose: &str, on: &str) -> ConsentEvent {
    let act = Act::Given(assent(purpose, Steps::Two));
    event(Scope::purpose(purpose), act, on)
}

/// A yes that was clicked once.
pub(crate) fn one_click(purpose: &str, on: &str) -> ConsentEvent {
    let act = Act::OptedInAgain(assent(purpose, Steps::One));
    event(Scope::purpose(purpose), act, on)
}

pub(crate) fn despite(mut event: ConsentEvent, device: Tag) -> ConsentEvent {
    if let Act::Given(assent) | Act::OptedInAgain(assent) = &mut event.act {
        assent.despite_signal_of = Some(device);
    }
    event
}

pub(crate) fn by_guardian(mut event: ConsentEvent, proof: Option<GuardianProof>) -> ConsentEvent {
    event.by = By::Guardian { proof };
    event
}

pub(crate) fn to(mut event: ConsentEvent, recipient: &str) -> ConsentEvent {
    event.scope.recipient = Some(recipient.into());
    event
}

pub(crate) fn only(mut event: ConsentEvent, attributes: &[&str]) -> ConsentEvent {
    event.scope.attributes = attributes
        .iter()
        .map(|key| AttributeKey::from(*key))
        .collect();
    event
}

pub(crate) fn refused(purpose: &str, on: &str) -> ConsentEvent {
    event(Scope::purpose(purpose), Act::Refused { shown: None }, on)
}

pub(crate) fn withdrawn(purpose: &str, on: &str) -> ConsentEvent {
    event(Scope::purpose(purpose), Act::Withdrawn { shown: None }, on)
}

/// An opt-out of all sale and sharing.
pub(crate) fn opted_out(on: &str) -> ConsentEvent {
    event(
        Scope::every(Signal::Gpc.uses()),
        Act::OptedOut { shown: None },
        on,
    )
}

/// What a browser's signal makes, for the device and for the subject who is signed in there.
pub(crate) fn gpc(device: Tag, on: &str) -> Vec<ConsentEvent> {
    let parties = [Party::Device(device), subject()];
    let id = || ConsentId::from_uuid(Uuid::from_u128(2));
    Signal::Gpc.opt_outs(parties, Some(device), at(on), "shop", id)
}

/// A subject of Los Angeles, or of elsewhere under other laws.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) laws: Vec<&'static str>,
    pub(crate) age: Age,
    pub(crate) zone: TimeZone,
    pub(crate) collected_without_notice: bool,
}

pub(crate) fn person(laws: &[&'static str]) -> Person {
    Person {
        laws: laws.to_vec(),
        age: Age::Unknown,
        zone: TimeZone::get("America/Los_Angeles").unwrap(),
        collected_without_notice: false,
    }
}

impl Person {
    pub(crate) fn born(mut self, on: Date) -> Self {
        self.age = Age::Born(BirthDate::new(on));
        self
    }

    /// Somebody of that age on the day of the scenario.
    pub(crate) fn aged(self, years: i64, on: Date) -> Self {
        let born = domain::law::add_years(on, -years).unwrap();
        self.born(born)
    }

    pub(crate) fn ask(&self, history: &[ConsentEvent], purpose: &str, on: &str) -> Standing {
        self.ask_for(history, purpose, None, None, on)
    }

    pub(crate) fn depends_on_age(&self, key: &str, has_yes: bool, on: Timestamp) -> bool {
        let today = on.to_zoned(self.zone.clone()).date();
        let terms = Terms::of(crate::law::book(), &self.laws, today).unwrap();
        let facts = Facts {
            age: self.age,
            time_zone: &self.zone,
            terms: &terms,
            collected_without_notice: self.collected_without_notice,
        };
        domain::consent::depends_on_age(purpose(key), has_yes, on, &facts)
    }

    pub(crate) fn ask_for(
        &self,
        history: &[ConsentEvent],
        key: &str,
        recipient: Option<&str>,
        attribute: Option<&str>,
        on: &str,
    ) -> Standing {
        let on = at(on);
        let today = on.to_zoned(self.zone.clone()).date();
        let terms = Terms::of(crate::law::book(), &self.laws, today).unwrap();
        let (recipient, attribute) = (
            recipient.map(RecipientKey::from),
            attribute.map(AttributeKey::from),
        );
        let question = Question {
            purpose: purpose(key),
            recipient: recipient.as_ref(),
            attribute: attribute.as_ref(),
        };
        let facts = Facts {
            age: self.age,
            time_zone: &self.zone,
            terms: &terms,
            collected_without_notice: self.collected_without_notice,
        };
        let answer = standing(history, &question, on, &facts);
        if let Some(rule) = &answer.rule {
            assert!(
                crate::law::book().citation(rule, today).is_some(),
                "no law data for `{rule}`"
            );
        }
        answer
    }
}
