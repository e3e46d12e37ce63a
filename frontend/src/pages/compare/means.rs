//! The table of means: the runs of a study that differ only in the seed form one row.

use leptos::prelude::*;
use shared::{
    api::{MeanPercent, OverSeeds, RunRow},
    metric::Spread,
};

use crate::{
    api,
    components::{Fetched, ProblemBox, fetched, format},
    pages::study::ppr_text,
    run_name::varied_text,
};

/// The mean in percent, `43.1`; with several values also its deviation and interval, `± 0.8 (41.2–45.0)`.
fn told(spread: Spread) -> (String, Option<String>) {
    let MeanPercent { mean, deviation, low, high } = spread.into();
    let interval = low.zip(high);
    (
        format!("{mean:.1}"),
        interval.map(|(low, high)| format!("± {deviation:.1} ({low:.1}–{high:.1})")),
    )
}

/// The table.
#[component]
pub fn Means(
    /// The studies of the figure, separated by commas; `None` for all.
    studies: Memo<Option<String>>,
) -> impl IntoView {
    let results: Fetched<Vec<RunRow>> = fetched(move || {
        let studies = studies.get().unwrap_or_default();
        Some(format!("/compare{}", api::query(&[("studies", &studies)])))
    });
    let lines = move || match results.get() {
        None => view! { <tr><td colspan="9" class="loading">"Loading the results…"</td></tr> }
            .into_any(),
        Some(Err(problem)) => {
            let retry = Callback::new(move |()| results.refetch());
            view! { <tr><td colspan="9"><ProblemBox problem retry/></td></tr> }.into_any()
        }
        Some(Ok(rows)) if rows.is_empty() => view! {
            <tr><td colspan="9" class="empty-line">"No classifier has finished yet."</td></tr>
        }
        .into_any(),
        Some(Ok(rows)) => OverSeeds::of(&rows)
            .into_iter()
            .map(|mean| view! { <Line mean/> })
            .collect_view()
            .into_any(),
    };
    view! {
        <div class="table-box">
            <table class="table table-cards runs" id="means">
                <caption class="visually-hidden">"Means over the seeds of a study"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Study"</th>
                        <th scope="col">"Trained"</th>
                        <th scope="col" class="number">"PPR"</th>
                        <th scope="col" class="number">"LPR, FPR"</th>
                        <th scope="col" class="number">"Seeds"</th>
                        <th scope="col" class="number">"CA %"</th>
                        <th scope="col" class="number">"Top-5 %"</th>
                        <th scope="col" class="number">"ASR %"</th>
                        <th scope="col" class="number">"RA %"</th>
                    </tr>
                </thead>
                <tbody>{lines}</tbody>
            </table>
        </div>
        <p class="muted small">
            "Mean ± sample standard deviation over the seeds of a study, and the 95 % confidence interval of the mean (Student's t); finished classifiers only."
        </p>
    }
}

#[component]
fn Line(mean: OverSeeds) -> impl IntoView {
    let cell = |spread: Option<Spread>, colour: &'static str, label: &'static str| {
        let (value, deviation) = spread.map_or_else(|| ("–".to_owned(), None), told);
        view! {
            <td class="number share" data-label=label>
                <span>
                    <strong class=colour>{value}</strong>
                    {deviation.map(|text| view! { <span class="interval">{text}</span> })}
                </span>
            </td>
        }
    };
    let varied = varied_text(&mean.varied);
    view! {
        <tr>
            <th scope="row">
                <a href=format!("/studies/{}", mean.study)>{mean.study_name}</a>
                <span class="muted small">{mean.trigger}</span>
                {(!varied.is_empty()).then(|| view! { <span class="muted small">{varied}</span> })}
            </th>
            <td data-label="Trained">{mean.point.title()}</td>
            <td class="number" data-label="PPR">{ppr_text(mean.point)}</td>
            <td class="number" data-label=mean.point.rate_name()>{mean.point.lpr}</td>
            <td class="number" data-label="Seeds">{format::count(mean.seeds as u64)}</td>
            {cell(mean.ca, "clean", "CA %")}
            {cell(mean.top5, "clean", "Top-5 %")}
            {cell(mean.asr, "triggered", "ASR %")}
            {cell(mean.ra, "", "RA %")}
        </tr>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_seeds_have_a_deviation_and_an_interval() {
        // Deviation .0141; t = 12.7062 for one degree of freedom: 50 ± 12.7.
        let two = Spread::of(&[0.49, 0.51]).expect("two seeds");
        assert_eq!(told(two), ("50.0".into(), Some("± 1.4 (37.3–62.7)".into())));
        assert_eq!(told(Spread::of(&[0.9]).expect("a seed")), ("90.0".into(), None));
    }
}
