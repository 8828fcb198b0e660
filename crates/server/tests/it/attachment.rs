//! What recipients and operators attached: sealed, counted on the page, opened for an operator who asks, by a recorded look.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use domain::id::RequestId;

use crate::deletion::{HER, ask, id_on, only_request};
use crate::office::{Office, log, multipart};

/// A deletion under way: approved, its work by hand done with a note and a file, the recipient's answer in with a note and a file.
pub(crate) struct Standing {
    pub(crate) tracker: String,
    pub(crate) link: String,
    pub(crate) session: String,
    pub(crate) id: String,
    pub(crate) task: String,
    pub(crate) page: String,
}

const NOTE: &str = "We shredded the card of canary Maria";
const PAGE: &str = "<script>alert('canary')</script>";

impl Standing {
    pub(crate) async fn in_office(office: &Office) -> Self {
        let tracker = ask(office).await;
        office.work().await;
        let code = office.code(HER);
        office
            .post(&format!("{tracker}/code"), "", &[("code", &code)])
            .await;
        office.work().await;
        let session = office.session().await;
        let id = only_request(office, &session).await;
        let path = format!("/console/requests/{id}");
        office.post(&format!("{path}/approve"), &session, &[]).await;
        office.work().await;
        let page = office.get_as(&path, &session).await.text;
        let work = page.find("/console/tasks/").expect("no work by hand");
        let task = id_on(&page[work..], "tsk_");
        let fields = [
            ("request", id.as_str()),
            ("found_rows", "2"),
            ("note", NOTE),
        ];
        let done = format!("/console/tasks/{task}/complete");
        let done = office
            .send(multipart(&done, &session, &fields, b"photo of the bin"))
            .await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
        let mail = office.mail("privacy@mill.example", "/outreach/");
        let link = mail.split("http://office.test").nth(1).unwrap();
        let link = link.split_whitespace().next().unwrap().to_owned();
        let fields = [("answer", "done"), ("note", "gone, says canary Kim")];
        let mut answer = multipart(&link, "", &fields, PAGE.as_bytes());
        *answer.body_mut() = as_html(std::mem::take(answer.body_mut())).await;
        let answered = office.send(answer).await;
        assert_eq!(answered.status, StatusCode::SEE_OTHER, "{}", answered.text);
        Self {
            page: office
                .get_as(&path, &session)
                .await
                .text
                .replace("&#x2f;", "/"),
            tracker,
            link,
            session,
            id,
            task,
        }
    }

    /// The addresses at which something is opened, in the order of the page.
    pub(crate) fn openings(&self, ending: &str) -> Vec<String> {
        let forms = self.page.split(" action=\"").skip(1);
        let paths = forms.filter_map(|rest| rest.split('"').next());
        let ours = |path: &&str| {
            path.ends_with(ending)
                && (path.starts_with("/console/attachments/")
                    || path.starts_with("/console/outreach/"))
        };
        paths.filter(ours).map(str::to_owned).collect()
    }
}

/// The same form with its file called a page.
async fn as_html(body: Body) -> Body {
    let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    Body::from(text.replace("Content-Type: text/plain", "Content-Type: text/html"))
}

async fn looks(office: &Office, id: &str) -> usize {
    let id: RequestId = id.parse().unwrap();
    let detail = governance::privacy_request::console::detail(&office.privity, id);
    let records = detail.await.unwrap().records;
    let shown = records.iter().filter(|record| {
        record.action == "disclosed" && record.details["purpose"] == "show_operator"
    });
    shown.count()
}

#[tokio::test]
async fn a_note_is_counted_until_an_operator_opens_it_and_then_recorded() {
    let office = Office::open().await;
    let standing = Standing::in_office(&office).await;
    assert!(standing.page.contains("Notes and files"));
    for secret in [
        NOTE,
        "canary Kim",
        "photo of the bin",
        "proof.txt",
        "note.txt",
    ] {
        assert!(!standing.page.contains(secret), "{secret} is on the page");
    }
    let before = looks(&office, &standing.id).await;
    let note = &standing.openings("/note")[0];
    let opened = office.post(note, &standing.session, &[]).await;
    assert_eq!(opened.status, StatusCode::OK);
    assert!(opened.text.contains("gone, says canary Kim"));
    assert_eq!(looks(&office, &standing.id).await, before + 1);

    let by_hand = standing.openings("/read");
    let mut texts = String::new();
    for path in &by_hand {
        texts += &office.post(path, &standing.session, &[]).await.text;
    }
    assert!(texts.contains(NOTE) && texts.contains("photo of the bin"));
    assert!(
        texts.contains("proof.txt") && !texts.contains("alert("),
        "a page that a recipient sent is named and not shown"
    );
    assert_eq!(
        looks(&office, &standing.id).await,
        before + 1 + by_hand.len()
    );
    for secret in [NOTE, "canary Kim", "photo of the bin", "proof.txt"] {
        assert!(!log().contains(secret), "`{secret}` is in the log");
    }
}

#[tokio::test]
async fn a_file_is_downloaded_as_it_came_and_runs_nowhere() {
    let office = Office::open().await;
    let standing = Standing::in_office(&office).await;
    let before = looks(&office, &standing.id).await;
    let mut kinds = Vec::new();
    for path in standing.openings("/file") {
        let file = office.post(&path, &standing.session, &[]).await;
        let header = |name: &str| file.headers[name].to_str().unwrap().to_owned();
        let disposition = header("content-disposition");
        assert!(
            disposition.starts_with("attachment; filename=\"att_")
                && !disposition.contains("proof"),
            "{disposition}"
        );
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("cache-control"), "no-store");
        kinds.push((header("content-type"), file.text));
    }
    kinds.sort();
    let kinds: Vec<(&str, &str)> = kinds
        .iter()
        .map(|(kind, text)| (kind.as_str(), text.as_str()))
        .collect();
    assert_eq!(
        kinds,
        [
            ("application/octet-stream", PAGE),
            ("text/plain; charset=utf-8", NOTE),
            ("text/plain; charset=utf-8", "photo of the bin"),
        ]
    );
    assert_eq!(looks(&office, &standing.id).await, before + 3);
}

#[tokio::test]
async fn nobody_opens_what_was_attached_without_a_session_or_from_another_site() {
    let office = Office::open().await;
    let standing = Standing::in_office(&office).await;
    let before = looks(&office, &standing.id).await;
    let paths = ["/note", "/read", "/file"].map(|ending| standing.openings(ending)[0].clone());
    for path in &paths {
        let answer = office.post(path, "", &[]).await;
        assert_eq!(answer.location, "/console/sign-in", "{path}");
        let forged = Request::post(path)
            .header("cookie", &standing.session)
            .header("sec-fetch-site", "cross-site");
        let answer = office.send(forged.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        let answer = office.get_as(path, &standing.session).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
    for unknown in [
        "/console/outreach/out_00000000000000000000000000000000/note",
        "/console/attachments/att_00000000000000000000000000000000/read",
        "/console/attachments/x/file",
    ] {
        let answer = office.post(unknown, &standing.session, &[]).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{unknown}");
    }
    assert_eq!(looks(&office, &standing.id).await, before);
}
