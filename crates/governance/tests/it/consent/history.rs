//! Any history, through the real database of both engines, is answered as a plain list in memory is.

use std::collections::{BTreeMap, BTreeSet};

use domain::audit::Actor;
use domain::consent::{
    Act, Age, ConsentEvent, Facts, Party, Question, Reason, Tag, Terms, standing,
};
use domain::signal::Signal;
use governance::Privity;
use governance::consent::{Asked, NewChoice, Recorded};
use governance::signal::Sender;
use jiff::SignedDuration;

use super::{house_with, no, subject, yes};
use crate::house::House;
use crate::server::{Engine, engine};

/// Numbers that look random and are the same on every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        let place = self.below(u64::try_from(all.len()).unwrap());
        all[usize::try_from(place).unwrap()].clone()
    }
}

/// The same without a database: events in a list, links in a set.
#[derive(Default)]
struct Model {
    events: Vec<ConsentEvent>,
    links: BTreeSet<(Party, Party)>,
}

impl Model {
    fn of(&self, party: &Party) -> Vec<ConsentEvent> {
        self.events
            .iter()
            .filter(|event| event.party == *party)
            .cloned()
            .collect()
    }

    fn linked(&self, party: &Party) -> BTreeSet<Party> {
        let near = |party: &Party| -> BTreeSet<Party> {
            let ends = |(one, other): &(Party, Party)| {
                if one == party {
                    Some(other.clone())
                } else if other == party {
                    Some(one.clone())
                } else {
                    None
                }
            };
            self.links.iter().filter_map(ends).collect()
        };
        let mut all = near(party);
        for between in near(party) {
            for far in near(&between) {
                let ends = matches!(
                    (party, &between, &far),
                    (Party::Device(_), Party::Pseudonym(_), Party::Subject(_))
                        | (Party::Subject(_), Party::Pseudonym(_), Party::Device(_))
                );
                if ends {
                    all.insert(far);
                }
            }
        }
        all
    }

    fn allows(&self, p: &Privity, party: &Party, question: &Question<'_>) -> (bool, Reason) {
        let law = p.law().law("ccpa").unwrap();
        let day = p.now().to_zoned(law.time_zone().clone()).date();
        let terms = Terms::of(p.law(), &["ccpa"], day).unwrap();
        let facts = Facts {
            age: Age::Unknown,
            time_zone: law.time_zone(),
            terms: &terms,
            collected_without_notice: false,
        };
        let mut events = self.of(party);
        for linked in self.linked(party) {
            let theirs = self.of(&linked);
            let took_back = matches!(
                standing(&theirs, question, p.now(), &facts).reason,
                Reason::Consented | Reason::ConsentedAgain
            );
            let is_no = |event: &&ConsentEvent| {
                matches!(
                    event.act,
                    Act::Refused { .. } | Act::Withdrawn { .. } | Act::OptedOut { .. }
                )
            };
            if !took_back {
                events.extend(theirs.iter().filter(is_no).cloned());
            }
        }
        let answer = standing(&events, question, p.now(), &facts);
        (answer.allowed, answer.reason)
    }
}

#[tokio::test]
async fn any_history_is_answered_as_a_plain_list_would_on_sqlite() {
    for seed in 1..=6 {
        run(&house_with("").await, seed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_history_is_answered_as_a_plain_list_would_on_postgresql() {
    for seed in 7..=9 {
        let Some(store) = engine(Engine::Postgres) else {
            return;
        };
        let house = house_on(&store.url()).await;
        run(&house, seed).await;
        house.p.database().close().await;
    }
}

pub(super) async fn house_on(url: &str) -> House {
    let house = house_with("").await;
    let p = crate::house::open_on(&house, url, "consent: $DIR/consent\n").await;
    House { p, ..house }
}

async fn run(house: &House, seed: u64) {
    let p = &house.p;
    let mut dice = Dice(seed);
    let (one, two) = (subject(p, 7).await, subject(p, 8).await);
    let devices = [Tag([1; 16]), Tag([2; 16])];
    let pseudonyms = [Tag([3; 16]), Tag([4; 16])];
    let parties: Vec<Party> = [Party::Subject(one), Party::Subject(two)]
        .into_iter()
        .chain(devices.map(Party::Device))
        .chain(pseudonyms.map(Party::Pseudonym))
        .collect();
    let mut model = Model::default();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for step in 0..60 {
        house.clock.advance(SignedDuration::from_secs(60));
        let sender = Sender {
            device: Some(dice.of(&devices)),
            pseudonyms: if dice.below(2) == 0 {
                vec![dice.of(&pseudonyms)]
            } else {
                Vec::new()
            },
            subject: (dice.below(3) == 0).then(|| dice.of(&[one, two])),
        };
        match dice.below(10) {
            0 => {
                p.link_parties(&sender).await.unwrap();
                link(&mut model, &sender);
            }
            1 | 2 => {
                p.honour_signal(Signal::Gpc, &sender, "shop").await.unwrap();
                link(&mut model, &sender);
                take_over_signals(p, &mut model, &parties).await;
            }
            _ => {
                let purpose = dice.of(&["newsletter", "sale", "allergies"]);
                let party = dice.of(&parties);
                let new = if dice.below(2) == 0 {
                    yes(party, purpose)
                } else {
                    no(party, purpose)
                };
                let id = format!("{}", dice.below(30));
                let is_new = !seen.contains_key(&id);
                let new = NewChoice {
                    id: Some(id.clone()),
                    ..new
                };
                let answer = p
                    .record_consents(vec![new], Actor::CommandLine, None)
                    .await
                    .unwrap()
                    .pop()
                    .unwrap();
                if is_new {
                    seen.insert(id, step);
                    let Recorded::Kept {
                        id,
                        repeated: false,
                    } = answer
                    else {
                        panic!("{answer:?}")
                    };
                    let kept = p
                        .database()
                        .read("get", move |tx| storage::consent::get_many(tx, &[id]))
                        .await
                        .unwrap();
                    model.events.push(kept[0].event.clone());
                } else {
                    assert!(
                        !matches!(
                            answer,
                            Recorded::Kept {
                                repeated: false,
                                ..
                            }
                        ),
                        "an id is one choice"
                    );
                }
            }
        }
        for party in &parties {
            for purpose in p.purposes().iter() {
                let question = Question {
                    purpose,
                    recipient: None,
                    attribute: None,
                };
                let real = p
                    .standing(&Asked::of(party.clone()), &purpose.key, None, None)
                    .await
                    .unwrap();
                let expected = model.allows(p, party, &question);
                assert_eq!(
                    (real.allowed, real.reason),
                    expected,
                    "seed {seed}, step {step}, {party:?}, {}",
                    purpose.key
                );
            }
        }
    }
}

/// What is named together belongs together, but pseudonyms among themselves.
fn link(model: &mut Model, sender: &Sender) {
    let device = sender.device.map(Party::Device);
    let subject = sender.subject.map(Party::Subject);
    let pseudonyms: Vec<_> = sender
        .pseudonyms
        .iter()
        .copied()
        .map(Party::Pseudonym)
        .collect();
    for pseudonym in &pseudonyms {
        model.links.extend(
            device
                .iter()
                .map(|device| (device.clone(), pseudonym.clone())),
        );
        model.links.extend(
            subject
                .iter()
                .map(|subject| (pseudonym.clone(), subject.clone())),
        );
    }
    model.links.extend(device.zip(subject));
}

/// Which signals are news is told by the tests of signals; here they are taken as they were written.
async fn take_over_signals(p: &Privity, model: &mut Model, parties: &[Party]) {
    for party in parties {
        let history = p.consent_history(&Asked::of(party.clone())).await.unwrap();
        for stored in history.own {
            if !model.events.iter().any(|event| event.id == stored.event.id) {
                assert!(matches!(
                    stored.event.by,
                    domain::consent::By::Signal { .. }
                ));
                model.events.push(stored.event);
            }
        }
    }
}
