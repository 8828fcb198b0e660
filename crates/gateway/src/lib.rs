//! The reverse proxy before the business's own APIs: applications call them as ever, and get what was decided and recorded, nothing else.
//!
//! One call is `exchange`: who calls (`caller`), where it goes and whose data it is (`route`), what is granted (`ask`), what the
//! business's API says (`upstream`), and what of it passes (`body`). Each step fails closed. See docs/guides/gateway.md.

mod answer;
mod ask;
mod bearer;
mod body;
mod caller;
mod counts;
mod decode;
mod exchange;
mod ext_authz;
pub mod learn;
mod patient;
mod query;
mod route;
mod serve;
mod tls;
mod upstream;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use domain::rng::Rng;
use governance::data_map::Findings;
use governance::settings::GatewaySettings;
use governance::{Privity, Problem};

use hyper::HeaderMap;
use hyper::header::HeaderName;
use jiff::Timestamp;

pub use bearer::bearer;
pub use counts::{Counted, Outcome};
pub use route::Routes;
pub use serve::serve;

use route::load::{Stamp, load};
use tls::{Fingerprint, Tls};
use upstream::Upstreams;

/// The gateway: routes that may change, and connections to upstreams that are kept.
pub struct Gateway {
    pub(crate) privity: Privity,
    pub(crate) upstreams: Upstreams,
    routes: RwLock<Arc<Routes>>,
    folder: PathBuf,
    /// The prefix under which Envoy asks.
    envoy: Option<String>,
    certificates: Certificates,
    stamp: Mutex<Stamp>,
    rng: Arc<dyn Rng>,
}

/// What became of looking at the routes' files again.
#[derive(Debug)]
pub enum Reloaded {
    /// They have not changed.
    Unchanged,
    /// So many routes are in force now.
    Swapped(usize),
    /// They are wrong; those before stay in force.
    Kept(Findings),
}

impl Gateway {
    /// A gateway with the routes that the setting `gateway` names.
    ///
    /// # Errors
    /// [`Problem`] when there are no settings for it, no profiles whose attributes routes could name, or something is wrong with the routes: with file
    /// and line.
    pub fn open(privity: Privity, rng: Arc<dyn Rng>) -> Result<Self, Problem> {
        let Some(settings) = privity.settings().gateway.clone() else {
            return Err(Problem::new(
                "setup",
                500,
                "there is no gateway here; set `gateway.listen` and `gateway.routes`",
            ));
        };
        let certificates = Certificates::of(&settings)?;
        let stamp = Stamp::of(&settings.routes);
        let routes = read(&privity, &settings.routes, &Routes::default())?
            .map_err(|findings| Problem::new("setup", 500, findings.to_string()))?;
        Ok(Self {
            upstreams: Upstreams::new()?,
            routes: RwLock::new(Arc::new(routes)),
            folder: settings.routes,
            envoy: settings.ext_authz,
            certificates,
            stamp: Mutex::new(stamp),
            privity,
            rng,
        })
    }

    /// The routes in force.
    pub fn routes(&self) -> Arc<Routes> {
        Arc::clone(&self.routes.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the routes again if their files have changed. Calls under way go on with those that they began with.
    pub fn reload(&self) -> Reloaded {
        let now = Stamp::of(&self.folder);
        {
            let mut stamp = self.stamp.lock().unwrap_or_else(PoisonError::into_inner);
            if *stamp == now {
                return Reloaded::Unchanged;
            }
            *stamp = now;
        }
        match read(&self.privity, &self.folder, &self.routes()) {
            Ok(Ok(routes)) => {
                let count = routes.len();
                let mut force = self.routes.write().unwrap_or_else(PoisonError::into_inner);
                *force = Arc::new(routes);
                Reloaded::Swapped(count)
            }
            Ok(Err(findings)) => Reloaded::Kept(findings),
            // There were profiles when it was opened, and they don't go.
            Err(_) => Reloaded::Unchanged,
        }
    }

    /// What happened on each route since the program started.
    pub fn counts(&self) -> Vec<Counted> {
        let routes = self.routes();
        let counted = routes.iter().map(|route| Counted {
            route: route.key.clone(),
            outcomes: route.counts.read(),
        });
        counted.collect()
    }

    /// What routes with `learn: true` saw that they don't name yet, as lines for their files, by the routes' keys: names and kinds of values,
    /// never a value.
    pub fn learnt(&self) -> Vec<(String, String)> {
        let Some(schema) = self.privity.schema() else {
            return Vec::new();
        };
        let routes = self.routes();
        let learnt = routes.iter().filter_map(|route| {
            let proposal = learn::proposal(route, schema)?;
            Some((route.key.clone(), proposal))
        });
        learnt.collect()
    }

    /// Writes what was learnt beside the routes, into the folder `.learnt`, which nothing reads but people.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn write_learnt(&self) -> std::io::Result<()> {
        let learnt = self.learnt();
        if learnt.is_empty() {
            return Ok(());
        }
        let beside = if self.folder.is_dir() {
            self.folder.as_path()
        } else {
            self.folder.parent().unwrap_or(Path::new("."))
        };
        let folder = beside.join(".learnt");
        std::fs::create_dir_all(&folder)?;
        for (route, text) in learnt {
            let letters = route.chars().map(|letter| {
                if letter.is_ascii_alphanumeric() {
                    letter
                } else {
                    '_'
                }
            });
            let name: String = letters.collect();
            std::fs::write(folder.join(name + ".txt"), text)?;
        }
        Ok(())
    }

    /// The path of the call that Envoy asks about, where this is such a question.
    pub(crate) fn asked_by_envoy<'p>(&self, path: &'p str) -> Option<&'p str> {
        let rest = path.strip_prefix(self.envoy.as_deref()?)?;
        rest.starts_with('/').then_some(rest)
    }

    /// TLS towards recipients, where the gateway ends it itself.
    pub(crate) const fn tls(&self) -> Option<&Tls> {
        match &self.certificates {
            Certificates::Shown(tls) => Some(tls),
            Certificates::Unknown | Certificates::ToldIn(_) => None,
        }
    }

    /// The fingerprint of the caller's certificate: the one that was shown to us, or of which whatever ends TLS tells.
    pub(crate) fn certificate(
        &self,
        shown: Option<Fingerprint>,
        headers: &HeaderMap,
    ) -> Option<Fingerprint> {
        match &self.certificates {
            Certificates::Shown(_) => shown,
            Certificates::ToldIn(header) => caller::fingerprint(headers, header),
            Certificates::Unknown => None,
        }
    }

    pub(crate) fn base_url(&self) -> &str {
        &self.privity.settings().base_url
    }

    /// Ties an answer to the lines of the log about it.
    pub(crate) fn trace_id(&self) -> String {
        let mut bytes = [0; 16];
        self.rng.fill(&mut bytes);
        format!("{:032x}", u128::from_be_bytes(bytes))
    }
}

/// How the gateway comes to know recipients' certificates.
enum Certificates {
    /// Not at all.
    Unknown,
    /// By this header, from whatever ends TLS in front of it.
    ToldIn(HeaderName),
    /// It ends TLS itself.
    Shown(Box<Tls>),
}

impl Certificates {
    fn of(settings: &GatewaySettings) -> Result<Self, Problem> {
        let files = (&settings.tls_certificate, &settings.tls_key);
        let words = match (&settings.certificate_header, files) {
            (None, (None, None)) => return Ok(Self::Unknown),
            (Some(name), (None, None)) => return header(name).map(Self::ToldIn),
            (None, (Some(certificate), Some(key))) => {
                return Tls::open(certificate, key).map(|tls| Self::Shown(Box::new(tls)));
            }
            (Some(_), (Some(_), _) | (_, Some(_))) => {
                "`gateway.certificate_header` is for what ends TLS in front of the gateway, and here the gateway ends it itself; leave one of the two out"
            }
            (None, (Some(_), None) | (None, Some(_))) => {
                "`gateway.tls_certificate` and `gateway.tls_key` belong together; give both or none"
            }
        };
        Err(Problem::new("setup", 500, words))
    }
}

fn header(name: &str) -> Result<HeaderName, Problem> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
        let words = "`gateway.certificate_header` is no name of a header; correct it";
        Problem::new("setup", 500, words)
    })
}

/// Looks at the routes that the settings name without putting them in force: how many there are, or what is wrong with them.
///
/// # Errors
/// [`Problem`] when there are no profiles whose attributes routes could name.
pub fn check(privity: &Privity) -> Result<Option<Result<usize, Findings>>, Problem> {
    let Some(settings) = &privity.settings().gateway else {
        return Ok(None);
    };
    check_folder(privity, &settings.routes).map(Some)
}

/// Looks at the certificate with which the gateway ends TLS, where it does: when it ends.
///
/// # Errors
/// [`Problem`] when it can't be used.
pub fn check_certificate(privity: &Privity) -> Result<Option<Timestamp>, Problem> {
    let Some(settings) = &privity.settings().gateway else {
        return Ok(None);
    };
    Certificates::of(settings)?;
    let file = settings.tls_certificate.as_deref();
    file.map(tls::ends).transpose()
}

/// The same for any folder or file.
///
/// # Errors
/// As [`check`].
pub fn check_folder(privity: &Privity, folder: &Path) -> Result<Result<usize, Findings>, Problem> {
    let routes = read(privity, folder, &Routes::default())?;
    Ok(routes.map(|routes| routes.len()))
}

fn read(
    privity: &Privity,
    folder: &Path,
    before: &Routes,
) -> Result<Result<Routes, Findings>, Problem> {
    let Some(schema) = privity.schema() else {
        return Err(Problem::new(
            "no_profile_schema",
            409,
            "routes name attributes, and there is no schema of them here; set `profile` to its file",
        ));
    };
    let env = |name: &str| std::env::var(name).ok();
    Ok(load(folder, schema, &env, before))
}
