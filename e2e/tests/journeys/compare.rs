//! Results side by side: figures with their values and downloads, and the table with its filters and sort orders.

use std::{collections::HashSet, time::Duration};

use anyhow::{Context as _, Result, ensure};
use e2e::{Browser, Role, travel_past, until};
use serde_json::{Value, json};
use shared::api::StudyDetail;

use crate::steps::{done, look, micro, start};

#[tokio::test]
async fn figures_and_runs_side_by_side() -> Result<()> {
    // The browser logs that a filter is refused.
    travel_past("compare", &["422 (Unprocessable"], async |dashboard, browser| {
        let mut studies = Vec::new();
        for (name, seed) in [("First", 1), ("Second", 2)] {
            let mut spec = micro(name)?;
            spec.settings.seed = seed;
            spec.settings.pretrain.epochs = 1;
            spec.settings.pretrain.warmup_epochs = 0;
            studies.push(start(dashboard, &spec).await?);
        }
        let mut ended = Vec::new();
        for study in &studies {
            ended.push(done(dashboard, &study.id.to_string()).await?);
        }
        browser.visit("/compare").await?;
        browser.find(Role::Heading, "Compare").await?;
        the_scatter_tells_its_values(browser).await?;
        downloads_are_files(browser, &ended).await?;
        look(browser, "compare").await?;
        means_and_grids(browser).await?;
        bars_with_the_published_series(browser).await?;
        accuracy_by_epoch(browser).await?;
        means_over_the_seeds(browser).await?;
        a_pivot_table(browser).await?;
        the_table_sorts(browser).await?;
        one_filter_for_both(browser).await?;
        a_pinned_run(browser).await?;
        chosen_runs_side_by_side(browser).await?;
        a_view_is_saved(browser).await
    })
    .await
}

async fn the_scatter_tells_its_values(browser: &Browser) -> Result<()> {
    browser
        .holds(
            "a scatter of the finished runs",
            "return document.querySelector('[data-figure=plot] svg') !== null",
        )
        .await?;
    let chart = browser.css("[data-figure=plot] .chart-box").await?;
    let (width, height) = browser.extent(&chart).await?;
    // Move the pointer until it finds a mark: the page shows the nearest one within reach.
    let found = until("a value under the pointer", Duration::from_secs(20), async || {
        for row in 1..12 {
            for column in 1..12 {
                let place = (width * f64::from(column) / 12.0, height * f64::from(row) / 12.0);
                browser.hover(&chart, place).await?;
                if browser.count(".chart-tip").await? > 0 {
                    return Ok(Some(browser.css(".chart-tip").await?.text().await?));
                }
            }
        }
        Ok(None)
    })
    .await?;
    ensure!(found.contains('%'), "the value has no unit: {found:?}");
    Ok(())
}

async fn means_over_the_seeds(browser: &Browser) -> Result<()> {
    browser.press("Means over seeds").await?;
    browser
        .holds("rows of means", "return document.querySelectorAll('#means tbody th').length > 3")
        .await?;
    browser.sees("Means over").await?;
    files_are_there(browser).await?;
    look(browser, "compare-means").await?;
    browser.press("Each run").await?;
    browser.holds("the runs again", "return document.querySelector('#runs') !== null").await
}

async fn a_pivot_table(browser: &Browser) -> Result<()> {
    browser.press("Pivot table").await?;
    browser.choose("Rows", "Poisons in pre-training").await?;
    browser.choose("Columns", "Poisons in the probe").await?;
    let cells = "return document.querySelectorAll('#pivot tbody th').length === 2
        && document.querySelectorAll('#pivot tbody .interval').length >= 2";
    browser.holds("a row for each encoder, with intervals over the seeds", cells).await?;
    let kept = "return location.search.includes('pivot_rows=pretrain.poisons')";
    browser.holds("the address has its columns", kept).await?;
    look(browser, "compare-pivot").await?;
    browser.css(".compare-table .figure-links a[href*='.tex']").await?.click().await?;
    let latex = String::from_utf8(browser.downloaded(".tex").await?)?;
    ensure!(latex.contains("\\multicolumn") && latex.contains("\\bottomrule"), "{latex}");
    browser.press("Each run").await?;
    browser.holds("the runs again", "return document.querySelector('#runs') !== null").await
}

async fn means_and_grids(browser: &Browser) -> Result<()> {
    browser.press("Means").await?;
    browser
        .holds(
            "lines between means",
            "return document.querySelectorAll('[data-figure=plot] svg polyline').length > 0",
        )
        .await?;
    the_legend_hides_and_isolates(browser).await?;
    panels_share_their_axes(browser).await?;
    browser.press("Grid").await?;
    browser.choose("x", "Poisons in the probe").await?;
    browser.choose("y", "Poisons in pre-training").await?;
    let cells = "return [...document.querySelectorAll('[data-figure=plot] svg text')]
        .filter((text) => /^\\d+\\.\\d$/.test(text.textContent)).length >= 4";
    browser.holds("the cells show their values", cells).await?;
    look(browser, "compare-grid").await?;
    let place = browser.place().await?;
    ensure!(place.contains("kind=heat"), "the address does not keep the plot: {place}");
    browser.press("Runs").await
}

/// Lines between means, in the colours of the poisons in pre-training.
async fn the_legend_hides_and_isolates(browser: &Browser) -> Result<()> {
    browser.choose("x", "Poisons in the probe").await?;
    browser.choose("Colour", "Poisons in pre-training").await?;
    let entries = "return document.querySelectorAll('.chart-legend button').length >= 2";
    browser.holds("the legend has switches", entries).await?;
    all_lines_under_the_pointer(browser).await?;
    let click = "document.querySelector('.chart-legend button').click()";
    browser.run(click, vec![]).await?;
    browser.sees("Hidden: ").await?;
    let off = "return document.querySelectorAll('.chart-legend [aria-pressed=false]').length === 1 \
        && location.search.includes('hide=')";
    browser.holds("the address has what is hidden", off).await?;
    browser
        .holds(
            "the downloads leave out the same",
            "return document.querySelector('.figure-links a').href.includes('hide=')",
        )
        .await?;
    let alone = "document.querySelector('.chart-legend button').dispatchEvent(
        new KeyboardEvent('keydown', { key: 'Enter', altKey: true, bubbles: true, cancelable: true }))";
    browser.run(alone, vec![]).await?;
    let rest = "const all = [...document.querySelectorAll('.chart-legend button')];
        return all.every((one, at) => (one.ariaPressed === 'true') === (at === 0))";
    browser.holds("one group alone", rest).await?;
    browser.run(alone, vec![]).await?;
    browser.holds("all groups again", "return !location.search.includes('hide=')").await
}

async fn all_lines_under_the_pointer(browser: &Browser) -> Result<()> {
    let chart = browser.css("[data-figure=plot] .chart-box").await?;
    let (width, height) = browser.extent(&chart).await?;
    until("the values of all lines", Duration::from_secs(20), async || {
        for row in 2..10 {
            for column in 1..12 {
                let place = (width * f64::from(column) / 12.0, height * f64::from(row) / 12.0);
                browser.hover(&chart, place).await?;
                if browser.count(".chart-tip .chart-listed li").await? > 0 {
                    return Ok(Some(()));
                }
            }
        }
        Ok(None)
    })
    .await?;
    let listed = browser.css(".chart-tip .chart-listed li").await?.text().await?;
    ensure!(listed.contains('%'), "a line has no value: {listed:?}");
    ensure!(browser.count(".chart-hair").await? == 1, "no line through the values");
    Ok(())
}

async fn panels_share_their_axes(browser: &Browser) -> Result<()> {
    browser.choose("Panels", "Seed").await?;
    let names = "return [...document.querySelectorAll('[data-figure=plot] svg text')]
        .filter((text) => /^Seed: [12]$/.test(text.textContent)).length === 2";
    browser.holds("a panel for each seed", names).await?;
    look(browser, "compare-panels").await?;
    browser.holds("the address has them", "return location.search.includes('facet=seed')").await?;
    browser.choose("Panels", "none").await
}

async fn downloads_are_files(browser: &Browser, studies: &[StudyDetail]) -> Result<()> {
    let results = studies.iter().flat_map(|study| &study.runs).filter(|run| run.metrics.is_some());
    let results = results.count();

    click_download(browser, "SVG").await?;
    let svg = String::from_utf8(browser.downloaded(".svg").await?)?;
    ensure!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "no SVG: {svg:.80}");
    ensure!(svg.contains("<style"), "the file has no colours of its own");

    click_download(browser, "PNG").await?;
    let png = image::load_from_memory(&browser.downloaded(".png").await?)?.into_rgb8();
    ensure!(png.width() >= 800, "{} px wide", png.width());
    let colours: HashSet<_> = png.pixels().map(|pixel| pixel.0).collect();
    ensure!(
        colours.len() > 20,
        "a drawing with its letters has more than {} colours",
        colours.len()
    );

    click_download(browser, "CSV").await?;
    let csv = String::from_utf8(browser.downloaded(".csv").await?)?;
    let lines: Vec<&str> = csv.lines().collect();
    ensure!(lines.len() == results + 1, "{} lines for {results} results:\n{csv}", lines.len());
    let columns = lines[0].split(',').count();
    ensure!(columns >= 4 && lines.iter().all(|line| line.split(',').count() == columns), "{csv}");
    Ok(())
}

async fn click_download(browser: &Browser, format: &str) -> Result<()> {
    let script = "
        const link = [...document.querySelectorAll('.figure-links a')].find((link) => link.textContent.trim() === arguments[0]);
        link.setAttribute('data-wanted', arguments[0]);";
    browser.run(script, vec![format.into()]).await?;
    Ok(browser.css(&format!("a[data-wanted={format}]")).await?.click().await?)
}

async fn bars_with_the_published_series(browser: &Browser) -> Result<()> {
    browser.press("ASR by poison count").await?;
    browser.css("[data-figure=asr-by-poison] svg").await?;
    let own = drawing(browser).await?;
    browser.press("Published series").await?;
    until("the published series appear", Duration::from_secs(5), async || {
        Ok((drawing(browser).await? != own).then_some(()))
    })
    .await?;
    // They name the setting that they were measured in.
    browser.sees("ImageNet-100").await?;
    let place = browser.place().await?;
    ensure!(place.contains("published=true"), "the address does not keep the overlay: {place}");
    Ok(())
}

async fn accuracy_by_epoch(browser: &Browser) -> Result<()> {
    browser.press("Accuracy by epoch").await?;
    browser.css("[data-figure=accuracy-by-epoch] svg").await?;
    browser
        .holds(
            "a line for each run",
            "return document.querySelectorAll('[data-figure=accuracy-by-epoch] svg path, [data-figure=accuracy-by-epoch] svg polyline').length > 4",
        )
        .await
}

async fn drawing(browser: &Browser) -> Result<String> {
    let script = "return document.querySelector('.compare-figure .chart-box > div').innerHTML";
    let drawing = browser.run(script, vec![]).await?;
    Ok(drawing.as_str().context("a drawing")?.to_owned())
}

async fn the_table_sorts(browser: &Browser) -> Result<()> {
    for descending in [true, false] {
        let mut order = Vec::new();
        // The first click shows the highest values first, the second reverses the order.
        until("the table is sorted by ASR", Duration::from_secs(20), async || {
            let state = browser
                .run(
                    "return document.querySelector('[data-sort=asr]').closest('th').ariaSort",
                    vec![],
                )
                .await?;
            let wanted = if descending { "descending" } else { "ascending" };
            if state != wanted {
                browser.css("[data-sort=asr]").await?.click().await?;
                return Ok(None);
            }
            order = column(browser, "ASR %").await?;
            let right = order
                .windows(2)
                .all(|pair| if descending { pair[0] >= pair[1] } else { pair[0] <= pair[1] });
            Ok((order.len() == 8 && right).then_some(()))
        })
        .await
        .with_context(|| format!("descending {descending}: {order:?}"))?;
    }
    Ok(())
}

/// The percentages of a column; rows without one are skipped.
async fn column(browser: &Browser, label: &str) -> Result<Vec<f64>> {
    let script = "
        return [...document.querySelectorAll(`#runs td[data-label='${arguments[0]}'] strong`)]
          .map((cell) => parseFloat(cell.textContent));";
    let values: Value = browser.run(script, vec![label.into()]).await?;
    Ok(serde_json::from_value(values)?)
}

/// The number of rows of the table.
async fn rows(browser: &Browser, count: usize) -> Result<()> {
    let script =
        format!("return document.querySelectorAll('#runs tbody tr th').length === {count}");
    browser.holds(&format!("{count} rows"), &script).await
}

async fn one_filter_for_both(browser: &Browser) -> Result<()> {
    browser.press("Runs").await?;
    rows(browser, 12).await?;
    // Written, with proposals.
    browser.fill_id("filter", "asr >= 0 && kin").await?;
    browser.css(".proposals-open [role=option]").await?.click().await?;
    let taken = "return document.getElementById('filter').value === 'asr >= 0 && kind '";
    browser.holds("the proposal is in the text", taken).await?;
    browser.fill_id("filter", "kind == \"probe\"\u{e007}").await?;
    rows(browser, 8).await?;
    // Put together from lists.
    browser.press("Condition").await?;
    browser.choose("Column", "Study").await?;
    browser.choose("Value", "First").await?;
    browser.press("Add").await?;
    rows(browser, 4).await?;
    let marks = "return document.querySelector('[data-figure=plot] desc')?.textContent.includes('of 4 runs')";
    browser.holds("the figure shows the same runs", marks).await?;
    let place = browser.place().await?;
    ensure!(place.contains("filter="), "the address does not keep the filter: {place}");
    // Refused with the reason.
    browser.fill_id("filter", "asrr > 5\u{e007}").await?;
    browser.sees("did you mean asr?").await?;
    browser.fill_id("filter", "kind == \"probe\" && study == \"First\"\u{e007}").await?;
    rows(browser, 4).await?;
    // Dragged from below the legend: the whole plot keeps every run.
    let chart = browser.css("[data-figure=plot] .chart-box").await?;
    let (width, height) = browser.extent(&chart).await?;
    browser.drag(&chart, (width * 0.02, height * 0.12), (width * 0.98, height * 0.98)).await?;
    browser
        .holds(
            "conditions on both axes",
            "return document.getElementById('filter').value.includes('asr >= ')",
        )
        .await?;
    rows(browser, 4).await?;
    look(browser, "compare-filtered").await?;
    browser.reload().await?;
    rows(browser, 4).await
}

async fn a_pinned_run(browser: &Browser) -> Result<()> {
    let pin = "document.querySelector('#runs tbody .pin').click()";
    browser.run(pin, vec![]).await?;
    let told = "return document.querySelectorAll('#runs tbody tr.pinned').length === 1
        && document.querySelectorAll('#runs tbody .share .sub').length >= 3
        && location.search.includes('baseline=')";
    browser.holds("the differences of the others from it", told).await?;
    rows(browser, 4).await?;
    look(browser, "compare-pinned").await?;
    browser.run(pin, vec![]).await?;
    let gone = "return document.querySelectorAll('#runs tbody .sub').length === 0";
    browser.holds("no differences any more", gone).await
}

async fn chosen_runs_side_by_side(browser: &Browser) -> Result<()> {
    browser.run("for (const box of [...document.querySelectorAll('#runs tbody input')].slice(0, 1)) box.click()", vec![]).await?;
    browser.sees("choose another one").await?;
    browser.run("for (const box of [...document.querySelectorAll('#runs tbody input')].slice(1, 2)) box.click()", vec![]).await?;
    browser.sees("2 runs chosen: what differs").await?;
    browser
        .holds(
            "their metrics",
            "return document.querySelectorAll('.differences tbody tr').length >= 3",
        )
        .await?;
    look(browser, "compare-differences").await?;
    browser.press("Choose none").await?;
    browser
        .holds("no run is chosen", "return document.querySelector('.differences') === null")
        .await
}

/// The table's files are there: of the runs, or of their means.
async fn files_are_there(browser: &Browser) -> Result<()> {
    let answers = browser.run_until_done(FILES, vec![]).await?;
    ensure!(answers == json!([200, 200, 200, 200]), "{answers}");
    Ok(())
}

/// The answers to the links with which the table is downloaded.
const FILES: &str = "const done = arguments[arguments.length - 1];
const links = [...document.querySelectorAll('.compare-bar a[download]')];
Promise.all(links.map((link) => fetch(link.href).then((answer) => answer.status))).then(done);";

async fn a_view_is_saved(browser: &Browser) -> Result<()> {
    let here = browser.place().await?;
    files_are_there(browser).await?;
    browser.press("Save view").await?;
    browser.fill("Name of the view", "First probes").await?;
    browser.press("Save").await?;
    browser.visit("/compare").await?;
    rows(browser, 12).await?;
    browser.choose("Saved view", "First probes").await?;
    rows(browser, 4).await?;
    let now = browser.place().await?;
    ensure!(now == here, "{now} instead of {here}");
    browser.press("Forget this view").await?;
    browser.sees("“First probes” was forgotten.").await?;
    browser.press("Undo").await?;
    browser.sees("Forget this view").await
}
