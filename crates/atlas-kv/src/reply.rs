//! Where answers go.

/// Takes an answer piece by piece, in the order of the wire. An aggregate is announced with its length, then its
/// elements follow.
///
/// The store's connections encode what they take as RESP2 or RESP3; [`Discard`] drops it (a replay); [`Collected`] keeps
/// it as a tree (tests, scripts).
pub trait Reply {
    /// A status such as `OK`.
    fn simple(&mut self, text: &str);
    /// An error line with its code, without the leading `-`: `ERR syntax error`.
    fn error(&mut self, line: &str);
    /// A 64-bit integer.
    fn integer(&mut self, value: i64);
    /// A string of any bytes.
    fn bulk(&mut self, bytes: &[u8]);
    /// Nothing, where a string would stand.
    fn null(&mut self);
    /// Nothing, where an array would stand; RESP3 knows one nothing only.
    fn null_array(&mut self);
    /// A floating-point number; in RESP2 a string.
    fn double(&mut self, value: f64);
    /// A truth value; in RESP2 1 or 0.
    fn boolean(&mut self, value: bool);
    /// Text of a named format (`txt`, `mkd`); in RESP2 a string.
    fn verbatim(&mut self, format: &str, text: &[u8]);
    /// An integer of any size in decimal digits; in RESP2 a string.
    fn big_number(&mut self, digits: &[u8]);
    /// `length` elements follow.
    fn array(&mut self, length: usize);
    /// `length` pairs of key and value follow; in RESP2 an array of twice as many.
    fn map(&mut self, length: usize);
    /// `length` elements without order follow; in RESP2 an array.
    fn set(&mut self, length: usize);
    /// `length` elements follow that nobody asked for; in RESP2 an array.
    fn push(&mut self, length: usize);
    /// True if the answer is for a RESP3 client: some commands shape their answers by it.
    fn is_resp3(&self) -> bool;

    /// The status `OK`.
    fn ok(&mut self) {
        self.simple("OK");
    }
}

/// Drops every answer.
#[derive(Debug, Default)]
pub struct Discard;

impl Reply for Discard {
    fn simple(&mut self, _: &str) {}
    fn error(&mut self, _: &str) {}
    fn integer(&mut self, _: i64) {}
    fn bulk(&mut self, _: &[u8]) {}
    fn null(&mut self) {}
    fn null_array(&mut self) {}
    fn double(&mut self, _: f64) {}
    fn boolean(&mut self, _: bool) {}
    fn verbatim(&mut self, _: &str, _: &[u8]) {}
    fn big_number(&mut self, _: &[u8]) {}
    fn array(&mut self, _: usize) {}
    fn map(&mut self, _: usize) {}
    fn set(&mut self, _: usize) {}
    fn push(&mut self, _: usize) {}
    fn is_resp3(&self) -> bool {
        false
    }
}

/// An answer as a tree.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A status.
    Simple(String),
    /// An error line with its code.
    Error(String),
    /// An integer.
    Integer(i64),
    /// A string of bytes.
    Bulk(Vec<u8>),
    /// Nothing.
    Null,
    /// Nothing, in place of an array.
    NullArray,
    /// A floating-point number.
    Double(f64),
    /// A truth value.
    Boolean(bool),
    /// Text and its format.
    Verbatim(String, Vec<u8>),
    /// Decimal digits.
    BigNumber(Vec<u8>),
    /// Elements in order.
    Array(Vec<Answer>),
    /// Pairs.
    Map(Vec<(Answer, Answer)>),
    /// Elements without order.
    Set(Vec<Answer>),
    /// Elements nobody asked for.
    Push(Vec<Answer>),
}

impl Answer {
    /// A string of bytes.
    pub fn bulk(bytes: impl AsRef<[u8]>) -> Self {
        Self::Bulk(bytes.as_ref().to_vec())
    }

    /// An array of strings.
    pub fn bulks<B: AsRef<[u8]>>(elements: impl IntoIterator<Item = B>) -> Self {
        Self::Array(elements.into_iter().map(Self::bulk).collect())
    }
}

/// Keeps answers as trees.
#[derive(Debug, Default)]
pub struct Collected {
    resp3: bool,
    done: Vec<Answer>,
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    shape: Shape,
    missing: usize,
    elements: Vec<Answer>,
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    Array,
    Map,
    Set,
    Push,
}

impl Collected {
    /// A collector that says it is a RESP3 client.
    pub fn resp3() -> Self {
        Self {
            resp3: true,
            ..Self::default()
        }
    }

    /// The answers that are whole, in order.
    pub fn into_answers(self) -> Vec<Answer> {
        self.done
    }

    fn take(&mut self, answer: Answer) {
        let mut answer = answer;
        loop {
            let Some(open) = self.open.last_mut() else {
                self.done.push(answer);
                return;
            };
            open.elements.push(answer);
            open.missing -= 1;
            if open.missing > 0 {
                return;
            }
            let Some(open) = self.open.pop() else { return };
            answer = open.close();
        }
    }

    fn begin(&mut self, shape: Shape, missing: usize) {
        let open = Open {
            shape,
            missing,
            elements: Vec::new(),
        };
        if missing == 0 {
            let answer = open.close();
            self.take(answer);
        } else {
            self.open.push(open);
        }
    }
}

impl Open {
    fn close(self) -> Answer {
        match self.shape {
            Shape::Array => Answer::Array(self.elements),
            Shape::Set => Answer::Set(self.elements),
            Shape::Push => Answer::Push(self.elements),
            Shape::Map => {
                let mut elements = self.elements.into_iter();
                let mut pairs = Vec::new();
                while let (Some(key), Some(value)) = (elements.next(), elements.next()) {
                    pairs.push((key, value));
                }
                Answer::Map(pairs)
            }
        }
    }
}

impl Reply for Collected {
    fn simple(&mut self, text: &str) {
        self.take(Answer::Simple(text.into()));
    }
    fn error(&mut self, line: &str) {
        self.take(Answer::Error(line.into()));
    }
    fn integer(&mut self, value: i64) {
        self.take(Answer::Integer(value));
    }
    fn bulk(&mut self, bytes: &[u8]) {
        self.take(Answer::Bulk(bytes.to_vec()));
    }
    fn null(&mut self) {
        self.take(Answer::Null);
    }
    fn null_array(&mut self) {
        self.take(Answer::NullArray);
    }
    fn double(&mut self, value: f64) {
        self.take(Answer::Double(value));
    }
    fn boolean(&mut self, value: bool) {
        self.take(Answer::Boolean(value));
    }
    fn verbatim(&mut self, format: &str, text: &[u8]) {
        self.take(Answer::Verbatim(format.into(), text.to_vec()));
    }
    fn big_number(&mut self, digits: &[u8]) {
        self.take(Answer::BigNumber(digits.to_vec()));
    }
    fn array(&mut self, length: usize) {
        self.begin(Shape::Array, length);
    }
    fn map(&mut self, length: usize) {
        self.begin(Shape::Map, length * 2);
    }
    fn set(&mut self, length: usize) {
        self.begin(Shape::Set, length);
    }
    fn push(&mut self, length: usize) {
        self.begin(Shape::Push, length);
    }
    fn is_resp3(&self) -> bool {
        self.resp3
    }
}
