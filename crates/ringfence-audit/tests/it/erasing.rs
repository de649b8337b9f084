//! Erasing leaves every proof valid and nothing to read.

use std::fs;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};

use ringfence_audit::{BadPayload, Log, PayloadError, Whose, verify};
use ringfence_model::Person;

use crate::fixture::{content, data, entry, files, number, open, secret};

fn erased(log: &Log, index: u64) -> bool {
    match log.payload(index) {
        Err(PayloadError::Bad { source: BadPayload::Erased, .. }) => true,
        Ok(Some(_)) => false,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_person_and_a_session_are_erased_and_nothing_else() {
    let data = data();
    let log = open(data.path());
    let (dana, eve) = (Person::new("dana@acme.example"), Person::new("eve@acme.example"));
    log.append(secret(0, "s1", &[dana.as_str()], b"about dana")).wait().unwrap();
    log.append(secret(1, "s1", &[eve.as_str(), dana.as_str()], b"about both")).wait().unwrap();
    log.append(secret(2, "s1", &[], b"about nobody")).wait().unwrap();
    log.append(secret(3, "s2", &[eve.as_str()], b"about eve")).wait().unwrap();
    let name = log.pseudonym(&dana).unwrap();
    assert_eq!(log.pseudonym(&dana).unwrap(), name);
    assert_eq!(log.person(&name), Some(dana.clone()));
    let before = log.checkpoint();
    let keyring = data.path().join("keys/keyring");
    let line = fs::read_to_string(&keyring).unwrap();
    let line = line.lines().find(|line| line.contains("dana")).unwrap().to_owned();
    let old = fs::File::open(&keyring).unwrap();

    let appended = log.erase(Whose::Person(&dana)).unwrap().unwrap();
    let record = String::from_utf8(log.read(appended.index).next().unwrap().unwrap().bytes).unwrap();
    assert!(record.ends_with(&format!(r#""kind":"payload.erased","person":"{name}"}}"#)), "{record}");
    assert!(log.erase(Whose::Person(&dana)).unwrap().is_none(), "there is nothing left to erase");
    assert!(log.erase(Whose::Pseudonym(&name)).unwrap().is_none());
    assert_eq!(log.person(&name), None);
    assert!(erased(&log, 0) && erased(&log, 1) && !erased(&log, 2) && !erased(&log, 3));

    // The key stands in no file any more, nor in what the old file was.
    let secret_part = line.rsplit_once(r#""key":""#).unwrap().1;
    let has = |bytes: &[u8], part: &str| bytes.windows(part.len()).any(|window| window == part.as_bytes());
    for file in files(data.path()) {
        let bytes = content(&file);
        assert!(!has(&bytes, secret_part) && !has(&bytes, "dana"), "{}", file.display());
    }
    let mut rest = vec![1; usize::try_from(old.metadata().unwrap().len()).unwrap()];
    old.read_exact_at(&mut rest, 0).unwrap();
    assert!(rest.iter().all(|byte| *byte == 0));

    log.erase(Whose::Session("s1")).unwrap().unwrap();
    assert!(erased(&log, 2) && !erased(&log, 3));
    // The same name later is somebody else as far as anybody can tell.
    assert_ne!(log.pseudonym(&dana).unwrap(), name);
    log.append(secret(4, "s1", &[dana.as_str()], b"later")).wait().unwrap();
    log.close().unwrap();

    let log = open(data.path());
    assert!(erased(&log, 0) && erased(&log, 1) && erased(&log, 2) && !erased(&log, 3));
    let last = log.head().size - 1;
    assert_eq!(log.payload(last).unwrap().unwrap(), b"later");
    log.close().unwrap();
    let verified = verify(data.path(), None, Some(&before), false).unwrap();
    assert_eq!((verified.size, verified.against), (7, Some(4)));
}

#[test]
fn names_and_contents_stand_in_no_leaf_and_no_file_but_the_keyring() {
    let data = data();
    let log = open(data.path());
    log.append(secret(0, "s1", &["dana@acme.example"], b"the secret content")).wait().unwrap();
    for lay in [false, true] {
        if lay {
            log.lay().unwrap();
        }
        for file in files(data.path()).iter().filter(|file| !file.ends_with("keys/keyring")) {
            let bytes = content(file);
            for part in [&b"dana"[..], b"secret content"] {
                assert!(!bytes.windows(part.len()).any(|window| window == part), "{}", file.display());
            }
        }
    }
    for private in ["keys", "keys/keyring", "keys/log.key", "payload"] {
        let mode = fs::metadata(data.path().join(private)).unwrap().permissions().mode() & 0o077;
        assert_eq!(mode, 0, "{private} is its owner's alone");
    }
}

#[test]
fn a_changed_or_exchanged_payload_is_found() {
    let data = data();
    let log = open(data.path());
    log.append(secret(0, "s1", &[], b"first!")).wait().unwrap();
    log.append(secret(1, "s1", &[], b"second")).wait().unwrap();
    log.close().unwrap();
    let path = data.path().join("payload/000");
    let original = fs::read(&path).unwrap();
    let half = original.len() / 2;
    let (first, second) = (original[16..half].to_vec(), original[half + 16..].to_vec());
    let mut exchanged = original.clone();
    exchanged[16..half].copy_from_slice(&second);
    exchanged[half + 16..].copy_from_slice(&first);
    let mut changed = original.clone();
    *changed.last_mut().unwrap() ^= 1;
    for bytes in [exchanged, changed, original[..original.len() - 1].to_vec()] {
        fs::write(&path, bytes).unwrap();
        let log = open(data.path());
        let outcome = log.payload(1);
        let bad = matches!(outcome, Err(PayloadError::Bad { source: BadPayload::Changed, .. }));
        assert!(bad || matches!(outcome, Err(PayloadError::Missing { .. })), "{outcome:?}");
        assert!(matches!(log.payload(2), Err(PayloadError::NoRecord { .. })));
        log.close().unwrap();
    }
}

#[test]
fn a_key_that_was_being_written_is_not_missed() {
    let data = data();
    let log = open(data.path());
    log.append(secret(0, "s1", &[], b"content")).wait().unwrap();
    log.close().unwrap();
    let path = data.path().join("keys/keyring");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, [&whole[..], b"{\"session\":\"s2\",\"id\":\"00"].concat()).unwrap();
    let log = open(data.path());
    log.append(secret(1, "s3", &[], b"content")).wait().unwrap();
    log.close().unwrap();
    let log = open(data.path());
    assert_eq!(log.payload(0).unwrap(), log.payload(1).unwrap());
    assert!(log.append(entry(2)).wait().is_ok());
    assert_eq!(number(&log.read(2).next().unwrap().unwrap().bytes), Some(2));
}
