//! The `OpenAPI` document: it lists every route, and every route that it lists exists.

use axum::http::{Method, StatusCode};
use insta::assert_snapshot;
use jsonschema::Validator;
use serde_json::{Value, json};
use shared::{
    param::{Domain, SETTINGS},
    study::presets,
    trigger::{CATALOGUE, TriggerSpec},
};

use crate::harness::{TestApp, metrics, spec, spec_with};

async fn document(app: &TestApp) -> Value {
    let answer = app.get("/openapi.json").await;
    assert_eq!(answer.header("content-type"), "application/json");
    answer.json()
}

fn routes(document: &Value) -> Vec<(Method, String)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys().map(|method| method.to_uppercase());
            methods.map(|method| (method.parse().unwrap(), path.clone()))
        })
        .collect()
}

#[tokio::test]
async fn the_document_lists_every_route() {
    let document = document(&TestApp::new().await).await;
    let mut routes: Vec<_> =
        routes(&document).into_iter().map(|(method, path)| format!("{path} {method}")).collect();
    routes.sort();
    assert_snapshot!(routes.join("\n"));
}

#[tokio::test]
async fn each_listed_route_is_there() {
    let app = TestApp::new().await;
    for (method, path) in routes(&document(&app).await) {
        let path = path
            .replace("{id}", "018bcfe5-6800-7000-8000-000000000000")
            .replace("{name}", "none")
            .replace("{split}", "train")
            .replace("{file}", "1.png");
        // The event stream never ends, so reading its body would hang.
        if path.ends_with("/events") && !path.contains("/runs/") {
            continue;
        }
        let answer = app.method(method.clone(), &format!("/!{}", &path[1..])).await;
        assert_ne!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        assert!(!answer.text().contains("there is nothing at"), "{method} {path}");
        assert_ne!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{method} {path}");
    }
}

#[tokio::test]
async fn each_reference_has_its_schema_and_each_operation_its_problem() {
    let document = document(&TestApp::new().await).await;
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    assert!(references.len() > 50, "{} references", references.len());
    for reference in references {
        let name = reference.strip_prefix("#/components/schemas/").expect("a schema");
        assert!(schemas.contains_key(name), "{name} is missing");
    }
    for (method, path) in routes(&document) {
        let operation = &document["paths"][&path][method.as_str().to_lowercase()];
        let problem = &operation["responses"]["default"]["content"]["application/problem+json"];
        assert_eq!(problem["schema"]["$ref"], "#/components/schemas/Problem", "{method} {path}");
        assert!(operation["summary"].is_string(), "{method} {path} has a summary");
    }
}

fn collect_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                found.push(reference.clone());
            }
            fields.values().for_each(|value| collect_references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| collect_references(value, found)),
        _ => {}
    }
}

/// A validator of the schema at a place in the document.
fn validator(document: &Value, schema: &Value) -> Validator {
    let mut whole = schema.clone();
    whole["components"] = document["components"].clone();
    jsonschema::draft202012::new(&whole).unwrap()
}

/// A validator of the bodies that create a study.
fn of_studies(document: &Value) -> Validator {
    let body = &document["paths"]["/api/v1/studies"]["post"]["requestBody"];
    validator(document, &body["content"]["application/json"]["schema"])
}

/// What is wrong with a value, one error a line.
fn errors(validator: &Validator, value: &Value) -> String {
    let error =
        |error: jsonschema::ValidationError<'_>| format!("{}: {error}", error.instance_path());
    validator.iter_errors(value).map(error).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn the_schema_takes_the_studies_that_the_server_takes() {
    let app = TestApp::new().await;
    let document = document(&app).await;
    let studies = of_studies(&document);
    let mut bodies: Vec<Value> =
        presets().iter().map(|preset| serde_json::to_value(&preset.spec).unwrap()).collect();
    for body in &mut bodies {
        body["dataset"] = json!({ "name": "shapes" });
    }
    for entry in &CATALOGUE {
        bodies.push(spec_with("/attack/trigger", serde_json::to_value(entry.spec(32, 4)).unwrap()));
    }
    let least = json!({
        "name": "the least that a study says",
        "dataset": { "name": "shapes" },
        "attack": { "trigger": { "kind": "sig" } },
    });
    bodies.push(least);
    bodies.push(spec_with(
        "/axes",
        json!({
            "seed": [1, 2],
            "attack.trigger.kind": ["blended", "wanet"],
            "pretrain.epochs & pretrain.warmup_epochs": [[20, 2], [40, 4]],
        }),
    ));
    for body in bodies {
        assert_eq!(errors(&studies, &body), "", "{body}");
        let answer = app.post("/plans", &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}\n{body}", answer.text());
    }
    let examples = &document["paths"]["/api/v1/plans"]["post"]["requestBody"]["content"];
    let examples = examples["application/json"]["examples"].as_object().unwrap();
    assert_eq!(examples.len(), presets().len());
    for (name, example) in examples {
        assert_eq!(errors(&studies, &example["value"]), "", "{name}");
    }
}

#[tokio::test]
async fn the_schema_refuses_what_the_server_refuses() {
    let app = TestApp::new().await;
    let studies = of_studies(&document(&app).await);
    let with = |pointer: &str, field: &str, value: Value| {
        let mut spec = serde_json::to_value(spec()).unwrap();
        spec.pointer_mut(pointer).unwrap()[field] = value;
        spec
    };
    let mut bodies = vec![
        with("", "colour", "red".into()),
        with("/probe", "learning_rate", 3.into()),
        with("/attack", "targets", json!([1])),
        with("/attack/trigger", "opacity", 0.5.into()),
        with("/attack/trigger", "kind", "smudged".into()),
        with("/attack/trigger", "kind", "wanet".into()),
        with("/model/encoder", "width", 8.into()),
        with("", "name", " ".into()),
        with("", "name", "x".repeat(121).into()),
        with("", "tags", json!(["a,b"])),
        with("", "tags", json!([" a"])),
        with("", "tags", json!(["a", "b", "c", "d", "e", "f", "g", "h", "i"])),
        with("", "runs", json!([])),
        with("", "runs", json!(["training"])),
        with("", "axes", json!({ "seed": 1 })),
        with("", "axes", json!({ "seed": [] })),
    ];
    // Below and above the numbers that each setting takes.
    let mut tried = 0;
    for setting in SETTINGS.iter() {
        let Some((low, high)) = setting.domain.range() else { continue };
        let pointer = format!("/{}", setting.path.replace('.', "/"));
        let has = |trigger: &TriggerSpec| setting.trigger.is_none_or(|kind| kind == trigger.kind());
        let mut triggers = CATALOGUE.iter().map(|entry| entry.spec(32, 4));
        let trigger = triggers.find(has).unwrap();
        let mut body = spec_with("/attack/trigger", serde_json::to_value(&trigger).unwrap());
        // A setting that an axis varies has no value of its own.
        body["axes"] = json!({});
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        // Parts that are left out while they have their defaults.
        let mut part = &mut body;
        for name in parent.split('/').skip(1) {
            part = &mut part[name];
            if part.is_null() {
                *part = json!({});
            }
        }
        let whole = matches!(setting.domain, Domain::Whole { .. } | Domain::Limit);
        for wrong in [low - 1.0, high + high.abs().max(1.0)] {
            let wrong = if whole { json!(wrong as i64) } else { json!(wrong) };
            body.pointer_mut(parent).unwrap()[name] = wrong;
            bodies.push(body.clone());
            tried += 1;
        }
    }
    assert!(tried > 100, "{tried} numbers");
    for body in bodies {
        let answer = app.post("/plans", &body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert!(!studies.is_valid(&body), "{}\n{body}", answer.problem());
    }
}

#[tokio::test]
async fn every_answer_has_its_schema() {
    let app = TestApp::new().await;
    let document = document(&app).await;
    let study = app.study().await;
    let pretrained = app.finish_next(None).await;
    let probe = app.finish_next(Some(metrics(61, 2))).await;
    let none = "018bcfe5-6800-7000-8000-000000000000";
    let (mut answered, mut problems) = (0, 0);
    for (method, path) in routes(&document) {
        let operation = &document["paths"][&path][method.as_str().to_lowercase()];
        if method != Method::GET || path == "/api/v1/events" {
            continue;
        }
        let ids: &[&str] = match path.as_str() {
            path if path.contains("/studies/{id}") => &[&study.to_string(), none],
            path if path.contains("/runs/{id}") => {
                &[&pretrained.to_string(), &probe.to_string(), none]
            }
            _ => &["stripes", "none"],
        };
        let query = match path.as_str() {
            "/api/v1/results/groups" => "?by=probe.poisons",
            "/api/v1/compare/epochs" => &format!("?runs={probe}"),
            _ => "",
        };
        for id in ids {
            let path = path
                .replace("{id}", id)
                .replace("{name}", if *id == "none" { "none" } else { "shapes" })
                .replace("{split}", "train")
                .replace(
                    "{file}",
                    match path.as_str() {
                        path if path.contains("figures") => "tradeoff.svg",
                        path if path.contains("results") => "table.csv",
                        _ => "1.png",
                    },
                );
            let answer = app.get(&format!("/!{}{query}", &path[1..])).await;
            let status = answer.status.as_u16().to_string();
            let response = operation["responses"].get(&status);
            let response = response.unwrap_or(&operation["responses"]["default"]);
            let kind = answer.header("content-type").split(';').next().unwrap().to_owned();
            let content = response["content"].get(&kind);
            let content = content.unwrap_or_else(|| panic!("{path} answers with {kind}"));
            if kind.ends_with("json") && !content["schema"].is_null() {
                let errors = errors(&validator(&document, &content["schema"]), &answer.json());
                assert_eq!(errors, "", "{path}: {}", answer.text());
                *(if answer.status.is_success() { &mut answered } else { &mut problems }) += 1;
            }
        }
    }
    assert!(answered > 20 && problems > 5, "{answered} answers, {problems} problems");
}
