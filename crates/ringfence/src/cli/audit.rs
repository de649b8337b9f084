//! `audit`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::OperatorArgs;

/// `audit …`
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Verify a log with nothing but its files and a key
    ///
    /// Example: ringfence audit verify ./log --key log.vkey --against yesterday.checkpoint
    Verify(VerifyArgs),
    /// Show the newest records
    ///
    /// Example: ringfence audit show -n 50 -f
    Show(ShowArgs),
    /// Print a proof that a record stands in the log
    ///
    /// Example: ringfence audit prove 17 > 17.proof
    Prove {
        /// The record's index
        index: u64,
    },
    /// Print the newest signed head
    ///
    /// Example: ringfence audit checkpoint > today.checkpoint
    Checkpoint,
    /// Hash records from standard input, one a line, to the size and root of their tree
    ///
    /// Example: ringfence audit hash < records.txt
    Hash,
    /// Check one inclusion or consistency proof
    ///
    /// Example: ringfence audit check-proof proof.json
    CheckProof {
        /// The proof, as JSON; - for standard input
        file: PathBuf,
    },
    /// Make what a session or a person said unreadable for good; the log still verifies
    ///
    /// Example: ringfence audit erase --person dana@acme.example
    Erase {
        #[command(flatten)]
        what: EraseWhat,
        #[command(flatten)]
        operator: OperatorArgs,
    },
}

/// `audit verify`
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The log's folder, or a data directory [default: the own log]
    pub(crate) dir: Option<PathBuf>,
    /// The log's public key in C2SP form, or a file that holds it [default: the one beside the log, which proves less]
    #[arg(long, value_name = "VKEY|FILE")]
    pub(crate) key: Option<String>,
    /// An earlier head, kept elsewhere, that the log must extend
    #[arg(long, value_name = "CHECKPOINT")]
    pub(crate) against: Option<PathBuf>,
    /// A monitor is writing to it: records beyond the head are not a fault
    #[arg(long)]
    pub(crate) live: bool,
}

/// `audit show`
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// How many
    #[arg(short = 'n', long = "number", value_name = "N", default_value_t = 20)]
    pub(crate) number: u64,
    /// Go on with what is recorded from now on
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Begin with this record instead of with the newest N
    #[arg(long, value_name = "INDEX")]
    pub(crate) from: Option<u64>,
    /// Show what was said as well; takes an operator
    #[arg(long)]
    pub(crate) payloads: bool,
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
}

/// What to erase.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct EraseWhat {
    /// One session
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// One person
    #[arg(long, value_name = "NAME")]
    pub(crate) person: Option<String>,
}
