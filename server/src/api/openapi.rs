//! The `OpenAPI` document, generated from the handlers' annotations so that it cannot differ from the routes.

use std::sync::Arc;

use axum::{
    Extension,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use shared::api::Problem;
use utoipa::{
    Modify, OpenApi, PartialSchema, ToSchema,
    openapi::{
        Content, PathItem, Ref, RefOr, ResponseBuilder,
        path::Operation,
        security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
    },
};

use super::schema;

/// How the document names the tokens of `maskdoor token`.
const TOKEN: &str = "token";

/// The document's text.
#[derive(Clone)]
pub struct Document(pub Arc<str>);

/// The parts of the document other than the routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Maskdoor",
        description = "Backdoor studies on masked autoencoders: studies, runs, their events and results. \
                       Times are Unix milliseconds, pixels are RGB bytes in base64, shares are counts."
    ),
    tags(
        (name = "studies", description = "Studies and their runs"),
        (name = "data", description = "Data sets and key images"),
        (name = "results", description = "Comparisons, figures, checkpoints, reconstructions and pictures for them"),
        (name = "program", description = "The program and the machine")
    )
)]
pub struct Info;

/// The text of the document that describes these routes.
pub fn document(mut routes: utoipa::openapi::OpenApi) -> Document {
    Common.modify(&mut routes);
    let mut document = serde_json::to_value(routes).expect("the document has string keys only");
    schema::complete(&mut document);
    Document(document.to_string().into())
}

/// The description of this API.
#[utoipa::path(get, path = "/openapi.json", tag = "program",
    responses((status = 200, description = "This document", content_type = "application/json")))]
pub async fn get_openapi(Extension(document): Extension<Document>) -> Response {
    ([(CONTENT_TYPE, "application/json")], document.0.to_string()).into_response()
}

/// Documents for every operation that its errors are [`Problem`]s, and that it takes a token.
struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_with(Default::default);
        components.schemas.insert(Problem::name().into(), Problem::schema());
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme(TOKEN, bearer);
        document.security = Some(vec![SecurityRequirement::new(TOKEN, [""; 0])]);
        let mut schemas = Vec::new();
        Problem::schemas(&mut schemas);
        for (name, schema) in schemas {
            components.schemas.entry(name).or_insert(schema);
        }
        let content = Content::new(Some(RefOr::Ref(Ref::from_schema_name(Problem::name()))));
        let response = ResponseBuilder::new()
            .description("What is wrong, and what would be right")
            .content("application/problem+json", content)
            .build();
        for operation in document.paths.paths.values_mut().flat_map(operations) {
            operation.responses.responses.insert("default".into(), response.clone().into());
        }
    }
}

/// The operations of a path.
fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [item.get.as_mut(), item.post.as_mut(), item.patch.as_mut(), item.delete.as_mut()]
        .into_iter()
        .flatten()
}
