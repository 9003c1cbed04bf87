//! The program; everything it is made of stands in the library beside this file.

use std::process::ExitCode;

fn main() -> ExitCode {
    bailiwick::cli::main()
}
