//! Which of the 16384 slots of a Redis cluster a key belongs to.

/// Slots of a cluster.
pub const SLOTS: u16 = 16384;

const TABLE: [u16; 256] = table();

const fn table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut rest = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            let carry = rest >> 15;
            rest = (rest << 1) ^ (carry * 0x1021);
            bit += 1;
        }
        table[byte] = rest;
        byte += 1;
    }
    table
}

/// CRC-16/XMODEM.
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum: u16, byte| {
        (sum << 8) ^ TABLE[usize::from((sum >> 8) as u8 ^ byte)]
    })
}

/// The slot of `key`: what stands between its first `{` and the next `}`, if anything does, decides.
pub fn key_slot(key: &[u8]) -> u16 {
    let tag = || {
        let open = key.iter().position(|&byte| byte == b'{')? + 1;
        let len = key[open..].iter().position(|&byte| byte == b'}')?;
        (len > 0).then(|| &key[open..open + len])
    };
    crc16(tag().unwrap_or(key)) % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_their_published_slots() {
        assert_eq!(crc16(b"123456789"), 12739);
        assert_eq!(crc16(b""), 0);
        for (key, slot) in [
            ("foo", 12182),
            ("bar", 5061),
            ("foo{bar}{zap}", 5061),
            ("foo{}{bar}", 8363),
            ("foo{{bar}}zap", 4015),
            ("{user1000}.following", 3443),
            ("", 0),
        ] {
            assert_eq!(key_slot(key.as_bytes()), slot, "{key}");
        }
    }
}
