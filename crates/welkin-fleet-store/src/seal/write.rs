//! Sealing: what is written is encrypted chunk by chunk.

use std::io::{self, Write};

use base64::Engine;
use ring::aead::Aad;
use ring::hmac;

use super::keys::{Stream, header_key, random, wrap_key, zero_nonce};
use super::{BASE64, CHUNK, FILE_KEY, SALT, STREAM_NONCE, TAG, VERSION_LINE, WORK};

/// Encrypts what is written to it. [`Sealer::finish`] must be called, else nobody can open it.
pub struct Sealer<W> {
    out: W,
    stream: Stream,
    waiting: Vec<u8>,
}

impl<W: Write> Sealer<W> {
    /// Writes the header. Takes a while: that is what a passphrase needs.
    pub fn new(out: W, passphrase: &str) -> io::Result<Self> {
        Self::with_work(out, passphrase, WORK)
    }

    pub(super) fn with_work(mut out: W, passphrase: &str, work: u8) -> io::Result<Self> {
        let (salt, file_key) = (random::<SALT>()?, random::<FILE_KEY>()?);
        let nonce = random::<STREAM_NONCE>()?;
        let wrap = wrap_key(passphrase, &salt, work)?;
        let mut body = file_key.to_vec();
        wrap.seal_in_place_append_tag(zero_nonce(), Aad::empty(), &mut body)
            .map_err(|_| io::Error::other("the file key cannot be wrapped"))?;
        let header = format!(
            "{VERSION_LINE}\n-> scrypt {} {work}\n{}\n---",
            BASE64.encode(salt),
            BASE64.encode(body)
        );
        let mac = hmac::sign(&header_key(&file_key), header.as_bytes());
        writeln!(out, "{header} {}", BASE64.encode(mac))?;
        out.write_all(&nonce)?;
        Ok(Self {
            out,
            stream: Stream::new(&file_key, &nonce),
            waiting: Vec::with_capacity(CHUNK + TAG),
        })
    }

    fn seal(&mut self, last: bool) -> io::Result<()> {
        let nonce = self.stream.next(last)?;
        self.stream
            .key
            .seal_in_place_append_tag(nonce, Aad::empty(), &mut self.waiting)
            .map_err(|_| io::Error::other("a chunk cannot be sealed"))?;
        self.out.write_all(&self.waiting)?;
        self.waiting.clear();
        Ok(())
    }

    /// Writes the last chunk.
    pub fn finish(mut self) -> io::Result<W> {
        self.seal(true)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full chunk waits until it is known whether another follows.
        if self.waiting.len() == CHUNK && !bytes.is_empty() {
            self.seal(false)?;
        }
        let count = bytes.len().min(CHUNK - self.waiting.len());
        self.waiting.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
