//! `/oauth/authorize`, the question to the person, the page of the device flow, `/oauth/logout`.
//!
//! A form of ours may lead only to ourselves (`form-action 'self'`), and browsers apply that to every redirect behind it.
//! So an answer that follows a form goes to the product by a page that moves on by itself.

use askama::Template;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use platform::db::{Commit, DbError};
use platform::ids::Id;
use platform::web::extract::{Form, Path};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::ui::Shell;
use platform::web::{self, Access, Problem, navigation};
use platform::{App, Ctx};
use serde::Deserialize;
use url::Url;

use super::answer::Refusal;
use super::api::{BODY_BYTES_MAX, PUSHED};
use super::authorize::{self, Next, SignedIn};
use super::request::{self, Params, Request};
use super::{issuer, keys, product};
use crate::policies;
use crate::products::{Product, ProductId};
use crate::sessions::SessionId;
use crate::tokens::LinkToken;

mod device;
mod logout;

pub(super) use device::DEVICE;

const AUTHORIZE: &str = "/oauth/authorize";
const WAITING: &str = "/oauth/interactions/{token}";
const KEPT: &str = "the request is kept until its person has answered; the answer is recorded";

pub(crate) fn routes() -> Routes {
    Routes::new()
        .add(
            // It keeps a request.
            routes::get(AUTHORIZE, "oauth.authorize", Openness::Public, authorize_get).limit(Limit::Write),
        )
        .add(
            routes::post(AUTHORIZE, "oauth.authorize_post", Openness::Public, authorize_post)
                .plain()
                .body_bytes_max(BODY_BYTES_MAX)
                .limit(Limit::Credential)
                .records_nothing(KEPT),
        )
        .add(
            routes::get(WAITING, "oauth.interaction", Openness::Public, interaction).limit(Limit::Credential),
        )
        .add(
            routes::post(WAITING, "oauth.consent", Openness::SignedIn, consent)
                .limit(Limit::Credential)
                .records("product."),
        )
        .merge(device::routes())
        .merge(logout::routes())
}

/// A refusal on a page of ours, because there is no address to send it to.
fn on_page(refusal: &Refusal) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "sign-in-request", "This product asked in a way that does not work")
        .detail(&refusal.description)
        .cure("go back to the product and try again; if it stays, tell the people who run it")
}

struct Asked {
    product: Product,
    params: Params,
    redirect_uri: String,
    state: Option<String>,
}

/// Finds the product and the address of its answer. What is wrong until then is never sent anywhere.
async fn asked(app: &App, access: &Access, params: Params) -> Result<Asked, Problem> {
    let named = params.get("client_id").and_then(|id| id.parse::<ProductId>().ok());
    let unknown = || on_page(&Refusal::request("`client_id` names no product that is registered here"));
    let known = match named {
        Some(id) => product(app, id).await?,
        None => None,
    };
    let known = known.filter(|known| known.product.active).ok_or_else(unknown)?;
    let params = unpushed(app, access, &known.product, params).await?;
    let redirect_uri = request::redirect_uri(&known.product, &params).map_err(|refusal| on_page(&refusal))?;
    let state = params.get("state").filter(|state| state.len() <= 4096).map(str::to_owned);
    Ok(Asked { product: known.product.clone(), params, redirect_uri, state })
}

/// The parameters themselves, or those that were pushed before.
async fn unpushed(app: &App, access: &Access, product: &Product, params: Params) -> Result<Params, Problem> {
    let Some(token) = params.get("request_uri").and_then(|uri| uri.strip_prefix(PUSHED)) else {
        if product.settings.requires_par {
            return Err(on_page(&Refusal::request("this product must push its requests (PAR)")));
        }
        return Ok(params);
    };
    let gone = || on_page(&Refusal::request("this `request_uri` is unknown, was used or is too old"));
    let token = LinkToken::parse(token).map_err(|_| gone())?;
    let (now, id) = (access.ctx.now, product.id);
    let kept = app
        .db()
        .housekeeping(move |tx| {
            let Some(kept) = authorize::kept(tx, &token, "pushed", now)? else { return Ok(None) };
            let mine = kept.product == id && authorize::use_kept(tx, &token, now)?;
            Ok::<_, DbError>(mine.then_some(kept.params))
        })
        .await?;
    kept.ok_or_else(gone)
}

async fn read(app: &App, ctx: &Ctx, asked: &Asked) -> Result<Result<Request, Refusal>, Problem> {
    let published = keys::ring(app, ctx.now).await?.public();
    Ok(request::read(&asked.product, &asked.params, &issuer(app), &published))
}

fn session_of(access: &Access) -> Option<SessionId> {
    access.principal.as_ref().and_then(|principal| principal.session).map(SessionId::from_uuid)
}

async fn person(app: &App, access: &Access) -> Result<Option<SignedIn>, Problem> {
    let Some(session) = session_of(access) else { return Ok(None) };
    let now = access.ctx.now;
    Ok(app.db().look_up(move |tx| authorize::signed_in(tx, session, now)).await?)
}

/// The redirect address with these parameters added (RFC 6749 §4.1.2, RFC 9207).
fn answer_address(app: &App, asked: &Asked, parameters: &[(&str, &str)]) -> Result<String, Problem> {
    let mut url = Url::parse(&asked.redirect_uri).map_err(|_| Problem::internal())?;
    let issuer = issuer(app);
    {
        let mut query = url.query_pairs_mut();
        query.extend_pairs(parameters);
        if let Some(state) = &asked.state {
            query.append_pair("state", state);
        }
        query.append_pair("iss", &issuer);
    }
    Ok(url.to_string())
}

/// Straight to the product.
fn redirect(address: &str) -> web::Result {
    let mut response = web::see_other(address)?;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

#[derive(Template)]
#[template(path = "openid_provider/hop.html")]
struct HopPage {
    shell: Shell,
    address: String,
    name: String,
}

/// To the product after a form: see the head of this file.
fn hop(app: &App, access: &Access, name: &str, address: &str) -> web::Result {
    let shell = navigation::public_shell(app, access, "Going on");
    let mut response = web::html(&HopPage { shell, address: address.to_owned(), name: name.to_owned() })?;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn refusal_address(app: &App, asked: &Asked, refusal: &Refusal) -> Result<String, Problem> {
    let description = super::answer::printable(&refusal.description);
    answer_address(app, asked, &[("error", refusal.error), ("error_description", &description)])
}

async fn authorize_get(State(app): State<App>, access: Access, RawQuery(query): RawQuery) -> web::Result {
    let params = Params::parse(query.unwrap_or_default().as_bytes()).map_err(|refusal| on_page(&refusal))?;
    let asked = asked(&app, &access, params).await?;
    let request = match read(&app, &access.ctx, &asked).await? {
        Ok(request) => request,
        Err(refusal) => return redirect(&refusal_address(&app, &asked, &refusal)?),
    };
    let who = person(&app, &access).await?;
    let mut next = decide(&app, &access, &asked, &request, who.clone(), None, false).await?;
    if next == Next::Issue {
        let who = who.ok_or_else(Problem::internal)?;
        if let Issued::Code(code) = issue(&app, &access, &asked, &request, who, None).await? {
            return redirect(&answer_address(&app, &asked, &[("code", &code.text())])?);
        }
        next = decide(&app, &access, &asked, &request, None, None, false).await?;
    }
    match next {
        Next::Issue => Err(Problem::internal()),
        Next::Refuse(refusal) => redirect(&refusal_address(&app, &asked, &refusal)?),
        Next::SignIn | Next::Prove | Next::Consent => {
            let params = asked.params.to_keep().map_err(|refusal| on_page(&refusal))?;
            let (ctx, id) = (access.ctx.clone(), asked.product.id);
            let token = app
                .db()
                .housekeeping(move |tx| authorize::keep(&ctx, tx, id, "waiting", &params))
                .await
                .map_err(Problem::from)?;
            web::see_other(&format!("/oauth/interactions/{}", token.text()))
        }
    }
}

/// OpenID Connect Core §3.1.2.1 wants POST too. A browser sends no cookie with a form of another site, so the request is
/// kept as a pushed one is, and the browser comes again with GET.
async fn authorize_post(State(app): State<App>, access: Access, body: Bytes) -> web::Result {
    let params = Params::parse(&body).map_err(|refusal| on_page(&refusal))?;
    let pairs = String::from_utf8_lossy(&body).into_owned();
    // What was pushed is kept already, works once, and is for the GET to use up.
    let pushed = params.get("request_uri").filter(|uri| uri.starts_with(PUSHED));
    if let (Some(id), Some(uri)) = (params.get("client_id"), pushed) {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("client_id", id).append_pair("request_uri", uri);
        return web::see_other(&format!("{AUTHORIZE}?{}", query.finish()));
    }
    // Short requests go on as they are; long ones would not fit an address.
    if pairs.len() < 4000 {
        return web::see_other(&format!("{AUTHORIZE}?{pairs}"));
    }
    let asked = asked(&app, &access, params).await?;
    // What is refused is not kept.
    if let Err(refusal) = read(&app, &access.ctx, &asked).await? {
        return redirect(&refusal_address(&app, &asked, &refusal)?);
    }
    let params = asked.params.to_keep().map_err(|refusal| on_page(&refusal))?;
    let (ctx, id) = (access.ctx.clone(), asked.product.id);
    let token = app
        .db()
        .housekeeping(move |tx| authorize::keep(&ctx, tx, id, "pushed", &params))
        .await
        .map_err(Problem::from)?;
    web::see_other(&format!("{AUTHORIZE}?client_id={id}&request_uri={PUSHED}{}", token.text()))
}

async fn decide(
    app: &App,
    access: &Access,
    asked: &Asked,
    request: &Request,
    who: Option<SignedIn>,
    since: Option<platform::time::Timestamp>,
    agreed: bool,
) -> Result<Next, Problem> {
    let (product, request, now) = (asked.product.clone(), request.clone(), access.ctx.now);
    let ip = access.ctx.origin.ip;
    let decided = app
        .db()
        .look_up(move |tx| {
            let next = authorize::decide(tx, &product, &request, who.as_ref(), since, agreed, now)?;
            let (Next::Issue | Next::Consent, Some(who)) = (&next, &who) else { return Ok(next) };
            // A session taken elsewhere: these routes are public, so the guard has not asked.
            Ok::<_, DbError>(match policies::sign_in_network(tx, who.account, ip, now)? {
                Some(_) => Next::Refuse(Refusal::new(
                    "access_denied",
                    "an organization of this person takes no sign-in from this network",
                )),
                None => next,
            })
        })
        .await?;
    Ok(decided)
}

enum Issued {
    Code(LinkToken),
    /// The request was answered before.
    Gone,
    /// The session has ended since it was read.
    SignedOut,
}

/// Begins the grant; with `kept` the request it answers is used up in the same transaction.
async fn issue(
    app: &App,
    access: &Access,
    asked: &Asked,
    request: &Request,
    who: SignedIn,
    kept: Option<(LinkToken, bool)>,
) -> Result<Issued, Problem> {
    let (ctx, product, request) = (access.ctx.clone(), asked.product.clone(), request.clone());
    let written = app
        .db()
        .write(&access.ctx, move |tx| {
            if let Some((token, agreed)) = &kept {
                if !authorize::use_kept(tx, token, ctx.now)? {
                    return Ok::<_, DbError>(Commit::unchanged(Issued::Gone));
                }
                if *agreed {
                    authorize::consent(&ctx, tx, product.id, who.account, &request.scopes)?;
                }
            }
            let issued = authorize::issue(&ctx, tx, &product, &request, &who)?;
            Ok(issued.map(|code| code.map_or(Issued::SignedOut, Issued::Code)))
        })
        .await?;
    Ok(written.value)
}

// ---- the question ---------------------------------------------------------------------------------------------

fn gone() -> Problem {
    Problem::new(StatusCode::GONE, "sign-in-over", "This sign-in is over")
        .detail("it was answered already, or nobody answered it in time")
        .cure("go back to the product and sign in again")
}

struct Line {
    words: &'static str,
    hint: String,
}

/// What a scope means to a person.
fn lines(scopes: &[String]) -> Vec<Line> {
    scopes
        .iter()
        .map(|scope| {
            let words = match scope.as_str() {
                "openid" => "Know that it is you",
                "profile" => "See your name",
                "email" => "See your e-mail address",
                "offline_access" => "Go on while you are not signed in",
                "roles" => "See your roles in this product",
                "groups" => "See the groups you are in",
                "organizations" => "See the organizations you belong to",
                _ => return Line { words: "Use a right of its own:", hint: scope.clone() },
            };
            Line { words, hint: String::new() }
        })
        .collect()
}

#[derive(Template)]
#[template(path = "openid_provider/consent.html")]
struct ConsentPage {
    shell: Shell,
    product: String,
    /// Where the answer goes, for people who look.
    host: String,
    email: String,
    action: String,
    lines: Vec<Line>,
}

async fn waiting(
    app: &App,
    access: &Access,
    text: &str,
) -> Result<(LinkToken, Asked, platform::time::Timestamp), Problem> {
    let token = LinkToken::parse(text).map_err(|_| gone())?;
    let (now, key) = (access.ctx.now, token.clone());
    let kept =
        app.db().look_up(move |tx| authorize::kept(tx, &key, "waiting", now)).await?.ok_or_else(gone)?;
    let known = product(app, kept.product).await?.filter(|known| known.product.active).ok_or_else(gone)?;
    let redirect_uri =
        request::redirect_uri(&known.product, &kept.params).map_err(|refusal| on_page(&refusal))?;
    let state = kept.params.get("state").map(str::to_owned);
    let asked = Asked { product: known.product.clone(), params: kept.params, redirect_uri, state };
    Ok((token, asked, kept.at))
}

async fn interaction(State(app): State<App>, access: Access, Path(text): Path<String>) -> web::Result {
    let (token, asked, since) = waiting(&app, &access, &text).await?;
    let request = match read(&app, &access.ctx, &asked).await? {
        Ok(request) => request,
        Err(refusal) => return redirect(&refusal_address(&app, &asked, &refusal)?),
    };
    // A policy asks this person for more than they have proved: first that, then the product.
    if access.principal.as_ref().is_some_and(|principal| principal.proof.restricted) {
        return Err(Problem::enrolment());
    }
    let who = person(&app, &access).await?;
    let name = asked.product.settings.name.clone();
    match decide(&app, &access, &asked, &request, who.clone(), Some(since), false).await? {
        Next::SignIn => web::see_other(&sign_in_address(&text, &request)),
        Next::Prove => Err(Problem::enrolment()),
        Next::Consent => web::html(&ConsentPage {
            shell: navigation::public_shell(&app, &access, "Sign in to a product"),
            host: Url::parse(&asked.redirect_uri)
                .ok()
                .and_then(|url| url.host_str().map(str::to_owned))
                .unwrap_or_default(),
            email: access.principal()?.email.clone(),
            action: format!("/oauth/interactions/{text}"),
            lines: lines(&request.scopes),
            product: name,
        }),
        Next::Issue => {
            let who = who.ok_or_else(Problem::internal)?;
            match issue(&app, &access, &asked, &request, who, Some((token, false))).await? {
                Issued::Code(code) => {
                    hop(&app, &access, &name, &answer_address(&app, &asked, &[("code", &code.text())])?)
                }
                Issued::Gone => Err(gone()),
                Issued::SignedOut => web::see_other(&sign_in_address(&text, &request)),
            }
        }
        Next::Refuse(refusal) => hop(&app, &access, &name, &refusal_address(&app, &asked, &refusal)?),
    }
}

/// The sign-in page that comes back here; `again` shows it to somebody who is signed in too.
fn sign_in_address(token: &str, request: &Request) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("next", &format!("/oauth/interactions/{token}")).append_pair("again", "1");
    if request.login_hint.contains('@') {
        query.append_pair("email", &request.login_hint);
    }
    format!("/sign-in?{}", query.finish())
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    decision: String,
}

async fn consent(
    State(app): State<App>,
    access: Access,
    Path(text): Path<String>,
    Form(form): Form<Answer>,
) -> web::Result {
    let (token, asked, since) = waiting(&app, &access, &text).await?;
    let request = read(&app, &access.ctx, &asked).await?.map_err(|refusal| on_page(&refusal))?;
    let who = person(&app, &access).await?;
    let name = asked.product.settings.name.clone();
    if form.decision != "allow" {
        let now = access.ctx.now;
        app.db().housekeeping(move |tx| authorize::use_kept(tx, &token, now)).await.map_err(Problem::from)?;
        let denied = Refusal::new("access_denied", "the person said no");
        return hop(&app, &access, &name, &refusal_address(&app, &asked, &denied)?);
    }
    match decide(&app, &access, &asked, &request, who.clone(), Some(since), true).await? {
        Next::Issue => {
            let who = who.ok_or_else(Problem::internal)?;
            match issue(&app, &access, &asked, &request, who, Some((token, true))).await? {
                Issued::Code(code) => {
                    hop(&app, &access, &name, &answer_address(&app, &asked, &[("code", &code.text())])?)
                }
                Issued::Gone => Err(gone()),
                Issued::SignedOut => web::see_other(&sign_in_address(&text, &request)),
            }
        }
        Next::Refuse(refusal) => hop(&app, &access, &name, &refusal_address(&app, &asked, &refusal)?),
        Next::SignIn | Next::Prove | Next::Consent => web::see_other(&sign_in_address(&text, &request)),
    }
}

#[derive(Template)]
#[template(path = "openid_provider/done.html")]
struct DonePage {
    shell: Shell,
    words: &'static str,
}
