//! The offer to undo the deletion of a study, at the foot of every page for a while. *System* has it for as long as it holds.

use gloo_timers::future::TimeoutFuture;
use leptos::{prelude::*, task::spawn_local};
use leptos_router::{NavigateOptions, hooks::use_navigate};
use shared::api::{Deletion, Problem, StudyDetail};

use crate::{
    api,
    base::to,
    components::{Glyph, Icon},
};

/// Time for which the offer stands at the foot of the page, in milliseconds.
const SHOWN: u32 = 60_000;

#[derive(Clone, Copy)]
struct Offer(RwSignal<Option<Deletion>>);

/// Makes the offer known to pages; the frame calls it once.
pub(super) fn provide() {
    provide_context(Offer(RwSignal::new(None)));
}

/// What offers to undo a deletion.
pub fn offer_undo() -> Callback<Deletion> {
    let offer = use_context::<Offer>();
    Callback::new(move |deletion: Deletion| {
        let Some(Offer(offer)) = offer else { return };
        offer.set(Some(deletion.clone()));
        spawn_local(async move {
            TimeoutFuture::new(SHOWN).await;
            let is_last = offer.with_untracked(|shown| shown.as_ref() == Some(&deletion));
            if is_last {
                offer.set(None);
            }
        });
    })
}

/// The offer, while there is one.
#[component]
pub(super) fn UndoOffer() -> impl IntoView {
    let offer = use_context::<Offer>().map_or_else(|| RwSignal::new(None), |Offer(offer)| offer);
    let problem = RwSignal::new(None::<Problem>);
    let navigate = use_navigate();
    let restored = Callback::new(move |study: StudyDetail| {
        offer.set(None);
        navigate(&to(format!("/studies/{}", study.id)), NavigateOptions::default());
    });
    let undo = move |_| {
        let Some(deletion) = offer.get_untracked() else { return };
        problem.set(None);
        spawn_local(async move {
            let path = format!("/deletions/{}/undo", deletion.study);
            match api::post_empty::<StudyDetail>(path).await {
                Ok(study) => restored.run(study),
                Err(refused) => problem.set(Some(refused)),
            }
        });
    };
    view! {
        <div class="toast-place" role="status" aria-live="polite">
            {move || {
                offer
                    .get()
                    .map(|deletion| {
                        view! {
                            <p class="toast" id="undo-offer">
                                <span>
                                    {format!("“{}” was deleted.", deletion.name)}
                                    <span class="sub">
                                        {move || match problem.get() {
                                            Some(problem) => problem.detail,
                                            None => "Its files are kept for 10 minutes; until then, System restores it, too.".into(),
                                        }}
                                    </span>
                                </span>
                                <button type="button" class="button" on:click=undo>"Undo"</button>
                                <button
                                    type="button"
                                    class="icon-button"
                                    aria-label="Close"
                                    on:click=move |_| offer.set(None)
                                >
                                    <Icon glyph=Glyph::Close/>
                                </button>
                            </p>
                        }
                    })
            }}
        </div>
    }
}
