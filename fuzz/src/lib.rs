//! What every fuzz target is made of: with the fuzzer's flags a libFuzzer target, without them a program and a test that
//! replay inputs.

#[cfg(fuzzing)]
pub use libfuzzer_sys;

use std::path::{Path, PathBuf};

/// Defines a target: a check of some bytes, which panics if something is wrong.
///
/// Built for fuzzing it is libFuzzer's entry; built otherwise, a `main` that checks the files it is given (without any,
/// the target's corpus) and a test that checks the corpus.
#[macro_export]
macro_rules! target {
    (|$data:ident| $body:expr) => {
        fn check_input($data: &[u8]) {
            $body
        }

        #[cfg(fuzzing)]
        $crate::libfuzzer_sys::fuzz_target!(|data: &[u8]| { check_input(data) });

        #[cfg(not(fuzzing))]
        fn main() {
            $crate::replay(env!("CARGO_CRATE_NAME"), check_input);
        }

        #[cfg(test)]
        #[test]
        fn the_corpus_is_harmless() {
            $crate::replay_corpus(env!("CARGO_CRATE_NAME"), check_input);
        }
    };
}

/// Checks the files that the command line names, or the corpus of the target.
pub fn replay(target: &str, check: fn(&[u8])) {
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if files.is_empty() {
        replay_corpus(target, check);
    }
    for file in files {
        replay_file(&file, check);
    }
}

/// Checks every input that is kept for a target.
///
/// # Panics
/// If there is none, or if one is not harmless; its name is printed before.
pub fn replay_corpus(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| {
        panic!("{} cannot be read: {error}", folder.display());
    });
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    for file in files {
        replay_file(&file, check);
    }
}

fn replay_file(file: &Path, check: fn(&[u8])) {
    let bytes = std::fs::read(file).unwrap_or_else(|error| {
        panic!("{} cannot be read: {error}", file.display());
    });
    println!("{} ({} bytes)", file.display(), bytes.len());
    check(&bytes);
}
