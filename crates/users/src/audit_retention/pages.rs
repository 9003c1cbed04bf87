//! The page that decides for how long the audit log says whom an event was about.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use platform::App;
use platform::access::Permission;
use platform::web::extract::Form;
use platform::web::navigation::{self, NavConsole};
use platform::web::routes::{self, Routes};
use platform::web::ui::{Choice, DryRun, FieldErrors, Shell, Tone};
use platform::web::{Access, browser};
use serde::Deserialize;

use super::{Outlook, Retention, api};
use crate::audit_log::pages::LIST;

pub(crate) fn routes() -> Routes {
    const PAGE: &str = "/o/{organization}/audit-log/retention";
    Routes::new().add(routes::get(PAGE, "audit_retention.page", api::READ, page)).add(
        routes::post(PAGE, "audit_retention.decide_form", api::MANAGE, decide)
            .recent()
            .records("audit_retention."),
    )
}

#[derive(Template)]
#[template(path = "audit_retention/show.html")]
struct RetentionPage {
    shell: Shell,
    slug: String,
    errors: FieldErrors,
    found: Option<Retention>,
    may_decide: bool,
    keep: Vec<Choice>,
    days: String,
    /// What it would do; shown once somebody asked.
    run: Option<DryRun>,
    /// What was shown, so that nothing else is decided by the next press.
    seen: String,
    /// Something is erased: the number to be typed as a confirmation.
    confirm: String,
}

#[derive(Deserialize, Default)]
struct DecideForm {
    /// `for_good` or `days`.
    #[serde(default)]
    keep: String,
    #[serde(default)]
    days: String,
    #[serde(default)]
    seen: String,
    #[serde(default)]
    confirm: String,
}

impl DecideForm {
    /// As it stands now.
    fn of(found: Option<&Retention>) -> Self {
        let days = found.map(|found| found.days.to_string());
        Self {
            keep: if days.is_some() { "days" } else { "for_good" }.to_owned(),
            days: days.unwrap_or_default(),
            ..Self::default()
        }
    }

    fn read(&self) -> Result<Option<u32>, FieldErrors> {
        match self.keep.as_str() {
            "for_good" => Ok(None),
            "days" => match self.days.trim().parse() {
                Ok(days) if (super::DAYS_MIN..=super::DAYS_MAX).contains(&days) => Ok(Some(days)),
                _ => Err(FieldErrors::default().with("days", api::wrong_days().detail)),
            },
            _ => Err(FieldErrors::default().with("keep", "choose one of these")),
        }
    }
}

fn in_words(outlook: Option<Outlook>) -> DryRun {
    let (tone, summary) = match outlook {
        None => (
            Tone::Info,
            "Nothing more is erased from now on. What is erased already stays erased.".to_owned(),
        ),
        Some(Outlook { before, events: 0 }) => (
            Tone::Info,
            format!("No event from before {} is left to look at: nothing is erased now.", before.day_words()),
        ),
        Some(Outlook { before, events }) => (
            Tone::Warn,
            format!(
                "{events} events are from before {}: what they say about persons is erased for good within hours. \
                 Exports and streams that left before are not reached.",
                before.day_words()
            ),
        ),
    };
    DryRun { tone, summary, sample: Vec::new(), all_href: String::new() }
}

async fn page(State(app): State<App>, access: Access) -> platform::web::Result {
    let found = api::now_in_force(&app, &access).await?;
    let form = DecideForm::of(found.as_ref());
    render(&app, &access, found, form, None, FieldErrors::default()).await
}

async fn render(
    app: &App,
    access: &Access,
    found: Option<Retention>,
    form: DecideForm,
    outlook: Option<Option<Outlook>>,
    errors: FieldErrors,
) -> platform::web::Result {
    let erases = outlook.flatten().is_some_and(|outlook| outlook.events > 0);
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = RetentionPage {
        shell: navigation::shell(app, access, NavConsole::Organization, "Retention", LIST),
        slug: access.organization()?.slug.clone(),
        errors,
        found,
        may_decide: access.may(Permission::OrganizationManage),
        keep: vec![
            Choice::new("for_good", "For good", &form.keep),
            Choice::new("days", "For so many days", &form.keep)
                .hint("Afterwards addresses, names and networks are erased from its events"),
        ],
        seen: if outlook.is_some() { format!("{} {}", form.keep, form.days.trim()) } else { String::new() },
        confirm: if erases { form.days.trim().to_owned() } else { String::new() },
        run: outlook.map(in_words),
        days: form.days,
    };
    platform::web::html_with(status, &page)
}

/// First shows what it would do, then does it.
async fn decide(
    State(app): State<App>,
    access: Access,
    Form(form): Form<DecideForm>,
) -> platform::web::Result {
    let found = api::now_in_force(&app, &access).await?;
    let days = match form.read() {
        Ok(days) => days,
        Err(errors) => return render(&app, &access, found, form, None, errors).await,
    };
    let outlook = match days {
        Some(days) => Some(api::outlook(&app, &access, days).await?),
        None => None,
    };
    if form.seen != format!("{} {}", form.keep, form.days.trim()) {
        return render(&app, &access, found, form, Some(outlook), FieldErrors::default()).await;
    }
    let erases = outlook.is_some_and(|outlook| outlook.events > 0);
    if erases && form.confirm.trim() != form.days.trim() {
        let errors =
            FieldErrors::default().with("confirm", "type the number of days to say that this is meant");
        return render(&app, &access, found, form, Some(outlook), errors).await;
    }
    api::decide(&app, &access, days).await?;
    let slug = &access.organization()?.slug;
    let words = match days {
        Some(days) => format!("Events say for {days} days whom they were about."),
        None => "Events say for good whom they were about.".to_owned(),
    };
    browser::see_other_with(&format!("/o/{slug}/audit-log/retention"), Tone::Good, &words)
}
