//! Every decision is told in words: three ways to be denied, and the basis of what goes out.

use domain::audit::{Action, Actor};
use domain::consent::{Party, Scope};
use domain::id::SubjectId;
use domain::policy::Fact;
use domain::purpose_of_use::UseKind;
use governance::consent::{NewChoice, Said};
use governance::policy::{Asked, Explanation, Hypothetical, Kind, Line, Who};

use super::{on_each_engine, write};
use crate::consent::{keep, no};
use crate::profile_house::ProfileHouse;

fn asked(who: Who, recipient: &str, purpose: &str, attribute: &str) -> Asked {
    Asked {
        who,
        recipient: recipient.into(),
        purpose: purpose.into(),
        attributes: vec![attribute.into()],
        version: None,
        on: None,
    }
}

async fn line(house: &ProfileHouse, asked: &Asked) -> Line {
    let explained: Explanation = house
        .p
        .explain_decision(asked, Actor::CommandLine)
        .await
        .unwrap();
    assert_eq!(explained.lines.len(), 1);
    explained.lines[0].clone()
}

async fn maya(house: &ProfileHouse) -> SubjectId {
    write(
        house,
        &[
            ("customer_number", "1"),
            ("email", "maya@example.org"),
            ("birth_date", "1990-05-20"),
            ("country", "US"),
            ("state", "CA"),
        ],
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allowance_names_its_basis_and_each_denial_what_it_is() {
    on_each_engine(async |house| {
        let maya = maya(house).await;
        let who = || Who::Subject(maya);
        let allowed = line(house, &asked(who(), "mill", "orders", "first_name")).await;
        assert_eq!((allowed.kind, allowed.release), (Kind::Allowed, "keep"));
        assert_eq!(
            allowed.policy.as_ref().unwrap().citation,
            "Contract with Paper Mill"
        );
        assert_eq!(allowed.for_subject, "So that our letters reach you.");
        let none = line(house, &asked(who(), "mill", "orders", "birth_date")).await;
        assert_eq!(
            none.kind,
            Kind::Forbidden,
            "the purpose does not declare it: {}",
            none.for_operator
        );
        let none = line(house, &asked(who(), "leads", "sale", "first_name")).await;
        assert_eq!((none.kind, none.policy), (Kind::NoPolicy, None));
        assert!(
            none.for_operator
                .contains("no policy lets `leads` have it for `sale`"),
            "{}",
            none.for_operator
        );
        // A child in California: forbidden, with the condition that makes it so.
        let child = Hypothetical {
            jurisdiction: Some("US-CA".to_owned()),
            age: Some(domain::policy::AgeBand::Under13),
            is: [Fact::ChoiceAllows].into(),
            ..Hypothetical::default()
        };
        let forbidden = line(
            house,
            &asked(Who::Hypothetical(child), "leads", "sale", "email"),
        )
        .await;
        assert_eq!(forbidden.kind, Kind::Forbidden);
        assert!(
            forbidden
                .conditions
                .iter()
                .any(|one| one.contains("age under_13")),
            "{:?}",
            forbidden.conditions
        );
        // Elsewhere, with no choice: the permit that misses least, and where to ask.
        let elsewhere = Hypothetical {
            jurisdiction: Some("other".to_owned()),
            age: Some(domain::policy::AgeBand::Adult),
            ..Hypothetical::default()
        };
        let unmet = line(
            house,
            &asked(Who::Hypothetical(elsewhere), "leads", "sale", "email"),
        )
        .await;
        assert_eq!(
            (unmet.kind, unmet.policy.unwrap().id.as_str()),
            (Kind::Unmet, "hearth.sale")
        );
        assert_eq!(unmet.missing, ["choice_allows"]);
        assert!(unmet.where_to_ask.unwrap().contains("`sale`, version 1"));
        assert_eq!(
            house.records(Action::DecisionExplained).await.len(),
            3,
            "who need not exist is not recorded"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_names_the_choice_that_decided_and_the_past_can_be_asked() {
    on_each_engine(async |house| {
        let maya = maya(house).await;
        let before = house.p.now();
        house.clock.advance(jiff::SignedDuration::from_hours(1));
        let out = NewChoice {
            scope: Scope::every([UseKind::Sale, UseKind::Sharing]),
            said: Said::OptedOut(None),
            ..no(Party::Subject(maya), "sale")
        };
        let id = keep(&house.p, out).await;
        let now = asked(Who::Subject(maya), "leads", "sale", "email");
        let denied = line(house, &now).await;
        assert_eq!(
            (denied.kind, denied.policy.unwrap().id.as_str()),
            (Kind::Forbidden, "ccpa.opt-out-of-sale")
        );
        let said = denied.said.unwrap();
        assert_eq!(
            (said.consent, said.act, said.by_signal),
            (id.to_string(), "opted_out", false)
        );
        let past = Asked {
            on: Some(before),
            ..now
        };
        assert_eq!(line(house, &past).await.kind, Kind::Allowed);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_not_can_not_be_explained() {
    on_each_engine(async |house| {
        let who = || Who::Hypothetical(Hypothetical::default());
        for (asked, field) in [
            (asked(who(), "nobody", "sale", "email"), "recipient"),
            (asked(who(), "leads", "nothing", "email"), "purpose"),
            (asked(who(), "leads", "sale", "shoe_size"), "attribute"),
        ] {
            let problem = house
                .p
                .explain_decision(&asked, Actor::CommandLine)
                .await
                .unwrap_err();
            assert_eq!(problem.field, Some(field));
        }
        let never = SubjectId::from_uuid(uuid::Uuid::from_u128(7));
        let asked = asked(Who::Subject(never), "leads", "sale", "email");
        let problem = house
            .p
            .explain_decision(&asked, Actor::CommandLine)
            .await
            .unwrap_err();
        assert_eq!(problem.status, 404);
    })
    .await;
}

/// A permit that holds in one place, under a forbid that holds unless two other things are so: none of the inputs that try one condition at a
/// time lets anything out.
#[tokio::test(flavor = "multi_thread")]
async fn the_matrix_names_what_goes_out_only_when_several_things_come_together() {
    let said = "@citation(\"c\") @title(\"t\") @reason_subject(\"s\") @reason_operator(\"o\")";
    let policies = format!(
        "@id(\"in-the-union\") {said} permit (principal == Recipient::\"mill\", action, resource) when {{ context.jurisdiction == \"EU\" }};\n@id(\"only-with-consent\") {said} forbid (principal, action, resource) unless {{ context.consented && context.limited }};"
    );
    let files = [
        ("profile.yaml", super::SCHEMA),
        ("consent/purposes.yaml", super::PURPOSES),
        ("consent/notices.yaml", crate::consent::NOTICES),
        ("policies/company.cedar", policies.as_str()),
    ];
    let house = ProfileHouse::with_files(None, &files).await;
    let matrix = house.p.policy_matrix().unwrap();
    let recipients: std::collections::BTreeSet<_> =
        matrix.iter().map(|line| line.recipient.as_str()).collect();
    assert_eq!(recipients, ["mill"].into());
    assert!(
        matrix
            .iter()
            .any(|line| line.attributes.contains_key("email"))
    );
}
