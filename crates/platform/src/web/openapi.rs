//! The OpenAPI 3.1 file, made of the routes' own records: a route cannot exist without standing in it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::app::App;

use super::routes::{Document, Openness, RouteInfo, RouteKind, Values};

/// `/openapi.json`.
pub fn document(app: &App) -> Value {
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    let mut schemas: BTreeMap<String, Value> = BTreeMap::new();
    schemas.insert("Problem".to_owned(), problem_schema());
    for area in app.areas() {
        for info in (area.routes)().infos() {
            if info.kind != RouteKind::Api {
                continue;
            }
            let operation = operation(area.name, &info, &mut schemas);
            paths.entry(info.path).or_default().insert(info.method.as_str().to_lowercase(), operation);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Bailiwick",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Shared responsibility between a cloud provider and its customers, as an API.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": app.config().public_origin() }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "an API token: `bwk_…`" },
            },
        },
    })
}

fn operation(area: &str, info: &RouteInfo, schemas: &mut BTreeMap<String, Value>) -> Value {
    let mut operation = Map::new();
    operation.insert("operationId".to_owned(), json!(info.action.replace('.', "_")));
    operation.insert("tags".to_owned(), json!([area]));
    operation.insert("summary".to_owned(), json!(info.summary));
    let mut parameters = path_parameters(info.path);
    parameters.extend(info.query.iter().map(|parameter| {
        json!({ "name": parameter.name, "in": "query", "required": parameter.required,
            "description": parameter.description, "schema": schema_of(parameter.values) })
    }));
    if info.method == super::Method::POST && info.openness != Openness::Public {
        parameters.push(json!({ "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "repeating the request with the same key gives the first answer",
            "schema": { "type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$" } }));
    }
    if !parameters.is_empty() {
        operation.insert("parameters".to_owned(), Value::Array(parameters));
    }
    if let Some(request) = &info.request {
        let content = json!({ "application/json": { "schema": reference(request, schemas) } });
        operation.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
    }
    operation.insert("responses".to_owned(), responses(info, schemas));
    if info.openness != Openness::Public {
        operation.insert("security".to_owned(), json!([{ "token": [] }]));
    }
    if let Openness::Organization(permission) | Openness::Provider(permission) = info.openness {
        operation.insert("x-permission".to_owned(), json!(permission.as_str()));
    }
    Value::Object(operation)
}

fn schema_of(values: Values) -> Value {
    match values {
        Values::Text => json!({ "type": "string" }),
        Values::Id => json!({ "type": "string", "format": "uuid" }),
        Values::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
    }
}

fn path_parameters(path: &str) -> Vec<Value> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| {
            let description =
                if name == "organization" { "the organization's slug" } else { "as a list gave it" };
            json!({ "name": name, "in": "path", "required": true, "description": description,
                "schema": { "type": "string" } })
        })
        .collect()
}

fn responses(info: &RouteInfo, schemas: &mut BTreeMap<String, Value>) -> Value {
    let mut responses = Map::new();
    for (status, document) in &info.responses {
        let mut response = Map::new();
        response.insert("description".to_owned(), json!(words_of(*status)));
        if let Some(document) = document {
            let content = json!({ "application/json": { "schema": reference(document, schemas) } });
            response.insert("content".to_owned(), content);
        }
        responses.insert(status.to_string(), Value::Object(response));
    }
    let refusal = json!({
        "description": "a refusal: what is wrong and how to mend it (RFC 9457)",
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    });
    responses.insert("4XX".to_owned(), refusal);
    Value::Object(responses)
}

fn words_of(status: u16) -> &'static str {
    match status {
        201 => "created",
        202 => "accepted: goes on in the background",
        204 => "done",
        _ => "as asked",
    }
}

/// Registers the schema and those it refers to; gives the `$ref`.
fn reference(document: &Document, schemas: &mut BTreeMap<String, Value>) -> Value {
    for (name, schema) in &document.others {
        schemas.insert(name.clone(), serde_json::to_value(schema).unwrap_or_default());
    }
    schemas.insert(document.name.clone(), serde_json::to_value(&document.schema).unwrap_or_default());
    json!({ "$ref": format!("#/components/schemas/{}", document.name) })
}

fn problem_schema() -> Value {
    json!({
        "type": "object",
        "required": ["type", "status", "title", "detail"],
        "properties": {
            "type": { "type": "string", "description": "stable; `/problems/{kind}`" },
            "status": { "type": "integer" },
            "title": { "type": "string" },
            "detail": { "type": "string", "description": "what is wrong with this request" },
            "cure": { "type": "string", "description": "how to mend it" },
            "errors": { "type": "array", "items": { "type": "object", "required": ["pointer", "detail"],
                "properties": { "pointer": { "type": "string" }, "detail": { "type": "string" } } } },
        },
    })
}
