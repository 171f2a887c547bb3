//! `LIKE` of the SHOW statements: `%` is any text, `_` one character, `\` takes the next one as it is. Without case.

/// Whether a text is like a pattern.
pub(super) fn is_like(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let (mut at, mut of) = (0, 0);
    // Where to go on when what follows the last `%` did not fit: one character later.
    let mut retry: Option<(usize, usize)> = None;
    while at < text.len() {
        let step = match pattern.get(of) {
            Some('%') => {
                retry = Some((at, of + 1));
                of += 1;
                continue;
            }
            Some('_') => Some(1),
            Some('\\') if pattern.get(of + 1) == text.get(at) => Some(2),
            Some(wanted) if Some(wanted) == text.get(at) => Some(1),
            _ => None,
        };
        match (step, &mut retry) {
            (Some(step), _) => {
                at += 1;
                of += step;
            }
            (None, Some((from, behind))) => {
                *from += 1;
                (at, of) = (*from, *behind);
            }
            (None, None) => return false,
        }
    }
    pattern[of..].iter().all(|rest| *rest == '%')
}

#[cfg(test)]
mod tests {
    use super::is_like;

    #[test]
    fn patterns_fit_as_in_sql() {
        for (text, pattern) in [
            ("orders", "orders"),
            ("orders", "ord%"),
            ("orders", "%ders"),
            ("orders", "o_d%s"),
            ("orders", "%"),
            ("ORDERS", "orders"),
            ("a_b", "a\\_b"),
            ("", "%%"),
            ("aab", "%ab"),
            ("größe", "gr__e"),
        ] {
            assert!(is_like(text, pattern), "{text} like {pattern}");
        }
        for (text, pattern) in
            [("orders", "order"), ("orders", "_"), ("axb", "a\\_b"), ("", "_"), ("ab", "%c%")]
        {
            assert!(!is_like(text, pattern), "{text} not like {pattern}");
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_time() {
        let text = "a".repeat(20_000);
        let pattern = format!("{}b", "%a".repeat(50));
        assert!(!is_like(&text, &pattern));
    }
}
