//! What decisions rest on besides the privacy request itself: the data categories that law data knows, and what must never leave.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::data_map::IdentifierKind;
use domain::disclosure::{
    Attribute, AttributeName, Facts, NeverDisclosed, OwnColumn, ProfileFacts, RecipientFacts,
    RecipientQueryFacts, RequestFacts,
};
use domain::id::SubjectId;
use domain::law::LawBook;
use domain::policy::{SubjectFacts, Table};
use domain::privacy_request::PrivacyRequest;
use domain::profile::Schema;
use domain::recipient::Recipient;
use enforcement::{Judgements, RecipientJudgements};
use jiff::Timestamp;

/// The part of the facts that is the same for every decision, taken from law data once.
pub(crate) struct Vocabulary {
    known_categories: Arc<BTreeSet<String>>,
    never_disclosed: Arc<[NeverDisclosed]>,
    judgements: Judgements,
    recipient_judgements: RecipientJudgements,
    /// What decides while no policies are in force: nothing is released.
    no_policies: Table,
}

impl Vocabulary {
    pub(crate) fn new(law: &LawBook) -> Self {
        let categories = || law.categories().map(|category| category.category.as_str());
        let never = categories().filter_map(|key| {
            let citation = law.never_disclosed(key)?.to_owned();
            let title = law
                .category(key)
                .map_or(key, |category| category.title.as_str());
            Some(NeverDisclosed {
                category: key.to_owned(),
                description: title.to_owned(),
                citation,
            })
        });
        Self {
            known_categories: Arc::new(categories().map(str::to_owned).collect()),
            never_disclosed: never.collect(),
            judgements: Judgements::default(),
            recipient_judgements: RecipientJudgements::default(),
            no_policies: Table::empty(),
        }
    }

    /// The facts for one decision.
    pub(crate) fn facts(&self, request: &PrivacyRequest, recipient: Option<&Recipient>) -> Facts {
        Facts {
            request: RequestFacts {
                id: request.id,
                kind: request.kind,
                state: request.state,
            },
            recipient: recipient.map(|recipient| RecipientFacts {
                key: recipient.key.clone(),
                role: recipient.effective_role(),
                known_by: recipient.known_by.iter().cloned().collect(),
            }),
            known_categories: self.known_categories.clone(),
            never_disclosed: self.never_disclosed.clone(),
        }
    }

    /// What was judged before.
    pub(crate) const fn judgements(&self) -> &Judgements {
        &self.judgements
    }

    /// What was judged for recipients before.
    pub(crate) const fn recipient_judgements(&self) -> &RecipientJudgements {
        &self.recipient_judgements
    }

    /// A table without policies.
    pub(crate) const fn no_policies(&self) -> &Table {
        &self.no_policies
    }

    /// The facts for one decision for a recipient.
    pub(crate) fn recipient_facts(
        &self,
        schema: Arc<Schema>,
        members: BTreeSet<SubjectId>,
        subject: SubjectFacts,
        on: Timestamp,
    ) -> RecipientQueryFacts {
        RecipientQueryFacts {
            members,
            subject,
            schema,
            known_categories: self.known_categories.clone(),
            never_disclosed: self.never_disclosed.clone(),
            on,
        }
    }

    /// The facts for one decision about a profile: her records, and who asks.
    pub(crate) fn profile_facts(
        &self,
        schema: Arc<Schema>,
        subject: SubjectId,
        members: BTreeSet<SubjectId>,
        subject_verified: bool,
    ) -> ProfileFacts {
        ProfileFacts {
            subject,
            members,
            subject_verified,
            // There is one role, and it works on privacy requests; what it sees is recorded attribute by attribute.
            operator_sees_sensitive: true,
            schema,
            known_categories: self.known_categories.clone(),
            never_disclosed: self.never_disclosed.clone(),
        }
    }
}

/// A sealed column of ours as an attribute.
pub(crate) fn own(
    column: OwnColumn,
    category: &str,
    identifier: Option<IdentifierKind>,
) -> Attribute {
    Attribute {
        name: AttributeName::Own(column),
        category: Some(category.to_owned()),
        identifier,
    }
}
