//! Checks on the repository itself, and the papers that go with a release.
//!
//! - `tidy` reads what is about to be committed and says, line by line, what breaks a rule of this code base and how to
//!   put it right.
//! - `sbom` prints the bill of materials of the program.
//! - `advisories SNAPSHOT` checks Cargo.lock against published security advisories.

mod advisories;
mod lockfile;
mod sbom;
mod source;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo run -p bailiwick-xtask -- tidy | sbom | advisories SNAPSHOT";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["tidy"] => tidy::run(),
        ["sbom"] => match sbom::run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        },
        ["advisories", snapshot] => match advisories::run(snapshot) {
            Ok(looked_at) => {
                println!("{looked_at}");
                ExitCode::SUCCESS
            }
            Err(wrong) => {
                wrong.iter().for_each(|one| println!("{one}"));
                fail(&format!("{} to put right", wrong.len()))
            }
        },
        [] => fail(USAGE),
        [word, ..] => fail(&format!("no subcommand `{word}`; {USAGE}")),
    }
}

fn fail(message: &str) -> ExitCode {
    eprintln!("error: {message}");
    ExitCode::FAILURE
}
