//! Patterns: what they match, and that none takes long.

use proptest::prelude::*;

use super::*;

fn check(pattern: &str, text: &str) -> bool {
    matches(pattern.as_bytes(), text.as_bytes(), &mut Steps::new()).unwrap()
}

#[test]
fn patterns_match_as_in_redis() {
    let cases = [
        ("", "", true),
        ("", "a", false),
        ("a", "", false),
        // No text at all matches no star: Redis does not look at the pattern then.
        ("*", "", false),
        ("**", "", false),
        ("*", "a", true),
        ("**", "a", true),
        ("a", "a", true),
        ("a", "A", false),
        ("a", "ab", false),
        ("ab", "a", false),
        ("a*", "a", true),
        ("a***", "a", true),
        ("*a", "a", true),
        ("*a*", "a", true),
        ("*aa*", "a", false),
        ("h?llo", "hello", true),
        ("h?llo", "hllo", false),
        ("?", "", false),
        ("h*llo", "hllo", true),
        ("h*llo", "heeeello", true),
        ("h*l*o", "hello", true),
        ("h*l*o", "help", false),
        ("*ab*ab", "abab", true),
        ("*ab*ab", "ab", false),
        ("*abc", "ababc", true),
        ("h[ae]llo", "hallo", true),
        ("h[ae]llo", "hillo", false),
        ("h[^e]llo", "hallo", true),
        ("h[^e]llo", "hello", false),
        ("h[a-b]llo", "hbllo", true),
        ("h[b-a]llo", "hbllo", true),
        ("h[a-b]llo", "hcllo", false),
        ("h\\?llo", "h?llo", true),
        ("h\\?llo", "hello", false),
        ("h\\*llo", "h*llo", true),
        ("\\a", "a", true),
        // A backslash at the end means itself.
        ("a\\", "a\\", true),
        ("[\\]]", "]", true),
        ("[\\]a]", "a", true),
        ("[\\a-c]", "b", false),
        ("[\\a-c]", "-", true),
        ("[]a]", "a", false),
        ("[^]a]", "xa]", true),
        // A class that is never closed ends with the pattern.
        ("[abc", "b", true),
        ("[abc", "d", false),
        ("[a-", "-", true),
        ("[^", "x", true),
        ("[", "[", false),
        ("[\\", "\\", true),
        // The third byte of a range is its end, whatever it is.
        ("[a-]", "]", true),
        ("[a-]", "_", true),
        ("[a-]x", "_", true),
        ("[*?]", "*", true),
        ("[*?]", "a", false),
        ("*[0-9]", "key:7", true),
        ("user:*:[0-9]?", "user:anna:42", true),
        ("user:*:[0-9]?", "user:anna:x2", false),
    ];
    for (pattern, text, expected) in cases {
        assert_eq!(check(pattern, text), expected, "{pattern} and {text:?}");
    }
}

#[test]
fn case_is_dropped_where_asked() {
    let cases = [
        ("MAX*", "maxmemory", true),
        ("max*", "MAXMEMORY", true),
        ("[A-C]", "b", true),
        ("[a-c]", "B", true),
        ("[^a-c]", "B", false),
        ("[x]", "X", true),
        ("\\x", "X", true),
        // Inside a class an escaped byte keeps its case.
        ("[\\x]", "X", false),
        ("a", "b", false),
    ];
    for (pattern, text, expected) in cases {
        let found = matches_caseless(pattern.as_bytes(), text.as_bytes(), &mut Steps::new());
        assert_eq!(found, Ok(expected), "{pattern} and {text:?}");
    }
}

#[test]
fn high_bytes_come_before_low_ones_in_ranges() {
    let check = |pattern: &[u8], text: &[u8]| matches(pattern, text, &mut Steps::new()).unwrap();
    assert!(check(b"[\x80-\xff]", b"\x90"));
    assert!(check(b"[\xf0-a]", b"0"));
    assert!(!check(b"[\xf0-a]", b"\x80"));
    assert!(!check(b"[\xf0-a]", b"b"));
}

#[test]
fn literals_are_known() {
    assert!(is_literal(b"user:1"));
    for pattern in ["a*", "?", "[a]", "\\a"] {
        assert!(!is_literal(pattern.as_bytes()), "{pattern}");
    }
}

/// A pattern of 64 KiB with a star at every other byte sent Redis's matcher, which called itself for each star, down
/// until its stack ended (CVE-2024-31228); earlier ones took exponential time.
#[test]
fn many_stars_take_few_steps() {
    let pattern = [b"a*".repeat(32 * 1024), b"b".to_vec()].concat();
    for text in [
        vec![b'a'; 64 * 1024],
        [vec![b'a'; 64 * 1024], b"b".to_vec()].concat(),
        vec![b'a'; 100],
    ] {
        let mut steps = Steps::new();
        let found = matches(&pattern, &text, &mut steps).unwrap();
        assert_eq!(found, text.ends_with(b"b"));
        // What the bytes brought was enough.
        assert!(STEPS_FREE - steps.left < 1 << 20, "{}", steps.left);
    }
}

#[test]
fn what_would_take_long_is_refused() {
    // A long piece behind a star, tried at every byte; and a long class, looked through for every byte.
    let piece = [b"*".to_vec(), vec![b'a'; 32 * 1024], b"b".to_vec()].concat();
    let class = [b"*[".to_vec(), vec![b'b'; 64 * 1024], b"]x".to_vec()].concat();
    for pattern in [piece, class] {
        let mut steps = Steps::new();
        let text = vec![b'a'; 64 * 1024];
        assert!(matches(&pattern, &text, &mut steps).is_err());
        // Who goes on asking gets what the bytes bring, no more.
        assert!(matches(&pattern, &text, &mut steps).is_err());
        // An ordinary pattern is answered even then.
        assert_eq!(matches(b"*b*", &text, &mut steps), Ok(false));
    }
}

#[test]
fn many_short_texts_are_no_reason_to_refuse() {
    let mut steps = Steps::new();
    for number in 0..1_000_000_u32 {
        let key = number.to_le_bytes();
        assert!(matches(b"*[a-z]*?*[^0-9]*x", &key, &mut steps).is_ok());
    }
    // But many short texts do not add up to a licence for a long class.
    let class = [b"[".to_vec(), vec![b'b'; 64 * 1024], b"]".to_vec()].concat();
    let refused = (0..1000).any(|_| matches(&class, b"a", &mut steps).is_err());
    assert!(refused);
}

/// What a pattern means, said as simply as possible.
fn model(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], _) => text.is_empty(),
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|skipped| model(rest, &text[skipped..])),
        (_, []) => false,
        (_, [byte, after @ ..]) => {
            let one = one(pattern, *byte, false).unwrap();
            one.is_match && model(&pattern[one.length..], after)
        }
    }
}

proptest! {
    #[test]
    fn walking_finds_what_trying_everything_finds(
        pattern in "[ab*?\\[\\]^\\\\-]{0,9}",
        text in "[ab*\\]^-]{1,9}",
    ) {
        let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
        prop_assert_eq!(
            matches(pattern, text, &mut Steps::new()).unwrap(),
            model(pattern, text)
        );
    }

    #[test]
    fn no_bytes_are_too_strange(
        pattern in prop::collection::vec(any::<u8>(), 0..40),
        text in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        matches(&pattern, &text, &mut Steps::new()).unwrap();
        matches_caseless(&pattern, &text, &mut Steps::new()).unwrap();
    }
}
