//! Line 6, ours: sign-ins by SAML verified in this process, from the field of the browser's form to who it is. Nothing is
//! kept between two of them. Ninety-nine of a hundred are genuine; of the forged ones none may be let in, and a genuine one
//! that is refused stops the run.

use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use platform::time::Clock;
use saml::{Certificate, Demands, Expected, Flow, Sha1, Time};
use serde::{Deserialize, Serialize};

use crate::error::{BenchError, Result};

/// One of so many is forged.
pub const FORGED_ONE_IN: usize = 100;

/// What a verifier says of its run, whichever it is.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct SamlRun {
    pub per_second: f64,
    pub genuine: u64,
    pub genuine_refused: u64,
    pub forged: u64,
    pub forged_accepted: u64,
    /// Why the last genuine one was refused.
    #[serde(default)]
    pub why: String,
}

/// What `bench-peers/saml/make.py` made the documents for.
#[derive(Deserialize)]
struct Settings {
    issuer: String,
    audience: String,
    acs: String,
    request: String,
    domain: String,
    /// Base64 of the certificate.
    certificate: String,
}

pub fn verify(folder: &Path, lasting: Duration) -> Result<SamlRun> {
    let settings: Settings = serde_json::from_slice(&read(&folder.join("settings.json"))?)?;
    let (genuine, forged) = (documents(&folder.join("genuine"))?, documents(&folder.join("forged"))?);
    let der = STANDARD.decode(&settings.certificate).map_err(|error| wrong(error.to_string()))?;
    let certificates = [Certificate::from_der(&der).map_err(|error| wrong(error.to_string()))?];
    let mut said = SamlRun::default();
    let (mut number, began) = (0, Instant::now());
    while began.elapsed() < lasting {
        let now = Clock::System.now();
        let expected = Expected {
            issuer: &settings.issuer,
            audience: &settings.audience,
            acs: &settings.acs,
            flow: Flow::Requested { id: &settings.request },
            authenticated_after: None,
            certificates: &certificates,
            decryption: &[],
            demands: Demands::default(),
            sha1: Sha1::Refused,
            now: Time(now.micros()),
            skew_seconds: 60,
        };
        let check =
            |text: &str| saml::post::decode(text).and_then(|xml| saml::response::verify(&xml, &expected));
        if number % FORGED_ONE_IN == FORGED_ONE_IN - 1 {
            said.forged += 1;
            // Whatever name it carries: a document that was tampered with lets nobody in.
            said.forged_accepted += u64::from(check(&forged[number / FORGED_ONE_IN % forged.len()]).is_ok());
        } else {
            said.genuine += 1;
            match check(&genuine[number % genuine.len()]) {
                Ok(login) if login.name_id.value.ends_with(&settings.domain) => {}
                Ok(_) => said.genuine_refused += 1,
                Err(error) => {
                    said.genuine_refused += 1;
                    said.why = error.to_string();
                }
            }
        }
        number += 1;
    }
    said.per_second = number as f64 / began.elapsed().as_secs_f64();
    Ok(said)
}

/// The documents of a folder as a browser sends them.
fn documents(folder: &Path) -> Result<Vec<String>> {
    let failed = || BenchError::io(format!("reading {}", folder.display()));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed())? {
        names.push(entry.map_err(failed())?.path());
    }
    names.sort();
    let documents: Vec<String> =
        names.iter().map(|name| Ok(STANDARD.encode(read(name)?))).collect::<Result<_>>()?;
    if documents.is_empty() { Err(wrong(format!("{} is empty", folder.display()))) } else { Ok(documents) }
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(BenchError::io(format!("reading {}", file.display())))
}

fn wrong(why: String) -> BenchError {
    BenchError::Program { program: "the documents of line 6".to_owned(), why }
}
