//! Who did what an audit record says. Ids and keys only, never a name or an address.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::data_map::RecipientKey;
use crate::id::OperatorId;

/// Who did it. Text form: `subject`, `operator:opr_…`, `recipient:KEY`, `system`, `command_line`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Actor {
    /// The subject of the privacy request, through the Privacy Center or the API.
    Subject,
    /// An operator, through the Console or the API.
    Operator(OperatorId),
    /// A recipient, by its key in the data map.
    Recipient(RecipientKey),
    /// The program itself.
    System,
    /// Whoever ran `privity` on the machine.
    CommandLine,
}

/// A text that names no actor.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "this is not an actor; it should be `subject`, `system`, `command_line`, `operator:` with an id or `recipient:` with a key"
)]
pub struct InvalidActor;

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject => f.write_str("subject"),
            Self::Operator(id) => write!(f, "operator:{id}"),
            Self::Recipient(key) => write!(f, "recipient:{key}"),
            Self::System => f.write_str("system"),
            Self::CommandLine => f.write_str("command_line"),
        }
    }
}

impl FromStr for Actor {
    type Err = InvalidActor;

    fn from_str(text: &str) -> Result<Self, InvalidActor> {
        match text.split_once(':') {
            None if text == "subject" => Ok(Self::Subject),
            None if text == "system" => Ok(Self::System),
            None if text == "command_line" => Ok(Self::CommandLine),
            Some(("operator", id)) => id.parse().map(Self::Operator).map_err(|_| InvalidActor),
            Some(("recipient", key)) if !key.is_empty() => Ok(Self::Recipient(key.into())),
            _ => Err(InvalidActor),
        }
    }
}

impl Serialize for Actor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Actor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_actor_reads_back() {
        let operator = OperatorId::from_uuid(uuid::Uuid::from_u128(7));
        for actor in [
            Actor::Subject,
            Actor::Operator(operator),
            Actor::Recipient("mail_house".into()),
            Actor::System,
            Actor::CommandLine,
        ] {
            assert_eq!(actor.to_string().parse(), Ok(actor));
        }
        assert_eq!("operator:7".parse::<Actor>(), Err(InvalidActor));
        assert_eq!("recipient:".parse::<Actor>(), Err(InvalidActor));
    }
}
