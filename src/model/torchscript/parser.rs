//! Words of TorchScript into classes, functions and statements.

use std::rc::Rc;

use super::lexer::{Token, Word, words};
use super::syntax::{Action, Class, Expression, Function, Id, Parameter, Source, Statement};

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

/// Where parsing is.
pub(super) struct Parser {
    pub tokens: Vec<Token>,
    pub at: usize,
    pub source: Source,
    /// Of each expression.
    pub depths: Vec<u16>,
    /// Expressions that are open.
    pub nesting: u16,
}

impl Parser {
    fn line(&self) -> usize {
        self.tokens.get(self.at).map_or(0, |token| token.line)
    }

    pub fn peek(&self) -> &Word {
        self.tokens.get(self.at).map_or(&Word::End, |token| &token.word)
    }

    pub fn next(&mut self) -> Word {
        let word = self.peek().clone();
        self.at += 1;
        word
    }

    pub fn is(&self, symbol: &str) -> bool {
        match self.peek() {
            Word::Symbol(found) => *found == symbol,
            Word::Name(found) => &**found == symbol,
            _ => false,
        }
    }

    pub fn accept(&mut self, symbol: &str) -> bool {
        let found = self.is(symbol);
        self.at += usize::from(found);
        found
    }

    pub fn expect(&mut self, symbol: &str) -> Result<(), String> {
        if self.accept(symbol) { Ok(()) } else { Err(format!("lacks a '{symbol}'")) }
    }

    pub fn name(&mut self) -> Result<Rc<str>, String> {
        match self.next() {
            Word::Name(name) => Ok(name),
            _ => Err("lacks a name".into()),
        }
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
}
