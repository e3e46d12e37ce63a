//! Pickles, read as data: nothing in one is ever called.
//!
//! Python's own reader runs whatever a pickle names. This one only notes the names: what is called, with what, is a
//! [`Value::Call`] to look at. Values lie in one list and name each other by their place in it, so that neither deep nor
//! circular ones can exhaust the stack, and a repeated one takes its place once.

mod machine;

use machine::Machine;

/// Most values of a pickle: some hundred times as many as a model's largest has.
const MOST_VALUES: usize = 1_000_000;

/// Place of a value in its [`Pickle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
        let mut machine = Machine::new(bytes);
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
        assert!(error(&vec![b')'; MOST_VALUES + 2]).contains("a million values"));
    }

    #[test]
    fn deep_and_circular_values_are_harmless() {
        let mut deep = vec![b')'];
        deep.extend(vec![0x85; 500_000]);
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
