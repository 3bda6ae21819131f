//! Where an answer ends that arrives in pieces, without reading any piece twice.

use super::{RespError, Token, token};

/// Deepest array in arrays that is followed.
pub const DEPTH_MAX: usize = 128;

/// How far an answer has been looked through.
#[derive(Debug, Default)]
pub struct Scan {
    /// Bytes that are known to belong to it.
    at: usize,
    /// Answers that are still to come, of each array that is not whole, outermost first. At most
    /// [`DEPTH_MAX`].
    open: Vec<usize>,
}

impl Scan {
    /// Length of the answer at the beginning of `bytes`; `None`: it is not whole yet, ask again with more
    /// behind the same bytes. When it is, the next call begins with another answer.
    pub fn end(&mut self, bytes: &[u8]) -> Result<Option<usize>, RespError> {
        while let Some(rest) = bytes.get(self.at..) {
            let Some((token, used)) = token(rest)? else {
                break;
            };
            self.at += used;
            match token {
                Token::Array(items) if items > 0 => {
                    if self.open.len() == DEPTH_MAX {
                        return Err(RespError::Depth);
                    }
                    self.open.push(items);
                }
                _ if self.is_last() => return Ok(Some(std::mem::take(&mut self.at))),
                _ => {}
            }
        }
        Ok(None)
    }

    /// Counts one whole answer; true if it was the last of all.
    fn is_last(&mut self) -> bool {
        while let Some(left) = self.open.last_mut() {
            *left -= 1;
            if *left > 0 {
                return false;
            }
            self.open.pop();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_end_where_their_last_piece_does() {
        let answer = b"*3\r\n*2\r\n:1\r\n*0\r\n$2\r\nab\r\n*1\r\n*1\r\n+x\r\n";
        let stream = [answer, &b":7\r\n"[..]].concat();
        let mut scan = Scan::default();
        for cut in 0..answer.len() {
            assert_eq!(scan.end(&stream[..cut]), Ok(None), "{cut}");
        }
        assert_eq!(scan.end(&stream), Ok(Some(answer.len())));
        assert_eq!(scan.end(&stream[answer.len()..]), Ok(Some(4)));
    }

    #[test]
    fn arrays_in_arrays_have_an_end() {
        let mut scan = Scan::default();
        let bytes = b"*1\r\n".repeat(DEPTH_MAX + 1);
        assert_eq!(scan.end(&bytes), Err(RespError::Depth));
    }

    #[test]
    fn an_array_of_lies_is_awaited_without_room_for_it() {
        let mut scan = Scan::default();
        assert_eq!(scan.end(b"*4294967295\r\n:1\r\n"), Ok(None));
    }
}
