//! Each rule against a tree that breaks it and one that does not.

mod ci;
mod docs;
mod documents;
mod imports;
mod rust_text;
mod tidy;
