//! Privity with the world's policies and so many profiles of thirty attributes, over either engine.

use std::net::SocketAddr;
use std::path::Path;

use domain::audit::Actor;
use domain::id::SubjectId;
use domain::sensitive::Sensitive;
use governance::Privity;
use governance::disclosure::{CredentialTerms, add_key};
use governance::policy::refresh_facts;
use governance::profile::{GivenRecord, GivenValue, write};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::threads::Thread;
use crate::world;

/// Profiles that are written at a time.
const BATCH: usize = 1_000;

/// The house; it goes with its folder.
pub(crate) struct House {
    pub(crate) privity: Privity,
    pub(crate) subjects: Vec<SubjectId>,
    /// Of the recipient that reads whole profiles.
    pub(crate) key: Sensitive<String>,
    folder: tempfile::TempDir,
    stop: watch::Sender<bool>,
}

impl House {
    /// `storage` is PostgreSQL's URL; SQLite in the house's own folder if left out.
    pub(crate) async fn start(storage: Option<&str>, profiles: usize) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let privity = privity(folder.path(), storage).await?;
        let subjects = fill(&privity, profiles).await?;
        refresh_facts(&privity).await?;
        let terms = CredentialTerms {
            purposes: Some(vec![world::purpose(world::READS_FOR).as_str().into()]),
            ends_at: None,
        };
        let reader = world::recipient(world::READER).as_str().into();
        let (_, key) = add_key(&privity, &reader, terms).await?;
        let (stop, _) = watch::channel(false);
        Ok(Self {
            privity,
            subjects,
            key,
            folder,
            stop,
        })
    }

    /// Serves all routes on a thread of their own.
    pub(crate) async fn serve(&self, thread: &Thread) -> anyhow::Result<SocketAddr> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (privity, shutdown) = (self.privity.clone(), self.stop.subscribe());
        thread.handle.spawn(async move {
            if let Ok(listener) = TcpListener::from_std(listener) {
                let _ = server::serve(privity, listener, shutdown).await;
            }
        });
        Ok(address)
    }

    /// Ends what runs, and takes the folder away.
    pub(crate) fn stop(self) {
        let _ = self.stop.send(true);
        drop(self.folder);
    }
}

async fn privity(base: &Path, storage: Option<&str>) -> anyhow::Result<Privity> {
    for folder in ["consent", "policies"] {
        std::fs::create_dir(base.join(folder))?;
    }
    for (name, text) in [
        ("profile.yaml", world::profile_yaml()),
        ("map.yaml", world::map_yaml()),
        ("consent/purposes.yaml", world::purposes_yaml()),
        ("policies/company.cedar", world::cedar()),
    ] {
        std::fs::write(base.join(name), text)?;
    }
    let base = base.display();
    let storage = storage.map_or_else(|| format!("sqlite:{base}/privity.db"), str::to_owned);
    let settings = serde_saphyr::from_str(&format!(
        "business: {{name: Bench, privacy_contact: privacy@bench.example}}\nbase_url: https://privacy.bench.example\nstorage: \"{storage}\"\nkey_file: {base}/privity.key\npackages_dir: {base}/packages\ndata_map: {base}/map.yaml\nprofile: {base}/profile.yaml\nconsent: {base}/consent\npolicies: {base}/policies\nmail: {{url: \"smtp://127.0.0.1:1\", tls: none, from: privacy@bench.example}}\n"
    ))?;
    let (clock, rng) = (governance::system_clock(), governance::system_rng());
    Ok(governance::start(settings, clock, rng).await?)
}

async fn fill(privity: &Privity, profiles: usize) -> anyhow::Result<Vec<SubjectId>> {
    let schema = privity.schema().cloned();
    let schema = schema.ok_or_else(|| anyhow::anyhow!("no schema"))?;
    let source = schema.source_of("shop");
    let source = source.ok_or_else(|| anyhow::anyhow!("no shop"))?;
    let numbers: Vec<_> = (0..world::ATTRIBUTES)
        .filter_map(|one| schema.attribute_of(&world::attribute(one)))
        .map(|rule| rule.number)
        .collect();
    let mut subjects = Vec::new();
    for first in (0..profiles).step_by(BATCH) {
        let batch = first..profiles.min(first + BATCH);
        let records = batch.map(|number| {
            let values = numbers.iter().enumerate();
            let values = values.map(|(place, attribute)| {
                let value = Sensitive::new(value(number, place));
                (*attribute, GivenValue::from(value))
            });
            GivenRecord {
                values: values.collect(),
                observed_at: None,
            }
        });
        let written = write(privity, source, records.collect(), Actor::CommandLine).await?;
        subjects.extend(written.subjects.into_iter().flatten());
    }
    anyhow::ensure!(subjects.len() == profiles, "profiles were refused");
    Ok(subjects)
}

/// Of about twenty bytes.
fn value(number: usize, place: usize) -> String {
    match place {
        0 => number.to_string(),
        3 => "US".to_owned(),
        4 => "CA".to_owned(),
        place => format!("value {place} of {number:08}"),
    }
}
