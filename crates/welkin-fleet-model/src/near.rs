//! The known word that somebody most likely meant.

/// The nearest of `known` to a wrong word, if it is near enough to be a slip.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(known, word), known))
        .filter(|(slips, known)| *slips <= 3 && *slips < known.chars().count())
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_seen_and_another_word_is_not() {
        let known = ["start", "status", "stop"];
        assert_eq!(nearest("sttop", known), Some("stop"));
        assert_eq!(nearest("statsu", known), Some("status"));
        assert_eq!(nearest("machines", known), None);
    }
}
