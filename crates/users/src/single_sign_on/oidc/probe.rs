//! Trying a connection without a person: what its provider says of itself, held against what the connection says.

use platform::App;
use platform::time::Timestamp;
use serde::Serialize;

use super::{Connection, Metadata, Trouble, keys, metadata};
use crate::single_sign_on::settings::Oidc;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = ConnectionFinding)]
pub struct Finding {
    /// `good`, `warn` (works, and could be better) or `bad` (nobody can sign in).
    pub verdict: &'static str,
    /// `discovery` (what the provider says of itself), `keys`, or `metadata` and `settings` of SAML.
    pub place: &'static str,
    /// The member of the provider's document.
    pub field: String,
    pub detail: String,
}

/// What a try found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = ConnectionReport)]
pub struct Report {
    /// Nothing is bad.
    pub works: bool,
    pub findings: Vec<Finding>,
}

impl Report {
    fn of(findings: Vec<Finding>) -> Self {
        Self { works: findings.iter().all(|finding| finding.verdict != "bad"), findings }
    }
}

pub(crate) fn finding(
    verdict: &'static str,
    place: &'static str,
    field: &str,
    detail: impl Into<String>,
) -> Finding {
    Finding { verdict, place, field: field.to_owned(), detail: detail.into() }
}

fn bad(trouble: Trouble) -> Finding {
    Finding { verdict: "bad", place: trouble.place.as_str(), field: trouble.field, detail: trouble.detail }
}

/// Asks the provider now, whatever is remembered of it.
pub(crate) async fn probe(app: &App, connection: &Connection, now: Timestamp) -> Report {
    let Some(settings) = connection.settings.oidc() else {
        return Report::of(crate::single_sign_on::saml::probe(app, connection, now).await);
    };
    let metadata = match metadata::ask_anew(app, &settings.issuer, now).await {
        Ok(metadata) => metadata,
        Err(trouble) => return Report::of(vec![bad(trouble)]),
    };
    let mut findings =
        vec![finding("good", "discovery", "issuer", "the provider answers, and is who the connection says")];
    findings.extend(judge(&metadata, settings));
    findings.push(match keys::ask(app, &metadata, now).await {
        Err(trouble) => bad(trouble),
        Ok(set) => {
            let fitting = set.keys.iter().filter(|key| Some(key.algorithm()) == settings.algorithm()).count();
            let algorithm = &settings.algorithm;
            match fitting {
                0 => finding(
                    "bad",
                    "keys",
                    "jwks_uri",
                    format!("none of its keys signs with {algorithm}: choose what the provider signs with"),
                ),
                count => {
                    finding("good", "keys", "jwks_uri", format!("{count} of its keys sign with {algorithm}"))
                }
            }
        }
    });
    Report::of(findings)
}

/// What the provider announces against what the connection is set to. What it does not say is not held against it.
fn judge(metadata: &Metadata, settings: &Oidc) -> Vec<Finding> {
    let mut findings = Vec::new();
    let place = "discovery";
    let mut hold = |verdict: &'static str, field: &str, said: &[String], wanted: &str, cure: &str| {
        if said.iter().any(|one| one == wanted) {
            findings.push(finding("good", place, field, format!("holds `{wanted}`")));
        } else if !said.is_empty() {
            let said = said.join(", ");
            findings.push(finding(verdict, place, field, format!("is {said}, without `{wanted}`: {cure}")));
        }
    };
    hold(
        "bad",
        "id_token_signing_alg_values_supported",
        &metadata.algorithms,
        &settings.algorithm,
        "choose another algorithm",
    );
    // What is not said means `client_secret_basic` (RFC 8414 §2).
    let proofs = match metadata.client_proofs.as_slice() {
        [] => vec!["client_secret_basic".to_owned()],
        said => said.to_vec(),
    };
    hold(
        "bad",
        "token_endpoint_auth_methods_supported",
        &proofs,
        settings.client_proof.method(),
        "choose another way to send the secret",
    );
    hold(
        "bad",
        "response_types_supported",
        &metadata.response_types,
        "code",
        "the provider must allow the code flow",
    );
    for scope in &settings.scopes {
        // Many providers take scopes that they do not list.
        hold(
            "warn",
            "scopes_supported",
            &metadata.scopes,
            scope,
            "leave that scope out, or allow it at the provider",
        );
    }
    match metadata.challenge_methods.iter().any(|one| one == "S256") {
        true => findings.push(finding("good", place, "code_challenge_methods_supported", "holds `S256`")),
        false => findings.push(finding(
            "warn",
            place,
            "code_challenge_methods_supported",
            "the provider does not announce PKCE with S256; we send it all the same",
        )),
    }
    if !metadata.says_issuer {
        findings.push(finding("warn", place, "authorization_response_iss_parameter_supported", "the provider does not name itself in its answers (RFC 9207); the redirect address of its own protects instead"));
    }
    if settings.sign_out_upstream && metadata.end_session_endpoint.is_none() {
        findings.push(finding(
            "warn",
            place,
            "end_session_endpoint",
            "the provider has no sign-out that we could lead on to",
        ));
    }
    if !metadata.backchannel_logout {
        findings.push(finding(
            "warn",
            place,
            "backchannel_logout_supported",
            "signing out at the provider does not sign people out here",
        ));
    }
    findings
}
