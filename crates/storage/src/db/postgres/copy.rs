//! Rows in the binary format of PostgreSQL's `COPY`: a stream that the server stores page by page, while an `INSERT` takes each row through
//! a plan (measured: half of the server's CPU). A conflict ends it and the transaction.
//!
//! Format: PostgreSQL's documentation, COPY, "Binary Format".

use std::io::Cursor;
use std::pin::pin;

use deadpool_postgres::Object;
use futures_util::SinkExt as _;
use tokio_postgres::Statement;

use crate::db::value::Value;

/// Bytes that are sent at a time: the server works on them while the next ones are written out.
const PIECE: usize = 128 << 10;

/// The signature, no flags, nothing more in the header.
const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What stands where a row would have its number of fields.
const END: [u8; 2] = (-1_i16).to_be_bytes();

/// What stands where a field that holds something has its length.
const NOTHING: [u8; 4] = (-1_i32).to_be_bytes();

/// Streams rows into the statement and answers how many the server stored.
pub(super) async fn stream(
    client: &Object,
    statement: &Statement,
    rows: impl Iterator<Item = Vec<Value>>,
) -> Result<u64, tokio_postgres::Error> {
    let mut sink = pin!(client.copy_in(statement).await?);
    let mut piece = HEAD.to_vec();
    for row in rows {
        write_row(&mut piece, &row);
        if piece.len() >= PIECE {
            let full = std::mem::replace(&mut piece, Vec::with_capacity(PIECE + PIECE / 8));
            sink.send(Cursor::new(full)).await?;
        }
    }
    piece.extend(END);
    sink.send(Cursor::new(piece)).await?;
    sink.finish().await
}

fn write_row(out: &mut Vec<u8>, row: &[Value]) {
    out.extend(length_16(row.len()));
    for value in row {
        match value {
            Value::Null => out.extend(NOTHING),
            Value::Int(number) => write_field(out, &number.to_be_bytes()),
            Value::Text(text) => write_field(out, text.as_bytes()),
            Value::Bytes(bytes) => write_field(out, bytes),
        }
    }
}

fn write_field(out: &mut Vec<u8>, bytes: &[u8]) {
    // What is longer than PostgreSQL stores breaks the format, and the server refuses it.
    let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
    out.extend(length.to_be_bytes());
    out.extend_from_slice(bytes);
}

fn length_16(length: usize) -> [u8; 2] {
    i16::try_from(length).unwrap_or(i16::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_its_number_of_fields_and_each_behind_its_length() {
        let mut out = Vec::new();
        let row = [Value::Null, 258_i64.into(), "ab".into(), vec![7_u8].into()];
        write_row(&mut out, &row);
        let expected: &[&[u8]] = &[
            &[0, 4],
            &[255, 255, 255, 255],
            &[0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 1, 2],
            &[0, 0, 0, 2, b'a', b'b'],
            &[0, 0, 0, 1, 7],
        ];
        assert_eq!(out, expected.concat());
    }
}
