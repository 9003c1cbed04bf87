//! `bailiwick verify FILE`: checks an exported ledger with nothing but the file.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use clap::Args;

use super::CliError;

#[derive(Args)]
pub struct Verify {
    /// What `audit export` wrote
    file: PathBuf,
    /// Refuse an export that neither this key signed nor one that it vouches for through the handovers in the file: a
    /// `public_key` of `/api/v1/ledger-keys`, or the whole `name+id+key` of the organization's `…/audit/checkpoint`
    #[arg(long)]
    key: Option<String>,
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub fn run(self) -> Result<(), CliError> {
        let name = self.file.display();
        let file = File::open(&self.file)
            .map_err(|error| CliError::Failed(format!("cannot read `{name}`: {error}")))?;
        let verified = ledger::verify_export(BufReader::with_capacity(1 << 20, file))
            .map_err(|error| CliError::Damaged(format!("`{name}` is not what was exported: {error}")))?;
        let signer = verified.key.to_string();
        let followed = self.key.as_deref().map(|key| follow(&verified, key)).transpose()?;
        if followed == Some(None) {
            let key = self.key.unwrap_or_default();
            let text = format!(
                "`{name}` is consistent but signed by `{signer}`, and `{key}` neither is that key nor vouches for it"
            );
            return Err(CliError::Damaged(text));
        }
        if self.json {
            let report = serde_json::json!({
                "entries": verified.entries,
                "root": hex(&verified.root),
                "origin": verified.header.origin,
                "organization": verified.header.slug,
                "redacted": verified.redacted,
                "verifier_key": signer,
                "key_number": verified.handovers.last().map_or(1, |last| last.number),
                "handovers_followed": followed.flatten(),
            });
            println!("{report}");
        } else {
            println!("good: {} entries of {}", verified.entries, verified.header.origin);
            println!("root {}", hex(&verified.root));
            println!("signed by {signer}");
            match followed.flatten() {
                Some(1) => println!("the key that you gave vouches for it: 1 handover"),
                Some(count) if count > 1 => {
                    println!("the key that you gave vouches for it through {count} handovers");
                }
                _ => {}
            }
            if self.key.is_none() {
                println!(
                    "compare its last part with the published keys (GET /api/v1/ledger-keys), or give one with --key"
                );
            }
        }
        Ok(())
    }
}

/// How many handovers lead from `key` to the one that signed; `None` when it does not lead there.
fn follow(verified: &ledger::Verified, key: &str) -> Result<Option<usize>, CliError> {
    let named = match key.parse::<ledger::PublicKey>() {
        Ok(public) => public.named(verified.key.name()),
        Err(_) => key.parse(),
    };
    let pinned = named.map_err(|error| CliError::Usage(format!("--key: {error}")))?;
    Ok(match verified.trust(&pinned) {
        ledger::Trust::Signed => Some(0),
        ledger::Trust::VouchedFor { handovers } => Some(handovers),
        ledger::Trust::None => None,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
