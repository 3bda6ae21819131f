//! What must hold for all bytes of a Redis server, shared by the property tests and the fuzz target.

use welkin_codec::resp::{RespError, Scan, Token, token};

/// Reads any bytes, whole and in two pieces; both must say the same.
pub fn check_any_bytes(bytes: &[u8]) {
    let whole = Scan::default().end(bytes);
    if let Ok(Some(end)) = whole {
        assert!(end > 0 && end <= bytes.len());
        assert_eq!(read_value(&mut &bytes[..end]), Ok(Some(())), "it is whole");
    }
    let cut = bytes
        .first()
        .map_or(0, |byte| usize::from(*byte) % bytes.len());
    let mut scan = Scan::default();
    match scan.end(&bytes[..cut]) {
        Ok(None) => assert_eq!(scan.end(bytes), whole),
        // What is an answer or none does not change by what comes behind.
        early => assert_eq!(early, whole),
    }
}

/// Takes one value with all that is in it.
fn read_value(bytes: &mut &[u8]) -> Result<Option<()>, RespError> {
    let mut left = 1;
    while left > 0 {
        let Some((token, used)) = token(bytes)? else {
            return Ok(None);
        };
        match token {
            Token::Status(text) | Token::Error(text) | Token::Bulk(text) => {
                assert!(text.len() < used);
            }
            Token::Array(items) => left += items,
            Token::Integer(_) | Token::Float(_) | Token::Null => {}
        }
        *bytes = &bytes[used..];
        left -= 1;
    }
    assert!(bytes.is_empty());
    Ok(Some(()))
}
