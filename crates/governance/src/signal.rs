//! Opt-out preference signals: honoured for the device that sent them, its pseudonymous ids and, when known, the subject.
//!
//! A browser sends the header with every request, so that what already stands is not written again: one read, and nothing else.
//! Law: Civ. Code 1798.135(e); 11 CCR 7025(c).

use std::collections::{BTreeMap, BTreeSet};

use domain::audit::{Action, Actor, NewRecord};
use domain::consent::{By, ConsentEvent, Party, Tag};
use domain::gpp::{Gpp, OptOutSignal, SectionSignal};
use domain::id::SubjectId;
use domain::notice::NoticeKind;
use domain::purpose_of_use::UseKind;
use domain::rng::new_id;
use domain::signal::{GpcFile, Signal};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use storage::Tx;
use storage::consent::{NewConsents, StoredConsent};

use crate::consent::{MOST_SUBJECTS, unknown_subject};
use crate::{Privity, Problem, policy};

/// The most pseudonyms in one call.
const MOST_PSEUDONYMS: usize = 20;

/// Whose browser sent a signal, as far as the business knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// The device.
    pub device: Option<Tag>,
    /// Pseudonymous ids of whoever uses it.
    pub pseudonyms: Vec<Tag>,
    /// The subject, when she is known.
    pub subject: Option<SubjectId>,
}

/// What became of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Honoured {
    /// Whether it means anything to this business: it sells or shares data.
    pub is_meant: bool,
    /// How many opt-outs were recorded for it now; none when they stood already.
    pub recorded: usize,
}

impl Sender {
    fn parties(&self) -> Vec<Party> {
        let device = self.device.map(Party::Device);
        let pseudonyms = self.pseudonyms.iter().copied().map(Party::Pseudonym);
        let subject = self.subject.map(Party::Subject);
        device
            .into_iter()
            .chain(pseudonyms)
            .chain(subject)
            .collect()
    }

    /// The links that follow from being named together.
    fn links(&self) -> BTreeSet<(Party, Party)> {
        let parties = self.parties();
        let pairs = parties.iter().enumerate().flat_map(|(place, lower)| {
            let uppers = parties.iter().skip(place + 1);
            uppers.map(move |upper| (lower.clone(), upper.clone()))
        });
        let are_alike = |one: &Party, other: &Party| {
            matches!((one, other), (Party::Pseudonym(_), Party::Pseudonym(_)))
        };
        pairs
            .filter(|(one, other)| !are_alike(one, other))
            .collect()
    }
}

impl Privity {
    /// Honours signals that came together. Whoever sent them is linked, so that what is said under one name holds under the others.
    ///
    /// # Errors
    /// An unknown subject; our database can't take it.
    pub async fn honour_signals(
        &self,
        signals: &[Signal],
        sender: &Sender,
        place: &str,
        by: Actor,
    ) -> Result<Honoured, Problem> {
        self.check(sender).await?;
        let is_meant = self.sells_or_shares();
        if signals.is_empty() || sender.parties().is_empty() || !is_meant {
            return Ok(Honoured {
                is_meant,
                recorded: 0,
            });
        }
        let (asked, known) = (sender.clone(), signals.to_vec());
        let missing = self
            .read_few("look for signal", move |tx| {
                Missing::look(tx, &asked, &known)
            })
            .await?;
        if missing.is_nothing() {
            return Ok(Honoured {
                is_meant,
                recorded: 0,
            });
        }
        let recorded = self.write_signals(missing, sender, place, by).await?;
        Ok(Honoured { is_meant, recorded })
    }

    /// One signal, as [`Privity::honour_signals`].
    ///
    /// # Errors
    /// The same.
    pub async fn honour_signal(
        &self,
        signal: Signal,
        sender: &Sender,
        place: &str,
    ) -> Result<Honoured, Problem> {
        self.honour_signals(&[signal], sender, place, Actor::Subject)
            .await
    }

    /// Says that these belong together, so that every no under one of them holds for the others too, also those of before.
    ///
    /// # Errors
    /// An unknown subject; our database can't take it.
    pub async fn link_parties(&self, sender: &Sender) -> Result<(), Problem> {
        self.check(sender).await?;
        let sender = sender.clone();
        let asked = sender.clone();
        let links = self
            .read_few("look for links", move |tx| new_links(tx, &asked))
            .await?;
        if links.is_empty() {
            return Ok(());
        }
        let now = self.now();
        let inside = self.clone();
        self.write_silently("link parties", move |tx| {
            storage::party_link::insert_many(tx, &links, now)?;
            policy::outdate(&inside, tx, ends(&links))?;
            Ok(((), Vec::new()))
        })
        .await
        .map(|_| ())
    }

    async fn check(&self, sender: &Sender) -> Result<(), Problem> {
        if sender.pseudonyms.len() > MOST_PSEUDONYMS {
            return Err(Problem::invalid(
                "pseudonyms",
                format!("at most {MOST_PSEUDONYMS} pseudonyms fit in one call"),
            ));
        }
        let known = self
            .known_subjects(sender.subject.into_iter().collect())
            .await?;
        if sender.subject.is_some() && known.is_empty() {
            return Err(unknown_subject());
        }
        Ok(())
    }

    async fn write_signals(
        &self,
        missing: Missing,
        sender: &Sender,
        place: &str,
        by: Actor,
    ) -> Result<usize, Problem> {
        let now = self.now();
        let at = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
        let new_ids = || new_id(self.rng(), now);
        let opt_outs = missing.signals.iter().flat_map(|(signal, parties)| {
            let parties = parties.iter().cloned();
            signal.opt_outs(parties, sender.device, at, place, new_ids)
        });
        let events: Vec<ConsentEvent> = opt_outs.collect();
        let count = events.len();
        let rows = NewConsents::new(&events, now)?;
        let names: Vec<Value> = missing
            .signals
            .keys()
            .map(|signal| name(signal).into())
            .collect();
        let inside = self.clone();
        self.write_silently("honour signal", move |tx| {
            storage::party_link::insert_many(tx, &missing.links, now)?;
            let chosen = events.iter().map(|event| event.party.clone());
            policy::outdate(&inside, tx, chosen.chain(ends(&missing.links)))?;
            if rows.is_empty() {
                return Ok(((), Vec::new()));
            }
            let inserted = storage::consent::insert_many(tx, &rows)?;
            let ids = inserted.new.iter().map(|id| Value::from(id.to_string()));
            let record = NewRecord::new(now, by.clone(), Action::SignalHonoured)
                .with("signals", names.clone())
                .with("consents", ids.collect::<Vec<_>>())
                .with("rows", inserted.digest().to_string());
            Ok(((), vec![record]))
        })
        .await?;
        Ok(count)
    }

    /// What `/.well-known/gpc.json` says: that the signal is honoured, and since when the notice of it stands.
    pub fn gpc_file(&self) -> GpcFile {
        let now = self.now();
        let notices = self.notices().iter();
        let posted = notices
            .filter(|notice| {
                notice.kind == NoticeKind::RightToOptOut && notice.published_from <= now
            })
            .map(|notice| notice.published_from)
            .max();
        GpcFile {
            gpc: true,
            last_update: posted
                .unwrap_or(self.parts.started)
                .to_zoned(TimeZone::UTC)
                .date(),
        }
    }
}

/// What has to be written for signals: for whom, and which links.
struct Missing {
    signals: BTreeMap<Signal, BTreeSet<Party>>,
    links: BTreeSet<(Party, Party)>,
}

impl Missing {
    fn is_nothing(&self) -> bool {
        self.signals.is_empty() && self.links.is_empty()
    }

    fn look(tx: &mut Tx, sender: &Sender, signals: &[Signal]) -> Result<Self, Problem> {
        let links = new_links(tx, sender)?;
        let given: BTreeSet<Party> = sender.parties().into_iter().collect();
        let near = storage::party_link::of_parties(tx, &given)?;
        // Whoever is known to use the device is known: what it says holds for her too.
        let upward = near
            .into_iter()
            .filter(|(from, to)| rank(to) < rank(from))
            .map(|(_, to)| to);
        let parties: Vec<Party> = given.iter().cloned().chain(upward).collect();
        let parties: BTreeSet<Party> = parties.into_iter().collect();
        let history =
            storage::consent::of_parties(tx, &parties.iter().cloned().collect::<Vec<_>>())?;
        let mut of: BTreeMap<&Party, Vec<&StoredConsent>> = BTreeMap::new();
        for stored in &history {
            of.entry(&stored.event.party).or_default().push(stored);
        }
        let mut missing = BTreeMap::new();
        for signal in signals {
            let stands = |party: &&Party| {
                let history = of.get(*party).map(Vec::as_slice).unwrap_or_default();
                stands(signal, party, sender.device, history)
            };
            let without: BTreeSet<Party> =
                parties.iter().filter(|one| !stands(one)).cloned().collect();
            if !without.is_empty() {
                missing.insert(signal.clone(), without);
            }
        }
        Ok(Self {
            signals: missing,
            links,
        })
    }
}

/// Higher is nearer to a person.
const fn rank(party: &Party) -> u8 {
    match party {
        Party::Subject(_) => 0,
        Party::Pseudonym(_) => 1,
        Party::Device(_) => 2,
    }
}

/// Links that aren't there yet. A device that too many use is linked to nobody more.
fn new_links(tx: &mut Tx, sender: &Sender) -> Result<BTreeSet<(Party, Party)>, Problem> {
    let mut wanted = sender.links();
    if wanted.is_empty() {
        return Ok(wanted);
    }
    let parties = sender.parties().into_iter().collect();
    let there = storage::party_link::of_parties(tx, &parties)?;
    wanted.retain(|(one, other)| !there.contains(&(one.clone(), other.clone())));
    let is_of_subject =
        |(from, to): &&(Party, Party)| matches!((from, to), (Party::Device(_), Party::Subject(_)));
    if there.iter().filter(is_of_subject).count() >= MOST_SUBJECTS {
        wanted.retain(|link| !is_of_subject(&link));
    }
    Ok(wanted)
}

/// Whether a signal says nothing new to a party: the same was recorded, and no yes came after it but one that was said in the face of this
/// very device's signal, which a known subject may do (11 CCR 7025(c)(3)).
fn stands(signal: &Signal, party: &Party, device: Option<Tag>, history: &[&StoredConsent]) -> bool {
    let wanted = signal.uses();
    let sent_by = |event: &ConsentEvent| match &event.by {
        By::Signal {
            signal,
            device: from,
        } => {
            (*from == device || matches!(party, Party::Device(_)))
                && signal.uses().is_superset(&wanted)
        }
        _ => false,
    };
    let events = || history.iter().map(|stored| &stored.event);
    let Some(latest) = events()
        .filter(|event| sent_by(event))
        .map(|event| event.at)
        .max()
    else {
        return false;
    };
    let is_known = matches!(party, Party::Subject(_));
    let lifts = |event: &ConsentEvent| {
        let assent = event.act.assent().filter(|_| event.at >= latest);
        assent.is_some_and(|assent| {
            let in_its_face =
                assent.despite_signal_of.is_some() && assent.despite_signal_of == device;
            !(is_known && in_its_face)
        })
    };
    !events().any(lifts)
}

/// A signal's name for the audit log.
fn name(signal: &Signal) -> String {
    match signal {
        Signal::Gpc => "gpc".to_owned(),
        Signal::Gpp { section, .. } => format!("gpp section {section}"),
    }
}

/// The signals in a GPP string: one for each section that says no to something, and Global Privacy Control where a section says that it was on.
///
/// # Errors
/// The string can't be read. Sections that nobody knows are passed over.
pub fn signals_in(gpp: &str) -> Result<Vec<Signal>, Problem> {
    let (gpp, _) = Gpp::parse_readable(gpp)
        .map_err(|error| Problem::invalid("gpp", format!("this is not a GPP string: {error}")))?;
    let said: OptOutSignal = gpp.opt_out_signal();
    let mut signals: Vec<Signal> = said.sections.iter().filter_map(of_section).collect();
    if said.gpc.is_some() {
        signals.push(Signal::Gpc);
    }
    Ok(signals)
}

fn of_section(section: &SectionSignal) -> Option<Signal> {
    let sensitive = section.sensitive.values().any(|refused| *refused);
    let said = [
        (section.sale, UseKind::Sale),
        (section.sharing, UseKind::Sharing),
        (section.targeted_advertising, UseKind::TargetedAdvertising),
        (sensitive.then_some(true), UseKind::Sensitive),
    ];
    let refused = said.into_iter().filter(|(said, _)| *said == Some(true));
    let uses: BTreeSet<UseKind> = refused.map(|(_, kind)| kind).collect();
    (!uses.is_empty()).then_some(Signal::Gpp {
        section: section.section.0,
        uses,
    })
}

fn ends(links: &BTreeSet<(Party, Party)>) -> impl Iterator<Item = Party> + '_ {
    links
        .iter()
        .flat_map(|(one, other)| [one.clone(), other.clone()])
}
