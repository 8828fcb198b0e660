//! Reads the files of a data map: a folder of YAML files or one file, as one map.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::LoadedMap;
use super::build::{Part, build};
use super::connection::expand;
use super::file::MapFile;
use super::finding::{Finding, Findings, MAP_SECRETS, Place, SecretPlace, Severity, SourceText};
use super::read::{Mistake, Reading, read};
use super::tree::{self, Node, Value};
use super::vocabulary::Vocabulary;

/// One file of a data map.
#[derive(Clone, Debug)]
pub struct FileText {
    /// Its name for findings.
    pub name: String,
    /// The folder that it lies in; relative paths of SQLite files count from there.
    pub folder: PathBuf,
    /// Its text.
    pub text: String,
}

/// Reads a data map from a file, or from all `.yaml` and `.yml` files of a folder and the folders in it. `env` gives the
/// environment's variables.
///
/// # Errors
/// Everything that is wrong with the files, at once.
pub fn load(
    path: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    vocabulary: &dyn Vocabulary,
) -> Result<LoadedMap, Findings> {
    let mut paths = Vec::new();
    find(path, &mut paths).map_err(|error| Findings(vec![unreadable(path, &error)]))?;
    paths.sort();
    if paths.is_empty() {
        return Err(Findings(vec![empty(path)]));
    }
    let mut files = Vec::new();
    let mut findings = Vec::new();
    for path in paths {
        match std::fs::read_to_string(&path) {
            Ok(text) => files.push(FileText {
                name: path.display().to_string(),
                folder: path.parent().map(Path::to_owned).unwrap_or_default(),
                text,
            }),
            Err(error) => findings.push(unreadable(&path, &error)),
        }
    }
    if findings.is_empty() {
        parse(files, env, vocabulary)
    } else {
        Err(Findings(findings))
    }
}

/// Reads a data map from texts.
///
/// # Errors
/// Everything that is wrong with them, at once.
pub fn parse(
    files: Vec<FileText>,
    env: &dyn Fn(&str) -> Option<String>,
    vocabulary: &dyn Vocabulary,
) -> Result<LoadedMap, Findings> {
    let mut findings = Vec::new();
    let parts = files
        .into_iter()
        .filter_map(|file| part(file, env, &mut findings))
        .collect();
    let loaded = build(parts, vocabulary, &mut findings);
    if findings.is_empty() {
        return Ok(loaded);
    }
    findings.sort_by(|a, b| {
        (&a.place.file, a.place.line, a.place.column).cmp(&(
            &b.place.file,
            b.place.line,
            b.place.column,
        ))
    });
    Err(Findings(findings))
}

fn part(
    file: FileText,
    env: &dyn Fn(&str) -> Option<String>,
    findings: &mut Vec<Finding>,
) -> Option<Part> {
    let folder = file.folder.clone();
    let (source, tree, reading) = read_text::<MapFile>(file, &MAP_SECRETS, env, findings)?;
    Some(Part {
        source,
        folder,
        file: reading.value.unwrap_or_default(),
        left_out: reading.left_out,
        tree,
    })
}

/// Reads one file of another room with the care that a data map's files get; `secrets` says where `${NAME}` stands for a variable of the
/// environment and what no message may repeat. Whatever is wrong is added to `findings`; what is left of the file is handed back with the
/// text that further findings point into.
pub fn read_file<T: DeserializeOwned>(
    file: FileText,
    secrets: &[SecretPlace],
    env: &dyn Fn(&str) -> Option<String>,
    findings: &mut Vec<Finding>,
) -> Option<(T, SourceText)> {
    let (source, _, reading) = read_text(file, secrets, env, findings)?;
    Some((reading.value?, source))
}

fn read_text<T: DeserializeOwned>(
    file: FileText,
    secrets: &[SecretPlace],
    env: &dyn Fn(&str) -> Option<String>,
    findings: &mut Vec<Finding>,
) -> Option<(SourceText, Node, Reading<T>)> {
    let mut source = SourceText::new(file.name, file.text);
    let mut tree = match tree::parse(source.text()) {
        Ok(tree) => tree,
        Err(error) => {
            let what_to_do = "correct the line; indent with spaces, and put texts that hold `: ` or `#` in quotes".to_owned();
            findings.push(source.finding(
                "",
                Mistake {
                    at: error.at,
                    message: error.message,
                    what_to_do,
                },
            ));
            return None;
        }
    };
    source.learn_secrets(&tree, secrets);
    for (first, again) in tree.take_repeated() {
        let message = format!(
            "`{}` stands here twice; the first is in line {}",
            again.text, first.line
        );
        findings.push(source.finding(
            "",
            Mistake {
                at: again.at,
                message,
                what_to_do: "remove one of them, or give it another name".to_owned(),
            },
        ));
    }
    let mut mistakes = Vec::new();
    expand_secrets(&mut tree, secrets, env, &mut mistakes);
    let mut reading = read::<T>(&tree);
    mistakes.append(&mut reading.mistakes);
    findings.extend(
        mistakes
            .into_iter()
            .map(|mistake| source.finding("", mistake)),
    );
    Some((source, tree, reading))
}

/// The environment is only asked where a system or recipient is reached: nowhere else may a secret get into the map.
fn expand_secrets(
    tree: &mut Node,
    secrets: &[SecretPlace],
    env: &dyn Fn(&str) -> Option<String>,
    mistakes: &mut Vec<Mistake>,
) {
    let Value::Map(parts) = &mut tree.value else {
        return;
    };
    for (part, node) in parts {
        let Some((_, reached_by)) = secrets.iter().find(|(name, _)| *name == part.text) else {
            continue;
        };
        let Value::Map(entries) = &mut node.value else {
            continue;
        };
        for (_, entry) in entries {
            let Value::Map(settings) = &mut entry.value else {
                continue;
            };
            settings
                .iter_mut()
                .filter(|(key, _)| key.text == *reached_by)
                .for_each(|(_, node)| expand(node, env, mistakes));
        }
    }
}

fn find(path: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.is_dir() {
        std::fs::metadata(path)?;
        found.push(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let is_yaml = path
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml");
        if !is_hidden && (path.is_dir() || is_yaml) {
            find(&path, found)?;
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Finding {
    let place = Place {
        file: Some(path.display().to_string()),
        ..Place::default()
    };
    Finding {
        severity: Severity::Error,
        place,
        message: format!("the data map can't be read: {error}"),
        what_to_do: "name a folder with YAML files, or one file, that this account may read"
            .to_owned(),
    }
}

fn empty(path: &Path) -> Finding {
    let place = Place {
        file: Some(path.display().to_string()),
        ..Place::default()
    };
    let what_to_do =
        "write one, for instance with `privity data-map describe postgres://... --out FILE.yaml`"
            .to_owned();
    Finding {
        severity: Severity::Error,
        place,
        message: "no data map is in this folder".to_owned(),
        what_to_do,
    }
}
