//! Pages of claims: what a claim would do, naming accounts, confirming, how far it is, taking it back.

use askama::Template;
use axum::extract::State as AppState;
use axum::http::StatusCode;
use platform::App;
use platform::access::Permission;
use platform::ids::AccountId;
use platform::web::extract::{Form, Path, Query};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::ui::{DryRun, FieldErrors, Pager, Shell, Tone};
use platform::web::{Access, Problem, browser};
use serde::Deserialize;

use super::{Claim, ClaimId, ClaimState, Mode, Preview, Touched, Whom, addresses, api};
use crate::domains::pages::shell;
use crate::domains::{Domain, DomainId};
use crate::organizations::pages::{complaints, mendable};
use crate::people::pages::pager;

const READ: Openness = Openness::Organization(Permission::DomainsRead);
const MANAGE: Openness = Openness::Organization(Permission::DomainsManage);

pub(crate) fn routes() -> Routes {
    const NEW: &str = "/o/{organization}/domains/{domain}/claim";
    const UNDO: &str = "/o/{organization}/claims/{claim}/undo";
    Routes::new()
        .add(routes::get(NEW, "claim.create_page", MANAGE, new_page))
        .add(routes::post(NEW, "claim.create_form", MANAGE, create_all).limit(Limit::Heavy).records("claim."))
        .add(routes::get(
            "/o/{organization}/domains/{domain}/claim/accounts",
            "claim.touched_page",
            READ,
            touched,
        ))
        .add(
            routes::post(
                "/o/{organization}/domains/{domain}/claim/review",
                "claim.review_form",
                MANAGE,
                review,
            )
            .limit(Limit::Heavy)
            .body_bytes_max(api::BODY_BYTES_MAX)
            .records_nothing("shows what a claim would do"),
        )
        .add(
            routes::post(
                "/o/{organization}/domains/{domain}/claim/chosen",
                "claim.chosen_form",
                MANAGE,
                create_chosen,
            )
            .limit(Limit::Heavy)
            .body_bytes_max(api::BODY_BYTES_MAX)
            .records("claim."),
        )
        .add(routes::get("/o/{organization}/claims/{claim}", "claim.show_page", READ, show))
        .add(routes::get(UNDO, "claim.undo_page", MANAGE, undo_page))
        .add(routes::post(UNDO, "claim.undo_form", MANAGE, undo).records("claim."))
}

/// What a claim would do, in words that leave nothing out.
fn words(preview: &Preview) -> String {
    let Preview { accounts, members, unverified, retired } = *preview;
    let claimed = accounts.saturating_sub(retired);
    let mut text = format!(
        "{claimed} accounts would be managed by you; each person is told by mail. {} of them become members here.",
        claimed.saturating_sub(members)
    );
    if unverified > 0 {
        text.push_str(&format!(" {unverified} never proved their address: their password and sessions end."));
    }
    if retired > 0 {
        text.push_str(&format!(
            " {retired} were left behind by an earlier holder of the domain: they are closed for good, which cannot be \
             taken back, and their addresses become free."
        ));
    }
    text
}

fn run_of(preview: &Preview, sample: Vec<String>, all_href: String) -> DryRun {
    let tone = if preview.retired > 0 { Tone::Bad } else { Tone::Warn };
    DryRun { tone, summary: words(preview), sample, all_href }
}

#[derive(Template)]
#[template(path = "claims/new.html")]
struct NewPage {
    shell: Shell,
    back: String,
    domain: Domain,
    nobody: bool,
    run: DryRun,
    addresses: String,
    errors: FieldErrors,
}

async fn new_page(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, DomainId)>,
) -> platform::web::Result {
    show_new(&app, &access, id, String::new(), FieldErrors::default()).await
}

/// The first page of a claim; a domain that is not held leads back to its page.
async fn show_new(
    app: &App,
    access: &Access,
    id: DomainId,
    addresses: String,
    errors: FieldErrors,
) -> platform::web::Result {
    const SAMPLE: u32 = 10;
    let slug = access.organization()?.slug.clone();
    let back = format!("/o/{slug}/domains/{id}");
    let domain = match api::claimable_domain(app, access, id).await {
        Ok(domain) => domain,
        Err(problem) if mendable(&problem) => {
            return browser::see_other_with(
                &back,
                Tone::Warn,
                "Accounts can be claimed once the domain is proved.",
            );
        }
        Err(problem) => return Err(problem),
    };
    let (organization, name) = (access.organization_id()?, domain.name.clone());
    let (preview, sample) = app
        .db()
        .read(move |tx| {
            let preview = super::preview(tx, organization, &name)?;
            Ok::<_, Problem>((preview, super::touched(tx, organization, &name, None, SAMPLE)?))
        })
        .await?;
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let sample = sample.into_iter().map(|one| one.email).collect();
    let page = NewPage {
        shell: shell(app, access, "Claim accounts"),
        nobody: preview.accounts == 0,
        run: run_of(&preview, sample, format!("{back}/claim/accounts")),
        domain,
        back,
        addresses,
        errors,
    };
    platform::web::html_with(status, &page)
}

#[derive(Template)]
#[template(path = "claims/accounts.html")]
struct AccountsPage {
    shell: Shell,
    back: String,
    name: String,
    accounts: Vec<Touched>,
    pager: Pager,
}

async fn touched(
    AppState(app): AppState<App>,
    access: Access,
    Path((slug, id)): Path<(String, DomainId)>,
    Query(query): Query<PageQuery>,
) -> platform::web::Result {
    let domain = api::claimable_domain(&app, &access, id).await?;
    let (organization, name) = (access.organization_id()?, domain.name.clone());
    let (after, limit) = (query.after()?.parse::<AccountId>().ok(), query.limit()?);
    let found = app.db().read(move |tx| super::touched(tx, organization, &name, after, limit + 1)).await?;
    let page = Page::of(found, limit, |one| one.account.to_string());
    let back = format!("/o/{slug}/domains/{id}/claim");
    platform::web::html(&AccountsPage {
        shell: shell(&app, &access, "Accounts to claim"),
        pager: pager(page.items.len(), page.next_cursor.as_deref(), &format!("{back}/accounts")),
        accounts: page.items,
        name: domain.name,
        back,
    })
}

#[derive(Deserialize)]
struct AllForm {
    #[serde(default)]
    confirm: String,
    #[serde(default)]
    claim_new: String,
}

async fn create_all(
    AppState(app): AppState<App>,
    access: Access,
    Path((slug, id)): Path<(String, DomainId)>,
    Form(form): Form<AllForm>,
) -> platform::web::Result {
    let domain = api::claimable_domain(&app, &access, id).await?;
    if form.confirm.trim() != domain.name {
        let errors = FieldErrors::default().with("confirm", "this is not the name of the domain");
        return show_new(&app, &access, id, String::new(), errors).await;
    }
    match api::start(&app, &access, id, Whom::All, Some(form.claim_new == "on")).await {
        Ok(claim) => started(&slug, &claim),
        Err(problem) if mendable(&problem) => {
            show_new(&app, &access, id, String::new(), complaints(&problem)).await
        }
        Err(problem) => Err(problem),
    }
}

fn started(slug: &str, claim: &Claim) -> platform::web::Result {
    let to = format!("/o/{slug}/claims/{}", claim.id);
    browser::see_other_with(&to, Tone::Good, "The claim is under way. You can take it back for 7 days.")
}

#[derive(Deserialize)]
struct ChosenForm {
    #[serde(default)]
    addresses: String,
}

#[derive(Template)]
#[template(path = "claims/review.html")]
struct ReviewPage {
    shell: Shell,
    back: String,
    name: String,
    run: DryRun,
    addresses: String,
}

async fn review(
    AppState(app): AppState<App>,
    access: Access,
    Path((slug, id)): Path<(String, DomainId)>,
    Form(form): Form<ChosenForm>,
) -> platform::web::Result {
    const SAMPLE: usize = 20;
    let domain = api::claimable_domain(&app, &access, id).await?;
    let emails = match addresses::parse(&form.addresses, &domain.name) {
        Ok(emails) => emails,
        Err(error) => {
            let errors = FieldErrors::default().with("addresses", error.to_string());
            return show_new(&app, &access, id, form.addresses, errors).await;
        }
    };
    match api::dry_run(&app, &access, id, Whom::Chosen(emails.clone())).await {
        Ok(preview) => platform::web::html(&ReviewPage {
            shell: shell(&app, &access, "Claim chosen accounts"),
            back: format!("/o/{slug}/domains/{id}/claim"),
            run: run_of(&preview, emails.iter().take(SAMPLE).cloned().collect(), String::new()),
            addresses: emails.join("\n"),
            name: domain.name,
        }),
        Err(problem) if mendable(&problem) => {
            let errors = FieldErrors::default().with("addresses", problem.detail);
            show_new(&app, &access, id, form.addresses, errors).await
        }
        Err(problem) => Err(problem),
    }
}

async fn create_chosen(
    AppState(app): AppState<App>,
    access: Access,
    Path((slug, id)): Path<(String, DomainId)>,
    Form(form): Form<ChosenForm>,
) -> platform::web::Result {
    let domain = api::claimable_domain(&app, &access, id).await?;
    let started_or = match addresses::parse(&form.addresses, &domain.name) {
        Ok(emails) => api::start(&app, &access, id, Whom::Chosen(emails), None).await,
        Err(error) => Err(Problem::invalid(&error).field("addresses", error)),
    };
    match started_or {
        Ok(claim) => started(&slug, &claim),
        Err(problem) if mendable(&problem) => {
            let errors = FieldErrors::default().with("addresses", problem.detail);
            show_new(&app, &access, id, form.addresses, errors).await
        }
        Err(problem) => Err(problem),
    }
}

#[derive(Template)]
#[template(path = "claims/show.html")]
struct ShowPage {
    shell: Shell,
    back: String,
    href: String,
    claim: Claim,
    state: &'static str,
    tone: Tone,
    whom: &'static str,
    worked: u64,
    undoable: bool,
}

fn state_of(claim: &Claim) -> (&'static str, Tone) {
    match claim.state {
        ClaimState::Running => ("Under way", Tone::Info),
        ClaimState::Done => ("Done", Tone::Good),
        ClaimState::Undoing => ("Being taken back", Tone::Info),
        ClaimState::Undone => ("Taken back", Tone::Warn),
    }
}

async fn show(
    AppState(app): AppState<App>,
    access: Access,
    Path((slug, id)): Path<(String, ClaimId)>,
) -> platform::web::Result {
    let claim = api::one(&app, &access, id).await?;
    let (state, tone) = state_of(&claim);
    let total = claim.tally.total();
    platform::web::html(&ShowPage {
        shell: shell(&app, &access, "Claim"),
        back: format!("/o/{slug}/domains/{}", claim.domain),
        href: format!("/o/{slug}/claims/{id}"),
        state,
        tone,
        whom: match claim.mode {
            Mode::All => "all accounts",
            Mode::Chosen => "chosen accounts",
            Mode::New => "accounts that appeared later",
        },
        worked: match claim.state {
            ClaimState::Undoing => claim.tally.undone,
            _ => total.saturating_sub(claim.tally.waiting),
        },
        undoable: claim.can_be_undone(access.ctx.now) && access.may(Permission::DomainsManage),
        claim,
    })
}

#[derive(Template)]
#[template(path = "claims/undo.html")]
struct UndoPage {
    shell: Shell,
    href: String,
    run: DryRun,
    errors: FieldErrors,
}

async fn undo_page(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, ClaimId)>,
) -> platform::web::Result {
    show_undo(&app, &access, id, FieldErrors::default()).await
}

async fn show_undo(app: &App, access: &Access, id: ClaimId, errors: FieldErrors) -> platform::web::Result {
    let claim = api::one(app, access, id).await?;
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let slug = access.organization()?.slug.clone();
    let mut summary = format!(
        "{} accounts become their people's own again, and each is told by mail. Memberships that this claim made end, \
         unless the person was given another role since.",
        claim.tally.claimed
    );
    if claim.tally.retired > 0 {
        summary.push_str(&format!(" {} closed accounts stay closed.", claim.tally.retired));
    }
    let run = DryRun { tone: Tone::Warn, summary, sample: Vec::new(), all_href: String::new() };
    let page = UndoPage {
        shell: shell(app, access, "Take a claim back"),
        href: format!("/o/{slug}/claims/{id}"),
        run,
        errors,
    };
    platform::web::html_with(status, &page)
}

async fn undo(
    AppState(app): AppState<App>,
    access: Access,
    Path((slug, id)): Path<(String, ClaimId)>,
) -> platform::web::Result {
    match api::take_back(&app, &access, id).await {
        Ok(_) => browser::see_other_with(
            &format!("/o/{slug}/claims/{id}"),
            Tone::Good,
            "The claim is being taken back.",
        ),
        Err(problem) if mendable(&problem) => show_undo(&app, &access, id, complaints(&problem)).await,
        Err(problem) => Err(problem),
    }
}
