//! Parents and guardians: staff who were shown that somebody is one hand her a link, and with it she says yes for her child on a page.
//!
//! The link holds for a day and says for whom and by which proof; what it says is bound to our key, so that nobody makes one. No row is
//! kept of it: the audit log says who confirmed whom.
//! Law: Civ. Code 1798.120(c); 11 CCR 7070(a)(2).

use domain::audit::{Action, Actor, Hash, NewRecord};
use domain::consent::{By, GuardianProof, Party};
use domain::sensitive::Sensitive;
use enforcement::vault::TokenTag;
use jiff::{SignedDuration, Timestamp};

use super::choices::Proven;
use crate::work::later;
use crate::{Privity, Problem};

/// How long a guardian's link holds.
const HOLDS: SignedDuration = SignedDuration::from_hours(24);

/// A guardian's way to the choices of her child.
pub struct GuardianLink {
    /// The secret of its address.
    pub token: Sensitive<String>,
    /// Until when it holds.
    pub until: Timestamp,
}

impl Privity {
    /// An operator says that somebody was shown to be a child's parent or guardian, by a proof that the business has enabled. The link that
    /// comes back goes to her alone.
    ///
    /// # Errors
    /// The business has not enabled this proof; there is no such child; our database can't take it.
    pub async fn confirm_guardian(
        &self,
        child: &Party,
        proof: GuardianProof,
        by: Actor,
    ) -> Result<GuardianLink, Problem> {
        if !self.settings().guardian_proofs.contains(&proof) {
            return Err(Problem {
                field: Some("proof"),
                ..not_enabled(proof)
            });
        }
        self.check_child(child).await?;
        let now = self.now();
        let until = later(now, HOLDS);
        let said = format!("{}.{}.{}", name(child), proof.as_str(), until.as_second());
        let record = NewRecord::new(now, by, Action::GuardianConfirmed)
            .with("child", name(child))
            .with("proof", proof.as_str())
            .with("until", until.to_string());
        self.append(vec![record]).await?;
        let tag = Hash(*self.keys().link_tag(&said).as_bytes());
        let token = Sensitive::new(format!("{said}.{tag}"));
        Ok(GuardianLink { token, until })
    }

    /// Whoever comes with a guardian's link.
    ///
    /// # Errors
    /// It isn't one of ours, or it has ended; the business no longer takes this proof.
    pub async fn proven_guardian(&self, token: &Sensitive<String>) -> Result<Proven, Problem> {
        let (child, proof, until) = self
            .read_token(token)
            .ok_or_else(|| Problem::not_found("page"))?;
        if until <= self.now() {
            return Err(Problem::new(
                "guardian_link_ended",
                410,
                "this link has ended; ask whoever gave it to you for another one",
            ));
        }
        if !self.settings().guardian_proofs.contains(&proof) {
            return Err(not_enabled(proof));
        }
        self.check_child(&child).await?;
        let by = By::Guardian { proof: Some(proof) };
        Ok(Proven::new(child, by, None))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "taken apart and compared; none of it goes anywhere"
    )]
    fn read_token(&self, token: &Sensitive<String>) -> Option<(Party, GuardianProof, Timestamp)> {
        let (said, shown) = token.expose().rsplit_once('.')?;
        let shown: Hash = shown.parse().ok()?;
        let shown = TokenTag::from_bytes(shown.as_bytes())?;
        if !self.keys().link_tag(said).matches(&shown) {
            return None;
        }
        let mut parts = said.split('.');
        let child = party(parts.next()?)?;
        let word = parts.next()?;
        let proof = GuardianProof::ALL
            .into_iter()
            .find(|proof| proof.as_str() == word)?;
        let until = Timestamp::from_second(parts.next()?.parse().ok()?).ok()?;
        Some((child, proof, until))
    }

    /// A browser is nobody's child.
    async fn check_child(&self, child: &Party) -> Result<(), Problem> {
        match child {
            Party::Subject(id) if self.known_subjects([*id].into()).await?.is_empty() => {
                Err(super::unknown_subject())
            }
            Party::Device(_) => Err(Problem::invalid(
                "party",
                "a guardian chooses for a child who is known; name a subject, or an identifier of hers",
            )),
            Party::Subject(_) | Party::Pseudonym(_) => Ok(()),
        }
    }
}

fn not_enabled(proof: GuardianProof) -> Problem {
    let words = format!(
        "this business does not take `{}` as proof of a parent or guardian; use another proof, or add it to `guardian_proofs` in the settings once your staff are trained for it (11 CCR 7070(a)(2))",
        proof.as_str()
    );
    Problem::new("guardian_proof_not_enabled", 422, words)
}

/// A party in a link: opaque, and without a dot.
fn name(party: &Party) -> String {
    match party {
        Party::Subject(id) => id.to_string(),
        Party::Pseudonym(tag) | Party::Device(tag) => tag.to_string(),
    }
}

fn party(text: &str) -> Option<Party> {
    let subject = text.parse().ok().map(Party::Subject);
    subject.or_else(|| text.parse().ok().map(Party::Pseudonym))
}
