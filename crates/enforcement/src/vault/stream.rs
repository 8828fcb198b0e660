//! Sealing what is too large for memory: an access package is sealed while it is written and opened while it is fetched.
//!
//! Form: `[1 format][4 key version][32 salt]`, then chunks of 64 KiB, each with a tag of 16 bytes. Every stream has a key of its own,
//! derived from the request's key, the salt and the place. A chunk's nonce is its number and whether it is the last, so that no
//! chunk can be dropped, doubled, moved or cut off unnoticed.

use std::io::{self, Read, Write};

use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use aws_lc_rs::hmac;
use domain::disclosure::AttributeName;
use domain::rng::Rng;
use zeroize::Zeroizing;

use super::seal::{Place, RequestKey, VaultError, cipher};
use crate::permit::{RecordedPermit, Verdict};

/// AES-256-GCM in chunks.
const FORMAT: u8 = 4;
const SALT: usize = 32;
const CHUNK: usize = 64 * 1024;
const TAG: usize = 16;

/// Seals everything that is written to it. Nothing can be opened again unless [`SealingWriter::finish`] was called.
pub struct SealingWriter<W: Write> {
    chunks: Chunks,
    plain: Zeroizing<Vec<u8>>,
    into: W,
}

/// Opens everything that is read from it. An error in the middle means that what was read before must be thrown away.
pub struct OpeningReader<R: Read> {
    chunks: Chunks,
    plain: Zeroizing<Vec<u8>>,
    read: usize,
    /// Bytes of the next chunk that were read to see whether there is one.
    ahead: Vec<u8>,
    done: bool,
    from: R,
}

impl RequestKey {
    /// Seals a stream for the place where it will be kept.
    ///
    /// # Errors
    /// What `into` says.
    pub fn seal_stream<W: Write>(
        &self,
        rng: &dyn Rng,
        place: &Place<'_>,
        mut into: W,
    ) -> io::Result<SealingWriter<W>> {
        let mut salt = [0; SALT];
        rng.fill(&mut salt);
        let chunks = Chunks::new(self, place, &salt).map_err(io::Error::other)?;
        into.write_all(&[FORMAT])?;
        into.write_all(&self.version.to_be_bytes())?;
        into.write_all(&salt)?;
        Ok(SealingWriter {
            chunks,
            plain: Zeroizing::new(Vec::with_capacity(CHUNK)),
            into,
        })
    }

    /// Opens a sealed stream.
    ///
    /// # Errors
    /// [`VaultError::NotPermitted`] as for [`RequestKey::open`]; [`VaultError::Damaged`] when its head is missing or of another key.
    /// Later damage is an error of the reader, of kind `InvalidData`.
    pub fn open_stream<R: Read>(
        &self,
        permit: &RecordedPermit,
        place: &Place<'_>,
        mut from: R,
    ) -> Result<OpeningReader<R>, VaultError> {
        let name = AttributeName::Own(place.column);
        if permit.request() != Some(self.request)
            || permit.verdict(&name) != Some(&Verdict::Allowed)
        {
            return Err(VaultError::NotPermitted(name.to_string()));
        }
        let damaged = || VaultError::Damaged(name.to_string());
        let (mut head, mut salt) = ([0; 5], [0; SALT]);
        from.read_exact(&mut head)
            .and_then(|()| from.read_exact(&mut salt))
            .map_err(|_| damaged())?;
        let [format, version @ ..] = head;
        if format != FORMAT || u32::from_be_bytes(version) != self.version {
            return Err(damaged());
        }
        let chunks = Chunks::new(self, place, &salt)?;
        Ok(OpeningReader {
            chunks,
            plain: Zeroizing::default(),
            read: 0,
            ahead: Vec::new(),
            done: false,
            from,
        })
    }
}

impl<W: Write> SealingWriter<W> {
    /// Seals what is left and marks the end.
    ///
    /// # Errors
    /// What the writer below says.
    pub fn finish(mut self) -> io::Result<W> {
        self.write_chunk(true)?;
        self.into.flush()?;
        Ok(self.into)
    }

    fn write_chunk(&mut self, last: bool) -> io::Result<()> {
        let nonce = self.chunks.next_nonce(last)?;
        let tag = self
            .chunks
            .key
            .seal_in_place_separate_tag(nonce, Aad::empty(), self.plain.as_mut_slice())
            .map_err(io::Error::other)?;
        self.into.write_all(&self.plain)?;
        self.into.write_all(tag.as_ref())?;
        self.plain.clear();
        Ok(())
    }
}

impl<W: Write> Write for SealingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full chunk waits for the next byte, since only then is it known not to be the last.
        if self.plain.len() == CHUNK && !bytes.is_empty() {
            self.write_chunk(false)?;
        }
        let taken = bytes.len().min(CHUNK - self.plain.len());
        self.plain.extend(bytes.iter().take(taken));
        Ok(taken)
    }

    /// Does nothing: half a chunk cannot be sealed. [`SealingWriter::finish`] writes everything.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<R: Read> OpeningReader<R> {
    fn read_chunk(&mut self) -> io::Result<()> {
        let mut sealed = std::mem::take(&mut self.ahead);
        let wanted = CHUNK + TAG + 1 - sealed.len();
        self.from
            .by_ref()
            .take(wanted as u64)
            .read_to_end(&mut sealed)?;
        self.ahead = sealed.split_off(sealed.len().min(CHUNK + TAG));
        self.done = self.ahead.is_empty();
        let nonce = self.chunks.next_nonce(self.done)?;
        self.plain = Zeroizing::new(sealed);
        let opened = self
            .chunks
            .key
            .open_in_place(nonce, Aad::empty(), &mut self.plain)
            .map(|plain| plain.len());
        let Ok(length) = opened else {
            self.plain.clear();
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the sealed stream was changed, moved or cut off",
            ));
        };
        self.plain.truncate(length);
        self.read = 0;
        Ok(())
    }
}

impl<R: Read> Read for OpeningReader<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        while self.read == self.plain.len() && !self.done {
            self.read_chunk()?;
        }
        let mut rest = self.plain.get(self.read..).unwrap_or_default();
        let count = rest.read(bytes)?;
        self.read += count;
        Ok(count)
    }
}

/// The key of one stream, and how many of its chunks there were.
struct Chunks {
    key: LessSafeKey,
    count: u64,
}

impl Chunks {
    fn new(key: &RequestKey, place: &Place<'_>, salt: &[u8; SALT]) -> Result<Self, VaultError> {
        let mut context =
            hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key.key.as_slice()));
        context.update(b"privity stream v1");
        context.update(salt);
        context.update(&key.associated_data(place));
        let mut derived = Zeroizing::new([0; 32]);
        derived.copy_from_slice(context.sign().as_ref());
        Ok(Self {
            key: cipher(&derived)?,
            count: 0,
        })
    }

    fn next_nonce(&mut self, last: bool) -> io::Result<Nonce> {
        let mut nonce = [0; NONCE_LEN];
        for (byte, from) in nonce.iter_mut().zip(
            [u8::from(last), 0, 0, 0]
                .into_iter()
                .chain(self.count.to_be_bytes()),
        ) {
            *byte = from;
        }
        self.count = self
            .count
            .checked_add(1)
            .ok_or_else(|| io::Error::other("too many chunks"))?;
        Ok(Nonce::assume_unique_for_key(nonce))
    }
}
