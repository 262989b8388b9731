//! A look at what follows in the buffer, without dealing with it.

use std::ops::Range;

use crate::number;

/// Finds the second argument, which mostly is a key, of each of the commands that begin at `from`, and appends where it
/// is; a command without one leaves an empty range. Ends with the first command that is not whole or not an array of
/// bulk strings written in the shortest way, or after `count_max` commands. Returns how many commands were seen.
///
/// For whoever wants to know early what will be asked for. It decides nothing: no limit is looked at, and the decoder may
/// refuse what is found here.
pub fn second_arguments(
    buffer: &[u8],
    from: usize,
    count_max: usize,
    found: &mut Vec<Range<u32>>,
) -> usize {
    let mut position = from;
    for count in 0..count_max {
        match command(buffer, position) {
            Some((second, next)) => {
                found.push(second);
                position = next;
            }
            None => return count,
        }
    }
    count_max
}

/// The second argument of the command at a position, and where the next command begins.
fn command(buffer: &[u8], position: usize) -> Option<(Range<u32>, usize)> {
    let line = buffer.get(position..)?;
    if line.first() != Some(&b'*') {
        return None;
    }
    let (count, next) = number::short(line)?;
    let mut position = position + next;
    let mut second = 0..0;
    for at in 0..count {
        let line = buffer.get(position..)?;
        if line.first() != Some(&b'$') {
            return None;
        }
        let (length, next) = number::short(line)?;
        let start = position + next;
        let end = start + length as usize;
        if end + 2 > buffer.len() {
            return None;
        }
        if at == 1 {
            second = u32::try_from(start).ok()?..u32::try_from(end).ok()?;
        }
        position = end + 2;
    }
    Some((second, position))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_argument_of_each_whole_command_is_found() {
        let get = "*2\r\n$3\r\nGET\r\n$1\r\na\r\n";
        let set = "*3\r\n$3\r\nSET\r\n$2\r\nbb\r\n$1\r\n1\r\n";
        let cases: [(String, &[&str]); 8] = [
            (format!("{get}{set}{get}"), &["a", "bb", "a"]),
            (format!("{get}*1\r\n$4\r\nPING\r\n{set}"), &["a", "", "bb"]),
            (format!("{get}PING\r\n{set}"), &["a"]),
            (
                format!("{get}*3\r\n$3\r\nSET\r\n$2\r\nbb\r\n$1\r\n"),
                &["a"],
            ),
            (format!("{get}*-1\r\n{set}"), &["a"]),
            (format!("{get}*0\r\n{set}"), &["a", "", "bb"]),
            (format!("{get}*2147483647\r\n$1\r\n"), &["a"]),
            (String::new(), &[]),
        ];
        for (input, expected) in cases {
            let mut found = Vec::new();
            let count = second_arguments(input.as_bytes(), 0, 16, &mut found);
            let words: Vec<&str> = found
                .iter()
                .map(|range| &input[range.start as usize..range.end as usize])
                .collect();
            assert_eq!((count, &*words), (expected.len(), expected), "{input:?}");
        }
    }

    #[test]
    fn no_more_than_is_asked_for() {
        let input = "*1\r\n$4\r\nPING\r\n".repeat(5);
        let mut found = Vec::new();
        assert_eq!(second_arguments(input.as_bytes(), 14, 3, &mut found), 3);
        assert_eq!(second_arguments(input.as_bytes(), 14, 9, &mut found), 4);
        assert_eq!(second_arguments(input.as_bytes(), 1000, 9, &mut found), 0);
        assert_eq!(found.len(), 7);
    }
}
