//! Words of TorchScript into expressions.

use super::lexer::Word;
use super::parser::Parser;
use super::syntax::{Expression, Id};

/// Deepest expression.
const MAX_DEPTH: u16 = 100;

/// Infix operators by how loosely they bind, loosest first, with their names in `aten`.
const INFIX: [&[(&str, &str)]; 8] = [
    &[("or", "__or__")],
    &[("and", "__and__")],
    &[
        ("==", "eq"),
        ("!=", "ne"),
        ("<=", "le"),
        (">=", "ge"),
        ("<", "lt"),
        (">", "gt"),
        ("is", "__is__"),
        ("in", "__in__"),
    ],
    &[("|", "__or__"), ("^", "__xor__")],
    &[("&", "__and__")],
    &[("+", "add"), ("-", "sub")],
    &[("*", "mul"), ("/", "div"), ("//", "floordiv"), ("%", "remainder"), ("@", "matmul")],
    &[("**", "pow")],
];

impl Parser {
    /// Stores an expression.
    pub fn add(&mut self, expression: Expression) -> Result<Id, String> {
        let depth = expression.operands().iter().map(|&id| self.depths[id as usize] + 1).max().unwrap_or(0);
        if depth > MAX_DEPTH {
            return Err(format!("has an expression of more than {MAX_DEPTH} levels"));
        }
        self.depths.push(depth);
        self.source.expressions.push(expression);
        Ok((self.depths.len() - 1) as Id)
    }

    /// An expression, or several with commas between or behind them: a tuple.
    pub fn list(&mut self) -> Result<Id, String> {
        let first = self.expression()?;
        if !self.is(",") {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.accept(",") {
            if matches!(self.peek(), Word::Newline | Word::Symbol("=")) {
                break;
            }
            items.push(self.expression()?);
        }
        self.add(Expression::Tuple(items))
    }

    fn nest(&mut self) -> Result<(), String> {
        self.nesting += 1;
        if self.nesting > MAX_DEPTH {
            return Err(format!("has an expression of more than {MAX_DEPTH} levels"));
        }
        Ok(())
    }

    pub fn expression(&mut self) -> Result<Id, String> {
        self.nest()?;
        let mut id = self.infix(0)?;
        if self.accept("if") {
            let condition = self.infix(0)?;
            self.expect("else")?;
            let otherwise = self.expression()?;
            id = self.add(Expression::Conditional { condition, then: id, otherwise })?;
        }
        self.nesting -= 1;
        Ok(id)
    }

    fn infix(&mut self, level: usize) -> Result<Id, String> {
        let Some(operators) = INFIX.get(level) else { return self.prefix() };
        if level == 2 && self.accept("not") {
            self.nest()?;
            let operand = self.infix(level)?;
            self.nesting -= 1;
            return self.add(Expression::Operator("__not__", vec![operand]));
        }
        let mut left = self.infix(level + 1)?;
        while let Some((symbol, name)) = operators.iter().find(|(symbol, _)| self.is(symbol)) {
            self.expect(symbol)?;
            let name = if *name == "__is__" && self.accept("not") { "__isnot__" } else { name };
            let right = self.infix(level + 1)?;
            left = self.add(Expression::Operator(name, vec![left, right]))?;
        }
        Ok(left)
    }

    fn prefix(&mut self) -> Result<Id, String> {
        if self.is("-") || self.is("~") || self.is("+") {
            let sign = self.next();
            self.nest()?;
            let operand = self.prefix()?;
            self.nesting -= 1;
            return match (sign, &mut self.source.expressions[operand as usize]) {
                (Word::Symbol("+"), _) => Ok(operand),
                (Word::Symbol("~"), _) => self.add(Expression::Operator("bitwise_not", vec![operand])),
                (_, Expression::Int(value)) => {
                    *value = value.wrapping_neg();
                    Ok(operand)
                }
                (_, Expression::Float(value)) => {
                    *value = -*value;
                    Ok(operand)
                }
                _ => self.add(Expression::Operator("neg", vec![operand])),
            };
        }
        let mut id = self.primary()?;
        loop {
            let expression = if self.accept(".") {
                Expression::Attribute(id, self.name()?)
            } else if self.accept("[") {
                let index = if self.accept("]") { self.add(Expression::Tuple(vec![]))? } else { self.items("]")? };
                Expression::Subscript(id, index)
            } else if self.accept("(") {
                self.arguments(id)?
            } else {
                return Ok(id);
            };
            id = self.add(expression)?;
        }
    }

    /// What stands up to `close`, which is taken: one expression, or a tuple.
    fn items(&mut self, close: &str) -> Result<Id, String> {
        let first = self.expression()?;
        if self.accept(close) {
            return Ok(first);
        }
        let mut items = vec![first];
        while !self.accept(close) {
            self.expect(",")?;
            if !self.is(close) {
                items.push(self.expression()?);
            }
        }
        self.add(Expression::Tuple(items))
    }

    fn arguments(&mut self, function: Id) -> Result<Expression, String> {
        let (mut positional, mut named) = (vec![], vec![]);
        while !self.accept(")") {
            let ahead = self.tokens.get(self.at + 1).map(|token| &token.word);
            if let (Word::Name(name), Some(Word::Symbol("="))) = (self.peek().clone(), ahead) {
                self.at += 2;
                named.push((name, self.expression()?));
            } else {
                positional.push(self.expression()?);
            }
            if !self.accept(",") && !self.is(")") {
                return Err("lacks a ')'".into());
            }
        }
        Ok(Expression::Call { function, positional, named })
    }

    fn primary(&mut self) -> Result<Id, String> {
        let expression = match self.next() {
            Word::Int(value) => Expression::Int(value),
            Word::Float(value) => Expression::Float(value),
            Word::Text(text) => Expression::Text(text),
            Word::Name(name) => match &*name {
                "None" => Expression::None,
                "True" => Expression::Bool(true),
                "False" => Expression::Bool(false),
                "inf" => Expression::Float(f64::INFINITY),
                "nan" => Expression::Float(f64::NAN),
                _ => Expression::Name(name),
            },
            Word::Symbol("(") if self.accept(")") => Expression::Tuple(vec![]),
            Word::Symbol("(") => return self.items(")"),
            Word::Symbol("[") => {
                let mut items = vec![];
                while !self.accept("]") {
                    items.push(self.expression()?);
                    if !self.accept(",") && !self.is("]") {
                        return Err("lacks a ']'".into());
                    }
                }
                Expression::List(items)
            }
            Word::Symbol("{") => {
                let mut pairs = vec![];
                while !self.accept("}") {
                    let key = self.expression()?;
                    self.expect(":")?;
                    pairs.push((key, self.expression()?));
                    if !self.accept(",") && !self.is("}") {
                        return Err("lacks a '}'".into());
                    }
                }
                Expression::Dict(pairs)
            }
            word => {
                self.at -= 1;
                return Err(format!("has {word:?} where an expression should be"));
            }
        };
        self.add(expression)
    }
}
