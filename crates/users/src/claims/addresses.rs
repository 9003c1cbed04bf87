//! Reads the addresses that somebody pasted: one per line, or a CSV file whose column `email` (else the first) counts.

use std::collections::HashSet;

use crate::accounts::email::EmailAddress;

use super::CHOSEN_MAX;

/// What is wrong with the pasted text, by line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressesError {
    #[error("no address is given: enter one per line")]
    Empty,
    #[error("more than {CHOSEN_MAX} addresses: claim in several steps, or claim all")]
    TooMany,
    #[error("line {line}: {what}")]
    Line { line: u64, what: String },
}

/// Canonical addresses at `domain`, each once, in the order given.
pub fn parse(text: &str, domain: &str) -> Result<Vec<String>, AddressesError> {
    let separator = if text.lines().next().is_some_and(|line| line.contains(';')) { b';' } else { b',' };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator)
        .trim(csv::Trim::All)
        .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let mut column = 0;
    let (mut seen, mut emails) = (HashSet::new(), Vec::new());
    for (index, record) in reader.records().enumerate() {
        let record = record.map_err(|error| AddressesError::Line {
            line: error.position().map_or(0, csv::Position::line),
            what: "the quotes do not match: close each `\"`".to_owned(),
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        if index == 0 && !record.iter().any(|field| field.contains('@')) {
            column = record.iter().position(is_head).unwrap_or(0);
            continue;
        }
        let field = record.get(column).unwrap_or_default();
        if field.is_empty() {
            continue;
        }
        let email = EmailAddress::parse(field)
            .map_err(|error| AddressesError::Line { line, what: error.to_string() })?;
        let key = email.key().to_owned();
        if key.rsplit('@').next() != Some(domain) {
            let what = format!("`{key}` is not at {domain}: claim it with its own domain");
            return Err(AddressesError::Line { line, what });
        }
        if seen.insert(key.clone()) {
            emails.push(key);
        }
        if emails.len() > CHOSEN_MAX {
            return Err(AddressesError::TooMany);
        }
    }
    if emails.is_empty() { Err(AddressesError::Empty) } else { Ok(emails) }
}

fn is_head(field: &str) -> bool {
    matches!(field.to_lowercase().as_str(), "email" | "e-mail" | "mail" | "address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_csv_give_the_same_addresses() {
        let wanted = vec!["ann@harbor.example".to_owned(), "bob@harbor.example".to_owned()];
        for text in [
            "ann@harbor.example\nbob@harbor.example\n",
            "\u{feff}email\r\nAnn@Harbor.example\r\n\r\nbob@harbor.example",
            "name,email\nAnn,ann@harbor.example\n\"Bob, Jr\",bob@harbor.example\nAnn,ANN@harbor.example\n",
            "name;e-mail\nAnn;ann@harbor.example\nBob;bob@harbor.example",
        ] {
            assert_eq!(parse(text, "harbor.example").unwrap(), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_by_line() {
        assert_eq!(parse("", "harbor.example"), Err(AddressesError::Empty));
        assert_eq!(parse("email\n", "harbor.example"), Err(AddressesError::Empty));
        let other = parse("ann@harbor.example\nbob@elsewhere.example", "harbor.example").unwrap_err();
        assert!(
            other.to_string().starts_with("line 2: `bob@elsewhere.example` is not at harbor.example"),
            "{other}"
        );
        let broken = parse("ann@harbor.example\nnobody", "harbor.example").unwrap_err();
        assert!(matches!(broken, AddressesError::Line { line: 2, .. }), "{broken}");
        let below = parse("ann@mail.harbor.example", "harbor.example").unwrap_err();
        assert!(matches!(below, AddressesError::Line { line: 1, .. }), "a subdomain is another domain");
    }
}
