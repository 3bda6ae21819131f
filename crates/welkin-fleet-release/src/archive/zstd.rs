//! A file of zstd: frames one behind the other, some of which are to be skipped.

use std::io::{self, BufRead, BufReader, Read};

use ruzstd::decoding::StreamingDecoder;

/// Frames that are skipped begin with one of sixteen numbers.
const SKIPPED: std::ops::RangeInclusive<u32> = 0x184D_2A50..=0x184D_2A5F;

type Input<R> = BufReader<R>;

/// The content of all frames.
pub(super) struct Frames<R: Read> {
    state: State<R>,
}

enum State<R: Read> {
    Between(Input<R>),
    Within(Box<StreamingDecoder<Input<R>, ruzstd::decoding::FrameDecoder>>),
    Ended,
}

impl<R: Read> Frames<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            state: State::Between(BufReader::new(input)),
        }
    }
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Ok(0),
                State::Between(input) => match next(input)? {
                    Some(frame) => self.state = State::Within(Box::new(frame)),
                    None => return Ok(0),
                },
                State::Within(mut frame) => {
                    let count = frame.read(out)?;
                    if count > 0 {
                        self.state = State::Within(frame);
                        return Ok(count);
                    }
                    let told = frame.decoder.get_checksum_from_data();
                    if told.is_some() && told != frame.decoder.get_calculated_checksum() {
                        return Err(bad("a frame's checksum is wrong"));
                    }
                    self.state = State::Between(frame.into_inner());
                }
            }
        }
    }
}

fn next<R: Read>(
    mut input: Input<R>,
) -> io::Result<Option<StreamingDecoder<Input<R>, ruzstd::decoding::FrameDecoder>>> {
    loop {
        let start = input.fill_buf()?;
        if start.is_empty() {
            return Ok(None);
        }
        // The buffer is filled from a file: four bytes are missing only at its end.
        let Some(magic) = start.first_chunk() else {
            return Err(bad("it is cut off"));
        };
        if !SKIPPED.contains(&u32::from_le_bytes(*magic)) {
            let frame = StreamingDecoder::new(input);
            return frame.map(Some).map_err(|error| bad(&error.to_string()));
        }
        let mut head = [0; 8];
        input.read_exact(&mut head)?;
        let len = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        io::copy(&mut (&mut input).take(len.into()), &mut io::sink())?;
    }
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
