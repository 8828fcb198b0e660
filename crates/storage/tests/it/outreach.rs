//! Outreach on both engines.

use domain::outreach::{Answer, Outreach, OutreachAction};
use domain::recipient::{ChannelKind, VerificationLevel};
use storage::outreach::{self, NewOutreach};
use storage::{Database, Error};

use crate::place::on_each_engine;
use crate::sample::{at, insert_requests, outreach_id, request_id, sealed};

fn sample(number: u32, recipient: &str) -> Outreach {
    Outreach {
        id: outreach_id(number),
        request: request_id(0),
        recipient: recipient.into(),
        channel: ChannelKind::Opendsr,
        action: OutreachAction::Delete,
        level: VerificationLevel::None,
        answer: None,
        external_id: None,
        reminders: 0,
        next_reminder_at: Some(at(3)),
        sent_at: None,
        answered_at: None,
        escalated: false,
        last_error: None,
    }
}

async fn insert(database: &Database, outreach: Outreach, tag: &'static [u8]) -> u64 {
    let new = NewOutreach {
        outreach,
        link_tag: Some(tag.to_vec()),
        due: "2026-12-01".parse().ok(),
    };
    database
        .write("insert", move |tx| {
            outreach::insert_many(tx, std::slice::from_ref(&new), at(1))
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn each_recipient_is_told_once_and_its_answer_is_kept() {
    on_each_engine(async |database| {
        insert_requests(database, 1).await;
        assert_eq!(insert(database, sample(1, "mailer"), b"one").await, 1);
        assert_eq!(insert(database, sample(2, "mailer"), b"two").await, 0);
        assert_eq!(insert(database, sample(3, "broker"), b"three").await, 1);

        let answered = Outreach {
            level: VerificationLevel::Signed,
            answer: Some(Answer::Exception {
                reason: "legal_obligation".to_owned(),
            }),
            external_id: Some("5678".to_owned()),
            reminders: 2,
            next_reminder_at: None,
            sent_at: Some(at(2)),
            answered_at: Some(at(8)),
            escalated: true,
            last_error: Some("timed out once".to_owned()),
            ..sample(1, "mailer")
        };
        let changed = answered.clone();
        database
            .write::<_, Error, _>("answer", move |tx| {
                outreach::lock(tx, changed.id)?.unwrap();
                outreach::update(tx, &changed)?;
                outreach::save_note(tx, changed.id, &sealed("note"))?;
                outreach::save_link_tag(tx, changed.id, b"new link")
            })
            .await
            .unwrap();
        database
            .read::<_, Error, _>("read", move |tx| {
                for found in [
                    outreach::get(tx, outreach_id(1))?,
                    outreach::get_by_link_tag(tx, b"new link")?,
                    outreach::get_by_external_id(tx, "5678")?,
                ] {
                    let found = found.unwrap();
                    assert_eq!(
                        (&found.outreach, found.due, found.created_at),
                        (&answered, "2026-12-01".parse().ok(), at(1))
                    );
                    assert!(found.note == Some(sealed("note")));
                }
                assert!(
                    outreach::get_by_link_tag(tx, b"one")?.is_none(),
                    "the old link has ended"
                );
                let all: Vec<_> = outreach::of_request(tx, request_id(0))?
                    .into_iter()
                    .map(|stored| stored.outreach.recipient.to_string())
                    .collect();
                assert_eq!(all, ["broker", "mailer"]);
                Ok(())
            })
            .await
            .unwrap();
        let missing = database
            .write("missing", |tx| outreach::update(tx, &sample(9, "x")))
            .await;
        assert!(matches!(missing, Err(Error::NotFound { .. })));
    })
    .await;
}
