//! A disk that says no.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::future::Future as _;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Waker};

use ringfence_audit::{Append, AppendError, Disk, Log, Options, verify};

use crate::fixture::{NODE, chain, data, entry, number, open, options, secret};

/// Fails from some call on, for a while.
struct Failing {
    writes: AtomicU32,
    flushes: AtomicU32,
}

impl Failing {
    fn after(writes: u32, flushes: u32) -> Arc<Self> {
        Arc::new(Failing { writes: writes.into(), flushes: flushes.into() })
    }
}

fn counted(left: &AtomicU32) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

impl Disk for Failing {
    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        use std::os::unix::fs::FileExt as _;
        if counted(&self.writes) {
            return file.write_all_at(bytes, offset);
        }
        // A full disk takes some of it.
        file.write_all_at(&bytes[..bytes.len() / 2], offset)?;
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&self, _: &File) -> io::Result<()> {
        if counted(&self.flushes) { Ok(()) } else { Err(io::Error::other("input/output error")) }
    }
}

#[test]
fn after_a_failed_write_or_flush_nothing_is_acknowledged_and_nothing_lost() {
    for (disk, why) in
        [(Failing::after(20, u32::MAX), "cannot write"), (Failing::after(u32::MAX, 20), "cannot flush")]
    {
        let data = data();
        let log = Log::open(data.path(), Options { disk, ..Options::new(NODE) }).unwrap();
        for n in 0..20 {
            log.append(entry(n)).wait().unwrap();
        }
        let later = log.append(entry(21));
        let failed = log.append(entry(20)).wait().unwrap_err();
        let said = chain(&failed);
        assert!(said.starts_with("nothing more can be recorded until the log is opened again: "), "{said}");
        assert!(said.contains(why) && said.contains("log/journal"), "{said}");
        // Whatever the disk says from now on: a flush that failed once is not made good.
        assert!(matches!(later.wait(), Err(AppendError::Failed(_))));
        assert!(matches!(log.append(entry(22)).wait(), Err(AppendError::Failed(_))));
        assert_eq!(log.head().size, 20);
        assert!(log.lay().is_err());
        assert!(log.close().is_err());
        let log = open(data.path());
        let numbers: Vec<_> = log.read(0).map(|leaf| number(&leaf.unwrap().bytes).unwrap()).collect();
        assert!(numbers[..20].iter().copied().eq(0..20));
        log.append(entry(20)).wait().unwrap();
        log.close().unwrap();
        verify(data.path(), None, None, false).unwrap();
    }
}

/// A disk whose flush waits until it is let go.
#[derive(Default)]
struct Slow {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Disk for Slow {
    fn flush(&self, _: &File) -> io::Result<()> {
        let open = self.open.lock().unwrap();
        drop(self.opened.wait_while(open, |open| !*open).unwrap());
        Ok(())
    }
}

#[test]
fn when_the_disk_is_slow_callers_wait_for_room_and_nobody_is_forgotten() {
    let data = data();
    let disk = Arc::new(Slow::default());
    let log = Log::open(data.path(), Options { disk: Arc::clone(&disk) as _, ..options() }).unwrap();
    let mut context = Context::from_waker(Waker::noop());
    let mut pending: Vec<Append> = (0..40_000).map(|n| log.append(entry(n))).collect();
    for append in &mut pending {
        assert!(Pin::new(append).poll(&mut context).is_pending());
    }
    assert_eq!(log.head().size, 0, "nothing is acknowledged before it is flushed");
    *disk.open.lock().unwrap() = true;
    disk.opened.notify_all();
    let indices: BTreeSet<u64> = pending.into_iter().map(|append| append.wait().unwrap().index).collect();
    assert!(indices.into_iter().eq(0..40_000));
    log.close().unwrap();
}

#[test]
fn tiles_that_cannot_be_laid_stop_the_log_and_lose_nothing() {
    let data = data();
    let log = open(data.path());
    log.append(secret(0, "s", &[], b"content")).wait().unwrap();
    fs::write(data.path().join("log/tile"), b"in the way").unwrap();
    log.lay().unwrap_err();
    assert!(matches!(log.append(entry(1)).wait(), Err(AppendError::Failed(_))));
    log.close().unwrap_err();
    let again = Log::open(data.path(), Options::new(NODE)).err().unwrap();
    assert!(chain(&again).contains("log/tile"), "{}", chain(&again));
    fs::remove_file(data.path().join("log/tile")).unwrap();
    let log = open(data.path());
    assert_eq!(log.payload(0).unwrap().unwrap(), b"content");
    assert_eq!(log.head().size, 1);
}

#[test]
fn keys_that_cannot_be_kept_refuse_their_record_alone() {
    let data = data();
    let log = open(data.path());
    fs::create_dir(data.path().join("keys/keyring")).unwrap();
    let refused = log.append(secret(0, "s", &[], b"content")).wait();
    assert!(matches!(refused, Err(AppendError::Keys(_))));
    assert!(log.pseudonym(&ringfence_model::Person::new("dana")).is_err());
    assert_eq!(log.append(entry(1)).wait().unwrap().index, 0);
}

#[test]
fn a_folder_that_cannot_be_written_is_said_clearly() {
    let error = Log::open(Path::new("/proc/ringfence"), Options::new(NODE)).err().unwrap();
    let said = chain(&error);
    assert!(said.starts_with("cannot make `/proc/ringfence"), "{said}");
    let data = data();
    fs::write(data.path().join("log"), b"a file").unwrap();
    let said = chain(&Log::open(data.path(), Options::new(NODE)).err().unwrap());
    assert!(said.starts_with("cannot make `") && said.contains("log`"), "{said}");
}
