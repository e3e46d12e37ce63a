//! The page, section by section.

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use shared::{
    RunKind, RunState,
    api::{RunRow, StudyDetail},
    chart::{Figure, Size, Style, accuracy_by_epoch, asr_by_poison, tradeoff},
    day::day,
    palette::{self, Theme},
    verdict::{Of, Pairs, Part, Sentence, Strongest, verdict},
};

use super::{
    Report,
    html::escape,
    notes,
    pictures::{GAIN, Picture, Pictures},
    results, settings,
};

static STYLE: &str = include_str!("style.css");
static FONT: &[u8] = include_bytes!("../../../assets/fonts/Inter.woff2");

/// The size of a figure's drawing, of which two stand side by side on a wide page.
const FIGURE: Size = Size { width: 520, height: 380 };

/// The dashboard's font and colours, and those of the figures, in both themes.
static BASE: LazyLock<String> = LazyLock::new(|| {
    let theme = |theme: Theme| {
        let colours = palette::colours().iter();
        let colours = colours.map(|colour| format!("--{}:{};", colour.name, colour.value(theme)));
        format!(":root{{{}}}{}", colours.collect::<String>(), shared::chart::css(theme))
    };
    format!(
        "@font-face{{font-family:Inter;font-weight:400 700;src:url(data:font/woff2;base64,{}) format(\"woff2\")}}\n{}\n\
         @media screen and (prefers-color-scheme:dark){{{}}}\n",
        STANDARD.encode(FONT),
        theme(Theme::Light),
        theme(Theme::Dark)
    )
});

/// The report as an HTML file. Its policy lets it load nothing but what is in it, and run nothing.
pub(super) fn html(report: &Report) -> String {
    let study = &report.study;
    let name = escape(&study.spec.name);
    let sections = [
        answer(study, &report.pairs),
        section("Notes", &notes::html(&study.notes)),
        section("Figures", &figures(report)),
        section("The trigger", &trigger(report)),
        section("Results", &results::html(&study.runs)),
        section("What the study varies", &settings::axes(&study.spec)),
        repeat(report),
    ];
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"generator\" content=\"{program}\">\n<title>{name}</title>\n<style>\n{}{STYLE}</style>\n</head>\n<body>\n<main>\n\
         {}{}</main>\n<footer>{program} · study {} · report of {}</footer>\n</body>\n</html>\n",
        *BASE,
        header(study),
        sections.concat(),
        study.id,
        day(report.made_at),
        program = format_args!("maskdoor {}", crate::VERSION),
    )
}

/// A section, or nothing without content.
fn section(title: &str, content: &str) -> String {
    if content.is_empty() {
        String::new()
    } else {
        format!("<section>\n<h2>{title}</h2>\n{content}</section>\n")
    }
}

fn header(study: &StudyDetail) -> String {
    let done = study.runs.iter().filter(|run| run.state == RunState::Done).count();
    let mut facts = vec![
        study.spec.attack_name(&study.classes),
        format!("data set {}", study.spec.settings.dataset.name),
        format!("{done} of {} runs done", study.runs.len()),
        format!("created {}", day(study.created_at)),
    ];
    facts.extend(study.spec.tags.iter().map(|tag| format!("#{tag}")));
    let facts: Vec<_> = facts.iter().map(|fact| format!("<li>{}</li>", escape(fact))).collect();
    let facts = facts.concat();
    format!(
        "<header>\n<p class=\"kind\">Study report</p>\n<h1>{}</h1>\n<ul class=\"facts\">{facts}</ul>\n</header>\n",
        escape(&study.spec.name)
    )
}

fn answer(study: &StudyDetail, pairs: &Pairs) -> String {
    let Some(found) = verdict(&study.runs, pairs, study.classes.len()) else {
        return "<section class=\"answer\">\n<p>No classifier has finished: there is no answer yet.</p>\n</section>\n".into();
    };
    let points: Vec<_> =
        found.points.iter().map(|point| format!("<li>{}</li>\n", sentence(point))).collect();
    let points = points.concat();
    let points = if points.is_empty() { points } else { format!("<ul>\n{points}</ul>\n") };
    format!(
        "<section class=\"answer\">\n<div>\n<h2 class=\"headline\">{}</h2>\n{points}</div>\n{}</section>\n",
        sentence(&found.headline),
        found.strongest.map(numbers).unwrap_or_default()
    )
}

fn sentence(told: &Sentence) -> String {
    let part = |Part { text, of }: &Part| match of {
        Of::Words => escape(text),
        Of::Clean => format!("<b class=\"clean\">{}</b>", escape(text)),
        Of::Triggered => format!("<b class=\"triggered\">{}</b>", escape(text)),
    };
    told.parts.iter().map(part).collect()
}

fn numbers(strongest: Strongest) -> String {
    let number = |title: &str, class: &str, number: String, unit: &str| {
        format!(
            "<div><dt>{title}</dt><dd class=\"{class}\">{number}<small> {unit}</small></dd></div>"
        )
    };
    let Strongest { asr, ca, cost, ppr, lpr, .. } = strongest;
    let cost = cost.map_or_else(String::new, |cost| {
        let sign = if cost.mean < 0.0 { "−" } else { "+" };
        number("Cost in CA", "", format!("{sign}{:.1}", cost.mean.abs()), "points")
    });
    format!(
        "<div class=\"numbers\">\n<dl>{}{}{cost}</dl>\n<p class=\"note\">Strongest attack: {ppr} poisons of each class in \
         pre-training, {lpr} in the classifier's training</p>\n</div>\n",
        number("ASR", "triggered", format!("{asr:.1}"), "%"),
        number("CA", "clean", format!("{ca:.1}"), "%")
    )
}

fn figures(report: &Report) -> String {
    let rows: Vec<RunRow> =
        report.study.runs.iter().filter(|run| run.metrics.is_some()).cloned().collect();
    let epochs: Vec<_> =
        report.epochs.iter().filter(|series| series.points.len() > 1).cloned().collect();
    let is_classifier =
        |run: &&RunRow| run.state == RunState::Done && run.point.kind != RunKind::Knn;
    let chosen = if report.epochs.len() < rows.iter().filter(is_classifier).count() {
        "The least poisoned classifier, and those with the highest attack success rates."
    } else {
        ""
    };
    let all = [
        (asr_by_poison(&rows, false), ""),
        (tradeoff(&rows), ""),
        (accuracy_by_epoch(&epochs), chosen),
    ];
    let drawn = all.iter().filter(|(figure, _)| !figure.is_empty());
    let drawn: String = drawn.map(|(drawn, note)| figure(drawn, note)).collect();
    if drawn.is_empty() { drawn } else { format!("<div class=\"figures\">\n{drawn}</div>\n") }
}

fn figure(figure: &Figure, note: &str) -> String {
    let note =
        if note.is_empty() { String::new() } else { format!("<p class=\"note\">{note}</p>\n") };
    format!(
        "<figure>\n<figcaption>{}</figcaption>\n{}\n{note}</figure>\n",
        escape(figure.title()),
        figure.draw(FIGURE, Style::Page).svg
    )
}

fn trigger(report: &Report) -> String {
    match &report.pictures {
        Err(reason) => {
            format!("<p class=\"note\">The images cannot be shown: {}.</p>\n", escape(reason))
        }
        Ok(pictures) if pictures.clean.is_empty() => String::new(),
        Ok(pictures) => shown(pictures, &report.study.classes),
    }
}

fn shown(pictures: &Pictures, classes: &[String]) -> String {
    let name = |class: u32| {
        classes.get(class as usize).cloned().unwrap_or_else(|| format!("class {class}"))
    };
    let names: Vec<_> = pictures.classes.iter().map(|&class| name(class)).collect();
    let row = |title: &str, note: &str, what: &str, images: &[Picture]| {
        let images = images.iter().zip(&names).map(|(Picture(address), name)| {
            format!("<td><img src=\"{address}\" alt=\"{}, {what}\"></td>", escape(name))
        });
        format!(
            "<tr><th scope=\"row\">{}<small>{}</small></th>{}</tr>\n",
            escape(title),
            escape(note),
            images.collect::<String>()
        )
    };
    let head: Vec<_> =
        names.iter().map(|name| format!("<th scope=\"col\">{}</th>", escape(name))).collect();
    let head = head.concat();
    let mut rows = row("Clean", "", "clean", &pictures.clean);
    for triggered in &pictures.triggers {
        let told = triggered.quality.in_words();
        rows.push_str(&row(&triggered.label, &told, "with the trigger", &triggered.images));
        let gain = format!("{GAIN} times, around grey");
        rows.push_str(&row("Difference", &gain, "difference", &triggered.differences));
    }
    let more = match pictures.more {
        0 => String::new(),
        more => format!("<p class=\"note\">The study has {more} more triggers.</p>\n"),
    };
    format!(
        "<div class=\"wide\" tabindex=\"0\"><table class=\"pictures\"><thead><tr><td></td>{head}</tr></thead><tbody>\n{rows}</tbody></table></div>\n{more}"
    )
}

/// What it takes to repeat the study, folded.
fn repeat(report: &Report) -> String {
    let study = &report.study;
    let file = toml::to_string_pretty(&study.spec).unwrap_or_default();
    let label = |id| study.runs.iter().find(|run| run.id == id).map(RunRow::label);
    let manifests: Vec<_> = report
        .manifests
        .iter()
        .map(|(run, text)| {
            format!(
                "<details><summary>{} <code>{run}</code></summary><pre>{}</pre></details>\n",
                escape(&label(*run).unwrap_or_default()),
                escape(text)
            )
        })
        .collect();
    let (manifests, count) = (manifests.concat(), report.manifests.len());
    let manifests = if count == 0 {
        String::new()
    } else {
        format!("<details><summary>Manifests ({count})</summary>\n{manifests}</details>\n")
    };
    let content = format!(
        "<details><summary>All settings</summary>\n{}</details>\n\
         <details><summary>The study's file, for <code>maskdoor run</code></summary><pre>{}</pre></details>\n{manifests}",
        settings::all(&study.spec),
        escape(&file)
    );
    section("To repeat it", &content)
}
