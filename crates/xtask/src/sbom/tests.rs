use super::*;

fn bill() -> Value {
    document(&metadata().unwrap(), &Lockfile::open().unwrap()).unwrap()
}

fn references(bill: &Value) -> BTreeSet<String> {
    let components = bill["components"].as_array().unwrap().iter();
    components
        .chain([&bill["metadata"]["component"]])
        .map(|one| one["bom-ref"].as_str().unwrap().to_owned())
        .collect()
}

/// What `cargo tree` says the binary is built from: another program's word on the same question.
fn tree() -> BTreeSet<String> {
    let output = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()))
        .current_dir(root())
        .args(["tree", "--package", PROGRAM, "--locked", "--edges", "normal,build", "--target", TARGET])
        .args(["--prefix", "none", "--format", "{p}"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let named = text.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
        Some(format!("{name}@{}", version.replace('+', "%2B")))
    });
    named.collect()
}

#[test]
fn everything_the_binary_is_built_from_is_in_it() {
    let bill = bill();
    let told: BTreeSet<String> =
        references(&bill).iter().filter_map(|purl| Some(purl.rsplit_once('/')?.1.to_owned())).collect();
    let tree = tree();
    assert!(tree.len() > 200, "cargo tree named only {} packages", tree.len());
    let missing: Vec<_> = tree.difference(&told).collect();
    assert!(missing.is_empty(), "not in the bill of materials: {missing:?}");
    // Features of tests may add a little; they must not bring the packages of the tests themselves.
    let more: Vec<_> = told.difference(&tree).collect();
    assert!(more.len() < 40, "{more:?}");
    for test_only in ["proptest", "insta", "tempfile", "bailiwick-testkit", "bailiwick-bench"] {
        assert!(
            !told.iter().any(|one| one.starts_with(&format!("{test_only}@"))),
            "{test_only} is not shipped"
        );
    }
}

#[test]
fn every_component_has_what_a_scanner_asks_for() {
    let bill = bill();
    assert_eq!((bill["bomFormat"].as_str(), bill["specVersion"].as_str()), (Some("CycloneDX"), Some("1.6")));
    assert_eq!(bill["metadata"]["component"]["type"], "application");
    let lockfile = Lockfile::open().unwrap();
    let references = references(&bill);
    let components = bill["components"].as_array().unwrap();
    assert_eq!(references.len(), components.len() + 1, "references are unique");
    let mut linked = 0;
    for component in components {
        let name = component["name"].as_str().unwrap();
        assert!(component["purl"].as_str().unwrap().starts_with("pkg:"), "{name}");
        let licences = component["licenses"].as_array().unwrap();
        // The schema allows one expression alone, or single licences.
        assert_eq!(licences.len(), 1, "{name}");
        assert!(licences[0]["expression"].is_string() || licences[0]["license"].is_object(), "{name}");
        linked += usize::from(component["scope"] == "required");
        if component["purl"].as_str().unwrap().starts_with("pkg:cargo/") {
            let hash = component["hashes"][0]["content"].as_str().unwrap();
            assert!(hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
            let locked = lockfile.find(name, component["version"].as_str().unwrap()).unwrap();
            assert_eq!(locked.checksum.as_deref(), Some(hash), "{name}");
        } else {
            assert!(name.starts_with("bailiwick-"), "{name} has no registry and is not ours");
        }
    }
    assert!(linked > 100 && linked < components.len(), "{linked} of {}", components.len());
    let scope = |name: &str| {
        let found = components.iter().find(|component| component["name"] == name).unwrap();
        found["scope"].as_str().unwrap().to_owned()
    };
    assert_eq!(scope("rustls"), "required");
    assert_eq!(scope("serde_derive"), "excluded", "a macro runs while building");
    assert_eq!(scope("cc"), "excluded", "a build script's helper runs while building");
}

#[test]
fn the_graph_names_only_what_is_there_and_hangs_together() {
    let bill = bill();
    let references = references(&bill);
    let mut edges: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for dependency in bill["dependencies"].as_array().unwrap() {
        let on = dependency["dependsOn"].as_array().unwrap().iter().map(|to| to.as_str().unwrap().to_owned());
        assert!(edges.insert(dependency["ref"].as_str().unwrap().to_owned(), on.collect()).is_none());
    }
    assert_eq!(edges.keys().cloned().collect::<BTreeSet<_>>(), references);
    let root = bill["metadata"]["component"]["bom-ref"].as_str().unwrap().to_owned();
    let mut seen = BTreeSet::from([root.clone()]);
    let mut open = vec![root];
    while let Some(at) = open.pop() {
        for to in &edges[&at] {
            if seen.insert(to.clone()) {
                open.push(to.clone());
            }
        }
    }
    assert_eq!(seen, references, "everything hangs on the program");
}

#[test]
fn the_same_lock_file_gives_the_same_bytes() {
    assert_eq!(serde_json::to_string(&bill()).unwrap(), serde_json::to_string(&bill()).unwrap());
}

#[test]
fn a_package_without_licence_or_checksum_is_an_error() {
    let mut metadata = metadata().unwrap();
    let lockfile = Lockfile::open().unwrap();
    let rustls = metadata.packages.iter_mut().find(|package| package.name == "rustls").unwrap();
    let licence = rustls.license.take();
    assert!(document(&metadata, &lockfile).unwrap_err().contains("names no licence"));
    metadata.packages.iter_mut().find(|package| package.name == "rustls").unwrap().license = licence;
    let mut bare = Lockfile::open().unwrap();
    bare.package.retain(|package| package.name != "rustls");
    assert!(document(&metadata, &bare).unwrap_err().contains("no checksum of rustls"));
}
