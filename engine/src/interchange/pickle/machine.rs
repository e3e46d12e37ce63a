//! The stack machine that a pickle is a program of: one instruction at a time.

use std::collections::HashMap;

use super::{Id, Value};

/// The machine in the middle of its work.
#[derive(Default)]
pub(super) struct Machine<'a> {
    /// The program.
    bytes: &'a [u8],
    /// Place of the next instruction.
    pub at: usize,
    /// All values that it made.
    pub values: Vec<Value<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    /// Before the first instruction.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, ..Self::default() }
    }

    /// Does one instruction; the last one gives the outermost value.
    pub fn step(&mut self) -> Result<Option<Id>, String> {
        match self.byte()? {
            // PROTO and FRAME say nothing that is needed.
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'.' => return self.pop().map(Some),
            // None, and an empty set.
            b'N' | 0x8f => self.push(Value::Other),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'J' | b'K' | b'M' | 0x8a => self.int()?,
            b'G' => self.skip(8)?,
            b'X' | 0x8c | 0x8d => self.text()?,
            b'T' | b'B' | 0x8b => self.long(4)?,
            b'U' | b'C' => self.long(1)?,
            0x8e | 0x96 => self.long(8)?,
            b'c' | 0x93 => self.global()?,
            b')' | b']' => self.push(Value::List(Vec::new())),
            b'}' => self.push(Value::Dict(Vec::new())),
            0x85..=0x87 | b't' | b'l' => self.tuple()?,
            b'd' => {
                let items = self.take_to_mark()?;
                self.push(Value::Dict(pairs(&items)?));
            }
            0x91 => drop(self.take_to_mark().map(|_| self.push(Value::Other))?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.take_to_mark()?),
            b'2' => self.stack.push(self.top()?),
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' | 0x90 => {
                let items = self.take_to_mark()?;
                self.append(&items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set_items(&[key, value])?;
            }
            b'u' => {
                let items = self.take_to_mark()?;
                self.set_items(&items)?;
            }
            b'R' | 0x81 => self.call()?,
            0x92 => {
                self.pop()?;
                self.call()?;
            }
            b'b' => self.build()?,
            b'Q' => {
                let name = self.pop()?;
                self.push(Value::Persistent(name));
            }
            code @ (b'q' | b'r' | 0x94) => {
                let place = match code {
                    b'q' => u32::from(self.byte()?),
                    b'r' => self.number(4)? as u32,
                    _ => self.memo.len() as u32,
                };
                let top = self.top()?;
                self.memo.insert(place, top);
            }
            code @ (b'h' | b'j') => {
                let place = self.number(if code == b'h' { 1 } else { 4 })? as u32;
                let value =
                    self.memo.get(&place).ok_or("it asks for a value that it never kept")?;
                self.stack.push(*value);
            }
            code => {
                return Err(format!("the instruction {code:#04x} is not one of a checkpoint's"));
            }
        }
        Ok(None)
    }

    fn push(&mut self, value: Value<'a>) {
        self.stack.push(Id(self.values.len() as u32));
        self.values.push(value);
    }

    /// The stack's height below which the instructions of the innermost mark may not reach.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Id, String> {
        let top = self.stack[self.floor()..].last();
        Ok(*top.ok_or("it takes a value where there is none")?)
    }

    fn pop(&mut self) -> Result<Id, String> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn take_to_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or("it closes what it never opened")?;
        Ok(self.stack.split_off(mark))
    }

    fn top_mut(&mut self) -> Result<&mut Value<'a>, String> {
        let id = self.top()?;
        Ok(&mut self.values[id.0 as usize])
    }

    fn take(&mut self, count: u64) -> Result<&'a [u8], String> {
        let rest = &self.bytes[self.at..];
        let count = usize::try_from(count).ok().filter(|&count| count <= rest.len());
        let count = count.ok_or("it ends in the middle of an instruction")?;
        self.at += count;
        Ok(&rest[..count])
    }

    fn skip(&mut self, count: u64) -> Result<(), String> {
        self.take(count)?;
        self.push(Value::Other);
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }

    /// An unsigned number of so many bytes, the lowest first.
    fn number(&mut self, bytes: u64) -> Result<u64, String> {
        let bytes = self.take(bytes)?;
        Ok(bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    fn int(&mut self) -> Result<(), String> {
        let (bytes, signed) = match self.bytes[self.at - 1] {
            b'J' => (4, true),
            b'K' => (1, false),
            b'M' => (2, false),
            _ => (self.number(1)?, true),
        };
        if bytes > 8 {
            return self.skip(bytes);
        }
        let number = self.number(bytes)?;
        let unused = 64 - 8 * bytes as u32;
        let number = match (signed, bytes) {
            (_, 0) => 0,
            (true, _) => (number << unused) as i64 >> unused,
            (false, _) => number as i64,
        };
        self.push(Value::Int(number));
        Ok(())
    }

    /// A value whose bytes are not needed, behind their number.
    fn long(&mut self, length: u64) -> Result<(), String> {
        let count = self.number(length)?;
        self.skip(count)
    }

    fn text(&mut self) -> Result<(), String> {
        let length = match self.bytes[self.at - 1] {
            b'X' => 4,
            0x8c => 1,
            _ => 8,
        };
        let count = self.number(length)?;
        let text = std::str::from_utf8(self.take(count)?).map_err(|_| "a text is no UTF-8")?;
        self.push(Value::Text(text));
        Ok(())
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&byte| byte == b'\n').ok_or("a name has no end")?;
        self.at += length + 1;
        std::str::from_utf8(&rest[..length]).map_err(|_| "a name is no UTF-8".into())
    }

    fn global(&mut self) -> Result<(), String> {
        if self.bytes[self.at - 1] == b'c' {
            let (module, name) = (self.line()?, self.line()?);
            self.push(Value::Global(module, name));
            return Ok(());
        }
        let (name, module) = (self.pop()?, self.pop()?);
        match (&self.values[module.0 as usize], &self.values[name.0 as usize]) {
            (&Value::Text(module), &Value::Text(name)) => self.push(Value::Global(module, name)),
            _ => return Err("it names a class by something that is no text".into()),
        }
        Ok(())
    }

    fn tuple(&mut self) -> Result<(), String> {
        let items = match self.bytes[self.at - 1] {
            code @ 0x85..=0x87 => {
                let mut items = (0x85..=code).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
                items.reverse();
                items
            }
            _ => self.take_to_mark()?,
        };
        self.push(Value::List(items));
        Ok(())
    }

    /// Adds to a list; what else Python would add to is not looked at.
    fn append(&mut self, items: &[Id]) -> Result<(), String> {
        if let Value::List(list) = self.top_mut()? {
            list.extend_from_slice(items);
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[Id]) -> Result<(), String> {
        let pairs = pairs(items)?;
        if let Value::Dict(entries) = self.top_mut()? {
            entries.extend(pairs);
        }
        Ok(())
    }

    fn call(&mut self) -> Result<(), String> {
        let (arguments, callable) = (self.pop()?, self.pop()?);
        // Python makes an empty dictionary here, and fills it after.
        let dict = Value::Global("collections", "OrderedDict");
        let made = if self.values[callable.0 as usize] == dict {
            Value::Dict(Vec::new())
        } else {
            Value::Call { callable, arguments, state: None }
        };
        self.push(made);
        Ok(())
    }

    fn build(&mut self) -> Result<(), String> {
        let set = self.pop()?;
        if let Value::Call { state, .. } = self.top_mut()? {
            *state = Some(set);
        }
        Ok(())
    }
}

fn pairs(items: &[Id]) -> Result<Vec<(Id, Id)>, String> {
    let (pairs, rest) = items.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("a dictionary has a key without a value".into());
    }
    Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
}
