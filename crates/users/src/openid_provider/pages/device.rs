//! `/oauth/device`: the page on which somebody lets a device in (RFC 8628 §3.3).

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use platform::App;
use platform::web::extract::{Form, Query};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::ui::Shell;
use platform::web::{self, Access, Problem, navigation};
use serde::Deserialize;

use super::{DonePage, Line, lines, person};
use crate::openid_provider::device;
use crate::policies;

pub(crate) const DEVICE: &str = "/oauth/device";

pub(crate) fn routes() -> Routes {
    Routes::new().add(routes::get(DEVICE, "oauth.device_page", Openness::SignedIn, device_page)).add(
        routes::post(DEVICE, "oauth.device_answer", Openness::SignedIn, device_answer)
            .limit(Limit::Credential)
            .records("product."),
    )
}

#[derive(Template)]
#[template(path = "openid_provider/device.html")]
struct DevicePage {
    shell: Shell,
    /// Empty: the code is asked for.
    product: String,
    code: String,
    error: String,
    email: String,
    lines: Vec<Line>,
}

#[derive(Deserialize, Default)]
struct DeviceForm {
    #[serde(default)]
    user_code: String,
    #[serde(default)]
    decision: String,
}

fn device_form(app: &App, access: &Access, code: &str, error: &str) -> web::Result {
    let page = DevicePage {
        shell: navigation::public_shell(app, access, "Connect a device"),
        product: String::new(),
        code: code.to_owned(),
        error: error.to_owned(),
        email: String::new(),
        lines: Vec::new(),
    };
    web::html_with(if error.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }, &page)
}

/// The code may stand in the address; it is still the person who sends it, and who says yes (RFC 8628 §5.4).
async fn device_page(State(app): State<App>, access: Access, Query(form): Query<DeviceForm>) -> web::Result {
    device_form(&app, &access, &device::spaced(&device::typed(&form.user_code)), "")
}

async fn device_answer(State(app): State<App>, access: Access, Form(form): Form<DeviceForm>) -> web::Result {
    const UNKNOWN: &str = "This code is unknown, too old, or was answered already. Look at the device again.";
    let (code, now) = (device::typed(&form.user_code), access.ctx.now);
    let Some(who) = person(&app, &access).await? else { return Err(Problem::sign_in()) };
    let (account, ip) = (who.account, access.ctx.origin.ip);
    if let Some(refusal) = app.db().read(move |tx| policies::sign_in_network(tx, account, ip, now)).await? {
        return Err(refusal.problem(ip));
    }
    if form.decision.is_empty() {
        let asked = code.clone();
        let found = app.db().read(move |tx| device::waiting(tx, &asked, now)).await.map_err(Problem::from)?;
        let Some(found) = found else { return device_form(&app, &access, &form.user_code, UNKNOWN) };
        return web::html(&DevicePage {
            shell: navigation::public_shell(&app, &access, "Connect a device"),
            product: found.product.settings.name,
            code: device::spaced(&code),
            error: String::new(),
            email: access.principal()?.email.clone(),
            lines: lines(&found.scopes),
        });
    }
    let (ctx, allow) = (access.ctx.clone(), form.decision == "allow");
    let decided = app
        .db()
        .write(&access.ctx, move |tx| device::decide(&ctx, tx, &code, &who, allow))
        .await
        .map_err(Problem::from)?;
    let words = match decided.value {
        device::Decided::Allowed => "The device is connected. You can close this page.",
        device::Decided::Denied => "The device was refused. You can close this page.",
        device::Decided::Gone => return device_form(&app, &access, &form.user_code, UNKNOWN),
        device::Decided::SignedOut => return Err(Problem::sign_in()),
        device::Decided::NotAllowed => {
            return Err(Problem::forbidden(
                "access to this product, which your organization has not been given",
            ));
        }
    };
    web::html(&DonePage { shell: navigation::public_shell(&app, &access, "Connect a device"), words })
}
