//! A feature is a file and a folder with a closed vocabulary, so that everybody knows where to look:
//! `domains.rs` (rules; start reading here), `domains/sql.rs`, `api.rs`, `pages.rs` with `*.html`, `jobs.rs`,
//! `evidence.rs`, `tests.rs`. SQL is written in `sql.rs` alone, HTML in templates and pages.

use super::Finding;
use super::repository::{File, Repository};
use crate::source::is_word;

/// The crates that consist of features.
const AREAS: [&str; 6] = ["users", "compliance", "responsibility", "information", "apps", "threats"];

/// `drill.rs` attacks the feature's own control and reports whether it held.
const PARTS: [&str; 7] = ["sql.rs", "api.rs", "pages.rs", "jobs.rs", "evidence.rs", "drill.rs", "tests.rs"];

/// Files (or, with `/` behind, folders) beside the vocabulary, each with why its feature is clearer with it.
/// Keep this short: a feature that needs many is two features.
const EXTRA: &[(&str, &str)] = &[
    ("crates/responsibility/src/rows/applies.rs", "which rows an organization has at all, read by every row"),
    ("crates/responsibility/src/rows/apps.rs", "the paper's area on apps, in its order"),
    ("crates/responsibility/src/rows/ids.txt", "the ids that once were published and must never change"),
    ("crates/responsibility/src/rows/information.rs", "the paper's area on information, in its order"),
    ("crates/responsibility/src/rows/policy.rs", "the paper's area on policy and compliance, in its order"),
    ("crates/responsibility/src/rows/reference.rs", "writes docs/reference/rows.md from the table"),
    ("crates/responsibility/src/rows/threats.rs", "the paper's area on threats, in its order"),
    ("crates/responsibility/src/rows/users.rs", "the paper's area on users, in its order"),
    ("crates/responsibility/src/states/", "a pure core of four steps: facts, halves, joint state, history"),
    (
        "crates/users/src/abuse_reports/",
        "one record before two desks and the public: what is shown of it is described apart from what each may do",
    ),
    (
        "crates/users/src/access_requests/",
        "asking, deciding and ending are three acts on one record, each with outcomes of its own",
    ),
    (
        "crates/users/src/access_reviews/",
        "a campaign has phases that share one record: taking grants down, applying, and the pack of evidence",
    ),
    (
        "crates/users/src/accounts/email.rs",
        "the canonical e-mail address, a pure type that every feature reads",
    ),
    (
        "crates/users/src/audit_log/",
        "the ledger as a file, events as lines of other formats (pure), and what somebody types to find them",
    ),
    (
        "crates/users/src/audit_streams/",
        "signatures and syslog frames are pure; sending a batch and keeping how far it came are read apart from settings",
    ),
    ("crates/users/src/insights/export.rs", "the figures as a file, the same for the API and both pages"),
    ("crates/users/src/products/api/views.rs", "what the API takes and gives, beside its handlers"),
    ("crates/users/src/claims/addresses.rs", "reads pasted lists and CSV, pure, so that it can be fuzzed"),
    ("crates/users/src/domains/", "proof over the network beside the rules that judge its result"),
    (
        "crates/users/src/openid_provider/",
        "a protocol of many endpoints over one rule (grants): each endpoint, the request and the tokens are read apart",
    ),
    (
        "crates/users/src/products/settings.rs",
        "what a product may do, a pure type that page, API and protocol read alike",
    ),
    (
        "crates/users/src/passkeys/",
        "the strict readers and the verifier of WebAuthn, pure, so that they can be fuzzed, beside the rules",
    ),
    (
        "crates/users/src/passwords/",
        "hashing (format, pool, strength) is a small machine of its own beside the rules",
    ),
    (
        "crates/users/src/people_import/",
        "a pure reader of files with its own tests and fuzzer, and a plan apart from doing it",
    ),
    (
        "crates/users/src/single_sign_on/",
        "one connection for every kind of provider; what speaks a protocol (oidc), who somebody is (arrival) and what policies hold people to (enforcement) are read apart",
    ),
    (
        "crates/users/src/support/",
        "two sides of one record: what an organization's people do (opening) and the provider's desk (answering, queue), with its promises (desk, hours) apart",
    ),
    (
        "crates/users/src/set_up_guide/provider_pages.rs",
        "the provider's list over all organizations, shares nothing with the guide's own page",
    ),
    (
        "crates/users/src/provisioning/",
        "records of a protocol apart from what they mean here: people, groups, linking, lists, bulk, log",
    ),
    ("crates/users/src/people/export.rs", "the list as a file, streamed, shares nothing with the page"),
    ("crates/users/src/break_glass/code.rs", "the sealed code, a pure type that is read from paper"),
    (
        "crates/users/src/policies/",
        "a pure core (networks, rules, resolution) with deciding, trying, rolling out, explaining and admitting apart",
    ),
    (
        "crates/users/src/sessions/authenticate.rs",
        "implements the one inverted import, platform::web::Authenticate",
    ),
];

pub fn check(repository: &Repository) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in &repository.files {
        if file.name() == "mod.rs" && file.extension() == "rs" {
            let cure = file.path.trim_end_matches("/mod.rs");
            found.push(Finding::new(&file.path, 0, format!("no mod.rs; name the file {cure}.rs")));
        }
        let Some((area, rest)) = in_area(&file.path) else { continue };
        found.extend(check_place(repository, file, area, rest));
        if file.extension() == "rs" {
            found.extend(check_text(file, rest));
        }
    }
    found.extend(stale_extras(repository));
    found
}

/// `users`, `domains/sql.rs` of `crates/users/src/domains/sql.rs`.
fn in_area(path: &str) -> Option<(&str, &str)> {
    let (area, rest) = path.strip_prefix("crates/")?.split_once("/src/")?;
    AREAS.contains(&area).then_some((area, rest))
}

fn check_place(repository: &Repository, file: &File, area: &str, rest: &str) -> Option<Finding> {
    let say = |message: String| Some(Finding::new(&file.path, 0, message));
    let Some((feature, part)) = rest.split_once('/') else {
        return match file.extension() {
            "rs" => None,
            _ => say("belongs to a feature; move it into the feature's folder".into()),
        };
    };
    let head = format!("crates/{area}/src/{feature}.rs");
    if !repository.files.iter().any(|other| other.path == head) {
        return say(format!("its feature has no file to start reading; write {head}"));
    }
    let template = part.strip_suffix(".html").is_some_and(|name| !name.contains('/'));
    let tests = part.starts_with("tests/") && file.extension() == "rs";
    if template || tests || PARTS.contains(&part) || EXTRA.iter().any(|(path, _)| covers(path, &file.path)) {
        return None;
    }
    say(format!(
        "`{part}` is not in a feature's vocabulary; use sql, api, pages, jobs, evidence, drill, tests or *.html, make it a feature, or give its reason in EXTRA of tidy/vocabulary.rs"
    ))
}

fn covers(extra: &str, path: &str) -> bool {
    path == extra || (extra.ends_with('/') && path.starts_with(extra))
}

fn check_text(file: &File, rest: &str) -> Vec<Finding> {
    if file.is_test() || rest == "lib.rs" {
        return Vec::new();
    }
    let sql = file.name() == "sql.rs";
    // Drills throw forged pages at the control; that is input, not output.
    let pages = ["pages.rs", "drill.rs"].contains(&file.name()) || rest.contains("/pages/");
    let source = file.source();
    let mut found = Vec::new();
    for string in source.strings.iter().filter(|string| !source.is_test(string.line)) {
        if !sql && is_sql(&string.text) {
            found.push(Finding::new(
                &file.path,
                string.line,
                "SQL text outside sql.rs; make it a named statement in the feature's sql.rs",
            ));
        }
        if !pages && is_html(&string.text) {
            found.push(Finding::new(
                &file.path,
                string.line,
                "HTML outside a template; move it to the feature's *.html or pages.rs",
            ));
        }
    }
    found
}

/// Begins like a statement. Upper-case key words only, so that prose such as "select a file" passes.
fn is_sql(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().take(3).collect();
    let queries = matches!(
        words.as_slice(),
        ["SELECT", _, ..]
            | ["INSERT", "INTO" | "OR", ..]
            | ["DELETE", "FROM", ..]
            | ["WITH", _, "AS" | "AS("]
    );
    let changes = matches!(
        words.as_slice(),
        ["UPDATE", _, "SET"] | ["CREATE" | "DROP", "TABLE" | "INDEX" | "UNIQUE", ..] | ["ALTER", "TABLE", ..]
    );
    queries || changes
}

/// Holds a closing tag, or opens one with an attribute.
fn is_html(text: &str) -> bool {
    text.match_indices('<').any(|(at, _)| {
        let rest = &text[at + 1..];
        if let Some(closing) = rest.strip_prefix('/') {
            let name: String = closing.chars().take_while(|c| is_word(*c)).collect();
            return !name.is_empty() && closing[name.len()..].starts_with('>');
        }
        let name: String = rest.chars().take_while(char::is_ascii_lowercase).collect();
        let after = &rest[name.len()..];
        !name.is_empty()
            && after.starts_with(' ')
            && after.split('>').next().is_some_and(|tag| tag.contains("=\""))
    })
}

fn stale_extras(repository: &Repository) -> Vec<Finding> {
    let missing = |(path, _): &&(&str, &str)| {
        !repository.files.is_empty() && !repository.files.iter().any(|file| covers(path, &file.path))
    };
    let stale = EXTRA.iter().filter(missing);
    stale
        .map(|(path, _)| {
            Finding::new(
                "crates/xtask/src/tidy/vocabulary.rs",
                0,
                format!("EXTRA lists `{path}`, which is gone; remove the line"),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(files: &[(&str, &str)]) -> Vec<String> {
        let mut found = check(&Repository::of(files));
        found.retain(|finding| !finding.message.contains("EXTRA lists"));
        found
            .into_iter()
            .map(|finding| format!("{}:{}: {}", finding.path, finding.line, finding.message))
            .collect()
    }

    #[test]
    fn a_feature_in_its_vocabulary_is_accepted() {
        let files = [
            ("crates/users/src/lib.rs", ""),
            ("crates/users/src/things.rs", "//! Rules.\nfn f() { say(\"select a domain\"); }"),
            ("crates/users/src/things/sql.rs", "const A: &str = \"SELECT 1 FROM a\";"),
            ("crates/users/src/things/pages.rs", "const A: &str = \"<b class=\\\"x\\\">y</b>\";"),
            ("crates/users/src/things/list.html", "<p>"),
            ("crates/users/src/things/tests.rs", "const A: &str = \"SELECT 1\";"),
            ("crates/users/src/things/tests/loss.rs", ""),
        ];
        assert_eq!(messages(&files), Vec::<String>::new());
    }

    #[test]
    fn other_files_are_refused() {
        let files = [("crates/users/src/things.rs", ""), ("crates/users/src/things/helpers.rs", "")];
        assert!(messages(&files)[0].contains("`helpers.rs` is not in a feature's vocabulary"));
        assert!(messages(&[("crates/users/src/list.html", "")])[0].contains("belongs to a feature"));
        let deep = [("crates/users/src/things.rs", ""), ("crates/users/src/things/a/list.html", "")];
        assert!(messages(&deep)[0].contains("vocabulary"));
    }

    #[test]
    fn a_folder_needs_its_file() {
        assert!(
            messages(&[("crates/users/src/things/sql.rs", "")])[0]
                .contains("write crates/users/src/things.rs")
        );
    }

    #[test]
    fn mod_rs_is_refused_everywhere() {
        assert!(messages(&[("crates/server/tests/it/mod.rs", "")])[0].contains("no mod.rs"));
    }

    #[test]
    fn sql_and_html_stay_in_their_files() {
        let sql = [("crates/users/src/a.rs", "fn f() {\n  q(\"\n    UPDATE accounts SET name = $1\");\n}")];
        assert!(messages(&sql)[0].starts_with("crates/users/src/a.rs:2: SQL text outside"));
        let html = [("crates/users/src/a.rs", "const A: &str = \"<b>x</b>\";")];
        assert!(messages(&html)[0].contains("HTML outside"));
        let attribute = [("crates/users/src/a.rs", "const A: &str = r#\"<a href=\"x\">\"#;")];
        assert!(messages(&attribute)[0].contains("HTML outside"));
        let generic = [("crates/users/src/a.rs", "const A: &str = \"Vec<u8> < b, see </etc/passwd\";")];
        assert_eq!(messages(&generic), Vec::<String>::new());
    }

    #[test]
    fn every_extra_says_why() {
        assert!(EXTRA.iter().all(|(path, reason)| path.starts_with("crates/") && reason.len() > 10));
    }
}
