//! Further servers: git, fetch, sqlite (on the first Python SDK) and time.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::thread;

use serde_json::json;

use crate::peer::{Sdk, first_python_server, python_server};
use crate::place::Place;
use crate::same::same;

/// A repository with two commits and a change.
fn repository(place: &Place) -> String {
    let folder = place.path("repository");
    if fs::create_dir(&folder).is_ok() {
        let git = |arguments: &[&str]| {
            let mut git = Command::new("git");
            git.args(["-C", &folder, "-c", "user.name=dana", "-c", "user.email=dana@acme.example"]);
            assert!(git.args(arguments).status().unwrap().success(), "{arguments:?}");
        };
        git(&["init", "--quiet", "--initial-branch", "main"]);
        for text in ["one\n", "one\ntwo\n"] {
            fs::write(format!("{folder}/a.txt"), text).unwrap();
            git(&["add", "a.txt"]);
            git(&["commit", "--quiet", "--message", "grüße"]);
        }
        fs::write(format!("{folder}/a.txt"), "one\ntwo\nthree\n").unwrap();
    }
    folder
}

#[test]
fn the_git_server_answers_as_it_does_directly() {
    same(
        &[Sdk::TypeScript],
        "git",
        |place| python_server("git", &["--repository", &repository(place)]),
        |place| {
            let repo_path = repository(place);
            json!([
                { "do": "tools" },
                { "do": "call", "tool": "git_status", "arguments": { "repo_path": repo_path } },
                { "do": "call", "tool": "git_log", "arguments": { "repo_path": repo_path, "max_count": 5 } },
                { "do": "call", "tool": "git_diff_unstaged", "arguments": { "repo_path": repo_path } },
                { "do": "call", "tool": "git_show", "arguments": { "repo_path": repo_path, "revision": "HEAD" } },
                { "do": "call", "tool": "git_show", "arguments": { "repo_path": repo_path, "revision": "none" } },
                { "do": "call", "tool": "git_status", "arguments": { "repo_path": place.path("elsewhere") } },
            ])
        },
    );
}

/// Serves a page, and nothing else, until the test ends; where.
fn page() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // It ends with the test's process.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let asked = lines.next().unwrap().unwrap();
            while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            let page = "<html><head><title>A page</title></head><body><h1>Grüße</h1><p>of some length</p></body></html>";
            let (status, body) = match asked.split(' ').nth(1) {
                Some("/page") => ("200 OK", page),
                Some(_) | None => ("404 Not Found", ""),
            };
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .unwrap();
        }
    });
    format!("http://{address}")
}

#[test]
fn the_fetch_server_answers_as_it_does_directly() {
    let site = page();
    same(
        &[Sdk::TypeScript],
        "fetch",
        |_| python_server("fetch", &["--allow-private-ips"]),
        |_| {
            json!([
                { "do": "tools" },
                { "do": "call", "tool": "fetch", "arguments": { "url": format!("{site}/page") } },
                { "do": "call", "tool": "fetch", "arguments": { "url": format!("{site}/page"), "raw": true, "max_length": 20 } },
                { "do": "call", "tool": "fetch", "arguments": { "url": format!("{site}/none") } },
                { "do": "prompts" },
                { "do": "prompt", "name": "fetch", "arguments": { "url": format!("{site}/page") } },
            ])
        },
    );
}

#[test]
fn the_sqlite_server_answers_as_it_does_directly() {
    same(
        &[Sdk::TypeScript],
        "sqlite",
        |place| {
            let database = place.path("database.sqlite");
            first_python_server("sqlite", &["--db-path", &database])
        },
        |_| {
            json!([
                { "do": "about" },
                { "do": "tools" },
                { "do": "call", "tool": "write_query", "arguments": { "query": "DROP TABLE IF EXISTS t" } },
                { "do": "call", "tool": "create_table", "arguments": { "query": "CREATE TABLE t (a INTEGER, b TEXT)" } },
                { "do": "call", "tool": "write_query", "arguments": { "query": "INSERT INTO t VALUES (1, 'grüße')" } },
                { "do": "call", "tool": "read_query", "arguments": { "query": "SELECT * FROM t" } },
                { "do": "call", "tool": "read_query", "arguments": { "query": "SELECT nonsense" } },
                { "do": "call", "tool": "append_insight", "arguments": { "insight": "there is one" } },
                { "do": "resources" },
                { "do": "read", "uri": "memo://insights" },
                { "do": "prompts" },
            ])
        },
    );
}

/// Nothing that says what time it is, which would be another one each time.
#[test]
fn the_time_server_answers_as_it_does_directly() {
    same(
        &[Sdk::TypeScript],
        "time",
        |_| python_server("time", &["--local-timezone", "Europe/Berlin"]),
        |_| {
            json!([
                { "do": "tools" },
                { "do": "call", "tool": "get_current_time", "arguments": { "timezone": "Nowhere/None" } },
                { "do": "call", "tool": "convert_time", "arguments": { "source_timezone": "Europe/Berlin", "time": "25:00", "target_timezone": "Asia/Tokyo" } },
            ])
        },
    );
}
