//! How often the owner of an address has asked: counted by a keyed hash of it (Civ. Code 1798.130(b)).

use domain::id::RequestId;
use domain::privacy_request::RequestKind;
use jiff::civil::Date;

use crate::db::Tx;
use crate::error::Error;

/// How many privacy requests of these kinds came from the verified owner of an address after that day, but for `except`. What was
/// not verified, what was denied and what was taken back don't count.
pub fn count_of_identity(
    tx: &mut Tx,
    tag: &[u8],
    kinds: &[RequestKind],
    after: Date,
    except: RequestId,
) -> Result<u64, Error> {
    let sql = "-- count privacy_request of identity
        SELECT COUNT(*) AS requests FROM privacy_request
        WHERE identity_tag = ?1 AND kind = ?2 AND received_on > ?3 AND id <> ?4
            AND state IN ('verified', 'in_progress', 'fulfilled', 'partly_fulfilled')";
    let mut count = 0;
    for kind in kinds {
        let values = [
            tag.into(),
            kind.as_str().into(),
            after.into(),
            except.into(),
        ];
        let rows = tx.query(sql, &values)?;
        count += rows
            .first()
            .map_or(Ok(0), |row| row.count::<u64>("requests"))?;
    }
    Ok(count)
}
