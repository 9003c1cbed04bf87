//! Files one can read in one sitting and functions that fit a screen.

use super::Finding;
use super::repository::Repository;

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;
/// Of all functions, at most one in this many may be longer.
const ONE_IN: usize = 100;

const KINDS: [&str; 8] = ["rs", "html", "css", "js", "mjs", "py", "sh", "sql"];

pub fn check(repository: &Repository) -> Vec<Finding> {
    let mut found = long_files(repository);
    found.extend(long_functions(repository));
    found
}

fn long_files(repository: &Repository) -> Vec<Finding> {
    let mut found = Vec::new();
    for kind in KINDS {
        for file in repository.with_extension(kind) {
            let lines = file.lines().count();
            if lines > FILE_LINES_MAX {
                let message =
                    format!("{lines} lines, at most {FILE_LINES_MAX}; split it where its subject splits");
                found.push(Finding::new(&file.path, 0, message));
            }
        }
    }
    found
}

/// Nothing as long as the share is held; else every long function, because any of them may be the cure.
fn long_functions(repository: &Repository) -> Vec<Finding> {
    let (mut all, mut long) = (0, Vec::new());
    for file in repository.with_extension("rs") {
        for function in file.source().functions() {
            all += 1;
            if function.lines > FUNCTION_LINES_MAX {
                let message = format!(
                    "`{}` has {} lines, wanted at most {FUNCTION_LINES_MAX}; name its steps as functions",
                    function.name, function.lines
                );
                long.push(Finding::new(&file.path, function.line, message));
            }
        }
    }
    if long.len() * ONE_IN < all || long.is_empty() { Vec::new() } else { long }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(name: &str, lines: usize) -> String {
        format!("fn {name}() {{\n{}}}\n", "  step();\n".repeat(lines))
    }

    #[test]
    fn a_file_may_have_600_lines_and_not_one_more() {
        let (fits, too_long) = ("x\n".repeat(600), "x\n".repeat(601));
        assert_eq!(
            check(&Repository::of(&[("a.rs", &fits), ("Cargo.lock", &too_long), ("x.min.js", &too_long)])),
            []
        );
        let found = check(&Repository::of(&[("a.html", &too_long)]));
        assert!(found[0].message.starts_with("601 lines"));
    }

    #[test]
    fn one_long_function_in_a_hundred_is_too_many() {
        let few: String = (0..99).map(|n| function(&format!("f{n}"), 1)).collect();
        let found = check(&Repository::of(&[("a.rs", &few), ("b.rs", &function("long", 71))]));
        assert_eq!((found.len(), found[0].line), (1, 1));
        assert!(found[0].message.contains("`long` has 71 lines"));
    }

    #[test]
    fn fewer_are_accepted() {
        let many: String = (0..100).map(|n| function(&format!("f{n}"), 1)).collect();
        assert_eq!(check(&Repository::of(&[("a.rs", &many), ("b.rs", &function("long", 71))])), []);
        assert_eq!(check(&Repository::of(&[("b.rs", &function("fits", 70))])), []);
    }
}
