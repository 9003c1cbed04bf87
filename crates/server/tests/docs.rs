//! The reference of the command line is what the program itself says: `docs/reference/cli.md` is made of its `-h`.
//!
//! To write it anew after a change: `BAILIWICK_WRITE_DOCS=1 cargo test -p bailiwick --test docs`.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;

const HEAD: &str = "# The command line

<!-- Written from the program's own help by `crates/server/tests/docs.rs`; a test compares. -->

A command talks to a running installation (`--url`, `--token`) or, on the server's machine, to its store (`--data DIR`, or
`--database`): the same API, in process, as the operator. `--json` prints what the API answers, for programs.

Exit codes: 0 done; 1 refused or failed; 2 the command line or the configuration is wrong; 3 a check found damage. A refusal says
what was wrong and the cure, on standard error. Settings of `serve`: [configuration](configuration.md).
";

/// What `bailiwick WORDS… -h` prints, on a machine without settings.
fn help(words: &[String]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_bailiwick"))
        .args(words)
        .arg("-h")
        .env_clear()
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{words:?} -h: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("help is UTF-8");
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// The names under `Commands:`.
fn commands(help: &str) -> Vec<&str> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        // A description that is too long goes on further to the right.
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect()
}

fn describe(words: &[String], page: &mut String) {
    let said = help(words);
    let title =
        std::iter::once("bailiwick").chain(words.iter().map(String::as_str)).collect::<Vec<_>>().join(" ");
    let level = if words.len() > 1 { "###" } else { "##" };
    write!(page, "\n{level} `{title}`\n```text\n{}\n```\n", said.trim_end())
        .expect("a String takes everything");
    for name in commands(&said) {
        let mut deeper = words.to_vec();
        deeper.push(name.to_owned());
        describe(&deeper, page);
    }
}

#[test]
fn the_reference_is_what_the_program_says() {
    let mut page = HEAD.to_owned();
    describe(&[], &mut page);
    assert!(page.contains("### `bailiwick domain add`"), "sub-commands are found:\n{page}");
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/cli.md");
    if std::env::var_os("BAILIWICK_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("the reference is written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let first = page.lines().zip(written.lines()).find(|(said, stands)| said != stands);
    assert!(
        written == page,
        "docs/reference/cli.md is out of date (program, file): {first:?}; \
         BAILIWICK_WRITE_DOCS=1 cargo test -p bailiwick --test docs"
    );
}
