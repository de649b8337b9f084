//! Records as people read them, and erasing what stands beside them.

use ringfence_audit::Whose;
use ringfence_guard::Operator;
use ringfence_model::Person;
use serde_json::{Value, json};

use super::Served;

/// At most so many records in one answer.
const MAX_RECORDS: u64 = 1_000;

/// Records cannot be shown or erased.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecordsError {
    #[error("the log cannot be read: {0}")]
    Read(#[from] ringfence_audit::CannotRead),
    #[error("it could not be erased: {0}")]
    Erase(#[from] ringfence_audit::EraseError),
    #[error("name a session or a person")]
    Nothing,
    #[error("there is no key of that name: nothing was recorded of it, or it was erased already")]
    Unknown,
}

impl Served {
    pub(super) fn records(
        &self,
        from: Option<u64>,
        limit: u64,
        with_payloads: bool,
    ) -> Result<Value, RecordsError> {
        let limit = limit.min(MAX_RECORDS);
        let size = self.log.head().size;
        let from = from.unwrap_or_else(|| size.saturating_sub(limit));
        let mut shown = Vec::new();
        for leaf in self.log.read(from).take(usize::try_from(limit).unwrap_or(usize::MAX)) {
            let leaf = leaf?;
            let record: Value = serde_json::from_slice(&leaf.bytes)
                .unwrap_or_else(|_| json!("not a record that can be read"));
            let mut entry = json!({ "index": leaf.index, "record": record });
            if with_payloads && record.get("payload").is_some() {
                let payload = self.payload(leaf.index);
                if let Some(members) = entry.as_object_mut() {
                    members.insert("payload".to_owned(), payload.unwrap_or_else(|| json!("erased")));
                }
            }
            shown.push(entry);
        }
        Ok(json!({ "size": size, "records": shown }))
    }

    /// What a record's payload says; nothing where it was erased or there is none.
    pub(super) fn payload(&self, index: u64) -> Option<Value> {
        match self.log.payload(index) {
            Ok(Some(content)) => Some(
                serde_json::from_slice(&content)
                    .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&content).into_owned())),
            ),
            Ok(None) => None,
            Err(error) => Some(Value::String(format!("unreadable: {error}"))),
        }
    }

    pub(super) fn erase(
        &self,
        _by: &Operator,
        session: Option<&str>,
        person: Option<&str>,
    ) -> Result<Value, RecordsError> {
        let person = person.map(Person::new);
        let whose = match (session, &person) {
            (Some(session), None) => Whose::Session(session),
            (None, Some(person)) => Whose::Person(person),
            (Some(_), Some(_)) | (None, None) => return Err(RecordsError::Nothing),
        };
        let erased = self.log.erase(whose)?.ok_or(RecordsError::Unknown)?;
        Ok(json!({ "record": erased.index }))
    }
}
