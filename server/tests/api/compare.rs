//! Finished classifiers side by side, and their figures.

use insta::{assert_json_snapshot, assert_snapshot};
use serde_json::Value;
use shared::RunEvent;

use crate::harness::{Answer, TestApp, metrics};

/// A study whose four probes have finished.
async fn finished(app: &TestApp) -> shared::StudyId {
    let study = app.study().await;
    for (ca, asr) in [(61, 1), (60, 44), (62, 2), (61, 93)] {
        // A pre-training precedes each pair of probes.
        if ca == 61 && asr == 1 || ca == 62 {
            app.finish_next(None).await;
        }
        app.finish_next(Some(metrics(ca, asr))).await;
    }
    study
}

#[tokio::test]
async fn results_are_slim_and_in_order() {
    let app = TestApp::new().await;
    let study = finished(&app).await;
    let other = app.study().await;
    let results = app.get("/compare").await.json();
    let asr: Vec<_> = results
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["metrics"]["asr"]["hits"].as_u64().unwrap())
        .collect();
    assert_eq!(asr, [9, 396, 18, 837]);
    assert_eq!(app.get(&format!("/compare?studies={study},{other}")).await.json(), results);
    assert_eq!(app.get(&format!("/compare?studies={other}")).await.json(), Value::Array(vec![]));
}

#[tokio::test]
async fn accuracy_by_epoch_is_a_series_a_run() {
    let app = TestApp::new().await;
    let study = finished(&app).await;
    let runs = app.runs(study).await;
    let series = app.get(&format!("/compare/epochs?runs={},{}", runs[5], runs[1])).await.json();
    assert_json_snapshot!(series);
    assert_snapshot!(app.get("/compare/epochs").await.problem());
}

#[tokio::test]
async fn a_pretraining_s_accuracy_is_that_of_nearest_neighbours() {
    let app = TestApp::new().await;
    app.study().await;
    let run = app.start_next().await;
    let events = [5, 10].map(|epoch| RunEvent::Knn { epoch, metrics: metrics(40, epoch) });
    app.take_in(run, events.to_vec()).await.unwrap();
    let series = app.get(&format!("/compare/epochs?runs={run}")).await.json();
    assert_eq!(series[0]["knn"], true);
    let asr: Vec<_> = [0, 1].map(|at| &series[0]["points"][at]["metrics"]["asr"]["hits"]).to_vec();
    assert_eq!(asr, [45, 90]);
    let figure = app.get(&format!("/figures/accuracy-by-epoch.csv?runs={run}")).await.text();
    assert_eq!(figure.lines().count(), 3, "{figure}");
    let log = app.get(&format!("/runs/{run}/log")).await.text();
    assert!(log.contains("epoch 10: nearest neighbours have CA 40.0 %, ASR 10.0 %"), "{log}");
}

#[tokio::test]
async fn each_figure_comes_as_svg_png_pdf_and_csv() {
    let app = TestApp::new().await;
    let study = finished(&app).await;
    let runs = app.runs(study).await;
    let two = format!("runs={},{}", runs[1], runs[2]);
    let of_study = format!("studies={study}&published=true");
    for (kind, query) in [
        ("tradeoff", &of_study),
        ("asr-by-poison", &of_study),
        ("accuracy-by-epoch", &two),
        ("loss", &two),
        ("lr", &two),
        ("speed", &two),
    ] {
        let get = async |end: &str| app.get(&format!("/figures/{kind}.{end}?{query}")).await;
        let named = |answer: &Answer, end: &str| {
            let expected = format!("attachment; filename=\"maskdoor-{kind}.{end}\"");
            assert_eq!(answer.header("content-disposition"), expected);
        };
        let svg = get("svg").await;
        assert_eq!(svg.header("content-type"), "image/svg+xml", "{kind}: {}", svg.text());
        assert!(svg.text().starts_with("<svg") && svg.text().contains("</svg>"));
        named(&svg, "svg");

        let png = get("png").await;
        assert_eq!(png.header("content-type"), "image/png");
        let picture = image::load_from_memory(&png.body).unwrap().to_rgb8();
        assert_eq!(picture.dimensions(), (1520, 960));
        let white = picture.pixels().filter(|pixel| pixel.0 == [255; 3]).count();
        let all = 1520 * 960;
        assert!(white > all / 2 && white < all, "{kind}: a drawing on white");
        named(&png, "png");

        let pdf = get("pdf").await;
        assert_eq!(pdf.header("content-type"), "application/pdf");
        let has = |part: &[u8]| pdf.body.windows(part.len()).any(|at| at == part);
        assert!(pdf.body.starts_with(b"%PDF-") && pdf.body.trim_ascii_end().ends_with(b"%%EOF"));
        // Letters as letters of the embedded font.
        assert!(has(b"+Inter") && has(b"/ToUnicode"), "{kind}: text in the embedded font");
        named(&pdf, "pdf");

        let csv = get("csv").await;
        assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
        assert!(csv.text().lines().count() > 2, "{kind}: {}", csv.text());
        named(&csv, "csv");
    }
}

#[tokio::test]
async fn a_dark_figure_has_another_ground() {
    let app = TestApp::new().await;
    finished(&app).await;
    let dark = app.get("/figures/tradeoff.png?theme=dark").await;
    let picture = image::load_from_memory(&dark.body).unwrap().to_rgb8();
    assert!(picture.get_pixel(0, 0).0.iter().all(|&channel| channel < 60));
}

#[tokio::test]
async fn text_in_a_picture_is_drawn_with_the_shipped_font() {
    let app = TestApp::new().await;
    // Without results the figure is one line of text on its background; without the font it would be blank.
    let empty = app.get("/figures/asr-by-poison.png").await;
    let picture = image::load_from_memory(&empty.body).unwrap().to_rgb8();
    let inked = picture.pixels().filter(|pixel| pixel.0 != [255; 3]).count();
    assert!(inked > 500, "{inked} pixels are not white");
}
