use xtask::rust_text::RustText;

fn code(text: &str) -> String {
    RustText::parse(text).code.iter().collect()
}

#[test]
fn comments_and_quotes_are_not_code() {
    for (text, expected) in [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        (r#"f("x \" y", z)"#, "f(        , z)"),
        (r##"f(r#"a " b"#)"##, "f(          )"),
        ("f(br\"a\\\")", "f(b     )"),
        ("let r#type = for_r\"", "let r#type = for_r "),
        ("'a' 'b 'static '\\'' '{'", "    'b 'static         "),
        ("\"never closed", "             "),
        ("/* never closed", "               "),
    ] {
        assert_eq!(code(text), expected, "{text}");
    }
}

#[test]
fn views_keep_every_position() {
    let rust = RustText::parse("let x = \"ä\"; // ö\n/* ü */ y");
    assert_eq!(rust.code.len(), rust.all.len());
    assert_eq!(rust.comments.len(), rust.all.len());
    assert_eq!(rust.find_code("y").into_iter().map(|at| rust.line_of(at)).collect::<Vec<_>>(), [2]);
}

#[test]
fn words_are_whole() {
    let rust = RustText::parse("unsafe_code unsafe my_unsafe r#unsafe unsafe{");
    assert_eq!(rust.find_code("unsafe").len(), 3);
}

#[test]
fn a_test_module_reaches_to_its_brace() {
    let rust = RustText::parse("fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() { \"}\"; }\n}\nfn c() {}\n");
    assert_eq!(rust.test_lines(), [false, true, true, true, true, false, false]);
}
