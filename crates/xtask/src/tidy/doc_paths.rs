//! Documentation that names a file names one that exists. Looked at: the Markdown files at the root (but the
//! change log, which speaks of the past) and everything under docs/: links, and words that start with one of
//! our folders.

use super::Finding;
use super::repository::{File, Repository};

pub fn check(repository: &Repository) -> Vec<Finding> {
    let documents = repository.with_extension("md").filter(|file| is_document(&file.path));
    documents.flat_map(|file| check_document(repository, file)).collect()
}

fn is_document(path: &str) -> bool {
    path.starts_with("docs/") || (!path.contains('/') && path != "CHANGELOG.md")
}

fn check_document(repository: &Repository, file: &File) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (line, text) in file.lines() {
        if text.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let mut say = |path: &str| {
            let message = format!("names `{path}`, which does not exist; correct it or remove it");
            found.push(Finding::new(&file.path, line, message));
        };
        let quoted: Vec<&str> =
            if fenced { vec![text] } else { text.split('`').skip(1).step_by(2).collect() };
        for word in
            quoted.iter().flat_map(|part| part.split(|c: char| c.is_whitespace() || "(),;\"'".contains(c)))
        {
            let path = clean(word);
            if is_ours(repository, path) && !exists(repository, path) {
                say(path);
            }
        }
        if !fenced {
            for target in links(text) {
                let path = resolve(&file.path, target);
                if !path.is_empty() && !exists(repository, &path) {
                    say(target);
                }
            }
        }
    }
    found
}

/// Without `./` before and `:12`, `::item`, `#part`, `/` or a full stop behind.
fn clean(word: &str) -> &str {
    let word = word.strip_prefix("./").unwrap_or(word);
    let end = word.find([':', '#', '?']).unwrap_or(word.len());
    word[..end].trim_end_matches(['.', '/'])
}

/// Starts with a folder of the repository and is written out; `crates/<area>/…` is a pattern for people.
fn is_ours(repository: &Repository, path: &str) -> bool {
    let Some((top, rest)) = path.split_once('/') else { return false };
    let folder = format!("{top}/");
    !rest.is_empty()
        && !path.contains(['<', '>', '…', '{', '$', '='])
        && repository.files.iter().any(|file| file.path.starts_with(&folder))
}

fn exists(repository: &Repository, path: &str) -> bool {
    let folder = format!("{path}/");
    repository.files.iter().any(|file| {
        file.path == path || file.path.starts_with(&folder) || (path.contains('*') && fits(path, &file.path))
    })
}

/// `*` stands for any characters but `/`.
fn fits(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((head, tail)) => path.strip_prefix(head).is_some_and(|rest| {
            let end = rest.find('/').unwrap_or(rest.len());
            (0..=end)
                .any(|cut| rest.is_char_boundary(cut) && fits(tail.trim_start_matches('*'), &rest[cut..]))
        }),
    }
}

/// The targets of `[…](target)` and `![…](target)`.
fn links(text: &str) -> Vec<&str> {
    text.match_indices("](").filter_map(|(at, _)| text[at + 2..].split([')', ' ']).next()).collect()
}

/// A link as a path from the root; empty when it leads elsewhere.
fn resolve(from: &str, target: &str) -> String {
    let target = target.split(['#', '?']).next().unwrap_or_default().trim_matches(['<', '>']);
    if target.is_empty() || target.contains(':') || target.starts_with("//") {
        return String::new();
    }
    let mut parts: Vec<&str> = match target.strip_prefix('/') {
        Some(_) => Vec::new(),
        None => from.split('/').collect(),
    };
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [(&str, &str); 4] = [
        ("crates/users/src/domains.rs", ""),
        ("crates/users/src/domains/sql.rs", ""),
        ("docs/tutorial/first.md", ""),
        ("migrations/0001_first.sql", ""),
    ];

    fn messages(path: &str, text: &str) -> Vec<String> {
        let mut files = FILES.to_vec();
        files.push((path, text));
        check(&Repository::of(&files)).into_iter().map(|f| format!("{}: {}", f.line, f.message)).collect()
    }

    #[test]
    fn what_exists_is_accepted() {
        let text = "See `crates/users/src/domains.rs`, `crates/users`, `crates/users/src/domains.rs:12` and\n\
            `migrations/*.sql`, `crates/<area>/src`, `/api/v1/x`, `text/html`.\n\
            [one](docs/tutorial/first.md#part) [two](https://example.test/x) ![p](docs/tutorial)\n\
            ```\ncrates/users/src/domains/  ./migrations/0001_first.sql\n```\n";
        assert_eq!(messages("README.md", text), Vec::<String>::new());
        assert_eq!(messages("docs/a/b.md", "[up](../tutorial/first.md) [root](/README.md#x)").len(), 1);
    }

    #[test]
    fn what_does_not_exist_is_refused() {
        assert!(
            messages("README.md", "a\n`crates/users/src/gone.rs`")[0]
                .starts_with("2: names `crates/users/src/gone.rs`")
        );
        assert_eq!(messages("ARCHITECTURE.md", "```\ncrates/gone/src\n```").len(), 1);
        assert_eq!(messages("docs/a.md", "[x](tutorial/gone.md)").len(), 1);
        assert_eq!(messages("docs/a.md", "`migrations/*.txt`").len(), 1);
    }

    #[test]
    fn the_past_and_other_files_are_left_alone() {
        assert_eq!(messages("CHANGELOG.md", "`crates/gone.rs`"), Vec::<String>::new());
        assert_eq!(messages("crates/users/notes.txt", "`crates/gone.rs`"), Vec::<String>::new());
    }
}
