//! The law data in use: the files that ship inside the program, each of which a folder of the business may replace or add to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use domain::law::{Fault, LawBook, LawParts};
use serde::de::DeserializeOwned;

/// Every file of `law/` that the program carries, by name. A test fails when one is missing here.
const FILES: [(&str, &str); 33] = [
    ("alabama.yaml", include_str!("../../../law/alabama.yaml")),
    (
        "calendars.yaml",
        include_str!("../../../law/calendars.yaml"),
    ),
    (
        "california.yaml",
        include_str!("../../../law/california.yaml"),
    ),
    (
        "categories.yaml",
        include_str!("../../../law/categories.yaml"),
    ),
    ("colorado.yaml", include_str!("../../../law/colorado.yaml")),
    (
        "connecticut.yaml",
        include_str!("../../../law/connecticut.yaml"),
    ),
    ("coppa.yaml", include_str!("../../../law/coppa.yaml")),
    ("delaware.yaml", include_str!("../../../law/delaware.yaml")),
    (
        "european_union.yaml",
        include_str!("../../../law/european_union.yaml"),
    ),
    ("florida.yaml", include_str!("../../../law/florida.yaml")),
    ("hipaa.yaml", include_str!("../../../law/hipaa.yaml")),
    ("indiana.yaml", include_str!("../../../law/indiana.yaml")),
    ("iowa.yaml", include_str!("../../../law/iowa.yaml")),
    ("kentucky.yaml", include_str!("../../../law/kentucky.yaml")),
    (
        "louisiana.yaml",
        include_str!("../../../law/louisiana.yaml"),
    ),
    ("maryland.yaml", include_str!("../../../law/maryland.yaml")),
    ("messages.yaml", include_str!("../../../law/messages.yaml")),
    (
        "minnesota.yaml",
        include_str!("../../../law/minnesota.yaml"),
    ),
    ("montana.yaml", include_str!("../../../law/montana.yaml")),
    ("nebraska.yaml", include_str!("../../../law/nebraska.yaml")),
    (
        "new_hampshire.yaml",
        include_str!("../../../law/new_hampshire.yaml"),
    ),
    (
        "new_jersey.yaml",
        include_str!("../../../law/new_jersey.yaml"),
    ),
    ("oklahoma.yaml", include_str!("../../../law/oklahoma.yaml")),
    ("oregon.yaml", include_str!("../../../law/oregon.yaml")),
    ("reasons.yaml", include_str!("../../../law/reasons.yaml")),
    (
        "regulators.yaml",
        include_str!("../../../law/regulators.yaml"),
    ),
    (
        "rhode_island.yaml",
        include_str!("../../../law/rhode_island.yaml"),
    ),
    ("sources.yaml", include_str!("../../../law/sources.yaml")),
    (
        "tennessee.yaml",
        include_str!("../../../law/tennessee.yaml"),
    ),
    ("texas.yaml", include_str!("../../../law/texas.yaml")),
    ("utah.yaml", include_str!("../../../law/utah.yaml")),
    ("vermont.yaml", include_str!("../../../law/vermont.yaml")),
    ("virginia.yaml", include_str!("../../../law/virginia.yaml")),
];

/// Worked examples lie in the same folder and are no law data.
const SCENARIOS: &str = "scenarios.yaml";

/// Law data that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LawFilesError {
    /// The folder or a file in it can't be read.
    #[error("cannot read `{}`: {source}; check that it exists and that this program may read it", path.display())]
    Unreadable {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The folder holds no YAML file.
    #[error("`{}` holds no file that ends in .yaml", .0.display())]
    Empty(PathBuf),
    /// Something in the files is wrong; each line names a file, a line and what to do.
    #[error("{}", .0.join("\n"))]
    Wrong(Vec<String>),
}

/// One file: the path that messages show, and its text.
struct Text {
    shown: String,
    text: String,
}

/// The law data in use: the files inside the program, with those of `folder` in their place where the names are the same, and beside
/// them where they are not.
///
/// # Errors
/// The folder can't be read, or a file is wrong: every fault with file and line.
pub fn load(folder: Option<&Path>) -> Result<LawBook, LawFilesError> {
    let mut files: BTreeMap<String, Text> = FILES.iter().map(embedded).collect();
    if let Some(folder) = folder {
        files.extend(read(folder)?);
    }
    assemble(&files)
}

fn embedded((name, text): &(&str, &str)) -> (String, Text) {
    (
        (*name).to_owned(),
        Text {
            shown: format!("law/{name}"),
            text: (*text).to_owned(),
        },
    )
}

/// All YAML files directly in a folder, by name.
fn read(folder: &Path) -> Result<BTreeMap<String, Text>, LawFilesError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| LawFilesError::Unreadable { path, source }
    };
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable(folder))? {
        let path = entry.map_err(unreadable(folder))?.path();
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        if !name.ends_with(".yaml") || name == SCENARIOS {
            continue;
        }
        let text = std::fs::read_to_string(&path).map_err(unreadable(&path))?;
        files.insert(
            name,
            Text {
                shown: path.display().to_string(),
                text,
            },
        );
    }
    if files.is_empty() {
        return Err(LawFilesError::Empty(folder.to_owned()));
    }
    Ok(files)
}

fn assemble(files: &BTreeMap<String, Text>) -> Result<LawBook, LawFilesError> {
    let mut parts = LawParts::default();
    let mut wrong = Vec::new();
    for (name, file) in files {
        if let Err(problem) = add(&mut parts, name, file) {
            wrong.push(problem);
        }
    }
    // A file that can't be read would be reported again as missing, so the two kinds of fault are never mixed.
    if !wrong.is_empty() {
        return Err(LawFilesError::Wrong(wrong));
    }
    LawBook::assemble(parts).map_err(|faults| {
        LawFilesError::Wrong(
            faults
                .0
                .iter()
                .map(|fault| with_line(fault, files))
                .collect(),
        )
    })
}

/// Puts one file where it belongs, by its name.
fn add(parts: &mut LawParts, name: &str, file: &Text) -> Result<(), String> {
    match name {
        "calendars.yaml" => parts.calendars = Some(parse(file)?),
        "categories.yaml" => parts.categories = Some(parse(file)?),
        "reasons.yaml" => parts.reasons = Some(parse(file)?),
        "messages.yaml" => parts.messages = Some(parse(file)?),
        "regulators.yaml" => parts.regulators = Some(parse(file)?),
        "sources.yaml" => parts.sources = Some(parse(file)?),
        _ => parts.jurisdictions.push(parse(file)?),
    }
    Ok(())
}

fn parse<T: DeserializeOwned>(file: &Text) -> Result<(String, T), String> {
    let parsed = serde_saphyr::from_str(&file.text).map_err(|error| {
        let at = error.location().map_or_else(
            || "1:1".to_owned(),
            |at| format!("{}:{}", at.line(), at.column()),
        );
        let words = error.without_snippet().to_string();
        // The place stands in front, where editors find it; the parser's own mention of it would only repeat it.
        let words = words
            .lines()
            .next()
            .and_then(|line| line.split(" at line ").next())
            .unwrap_or_default()
            .to_owned();
        format!("{}:{at}: {words}", file.shown)
    })?;
    Ok((file.shown.clone(), parsed))
}

/// A fault with the line on which its rule, law, right or other noun is named.
fn with_line(fault: &Fault, files: &BTreeMap<String, Text>) -> String {
    let text = files
        .values()
        .find(|file| file.shown == fault.file)
        .map(|file| file.text.as_str());
    let line = text.and_then(|text| line_of(text, &fault.rule));
    match line {
        Some(line) => format!("{}:{line}: `{}`: {}", fault.file, fault.rule, fault.problem),
        None => fault.to_string(),
    }
}

/// The line (from 1) of `- rule: NAME`, `- law: NAME`, `- category: NAME` ..., or of `NAME:`; for `law: right` that right under that law.
fn line_of(text: &str, rule: &str) -> Option<usize> {
    let (law, name) = rule
        .rsplit_once(": ")
        .map_or((None, rule), |(law, name)| (Some(law), name));
    let names = |line: &str, name: &str| {
        let line = line.trim_start().trim_start_matches("- ");
        line.split_once(": ")
            .is_some_and(|(_, value)| value.trim() == name)
            || line.strip_suffix(':') == Some(name)
    };
    let from = law
        .and_then(|law| text.lines().position(|line| names(line, law)))
        .unwrap_or(0);
    text.lines()
        .enumerate()
        .skip(from)
        .find(|(_, line)| names(line, name))
        .map(|(index, _)| index + 1)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "tests"
    )]

    use super::*;

    fn overridden(name: &str, change: impl Fn(&str) -> String) -> Result<LawBook, LawFilesError> {
        let folder = tempfile::tempdir().unwrap();
        let (_, text) = FILES.iter().find(|(file, _)| *file == name).unwrap();
        std::fs::write(folder.path().join(name), change(text)).unwrap();
        load(Some(folder.path()))
    }

    #[test]
    fn the_program_carries_every_file_of_the_law_folder() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../law");
        let names: Vec<String> = read(&folder).unwrap().into_keys().collect();
        assert_eq!(names, FILES.map(|(name, _)| name));
        assert!(load(None).unwrap().law("ccpa").is_ok());
    }

    #[test]
    fn a_file_of_the_business_takes_the_place_of_the_one_inside() {
        let book = overridden("california.yaml", |text| {
            text.replacen("value: 45", "value: 40", 1)
        })
        .unwrap();
        let clocks = book
            .due("ccpa", "delete", &"2026-11-02".parse().unwrap())
            .unwrap();
        assert_eq!(clocks.respond_by.unwrap().to_string(), "2026-12-12");
        assert!(book.law("gdpr").is_ok());
    }

    #[test]
    fn a_broken_row_is_told_with_file_line_and_rule() {
        let error = overridden("hipaa.yaml", |text| {
            text.replacen("unit: calendar_days", "unit: moons", 1)
        });
        let error = error.unwrap_err().to_string();
        let (_, text) = FILES
            .iter()
            .find(|(name, _)| *name == "hipaa.yaml")
            .unwrap();
        let line = text
            .lines()
            .position(|line| line.trim() == "- rule: hipaa.access")
            .unwrap()
            + 1;
        assert!(
            error.contains(&format!(
                "hipaa.yaml:{line}: `hipaa.access`: `moons` is not a unit"
            )),
            "{error}"
        );
    }

    #[test]
    fn broken_yaml_is_told_with_line_and_column() {
        for (from, to, words) in [
            ("confidence: memory", "confidence: certain", "certain"),
            (
                "valid_from: 2003-04-14",
                "valid_from: the day before",
                "year",
            ),
            ("value: 30", "number: 30", "number"),
            ("    rows:", "    rows: [", ""),
        ] {
            let error = overridden("hipaa.yaml", |text| text.replacen(from, to, 1))
                .unwrap_err()
                .to_string();
            let place = error.split("hipaa.yaml:").nth(1).expect(&error);
            let line: usize = place.split(':').next().unwrap().parse().expect(&error);
            assert!(line > 1 && error.contains(words), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn a_fault_in_a_right_is_found_under_its_own_law() {
        let text = "laws:\n  - law: a\n    rights:\n      - right: delete\n  - law: b\n    rights:\n      - right: delete\n";
        assert_eq!(line_of(text, "b: delete"), Some(7));
        assert_eq!(line_of(text, "a: delete"), Some(4));
        assert_eq!(line_of(text, "nothing"), None);
    }

    #[test]
    fn a_folder_without_files_or_without_itself_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let empty = load(Some(folder.path())).unwrap_err().to_string();
        assert!(
            empty.contains("holds no file that ends in .yaml"),
            "{empty}"
        );
        let gone = load(Some(&folder.path().join("gone")))
            .unwrap_err()
            .to_string();
        assert!(
            gone.contains("gone") && gone.contains("check that it exists"),
            "{gone}"
        );
    }
}
