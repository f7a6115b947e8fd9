//! Words of TorchScript into classes and functions.

use std::rc::Rc;

use super::lexer::{Token, Word, words};
use super::syntax::{Action, Class, Expression, Function, Id, Parameter, Source, Statement};

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

/// Parses one file; `member` is its place in the archive.
///
/// # Errors
///
/// The line, and what is wrong there.
pub(super) fn parse(member: &str, text: &str) -> Result<Source, (usize, String)> {
    let source = Source { member: member.into(), ..Source::default() };
    let mut parser = Parser { tokens: words(text)?, at: 0, source, depths: vec![], nesting: 0 };
    parser.file().map_err(|problem| (parser.line(), problem))?;
    Ok(parser.source)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    source: Source,
    /// Of each expression.
    depths: Vec<u16>,
    /// Expressions that are open.
    nesting: u16,
}

impl Parser {
    fn line(&self) -> usize {
        self.tokens.get(self.at).map_or(0, |token| token.line)
    }

    fn peek(&self) -> &Word {
        self.tokens.get(self.at).map_or(&Word::End, |token| &token.word)
    }

    fn next(&mut self) -> Word {
        let word = self.peek().clone();
        self.at += 1;
        word
    }

    fn is(&self, symbol: &str) -> bool {
        match self.peek() {
            Word::Symbol(found) => *found == symbol,
            Word::Name(found) => &**found == symbol,
            _ => false,
        }
    }

    fn accept(&mut self, symbol: &str) -> bool {
        let found = self.is(symbol);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), String> {
        if self.accept(symbol) { Ok(()) } else { Err(format!("lacks a '{symbol}'")) }
    }

    fn name(&mut self) -> Result<Rc<str>, String> {
        match self.next() {
            Word::Name(name) => Ok(name),
            _ => Err("lacks a name".into()),
        }
    }

    fn add(&mut self, expression: Expression) -> Result<Id, String> {
        let depth = expression.operands().iter().map(|&id| self.depths[id as usize] + 1).max().unwrap_or(0);
        if depth > MAX_DEPTH {
            return Err(format!("has an expression of more than {MAX_DEPTH} levels"));
        }
        self.depths.push(depth);
        self.source.expressions.push(expression);
        Ok((self.depths.len() - 1) as Id)
    }

    fn file(&mut self) -> Result<(), String> {
        loop {
            match self.peek().clone() {
                Word::End => return Ok(()),
                Word::Newline => self.at += 1,
                _ if self.accept("class") => self.class()?,
                _ if self.is("def") => {
                    let function = self.function()?;
                    self.source.functions.insert(function.name.clone(), function.into());
                }
                // Older files begin with `op_version_set = 1`.
                _ => self.skip_line(),
            }
        }
    }

    fn skip_line(&mut self) {
        while !matches!(self.peek(), Word::Newline | Word::End) {
            self.at += 1;
        }
        self.at += usize::from(*self.peek() == Word::Newline);
    }

    fn class(&mut self) -> Result<(), String> {
        let name = self.name()?;
        let mut class = Class::default();
        let mut fields: Vec<Rc<str>> = vec![];
        if self.accept("(") {
            class.base = if self.is(")") { None } else { Some(self.name()?) };
            while !self.accept(")") {
                if matches!(self.next(), Word::End | Word::Newline) {
                    return Err("lacks a ')'".into());
                }
            }
        }
        self.expect(":")?;
        self.open()?;
        while *self.peek() != Word::Dedent {
            if self.is("def") {
                let function = self.function()?;
                class.methods.insert(function.name.clone(), function.into());
                continue;
            }
            if let (Word::Name(field), Some(Token { word: Word::Symbol(":"), .. })) =
                (self.peek(), self.tokens.get(self.at + 1))
            {
                fields.push(field.clone());
            }
            if *self.peek() == Word::End {
                return Err("ends within a class".into());
            }
            self.at += usize::from(*self.peek() == Word::Indent);
            self.skip_line();
        }
        self.at += 1;
        class.fields = fields.into();
        self.source.classes.insert(name, class);
        Ok(())
    }

    /// The beginning of a block behind its colon.
    fn open(&mut self) -> Result<(), String> {
        if self.next() == Word::Newline && self.next() == Word::Indent {
            return Ok(());
        }
        Err("lacks an indented block".into())
    }

    fn function(&mut self) -> Result<Function, String> {
        self.expect("def")?;
        let name = self.name()?;
        self.expect("(")?;
        let mut parameters = vec![];
        while !self.accept(")") {
            if self.accept("*") {
                self.accept(",");
                continue;
            }
            let name = self.name()?;
            let annotation = if self.accept(":") { Some(self.expression()?) } else { None };
            let default = if self.accept("=") { Some(self.expression()?) } else { None };
            parameters.push(Parameter { name, annotation, default });
            if !self.accept(",") && !self.is(")") {
                return Err("lacks a ')'".into());
            }
        }
        if self.accept("->") {
            self.expression()?;
        }
        self.expect(":")?;
        Ok(Function { name, parameters, body: self.block()? })
    }

    /// Its depth is that of the indentation, which the lexer limits.
    fn block(&mut self) -> Result<Vec<Statement>, String> {
        self.open()?;
        let mut statements = vec![];
        while *self.peek() != Word::Dedent {
            let line = self.line();
            let kind = self.statement()?;
            statements.push(Statement { line, kind });
        }
        self.at += 1;
        Ok(statements)
    }

    fn statement(&mut self) -> Result<Action, String> {
        if self.accept("if") {
            let condition = self.expression()?;
            self.expect(":")?;
            let then = self.block()?;
            let otherwise = if self.accept("else") {
                self.expect(":")?;
                self.block()?
            } else if self.is("elif") {
                return Err("has an 'elif', which TorchScript does not write".into());
            } else {
                vec![]
            };
            return Ok(Action::If { condition, then, otherwise });
        }
        if self.accept("while") {
            let condition = self.expression()?;
            self.expect(":")?;
            return Ok(Action::While { condition, body: self.block()? });
        }
        if self.accept("for") {
            let target = self.targets()?;
            self.expect("in")?;
            let iterable = self.expression()?;
            self.expect(":")?;
            return Ok(Action::For { target, iterable, body: self.block()? });
        }
        if self.accept("with") {
            self.expression()?;
            if self.accept("as") {
                self.name()?;
            }
            self.expect(":")?;
            return Ok(Action::With { body: self.block()? });
        }
        let kind = if self.accept("return") {
            let value = if *self.peek() == Word::Newline { None } else { Some(self.list()?) };
            Action::Return(value)
        } else if self.accept("pass") {
            Action::Pass
        } else if self.accept("assert") {
            let condition = self.expression()?;
            if self.accept(",") {
                self.expression()?;
            }
            Action::Assert(condition)
        } else if self.accept("raise") {
            self.expression()?;
            Action::Raise
        } else {
            let target = self.list()?;
            if self.accept(":") {
                self.expression()?;
            }
            if self.accept("=") {
                let value = self.list()?;
                Action::Assign { target, value }
            } else {
                Action::Expression(target)
            }
        };
        match self.next() {
            Word::Newline | Word::Symbol(";") => Ok(kind),
            word => {
                self.at -= 1;
                Err(format!("goes on with {word:?} where a line should end"))
            }
        }
    }

    /// What a loop assigns to: names, whose `in` is no operator.
    fn targets(&mut self) -> Result<Id, String> {
        let mut names = vec![];
        loop {
            let name = self.name()?;
            names.push(self.add(Expression::Name(name))?);
            if !self.accept(",") || self.is("in") {
                break;
            }
        }
        if names.len() == 1 { Ok(names[0]) } else { self.add(Expression::Tuple(names)) }
    }

    /// An expression, or several with commas between or behind them: a tuple.
    fn list(&mut self) -> Result<Id, String> {
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

    fn expression(&mut self) -> Result<Id, String> {
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
