//! What the page shows before there is a study.

use leptos::prelude::*;
use shared::api::{Page, StudyPlan, StudySummary};

use super::idea::Idea;
use crate::{
    base::to,
    components::{Fetched, Glyph, Icon, fetched, format},
};

/// What to do when there is no study yet.
#[component]
pub fn FirstStudy() -> impl IntoView {
    let plan: Fetched<StudyPlan> = fetched(|| Some("/presets/quick-look/plan".into()));
    let time = move || {
        let seconds = plan.value().filter(|plan| plan.refused.is_empty())?.seconds;
        Some(format!("about {} on this machine", format::duration(seconds)))
    };
    let archived: Fetched<Page<StudySummary>> =
        fetched(|| Some("/studies?archived=true&limit=1".into()));
    let any_archived = Memo::new(move |_| archived.value().is_some_and(|page| page.total > 0));
    view! {
        <section class="first">
            <p class="first-lead">
                "A masked autoencoder learns from unlabelled images. If a few of them are poisoned, the encoder may carry a backdoor: "
                "when an image contains the trigger, a classifier built on the encoder predicts the attacker's class. Maskdoor trains "
                "such encoders, clean and attacked, and measures how well the backdoor works and what it costs."
            </p>
            <Show when=move || any_archived.get()>
                <p><a href=to("/?show=archived")>"Archived studies"</a></p>
            </Show>
            <Idea/>
            <div class="first-choices">
                <a class="choice choice-main" href=to("/studies/new?preset=quick-look") id="quick-look">
                    <Icon glyph=Glyph::Play/>
                    <span class="choice-title">"Quick look"</span>
                    <span class="choice-time">{move || time().unwrap_or_else(|| "a few minutes".into())}</span>
                    <span>
                        "The whole pipeline on built-in images: one clean and one attacked encoder, each probed clean and with three "
                        "poisoned images per class, which succeed on only one of the encoders. Everything is filled in."
                    </span>
                </a>
                <a class="choice" href=to("/studies/new") id="new-study">
                    <Icon glyph=Glyph::Plus/>
                    <span class="choice-title">"New study"</span>
                    <span class="choice-time">"your own attack"</span>
                    <span>
                        "Choose the data set, draw a trigger and watch it on real images, set the poisons and the training, "
                        "and see what will run before it starts."
                    </span>
                </a>
            </div>
        </section>
    }
}
