//! Columns, aligned by what is seen.

use super::{line, paint, plain};
use crate::fault::Fault;

/// One cell. Its text is made plain.
pub(crate) struct Cell {
    text: String,
}

impl Cell {
    pub(crate) fn new(text: impl AsRef<str>) -> Cell {
        Cell { text: plain(text.as_ref()).into_owned() }
    }
}

/// Rows below a heading.
pub(crate) struct Table {
    heading: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(crate) fn new(heading: &[&'static str]) -> Table {
        Table { heading: heading.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Prints it, or `instead` where there are no rows.
    pub(crate) fn print_or(&self, instead: &str) -> Result<(), Fault> {
        if self.rows.is_empty() {
            return line(instead);
        }
        let widths: Vec<usize> = self
            .heading
            .iter()
            .enumerate()
            .map(|(column, heading)| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| width(&cell.text)).chain([width(heading)]).max().unwrap_or(0)
            })
            .collect();
        let heading: Vec<Cell> = self.heading.iter().map(Cell::new).collect();
        line(paint::faint(laid_out(&heading, &widths)))?;
        for row in &self.rows {
            line(laid_out(row, &widths))?;
        }
        Ok(())
    }
}

fn laid_out(cells: &[Cell], widths: &[usize]) -> String {
    let mut text = String::new();
    for (column, cell) in cells.iter().enumerate() {
        let Cell { text: shown } = cell;
        if column > 0 {
            text.push_str("  ");
        }
        text.push_str(shown);
        if column + 1 < cells.len() {
            let wanted = widths.get(column).copied().unwrap_or(0);
            text.extend(std::iter::repeat_n(' ', wanted.saturating_sub(width(shown))));
        }
    }
    text
}

/// In characters: near enough for the names and numbers that stand in tables.
fn width(text: &str) -> usize {
    text.chars().count()
}
