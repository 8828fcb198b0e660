//! Which devices, pseudonyms and subjects belong together, so that a no that was said under one of them holds for the others.
//!
//! Law: 11 CCR 7025(c)(1): a signal holds for the browser or device, for every profile linked to it, pseudonymous ones too, and for the
//! consumer when she is known.

use std::collections::BTreeSet;

use domain::consent::Party;
use jiff::Timestamp;

use crate::consent::{party_bytes, party_of};
use crate::db::{Tx, Value};
use crate::error::Error;

/// Links pairs of parties; links that are there stay as they are. Answers how many were new.
pub fn insert_many(
    tx: &mut Tx,
    links: &BTreeSet<(Party, Party)>,
    since: Timestamp,
) -> Result<u64, Error> {
    let sql = "-- insert party_link
        INSERT INTO party_link (party, linked, since) SELECT column1, column2, column3
        FROM (VALUES (?1 /* BYTEA */, ?2 /* BYTEA */, ?3 /* BIGINT */)) AS given WHERE TRUE ON CONFLICT DO NOTHING";
    let ends = |(one, other): &(Party, Party)| {
        let [one, other]: [Value; 2] = [party_bytes(one).into(), party_bytes(other).into()];
        let back = vec![other.clone(), one.clone(), since.into()];
        [vec![one, other, since.into()], back]
    };
    let sets: Vec<_> = links.iter().flat_map(ends).collect();
    Ok(tx.execute_many(sql, &sets)? / 2)
}

/// Takes a link apart again. Answers whether there was one.
pub fn remove(tx: &mut Tx, one: &Party, other: &Party) -> Result<bool, Error> {
    let sql = "-- remove party_link
        DELETE FROM party_link WHERE (party = ?1 AND linked = ?2) OR (party = ?2 AND linked = ?1)";
    let ends = [party_bytes(one).into(), party_bytes(other).into()];
    Ok(tx.execute(sql, &ends)? > 0)
}

/// Takes apart every link of these parties. Answers how many there were.
pub fn forget(tx: &mut Tx, parties: &BTreeSet<Party>) -> Result<u64, Error> {
    let sql = "-- forget party_link\nDELETE FROM party_link WHERE party = ?1 AND linked = ?2";
    let links = of_parties(tx, parties)?;
    let ends = |(one, other): &(Party, Party)| {
        let [one, other]: [Value; 2] = [party_bytes(one).into(), party_bytes(other).into()];
        [vec![one.clone(), other.clone()], vec![other, one]]
    };
    let sets: Vec<_> = links.iter().flat_map(ends).collect();
    Ok(tx.execute_many(sql, &sets)? / 2)
}

/// The links of these parties, each as the party that was asked about and the one linked to it.
pub fn of_parties(
    tx: &mut Tx,
    parties: &BTreeSet<Party>,
) -> Result<BTreeSet<(Party, Party)>, Error> {
    let sql = "-- list party_link
        SELECT l.party, l.linked FROM (VALUES (?1 /* BYTEA */)) AS given JOIN party_link l ON l.party = column1";
    let sets: Vec<_> = parties
        .iter()
        .map(|party| vec![party_bytes(party).into()])
        .collect();
    let rows = tx.query_given(sql, &sets)?;
    rows.iter()
        .map(|row| Ok((party_of(row, "party")?, party_of(row, "linked")?)))
        .collect()
}
