//! A client of the monitor: connects, starts the monitor where none runs, asks and waits.
//! Blocking and small: commands and wrapped servers stay light.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IoSlice, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::VERSION;
use crate::data::DataDir;
use crate::protocol::{ANY_VERSION, Answer, Hello, Request, Welcome};

/// A connection to the monitor.
pub struct Client {
    stream: UnixStream,
    lines: BufReader<UnixStream>,
    /// The monitor's process id.
    pub monitor: u32,
}

/// How to start a monitor where none runs.
pub struct Start {
    /// The whole command line.
    pub command: Command,
    /// How long it may take.
    pub patience: Duration,
}

/// The monitor cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing listens.
    #[error("no monitor runs on {0}")]
    NotRunning(PathBuf),
    /// The socket.
    #[error("the monitor on {0} cannot be reached")]
    Unreachable(PathBuf, #[source] io::Error),
    /// It did not come up.
    #[error("the monitor did not start: {0}")]
    NotStarted(String),
    /// It does not want this client.
    #[error("{0}")]
    Refused(String),
    /// It went away.
    #[error("the monitor ended; nothing is allowed until it runs again, which the next command sees to")]
    Gone,
    /// It said something that is no answer.
    #[error("the monitor answered something that is not understood")]
    Unreadable(#[source] serde_json::Error),
}

impl Client {
    /// Connects to a running monitor; `setup` as in [`Hello::setup`].
    ///
    /// # Errors
    /// None runs, or it refuses this client.
    pub fn connect(data: &DataDir, setup: Option<&str>) -> Result<Client, ClientError> {
        let hello = Hello { version: VERSION.to_owned(), setup: setup.map(str::to_owned) };
        Client::greet(data, &hello)
    }

    /// Connects to a running monitor of whatever version, to end it.
    ///
    /// # Errors
    /// None runs, or it is another user's.
    pub fn connect_to_end(data: &DataDir) -> Result<Client, ClientError> {
        Client::greet(data, &Hello { version: ANY_VERSION.to_owned(), setup: None })
    }

    fn greet(data: &DataDir, hello: &Hello) -> Result<Client, ClientError> {
        let stream = dial(data).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                ClientError::NotRunning(data.path().to_owned())
            }
            _ => ClientError::Unreachable(data.path().to_owned(), error),
        })?;
        let lines = BufReader::new(stream.try_clone().map_err(|_| ClientError::Gone)?);
        let mut client = Client { stream, lines, monitor: 0 };
        client.say(hello)?;
        match client.hear::<Welcome>()? {
            Welcome::Ready { pid } => client.monitor = pid,
            Welcome::Refused { reason } => return Err(ClientError::Refused(reason)),
        }
        Ok(client)
    }

    /// Connects, and starts the monitor first where none runs.
    ///
    /// # Errors
    /// It does not start, or refuses this client.
    pub fn connect_or_start(
        data: &DataDir,
        setup: Option<&str>,
        start: Start,
    ) -> Result<Client, ClientError> {
        match Client::connect(data, setup) {
            Err(ClientError::NotRunning(_) | ClientError::Gone) => {}
            connected => return connected,
        }
        let Start { mut command, patience } = start;
        let messages = File::options().create(true).append(true).open(data.messages());
        let messages = messages.map_err(|error| ClientError::NotStarted(error.to_string()))?;
        let before = messages.metadata().map(|found| found.len()).unwrap_or(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(messages);
        let mut child = command.spawn().map_err(|error| ClientError::NotStarted(error.to_string()))?;
        let deadline = Instant::now() + patience;
        let mut pause = Duration::from_millis(1);
        loop {
            match Client::connect(data, setup) {
                Err(ClientError::NotRunning(_) | ClientError::Gone) => {}
                connected => return connected,
            }
            if let Some(why) = gave_up(&mut child, data, before) {
                // Somebody else's monitor may have come up first.
                return Client::connect(data, setup).map_err(|_| ClientError::NotStarted(why));
            }
            if Instant::now() > deadline {
                let shown = data.messages();
                return Err(ClientError::NotStarted(format!(
                    "it took longer than {} s; {} may say why",
                    patience.as_secs(),
                    shown.display()
                )));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    /// Asks one thing and waits for the answer.
    ///
    /// # Errors
    /// The monitor went away.
    pub fn ask(&mut self, request: &Request) -> Result<Answer, ClientError> {
        self.say(request)?;
        self.answer()
    }

    /// Waits for the next answer.
    ///
    /// # Errors
    /// The monitor went away.
    pub fn answer(&mut self) -> Result<Answer, ClientError> {
        self.hear()
    }

    /// Hands over open files, after the request that announces them.
    ///
    /// # Errors
    /// The monitor went away.
    pub fn pass(&mut self, files: &[BorrowedFd<'_>]) -> Result<(), ClientError> {
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(files)) {
            return Err(ClientError::Gone);
        }
        sendmsg(self.stream.as_fd(), &[IoSlice::new(b"\n")], &mut control, SendFlags::NOSIGNAL)
            .map(drop)
            .map_err(|_| ClientError::Gone)
    }

    fn say<T: serde::Serialize>(&mut self, what: &T) -> Result<(), ClientError> {
        let mut line = serde_json::to_vec(what).map_err(ClientError::Unreadable)?;
        line.push(b'\n');
        self.stream.write_all(&line).map_err(|_| ClientError::Gone)
    }

    fn hear<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, ClientError> {
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Ok(0) | Err(_) => Err(ClientError::Gone),
            Ok(_) => serde_json::from_str(&line).map_err(ClientError::Unreadable),
        }
    }
}

/// Connects through the folder's descriptor, since a socket's path may have 107 bytes at most.
fn dial(data: &DataDir) -> io::Result<UnixStream> {
    let folder = File::open(data.path())?;
    UnixStream::connect(format!("/proc/self/fd/{}/monitor.sock", folder.as_raw_fd()))
}

/// What a monitor that has ended already said about it.
fn gave_up(child: &mut Child, data: &DataDir, before: u64) -> Option<String> {
    use std::io::{Read, Seek, SeekFrom};
    let status = child.try_wait().ok().flatten()?;
    let mut said = String::new();
    let read = File::open(data.messages())
        .and_then(|mut file| file.seek(SeekFrom::Start(before)).map(|_| file))
        .and_then(|file| file.take(16 * 1024).read_to_string(&mut said));
    match read {
        Ok(_) if !said.trim().is_empty() => Some(said.trim().to_owned()),
        _ => Some(format!("it ended with {status}")),
    }
}
