//! `bailiwick secrets change-master-key`: every key in the store is wrapped by a new master key. On the server's machine
//! alone: whoever could do it from afar would get the installation's keys.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use platform::ctx::{Actor, Ctx, Random};
use platform::db::Db;
use platform::secrets::{self, MasterKey, SecretsError, master_change, records};
use platform::time::Clock;
use serde_json::{Value, json};

use super::{CliError, Target, block_on, config};

#[derive(Args)]
pub struct Change {
    /// The new key's file, made when it is not there; the setting master_key must name it afterwards. When not said, the
    /// new key takes the place of the old file, which is kept beside it
    #[arg(long)]
    to: Option<PathBuf>,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

fn failed(error: impl std::fmt::Display) -> CliError {
    CliError::Failed(error.to_string())
}

impl Change {
    pub(super) fn run(self, target: &Target) -> Result<(), CliError> {
        if target.url.is_some() {
            return Err(CliError::Usage(
                "the master key is changed on the server's machine: --data DIR or --database URL, without --url"
                    .to_owned(),
            ));
        }
        let done = block_on(self.work(target))?;
        if target.json {
            println!("{done}");
        } else {
            say(&done);
        }
        Ok(())
    }

    async fn work(self, target: &Target) -> Result<Value, CliError> {
        let mut flags = Vec::new();
        if let Some(data) = &target.data {
            flags.push(("data".to_owned(), data.display().to_string()));
        }
        if let Some(database) = &target.database {
            flags.push(("database".to_owned(), database.clone()));
        }
        let config = config::load(None, flags)?;
        if let platform::db::DatabaseUrl::Sqlite(path) = &config.database
            && !path.exists()
        {
            return Err(failed(format!(
                "there is no installation at `{}`: nothing was done",
                path.display()
            )));
        }
        let db = Db::open_alone(&config.database).await.map_err(failed)?;
        let done = change(&db, &config.master_key, self.to, self.dry_run).await;
        db.close(Duration::from_secs(10)).await;
        done
    }
}

async fn change(
    db: &Db,
    path: &std::path::Path,
    to: Option<PathBuf>,
    dry_run: bool,
) -> Result<Value, CliError> {
    let stored = records::load(db).await.map_err(failed)?;
    if stored.is_empty() {
        return Err(failed("this installation has no keys yet: start the server on it once"));
    }
    // Also finishes a change that was killed after the store was wrapped anew.
    let (ctx, random) = (Ctx::new(Actor::Operator, &Clock::System, &Random::System), Random::System);
    let before = MasterKey::load(path).map_err(failed)?.id();
    let (keyring, _) = secrets::open_keyring(path, &stored, ctx.now, &random).map_err(failed)?;
    if keyring.master_id() != before {
        return Ok(json!({
            "state": "finished",
            "id": keyring.master_id(),
            "file": path.display().to_string(),
            "keys": stored.len(),
        }));
    }
    if dry_run {
        let file = to.as_deref().unwrap_or(path).display().to_string();
        return Ok(json!({ "state": "possible", "id": before, "file": file, "keys": stored.len() }));
    }
    let prepared = master_change::Change::prepare(path, to.as_deref(), &random).map_err(failed)?;
    let (inside, new) = (ctx.clone(), prepared.new_key().clone());
    let id = new.id();
    let rewrapped =
        db.write(&ctx, move |tx| master_change::rewrap(&inside, tx, &keyring, &new)).await.map_err(failed)?;
    let kept = |error: SecretsError| {
        failed(format!(
            "the store is wrapped by the new key; run the command again, or start the server: {error}"
        ))
    };
    let (file, old) = prepared.finish().map_err(kept)?;
    Ok(json!({
        "state": "changed",
        "id": id,
        "file": file.display().to_string(),
        "old_id": before,
        "old_file": old.display().to_string(),
        "keys": rewrapped.value,
        "set_master_key": to.is_some(),
    }))
}

fn say(done: &Value) {
    let text = |name: &str| done[name].as_str().unwrap_or_default();
    let keys = &done["keys"];
    match text("state") {
        "possible" => println!(
            "{keys} keys would be wrapped by a new master key in `{}`; nothing was done",
            text("file")
        ),
        "finished" => println!(
            "a change that was interrupted is finished: {keys} keys are wrapped by the master key {} in `{}`; run the \
             command again if another is wanted",
            text("id"),
            text("file")
        ),
        _ => {
            println!("{keys} keys are wrapped by the master key {} in `{}`", text("id"), text("file"));
            println!(
                "the old one ({}) is in `{}`: it opens backups made until now, and nothing else",
                text("old_id"),
                text("old_file")
            );
            if done["set_master_key"] == true {
                println!("set `master_key` to the new file before you start the server");
            }
            println!("copy the new file to your backup, and to every node");
        }
    }
}
