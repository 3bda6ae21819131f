//! Opening: the header's lines, then chunk by chunk what was written.

use std::io::{self, BufRead, Read};

use base64::Engine;
use ring::aead::Aad;
use ring::hmac;

use super::keys::{Stream, header_key, wrap_key, zero_nonce};
use super::{
    BASE64, CHUNK, FILE_KEY, SALT, STREAM_NONCE, SealError, TAG, VERSION_LINE, WORK_MAX, damaged,
};

/// Longest line of a header that is read.
const LINE_MAX: u64 = 256;

/// Decrypts what it reads. Nothing of a chunk is given out before its tag was right; the end of the input
/// before the last chunk is an error.
pub struct Opener<R> {
    input: R,
    stream: Stream,
    chunk: Vec<u8>,
    given: usize,
    ended: bool,
    first: bool,
}

impl<R: BufRead> Opener<R> {
    /// Reads the header.
    pub fn new(mut input: R, passphrase: &str) -> Result<Self, SealError> {
        let mut header = String::new();
        if line(&mut input, &mut header)? != VERSION_LINE {
            return Err(SealError::Foreign("it does not begin as an age file"));
        }
        let stanza = line(&mut input, &mut header)?;
        let (salt, work) = read_stanza(&stanza)?;
        let body = decode(&line(&mut input, &mut header)?)?;
        let last = line(&mut input, &mut header)?;
        let mac = decode(last.strip_prefix("--- ").unwrap_or_default())?;
        let mut file_key = body;
        let file_key: [u8; FILE_KEY] = wrap_key(passphrase, &salt, work)?
            .open_in_place(zero_nonce(), Aad::empty(), &mut file_key)
            .ok()
            .and_then(|key| (&*key).try_into().ok())
            .ok_or(SealError::Passphrase)?;
        // What was signed ends with the three dashes.
        let signed = header.len() - (last.len() + 1) + 3;
        hmac::verify(&header_key(&file_key), &header.as_bytes()[..signed], &mac)
            .map_err(|_| SealError::Damaged)?;
        let mut nonce = [0; STREAM_NONCE];
        input.read_exact(&mut nonce)?;
        Ok(Self {
            input,
            stream: Stream::new(&file_key, &nonce),
            chunk: Vec::new(),
            given: 0,
            ended: false,
            first: true,
        })
    }

    fn next_chunk(&mut self) -> io::Result<()> {
        self.chunk.clear();
        self.given = 0;
        let limit = (CHUNK + TAG) as u64;
        (&mut self.input).take(limit).read_to_end(&mut self.chunk)?;
        let last = self.input.fill_buf()?.is_empty();
        let nonce = self.stream.next(last)?;
        let len = self
            .stream
            .key
            .open_in_place(nonce, Aad::empty(), &mut self.chunk)
            .map_err(|_| damaged())?
            .len();
        self.chunk.truncate(len);
        if len == 0 && !self.first {
            return Err(damaged());
        }
        self.first = false;
        self.ended = last;
        Ok(())
    }
}

impl<R: BufRead> Read for Opener<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.given == self.chunk.len() && !self.ended {
            self.next_chunk()?;
        }
        let count = out.len().min(self.chunk.len() - self.given);
        out[..count].copy_from_slice(&self.chunk[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

/// One line without its end; `header` gets it as it is.
fn line(input: &mut impl BufRead, header: &mut String) -> Result<String, SealError> {
    let foreign = SealError::Foreign("its header is not one of age");
    let mut bytes = Vec::new();
    input.take(LINE_MAX).read_until(b'\n', &mut bytes)?;
    let Some(text) = String::from_utf8(bytes)
        .ok()
        .filter(|text| text.ends_with('\n'))
    else {
        return Err(foreign);
    };
    header.push_str(&text);
    Ok(text[..text.len() - 1].to_owned())
}

fn decode(text: &str) -> Result<Vec<u8>, SealError> {
    let foreign = |_| SealError::Foreign("its header is not one of age");
    BASE64.decode(text).map_err(foreign)
}

fn read_stanza(line: &str) -> Result<([u8; SALT], u8), SealError> {
    let words: Vec<&str> = line.split(' ').collect();
    let ["->", "scrypt", salt, work] = words[..] else {
        return Err(SealError::Foreign("it is not sealed by a passphrase"));
    };
    let work = work
        .parse()
        .ok()
        .filter(|work| (1..=WORK_MAX).contains(work))
        .ok_or(SealError::Foreign("it asks for more work than is sensible"))?;
    let salt = decode(salt)?
        .try_into()
        .map_err(|_| SealError::Foreign("its salt is of another length"))?;
    Ok((salt, work))
}
