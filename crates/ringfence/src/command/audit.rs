//! `audit …`: the log, read, proved and verified. Most of it needs nothing but the files.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringfence_audit::{Archive, KeyFrom, VerifyError, VerifyingKey, check_proof, hash_lines, verify};
use ringfence_model::Digest;
use ringfence_monitor::protocol::Request;
use serde_json::json;
use sha2::Digest as _;

use crate::cli::{AuditCommand, EraseWhat, Global, OperatorArgs, VerifyArgs};
use crate::command::{audit_show, member};
use crate::fault::{Ending, Fault};
use crate::output::{self, paint};
use crate::{operator, reach, text_file};

/// The largest proof, key or checkpoint, in bytes.
const MAX_FILE: u64 = 64 * 1024 * 1024;

pub(crate) fn run(global: &Global, command: &AuditCommand) -> Result<Ending, Fault> {
    match command {
        AuditCommand::Verify(asked) => verified(global, asked),
        AuditCommand::Show(asked) => audit_show::run(global, asked),
        AuditCommand::Prove { index } => prove(global, *index),
        AuditCommand::Checkpoint => checkpoint(global),
        AuditCommand::Hash => hash(global),
        AuditCommand::CheckProof { file } => check(global, file),
        AuditCommand::Erase { what, operator } => erase(global, what, operator),
    }
}

fn verified(global: &Global, asked: &VerifyArgs) -> Result<Ending, Fault> {
    let (dir, live) = match &asked.dir {
        Some(dir) => (dir.clone(), asked.live),
        // The own log, which a monitor may be writing to.
        None => (reach::data_place(global)?, asked.live || reach::running(global)?.is_some()),
    };
    let key = match &asked.key {
        Some(key) if Path::new(key).is_file() => {
            Some(text_file::read(Path::new(key), MAX_FILE)?.trim().to_owned())
        }
        Some(key) => Some(key.clone()),
        None => None,
    };
    let against = asked.against.as_ref().map(|path| text_file::read(path, MAX_FILE)).transpose()?;
    let verified = match verify(&dir, key.as_deref(), against.as_deref(), live) {
        Ok(verified) => verified,
        Err(error @ VerifyError::NotVerified(_)) => {
            return Err(Fault::no_because(error)
                .help("keep what is there, and hold it against an earlier head kept elsewhere"));
        }
        Err(error) => return Err(error.into()),
    };
    if global.json {
        output::document(&json!({
            "verified": true,
            "origin": verified.origin,
            "size": verified.size,
            "root": hex(&verified.root),
            "key": match verified.key { KeyFrom::Given => "given", KeyFrom::Beside => "beside" },
            "against": verified.against,
            "first": verified.times.map(|(first, _)| first.to_string()),
            "last": verified.times.map(|(_, last)| last.to_string()),
        }))?;
        return Ok(Ending::Done);
    }
    output::line(format_args!(
        "{} {}: {}, root {}",
        paint::good("verified:"),
        output::plain(&verified.origin),
        super::policy::counted(usize::try_from(verified.size).unwrap_or(usize::MAX), "record"),
        hex(&verified.root),
    ))?;
    if let Some((first, last)) = verified.times {
        output::line(format_args!("from {first} to {last}"))?;
    }
    if let Some(size) = verified.against {
        output::line(format_args!("it extends the head from elsewhere, of {size} records"))?;
    }
    match verified.key {
        KeyFrom::Given => {}
        KeyFrom::Beside => output::line(paint::waiting(
            "the key lay beside the log: whoever replaced the log could have replaced it too; give one with --key",
        ))?,
    }
    Ok(Ending::Done)
}

/// A proof in the form that `check-proof` reads, with what it takes to check it elsewhere.
fn prove(global: &Global, index: u64) -> Result<Ending, Fault> {
    let place = reach::data_place(global)?;
    let archive = Archive::open(&place)?;
    let key: VerifyingKey = text_file::read(&log_folder(&place).join("vkey"), MAX_FILE)?.trim().parse()?;
    let head = key.check(archive.checkpoint())?;
    let leaf = archive
        .read(index)
        .next()
        .ok_or_else(|| Fault::no(format!("there is no record {index}: the log has {}", archive.size())))??;
    let path = archive.inclusion(index, head.size)?;
    let leaf_hash = leaf_hash(&leaf.bytes);
    let proof = json!({
        "leafIdx": index,
        "treeSize": head.size,
        "root": STANDARD.encode(head.root.0),
        "leafHash": STANDARD.encode(leaf_hash.0),
        "proof": path.iter().map(|digest| STANDARD.encode(digest.0)).collect::<Vec<_>>(),
        "record": String::from_utf8(leaf.bytes)?,
        "checkpoint": archive.checkpoint(),
        "vkey": key.to_string(),
    });
    // Nothing is handed out that would not convince whoever gets it.
    if !check_proof(&serde_json::to_vec(&proof)?)? {
        return Err(Fault::no(format!(
            "the log does not prove record {index}; run `ringfence audit verify`"
        )));
    }
    output::document(&proof)?;
    Ok(Ending::Done)
}

fn checkpoint(global: &Global) -> Result<Ending, Fault> {
    let archive = Archive::open(&reach::data_place(global)?)?;
    if global.json {
        output::document(&json!({ "checkpoint": archive.checkpoint(), "size": archive.size() }))?;
    } else {
        // As it is, its last line end included: the signature is over these bytes.
        io::Write::write_all(&mut io::stdout().lock(), archive.checkpoint().as_bytes())?;
    }
    Ok(Ending::Done)
}

fn hash(global: &Global) -> Result<Ending, Fault> {
    let (size, root) = hash_lines(io::stdin().lock())?;
    if global.json {
        output::json_line(&json!({ "size": size, "root": hex(&root) }))?;
    } else {
        output::line(format_args!("size {size}"))?;
        output::line(format_args!("root {}", hex(&root)))?;
    }
    Ok(Ending::Done)
}

fn check(global: &Global, file: &PathBuf) -> Result<Ending, Fault> {
    let mut proof = Vec::new();
    if file == Path::new("-") {
        io::stdin().lock().take(MAX_FILE).read_to_end(&mut proof)?;
    } else {
        proof = text_file::read(file, MAX_FILE)?.into_bytes();
    }
    let holds = check_proof(&proof)?;
    if global.json {
        output::json_line(&json!({ "holds": holds }))?;
    } else if holds {
        output::line(paint::good("the proof holds"))?;
    } else {
        output::line(paint::bad("the proof does not hold"))?;
    }
    Ok(if holds { Ending::Done } else { Ending::No })
}

fn erase(global: &Global, what: &EraseWhat, named: &OperatorArgs) -> Result<Ending, Fault> {
    let mut client = reach::operated(global)?;
    let request = Request::Erase {
        operator: operator::token(&mut client, named)?,
        session: what.session.clone(),
        person: what.person.clone(),
    };
    let erased = reach::ask(&mut client, &request)?;
    if global.json {
        output::document(&erased)?;
    } else {
        output::line(format_args!(
            "{} what was said is unreadable for good; record {} says so",
            paint::good("erased:"),
            member(&erased, "record")
        ))?;
    }
    Ok(Ending::Done)
}

fn log_folder(data: &Path) -> PathBuf {
    let below = data.join("log");
    if below.is_dir() { below } else { data.to_owned() }
}

/// RFC 6962, section 2.1.
fn leaf_hash(leaf: &[u8]) -> Digest {
    let mut hash = sha2::Sha256::new();
    hash.update([0]);
    hash.update(leaf);
    Digest(hash.finalize().into())
}

/// Sixty-four digits, as the contract has roots.
fn hex(digest: &Digest) -> String {
    ringfence_model::hex(&digest.0)
}
