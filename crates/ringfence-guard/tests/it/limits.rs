//! Limits hold: against a naive model, against many threads, and case by case.

mod cases;
mod model;
mod race;
