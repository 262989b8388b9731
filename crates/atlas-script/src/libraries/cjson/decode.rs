//! JSON to Lua.

use mlua::{Lua, Table, Value};

use super::{DEPTH_MAX, Settings};
use crate::arguments::{Arguments, raise};
use crate::limits::Fuel;
use crate::number;
use crate::sandbox::State;

/// What stands next in the text.
enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    Text,
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Fault(&'static str),
}

impl Token {
    fn name(&self) -> &'static str {
        match self {
            Self::ObjectBegin => "T_OBJ_BEGIN",
            Self::ObjectEnd => "T_OBJ_END",
            Self::ArrayBegin => "T_ARR_BEGIN",
            Self::ArrayEnd => "T_ARR_END",
            Self::Text => "T_STRING",
            Self::Number(_) => "T_NUMBER",
            Self::Boolean(_) => "T_BOOLEAN",
            Self::Null => "T_NULL",
            Self::Colon => "T_COLON",
            Self::Comma => "T_COMMA",
            Self::End => "T_END",
            Self::Fault(why) => why,
        }
    }
}

/// A table that is being read.
enum Open {
    Array { table: Table, length: usize },
    Object { table: Table, key: Value },
}

struct Decoder<'a> {
    lua: &'a Lua,
    state: &'a State,
    settings: &'a Settings,
    text: &'a [u8],
    at: usize,
    /// Where the token began.
    begun: usize,
    /// The string of the last token.
    string: Vec<u8>,
    open: Vec<Open>,
    values: usize,
}

pub(super) fn decode(
    lua: &Lua,
    state: &State,
    settings: &Settings,
    arguments: &Arguments,
) -> mlua::Result<Value> {
    if arguments.count() != 1 {
        return Err(arguments.wrong(lua, 1, "expected 1 argument"));
    }
    let text = arguments.string(lua, 1)?;
    let text = text.as_bytes();
    if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
        return Err(raise(lua, "JSON parser does not support UTF-16 or UTF-32"));
    }
    state.charge(Fuel(text.len() as u64 / 8))?;
    let _roomy = state.roomy(lua);
    let mut decoder = Decoder {
        lua,
        state,
        settings,
        text: &text,
        at: 0,
        begun: 0,
        string: Vec::new(),
        open: Vec::new(),
        values: 0,
    };
    let token = decoder.token();
    let value = decoder.document(token)?;
    match decoder.token() {
        Token::End => Ok(value),
        other => Err(decoder.unexpected("the end", &other)),
    }
}

impl Decoder<'_> {
    /// The value that begins with this token, all of it.
    fn document(&mut self, token: Token) -> mlua::Result<Value> {
        let mut token = token;
        loop {
            let mut value = match token {
                Token::ObjectBegin => {
                    let table = self.descend()?;
                    match self.token() {
                        Token::ObjectEnd => Value::Table(table),
                        first => {
                            let key = self.key(&first)?;
                            self.open.push(Open::Object { table, key });
                            token = self.token();
                            continue;
                        }
                    }
                }
                Token::ArrayBegin => {
                    let table = self.descend()?;
                    match self.token() {
                        Token::ArrayEnd => Value::Table(table),
                        first => {
                            self.open.push(Open::Array { table, length: 0 });
                            token = first;
                            continue;
                        }
                    }
                }
                Token::Text => Value::String(self.lua.create_string(&self.string)?),
                Token::Number(number) => Value::Number(number),
                Token::Boolean(yes) => Value::Boolean(yes),
                Token::Null => Value::NULL,
                other => return Err(self.unexpected("value", &other)),
            };
            // The value is whole: it goes into the innermost open table, which may end with it.
            loop {
                self.count()?;
                let Some(open) = self.open.last_mut() else {
                    return Ok(value);
                };
                match open {
                    Open::Array { table, length } => {
                        *length += 1;
                        table.raw_set(*length, value)?;
                    }
                    Open::Object { table, key } => {
                        table.raw_set(std::mem::replace(key, Value::Nil), value)?;
                    }
                }
                let following = self.token();
                match (self.open.pop(), following) {
                    (Some(Open::Array { table, .. }), Token::ArrayEnd)
                    | (Some(Open::Object { table, .. }), Token::ObjectEnd) => {
                        value = Value::Table(table)
                    }
                    (Some(open @ Open::Array { .. }), Token::Comma) => {
                        self.open.push(open);
                        token = self.token();
                        break;
                    }
                    (Some(Open::Object { table, .. }), Token::Comma) => {
                        let following = self.token();
                        let key = self.key(&following)?;
                        self.open.push(Open::Object { table, key });
                        token = self.token();
                        break;
                    }
                    (Some(Open::Array { .. }), other) => {
                        return Err(self.unexpected("comma or array end", &other));
                    }
                    (_, other) => return Err(self.unexpected("comma or object end", &other)),
                }
            }
        }
    }

    fn descend(&mut self) -> mlua::Result<Table> {
        let depth = self.open.len() + 1;
        if depth > DEPTH_MAX || depth as i64 > i64::from(self.settings.decode_depth_max.get()) {
            let at = self.at;
            let message =
                format!("Found too many nested data structures ({depth}) at character {at}");
            return Err(raise(self.lua, message));
        }
        self.lua.create_table()
    }

    /// The key that this token is, and the colon behind it.
    fn key(&mut self, token: &Token) -> mlua::Result<Value> {
        if !matches!(token, Token::Text) {
            return Err(self.unexpected("object key string", token));
        }
        let key = self.lua.create_string(&self.string)?;
        match self.token() {
            Token::Colon => Ok(Value::String(key)),
            other => Err(self.unexpected("colon", &other)),
        }
    }

    fn count(&mut self) -> mlua::Result<()> {
        self.values += 1;
        if self.values.is_multiple_of(64) {
            self.state.charge(Fuel(64))?;
            self.state.check_memory(self.lua)?;
        }
        Ok(())
    }

    fn unexpected(&self, expected: &str, found: &Token) -> mlua::Error {
        let message = format!(
            "Expected {expected} but found {} at character {}",
            found.name(),
            self.begun + 1
        );
        raise(self.lua, message)
    }

    fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    fn fault(&mut self, why: &'static str) -> Token {
        self.begun = self.at;
        Token::Fault(why)
    }

    fn token(&mut self) -> Token {
        while matches!(self.byte(self.at), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        self.begun = self.at;
        let byte = self.byte(self.at);
        let single = match byte {
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b',' => Token::Comma,
            b':' => Token::Colon,
            // The text ends with a byte 0, wherever one stands.
            0 => return Token::End,
            b'"' => return self.string(),
            b'-' | b'0'..=b'9' => {
                if self.settings.decode_invalid.get() == 0 && self.invalid_number() {
                    return self.fault("invalid number");
                }
                return self.number();
            }
            b'f' | b'i' | b'I' | b'n' | b'N' | b't' | b'+' => return self.word(),
            _ => return self.fault("invalid token"),
        };
        self.at += 1;
        single
    }

    fn word(&mut self) -> Token {
        let rest = &self.text[self.at..];
        for (word, token) in [
            ("true", Token::Boolean(true)),
            ("false", Token::Boolean(false)),
            ("null", Token::Null),
        ] {
            if rest.starts_with(word.as_bytes()) {
                self.at += word.len();
                return token;
            }
        }
        if self.settings.decode_invalid.get() != 0 && self.invalid_number() {
            return self.number();
        }
        self.fault("invalid token")
    }

    fn number(&mut self) -> Token {
        match number::prefix(&self.text[self.at..]) {
            Some((number, length)) => {
                self.at += length;
                Token::Number(number)
            }
            None => self.fault("invalid number"),
        }
    }

    /// Whether it is a number of C and not of JSON.
    fn invalid_number(&self) -> bool {
        let mut at = self.at;
        if self.byte(at) == b'+' {
            return true;
        }
        if self.byte(at) == b'-' {
            at += 1;
        }
        match self.byte(at) {
            b'0' => self.byte(at + 1) | 0x20 == b'x' || self.byte(at + 1).is_ascii_digit(),
            byte if byte <= b'9' => false,
            _ => {
                let word: Vec<u8> = (at..at + 3)
                    .map(|at| self.byte(at).to_ascii_lowercase())
                    .collect();
                word == b"inf" || word == b"nan"
            }
        }
    }

    fn string(&mut self) -> Token {
        self.at += 1;
        self.string.clear();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest
                .iter()
                .position(|byte| matches!(byte, b'"' | b'\\' | 0))
                .unwrap_or(rest.len());
            self.string.extend_from_slice(&rest[..plain]);
            self.at += plain;
            match self.byte(self.at) {
                b'"' => {
                    self.at += 1;
                    return Token::Text;
                }
                b'\\' => {
                    let escaped = match self.byte(self.at + 1) {
                        byte @ (b'"' | b'\\' | b'/') => byte,
                        b'b' => 0x08,
                        b't' => b'\t',
                        b'n' => b'\n',
                        b'f' => 0x0C,
                        b'r' => b'\r',
                        b'u' => match self.unicode() {
                            Some(length) => {
                                self.at += length;
                                continue;
                            }
                            None => return self.fault("invalid unicode escape code"),
                        },
                        _ => return self.fault("invalid escape code"),
                    };
                    self.string.push(escaped);
                    self.at += 2;
                }
                _ => return self.fault("unexpected end of string"),
            }
        }
    }

    fn four_digits(&self, at: usize) -> Option<u32> {
        let mut value = 0;
        for at in at..at + 4 {
            value = value << 4 | (self.byte(at) as char).to_digit(16)?;
        }
        Some(value)
    }

    /// Reads `\uXXXX`, or two of them that belong together; how many bytes that were.
    fn unicode(&mut self) -> Option<usize> {
        let mut code = self.four_digits(self.at + 2)?;
        let mut length = 6;
        if code & 0xF800 == 0xD800 {
            if code & 0x400 != 0
                || self.byte(self.at + 6) != b'\\'
                || self.byte(self.at + 7) != b'u'
            {
                return None;
            }
            let low = self.four_digits(self.at + 8)?;
            if low & 0xFC00 != 0xDC00 {
                return None;
            }
            code = ((code & 0x3FF) << 10 | (low & 0x3FF)) + 0x1_0000;
            length = 12;
        }
        let character = char::from_u32(code)?;
        self.string
            .extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        Some(length)
    }
}
