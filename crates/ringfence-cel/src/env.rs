//! What an expression may name.

use std::collections::BTreeMap;

use crate::Type;

/// The number of a fact, 0 to 63. The host gives numbers as it likes; two names may share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u8);

/// The facts and namespaces that an expression may name.
#[derive(Clone, Debug)]
pub struct Env {
    entries: BTreeMap<&'static str, Entry>,
}

/// Builds an [`Env`].
#[derive(Debug, Default)]
pub struct EnvBuilder {
    entries: BTreeMap<&'static str, Entry>,
}

/// A name that an expression may use.
#[derive(Clone, Debug)]
pub struct Name<'e> {
    /// In full: `now`, `session.calls`.
    pub path: String,
    /// Its number.
    pub slot: Slot,
    /// Its type.
    pub ty: &'e Type,
}

#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Fact(Slot, Type),
    Namespace(BTreeMap<&'static str, (Slot, Type)>),
}

impl Env {
    /// An environment without names.
    #[must_use]
    pub fn builder() -> EnvBuilder {
        EnvBuilder::default()
    }

    /// Every name, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = Name<'_>> {
        self.entries.iter().flat_map(|(name, entry)| match entry {
            Entry::Fact(slot, ty) => vec![Name { path: (*name).to_owned(), slot: *slot, ty }],
            Entry::Namespace(members) => members
                .iter()
                .map(|(member, (slot, ty))| Name { path: format!("{name}.{member}"), slot: *slot, ty })
                .collect(),
        })
    }

    /// The same names, with another type for the fact in `slot`: what a schema says of arguments.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "a type is made for the call")]
    pub fn with_fact_type(&self, slot: Slot, ty: Type) -> Env {
        let mut env = self.clone();
        for entry in env.entries.values_mut() {
            match entry {
                Entry::Fact(at, kept) if *at == slot => *kept = ty.clone(),
                Entry::Fact(..) => {}
                Entry::Namespace(members) => {
                    for (at, kept) in members.values_mut() {
                        if *at == slot {
                            *kept = ty.clone();
                        }
                    }
                }
            }
        }
        env
    }

    pub(crate) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    pub(crate) fn roots(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().copied()
    }
}

impl EnvBuilder {
    /// Adds a fact: a name that is a value.
    ///
    /// # Panics
    /// If the slot is above 63: there is one bit for each.
    #[must_use]
    pub fn fact(mut self, name: &'static str, slot: Slot, ty: Type) -> Self {
        assert!(slot.0 < 64, "slots are numbered 0 to 63");
        self.entries.insert(name, Entry::Fact(slot, ty));
        self
    }

    /// Adds a namespace: a name that is no value itself, and whose members each have a slot.
    ///
    /// # Panics
    /// If a slot is above 63: there is one bit for each.
    #[must_use]
    pub fn namespace(mut self, name: &'static str, members: &[(&'static str, Slot, Type)]) -> Self {
        assert!(members.iter().all(|(_, slot, _)| slot.0 < 64), "slots are numbered 0 to 63");
        let members = members.iter().map(|(name, slot, ty)| (*name, (*slot, ty.clone()))).collect();
        self.entries.insert(name, Entry::Namespace(members));
        self
    }

    /// The environment.
    #[must_use]
    pub fn build(self) -> Env {
        Env { entries: self.entries }
    }
}
