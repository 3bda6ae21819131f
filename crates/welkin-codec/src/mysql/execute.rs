//! The packet that runs a prepared statement with its parameters.

use super::kind;

const EXECUTE: u8 = 0x17;

/// A parameter.
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum Parameter<'a> {
    /// NULL.
    Null,
    /// True or false.
    Bool(bool),
    /// A number without fraction.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// Anything else.
    Bytes(&'a [u8]),
}

impl Parameter<'_> {
    fn kind(&self) -> u8 {
        match self {
            Self::Null => kind::NULL,
            Self::Bool(_) => kind::TINY,
            Self::Integer(_) => kind::LONGLONG,
            Self::Float(_) => kind::DOUBLE,
            Self::Bytes(_) => kind::VARCHAR,
        }
    }
}

/// Writes the body of the packet for statement `id`.
pub fn write_execute(out: &mut Vec<u8>, id: u32, parameters: &[Parameter<'_>]) {
    out.push(EXECUTE);
    out.extend(id.to_le_bytes());
    // No cursor; and a count that is always one.
    out.extend([0, 1, 0, 0, 0]);
    if parameters.is_empty() {
        return;
    }
    let nulls = out.len();
    out.resize(nulls + parameters.len().div_ceil(8), 0);
    for (at, parameter) in parameters.iter().enumerate() {
        if *parameter == Parameter::Null {
            out[nulls + at / 8] |= 1 << (at % 8);
        }
    }
    // The types follow.
    out.push(1);
    for parameter in parameters {
        out.extend([parameter.kind(), 0]);
    }
    for parameter in parameters {
        match parameter {
            Parameter::Null => {}
            Parameter::Bool(value) => out.push((*value).into()),
            Parameter::Integer(value) => out.extend(value.to_le_bytes()),
            Parameter::Float(value) => out.extend(value.to_le_bytes()),
            Parameter::Bytes(bytes) => {
                write_len(out, bytes.len());
                out.extend_from_slice(bytes);
            }
        }
    }
}

fn write_len(out: &mut Vec<u8>, len: usize) {
    let bytes = (len as u64).to_le_bytes();
    match len {
        0..=0xfa => out.push(bytes[0]),
        0xfb..=0xffff => {
            out.push(0xfc);
            out.extend(&bytes[..2]);
        }
        0x1_0000..=0xff_ffff => {
            out.push(0xfd);
            out.extend(&bytes[..3]);
        }
        _ => {
            out.push(0xfe);
            out.extend(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_follow_their_types() {
        let mut out = Vec::new();
        let parameters = [
            Parameter::Integer(-1),
            Parameter::Null,
            Parameter::Bool(true),
            Parameter::Bytes(b"ab"),
        ];
        write_execute(&mut out, 5, &parameters);
        let expected = b"\x17\x05\0\0\0\0\x01\0\0\0\x02\x01\x08\0\x06\0\x01\0\x0f\0\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02ab";
        assert_eq!(out, expected);
        out.clear();
        write_execute(&mut out, 5, &[]);
        assert_eq!(out, b"\x17\x05\0\0\0\0\x01\0\0\0");
    }

    #[test]
    fn lengths_have_four_widths() {
        for (len, head) in [(250, 1), (251, 3), (0x1_0000, 4), (0x100_0000, 9)] {
            let mut out = Vec::new();
            write_len(&mut out, len);
            assert_eq!(out.len(), head, "{len}");
        }
    }
}
