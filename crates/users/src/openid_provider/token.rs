//! The token endpoint: what is given for a code, a refresh token, a device code, or the product's own word.

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use platform::db::DbError;
use platform::{App, Ctx};
use serde_json::json;

use super::answer::{Refusal, json_with};
use super::grants::{self, Grant, Use};
use super::issue::{self, About, Access};
use super::request::{self, Params};
use super::{ACCESS_LIFETIME, GrantId, client, device, issuer, keys, state};
use crate::products::{Authentication, GrantType, IDENTITY_SCOPES, Known, Product, Standing};
use crate::tokens::LinkToken;

pub(crate) const PATH: &str = "/oauth/token";
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

pub(crate) async fn answer(
    app: &App,
    ctx: &Ctx,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Refusal> {
    let params = Params::parse(body)?;
    let known = match client::authenticate(app, headers, &params, PATH).await {
        Ok(known) => known,
        Err(refusal) => {
            state(app).meter.refused();
            return Err(refusal);
        }
    };
    let jkt = client::proof(app, headers, "POST", PATH, None).await?;
    if known.product.settings.requires_dpop && jkt.is_none() {
        return Err(Refusal::new("invalid_dpop_proof", "this product must send a `DPoP` proof"));
    }
    let asked = Asked { app, ctx, product: &known.product, params: &params, jkt: jkt.as_deref() };
    let need = |grant: GrantType| {
        if known.product.settings.allows(grant) {
            return Ok(());
        }
        let why = format!("this product is not registered for `{}`", grant.as_str());
        Err(Refusal::new("unauthorized_client", why))
    };
    match params.need("grant_type")? {
        "client_credentials" => {
            need(GrantType::ClientCredentials)?;
            asked.of_itself(&known).await
        }
        "authorization_code" => {
            need(GrantType::AuthorizationCode)?;
            asked.by_code().await
        }
        "refresh_token" => {
            need(GrantType::RefreshToken)?;
            asked.by_refresh().await
        }
        DEVICE_GRANT => {
            need(GrantType::DeviceCode)?;
            asked.by_device().await
        }
        _ => Err(Refusal::new(
            "unsupported_grant_type",
            "`grant_type` is authorization_code, refresh_token, client_credentials or device_code",
        )),
    }
}

struct Asked<'a> {
    app: &'a App,
    ctx: &'a Ctx,
    product: &'a Product,
    params: &'a Params,
    jkt: Option<&'a str>,
}

/// What a use of a code or token gave, with all that tokens need.
struct Redeemed {
    grant: Box<Grant>,
    about: About,
    refresh: Option<LinkToken>,
}

impl Asked<'_> {
    /// Client credentials: no database write in the way. What was issued is counted, and the counts are recorded
    /// ([`super::meter`]).
    async fn of_itself(&self, known: &Known) -> Result<Response, Refusal> {
        if known.product.settings.authentication == Authentication::None {
            return Err(Refusal::new(
                "unauthorized_client",
                "a product that cannot prove itself gets no own tokens",
            ));
        }
        let scopes = own_scopes(self.product, self.params.get("scope"))?;
        let resources = request::resources(self.product, self.params)?;
        let key = keys::signer(self.app, self.ctx, jose::Algorithm::Es256).await?;
        let access = Access {
            product: self.product,
            scopes: &scopes,
            resources: &resources,
            grant: None,
            jkt: self.jkt,
        };
        let token = issue::access_token(self.ctx, &key, &issuer(self.app), &access)?;
        state(self.app).meter.issued(self.product.id);
        let body = json!({
            "access_token": token,
            "token_type": self.token_type(),
            "expires_in": ACCESS_LIFETIME.as_secs(),
            "scope": scopes.join(" "),
        });
        Ok(json_with(StatusCode::OK, &body))
    }

    fn token_type(&self) -> &'static str {
        if self.jkt.is_some() { "DPoP" } else { "Bearer" }
    }

    async fn by_code(&self) -> Result<Response, Refusal> {
        let refused = || Refusal::grant("the code is unknown, used, too old, or does not fit this request");
        let code = LinkToken::parse(self.params.need("code")?).map_err(|_| refused())?;
        let verifier = self.params.need("code_verifier")?.to_owned();
        if !(43..=128).contains(&verifier.len()) {
            return Err(Refusal::request("`code_verifier` has 43 to 128 characters"));
        }
        let uri = self.params.need("redirect_uri")?.to_owned();
        let jkt = self.jkt.map(str::to_owned);
        let now = self.ctx.now;
        let redeemed = self
            .redeem(move |tx, product| {
                grants::use_code(tx, product, &code, &uri, &verifier, jkt.as_deref(), now)
            })
            .await?;
        self.tokens(redeemed.map_err(|reused| reused.unwrap_or_else(refused))?, None).await
    }

    async fn by_refresh(&self) -> Result<Response, Refusal> {
        let refused = || {
            Refusal::grant("the refresh token is unknown, used, too old, revoked, or bound to another key")
        };
        let token = LinkToken::parse(self.params.need("refresh_token")?).map_err(|_| refused())?;
        let (jkt, now) = (self.jkt.map(str::to_owned), self.ctx.now);
        self.check_narrower(&token).await?;
        let redeemed = self
            .redeem(move |tx, product| grants::use_refresh(tx, product, &token, jkt.as_deref(), now))
            .await?;
        self.tokens(redeemed.map_err(|reused| reused.unwrap_or_else(refused))?, self.params.get("scope"))
            .await
    }

    /// Asking for too much must not cost the refresh token.
    async fn check_narrower(&self, token: &LinkToken) -> Result<(), Refusal> {
        let (token, now) = (token.clone(), self.ctx.now);
        let found = self.app.db().look_up(move |tx| grants::of_refresh(tx, &token, now)).await?;
        if let Some((grant, _)) = found.filter(|(grant, _)| grant.product == self.product.id) {
            narrowed(&grant, self.params.get("scope"))?;
            self.resources(&grant)?;
        }
        Ok(())
    }

    fn resources(&self, grant: &Grant) -> Result<Vec<String>, Refusal> {
        let asked = request::resources(self.product, self.params)?;
        let granted = &grant.details.resources;
        if !granted.is_empty() && asked.iter().any(|one| !granted.contains(one)) {
            return Err(Refusal::new("invalid_target", "the person did not sign in for that `resource`"));
        }
        Ok(if asked.is_empty() { granted.clone() } else { asked })
    }

    async fn by_device(&self) -> Result<Response, Refusal> {
        let code = LinkToken::parse(self.params.need("device_code")?)
            .map_err(|_| Refusal::grant("the device code is unknown"))?;
        let (id, now) = (self.product.id, self.ctx.now);
        let polled = self.app.db().housekeeping(move |tx| device::poll(tx, &code, id, now)).await?;
        let grant = polled?;
        let refused = || Refusal::grant("what the person allowed has ended");
        let redeemed = self.redeem(move |tx, product| device::redeem(tx, product, grant, now)).await?;
        self.tokens(redeemed.map_err(|reused| reused.unwrap_or_else(refused))?, None).await
    }

    /// Uses something up in one transaction, with the new refresh token; what comes twice ends its family.
    async fn redeem<F>(&self, using: F) -> Result<Result<Redeemed, Option<Refusal>>, Refusal>
    where
        F: Fn(&mut platform::db::Tx, &Product) -> Result<Use, DbError> + Send + Sync + 'static,
    {
        let (ctx, product) = (self.ctx.clone(), self.product.clone());
        // Who cannot prove itself otherwise is bound to its key (RFC 9449 §5).
        let public = product.settings.authentication == Authentication::None;
        let jkt = self.jkt.filter(|_| public).map(str::to_owned);
        let used = self
            .app
            .db()
            .housekeeping(move |tx| {
                let (grant, standing) = match using(tx, &product)? {
                    Use::Good(grant, standing) => (grant, standing),
                    Use::Twice(id) => return Ok(Err(Some(id))),
                    Use::Refused(_) => return Ok(Err(None)),
                };
                let refresh = match product.settings.allows(GrantType::RefreshToken) {
                    true => Some(grants::add_refresh(&ctx, tx, &grant, jkt.as_deref())?),
                    false => None,
                };
                let about = about(tx, &product, &grant, &standing)?;
                Ok::<_, DbError>(Ok(Redeemed { grant, about, refresh }))
            })
            .await?;
        match used {
            Ok(redeemed) => Ok(Ok(redeemed)),
            Err(None) => Ok(Err(None)),
            Err(Some(id)) => {
                self.end(id).await?;
                Ok(Err(Some(Refusal::grant("it was used before: everything issued from it is revoked"))))
            }
        }
    }

    async fn end(&self, id: GrantId) -> Result<(), DbError> {
        let now = self.ctx.now;
        self.app.db().write(self.ctx, move |tx| grants::end(tx, id, "used_twice", now)).await?;
        Ok(())
    }

    async fn tokens(&self, redeemed: Redeemed, narrower: Option<&str>) -> Result<Response, Refusal> {
        let Redeemed { grant, about, refresh } = redeemed;
        let scopes = narrowed(&grant, narrower)?;
        let resources = self.resources(&grant)?;
        let issuer = issuer(self.app);
        let key = keys::signer(self.app, self.ctx, jose::Algorithm::Es256).await?;
        let access = Access {
            product: self.product,
            scopes: &scopes,
            resources: &resources,
            grant: Some((&grant, &about)),
            jkt: self.jkt,
        };
        let token = issue::access_token(self.ctx, &key, &issuer, &access)?;
        let mut body = json!({
            "access_token": token,
            "token_type": self.token_type(),
            "expires_in": ACCESS_LIFETIME.as_secs(),
            "scope": scopes.join(" "),
        });
        if scopes.iter().any(|scope| scope == "openid") {
            let key = keys::signer(self.app, self.ctx, self.product.settings.id_token_algorithm).await?;
            body["id_token"] = json!(issue::id_token(self.ctx, &key, &issuer, &grant, &about, &token)?);
        }
        if let Some(refresh) = refresh {
            body["refresh_token"] = json!(refresh.text());
        }
        Ok(json_with(StatusCode::OK, &body))
    }
}

fn about(
    tx: &mut platform::db::ReadTx,
    product: &Product,
    grant: &Grant,
    standing: &Standing,
) -> Result<About, DbError> {
    issue::about(tx, product, grant.account, standing, &grant.details.scopes)
}

/// The product's own scopes that are asked; all of them when none is. Scopes about a person have none to be about.
fn own_scopes(product: &Product, asked: Option<&str>) -> Result<Vec<String>, Refusal> {
    let own = || product.settings.scopes.iter().filter(|scope| !IDENTITY_SCOPES.contains(&scope.as_str()));
    let Some(asked) = asked else { return Ok(own().cloned().collect()) };
    let mut out: Vec<String> = Vec::new();
    for scope in asked.split(' ').filter(|scope| !scope.is_empty()) {
        if !own().any(|one| one == scope) {
            return Err(Refusal::new("invalid_scope", format!("`{scope}` is no own scope of this product")));
        }
        if !out.iter().any(|one| one == scope) {
            out.push(scope.to_owned());
        }
    }
    Ok(out)
}

/// RFC 6749 §6: a refresh may ask for less, never for more.
fn narrowed(grant: &Grant, asked: Option<&str>) -> Result<Vec<String>, Refusal> {
    let Some(asked) = asked else { return Ok(grant.details.scopes.clone()) };
    let wanted: Vec<String> = asked.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
    match wanted.iter().find(|scope| !grant.details.has(scope)) {
        Some(more) => Err(Refusal::new("invalid_scope", format!("`{more}` was not granted"))),
        None => Ok(wanted),
    }
}
