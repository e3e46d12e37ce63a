//! A study as one HTML file.

use regex::Regex;
use serde_json::json;

use crate::harness::{TestApp, metrics};

const NOTES: &str = "# Why\n<script>alert(1)</script> see [the paper](https://example.org/paper) and\n\
    ![a picture](https://example.org/a.png)";

/// A study whose name and notes try to be markup, with two finished probes.
async fn study(app: &TestApp) -> shared::StudyId {
    let study = app.study().await;
    let change = json!({
        "name": "</title><script>alert('name')</script>",
        "notes": NOTES,
        "tags": ["<b>tag</b>"],
    });
    app.patch(&format!("/studies/{study}"), &change).await;
    app.finish_next(None).await;
    app.finish_next(Some(metrics(61, 2))).await;
    app.finish_next(Some(metrics(60, 44))).await;
    let run = app.runs(study).await[0];
    std::fs::create_dir_all(app.run_folder(run)).unwrap();
    std::fs::write(app.run_folder(run).join("manifest.json"), "{\"program\": \"<i>0.1\"}").unwrap();
    study
}

#[tokio::test]
async fn a_report_has_the_study() {
    let app = TestApp::new().await;
    let study = study(&app).await;
    let answer = app.get(&format!("/studies/{study}/report")).await;
    let page = answer.text();
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8", "{page}");
    let name = format!("attachment; filename=\"maskdoor-report-{study}.html\"");
    assert_eq!(answer.header("content-disposition"), name);
    for part in [
        "ASR <b", // of the verdict's sentence on the strongest attack
        "<h3>Why</h3>",
        "Clean accuracy against attack success rate",
        "class=\"chart\"",
        "<td class=\"right share\"><b class=\"triggered\">44.0</b> <span class=\"ends\">40.8–47.3</span>",
        "blended stripes 0.40 towards class 0",
        "alt=\"",
        "data:image/png;base64,",
        "<td>Poisons",
        "[axes]",
        "Manifests (1)",
        "&lt;i&gt;0.1",
        "maskdoor 0.1.0",
        "prefers-color-scheme:dark",
        "@media print",
    ] {
        assert!(page.contains(part), "no {part}");
    }
}

#[tokio::test]
async fn nothing_in_a_report_is_run_or_loaded() {
    let app = TestApp::new().await;
    let study = study(&app).await;
    let page = app.get(&format!("/studies/{study}/report")).await.text();
    assert!(!page.contains("<script") && !page.contains("<b>tag"), "markup of the author");
    assert!(page.contains("<title>&lt;/title&gt;&lt;script&gt;alert(&#39;name&#39;)"));
    assert!(page.contains("default-src 'none'"));
    // The only address elsewhere is that of a link, which is followed when it is clicked.
    let loads = Regex::new(r#"(?i)(?:src|srcset|data|poster|href|action)\s*=\s*["']?([^"'\s>]*)|url\(([^)]*)\)|@import"#).unwrap();
    let found: Vec<_> = loads.find_iter(&page).map(|it| it.as_str()).collect();
    let elsewhere: Vec<_> = found
        .iter()
        .filter(|it| !it.contains("data:"))
        .filter(|it| **it != "href=\"https://example.org/paper")
        .collect();
    assert!(elsewhere.is_empty() && found.len() > 10, "{elsewhere:?}");
}

#[tokio::test]
async fn a_report_of_a_study_without_results_says_so() {
    let app = TestApp::new().await;
    let study = app.study().await;
    let page = app.get(&format!("/studies/{study}/report")).await.text();
    assert!(page.contains("No classifier has finished: there is no answer yet."));
    let none = app.get("/studies/018bcfe5-6800-7000-8000-000000000000/report").await;
    assert_eq!(none.status.as_u16(), 404);
}
