//! A Diffie-Hellman exchange in the field of the largest prime below 2^64.
//!
//! Two sides pick a number each, send `public` of it, and get the same `secret`. Sixty-four bits are no
//! secret from anybody who wants to know: it stands here for skynet's login protocol.

/// The field's size, 2^64 - [`GAP`].
const PRIME: u64 = u64::MAX - (GAP - 1);
const GAP: u64 = 59;
const GENERATOR: u64 = 5;

/// What a side sends for its own number.
pub fn public(own: u64) -> u64 {
    power(GENERATOR, own)
}

/// What both sides know: what the other one sent, and the own number.
pub fn secret(others: u64, own: u64) -> u64 {
    power(others % PRIME, own)
}

/// `base ^ exponent`; the base is below [`PRIME`].
fn power(base: u64, exponent: u64) -> u64 {
    let (mut result, mut square, mut bits) = (1, base, exponent);
    while bits != 0 {
        if bits & 1 == 1 {
            result = product(result, square);
        }
        square = product(square, square);
        bits >>= 1;
    }
    result
}

/// `a * b` of numbers below [`PRIME`]. Since 2^64 is [`GAP`] in this field, the upper half of a product
/// counts so many times; done twice, less than one prime is left above the result.
fn product(a: u64, b: u64) -> u64 {
    let fold = |wide: u128| (wide >> 64) * u128::from(GAP) + u128::from(wide as u64);
    let wide = fold(fold(u128::from(a) * u128::from(b)));
    (wide.checked_sub(PRIME.into()).unwrap_or(wide)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: u64 = 0x0807_0605_0403_0201;
    const B: u64 = 0x8070_6050_4030_2010;

    #[test]
    fn known_numbers_give_known_powers() {
        assert_eq!(public(1), 5);
        assert_eq!(public(2), 25);
        assert_eq!(
            public(A).to_le_bytes(),
            0x984e_1418_2832_35ed_u64.to_be_bytes()
        );
        assert_eq!(
            public(u64::MAX).to_le_bytes(),
            0x4e2e_a6ba_f651_b377_u64.to_be_bytes()
        );
        let known = 0x79f1_4481_bf5e_fa9d_u64.to_be_bytes();
        assert_eq!(secret(public(A), B).to_le_bytes(), known);
        assert_eq!(secret(public(B), A).to_le_bytes(), known);
        let known = 0x31a7_4ae0_6615_a814_u64.to_be_bytes();
        assert_eq!(secret(u64::MAX, A).to_le_bytes(), known);
        assert_eq!(secret(PRIME, A), 0);
    }

    #[test]
    fn products_are_those_of_wide_numbers() {
        let edges = [
            0,
            1,
            2,
            GAP,
            GAP + 1,
            1 << 32,
            A,
            B,
            PRIME / 2,
            PRIME - 2,
            PRIME - 1,
        ];
        for a in edges.map(|a| a % PRIME) {
            for b in edges.map(|b| b % PRIME) {
                let wide = u128::from(a) * u128::from(b) % u128::from(PRIME);
                assert_eq!(u128::from(product(a, b)), wide, "{a} * {b}");
            }
        }
    }
}
