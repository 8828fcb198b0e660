//! What a forgotten subject refused goes on holding: her noes that stand are kept under the keyed hashes of what surely named her, and nothing
//! else of her choices leads to her any more. If she comes back, they hold for her again; no yes does.
//!
//! Law: Civ. Code 1798.105(c)(2), 1798.135(c)(4); 11 CCR 7022(d) (what may be kept so that a choice goes on being respected).

use std::collections::{BTreeMap, BTreeSet};

use domain::audit::{Actor, NewRecord};
use domain::consent::{Age, ConsentEvent, Matter, Party, Question, Reason, Tag};
use domain::id::SubjectId;
use storage::Tx;
use storage::consent::NewConsents;

use super::standing::read_history;
use super::{Ground, History, record_of};
use crate::{Privity, Problem, policy};

/// Keeps the noes of a subject who is being forgotten under these tags, and takes her links apart. `members` are all of her records; `tags` are
/// made only where she refused something. Repeating it changes nothing.
pub(crate) fn keep_noes(
    p: &Privity,
    tx: &mut Tx,
    members: &BTreeSet<SubjectId>,
    tags: impl FnOnce() -> BTreeSet<Tag>,
) -> Result<Vec<NewRecord>, Problem> {
    let parties: BTreeSet<Party> = members.iter().map(|id| Party::Subject(*id)).collect();
    let noes = match parties.first() {
        Some(first) => noes_that_stand(p, &read_history(tx, first, None)?)?,
        None => Vec::new(),
    };
    storage::party_link::forget(tx, &parties)?;
    if noes.is_empty() {
        return Ok(Vec::new());
    }
    let kept: Vec<ConsentEvent> = tags()
        .into_iter()
        .flat_map(|tag| noes.iter().map(move |no| (Party::Pseudonym(tag), no)))
        .map(|(party, no)| ConsentEvent {
            id: p.consent_id("consent_forgotten", &format!("{}\n{party:?}", no.id)),
            party,
            ..no.clone()
        })
        .collect();
    if kept.is_empty() {
        return Ok(Vec::new());
    }
    let rows = NewConsents::new(&kept, p.now())?;
    let acts: BTreeMap<_, _> = kept.iter().map(|no| (no.id, no.act.as_str())).collect();
    let inserted = storage::consent::insert_many(tx, &rows)?;
    policy::outdate(p, tx, kept.iter().map(|no| no.party.clone()))?;
    let record = record_of(p.now(), &Actor::System, &inserted, &acts);
    Ok(record.into_iter().collect())
}

/// Her own noes that no yes of hers has lifted. Those of parties linked to her stay where they are.
fn noes_that_stand(p: &Privity, history: &History) -> Result<Vec<ConsentEvent>, Problem> {
    let ground = p.ground(None, p.now())?;
    let own = History {
        own: history.own.clone(),
        linked: BTreeMap::new(),
    };
    let events = history.own.iter().map(|stored| &stored.event);
    let noes =
        events.filter(|event| event.act.assent().is_none() && stands(p, &own, event, &ground));
    Ok(noes.cloned().collect())
}

fn stands(p: &Privity, own: &History, no: &ConsentEvent, ground: &Ground) -> bool {
    let Matter::Purpose(key) = &no.scope.of else {
        // About every purpose of a sort, those still to come among them.
        return true;
    };
    let Some(purpose) = p.purposes().get(key) else {
        return true;
    };
    let question = Question {
        purpose,
        recipient: no.scope.recipient.as_ref(),
        attribute: no.scope.attributes.first(),
    };
    let standing = own.standing(&question, ground.on, &ground.facts(Age::Unknown));
    !matches!(standing.reason, Reason::Consented | Reason::ConsentedAgain)
}
