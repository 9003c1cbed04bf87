//! Bulk requests (RFC 7644 §3.7): many operations one after the other, each a transaction of its own, which may refer to
//! what earlier ones made.

use std::collections::HashMap;

use platform::{App, Ctx};
use scim::message::{self, Bulk, BulkOperation};
use scim::schema::RESOURCE_TYPES;
use scim::{Error, Projection};
use serde_json::{Value, json};

use super::api::{Answer, Ask, Failure, perform};
use super::{Scope, etag};

pub(crate) async fn run(app: &App, ctx: &Ctx, scope: &Scope, body: &[u8]) -> Result<Answer, Failure> {
    let bulk = Bulk::parse(body)?;
    let mut made: HashMap<String, String> = HashMap::new();
    let (mut out, mut failed) = (Vec::with_capacity(bulk.operations.len()), 0_u64);
    let count = bulk.operations.len();
    for operation in bulk.operations {
        if bulk.fail_on_errors.is_some_and(|max| max > 0 && failed >= max) {
            break;
        }
        let mut view = json!({ "method": operation.method });
        if let Some(bulk_id) = &operation.bulk_id {
            view["bulkId"] = json!(bulk_id);
        }
        if let Some(version) = &operation.version {
            view["version"] = json!(version);
        }
        let bulk_id = operation.bulk_id.clone();
        match one(app, ctx, scope, operation, &made).await.map_err(Failure::into_error) {
            Ok((answer, location)) => {
                if let (Some(bulk_id), Some(id)) = (bulk_id, location.rsplit('/').next()) {
                    made.insert(bulk_id, id.to_owned());
                }
                view["status"] = json!(answer.status.to_string());
                view["location"] = json!(location);
                if let Some(version) = answer.version {
                    view["version"] = json!(etag(version));
                }
            }
            Err(error) => {
                failed += 1;
                view["status"] = json!(error.status.to_string());
                view["response"] = error.document();
            }
        }
        out.push(view);
    }
    let note = if failed > 0 { format!("{failed} of {count} failed") } else { String::new() };
    let shape = format!("{count} operations");
    Ok(Answer { shape, note, ..Answer::of(200, message::bulk_response(out)) })
}

/// One operation; gives its answer and the address of the record it is about.
async fn one(
    app: &App,
    ctx: &Ctx,
    scope: &Scope,
    operation: BulkOperation,
    made: &HashMap<String, String>,
) -> Result<(Answer, String), Failure> {
    let BulkOperation { method, version, path, mut data, .. } = operation;
    let find = |name: &str| made.get(name).cloned();
    message::resolve_bulk_ids(&mut data, &find)?;
    let nowhere = || Error::new(404, None, "`path` must be like `/Users` or `/Users/{id}`");
    let mut parts = path.trim_start_matches('/').splitn(2, '/');
    let endpoint = parts.next().unwrap_or_default();
    let kind = RESOURCE_TYPES.into_iter().find(|kind| kind.endpoint == endpoint).ok_or_else(nowhere)?;
    let mut id = parts.next().filter(|id| !id.is_empty()).map(|id| Value::String(id.to_owned()));
    if let Some(id) = &mut id {
        message::resolve_bulk_ids(id, &find)?;
    }
    let id = id.as_ref().and_then(Value::as_str).map(str::to_owned);
    if (method == "POST") != id.is_none() {
        return Err(nowhere().into());
    }
    let known = id.as_ref().map(|id| format!("{}/{endpoint}/{id}", scope.base));
    let ask = Ask {
        method,
        kind,
        id,
        body: data.to_string().into_bytes(),
        projection: Projection::default(),
        if_match: version,
        if_none_match: None,
    };
    let answer = perform(app, ctx, scope, ask).await?;
    let location = answer.location.clone().or(known).unwrap_or_default();
    Ok((answer, location))
}
