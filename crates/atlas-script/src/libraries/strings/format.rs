//! `string.format`: what C's `sprintf` writes, without C.

use mlua::{Lua, MultiValue, Value};

use crate::arguments::{Arguments, cut, raise, unsigned};
use crate::limits::Fuel;
use crate::number;
use crate::sandbox::State;

/// Strings of so many bytes are taken whole, whatever their width, unless a precision cuts them.
const LONG: usize = 100;

/// What stands between `%` and the letter.
#[derive(Default)]
struct Specification {
    left: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

pub(super) fn format(lua: &Lua, state: &State, arguments: &Arguments) -> mlua::Result<MultiValue> {
    let template = arguments.string(lua, 1)?;
    let template = template.as_bytes();
    let mut result = Vec::with_capacity(template.len());
    let mut at = 0;
    let mut position = 1;
    while at < template.len() {
        let byte = template[at];
        at += 1;
        if byte != b'%' {
            result.push(byte);
            continue;
        }
        if template.get(at) == Some(&b'%') {
            result.push(b'%');
            at += 1;
            continue;
        }
        position += 1;
        if position > arguments.count() {
            return Err(arguments.wrong(lua, position, "no value"));
        }
        let specification = read(lua, &template, &mut at)?;
        let letter = template.get(at).copied().unwrap_or(0);
        at += 1;
        match letter {
            b'c' => {
                let byte = cut(arguments.number(lua, position)?) as u8;
                // C measures what it wrote by its first byte 0.
                let padded = specification.pad(&[byte]);
                result.extend(padded.iter().take_while(|byte| **byte != 0));
            }
            b'd' | b'i' => {
                let number = cut(arguments.number(lua, position)?);
                result.extend_from_slice(&specification.integer(number));
            }
            b'o' | b'u' | b'x' | b'X' => {
                let number = unsigned(arguments.number(lua, position)?);
                result.extend_from_slice(&specification.unsigned(number, letter));
            }
            b'e' | b'E' | b'f' | b'g' | b'G' => {
                let number = arguments.number(lua, position)?;
                result.extend_from_slice(&specification.float(number, letter));
            }
            b'q' => quote(&arguments.string(lua, position)?.as_bytes(), &mut result),
            b's' => {
                let text = arguments.string(lua, position)?;
                let text = text.as_bytes();
                if specification.precision.is_none() && text.len() >= LONG {
                    result.extend_from_slice(&text);
                } else {
                    let end = text
                        .iter()
                        .position(|byte| *byte == 0)
                        .unwrap_or(text.len());
                    let end = specification.precision.map_or(end, |most| end.min(most));
                    result.extend_from_slice(&specification.pad(&text[..end]));
                }
            }
            other => {
                let message = format!("invalid option '%{}' to 'format'", other as char);
                return Err(raise(lua, message));
            }
        }
        if result.len() > state.memory_bytes_max() {
            state.check_room(lua, result.len())?;
        }
    }
    state.charge(Fuel(
        arguments.count() as u64 * 8 + Fuel::of_bytes(result.len()).0,
    ))?;
    Ok(MultiValue::from_vec(vec![Value::String(
        lua.create_string(&result)?,
    )]))
}

fn read(lua: &Lua, template: &[u8], at: &mut usize) -> mlua::Result<Specification> {
    let mut specification = Specification::default();
    let begin = *at;
    while let Some(flag) = template.get(*at) {
        match flag {
            b'-' => specification.left = true,
            b'+' => specification.plus = true,
            b' ' => specification.space = true,
            b'#' => specification.alternate = true,
            b'0' => specification.zero = true,
            _ => break,
        }
        *at += 1;
    }
    if *at - begin > 5 {
        return Err(raise(lua, "invalid format (repeated flags)"));
    }
    let two_digits = |at: &mut usize| {
        let mut number = 0;
        for _ in 0..2 {
            match template.get(*at) {
                Some(digit) if digit.is_ascii_digit() => {
                    number = number * 10 + usize::from(digit - b'0')
                }
                _ => break,
            }
            *at += 1;
        }
        number
    };
    specification.width = two_digits(at);
    if template.get(*at) == Some(&b'.') {
        *at += 1;
        specification.precision = Some(two_digits(at));
    }
    if template.get(*at).is_some_and(u8::is_ascii_digit) {
        return Err(raise(lua, "invalid format (width or precision too long)"));
    }
    Ok(specification)
}

impl Specification {
    /// Filled with spaces to the width.
    fn pad(&self, text: &[u8]) -> Vec<u8> {
        let fill = self.width.saturating_sub(text.len());
        let spaces = std::iter::repeat_n(b' ', fill);
        if self.left {
            text.iter().copied().chain(spaces).collect()
        } else {
            spaces.chain(text.iter().copied()).collect()
        }
    }

    /// A sign or prefix and digits, filled to the width; zeros come between the two.
    fn fill(&self, head: &str, digits: &str, zeros: bool) -> Vec<u8> {
        let length = head.len() + digits.len();
        let fill = if zeros && !self.left {
            self.width.saturating_sub(length)
        } else {
            0
        };
        let text = [head.as_bytes(), &vec![b'0'; fill], digits.as_bytes()].concat();
        self.pad(&text)
    }

    fn sign(&self, negative: bool) -> &'static str {
        match (negative, self.plus, self.space) {
            (true, ..) => "-",
            (false, true, _) => "+",
            (false, false, true) => " ",
            _ => "",
        }
    }

    /// Digits with as many zeros in front as the precision asks for.
    fn digits(&self, digits: String, zero: bool) -> String {
        match self.precision {
            Some(0) if zero => String::new(),
            Some(least) if digits.len() < least => {
                format!("{}{digits}", "0".repeat(least - digits.len()))
            }
            _ => digits,
        }
    }

    fn integer(&self, number: i64) -> Vec<u8> {
        let digits = self.digits(number.unsigned_abs().to_string(), number == 0);
        self.fill(
            self.sign(number < 0),
            &digits,
            self.zero && self.precision.is_none(),
        )
    }

    fn unsigned(&self, number: u64, letter: u8) -> Vec<u8> {
        let digits = match letter {
            b'o' => format!("{number:o}"),
            b'x' => format!("{number:x}"),
            b'X' => format!("{number:X}"),
            _ => number.to_string(),
        };
        let mut digits = self.digits(digits, number == 0);
        let head = match letter {
            b'x' if self.alternate && number != 0 => "0x",
            b'X' if self.alternate && number != 0 => "0X",
            _ => "",
        };
        if letter == b'o' && self.alternate && !digits.starts_with('0') {
            digits.insert(0, '0');
        }
        self.fill(head, &digits, self.zero && self.precision.is_none())
    }

    fn float(&self, number: f64, letter: u8) -> Vec<u8> {
        let precision = self.precision.unwrap_or(6);
        let magnitude = number.abs();
        let text = match letter.to_ascii_lowercase() {
            b'e' => number::exponential(magnitude, precision, self.alternate),
            b'f' => number::fixed(magnitude, precision, self.alternate),
            _ => number::general_with(magnitude, precision, self.alternate),
        };
        let text = if letter.is_ascii_uppercase() {
            text.to_ascii_uppercase()
        } else {
            text
        };
        self.fill(
            self.sign(number.is_sign_negative()),
            &text,
            self.zero && number.is_finite(),
        )
    }
}

fn quote(text: &[u8], result: &mut Vec<u8>) {
    result.push(b'"');
    for byte in text {
        match byte {
            b'"' | b'\\' | b'\n' => result.extend_from_slice(&[b'\\', *byte]),
            b'\r' => result.extend_from_slice(b"\\r"),
            0 => result.extend_from_slice(b"\\000"),
            _ => result.push(*byte),
        }
    }
    result.push(b'"');
}
