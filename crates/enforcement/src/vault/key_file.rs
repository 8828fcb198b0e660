//! The key file: where the key ring is kept, apart from the database and from the database's backups.
//!
//! Readable by its owner alone, and never overwritten: a change of keys writes a whole new file and then gives it the old one's name.
//! Whoever has it and the database can read everything; whoever loses it loses everything that is sealed.
//!
//! Form 1 has epoch keys, root and the log's seed. Form 2 says which epoch wraps, and has index keys; a file becomes one with its
//! first change of keys. Form 3 is sealed under a key service ([`super::key_service`]).

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::key_service::KeyServiceError;
use domain::rng::Rng;
use domain::sensitive::Sensitive;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::key_ring::KeyRing;
use super::rotation::{KeyChange, RotationError};

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
        "the key file `{path}` has the form {form}; this version of privity reads forms 1 to 3, use a newer one"
    )]
    Form {
        /// Where it is.
        path: PathBuf,
        /// Its form.
        form: u32,
    },
    /// It opens only with its key service.
    #[error(
        "the key file `{path}` is sealed under the key service `{service}`; name that one in `key_service`"
    )]
    OtherService {
        /// Where it is.
        path: PathBuf,
        /// The service that it names.
        service: String,
    },
    /// It lies open, although a key service is set.
    #[error(
        "the key file `{0}` is not sealed yet, although the settings name a key service; run `privity key protect`"
    )]
    Unprotected(PathBuf),
    /// The key service gave no key.
    #[error("the key file `{path}` could not be opened or sealed")]
    Service {
        /// Where it is.
        path: PathBuf,
        /// Why not.
        #[source]
        source: KeyServiceError,
    },
    /// Somebody else changed it at the same moment.
    #[error("the key file `{0}` was changed by somebody else just now; look at it and try again")]
    Changed(PathBuf),
    /// The keys cannot be changed that way now.
    #[error(transparent)]
    Rotation(RotationError),
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
    #[serde(rename = "privity_key_file")]
    _form: u32,
    key_encryption_keys: BTreeMap<u32, Sensitive<String>>,
    /// From form 2 on; in form 1 the newest wraps.
    #[serde(default)]
    wrapping_epoch: Option<u32>,
    /// From form 2 on; in form 1 there is one, and it follows from the root.
    #[serde(default)]
    index_keys: Option<BTreeMap<u32, Sensitive<String>>>,
    #[serde(default)]
    indexing_version: Option<u32>,
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
        write_new(path, &ring.to_content(), rng)?;
        Ok(ring)
    }

    /// Makes one change in the key file, all or nothing, durable before it returns. Nodes that run see it when they start again.
    ///
    /// # Errors
    /// [`KeyFileError::Rotation`] when the change cannot be made now, and whatever else may be wrong with the file; it is as before.
    pub fn change(path: &Path, change: KeyChange, rng: &dyn Rng) -> Result<Self, KeyFileError> {
        let lock = Lock::of(path)?;
        let mut ring = Self::open(&lock.path)?;
        ring.apply(change, rng).map_err(KeyFileError::Rotation)?;
        replace(&lock, &ring.to_content(), rng)?;
        Ok(ring)
    }

    /// Reads the keys from `path`.
    ///
    /// # Errors
    /// [`KeyFileError`], one variant for each thing that somebody can do about it.
    pub fn open(path: &Path) -> Result<Self, KeyFileError> {
        Self::from_text(path, &read_private(path)?)
    }

    /// The keys in a text of form 1 or 2.
    pub(super) fn from_text(path: &Path, text: &str) -> Result<Self, KeyFileError> {
        let damaged = || KeyFileError::Damaged(path.to_owned());
        // Only the form, first: a newer one may have other members.
        let form = form_of(text).ok_or_else(damaged)?;
        match form.privity_key_file {
            1 | 2 => {}
            3 => {
                return Err(KeyFileError::OtherService {
                    path: path.to_owned(),
                    service: form.key_service.unwrap_or_default(),
                });
            }
            form => {
                return Err(KeyFileError::Form {
                    path: path.to_owned(),
                    form,
                });
            }
        }
        let content: Content = serde_json::from_str(text).map_err(|_| damaged())?;
        Self::from_content(&content, form.privity_key_file).ok_or_else(damaged)
    }

    fn from_content(content: &Content, form: u32) -> Option<Self> {
        let epochs = decoded_keys(&content.key_encryption_keys)?;
        let (root, log_seed) = (decoded(&content.root)?, decoded(&content.audit_log_seed)?);
        let mut ring = Self::of_first_form(epochs, root, log_seed);
        let second = (
            &content.wrapping_epoch,
            &content.index_keys,
            &content.indexing_version,
        );
        match (form, second) {
            (1, (None, None, None)) => {}
            (2, (Some(wrapping), Some(index_keys), Some(indexing))) => {
                ring.wrapping = *wrapping;
                ring.index_keys = decoded_keys(index_keys)?;
                ring.indexing = *indexing;
            }
            _ => return None,
        }
        let whole = ring.epochs.contains_key(&ring.wrapping)
            && ring.index_keys.contains_key(&ring.indexing);
        whole.then_some(ring)
    }

    /// Whether the first form says it all: what earlier versions read as well.
    fn is_of_first_form(&self) -> bool {
        let first = Self::of_first_form(
            self.epochs.clone(),
            self.root.clone(),
            self.log_seed.clone(),
        );
        (first.wrapping, first.indexing) == (self.wrapping, self.indexing)
            && first.index_keys == self.index_keys
    }

    /// The file's text, put together by hand so that no copy of a key is left in memory.
    pub(super) fn to_content(&self) -> Zeroizing<String> {
        let first = self.is_of_first_form();
        let keys = self.epochs.len() + self.index_keys.len() + 2;
        // Room for all of it: a text that grows would leave copies behind.
        let mut text = Zeroizing::new(String::with_capacity(512 + 80 * keys));
        text.push_str(if first {
            "{\n  \"privity_key_file\": 1"
        } else {
            "{\n  \"privity_key_file\": 2"
        });
        push_keys(&mut text, "key_encryption_keys", &self.epochs);
        if !first {
            text.push_str(&format!(",\n  \"wrapping_epoch\": {}", self.wrapping));
            push_keys(&mut text, "index_keys", &self.index_keys);
            text.push_str(&format!(",\n  \"indexing_version\": {}", self.indexing));
        }
        text.push_str(",\n  \"root\": ");
        push_key(&mut text, &self.root);
        text.push_str(",\n  \"audit_log_seed\": ");
        push_key(&mut text, &self.log_seed);
        text.push_str("\n}\n");
        text
    }
}

#[derive(Deserialize)]
pub(super) struct Form {
    pub(super) privity_key_file: u32,
    #[serde(default)]
    key_service: Option<String>,
}

pub(super) fn form_of(text: &str) -> Option<Form> {
    serde_json::from_str(text).ok()
}

fn push_keys(text: &mut String, name: &str, keys: &BTreeMap<u32, Zeroizing<[u8; 32]>>) {
    text.push_str(&format!(",\n  \"{name}\": {{"));
    for (position, (version, key)) in keys.iter().enumerate() {
        text.push_str(if position == 0 { "\n    " } else { ",\n    " });
        text.push_str(&format!("\"{version}\": "));
        push_key(text, key);
    }
    text.push_str("\n  }");
}

fn push_key(text: &mut String, key: &[u8; 32]) {
    let encoded = Zeroizing::new(STANDARD.encode(key));
    text.push('"');
    text.push_str(&encoded);
    text.push('"');
}

fn decoded_keys(
    keys: &BTreeMap<u32, Sensitive<String>>,
) -> Option<BTreeMap<u32, Zeroizing<[u8; 32]>>> {
    keys.iter()
        .map(|(version, key)| Some((*version, decoded(key)?)))
        .collect()
}

fn decoded(key: &Sensitive<String>) -> Option<Zeroizing<[u8; 32]>> {
    let bytes = Zeroizing::new(STANDARD.decode(key.expose()).ok()?);
    <[u8; 32]>::try_from(bytes.as_slice())
        .ok()
        .map(Zeroizing::new)
}

/// Writes a private file that is not there yet, all or nothing.
pub(super) fn write_new(path: &Path, content: &str, rng: &dyn Rng) -> Result<(), KeyFileError> {
    let draft = draft_of(path, rng);
    let written = write_draft(&draft, content, None).and_then(|()| publish(&draft, path));
    // The draft holds the keys; it goes whether or not the key file was made.
    let removed = fs::remove_file(&draft);
    written.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists(path.to_owned()),
        _ => io_error(path, "written", source),
    })?;
    removed.map_err(|source| io_error(&draft, "removed after it was copied", source))
}

/// A key file that nobody else changes meanwhile.
pub(super) struct Lock {
    path: PathBuf,
    file: File,
}

impl Lock {
    /// Waits for nobody: who comes second is told so.
    pub(super) fn of(path: &Path) -> Result<Self, KeyFileError> {
        let opening = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => KeyFileError::Missing(path.to_owned()),
            _ => io_error(path, "opened to be changed", source),
        };
        // The file itself and not a link to it, which a rename would replace.
        let path = fs::canonicalize(path).map_err(opening)?;
        let file = File::open(&path).map_err(opening)?;
        file.try_lock()
            .map_err(|_| KeyFileError::Changed(path.clone()))?;
        let lock = Self { path, file };
        lock.is_still_there()?;
        Ok(lock)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the name still leads to the locked file: another change would have given it to a new one.
    fn is_still_there(&self) -> Result<fs::Metadata, KeyFileError> {
        let reading = |source| io_error(&self.path, "read", source);
        let ours = self.file.metadata().map_err(reading)?;
        let there = fs::metadata(&self.path).map_err(reading)?;
        if (ours.dev(), ours.ino()) == (there.dev(), there.ino()) {
            Ok(ours)
        } else {
            Err(KeyFileError::Changed(self.path.clone()))
        }
    }
}

/// Puts a whole new file in the place of a locked one, of the same owner, durable before the old one loses its name.
pub(super) fn replace(lock: &Lock, content: &str, rng: &dyn Rng) -> Result<(), KeyFileError> {
    let path = lock.path();
    let old = lock.is_still_there()?;
    let draft = draft_of(path, rng);
    let written = write_draft(&draft, content, Some((old.uid(), old.gid())))
        .and_then(|()| fs::rename(&draft, path))
        .and_then(|()| sync_directory(path));
    written.map_err(|source| {
        // Gone already when only the directory could not be written.
        drop(fs::remove_file(&draft));
        io_error(path, "replaced", source)
    })
}

fn io_error(path: &Path, attempt: &'static str, source: io::Error) -> KeyFileError {
    KeyFileError::Io {
        path: path.to_owned(),
        attempt,
        source,
    }
}

fn draft_of(path: &Path, rng: &dyn Rng) -> PathBuf {
    let mut suffix = [0; 8];
    rng.fill(&mut suffix);
    path.with_extension(format!("{:016x}.draft", u64::from_be_bytes(suffix)))
}

fn write_draft(draft: &Path, content: &str, owner: Option<(u32, u32)>) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(draft)?;
    let mine = file.metadata()?;
    if let Some((user, group)) = owner
        && (user, group) != (mine.uid(), mine.gid())
    {
        // An operator may change the keys of a program that runs under another account, which must still be able to read them.
        fchown(&file, Some(user), Some(group))?;
    }
    file.write_all(content.as_bytes())?;
    file.sync_all()
}

/// Gives the finished draft its name. A hard link fails where a file is already, which a rename would replace.
fn publish(draft: &Path, path: &Path) -> io::Result<()> {
    fs::hard_link(draft, path)?;
    sync_directory(path)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

pub(super) fn read_private(path: &Path) -> Result<Zeroizing<String>, KeyFileError> {
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
