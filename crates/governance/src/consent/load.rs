//! Reads the business's purposes and notices: `purposes.yaml` and `notices.yaml` in the folder that the setting `consent` names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use domain::data_map::{DataMap, RecipientKey};
use domain::law::{Fault, Faults, LawBook};
use domain::notice::{NoticeBook, NoticeFile};
use domain::purpose_of_use::{PurposeBook, PurposeFile};
use serde::de::DeserializeOwned;

use super::ConsentBook;

/// Purposes and notices that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConsentFilesError {
    /// A file can't be read.
    #[error("cannot read `{}`: {source}; `consent` names a folder with purposes.yaml and notices.yaml, which this program must be allowed to read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Something in the files is wrong; each line names a file, a line and what to do.
    #[error("{}", .0.join("\n"))]
    Wrong(Vec<String>),
}

/// Reads and checks both files. Without notices nobody can consent, so a folder without `notices.yaml` has none.
///
/// # Errors
/// A file can't be read, or something in it is wrong: every fault with file and line.
pub fn load(folder: &Path, map: &DataMap, law: &LawBook) -> Result<ConsentBook, ConsentFilesError> {
    let recipients: BTreeSet<RecipientKey> = map.recipients.keys().cloned().collect();
    let purposes = read(folder.join("purposes.yaml"))?;
    let file: PurposeFile = purposes.parse()?;
    let book = PurposeBook::check(&purposes.shown, file, law, &recipients)
        .map_err(|faults| purposes.wrong(&faults))?;
    let notices = match read(folder.join("notices.yaml")) {
        Ok(notices) => notices,
        Err(ConsentFilesError::Unreadable { source, path })
            if source.kind() == std::io::ErrorKind::NotFound =>
        {
            FileText {
                shown: path.display().to_string(),
                text: "notices: []".to_owned(),
            }
        }
        Err(error) => return Err(error),
    };
    let file: NoticeFile = notices.parse()?;
    let told = NoticeBook::check(&notices.shown, file, law, &book)
        .map_err(|faults| notices.wrong(&faults))?;
    Ok(ConsentBook::new(book, told))
}

/// One file: the path that messages show, and its text.
struct FileText {
    shown: String,
    text: String,
}

fn read(path: PathBuf) -> Result<FileText, ConsentFilesError> {
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(FileText {
            shown: path.display().to_string(),
            text,
        }),
        Err(source) => Err(ConsentFilesError::Unreadable { path, source }),
    }
}

impl FileText {
    fn parse<T: DeserializeOwned>(&self) -> Result<T, ConsentFilesError> {
        serde_saphyr::from_str(&self.text).map_err(|error| {
            let at = error.location().map_or_else(
                || "1:1".to_owned(),
                |at| format!("{}:{}", at.line(), at.column()),
            );
            let words = error.without_snippet().to_string();
            // The place stands in front, where editors find it.
            let first = words.lines().next().unwrap_or_default();
            let first = first.split(" at line ").next().unwrap_or_default();
            ConsentFilesError::Wrong(vec![format!("{}:{at}: {first}", self.shown)])
        })
    }

    fn wrong(&self, faults: &Faults) -> ConsentFilesError {
        ConsentFilesError::Wrong(faults.0.iter().map(|fault| self.with_line(fault)).collect())
    }

    fn with_line(&self, fault: &Fault) -> String {
        match line_of(&self.text, &fault.rule) {
            Some(line) => format!("{}:{line}: `{}`: {}", self.shown, fault.rule, fault.problem),
            None => fault.to_string(),
        }
    }
}

/// The line (from 1) that a fault's place names: `PURPOSE.FIELD.MORE`, or `NOTICE version N: FIELD.MORE`.
fn line_of(text: &str, place: &str) -> Option<usize> {
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let is_named = |line: &str, key: &str| {
        line.trim_start_matches("- ")
            .strip_prefix(key)
            .is_some_and(|rest| rest.trim_start().starts_with(':'))
    };
    let is = |line: &str, text: &str| line.trim_start_matches("- ").trim_end() == text;
    let (start, field) = if let Some((notice, rest)) = place.split_once(" version ") {
        let (version, field) = rest.split_once(": ").unwrap_or((rest, ""));
        let version = format!("version: {version}");
        let named = |at: &usize| {
            let next = lines.get(at + 1..).unwrap_or_default();
            let of_it = next.iter().take_while(|line| !line.contains("notice: "));
            is(
                lines.get(*at).copied().unwrap_or_default(),
                &format!("notice: {notice}"),
            ) && of_it.into_iter().any(|line| is(line, &version))
        };
        ((0..lines.len()).find(named)?, field)
    } else {
        let (key, field) = place.split_once('.').unwrap_or((place, ""));
        (lines.iter().position(|line| is_named(line, key))?, field)
    };
    let first = field.split('.').next().unwrap_or_default();
    let end_of_it = |line: &&str| {
        let is_field = !first.is_empty() && is_named(line, first);
        is_field || line.starts_with("- notice: ")
    };
    let within = lines.iter().skip(start + 1).position(end_of_it);
    let found = within.map(|offset| start + 1 + offset);
    let found = found
        .filter(|at| !first.is_empty() && lines.get(*at).is_some_and(|line| is_named(line, first)));
    Some(found.unwrap_or(start) + 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const PURPOSES: &str = "purposes:\n  news:\n    title: {en: News}\n    description: {en: News}\n    categories: []\n  offers:\n    title: {en: Offers}\n    description: {en: Offers}\n    categories: []\n";
    const NOTICES: &str = "notices:\n  - notice: a\n    version: 1\n    kind: consent\n  - notice: a\n    version: 2\n    kind: consent\n    texts: {}\n";

    #[test]
    fn a_fault_is_told_with_the_line_that_it_is_in() {
        assert_eq!(line_of(PURPOSES, "offers.categories"), Some(9));
        assert_eq!(line_of(PURPOSES, "offers.choice"), Some(6));
        assert_eq!(line_of(PURPOSES, "news"), Some(2));
        assert_eq!(line_of(NOTICES, "a version 2: kind"), Some(7));
        assert_eq!(line_of(NOTICES, "a version 2: texts.en"), Some(8));
        assert_eq!(line_of(NOTICES, "a version 1: texts.en"), Some(2));
        assert_eq!(line_of(NOTICES, "b version 1"), None);
    }

    #[test]
    fn a_folder_without_purposes_and_a_broken_file_are_told_with_their_place() {
        let folder = tempfile::tempdir().unwrap();
        let law = crate::law::load(None).unwrap();
        let read = || {
            load(folder.path(), &DataMap::default(), &law)
                .err()
                .unwrap()
                .to_string()
        };
        assert!(read().contains("purposes.yaml"), "{}", read());
        let write = |text: &str| std::fs::write(folder.path().join("purposes.yaml"), text).unwrap();
        write("purposes:\n  news: {titel: {en: News}}\n");
        assert!(read().contains("purposes.yaml:2:"), "{}", read());
        write(PURPOSES);
        assert!(
            read().contains("purposes.yaml:9: `offers.categories`: is empty"),
            "{}",
            read()
        );
    }
}
