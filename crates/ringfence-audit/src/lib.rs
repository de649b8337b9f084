//! The log: append, checkpoint, prove, verify. It knows nothing of policy, and nothing of what
//! its records mean.
//!
//! - [`Log`] is the one writer of a directory: an RFC 6962 tree whose groups are committed with
//!   one write and one flush, and laid into C2SP tlog-tiles afterwards.
//! - [`Archive`] reads and proves without a writer, also beside one.
//! - [`verify`] needs nothing but the files and a key.
//! - [`check_proof`] and [`hash_lines`] hold the arithmetic against vectors that are not ours.

mod archive;
mod chain;
mod clock;
mod disk;
mod edge;
mod frame;
mod hash;
mod journal;
mod keyring;
mod lay;
mod leaf;
mod log;
mod merkle;
mod note;
mod payload;
mod proof;
mod reader;
pub mod record;
mod segment;
mod tile;
mod verify;

pub use archive::{Archive, CannotRead};
pub use chain::Broken;
pub use clock::{Clock, SystemClock};
pub use disk::{Disk, RealDisk};
pub use frame::Damaged;
pub use keyring::KeyringError;
pub use lay::LayError;
pub use leaf::{BadBody, BadLeaf, OutOfRange};
pub use log::{
    Append, AppendError, Appended, CloseError, Durability, Entry, EraseError, Failure, Head, Log, OpenError,
    Options, Payload, PayloadError, ProveError, TilesError, Whose,
};
pub use note::{BadKey, BadNote, Checkpoint, VerifyingKey};
pub use payload::BadPayload;
pub use proof::{NotAProof, check_proof, hash_lines};
pub use reader::{Leaf, Reader};
pub use verify::{Fault, KeyFrom, Verified, VerifyError, verify};
