//! Compiles an expression tree to a condition over columns: resolves names to columns, and checks
//! types.

use std::ops::Range;

use cel::{
    IdedExpr,
    common::ast::{CallExpr, Expr, ListExpr, LiteralValue, operators},
};
use regex::RegexBuilder;
use shared::RunState;

use super::{
    FilterError,
    parse::Parsed,
    plan::{Leaf, Operation, Plan, Relation, Term, Test, TextTest},
};
use crate::results::{
    column::Column,
    table::{STUDIES, Table},
    value::{Types, Value},
};

/// Maximum nesting depth of conditions and terms: far more than anyone writes, far less than a
/// thread's stack can hold.
const DEEPEST: usize = 128;
/// Maximum size of a compiled regular expression in bytes.
const LARGEST_PATTERN: usize = 1 << 20;

/// Compiles an expression to a condition.
pub(super) fn compile(parsed: &Parsed<'_>, table: &Table) -> Result<Plan, FilterError> {
    let mut compiler = Compiler { parsed, table, columns: Vec::new(), depth: 0 };
    let test = compiler.test(&parsed.tree)?;
    Ok(Plan { columns: compiler.columns, test })
}

struct Compiler<'p> {
    parsed: &'p Parsed<'p>,
    table: &'p Table,
    columns: Vec<Column>,
    depth: usize,
}

impl Compiler<'_> {
    fn test(&mut self, expr: &IdedExpr) -> Result<Test, FilterError> {
        self.deeper(expr)?;
        let test = match &expr.expr {
            Expr::Literal(LiteralValue::Boolean(on)) => Test::Constant(*on.inner()),
            Expr::Call(call) => self.call(expr, call)?,
            Expr::Ident(_) | Expr::Select(_) => self.on(expr)?,
            _ => return Err(self.no_condition(expr)),
        };
        self.depth -= 1;
        Ok(test)
    }

    fn call(&mut self, expr: &IdedExpr, call: &CallExpr) -> Result<Test, FilterError> {
        match (call.func_name.as_str(), call.target.as_deref(), call.args.as_slice()) {
            (operators::LOGICAL_AND, None, [a, b]) => {
                Ok(Test::All(Box::new([self.test(a)?, self.test(b)?])))
            }
            (operators::LOGICAL_OR, None, [a, b]) => {
                Ok(Test::Any(Box::new([self.test(a)?, self.test(b)?])))
            }
            (operators::LOGICAL_NOT, None, [test]) => Ok(Test::Not(Box::new(self.test(test)?))),
            (operators::CONDITIONAL, None, [condition, then, otherwise]) => {
                let tests = [self.test(condition)?, self.test(then)?, self.test(otherwise)?];
                Ok(Test::Choice(Box::new(tests)))
            }
            (operators::IN, None, [term, list]) => self.membership(expr, term, list),
            ("has", None, [of]) => {
                let column = self.column(of)?;
                Ok(Test::Leaf(Leaf::Has { column }))
            }
            (name @ ("startsWith" | "endsWith" | "contains" | "matches"), Some(of), [text]) => {
                self.text_test(name, of, text)
            }
            (name, None, [a, b]) => match relation(name) {
                Some(relation) => self.compare(expr, relation, a, b),
                None => Err(self.unknown_call(expr, call)),
            },
            _ => Err(self.unknown_call(expr, call)),
        }
    }

    fn compare(
        &mut self,
        expr: &IdedExpr,
        relation: Relation,
        a: &IdedExpr,
        b: &IdedExpr,
    ) -> Result<Test, FilterError> {
        let (left, right) = (self.term(a)?, self.term(b)?);
        let types = (self.types(&left), self.types(&right));
        if !types.0.may_be(types.1) {
            return Err(self.never(expr, (a, types.0), (b, types.1)));
        }
        self.check_state(&left, &right, b)?;
        self.check_state(&right, &left, a)?;
        Ok(Test::Leaf(Leaf::Compare { relation, left, right }))
    }

    fn membership(
        &mut self,
        expr: &IdedExpr,
        term: &IdedExpr,
        list: &IdedExpr,
    ) -> Result<Test, FilterError> {
        if path(list).as_deref() == Some(STUDIES) {
            return match &term.expr {
                Expr::Literal(LiteralValue::String(name)) => Ok(Test::OfStudy(name.inner().into())),
                _ => {
                    Err(self.error(term, "`in studies` needs a study in quotation marks before it"))
                }
            };
        }
        let Expr::List(ListExpr { elements, .. }) = &list.expr else {
            return Err(self.error(list, "`in` needs a list after it, as in `x in [1, 3]`"));
        };
        let left = self.term(term)?;
        let types = self.types(&left);
        let mut values = Vec::with_capacity(elements.len());
        for element in elements {
            let right = self.term(element)?;
            let other = self.types(&right);
            if !types.may_be(other) {
                return Err(self.never(expr, (term, types), (element, other)));
            }
            self.check_state(&left, &right, element)?;
            let Term::Constant(value) = right else {
                let message = "a list can hold only values, not names; join comparisons with `||`";
                return Err(self.error(element, message));
            };
            values.push(value);
        }
        Ok(Test::Leaf(Leaf::Among { term: left, values }))
    }

    fn text_test(
        &mut self,
        name: &str,
        of: &IdedExpr,
        argument: &IdedExpr,
    ) -> Result<Test, FilterError> {
        let term = self.term(of)?;
        let types = self.types(&term);
        if !types.may_be(Types::TEXT) {
            let message =
                format!("`{name}` needs a text; {} is {}", self.quote(of), types.describe());
            return Err(self.error(of, message));
        }
        let Expr::Literal(LiteralValue::String(text)) = &argument.expr else {
            let message = format!("`{name}` needs a text in quotation marks");
            return Err(self.error(argument, message));
        };
        let text = text.inner().to_owned();
        let test = match name {
            "startsWith" => TextTest::StartsWith(text),
            "endsWith" => TextTest::EndsWith(text),
            "contains" => TextTest::Contains(text),
            _ => match RegexBuilder::new(&text).size_limit(LARGEST_PATTERN).build() {
                Ok(pattern) => TextTest::Matches(pattern),
                Err(error) => {
                    // The last line has the message; the lines before it show the position.
                    let error = error.to_string();
                    let why = error.lines().last().unwrap_or_default();
                    let why = why.strip_prefix("error: ").unwrap_or(why);
                    let message = format!("this is not a valid regular expression: {why}");
                    return Err(self.error(argument, message));
                }
            },
        };
        Ok(Test::Leaf(Leaf::Text { test, term }))
    }

    /// A name on its own: a switch that is on.
    fn on(&mut self, expr: &IdedExpr) -> Result<Test, FilterError> {
        let column = self.column(expr)?;
        let types = self.table.types(&self.columns[column]);
        if !types.may_be(Types::SWITCH) {
            let name = self.quote(expr);
            let example = if types == Types::TEXT { "== \"...\"" } else { "> 0" };
            let message = format!(
                "{name} is {} and needs a comparison, as in `{} {example}`",
                types.describe(),
                name.trim_matches('`')
            );
            return Err(self.error(expr, message));
        }
        Ok(Test::Leaf(Leaf::On { column }))
    }

    fn term(&mut self, expr: &IdedExpr) -> Result<Term, FilterError> {
        self.deeper(expr)?;
        let term = match &expr.expr {
            Expr::Literal(literal) => Term::Constant(self.literal(expr, literal)?),
            Expr::Ident(_) | Expr::Select(_) => Term::Column(self.column(expr)?),
            Expr::Call(call) => self.arithmetic(expr, call)?,
            _ => return Err(self.error(expr, "a name or a value is expected here")),
        };
        self.depth -= 1;
        Ok(term)
    }

    fn literal(&self, expr: &IdedExpr, literal: &LiteralValue) -> Result<Value, FilterError> {
        match literal {
            LiteralValue::Boolean(on) => Ok(Value::Switch(*on.inner())),
            LiteralValue::Double(number) => Ok(Value::Number(*number.inner())),
            LiteralValue::Int(number) => Ok(Value::Number(*number.inner() as f64)),
            LiteralValue::UInt(number) => Ok(Value::Number(*number.inner() as f64)),
            LiteralValue::String(text) => Ok(Value::Text(text.inner().into())),
            LiteralValue::Null => {
                Err(self.error(expr, "nothing equals `null`; `!has(x)` finds runs without `x`"))
            }
            LiteralValue::Bytes(_) => Err(self.error(expr, "write a text without the prefix `b`")),
        }
    }

    fn arithmetic(&mut self, expr: &IdedExpr, call: &CallExpr) -> Result<Term, FilterError> {
        let operation = operation(&call.func_name);
        let (operation, left, right) = match (operation, call.args.as_slice()) {
            (Some(operation), [a, b]) => (operation, self.number(a)?, self.number(b)?),
            (None, [a]) if call.func_name == operators::NEGATE => {
                (Operation::Subtract, Term::Constant(0.0.into()), self.number(a)?)
            }
            _ if is_condition(&call.func_name) => {
                let message = "a condition cannot be compared or be an item of a list";
                return Err(self.error(expr, message));
            }
            _ => return Err(self.unknown_call(expr, call)),
        };
        Ok(match (&left, &right) {
            (Term::Constant(Value::Number(a)), Term::Constant(Value::Number(b))) => {
                // As in a division of columns, a number that is not finite is missing.
                let number = operation.apply(*a, *b);
                Term::Constant(if number.is_finite() { number } else { f64::NAN }.into())
            }
            _ => Term::Arithmetic { operation, left: left.into(), right: right.into() },
        })
    }

    fn number(&mut self, expr: &IdedExpr) -> Result<Term, FilterError> {
        let term = self.term(expr)?;
        let types = self.types(&term);
        if types.may_be(Types::NUMBER) {
            return Ok(term);
        }
        let message =
            format!("arithmetic needs numbers; {} is {}", self.quote(expr), types.describe());
        Err(self.error(expr, message))
    }

    /// The index in the plan of the column that a name refers to.
    fn column(&mut self, expr: &IdedExpr) -> Result<usize, FilterError> {
        let Some(name) = path(expr) else {
            return Err(self.error(expr, "the name of a setting or a metric is expected here"));
        };
        if name == STUDIES {
            let message = "`studies` is a list; write `\"name\" in studies`";
            return Err(self.error(expr, message));
        }
        let column =
            self.table.column(&name).map_err(|error| self.error(expr, error.to_string()))?;
        Ok(self.columns.iter().position(|it| *it == column).unwrap_or_else(|| {
            self.columns.push(column);
            self.columns.len() - 1
        }))
    }

    fn types(&self, term: &Term) -> Types {
        term.types(&|column| self.table.types(&self.columns[column]))
    }

    /// There are few states, and a misspelt one would silently match nothing.
    fn check_state(&self, of: &Term, value: &Term, place: &IdedExpr) -> Result<(), FilterError> {
        let (Term::Column(column), Term::Constant(Value::Text(state))) = (of, value) else {
            return Ok(());
        };
        if self.columns[*column] != Column::State || state.parse::<RunState>().is_ok() {
            return Ok(());
        }
        let states = RunState::ALL.map(RunState::as_str).join(", ");
        let message = format!("no run has the state \"{}\"; the states are {states}", &state[..]);
        Err(self.error(place, message))
    }

    fn deeper(&mut self, expr: &IdedExpr) -> Result<(), FilterError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error(expr, "the expression is nested too deeply"));
        }
        Ok(())
    }

    fn never(
        &self,
        expr: &IdedExpr,
        left: (&IdedExpr, Types),
        right: (&IdedExpr, Types),
    ) -> FilterError {
        let texts = [left, right].map(|(it, types)| (self.quote(it), types.describe()));
        let mut message = format!(
            "{} is {} and {} is {}: they cannot be compared",
            texts[0].0, texts[0].1, texts[1].0, texts[1].1
        );
        for ((side, types), (_, other)) in [(left, right), (right, left)] {
            if let Expr::Literal(LiteralValue::String(text)) = &side.expr
                && types == Types::TEXT
                && (other == Types::NUMBER && text.inner().parse::<f64>().is_ok()
                    || other == Types::SWITCH && text.inner().parse::<bool>().is_ok())
            {
                message.push_str("; write ");
                message.push_str(text.inner());
                message.push_str(" without quotation marks");
            } else if matches!(side.expr, Expr::Literal(_)) && other == Types::TEXT {
                message.push_str("; write \"");
                message.push_str(self.text_of(side));
                message.push_str("\" for a text");
            }
        }
        self.error(expr, message)
    }

    fn no_condition(&self, expr: &IdedExpr) -> FilterError {
        self.error(expr, "a condition is expected here, as in `asr > 50`")
    }

    fn unknown_call(&self, expr: &IdedExpr, call: &CallExpr) -> FilterError {
        let name = call.func_name.as_str();
        let arithmetic = operation(name).is_some() || name == operators::NEGATE;
        match (name, call.target.is_some()) {
            _ if arithmetic => self.no_condition(expr),
            (operators::INDEX, _) => {
                self.error(expr, "write the path of a setting with dots, without brackets")
            }
            ("startsWith" | "endsWith" | "contains" | "matches", _) => {
                let message = format!("write `x.{name}(\"text\")`");
                self.error(expr, message)
            }
            ("has", _) => self.error(expr, "write `has(x)` with the name of a setting or a metric"),
            _ if is_condition(name) || name == operators::CONDITIONAL => self.no_condition(expr),
            _ => {
                let message = format!(
                    "there is no function `{name}`; there are startsWith, endsWith, contains, matches and has"
                );
                self.error(expr, message)
            }
        }
    }

    fn error(&self, expr: &IdedExpr, message: impl Into<String>) -> FilterError {
        FilterError::new(self.parsed.text, self.span(expr), message)
    }

    /// The byte range of a name, a value or an operator.
    fn span(&self, expr: &IdedExpr) -> Range<usize> {
        let token = |id| {
            let (start, last) = self.parsed.places.offset_for(id).unwrap_or_default();
            start as usize..last as usize + 1
        };
        let own = token(expr.id);
        match &expr.expr {
            Expr::Select(select) => {
                let mut root = &*select.operand;
                while let Expr::Select(select) = &root.expr {
                    root = &select.operand;
                }
                token(root.id).start.min(own.start)..own.end + select.field.len()
            }
            // The position of a function is its opening bracket.
            Expr::Call(call) if self.parsed.text[..own.start].ends_with(&call.func_name) => {
                own.start - call.func_name.len()..own.start
            }
            _ => own,
        }
    }

    fn text_of(&self, expr: &IdedExpr) -> &str {
        self.parsed.text.get(self.span(expr)).unwrap_or_default()
    }

    /// The text of a name or a value as a message quotes it.
    fn quote(&self, expr: &IdedExpr) -> String {
        match &expr.expr {
            Expr::Literal(_) => self.text_of(expr).to_owned(),
            Expr::Ident(_) | Expr::Select(_) => format!("`{}`", self.text_of(expr)),
            _ => format!("what `{}` gives", self.text_of(expr)),
        }
    }
}

/// A name with its dots; `None` if the expression contains anything else.
fn path(expr: &IdedExpr) -> Option<String> {
    let mut parts = Vec::new();
    let mut expr = expr;
    loop {
        match &expr.expr {
            Expr::Select(select) if !select.test => {
                parts.push(select.field.as_str());
                expr = &select.operand;
            }
            Expr::Ident(name) => {
                parts.push(name);
                parts.reverse();
                return Some(parts.join("."));
            }
            _ => return None,
        }
    }
}

fn relation(name: &str) -> Option<Relation> {
    Some(match name {
        operators::EQUALS => Relation::Equal,
        operators::NOT_EQUALS => Relation::Unequal,
        operators::LESS => Relation::Less,
        operators::LESS_EQUALS => Relation::LessOrEqual,
        operators::GREATER => Relation::Greater,
        operators::GREATER_EQUALS => Relation::GreaterOrEqual,
        _ => return None,
    })
}

fn operation(name: &str) -> Option<Operation> {
    Some(match name {
        operators::ADD => Operation::Add,
        operators::SUBSTRACT => Operation::Subtract,
        operators::MULTIPLY => Operation::Multiply,
        operators::DIVIDE => Operation::Divide,
        operators::MODULO => Operation::Remainder,
        _ => return None,
    })
}

fn is_condition(name: &str) -> bool {
    let logical = [operators::LOGICAL_AND, operators::LOGICAL_OR, operators::LOGICAL_NOT];
    relation(name).is_some() || logical.contains(&name) || name == operators::IN
}
