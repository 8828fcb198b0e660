//! Signed notes and checkpoints in the formats of C2SP (signed-note, tlog-checkpoint), signed with Ed25519.
//!
//! The forms are public, so that anybody's tool can check our log, and so that a witness can add a signature of its own.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::audit::Hash;

/// The kind of key that this file knows, as the specification numbers it.
const ED25519_KIND: u8 = 1;
/// More signatures than a note may have.
const MAX_SIGNATURES: usize = 100;

/// Why a note, a checkpoint or a key was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Empty, or with a space or a plus sign.
    #[error("this cannot name a key: a name has no white space and no plus sign, and is not empty")]
    InvalidName,
    /// Not `name+id+key`, of another kind, or with an id that doesn't belong to it.
    #[error("this is not a public key; it should look like `name+1f2e3d4c+AbC…`")]
    InvalidKey,
    /// Not text, an empty line, signatures.
    #[error(
        "this is not a signed note: it must be text, an empty line, and lines that begin with a dash and a name"
    )]
    Malformed,
    /// A signature of a key that we know doesn't fit.
    #[error(
        "the signature does not fit the note: the note was changed, or somebody else signed it"
    )]
    WrongSignature,
    /// No signature of a key that we know.
    #[error("the note carries no signature of this key")]
    NotSigned,
    /// Signed, but no checkpoint.
    #[error("this is not a checkpoint: it must be an origin, a size and a root, each on a line")]
    MalformedCheckpoint,
}

/// A public key with its name. Text form: `name+id+key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    public: [u8; 32],
}

impl VerifierKey {
    /// A key with its name.
    ///
    /// # Errors
    /// [`NoteError::InvalidName`].
    pub fn new(name: &str, public: [u8; 32]) -> Result<Self, NoteError> {
        if !is_name(name) {
            return Err(NoteError::InvalidName);
        }
        let mut named = name.as_bytes().to_vec();
        named.extend([b'\n', ED25519_KIND]);
        named.extend(public);
        let [a, b, c, d, ..] = Hash::of(&named).0;
        Ok(Self {
            name: name.to_owned(),
            id: [a, b, c, d],
            public,
        })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::InvalidKey);
        };
        let bytes = STANDARD.decode(key).map_err(|_| NoteError::InvalidKey)?;
        let Some((&ED25519_KIND, public)) = bytes.split_first() else {
            return Err(NoteError::InvalidKey);
        };
        let key = Self::new(name, public.try_into().map_err(|_| NoteError::InvalidKey)?)?;
        if hex(key.id) != id {
            return Err(NoteError::InvalidKey);
        }
        Ok(key)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![ED25519_KIND];
        key.extend(self.public);
        write!(f, "{}+{}+{}", self.name, hex(self.id), STANDARD.encode(key))
    }
}

fn hex(id: [u8; 4]) -> String {
    format!("{:08x}", u32::from_be_bytes(id))
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.contains('+')
        && !name.chars().any(char::is_whitespace)
        && is_text(name)
}

fn is_text(text: &str) -> bool {
    !text
        .chars()
        .any(|character| character < ' ' && character != '\n')
}

/// Signs `text`, which must end with a line break.
pub(crate) fn sign_note(
    text: &str,
    key: &VerifierKey,
    pair: &Ed25519KeyPair,
) -> Result<String, NoteError> {
    if !text.ends_with('\n') || !is_text(text) {
        return Err(NoteError::Malformed);
    }
    let mut signature = key.id.to_vec();
    signature.extend_from_slice(pair.sign(text.as_bytes()).as_ref());
    Ok(format!(
        "{text}\n\u{2014} {} {}\n",
        key.name,
        STANDARD.encode(signature)
    ))
}

/// The text of a note that at least one of `keys` signed. Signatures of other keys are passed over.
///
/// # Errors
/// [`NoteError::Malformed`], [`NoteError::WrongSignature`], [`NoteError::NotSigned`].
pub fn verify_note<'a>(note: &'a str, keys: &[VerifierKey]) -> Result<&'a str, NoteError> {
    let (text, signatures) = split_note(note)?;
    let mut signed = false;
    for line in signatures {
        let signature = Signature::parse(line)?;
        let Some(key) = keys
            .iter()
            .find(|key| key.name == signature.name && key.id == signature.id)
        else {
            continue;
        };
        UnparsedPublicKey::new(&ED25519, key.public)
            .verify(text.as_bytes(), &signature.bytes)
            .map_err(|_| NoteError::WrongSignature)?;
        signed = true;
    }
    if signed {
        Ok(text)
    } else {
        Err(NoteError::NotSigned)
    }
}

/// The text with its last line break, and the lines of signatures.
fn split_note(note: &str) -> Result<(&str, Vec<&str>), NoteError> {
    let end = note.rfind("\n\n").ok_or(NoteError::Malformed)?;
    let (text, rest) = note.split_at_checked(end + 1).ok_or(NoteError::Malformed)?;
    let lines = rest
        .strip_prefix('\n')
        .and_then(|lines| lines.strip_suffix('\n'))
        .ok_or(NoteError::Malformed)?;
    let signatures: Vec<_> = lines.split('\n').collect();
    if !is_text(note) || signatures.len() > MAX_SIGNATURES {
        return Err(NoteError::Malformed);
    }
    Ok((text, signatures))
}

struct Signature<'a> {
    name: &'a str,
    id: [u8; 4],
    bytes: Vec<u8>,
}

impl<'a> Signature<'a> {
    fn parse(line: &'a str) -> Result<Self, NoteError> {
        let (name, encoded) = line
            .strip_prefix("\u{2014} ")
            .and_then(|rest| rest.split_once(' '))
            .ok_or(NoteError::Malformed)?;
        let decoded = STANDARD.decode(encoded).map_err(|_| NoteError::Malformed)?;
        match decoded.split_first_chunk::<4>() {
            Some((id, bytes)) if is_name(name) && !bytes.is_empty() => Ok(Self {
                name,
                id: *id,
                bytes: bytes.to_vec(),
            }),
            _ => Err(NoteError::Malformed),
        }
    }
}

/// What is signed of a log: its name, how many records it has, and the root of the tree over them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: u64,
    root: Hash,
    extensions: Vec<String>,
}

impl Checkpoint {
    /// A checkpoint of the first `size` records.
    ///
    /// # Errors
    /// [`NoteError::InvalidName`] when `origin` cannot name a key as well.
    pub fn new(origin: &str, size: u64, root: Hash) -> Result<Self, NoteError> {
        if !is_name(origin) {
            return Err(NoteError::InvalidName);
        }
        Ok(Self {
            origin: origin.to_owned(),
            size,
            root,
            extensions: Vec::new(),
        })
    }

    /// Reads the text of a checkpoint, without its signatures.
    ///
    /// # Errors
    /// [`NoteError::MalformedCheckpoint`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let malformed = NoteError::MalformedCheckpoint;
        let mut lines = text.strip_suffix('\n').ok_or(malformed)?.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(malformed);
        };
        let extensions: Vec<_> = lines.map(str::to_owned).collect();
        let count: u64 = size.parse().map_err(|_| malformed)?;
        let decoded = STANDARD.decode(root).map_err(|_| malformed)?;
        // `+7` and `007` parse as numbers too, but one size has one text.
        if origin.is_empty() || extensions.iter().any(String::is_empty) || count.to_string() != size
        {
            return Err(malformed);
        }
        let root = Hash::try_from(decoded.as_slice()).map_err(|_| malformed)?;
        Ok(Self {
            origin: origin.to_owned(),
            size: count,
            root,
            extensions,
        })
    }

    /// The text that is signed.
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            STANDARD.encode(self.root.as_bytes())
        );
        self.extensions.iter().for_each(|line| {
            text.push_str(line);
            text.push('\n');
        });
        text
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// How many records.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root over them.
    pub const fn root(&self) -> Hash {
        self.root
    }
}

/// The checkpoint in a note that `key` signed, which must carry the key's own name as its origin.
///
/// # Errors
/// As [`verify_note`], and [`NoteError::MalformedCheckpoint`].
pub fn verify_checkpoint(note: &str, key: &VerifierKey) -> Result<Checkpoint, NoteError> {
    let checkpoint = Checkpoint::parse(verify_note(note, std::slice::from_ref(key))?)?;
    if checkpoint.origin == key.name {
        Ok(checkpoint)
    } else {
        Err(NoteError::MalformedCheckpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_signs_checkpoints_of_its_own_log_only() -> Result<(), NoteError> {
        let pair =
            Ed25519KeyPair::from_seed_unchecked(&[7; 32]).map_err(|_| NoteError::InvalidKey)?;
        let public = aws_lc_rs::signature::KeyPair::public_key(&pair);
        let public = public
            .as_ref()
            .try_into()
            .map_err(|_| NoteError::InvalidKey)?;
        let key = VerifierKey::new("one.example/audit", public)?;
        let own = Checkpoint::new("one.example/audit", 1, Hash::of(b"root"))?;
        let other = Checkpoint::new("other.example/audit", 1, Hash::of(b"root"))?;
        assert_eq!(
            verify_checkpoint(&sign_note(&own.to_text(), &key, &pair)?, &key),
            Ok(own)
        );
        let foreign = sign_note(&other.to_text(), &key, &pair)?;
        assert_eq!(
            verify_checkpoint(&foreign, &key),
            Err(NoteError::MalformedCheckpoint)
        );
        Ok(())
    }
}
