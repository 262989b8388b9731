//! What the suite's output says.

/// How a file ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Tests that held.
    pub(super) passed: usize,
    /// Tests that did not, each with what the suite says of it.
    pub(super) failed: Vec<String>,
    /// Tests that were left out by name.
    pub(super) skipped: usize,
    /// True if the file ran to its end.
    pub(super) is_whole: bool,
}

/// Reads the lines `[ok]: …`, `[err]: …`, `[exception]: …` of the suite.
pub(super) fn read(output: &str) -> Outcome {
    let mut outcome = Outcome::default();
    for line in plain(output).split(['\r', '\n']) {
        if line.starts_with("[ok]") {
            outcome.passed += 1;
        } else if line.starts_with("[skip]") {
            outcome.skipped += 1;
        } else if let Some(rest) = line
            .strip_prefix("[err]: ")
            .or_else(|| line.strip_prefix("[exception]: "))
        {
            outcome.failed.push(rest.to_owned());
        } else if line.contains("All tests passed without errors") {
            outcome.is_whole = true;
        } else if line.starts_with('[') && line.contains(" done]: ") {
            // A failed test does not stop the file.
            outcome.is_whole = true;
        } else if let Some(last) = outcome.failed.last_mut()
            && !line.is_empty()
            && !line.starts_with('[')
            && last.len() < 2000
        {
            last.push_str("\n      ");
            last.push_str(line);
        }
    }
    outcome
}

/// The text without the sequences that colour it.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            for skipped in characters.by_ref() {
                if skipped.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            plain.push(character);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_whatever_their_colour() {
        let output = "[ready]: 1\n\u{1b}[32m[ok]\u{1b}[0m: one (1 ms)\r\n[err]: two in tests/a.tcl\n\
            Expected '1' to be equal to '2'\n[ok]: three (0 ms)\n[skip]: four\n[1/1 \u{1b}[1mdone\u{1b}[0m]: a (1 seconds)\n";
        let outcome = read(output);
        assert_eq!(outcome.passed, 2);
        assert_eq!(
            outcome.failed,
            ["two in tests/a.tcl\n      Expected '1' to be equal to '2'"]
        );
        assert_eq!(outcome.skipped, 1);
        assert!(outcome.is_whole);
        assert!(!read("[ok]: one (1 ms)\n").is_whole, "its end was not told");
        assert!(read("\\o/ All tests passed without errors!\n").is_whole);
    }
}
