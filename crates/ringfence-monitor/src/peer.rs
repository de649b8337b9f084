//! Who is at the other end of the socket, as the kernel says.

use std::fs;
use std::path::PathBuf;

use ringfence_guard::Evidence;
use ringfence_model::Person;
use tokio::net::UnixStream;

/// The process at the other end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) uid: u32,
    pub(crate) pid: Option<i32>,
}

impl Peer {
    pub(crate) fn of(stream: &UnixStream) -> std::io::Result<Peer> {
        let credentials = stream.peer_cred()?;
        Ok(Peer { uid: credentials.uid(), pid: credentials.pid() })
    }

    /// Only the monitor's own user is served, and root, who could do as that user anyway.
    pub(crate) fn may_connect(self) -> bool {
        self.uid == 0 || self.uid == rustix::process::geteuid().as_raw()
    }

    /// What tells this caller from others: the user, and by way of description the program that
    /// started the client.
    pub(crate) fn evidence(self) -> Evidence {
        let program = self.pid.and_then(parent).and_then(program).unwrap_or_else(|| "unknown".to_owned());
        Evidence::Peer { user: Person::new(&user_name(self.uid)), program }
    }
}

/// The parent of a process: the fourth field of `stat`, after a name that may hold anything.
fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok().filter(|parent| *parent > 0)
}

fn program(pid: i32) -> Option<String> {
    let path: PathBuf = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    Some(path.file_name()?.to_string_lossy().trim_end_matches(" (deleted)").to_owned())
}

/// The name of a user, or the number where the system knows none.
pub fn user_name(uid: u32) -> String {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    passwd
        .lines()
        .find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let found: u32 = fields.nth(1)?.parse().ok()?;
            (found == uid && !name.is_empty()).then(|| name.to_owned())
        })
        .unwrap_or_else(|| format!("uid-{uid}"))
}
