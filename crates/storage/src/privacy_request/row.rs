//! Rows of privacy_request read into types.

use domain::privacy_request::{
    Clock, IntakeChannel, PrivacyRequest, RequestKind, RequestState, Waiting,
};

use super::{Package, Standing, StoredPrivacyRequest};
use crate::db::Row;
use crate::error::Error;

pub(super) fn request(row: &Row) -> Result<PrivacyRequest, Error> {
    Ok(PrivacyRequest {
        id: row.parsed("id")?,
        kind: row.word("kind", RequestKind::parse)?,
        law: row.text("law")?.to_owned(),
        state: row.word("state", RequestState::parse)?,
        waiting: row.opt_word("waiting", Waiting::parse)?,
        channel: row.word("channel", IntakeChannel::parse)?,
        language: row.text("language")?.to_owned(),
        received_at: row.time("received_at")?,
        clock: Clock {
            received_on: row.parsed("received_on")?,
            ack_by: row.opt_parsed("ack_by")?,
            respond_by: row.opt_parsed("respond_by")?,
            max_with_extension: row.opt_parsed("max_by")?,
            extended_to: row.opt_parsed("extended_to")?,
        },
        closed_at: row.opt_time("closed_at")?,
        version: row.int("version")?,
    })
}

pub(super) fn stored(row: &Row) -> Result<StoredPrivacyRequest, Error> {
    Ok(StoredPrivacyRequest {
        request: request(row)?,
        jurisdiction: row.text("jurisdiction")?.to_owned(),
        reasons: row.json("reasons")?,
        wrapped_key: row.opt_bytes("wrapped_key")?.map(<[u8]>::to_vec),
        identity: row.opt_sealed("identity")?,
        identity_tag: row.opt_bytes("identity_tag")?.map(<[u8]>::to_vec),
        look_back: row.opt_parsed("look_back")?,
        manifest: row.opt_sealed("manifest")?,
        plan: row.opt_json("plan")?,
        confirmation: row.opt_json("confirmation")?,
        package: package(row)?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

pub(super) fn standing(row: &Row) -> Result<Standing, Error> {
    Ok(Standing {
        request: request(row)?,
        reasons: row.json("reasons")?,
        confirmation: row.opt_json("confirmation")?,
        package: package(row)?,
    })
}

fn package(row: &Row) -> Result<Option<Package>, Error> {
    let Some(path) = row.opt_text("package_path")? else {
        return Ok(None);
    };
    Ok(Some(Package {
        path: path.to_owned(),
        tag: row.bytes("package_tag")?.to_vec(),
        expires_at: row.time("package_expires_at")?,
        size: row.count("package_size")?,
    }))
}
