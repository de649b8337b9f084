//! Which rules could match, found without looking at those that cannot.
//!
//! Every (subject, action, resource) that a rule is about has a *shape*: which of its dimensions
//! are exact, which are known by the first bytes only, and which are open. The few shapes that a
//! set uses are kept in a list; a lookup forms one key for each and probes one table. What a
//! probe finds is then held against its globs in full, so that the index decides nothing: it only
//! leaves out. Cost follows the number of shapes and of rules that could match.
//!
//! The classes of beginnings are few, to keep shapes few. Where too many rules share one key
//! because they only differ further on, the key is refined: the few pairs of full lengths that
//! occur under it each get a key of their own.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};

use ringfence_model::{ActionKind, ResourceKind};
use smallvec::SmallVec;

use crate::glob::Glob;
use crate::pattern::{NameShape, ResourcePattern};
use crate::scope::{ActionSet, Scope};
use crate::target::Target;

/// How many of the first bytes are known, by class. The last class is "all of them".
const DEPTHS: [usize; 9] = [0, 2, 4, 8, 16, 24, 32, 48, 64];
const EXACT: u8 = 9;
const CLASSES: usize = 10;

/// An index over things that have a scope.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    shapes: Box<[Shape]>,
    table: HashMap<u64, Slot, BuildHasherDefault<Mixed>>,
    refined: Box<[Box<[Lengths]>]>,
    /// What is found under refined keys. A table of its own: two keys that happen to be equal
    /// share their entries, and none is lost.
    fine: HashMap<u64, (u32, u32), BuildHasherDefault<Mixed>>,
    runs: Box<[Run]>,
    members: Box<[Member]>,
    agents: Box<[Glob]>,
    resources: Box<[ResourcePattern]>,
    subject_classes: u16,
    name_classes: u16,
}

/// Numbers of items: few in the common case, so they live on the stack.
pub(crate) type Hits = SmallVec<[u32; 16]>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    subject: u8,
    action: Known,
    kind: Known,
    authority: Known,
    name: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Known {
    Open,
    Exact,
}

/// What is found under one key.
#[derive(Debug, Clone, Copy)]
enum Slot {
    /// A range of the runs.
    Runs(u32, u32),
    /// Too much: which of the lists of lengths leads on.
    Refined(u32),
}

/// How much of the subject and of the name is literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Lengths {
    subject: usize,
    name: usize,
}

/// More pairs of globs than this under one key are refined, where that leads to fewer.
const CROWD: usize = 4;

/// An entry while the index is built.
struct Keyed<'s> {
    shape: Shape,
    key: u64,
    entry: Entry,
    subject: &'s [u8],
    name: &'s [u8],
}

/// Items that have both globs in common, so that these are held against an attempt once.
#[derive(Debug, Clone, Copy)]
struct Run {
    agent: u32,
    resource: u32,
    /// A range of the members.
    start: u32,
    end: u32,
}

/// One item of a run.
#[derive(Debug, Clone, Copy)]
struct Member {
    item: u32,
    actions: ActionSet,
}

/// What was found under the keys so far.
#[derive(Default)]
struct Found {
    runs: Vec<Run>,
    members: Vec<Member>,
}

impl Found {
    /// Adds what stands under one key, in the order of [`Entry::order`]. Gives its range of runs.
    fn add(&mut self, entries: &[Entry]) -> (u32, u32) {
        let first = count(&self.runs);
        for same in entries.chunk_by(|a, b| a.globs() == b.globs()) {
            let Some(Entry { agent, resource, .. }) = same.first().copied() else { continue };
            let start = count(&self.members);
            self.members.extend(
                same.iter().map(|Entry { item, actions, .. }| Member { item: *item, actions: *actions }),
            );
            self.runs.push(Run { agent, resource, start, end: count(&self.members) });
        }
        (first, count(&self.runs))
    }
}

/// One product of an item's scope, while the index is built.
#[derive(Debug, Clone, Copy)]
struct Entry {
    item: u32,
    /// Which of the interned globs.
    agent: u32,
    resource: u32,
    actions: ActionSet,
}

/// What is looked for: an attempt, or the least that a pattern is certain of.
pub(crate) struct Probe<'a> {
    subject: Prefix<'a>,
    action: ActionKind,
    kind: Option<ResourceKind>,
    authority: Option<&'a [u8]>,
    name: Prefix<'a>,
}

#[derive(Clone, Copy)]
enum Prefix<'a> {
    Whole(&'a [u8]),
    Beginning(&'a [u8]),
}

impl<'a> Probe<'a> {
    /// One attempt.
    #[inline]
    pub(crate) fn attempt(agent: &'a [u8], action: ActionKind, target: &'a Target) -> Self {
        Probe {
            subject: Prefix::Whole(agent),
            action,
            kind: Some(target.kind),
            authority: Some(target.authority()),
            name: Prefix::Whole(target.name()),
        }
    }

    /// One product of a scope: finds what could cover all of it.
    pub(crate) fn product(subject: &'a Glob, action: ActionKind, resource: &'a ResourcePattern) -> Self {
        let prefix = subject.prefix();
        Probe {
            subject: if subject.is_literal() { Prefix::Whole(prefix) } else { Prefix::Beginning(prefix) },
            action,
            kind: resource.kind,
            authority: resource.authority.and_then(|len| resource.glob.prefix().get(..len)),
            name: match &resource.name {
                NameShape::Exact(name) => Prefix::Whole(name),
                NameShape::Prefix(name) => Prefix::Beginning(name),
            },
        }
    }
}

impl Index {
    /// Indexes items by their scopes; an item's number is its position.
    pub(crate) fn new<'s>(scopes: impl Iterator<Item = &'s Scope>) -> Self {
        let mut agents: Interned<'s, Glob> = Interned::default();
        let mut resources: Interned<'s, ResourcePattern> = Interned::default();
        let mut keyed: Vec<Keyed<'s>> = Vec::new();
        for (item, scope) in (0u32..).zip(scopes) {
            for subject in scope.subjects.iter() {
                let agent = agents.number(&subject.text, &subject.glob);
                for pattern in scope.resources.iter() {
                    let resource = resources.number(&pattern.text, pattern);
                    let entry = Entry { item, agent, resource, actions: scope.actions };
                    products(&subject.glob, scope.actions, pattern, |shape, key| {
                        let (NameShape::Exact(name) | NameShape::Prefix(name)) = &pattern.name;
                        keyed.push(Keyed { shape, key, entry, subject: subject.glob.prefix(), name });
                    });
                }
            }
        }
        let mut shapes: Vec<Shape> = keyed.iter().map(|keyed| keyed.shape).collect();
        shapes.sort_unstable();
        shapes.dedup();
        let mut index = Index {
            subject_classes: shapes.iter().fold(0, |classes, shape| classes | 1 << shape.subject),
            name_classes: shapes.iter().fold(0, |classes, shape| classes | 1 << shape.name),
            shapes: shapes.into(),
            table: HashMap::default(),
            refined: Box::default(),
            fine: HashMap::default(),
            runs: Box::default(),
            members: Box::default(),
            agents: agents.items.into_iter().cloned().collect(),
            resources: resources.items.into_iter().cloned().collect(),
        };
        index.fill(keyed);
        index
    }

    fn fill(&mut self, mut keyed: Vec<Keyed<'_>>) {
        let mut refined = Vec::new();
        let mut found = Found::default();
        keyed.sort_by_key(|keyed| (keyed.key, keyed.entry.order()));
        for crowd in keyed.chunk_by(|a, b| a.key == b.key) {
            let Some(key) = crowd.first().map(|keyed| keyed.key) else { continue };
            let globs = crowd.chunk_by(|a, b| a.entry.globs() == b.entry.globs()).count();
            let mut lengths: Vec<Lengths> = crowd.iter().map(Keyed::lengths).collect();
            lengths.sort_unstable();
            lengths.dedup();
            if globs <= CROWD || lengths.len() * 2 > globs {
                let entries: Vec<Entry> = crowd.iter().map(|keyed| keyed.entry).collect();
                let (start, end) = found.add(&entries);
                self.table.insert(key, Slot::Runs(start, end));
            } else {
                self.table.insert(key, Slot::Refined(count(&refined)));
                refined.push(lengths.into_boxed_slice());
            }
        }
        let mut finer: Vec<(u64, Entry)> = keyed
            .iter()
            .filter(|keyed| matches!(self.table.get(&keyed.key), Some(Slot::Refined(_))))
            .map(|keyed| (refine(keyed.key, hash(keyed.subject), hash(keyed.name)), keyed.entry))
            .collect();
        finer.sort_by_key(|(key, entry)| (*key, entry.order()));
        for same in finer.chunk_by(|a, b| a.0 == b.0) {
            let entries: Vec<Entry> = same.iter().map(|(_, entry)| *entry).collect();
            if let Some((key, _)) = same.first() {
                self.fine.insert(*key, found.add(&entries));
            }
        }
        self.refined = refined.into();
        self.runs = found.runs.into();
        self.members = found.members.into();
    }

    /// The numbers of the items whose globs `verify` confirms, ascending, each once.
    #[inline]
    pub(crate) fn lookup(
        &self,
        probe: &Probe<'_>,
        mut verify: impl FnMut(&Glob, &ResourcePattern) -> bool,
    ) -> Hits {
        let subjects = pieces(probe.subject, self.subject_classes);
        let names = pieces(probe.name, self.name_classes);
        let authority = probe.authority.map(hash);
        let mut hits = Hits::new();
        for shape in &self.shapes {
            let subject = subjects.get(usize::from(shape.subject)).copied().flatten();
            let name = names.get(usize::from(shape.name)).copied().flatten();
            let (Some(subject), Some(name)) = (subject, name) else { continue };
            let Some(key) = key(*shape, subject, probe.action, probe.kind, authority, name) else { continue };
            match self.table.get(&key) {
                Some(Slot::Runs(start, end)) => {
                    self.verified((*start, *end), probe.action, &mut verify, &mut hits);
                }
                Some(Slot::Refined(lengths)) => {
                    for lengths in self.refined.get(*lengths as usize).into_iter().flatten() {
                        let subject = probe.subject.bytes().get(..lengths.subject).map(hash);
                        let name = probe.name.bytes().get(..lengths.name).map(hash);
                        let (Some(subject), Some(name)) = (subject, name) else { continue };
                        if let Some((start, end)) = self.fine.get(&refine(key, subject, name)) {
                            self.verified((*start, *end), probe.action, &mut verify, &mut hits);
                        }
                    }
                }
                None => {}
            }
        }
        // As they come from one run; several may overlap.
        if !hits.is_sorted_by(|one, next| one < next) {
            hits.sort_unstable();
            hits.dedup();
        }
        hits
    }

    #[inline]
    fn verified(
        &self,
        (start, end): (u32, u32),
        action: ActionKind,
        verify: &mut impl FnMut(&Glob, &ResourcePattern) -> bool,
        hits: &mut Hits,
    ) {
        for run in self.runs.get(start as usize..end as usize).unwrap_or_default() {
            let agents = self.agents.get(run.agent as usize);
            let resources = self.resources.get(run.resource as usize);
            let (Some(agents), Some(resources)) = (agents, resources) else { continue };
            if verify(agents, resources) {
                let members = self.members.get(run.start as usize..run.end as usize).unwrap_or_default();
                let about = members.iter().filter(|member| member.actions.contains(action));
                hits.extend(about.map(|member| member.item));
            }
        }
    }
}

impl Entry {
    fn globs(&self) -> (u32, u32) {
        (self.agent, self.resource)
    }

    fn order(&self) -> (u32, u32, u32) {
        (self.agent, self.resource, self.item)
    }
}

/// Patterns by their texts, each once.
struct Interned<'s, T> {
    numbers: HashMap<&'s str, u32>,
    items: Vec<&'s T>,
}

impl<T> Default for Interned<'_, T> {
    fn default() -> Self {
        Interned { numbers: HashMap::new(), items: Vec::new() }
    }
}

impl<'s, T> Interned<'s, T> {
    fn number(&mut self, text: &'s str, item: &'s T) -> u32 {
        let next = count(&self.items);
        *self.numbers.entry(text).or_insert_with(|| {
            self.items.push(item);
            next
        })
    }
}

impl Keyed<'_> {
    fn lengths(&self) -> Lengths {
        Lengths { subject: self.subject.len(), name: self.name.len() }
    }
}

impl<'a> Prefix<'a> {
    fn bytes(self) -> &'a [u8] {
        match self {
            Prefix::Whole(bytes) | Prefix::Beginning(bytes) => bytes,
        }
    }
}

fn count<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).expect("invariant: a set has fewer than 2^32 entries, by the size of its text")
}

/// The key under a key.
fn refine(key: u64, subject: u64, name: u64) -> u64 {
    fold(key.rotate_left(17), fold(subject, name.rotate_left(29) | 1))
}

/// The shape and key of every product of one subject and one resource.
fn products(agents: &Glob, actions: ActionSet, pattern: &ResourcePattern, mut each: impl FnMut(Shape, u64)) {
    let (subject, subject_bytes) = class(agents.prefix(), agents.is_literal());
    let (name, name_bytes) = match &pattern.name {
        NameShape::Exact(name) => class(name, true),
        NameShape::Prefix(name) => class(name, false),
    };
    let authority = pattern.authority.and_then(|len| pattern.glob.prefix().get(..len));
    let mut shape = Shape {
        subject,
        action: Known::Open,
        kind: if pattern.kind.is_some() { Known::Exact } else { Known::Open },
        authority: if authority.is_some() { Known::Exact } else { Known::Open },
        name,
    };
    let (subject, name) = (hash(subject_bytes), hash(name_bytes));
    let authority = authority.map(hash);
    let mut emit = |shape, action| {
        if let Some(key) = key(shape, subject, action, pattern.kind, authority, name) {
            each(shape, key);
        }
    };
    if actions == ActionSet::ALL {
        emit(shape, ActionKind::ToolCall);
        return;
    }
    shape.action = Known::Exact;
    for action in actions.iter() {
        emit(shape, action);
    }
}

/// The deepest class that a literal beginning reaches, and the bytes of it that count.
fn class(prefix: &[u8], whole: bool) -> (u8, &[u8]) {
    if whole {
        return (EXACT, prefix);
    }
    let class = DEPTHS.iter().rposition(|depth| *depth <= prefix.len()).unwrap_or(0);
    let depth = DEPTHS.get(class).copied().unwrap_or(0);
    (u8::try_from(class).unwrap_or(0), prefix.get(..depth).unwrap_or_default())
}

/// One hash for each class that is in use and that the bytes reach.
#[inline]
fn pieces(prefix: Prefix<'_>, classes: u16) -> [Option<u64>; CLASSES] {
    let mut pieces = [None; CLASSES];
    let bytes = prefix.bytes();
    let mut left = classes;
    while left != 0 {
        let class = left.trailing_zeros() as usize;
        left &= left - 1;
        let piece = match DEPTHS.get(class) {
            Some(depth) => bytes.get(..*depth).map(hash),
            None => match prefix {
                Prefix::Whole(bytes) => Some(hash(bytes)),
                Prefix::Beginning(_) => None,
            },
        };
        if let Some(place) = pieces.get_mut(class) {
            *place = piece;
        }
    }
    pieces
}

/// The key of one product; nothing where the shape needs what is not known.
#[inline]
fn key(
    shape: Shape,
    subject: u64,
    action: ActionKind,
    kind: Option<ResourceKind>,
    authority: Option<u64>,
    name: u64,
) -> Option<u64> {
    let action = match shape.action {
        Known::Exact => action as u64 + 1,
        Known::Open => 0,
    };
    let kind = match (shape.kind, kind) {
        (Known::Exact, Some(kind)) => kind as u64 + 1,
        (Known::Exact, None) => return None,
        (Known::Open, _) => 0,
    };
    let authority = match (shape.authority, authority) {
        (Known::Exact, Some(authority)) => authority,
        (Known::Exact, None) => return None,
        (Known::Open, _) => 0,
    };
    let small = action
        | kind << 8
        | u64::from(shape.subject) << 16
        | u64::from(shape.name) << 24
        | u64::from(shape.authority == Known::Exact) << 32;
    Some(fold(
        fold(subject ^ small, 0x9E37_79B9_7F4A_7C15),
        fold(authority ^ 0x2545_F491_4F6C_DD1D, name | 1),
    ))
}

/// A product of 128 bits folded onto 64.
#[inline]
fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left ^ 0xA076_1D64_78BD_642F).wrapping_mul(u128::from(right));
    (product as u64) ^ ((product >> 64) as u64)
}

/// A fixed seed: an attempt can collide with a rule only into being verified and left out.
#[inline]
fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = foldhash::fast::FixedState::with_seed(0x5EED).build_hasher();
    hasher.write(bytes);
    hasher.finish()
}

/// Takes keys that are mixed already as they are.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = fold(self.0 ^ u64::from(*byte), 0x9E37_79B9_7F4A_7C15);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}
