//! Bodies that come encoded: the upstream is asked for plain ones, and what comes as gzip, deflate or Brotli all the same is decoded with
//! bounds. Everything else is refused.

mod brotli;

use std::io::Write;

use brotli::Brotli;
use bytes::{Buf, Bytes};
use flate2::write::{GzDecoder, ZlibDecoder};
use hyper::HeaderMap;
use hyper::header::CONTENT_ENCODING;

/// Of the encoded body, fed at once. Deflate makes at most about a thousand times as much of it; of Brotli no more is taken.
const FED: usize = 1024;
/// A body that grows by more than this is no data of customers.
const MOST_GROWTH: u64 = 200;
/// Below this it may grow as it likes.
const SMALL: u64 = 1 << 20;

/// Decodes one body.
pub(crate) enum Decoder {
    Plain,
    Gzip(Box<GzDecoder<Vec<u8>>>, Growth),
    Deflate(Box<ZlibDecoder<Vec<u8>>>, Growth),
    Brotli(Box<Brotli>, Growth),
}

/// How much came and what became of it.
#[derive(Default)]
pub(crate) struct Growth {
    came: u64,
    became: u64,
}

/// Why a body can't be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Undecodable {
    #[error(
        "it has an encoding that is not known here; let the upstream send it plain, as it was asked to"
    )]
    Unknown,
    #[error("its encoding is broken")]
    Broken,
    #[error("it grows by more than {MOST_GROWTH} times when it is decoded")]
    Bomb,
}

impl Decoder {
    /// The one that a body's headers ask for.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Undecodable> {
        let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
        let encoding = match (encodings.next(), encodings.next()) {
            (None, _) => return Ok(Self::Plain),
            (Some(one), None) => one.to_str().unwrap_or_default().trim().to_ascii_lowercase(),
            (Some(_), Some(_)) => return Err(Undecodable::Unknown),
        };
        match encoding.as_str() {
            "" | "identity" => Ok(Self::Plain),
            "gzip" | "x-gzip" => Ok(Self::Gzip(
                Box::new(GzDecoder::new(Vec::new())),
                Growth::default(),
            )),
            "deflate" => Ok(Self::Deflate(
                Box::new(ZlibDecoder::new(Vec::new())),
                Growth::default(),
            )),
            "br" => Ok(Self::Brotli(Box::default(), Growth::default())),
            _ => Err(Undecodable::Unknown),
        }
    }

    /// Decodes as much of `waiting` as fits into memory, and takes that from it.
    pub(crate) fn decode(&mut self, waiting: &mut Bytes) -> Result<Bytes, Undecodable> {
        match self {
            Self::Plain => Ok(std::mem::take(waiting)),
            Self::Gzip(decoder, growth) => {
                feed(decoder.as_mut(), waiting, growth)?;
                growth.take(decoder.get_mut())
            }
            Self::Deflate(decoder, growth) => {
                feed(decoder.as_mut(), waiting, growth)?;
                growth.take(decoder.get_mut())
            }
            Self::Brotli(decoder, growth) => {
                let fed = waiting.split_to(FED.min(waiting.len()));
                growth.came += fed.len() as u64;
                growth.take(&mut decoder.decode(&fed)?)
            }
        }
    }

    /// The body is at its end: what is left of it.
    pub(crate) fn finish(&mut self) -> Result<Bytes, Undecodable> {
        match self {
            Self::Plain => Ok(Bytes::new()),
            Self::Gzip(decoder, growth) => {
                decoder.try_finish().map_err(|_| Undecodable::Broken)?;
                growth.take(decoder.get_mut())
            }
            Self::Deflate(decoder, growth) => {
                decoder.try_finish().map_err(|_| Undecodable::Broken)?;
                growth.take(decoder.get_mut())
            }
            Self::Brotli(decoder, _) if decoder.is_at_end() => Ok(Bytes::new()),
            Self::Brotli(..) => Err(Undecodable::Broken),
        }
    }
}

fn feed(
    decoder: &mut impl Write,
    waiting: &mut Bytes,
    growth: &mut Growth,
) -> Result<(), Undecodable> {
    let fed = waiting.get(..FED.min(waiting.len())).unwrap_or_default();
    let taken = decoder.write(fed).map_err(|_| Undecodable::Broken)?;
    // After its end a decoder takes nothing: whatever follows is no part of the body.
    if taken == 0 && !fed.is_empty() {
        return Err(Undecodable::Broken);
    }
    growth.came += taken as u64;
    waiting.advance(taken);
    Ok(())
}

impl Growth {
    fn take(&mut self, decoded: &mut Vec<u8>) -> Result<Bytes, Undecodable> {
        self.became += decoded.len() as u64;
        if self.became > SMALL && self.became > self.came.saturating_mul(MOST_GROWTH) {
            return Err(Undecodable::Bomb);
        }
        Ok(Bytes::from(std::mem::take(decoded)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use hyper::header::HeaderValue;

    use super::*;

    fn decoder(encoding: &'static str) -> Result<Decoder, Undecodable> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        Decoder::of(&headers)
    }

    fn decoded(encoding: &'static str, body: &[u8], pieces: usize) -> Result<Vec<u8>, Undecodable> {
        let mut decoder = decoder(encoding)?;
        let mut whole = Vec::new();
        for piece in body.chunks(pieces) {
            let mut waiting = Bytes::copy_from_slice(piece);
            while !waiting.is_empty() {
                whole.extend_from_slice(&decoder.decode(&mut waiting)?);
            }
        }
        whole.extend_from_slice(&decoder.finish()?);
        Ok(whole)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gzip_and_deflate_are_decoded_in_any_pieces() {
        let text: Vec<u8> = (0..200_000_u32)
            .flat_map(|n| n.to_string().into_bytes())
            .collect();
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&text).unwrap();
        let deflated = encoder.finish().unwrap();
        for pieces in [1, 7, 4096, 1 << 20] {
            assert!(decoded("gzip", &gzip(&text), pieces).unwrap() == text);
            assert!(decoded("deflate", &deflated, pieces).unwrap() == text);
        }
    }

    #[test]
    fn a_body_that_explodes_is_refused() {
        let bomb = gzip(&vec![b' '; 64 << 20]);
        assert_eq!(decoded("gzip", &bomb, 4096), Err(Undecodable::Bomb));
    }

    #[test]
    fn broken_cut_and_continued_bodies_are_refused() {
        let whole = gzip(b"{\"a\":1}");
        let cut = whole.get(..whole.len() - 4).unwrap();
        assert_eq!(decoded("gzip", cut, 3), Err(Undecodable::Broken));
        assert_eq!(decoded("gzip", b"{\"a\":1}", 3), Err(Undecodable::Broken));
        let twice = [whole.clone(), whole].concat();
        assert_eq!(decoded("gzip", &twice, 4096), Err(Undecodable::Broken));
    }

    /// What Node.js made of the numbers below 5,000, one after the other.
    const NUMBERS: &[u8] = include_bytes!("../tests/bodies/numbers.br");

    #[test]
    fn brotli_is_decoded_in_any_pieces() {
        let text: Vec<u8> = (0..5_000_u32)
            .flat_map(|n| n.to_string().into_bytes())
            .collect();
        for pieces in [1, 7, 4096] {
            assert!(decoded("br", NUMBERS, pieces).unwrap() == text);
        }
    }

    #[test]
    fn brotli_that_explodes_is_broken_cut_or_continued_is_refused() {
        // 64 MiB of spaces, as Node.js makes 106 bytes of them.
        let bomb = include_bytes!("../tests/bodies/spaces.br");
        assert_eq!(decoded("br", bomb, 4096), Err(Undecodable::Bomb));
        let cut = NUMBERS.get(..NUMBERS.len() - 1).unwrap();
        assert_eq!(decoded("br", cut, 100), Err(Undecodable::Broken));
        assert_eq!(decoded("br", b"", 1), Err(Undecodable::Broken));
        assert_eq!(decoded("br", b"{\"a\":1}", 3), Err(Undecodable::Broken));
        let twice = [NUMBERS, NUMBERS].concat();
        for pieces in [1, 4096] {
            assert_eq!(decoded("br", &twice, pieces), Err(Undecodable::Broken));
        }
    }

    /// A window of 256 MiB, as no browser takes it, would be memory for one body.
    #[test]
    fn brotli_with_a_large_window_is_refused() {
        let body = [17, 28, 12, 0, 2, 123, 34, 97, 34, 58, 49, 125, 3];
        assert_eq!(decoded("br", &body, 4), Err(Undecodable::Broken));
    }

    #[test]
    fn an_encoding_that_is_not_known_is_refused() {
        for encoding in ["zstd", "gzip, gzip", "br, gzip"] {
            assert!(matches!(decoder(encoding), Err(Undecodable::Unknown)));
        }
    }
}
