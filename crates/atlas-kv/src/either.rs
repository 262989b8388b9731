//! One of two iterators.

/// One of two iterators over the same, for collections that are kept in more than one form: which it is is looked at for
/// each item, but once only for a walk through all.
#[derive(Clone, Debug)]
pub(crate) enum Either<L, R> {
    Left(L),
    Right(R),
}

impl<T, L: Iterator<Item = T>, R: Iterator<Item = T>> Iterator for Either<L, R> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match self {
            Self::Left(left) => left.next(),
            Self::Right(right) => right.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Left(left) => left.size_hint(),
            Self::Right(right) => right.size_hint(),
        }
    }

    fn fold<B, F: FnMut(B, T) -> B>(self, start: B, with: F) -> B {
        match self {
            Self::Left(left) => left.fold(start, with),
            Self::Right(right) => right.fold(start, with),
        }
    }
}
