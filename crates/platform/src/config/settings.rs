//! The table of settings. To add one: a line here, a field in [`super::Config`] and its reading in `build.rs`; the file
//! format, the environment variable, the option, `config print` and the reference page follow from the line.

/// What a setting's value is, and what it must keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Path,
    Url,
    Address,
    /// `true` or `false`; as an option it needs no value.
    Switch,
    Number {
        min: u64,
        max: u64,
    },
    Choice(&'static [&'static str]),
    /// Several values: an array in the file, separated by commas elsewhere.
    List,
}

#[derive(Debug)]
pub struct Setting {
    /// The name in the file.
    pub key: &'static str,
    pub kind: Kind,
    /// As it would be written in the environment; `None` when the setting is off or follows from others (the doc says).
    pub default: Option<&'static str>,
    /// Masked wherever values are shown.
    pub secret: bool,
    /// The heading of the reference page.
    pub group: &'static str,
    pub doc: &'static str,
}

impl Setting {
    /// The environment variable: `BAILIWICK_` and the key in capitals.
    pub fn env(&self) -> String {
        format!("{ENV_PREFIX}{}", self.key.to_ascii_uppercase())
    }

    /// The option of the command line, without its dashes.
    pub fn flag(&self) -> String {
        self.key.replace('_', "-")
    }
}

pub const ENV_PREFIX: &str = "BAILIWICK_";

/// Every setting, in the order of the reference page.
pub fn settings() -> &'static [Setting] {
    SETTINGS
}

pub(super) fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

const fn setting(
    group: &'static str,
    key: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    doc: &'static str,
) -> Setting {
    Setting { key, kind, default, secret: false, group, doc }
}

const fn secret(setting: Setting) -> Setting {
    Setting { secret: true, ..setting }
}

const fn number(min: u64, max: u64) -> Kind {
    Kind::Number { min, max }
}

const SERVER: &str = "Server";
const ACME: &str = "Certificate by ACME";
const STORE: &str = "Store and secrets";
const MAIL: &str = "Mail";
const OUTSIDE: &str = "Requests to the outside";
const LIMITS: &str = "Limits";
const PASSWORDS: &str = "Password hashing";
const LOGS: &str = "Logs";
const TRIALS: &str = "Demo and tests";

static SETTINGS: &[Setting] = &[
    setting(SERVER, "listen", Kind::Address, Some("127.0.0.1:8480"), "Address and port to listen on."),
    setting(
        SERVER,
        "public_url",
        Kind::Url,
        None,
        "The address under which people reach this installation. Every link in a mail starts with it; nothing is ever \
         taken from a request's `Host`. Must be `https`, except for `localhost` and loopback addresses. Unset: \
         `http://localhost` (or `https://localhost` with a certificate) and the port of `listen`.",
    ),
    setting(
        SERVER,
        "provider_name",
        Kind::Text,
        Some("Bailiwick"),
        "The provider's name, shown on every page and in every mail.",
    ),
    setting(
        SERVER,
        "tls_cert",
        Kind::Path,
        None,
        "PEM file with the certificate chain. Unset: plain HTTP, for a proxy in front that ends TLS.",
    ),
    setting(
        SERVER,
        "tls_key",
        Kind::Path,
        None,
        "PEM file with the private key of `tls_cert`. Both files are read again when they change, and on SIGHUP.",
    ),
    setting(
        SERVER,
        "redirect_listen",
        Kind::Address,
        None,
        "Address of a second, plain listener, such as `0.0.0.0:80`: it sends browsers to `public_url` and answers the \
         authority's questions of `http-01`. Only together with TLS.",
    ),
    setting(
        ACME,
        "acme_domain",
        Kind::List,
        None,
        "Host names for which this program obtains and renews a certificate by itself (ACME, RFC 8555), instead of \
         `tls_cert`. The host of `public_url` must be among them. Setting it accepts the authority's terms of service.",
    ),
    setting(
        ACME,
        "acme_contact",
        Kind::Text,
        None,
        "Mail address that the authority may write to about the certificate, such as `ops@northwind.example`.",
    ),
    setting(
        ACME,
        "acme_directory",
        Kind::Url,
        Some("https://acme-v02.api.letsencrypt.org/directory"),
        "The authority's directory.",
    ),
    setting(
        ACME,
        "acme_challenge",
        Kind::Choice(&["tls-alpn-01", "http-01"]),
        Some("tls-alpn-01"),
        "How the authority is shown that the names lead here: `tls-alpn-01` needs port 443 of each name to reach \
         `listen`; `http-01` needs port 80 to reach `redirect_listen`.",
    ),
    setting(
        ACME,
        "acme_ca",
        Kind::Path,
        None,
        "PEM file with a certificate authority that the connection to `acme_directory` trusts besides the public ones: \
         for an authority of your own.",
    ),
    setting(
        SERVER,
        "trusted_proxies",
        Kind::List,
        None,
        "Networks (`10.0.0.0/8`) or addresses of proxies whose `X-Forwarded-For` is believed. Unset: nobody's.",
    ),
    setting(
        SERVER,
        "drain_seconds",
        number(0, 600),
        Some("20"),
        "How long requests under way may finish after a stop signal.",
    ),
    setting(
        STORE,
        "data",
        Kind::Path,
        Some("data"),
        "Folder for everything this installation keeps on disk.",
    ),
    secret(setting(
        STORE,
        "database",
        Kind::Text,
        None,
        "`sqlite:PATH` or `postgres://USER:PASSWORD@HOST/NAME`. Unset: `bailiwick.db` in the folder `data`.",
    )),
    setting(
        STORE,
        "master_key",
        Kind::Path,
        None,
        "File with the key that protects all stored secrets; made at the first start, mode 600. Keep a copy of it, \
         apart from the backups of the store: without it they cannot be read. Unset: `master.key` in the folder `data`.",
    ),
    secret(setting(
        MAIL,
        "smtp_url",
        Kind::Url,
        None,
        "The mail server: `smtps://USER:PASSWORD@HOST` (TLS from the start, port 465), `smtp+starttls://…` (TLS after \
         a greeting, port 587; refused when the server offers none) or `smtp://…` (TLS where the server offers it, port 25). A password is only \
         sent over TLS.",
    )),
    setting(
        MAIL,
        "mail_from",
        Kind::Text,
        None,
        "The sender, such as `Northwind <no-reply@northwind.example>`. Unset: `no-reply@` and the host of `public_url`.",
    ),
    setting(
        MAIL,
        "mailbox",
        Kind::Path,
        None,
        "Folder into which mail is written as `.eml` files instead of being sent: for development.",
    ),
    setting(
        OUTSIDE,
        "dns_servers",
        Kind::List,
        None,
        "DNS resolvers as `IP` or `IP:PORT`. A domain counts as proved when all that answer agree, so two of different \
         networks are better than one. Unset: those of `/etc/resolv.conf`.",
    ),
    setting(
        OUTSIDE,
        "outbound_seconds",
        number(1, 120),
        Some("10"),
        "Time that one request to the outside may take, from the look-up of the name to the last byte.",
    ),
    setting(
        OUTSIDE,
        "outbound_allow_loopback",
        Kind::Switch,
        Some("false"),
        "Lets requests to the outside reach loopback addresses, by plain HTTP too. For tests only: with it, a customer \
         could make this server talk to services on its own machine.",
    ),
    setting(
        OUTSIDE,
        "outbound_ca",
        Kind::Path,
        None,
        "PEM file with certificate authorities that requests to the outside trust besides the public ones.",
    ),
    setting(
        OUTSIDE,
        "https_proof_port",
        number(1, 65_535),
        Some("443"),
        "Port at which the HTTPS file that proves a domain is fetched. Other than 443 only together with \
         `outbound_allow_loopback`.",
    ),
    setting(
        OUTSIDE,
        "domain_check_hours",
        number(1, 168),
        Some("24"),
        "Hours between two checks of a verified domain.",
    ),
    setting(
        LIMITS,
        "body_bytes_max",
        number(1024, 1 << 30),
        Some("1048576"),
        "Largest body of a request that uploads nothing. Most routes take less by themselves.",
    ),
    setting(
        LIMITS,
        "upload_bytes_max",
        number(1024, 1 << 34),
        Some("16777216"),
        "Largest body of an upload. Routes take less by themselves: an import 6 MiB.",
    ),
    setting(
        LIMITS,
        "header_seconds",
        number(1, 120),
        Some("10"),
        "Time in which a client must have sent the head of its request.",
    ),
    setting(
        LIMITS,
        "request_seconds",
        number(1, 600),
        Some("120"),
        "Time that one request may take, from its head to the head of the answer.",
    ),
    setting(
        LIMITS,
        "connections_max",
        number(16, 1_000_000),
        Some("10000"),
        "Connections served at the same time; more wait.",
    ),
    setting(
        LIMITS,
        "connections_per_address_max",
        number(1, 1_000_000),
        Some("1000"),
        "Connections from one address (IPv6: one /64 network) at the same time; more are closed. Trusted proxies have no \
         such limit.",
    ),
    setting(
        LIMITS,
        "rate_limit_percent",
        number(0, 10_000),
        Some("100"),
        "Scales every rate limit; 0 turns them off.",
    ),
    setting(
        PASSWORDS,
        "password_workers",
        number(0, 64),
        Some("0"),
        "Threads that hash passwords (Argon2id). 0: half of the processors, at least one.",
    ),
    setting(
        PASSWORDS,
        "password_queue",
        number(1, 10_000),
        Some("64"),
        "Sign-ins that may wait for a thread; more are asked to try again.",
    ),
    setting(
        PASSWORDS,
        "password_memory_kib",
        number(7168, 4_194_304),
        Some("19456"),
        "Memory of one hash, in KiB. A password is hashed anew at the next sign-in after a change.",
    ),
    setting(PASSWORDS, "password_passes", number(1, 100), Some("2"), "Passes of one hash over its memory."),
    setting(
        PASSWORDS,
        "passkey_makes",
        Kind::Path,
        None,
        "File with the makes of security keys that count as attested: a JSON list of `{\"aaguid\", \"name\", \"roots\": [PEM, …]}`. \
         Unset: none does, and no passkey reaches the level `attested_passkey`.",
    ),
    setting(
        PASSWORDS,
        "breached_passwords",
        Kind::Path,
        None,
        "A list of known passwords that no new password may be on, made with `bailiwick breached-passwords`. Unset: new \
         passwords are compared with common words alone, and the policy page says so.",
    ),
    setting(
        LOGS,
        "log_format",
        Kind::Choice(&["text", "json"]),
        Some("text"),
        "`text` for people, `json` for collectors.",
    ),
    setting(
        LOGS,
        "log_level",
        Kind::Text,
        Some("info"),
        "`error`, `warn`, `info`, `debug` or `trace`, for parts of the program too: `info,platform::db=debug`.",
    ),
    setting(
        TRIALS,
        "demo",
        Kind::Switch,
        Some("false"),
        "Fills an empty store with believable organizations.",
    ),
    setting(
        TRIALS,
        "test_clock",
        Kind::Switch,
        Some("false"),
        "Runs on a clock that `POST /test/clock/advance` moves. For tests only: whoever reaches the server can move \
         every deadline. Refused unless `listen` is a loopback address.",
    ),
];
