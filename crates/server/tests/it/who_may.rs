//! Who may do what: every route that the router knows, tried by everybody who could stand at the door. The reviewed answer is a
//! snapshot; a new route fails the test until somebody has judged it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use domain::sensitive::Sensitive;
use jiff::SignedDuration;

use crate::attachment::Standing;
use crate::office::{Answer, Office};

/// Who comes, and what she has in her hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    /// Nothing.
    Nobody,
    /// The secret of her tracker's link, which she tries everywhere.
    Subject,
    /// The secret of a recipient's link, which it tries everywhere.
    Recipient,
    /// A cookie that was made up.
    MadeUpSession,
    /// The cookie of a session that is over.
    ExpiredSession,
    /// An operator who is signed in.
    SignedIn,
    /// Another site, in the browser of an operator who is signed in.
    Forged,
    /// A key that was made up.
    MadeUpKey,
    /// An operator's session, sent as a key.
    SessionAsKey,
    /// An operator's key.
    Key,
}

impl Caller {
    const ALL: [Self; 10] = [
        Self::Nobody,
        Self::Subject,
        Self::Recipient,
        Self::MadeUpSession,
        Self::ExpiredSession,
        Self::SignedIn,
        Self::Forged,
        Self::MadeUpKey,
        Self::SessionAsKey,
        Self::Key,
    ];
}

/// A caller's office with everything in it that a route can name.
struct Door {
    office: Office,
    standing: Standing,
    hold: String,
    caller: Caller,
    cookie: String,
    key: String,
}

impl Door {
    async fn for_caller(caller: Caller) -> Self {
        let office = Office::open().await;
        let standing = Standing::in_office(&office).await;
        let operator = governance::operator::add(&office.privity, "Kim").await;
        let (operator, key) = operator.unwrap();
        let hold = hold(&office, operator).await;
        if caller == Caller::ExpiredSession {
            office.clock.advance(SignedDuration::from_hours(13));
        }
        let secret = |path: &str| path.rsplit('/').next().unwrap().to_owned();
        let session = standing.session.clone();
        let (cookie, key) = match caller {
            Caller::Nobody => (String::new(), String::new()),
            Caller::Subject => (
                as_cookie(&secret(&standing.tracker)),
                secret(&standing.tracker),
            ),
            Caller::Recipient => (as_cookie(&secret(&standing.link)), secret(&standing.link)),
            Caller::MadeUpSession => (as_cookie(&"ab".repeat(32)), String::new()),
            Caller::ExpiredSession | Caller::SignedIn | Caller::Forged => (session, String::new()),
            Caller::MadeUpKey => (String::new(), "ab".repeat(32)),
            Caller::SessionAsKey => (String::new(), session.split_once('=').unwrap().1.to_owned()),
            Caller::Key => (String::new(), exposed(&key)),
        };
        Self {
            office,
            standing,
            hold,
            caller,
            cookie,
            key,
        }
    }

    /// The address with real things in it, but a secret only where the caller has it.
    fn path(&self, route: &str) -> String {
        let note = self.standing.openings("/note")[0].clone();
        let file = self.standing.openings("/file")[0].clone();
        let secret = |holder: Caller, path: &str| {
            if self.caller == holder {
                path.rsplit('/').next().unwrap().to_owned()
            } else {
                "0".repeat(64)
            }
        };
        let id = match route {
            route if route.contains("/tasks/") => self.standing.task.clone(),
            route if route.contains("/legal-holds/") => self.hold.clone(),
            route if route.contains("/outreach/") => note.split('/').nth(3).unwrap().to_owned(),
            route if route.contains("/attachments/") => file.split('/').nth(3).unwrap().to_owned(),
            _ => self.standing.id.clone(),
        };
        route
            .replace("{id}", &id)
            .replace("{token}", &secret(Caller::Subject, &self.standing.tracker))
            .replace("{link}", &secret(Caller::Recipient, &self.standing.link))
            .replace("{number}", "1")
            .replace("{recipient}", "mill")
            .replace("{code}", "not_found")
    }

    async fn knock(&self, method: &str, route: &str) -> Answer {
        let is_api = ["/api/", "/callbacks/", "/scim/"]
            .iter()
            .any(|start| route.starts_with(start));
        let site = if self.caller == Caller::Forged {
            "cross-site"
        } else {
            "same-origin"
        };
        let request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(self.path(route))
            .header("sec-fetch-site", site)
            .header("cookie", &self.cookie);
        let request = if self.key.is_empty() {
            request
        } else {
            request.header("authorization", format!("Bearer {}", self.key))
        };
        let takes_file = route.ends_with("/complete") || route == "/outreach/{link}";
        let (kind, body) = match (method, is_api) {
            ("GET", _) => ("text/plain", ""),
            _ if takes_file => ("multipart/form-data; boundary=cut", "--cut--\r\n"),
            (_, true) => ("application/json", "{}"),
            (_, false) => ("application/x-www-form-urlencoded", ""),
        };
        let request = request.header("content-type", kind);
        self.office
            .send(request.body(Body::from(body)).unwrap())
            .await
    }
}

fn as_cookie(secret: &str) -> String {
    format!("privity_session={secret}")
}

#[expect(clippy::disallowed_methods, reason = "a test calls with it")]
fn exposed(key: &Sensitive<String>) -> String {
    key.expose().clone()
}

async fn hold(office: &Office, operator: domain::id::OperatorId) -> String {
    let wanted = governance::legal_hold::Place {
        name: "Recall".to_owned(),
        reason_code: "X8_legal_claims".to_owned(),
        note: String::new(),
        covers: ["cabinet.card".into()].into(),
        request: None,
        until: None,
    };
    let placed = governance::legal_hold::place(&office.privity, operator, wanted).await;
    placed.unwrap().to_string()
}

/// Every method and route, as the router itself tells them; signing out comes last, since it ends the session.
fn routes(office: &Office) -> Vec<(String, String)> {
    let told = format!("{:?}", office.router);
    // What answers where no route fits has numbers of its own.
    let (told, _) = told
        .split_once("fallback_router")
        .expect("the router tells its routes in another way: read them anew");
    let mut methods: BTreeMap<&str, &str> = BTreeMap::new();
    let mut paths: BTreeMap<&str, &str> = BTreeMap::new();
    for part in told.split("RouteId(").skip(1) {
        let (number, rest) = part.split_once("): ").unwrap_or((part, ""));
        if let Some(path) = rest.strip_prefix('"') {
            paths.insert(number, path.split('"').next().unwrap());
        } else if let Some((_, allowed)) = rest.split_once("allow_header: Bytes(b\"") {
            methods.insert(number, allowed.split('"').next().unwrap());
        }
    }
    assert!(
        methods.len() > 40 && methods.keys().eq(paths.keys()),
        "the router tells its routes in another way: read them anew"
    );
    let all = paths.iter().flat_map(|(number, path)| {
        let allowed = methods[number]
            .split(',')
            .filter(|method| *method != "HEAD");
        allowed.map(|method| (method.to_owned(), (*path).to_owned()))
    });
    let mut all: Vec<_> = all.collect();
    all.sort_by_key(|(method, path)| (path == "/console/sign-out", path.clone(), method.clone()));
    all
}

fn said(answer: &Answer) -> String {
    match (answer.status, answer.location.as_str()) {
        (StatusCode::SEE_OTHER, "/console/sign-in") => "sign-in".to_owned(),
        (status, _) => status.as_u16().to_string(),
    }
}

#[tokio::test]
async fn every_route_is_tried_by_everybody_and_answers_as_it_was_judged() {
    let mut table: BTreeMap<usize, (String, String, Vec<String>)> = BTreeMap::new();
    for caller in Caller::ALL {
        let door = Door::for_caller(caller).await;
        for (place, (method, route)) in routes(&door.office).into_iter().enumerate() {
            let answer = door.knock(&method, &route).await;
            check(caller, &method, &route, &answer);
            let line = table
                .entry(place)
                .or_insert_with(|| (method, route, Vec::new()));
            line.2.push(said(&answer));
        }
    }
    let mut text = format!("{:46}", "");
    for caller in Caller::ALL {
        write!(text, " {:>14}", format!("{caller:?}")).unwrap();
    }
    for (method, route, answers) in table.values() {
        write!(text, "\n{method:4} {route:41}").unwrap();
        answers
            .iter()
            .for_each(|answer| write!(text, " {answer:>14}").unwrap());
    }
    insta::assert_snapshot!("route_by_caller", text);
}

/// What holds for every route of its kind, whatever the snapshot says.
fn check(caller: Caller, method: &str, route: &str, answer: &Answer) {
    let at = format!("{caller:?} at {method} {route}: {}", answer.status);
    assert!(!answer.status.is_server_error(), "{at}");
    let is_open = ["/console/sign-in", "/console/sign-out"].contains(&route);
    if caller == Caller::Forged && method == "POST" && !is_for_machines(route) {
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{at}");
    } else if route.starts_with("/console") && !is_open {
        let is_in = matches!(caller, Caller::SignedIn | Caller::Forged);
        assert_eq!(said(answer) != "sign-in", is_in, "{at}");
    } else if route.starts_with("/api/") || route.starts_with("/scim/") {
        let refused = answer.status == StatusCode::UNAUTHORIZED;
        assert_eq!(refused, caller != Caller::Key, "{at}");
    } else if route.starts_with("/recipient/") || route.starts_with("/access/") {
        // None of them has a recipient's key.
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{at}");
    } else {
        let is_hers = route.contains("{token}") && caller != Caller::Subject;
        let is_its = route.contains("{link}") && caller != Caller::Recipient;
        if is_hers || is_its {
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{at}");
        }
    }
}

fn is_for_machines(route: &str) -> bool {
    ["/api/", "/callbacks/", "/scim/", "/recipient/", "/access/"]
        .iter()
        .any(|start| route.starts_with(start))
}

#[tokio::test]
async fn the_router_knows_every_route_that_the_description_names() {
    let office = Office::open().await;
    let known: BTreeSet<(String, String)> = routes(&office).into_iter().collect();
    let description = serde_json::to_value(server::openapi()).unwrap();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let route = (method.to_uppercase(), path.clone());
            assert!(known.contains(&route), "{route:?}");
        }
    }
}
