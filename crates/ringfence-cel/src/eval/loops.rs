//! Macros that run over elements (language definition, "Macros").

use std::ops::ControlFlow;

use crate::eval::val::List;
use crate::eval::{Answer, Frame, Machine, Scope, Stop, Val, weigh, wrong_type};
use crate::syntax::Span;
use crate::tree::{Collector, Loop, Node, Quantifier};

impl<'v, 'a: 'v> Machine<'v, 'a> {
    pub(super) fn quantify(
        &self,
        quantifier: Quantifier,
        inner: &'v Loop,
        scope: Scope<'_, 'v>,
        span: Span,
    ) -> Result<bool, Stop> {
        let range = self.eval(&inner.range, scope)?;
        match quantifier {
            Quantifier::All => self.joined(inner, range, scope, span, Decides(false)),
            Quantifier::Exists => self.joined(inner, range, scope, span, Decides(true)),
            Quantifier::ExistsOne => self.exists_one(inner, range, scope, span),
        }
    }

    /// `all` and `exists`: the answers joined as by `&&` and `||`.
    fn joined(
        &self,
        inner: &'v Loop,
        range: Val<'v>,
        scope: Scope<'_, 'v>,
        span: Span,
        Decides(decides): Decides,
    ) -> Result<bool, Stop> {
        let mut stopped = None;
        let ended = self.each(inner, range, scope, span, |machine, frame| {
            match machine.truth(&inner.body, Some(frame), inner.name) {
                Ok(value) if value == decides => return Ok(ControlFlow::Break(())),
                Ok(_) => {}
                Err(stop) => weigh(&mut stopped, stop),
            }
            Ok(ControlFlow::Continue(()))
        })?;
        match (ended, stopped) {
            (ControlFlow::Break(()), _) => Ok(decides),
            (ControlFlow::Continue(()), None) => Ok(!decides),
            (ControlFlow::Continue(()), Some(stop)) => Err(stop),
        }
    }

    fn exists_one(
        &self,
        inner: &'v Loop,
        range: Val<'v>,
        scope: Scope<'_, 'v>,
        span: Span,
    ) -> Result<bool, Stop> {
        let mut found = 0u64;
        let mut stopped = None;
        // Not left early: a fault in any element is one of the whole.
        let ended = self.each(inner, range, scope, span, |machine, frame| {
            match machine.truth(&inner.body, Some(frame), inner.name) {
                Ok(true) => found += 1,
                Ok(false) => {}
                Err(stop @ Stop::Unknown) => weigh(&mut stopped, stop),
                Err(stop) => return Err(stop),
            }
            Ok(ControlFlow::Continue(()))
        })?;
        match (ended, stopped) {
            (_, Some(stop)) => Err(stop),
            (_, None) => Ok(found == 1),
        }
    }

    pub(super) fn collect(
        &self,
        collector: Collector,
        inner: &'v Loop,
        scope: Scope<'_, 'v>,
        span: Span,
    ) -> Answer<'v> {
        let range = self.eval(&inner.range, scope)?;
        let mut kept: Vec<Val<'v>> = Vec::new();
        let _whole = self.each(inner, range, scope, span, |machine, frame| {
            if collector == Collector::Filter {
                if machine.truth(&inner.body, Some(frame), inner.name)? {
                    kept.push(frame.value);
                }
                return Ok(ControlFlow::Continue(()));
            }
            let wanted = match &inner.condition {
                Some(condition) => machine.truth(condition, Some(frame), inner.name)?,
                None => true,
            };
            if wanted {
                kept.push(machine.body(&inner.body, frame)?);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(Val::List(List::Made(self.arena.alloc_slice_copy(&kept))))
    }

    fn body(&self, node: &'v Node, frame: &Frame<'_, 'v>) -> Answer<'v> {
        self.eval(node, Some(frame))
    }

    /// Runs `step` for every element or key, each paid for before it is looked at.
    fn each(
        &self,
        inner: &'v Loop,
        range: Val<'v>,
        scope: Scope<'_, 'v>,
        span: Span,
        mut step: impl FnMut(&Self, &Frame<'_, 'v>) -> Result<ControlFlow<()>, Stop>,
    ) -> Result<ControlFlow<()>, Stop> {
        let mut one = |value| {
            self.charge(inner.weight, span)?;
            step(self, &Frame { value, outer: scope })
        };
        match range {
            Val::List(list) => {
                for item in list.iter() {
                    if one(item)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
            Val::Map(map) => {
                for (key, _) in map.iter() {
                    if one(key)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
            other => return wrong_type(span, inner.name, other),
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// The answer for one element that settles the whole.
#[derive(Clone, Copy)]
struct Decides(bool);
