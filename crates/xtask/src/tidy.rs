//! The rules of this code base that no compiler knows. Each is one file beside this one: a function from the
//! repository to findings, with tests that show it can fail. To add one, write it and name it in [`RULES`].

mod asvs;
mod doc_paths;
mod duplicates;
mod imports;
mod machine;
mod migrations;
mod repository;
mod security_pages;
mod sizes;
mod templates;
mod vocabulary;
mod wording;

use std::process::ExitCode;

use repository::Repository;

/// What is wrong, where, and what cures it. Line 0 means the whole file.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub path: String,
    pub line: usize,
    pub message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

type Rule = fn(&Repository) -> Vec<Finding>;

const RULES: [(&str, Rule); 10] = [
    ("imports", imports::check),
    ("file vocabulary", vocabulary::check),
    ("sizes", sizes::check),
    ("paths in the documentation", doc_paths::check),
    ("wording", wording::check),
    ("machine paths and secrets", machine::check),
    ("templates", templates::check),
    ("migrations", migrations::check),
    ("duplicates", duplicates::check),
    ("security pages", security_pages::check),
];

/// Checks everything, prints what breaks a rule, and closes with a count of rules.
pub fn run() -> ExitCode {
    let repository = match Repository::open() {
        Ok(repository) => repository,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut broken = 0;
    for (name, rule) in RULES {
        let mut findings = rule(&repository);
        findings.sort();
        for finding in &findings {
            match finding.line {
                0 => println!("{}: {}", finding.path, finding.message),
                line => println!("{}:{line}: {}", finding.path, finding.message),
            }
        }
        if !findings.is_empty() {
            println!("{name}: {} to put right\n", findings.len());
            broken += 1;
        }
    }
    println!("tidy: {} passed, {broken} failed", RULES.len() - broken);
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
