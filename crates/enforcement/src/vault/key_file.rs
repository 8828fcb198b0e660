//! The key file: where the key ring is kept, apart from the database and from the database's backups.
//!
//! Never overwritten, readable by its owner alone. Whoever has it and the database can read everything; whoever loses it
//! loses everything that is sealed.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::rng::Rng;
use domain::sensitive::Sensitive;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::key_ring::KeyRing;

/// Larger files are no key files.
const MAX_BYTES: u64 = 1 << 20;

/// Why there is no key ring. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Nothing there.
    #[error(
        "there is no key file at `{0}`; restore it from where you keep it, or make one for a new installation"
    )]
    Missing(PathBuf),
    /// Something there already.
    #[error(
        "there is a file at `{0}` already, and a key file is never overwritten; open it, or choose another path"
    )]
    Exists(PathBuf),
    /// Others may read or change it.
    #[error(
        "the key file `{path}` can be read or changed by others (mode {mode:03o}); run `chmod 600 {path}`"
    )]
    OpenToOthers {
        /// Where it is.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not what a key file looks like.
    #[error(
        "the key file `{0}` is damaged; restore it from where you keep its copy, there is no other way to read what it sealed"
    )]
    Damaged(PathBuf),
    /// A version from the future.
    #[error(
        "the key file `{path}` has the form {form}; this version of privity reads form 1, use a newer one"
    )]
    Form {
        /// Where it is.
        path: PathBuf,
        /// Its form.
        form: u32,
    },
    /// The operating system refused.
    #[error("the key file `{path}` could not be {attempt}")]
    Io {
        /// Where it is, or was to be.
        path: PathBuf,
        /// What was tried.
        attempt: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    privity_key_file: u32,
    key_encryption_keys: BTreeMap<u32, Sensitive<String>>,
    root: Sensitive<String>,
    audit_log_seed: Sensitive<String>,
}

impl KeyRing {
    /// Makes new keys and writes them to `path`, all or nothing, durable before it returns.
    ///
    /// # Errors
    /// [`KeyFileError::Exists`], [`KeyFileError::Io`].
    pub fn create(path: &Path, rng: &dyn Rng) -> Result<Self, KeyFileError> {
        let ring = Self::generate(rng);
        let mut suffix = [0; 8];
        rng.fill(&mut suffix);
        let draft = path.with_extension(format!("{:016x}.draft", u64::from_be_bytes(suffix)));
        let written = write_draft(&draft, &ring.to_content()).and_then(|()| publish(&draft, path));
        // The draft holds the keys; it goes whether or not the key file was made.
        let removed = fs::remove_file(&draft);
        written.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => KeyFileError::Exists(path.to_owned()),
            _ => KeyFileError::Io {
                path: path.to_owned(),
                attempt: "written",
                source,
            },
        })?;
        removed.map_err(|source| KeyFileError::Io {
            path: draft,
            attempt: "removed after it was copied",
            source,
        })?;
        Ok(ring)
    }

    /// Reads the keys from `path`.
    ///
    /// # Errors
    /// [`KeyFileError`], one variant for each thing that somebody can do about it.
    pub fn open(path: &Path) -> Result<Self, KeyFileError> {
        let text = read_private(path)?;
        let damaged = || KeyFileError::Damaged(path.to_owned());
        // Only the form, first: a newer one may have other members.
        let form = serde_json::from_str::<BTreeMap<String, serde::de::IgnoredAny>>(&text)
            .is_ok()
            .then(|| form_of(&text))
            .flatten();
        match form {
            None => return Err(damaged()),
            Some(1) => {}
            Some(form) => {
                return Err(KeyFileError::Form {
                    path: path.to_owned(),
                    form,
                });
            }
        }
        let content: Content = serde_json::from_str(&text).map_err(|_| damaged())?;
        Self::from_content(&content).ok_or_else(damaged)
    }

    fn from_content(content: &Content) -> Option<Self> {
        let epochs: Option<BTreeMap<_, _>> = content
            .key_encryption_keys
            .iter()
            .map(|(epoch, key)| Some((*epoch, decoded(key)?)))
            .collect();
        let epochs = epochs.filter(|epochs| !epochs.is_empty())?;
        debug_assert_eq!(content.privity_key_file, 1);
        Some(Self {
            epochs,
            root: decoded(&content.root)?,
            log_seed: decoded(&content.audit_log_seed)?,
        })
    }

    /// The file's text, put together by hand so that no copy of a key is left in memory.
    fn to_content(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(1024));
        text.push_str("{\n  \"privity_key_file\": 1,\n  \"key_encryption_keys\": {");
        for (position, (epoch, key)) in self.epochs.iter().enumerate() {
            text.push_str(if position == 0 { "\n    " } else { ",\n    " });
            text.push_str(&format!("\"{epoch}\": "));
            push_key(&mut text, key);
        }
        text.push_str("\n  },\n  \"root\": ");
        push_key(&mut text, &self.root);
        text.push_str(",\n  \"audit_log_seed\": ");
        push_key(&mut text, &self.log_seed);
        text.push_str("\n}\n");
        text
    }
}

fn form_of(text: &str) -> Option<u32> {
    #[derive(Deserialize)]
    struct Form {
        privity_key_file: u32,
    }
    serde_json::from_str::<Form>(text)
        .ok()
        .map(|form| form.privity_key_file)
}

fn push_key(text: &mut String, key: &[u8; 32]) {
    let encoded = Zeroizing::new(STANDARD.encode(key));
    text.push('"');
    text.push_str(&encoded);
    text.push('"');
}

fn decoded(key: &Sensitive<String>) -> Option<Zeroizing<[u8; 32]>> {
    let bytes = Zeroizing::new(STANDARD.decode(key.expose()).ok()?);
    <[u8; 32]>::try_from(bytes.as_slice())
        .ok()
        .map(Zeroizing::new)
}

fn write_draft(draft: &Path, content: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(draft)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()
}

/// Gives the finished draft its name. A hard link fails where a file is already, which a rename would replace.
fn publish(draft: &Path, path: &Path) -> io::Result<()> {
    fs::hard_link(draft, path)?;
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

fn read_private(path: &Path) -> Result<Zeroizing<String>, KeyFileError> {
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => KeyFileError::Missing(path.to_owned()),
        _ => KeyFileError::Io {
            path: path.to_owned(),
            attempt: "read",
            source,
        },
    };
    let file = File::open(path).map_err(unreadable)?;
    // Asked of the open file, so that nobody can swap it between question and answer.
    let metadata = file.metadata().map_err(unreadable)?;
    let mode = metadata.mode() & 0o777;
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return Err(KeyFileError::Damaged(path.to_owned()));
    }
    if mode & 0o077 != 0 {
        return Err(KeyFileError::OpenToOthers {
            path: path.to_owned(),
            mode,
        });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(
        usize::try_from(metadata.len()).unwrap_or(0) + 1,
    ));
    file.take(MAX_BYTES)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| KeyFileError::Damaged(path.to_owned()))?;
    Ok(Zeroizing::new(text.to_owned()))
}
