//! Reads routes from a folder of YAML files, and again whenever they change: the whole set is swapped, or the old one stays.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use domain::profile::Schema;
use governance::data_map::{
    FileText, Finding, Findings, Mistake, Place, SecretPlace, Severity, SourceText, read_file,
};

use super::Routes;
use super::build::{self, Beside};
use super::file::RouteFile;

/// `${NAME}` stands for a variable of the environment there, and nothing of it is ever repeated.
const SECRETS: [SecretPlace; 2] = [("routes", "authorization"), ("routes", "upstream")];

/// When the files were written, and how long each is: what has changed when this has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamp(Vec<(PathBuf, Option<SystemTime>, u64)>);

impl Stamp {
    /// As the files are now.
    pub(crate) fn of(path: &Path) -> Self {
        let files = files(path).unwrap_or_default().into_iter();
        let stamped = files.map(|file| {
            let known = std::fs::metadata(&file).ok();
            let length = known.as_ref().map_or(0, std::fs::Metadata::len);
            (file, known.and_then(|known| known.modified().ok()), length)
        });
        Self(stamped.collect())
    }
}

/// Reads the routes of a folder, or of one file. `env` gives the environment's variables; what `before` counted and noted goes on.
///
/// # Errors
/// Everything that is wrong with the files, at once, with file and line.
pub(crate) fn load(
    path: &Path,
    schema: &Schema,
    env: &dyn Fn(&str) -> Option<String>,
    before: &Routes,
) -> Result<Routes, Findings> {
    let paths = files(path).map_err(|error| Findings(vec![unreadable(path, &error)]))?;
    let (mut texts, mut findings) = (Vec::new(), Vec::new());
    for path in paths {
        match std::fs::read_to_string(&path) {
            Ok(text) => texts.push(FileText {
                name: path.display().to_string(),
                folder: path.parent().map(Path::to_owned).unwrap_or_default(),
                text,
            }),
            Err(error) => findings.push(unreadable(&path, &error)),
        }
    }
    if findings.is_empty() {
        return parse(texts, schema, env, before);
    }
    Err(Findings(findings))
}

/// Reads routes from texts.
///
/// # Errors
/// As [`load`].
pub(crate) fn parse(
    texts: Vec<FileText>,
    schema: &Schema,
    env: &dyn Fn(&str) -> Option<String>,
    before: &Routes,
) -> Result<Routes, Findings> {
    let mut findings = Vec::new();
    let beside = Beside::of(before);
    let mut routes = Vec::new();
    let mut keys: BTreeMap<String, String> = BTreeMap::new();
    for text in texts {
        let name = text.name.clone();
        let Some((file, source)) = read_file::<RouteFile>(text, &SECRETS, env, &mut findings)
        else {
            continue;
        };
        for (key, route) in &file.routes.0 {
            if let Some(other) = keys.insert(key.value.clone(), name.clone()) {
                findings.push(twice(&source, key.at, &other));
                continue;
            }
            let built = build::route(&key.value, route, schema, &source, &beside, &mut findings);
            routes.extend(built.map(|built| (built, source.clone(), route.value.path.at)));
        }
    }
    build::contradictions(&routes, &mut findings);
    if findings.is_empty() {
        let routes = routes.into_iter().map(|(route, ..)| Arc::new(route));
        return Ok(Routes::new(routes.collect()));
    }
    findings.sort_by(|one, other| {
        let place = |finding: &Finding| (finding.place.file.clone(), finding.place.line);
        place(one).cmp(&place(other))
    });
    Err(Findings(findings))
}

fn twice(source: &SourceText, at: governance::data_map::Span, other: &str) -> Finding {
    source.finding(
        "",
        Mistake {
            at,
            message: format!("this key is taken by a route in `{other}`"),
            what_to_do: "give one of the two another key".to_owned(),
        },
    )
}

/// The YAML files of a folder, by name; hidden ones are left out.
fn files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        std::fs::metadata(path)?;
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_yaml = name.ends_with(".yaml") || name.ends_with(".yml");
        if is_yaml && !name.starts_with('.') && !path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Finding {
    Finding {
        severity: Severity::Error,
        place: Place {
            file: Some(path.display().to_string()),
            ..Place::default()
        },
        message: format!("the gateway's routes can't be read: {error}"),
        what_to_do: "`gateway.routes` names a folder with YAML files, or one file, that this account may read"
            .to_owned(),
    }
}
