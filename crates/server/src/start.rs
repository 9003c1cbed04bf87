//! Puts the program together: configuration, store, keys, services, areas.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use platform::App;
use platform::app::{AppBuilder, AppParts};
use platform::config::Config;
use platform::ctx::Random;
use platform::db::{DatabaseUrl, Db, SecondWall};
use platform::time::Clock;
use platform::web::Authenticate;
use platform::{installation, mail, outbound, secrets};
use users::domains::prover::{NetworkProver, ProverService};
use users::passkeys::attestation::Makes;
use users::passwords::PasswordPool;
use users::passwords::breached::{BreachedError, BreachedPasswords};
use users::passwords::phc::Cost;
use users::passwords::pool::PoolSettings;

/// Why the program cannot start: one sentence with the cure each.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Db(#[from] platform::db::DbError),
    #[error(transparent)]
    Secrets(#[from] secrets::SecretsError),
    #[error(transparent)]
    Mail(#[from] mail::MailError),
    #[error(transparent)]
    Outbound(#[from] outbound::OutboundError),
    #[error(transparent)]
    Serve(#[from] platform::web::serve::ServeError),
    #[error("cannot use the data folder `{path}`: {reason}")]
    DataFolder { path: String, reason: String },
    #[error(
        "there is no installation in `{data}`: `{missing}` is missing. Name the folder of a server that has run (`--data DIR`), \
         or start a new one with `bailiwick serve`"
    )]
    NoInstallation { data: String, missing: String },
    #[error("cannot read `{path}`: {reason}")]
    File { path: String, reason: String },
    #[error("cannot use `breached_passwords`: {0}")]
    Breached(#[from] BreachedError),
    #[error(transparent)]
    Pool(#[from] users::passwords::PoolError),
    #[error(transparent)]
    Makes(#[from] users::passkeys::attestation::MakesError),
}

/// What differs between a server, a command on the server's machine, and the demo.
pub struct Options {
    /// A command beside a server: links lead to where that server is, unless the configuration says otherwise.
    pub beside_server: bool,
    pub clock: Clock,
    pub random: Random,
    pub authenticate: Arc<dyn Authenticate>,
}

/// Opens the store and its keys, and builds the app.
pub async fn build(config: Config, options: Options) -> Result<App, StartError> {
    build_with(config, options, |builder| builder).await
}

/// As [`build`], with more services.
pub async fn build_with(
    mut config: Config,
    options: Options,
    more: impl FnOnce(AppBuilder) -> AppBuilder,
) -> Result<App, StartError> {
    if options.beside_server {
        needs_installation(&config)?;
    }
    make_folder(&config.data_dir)?;
    let db = Db::open(&config.database).await?;
    if let DatabaseUrl::Sqlite(path) = &config.database {
        close_to_others(path)?;
    }
    warn_of_the_wall(&db);
    if !options.beside_server {
        installation::announce(&db, &config.public_url).await?;
    } else if config.is_default("public_url")
        && let Some(url) = installation::announced(&db).await?
    {
        config.public_url = url;
    }
    let records = secrets::records::load(&db).await?;
    let (keyring, new) =
        secrets::open_keyring(&config.master_key, &records, options.clock.now(), &options.random)?;
    if !new.is_empty() {
        secrets::records::save(&db, new).await?;
    }
    let mailer = mail::Mailer::new(&config)?;
    let dns = Arc::new(outbound::dns::Dns::from_config(&config)?);
    let client = outbound::Outbound::new(&config, dns.clone())?;
    let pool = PasswordPool::start(pool_settings(&config))?;
    let makes = config.passkey_makes.as_deref().map(Makes::load).transpose()?.unwrap_or_default();
    let prover = NetworkProver::new(dns, client.clone(), options.random.clone(), config.https_proof_port);
    let prover = ProverService(Arc::new(prover));
    let known = config.breached_passwords.as_deref().map(BreachedPasswords::open).transpose()?;
    let parts = AppParts {
        config,
        db,
        clock: options.clock,
        random: options.random,
        keyring,
        areas: crate::AREAS.to_vec(),
        authenticate: options.authenticate,
    };
    let mut builder =
        AppBuilder::new(parts).service(mailer).service(client).service(pool).service(prover).service(makes);
    if let Some(known) = known {
        builder = builder.service(known);
    }
    builder = builder.service(users::openid_provider::State::default());
    builder = builder.service(users::single_sign_on::State::default());
    Ok(more(builder).build())
}

/// A command that found an empty folder would otherwise make an installation there, and answer for it that all is well.
fn needs_installation(config: &Config) -> Result<(), StartError> {
    let store = match &config.database {
        DatabaseUrl::Sqlite(path) => Some(path.as_path()),
        DatabaseUrl::Postgres(_) => None,
    };
    match [Some(config.master_key.as_path()), store].into_iter().flatten().find(|path| !path.exists()) {
        None => Ok(()),
        Some(missing) => Err(StartError::NoInstallation {
            data: config.data_dir.display().to_string(),
            missing: missing.display().to_string(),
        }),
    }
}

/// A role that row-level security does not hold is no reason not to start, and one to say so.
fn warn_of_the_wall(db: &Db) {
    if let SecondWall::Bypassed { role } = db.second_wall() {
        tracing::warn!("{}", bypassed(&role));
    }
}

/// What is said of a role that is a superuser or has `BYPASSRLS`.
pub fn bypassed(role: &str) -> String {
    format!(
        "the database role `{role}` bypasses row-level security, the second wall between organizations: \
         use a plain role (docs/how-to/run-on-postgresql.md)"
    )
}

fn make_folder(path: &Path) -> Result<(), StartError> {
    std::fs::create_dir_all(path).map_err(|error| StartError::DataFolder {
        path: path.display().to_string(),
        reason: format!("{error}; choose another with `--data DIR`"),
    })
}

/// A database that an earlier version made for everybody to read.
fn close_to_others(database: &Path) -> Result<(), StartError> {
    for end in ["", "-wal", "-shm"] {
        let path = PathBuf::from(format!("{}{end}", database.display()));
        let Ok(found) = std::fs::metadata(&path) else { continue };
        if found.permissions().mode() & 0o077 == 0 {
            continue;
        }
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&path, private).map_err(|error| StartError::File {
            path: path.display().to_string(),
            reason: format!("others can read it, and its mode cannot be changed: {error}"),
        })?;
    }
    Ok(())
}

fn pool_settings(config: &Config) -> PoolSettings {
    let wanted = config.password;
    PoolSettings {
        threads: wanted.workers,
        queue_max: wanted.queue,
        cost: Cost { memory_kib: wanted.memory_kib, passes: wanted.passes, ..Cost::DEFAULT },
    }
}
