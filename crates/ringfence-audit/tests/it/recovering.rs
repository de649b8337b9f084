//! What a stop in the middle leaves, and what no stop can have left.

use std::fs;

use ringfence_audit::{Archive, Log, OpenError, Options, verify};

use crate::fixture::{NODE, Snapshot, chain, data, entry, number, open, options, secret};

/// Bytes of a block of the journal.
const BLOCK: usize = 4096;

/// A log that stopped without an end: 270 records in tiles, ten more in the journal, one a group.
fn stopped() -> Snapshot {
    let data = data();
    let log = open(data.path());
    for n in 0..269 {
        drop(log.append(entry(n)));
    }
    log.append(entry(269)).wait().unwrap();
    log.lay().unwrap();
    for n in 270..280 {
        log.append(secret(n, "s", &[], b"content")).wait().unwrap();
    }
    Snapshot::of(data.path())
}

fn numbers(log: &Log) -> Vec<u64> {
    log.read(0).map(|leaf| number(&leaf.unwrap().bytes).unwrap()).collect()
}

#[test]
fn everything_acknowledged_is_there_after_a_stop() {
    let snapshot = stopped();
    let data = data();
    snapshot.put(data.path());
    let archive = Archive::open(data.path()).unwrap();
    assert_eq!(archive.size(), 280);
    let log = open(data.path());
    assert_eq!(archive.checkpoint(), log.checkpoint());
    assert!(numbers(&log).into_iter().eq(0..280));
    assert_eq!(log.payload(279).unwrap().unwrap(), b"content");
    log.append(entry(280)).wait().unwrap();
    log.close().unwrap();
    assert_eq!(verify(data.path(), None, None, false).unwrap().size, 281);
}

#[test]
fn the_last_group_cut_anywhere_is_dropped_whole() {
    let mut snapshot = stopped();
    let key = String::from_utf8(snapshot.file("log/vkey").clone()).unwrap();
    let journal = snapshot.file("log/journal").clone();
    let start = (journal.len() - 1) / BLOCK * BLOCK;
    let data = data();
    let garbage: Vec<u8> = (0..BLOCK).map(|at| u8::try_from((at * 31 + 7) % 255).unwrap()).collect();
    for cut in start..=journal.len() {
        // Nothing behind the cut, or what the disk happened to hold there.
        for tail in [&[][..], &garbage[..BLOCK - (cut - start)]] {
            *snapshot.file("log/journal") = [&journal[..cut], tail].concat();
            snapshot.put(data.path());
            let log = open(data.path());
            let whole = cut == journal.len() && tail.is_empty();
            let size = if whole { 280 } else { 279 };
            assert_eq!(log.head().size, size, "cut at byte {} of the group", cut - start);
            let last = log.read(size - 1).next().unwrap().unwrap();
            assert_eq!(number(&last.bytes), Some(size - 1));
            drop(log);
            assert_eq!(verify(data.path(), Some(&key), None, false).unwrap().size, size);
        }
    }
}

#[test]
fn a_half_laid_tile_is_laid_again() {
    let mut snapshot = stopped();
    let data = data();
    // Laying had begun: files beyond the head, cut anywhere.
    snapshot.put(data.path());
    for name in ["log/tile/0/001.p/24", "log/tile/entries/001.p/24", "payload/000"] {
        let path = data.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"half").unwrap();
    }
    snapshot = Snapshot::of(data.path());
    snapshot.put(data.path());
    let log = open(data.path());
    assert!(numbers(&log).into_iter().eq(0..280));
    assert_eq!(log.payload(275).unwrap().unwrap(), b"content");
    log.close().unwrap();
    verify(data.path(), None, None, false).unwrap();
}

/// Opens what `change` makes of a stopped log, which must be refused, and nothing changed by it.
fn refused(change: impl FnOnce(&mut Snapshot)) -> String {
    let mut snapshot = stopped();
    change(&mut snapshot);
    let data = data();
    snapshot.put(data.path());
    let error = Log::open(data.path(), Options::new(NODE)).err().expect("the log was opened");
    assert!(!matches!(error, OpenError::Io { .. }), "{}", chain(&error));
    let after = Snapshot::of(data.path());
    assert!(after == snapshot, "a refused log is left as it is");
    chain(&error)
}

#[test]
fn what_no_stop_can_have_left_is_refused() {
    let middle = refused(|snapshot| {
        let journal = snapshot.file("log/journal");
        let last = (journal.len() - 1) / BLOCK * BLOCK;
        journal[last - 3 * BLOCK + 100] ^= 1;
    });
    assert!(
        middle.contains("that should begin with record 276 is damaged: a later group is whole"),
        "{middle}"
    );

    let gap = refused(|snapshot| {
        let journal = snapshot.file("log/journal");
        let last = (journal.len() - 1) / BLOCK * BLOCK;
        journal.drain(last - 2 * BLOCK..last - BLOCK);
    });
    assert!(gap.contains("should begin with record 277 is damaged"), "{gap}");

    let root = refused(|snapshot| {
        let text = String::from_utf8(snapshot.file("log/checkpoint").clone()).unwrap();
        *snapshot.file("log/checkpoint") = text.replace("\n270\n", "\n269\n").into_bytes();
    });
    assert!(root.contains("signature does not verify"), "{root}");

    let key = refused(|snapshot| {
        let other = data();
        open(other.path()).close().unwrap();
        *snapshot.file("log/checkpoint") = fs::read(other.path().join("log/checkpoint")).unwrap();
    });
    assert!(key.contains("carries no signature of `ringfence/node-1+"), "{key}");

    let vkey = refused(|snapshot| {
        let other = data();
        open(other.path()).close().unwrap();
        *snapshot.file("log/vkey") = fs::read(other.path().join("log/vkey")).unwrap();
    });
    assert!(vkey.contains("not the public half of the private key"), "{vkey}");

    for tile in [
        "log/tile/0/000",
        "log/tile/entries/000",
        "log/tile/0/001.p/14",
        "log/tile/entries/001.p/14",
        "log/tile/1/000.p/1",
    ] {
        let missing = refused(|snapshot| snapshot.remove(tile));
        assert!(missing.contains(tile) && missing.ends_with("is missing"), "{missing}");
    }
    for tile in ["log/tile/entries/001.p/14", "log/tile/0/001.p/14", "log/tile/1/000.p/1"] {
        refused(|snapshot| snapshot.file(tile)[5] ^= 1);
    }

    let older = refused(|snapshot| {
        let early = data();
        snapshot.put(early.path());
        open(early.path()).close().unwrap();
        let checkpoint = snapshot.file("log/checkpoint").clone();
        *snapshot = Snapshot::of(early.path());
        *snapshot.file("log/checkpoint") = checkpoint;
    });
    assert!(older.contains("holds records beyond the head, which has 270"), "{older}");

    let head = refused(|snapshot| snapshot.remove("log/checkpoint"));
    assert!(head.contains("it is missing, and `tile` is there"), "{head}");
    let private = refused(|snapshot| snapshot.remove("keys/log.key"));
    assert!(private.contains("restore the key"), "{private}");
    let keyring = refused(|snapshot| {
        let line = snapshot.file("keys/keyring").clone();
        *snapshot.file("keys/keyring") = [b"{broken}\n", &line[..]].concat();
    });
    assert!(keyring.contains("line 1 of the keyring"), "{keyring}");
}

#[test]
fn another_nodes_log_is_not_opened() {
    let data = data();
    open(data.path()).close().unwrap();
    let other = Log::open(data.path(), Options::new("node-2")).err().unwrap();
    assert!(matches!(other, OpenError::OtherLog { .. }));
    let name = Log::open(data.path(), Options::new("a b")).err().unwrap();
    assert!(matches!(name, OpenError::Node { .. }));
}

#[test]
fn halves_of_the_journal_are_used_again_and_survive_a_stop() {
    let live = data();
    let log = Log::open(live.path(), Options { journal_bytes: 0, ..options() }).unwrap();
    let content = vec![7; 1 << 20];
    let mut stops = Vec::new();
    // 32 MiB of journal, 100 MiB of payloads: three times around.
    for n in 0..100 {
        log.append(secret(n, "s", &[], &content)).wait().unwrap();
        if n % 9 == 0 {
            stops.push((n, Snapshot::of(live.path())));
        }
    }
    let stop = data();
    for (n, snapshot) in stops {
        snapshot.put(stop.path());
        let log = open(stop.path());
        assert!(numbers(&log).into_iter().eq(0..=n));
        assert_eq!(log.payload(n).unwrap().unwrap(), content);
        log.close().unwrap();
        assert_eq!(verify(stop.path(), None, None, false).unwrap().size, n + 1);
    }
    log.close().unwrap();
    assert_eq!(verify(live.path(), None, None, false).unwrap().size, 100);
}
