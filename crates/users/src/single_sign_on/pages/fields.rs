//! The form of a connection: what it holds as it was typed, and what that means.

use platform::App;
use platform::access::Role;
use platform::web::ui::Choice;
use platform::web::{Access, Problem};
use serde::Deserialize;

use super::super::api::{ConnectionChange, ConnectionView, NewConnection};
use super::super::settings::{GroupRule, RoleRule};
use super::super::{ClientProof, Mapping, ProofTrust, group_named};

/// Lists are one a line; rules are `their word = what it means here`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Typed {
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub issuer: String,
    #[serde(default)]
    pub client_id: String,
    #[serde(default)]
    pub client_secret: String,
    #[serde(default)]
    pub client_proof: String,
    #[serde(default)]
    pub algorithm: String,
    #[serde(default)]
    pub scopes: String,
    pub sign_out_upstream: Option<String>,
    #[serde(default)]
    pub email_claim: String,
    #[serde(default)]
    pub name_claim: String,
    #[serde(default)]
    pub groups_claim: String,
    #[serde(default)]
    pub roles: String,
    #[serde(default)]
    pub groups: String,
    #[serde(default)]
    pub domains: String,
    pub creates_accounts: Option<String>,
    pub vouches_for_addresses: Option<String>,
    #[serde(default)]
    pub proof: String,
    #[serde(default)]
    pub directory: String,
    #[serde(default)]
    pub social: String,
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// `their word = ours`
fn rule(line: &str) -> Option<(String, String)> {
    let (theirs, ours) = line.rsplit_once('=')?;
    Some((theirs.trim().to_owned(), ours.trim().to_owned()))
}

fn words(text: &str) -> Vec<String> {
    text.split([' ', '\n', '\r', '\t', ',']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

impl Typed {
    pub fn fresh() -> Self {
        Self {
            client_proof: ClientProof::SecretBasic.as_str().to_owned(),
            algorithm: jose::Algorithm::Rs256.as_str().to_owned(),
            scopes: "openid profile email".to_owned(),
            sign_out_upstream: Some(String::new()),
            ..Self::default()
        }
        .with_mapping(&Mapping::default(), "")
    }

    fn with_mapping(mut self, mapping: &Mapping, groups: &str) -> Self {
        self.email_claim.clone_from(&mapping.email_claim);
        self.name_claim.clone_from(&mapping.name_claim);
        self.groups_claim.clone_from(&mapping.groups_claim);
        let roles = mapping.roles.iter().map(|rule| format!("{} = {}", rule.value, rule.role.as_str()));
        self.roles = roles.collect::<Vec<_>>().join("\n");
        self.groups = groups.to_owned();
        self.domains = mapping.domains.join("\n");
        self.creates_accounts = mapping.creates_accounts.then(String::new);
        self.vouches_for_addresses = mapping.vouches_for_addresses.then(String::new);
        self.proof = mapping.proof.as_str().to_owned();
        self
    }

    /// `groups`: the group rules with the groups' names.
    pub fn of(view: &ConnectionView, groups: &str) -> Self {
        Self {
            name: view.name.clone(),
            issuer: view.issuer.clone(),
            client_id: view.client_id.clone(),
            client_proof: view.client_proof.as_str().to_owned(),
            algorithm: view.algorithm.clone(),
            scopes: view.scopes.join(" "),
            sign_out_upstream: view.sign_out_upstream.then(String::new),
            ..Self::default()
        }
        .with_mapping(&view.mapping, groups)
    }

    /// Reads the mapping; groups are named, and must be there.
    async fn mapping(&self, app: &App, access: &Access) -> Result<Mapping, Problem> {
        let wrong = |field: &'static str, why: String| Problem::invalid(&why).field(field, why);
        let shape = |field, line: &str| wrong(field, format!("`{line}` is no rule: write `their word = ours`"));
        let mut roles = Vec::new();
        for line in lines(&self.roles) {
            let (value, role) = rule(line).ok_or_else(|| shape("roles", line))?;
            let role = Role::parse(&role.to_lowercase())
                .ok_or_else(|| wrong("roles", format!("`{role}` is no role: admin, auditor or member")))?;
            roles.push(RoleRule { value, role });
        }
        let mut groups = Vec::new();
        let organization = access.organization_id()?;
        for line in lines(&self.groups) {
            let (value, name) = rule(line).ok_or_else(|| shape("groups", line))?;
            let asked = name.clone();
            let found = app.db().read(move |tx| group_named(tx, organization, &asked)).await?;
            let group = found.ok_or_else(|| wrong("groups", format!("there is no group `{name}` here")))?;
            groups.push(GroupRule { value, group });
        }
        Ok(Mapping {
            email_claim: self.email_claim.trim().to_owned(),
            name_claim: self.name_claim.trim().to_owned(),
            groups_claim: self.groups_claim.trim().to_owned(),
            roles,
            groups,
            domains: words(&self.domains.to_lowercase()),
            creates_accounts: self.creates_accounts.is_some(),
            vouches_for_addresses: self.vouches_for_addresses.is_some(),
            proof: ProofTrust::parse(&self.proof).unwrap_or_default(),
        })
    }

    pub async fn new_connection(&self, app: &App, access: &Access) -> Result<NewConnection, Problem> {
        let some = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
        let unknown = |_| {
            Problem::invalid("there is no such directory").field("directory", "choose one of the list")
        };
        Ok(NewConnection {
            name: self.name.clone(),
            kind: None,
            issuer: self.issuer.clone(),
            client_id: self.client_id.clone(),
            client_secret: some(&self.client_secret),
            client_proof: ClientProof::parse(&self.client_proof),
            algorithm: some(&self.algorithm),
            scopes: Some(words(&self.scopes)),
            sign_out_upstream: Some(self.sign_out_upstream.is_some()),
            mapping: Some(self.mapping(app, access).await?),
            directory: some(&self.directory).map(|text| text.parse()).transpose().map_err(unknown)?,
            social: some(&self.social),
            saml: None,
        })
    }

    pub async fn change(&self, app: &App, access: &Access) -> Result<ConnectionChange, Problem> {
        // The secret is never shown in the form; an empty field leaves it.
        let secret = Some(self.client_secret.trim().to_owned()).filter(|secret| !secret.is_empty());
        Ok(ConnectionChange {
            name: Some(self.name.clone()),
            client_id: Some(self.client_id.clone()),
            client_secret: secret,
            client_proof: ClientProof::parse(&self.client_proof),
            algorithm: Some(self.algorithm.clone()),
            scopes: Some(words(&self.scopes)),
            sign_out_upstream: Some(self.sign_out_upstream.is_some()),
            mapping: Some(self.mapping(app, access).await?),
            saml: None,
        })
    }

    pub fn algorithms(&self) -> Vec<Choice> {
        let all = jose::Algorithm::ALL.iter();
        all.map(|one| Choice::new(one.as_str(), one.as_str(), &self.algorithm)).collect()
    }

    pub fn client_proofs(&self) -> Vec<Choice> {
        let label = |proof| match proof {
            ClientProof::SecretBasic => "By a secret in the header",
            ClientProof::SecretPost => "By a secret in the form",
            ClientProof::None => "Not at all: the provider gave no secret",
        };
        ClientProof::ALL.map(|one| Choice::new(one.as_str(), label(one), &self.client_proof)).to_vec()
    }

    pub fn proofs(&self) -> Vec<Choice> {
        let label = |proof| match proof {
            ProofTrust::Any => "As one proof: a second factor is asked for here where a policy wants one",
            ProofTrust::Told => "As the provider says: two where its ID token names a second factor",
            ProofTrust::Mfa => "As two proofs: the provider asks everybody for a second factor",
        };
        ProofTrust::ALL.map(|one| Choice::new(one.as_str(), label(one), &self.proof)).to_vec()
    }
}
