//! Names for the demo's people. Invented; every address is under `.example` (RFC 2606).

const FIRST: [&str; 40] = [
    "Anna", "Bela", "Carla", "Dario", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jakob", "Kaya", "Lars",
    "Mina", "Nils", "Olga", "Pavel", "Quinn", "Rosa", "Sami", "Tara", "Uli", "Vera", "Wanda", "Xenia",
    "Yusuf", "Zora", "Arne", "Brit", "Cem", "Dana", "Emil", "Fenja", "Gero", "Hanna", "Ivo", "Juna", "Klaus",
    "Lotte", "Mika", "Nora",
];
const LAST: [&str; 37] = [
    "Albrecht", "Bauer", "Cohen", "Demir", "Ekholm", "Fischer", "Garcia", "Haas", "Ito", "Jansen",
    "Kowalski", "Lopez", "Moreau", "Novak", "Okafor", "Petrov", "Quist", "Rossi", "Sato", "Tanaka", "Ulrich",
    "Vogel", "Weber", "Xu", "Young", "Zimmer", "Adler", "Brandt", "Costa", "Dupont", "Egger", "Fuchs",
    "Gruber", "Horn", "Ivanov", "Jung", "Keller",
];

pub struct Person {
    pub name: String,
    pub email: String,
}

/// The `n`-th person of a company; two companies get different people by their `offset`.
pub fn person(n: usize, offset: usize, domain: &str) -> Person {
    let first = FIRST[(n * 7 + offset) % FIRST.len()];
    // 40 and 37 have no common divisor: the pairs repeat only after 1,480 people.
    let last = LAST[(n * 5 + offset * 3) % LAST.len()];
    let address = format!("{}.{}", first.to_lowercase(), last.to_lowercase());
    Person { name: format!("{first} {last}"), email: format!("{address}@{domain}") }
}

/// What people sign in with.
pub const DEVICES: [(&str, &str); 6] = [
    (
        "203.0.113.24",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0 Safari/537.36",
    ),
    (
        "203.0.113.77",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 15_1) AppleWebKit/605.1.15 Version/18.1 Safari/605.1.15",
    ),
    ("198.51.100.8", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("198.51.100.61", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Version/18.1 Safari/604.1"),
    ("192.0.2.140", "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/142.0 Mobile Safari/537.36"),
    ("192.0.2.9", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0 Edg/142.0"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn people_of_one_company_have_different_addresses() {
        for offset in [0, 11, 23] {
            let all: BTreeSet<String> =
                (0..300).map(|n| super::person(n, offset, "harbor.example").email).collect();
            assert_eq!(all.len(), 300);
        }
    }
}
