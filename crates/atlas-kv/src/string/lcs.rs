//! `LCS`: the longest subsequence that two strings share.

use crate::view::View;
use crate::{Arguments, Error, Reply, number};

/// Text that Redis takes for each pair of a byte of one and a byte of the other string; its limit is told in them.
const REDIS_CELL_BYTES: u64 = 4;

#[derive(Debug, Default)]
struct Options {
    /// `LEN`: only how long it is.
    len: bool,
    /// `IDX`: where it lies.
    positions: bool,
    /// `WITHMATCHLEN`: how long each piece is.
    lengths: bool,
    /// `MINMATCHLEN`: shorter pieces are not told.
    length_min: i64,
}

impl Options {
    fn of(arguments: &Arguments<'_>) -> Result<Self, Error> {
        let mut options = Self::default();
        let mut position = 3;
        while position < arguments.len() {
            if arguments.is(position, "idx") {
                options.positions = true;
            } else if arguments.is(position, "len") {
                options.len = true;
            } else if arguments.is(position, "withmatchlen") {
                options.lengths = true;
            } else if arguments.is(position, "minmatchlen") && position + 1 < arguments.len() {
                position += 1;
                let length = number::integer(arguments.at(position)).ok_or(Error::NotInteger)?;
                options.length_min = length.max(0);
            } else {
                return Err(Error::Syntax);
            }
            position += 1;
        }
        if options.len && options.positions {
            return Err(Error::fixed(
                "ERR If you want both the length and indexes, please just use IDX.",
            ));
        }
        Ok(options)
    }
}

pub(super) fn lcs(
    view: &View<'_>,
    arguments: &Arguments<'_>,
    reply: &mut dyn Reply,
) -> Result<(), Error> {
    let string = |position| {
        view.string(arguments.at(position))
            .map_err(|_| Error::fixed("ERR The specified keys must contain string values"))
    };
    let (left, right) = (string(1)?, string(2)?);
    let options = Options::of(arguments)?;
    let left = left.as_deref().unwrap_or_default();
    let right = right.as_deref().unwrap_or_default();
    let cells = (left.len() as u64 + 1).saturating_mul(right.len() as u64 + 1);
    if cells.saturating_mul(REDIS_CELL_BYTES) > view.settings().string_bytes_max {
        return Err(Error::fixed(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        ));
    }
    let table = Table::new(left, right);
    if options.len {
        reply.integer(table.len as i64);
        return Ok(());
    }
    let pieces = table.pieces(left, right);
    if !options.positions {
        let shared: Vec<u8> = pieces
            .iter()
            .rev()
            .filter_map(|piece| left.get(piece.left..piece.left + piece.len))
            .flatten()
            .copied()
            .collect();
        reply.bulk(&shared);
        return Ok(());
    }
    let told = || {
        pieces
            .iter()
            .filter(|piece| piece.len as i64 >= options.length_min)
    };
    reply.map(2);
    reply.bulk(b"matches");
    reply.array(told().count());
    for piece in told() {
        reply.array(2 + usize::from(options.lengths));
        for start in [piece.left, piece.right] {
            reply.array(2);
            reply.integer(start as i64);
            reply.integer((start + piece.len - 1) as i64);
        }
        if options.lengths {
            reply.integer(piece.len as i64);
        }
    }
    reply.bulk(b"len");
    reply.integer(table.len as i64);
    Ok(())
}

/// Text next to each other in both strings.
#[derive(Debug)]
struct Piece {
    left: usize,
    right: usize,
    len: usize,
}

/// Where the way back from the ends of both strings goes. Redis keeps every length; one bit a pair is enough.
struct Table {
    /// The length of the subsequence.
    len: u32,
    /// True where, the last bytes being different, the left string without its last shares more.
    is_left: Vec<u64>,
    columns: usize,
}

impl Table {
    fn new(left: &[u8], right: &[u8]) -> Self {
        let columns = right.len();
        let mut is_left = vec![0_u64; (left.len() * columns).div_ceil(64)];
        // Lengths for the left string so far and each beginning of the right one.
        let mut row = vec![0_u32; columns + 1];
        let mut cell = 0;
        for &byte in left {
            let mut diagonal = 0;
            let mut beside = 0;
            for (column, &other) in right.iter().enumerate() {
                let above = row[column + 1];
                let length = if byte == other {
                    diagonal + 1
                } else {
                    is_left[cell / 64] |= u64::from(above > beside) << (cell % 64);
                    above.max(beside)
                };
                row[column + 1] = length;
                diagonal = above;
                beside = length;
                cell += 1;
            }
        }
        Self {
            len: row.last().copied().unwrap_or_default(),
            is_left,
            columns,
        }
    }

    /// The pieces that make up the subsequence, the last first.
    fn pieces(&self, left: &[u8], right: &[u8]) -> Vec<Piece> {
        let mut pieces: Vec<Piece> = Vec::new();
        let (mut row, mut column) = (left.len(), right.len());
        while row > 0 && column > 0 {
            if left[row - 1] == right[column - 1] {
                (row, column) = (row - 1, column - 1);
                match pieces.last_mut() {
                    Some(piece) if piece.left == row + 1 && piece.right == column + 1 => {
                        (piece.left, piece.right) = (row, column);
                        piece.len += 1;
                    }
                    _ => pieces.push(Piece {
                        left: row,
                        right: column,
                        len: 1,
                    }),
                }
                continue;
            }
            let cell = (row - 1) * self.columns + column - 1;
            if self.is_left[cell / 64] >> (cell % 64) & 1 == 1 {
                row -= 1;
            } else {
                column -= 1;
            }
        }
        pieces
    }
}
