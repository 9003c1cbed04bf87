//! The authentication policy as JSON.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::db::DbError;
use platform::ids::AccountId;
use platform::principals;
use platform::web::extract::{Json, Query};
use platform::web::guard::conditional::{check_if_match, if_match};
use platform::web::routes::{self, Openness, Routes};
use platform::web::{self, Access, Problem};
use serde::{Deserialize, Serialize};

use super::{Decided, DryRun, Policy, Rules};

const PATH: &str = "/api/v1/organizations/{organization}/policy";

pub(crate) fn routes() -> Routes {
    let read = Openness::Organization(Permission::PoliciesRead);
    let manage = Openness::Organization(Permission::PoliciesManage);
    Routes::new()
        .add(
            routes::get(PATH, "policy.get", read, get)
                .summary("The policy in force")
                .gives::<PolicyView>(200),
        )
        .add(
            routes::put(PATH, "policy.decide", manage, put)
                .recent()
                .summary("Decide the policy; takes If-Match")
                .records("policy.")
                .takes::<Rules>()
                .gives::<PolicyView>(200),
        )
        .add(
            routes::post(
                "/api/v1/organizations/{organization}/policy/dry-run",
                "policy.dry_run",
                read,
                dry_run,
            )
            .summary("What a policy would do, without doing it")
            .records_nothing("only counts")
            .takes::<Rules>()
            .gives::<DryRun>(200),
        )
        .add(
            routes::post("/api/v1/organizations/{organization}/policy/undo", "policy.undo", manage, undo)
                .recent()
                .summary("Put the version before back in force")
                .records("policy.")
                .gives::<PolicyView>(200),
        )
        .add(
            routes::get(
                "/api/v1/organizations/{organization}/policy/explain",
                "policy.explain",
                read,
                explain,
            )
            .summary("Which organization sets what for one person")
            .query_id("account", "the person's account id")
            .required()
            .gives::<Explanation>(200),
        )
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct PolicyView {
    /// 0: nobody has decided; the recommendation is in force.
    version: u64,
    rules: Rules,
    decided_by: Option<String>,
    /// RFC 3339.
    decided_at: Option<String>,
}

fn view(policy: &Policy) -> PolicyView {
    PolicyView {
        version: policy.version,
        rules: policy.rules,
        decided_by: policy.decided.as_ref().map(|decision| decision.by.clone()),
        decided_at: policy.decided.as_ref().map(|decision| decision.at.rfc3339()),
    }
}

async fn get(State(app): State<App>, access: Access) -> web::Result {
    let id = access.organization_id()?;
    let policy = app.db().read(move |tx| super::current(tx, id)).await?;
    Ok(Json(view(&policy)).into_response())
}

/// How the caller is named in the decision.
pub(crate) fn name_of(access: &Access) -> String {
    access.principal.as_ref().map(|principal| principal.name.clone()).unwrap_or_default()
}

async fn put(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Json(rules): Json<Rules>,
) -> web::Result {
    let (id, ctx, by, tag) =
        (access.organization_id()?, access.ctx.clone(), name_of(&access), if_match(&headers));
    let written = app
        .db()
        .write(&access.ctx, move |tx| {
            let now = super::current(tx, id)?;
            check_if_match(tag.as_deref(), &view(&now))?;
            Ok::<_, Problem>(super::decide(&ctx, tx, id, &by, Some(now.version), rules)?)
        })
        .await?;
    answer(written.value)
}

fn answer(decided: Decided) -> web::Result {
    match decided {
        Decided::Done(policy) => Ok(Json(view(&policy)).into_response()),
        Decided::ChangedMeanwhile => Err(Problem::changed_meanwhile()),
        Decided::Refused(wrong) => Err(wrong
            .into_iter()
            .fold(Problem::invalid("the policy is out of bounds"), |problem, (name, why)| {
                problem.field(format!("/{name}"), why)
            })),
    }
}

async fn dry_run(State(app): State<App>, access: Access, Json(rules): Json<Rules>) -> web::Result {
    let wrong = rules.check();
    if !wrong.is_empty() {
        return answer(Decided::Refused(wrong));
    }
    let (id, now) = (access.organization_id()?, access.ctx.now);
    let counted = app.db().read(move |tx| super::dry_run(tx, id, &rules, now)).await?;
    Ok(Json(counted).into_response())
}

async fn undo(State(app): State<App>, access: Access) -> web::Result {
    let (id, ctx, by) = (access.organization_id()?, access.ctx.clone(), name_of(&access));
    let written = app.db().write(&access.ctx, move |tx| super::undo(&ctx, tx, id, &by)).await?;
    answer(written.value.ok_or_else(|| Problem::conflict("there is no version before this one"))?)
}

#[derive(Deserialize)]
struct Who {
    account: AccountId,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Explanation {
    /// What applies: the strictest of each setting.
    rules: Rules,
    contributions: Vec<ContributionView>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ContributionView {
    /// Named only when it is this organization: the others are none of its business.
    organization: Option<String>,
    rules: Option<Rules>,
    decided: bool,
}

async fn explain(State(app): State<App>, access: Access, Query(who): Query<Who>) -> web::Result {
    let id = access.organization_id()?;
    let found = app
        .db()
        .read(move |tx| {
            let Some(account) = principals::account(tx, who.account)? else { return Ok(None) };
            if principals::membership(tx, id, account.id)?.is_none() {
                return Ok(None);
            }
            let rules = super::effective(tx, &account)?;
            Ok::<_, DbError>(Some((rules, super::contributions(tx, &account)?)))
        })
        .await?;
    let (rules, all) = found.ok_or_else(|| Problem::not_found("member"))?;
    let contributions = all
        .into_iter()
        .map(|one| {
            let own = one.organization == id;
            ContributionView {
                organization: own.then_some(one.name),
                rules: own.then_some(one.rules),
                decided: one.decided,
            }
        })
        .collect();
    Ok(Json(Explanation { rules, contributions }).into_response())
}
