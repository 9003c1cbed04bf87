//! The bill of materials of the program as CycloneDX 1.6 JSON: every package that the binary is built from, with its
//! identity (purl), licence, the digest of its archive from Cargo.lock, and who depends on whom.
//!
//! What it promises: the same Cargo.lock gives the same bytes (no time, no random serial number); nothing that the
//! binary is built from is left out. It may hold a package more than the binary needs, never one less: `cargo metadata`
//! joins the features that all crates of the workspace ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::lockfile::{Lockfile, root};

#[cfg(test)]
mod tests;

/// The package whose binary is shipped.
const PROGRAM: &str = "bailiwick";
const TARGET: &str = "x86_64-unknown-linux-gnu";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    license_file: Option<String>,
    description: Option<String>,
    repository: Option<String>,
    source: Option<String>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    /// `None` for an ordinary dependency, else `dev` or `build`.
    kind: Option<String>,
}

/// Prints the bill of materials.
pub fn run() -> Result<(), String> {
    let document = document(&metadata()?, &Lockfile::open()?)?;
    let text = serde_json::to_string_pretty(&document).map_err(|error| error.to_string())?;
    println!("{text}");
    Ok(())
}

fn metadata() -> Result<Metadata, String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root())
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", TARGET])
        .output()
        .map_err(|error| format!("cannot run cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("cannot read cargo metadata: {error}"))
}

fn document(metadata: &Metadata, lockfile: &Lockfile) -> Result<Value, String> {
    let packages: BTreeMap<&str, &Package> =
        metadata.packages.iter().map(|package| (package.id.as_str(), package)).collect();
    let program = metadata
        .packages
        .iter()
        .find(|package| package.name == PROGRAM && package.source.is_none())
        .ok_or_else(|| format!("there is no package `{PROGRAM}` in this workspace"))?;
    let graph = graph(metadata, &packages);
    let built = reach(&graph, &program.id, |_| true);
    let linked = reach(&graph, &program.id, |edge| edge.linked);
    let mut components = Vec::new();
    for id in built.iter().filter(|id| **id != program.id) {
        let package = packages.get(id).ok_or_else(|| format!("cargo metadata does not describe `{id}`"))?;
        components.push(component(package, lockfile, linked.contains(id))?);
    }
    components.sort_by_key(|component| component["bom-ref"].as_str().map(str::to_owned));
    let mut dependencies = Vec::new();
    for id in &built {
        let Some(package) = packages.get(id) else { continue };
        let on: BTreeSet<String> = graph
            .get(id)
            .into_iter()
            .flatten()
            .filter_map(|edge| packages.get(edge.to).map(|package| reference(package)))
            .collect();
        dependencies.push(json!({ "ref": reference(package), "dependsOn": on }));
    }
    dependencies.sort_by_key(|dependency| dependency["ref"].as_str().map(str::to_owned));
    let mut root = component(program, lockfile, true)?;
    root["type"] = "application".into();
    Ok(json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": root,
            "tools": { "components": [{ "type": "application", "name": "bailiwick-xtask" }] },
            "properties": [{ "name": "cargo:target", "value": TARGET }],
        },
        "components": components,
        "dependencies": dependencies,
    }))
}

struct Edge<'a> {
    to: &'a str,
    /// Its code ends up in the program: no build script's dependency, no macro.
    linked: bool,
}

type Graph<'a> = BTreeMap<&'a str, Vec<Edge<'a>>>;

/// Who is built with what. What only tests use is left out.
fn graph<'a>(metadata: &'a Metadata, packages: &BTreeMap<&str, &Package>) -> Graph<'a> {
    let is_macro = |id: &str| {
        let targets = packages.get(id).map_or(&[][..], |package| &package.targets);
        targets.iter().any(|target| target.kind.iter().any(|kind| kind == "proc-macro"))
    };
    let edges = |node: &'a Node| {
        let kept = node.deps.iter().filter_map(|dependency| {
            let has =
                |wanted: Option<&str>| dependency.dep_kinds.iter().any(|kind| kind.kind.as_deref() == wanted);
            let ordinary = has(None);
            (ordinary || has(Some("build")))
                .then(|| Edge { to: dependency.pkg.as_str(), linked: ordinary && !is_macro(&dependency.pkg) })
        });
        (node.id.as_str(), kept.collect())
    };
    metadata.resolve.nodes.iter().map(edges).collect()
}

fn reach<'a>(graph: &Graph<'a>, from: &'a str, follow: impl Fn(&Edge<'a>) -> bool) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(id) = open.pop() {
        for edge in graph.get(id).into_iter().flatten().filter(|edge| follow(edge)) {
            if seen.insert(edge.to) {
                open.push(edge.to);
            }
        }
    }
    seen
}

fn component(package: &Package, lockfile: &Lockfile, linked: bool) -> Result<Value, String> {
    let mut component = json!({
        "type": "library",
        "bom-ref": reference(package),
        "name": package.name,
        "version": package.version,
        "purl": reference(package),
        // What runs while building and is not in the program.
        "scope": if linked { "required" } else { "excluded" },
        "licenses": licences(package)?,
    });
    if let Some(text) = &package.description {
        component["description"] = text.split_whitespace().collect::<Vec<_>>().join(" ").into();
    }
    if let Some(url) = &package.repository {
        component["externalReferences"] = json!([{ "type": "vcs", "url": url }]);
    }
    if package.source.is_some() {
        let checksum = lockfile
            .find(&package.name, &package.version)
            .and_then(|locked| locked.checksum.as_ref())
            .ok_or_else(|| format!("Cargo.lock has no checksum of {} {}", package.name, package.version))?;
        component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
    }
    Ok(component)
}

/// The purl. Our own packages are on no registry: as `cargo` they would be taken for whatever has their name there.
fn reference(package: &Package) -> String {
    let kind = if package.source.is_some() { "cargo" } else { "generic" };
    // `+` begins build metadata and must be escaped in a purl.
    format!("pkg:{kind}/{}@{}", package.name, package.version.replace('+', "%2B"))
}

fn licences(package: &Package) -> Result<Value, String> {
    let Some(text) = &package.license else {
        return match &package.license_file {
            Some(file) => Ok(json!([{ "license": { "name": format!("in its file {file}") } }])),
            None => Err(format!("{} {} names no licence", package.name, package.version)),
        };
    };
    // Old manifests write `MIT/Apache-2.0`.
    let text = text.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ");
    if text.contains(' ') {
        Ok(json!([{ "expression": text }]))
    } else {
        Ok(json!([{ "license": { "id": text } }]))
    }
}
