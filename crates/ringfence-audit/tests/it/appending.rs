//! Appending and reading back.

use std::collections::BTreeSet;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use ringfence_audit::{AppendError, Archive, Entry, Log, OpenError, Options};

use crate::fixture::{NODE, SetClock, data, entry, filled, number, open, secret};

#[test]
fn a_record_is_read_back_with_its_stamp() {
    let data = data();
    let log = open(data.path());
    let entry = Entry { kind: "decision", body: b"{\"a\":1,\n \"b\":[\"x\\n\"]}".to_vec(), payload: None };
    let appended = log.append(entry).wait().unwrap();
    assert_eq!(appended.index, 0);
    let leaf = log.read(0).next().unwrap().unwrap();
    let text = String::from_utf8(leaf.bytes).unwrap();
    let time = format!("{:.6}", appended.time);
    let expected = r#"{"v":1,"time":"TIME","node":"node-1","kind":"decision","a":1,  "b":["x\n"]}"#;
    assert_eq!(text, expected.replace("TIME", &time));
    assert_eq!(log.head().size, 1);
    assert_eq!(log.head().root, appended.leaf);
    log.close().unwrap();
}

#[test]
fn records_stay_in_order_over_restarts_and_tiles() {
    let data = data();
    for start in [0u64, 300, 600, 900] {
        let log = open(data.path());
        assert_eq!(log.head().size, start);
        for n in start..start + 300 {
            assert_eq!(log.append(entry(n)).wait().unwrap().index, n);
        }
        let read: Vec<_> = log.read(0).map(|leaf| number(&leaf.unwrap().bytes).unwrap()).collect();
        assert!(read.into_iter().eq(0..start + 300));
        if start == 300 {
            log.lay().unwrap();
        }
        log.close().unwrap();
        assert!(!data.path().join("log/journal").exists(), "a clean end leaves no journal");
    }
    let archive = Archive::open(data.path()).unwrap();
    let read: Vec<_> = archive.read(250).map(|leaf| number(&leaf.unwrap().bytes).unwrap()).collect();
    assert!(read.into_iter().eq(250..1200));
}

#[test]
fn what_is_not_waited_for_is_committed_too() {
    let data = data();
    let log = open(data.path());
    drop(log.append(entry(0)));
    let (sender, receiver) = mpsc::channel();
    log.append(entry(1)).detach(move |outcome| sender.send(outcome).unwrap());
    assert_eq!(receiver.recv().unwrap().unwrap().index, 1);
    drop(log.append(entry(2)));
    drop(log);
    assert_eq!(Archive::open(data.path()).unwrap().size(), 3);
}

#[test]
fn a_led_record_is_committed_by_whoever_waits_or_a_little_later() {
    let data = data();
    let log = open(data.path());
    let mut context = Context::from_waker(Waker::noop());
    let mut at_once = 0;
    for n in 0..200 {
        let mut append = log.append(entry(n)).led();
        assert!(Pin::new(&mut append).poll(&mut context).is_pending());
        log.commit();
        // Now and then the log's own thread comes first, and tells a moment later.
        at_once += u32::from(Pin::new(&mut append).poll(&mut context).is_ready());
    }
    assert!(at_once > 100, "{at_once} of 200 were committed by the caller");
    // Nobody commits this one: the log does.
    let mut forgotten = log.append(entry(200)).led();
    let begun = Instant::now();
    while Pin::new(&mut forgotten).poll(&mut context).is_pending() {
        assert!(begun.elapsed() < Duration::from_secs(30), "forgotten");
        std::thread::yield_now();
    }
    assert_eq!(log.head().size, 201);
}

#[test]
fn a_second_writer_is_refused_until_the_first_is_gone() {
    let data = data();
    let first = open(data.path());
    let second = Log::open(data.path(), Options::new(NODE));
    assert!(matches!(second.err(), Some(OpenError::Locked { .. })));
    let pending = first.append(entry(0));
    first.close().unwrap();
    let second = open(data.path());
    assert!(matches!(second.append(entry(1)).wait(), Ok(appended) if appended.index == 1));
    assert_eq!(pending.wait().unwrap().index, 0);
}

#[test]
fn a_closed_log_takes_nothing() {
    let data = data();
    let log = open(data.path());
    let other = log.clone();
    log.close().unwrap();
    assert!(matches!(other.append(entry(0)).wait(), Err(AppendError::Closed)));
    other.close().unwrap();
}

#[test]
fn bodies_that_are_no_record_are_refused() {
    let data = data();
    let log = open(data.path());
    let cases: [&[u8]; 9] = [
        b"",
        b"[]",
        b"{",
        b"{\"a\":1}{",
        b"{\"v\":2}",
        b"{\"time\":1}",
        b"{\"p\\u0061yload\":1}",
        b"{\"a\":1,\"\\u0061\":2}",
        b"{\"a\":\"\xff\"}",
    ];
    for body in cases {
        let outcome = log.append(Entry { kind: "test", body: body.to_vec(), payload: None }).wait();
        assert!(matches!(outcome, Err(AppendError::Body(_))), "{}", String::from_utf8_lossy(body));
    }
    let fits = |length: usize| Entry {
        kind: "test",
        body: format!(r#"{{"a":"{}"}}"#, "x".repeat(length)).into_bytes(),
        payload: None,
    };
    // Stamp, node and kind take 86 bytes with the braces and this member's name.
    let whole = log.append(fits(60_000)).wait().unwrap().index;
    let overhead = log.read(whole).next().unwrap().unwrap().bytes.len() - 60_000;
    log.append(fits(65_535 - overhead)).wait().unwrap();
    let outcome = log.append(fits(65_536 - overhead)).wait();
    assert!(matches!(outcome, Err(AppendError::TooLarge { bytes: 65_536 })));
    assert_eq!(log.head().size, 2);
    log.close().unwrap();
    filled(data.path(), 0);
}

#[test]
fn ten_thousand_callers_get_dense_unique_indices() {
    let data = data();
    let log = open(data.path());
    let mut indices = BTreeSet::new();
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..100u64)
            .map(|thread| {
                let log = log.clone();
                scope.spawn(move || {
                    let pending: Vec<_> = (0..100).map(|n| log.append(entry(thread * 100 + n))).collect();
                    pending.into_iter().map(|append| append.wait().unwrap().index).collect::<Vec<_>>()
                })
            })
            .collect();
        for caller in callers {
            indices.extend(caller.join().unwrap());
        }
    });
    assert!(indices.into_iter().eq(0..10_000));
    let numbers: BTreeSet<_> = log.read(0).map(|leaf| number(&leaf.unwrap().bytes).unwrap()).collect();
    assert!(numbers.into_iter().eq(0..10_000));
    log.close().unwrap();
}

#[test]
fn time_never_runs_backwards_and_steps_are_recorded() {
    let data = data();
    let clock = Arc::new(SetClock::at("2026-11-20T10:00:00Z"));
    let options = || Options { clock: Arc::clone(&clock) as _, ..Options::new(NODE) };
    let log = Log::open(data.path(), options()).unwrap();
    let second = Duration::from_secs(1);
    log.append(entry(0)).wait().unwrap();
    clock.pass(second, -900); // less than a second back: clamped, not recorded
    log.append(entry(1)).wait().unwrap();
    clock.pass(second, -5_000);
    log.append(entry(2)).wait().unwrap();
    clock.pass(10 * second, 3_600_000);
    log.append(entry(3)).wait().unwrap();
    log.close().unwrap();
    clock.pass(second, -7_200_000); // while nobody was there
    let log = Log::open(data.path(), options()).unwrap();
    log.append(entry(4)).wait().unwrap();
    let seen: Vec<_> = log
        .read(0)
        .map(|leaf| serde_json::from_slice::<serde_json::Value>(&leaf.unwrap().bytes).unwrap())
        .map(|leaf| {
            let step = leaf["by_us"].as_i64();
            (leaf["kind"].as_str().unwrap().to_owned(), leaf["time"].as_str().unwrap().to_owned(), step)
        })
        .collect();
    let expected = [
        ("test", "2026-11-20T10:00:00.000000Z", None),
        ("test", "2026-11-20T10:00:00.100000Z", None),
        ("clock.stepped", "2026-11-20T10:00:00.100000Z", Some(-5_900_000)),
        ("test", "2026-11-20T10:00:00.100000Z", None),
        ("clock.stepped", "2026-11-20T11:00:06.100000Z", Some(3_600_000_000)),
        ("test", "2026-11-20T11:00:06.100000Z", None),
        ("clock.stepped", "2026-11-20T11:00:06.100000Z", Some(-7_199_000_000)),
        ("test", "2026-11-20T11:00:06.100000Z", None),
    ];
    let expected = expected.map(|(kind, time, step)| (kind.to_owned(), time.to_owned(), step));
    assert_eq!(seen, expected);
    log.close().unwrap();
}

#[test]
fn a_payload_comes_back_from_journal_and_segment() {
    let data = data();
    let log = open(data.path());
    for n in 0..5000 {
        drop(log.append(secret(n, "s1", &["dana"], format!("content {n}").as_bytes())));
    }
    let last = log.append(entry(5000)).wait().unwrap();
    assert_eq!(log.payload(last.index).unwrap(), None);
    let check = |log: &Log| {
        for n in [0, 1, 255, 256, 4095, 4096, 4999] {
            assert_eq!(log.payload(n).unwrap().unwrap(), format!("content {n}").as_bytes());
        }
    };
    check(&log);
    log.lay().unwrap();
    check(&log);
    log.close().unwrap();
    let log = open(data.path());
    check(&log);
    log.append(secret(5001, "s2", &[], b"later")).wait().unwrap();
    log.lay().unwrap();
    assert_eq!(log.payload(5001).unwrap().unwrap(), b"later");
    check(&log);
}
