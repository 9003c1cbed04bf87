//! The same code twice is two places to forget. A run of lines that stands in two places of the product, word
//! for word, is refused; imports, brackets and blank lines do not count.

use std::collections::HashMap;

use super::Finding;
use super::repository::Repository;

/// Shorter runs are often just the shape of the language.
const RUN_LINES: usize = 16;

pub fn check(repository: &Repository) -> Vec<Finding> {
    let mut seen: HashMap<Vec<String>, (String, usize)> = HashMap::new();
    let mut found = Vec::new();
    for file in repository.with_extension("rs").filter(|file| !file.is_test()) {
        let lines = telling_lines(&file.source(), &file.text);
        let mut next = 0;
        for start in 0..lines.len().saturating_sub(RUN_LINES - 1) {
            let run: Vec<String> =
                lines[start..start + RUN_LINES].iter().map(|(_, text)| text.clone()).collect();
            let line = lines[start].0;
            match seen.get(&run) {
                // One finding for a run, however much longer it is.
                Some((path, first)) if start >= next => {
                    let message = format!(
                        "{RUN_LINES} or more lines as in {path}:{first}; make it one function that both call"
                    );
                    found.push(Finding::new(&file.path, line, message));
                    next = start + RUN_LINES;
                }
                Some(_) => next = start + RUN_LINES,
                None => {
                    seen.insert(run, (file.path.clone(), line));
                }
            }
        }
    }
    found
}

fn telling_lines(source: &crate::source::Source, text: &str) -> Vec<(usize, String)> {
    let original: Vec<&str> = text.lines().collect();
    source
        .code_lines()
        .filter(|(line, code)| {
            let code = code.trim();
            code.len() > 3
                && !code.starts_with("use ")
                && !code.starts_with("pub use ")
                && !source.is_test(*line)
        })
        .map(|(line, _)| {
            (line, original.get(line - 1).map_or_else(String::new, |text| text.trim().to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(lines: usize, seed: &str) -> String {
        (0..lines).map(|n| format!("    let {seed}{n} = step({n});\n")).collect()
    }

    #[test]
    fn the_same_run_in_two_files_is_refused_once() {
        let (a, b) =
            (format!("fn a() {{\n{}}}\n", code(20, "x")), format!("fn b() {{\n\n{}}}\n", code(20, "x")));
        let found = check(&Repository::of(&[("a.rs", &a), ("b.rs", &b)]));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].path.as_str(), found[0].line), ("b.rs", 3));
        assert!(found[0].message.contains("a.rs:2"));
    }

    #[test]
    fn short_runs_other_code_and_tests_are_accepted() {
        let (short, other) = (code(RUN_LINES - 1, "x"), code(30, "y"));
        assert_eq!(check(&Repository::of(&[("a.rs", &short), ("b.rs", &short), ("c.rs", &other)])), []);
        assert_eq!(check(&Repository::of(&[("tests/a.rs", &other), ("tests/b.rs", &other)])), []);
    }
}
