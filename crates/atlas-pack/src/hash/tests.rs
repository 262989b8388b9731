use proptest::prelude::*;

use super::*;

#[test]
fn hashes_are_those_that_everybody_computes() {
    let text = b"The quick brown fox jumps over the lazy dog";
    for (format, value) in [
        (HashFormat::Md5, "9e107d9d372bb6826bd81d3542a419d6"),
        (HashFormat::Sha1, "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"),
        (
            HashFormat::Sha256,
            "d7a8fbb307d7809469ca9abcb0082e4f8d5651e46d3cdb762d02d0bf37c9e592",
        ),
        (
            HashFormat::Sha512,
            "07e547d9586f6a73f73fbac0435ed76951218fb7d0c8d788a309d785436bbb642e93a252a954f23912547d1e8a3b5ed6e1bfd7097821233fa0538f3db854fee6",
        ),
    ] {
        let hash = Hash::of(format, text);
        assert_eq!(hash.to_string(), value);
        assert_eq!(hash, Hash::parse(format, value).unwrap());
        assert_eq!(hash, Hash::parse(format, &value.to_uppercase()).unwrap());
        assert_eq!(format, format.name().parse().unwrap());
    }
}

/// MurmurHash2 written down once more as its author describes it: word by word, the rest by cases.
fn described(bytes: &[u8]) -> u32 {
    let m = 0x5bd1_e995_u64;
    let low = |value: u64| value & 0xffff_ffff;
    let kept: Vec<u64> = bytes
        .iter()
        .filter(|byte| ![9, 10, 13, 32].contains(*byte))
        .map(|byte| u64::from(*byte))
        .collect();
    let mut h = 1 ^ kept.len() as u64;
    let mut at = 0;
    while kept.len() - at >= 4 {
        let mut k = kept[at] + (kept[at + 1] << 8) + (kept[at + 2] << 16) + (kept[at + 3] << 24);
        k = low(k * m);
        k ^= k >> 24;
        k = low(k * m);
        h = low(h * m) ^ k;
        at += 4;
    }
    let left = kept.len() - at;
    if left >= 3 {
        h ^= kept[at + 2] << 16;
    }
    if left >= 2 {
        h ^= kept[at + 1] << 8;
    }
    if left >= 1 {
        h = low((h ^ kept[at]) * m);
    }
    h ^= h >> 13;
    h = low(h * m);
    h ^= h >> 15;
    h as u32
}

#[test]
fn murmur2_leaves_white_space_out_and_takes_signed_numbers() {
    // Known values of MurmurHash2 with seed 1.
    let hash = |text: &[u8]| Hash::of(HashFormat::Murmur2, text).to_string();
    assert_eq!(hash(b""), "1540447798");
    assert_eq!(hash(b" \t\r\n"), hash(b""));
    assert_eq!(hash(b"abcd"), "3376380438");
    assert_eq!(hash(b"a b\r\nc\td"), hash(b"abcd"));
    assert_ne!(hash(b"a\x0bb"), hash(b"ab"), "a vertical tab stays");
    let parse = |text: &str| Hash::parse(HashFormat::Murmur2, text);
    assert_eq!(parse("-1").unwrap(), parse("4294967295").unwrap());
    assert_eq!(parse("-2147483648").unwrap().to_string(), "2147483648");
    for wrong in ["", "4294967296", "-2147483649", "1.5", "0x10", " 1", "abc"] {
        assert!(parse(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn what_is_no_hash_is_refused_with_what_would_be_right() {
    let error = Hash::parse(HashFormat::Sha1, "08f98e").unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"08f98e\" is no sha1 hash: write 40 hexadecimal digits"
    );
    assert!(Hash::parse(HashFormat::Md5, &"g".repeat(32)).is_err());
    assert!(Hash::parse(HashFormat::Md5, &"é".repeat(16)).is_err());
    assert!("sha3".parse::<HashFormat>().is_err());
    assert_eq!("SHA256".parse::<HashFormat>().unwrap(), HashFormat::Sha256);
}

#[test]
fn formats_are_ordered_by_strength() {
    assert!(HashFormat::ALL.is_sorted());
    assert!(!HashFormat::Sha1.is_strong() && HashFormat::Sha256.is_strong());
}

proptest! {
    #[test]
    fn murmur2_is_the_one_that_is_described(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(
            Hash::of(HashFormat::Murmur2, &bytes).to_string(),
            described(&bytes).to_string()
        );
    }

    #[test]
    fn pieces_do_not_matter(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0_usize..200) {
        let cut = cut.min(bytes.len());
        for format in HashFormat::ALL {
            let mut hasher = Hasher::new(format);
            hasher.update(&bytes[..cut]);
            hasher.update(&bytes[cut..]);
            prop_assert_eq!(hasher.finish(), Hash::of(format, &bytes));
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,140}") {
        for format in HashFormat::ALL {
            if let Ok(hash) = Hash::parse(format, &text) {
                prop_assert_eq!(Hash::parse(format, &hash.to_string()).unwrap(), hash);
            }
        }
    }
}
