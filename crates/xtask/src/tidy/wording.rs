//! Words that have no place in what is committed: reminders instead of work, shortcuts around errors and lints,
//! and tests that wait for time to pass instead of for an event.

use super::Finding;
use super::repository::{File, Repository};
use crate::source::{Source, words};

/// Written in two halves, so that this file may say them.
const REMINDERS: [&str; 2] = [concat!("FIX", "ME"), concat!("XX", "X")];
const UNFINISHED: [&str; 2] = ["todo!", "unimplemented!"];
/// A wait for real time that nothing can replace says why, in a comment that starts so, at most this far above.
const REAL_TIME: &str = "real time:";
const EXCUSED_LINES: usize = 8;

const REMINDER: &str = "a reminder in place of the work; do it, or file an issue";
const UNWRAP: &str = "`.unwrap()` outside tests; return an error, or `.expect(…)` under an `#[expect]` that says why it cannot fail";
const ALLOW: &str = "`allow` silences a lint for good; use `#[expect(lint, reason = \"…\")]`";
const SLEEP: &str = "a test that sleeps is slow or flaky; wait for the event or advance the clock (or say why in a comment `real time: …`)";

pub fn check(repository: &Repository) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in repository.files.iter().filter(|file| !file.is_foreign()) {
        match file.extension() {
            "rs" => check_rust(file, &file.source(), &mut found),
            "html" | "css" | "sql" | "py" | "sh" | "toml" | "md" => check_reminders(file, &mut found),
            "js" | "mjs" => {
                check_reminders(file, &mut found);
                check_script_sleeps(file, &mut found);
            }
            _ => {}
        }
    }
    found
}

fn check_rust(file: &File, source: &Source, found: &mut Vec<Finding>) {
    let mut say = |line: usize, message: &str| found.push(Finding::new(&file.path, line, message));
    for comment in &source.comments {
        if REMINDERS.iter().any(|word| words(&comment.text, word).next().is_some()) {
            say(comment.line, REMINDER);
        }
    }
    let excused: Vec<usize> =
        source.comments.iter().filter(|c| c.text.contains(REAL_TIME)).map(|comment| comment.line).collect();
    for (line, code) in source.code_lines() {
        if UNFINISHED.iter().any(|word| code.contains(word)) {
            say(line, "unfinished; write it, or leave it out until it can be written");
        }
        if code.contains(".unwrap()") && !source.is_test(line) {
            say(line, UNWRAP);
        }
        if code.contains("#[allow(") || code.contains("#![allow(") {
            say(line, ALLOW);
        }
        // The test kit is where waiting is written: it looks again and again until a deadline.
        let kit = file.path.starts_with("crates/testkit/");
        let sleeps = !kit && words(code, "sleep").any(|at| code[at..].starts_with("sleep("));
        if sleeps
            && source.is_test(line)
            && !excused.iter().any(|at| (*at..=at + EXCUSED_LINES).contains(&line))
        {
            say(line, SLEEP);
        }
    }
}

fn check_reminders(file: &File, found: &mut Vec<Finding>) {
    for (line, text) in file.lines() {
        if REMINDERS.iter().any(|word| words(text, word).next().is_some()) {
            found.push(Finding::new(&file.path, line, REMINDER));
        }
    }
}

/// The kit's `until` is the one place where browser tests wait for real time.
fn check_script_sleeps(file: &File, found: &mut Vec<Finding>) {
    if !file.is_test() || file.path == "tests/kit/process.mjs" {
        return;
    }
    for (line, text) in file.lines() {
        if text.contains("waitForTimeout(")
            || text.contains("timers/promises")
            || text.contains("setTimeout(")
        {
            found.push(Finding::new(
                &file.path,
                line,
                "a test that sleeps is slow or flaky; use `until` of tests/kit/process.mjs",
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [usize; 0] = [];

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Repository::of(&[(path, text)])).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn clean_code_is_accepted() {
        let text = "//! About .unwrap() and #[allow(x)].\nfn f() { g(\"todo! .unwrap()\").unwrap_or(1); sleeper(); }\n\
            #[cfg(test)]\nmod tests { fn t() { x.unwrap(); } }";
        assert_eq!(lines("a.rs", text), NONE);
        assert_eq!(lines("tests/it/a.rs", "fn t() { x.unwrap(); }"), NONE);
    }

    #[test]
    fn each_word_is_refused_where_it_stands() {
        assert_eq!(lines("a.rs", &format!("x;\n// {} later", REMINDERS[0])), [2]);
        assert_eq!(lines("a.sql", &format!("-- {}", REMINDERS[1])), [1]);
        assert_eq!(lines("a.sh", "mktemp a.XXXXXX"), NONE);
        assert_eq!(lines("a.rs", "fn f() { todo!() }"), [1]);
        assert_eq!(lines("a.rs", "fn f() {\n  x.unwrap();\n}"), [2]);
        assert_eq!(lines("a.rs", "#[allow(dead_code)]\nfn f() {}"), [1]);
        assert_eq!(lines("a.rs", "#![allow(dead_code)]"), [1]);
    }

    #[test]
    fn tests_do_not_sleep() {
        assert_eq!(lines("crates/a/tests/x.rs", "fn t() {\n std::thread::sleep(d);\n}"), [2]);
        assert_eq!(lines("a.rs", "#[tokio::test]\nasync fn t() {\n tokio::time::sleep(d).await;\n}"), [3]);
        assert_eq!(lines("a.rs", "async fn product() { tokio::time::sleep(d).await; }"), NONE);
        assert_eq!(
            lines("crates/a/tests/x.rs", "fn t() {\n // real time: the kernel's own\n sleep(d);\n}"),
            NONE
        );
        let far = format!("// real time: once\n{}fn t() {{ sleep(d); }}", "\n".repeat(EXCUSED_LINES));
        assert_eq!(lines("crates/a/tests/x.rs", &far), [EXCUSED_LINES + 2]);
        assert_eq!(lines("crates/testkit/src/program.rs", "fn t() { sleep(d); }"), NONE);
        assert_eq!(lines("tests/e2e/x.test.mjs", "await page.waitForTimeout(5);"), [1]);
        assert_eq!(lines("tests/kit/process.mjs", "setTimeout(f, 5);"), NONE);
    }
}
