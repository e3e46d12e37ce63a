//! Pickles, read as data: nothing in one is ever called.
//!
//! Python's own reader runs whatever a pickle names. This one only notes the names: what is called, with what, is a
//! [`Value::Call`] to look at. Values lie in one list and name each other by their place in it, so that neither deep nor
//! circular ones can exhaust the stack, and a repeated one takes its place once.

use std::collections::HashMap;

/// Most values of a pickle: some hundred times as many as a model's largest has.
const MOST_VALUES: usize = 1_000_000;

/// Place of a value in its [`Pickle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(u32);

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// Truth.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A text.
    Text(&'a str),
    /// A tuple or a list.
    List(Vec<Id>),
    /// A dictionary.
    Dict(Vec<(Id, Id)>),
    /// A class or function: module and name.
    Global(&'a str, &'a str),
    /// A call that Python would make, and the state that it would set then.
    Call {
        /// What is called.
        callable: Id,
        /// With what.
        arguments: Id,
        /// Set on the result.
        state: Option<Id>,
    },
    /// What the writer kept elsewhere, by its name.
    Persistent(Id),
    /// Floating-point numbers, bytes, sets, nothing: of no use here.
    Other,
}

/// A pickle's values.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    values: Vec<Value<'a>>,
    root: Id,
}

impl<'a> Pickle<'a> {
    /// Reads a pickle of protocol 2 to 5.
    ///
    /// # Errors
    /// A sentence that says where and why it cannot be read.
    pub fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let mut machine = Machine { bytes, ..Machine::default() };
        loop {
            let at = machine.at;
            let step = machine.step();
            match step.map_err(|reason| format!("its pickle is broken at byte {at}: {reason}"))? {
                Some(root) => return Ok(Self { values: machine.values, root }),
                None if machine.values.len() > MOST_VALUES => {
                    return Err("its pickle holds more than a million values".into());
                }
                None => {}
            }
        }
    }

    /// The outermost value.
    pub fn root(&self) -> &Value<'a> {
        self.get(self.root)
    }

    /// A value by its place.
    pub fn get(&self, id: Id) -> &Value<'a> {
        &self.values[id.0 as usize]
    }

    /// The value under a text key of a dictionary, the last one that was set.
    pub fn entry(&self, value: &Value<'a>, key: &str) -> Option<&Value<'a>> {
        let Value::Dict(entries) = value else { return None };
        let found = entries.iter().rev().find(|(name, _)| *self.get(*name) == Value::Text(key));
        found.map(|(_, value)| self.get(*value))
    }
}

/// The stack machine that a pickle is a program of.
#[derive(Default)]
struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    /// Does one instruction; the last one gives the outermost value.
    fn step(&mut self) -> Result<Option<Id>, String> {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_dictionary_by_hand() {
        // {"a": (1, -2), "b": True}, with "a" kept and asked for again
        let bytes =
            b"\x80\x02}(X\x01\0\0\0aq\x00K\x01J\xfe\xff\xff\xff\x86X\x01\0\0\0b\x88h\x00\x8a\x00u.";
        let pickle = Pickle::read(bytes).unwrap();
        let root = pickle.root();
        assert_eq!(pickle.entry(root, "b"), Some(&Value::Bool(true)));
        assert_eq!(pickle.entry(root, "a"), Some(&Value::Int(0)), "the one that was set last");
        let Value::Dict(entries) = root else { panic!("{root:?}") };
        let Value::List(pair) = pickle.get(entries[0].1) else { panic!("{root:?}") };
        assert_eq!([pickle.get(pair[0]), pickle.get(pair[1])], [&Value::Int(1), &Value::Int(-2)]);
    }

    #[test]
    fn what_python_would_run_is_only_noted() {
        // os.system("id")
        let pickle = Pickle::read(b"\x80\x02cos\nsystem\nX\x02\0\0\0id\x85R.").unwrap();
        let Value::Call { callable, arguments, state: None } = pickle.root() else {
            panic!("{:?}", pickle.root())
        };
        assert_eq!(pickle.get(*callable), &Value::Global("os", "system"));
        assert!(matches!(pickle.get(*arguments), Value::List(list) if list.len() == 1));
    }

    #[test]
    fn broken_ones_say_where() {
        let error = |bytes: &[u8]| Pickle::read(bytes).unwrap_err();
        assert_eq!(
            error(b"\x80"),
            "its pickle is broken at byte 0: it ends in the middle of an instruction"
        );
        assert!(error(b"R").contains("takes a value where there is none"));
        assert!(error(b"(Ru").contains("takes a value where there is none"), "not past a mark");
        assert!(error(b"h\x07").contains("never kept"));
        assert!(error(b"\xff").contains("0xff"));
        assert!(error(b"X\xff\xff\xff\xffa").contains("in the middle"));
        assert!(error(&[b')'; MOST_VALUES + 2]).contains("a million values"));
    }

    #[test]
    fn deep_and_circular_values_are_harmless() {
        let mut deep = vec![b')'];
        deep.extend([0x85; 500_000]);
        deep.push(b'.');
        drop(Pickle::read(&deep).unwrap());
        // l = []; l.append(l)
        drop(Pickle::read(b"]q\x00h\x00a.").unwrap());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Pickle::read(&bytes);
        }

        #[test]
        fn any_instructions_are_read_or_refused(
            bytes in prop::collection::vec(prop::sample::select(b"N)]}(tldus0a12eRbQ.\x81\x85\x86\x94\x93h\x00q\x01K\x02c\nX".to_vec()), 0..200)
        ) {
            let _ = Pickle::read(&bytes);
        }
    }
}
