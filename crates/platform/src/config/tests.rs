use super::*;

fn load(file: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
    Config::load(&Sources {
        file: Some(("bailiwick.toml".into(), file.into())),
        env: pairs(env),
        flags: pairs(flags),
    })
}

fn errors(file: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Vec<String> {
    match load(file, env, flags) {
        Ok(_) => panic!("was accepted"),
        Err(errors) => errors.0.iter().map(ToString::to_string).collect(),
    }
}

fn shown(config: &Config, key: &str) -> (String, String) {
    let found = config.effective().iter().find(|effective| effective.key == key).unwrap();
    (found.value.clone(), found.origin.clone())
}

#[test]
fn every_default_is_good() {
    let config = Config::load(&Sources::default()).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8480");
    assert_eq!(config.public_origin(), "http://localhost:8480");
    assert_eq!(config.mail_from, "no-reply@localhost");
    assert_eq!(config.master_key, Path::new("data/master.key"));
    assert!(matches!(&config.database, DatabaseUrl::Sqlite(path) if path == Path::new("data/bailiwick.db")));
    assert!(!config.outbound_allow_loopback && !config.test_clock && !config.demo);
    assert!(config.password.workers >= 1);
    assert_eq!(config.effective().len(), settings().len());
}

#[test]
fn option_beats_environment_beats_file_beats_default() {
    let file = "listen = '127.0.0.1:1'\nprovider_name = 'File'\ndrain_seconds = 1\n";
    let env =
        [("BAILIWICK_LISTEN", "127.0.0.1:2"), ("BAILIWICK_PROVIDER_NAME", "Environment"), ("HOME", "/x")];
    let config = load(file, &env, &[("listen", "127.0.0.1:3")]).unwrap();
    assert_eq!(shown(&config, "listen"), ("127.0.0.1:3".into(), "option".into()));
    assert_eq!(shown(&config, "provider_name"), ("Environment".into(), "environment".into()));
    assert_eq!(shown(&config, "drain_seconds"), ("1".into(), "bailiwick.toml, line 3".into()));
    assert_eq!(shown(&config, "log_format"), ("text".into(), "default".into()));
    assert_eq!((config.listen.port(), config.drain.as_secs()), (3, 1));
}

#[test]
fn an_unknown_key_names_its_line_and_the_nearest_one() {
    let errors =
        errors("\n# comment\nprovider_nmae = 'x'\nzzzzzzzz = 1\n[mail]\nx = 1", &[], &[("publik-url", "x")]);
    assert_eq!(errors.len(), 4, "{errors:#?}");
    let has =
        |text: &str| assert!(errors.iter().any(|error| error.contains(text)), "{text} is not in {errors:#?}");
    has("bailiwick.toml, line 3: `provider_nmae` is no setting; did you mean `provider_name`?");
    has("line 4: `zzzzzzzz` is no setting: remove it");
    has("line 5: `mail` is no setting");
    has("option `--publik-url` is no setting; did you mean `public-url`?");
}

#[test]
fn an_unknown_environment_variable_is_a_warning() {
    let env =
        [("BAILIWICK_LISTN", "x"), ("BAILIWICK_PORT", "tcp://10.0.0.1:80"), ("BAILIWICK_TOKEN", "bwk_x")];
    let config = load("", &env, &[]).unwrap();
    let text = config.warnings.join("\n");
    assert!(text.contains("`BAILIWICK_LISTN` is no setting; did you mean `BAILIWICK_LISTEN`?"), "{text}");
    assert!(text.contains("`BAILIWICK_PORT`") && !text.contains("BAILIWICK_TOKEN"), "{text}");
}

#[test]
fn everything_wrong_is_said_at_once() {
    let file = "listen = 'here'\ndrain_seconds = 'long'\nlog_format = 'xml'\ndemo = 1\ndns_servers = ['192.0.2.1', 'x']\n\
                trusted_proxies = '10.0.0.0/8'\ntls_cert = '/nowhere/cert.pem'\nlog_level = 'loud'\nmail_from = 'nobody'\n\
                database = 'mysql://root:hunter2@db'\nsmtp_url = 'smtp://u:hunter2@mail.example'\n";
    let errors = errors(file, &[("BAILIWICK_PASSWORD_MEMORY_KIB", "1")], &[]);
    let keys = [
        "`listen`",
        "`drain_seconds`",
        "`log_format`",
        "`demo`",
        "`dns_servers`",
        "`trusted_proxies`",
        "`tls_cert`",
        "`log_level`",
        "`mail_from`",
        "`database`",
        "`smtp_url`",
        "`password_memory_kib` (environment)",
    ];
    for key in keys {
        assert!(errors.iter().any(|error| error.starts_with(key)), "{key} is not in {errors:#?}");
    }
    assert!(!errors.join(" ").contains("hunter2"), "a secret is in {errors:#?}");
}

#[test]
fn a_file_that_is_no_toml_names_the_line() {
    let errors = errors("listen = '127.0.0.1:1'\nthis is not toml\n", &[], &[]);
    assert!(errors.iter().any(|error| error.starts_with("bailiwick.toml, line 2: ")), "{errors:#?}");
}

#[test]
fn values_that_do_not_go_together_are_refused() {
    let one = |flags: &[(&str, &str)], text: &str| {
        let errors = errors("", &[], flags);
        assert!(errors.iter().any(|error| error.contains(text)), "{text} is not in {errors:#?}");
    };
    one(&[("smtp_url", "smtp://localhost"), ("mailbox", "/tmp/mail")], "both set");
    one(&[("https_proof_port", "8443")], "outbound_allow_loopback");
    one(&[("test_clock", "true"), ("listen", "0.0.0.0:8480")], "loopback");
    one(&[("tls_cert", "Cargo.toml")], "without `tls_key`");
    one(&[("tls_key", "Cargo.toml")], "without `tls_cert`");
    let tls = [("tls_cert", "Cargo.toml"), ("tls_key", "Cargo.toml"), ("public_url", "http://localhost")];
    one(&tls, "since `tls_cert` is set");
}

#[test]
fn a_certificate_by_acme_needs_names_a_contact_and_a_way_to_prove_them() {
    const GOOD: &[(&str, &str)] = &[
        ("acme_domain", "Trust.Northwind.example, status.northwind.example,trust.northwind.example"),
        ("acme_contact", "ops@northwind.example"),
        ("listen", "0.0.0.0:443"),
    ];
    let config =
        load("", &[], &[GOOD, &[("public_url", "https://trust.northwind.example")]].concat()).unwrap();
    let acme = config.acme.unwrap();
    assert_eq!(acme.domains, ["status.northwind.example", "trust.northwind.example"]);
    assert_eq!(acme.challenge, AcmeChallenge::TlsAlpn);
    assert_eq!(acme.directory.as_str(), "https://acme-v02.api.letsencrypt.org/directory");
    // Unset, the public address is the first name.
    assert_eq!(load("", &[], GOOD).unwrap().public_origin(), "https://status.northwind.example");

    let one = |more: &[(&str, &str)], text: &str| {
        let errors = errors("", &[], &[GOOD, more].concat());
        assert!(errors.iter().any(|error| error.contains(text)), "{text} is not in {errors:#?}");
    };
    for name in [
        "*.northwind.example",
        "localhost",
        "a.localhost",
        "192.0.2.1",
        "northwind",
        "a..b",
        "-a.b",
        "a_b.example",
    ] {
        one(&[("acme_domain", name)], &format!("holds `{name}`, which is not a host name"));
    }
    one(&[("acme_contact", "Ops <ops@northwind.example>")], "must be a mail address");
    one(&[("acme_contact", "")], "`acme_contact`");
    one(&[("acme_directory", "http://ca.example/dir")], "must be an `https` URL");
    one(&[("acme_challenge", "dns-01")], "must be one of `tls-alpn-01`, `http-01`");
    one(&[("acme_challenge", "http-01")], "needs `redirect_listen`");
    one(&[("acme_ca", "/nowhere/ca.pem")], "cannot be read");
    one(&[("public_url", "https://other.example")], "does not hold `other.example`");
    one(&[("public_url", "http://localhost")], "since `acme_domain` is set");
    one(&[("tls_cert", "Cargo.toml"), ("tls_key", "Cargo.toml")], "both set");
    one(&[("redirect_listen", "0.0.0.0:443")], "are the same");
    one(&[("redirect_listen", "here")], "must be an IP address and a port");
    let alone = |flags: &[(&str, &str)], text: &str| {
        let errors = errors("", &[], flags);
        assert!(errors.iter().any(|error| error.contains(text)), "{text} is not in {errors:#?}");
    };
    alone(&[("acme_domain", "trust.northwind.example")], "`acme_contact`");
    alone(&[("acme_contact", "ops@northwind.example")], "set without `acme_domain`");
    alone(&[("redirect_listen", "0.0.0.0:80")], "set without TLS");
}

#[test]
fn plain_http_is_for_localhost_only() {
    for good in [
        "http://localhost:8480",
        "http://127.0.0.1",
        "http://[::1]:1/",
        "http://a.localhost",
        "https://trust.example.com",
        "https://192.0.2.1:8443",
    ] {
        assert!(load("", &[], &[("public_url", good)]).is_ok(), "{good}");
    }
    for bad in [
        "http://trust.example.com",
        "http://10.0.0.1",
        "http://localhost.example.com",
        "https://x.example/path",
        "https://u@x.example",
        "https://x.example/?a",
        "ftp://x.example",
        "x.example",
        "",
    ] {
        let errors = errors("", &[], &[("public_url", bad)]);
        assert!(errors[0].starts_with("`public_url` (option)"), "{bad}: {errors:?}");
    }
}

#[test]
fn secrets_are_shown_masked() {
    let config = load(
        "database = 'postgres://bailiwick:hunter2@db/x?password=hunter3'\nsmtp_url = 'smtps://user:hunter4@mail'",
        &[],
        &[],
    )
    .unwrap();
    let all: String = config.effective().iter().map(|effective| effective.value.as_str()).collect();
    assert!(!all.contains("hunter"), "{all}");
    assert_eq!(shown(&config, "database").0, "postgres://bailiwick:****@db/x");
    assert_eq!(shown(&config, "smtp_url").0, "smtps://user:****@mail");
    for odd in ["postgres://hunter2", "postgresql:///x?password=hunter2", "postgres://u:hunter2@%zz"] {
        let Ok(config) = load("", &[], &[("database", odd)]) else { continue };
        let (value, _) = shown(&config, "database");
        assert!(!value.contains("u:hunter2") && !value.contains("password"), "{value}");
    }
}

#[test]
fn lists_are_read_alike_everywhere() {
    let expected: Vec<SocketAddr> =
        vec!["192.0.2.1:53".parse().unwrap(), "[2001:db8::1]:5353".parse().unwrap()];
    let file = load("dns_servers = ['192.0.2.1', '[2001:db8::1]:5353']", &[], &[]).unwrap();
    let env = load("", &[("BAILIWICK_DNS_SERVERS", "192.0.2.1, [2001:db8::1]:5353")], &[]).unwrap();
    assert_eq!((file.dns_servers, env.dns_servers), (expected.clone(), expected));
}

#[test]
fn only_trusted_proxies_are_believed() {
    let config = load("trusted_proxies = ['10.0.0.0/8', '192.0.2.7']", &[], &[]).unwrap();
    let trusts = |ip: &str| config.trusts_proxy(ip.parse().unwrap());
    assert!(trusts("10.1.2.3") && trusts("192.0.2.7") && trusts("::ffff:10.1.2.3"));
    assert!(!trusts("192.0.2.8") && !trusts("127.0.0.1") && !trusts("::1"));
    assert!(!Config::load(&Sources::default()).unwrap().trusts_proxy("127.0.0.1".parse().unwrap()));
}

#[test]
fn keys_are_names_that_every_source_can_carry() {
    let mut seen = std::collections::BTreeSet::new();
    for setting in settings() {
        assert!(seen.insert(setting.key), "`{}` is there twice", setting.key);
        assert!(setting.key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{}", setting.key);
        assert!(setting.doc.ends_with('.'), "the doc of `{}` is no sentence", setting.key);
    }
}

#[test]
fn the_reference_page_is_written_from_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/configuration.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, reference()).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        page == reference(),
        "docs/reference/configuration.md is out of date: run this test once with UPDATE_DOCS=1"
    );
}

proptest::proptest! {
    #[test]
    fn no_file_and_no_value_makes_the_reader_panic(file in ".{0,200}", value in ".{0,40}", index in 0_usize..40) {
        let key = settings()[index % settings().len()].key;
        let _ = load(&file, &[], &[(key, &value)]);
        let _ = load(&format!("{key} = {value}"), &[], &[]);
    }
}
