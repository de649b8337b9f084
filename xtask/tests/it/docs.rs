use std::ffi::OsString;

use xtask::docs::console::{Block, Step, matches, parse};
use xtask::docs::run_document;
use xtask::workspace::SourceFile;

fn step(line: usize, command: &str, exits: i32, output: Option<&str>) -> Step {
    Step { line, command: command.to_owned(), exits, output: output.map(str::to_owned) }
}

#[test]
fn blocks_are_found() {
    let text = "\
# A

```sh
$ not run
```
```yaml file=a/b.yaml
x: 1

```
```console
$ one
out 1

out 2
$ two a \\
> b  # exits 1
$ three
```
- in a list
  ```console
  $ four
    indented
  ```
<!-- not run: needs a network -->

```console
$ five
```
```console
$ six
```
";
    assert_eq!(
        parse(text).expect("the blocks are in order"),
        [
            Block::File { name: "a/b.yaml".to_owned(), text: "x: 1\n\n".to_owned() },
            Block::Console(vec![
                step(11, "one", 0, Some("out 1\n\nout 2")),
                step(15, "two a \\\nb  # exits 1", 1, None),
                step(17, "three", 0, None),
            ]),
            Block::Console(vec![step(21, "four", 0, Some("  indented"))]),
            Block::LeftOut { reason: "needs a network".to_owned() },
            Block::Console(vec![step(30, "six", 0, None)]),
        ]
    );
}

#[test]
fn what_the_convention_does_not_cover_is_refused() {
    for (text, why) in [
        ("```console\n$ a\n", "1: this block is not closed"),
        ("a\n```console\nb\n```\n", "3: a `console` block begins with `$ command`"),
        ("```console\n$ a # exits badly\n```\n", "2: `# exits badly` names no exit code"),
        ("```yaml file=../a\n```\n", "1: `../a` leaves the working directory"),
        ("```yaml file=/a\n```\n", "1: `/a` leaves the working directory"),
    ] {
        assert_eq!(parse(text), Err(why.to_owned()), "{text}");
    }
}

#[test]
fn dots_stand_for_anything() {
    for (expected, said) in [
        ("a\nb", "a  \nb\n\n"),
        ("a ... c", "a b c"),
        ("...", ""),
        ("...", "a\nb"),
        ("a\n...\nd", "a\nb\nc\nd"),
        ("a\n...\nd", "a\nd"),
        ("a...a...b", "axaxaxb"),
        ("...\nb\n...", "a\nb\nb"),
    ] {
        assert!(matches(expected, said), "{expected:?} is not found to match {said:?}");
    }
    for (expected, said) in [
        ("a", ""),
        ("a", "a\nb"),
        ("a\n...\nd", "a\nb"),
        ("a ... c", "a c"),
        ("...a", "ab"),
        ("b\n...", "a\nb"),
    ] {
        assert!(!matches(expected, said), "{expected:?} is found to match {said:?}");
    }
}

/// Failures of a document run with the caller's own programs.
fn run(text: &str, name: &str) -> (usize, Vec<String>) {
    let path: OsString = std::env::var_os("PATH").unwrap_or_default();
    let document = SourceFile { path: name.to_owned(), text: text.to_owned() };
    let tally = run_document(&document, &path).expect("a shell starts");
    (tally.commands, tally.failures)
}

#[test]
fn a_document_that_tells_the_truth_passes() {
    let text = "\
```yaml file=conf/a.yaml
greeting: hello
```
```console
$ cat conf/a.yaml
greeting: hello
$ cd conf
$ ls; pwd
a.yaml
.../conf
$ cat > b <<'END'
> one
>
> two
> END
$ test \"$HOME\" != \"$PWD\" && wc -l < b
3
$ false  # exits 1
$ echo to stderr >&2; (exit 3)  # exits 3
to stderr
```
";
    assert_eq!(run(text, "truth.md"), (7, Vec::new()));
}

#[test]
fn a_document_that_does_not_is_caught() {
    let (commands, failures) = run(
        "```console\n$ echo a\nb\n$ false\n$ true  # exits 1\n$ no-such-program-here\n$ echo fine\nfine\n```\n",
        "false.md",
    );
    assert_eq!(commands, 1);
    let starts = [
        "false.md:2: `echo a`: wrote:\na\n",
        "false.md:4: `false`: exits 1, not 0",
        "false.md:5: `true  # exits 1`: exits 0, not 1",
        "false.md:6: `no-such-program-here`: exits 127, not 0",
    ];
    assert_eq!(failures.len(), starts.len(), "{failures:?}");
    for (failure, start) in failures.iter().zip(starts) {
        assert!(failure.starts_with(start), "{failure}");
    }
}

#[test]
fn what_a_command_leaves_running_is_not_waited_for() {
    let (commands, failures) =
        run("```console\n$ sleep 600 & echo $! > pid\n$ kill $(cat pid)\n```\n", "left.md");
    assert_eq!((commands, failures), (2, Vec::new()));
}
