//! Between clients and servers of different eras: what either side is told, line by line, and what
//! stays decided.

mod anything;
mod bounds;
mod newer;
mod older;
mod script;
mod wired;
