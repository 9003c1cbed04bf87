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
    /// Refuse an export that another key signed (as `/api/v1/organizations/…/audit/checkpoint` names it)
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
        if let Some(key) = &self.key
            && *key != signer
        {
            let text = format!("`{name}` is consistent but signed by `{signer}`, not by `{key}`");
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
            });
            println!("{report}");
        } else {
            println!("good: {} entries of {}", verified.entries, verified.header.origin);
            println!("root {}", hex(&verified.root));
            println!("signed by {signer}");
            if self.key.is_none() {
                println!("compare that key with the published one, or give it with --key");
            }
        }
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
