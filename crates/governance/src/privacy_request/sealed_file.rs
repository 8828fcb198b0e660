//! A file that is sealed piece by piece as it is written, so that an access package of any size never lies in the open.
//!
//! Each piece is sealed for its place: the privacy request, its number, and whether it is the last. Pieces that were swapped,
//! dropped or cut off at the end don't open.

use std::io::{self, Read, Write};

use domain::disclosure::OwnColumn;
use domain::id::RequestId;
use domain::rng::Rng;
use domain::sensitive::{Sealed, Sensitive};
use enforcement::vault::{Place, RequestKey};
use enforcement::RecordedPermit;

/// What the permit must name to open a package.
pub const CONTENT: OwnColumn = OwnColumn { table: "access_package", column: "content" };
const PIECE_BYTES: usize = 64 * 1024;
/// A sealed piece is little longer than what is in it; anything much longer is not one of ours.
const LONGEST_PIECE: usize = PIECE_BYTES + 1024;

/// Seals what is written to it, piece by piece.
pub struct SealingWriter<'a, W: Write> {
    inner: W,
    key: &'a RequestKey,
    rng: &'a dyn Rng,
    request: RequestId,
    buffer: Vec<u8>,
    pieces: u64,
}

impl<'a, W: Write> SealingWriter<'a, W> {
    /// Seals to `inner` under the key of `request`.
    pub fn new(inner: W, key: &'a RequestKey, rng: &'a dyn Rng, request: RequestId) -> Self {
        Self { inner, key, rng, request, buffer: Vec::with_capacity(PIECE_BYTES), pieces: 0 }
    }

    /// Writes the last piece, which may be empty, and gives back the inner writer.
    pub fn finish(mut self) -> io::Result<W> {
        self.seal_piece(true)?;
        self.inner.flush()?;
        Ok(self.inner)
    }

    fn seal_piece(&mut self, last: bool) -> io::Result<()> {
        let piece = Sensitive::new(std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE_BYTES)));
        let row = row(self.request, self.pieces, last);
        let sealed = self.key.seal(self.rng, &Place { column: CONTENT, row: &row }, &piece).map_err(io::Error::other)?;
        let length = u32::try_from(sealed.envelope().len()).map_err(io::Error::other)?;
        self.inner.write_all(&length.to_be_bytes())?;
        self.inner.write_all(&[u8::from(last)])?;
        self.inner.write_all(sealed.envelope())?;
        self.pieces += 1;
        Ok(())
    }
}

impl<W: Write> Write for SealingWriter<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() == PIECE_BYTES {
            self.seal_piece(false)?;
        }
        let room = (PIECE_BYTES - self.buffer.len()).min(bytes.len());
        let (now, _) = bytes.split_at(room);
        self.buffer.extend_from_slice(now);
        Ok(room)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens a sealed file piece by piece.
pub struct OpeningReader<R: Read> {
    inner: R,
    key: RequestKey,
    permit: RecordedPermit,
    request: RequestId,
    pieces: u64,
    ended: bool,
}

impl<R: Read> OpeningReader<R> {
    /// Opens what `inner` holds, as far as the permit allows.
    pub const fn new(inner: R, key: RequestKey, permit: RecordedPermit, request: RequestId) -> Self {
        Self { inner, key, permit, request, pieces: 0, ended: false }
    }

    /// The next piece, or `None` behind the last one.
    pub fn next_piece(&mut self) -> io::Result<Option<Sensitive<Vec<u8>>>> {
        if self.ended {
            return Ok(None);
        }
        let mut head = [0u8; 5];
        self.inner.read_exact(&mut head)?;
        let [a, b, c, d, last] = head;
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if length > LONGEST_PIECE {
            return Err(io::Error::other("a piece of the package is damaged"));
        }
        let mut envelope = vec![0u8; length];
        self.inner.read_exact(&mut envelope)?;
        self.ended = last == 1;
        let row = row(self.request, self.pieces, self.ended);
        self.pieces += 1;
        let opened = self.key.open(&self.permit, &Place { column: CONTENT, row: &row }, &Sealed::from_envelope(envelope));
        opened.map(Some).map_err(io::Error::other)
    }
}

fn row(request: RequestId, piece: u64, last: bool) -> String {
    format!("{request}/{piece}/{}", if last { "last" } else { "more" })
}
