//! Functions.

use crate::eval::{Answer, Machine, Stop, Val, text_steps, wrong_type, wrong_types};
use crate::functions::Call;
use crate::syntax::Span;
use crate::tree::TextTest;

impl<'v, 'a: 'v> Machine<'v, 'a> {
    pub(super) fn unary(&self, call: Call, name: &'static str, value: Val<'v>, span: Span) -> Answer<'v> {
        match (call, value) {
            (Call::Dyn, _) => Ok(value),
            (Call::Type, _) => Ok(Val::Kind(value.kind())),
            (Call::Size, Val::Str(text)) => {
                self.charge(text_steps(text.len()), span)?;
                Ok(count(text.chars().count()))
            }
            (Call::Size, Val::Bytes(bytes)) => Ok(count(bytes.len())),
            (Call::Size, Val::List(list)) => Ok(count(list.len())),
            (Call::Size, Val::Map(map)) => Ok(count(map.len())),
            (Call::Trim, Val::Str(text)) => {
                self.charge(text_steps(text.len()), span)?;
                Ok(Val::Str(text.trim()))
            }
            (Call::LowerAscii, Val::Str(text)) => {
                self.charge(1 + text_steps(text.len()), span)?;
                if !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
                    return Ok(value);
                }
                let kept = self.arena.alloc_str(text);
                kept.make_ascii_lowercase();
                Ok(Val::Str(kept))
            }
            (Call::UpperAscii, Val::Str(text)) => {
                self.charge(1 + text_steps(text.len()), span)?;
                if !text.bytes().any(|byte| byte.is_ascii_lowercase()) {
                    return Ok(value);
                }
                let kept = self.arena.alloc_str(text);
                kept.make_ascii_uppercase();
                Ok(Val::Str(kept))
            }
            (Call::Size | Call::Trim | Call::LowerAscii | Call::UpperAscii, _) => {
                wrong_type(span, name, value)
            }
            _ => self.convert(call, name, value, span),
        }
    }

    pub(super) fn text_test(
        &self,
        test: TextTest,
        name: &'static str,
        left: Val<'v>,
        right: Val<'v>,
        span: Span,
    ) -> Result<bool, Stop> {
        let (Val::Str(text), Val::Str(part)) = (left, right) else {
            return wrong_types(span, name, left, right);
        };
        let read = match test {
            TextTest::StartsWith | TextTest::EndsWith => part.len(),
            TextTest::Contains => text.len().saturating_add(part.len()),
        };
        self.charge(text_steps(read), span)?;
        Ok(match test {
            TextTest::StartsWith => text.starts_with(part),
            TextTest::EndsWith => text.ends_with(part),
            TextTest::Contains => text.contains(part),
        })
    }
}

fn count<'v>(count: usize) -> Val<'v> {
    Val::Int(i64::try_from(count).unwrap_or(i64::MAX))
}
