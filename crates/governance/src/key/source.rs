//! Where the keys come from: the key file, and the key service that opens it, if there is one.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use connectors::key_service::{AwsKms, VaultTransit};
use domain::key_service::{KeyService, KeyServiceError};
use domain::rng::Rng;
use domain::time::Clock;
use enforcement::vault::{KeyChange, KeyFileError, KeyRing, LocalKeyService};

use crate::Problem;
use crate::settings::{KeyServiceSettings, Settings};

/// The key file and what opens it.
pub(crate) struct Source {
    path: PathBuf,
    service: Option<Box<dyn KeyService>>,
    rng: Arc<dyn Rng>,
}

/// What tells one content of the key file from the next: a change gives its name to a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    file: u64,
    changed: (i64, i64),
    size: u64,
}

impl Source {
    /// What the settings name. Nothing is opened yet, but for the file of a local key service, which is made on the very first start.
    pub(crate) fn of(
        settings: &Settings,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, Problem> {
        let may_make = !settings.key_file.exists();
        Self::new(settings, may_make, clock, rng)
    }

    /// The same for a key file that is to be sealed: a local key service's file is made when it isn't there.
    pub(crate) fn to_protect(
        settings: &Settings,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, Problem> {
        Self::new(settings, true, clock, rng)
    }

    fn new(
        settings: &Settings,
        may_make: bool,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, Problem> {
        let service = match &settings.key_service {
            None => None,
            Some(service) => Some(build(service, may_make, clock, &rng)?),
        };
        Ok(Self {
            path: settings.key_file.clone(),
            service,
            rng,
        })
    }

    /// The service's name, without secrets.
    pub(crate) fn service(&self) -> Option<&str> {
        self.service.as_ref().map(|service| service.name())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The keys; made on the very first start.
    pub(crate) async fn open_or_create(&self) -> Result<KeyRing, KeyFileError> {
        if self.path.exists() {
            return self.open().await;
        }
        match &self.service {
            None => KeyRing::create(&self.path, &*self.rng),
            Some(service) => KeyRing::create_with(&self.path, &**service, &*self.rng).await,
        }
    }

    pub(crate) async fn open(&self) -> Result<KeyRing, KeyFileError> {
        match &self.service {
            None => KeyRing::open(&self.path),
            Some(service) => KeyRing::open_with(&self.path, &**service).await,
        }
    }

    pub(crate) async fn change(&self, change: KeyChange) -> Result<KeyRing, KeyFileError> {
        match &self.service {
            None => KeyRing::change(&self.path, change, &*self.rng),
            Some(service) => KeyRing::change_with(&self.path, &**service, change, &*self.rng).await,
        }
    }

    /// Seals a key file that lies open.
    pub(crate) async fn protect(&self) -> Result<&str, Problem> {
        let service = self.named()?;
        KeyRing::protect(&self.path, service, &*self.rng)
            .await
            .map_err(|error| problem(&error))?;
        Ok(service.name())
    }

    /// The way back.
    pub(crate) async fn unprotect(&self) -> Result<&str, Problem> {
        let service = self.named()?;
        KeyRing::unprotect(&self.path, service, &*self.rng)
            .await
            .map_err(|error| problem(&error))?;
        Ok(service.name())
    }

    fn named(&self) -> Result<&dyn KeyService, Problem> {
        self.service.as_deref().ok_or_else(none_named)
    }

    /// What the key file looks like from outside; `None` when it can't be seen.
    pub(crate) fn stamp(&self) -> Option<Stamp> {
        let metadata = std::fs::metadata(&self.path).ok()?;
        Some(Stamp {
            device: metadata.dev(),
            file: metadata.ino(),
            changed: (metadata.mtime(), metadata.mtime_nsec()),
            size: metadata.size(),
        })
    }
}

pub(crate) fn none_named() -> Problem {
    Problem::conflict("the settings name no key service; add `key_service`, and repeat")
}

fn build(
    settings: &KeyServiceSettings,
    may_make: bool,
    clock: Arc<dyn Clock>,
    rng: &Arc<dyn Rng>,
) -> Result<Box<dyn KeyService>, Problem> {
    let wrong = |reason: String| Problem::new("setup", 500, reason);
    Ok(match settings {
        KeyServiceSettings::LocalFile(file) => {
            let rng = Box::new(SharedRng(rng.clone()));
            let made = match may_make && !file.path.exists() {
                true => LocalKeyService::create(&file.path, rng),
                false => LocalKeyService::open(&file.path, rng),
            };
            Box::new(made.map_err(|error| match error {
                KeyFileError::Missing(path) => wrong(format!("the key service's file `{}` is not there; put it back, or seal the key file for the first time with `privity key protect`", path.display())),
                error => problem(&error),
            })?)
        }
        KeyServiceSettings::VaultTransit(config) => {
            Box::new(VaultTransit::new(config.clone()).map_err(wrong)?)
        }
        KeyServiceSettings::AwsKms(config) => {
            let environment = |name: &str| std::env::var(name).ok();
            Box::new(AwsKms::new(config.clone(), &environment, clock).map_err(wrong)?)
        }
    })
}

struct SharedRng(Arc<dyn Rng>);

impl Rng for SharedRng {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }
}

/// What is wrong with the keys, with its causes: none of them holds a value.
pub(crate) fn problem(error: &KeyFileError) -> Problem {
    let words = chain(error);
    match error {
        KeyFileError::Rotation(_) | KeyFileError::Changed(_) => Problem::conflict(words),
        KeyFileError::Service {
            source: KeyServiceError::Unavailable { .. },
            ..
        } => Problem::new("key_service_unavailable", 503, words),
        _ => Problem::new("setup", 500, words),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut inner = error.source();
    while let Some(cause) = inner {
        words = format!("{words}: {}", without_number(cause));
        inner = cause.source();
    }
    words
}

/// The system's own words, without `(os error 13)`.
fn without_number(cause: &(dyn std::error::Error + 'static)) -> String {
    let words = cause.to_string();
    if !cause.is::<io::Error>() {
        return words;
    }
    let (words, _) = words.split_once(" (os error").unwrap_or((&words, ""));
    words.to_owned()
}
