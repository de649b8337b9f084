//! Whatever is done to a log's files, verification sees it.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use ringfence_audit::{Archive, Fault, KeyFrom, Log, Options, Verified, VerifyError, verify};
use tempfile::TempDir;

use crate::fixture::{NODE, chain, content, copy, data, entry, files, filled, open, options, secret};

/// More than one full tile, and a beginning of the next.
const RECORDS: u64 = 300;

fn still(data: &Path, key: &str) -> Result<Verified, VerifyError> {
    verify(data, Some(key), None, false)
}

fn fault(outcome: Result<Verified, VerifyError>) -> Fault {
    match outcome {
        Err(VerifyError::NotVerified(fault)) => fault,
        Err(other) => panic!("not a verdict: {}", chain(&other)),
        Ok(verified) => panic!("verified: {verified:?}"),
    }
}

/// A closed log, its key, and the head it had at 200 records.
fn prepared() -> (TempDir, String, String) {
    let data = data();
    filled(data.path(), 200);
    let log = open(data.path());
    let (key, early) = (log.vkey().to_owned(), log.checkpoint());
    for n in 200..RECORDS {
        drop(log.append(secret(n, "s", &["dana"], b"content")));
    }
    log.close().unwrap();
    (data, key, early)
}

#[test]
fn an_untouched_log_verifies_and_says_how_much_that_proves() {
    let (data, key, early) = prepared();
    let verified = verify(data.path(), Some(&key), Some(&early), false).unwrap();
    assert_eq!((verified.size, verified.key, verified.against), (RECORDS, KeyFrom::Given, Some(200)));
    assert_eq!(verified.origin, "ringfence/node-1");
    let beside = verify(&data.path().join("log"), None, None, false).unwrap();
    assert_eq!(beside.key, KeyFrom::Beside);
    assert_eq!(beside.root, verified.root);
    let (first, last) = verified.times.unwrap();
    assert!(first <= last);
}

#[test]
fn an_empty_log_verifies() {
    let data = data();
    filled(data.path(), 0);
    assert_eq!(verify(data.path(), None, None, false).unwrap().size, 0);
}

#[test]
fn a_directory_without_a_log_is_not_a_verdict() {
    let data = data();
    let nothing = verify(data.path(), None, None, false);
    assert!(matches!(nothing, Err(VerifyError::CannotRead(_))));
    let nowhere = verify(&data.path().join("nowhere"), None, None, false);
    assert!(matches!(nowhere, Err(VerifyError::CannotRead(_))));
    let (data, _, early) = prepared();
    let no_key = verify(data.path(), Some("nonsense"), None, false);
    assert!(matches!(no_key, Err(VerifyError::Key(_))));
    let no_note = verify(data.path(), None, Some("nonsense"), false);
    assert!(matches!(no_note, Err(VerifyError::NoNote(_))));
    assert!(verify(data.path(), None, Some(&early), false).is_ok());
}

#[test]
fn every_changed_byte_is_found() {
    let (data, key, _) = prepared();
    let copy = copy(data.path());
    for file in files(&copy.path().join("log")) {
        let original = fs::read(&file).unwrap();
        // Every byte of what is small, and a spread over what is not.
        let step = (original.len() / 400).max(1);
        for at in (0..original.len()).step_by(step) {
            let mut changed = original.clone();
            changed[at] ^= 1 << (at % 8);
            fs::write(&file, &changed).unwrap();
            let outcome = still(copy.path(), &key);
            assert!(
                matches!(outcome, Err(VerifyError::NotVerified(_))),
                "byte {at} of {}: {outcome:?}",
                file.display()
            );
        }
        fs::write(&file, &original).unwrap();
    }
    still(copy.path(), &key).unwrap();
}

#[test]
fn every_cut_and_every_missing_file_is_found() {
    let (data, key, _) = prepared();
    let copy = copy(data.path());
    for file in files(&copy.path().join("log")) {
        let original = fs::read(&file).unwrap();
        let mut lengths: Vec<usize> = (0..original.len()).step_by((original.len() / 40).max(1)).collect();
        lengths.push(original.len() - 1);
        for length in lengths {
            fs::write(&file, &original[..length]).unwrap();
            fault(still(copy.path(), &key));
        }
        fs::write(&file, [&original[..], &[0]].concat()).unwrap();
        fault(still(copy.path(), &key));
        fs::remove_file(&file).unwrap();
        let superseded = file.ends_with("000.p/200") || file.ends_with("vkey");
        if superseded {
            still(copy.path(), &key).unwrap();
        } else {
            fault(still(copy.path(), &key));
        }
        fs::write(&file, &original).unwrap();
    }
}

/// Rewrites a log's records as `change` says, with every hash right, signed by `signer`'s key
/// where there is one.
fn rewritten(data: &Path, signer: Option<&Path>, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> TempDir {
    let mut leaves: Vec<Vec<u8>> =
        Archive::open(data).unwrap().read(0).map(|leaf| leaf.unwrap().bytes).collect();
    change(&mut leaves);
    let forged = copy(data);
    crate::oracle::lay(&forged.path().join("log"), &leaves, signer.unwrap_or(data));
    forged
}

#[test]
fn rewriting_and_rehashing_needs_the_key() {
    let (data, key, early) = prepared();
    let other = crate::fixture::data();
    filled(other.path(), 0);

    type Change = fn(&mut Vec<Vec<u8>>);
    let changes: [(&str, Change); 5] = [
        ("nothing", |_| {}),
        ("removed", |leaves| drop(leaves.remove(150))),
        ("swapped", |leaves| leaves.swap(10, 11)),
        ("flipped", |leaves| {
            leaves[20] = String::from_utf8(leaves[20].clone()).unwrap().replace("20}", "21}").into();
        }),
        ("cut", |leaves| leaves.truncate(100)),
    ];
    for (name, change) in changes {
        // With another key the signature is somebody else's.
        let forged = rewritten(data.path(), Some(other.path()), change);
        let found = fault(still(forged.path(), &key));
        assert!(matches!(found, Fault::Head { .. }), "{name}: {found:?}");
        // Whoever has stolen the key is found by an earlier head from elsewhere.
        let forged = rewritten(data.path(), None, change);
        let held = verify(forged.path(), Some(&key), Some(&early), false);
        match name {
            "nothing" => drop(held.unwrap()),
            "cut" => assert!(matches!(fault(held), Fault::Shorter { size: 100, against: 200 })),
            _ => assert!(matches!(fault(held), Fault::Rewritten { against: 200 }), "{name}"),
        }
    }
}

#[test]
fn records_must_be_ours_and_in_order_of_time() {
    let (data, key, _) = prepared();
    let with = |at: usize, leaf: &'static str| {
        let forged = rewritten(data.path(), None, |leaves| leaves[at] = leaf.into());
        let found = fault(still(forged.path(), &key));
        chain(&found)
    };
    let future = r#"{"v":1,"time":"2999-01-01T00:00:00.000000Z","node":"node-1","kind":"test"}"#;
    assert_eq!(with(70, future), "record 71 is older than the one before it");
    assert_eq!(with(255, future), "record 256 is older than the one before it");
    let cases = [
        (
            r#"{"v":2,"time":"2026-01-01T00:00:00.000000Z","node":"node-1","kind":"t"}"#,
            "its version is 2, not 1",
        ),
        (
            r#"{"v":1,"time":"2026-01-01T00:00:00.000000Z","node":"node-2","kind":"t"}"#,
            "its node is `node-2`",
        ),
        (
            r#"{"v":1,"time":"2026-01-01T00:00:00Z","node":"node-1","kind":"t"}"#,
            "its time is not RFC 3339 UTC with microseconds",
        ),
        (
            r#"{"v":1,"v":1,"time":"2026-01-01T00:00:00.000000Z","node":"node-1","kind":"t"}"#,
            "it is not a record: duplicate field `v`",
        ),
        (
            r#"{"v":1,"time":"2026-01-01T00:00:00.000000Z","node":"node-1"}"#,
            "it is not a record: missing field `kind`",
        ),
        (
            r#"{"v":1,"time":"2026-01-01T00:00:00.000000Z","node":"node-1","kind":"t","payload":"00"}"#,
            "its payload is not 64 hex digits",
        ),
        ("not JSON", "it is not a record: expected ident"),
        ("", "it is not a record: EOF while parsing a value"),
    ];
    for (leaf, why) in cases {
        let said = with(0, leaf);
        assert!(said.starts_with("record 0, in `"), "{said}");
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn heads_are_signed_and_by_this_key() {
    let (data, key, _) = prepared();
    let path = data.path().join("log/checkpoint");
    let note = fs::read_to_string(&path).unwrap();
    let text = note.split_once("\n\n").unwrap().0.to_owned();
    let signature = note.lines().last().unwrap();
    let stripped = [
        format!("{text}\n\n"),
        format!("{text}\n"),
        String::new(),
        format!("{text}\n\n{}\n", signature.replace("ringfence/node-1", "ringfence/other")),
        note.replace("\u{2014}", "-"),
    ];
    for head in stripped {
        fs::write(&path, &head).unwrap();
        fault(still(data.path(), &key));
    }
    // Signatures of others beside ours are not our business.
    let witness = "\u{2014} witness.example BAAAAOA5X1qu0HGyGSyHPqxFHKXbBUp9Qnd3lWi6";
    fs::write(&path, format!("{text}\n\n{witness}\n{signature}\n")).unwrap();
    still(data.path(), &key).unwrap();
}

#[test]
fn another_logs_key_does_not_verify() {
    let (data, _, _) = prepared();
    let other = crate::fixture::data();
    let log = Log::open(other.path(), Options::new(NODE)).unwrap();
    let key = log.vkey().to_owned();
    assert!(matches!(fault(still(data.path(), &key)), Fault::KeyBeside { .. }));
    fs::remove_file(data.path().join("log/vkey")).unwrap();
    assert!(matches!(fault(still(data.path(), &key)), Fault::Head { .. }));
}

#[test]
fn an_older_head_put_back_is_found() {
    let (data, key, early) = prepared();
    let (late, path) = (Archive::open(data.path()).unwrap(), data.path().join("log/checkpoint"));
    fs::write(&path, &early).unwrap();
    assert!(matches!(fault(still(data.path(), &key)), Fault::Beyond { size: 200, .. }));
    // While a writer is at work, tiles may be ahead of the head.
    assert_eq!(verify(data.path(), Some(&key), None, true).unwrap().size, 200);
    let held = verify(data.path(), Some(&key), Some(late.checkpoint()), true);
    assert!(matches!(fault(held), Fault::Shorter { size: 200, against: 300 }));
}

#[test]
fn a_fork_of_the_same_size_is_found() {
    let (data, key, _) = prepared();
    let fork = copy(data.path());
    let size = |data: &Path| {
        let log = open(data);
        log.append(entry(1)).wait().unwrap();
        let checkpoint = log.checkpoint();
        log.close().unwrap();
        checkpoint
    };
    let (ours, theirs) = (size(data.path()), size(fork.path()));
    assert!(verify(data.path(), Some(&key), Some(&ours), false).is_ok());
    let held = verify(data.path(), Some(&key), Some(&theirs), false);
    assert!(matches!(fault(held), Fault::Rewritten { against: 301 }));
}

#[test]
fn a_log_verifies_while_it_is_written() {
    let data = data();
    let log = Log::open(data.path(), Options { journal_bytes: 0, ..options() }).unwrap();
    let key = log.vkey().to_owned();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            // Enough to use the journal's halves again, with tiles laid in between.
            for n in 0..1200 {
                log.append(secret(n, "s", &[], &[7; 50_000])).wait().unwrap();
                if n % 50 == 0 {
                    log.lay().unwrap();
                }
            }
            done.store(true, Ordering::SeqCst);
        });
        let (mut before, mut size) = (None, 0);
        while !done.load(Ordering::SeqCst) && !writer.is_finished() {
            let checkpoint = log.checkpoint();
            let verified = verify(data.path(), Some(&key), before.as_deref(), true).unwrap();
            assert!(verified.size >= size);
            (before, size) = (Some(checkpoint), verified.size);
            let archive = Archive::open(data.path()).unwrap();
            assert!(archive.size() >= size);
        }
    });
    log.close().unwrap();
}

#[test]
fn a_running_log_verifies_with_and_without_live() {
    let data = data();
    let log = open(data.path());
    let key = log.vkey().to_owned();
    for n in 0..RECORDS {
        log.append(entry(n)).wait().unwrap();
        if n == 100 {
            log.lay().unwrap();
        }
    }
    let early = log.checkpoint();
    assert_eq!(verify(data.path(), Some(&key), Some(&early), true).unwrap().size, RECORDS);
    assert_eq!(still(data.path(), &key).unwrap().size, RECORDS);
    // A stop without an end leaves the journal; it is part of what is verified.
    let copy = copy(data.path());
    let journal = copy.path().join("log/journal");
    let original = content(&journal);
    let file = fs::File::options().write(true).open(&journal).unwrap();
    // One group is one block here: header, leaf, head. The last one, and some of the one before.
    let end = original.len() - 1;
    let start = end / 4096 * 4096;
    for at in (start..=end).step_by(3).chain([start + 4095]).chain((start - 4096..start).step_by(200)) {
        let byte = original.get(at).copied().unwrap_or(0);
        let place = u64::try_from(at).unwrap();
        file.write_all_at(&[byte ^ 1], place).unwrap();
        let outcome = still(copy.path(), &key);
        assert!(matches!(outcome, Err(VerifyError::NotVerified(_))), "byte {at}: {outcome:?}");
        file.write_all_at(&[byte], place).unwrap();
    }
    still(copy.path(), &key).unwrap();
}
