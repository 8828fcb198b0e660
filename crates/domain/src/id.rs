//! Identifiers that we make ourselves: UUID v7 with a typed prefix, so that an id of one noun can never be passed for another's.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use uuid::Uuid;

/// The noun that an [`Id`] names; its prefix is part of the text form.
pub trait Noun: Copy + 'static {
    /// Three letters before the underscore, e.g. `req`.
    const PREFIX: &'static str;
}

/// An id of one noun. Text form: `req_` and 32 hexadecimal digits. Sorts by creation time.
pub struct Id<N: Noun>(Uuid, PhantomData<N>);

/// A text that is not an id of the expected noun.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "this is not an id of the expected kind; it should look like `{expected}_` followed by 32 hexadecimal digits"
)]
pub struct InvalidId {
    expected: &'static str,
}

impl<N: Noun> Id<N> {
    /// Wraps a UUID made elsewhere (v7 in production, seeded in tests).
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid, PhantomData)
    }

    /// The UUID behind the id.
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl<N: Noun> Clone for Id<N> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<N: Noun> Copy for Id<N> {}
impl<N: Noun> PartialEq for Id<N> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<N: Noun> Eq for Id<N> {}
impl<N: Noun> PartialOrd for Id<N> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<N: Noun> Ord for Id<N> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl<N: Noun> std::hash::Hash for Id<N> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
impl<N: Noun> fmt::Display for Id<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every record holds several: written as they are, without the formatter.
        let mut digits = [0; 32];
        f.write_str(N::PREFIX)?;
        f.write_str("_")?;
        f.write_str(self.0.simple().encode_lower(&mut digits))
    }
}
impl<N: Noun> fmt::Debug for Id<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl<N: Noun> FromStr for Id<N> {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = InvalidId {
            expected: N::PREFIX,
        };
        let Some(hex) = text
            .strip_prefix(N::PREFIX)
            .and_then(|rest| rest.strip_prefix('_'))
        else {
            return Err(invalid);
        };
        if hex.len() != 32 {
            return Err(invalid);
        }
        Uuid::try_parse(hex)
            .map(Self::from_uuid)
            .map_err(|_| invalid)
    }
}
impl<N: Noun> serde::Serialize for Id<N> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de, N: Noun> serde::Deserialize<'de> for Id<N> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// By what a recipient is known: an API key or a certificate.
#[derive(Clone, Copy, Debug)]
pub struct Credential;
impl Noun for Credential {
    const PREFIX: &'static str = "crd";
}
/// A privacy request.
#[derive(Clone, Copy, Debug)]
pub struct Request;
impl Noun for Request {
    const PREFIX: &'static str = "req";
}
/// A durable step of work.
#[derive(Clone, Copy, Debug)]
pub struct Task;
impl Noun for Task {
    const PREFIX: &'static str = "tsk";
}
/// One recipient told about one privacy request.
#[derive(Clone, Copy, Debug)]
pub struct Outreach;
impl Noun for Outreach {
    const PREFIX: &'static str = "out";
}
/// A person of the business who works in the Console.
#[derive(Clone, Copy, Debug)]
pub struct Operator;
impl Noun for Operator {
    const PREFIX: &'static str = "opr";
}
/// The person whose data it is.
#[derive(Clone, Copy, Debug)]
pub struct Subject;
impl Noun for Subject {
    const PREFIX: &'static str = "sub";
}

/// Id of a privacy request.
pub type RequestId = Id<Request>;
/// Id of a task.
pub type TaskId = Id<Task>;
/// Id of an outreach.
pub type OutreachId = Id<Outreach>;
/// Id of an operator.
pub type OperatorId = Id<Operator>;
/// Id of a subject.
pub type SubjectId = Id<Subject>;
/// Id of a credential.
pub type CredentialId = Id<Credential>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_itself_and_not_as_another_noun() {
        let id = RequestId::from_uuid(Uuid::from_u128(0x0192_f0c1));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.to_string().parse::<TaskId>().is_err());
        assert!("req_12".parse::<RequestId>().is_err());
    }
}
