//! The pages under docs/security/ cannot rot: every test they name exists, the page on OWASP ASVS has each requirement
//! of the standard once, with its level, a state and what the state rests on, and its sum is right.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::asvs::{COUNT, SECTIONS};
use super::repository::{File, Repository};

const FOLDER: &str = "docs/security/";
const ASVS: &str = "docs/security/asvs.md";
const STATES: [&str; 4] = ["met", "partly", "not yet", "not applicable"];
/// A line of the checklist that nothing holds says why with these words.
const NOT_BUILT: &str = "Not built:";

pub fn check(repository: &Repository) -> Vec<Finding> {
    let pages: Vec<&File> =
        repository.with_extension("md").filter(|file| file.path.starts_with(FOLDER)).collect();
    if pages.is_empty() {
        return Vec::new();
    }
    let tests = tests(repository);
    let mut found = Vec::new();
    for page in pages {
        found.extend(unknown_tests(page, &tests));
        found.extend(if page.path == ASVS { check_asvs(page) } else { check_list(page) });
    }
    found
}

/// `users::login::tests::next_never_leads_outside`, `server::it::walks::an_auditor_changes_nothing`.
fn tests(repository: &Repository) -> BTreeSet<String> {
    let rust = repository.with_extension("rs").filter(|file| file.path.starts_with("crates/"));
    rust.flat_map(tests_of).collect()
}

fn tests_of(file: &File) -> Vec<String> {
    let Some(place) = module_of(&file.path) else { return Vec::new() };
    let source = file.source();
    let lines: Vec<&str> = source.code.lines().collect();
    let whole_file = file.is_test();
    let is_test = |line: usize| {
        let above = lines[..line.saturating_sub(1)].iter().rev();
        let mut attributes = above.map(|text| text.trim()).take_while(|text| {
            text.is_empty() || text.starts_with("#[") || text.ends_with(']') && !text.contains('{')
        });
        attributes.any(|text| text.starts_with("#[test]") || text.starts_with("#[tokio::test"))
    };
    let name = |function: &str| match whole_file {
        true => format!("{place}::{function}"),
        false => format!("{place}::tests::{function}"),
    };
    source.functions().iter().filter(|one| is_test(one.line)).map(|one| name(&one.name)).collect()
}

/// `crates/users/src/login/tests.rs` is `users::login::tests`; `crates/server/tests/it/walks.rs` `server::it::walks`.
fn module_of(path: &str) -> Option<String> {
    let (name, rest) = path.strip_prefix("crates/")?.split_once('/')?;
    let rest = rest.strip_prefix("src/").or_else(|| rest.strip_prefix("tests/"))?.strip_suffix(".rs")?;
    let rest = match rest {
        "lib" | "main" => String::new(),
        rest => format!("::{}", rest.trim_end_matches("/main").replace('/', "::")),
    };
    Some(format!("{name}{rest}"))
}

fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// What a page names as a test: a path of at least three words.
fn named_tests(text: &str) -> impl Iterator<Item = &str> {
    quoted(text).filter(|word| word.split("::").count() > 2 && !word.contains(char::is_whitespace))
}

fn unknown_tests(page: &File, tests: &BTreeSet<String>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (line, text) in page.lines() {
        for name in named_tests(text).filter(|name| !tests.contains(*name)) {
            let message =
                format!("names the test `{name}`, which does not exist; name the one that holds it");
            found.push(Finding::new(&page.path, line, message));
        }
    }
    found
}

/// Every line of a checklist names a test, or says that its subject is not built.
fn check_list(page: &File) -> Vec<Finding> {
    let points = page.lines().filter(|(_, text)| text.starts_with("- "));
    points
        .filter(|(_, text)| named_tests(text).next().is_none() && !text.contains(NOT_BUILT))
        .map(|(line, _)| {
            Finding::new(&page.path, line, format!("names no test; write one, or say `{NOT_BUILT}` and why"))
        })
        .collect()
}

/// `| 6.2.1 | 1 | met | what it asks, in our words | what it rests on |`
struct Line<'a> {
    number: usize,
    id: &'a str,
    level: &'a str,
    state: &'a str,
    asks: &'a str,
    rests_on: &'a str,
}

fn lines_of(page: &File) -> Vec<Line<'_>> {
    let mut found = Vec::new();
    for (number, text) in page.lines() {
        let Some(rest) = text.strip_prefix("| ") else { continue };
        let cells: Vec<&str> = rest.split('|').map(str::trim).collect();
        if let &[id, level, state, asks, rests_on, ""] = cells.as_slice()
            && id.starts_with(|c: char| c.is_ascii_digit())
        {
            found.push(Line { number, id, level, state, asks, rests_on });
        }
    }
    found
}

fn check_asvs(page: &File) -> Vec<Finding> {
    let mut missing: BTreeMap<String, String> = BTreeMap::new();
    for (section, levels) in SECTIONS {
        for (index, level) in levels.chars().enumerate() {
            missing.insert(format!("{section}.{}", index + 1), level.to_string());
        }
    }
    let mut found = Vec::new();
    let mut counts = [0_usize; STATES.len()];
    for line in lines_of(page) {
        let mut say = |message: String| found.push(Finding::new(&page.path, line.number, message));
        match missing.remove(line.id) {
            None => say(format!("`{}` is no requirement, or stands here twice", line.id)),
            Some(level) if level != line.level => say(format!("`{}` is of level {level}", line.id)),
            Some(_) => {}
        }
        match STATES.iter().position(|state| *state == line.state) {
            Some(state) => counts[state] += 1,
            None => say(format!("`{}` is no state; use one of {STATES:?}", line.state)),
        }
        if line.asks.is_empty() || line.rests_on.is_empty() {
            say(format!("`{}` says nothing in a column", line.id));
        }
        let proved = named_tests(line.rests_on).next().is_some()
            || quoted(line.rests_on).any(|word| word.contains('/') || word.ends_with(".md"));
        if matches!(line.state, "met" | "partly") && !proved {
            say(format!(
                "`{}` is {} by nothing: name a test, or the file that shows it",
                line.id, line.state
            ));
        }
    }
    for id in missing.keys() {
        found.push(Finding::new(&page.path, 0, format!("`{id}` is missing; there are {COUNT} requirements")));
    }
    let [met, partly, not_yet, not_applicable] = counts;
    let sum = format!(
        "{COUNT} requirements: {met} met, {partly} partly, {not_yet} not yet, {not_applicable} not applicable."
    );
    if !page.text.lines().any(|line| line == sum) {
        found.push(Finding::new(&page.path, 0, format!("its sum is out of date; write this line: {sum}")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "fn helper() {}\n#[cfg(test)]\nmod tests {\n    fn help() {}\n    /// Why.\n    #[test]\n    \
        fn it_holds() {}\n    #[tokio::test]\n    #[ignore = \"long\"]\n    async fn it_waits() {}\n}\n";

    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        check(&Repository::of(files))
            .into_iter()
            .map(|one| format!("{}: {}", one.line, one.message))
            .collect()
    }

    #[test]
    fn tests_are_known_by_where_they_stand() {
        let names = |path: &str, text: &str| tests(&Repository::of(&[(path, text)]));
        let inline = names("crates/users/src/login.rs", CODE);
        assert_eq!(
            inline.into_iter().collect::<Vec<_>>(),
            ["users::login::tests::it_holds", "users::login::tests::it_waits"]
        );
        assert!(names("crates/users/src/login/tests.rs", CODE).contains("users::login::tests::it_holds"));
        assert!(names("crates/server/tests/it/walks.rs", CODE).contains("server::it::walks::it_holds"));
        assert!(names("crates/server/tests/kill.rs", CODE).contains("server::kill::it_holds"));
        assert!(!names("crates/users/src/login/tests.rs", CODE).iter().any(|name| name.ends_with("::help")));
    }

    #[test]
    fn a_named_test_exists() {
        let code = ("crates/users/src/login.rs", CODE);
        let page = |text| findings(&[code, ("docs/security/checklist.md", text)]);
        assert!(page("# A\n- Holds. `users::login::tests::it_holds`\n").is_empty());
        assert_eq!(page("- Holds. `users::login::tests::gone`\n").len(), 1);
        assert_eq!(page("- Holds because we say so.\n").len(), 1);
        assert!(page("- Holds. Not built: it has no subject yet.\n").is_empty());
    }

    fn all_lines(state: &str, rests_on: &str) -> String {
        let mut text = String::new();
        for (section, levels) in SECTIONS {
            for (index, level) in levels.chars().enumerate() {
                text += &format!("| {section}.{} | {level} | {state} | words | {rests_on} |\n", index + 1);
            }
        }
        text
    }

    #[test]
    fn every_requirement_stands_there_once_with_its_level_and_state() {
        let page = |text: &str| findings(&[("docs/security/asvs.md", text)]);
        let sum = "333 requirements: 0 met, 0 partly, 333 not yet, 0 not applicable.\n";
        let good = format!("{sum}\n{}", all_lines("not yet", "no such feature"));
        assert!(page(&good).is_empty(), "{:?}", page(&good));
        assert_eq!(page(&good.replace("| 6.2.1 | 1 |", "| 6.2.1 | 3 |")).len(), 1);
        assert_eq!(page(&good.replace("| 6.2.1 | 1 |", "| 6.2.99 | 1 |")).len(), 2);
        assert_eq!(page(&good.replace("333 not yet", "332 not yet")).len(), 1);
        assert_eq!(page(&good.replace("no such feature", "")).len(), 333);
    }

    #[test]
    fn what_is_met_rests_on_something() {
        let text = format!(
            "333 requirements: 333 met, 0 partly, 0 not yet, 0 not applicable.\n{}",
            all_lines("met", "trust us")
        );
        assert_eq!(findings(&[("docs/security/asvs.md", text.as_str())]).len(), 333);
    }

    #[test]
    fn the_table_has_all_of_the_standard() {
        assert_eq!(SECTIONS.iter().map(|(_, levels)| levels.len()).sum::<usize>(), COUNT);
    }
}
