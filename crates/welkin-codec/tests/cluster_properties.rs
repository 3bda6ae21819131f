//! Frames of nodes come out as they went in, wherever the stream is cut and however large messages are
//! mixed, and no bytes whatever do harm.

#[path = "support/cluster.rs"]
mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use support::{Sent, check_any_bytes, check_requests, check_results};

fn sent() -> impl Strategy<Value = Sent> {
    let size = prop_oneof![4 => 0usize..200, 1 => 32_700..32_800usize, 1 => 60_000..100_000usize];
    (
        any::<u32>(),
        vec(any::<u8>(), 0..20),
        size,
        any::<bool>(),
        any::<u8>(),
    )
        .prop_map(|(address, name, size, push, byte)| Sent {
            address,
            name,
            push,
            message: vec![byte; size],
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn requests_come_out_as_they_went_in(
        all in vec(sent(), 0..6),
        cuts in vec(1usize..5000, 1..20),
        order in any::<u64>(),
    ) {
        check_requests(&all, &cuts, order);
    }

    #[test]
    fn results_come_out_as_they_went_in(
        all in vec(sent(), 0..6),
        cuts in vec(1usize..5000, 1..20),
        order in any::<u64>(),
    ) {
        check_results(&all, &cuts, order);
    }

    #[test]
    fn noise_does_no_harm(bytes in vec(any::<u8>(), 0..400)) {
        check_any_bytes(&bytes);
    }

    #[test]
    fn noise_in_frames_does_no_harm(bodies in vec(vec(0u8..6, 0..20), 0..40)) {
        let bytes: Vec<u8> = bodies
            .iter()
            .flat_map(|body| [&[0, body.len() as u8], &body[..]].concat())
            .collect();
        check_any_bytes(&bytes);
    }
}
