//! What the rules look at: every file that is, or is about to be, committed, and the crates with their edges.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::source::Source;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("`{command}` failed: {message}; run it by hand to see why")]
    Command { command: String, message: String },
    #[error("cannot read `{path}`: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "cannot understand what `cargo metadata` says: {0}; is this cargo older than the workspace asks for?"
    )]
    Metadata(#[from] serde_json::Error),
}

pub struct File {
    /// From the repository's root, with `/`.
    pub path: String,
    /// Empty for what is not text.
    pub text: String,
}

impl File {
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    pub fn extension(&self) -> &str {
        self.name().rsplit_once('.').map_or("", |(_, extension)| extension)
    }

    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// Taken from elsewhere as it is, or written by a tool: nobody edits it, so style rules pass it by.
    pub fn is_foreign(&self) -> bool {
        self.name().contains(".min.") || self.path.contains("/vendor/") || self.extension() == "lock"
    }

    /// Test code as a whole: a test file, or the crates and folders that only tests use.
    pub fn is_test(&self) -> bool {
        self.path.contains("/tests/")
            || self.path.starts_with("tests/")
            || self.name() == "tests.rs"
            || self.path.starts_with("crates/testkit/")
    }

    pub fn source(&self) -> Source {
        Source::read(&self.text, self.is_test())
    }
}

/// A crate of ours.
pub struct Package {
    /// Its folder under `crates/`, which is the name the design uses.
    pub name: String,
    pub manifest: String,
    pub dependencies: Vec<Dependency>,
}

pub struct Dependency {
    /// The folder of a crate of ours, the registry's name of any other.
    pub name: String,
    pub ours: bool,
    pub dev: bool,
}

pub struct Repository {
    pub files: Vec<File>,
    pub packages: Vec<Package>,
}

impl Repository {
    pub fn open() -> Result<Self, Error> {
        let root =
            PathBuf::from(output(Command::new("git").args(["rev-parse", "--show-toplevel"]))?.trim_end());
        let listed = output(Command::new("git").current_dir(&root).args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]))?;
        let mut files = Vec::new();
        for path in listed.split('\0').filter(|path| !path.is_empty()) {
            match std::fs::read(root.join(path)) {
                Ok(bytes) => {
                    files.push(File {
                        path: path.to_owned(),
                        text: String::from_utf8(bytes).unwrap_or_default(),
                    });
                }
                // Deleted here and not yet in the index.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(Error::Read { path: path.into(), source }),
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|a, b| a.path == b.path);
        let metadata = output(Command::new("cargo").current_dir(&root).args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
        ]))?;
        Ok(Self { files, packages: packages(&metadata)? })
    }

    /// A repository made of these files, for the tests of rules.
    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| File { path: (*path).into(), text: (*text).into() };
        Self { files: files.iter().map(file).collect(), packages: Vec::new() }
    }

    pub fn with_extension<'a>(&'a self, extension: &'a str) -> impl Iterator<Item = &'a File> {
        self.files.iter().filter(move |file| file.extension() == extension && !file.is_foreign())
    }
}

fn output(command: &mut Command) -> Result<String, Error> {
    let name = format!("{command:?}").replace('"', "");
    let run = command
        .output()
        .map_err(|error| Error::Command { command: name.clone(), message: error.to_string() })?;
    if run.status.success() {
        Ok(String::from_utf8_lossy(&run.stdout).into_owned())
    } else {
        Err(Error::Command { command: name, message: String::from_utf8_lossy(&run.stderr).trim().to_owned() })
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
}

#[derive(Deserialize)]
struct MetadataPackage {
    manifest_path: PathBuf,
    dependencies: Vec<MetadataDependency>,
}

#[derive(Deserialize)]
struct MetadataDependency {
    name: String,
    path: Option<PathBuf>,
    kind: Option<String>,
}

pub fn packages(metadata: &str) -> Result<Vec<Package>, Error> {
    let metadata: Metadata = serde_json::from_str(metadata)?;
    Ok(metadata.packages.into_iter().map(package).collect())
}

fn package(read: MetadataPackage) -> Package {
    let folder =
        |path: &Path| path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let name = read.manifest_path.parent().map_or_else(String::new, folder);
    let dependency = |read: MetadataDependency| Dependency {
        ours: read.path.is_some(),
        name: read.path.as_deref().map_or(read.name, folder),
        dev: read.kind.as_deref() == Some("dev"),
    };
    Package {
        manifest: format!("crates/{name}/Cargo.toml"),
        name,
        dependencies: read.dependencies.into_iter().map(dependency).collect(),
    }
}
