//! Versions of the policies: published, tried beside the active one, activated now or at a moment, and taken back. Each act is in the audit
//! log. Other nodes see the new pointer within half a second and swap the table whole.
//! Decision: docs/decisions/014-facts-are-kept-with-the-profile.md.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ::policy::{Compiled, PolicyText};
use domain::audit::{Action, Actor, NewRecord};
use domain::policy::{Configuration, KeptLayout, Layout, Table};
use jiff::Timestamp;
use serde::Serialize;
use storage::Tx;
use storage::policy_version::{self, Pointers, StoredVersion, VersionState};
use tokio::sync::watch;

use super::ground::{OTHER_GROUND, is_own};
use super::load::{Sources, compile_sources};
use super::shadow::Shadow;
use super::{InForce, take_ground};
use crate::{Privity, Problem};

/// Questions that a new table is compared with Cedar on; fewer where Cedar was compiled for tests, and takes a hundred times as long.
pub(super) const COMPARED: usize = if cfg!(debug_assertions) {
    1_500
} else {
    20_000
};

/// A version, for people and API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Version {
    /// Counted from 1.
    pub number: u64,
    /// `draft`, `shadow`, `active` or `retired`.
    pub state: &'static str,
    /// Who published it.
    pub author: String,
    /// Why.
    pub note: String,
    /// Hash of what it compiles to.
    pub table_hash: String,
    /// When it was published.
    pub published_at: Timestamp,
    /// When it is to become active by itself.
    pub activates_at: Option<Timestamp>,
    /// When it last became active.
    pub activated_at: Option<Timestamp>,
}

/// Which version is to decide, from when on, and instead of which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activation {
    number: u64,
    at: Option<Timestamp>,
    instead_of: Option<u64>,
}

impl Activation {
    /// From now on, whichever decides.
    pub const fn of(number: u64) -> Self {
        Self {
            number,
            at: None,
            instead_of: None,
        }
    }

    /// From a moment on, if there is one.
    #[must_use]
    pub fn at(self, at: impl Into<Option<Timestamp>>) -> Self {
        Self {
            at: at.into(),
            ..self
        }
    }

    /// Only while this one decides, if there is one: what somebody compared the new one with.
    #[must_use]
    pub fn instead_of(self, active: impl Into<Option<u64>>) -> Self {
        Self {
            instead_of: active.into(),
            ..self
        }
    }

    /// Looked at with the pointers held, so that it is still so when it is written.
    fn check(&self, tx: &mut Tx) -> Result<Pointers, Problem> {
        policy_version::hold(tx)?;
        let pointers = policy_version::pointers(tx)?;
        if self.instead_of.is_some() && pointers.active != self.instead_of {
            return Err(Problem::conflict(
                "another version decides by now; look at what this one changes now, and say again which one is to decide",
            ));
        }
        Ok(pointers)
    }
}

/// What publishing came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Published {
    /// Its number.
    pub number: u64,
    /// Hash of what it compiles to.
    pub table_hash: String,
    /// How many answers of the table were compared with Cedar's.
    pub compared: usize,
}

/// What differs between two versions, by policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Policies that only the second has.
    pub added: Vec<ChangedPolicy>,
    /// Policies that only the first has.
    pub removed: Vec<ChangedPolicy>,
    /// Policies whose text is another.
    pub changed: Vec<ChangedPolicy>,
}

/// A policy that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangedPolicy {
    /// Its id.
    pub id: String,
    /// Its name.
    pub title: String,
    /// Its text in the first version.
    pub before: Option<String>,
    /// Its text in the second.
    pub after: Option<String>,
}

impl From<StoredVersion> for Version {
    fn from(stored: StoredVersion) -> Self {
        Self {
            number: stored.number,
            state: stored.state.as_str(),
            author: stored.author,
            note: stored.note,
            table_hash: stored.table_hash,
            published_at: stored.published_at,
            activates_at: stored.activates_at,
            activated_at: stored.activated_at,
        }
    }
}

impl Privity {
    /// All versions, the newest first.
    ///
    /// # Errors
    /// Our database doesn't answer.
    pub async fn policy_versions(&self) -> Result<Vec<Version>, Problem> {
        let read = |tx: &mut Tx| Ok(policy_version::list(tx)?);
        let stored = self.read("list policy versions", read).await?;
        Ok(stored.into_iter().map(Version::from).collect())
    }

    /// Publishes what the settings name now as a new version, which decides nothing yet.
    ///
    /// # Errors
    /// Everything that is wrong with the files; a table that differs from Cedar; nothing that is new; our database doesn't answer.
    pub async fn publish_policies(&self, note: &str, by: Actor) -> Result<Published, Problem> {
        let (sources, configuration) = self.declared_policies()?;
        let newest = self.newest_version().await?;
        let before = newest.as_ref().map(layout_of).transpose()?;
        let work = move || {
            compile_compared(&sources, &configuration, before.as_ref()).map(|made| (made, sources))
        };
        let ((compiled, compared), sources) = beside(work).await??;
        let active = self.policies().map(|in_force| in_force.table.hash());
        let hash = compiled.table.hash();
        let is_newest = newest
            .as_ref()
            .is_some_and(|newest| newest.table_hash == hash.to_string());
        if active == Some(hash) || is_newest {
            return Err(Problem::conflict(
                "these policies are published already; `privity policy versions` lists them",
            ));
        }
        let number = newest.map_or(1, |newest| newest.number + 1);
        let version = StoredVersion {
            number,
            table_hash: hash.to_string(),
            author: by.to_string(),
            note: note.to_owned(),
            sources: as_json(&sources)?,
            layout: as_json(&KeptLayout::from(compiled.table.layout().as_ref()))?,
            state: VersionState::Draft,
            published_at: self.now(),
            activates_at: None,
            activated_at: None,
        };
        self.insert_version(version, compared, by).await?;
        Ok(Published {
            number,
            table_hash: hash.to_string(),
            compared,
        })
    }

    async fn insert_version(
        &self,
        version: StoredVersion,
        compared: usize,
        by: Actor,
    ) -> Result<(), Problem> {
        let mut records = vec![published(&version, compared, by.clone())];
        if version.state == VersionState::Active {
            records.push(activated(self.now(), by, version.number, None));
        }
        let written = self.write_silently("publish policies", move |tx| {
            policy_version::hold(tx)?;
            let newest = policy_version::newest(tx)?.map_or(0, |newest| newest.number);
            if newest + 1 != version.number {
                return Err(Problem::conflict(
                    "somebody else published a version meanwhile; look at `privity policy versions`, and publish again",
                ));
            }
            policy_version::insert(tx, &version)?;
            Ok(((), records.clone()))
        });
        written.await.map(drop)
    }

    /// Makes a version decide, now or at a moment. The one that decided before retires.
    ///
    /// # Errors
    /// There is no such version; it decides already; another one decides than the one that it is to follow; the moment is over; it no longer
    /// compiles over what the business declares; our database doesn't answer.
    pub async fn activate_policies(
        &self,
        activation: Activation,
        by: Actor,
    ) -> Result<(), Problem> {
        let Activation { number, at, .. } = activation;
        let stored = self.policy_version(number).await?;
        let now = self.now();
        if stored.state == VersionState::Active {
            return self.keep_active(activation, by).await;
        }
        if at.is_some_and(|at| at <= now) {
            return Err(Problem::invalid(
                "at",
                "this moment is over; choose a later one, or none for now",
            ));
        }
        self.table_of(&stored).await?;
        self.write_silently("activate policies", move |tx| {
            activation.check(tx)?;
            match at {
                Some(at) => policy_version::schedule(tx, number, at)?,
                None => policy_version::activate(tx, number, now)?,
            }
            Ok(((), vec![activated(now, by.clone(), number, at)]))
        })
        .await?;
        self.adopt_policies().await?;
        Ok(())
    }

    /// Says that the version that decides goes on deciding, though another one was to follow.
    async fn keep_active(&self, activation: Activation, by: Actor) -> Result<(), Problem> {
        let now = self.now();
        self.write_silently("activate policies", move |tx| {
            let pointers = activation.check(tx)?;
            if activation.at.is_some()
                || pointers.scheduled.is_empty()
                || pointers.active != Some(activation.number)
            {
                return Err(Problem::conflict("this version decides already"));
            }
            policy_version::unschedule(tx)?;
            Ok((
                (),
                vec![activated(now, by.clone(), activation.number, None)],
            ))
        })
        .await?;
        Ok(())
    }

    /// Takes a version back: the one that decided before, and whose policies are others, decides again. Answers its number. Without a version it
    /// is the one that decides, whichever that is.
    ///
    /// # Errors
    /// It doesn't decide: somebody else took it back already, or activated another one; none decided before; as
    /// [`Privity::activate_policies`].
    pub async fn roll_back_policies(&self, from: Option<u64>, by: Actor) -> Result<u64, Problem> {
        let all = self
            .read("list policy versions", |tx| Ok(policy_version::list(tx)?))
            .await?;
        let mut active = all.iter();
        let active = active.find(|version| version.state == VersionState::Active);
        // One that is only the same policies over another data map takes nothing back.
        let earlier = all.iter().filter(|version| {
            let is_other = active.is_none_or(|active| active.sources != version.sources);
            version.state != VersionState::Active && version.activated_at.is_some() && is_other
        });
        let last = earlier.max_by_key(|version| (version.activated_at, version.number));
        let number = last.map(|version| version.number).ok_or_else(|| {
            Problem::conflict("no version decided before this one; publish the policies that you want and activate them")
        })?;
        let from = from.or(active.map(|version| version.number));
        let back = Activation::of(number).instead_of(from);
        self.activate_policies(back, by).await?;
        Ok(number)
    }

    /// Lets a version decide beside the active one, so that what it would change is counted; `None` ends it.
    ///
    /// # Errors
    /// There is no such version, or it decides already; our database doesn't answer.
    pub async fn shadow_policies(&self, number: Option<u64>, by: Actor) -> Result<(), Problem> {
        if let Some(number) = number {
            let stored = self.policy_version(number).await?;
            if stored.state == VersionState::Active {
                return Err(Problem::conflict(
                    "this version decides already; a shadow is another one",
                ));
            }
            self.table_of(&stored).await?;
        }
        let now = self.now();
        self.write_silently("shadow policies", move |tx| {
            policy_version::hold(tx)?;
            policy_version::shadow(tx, number)?;
            let record =
                NewRecord::new(now, by.clone(), Action::PoliciesShadowed).with("version", number);
            Ok(((), vec![record]))
        })
        .await?;
        self.adopt_policies().await?;
        Ok(())
    }

    /// What differs between two versions; without the second, what differs in the files now.
    ///
    /// # Errors
    /// There is no such version; files that can't be read.
    pub async fn policy_diff(&self, one: u64, other: Option<u64>) -> Result<Difference, Problem> {
        let first = sources_of(&self.policy_version(one).await?)?;
        let second = match other {
            Some(other) => sources_of(&self.policy_version(other).await?)?,
            None => self.declared_policies()?.0,
        };
        let read = |sources: &Sources| sources.texts().map_err(|faults| wrong(&faults));
        Ok(difference(&read(&first)?, &read(&second)?))
    }

    /// Takes up what is active now, where another node or a moment changed it. Answers whether something changed here.
    ///
    /// # Errors
    /// Our database doesn't answer; a version that doesn't fit what this node declares, and then nothing decides here: the one before may
    /// allow what the new one forbids.
    pub async fn adopt_policies(&self) -> Result<bool, Problem> {
        if self.settings().policies.is_none() {
            return Ok(false);
        }
        let held = self.policies();
        let mut pointers = self
            .read_few("read pointers", |tx| Ok(policy_version::pointers(tx)?))
            .await?;
        if let Some(number) = due(&pointers, self.now()) {
            self.activate_due(number).await?;
            pointers = self
                .read_few("read pointers", |tx| Ok(policy_version::pointers(tx)?))
                .await?;
        }
        let is_same = |held: &InForce| {
            pointers.active == Some(held.version) && pointers.shadow == held.candidate
        };
        if held.as_deref().is_some_and(is_same) {
            return Ok(false);
        }
        let Some(active) = pointers.active else {
            return Ok(false);
        };
        let next = self.in_force(active, pointers.shadow).await;
        if next.as_ref().is_err_and(is_wrong) {
            self.parts.policies.clear();
        }
        self.parts.policies.put(next?);
        if let Err(problem) = take_ground(self).await {
            // Taken up again at the next look, with its ground.
            self.parts.policies.clear();
            return Err(problem);
        }
        Ok(true)
    }

    async fn activate_due(&self, number: u64) -> Result<(), Problem> {
        let now = self.now();
        self.write_silently("activate due policies", move |tx| {
            // Of two nodes one does it.
            policy_version::hold(tx)?;
            if due(&policy_version::pointers(tx)?, now) != Some(number) {
                return Ok(((), Vec::new()));
            }
            policy_version::activate(tx, number, now)?;
            Ok(((), vec![activated(now, Actor::System, number, None)]))
        })
        .await
        .map(drop)
    }

    async fn in_force(&self, active: u64, shadow: Option<u64>) -> Result<InForce, Problem> {
        let stored = self.policy_version(active).await?;
        let table = self.table_of(&stored).await?;
        Ok(InForce {
            version: active,
            table,
            configuration: self.declared_configuration()?,
            candidate: shadow,
            shadow: match shadow {
                Some(number) => self.shadow_of(number).await?,
                None => None,
            },
        })
    }

    /// The candidate; none where it doesn't fit what the business declares, since a shadow changes nothing of what decides.
    async fn shadow_of(&self, number: u64) -> Result<Option<Shadow>, Problem> {
        let stored = self.policy_version(number).await?;
        match self.table_of(&stored).await {
            Ok(table) => Ok(Some(Shadow::new(number, table))),
            Err(problem) if is_wrong(&problem) => {
                tracing::warn!(cause = %problem, version = number, "the shadow no longer fits what the business declares, and is not tried; publish another one, or `privity policy shadow --end`");
                Ok(None)
            }
            Err(problem) => Err(problem),
        }
    }

    pub(super) async fn policy_version(&self, number: u64) -> Result<StoredVersion, Problem> {
        let read = move |tx: &mut Tx| Ok(policy_version::get(tx, number)?);
        let found = self.read_few("read policy version", read).await?;
        found.ok_or_else(|| Problem::not_found("version of the policies"))
    }

    async fn newest_version(&self) -> Result<Option<StoredVersion>, Problem> {
        self.read_few("read newest policy version", |tx| {
            Ok(policy_version::newest(tx)?)
        })
        .await
    }

    /// Compiles a version over what the business declares now, with every place where the newest layout has it.
    pub(super) async fn table_of(&self, stored: &StoredVersion) -> Result<Table, Problem> {
        let newest = self.newest_version().await?;
        let before = newest.as_ref().map(layout_of).transpose()?;
        let (sources, configuration) = (sources_of(stored)?, self.declared_configuration()?);
        let compiled =
            beside(move || compile_sources(&sources, &configuration, before.as_ref())).await?;
        Ok(compiled.map_err(|faults| wrong(&faults))?.table)
    }

    /// What the settings name now, compiled over what the business declares now.
    pub(super) async fn files_as_they_are(&self) -> Result<Table, Problem> {
        let newest = self.newest_version().await?;
        let before = newest.as_ref().map(layout_of).transpose()?;
        let (sources, configuration) = self.declared_policies()?;
        let compiled =
            beside(move || compile_sources(&sources, &configuration, before.as_ref())).await?;
        Ok(compiled.map_err(|faults| wrong(&faults))?.table)
    }

    fn declared_configuration(&self) -> Result<Configuration, Problem> {
        let schema = self.needed_schema()?;
        Ok(super::load::configuration(
            &schema,
            self.law(),
            self.purposes(),
            self.map(),
        ))
    }

    pub(super) fn declared_policies(&self) -> Result<(Sources, Configuration), Problem> {
        let sources = Sources::of(self.settings())
            .map_err(|error| Problem::new("policies_wrong", 422, error.to_string()))?;
        let sources = sources.ok_or_else(no_policies)?;
        Ok((sources, self.declared_configuration()?))
    }
}

/// How often is looked anew what decides when that changes during the start.
const MOST_LOOKS: usize = 5;

/// Brings policies into force at the start: the version that is active, or what the settings name as the first one.
///
/// # Errors
/// Everything that is wrong with the policies; what decides changes each time that it is looked at.
pub(crate) async fn begin(p: &Privity) -> Result<(), Problem> {
    if p.settings().policies.is_none() {
        return Ok(());
    }
    for _ in 0..MOST_LOOKS {
        let pointers = p
            .read_few("read pointers", |tx| Ok(policy_version::pointers(tx)?))
            .await?;
        let active = match pointers.active {
            Some(active) => active,
            None => first(p).await?,
        };
        let in_force = match p.in_force(active, pointers.shadow).await {
            Ok(in_force) => in_force,
            Err(problem) if is_wrong(&problem) => {
                // Closed, but not stopped: whoever repairs the policies publishes them with this program.
                tracing::error!(cause = %problem, version = active, "the policies in force no longer fit what the business declares, and every recipient is denied; repair the files, then `privity policy publish --activate`");
                return Ok(());
            }
            Err(problem) => return Err(problem),
        };
        if is_followed(p, &in_force).await? {
            p.parts.policies.put(in_force);
            return Ok(());
        }
    }
    Err(Problem::conflict(
        "other nodes change which version of the policies decides; start again",
    ))
}

/// What the settings name becomes version 1 by itself.
async fn first(p: &Privity) -> Result<u64, Problem> {
    let (sources, configuration) = p.declared_policies()?;
    let work = move || compile_compared(&sources, &configuration, None).map(|made| (made, sources));
    let ((compiled, compared), sources) = beside(work).await??;
    let version = StoredVersion {
        number: 1,
        table_hash: compiled.table.hash().to_string(),
        author: Actor::System.to_string(),
        note: "the files at the first start".to_owned(),
        sources: as_json(&sources)?,
        layout: as_json(&KeptLayout::from(compiled.table.layout().as_ref()))?,
        state: VersionState::Active,
        published_at: p.now(),
        activates_at: None,
        activated_at: Some(p.now()),
    };
    match p.insert_version(version, compared, Actor::System).await {
        Ok(()) => Ok(1),
        // Another node was faster with the same.
        Err(problem) => {
            let pointers = p
                .read_few("read pointers", |tx| Ok(policy_version::pointers(tx)?))
                .await?;
            pointers.active.ok_or(problem)
        }
    }
}

/// The same policies over a changed data map, schema or purposes come to another table: that is a version of its own, so that records
/// name what decided. Answers whether what is in force is such a version already; if not, it is made, where nobody else was faster, and what
/// decides is to be looked at anew.
async fn is_followed(p: &Privity, in_force: &InForce) -> Result<bool, Problem> {
    let stored = p.policy_version(in_force.version).await?;
    let hash = in_force.table.hash().to_string();
    if stored.table_hash == hash {
        return Ok(true);
    }
    let (sources, configuration) = (sources_of(&stored)?, p.declared_configuration()?);
    let newest = p.newest_version().await?;
    let before = newest.as_ref().map(layout_of).transpose()?;
    let work = move || compile_compared(&sources, &configuration, before.as_ref());
    let (_, compared) = beside(work).await??;
    let newest = newest.map_or(0, |newest| newest.number);
    let (now, followed) = (p.now(), stored.number);
    let version = StoredVersion {
        number: newest + 1,
        table_hash: hash,
        author: Actor::System.to_string(),
        note: format!("version {followed} over a changed configuration"),
        layout: as_json(&KeptLayout::from(in_force.table.layout().as_ref()))?,
        state: VersionState::Draft,
        published_at: now,
        activates_at: None,
        activated_at: None,
        ..stored
    };
    p.write_silently("follow configuration", move |tx| {
        policy_version::hold(tx)?;
        let active = policy_version::pointers(tx)?.active;
        let is_newest = policy_version::newest(tx)?.map(|newest| newest.number) == Some(newest);
        // While this compiled, somebody may have activated another one: that stays.
        if active != Some(followed) || !is_newest {
            return Ok(((), Vec::new()));
        }
        policy_version::insert(tx, &version)?;
        policy_version::activate(tx, version.number, now)?;
        let records = vec![
            published(&version, compared, Actor::System),
            activated(now, Actor::System, version.number, None),
        ];
        Ok(((), records))
    })
    .await?;
    Ok(false)
}

fn published(version: &StoredVersion, compared: usize, by: Actor) -> NewRecord {
    NewRecord::new(version.published_at, by, Action::PoliciesPublished)
        .with("version", version.number)
        .with("table", version.table_hash.clone())
        .with("compared", compared)
}

fn activated(now: Timestamp, by: Actor, number: u64, at: Option<Timestamp>) -> NewRecord {
    NewRecord::new(now, by, Action::PoliciesActivated)
        .with("version", number)
        .with("at", at.map(|at| at.to_string()))
}

/// Of those whose moment has come the last.
fn due(pointers: &Pointers, now: Timestamp) -> Option<u64> {
    let due = pointers.scheduled.iter().filter(|(_, at)| *at <= now);
    due.max_by_key(|(number, at)| (*at, *number))
        .map(|(number, _)| *number)
}

/// Compiles, and compares the table with Cedar.
fn compile_compared(
    sources: &Sources,
    configuration: &Configuration,
    before: Option<&Layout>,
) -> Result<(Compiled, usize), Problem> {
    let compiled =
        compile_sources(sources, configuration, before).map_err(|faults| wrong(&faults))?;
    let compared = compiled.oracle.compare(&compiled.table, COMPARED);
    let compared = compared
        .map_err(|difference| Problem::new("policies_differ", 500, difference.to_string()))?;
    Ok((compiled, compared))
}

/// Compiling takes a while, and is nothing for the threads that answer.
async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Problem::internal("compiling policies", &error))
}

pub(super) fn wrong(faults: &dyn std::fmt::Display) -> Problem {
    Problem::new("policies_wrong", 422, faults.to_string())
}

fn is_wrong(problem: &Problem) -> bool {
    problem.code == "policies_wrong"
}

pub(super) fn no_policies() -> Problem {
    Problem::new(
        "no_policies",
        409,
        "there are no policies here, and every recipient is denied; set `policies` to the folder of your *.cedar files",
    )
}

fn sources_of(stored: &StoredVersion) -> Result<Sources, Problem> {
    serde_json::from_str(&stored.sources)
        .map_err(|error| Problem::internal("reading policies", &error))
}

fn layout_of(stored: &StoredVersion) -> Result<Layout, Problem> {
    let kept: KeptLayout = serde_json::from_str(&stored.layout)
        .map_err(|error| Problem::internal("reading a layout", &error))?;
    kept.layout()
        .map_err(|error| Problem::internal("reading a layout", &error))
}

fn as_json(value: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string(value).map_err(|error| Problem::internal("writing policies", &error))
}

fn difference(before: &[PolicyText], after: &[PolicyText]) -> Difference {
    let by_id = |all: &[PolicyText]| -> BTreeMap<String, PolicyText> {
        let all = all.iter();
        all.map(|text| (text.id.clone(), text.clone())).collect()
    };
    let (before, after) = (by_id(before), by_id(after));
    let ids: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut difference = Difference::default();
    for id in ids {
        let (was, is) = (before.get(id), after.get(id));
        let text = |one: Option<&PolicyText>| one.map(|one| one.text.clone());
        let changed = ChangedPolicy {
            id: id.clone(),
            title: is.or(was).map(|one| one.title.clone()).unwrap_or_default(),
            before: text(was),
            after: text(is),
        };
        match (was, is) {
            (None, _) => difference.added.push(changed),
            (_, None) => difference.removed.push(changed),
            (Some(was), Some(is)) if was.text != is.text => difference.changed.push(changed),
            _ => {}
        }
    }
    difference
}

/// How often is looked for a new version, and for facts that are due.
const LOOK: std::time::Duration = std::time::Duration::from_millis(400);

/// Keeps policies and facts current until told to stop: every node sees a new version within half a second, and what is due is worked out. Each
/// by itself, since the facts of everybody may be due at once, and no version waits for that.
pub async fn keep_current(p: Privity, shutdown: watch::Receiver<bool>) {
    if p.settings().policies.is_some() {
        tokio::join!(
            keep_policies(&p, shutdown.clone()),
            keep_facts(&p, shutdown)
        );
    }
}

async fn keep_policies(p: &Privity, mut shutdown: watch::Receiver<bool>) {
    let mut last = None;
    while !*shutdown.borrow() {
        let problem = p.adopt_policies().await.err();
        // Once, not at every look.
        if let Some(problem) = problem.as_ref().filter(|_| problem != last) {
            tracing::error!(cause = %problem, recipients.denied = p.policies().is_none(), "the active version of the policies could not be taken up; where it doesn't fit what is declared here, repair the files, then `privity policy publish --activate`");
        }
        last = problem;
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = shutdown.changed() => {}
        }
    }
}

async fn keep_facts(p: &Privity, mut shutdown: watch::Receiver<bool>) {
    let mut was_own = true;
    while !*shutdown.borrow() {
        tokio::select! {
            refreshed = super::refresh_facts(p) => {
                if let Err(problem) = refreshed {
                    tracing::warn!(cause = %problem, "facts that are due could not be worked out; whoever asks works them out");
                }
            }
            _ = shutdown.changed() => return,
        }
        let is_own = is_own(p).await.unwrap_or(was_own);
        // Once, not at every look.
        if was_own && !is_own {
            tracing::error!("{OTHER_GROUND}");
        }
        was_own = is_own;
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = shutdown.changed() => {}
        }
    }
}

/// The policies in force, or why there are none.
pub(super) fn needed(p: &Privity) -> Result<Arc<InForce>, Problem> {
    p.policies().ok_or_else(no_policies)
}
