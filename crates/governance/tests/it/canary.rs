//! Personal values never leak: a canary is planted in every personal column and in every field of every form, the whole flow
//! is played with everything that can fail failing, and afterwards no log line, Problem, view, evidence file, database file,
//! package, key file or temporary file holds any of them in any common encoding. Mails to the subject may.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use domain::data_map::IdentifierKind;
use domain::id::{OperatorId, RequestId};
use domain::outreach::Answer;
use domain::privacy_request::{IntakeChannel, RequestKind};
use domain::sensitive::Sensitive;
use domain::task::{TaskKind, TaskState};
use domain::time::FixedClock;
use governance::privacy_request::{
    access, console, intake, manual, plan, take_answer, tracker, verify,
};
use governance::{Privity, Problem, ReceivedAnswer};

use crate::house::{mailbox::Mailbox, open, sql};
use crate::server::{Engine, Store, engine};

const DIR: &str = "PRIVITY_CANARY_DIR";

/// Every planted value begins so, whatever it looks like otherwise.
const SIGN: &str = "zqcanary";
/// And every planted number and phone so.
const NUMBER: &str = "7730391";

/// Walks a folder and names the files that hold a canary in any of the usual encodings.
const SEARCH: &str = r"
import base64, hashlib, os, sys
folder, words = sys.argv[1], sys.argv[2:]
def encodings(word):
    raw = word.encode()
    yield 'plain', raw
    yield 'UTF-16', word.encode('utf-16-le')
    yield 'hex', raw.hex().encode()
    for shift in range(3):
        whole = base64.b64encode(bytes(shift) + raw)
        yield 'base64', whole[4 if shift else 0:len(whole) // 4 * 4 - 4]
    if word.isdigit():
        yield 'number', int(word).to_bytes(8, 'big').lstrip(b'\0')
        yield 'number', int(word).to_bytes(8, 'little').rstrip(b'\0')
    for text in (word, word.lower()):
        for name in ('md5', 'sha1', 'sha256'):
            digest = hashlib.new(name, text.encode()).digest()
            yield name, digest
            yield name, digest.hex().encode()
            yield name, base64.b64encode(digest).rstrip(b'=')
needles = [(how, needle, needle.lower(), word) for word in words for how, needle in encodings(word) if len(needle) > 4]
for root, _, files in os.walk(folder):
    for name in files:
        path = os.path.join(root, name)
        data = open(path, 'rb').read()
        lower = data.lower()
        for how, needle, lowered, word in needles:
            at = lower.find(lowered) if how in ('plain', 'hex') else data.find(needle)
            if at >= 0: print(os.path.relpath(path, folder), how, lower[max(0, at - 90):at + 50].decode('utf-8', 'replace').replace('\n', ' '), sep=' | ')
";

pub(crate) fn search(folder: &Path, words: &[String]) -> String {
    let output = Command::new("python3")
        .args(["-c", SEARCH])
        .arg(folder)
        .args(words)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What to look for: the two signs, and whole values whose hashes or encodings would show them.
fn words() -> Vec<String> {
    let whole = [
        mail("maya"),
        mail("nora"),
        mail("refused"),
        format!("{NUMBER}0001"),
        format!("{NUMBER}0002"),
        format!("{SIGN} Maya Name"),
        format!("+{NUMBER}5550001"),
    ];
    [SIGN.to_owned(), NUMBER.to_owned()]
        .into_iter()
        .chain(whole)
        .collect()
}

fn mail(name: &str) -> String {
    format!("{SIGN}.{name}@example.org")
}

fn secret(text: &str) -> Sensitive<String> {
    Sensitive::new(format!("{SIGN} {text}"))
}

#[test]
fn no_personal_value_leaks_whatever_happens() {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["privity", "sources", "tmp"] {
        std::fs::create_dir(dir.path().join(folder)).unwrap();
    }
    // In a process of its own, where everything that anybody logs can be caught.
    let flow = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "canary::the_whole_flow_with_canaries",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(DIR, dir.path())
        .env("TMPDIR", dir.path().join("tmp"))
        .output()
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&flow.stdout),
        String::from_utf8_lossy(&flow.stderr)
    );
    assert!(flow.status.success() && said.contains("1 passed"), "{said}");
    said.lines()
        .filter(|line| line.contains("did not run"))
        .for_each(|line| println!("{line}"));
    std::fs::write(dir.path().join("privity/said.txt"), &said).unwrap();

    let log = std::fs::read_to_string(dir.path().join("privity/trace.log")).unwrap();
    assert!(
        log.contains("TRACE") && log.contains("a task did not come to its end"),
        "everything was caught"
    );
    let control = search(&dir.path().join("sources"), &words());
    for how in [
        "shop.sqlite | plain",
        "till.sqlite | plain",
        "control.txt | base64",
        "control.txt | sha256",
        "control.txt | hex",
        "control.txt | number",
    ] {
        assert!(
            control.contains(how),
            "a search that can't find is no proof: {how} in {control}"
        );
    }
    let leaks = format!(
        "{}{}",
        search(&dir.path().join("privity"), &words()),
        search(&dir.path().join("tmp"), &words())
    );
    assert_eq!(leaks, "", "personal values stand in the open:\n{leaks}");
}

/// The log, and what callers were told.
struct Flow {
    dir: PathBuf,
    p: Privity,
    clock: Arc<FixedClock>,
    mailbox: Mailbox,
    operator: OperatorId,
    told: String,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by no_personal_value_leaks_whatever_happens, in a process of its own"]
async fn the_whole_flow_with_canaries() {
    let Ok(dir) = std::env::var(DIR).map(PathBuf::from) else {
        return;
    };
    let log = Mutex::new(std::fs::File::create(dir.join("privity/trace.log")).unwrap());
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(log)
        .try_init()
        .unwrap();
    plant(&dir.join("sources"));
    let desk = Desk::start();
    let stores = [engine(Engine::Postgres), engine(Engine::Mariadb)];
    stores.iter().flatten().for_each(plant_failing);
    std::fs::write(
        dir.join("privity/map.yaml"),
        map(&dir.join("sources"), &desk, &stores),
    )
    .unwrap();
    let mailbox = Mailbox::start().await;
    let clock = Arc::new(FixedClock::at("2026-11-02T18:00:00Z".parse().unwrap()));
    let p = open(&dir.join("privity"), mailbox.port, &clock, "").await;
    let operator = governance::operator::add(&p, "Robin").await.unwrap().0;
    let mut flow = Flow {
        dir,
        p,
        clock,
        mailbox,
        operator,
        told: String::new(),
    };

    flow.wrong_forms().await;
    flow.know(&desk).await;
    flow.delete(&desk).await;
    flow.delete_what_fails(&stores).await;
    flow.opt_out().await;
    flow.denied_and_extended().await;
    flow.evidence().await;

    std::fs::write(flow.dir.join("privity/told.txt"), &flow.told).unwrap();
    // The write-ahead log as it is, before it is folded into the file.
    for ending in ["-wal", "-shm"] {
        let _none = std::fs::copy(
            flow.dir.join(format!("privity/privity.db{ending}")),
            flow.dir.join(format!("privity/copy{ending}")),
        );
    }
    let mails = flow.mailbox.all();
    assert!(
        mails.iter().any(|mail| mail.text.contains(SIGN)),
        "the flow knows the values: a mail to her greets her by name"
    );
}

impl Flow {
    fn problem<T>(&mut self, result: Result<T, Problem>) -> Problem {
        let problem = result.map(drop).expect_err("this must be refused");
        writeln!(self.told, "{problem:?} {problem}").unwrap();
        problem
    }

    fn identified(&self, kind: RequestKind, email: &str) -> intake::Intake {
        intake::Intake::Identified {
            kind,
            law: None,
            email: Sensitive::new(email.to_owned()),
            name: Some(secret("Maya Name")),
            identifiers: vec![(number(), Sensitive::new(format!("{SIGN}-number")))],
            language: "en".to_owned(),
            channel: IntakeChannel::PrivacyCenter,
            since: None,
            verified_by: None,
            address: Some(format!("{SIGN}-address")),
        }
    }

    async fn receive(&self, intake: intake::Intake) -> intake::Received {
        intake::receive(&self.p, intake)
            .await
            .unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// What fails is tried again, a few hours later and by an operator's hand; what everybody is shown meanwhile is kept.
    async fn work(&mut self, ids: &[RequestId]) {
        for _ in 0..2 {
            governance::worker::run_until_idle(&self.p).await.unwrap();
            for id in ids {
                self.look(*id).await;
                for task in console::detail(&self.p, *id).await.unwrap().tasks {
                    if task.state == TaskState::Stuck {
                        console::retry_task(&self.p, task.id, self.operator)
                            .await
                            .unwrap();
                    }
                }
            }
            self.clock.advance(jiff::SignedDuration::from_hours(3));
        }
    }

    async fn look(&mut self, id: RequestId) {
        let detail = console::detail(&self.p, id).await.unwrap();
        let overview = console::overview(&self.p).await.unwrap();
        writeln!(
            self.told,
            "{}\n{}\n{detail:?}",
            serde_json::to_string(&detail).unwrap(),
            serde_json::to_string(&overview).unwrap()
        )
        .unwrap();
    }

    /// Every field of every form, wrong in each way that it can be.
    async fn wrong_forms(&mut self) {
        let long = format!("{SIGN}{}", "x".repeat(400));
        for email in [
            "zqcanary",
            "zqcanary@",
            "zqcanary@host",
            "zqcanary a@example.org",
            "zqcanary\r\n@example.org",
            "<zqcanary@example.org>",
            &format!("{long}@example.org"),
        ] {
            let refused =
                intake::receive(&self.p, self.identified(RequestKind::Delete, email)).await;
            assert_eq!(self.problem(refused).field, Some("email"));
        }
        let base = || self.identified(RequestKind::KnowSpecific, &mail("maya"));
        let mut wrong = Vec::new();
        for change in 0..8 {
            let mut form = base();
            if let intake::Intake::Identified {
                kind,
                law,
                name,
                identifiers,
                language,
                address,
                ..
            } = &mut form
            {
                *address = None;
                match change {
                    0 => *law = Some(format!("{SIGN}-law")),
                    1 => *name = Some(Sensitive::new(long.clone())),
                    2 => *name = Some(Sensitive::new(format!("{SIGN}\u{7}"))),
                    3 => {
                        *identifiers =
                            vec![(IdentifierKind(format!("{SIGN}-kind")), secret("value"))]
                    }
                    4 => *identifiers = vec![(number(), Sensitive::new(long.clone()))],
                    5 => *identifiers = vec![(number(), secret("many")); 11],
                    6 => *kind = RequestKind::OptOutSaleShare,
                    _ => *language = format!("{SIGN}-language"),
                }
            }
            wrong.push(form);
        }
        let last = wrong.pop().unwrap();
        for form in wrong {
            let refused = intake::receive(&self.p, form).await;
            self.problem(refused);
        }
        self.receive(last).await;
        governance::worker::run_until_idle(&self.p).await.unwrap();
        let token = secret("token");
        let refused = [
            tracker::view(&self.p, &token).await.map(drop),
            tracker::withdraw(&self.p, &token).await,
            verify::confirm(&self.p, &token, &secret("code"))
                .await
                .map(drop),
            verify::resend(&self.p, &token).await.map(drop),
            access::fetch(&self.p, &token).await.map(drop),
            take_answer::page(&self.p, &token).await.map(drop),
            take_answer::answer(&self.p, &token, Answer::Done, Some(secret("note")), None).await,
            take_answer::answer(
                &self.p,
                &token,
                Answer::Exception {
                    reason: format!("{SIGN}_reason"),
                },
                None,
                None,
            )
            .await,
            governance::operator::sign_in(&self.p, &secret("key"))
                .await
                .map(drop),
        ];
        for problem in refused {
            self.problem(problem);
        }
        for recipient in ["leads", "zqcanary", "mill"] {
            let body = Sensitive::new(
                format!("{{\"data\": {{\"external_id\": \"{SIGN}\", \"status\": \"{SIGN}\"}}}}")
                    .into_bytes(),
            );
            let headers = [
                "webhook-id",
                "webhook-timestamp",
                "webhook-signature",
                "authorization",
            ]
            .map(|name| (name.to_owned(), format!("v1,{SIGN}")));
            let message = ReceivedAnswer {
                headers: headers.to_vec(),
                body,
                url: format!("https://privacy.hearth.example/callbacks/{SIGN}"),
                received_at: self.p.now(),
            };
            let refused = take_answer::callback(&self.p, &recipient.into(), message).await;
            self.problem(refused);
        }
    }

    async fn verified(&mut self, kind: RequestKind, email: &str) -> intake::Received {
        let received = self.receive(self.identified(kind, email)).await;
        governance::worker::run_until_idle(&self.p).await.unwrap();
        for wrong in [secret("code"), Sensitive::new("12345".to_owned())] {
            let refused = verify::confirm(&self.p, &received.tracker, &wrong).await;
            self.problem(refused);
        }
        let text = self
            .mailbox
            .to(email)
            .pop()
            .expect("a mail with a code")
            .text;
        let code = text
            .lines()
            .map(str::trim)
            .find(|line| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit()))
            .expect("a code")
            .to_owned();
        verify::confirm(&self.p, &received.tracker, &Sensitive::new(code))
            .await
            .unwrap();
        received
    }

    /// A copy, while the CRM lacks a column and the help desk answers in every wrong way.
    async fn know(&mut self, desk: &Desk) {
        let crm = self.dir.join("sources/crm.sqlite");
        sql(&crm, "ALTER TABLE contact RENAME COLUMN notes TO remarks");
        let received = self
            .verified(RequestKind::KnowSpecific, &mail("maya"))
            .await;
        self.work(&[received.id]).await;
        sql(&crm, "ALTER TABLE contact RENAME COLUMN remarks TO notes");
        for way in 0..WAYS {
            desk.way.store(way, Ordering::SeqCst);
            self.work(&[received.id]).await;
        }
        desk.way.store(GOOD, Ordering::SeqCst);
        for _ in 0..4 {
            self.work(&[received.id]).await;
            self.by_hand(received.id).await;
        }
        let view = tracker::view(&self.p, &received.tracker).await.unwrap();
        writeln!(self.told, "{}", serde_json::to_string(&view).unwrap()).unwrap();
        let mut package = access::fetch(&self.p, &received.tracker)
            .await
            .unwrap_or_else(|problem| panic!("{problem} {view:?}"));
        let mut bytes = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut package.file, &mut bytes)
            .await
            .unwrap();
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        let mut whole = String::new();
        for index in 0..archive.len() {
            archive
                .by_index(index)
                .unwrap()
                .read_to_string(&mut whole)
                .unwrap();
        }
        assert!(
            whole.contains("zqcanary Maya Note"),
            "her copy holds what was planted"
        );
        let revealed = console::reveal_requester(&self.p, received.id, self.operator)
            .await
            .unwrap();
        assert!(revealed.iter().any(|(_, value)| value.contains(SIGN)));
    }

    /// Work by hand, with a note and a file, and an answer that is none.
    async fn by_hand(&mut self, id: RequestId) {
        for task in console::detail(&self.p, id).await.unwrap().tasks {
            if task.kind == TaskKind::ManualWork && task.state != TaskState::Done {
                let file = (
                    format!("{SIGN}.pdf"),
                    format!("text/{SIGN}"),
                    Sensitive::new(format!("{SIGN} proof").into_bytes()),
                );
                manual::complete(
                    &self.p,
                    task.id,
                    self.operator,
                    3,
                    secret("note by hand"),
                    Some(file),
                )
                .await
                .unwrap();
                let again = manual::complete(
                    &self.p,
                    task.id,
                    self.operator,
                    3,
                    secret("note again"),
                    None,
                )
                .await;
                self.problem(again);
            }
        }
    }

    /// A deletion, whose recipients answer in every way.
    async fn delete(&mut self, desk: &Desk) {
        let received = self.verified(RequestKind::Delete, &mail("maya")).await;
        self.work(&[received.id]).await;
        let denied = plan::deny(
            &self.p,
            received.id,
            self.operator,
            "zqcanary_code",
            "no".to_owned(),
        )
        .await;
        self.problem(denied);
        plan::approve(&self.p, received.id, self.operator)
            .await
            .unwrap();
        for way in 0..WAYS {
            desk.way.store(way, Ordering::SeqCst);
            self.work(&[received.id]).await;
        }
        desk.way.store(GOOD, Ordering::SeqCst);
        for _ in 0..4 {
            self.work(&[received.id]).await;
            self.by_hand(received.id).await;
        }
        assert_eq!(
            self.mailbox.to("desk@mill.example").len(),
            1,
            "that one recipient can't be reached must not tell the other twice"
        );
        assert_eq!(
            sql(
                &self.dir.join("sources/shop.sqlite"),
                "SELECT count(*) FROM orders WHERE customer_id=77303910001"
            ),
            "0"
        );
        let text = self
            .mailbox
            .to("desk@mill.example")
            .pop()
            .expect("a mail to the recipient")
            .text;
        let start = text.find("/outreach/").unwrap() + "/outreach/".len();
        let link = Sensitive::new(
            text[start..]
                .chars()
                .take_while(char::is_ascii_hexdigit)
                .collect(),
        );
        let refused = take_answer::answer(
            &self.p,
            &link,
            Answer::Exception {
                reason: format!("{SIGN}_reason"),
            },
            Some(secret("note")),
            None,
        )
        .await;
        self.problem(refused);
        take_answer::page(&self.p, &link).await.unwrap();
        let file = (
            format!("{SIGN} letter.pdf"),
            format!("application/{SIGN}"),
            Sensitive::new(format!("{SIGN} letter").into_bytes()),
        );
        take_answer::answer(
            &self.p,
            &link,
            Answer::Done,
            Some(secret("we forgot her")),
            Some(file),
        )
        .await
        .unwrap();
        let twice =
            take_answer::answer(&self.p, &link, Answer::Done, Some(secret("again")), None).await;
        self.problem(twice);
        self.work(&[received.id]).await;
        let view = tracker::view(&self.p, &received.tracker).await.unwrap();
        writeln!(self.told, "{}", serde_json::to_string(&view).unwrap()).unwrap();
    }

    /// Databases whose own error messages quote the row, and a mail server that quotes the address.
    async fn delete_what_fails(&mut self, stores: &[Option<Store>]) {
        let received = self.verified(RequestKind::Delete, &mail("nora")).await;
        self.work(&[received.id]).await;
        plan::approve(&self.p, received.id, self.operator)
            .await
            .unwrap();
        self.work(&[received.id]).await;
        let said_why = |error: &String| {
            error.contains("forbids it") && error.contains("look into the database's schema")
        };
        let failed = console::detail(&self.p, received.id)
            .await
            .unwrap()
            .tasks
            .into_iter()
            .filter(|task| {
                task.kind == TaskKind::Erase && task.error.as_ref().is_some_and(said_why)
            })
            .count();
        assert_eq!(
            failed,
            1 + stores.iter().flatten().count(),
            "each database with a guard refused"
        );
        let refused = self
            .receive(self.identified(RequestKind::Delete, &mail("refused")))
            .await;
        self.work(&[refused.id]).await;
        assert!(
            console::detail(&self.p, refused.id)
                .await
                .unwrap()
                .tasks
                .iter()
                .any(|task| task
                    .error
                    .as_ref()
                    .is_some_and(|error| error.contains("550"))),
            "the mail server refused"
        );
    }

    async fn opt_out(&mut self) {
        let locate = vec![
            (IdentifierKind::email(), Sensitive::new(mail("nora"))),
            (number(), Sensitive::new(format!("{NUMBER}0002"))),
        ];
        let received = self
            .receive(intake::Intake::OptOut {
                law: None,
                locate,
                language: "en".to_owned(),
                channel: IntakeChannel::PrivacyCenter,
                address: Some(format!("{SIGN}-address")),
            })
            .await;
        self.work(&[received.id]).await;
        let law = Some(format!("{SIGN}-law"));
        let refused = intake::receive(
            &self.p,
            intake::Intake::OptOut {
                law,
                locate: Vec::new(),
                language: "en".to_owned(),
                channel: IntakeChannel::Api,
                address: None,
            },
        )
        .await;
        self.problem(refused);
    }

    /// An operator's own words, which are for the subject and may name her.
    async fn denied_and_extended(&mut self) {
        let received = self.verified(RequestKind::Delete, &mail("maya")).await;
        self.work(&[received.id]).await;
        plan::extend(
            &self.p,
            received.id,
            self.operator,
            format!("{SIGN} has many rows"),
        )
        .await
        .unwrap();
        let twice =
            plan::extend(&self.p, received.id, self.operator, format!("{SIGN} again")).await;
        self.problem(twice);
        plan::deny(
            &self.p,
            received.id,
            self.operator,
            "fraudulent",
            format!("{SIGN} is somebody else"),
        )
        .await
        .unwrap();
        self.look(received.id).await;
        let revealed = console::reveal_requester(&self.p, received.id, self.operator)
            .await
            .unwrap();
        assert!(
            revealed.contains(&("explanation".to_owned(), format!("{SIGN} is somebody else"))),
            "an operator sees the facts again by a recorded disclosure"
        );
        let twice = plan::deny(
            &self.p,
            received.id,
            self.operator,
            "fraudulent",
            format!("{SIGN} is somebody else"),
        )
        .await;
        self.problem(twice);
    }

    async fn evidence(&mut self) {
        let filter = console::Filter {
            limit: 100,
            ..console::Filter::default()
        };
        let listed = console::list(&self.p, filter).await.unwrap();
        writeln!(self.told, "{}", serde_json::to_string(&listed).unwrap()).unwrap();
        for line in listed {
            let file = governance::evidence::export(&self.p, line.id)
                .await
                .unwrap();
            std::fs::write(
                self.dir.join(format!("privity/{}.evidence.json", line.id)),
                file,
            )
            .unwrap();
        }
        for finding in governance::doctor::check(&self.p).await {
            writeln!(
                self.told,
                "{} {} {:?}",
                finding.what, finding.words, finding.what_to_do
            )
            .unwrap();
        }
    }
}

fn number() -> IdentifierKind {
    IdentifierKind("customer_number".to_owned())
}

/// Ways to answer wrongly. The last is readable, but about nobody.
const WAYS: u8 = 6;
const LAST: u8 = WAYS - 1;
const GOOD: u8 = 200;

/// A help desk and a recipient's machine in one, which answers wrongly on demand, and then repeats what it was asked.
struct Desk {
    port: u16,
    way: Arc<AtomicU8>,
}

impl Desk {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let way = Arc::new(AtomicU8::new(GOOD));
        let ways = Arc::clone(&way);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let _gone = serve(stream.unwrap(), ways.load(Ordering::SeqCst));
            }
        });
        Self { port, way }
    }
}

fn serve(mut stream: std::net::TcpStream, way: u8) -> std::io::Result<()> {
    let mut asked = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let read = stream.read(&mut piece)?;
        asked.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&asked);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            if read == 0 {
                return Ok(());
            }
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length:")
                    .and_then(|length| length.trim().parse::<usize>().ok())
            })
            .unwrap_or(0);
        if body.len() >= length || read == 0 {
            break;
        }
    }
    let asked = String::from_utf8_lossy(&asked).into_owned();
    let line = asked.lines().next().unwrap_or_default().to_owned();
    let echo = asked.replace(['"', '\\', '\r', '\n'], " ");
    let item = format!(
        "{{\"id\": 1, \"email\": \"{}\", \"subject\": \"{SIGN} subject\"}}",
        mail("maya")
    );
    let (status, body) = match way {
        0 => ("500 Broken", echo),
        1 if line.starts_with("POST") => (
            "200 OK",
            format!("{{\"status\": \"exception\", \"reason\": \"{SIGN}_{NUMBER}\"}}"),
        ),
        1 => (
            "200 OK",
            format!(
                "{{\"tickets\": [{{\"id\": \"{SIGN}-id\", \"email\": \"{}\"}}, ",
                mail("maya")
            ),
        ),
        LAST => (
            "200 OK",
            format!(
                "{{\"tickets\": [{{\"id\": {{\"{SIGN}\": 1}}, \"email\": [\"{SIGN}\"]}}], \"status\": \"{SIGN}\", \"held\": \"{SIGN}\"}}"
            ),
        ),
        3 => ("400 Bad Request", format!("{{\"error\": \"{echo}\"}}")),
        4 => ("302 Found", String::new()),
        2 => (
            "200 OK",
            format!(
                "{{\"tickets\": \"{SIGN}\", \"status\": \"exception\", \"reason\": \"{SIGN}_{NUMBER}\"}}"
            ),
        ),
        _ if line.starts_with("GET /tickets/") => ("404 Not Found", String::new()),
        _ if line.starts_with("GET /tickets") && line.contains("maya") => {
            ("200 OK", format!("{{\"tickets\": [{item}]}}"))
        }
        _ => ("200 OK", "{\"tickets\": []}".to_owned()),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nlocation: /{SIGN}?email={}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        mail("maya"),
        body.len()
    )
}

fn plant(folder: &Path) {
    let canary = |text: &str| format!("{SIGN} {text}");
    let (maya, nora) = (mail("maya"), mail("nora"));
    sql(
        &folder.join("shop.sqlite"),
        &format!(
            "CREATE TABLE customer (customer_id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT NOT NULL, phone TEXT, card_number TEXT);
            CREATE TABLE orders (order_id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customer, note TEXT);
            CREATE TABLE invoice (invoice_id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customer, issued_on TEXT NOT NULL, billed_to TEXT NOT NULL);
            INSERT INTO customer VALUES ({NUMBER}0001,'{maya}','{}','+{NUMBER}5550001','{NUMBER}000000001'),({NUMBER}0002,'{nora}','{}','+{NUMBER}5550002','{NUMBER}000000002');
            INSERT INTO orders VALUES ({NUMBER}11,{NUMBER}0001,'{}'),({NUMBER}12,{NUMBER}0002,'{}');
            INSERT INTO invoice VALUES ({NUMBER}21,{NUMBER}0001,'2026-05-06','{}'),({NUMBER}22,{NUMBER}0001,'2010-05-06','{}');",
            canary("Maya Name"),
            canary("Nora Name"),
            canary("Maya Note"),
            canary("Nora Note"),
            canary("Maya Billed"),
            canary("Maya Billed Before")
        ),
    );
    sql(
        &folder.join("crm.sqlite"),
        &format!(
            "CREATE TABLE contact (contact_id TEXT PRIMARY KEY, shop_number INTEGER, notes TEXT);
            CREATE TABLE call (call_id INTEGER PRIMARY KEY, contact_id TEXT, summary TEXT);
            INSERT INTO contact VALUES ('{SIGN}-contact-1',{NUMBER}0001,'{}'),('{SIGN}-contact-2',{NUMBER}0002,'{}');
            INSERT INTO call VALUES ({NUMBER}31,'{SIGN}-contact-1','{}');",
            canary("Maya Contact"),
            canary("Nora Contact"),
            canary("Maya Call")
        ),
    );
    sql(
        &folder.join("till.sqlite"),
        &format!(
            "CREATE TABLE sale (sale_id INTEGER PRIMARY KEY, email TEXT, words TEXT); INSERT INTO sale VALUES ({NUMBER}41,'{nora}','{}')",
            canary("Nora Sale")
        ),
    );
    // Newer than Python's own SQLite understands, so it is written where the schema is kept.
    sql(
        &folder.join("till.sqlite"),
        "PRAGMA writable_schema=ON; INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql) VALUES ('trigger', 'guard', 'sale', 0, 'CREATE TRIGGER guard BEFORE DELETE ON sale BEGIN SELECT RAISE(ABORT, ''no such table: '' || OLD.email || OLD.words); END')",
    );
    // What the search must be able to find.
    let (word, encoded) = (
        mail("maya"),
        base64::engine::general_purpose::STANDARD.encode(format!("..{}..", mail("maya"))),
    );
    let hex: String = word.bytes().map(|byte| format!("{byte:02X}")).collect();
    let mut python = Command::new("python3")
        .args([
            "-c",
            "import hashlib, sys; print(hashlib.sha256(sys.stdin.read().encode()).hexdigest())",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python
        .stdin
        .take()
        .unwrap()
        .write_all(word.as_bytes())
        .unwrap();
    let hash = String::from_utf8(python.wait_with_output().unwrap().stdout).unwrap();
    let mut control = format!("{encoded} {hex} {hash}").into_bytes();
    control.extend(
        format!("{NUMBER}0001")
            .parse::<u64>()
            .unwrap()
            .to_be_bytes(),
    );
    std::fs::write(folder.join("control.txt"), control).unwrap();
}

/// Tables whose guard quotes the row in its error message.
fn plant_failing(store: &Store) {
    let rows = format!(
        "INSERT INTO sale VALUES (1,'{}','{SIGN} Nora Sale');",
        mail("nora")
    );
    let table =
        "CREATE TABLE sale (sale_id BIGINT PRIMARY KEY, email VARCHAR(200), words VARCHAR(200));";
    store.run(&match store.engine {
        Engine::Postgres => format!("{table} {rows} CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no % %', OLD.email, OLD.words USING DETAIL = OLD.email, HINT = OLD.words; END $$; CREATE TRIGGER guard BEFORE DELETE ON sale FOR EACH ROW EXECUTE FUNCTION guard();"),
        Engine::Mariadb => format!("{table} {rows}\nDELIMITER //\nCREATE TRIGGER guard BEFORE DELETE ON sale FOR EACH ROW BEGIN DECLARE words TEXT; SET words = CONCAT('no ', OLD.email, ' ', OLD.words); SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = words; END//\nDELIMITER ;\n"),
    });
}

fn map(sources: &Path, desk: &Desk, stores: &[Option<Store>]) -> String {
    let sources = sources.display();
    let port = desk.port;
    let key = base64::engine::general_purpose::STANDARD.encode([7; 32]);
    let sale = |system: &str| {
        format!(
            "  {system}:
    system: {system}
    collections:
      sale:
        primary_key: [sale_id]
        fields: {{sale_id: {{category: system.operations, type: integer}}, email: {{category: user.contact.email, identity: email}}, words: {{category: user.content}}}}
"
        )
    };
    let servers = stores.iter().flatten().zip(["ledger", "loyalty"]);
    let (mut systems, mut datasets) = (String::new(), sale("till"));
    for (store, name) in servers {
        writeln!(systems, "  {name}: {{connection: {}}}", store.connection()).unwrap();
        datasets.push_str(&sale(name));
    }
    format!(
        "systems:
  shop: {{title: Online shop, connection: {{kind: sqlite, path: {sources}/shop.sqlite}}}}
  crm: {{title: Customer care, connection: {{kind: sqlite, path: {sources}/crm.sqlite}}}}
  till: {{title: Till, connection: {{kind: sqlite, path: {sources}/till.sqlite}}}}
  paper: {{title: Paper, connection: {{kind: manual, operator: Robin, instructions: look into the folders, due_days: 10}}}}
  desk:
    title: Help desk
    connection:
      kind: http
      base_url: http://127.0.0.1:{port}
      retries: 0
      timeout_seconds: 5
      collections:
        tickets:
          list: {{by: [email], path: /tickets, query: {{requester: \"{{email}}\"}}, items: /tickets}}
          get: /tickets/{{id}}
          erase: {{method: DELETE, path: \"/tickets/{{id}}\"}}
{systems}datasets:
{datasets}  shop:
    system: shop
    collections:
      customer:
        primary_key: [customer_id]
        fields:
          customer_id: {{category: user.unique_id, type: integer, identity: customer_number, nullable: false}}
          email: {{category: user.contact.email, identity: email, ignore_case: true, nullable: false, unique: true}}
          name: {{category: user.name, nullable: false}}
          phone: {{category: user.contact.phone_number}}
          card_number: {{category: user.financial.credit_card}}
      orders:
        primary_key: [order_id]
        fields: {{order_id: {{category: system.operations, type: integer}}, customer_id: {{category: user.unique_id, type: integer, references: {{to: shop.customer.customer_id, relation: owned_by}}}}, note: {{category: user.content}}}}
      invoice:
        primary_key: [invoice_id]
        retention: {{keep_for: 7 years, since: issued_on, reason: {{code: D8_legal_obligation, explanation: tax law wants invoices for seven years}}}}
        fields:
          invoice_id: {{category: system.operations, type: integer}}
          customer_id: {{category: user.unique_id, type: integer, references: {{to: shop.customer.customer_id, relation: owned_by}}}}
          issued_on: {{category: system.operations, type: date}}
          billed_to: {{category: user.name, nullable: false}}
  crm:
    system: crm
    collections:
      contact:
        primary_key: [contact_id]
        fields: {{contact_id: {{category: user.unique_id, nullable: false}}, shop_number: {{category: user.unique_id, type: integer, references: {{to: shop.customer.customer_id, relation: owned_by}}}}, notes: {{category: user.content}}}}
      call:
        primary_key: [call_id]
        fields: {{call_id: {{category: system.operations, type: integer}}, contact_id: {{category: user.unique_id, references: {{to: crm.contact.contact_id, relation: owned_by}}}}, summary: {{category: user.content}}}}
  desk:
    system: desk
    collections:
      tickets:
        primary_key: [id]
        fields: {{id: {{category: user.unique_id, type: integer, nullable: false}}, email: {{category: user.contact.email, identity: email}}, subject: {{category: user.content}}}}
recipients:
  mill: {{title: Paper Mill, role: service_provider, contract_compliant: true, categories: [user.name], purpose: prints our letters, known_by: [email], required_level: attested, channel: {{kind: email, to: desk@mill.example}}}}
  leads: {{title: Sweet Leads, role: third_party, sold: true, categories: [user.contact.email], purpose: bought our list, known_by: [customer_number, email], required_level: delivered, channel: {{kind: webhook, url: \"http://127.0.0.1:{port}/hook\", secrets: [whsec_{key}], allow_loopback: true}}}}
"
    )
}

/// Database drivers log statements with their parameters through `log`; nobody reads that, and nothing may bring the bridge in.
#[test]
fn what_drivers_say_through_log_reaches_nobody() {
    let locked = include_str!("../../../../Cargo.lock");
    assert!(
        locked.contains("name = \"tracing-subscriber\""),
        "the right file is read"
    );
    for bridge in ["tracing-log", "env_logger", "fern", "simple_logger"] {
        assert!(
            !locked.contains(&format!("name = \"{bridge}\"")),
            "`{bridge}` would bring parameters of statements into the log"
        );
    }
}
