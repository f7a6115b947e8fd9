//! What an experiment inherits: `base`, and the sections beside `experiments`.
//!
//! All of it is done on maps of sections ([`Node`]s), which keep the place of every value; what they mean comes later
//! ([`super::file`]).

use super::file::{SECTIONS, unknown_key};
use super::yaml::{self, Content, Key, Node};
use crate::InputError;
use crate::names::nearest;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The top level of a file.
pub(super) struct Source {
    /// The sections beside `experiments`, or all of a file without them.
    pub(super) defaults: Node,
    /// Those of a file that has them.
    pub(super) experiments: Option<Vec<(Key, Node)>>,
}

impl Source {
    pub(super) fn new(path: &Path, root: &Node) -> Result<Self, InputError> {
        let remedy = "write 'experiments:' with an experiment below it";
        let Content::Map(entries) = &root.content else {
            return Err(InputError::new(
                path.display(),
                format!("holds {}, no experiments", root.content.kind()),
                remedy,
            ));
        };
        let (mut defaults, mut experiments) = (Vec::new(), None);
        for (key, node) in entries {
            if key.name == "experiments" {
                let entries = node.map("a map of experiments by name")?;
                if entries.is_empty() {
                    return Err(node.error("no experiments", "name one and give it 'fixed' or 'grid'"));
                }
                experiments = Some(entries.to_vec());
            } else if SECTIONS.contains(&key.name.as_str()) {
                defaults.push((key.clone(), node.clone()));
            } else if !key.name.starts_with("x-") {
                return Err(unknown_key(key, "a grid file", &[&["experiments"], &SECTIONS[..]].concat()));
            }
        }
        if defaults.is_empty() && experiments.is_none() {
            return Err(InputError::new(path.display(), "has no experiments", remedy));
        }
        Ok(Self { defaults: Node { at: root.at.clone(), content: Content::Map(defaults) }, experiments })
    }
}

/// The experiments of a file, by which others of it may inherit.
#[derive(Clone, Copy)]
pub(super) struct Within<'a> {
    pub(super) entries: &'a [(Key, Node)],
    /// What each of them starts from.
    pub(super) defaults: &'a [Node],
}

/// Resolves `base`. Blocks are maps of sections until nothing is left to inherit.
pub(super) struct Files {
    /// Files that are being read, each named by the one before.
    open: Vec<PathBuf>,
    /// Experiments of the grid file that are resolved.
    experiments: HashMap<String, Vec<Node>>,
    /// Base files that are.
    files: HashMap<PathBuf, Vec<Node>>,
}

/// Bases of bases of ….
const DEEPEST: usize = 64;

impl Files {
    /// Of the grid file `path`.
    pub(super) fn new(path: &Path) -> Self {
        Self { open: vec![canonical(path)], experiments: HashMap::new(), files: HashMap::new() }
    }

    /// The base files that were read.
    pub(super) fn bases(&self) -> Vec<PathBuf> {
        let mut bases: Vec<PathBuf> = self.files.keys().cloned().collect();
        bases.sort();
        bases
    }

    /// The blocks of an experiment of the grid file, with nothing left to inherit.
    pub(super) fn experiment(
        &mut self,
        name: &str,
        node: &Node,
        file: &Path,
        within: Within,
        open: &mut Vec<String>,
    ) -> Result<Vec<Node>, InputError> {
        if let Some(blocks) = self.experiments.get(name) {
            return Ok(blocks.clone());
        }
        if open.len() == DEEPEST {
            return Err(node.error(format!("bases of bases, more than {DEEPEST} deep"), "inherit less deeply"));
        }
        open.push(name.to_string());
        let mut blocks = Vec::new();
        for part in node.list() {
            part.map("an experiment, or a list of its blocks,")?;
            blocks.extend(self.inherited(part, file, within.defaults, Some(within), open)?);
        }
        if blocks.is_empty() {
            return Err(node.error(format!("experiment '{name}' has no blocks"), "give it one"));
        }
        open.pop();
        self.experiments.insert(name.to_string(), blocks.clone());
        Ok(blocks)
    }

    /// `start`, then each of `base`, then `node` itself, each over the ones before.
    pub(super) fn inherited(
        &mut self,
        node: &Node,
        file: &Path,
        start: &[Node],
        within: Option<Within>,
        open: &mut Vec<String>,
    ) -> Result<Vec<Node>, InputError> {
        let empty = Node { at: node.at.clone(), content: Content::Map(Vec::new()) };
        let mut blocks = if start.is_empty() { vec![empty] } else { start.to_vec() };
        let entries = node.map("an experiment")?;
        // looked at here, since what inherits may well leave an inherited grid empty
        for (_, grid) in entries.iter().filter(|(key, _)| key.name == "grid") {
            let empty = |node: &Node| matches!(&node.content, Content::Map(axes) if axes.is_empty());
            if grid.list().is_empty() || grid.list().iter().any(empty) {
                return Err(grid.error("an empty grid", "give it a setting with its values, or leave it out"));
            }
        }
        if let Some((_, base)) = entries.iter().find(|(key, _)| key.name == "base") {
            for name in base.list() {
                let bases = self.base(name, file, within, open)?;
                blocks = over(&blocks, &bases)?;
            }
        }
        over(&blocks, std::slice::from_ref(node))
    }

    fn base(
        &mut self,
        node: &Node,
        file: &Path,
        within: Option<Within>,
        open: &mut Vec<String>,
    ) -> Result<Vec<Node>, InputError> {
        let Some(name) = node.text() else {
            return Err(node.error(format!("{} as a base", node.content.kind()), "name a file or an experiment"));
        };
        if !(name.ends_with(".yaml") || name.ends_with(".yml")) {
            let entries = within.map_or(&[][..], |within| within.entries);
            let Some((_, found)) = entries.iter().find(|(key, _)| key.name == name) else {
                let names: Vec<&str> = entries.iter().map(|(key, _)| key.name.as_str()).collect();
                let remedy = match nearest(&name, &names) {
                    Some(near) => format!("did you mean '{near}'?"),
                    None => "name an experiment of this file, or a file that ends in .yaml".into(),
                };
                return Err(node.error(format!("there is no base '{name}'"), remedy));
            };
            if open.contains(&name) {
                let circle = [&open[..], &[name]].concat().join(" → ");
                return Err(node.error(format!("a base that is its own base: {circle}"), "break the circle"));
            }
            return match within {
                Some(within) => self.experiment(&name, found, file, within, open),
                None => Ok(Vec::new()),
            };
        }
        let path = file.parent().unwrap_or(Path::new("")).join(&name);
        let real = canonical(&path);
        if self.open.contains(&real) {
            return Err(node.error(format!("a file that is its own base: {name}"), "break the circle"));
        }
        if let Some(blocks) = self.files.get(&real) {
            return Ok(blocks.clone());
        }
        if self.open.len() > DEEPEST {
            return Err(node.error(format!("bases of bases, more than {DEEPEST} deep"), "inherit less deeply"));
        }
        let root = yaml::read(&path).map_err(|e| match e.place == path.display().to_string() {
            // the file itself, not a place in it
            true => node.error(format!("the base {name}: {}", e.problem), e.remedy),
            false => e,
        })?;
        let source = Source::new(&path, &root)?;
        if source.experiments.is_some() {
            let remedy = "inherit from a file whose top level has 'fixed', 'grid', …";
            return Err(node.error(format!("the base {name} holds experiments"), remedy));
        }
        self.open.push(real.clone());
        let blocks = self.inherited(&source.defaults, &path, &[], None, &mut Vec::new());
        self.open.pop();
        let blocks = blocks?;
        self.files.insert(real, blocks.clone());
        Ok(blocks)
    }
}

/// Every block of `over` over every block of `base`.
fn over(base: &[Node], over: &[Node]) -> Result<Vec<Node>, InputError> {
    const MOST: usize = 10_000;
    if base.len() * over.len() > MOST {
        let place = over.first().map(|node| node.at.to_string()).unwrap_or_default();
        return Err(InputError::new(place, format!("more than {MOST} blocks through 'base'"), "inherit from less"));
    }
    base.iter().flat_map(|base| over.iter().map(move |over| Ok(merge(base, over)))).collect()
}

/// `over` over `base`: `fixed`, `grid`, `slurm` and `report` key by key, other sections as a whole. A setting that
/// `over` fixes is no axis any more, and the other way round.
fn merge(base: &Node, over: &Node) -> Node {
    let section =
        |node: &Node, name: &str| entries(node).iter().find(|(key, _)| key.name == name).map(|(_, n)| n.clone());
    let keys = |name: &str| -> Vec<String> {
        let maps = section(over, name);
        let maps = maps.iter().flat_map(|node| node.list());
        maps.flat_map(|map| entries(map).iter().map(|(key, _)| key.name.clone())).collect()
    };
    let without = |node: Node, names: &[String]| {
        let strip = |node: &Node| match &node.content {
            Content::Map(entries) => {
                let kept = entries.iter().filter(|(key, _)| !names.contains(&key.name)).cloned().collect();
                Node { at: node.at.clone(), content: Content::Map(kept) }
            }
            _ => node.clone(),
        };
        match &node.content {
            Content::List(maps) => Node { content: Content::List(maps.iter().map(strip).collect()), ..node },
            _ => strip(&node),
        }
    };
    let (fixed, grid, zip) = (keys("fixed"), keys("grid"), keys("zip"));
    let mut merged: Vec<(Key, Node)> = Vec::new();
    for (key, node) in entries(base).iter().filter(|(key, _)| key.name != "base") {
        let node = match key.name.as_str() {
            "fixed" => without(node.clone(), &[&grid[..], &zip].concat()),
            "grid" => without(node.clone(), &[&fixed[..], &zip].concat()),
            _ => node.clone(),
        };
        merged.push((key.clone(), node));
    }
    for (key, node) in entries(over).iter().filter(|(key, _)| key.name != "base") {
        let by_key = matches!(key.name.as_str(), "fixed" | "grid" | "slurm" | "report");
        match merged.iter_mut().find(|(other, _)| other.name == key.name) {
            Some((_, below)) if by_key => {
                *below = match (&below.content, &node.content) {
                    (Content::Map(_), Content::Map(_)) => merge_maps(below, node),
                    _ => node.clone(),
                }
            }
            Some((_, below)) => *below = node.clone(),
            None => merged.push((key.clone(), node.clone())),
        }
    }
    Node { at: over.at.clone(), content: Content::Map(merged) }
}

fn merge_maps(base: &Node, over: &Node) -> Node {
    let mut merged = entries(base).to_vec();
    for (key, node) in entries(over) {
        match merged.iter_mut().find(|(other, _)| other.name == key.name) {
            Some(entry) => *entry = (key.clone(), node.clone()),
            None => merged.push((key.clone(), node.clone())),
        }
    }
    Node { at: over.at.clone(), content: Content::Map(merged) }
}

fn entries(node: &Node) -> &[(Key, Node)] {
    match &node.content {
        Content::Map(entries) => entries,
        _ => &[],
    }
}

fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}
