//! Answers as Lua values, and Lua values as answers, in both protocols.

use atlas_kv::Reply;
use mlua::{Lua, LuaString, Table, Value};

/// Tables in tables that an answer may have; deeper ones are answered by an error in their place.
const DEPTH_MAX: usize = 400;

/// The names of fields that stand in converted answers, made once.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) ok: LuaString,
    pub(crate) err: LuaString,
    double: LuaString,
    map: LuaString,
    set: LuaString,
    big_number: LuaString,
    verbatim_string: LuaString,
    string: LuaString,
    format: LuaString,
}

impl Names {
    pub(crate) fn new(lua: &Lua) -> mlua::Result<Self> {
        Ok(Self {
            ok: lua.create_string("ok")?,
            err: lua.create_string("err")?,
            double: lua.create_string("double")?,
            map: lua.create_string("map")?,
            set: lua.create_string("set")?,
            big_number: lua.create_string("big_number")?,
            verbatim_string: lua.create_string("verbatim_string")?,
            string: lua.create_string("string")?,
            format: lua.create_string("format")?,
        })
    }
}

/// An aggregate whose elements are still to come.
#[derive(Debug)]
struct Open {
    /// What the aggregate is once it is whole.
    whole: Table,
    elements: Table,
    shape: Shape,
    /// Elements that are missing; of a map, keys and values.
    missing: usize,
    next: usize,
    key: Option<Value>,
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    Array,
    Map,
    Set,
}

/// Takes the answer to a command of a script and makes a value of it.
pub(crate) struct Answer<'a> {
    lua: &'a Lua,
    names: &'a Names,
    is_resp3: bool,
    done: Option<Value>,
    open: Vec<Open>,
    is_error: bool,
    failed: Option<mlua::Error>,
    bytes: usize,
}

impl<'a> Answer<'a> {
    pub(crate) fn new(lua: &'a Lua, names: &'a Names, is_resp3: bool) -> Self {
        Self {
            lua,
            names,
            is_resp3,
            done: None,
            open: Vec::new(),
            is_error: false,
            failed: None,
            bytes: 0,
        }
    }

    /// How many bytes of text have come.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The value, and whether the whole answer is an error.
    ///
    /// # Errors
    /// If there was not enough memory.
    pub(crate) fn finish(self) -> mlua::Result<(Value, bool)> {
        match self.failed {
            Some(error) => Err(error),
            None => Ok((self.done.unwrap_or(Value::Nil), self.is_error)),
        }
    }

    fn put(&mut self, value: mlua::Result<Value>) {
        if self.failed.is_none()
            && let Err(error) = value.and_then(|value| self.take(value))
        {
            self.failed = Some(error);
        }
    }

    fn take(&mut self, value: Value) -> mlua::Result<()> {
        let mut value = value;
        loop {
            let Some(open) = self.open.last_mut() else {
                self.done = Some(value);
                return Ok(());
            };
            match (open.shape, open.key.take()) {
                (Shape::Array, _) => {
                    open.next += 1;
                    open.elements.raw_seti(open.next, value)?;
                }
                (Shape::Set, _) => {
                    if !value.is_nil() {
                        open.elements.raw_set(value, true)?;
                    }
                }
                (Shape::Map, None) => open.key = Some(value),
                (Shape::Map, Some(key)) => {
                    if !key.is_nil() {
                        open.elements.raw_set(key, value)?;
                    }
                }
            }
            open.missing -= 1;
            if open.missing > 0 {
                return Ok(());
            }
            let Some(open) = self.open.pop() else {
                return Ok(());
            };
            value = Value::Table(open.whole);
        }
    }

    fn begin(&mut self, shape: Shape, length: usize, missing: usize) {
        let opened = self.opened(shape, length, missing);
        match opened {
            Ok(open) if missing == 0 => self.put(Ok(Value::Table(open.whole))),
            Ok(open) => self.open.push(open),
            Err(error) => self.failed = Some(self.failed.take().unwrap_or(error)),
        }
    }

    fn opened(&self, shape: Shape, length: usize, missing: usize) -> mlua::Result<Open> {
        let (array, record) = match shape {
            Shape::Array => (length, 0),
            Shape::Map | Shape::Set => (0, length),
        };
        // What there is to come is there already: no length can make this more than the answer.
        let elements = self.lua.create_table_with_capacity(array, record)?;
        let whole = match shape {
            Shape::Array => elements.clone(),
            Shape::Map => self.field(&self.names.map, Value::Table(elements.clone()))?,
            Shape::Set => self.field(&self.names.set, Value::Table(elements.clone()))?,
        };
        Ok(Open {
            whole,
            elements,
            shape,
            missing,
            next: 0,
            key: None,
        })
    }

    /// A table of one field.
    fn field(&self, name: &LuaString, value: Value) -> mlua::Result<Table> {
        let table = self.lua.create_table_with_capacity(0, 1)?;
        table.raw_set(name, value)?;
        Ok(table)
    }

    fn text(&self, bytes: &[u8]) -> mlua::Result<Value> {
        self.lua.create_string(bytes).map(Value::String)
    }

    fn named(&self, name: &LuaString, bytes: &[u8]) -> mlua::Result<Value> {
        let text = self.text(bytes)?;
        self.field(name, text).map(Value::Table)
    }
}

impl Reply for Answer<'_> {
    fn simple(&mut self, text: &str) {
        let value = self.named(&self.names.ok, text.as_bytes());
        self.put(value);
    }

    fn error(&mut self, line: &str) {
        self.is_error |= self.open.is_empty();
        let value = self.named(&self.names.err, line.as_bytes());
        self.put(value);
    }

    fn integer(&mut self, value: i64) {
        self.put(Ok(Value::Number(value as f64)));
    }

    fn bulk(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        let value = self.text(bytes);
        self.put(value);
    }

    fn null(&mut self) {
        let value = match self.is_resp3 {
            true => Value::Nil,
            false => Value::Boolean(false),
        };
        self.put(Ok(value));
    }

    fn null_array(&mut self) {
        self.null();
    }

    fn double(&mut self, value: f64) {
        let value = match self.is_resp3 {
            true => self
                .field(&self.names.double, Value::Number(value))
                .map(Value::Table),
            false => {
                let mut text = Vec::new();
                atlas_resp::write_double(value, &mut text);
                self.text(&text)
            }
        };
        self.put(value);
    }

    fn boolean(&mut self, value: bool) {
        let value = match self.is_resp3 {
            true => Value::Boolean(value),
            false => Value::Number(f64::from(u8::from(value))),
        };
        self.put(Ok(value));
    }

    fn verbatim(&mut self, format: &str, text: &[u8]) {
        let value = match self.is_resp3 {
            true => self.verbatim_table(format, text),
            false => self.text(text),
        };
        self.put(value);
    }

    fn big_number(&mut self, digits: &[u8]) {
        let value = match self.is_resp3 {
            true => self.named(&self.names.big_number, digits),
            false => self.text(digits),
        };
        self.put(value);
    }

    fn array(&mut self, length: usize) {
        self.begin(Shape::Array, length, length);
    }

    fn map(&mut self, length: usize) {
        match self.is_resp3 {
            true => self.begin(Shape::Map, length, length * 2),
            false => self.begin(Shape::Array, length * 2, length * 2),
        }
    }

    fn set(&mut self, length: usize) {
        let shape = match self.is_resp3 {
            true => Shape::Set,
            false => Shape::Array,
        };
        self.begin(shape, length, length);
    }

    fn push(&mut self, length: usize) {
        self.begin(Shape::Array, length, length);
    }

    fn is_resp3(&self) -> bool {
        self.is_resp3
    }
}

impl Answer<'_> {
    fn verbatim_table(&self, format: &str, text: &[u8]) -> mlua::Result<Value> {
        let inner = self.lua.create_table_with_capacity(0, 2)?;
        inner.raw_set(&self.names.string, self.text(text)?)?;
        inner.raw_set(&self.names.format, self.text(format.as_bytes())?)?;
        self.field(&self.names.verbatim_string, Value::Table(inner))
            .map(Value::Table)
    }
}

/// Writes what a script has returned.
pub(crate) struct Returned<'a> {
    pub(crate) names: &'a Names,
    /// The protocol that the script has chosen: it says what a truth value is.
    pub(crate) is_resp3: bool,
}

impl Returned<'_> {
    /// Writes a value.
    pub(crate) fn write(&self, value: &Value, reply: &mut dyn Reply) {
        self.write_at(value, reply, 0);
    }

    fn write_at(&self, value: &Value, reply: &mut dyn Reply, depth: usize) {
        if depth > DEPTH_MAX {
            return reply.error("ERR reached lua stack limit");
        }
        match value {
            Value::String(text) => reply.bulk(&text.as_bytes()),
            Value::Boolean(value) if self.is_resp3 => reply.boolean(*value),
            Value::Boolean(true) => reply.integer(1),
            Value::Integer(number) => reply.integer(*number),
            Value::Number(number) => reply.integer(whole(*number)),
            Value::Table(table) => self.write_table(table, reply, depth),
            _ => reply.null(),
        }
    }

    fn write_table(&self, table: &Table, reply: &mut dyn Reply, depth: usize) {
        let names = self.names;
        let get = |table: &Table, name: &LuaString| table.raw_get::<Value>(name);
        if let Ok(Value::String(line)) = get(table, &names.err) {
            return reply.error(&one_line(&line.as_bytes()));
        }
        if let Ok(Value::String(text)) = get(table, &names.ok) {
            return reply.simple(&one_line(&text.as_bytes()));
        }
        match get(table, &names.double) {
            Ok(Value::Number(number)) => return reply.double(number),
            Ok(Value::Integer(number)) => return reply.double(number as f64),
            _ => {}
        }
        if let Ok(Value::String(digits)) = get(table, &names.big_number) {
            return reply.big_number(one_line(&digits.as_bytes()).as_bytes());
        }
        if let Ok(Value::Table(inner)) = get(table, &names.verbatim_string)
            && let Ok(Value::String(format)) = get(&inner, &names.format)
            && let Ok(Value::String(text)) = get(&inner, &names.string)
        {
            return reply.verbatim(&format.to_string_lossy(), &text.as_bytes());
        }
        if let Ok(Value::Table(map)) = get(table, &names.map) {
            let pairs: Vec<(Value, Value)> = map.pairs().filter_map(Result::ok).collect();
            reply.map(pairs.len());
            for (key, value) in &pairs {
                self.write_at(key, reply, depth + 1);
                self.write_at(value, reply, depth + 1);
            }
            return;
        }
        if let Ok(Value::Table(set)) = get(table, &names.set) {
            let pairs: Vec<(Value, Value)> = set.pairs().filter_map(Result::ok).collect();
            reply.set(pairs.len());
            for (member, _) in &pairs {
                self.write_at(member, reply, depth + 1);
            }
            return;
        }
        let mut elements = Vec::with_capacity(table.raw_len());
        loop {
            match table.raw_get::<Value>(elements.len() + 1) {
                Ok(Value::Nil) | Err(_) => break,
                Ok(element) => elements.push(element),
            }
        }
        reply.array(elements.len());
        for element in &elements {
            self.write_at(element, reply, depth + 1);
        }
    }
}

/// A number cut to an integer, as C on x86-64 converts it.
fn whole(number: f64) -> i64 {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number) {
        number as i64
    } else {
        i64::MIN
    }
}

/// Text that may stand in one line of the protocol.
pub(crate) fn one_line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace(['\r', '\n'], " ")
}
