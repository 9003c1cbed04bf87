//! Authentication policies as JSON. Groups and people may be named by id, or by name and address.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::db::{DbError, ReadTx};
use platform::ids::{AccountId, OrganizationId};
use platform::principals;
use platform::web::extract::{Json, Path, Query};
use platform::web::guard::conditional::{check_if_match, if_match};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Openness, Routes};
use platform::web::{self, Access, Problem};
use serde::Deserialize;

use super::decide::{self, Content, Decided, Target};
use super::dry_run::{self, Effect, Wanted};
use super::explain::{self, Explanation};
use super::{PolicyId, Rules, default_id};
use crate::factors::Level;

pub(crate) mod rollouts;
pub(crate) mod views;

use views::{DryRunView, PolicyBody, PolicyView, TrialBody, VersionView};

const READ: Openness = Openness::Organization(Permission::PoliciesRead);
const MANAGE: Openness = Openness::Organization(Permission::PoliciesManage);

pub(crate) fn routes() -> Routes {
    const ALL: &str = "/api/v1/organizations/{organization}/policies";
    Routes::new()
        .merge(default_routes())
        .merge(one_routes())
        .merge(rollouts::routes())
        .add(
            routes::get(ALL, "policy.list", READ, list)
                .summary("Policies in force, by name")
                .paged()
                .gives::<Page<PolicyView>>(200),
        )
        .add(
            routes::post(ALL, "policy.create", MANAGE, create)
                .recent()
                .summary("Make a named policy, the one for outside people, or the default of a directory")
                .records("policy.")
                .takes::<PolicyBody>()
                .gives::<PolicyView>(201),
        )
        .add(
            routes::post(
                "/api/v1/organizations/{organization}/policies/dry-run",
                "policy.try",
                READ,
                try_change,
            )
            .summary("What a change would do, without doing it: figures, and everybody it touches")
            .records_nothing("only counts")
            .query("effect", "only people with this effect, e.g. `locked_out`")
            .paged()
            .takes::<TrialBody>()
            .gives::<DryRunView>(200),
        )
        .add(
            routes::get(
                "/api/v1/organizations/{organization}/policies/explain",
                "policy.explain",
                READ,
                explain,
            )
            .summary("Why something is asked of one person, setting by setting")
            .query("account", "the person's account id or address")
            .required()
            .gives::<Explanation>(200),
        )
}

/// One policy.
fn one_routes() -> Routes {
    const ONE: &str = "/api/v1/organizations/{organization}/policies/{policy}";
    Routes::new()
        .add(routes::get(ONE, "policy.show", READ, show).summary("One policy").gives::<PolicyView>(200))
        .add(
            routes::put(ONE, "policy.change", MANAGE, change)
                .recent()
                .summary("Change a policy: rules and assignments; takes If-Match")
                .records("policy.")
                .takes::<PolicyBody>()
                .gives::<PolicyView>(200),
        )
        .add(
            routes::delete(ONE, "policy.delete", MANAGE, remove)
                .recent()
                .summary("Delete a policy; undo brings it back")
                .records("policy.")
                .gives_nothing(204),
        )
        .add(
            routes::post(
                "/api/v1/organizations/{organization}/policies/{policy}/undo",
                "policy.undo_one",
                MANAGE,
                undo_one,
            )
            .recent()
            .summary("Put the version before back in force, with its assignments")
            .records("policy.")
            .gives::<PolicyView>(200),
        )
        .add(
            routes::get(
                "/api/v1/organizations/{organization}/policies/{policy}/versions",
                "policy.versions",
                READ,
                versions,
            )
            .summary("What a policy said before, the newest version first")
            .paged()
            .gives::<Page<VersionView>>(200),
        )
}

/// The default policy's rules alone, for programs that know of no other.
fn default_routes() -> Routes {
    const PATH: &str = "/api/v1/organizations/{organization}/policy";
    Routes::new()
        .add(
            routes::get(PATH, "policy.get", READ, get).summary("The default policy").gives::<PolicyView>(200),
        )
        .add(
            routes::put(PATH, "policy.decide", MANAGE, put)
                .recent()
                .summary("Decide the default policy's rules; takes If-Match")
                .records("policy.")
                .takes::<Rules>()
                .gives::<PolicyView>(200),
        )
        .add(
            routes::post("/api/v1/organizations/{organization}/policy/undo", "policy.undo", MANAGE, undo)
                .recent()
                .summary("Put the default policy's version before back in force")
                .records("policy.")
                .gives::<PolicyView>(200),
        )
}

/// How the caller is named in the decision.
pub(crate) fn name_of(access: &Access) -> String {
    access.principal.as_ref().map(|principal| principal.name.clone()).unwrap_or_default()
}

/// `default`, `outside` or an id.
pub(super) fn policy_of(
    tx: &mut ReadTx,
    organization: OrganizationId,
    text: &str,
) -> Result<PolicyId, Problem> {
    let none = || Problem::not_found("policy");
    match text {
        "default" => Ok(default_id(organization)),
        "outside" => {
            tx.scalar(&super::sql::OUTSIDE_POLICY, platform::params![organization])?.ok_or_else(none)
        }
        id => id.parse().map_err(|_| none()),
    }
}

async fn list(State(app): State<App>, access: Access, Query(page): Query<PageQuery>) -> web::Result {
    let id = access.organization_id()?;
    let (after, limit) = (page.after()?, page.limit()?);
    let mut all = app.db().read(move |tx| views::all(tx, id)).await?;
    all.retain(|policy| policy.name > after);
    Ok(Json(Page::of(all, limit, |policy| policy.name.clone())).into_response())
}

async fn show(
    State(app): State<App>,
    access: Access,
    Path((_, policy)): Path<(String, String)>,
) -> web::Result {
    let id = access.organization_id()?;
    let found = app
        .db()
        .read(move |tx| {
            let policy = policy_of(tx, id, &policy)?;
            Ok::<_, Problem>(views::one(tx, id, policy)?)
        })
        .await?;
    Ok(Json(found.ok_or_else(|| Problem::not_found("policy"))?).into_response())
}

async fn get(State(app): State<App>, access: Access) -> web::Result {
    let id = access.organization_id()?;
    let found = app.db().read(move |tx| views::one(tx, id, default_id(id))).await?;
    Ok(Json(found.ok_or_else(|| Problem::not_found("policy"))?).into_response())
}

/// The answer to a change: the policy, or why not.
pub(super) async fn answer(
    app: &App,
    organization: OrganizationId,
    status: StatusCode,
    decided: Decided,
) -> web::Result {
    let policy = done(decided)?;
    let found = app.db().read(move |tx| views::one(tx, organization, policy)).await?;
    let found = found.ok_or_else(|| Problem::not_found("policy"))?;
    Ok((status, Json(found)).into_response())
}

/// What nobody could reach is not decided: an attested passkey is one of a make that the operator has listed.
pub(super) fn reachable(app: &App, rules: &Rules) -> Result<(), Problem> {
    if rules.factor < Level::AttestedPasskey || !crate::passkeys::makes(app).is_empty() {
        return Ok(());
    }
    let why = "no make of passkey is listed on this installation, so nobody could sign in: \
               ask its operator to set `passkey_makes`, or ask for a passkey";
    done(Decided::Refused(vec![("factor", why.to_owned())])).map(|_| ())
}

/// A refusal as a problem with its cure.
pub(super) fn done(decided: Decided) -> Result<PolicyId, Problem> {
    match decided {
        Decided::Done(policy) => Ok(policy),
        Decided::ChangedMeanwhile => Err(Problem::changed_meanwhile()),
        Decided::NoSuchPolicy => Err(Problem::not_found("policy")),
        Decided::NoSuchDirectory => Err(Problem::not_found("directory")),
        Decided::NothingToUndo => Err(Problem::conflict("there is no version before this one")),
        Decided::RolloutRunning => Err(Problem::conflict("a roll-out of this policy is under way")
            .cure("cancel the roll-out, or wait until it is done")),
        Decided::OwnersOnly => Err(Problem::forbidden(Permission::OrganizationManage.as_str())
            .detail(
                "this policy names an owner, or a directory with one, and only owners decide about owners",
            )
            .cure("leave owners out, or ask one of them to decide it")),
        Decided::LocksYouOut(why) => {
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "locks-you-out", "This would lock you out")
                .detail(&why)
                .field("/networks", why)
                .cure("add the network you come from, or let somebody inside the listed networks decide"))
        }
        Decided::Refused(wrong) => Err(wrong
            .into_iter()
            .fold(Problem::invalid("the policy is out of bounds"), |problem, (name, why)| {
                problem.field(format!("/{name}"), why)
            })),
    }
}

async fn create(State(app): State<App>, access: Access, Json(body): Json<PolicyBody>) -> web::Result {
    reachable(&app, &body.rules)?;
    let (id, ctx, by) = (access.organization_id()?, access.ctx.clone(), name_of(&access));
    let target = body.target()?;
    let written = app
        .db()
        .write(&access.ctx, move |tx| {
            let content = body.content(tx, id)?;
            Ok::<_, Problem>(decide::decide_policy(&ctx, tx, id, &by, target, None, &content)?)
        })
        .await?;
    answer(&app, id, StatusCode::CREATED, written.value).await
}

async fn change(
    State(app): State<App>,
    access: Access,
    Path((_, policy)): Path<(String, String)>,
    headers: HeaderMap,
    Json(body): Json<PolicyBody>,
) -> web::Result {
    reachable(&app, &body.rules)?;
    let (id, ctx, by, tag) =
        (access.organization_id()?, access.ctx.clone(), name_of(&access), if_match(&headers));
    let written = app
        .db()
        .write(&access.ctx, move |tx| {
            let policy = policy_of(tx, id, &policy)?;
            let now = views::one(tx, id, policy)?.ok_or_else(|| Problem::not_found("policy"))?;
            check_if_match(tag.as_deref(), &now)?;
            let (content, target) = (body.content(tx, id)?, Target::Existing(policy));
            Ok::<_, Problem>(decide::decide_policy(&ctx, tx, id, &by, target, Some(now.version), &content)?)
        })
        .await?;
    answer(&app, id, StatusCode::OK, written.value).await
}

async fn put(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Json(rules): Json<Rules>,
) -> web::Result {
    reachable(&app, &rules)?;
    let (id, ctx, by, tag) =
        (access.organization_id()?, access.ctx.clone(), name_of(&access), if_match(&headers));
    let written = app
        .db()
        .write(&access.ctx, move |tx| {
            let now = views::one(tx, id, default_id(id))?.ok_or_else(|| Problem::not_found("policy"))?;
            check_if_match(tag.as_deref(), &now)?;
            Ok::<_, Problem>(decide::decide(&ctx, tx, id, &by, Some(now.version), rules.clone())?)
        })
        .await?;
    answer(&app, id, StatusCode::OK, written.value).await
}

/// A policy's content marked as deleted; the same name, so that undo brings it back.
pub(super) fn deletion(
    tx: &mut ReadTx,
    organization: OrganizationId,
    policy: PolicyId,
) -> Result<Content, Problem> {
    let now = views::content(tx, organization, policy)?.ok_or_else(|| Problem::not_found("policy"))?;
    Ok(Content { deleted: true, ..now })
}

async fn remove(
    State(app): State<App>,
    access: Access,
    Path((_, policy)): Path<(String, String)>,
) -> web::Result {
    let (id, ctx, by) = (access.organization_id()?, access.ctx.clone(), name_of(&access));
    let written = app
        .db()
        .write(&access.ctx, move |tx| {
            let policy = policy_of(tx, id, &policy)?;
            let content = deletion(tx, id, policy)?;
            let target = Target::Existing(policy);
            Ok::<_, Problem>(decide::decide_policy(&ctx, tx, id, &by, target, None, &content)?)
        })
        .await?;
    done(written.value)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn undo(State(app): State<App>, access: Access) -> web::Result {
    take_back(&app, &access, "default".to_owned()).await
}

async fn undo_one(
    State(app): State<App>,
    access: Access,
    Path((_, policy)): Path<(String, String)>,
) -> web::Result {
    take_back(&app, &access, policy).await
}

async fn take_back(app: &App, access: &Access, policy: String) -> web::Result {
    let (id, ctx, by) = (access.organization_id()?, access.ctx.clone(), name_of(access));
    let written = app
        .db()
        .write(&access.ctx, move |tx| {
            let policy = policy_of(tx, id, &policy)?;
            Ok::<_, Problem>(decide::undo(&ctx, tx, id, &by, policy)?)
        })
        .await?;
    // Undoing the first decision of a deletion may leave nothing to show.
    answer(app, id, StatusCode::OK, written.value).await
}

async fn versions(
    State(app): State<App>,
    access: Access,
    Path((_, policy)): Path<(String, String)>,
    Query(page): Query<PageQuery>,
) -> web::Result {
    let id = access.organization_id()?;
    let (after, limit) = (page.after()?, page.limit()?);
    let before = if after.is_empty() {
        i64::MAX
    } else {
        after.parse().map_err(|_| Problem::invalid("`cursor` is not one that this list gave"))?
    };
    let found = app
        .db()
        .read(move |tx| {
            let policy = policy_of(tx, id, &policy)?;
            Ok::<_, Problem>(views::versions(tx, id, policy, before, limit + 1)?)
        })
        .await?;
    Ok(Json(Page::of(found, limit, |version| version.version.to_string())).into_response())
}

#[derive(Deserialize)]
struct EffectQuery {
    effect: Option<String>,
}

async fn try_change(
    State(app): State<App>,
    access: Access,
    Query(page): Query<PageQuery>,
    Query(query): Query<EffectQuery>,
    Json(body): Json<TrialBody>,
) -> web::Result {
    let (id, ctx, limit) = (access.organization_id()?, access.ctx.clone(), page.limit()?);
    let inner = app.clone();
    let effect = match query.effect.as_deref().filter(|text| !text.is_empty()) {
        Some(text) => Some(Effect::parse(text).ok_or_else(|| {
            Problem::invalid(format!("`{text}` is no effect")).field("effect", "not known")
        })?),
        None => None,
    };
    let take = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1);
    let wanted = Wanted { effect, after: page.after()?, limit: take };
    let (run, people) = app
        .db()
        .read(move |tx| {
            let (place, content) = body.trial(tx, id, &ctx)?;
            let wrong = decide::check(place.applies_to, &content);
            if !wrong.is_empty() {
                return Err(done(Decided::Refused(wrong)).err().unwrap_or_else(Problem::internal));
            }
            if !content.deleted {
                reachable(&inner, &content.rules)?;
            }
            Ok::<_, Problem>(dry_run::dry_run(&ctx, tx, id, &place, &content, &wanted)?)
        })
        .await?;
    let Page { items: people, next_cursor } = Page::of(people, limit, |person| person.email.clone());
    Ok(Json(DryRunView { run, people, next_cursor }).into_response())
}

#[derive(Deserialize)]
struct Who {
    account: String,
}

/// A member by id or address; `None` names nobody here.
pub(super) fn member_of(
    tx: &mut ReadTx,
    organization: OrganizationId,
    who: &str,
) -> Result<Option<AccountId>, DbError> {
    let account = match who.parse::<AccountId>() {
        Ok(id) => Some(id),
        Err(_) => principals::account_by_email(tx, &who.trim().to_lowercase())?.map(|account| account.id),
    };
    let Some(account) = account else { return Ok(None) };
    Ok(principals::membership(tx, organization, account)?.map(|_| account))
}

async fn explain(State(app): State<App>, access: Access, Query(who): Query<Who>) -> web::Result {
    let (id, now) = (access.organization_id()?, access.ctx.now);
    let found = app
        .db()
        .read(move |tx| match member_of(tx, id, &who.account)? {
            Some(account) => explain::explain(tx, id, account, now),
            None => Ok::<_, DbError>(None),
        })
        .await?;
    Ok(Json(found.ok_or_else(|| Problem::not_found("member"))?).into_response())
}
