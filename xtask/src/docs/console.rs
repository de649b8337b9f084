//! What a document asks to be run: its `console` and `file=` blocks, and how promised output
//! is compared. Runs nothing.

/// One fenced block that concerns the runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// Commands in order.
    Console(Vec<Step>),
    /// Text to be written to a file before what follows runs.
    File {
        /// Relative to the working directory.
        name: String,
        /// Its whole content.
        text: String,
    },
    /// A `console` block that its document leaves out.
    LeftOut {
        /// As the document gives it.
        reason: String,
    },
}

/// One command and what is promised of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its line in the document, counted from 1.
    pub line: usize,
    /// As a reader would paste it into a shell.
    pub command: String,
    /// The exit code.
    pub exits: i32,
    /// The lines that follow it; none when nothing is promised.
    pub output: Option<String>,
}

/// Finds the blocks of a Markdown document.
///
/// # Errors
/// `line: why` for a block that is not closed or that the convention does not cover.
pub fn parse(markdown: &str) -> Result<Vec<Block>, String> {
    let mut blocks = Vec::new();
    let mut left_out: Option<String> = None;
    let mut lines = markdown.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        if let Some(reason) =
            line.trim().strip_prefix("<!-- not run: ").and_then(|rest| rest.strip_suffix("-->"))
        {
            left_out = Some(reason.trim().to_owned());
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        let Some(info) = line.trim_start().strip_prefix("```") else {
            if !line.trim().is_empty() {
                left_out = None;
            }
            continue;
        };
        let mut body = Vec::new();
        loop {
            let Some((at, line)) = lines.next() else {
                return Err(format!("{}: this block is not closed", index + 1));
            };
            if line.trim() == "```" {
                break;
            }
            body.push((at + 1, unindented(line, indent)));
        }
        let mut words = info.split_whitespace();
        let language = words.next().unwrap_or_default();
        if language == "console" {
            blocks.push(match left_out.take() {
                Some(reason) => Block::LeftOut { reason },
                None => Block::Console(steps(&body)?),
            });
        } else if let Some(name) = words.find_map(|word| word.strip_prefix("file=")) {
            if name.starts_with('/') || name.split('/').any(|part| part == "..") {
                return Err(format!("{}: `{name}` leaves the working directory", index + 1));
            }
            let text = body.iter().map(|(_, line)| format!("{line}\n")).collect();
            blocks.push(Block::File { name: name.to_owned(), text });
        }
        left_out = None;
    }
    Ok(blocks)
}

/// Whether `said` is what `expected` promises: line by line, trailing blanks apart, where a line
/// `...` stands for any lines and `...` within a line for any text.
pub fn matches(expected: &str, said: &str) -> bool {
    let lines =
        |text: &str| text.trim_end().lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    fit(&lines(expected), &lines(said), &|e: &String| e.trim() == "...", &|e, s| line_matches(e, s))
}

fn line_matches(expected: &str, said: &str) -> bool {
    let mut pieces: Vec<Option<char>> = Vec::new();
    for (index, piece) in expected.split("...").enumerate() {
        if index > 0 {
            pieces.push(None);
        }
        pieces.extend(piece.chars().map(Some));
    }
    let said: Vec<char> = said.chars().collect();
    fit(&pieces, &said, &|piece: &Option<char>| piece.is_none(), &|piece, c| *piece == Some(*c))
}

/// Matches with a wildcard that takes any number of items: on a mismatch the last wildcard
/// takes one more.
fn fit<P, S>(pattern: &[P], said: &[S], any: &dyn Fn(&P) -> bool, same: &dyn Fn(&P, &S) -> bool) -> bool {
    let (mut p, mut s) = (0, 0);
    let mut last: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(p), said.get(s)) {
            (None, None) => return true,
            (Some(piece), _) if any(piece) => {
                last = Some((p, s));
                p += 1;
            }
            (Some(piece), Some(item)) if same(piece, item) => {
                p += 1;
                s += 1;
            }
            _ => match last {
                Some((at, taken)) if taken < said.len() => {
                    last = Some((at, taken + 1));
                    p = at + 1;
                    s = taken + 1;
                }
                Some(_) | None => return false,
            },
        }
    }
}

fn steps(body: &[(usize, &str)]) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    for (line, text) in body {
        let continued = steps.last_mut().filter(|step| step.output.is_none());
        if let Some(command) = text.strip_prefix("$ ") {
            steps.push(Step { line: *line, command: command.to_owned(), exits: 0, output: None });
        } else if let (Some(more), Some(step)) = (continuation(text), continued) {
            step.command = format!("{}\n{more}", step.command);
        } else if let Some(step) = steps.last_mut() {
            match &mut step.output {
                Some(output) => *output = format!("{output}\n{text}"),
                None => step.output = Some((*text).to_owned()),
            }
        } else {
            return Err(format!("{line}: a `console` block begins with `$ command`"));
        }
    }
    for step in &mut steps {
        if let Some((_, code)) = step.command.rsplit_once("# exits ") {
            step.exits = code
                .trim()
                .parse()
                .map_err(|_| format!("{}: `# exits {code}` names no exit code", step.line))?;
        }
        if step.output.as_deref().is_some_and(|output| output.trim().is_empty()) {
            step.output = None; // a blank line between commands promises nothing
        }
    }
    if steps.is_empty() {
        return Err("0: a `console` block is empty".to_owned());
    }
    Ok(steps)
}

fn continuation(line: &str) -> Option<&str> {
    line.strip_prefix("> ").or((line == ">").then_some(""))
}

fn unindented(line: &str, indent: usize) -> &str {
    let blank = line.len() - line.trim_start().len();
    line.split_at_checked(indent.min(blank)).map_or(line, |(_, rest)| rest)
}
