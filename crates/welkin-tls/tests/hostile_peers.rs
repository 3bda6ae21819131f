//! Bytes that somebody has changed, cut, repeated or made up on their way to a session.

use proptest::prelude::*;

#[path = "support/hostile.rs"]
mod support;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_session_hands_out_what_its_peer_sent_or_nothing(script in prop::collection::vec(any::<u8>(), 0..200)) {
        support::check_script(&script);
    }
}

#[test]
fn text_goes_through_and_its_repetition_ends_the_session() {
    // Hands are shaken, text goes over, and goes over once more as it was.
    for victim in [0, 1] {
        support::check_script(&[victim, 0, 0, 0, 7, 200, 0, 7, 9, 5, 7, 1, 0]);
    }
}
