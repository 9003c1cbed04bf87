//! Migrations are one numbered sequence: `0001_name.sql` for both databases, and beside it
//! `0001_name.postgres.sql` only where PostgreSQL needs other words.

use std::collections::BTreeMap;

use super::Finding;
use super::repository::Repository;

const FOLDER: &str = "migrations/";
const SHAPE: &str = "is not named like `0007_words.sql` or `0007_words.postgres.sql`; rename it";

pub fn check(repository: &Repository) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut by_number: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
    let mut twins = Vec::new();
    for path in repository.files.iter().filter_map(|file| file.path.strip_prefix(FOLDER)) {
        match read(path) {
            None => found.push(Finding::new(&format!("{FOLDER}{path}"), 0, SHAPE)),
            Some((_, stem, true)) => twins.push((path, stem)),
            Some((number, stem, false)) => by_number.entry(number).or_default().push(stem),
        }
    }
    for (expected, (number, stems)) in (1_u32..).zip(&by_number) {
        let path = format!("{FOLDER}{}.sql", stems[0]);
        if stems.len() > 1 {
            found.push(Finding::new(
                &path,
                0,
                format!("shares its number with `{}`; give the later one the next number", stems[1]),
            ));
        }
        if *number != expected {
            found.push(Finding::new(
                &path,
                0,
                format!("the sequence has a gap before it; {expected:04} is missing"),
            ));
            break;
        }
    }
    for (path, stem) in twins {
        if !by_number.values().flatten().any(|known| *known == stem) {
            let message = format!("has no `{stem}.sql` beside it; a twin only replaces one for PostgreSQL");
            found.push(Finding::new(&format!("{FOLDER}{path}"), 0, message));
        }
    }
    found
}

/// Number, name without endings, and whether it is the twin for PostgreSQL.
fn read(path: &str) -> Option<(u32, &str, bool)> {
    let stem = path.strip_suffix(".sql")?;
    let (stem, twin) = stem.strip_suffix(".postgres").map_or((stem, false), |stem| (stem, true));
    let (digits, words) = stem.split_once('_')?;
    let named =
        !words.is_empty() && words.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    (digits.len() == 4 && named).then_some(())?;
    Some((digits.parse().ok()?, stem, twin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(names: &[&str]) -> Vec<String> {
        let paths: Vec<String> = names.iter().map(|name| format!("{FOLDER}{name}")).collect();
        let files: Vec<(&str, &str)> = paths.iter().map(|path| (path.as_str(), "")).collect();
        check(&Repository::of(&files)).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn a_sequence_is_accepted() {
        assert_eq!(messages(&["0001_a.sql", "0002_b_2.postgres.sql", "0002_b_2.sql"]), Vec::<String>::new());
    }

    #[test]
    fn gaps_doubles_orphans_and_other_names_are_refused() {
        assert!(messages(&["0001_a.sql", "0003_c.sql", "0004_d.sql"])[0].contains("0002 is missing"));
        assert!(messages(&["0002_a.sql"])[0].contains("0001 is missing"));
        assert!(messages(&["0001_a.sql", "0001_b.sql"])[0].contains("shares its number"));
        assert!(messages(&["0001_a.sql", "0001_b.postgres.sql"])[0].contains("no `0001_b.sql`"));
        for name in ["1_a.sql", "0001_A.sql", "0001a.sql", "0001_.sql", "0001_a.txt"] {
            assert_eq!(messages(&[name]), [SHAPE], "{name}");
        }
    }
}
