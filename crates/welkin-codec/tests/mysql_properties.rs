//! No bytes of a MySQL server do harm, and parameters are written as long as they are.

#[path = "support/mysql.rs"]
mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use support::check_any_bytes;
use welkin_codec::mysql::{Column, Parameter, TextRow, Value, kind, write_execute};

proptest! {
    #[test]
    fn any_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..300)) {
        check_any_bytes(&bytes);
    }

    #[test]
    fn packets_of_any_bytes_do_no_harm(first in any::<u8>(), body in vec(any::<u8>(), 0..200)) {
        let len = body.len() as u8 + 1;
        check_any_bytes(&[&[len, 0, 0, 1, first], &body[..]].concat());
    }

    /// A text among the parameters is written as a row has it.
    #[test]
    fn a_parameter_reads_as_a_text(text in vec(any::<u8>(), 0..70_000)) {
        let mut out = Vec::new();
        write_execute(&mut out, 1, &[Parameter::Null, Parameter::Bytes(&text)]);
        // Command, number, flags, count; NULLs, types.
        let mut row = TextRow::new(&out[10 + 1 + 1 + 4..]);
        let column = Column { name: b"", kind: kind::VARCHAR, signed: true, decimals: 0 };
        prop_assert_eq!(row.next(&column), Ok(Value::Bytes(&text)));
    }
}
