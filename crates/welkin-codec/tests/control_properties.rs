//! Control lines come out as they went in, wherever the stream is cut, and no bytes whatever do harm.

#[path = "support/control.rs"]
mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use welkin_codec::control::{Answer, Online, Queue, Sockets, Status, Stuck, Totals};

fn status() -> impl Strategy<Value = Status> {
    let texts = vec(".*", 12);
    let numbers = vec(any::<u64>(), 12);
    (texts, numbers, any::<(bool, bool, bool, bool)>()).prop_map(|(texts, n, flags)| {
        let text = |at: usize| texts[at].clone();
        Status {
            node: flags.0.then(|| text(0)),
            start_key: flags.1.then(|| text(1)),
            pid: n[0] as u32,
            version: text(2),
            ready: flags.2,
            reason: text(3),
            draining: flags.3,
            stopping: flags.0,
            since: n[1] as i64,
            uptime_s: n[2],
            services: n[3],
            hooked: n[4],
            online: flags.1.then_some(n[5]),
            online_by: vec![Online {
                service: text(4),
                name: text(5),
                online: flags.2.then_some(n[6]),
            }],
            memory: flags.3.then_some(n[7]),
            lua_memory: n[8],
            sockets: Sockets {
                listen: n[9],
                established: n[10],
                closing: n[11],
                udp: n[0],
            },
            totals: Totals {
                messages: n[1],
                rx: n[2],
                tx: n[3],
                errors: n[4],
            },
            console: flags.0.then_some(n[5] as u16),
            queue: flags.0.then(|| Queue {
                service: text(6),
                name: text(7),
                messages: n[1],
            }),
            stuck: vec![Stuck {
                service: text(8),
                name: text(9),
                function: text(10),
                at: text(11),
                ms: n[2],
            }],
        }
    })
}

proptest! {
    #[test]
    fn a_status_comes_out_as_it_went_in(status in status(), id in any::<Option<u64>>()) {
        let answer = Answer::Status(Box::new(status));
        let line = answer.line(id);
        prop_assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
        prop_assert_eq!(Answer::parse(&line), Ok((id, answer)));
    }

    #[test]
    fn any_bytes_are_borne(bytes in vec(any::<u8>(), 0..2000)) {
        support::check_any_bytes(&bytes);
    }

    #[test]
    fn nearly_right_lines_are_borne(
        words in vec(
            prop_oneof![
                Just("{"), Just("}"), Just(":"), Just(","), Just("\n"), Just("\"ask\""), Just("\"stop\""),
                Just("\"drain\""), Just("\"off\""), Just("true"), Just("\"id\""), Just("7"), Just("1e400"),
                Just("\"answer\""), Just("\"end\""), Just("\"status\""), Just("\"unfinished\""), Just("[]"),
            ],
            0..60,
        ),
    ) {
        support::check_any_bytes(words.concat().as_bytes());
    }
}
