//! Key services that are reached over the network: HashiCorp Vault or OpenBao (transit), and AWS KMS.
//!
//! They are asked when the program starts and when its keys change, never for a record (see [`domain::key_service`]). A call is
//! tried three times; an answer of no is never tried again.

mod aws_credentials;
mod aws_kms;
mod call;
mod sigv4;
mod vault_transit;

pub use aws_kms::{AwsKms, AwsKmsConfig};
pub use vault_transit::{VaultTransit, VaultTransitConfig};
