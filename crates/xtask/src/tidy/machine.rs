//! Nothing committed knows the machine it was written on, and nothing committed is a secret.

use super::Finding;
use super::repository::{File, Repository};

/// Written in two halves, so that this file may say them.
const MACHINE: [&str; 4] =
    [concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/tmp/", "bash_jobs"), concat!("/opt/", "wheels")];

/// How secrets begin, and how many letters, digits, `_` or `-` follow at least.
const SECRETS: [(&str, usize, &str); 8] = [
    (concat!("-----BEGIN ", "PRIVATE KEY-----"), 0, "a private key"),
    (concat!("-----BEGIN RSA ", "PRIVATE KEY-----"), 0, "a private key"),
    (concat!("-----BEGIN EC ", "PRIVATE KEY-----"), 0, "a private key"),
    (concat!("-----BEGIN OPENSSH ", "PRIVATE KEY-----"), 0, "a private key"),
    (concat!("AGE-SECRET-", "KEY-1"), 20, "an age identity"),
    (concat!("AK", "IA"), 16, "a cloud access key"),
    (concat!("gh", "p_"), 36, "a code host's token"),
    (concat!("xo", "xb-"), 20, "a chat token"),
];

pub fn check(repository: &Repository) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in &repository.files {
        check_file(file, &mut found);
        if file.name() == "package-lock.json" {
            check_lock(file, &mut found);
        }
    }
    found
}

fn check_file(file: &File, found: &mut Vec<Finding>) {
    for (line, text) in file.lines() {
        for path in MACHINE {
            if starts_path(text, path) {
                let message = format!(
                    "names `{path}`, a folder of one machine; find it from the script's own place or a variable"
                );
                found.push(Finding::new(&file.path, line, message));
            }
        }
        for (prefix, length, what) in SECRETS {
            if is_secret(text, prefix, length) {
                let message =
                    format!("looks like {what}; make it when the test runs, and change it where it was used");
                found.push(Finding::new(&file.path, line, message));
            }
        }
    }
}

/// `/x/` at the start of a path, not in the middle of a longer one.
fn starts_path(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| {
        !text[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || "_-.~/}>*".contains(c))
    })
}

fn is_secret(text: &str, prefix: &str, length: usize) -> bool {
    let letter = |c: &char| c.is_ascii_alphanumeric() || *c == '_' || *c == '-';
    text.match_indices(prefix).any(|(at, _)| {
        let inside = text[..at].chars().next_back().is_some_and(|c| c.is_ascii_alphanumeric());
        !inside && text[at + prefix.len()..].chars().take_while(letter).count() >= length
    })
}

/// A lock file fixes packages by digest; where they came from is each machine's own setting.
fn check_lock(file: &File, found: &mut Vec<Finding>) {
    for (line, text) in file.lines() {
        if text.trim_start().starts_with("\"resolved\": \"http") {
            let message = "names a registry; write the lock file again with `npm install --package-lock-only` in its folder, whose .npmrc omits it";
            found.push(Finding::new(&file.path, line, message));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(path: &str, text: &str) -> Vec<String> {
        check(&Repository::of(&[(path, text)])).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn ordinary_text_is_accepted() {
        let text = format!(
            "https://example.test{}x ./net{} ~{}x $HOME{}",
            MACHINE[1], MACHINE[1], MACHINE[0], MACHINE[1]
        );
        assert_eq!(messages("a.md", &text), Vec::<String>::new());
        assert_eq!(messages("a.rs", &format!("let {}SHORT = 1;", SECRETS[5].0)), Vec::<String>::new());
    }

    #[test]
    fn a_machine_s_folder_is_refused() {
        for path in MACHINE {
            assert_eq!(messages("a.sh", &format!("cd \"{path}main\"")).len(), 1, "{path}");
        }
    }

    #[test]
    fn secrets_are_refused() {
        for (prefix, length, what) in SECRETS {
            let text = format!("x = \"{prefix}{}\"", "A".repeat(length));
            assert!(messages("a.toml", &text)[0].contains(what), "{what}");
        }
    }

    #[test]
    fn a_lock_file_names_no_registry() {
        assert_eq!(
            messages("x/package-lock.json", "{\n  \"resolved\": \"https://registry.example/a.tgz\"\n}").len(),
            1
        );
        assert_eq!(messages("x/package-lock.json", "{ \"version\": \"1\" }"), Vec::<String>::new());
    }
}
