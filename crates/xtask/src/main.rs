//! Checks on the repository itself. `cargo run -p bailiwick-xtask -- tidy` reads what is about to be committed
//! and says, line by line, what breaks a rule of this code base and how to put it right.

mod source;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo run -p bailiwick-xtask -- tidy";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["tidy"] => tidy::run(),
        [] => fail(USAGE),
        [word, ..] => fail(&format!("no subcommand `{word}`; {USAGE}")),
    }
}

fn fail(message: &str) -> ExitCode {
    eprintln!("error: {message}");
    ExitCode::FAILURE
}
