//! Reads packs and the business's files of policies, and compiles them over what the business declares.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ::policy::{Compiled, Faults, Origin, PolicyFile, PolicyText, compile, packs, texts};
use domain::data_map::DataMap;
use domain::law::{Category, LawBook};
use domain::policy::{Configuration, Layout};
use domain::profile::Schema;
use domain::purpose_of_use::PurposeBook;
use serde::{Deserialize, Serialize};

use crate::settings::Settings;

/// The ending of a file of policies.
const ENDING: &str = "cedar";

/// Policies that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyFilesError {
    /// A pack that does not ship.
    #[error("`policy_packs` names `{name}`, and there is no such pack; choose from {known}", known = known_packs())]
    NoPack {
        /// As it was written.
        name: String,
    },
    /// Packs alone forbid.
    #[error(
        "`policy_packs` names packs, and `policies` no folder; packs only forbid, so set `policies` to the folder of your own *.cedar files"
    )]
    PacksAlone,
    /// A file or the folder can't be read.
    #[error("cannot read `{}`: {source}; `policies` names a folder of *.cedar files, which this program must be allowed to read", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Nothing to be about.
    #[error(
        "policies are about attributes, purposes and recipients; `{0}` is not set, so there are none: set it, or leave `policies` out"
    )]
    NothingToDecide(&'static str),
    /// What is wrong in the files.
    #[error("{0}")]
    Wrong(#[from] Faults),
}

fn known_packs() -> String {
    packs().map(|pack| pack.name).join(", ")
}

/// The texts that a table is compiled from, in their order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sources(pub(crate) Vec<Source>);

/// One text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) is_pack: bool,
    pub(crate) text: String,
}

impl Sources {
    /// What the settings name: packs first, since reasons name the first that holds; then files by name. `None` when they name nothing.
    pub(crate) fn of(settings: &Settings) -> Result<Option<Self>, PolicyFilesError> {
        let Some(folder) = &settings.policies else {
            let has_packs = !settings.policy_packs.is_empty();
            return if has_packs {
                Err(PolicyFilesError::PacksAlone)
            } else {
                Ok(None)
            };
        };
        let mut sources = chosen_packs(&settings.policy_packs)?;
        sources.extend(files(folder)?);
        Ok(Some(Self(sources)))
    }

    /// Each policy's text.
    pub(crate) fn texts(&self) -> Result<Vec<PolicyText>, Faults> {
        texts(&self.files())
    }

    pub(super) fn files(&self) -> Vec<PolicyFile> {
        let sources = self.0.iter();
        sources
            .map(|source| PolicyFile {
                name: source.name.clone(),
                text: source.text.clone(),
                origin: if source.is_pack {
                    Origin::Statute
                } else {
                    Origin::Company
                },
            })
            .collect()
    }
}

fn chosen_packs(names: &[String]) -> Result<Vec<Source>, PolicyFilesError> {
    let find = |name: &String| {
        let pack = packs().into_iter().find(|pack| pack.name == *name);
        let pack = pack.ok_or_else(|| PolicyFilesError::NoPack { name: name.clone() })?;
        let file = pack.file();
        Ok(Source {
            name: file.name,
            is_pack: true,
            text: file.text,
        })
    };
    names.iter().map(find).collect()
}

fn files(folder: &Path) -> Result<Vec<Source>, PolicyFilesError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| PolicyFilesError::Unreadable { path, source }
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable(folder))? {
        let path = entry.map_err(unreadable(folder))?.path();
        if path.extension().is_some_and(|ending| ending == ENDING) {
            paths.push(path);
        }
    }
    paths.sort();
    let read = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        Ok(Source {
            name: name.to_string_lossy().into_owned(),
            is_pack: false,
            text: std::fs::read_to_string(path).map_err(unreadable(path))?,
        })
    };
    paths.iter().map(read).collect()
}

/// Whether the settings name all that policies are about.
///
/// # Errors
/// What is missing.
pub(crate) fn check_settings(settings: &Settings) -> Result<(), PolicyFilesError> {
    if settings.policies.is_none() {
        return if settings.policy_packs.is_empty() {
            Ok(())
        } else {
            Err(PolicyFilesError::PacksAlone)
        };
    }
    if settings.profile.is_none() {
        return Err(PolicyFilesError::NothingToDecide("profile"));
    }
    if settings.consent.is_none() {
        return Err(PolicyFilesError::NothingToDecide("consent"));
    }
    Ok(())
}

/// What policies may name, from what the business declared.
pub(crate) fn configuration(
    schema: &Schema,
    law: &LawBook,
    purposes: &PurposeBook,
    map: &DataMap,
) -> Configuration {
    let categories: BTreeMap<String, Category> = law
        .categories()
        .map(|category| (category.category.clone(), category.clone()))
        .collect();
    let jurisdictions = law.laws().map(|law| law.jurisdiction.clone());
    Configuration::of(
        schema,
        &categories,
        purposes,
        map.recipients.values(),
        jurisdictions,
    )
}

/// Compiles. `before` is the layout in force, so that facts which were written under it stay readable.
pub(crate) fn compile_sources(
    sources: &Sources,
    configuration: &Configuration,
    before: Option<&Layout>,
) -> Result<Compiled, Faults> {
    compile(&sources.files(), configuration, before)
}
