//! Hands that reach outside: connectors to the business's source systems, channels to the recipients, the mail.
//!
//! One file per kind. What travels through here are values that nobody else may see: they stay in [`domain::sensitive::Sensitive`]
//! until the moment they become a parameter of a statement or the body of a message, and never enter an error or a log.

mod bookmark;
pub mod channel;
pub mod connector;
pub mod email;
pub mod http;
pub mod identity_provider;
pub mod key_service;
pub mod manual;
pub mod mysql;
pub mod opendsr;
pub mod postgres;
pub mod scan;
mod sql;
pub mod sqlite;
pub mod webhook;

pub use bookmark::{Bookmark, Course};
pub use channel::{
    Channel, ChannelError, Channels, Delivery, Notification, ReceivedAnswer, ReceivedData,
    VerifiedAnswer,
};
pub use connector::{
    Connector, ConnectorError, DescribedCollection, DescribedField, DescribedReference,
    Description, Remaining,
};
pub use scan::{Batch, Mark, Position, Scan};
