//! Puts the program together: keys, database, law, data map, connectors, channels.

use std::cell::RefCell;
use std::sync::Arc;

use connectors::email::Mailer;
use domain::data_map::graph::SearchGraph;
use domain::progress::Progress;
use domain::rng::Rng;
use domain::time::Clock;
use enforcement::vault::KeyRing;
use storage::Database;
use zeroize::Zeroize as _;

use crate::settings::Settings;
use crate::{
    Parts, Privity, Problem, consent, data_map, deciding, disclosure, key, law, policy, profile,
};

/// Opens (or on the first start makes) the key file and the database, and loads law and data map. Source systems and
/// recipients are reached only when a task needs them.
pub async fn start(
    settings: Settings,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
) -> Result<Privity, Problem> {
    start_watched(settings, clock, rng, &Progress::unwatched()).await
}

/// [`start`], telling how far the database's migrations are, and later how far long work is.
pub async fn start_watched(
    mut settings: Settings,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    progress: &Progress,
) -> Result<Privity, Problem> {
    // Links and signatures are compared as texts, so there must be one spelling.
    settings
        .base_url
        .truncate(settings.base_url.trim_end_matches('/').len());
    let law = law::load(settings.law.as_deref()).map_err(|error| setup(&error))?;
    let mut loaded =
        data_map::load(&settings.data_map, &environment, &law).map_err(|error| setup(&error))?;
    let schema = (settings.profile.as_deref())
        .map(|path| profile::load_schema(path, &law))
        .transpose()
        .map_err(|error| setup(&error))?;
    for site in &settings.sites {
        crate::settings::check_site(site).map_err(|wrong| setup(&wrong))?;
    }
    let consent = match &settings.consent {
        Some(folder) => consent::load(folder, &loaded.map, &law).map_err(|error| setup(&error))?,
        None => consent::ConsentBook::default(),
    };
    let mappings = (schema.as_ref())
        .map(|schema| profile::mappings(schema, &loaded.map))
        .transpose()
        .map_err(|error| setup(&error))?;
    let scim = (schema.as_ref())
        .map(|schema| profile::scim_mapping(schema, &loaded.map))
        .transpose()
        .map_err(|error| setup(&error))?;
    let identity_providers =
        disclosure::identity_providers(&settings.identity_providers, &loaded.map, &consent)?;
    policy::check_settings(&settings).map_err(|error| setup(&error))?;
    if let Some(schema) = &schema {
        profile::declare(&mut loaded.map, &schema.schema)?;
    }
    let mailer = Arc::new(Mailer::new(&settings.mail).map_err(|error| setup(&error))?);
    let mut connectors = data_map::connect(&loaded).map_err(|error| setup(&error))?;
    let channels = data_map::channels(&loaded, &clock, &mailer).map_err(|error| setup(&error))?;
    let source = key::Source::of(&settings, clock.clone(), rng.clone())?;
    let keys = key::Held::open(source, rng.as_ref(), clock.now()).await?;
    let database = open_database(&settings, progress).await?;
    check_keys(&database, &keys.ring()).await?;
    if let Some(schema) = &schema {
        profile::accept(&database, schema, &law).await?;
    } else {
        profile::check_empty(&database).await?;
    }
    tokio::fs::create_dir_all(&settings.packages_dir).await.map_err(|error| Problem::new("setup", 500, format!("the packages folder `{}` can't be made ({error}); choose another in `packages_dir`", settings.packages_dir.display())))?;
    let graph = SearchGraph::new(&loaded.map);
    let deciding = deciding::Vocabulary::new(&law);
    let parts = Arc::new_cyclic(|parts| {
        if schema.is_some() {
            connectors.extend([profile::Vault::of(parts)]);
        }
        Parts {
            settings,
            database,
            keys,
            law,
            schema: schema.map(|loaded| Arc::new(loaded.schema)),
            mappings: mappings.unwrap_or_default(),
            scim: scim.flatten(),
            loaded,
            graph: Arc::new(graph),
            connectors,
            channels,
            mailer,
            deciding,
            consent,
            identity_providers,
            policies: policy::Place::default(),
            started: clock.now(),
            clock,
            rng,
            progress: progress.clone(),
            bell: tokio::sync::Notify::new(),
            recorder: crate::recorder::Recorder::default(),
            shown: crate::disclosure::Shown::default(),
            pace: crate::disclosure::Pace::default(),
            ground: policy::Ground::default(),
        }
    });
    let privity = Privity { parts };
    policy::begin(&privity).await?;
    policy::take_ground(&privity).await?;
    Ok(privity)
}

/// The data map's `${NAME}` come from the environment, so that no secret need stand in a file.
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the database's own address goes to the database"
)]
async fn open_database(settings: &Settings, progress: &Progress) -> Result<Database, Problem> {
    Database::open_watched(settings.storage.expose(), progress)
        .await
        .map_err(|error| setup(&error))
}

/// Another database's keys would seal what nobody can open again; better not to start.
async fn check_keys(database: &Database, keys: &KeyRing) -> Result<(), Problem> {
    let check = keys.key_check().to_vec();
    let known = database
        .write("check keys", move |tx| {
            storage::meta::get_or_insert(tx, "key_check", &check)
        })
        .await
        .map_err(|error: storage::Error| Problem::from(error))?;
    if known == keys.key_check() {
        return Ok(());
    }
    Err(Problem::new(
        "wrong_key_file",
        500,
        "the key file belongs to another database; set `key_file` to the one that this database was made with",
    ))
}

fn setup(error: &dyn std::fmt::Display) -> Problem {
    Problem::new("setup", 500, error.to_string())
}

/// The system's clock.
pub fn system_clock() -> Arc<dyn Clock> {
    struct SystemClock;
    impl Clock for SystemClock {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place where the present moment comes from"
        )]
        fn now(&self) -> jiff::Timestamp {
            jiff::Timestamp::now()
        }
    }
    Arc::new(SystemClock)
}

/// The operating system's random numbers. Each thread asks for some of them ahead, since a profile takes five and a call to the system
/// costs more than sealing it; what was given is wiped.
pub fn system_rng() -> Arc<dyn Rng> {
    struct SystemRng;
    impl Rng for SystemRng {
        fn fill(&self, bytes: &mut [u8]) {
            POOL.with_borrow_mut(|pool| pool.fill(bytes));
        }
    }
    Arc::new(SystemRng)
}

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; 512], given: 512 }) };
}

/// Random bytes, and how many of them were given away.
struct Pool {
    bytes: [u8; 512],
    given: usize,
}

impl Pool {
    fn fill(&mut self, wanted: &mut [u8]) {
        if wanted.len() > self.bytes.len() {
            return from_system(wanted);
        }
        if self.bytes.len() - self.given < wanted.len() {
            from_system(&mut self.bytes);
            self.given = 0;
        }
        let end = self.given + wanted.len();
        let Some(own) = self.bytes.get_mut(self.given..end) else {
            return from_system(wanted);
        };
        wanted.copy_from_slice(own);
        own.zeroize();
        self.given = end;
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where randomness comes from"
)]
#[expect(
    clippy::panic,
    reason = "without random numbers no key and no token may be made; the operating system always has them once it is up"
)]
fn from_system(bytes: &mut [u8]) {
    if let Err(error) = getrandom::fill(bytes) {
        panic!("the operating system has no random numbers: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn random_numbers_are_given_once_whatever_is_asked_for() {
        let rng = system_rng();
        let mut given = BTreeSet::new();
        for round in 0..2_000 {
            let mut bytes = vec![0; 16 + round % 40];
            rng.fill(&mut bytes);
            bytes.truncate(16);
            assert!(given.insert(bytes));
        }
        let mut many = vec![0; 4_096];
        rng.fill(&mut many);
        let zeros = many.iter().filter(|byte| **byte == 0).count();
        assert!(zeros < 100, "{zeros} of 4,096 bytes are zero");
    }
}
