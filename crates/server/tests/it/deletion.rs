//! A deletion from the first form to the evidence, by the pages alone; and what a code can stand.

use axum::http::StatusCode;

use crate::office::{Office, log, multipart};

pub(crate) const HER: &str = "canary-maria@example.com";

pub(crate) async fn ask(office: &Office) -> String {
    let answer = office
        .post(
            "/ask/delete",
            "",
            &[
                ("email", HER),
                ("name", "Canary Name"),
                ("law", "ccpa"),
                ("id_customer_number", "canary-1204"),
            ],
        )
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    assert!(answer.location.starts_with("/requests/"));
    answer.location
}

/// The id of the only privacy request, as the Console lists it.
pub(crate) async fn only_request(office: &Office, session: &str) -> String {
    let list = office
        .get_as("/console/requests?show=all", session)
        .await
        .text;
    let start = list.find("req_").expect("the list is empty");
    list[start..start + 36].to_owned()
}

/// The first id of a kind on a page.
pub(crate) fn id_on(page: &str, start: &str) -> String {
    let at = page
        .find(start)
        .unwrap_or_else(|| panic!("no {start} on the page"));
    page[at..at + 36].to_owned()
}

#[tokio::test]
async fn she_is_forgotten_by_the_pages_alone_and_no_value_of_hers_is_logged() {
    let office = Office::open().await;
    let tracker = ask(&office).await;
    office.work().await;
    let code = office.code(HER);
    let answer = office
        .post(
            &format!("{tracker}/code"),
            "",
            &[("code", &format!(" {}-{} ", &code[..3], &code[3..]))],
        )
        .await;
    assert_eq!(
        answer.status,
        StatusCode::SEE_OTHER,
        "a code with spaces is the code"
    );
    office.work().await;

    let session = office.session().await;
    let id = only_request(&office, &session).await;
    let path = format!("/console/requests/{id}");
    let page = office.get_as(&path, &session).await;
    assert!(
        page.text.contains("Approve the plan") && !page.text.contains(HER),
        "the plan is there and her address is not"
    );
    let approved = office.post(&format!("{path}/approve"), &session, &[]).await;
    assert_eq!(approved.status, StatusCode::SEE_OTHER, "{}", approved.text);
    office.work().await;

    let page = office.get_as(&path, &session).await.text;
    let task = id_on(
        &page[page.find("/console/tasks/").expect("no work by hand")..],
        "tsk_",
    );
    let done = office
        .send(multipart(
            &format!("/console/tasks/{task}/complete"),
            &session,
            &[
                ("request", &id),
                ("found_rows", "2"),
                ("note", "shredded two cards"),
            ],
            b"photo",
        ))
        .await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    office.work().await;

    let mail = office.mail("privacy@mill.example", "/outreach/");
    let link = mail
        .split("http://office.test")
        .nth(1)
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .to_owned();
    let desk = office.get(&link).await;
    assert!(
        desk.text.contains(HER),
        "the recipient must know whom it is about"
    );
    let missing = office
        .send(multipart(
            &link,
            "",
            &[("answer", "exception"), ("note", "")],
            b"",
        ))
        .await;
    assert_eq!(
        missing.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "an exception needs its reason"
    );
    let answered = office
        .send(multipart(
            &link,
            "",
            &[("answer", "done"), ("note", "gone")],
            b"proof",
        ))
        .await;
    assert_eq!(answered.status, StatusCode::SEE_OTHER, "{}", answered.text);
    office.work().await;

    let end = office.get(&tracker).await;
    assert!(end.text.contains("You are forgotten"), "{}", end.text);
    assert!(end.text.contains("Paper &lt;Mill&gt;"), "names are escaped");
    let evidence = office.get_as(&format!("{path}/evidence"), &session).await;
    let key = governance::evidence::public_key(&office.privity).unwrap();
    governance::evidence::verify(evidence.text.as_bytes(), Some(&key))
        .unwrap_or_else(|problem| panic!("{problem}"));

    let token = tracker.trim_start_matches("/requests/");
    let secrets = [
        HER,
        "Canary Name",
        "canary-1204",
        token,
        link.trim_start_matches("/outreach/"),
        code.as_str(),
        "shredded two cards",
    ];
    for secret in secrets {
        assert!(!log().contains(secret), "`{secret}` is in the log");
        assert!(
            !evidence.text.contains(secret),
            "`{secret}` is in the evidence"
        );
    }
    assert!(
        log().contains("/requests/{token}"),
        "the log names the route"
    );
}

#[tokio::test]
async fn a_code_stands_five_tries_then_another_one_is_sent_and_works() {
    let office = Office::open().await;
    let tracker = ask(&office).await;
    office.work().await;
    let path = format!("{tracker}/code");
    let right = office.code(HER);
    let wrong = if right == "000000" {
        "000001"
    } else {
        "000000"
    };
    for tries_left in ["4 more times", "3 more times", "2 more times", "once more"] {
        let answer = office.post(&path, "", &[("code", wrong)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.text.contains(tries_left), "{tries_left}");
    }
    for _ in 0..20 {
        assert_eq!(
            office.post(&path, "", &[("code", wrong)]).await.status,
            StatusCode::TOO_MANY_REQUESTS
        );
    }
    assert_eq!(
        office.post(&path, "", &[("code", &right)]).await.status,
        StatusCode::TOO_MANY_REQUESTS,
        "a used-up code works no more"
    );
    assert_eq!(
        office
            .post(&format!("{tracker}/resend"), "", &[])
            .await
            .status,
        StatusCode::TOO_MANY_REQUESTS,
        "another one comes after a minute"
    );
    office.clock.advance(jiff::SignedDuration::from_secs(61));
    assert_eq!(
        office
            .post(&format!("{tracker}/resend"), "", &[])
            .await
            .status,
        StatusCode::SEE_OTHER
    );
    office.work().await;
    let answer = office.post(&path, "", &[("code", &office.code(HER))]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    let again = office.post(&path, "", &[("code", "123456")]).await;
    assert_eq!(
        again.status,
        StatusCode::SEE_OTHER,
        "a form that is sent twice does no harm"
    );
}

#[tokio::test]
async fn she_can_take_it_back_until_it_is_approved() {
    let office = Office::open().await;
    let tracker = ask(&office).await;
    let answer = office.post(&format!("{tracker}/withdraw"), "", &[]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(
        office
            .get(&tracker)
            .await
            .text
            .contains("You took this back")
    );
    assert_eq!(office.work().await, 0, "nothing is left to do");
}

#[tokio::test]
async fn an_opt_out_is_done_at_once_and_the_buyer_is_told() {
    let office = Office::open().await;
    let answer = office.post("/opt-out", "", &[("email", HER)]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    assert!(
        office
            .get(&answer.location)
            .await
            .text
            .contains("Done. Here is who we are telling, and by when.")
    );
    office.work().await;
    office.mail("privacy@mill.example", "/outreach/");
    let page = office.get(&answer.location).await.text;
    assert!(
        page.contains("Paper &lt;Mill&gt;") && page.contains("waiting"),
        "told is not yet done"
    );
}
