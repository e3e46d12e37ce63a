//! The `OpenAPI` document: it lists every route, and every route that it lists exists.

use axum::http::{Method, StatusCode};
use insta::assert_snapshot;
use serde_json::Value;

use crate::harness::TestApp;

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
