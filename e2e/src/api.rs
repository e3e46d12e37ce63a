//! Requests to the API of a running program.

use std::collections::VecDeque;

use anyhow::{Context as _, Result, ensure};
use http::{Method, Request, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde::{Serialize, de::DeserializeOwned};

/// A client of one server.
#[derive(Clone, Debug)]
pub struct Api {
    base: String,
}

impl Api {
    /// A client of the server at `base`, such as `http://127.0.0.1:8787`.
    pub fn new(base: impl Into<String>) -> Self {
        Self { base: base.into() }
    }

    /// The response to a request, whatever its status.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<(StatusCode, Vec<u8>)> {
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<VecDeque<u8>>>();
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body.unwrap_or_default().into()))?;
        let answer = client.request(request).await.with_context(|| format!("request of {path}"))?;
        let status = answer.status();
        let bytes = answer.into_body().collect().await?.to_bytes();
        Ok((status, bytes.to_vec()))
    }

    /// The resource at `path`.
    ///
    /// # Errors
    /// When the server does not answer, answers with an error, or sends something else.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        read(path, self.send(Method::GET, path, None).await?)
    }

    /// Sends `body` to `path`.
    ///
    /// # Errors
    /// When the server does not answer, answers with an error, or sends something else.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        read(path, self.send(Method::POST, path, Some(serde_json::to_vec(body)?)).await?)
    }
}

fn read<T: DeserializeOwned>(path: &str, (status, body): (StatusCode, Vec<u8>)) -> Result<T> {
    ensure!(status.is_success(), "{path}: {status}: {}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).with_context(|| format!("the answer of {path}"))
}
