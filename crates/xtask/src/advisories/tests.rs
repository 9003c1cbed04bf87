use super::*;

fn locked(name: &str, version: &str) -> Lockfile {
    let source = Some("registry+https://github.com/rust-lang/crates.io-index".to_owned());
    Lockfile { package: vec![Locked { name: name.into(), version: version.into(), source, checksum: None }] }
}

fn advisory(events: &str) -> Vec<Advisory> {
    let text = format!(
        r#"{{"id":"RUSTSEC-2020-0001","summary":"it bites","published":"2020-01-01T00:00:00Z",
            "affected":[{{"package":{{"ecosystem":"crates.io","name":"biter"}},
            "ranges":[{{"type":"SEMVER","events":{events}}}]}}]}}"#
    );
    vec![serde_json::from_str(&text).unwrap()]
}

fn hit(events: &str, version: &str) -> bool {
    check(&advisory(events), &locked("biter", version), &Allowances::default(), "2026-01-01").is_err()
}

fn allow(until: &str) -> Allowances {
    toml::from_str(&format!(
        "[[allow]]\nid = 'RUSTSEC-2020-0001'\npackage = 'biter'\nreason = 'the biting part is not compiled'\nuntil = '{until}'"
    ))
    .unwrap()
}

#[test]
fn a_range_holds_what_lies_between_its_events() {
    let fixed = r#"[{"introduced":"0.0.0-0"},{"fixed":"1.2.3"}]"#;
    for (version, bitten) in
        [("0.0.1", true), ("1.2.2", true), ("1.2.3-rc.1", true), ("1.2.3", false), ("2.0.0", false)]
    {
        assert_eq!(hit(fixed, version), bitten, "{version}");
    }
    let twice = r#"[{"introduced":"1.0.0"},{"fixed":"1.0.5"},{"introduced":"2.0.0"},{"fixed":"2.0.2"}]"#;
    for (version, bitten) in [
        ("0.9.9", false),
        ("1.0.0", true),
        ("1.0.5", false),
        ("1.9.0", false),
        ("2.0.1", true),
        ("2.0.2", false),
    ] {
        assert_eq!(hit(twice, version), bitten, "{version}");
    }
    let last = r#"[{"introduced":"0"},{"last_affected":"3.0.0"}]"#;
    assert!(hit(last, "3.0.0") && !hit(last, "3.0.1"));
    let never = r#"[{"introduced":"0.0.0-0"}]"#;
    assert!(hit(never, "99.0.0+build.7"));
    // Events come in any order.
    assert!(hit(r#"[{"fixed":"1.2.3"},{"introduced":"1.0.0"}]"#, "1.1.0"));
}

#[test]
fn other_packages_own_packages_and_withdrawn_advisories_do_not_count() {
    let never = r#"[{"introduced":"0.0.0-0"}]"#;
    let none = Allowances::default();
    assert!(check(&advisory(never), &locked("other", "1.0.0"), &none, "2026-01-01").is_ok());
    let mut own = locked("biter", "1.0.0");
    own.package[0].source = None;
    assert!(check(&advisory(never), &own, &none, "2026-01-01").is_ok());
    let mut withdrawn = advisory(never);
    withdrawn[0].withdrawn = Some("2021-01-01T00:00:00Z".into());
    assert!(check(&withdrawn, &locked("biter", "1.0.0"), &none, "2026-01-01").is_ok());
}

#[test]
fn an_allowance_needs_a_reason_ends_and_must_be_needed() {
    let never = advisory(r#"[{"introduced":"0.0.0-0"}]"#);
    let biter = locked("biter", "1.0.0");
    assert!(check(&never, &biter, &allow("2026-06-30"), "2026-06-30").is_ok());
    let ended = check(&never, &biter, &allow("2026-06-30"), "2026-07-01").unwrap_err();
    assert!(ended[0].contains("ended on 2026-06-30"), "{ended:?}");
    let idle = check(&never, &locked("other", "1.0.0"), &allow("2026-06-30"), "2026-01-01").unwrap_err();
    assert!(idle[0].contains("remove it"), "{idle:?}");
    let mut curt = allow("2026-06-30");
    curt.allow[0].reason = "ok".into();
    assert!(check(&never, &biter, &curt, "2026-01-01").unwrap_err()[0].contains("reason"));
}

/// The real snapshot beside the checkout knows an old `time`, and does not know the one that cured it.
#[test]
fn the_real_data_is_read() {
    let archive = root().join("../shared/data/rustsec-osv/advisories-2016-2022.tar.gz");
    if !archive.exists() {
        eprintln!("skipped: there is no snapshot of advisories beside this checkout ({})", archive.display());
        return;
    }
    let advisories = read(&archive).unwrap();
    assert!(advisories.len() > 400, "{}", advisories.len());
    let told = |version: &str| {
        let found = check(&advisories, &locked("time", version), &Allowances::default(), "2026-01-01");
        found.err().unwrap_or_default().join("\n")
    };
    assert!(told("0.2.7").contains("RUSTSEC-2020-0071"), "{}", told("0.2.7"));
    assert_eq!(told("0.2.23"), "");
    for advisory in &advisories {
        for affected in &advisory.affected {
            for range in &affected.ranges {
                inside(&range.events, &Version::new(1, 0, 0)).unwrap();
            }
        }
    }
}
