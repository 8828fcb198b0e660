//! What stands between this installation and its work, in words that say what to do.

use storage::Tx;

use crate::{Privity, Problem};

/// One thing looked at.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Finding {
    /// What was looked at.
    pub what: String,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was found.
    pub words: String,
    /// What to do, when it isn't.
    pub what_to_do: Option<String>,
}

/// Looks at everything: database, keys, packages folder, mail, each source system, each recipient's channel, stuck work, law.
pub async fn check(p: &Privity) -> Vec<Finding> {
    let mut findings = vec![database(p).await, keys(p).await, folder(p), mail(p).await];
    findings.extend(systems(p).await);
    findings.extend(recipients(p));
    findings.extend(identity_providers(p).await);
    findings.push(stuck(p).await);
    findings.extend(map(p));
    findings.push(law(p));
    findings
}

fn good(what: impl Into<String>, words: impl Into<String>) -> Finding {
    Finding {
        what: what.into(),
        ok: true,
        words: words.into(),
        what_to_do: None,
    }
}

fn bad(
    what: impl Into<String>,
    words: impl Into<String>,
    what_to_do: impl Into<String>,
) -> Finding {
    Finding {
        what: what.into(),
        ok: false,
        words: words.into(),
        what_to_do: Some(what_to_do.into()),
    }
}

async fn database(p: &Privity) -> Finding {
    let written = p
        .parts
        .database
        .write("doctor", |tx: &mut Tx| {
            storage::meta::set(tx, "doctor", b"was here")
        })
        .await;
    match written {
        Ok(()) => good(
            "our database",
            format!("{} can be written", p.parts.database.describe()),
        ),
        Err(error) => bad(
            "our database",
            error.to_string(),
            "put right what it says; nothing can be taken in until then",
        ),
    }
}

/// A program that runs goes on without its key service, so nobody would notice before it has to start again.
async fn keys(p: &Privity) -> Finding {
    match crate::key::look(p).await {
        Ok(words) => good("keys", words),
        Err(problem) => bad(
            "keys",
            problem.title,
            "put right what it says; the keys in memory go on, but the program could not start again",
        ),
    }
}

fn folder(p: &Privity) -> Finding {
    let folder = &p.settings().packages_dir;
    let probe = folder.join(".doctor");
    match std::fs::write(&probe, b"was here").and_then(|()| std::fs::remove_file(&probe)) {
        Ok(()) => good(
            "packages folder",
            format!("`{}` can be written", folder.display()),
        ),
        Err(error) => bad(
            "packages folder",
            format!("`{}` can't be written: {error}", folder.display()),
            "give our account the right to write there, or set `packages_dir` to another folder",
        ),
    }
}

async fn mail(p: &Privity) -> Finding {
    match p.mailer().check().await {
        Ok(()) => good("mail server", "it takes mail from us"),
        Err(error) => bad(
            "mail server",
            error.to_string(),
            "correct `mail` in privity.yaml; codes and answers wait until then",
        ),
    }
}

async fn systems(p: &Privity) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (key, connector) in p.connectors() {
        findings.push(match connector.check().await {
            Ok(words) => good(format!("source system `{key}`"), words),
            Err(error) => bad(format!("source system `{key}`"), error.to_string(), "correct its connection in the data map, or its rights (docs/guides/least-privilege.md)"),
        });
    }
    findings
}

fn recipients(p: &Privity) -> Vec<Finding> {
    let without = p
        .map()
        .recipients
        .keys()
        .filter(|key| !p.channels().contains_key(*key));
    without
        .map(|key| {
            bad(
                format!("recipient `{key}`"),
                "it has no channel",
                "add a channel in the data map, so that it can be told",
            )
        })
        .collect()
}

async fn identity_providers(p: &Privity) -> Vec<Finding> {
    let looked = crate::disclosure::look_at_identity_providers(p).await;
    let findings = looked.into_iter().map(|one| {
        let what = format!("identity provider `{}`", one.issuer);
        match one.keys {
            Ok(count) => good(what, format!("{count} of its keys verify tokens")),
            Err(words) => bad(
                what,
                words,
                "correct `jwks_url`, `jwks_file` or `algorithms` under `identity_providers` in privity.yaml; its tokens are refused until then",
            ),
        }
    });
    findings.collect()
}

async fn stuck(p: &Privity) -> Finding {
    match p
        .read("list stuck tasks", |tx| {
            Ok::<_, Problem>(storage::task::stuck(tx, 100)?)
        })
        .await
    {
        Ok(tasks) if tasks.is_empty() => good("tasks", "none is stuck"),
        Ok(tasks) => bad(
            "tasks",
            format!("{} are stuck", tasks.len()),
            "see them in the Console; each says why, and can be tried again there",
        ),
        Err(problem) => bad("tasks", problem.to_string(), "put the database right first"),
    }
}

fn map(p: &Privity) -> Vec<Finding> {
    let unreachable = p.graph().unreachable();
    let personal = unreachable.iter().filter(|key| {
        p.map().collections.get(*key).is_some_and(|collection| {
            collection
                .fields
                .iter()
                .any(domain::data_map::Field::is_personal)
        })
    });
    personal.map(|key| bad(format!("collection `{key}`"), "it holds personal data that no identity leads to", "add an identity or a reference in the data map; until then nobody's rows are found there")).collect()
}

/// The years that the calendars know end somewhere; better known before a clock can't be computed.
fn law(p: &Privity) -> Finding {
    let (law, today) = (
        &p.settings().business.default_law,
        p.now().to_zoned(jiff::tz::TimeZone::UTC).date(),
    );
    let in_a_year = today.saturating_add(jiff::Span::new().years(1));
    match p
        .law()
        .due(law, "delete", &domain::law::Received::Date(in_a_year))
    {
        Ok(_) => good(
            "law",
            format!("clocks of `{law}` can be computed for more than a year ahead"),
        ),
        Err(error) => bad(
            "law",
            error.to_string(),
            "bring the files in law/ up to date",
        ),
    }
}
