//! Files that arrived over the socket, as streams that a task can wait for.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::pin::Pin;
use std::time::Duration;

use ringfence_sandbox::Running;
use rustix::fs::{FileType, OFlags, fcntl_getfl, fcntl_setfl, fstat};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

/// How long a server may take to end once its input is closed.
const GRACE: Duration = Duration::from_secs(2);

pub(crate) type Reader = Pin<Box<dyn AsyncRead + Send>>;
pub(crate) type Writer = Pin<Box<dyn AsyncWrite + Send>>;

/// Receives standard input, output and error.
pub(super) async fn receive(stream: &mut UnixStream) -> io::Result<[OwnedFd; 3]> {
    let files = stream
        .async_io(Interest::READABLE, || {
            let mut byte = [0u8; 1];
            let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
            recvmsg(stream.as_fd(), &mut [IoSliceMut::new(&mut byte)], &mut control, flags)?;
            let mut files = Vec::new();
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(received) = message {
                    files.extend(received);
                }
            }
            Ok(files)
        })
        .await?;
    files.try_into().map_err(|_| io::Error::other("the client did not pass its three standard streams"))
}

/// Input, without ever blocking a thread where the kernel allows it.
pub(crate) fn reader(file: OwnedFd) -> io::Result<Reader> {
    Ok(match kind(&file)? {
        FileType::Fifo => {
            nonblocking(&file)?;
            Box::pin(pipe::Receiver::from_owned_fd(file)?)
        }
        FileType::Socket => Box::pin(socket(file)?),
        _ => Box::pin(tokio::fs::File::from_std(file.into())),
    })
}

/// Output, likewise.
pub(crate) fn writer(file: OwnedFd) -> io::Result<Writer> {
    Ok(match kind(&file)? {
        FileType::Fifo => {
            nonblocking(&file)?;
            Box::pin(pipe::Sender::from_owned_fd(file)?)
        }
        FileType::Socket => Box::pin(socket(file)?),
        _ => Box::pin(tokio::fs::File::from_std(file.into())),
    })
}

fn kind(file: &OwnedFd) -> io::Result<FileType> {
    Ok(FileType::from_raw_mode(fstat(file)?.st_mode))
}

fn socket(file: OwnedFd) -> io::Result<UnixStream> {
    let socket = std::os::unix::net::UnixStream::from(file);
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket)
}

fn nonblocking(file: &OwnedFd) -> io::Result<()> {
    Ok(fcntl_setfl(file, fcntl_getfl(file)? | OFlags::NONBLOCK)?)
}

/// Tells when a process tree is gone.
pub(crate) struct Ended(AsyncFd<OwnedFd>);

impl Ended {
    #[expect(
        deprecated,
        reason = "an owned descriptor stays open as long as it is watched, which is all the unsafe form asks for"
    )]
    pub(crate) fn watch(pidfd: OwnedFd) -> io::Result<Ended> {
        AsyncFd::with_interest(pidfd, Interest::READABLE).map(Ended)
    }

    pub(crate) async fn reached(&self) {
        // Readable once and for all; an error means that there is nothing left to watch.
        match self.0.readable().await {
            Ok(mut guard) => guard.retain_ready(),
            Err(error) => tracing::debug!(%error, fd = self.0.get_ref().as_raw_fd(), "nothing left to watch"),
        }
    }
}

/// Lets a server whose input is closed end by itself, then asks it to.
pub(crate) async fn give_time(ended: &Ended, running: &Running) {
    if tokio::time::timeout(GRACE, ended.reached()).await.is_err() {
        running.terminate();
        if tokio::time::timeout(GRACE, ended.reached()).await.is_err() {
            tracing::debug!("the server ignored being asked to end");
        }
    }
}
