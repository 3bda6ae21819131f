//! What nodes say to each other: skynet's cluster protocol, both ways.
//!
//! A connection carries requests in one direction and their responses in the other. Each *frame* is a
//! length of 2 bytes, big endian ([`crate::frame`]), and a body; all other numbers are little endian.
//! A message of [`PART`] bytes and more (a result of more than that) travels as a begin, which
//! announces its size, and parts, which other frames may come between.
//!
//! ```text
//! request    00 address u32, session u32, message     80 length u8, name, session u32, message
//!   begin    01/41 address u32, session u32, size u32 81/c1 length u8, name, session u32, size u32
//!   part     02/03 session u32, bytes                 trace  04 text
//! response   session u32, 00 text / 01 message / 02 size u32 / 03 bytes / 04 bytes
//! ```
//! 40 in the first byte marks a push (no answer is wanted), 80 a name instead of an address; 03 and 04
//! are the last parts. A short push has session 0.
//!
//! [`Requests`] and [`Responses`] are the two receiving sides: frame by frame in, whole messages out.
//! An announced size is a limit; bytes are kept as they come, with a little room ahead ([`Room`]).
//! Both have limits ([`LARGE_OPEN_MAX`], [`LARGE_BYTES_MAX`]), which no honest peer meets.

mod large;
mod request;
mod requests;
mod response;
mod responses;
mod write;

pub use large::Room;
pub use request::{BadRequest, Request, To};
pub use requests::{Call, Event, Requests};
pub use response::{Malformed, Response};
pub use responses::{Answer, Responses};
pub use write::{
    NameLength, parts, write_begin, write_error, write_part, write_part_head, write_request,
    write_result, write_result_begin, write_result_part, write_result_part_head, write_trace,
};

/// Bytes of a full part; shortest message that travels in parts.
pub const PART: usize = 32_768;
/// Longest result that travels in one frame.
pub const RESULT_SHORT_MAX: usize = PART;
/// Longest error text of a response; what is longer is cut.
pub const ERROR_MAX: usize = PART;
/// Longest trace tag.
pub const TRACE_MAX: usize = PART;
/// Longest name of a service.
pub const NAME_MAX: usize = 255;
/// Most large messages of one connection that have begun and not ended.
pub const LARGE_OPEN_MAX: usize = 4096;
/// Most bytes of all large messages of one connection that have not ended.
pub const LARGE_BYTES_MAX: usize = 256 << 20;
/// The last session; the next one is 1.
pub const SESSION_LAST: u32 = i32::MAX as u32;

/// The session after this one.
pub fn next_session(session: u32) -> u32 {
    if session >= SESSION_LAST {
        1
    } else {
        session + 1
    }
}

#[cfg(test)]
mod tests;
