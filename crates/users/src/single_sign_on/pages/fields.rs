//! The form of a connection: what it holds as it was typed, and what that means.

use platform::App;
use platform::access::Role;
use platform::web::ui::Choice;
use platform::web::{Access, Problem};
use serde::Deserialize;

use super::super::api::{ConnectionChange, ConnectionView, NewConnection, SamlChange, SamlView};
use super::super::settings::{GroupRule, RoleRule};
use super::super::{ClientProof, Kind, Mapping, ProofTrust, group_named, saml};

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
    /// Of SAML, as everything below.
    #[serde(default)]
    pub metadata: String,
    #[serde(default)]
    pub metadata_url: String,
    #[serde(default)]
    pub name_id_format: String,
    #[serde(default)]
    pub sha1_until: String,
    pub unsolicited: Option<String>,
    pub signed_response: Option<String>,
    pub signed_assertion: Option<String>,
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

    pub fn fresh_saml() -> Self {
        let mapping = Mapping {
            email_claim: saml::NAME_ID.to_owned(),
            vouches_for_addresses: true,
            ..Mapping::default()
        };
        Self { sign_out_upstream: Some(String::new()), ..Self::default() }.with_mapping(&mapping, "")
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
            ..view.saml.as_ref().map(Self::of_saml).unwrap_or_default()
        }
        .with_mapping(&view.mapping, groups)
    }

    /// The metadata stays where it is; its address is typed again by whoever wants it read again.
    fn of_saml(view: &SamlView) -> Self {
        Self {
            name_id_format: view.name_id_format.clone().unwrap_or_default(),
            sha1_until: view.sha1_until.map(|end| end.rfc3339()).unwrap_or_default(),
            unsolicited: view.unsolicited.then(String::new),
            signed_response: view.signed_response.then(String::new),
            signed_assertion: view.signed_assertion.then(String::new),
            ..Self::default()
        }
    }

    /// `before`: the exception as it stands, which is not made anew by saving something else.
    fn saml(&self, before: &str) -> SamlChange {
        let some = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
        SamlChange {
            metadata: some(&self.metadata),
            metadata_url: some(&self.metadata_url),
            entity_id: None,
            name_id_format: Some(self.name_id_format.clone()),
            unsolicited: Some(self.unsolicited.is_some()),
            signed_response: Some(self.signed_response.is_some()),
            signed_assertion: Some(self.signed_assertion.is_some()),
            sha1_until: Some(self.sha1_until.clone()).filter(|text| text.trim() != before),
        }
    }

    pub async fn new_saml(&self, app: &App, access: &Access) -> Result<NewConnection, Problem> {
        let new = self.new_connection(app, access).await?;
        Ok(NewConnection { kind: Some(Kind::Saml), saml: Some(self.saml("")), ..new })
    }

    pub async fn saml_change(
        &self,
        app: &App,
        access: &Access,
        before: &str,
    ) -> Result<ConnectionChange, Problem> {
        Ok(ConnectionChange {
            name: Some(self.name.clone()),
            mapping: Some(self.mapping(app, access).await?),
            sign_out_upstream: Some(self.sign_out_upstream.is_some()),
            saml: Some(self.saml(before)),
            ..ConnectionChange::default()
        })
    }

    /// Reads the mapping; groups are named, and must be there.
    async fn mapping(&self, app: &App, access: &Access) -> Result<Mapping, Problem> {
        let wrong = |field: &'static str, why: String| Problem::invalid(&why).field(field, why);
        let shape =
            |field, line: &str| wrong(field, format!("`{line}` is no rule: write `their word = ours`"));
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
        let unknown =
            |_| Problem::invalid("there is no such directory").field("directory", "choose one of the list");
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
