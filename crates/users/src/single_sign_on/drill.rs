//! The drill of USR-P4: an identity provider of our own, with keys made for this run, signs somebody in over SAML 2.0 and
//! over OpenID Connect; the same sign-ins unsigned, signed by a stranger, or altered after signing must be refused; and a
//! person makes the round trip over SCIM ([`crate::provisioning::drill`]).
//!
//! The canary provider has no address: what it says is handed to the rules that judge what a browser brings, so that
//! fetching metadata and keys is not tried here.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jose::Algorithm;
use platform::ctx::Actor;
use platform::db::{DbError, Tx};
use platform::evidence::{DrillReport, DrillSource};
use platform::principals;
use platform::{App, Ctx};
use saml::{SigningKey, Time, names};
use serde_json::json;

use super::arrival::{Arrival, Arriving, Identity, arrive};
use super::saml::OwnKey;
use super::{
    ClientProof, Connection, Content, For, Mapping, Oidc, Saml, SamlEndpoint, Saved, Settings, oidc, requests,
};
use crate::canary::{self, Canary, Stop, broken};
use crate::names::Name;
use crate::provisioning;
use crate::tokens::LinkToken;

pub const ROW: &str = "USR-P4";
pub const NAME: &str = "federation";

pub(crate) const FEDERATION: DrillSource = DrillSource {
    row: ROW,
    id: NAME,
    run: |app| {
        Box::pin(async move {
            let ctx = app.ctx(Actor::System(NAME));
            run(&app, &ctx).await
        })
    },
};

const ACCEPTED: &str = "accepted";
const REFUSED: &str = "refused";
const WORKED: &str = "worked";
const FAILED: &str = "failed";

/// The parts in the order they are tried: field of the event, what it is about, how it must end.
pub(super) const PARTS: [(&str, &str, &str); 9] = [
    ("part_saml", "SAML sign-on", ACCEPTED),
    ("part_saml_unsigned", "unsigned SAML assertion", REFUSED),
    ("part_saml_stranger", "SAML assertion signed by a stranger", REFUSED),
    ("part_saml_altered", "SAML assertion altered after signing", REFUSED),
    ("part_openid", "OpenID sign-on", ACCEPTED),
    ("part_openid_unsigned", "unsigned ID token", REFUSED),
    ("part_openid_stranger", "ID token signed by a stranger", REFUSED),
    ("part_openid_altered", "ID token altered after signing", REFUSED),
    ("part_scim", "SCIM round trip", WORKED),
];

/// Keys of the canary provider, and of somebody who is not it.
struct Keys {
    saml: OwnKey,
    saml_stranger: OwnKey,
    openid: jose::SigningKey,
    openid_stranger: jose::SigningKey,
}

impl Keys {
    fn make() -> Result<Self, DbError> {
        let failed = |error: &dyn std::fmt::Display| DbError::Check(format!("a key for a canary: {error}"));
        let openid = || {
            let made = jose::SigningKey::generate(Algorithm::Es256)
                .and_then(|pkcs8| jose::SigningKey::from_pkcs8(Algorithm::Es256, &pkcs8));
            made.map_err(|error| failed(&error))
        };
        // On a curve, which takes no time to make; connections of ours have RSA keys.
        let saml = || {
            let pair = rcgen::KeyPair::generate().map_err(|error| failed(&error))?;
            let certificate = rcgen::CertificateParams::default().self_signed(&pair);
            let certificate = certificate.map_err(|error| failed(&error))?;
            Ok::<_, DbError>(OwnKey {
                private: STANDARD.encode(pair.serialize_der()),
                certificate: STANDARD.encode(certificate.der()),
            })
        };
        Ok(Self { saml: saml()?, saml_stranger: saml()?, openid: openid()?, openid_stranger: openid()? })
    }
}

/// Runs the drill and records how it ended.
pub async fn run(app: &App, ctx: &Ctx) -> Result<DrillReport, DbError> {
    let Some(provider) = app.db().read(principals::provider).await? else {
        let detail = "this installation is not set up".to_owned();
        return Ok(DrillReport { passed: false, detail });
    };
    let keys = Keys::make()?;
    let attacked = canary::rolled_back(app, ctx, move |app, ctx, tx| attack(app, ctx, tx, &keys)).await?;
    let mut told = match attacked {
        Ok(told) => told,
        Err(detail) => {
            let report = DrillReport { passed: false, detail };
            canary::record(app, ctx, provider.id, (ROW, NAME), &report, &[]).await?;
            return Ok(report);
        }
    };
    let trip = provisioning::drill::run(app, ctx).await?;
    told.push(("part_scim", if trip.passed { WORKED } else { FAILED }));
    let wrong: Vec<String> = PARTS
        .iter()
        .filter_map(|(field, about, right)| {
            let (_, ended) = told.iter().find(|(name, _)| name == field)?;
            (ended != right).then(|| match *field {
                "part_scim" => format!("{about}: {}", trip.detail),
                _ => format!("{about}: {ended}"),
            })
        })
        .collect();
    let detail = if wrong.is_empty() {
        "a canary signed in over SAML and OpenID Connect, six forgeries were refused, and SCIM made the round trip"
            .to_owned()
    } else {
        wrong.join("; ")
    };
    let report = DrillReport { passed: wrong.is_empty() && told.len() == PARTS.len(), detail };
    canary::record(app, ctx, provider.id, (ROW, NAME), &report, &told).await?;
    Ok(report)
}

type Told = Vec<(&'static str, &'static str)>;

fn attack(app: &App, ctx: &Ctx, tx: &mut Tx, keys: &Keys) -> Result<Told, Stop> {
    let canary = Canary::found(app, ctx, tx)?;
    let at = At { app, ctx, canary: &canary, keys };
    let mut told = at.over_saml(tx)?;
    told.extend(at.over_openid(tx)?);
    Ok(told)
}

struct At<'a> {
    app: &'a App,
    ctx: &'a Ctx,
    canary: &'a Canary,
    keys: &'a Keys,
}

const ENTITY: &str = "https://canary.invalid/saml";

fn certificate(key: &OwnKey) -> Result<Vec<u8>, Stop> {
    STANDARD.decode(&key.certificate).or_else(|_| broken("a canary's certificate is not readable"))
}

/// `xml` as a form field, signed by `key`.
fn signed(key: &OwnKey, xml: &str) -> Result<String, Stop> {
    let Some(signer) =
        STANDARD.decode(&key.private).ok().and_then(|pkcs8| SigningKey::from_pkcs8(&pkcs8).ok())
    else {
        return broken("a canary's key is not readable");
    };
    saml::post::encode(xml, &signer, &certificate(key)?).or_else(|_| broken("a canary could not sign"))
}

impl At<'_> {
    fn connect(
        &self,
        tx: &mut Tx,
        name: &str,
        settings: Settings,
        mapping: Mapping,
        secret: Option<String>,
    ) -> Result<Connection, Stop> {
        let Ok(name) = Name::parse(name) else { return broken("a canary has no name") };
        let content = Content { name, settings, mapping, secret };
        let organization = self.canary.organization;
        let made = super::create(self.app, self.ctx, tx, organization, &For::Directory(None), &content)?;
        let Saved::Done(made) = made.into_value() else {
            return broken("no canary connection could be made");
        };
        let _active = super::set_active(self.ctx, tx, organization, made.id, true)?;
        super::get(tx, organization, made.id)?.map_or_else(|| broken("the canary connection is gone"), Ok)
    }

    fn enters(&self, tx: &mut Tx, connection: &Connection, identity: &Identity) -> Result<bool, Stop> {
        let arriving = Arriving { app: self.app, ctx: self.ctx, connection, identity, fresh: false };
        Ok(matches!(arrive(&arriving, tx)?.into_value(), Arrival::Entered { .. }))
    }

    fn over_saml(&self, tx: &mut Tx) -> Result<Told, Stop> {
        let settings = Saml {
            entity_id: ENTITY.to_owned(),
            sign_on: vec![SamlEndpoint {
                binding: "redirect".to_owned(),
                location: "https://canary.invalid/sso".to_owned(),
                response_location: None,
            }],
            sign_out: Vec::new(),
            certificates: vec![self.keys.saml.certificate.clone()],
            metadata_url: None,
            valid_until: None,
            name_id_format: None,
            sign_out_upstream: false,
            unsolicited: false,
            signed_response: false,
            signed_assertion: false,
            sha1_until: None,
            // The stranger is whoever has the key of our own side: it vouches for nobody.
            own_certificate: self.keys.saml_stranger.certificate.clone(),
            other_certificate: None,
        };
        let mapping = Mapping {
            email_claim: super::saml::NAME_ID.to_owned(),
            vouches_for_addresses: true,
            ..Mapping::default()
        };
        let secret = Some(self.keys.saml_stranger.private.clone());
        let connection =
            self.connect(tx, "Canary SAML", Settings::Saml(settings.clone()), mapping, secret)?;
        let state = LinkToken::generate(&mut |bytes| self.ctx.fill(bytes));
        let xml = self.response(&connection, &state);
        let good = signed(&self.keys.saml, &xml)?;
        let plain = STANDARD.decode(&good).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let altered =
            plain.unwrap_or_default().replace(&self.canary.address("saml"), &self.canary.address("else"));
        let tries = [
            ("part_saml", good),
            ("part_saml_unsigned", STANDARD.encode(&xml)),
            ("part_saml_stranger", signed(&self.keys.saml_stranger, &xml)?),
            ("part_saml_altered", STANDARD.encode(altered)),
        ];
        let asked = requests::unasked(self.ctx.now);
        let mut told = Told::new();
        for (field, form) in tries {
            let asked = Some((&state, &asked));
            let accepted = super::saml::accept(self.app, &connection, &settings, &form, asked, self.ctx.now);
            let entered = match accepted {
                Ok(accepted) => self.enters(tx, &connection, &accepted.identity)?,
                Err(_) => false,
            };
            told.push((field, if entered { ACCEPTED } else { REFUSED }));
        }
        Ok(told)
    }

    /// What an identity provider answers to a request of this state.
    fn response(&self, connection: &Connection, state: &LinkToken) -> String {
        let now = Time(self.ctx.now.micros());
        let (issued, end) = (now.to_text(), now.plus_seconds(300).to_text());
        let (acs, audience) =
            (super::saml::acs(self.app, connection.id), super::saml::entity_id(self.app, connection.id));
        let asked = super::saml::request_id(self.app, state);
        let assertion = hex::encode(digest(&SHA256, state.text().as_bytes()));
        let person = self.canary.address("saml");
        format!(
            "<samlp:Response xmlns:samlp=\"{samlp}\" xmlns:saml=\"{saml}\" ID=\"_r{assertion}\" Version=\"2.0\" \
             IssueInstant=\"{issued}\" Destination=\"{acs}\" InResponseTo=\"{asked}\"><saml:Issuer>{ENTITY}</saml:Issuer>\
             <samlp:Status><samlp:StatusCode Value=\"{success}\"/></samlp:Status>\
             <saml:Assertion ID=\"_a{assertion}\" Version=\"2.0\" IssueInstant=\"{issued}\"><saml:Issuer>{ENTITY}</saml:Issuer>\
             <saml:Subject><saml:NameID Format=\"{email}\">{person}</saml:NameID>\
             <saml:SubjectConfirmation Method=\"{bearer}\"><saml:SubjectConfirmationData InResponseTo=\"{asked}\" \
             NotOnOrAfter=\"{end}\" Recipient=\"{acs}\"/></saml:SubjectConfirmation></saml:Subject>\
             <saml:Conditions NotOnOrAfter=\"{end}\"><saml:AudienceRestriction><saml:Audience>{audience}</saml:Audience>\
             </saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant=\"{issued}\"/>\
             </saml:Assertion></samlp:Response>",
            samlp = names::SAMLP,
            saml = names::SAML,
            success = names::SUCCESS,
            email = names::EMAIL,
            bearer = names::BEARER,
        )
    }

    fn over_openid(&self, tx: &mut Tx) -> Result<Told, Stop> {
        let settings = Oidc {
            issuer: "https://canary.invalid".to_owned(),
            client_id: "canary".to_owned(),
            client_proof: ClientProof::None,
            algorithm: Algorithm::Es256.as_str().to_owned(),
            scopes: vec!["openid".to_owned(), "email".to_owned()],
            sign_out_upstream: false,
        };
        let of = Settings::Oidc(settings.clone());
        let connection = self.connect(tx, "Canary OpenID", of, Mapping::default(), None)?;
        let state = LinkToken::generate(&mut |bytes| self.ctx.fill(bytes));
        let claims = self.claims(&state, "openid");
        let sign = |key: &jose::SigningKey| {
            key.sign("JWT", claims.as_bytes()).or_else(|_| broken("a canary could not sign"))
        };
        let good = sign(&self.keys.openid)?;
        let none = format!("{}.{}.", jose::encode(r#"{"alg":"none","typ":"JWT"}"#), jose::encode(&claims));
        let mut altered: Vec<String> = good.split('.').map(str::to_owned).collect();
        if let Some(payload) = altered.get_mut(1) {
            *payload = jose::encode(self.claims(&state, "else"));
        }
        let tries = [
            ("part_openid", good),
            ("part_openid_unsigned", none),
            ("part_openid_stranger", sign(&self.keys.openid_stranger)?),
            ("part_openid_altered", altered.join(".")),
        ];
        let keys = [self.keys.openid.public().clone()];
        let mut told = Told::new();
        for (field, token) in tries {
            let entered = match oidc::vouched(self.app, &settings, &keys, &state, &token, self.ctx.now) {
                Ok(identity) => self.enters(tx, &connection, &identity)?,
                Err(_) => false,
            };
            told.push((field, if entered { ACCEPTED } else { REFUSED }));
        }
        Ok(told)
    }

    fn claims(&self, state: &LinkToken, local: &str) -> String {
        let now = self.ctx.now.micros() / 1_000_000;
        json!({
            "iss": "https://canary.invalid",
            "aud": "canary",
            "sub": local,
            "iat": now,
            "exp": now + 300,
            "nonce": requests::nonce(self.app, state),
            "email": self.canary.address(local),
            "email_verified": true,
            "name": "Canary",
        })
        .to_string()
    }
}
