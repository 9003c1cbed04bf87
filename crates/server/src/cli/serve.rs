//! `bailiwick serve`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use platform::config::Config;
use platform::ctx::{Actor, Random};
use platform::db::DbError;
use platform::time::Clock;
use platform::web::{guard, serve, tls};
use platform::{App, acme, jobs, log};

use super::{CliError, block_on, config};
use crate::start::{self, StartError};
use crate::system::{self, Metrics};

#[derive(Args)]
pub struct Serve {
    /// The configuration file instead of ./bailiwick.toml
    #[arg(long, env = "BAILIWICK_CONFIG")]
    config: Option<PathBuf>,
    /// Address and port to listen on
    #[arg(long)]
    listen: Option<String>,
    /// The data folder
    #[arg(long)]
    data: Option<PathBuf>,
    /// sqlite:PATH or postgres://…
    #[arg(long)]
    database: Option<String>,
    /// The address under which people reach this installation
    #[arg(long)]
    public_url: Option<String>,
    /// Fill an empty installation with the demo: a provider, three organizations, a year of history
    #[arg(long)]
    demo: bool,
    /// A clock that only `POST /test/clock/advance` moves; for tests
    #[arg(long)]
    test_clock: bool,
    /// PEM file with the certificate chain
    #[arg(long)]
    tls_cert: Option<PathBuf>,
    /// PEM file with its key
    #[arg(long)]
    tls_key: Option<PathBuf>,
    /// Host names for which a certificate is obtained and renewed by ACME, with commas between them
    #[arg(long)]
    acme_domain: Option<String>,
    /// Mail address that the certificate's authority may write to
    #[arg(long)]
    acme_contact: Option<String>,
    /// The authority's directory; Let's Encrypt when left out
    #[arg(long)]
    acme_directory: Option<String>,
    /// PEM file with an authority that the connection to the directory trusts besides the public ones
    #[arg(long)]
    acme_ca: Option<PathBuf>,
    /// A second, plain listener that sends browsers to the public address
    #[arg(long)]
    redirect_listen: Option<String>,
    /// Any other setting, as KEY=VALUE; see `config print`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl Serve {
    fn flags(&self) -> Result<Vec<(String, String)>, CliError> {
        let mut flags = Vec::new();
        let mut add = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                flags.push((key.to_owned(), value));
            }
        };
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        add("listen", self.listen.clone());
        add("data", path(&self.data));
        add("database", self.database.clone());
        add("public_url", self.public_url.clone());
        add("demo", self.demo.then(|| "true".to_owned()));
        add("test_clock", self.test_clock.then(|| "true".to_owned()));
        add("tls_cert", path(&self.tls_cert));
        add("tls_key", path(&self.tls_key));
        add("acme_domain", self.acme_domain.clone());
        add("acme_contact", self.acme_contact.clone());
        add("acme_directory", self.acme_directory.clone());
        add("acme_ca", path(&self.acme_ca));
        add("redirect_listen", self.redirect_listen.clone());
        for pair in &self.set {
            let (key, value) = pair
                .split_once('=')
                .ok_or_else(|| CliError::Usage(format!("--set `{pair}`: write KEY=VALUE")))?;
            add(key, Some(value.to_owned()));
        }
        Ok(flags)
    }

    pub fn run(self) -> Result<(), CliError> {
        let config = config::load(self.config.as_deref(), self.flags()?)?;
        log::start(config.log_format, &config.log_level)
            .map_err(|error| CliError::Usage(error.to_string()))?;
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        block_on(serve(config))
    }
}

async fn serve(config: Config) -> Result<(), CliError> {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new()
        .install_recorder()
        .map_err(|error| CliError::Failed(format!("cannot collect metrics: {error}")))?;
    let clock = if config.test_clock { Clock::virtual_at(Clock::System.now()) } else { Clock::System };
    let options = start::Options {
        beside_server: false,
        clock,
        random: Random::System,
        authenticate: users::sessions::authenticator(),
    };
    // The ports first: a second start on the same data folder should say so at once.
    let listener = serve::bind(config.listen).await.map_err(StartError::from)?;
    let plain = match config.redirect_listen {
        Some(address) => Some(serve::bind(address).await.map_err(StartError::from)?),
        None => None,
    };
    let (drain, demo, limits) = (config.drain, config.demo, serve::Limits::new(&config));
    let tls = edge(&config)?;
    let app = start::build_with(config, options, |builder| {
        let builder = builder.service(Metrics(recorder));
        match &tls {
            Some(tls) => builder.service(tls.clone()),
            None => builder,
        }
    })
    .await?;
    welcome(&app, demo).await?;
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(jobs::run(app.clone()));
    tasks.spawn(system::keep_metrics_small(app.clone()));
    tasks.spawn(platform::secrets::rotation::follow(app.clone()));
    for area in app.areas() {
        for task in area.tasks {
            tasks.spawn(task(app.clone()));
        }
    }
    if let Some(tls) = tls.clone() {
        match app.config().tls.clone() {
            Some(files) => tasks.spawn(tls::follow_files(app.clone(), tls, files)),
            None => tasks.spawn(acme::follow(app.clone(), tls)),
        };
    }
    if let Some(plain) = plain {
        let router = serve::redirect::router(&app);
        tasks.spawn(serve::serve(app.clone(), plain, router, None, limits, drain));
    }
    let stopping = app.clone();
    tokio::spawn(async move {
        serve::stop_signal().await;
        tracing::info!("draining: no new connections, requests under way may end");
        stopping.drain();
    });
    serve::serve(app.clone(), listener, guard::router(&app), tls, limits, drain).await;
    let ended = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(drain, ended).await.is_err() {
        tracing::warn!("background work was cut off at the end of the drain; leases give it back");
    }
    app.db().close(Duration::from_secs(10)).await;
    Ok(())
}

/// TLS as the configuration wants it: from files, which must be usable now; by ACME, whose certificate comes later.
fn edge(config: &Config) -> Result<Option<tls::Tls>, CliError> {
    let failed = |error: tls::TlsError| CliError::Failed(error.to_string());
    if let Some(files) = &config.tls {
        let tls = tls::Tls::from_files(files).map_err(failed)?;
        tls::warn_of_name(config, &tls);
        return Ok(Some(tls));
    }
    config.acme.as_ref().map(|_| tls::Tls::empty().map_err(failed)).transpose()
}

/// Says where the installation is, and how to get in when nobody can yet.
async fn welcome(app: &App, demo: bool) -> Result<(), CliError> {
    let failed = |error: DbError| CliError::Failed(error.to_string());
    let base = app.config().public_origin();
    let done = app.db().read(users::set_up::is_done).await.map_err(failed)?;
    if demo {
        if !done {
            eprintln!("filling the demo: a year of history through the real rules; this takes a moment");
            crate::demo::fill(app).await.map_err(|error| CliError::Failed(error.to_string()))?;
        }
        for (who, link) in crate::demo::sign_in_links(app).await.map_err(failed)? {
            println!("{who:20} {link}");
        }
    } else if !done {
        let ctx = app.ctx(Actor::Operator);
        let token =
            app.db().housekeeping(move |tx| users::set_up::create_link(&ctx, tx)).await.map_err(failed)?;
        println!("set up this installation: {base}/setup/{}", token.text());
    }
    app.learn_provider().await.map_err(failed)?;
    println!("listening on {base}");
    Ok(())
}
