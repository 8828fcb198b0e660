//! `privity.yaml` and the environment become [`Settings`]; what is wrong is told with file, line and the nearest name.
//!
//! Every setting can come from the environment: `business.name` is `PRIVITY_BUSINESS_NAME`. The environment wins.

use std::path::{Path, PathBuf};

use governance::settings::Settings;
use serde::Serialize;
use serde_json::{Map, Value};

/// The file that `privity config init` writes: every setting, explained.
pub const STARTER: &str = include_str!("../starter.yaml");

/// All settings by their path in the file, and what their value is.
const KEYS: [(&str, Kind); 71] = [
    ("business.name", Kind::Text),
    ("business.privacy_contact", Kind::Text),
    ("business.privacy_policy", Kind::Text),
    ("business.website", Kind::Text),
    ("business.postal_address", Kind::Text),
    ("business.data_locations", Kind::Other),
    ("business.toll_free_number", Kind::Text),
    ("business.online_only", Kind::Other),
    ("business.default_law", Kind::Text),
    ("business.language", Kind::Text),
    ("base_url", Kind::Text),
    ("listen", Kind::Text),
    ("storage", Kind::Storage),
    ("key_file", Kind::Path),
    ("key_rotation_days", Kind::Other),
    ("key_service.kind", Kind::Text),
    ("key_service.path", Kind::Path),
    ("key_service.address", Kind::Text),
    ("key_service.key", Kind::Text),
    ("key_service.mount", Kind::Text),
    ("key_service.namespace", Kind::Text),
    ("key_service.derived", Kind::Other),
    ("key_service.token", Kind::Text),
    ("key_service.token_file", Kind::Path),
    ("key_service.role_id", Kind::Text),
    ("key_service.secret_id", Kind::Text),
    ("key_service.secret_id_file", Kind::Path),
    ("key_service.auth_mount", Kind::Text),
    ("key_service.region", Kind::Text),
    ("key_service.endpoint", Kind::Text),
    ("key_service.trusted_ca", Kind::Text),
    ("key_service.allow_insecure", Kind::Other),
    ("key_service.timeout_seconds", Kind::Other),
    ("packages_dir", Kind::Path),
    ("data_map", Kind::Path),
    ("profile", Kind::Path),
    ("law", Kind::Path),
    ("consent", Kind::Path),
    ("gateway.listen", Kind::Text),
    ("gateway.routes", Kind::Path),
    ("gateway.ext_authz", Kind::Text),
    ("gateway.certificate_header", Kind::Text),
    ("gateway.tls_certificate", Kind::Path),
    ("gateway.tls_key", Kind::Path),
    ("policies", Kind::Path),
    ("policy_packs", Kind::Other),
    ("views", Kind::Other),
    ("identity_providers", Kind::Other),
    ("sites", Kind::Other),
    ("guardian_proofs", Kind::Other),
    ("mail.url", Kind::Text),
    ("mail.tls", Kind::Text),
    ("mail.from", Kind::Text),
    ("mail.trusted_ca", Kind::Text),
    ("mail.allow_insecure", Kind::Other),
    ("mail.timeout_seconds", Kind::Other),
    ("approval.automatic", Kind::Other),
    ("verification.code_minutes", Kind::Other),
    ("verification.tries", Kind::Other),
    ("verification.sends", Kind::Other),
    ("verification.resend_seconds", Kind::Other),
    ("verification.expire_days", Kind::Other),
    ("package.link_days", Kind::Other),
    ("limits.requests_per_hour_per_address", Kind::Other),
    ("limits.body_bytes", Kind::Other),
    // Sections, so that a lonely heading is known too.
    ("business", Kind::Section),
    ("gateway", Kind::Section),
    ("key_service", Kind::Section),
    ("mail", Kind::Section),
    ("verification", Kind::Section),
    ("limits", Kind::Section),
];

/// Settings that have a value when nobody says anything, and lie beside the file.
const BESIDE: [(&str, &str); 3] = [
    ("storage", "sqlite:privity.db"),
    ("key_file", "privity.key"),
    ("packages_dir", "packages"),
];

/// What a setting's value is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Characters, even if they look like a number.
    Text,
    /// A path; in the file, relative to it.
    Path,
    /// `sqlite:PATH` or a URL.
    Storage,
    /// A number, a list, yes or no.
    Other,
    /// A heading.
    Section,
}

/// Settings that can't be used. No value of a setting is repeated: it could be a password.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("cannot read `{}` ({reason}); write a first one with `privity config init`", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Something in the file is wrong.
    #[error("`{}`, line {line}: {words}", path.display())]
    Wrong {
        /// Which file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// What is wrong and what to do.
        words: String,
    },
    /// A variable of the environment is wrong.
    #[error("the environment variable `{variable}` is wrong: {reason}")]
    Environment {
        /// Its name.
        variable: String,
        /// Why.
        reason: String,
    },
}

/// One thing that `privity config check` looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Which rule, e.g. `INT-1`.
    pub rule: &'static str,
    /// Whether it holds.
    pub ok: bool,
    /// What was found.
    pub words: String,
    /// What to do when it doesn't.
    pub what_to_do: Option<&'static str>,
}

/// Reads the settings of a file (which may be missing when the environment says everything), with those of the environment over them.
///
/// # Errors
/// The file can't be read, a setting is unknown, missing or wrong: with file and line.
pub fn load(path: &Path) -> Result<Settings, ConfigError> {
    let environment = |name: &str| std::env::var(name).ok();
    read(path, &environment)
}

fn read(
    path: &Path,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Settings, ConfigError> {
    let given = Given::collect(environment)?;
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && given.says_everything() => {
            String::new()
        }
        Err(error) => {
            return Err(ConfigError::Unreadable {
                path: path.to_owned(),
                reason: plain(&error),
            });
        }
    };
    assemble(path, &text, &given)
}

/// Puts file and environment together.
fn assemble(path: &Path, text: &str, given: &Given) -> Result<Settings, ConfigError> {
    let mut values = parse(path, text)?;
    check_names(path, text, &values)?;
    put_beside(&mut values, path.parent().unwrap_or(Path::new("")));
    for (key, value) in &given.0 {
        set(&mut values, key, value.clone());
    }
    serde_json::from_value(Value::Object(values)).map_err(|error| blame(path, text, given, &error))
}

fn plain(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "this account may not read it".to_owned(),
        _ => error.to_string(),
    }
}

fn parse(path: &Path, text: &str) -> Result<Map<String, Value>, ConfigError> {
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    let value: Value = serde_saphyr::from_str(text).map_err(|error| {
        let words =
            "this is not YAML; look for a missing colon, a tab or a wrong indentation".to_owned();
        ConfigError::Wrong {
            path: path.to_owned(),
            line: error.location().map_or(1, |location| location.line()),
            words,
        }
    })?;
    match value {
        Value::Object(values) => Ok(values),
        Value::Null => Ok(Map::new()),
        _ => Err(ConfigError::Wrong {
            path: path.to_owned(),
            line: 1,
            words:
                "the file must be a list of `name: value`; `privity config init` writes an example"
                    .to_owned(),
        }),
    }
}

/// Every name in the file must be a setting.
fn check_names(path: &Path, text: &str, values: &Map<String, Value>) -> Result<(), ConfigError> {
    let inner = values
        .iter()
        .filter_map(|(section, value)| Some((section, value.as_object()?)));
    let names = values
        .keys()
        .cloned()
        .chain(inner.flat_map(|(section, members)| {
            members.keys().map(move |name| format!("{section}.{name}"))
        }));
    for name in names {
        let is_known = KEYS.iter().any(|(key, _)| {
            *key == name
                || key
                    .strip_prefix(name.as_str())
                    .is_some_and(|rest| rest.starts_with('.'))
        });
        if !is_known {
            let nearest = nearest(&name)
                .map(|key| format!("; did you mean `{key}`?"))
                .unwrap_or_default();
            return Err(ConfigError::Wrong {
                path: path.to_owned(),
                line: line_of(text, &name),
                words: format!("`{name}` is no setting{nearest}"),
            });
        }
    }
    Ok(())
}

/// The line on which a name stands, within its section.
fn line_of(text: &str, name: &str) -> u64 {
    let (section, last) = name
        .split_once('.')
        .map_or((None, name), |(section, last)| (Some(section), last));
    let is_name = |line: &str, name: &str| {
        line.trim_start()
            .strip_prefix(name)
            .is_some_and(|rest| rest.trim_start().starts_with(':'))
    };
    let start = section
        .and_then(|section| {
            text.lines()
                .position(|line| line.starts_with(section) && is_name(line, section))
        })
        .unwrap_or(0);
    let found = text
        .lines()
        .enumerate()
        .skip(start)
        .find(|(_, line)| is_name(line, last));
    found.map_or(1, |(number, _)| u64::try_from(number).unwrap_or(0) + 1)
}

/// The setting that differs least, if it differs little.
fn nearest(name: &str) -> Option<&'static str> {
    let settings = KEYS
        .iter()
        .filter(|(_, kind)| *kind != Kind::Section)
        .map(|(key, _)| *key);
    let sections = [
        "business",
        "gateway",
        "key_service",
        "mail",
        "approval",
        "verification",
        "package",
        "limits",
    ];
    let distances = settings
        .chain(sections)
        .map(|key| (distance(name, key), key));
    distances
        .filter(|(distance, key)| *distance <= key.len() / 3)
        .min()
        .map(|(_, key)| key)
}

/// How many letters have to be changed, added or left out.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut before: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, (wanted, pair)) in other.iter().zip(before.windows(2)).enumerate() {
            let [diagonal, above] = pair else { continue };
            let left = current.get(column).copied().unwrap_or(0);
            current.push(
                (diagonal + usize::from(*wanted != letter))
                    .min(above + 1)
                    .min(left + 1),
            );
        }
        before = current;
    }
    before.last().copied().unwrap_or(0)
}

/// Paths in the file are relative to the file, so that it doesn't matter from where the program is started.
fn put_beside(values: &mut Map<String, Value>, folder: &Path) {
    for (key, value) in BESIDE {
        values
            .entry(key)
            .or_insert_with(|| Value::String(value.to_owned()));
    }
    put_key_files_beside(values, folder);
    for (key, kind) in KEYS {
        let value = match key.split_once('.') {
            None => values.get_mut(key),
            Some((section, name)) => values
                .get_mut(section)
                .and_then(|section| section.get_mut(name)),
        };
        let Some(Value::String(text)) = value else {
            continue;
        };
        match kind {
            Kind::Path => *text = folder.join(&*text).display().to_string(),
            Kind::Storage => {
                if let Some(file) = text
                    .strip_prefix("sqlite:")
                    .filter(|file| !file.starts_with([':', '/']))
                {
                    *text = format!("sqlite:{}", folder.join(file).display());
                }
            }
            _ => {}
        }
    }
}

/// Key files of identity providers stand inside of a list.
fn put_key_files_beside(values: &mut Map<String, Value>, folder: &Path) {
    let providers = values.get_mut("identity_providers");
    let providers = providers.and_then(Value::as_array_mut);
    for provider in providers.into_iter().flatten() {
        if let Some(Value::String(path)) = provider.get_mut("jwks_file") {
            *path = folder.join(&*path).display().to_string();
        }
    }
}

/// What the environment says.
struct Given(Vec<(&'static str, Value)>);

impl Given {
    fn collect(environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut given = Vec::new();
        for (key, kind) in KEYS {
            let variable = variable(key);
            let (Some(text), false) = (environment(&variable), kind == Kind::Section) else {
                continue;
            };
            let value = match kind {
                Kind::Other => {
                    serde_saphyr::from_str(&text).map_err(|_| ConfigError::Environment {
                        variable,
                        reason: "it is neither a number, nor yes or no, nor a list like [a, b]"
                            .to_owned(),
                    })?
                }
                _ => Value::String(text),
            };
            given.push((key, value));
        }
        Ok(Self(given))
    }

    fn says_everything(&self) -> bool {
        ["business.name", "data_map", "mail.url", "mail.from"]
            .iter()
            .all(|needed| self.0.iter().any(|(key, _)| key == needed))
    }
}

fn variable(key: &str) -> String {
    format!("PRIVITY_{}", key.replace('.', "_").to_uppercase())
}

fn set(values: &mut Map<String, Value>, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            values.insert(key.to_owned(), value);
        }
        Some((section, name)) => {
            let inner = values
                .entry(section)
                .or_insert_with(|| Value::Object(Map::new()));
            if !inner.is_object() {
                *inner = Value::Object(Map::new());
            }
            if let Value::Object(inner) = inner {
                inner.insert(name.to_owned(), value);
            }
        }
    }
}

/// Finds the line that is to blame: the file is read alone once more, with positions.
fn blame(path: &Path, text: &str, given: &Given, error: &serde_json::Error) -> ConfigError {
    let line = serde_saphyr::from_str::<Settings>(text)
        .err()
        .and_then(|error| error.location().map(|location| location.line()));
    let words = without_values(&error.to_string());
    if let Some(name) = words
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split('`').next())
    {
        let words = format!(
            "the setting `{name}` is missing; `privity config init` writes a file with every setting explained"
        );
        return ConfigError::Wrong {
            path: path.to_owned(),
            line: line.unwrap_or(1),
            words,
        };
    }
    match (line, given.0.first()) {
        (None, Some((key, _))) => ConfigError::Environment {
            variable: variable(key),
            reason: format!("{words} (or another variable that begins with PRIVITY_)"),
        },
        (line, _) => ConfigError::Wrong {
            path: path.to_owned(),
            line: line.unwrap_or(1),
            words,
        },
    }
}

/// The parser repeats texts that it can't use; they could be secret.
fn without_values(message: &str) -> String {
    let mut parts = message.splitn(2, "string \"");
    let (Some(before), Some(after)) = (parts.next(), parts.next()) else {
        return message.to_owned();
    };
    let after = after.rsplit_once('"').map_or("", |(_, after)| after);
    format!("{before}a text{after}")
}

/// What the settings mean for the law and for safety.
pub fn check(settings: &Settings) -> Vec<Finding> {
    let mut findings = vec![
        first_method(settings),
        second_method(settings),
        online_form(settings),
        opt_out_methods(settings),
        contact(settings),
        privacy_policy(settings),
        address(settings),
    ];
    findings.extend(law_and_map(settings));
    findings.extend(consent(settings));
    if settings
        .approval
        .automatic
        .contains(&domain::privacy_request::RequestKind::Delete)
    {
        findings.push(Finding {
            rule: "approval",
            ok: true,
            words: "deletions go on without an operator; they can't be undone".to_owned(),
            what_to_do: None,
        });
    }
    findings
}

fn finding(
    rule: &'static str,
    ok: bool,
    words: impl Into<String>,
    what_to_do: &'static str,
) -> Finding {
    Finding {
        rule,
        ok,
        words: words.into(),
        what_to_do: (!ok).then_some(what_to_do),
    }
}

/// Civ. Code 1798.130(a)(1)(A): two methods, one of them a toll-free number.
fn first_method(settings: &Settings) -> Finding {
    let business = &settings.business;
    let number = business.toll_free_number.is_some();
    let words = match (number, business.online_only) {
        (true, _) => "people can ask by the form and by a number that costs them nothing",
        (false, true) => {
            "no toll-free number is needed, since the business deals with its customers online only"
        }
        (false, false) => {
            "the CCPA wants two ways to ask, one of them a number that costs nothing; there is none"
        }
    };
    finding(
        "INT-1",
        number || business.online_only,
        words,
        "set `business.toll_free_number`, or `business.online_only: true` if you deal with your customers online only",
    )
}

/// Civ. Code 1798.130(a)(1)(A), last sentence: who is online only needs an e-mail address.
fn second_method(settings: &Settings) -> Finding {
    let has_email = settings
        .business
        .privacy_contact
        .as_deref()
        .is_some_and(|contact| contact.contains('@'));
    let ok = has_email || !settings.business.online_only;
    let words = if ok {
        "people can write an e-mail where that has to suffice"
    } else {
        "a business that is online only has to give an e-mail address"
    };
    finding(
        "INT-2",
        ok,
        words,
        "set `business.privacy_contact` to an e-mail address",
    )
}

/// Civ. Code 1798.130(a)(1)(B): who has a website takes privacy requests there.
fn online_form(settings: &Settings) -> Finding {
    let words = format!(
        "the form at {} is the way in through your website; link to it from every page",
        settings.base_url
    );
    Finding {
        rule: "INT-3",
        ok: true,
        words,
        what_to_do: None,
    }
}

/// 11 CCR 7026(a): two or more methods to opt out; e-mail alone doesn't lessen that (11 CCR 7020).
fn opt_out_methods(settings: &Settings) -> Finding {
    let ok =
        settings.business.toll_free_number.is_some() || settings.business.privacy_contact.is_some();
    let words = if ok {
        "people can opt out by the form and by writing or calling"
    } else {
        "an opt-out needs two ways; there is only the form"
    };
    finding(
        "7026(a)",
        ok,
        words,
        "set `business.privacy_contact` or `business.toll_free_number`",
    )
}

/// 11 CCR 7024(a)-(b): who is refused an answer in categories is referred to the privacy policy; without its address that letter can't be sent.
fn privacy_policy(settings: &Settings) -> Finding {
    let known = settings.business.privacy_policy.is_some();
    let words = if known {
        "letters can refer to the privacy policy"
    } else {
        "a letter that has to refer to the privacy policy can't be sent, and calls an operator"
    };
    finding(
        "7024(a)",
        known,
        words,
        "set `business.privacy_policy` to the address of your privacy policy",
    )
}

fn contact(settings: &Settings) -> Finding {
    finding(
        "contact",
        settings.business.privacy_contact.is_some(),
        "pages and mails say where to write about privacy",
        "set `business.privacy_contact` to an e-mail address or a URL",
    )
}

fn address(settings: &Settings) -> Finding {
    let url = &settings.base_url;
    let is_local = ["http://127.0.0.1", "http://localhost", "http://[::1]"]
        .iter()
        .any(|start| url.starts_with(start));
    let ok = (url.starts_with("https://") || is_local) && !url.ends_with('/');
    finding(
        "base_url",
        ok,
        format!("links in mails begin with {url}"),
        "use an https:// address without a slash at the end; links carry secrets",
    )
}

fn law_and_map(settings: &Settings) -> Vec<Finding> {
    let law = match governance::law::load(settings.law.as_deref()) {
        Ok(law) => law,
        Err(error) => {
            return vec![finding(
                "law",
                false,
                error.to_string(),
                "put right what it says, or leave `law` out to use the built-in data",
            )];
        }
    };
    let default = &settings.business.default_law;
    let known = law.law(default).is_ok();
    let words = if known {
        format!("`{default}` applies when somebody names no law")
    } else {
        format!("no law is called `{default}`")
    };
    let mut findings = vec![finding(
        "law",
        known,
        words,
        "set `business.default_law` to one that `privity law list` shows",
    )];
    findings.extend(settings.profile.as_deref().map(|path| schema(path, &law)));
    let environment = |name: &str| std::env::var(name).ok();
    findings.push(
        match governance::data_map::load(&settings.data_map, &environment, &law) {
            Ok(loaded) => Finding {
                rule: "data map",
                ok: true,
                words: format!(
                    "{} systems, {} collections, {} recipients",
                    loaded.map.systems.len(),
                    loaded.map.collections.len(),
                    loaded.map.recipients.len()
                ),
                what_to_do: None,
            },
            Err(error) => finding(
                "data map",
                false,
                error.to_string(),
                "put right what it says; `privity data-map describe` writes a first draft",
            ),
        },
    );
    findings
}

fn schema(path: &Path, law: &domain::law::LawBook) -> Finding {
    match governance::profile::load_schema(path, law) {
        Ok(loaded) => Finding {
            rule: "profile",
            ok: true,
            words: format!(
                "a profile holds {} attributes from {} sources",
                loaded.schema.attributes().count(),
                loaded.schema.sources().count()
            ),
            what_to_do: None,
        },
        Err(error) => finding(
            "profile",
            false,
            error.to_string(),
            "put right what it says, or leave `profile` out to keep no profiles",
        ),
    }
}

/// Purposes and notices, and the sites whose pages ask.
fn consent(settings: &Settings) -> Option<Finding> {
    if let Some(wrong) = settings
        .sites
        .iter()
        .find_map(|site| governance::settings::check_site(site).err())
    {
        return Some(finding(
            "sites",
            false,
            wrong,
            "name the origins of your sites as browsers do, e.g. https://shop.example",
        ));
    }
    let folder = settings.consent.as_deref()?;
    // What is wrong with law or data map is told by their own findings.
    let law = governance::law::load(settings.law.as_deref()).ok()?;
    let environment = |name: &str| std::env::var(name).ok();
    let loaded = governance::data_map::load(&settings.data_map, &environment, &law).ok()?;
    let found = match governance::consent::load(folder, &loaded.map, &law) {
        Ok(book) => Finding {
            rule: "consent",
            ok: true,
            words: format!(
                "{} purposes, {} notices in all their versions",
                book.purposes().iter().count(),
                book.notices().iter().count()
            ),
            what_to_do: None,
        },
        Err(error) => finding(
            "consent",
            false,
            error.to_string(),
            "put right what it says in purposes.yaml or notices.yaml",
        ),
    };
    Some(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;

    fn load_text(text: &str, environment: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        let find = |name: &str| {
            environment
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        assemble(
            Path::new("/etc/privity/privity.yaml"),
            text,
            &Given::collect(&find)?,
        )
    }

    fn message(text: &str) -> String {
        load_text(text, &[]).err().unwrap().to_string()
    }

    #[test]
    fn the_starter_file_is_valid_and_its_paths_lie_beside_it() {
        let settings = load_text(STARTER, &[]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(settings.business.default_law, "ccpa");
        assert_eq!(settings.key_file, Path::new("/etc/privity/privity.key"));
        assert_eq!(settings.data_map, Path::new("/etc/privity/data_map"));
    }

    #[test]
    fn the_environment_wins_and_keeps_its_own_paths() {
        let settings = load_text(
            STARTER,
            &[
                ("PRIVITY_BUSINESS_NAME", "123"),
                ("PRIVITY_LIMITS_BODY_BYTES", "9000"),
                ("PRIVITY_KEY_FILE", "here.key"),
            ],
        )
        .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            (settings.business.name.as_str(), settings.limits.body_bytes),
            ("123", 9000)
        );
        assert_eq!(settings.key_file, Path::new("here.key"));
    }

    #[test]
    fn an_unknown_setting_is_told_with_its_line_and_the_nearest_name() {
        let text = "business:\n  name: A\n  privacy_contct: a@b.example\n";
        assert_eq!(
            message(text),
            "`/etc/privity/privity.yaml`, line 3: `business.privacy_contct` is no setting; did you mean `business.privacy_contact`?"
        );
        assert_eq!(
            message("buisness:\n  name: A\n"),
            "`/etc/privity/privity.yaml`, line 1: `buisness` is no setting; did you mean `business`?"
        );
    }

    #[test]
    fn a_wrong_value_is_told_with_its_line_and_never_repeated() {
        let text = STARTER.replace("body_bytes: 65536", "body_bytes: hunter2-secret");
        let line = text
            .lines()
            .position(|line| line.contains("hunter2"))
            .unwrap()
            + 1;
        let message = message(&text);
        assert!(message.contains(&format!("line {line}:")), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }

    #[test]
    fn what_is_no_yaml_is_told_with_its_line() {
        let message = message("business:\n  name: \"A\nbase_url: [\n");
        assert!(message.contains("this is not YAML"), "{message}");
    }

    #[test]
    fn a_missing_setting_is_named() {
        let message = message("business:\n  name: A\n");
        assert!(
            message.contains("the setting `") && message.contains("is missing"),
            "{message}"
        );
    }

    #[test]
    fn every_setting_of_the_starter_file_is_known_and_every_known_one_explained() {
        for (key, kind) in KEYS.iter().filter(|(_, kind)| *kind != Kind::Section) {
            let name = key.rsplit('.').next().unwrap();
            let optional = ["trusted_ca", "allow_insecure", "timeout_seconds"].contains(&name)
                || (key.starts_with("key_service.") && !["kind", "path"].contains(&name));
            assert!(
                optional || STARTER.contains(&format!("{name}:")),
                "{key} is not in the starter file ({})",
                *kind as u8
            );
        }
    }

    #[test]
    fn a_business_without_a_free_number_is_told_so_unless_it_is_online_only() {
        let mut settings = load_text(STARTER, &[]).unwrap_or_else(|error| panic!("{error}"));
        assert!(!first_method(&settings).ok);
        settings.business.online_only = true;
        assert!(first_method(&settings).ok && second_method(&settings).ok);
        settings.business.privacy_contact = Some("https://shop.example/privacy".to_owned());
        assert!(!second_method(&settings).ok);
    }
}
