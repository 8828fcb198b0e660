//! A section as an object, field by field: what `getSection` and `parsedSections` of the client side API show to tags on a page.
//!
//! Source: IAB Global Privacy Platform, CMP API Specification 1.1 (CC BY 3.0); values as in the IAB's JavaScript library.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::ids::Ids;
use super::section::Section;
use super::value::{Restriction, Value};

impl Serialize for Section {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.fields())
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Integer(number) => number.serialize(serializer),
            Self::Flag(flag) => flag.serialize(serializer),
            // Always with three places, as JavaScript writes a date.
            Self::Time(time) => serializer.collect_str(&time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ")),
            Self::Letters(letters) => letters.serialize(serializer),
            Self::Flags(flags) => flags.serialize(serializer),
            Self::Integers(numbers) => serializer.collect_seq(numbers),
            Self::Ids(ids) => ids.serialize(serializer),
            Self::Restrictions(all) => all.serialize(serializer),
        }
    }
}

impl Serialize for Ids {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl Serialize for Restriction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("key", &self.purpose)?;
        map.serialize_entry("type", &self.kind)?;
        map.serialize_entry("ids", &self.vendors)?;
        map.end()
    }
}
