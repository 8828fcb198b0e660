//! Recipients' credentials: what holds opens one door for one recipient, what doesn't is refused alike.

use governance::disclosure::{
    Credential, CredentialTerms, Door, add_certificate, add_key, credentials, recipient_for,
    recipient_of, revoke,
};

use super::{ask, by_email, on_each_engine};
use domain::audit::Action;
use domain::sensitive::Sensitive;

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_for_its_recipient_and_its_purposes_until_it_ends_or_is_revoked() {
    on_each_engine(async |house| {
        let p = &house.p;
        let terms = |purposes: &[&str]| CredentialTerms {
            purposes: Some(purposes.iter().map(|one| (*one).into()).collect()),
            ends_at: Some(p.now() + jiff::SignedDuration::from_hours(1)),
        };
        let (id, key) = add_key(p, &"mill".into(), terms(&["orders"]))
            .await
            .unwrap();
        let (_, wide) = add_key(p, &"mill".into(), CredentialTerms::default())
            .await
            .unwrap();
        let caller = recipient_of(p, &Credential::Bearer(&key)).await.unwrap();
        assert_eq!(
            (caller.recipient.as_ref(), caller.purpose.as_ref()),
            ("mill", "orders")
        );
        let declared = "newsletter".into();
        let other = recipient_for(p, &Credential::Bearer(&wide), Some(&declared), Door::Scim).await;
        assert_eq!(other.unwrap().door, Door::Scim);
        let unknown = Sensitive::new("nothing".to_owned());
        let mut refusals = vec![
            recipient_for(p, &Credential::Bearer(&key), Some(&declared), Door::Scim).await,
            recipient_of(p, &Credential::Bearer(&wide)).await,
            recipient_of(p, &Credential::Bearer(&unknown)).await,
            recipient_of(p, &Credential::Certificate(&[1; 32])).await,
        ];
        house.clock.advance(jiff::SignedDuration::from_hours(1));
        refusals.push(recipient_of(p, &Credential::Bearer(&key)).await);
        let listed = credentials(p).await.unwrap();
        assert_eq!(listed.len(), 2);
        let other = listed.iter().find(|one| one.id != id).unwrap().id;
        revoke(p, other).await.unwrap();
        assert_eq!(revoke(p, other).await.unwrap_err().status, 404);
        refusals
            .push(recipient_for(p, &Credential::Bearer(&wide), Some(&declared), Door::Scim).await);
        let first = refusals[0].clone().unwrap_err();
        assert_eq!(first.status, 401);
        for refusal in refusals {
            assert_eq!(refusal.unwrap_err(), first);
        }
    })
    .await;
}

/// So that whatever went out by a key that somebody lost can be found.
#[expect(
    clippy::disallowed_methods,
    reason = "the text of a key is looked for in records, where it must not be"
)]
#[tokio::test(flavor = "multi_thread")]
async fn a_record_names_the_key_that_was_shown_and_never_shows_it() {
    on_each_engine(async |house| {
        let p = &house.p;
        let terms = || CredentialTerms {
            purposes: Some(vec!["orders".into()]),
            ends_at: None,
        };
        let mut shown = Vec::new();
        for _ in 0..2 {
            let (id, key) = add_key(p, &"mill".into(), terms()).await.unwrap();
            let caller = recipient_of(p, &Credential::Bearer(&key)).await.unwrap();
            ask(
                house,
                &caller,
                &[by_email("nobody@example.com")],
                &["email"],
            )
            .await;
            shown.push((id, key));
        }
        let recorded = house.records(Action::DisclosureDenied).await;
        let named: Vec<_> = recorded
            .iter()
            .map(|one| one.details["credential"].as_str().unwrap())
            .collect();
        let ids: Vec<_> = shown.iter().map(|(id, _)| id.to_string()).collect();
        assert_eq!(named, ids);
        let text = format!("{recorded:?}");
        assert!(shown.iter().all(|(_, key)| !text.contains(key.expose())));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_known_once_and_nobody_gets_one_that_is_not_declared() {
    on_each_engine(async |house| {
        let p = &house.p;
        let terms = || CredentialTerms {
            purposes: Some(vec!["orders".into()]),
            ends_at: None,
        };
        add_certificate(p, &"mill".into(), terms(), [9; 32])
            .await
            .unwrap();
        assert!(
            add_certificate(p, &"leads".into(), terms(), [9; 32])
                .await
                .is_err()
        );
        let caller = recipient_of(p, &Credential::Certificate(&[9; 32]))
            .await
            .unwrap();
        assert_eq!(caller.recipient.as_ref(), "mill");
        let nobody = add_key(p, &"nobody".into(), CredentialTerms::default()).await;
        assert_eq!(nobody.map(drop).unwrap_err().field, Some("recipient"));
        let odd = CredentialTerms {
            purposes: Some(vec!["odd".into()]),
            ends_at: None,
        };
        assert_eq!(
            add_key(p, &"mill".into(), odd)
                .await
                .map(drop)
                .unwrap_err()
                .field,
            Some("purposes")
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_tries_keys_waits() {
    on_each_engine(async |house| {
        let mut last = 0;
        for number in 0..301 {
            let key = Sensitive::new(format!("key {number}"));
            let refused = recipient_of(&house.p, &Credential::Bearer(&key)).await;
            last = refused.unwrap_err().status;
        }
        assert_eq!(last, 429);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_revoked_on_one_node_opens_nothing_on_another_a_moment_later() {
    on_each_engine(async |house| {
        let terms = CredentialTerms {
            purposes: Some(vec!["orders".into()]),
            ends_at: None,
        };
        let (id, key) = add_key(&house.p, &"mill".into(), terms).await.unwrap();
        let second = house.second().await;
        let shown = Credential::Bearer(&key);
        recipient_of(&second, &shown).await.unwrap();
        revoke(&house.p, id).await.unwrap();
        assert!(
            recipient_of(&house.p, &shown).await.is_err(),
            "at once here"
        );
        // The other node may take it for a second more, and would for ever if it did not look again.
        while recipient_of(&second, &shown).await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
}
