//! As whom a browser is signed in, and the button that signs it out.

use leptos::prelude::*;
use shared::api::Me;

use super::overview;
use crate::{
    base::to,
    components::{Glyph, Icon},
};

/// By what somebody came in, as the button's hint says it.
fn standing(me: &Me) -> String {
    let whom = match me.name.as_str() {
        "local" => "by the printed address",
        "password" => "by the password",
        name => &format!("as {name}"),
    };
    format!("Signed in {whom}, with the right {}", me.rights)
}

/// The name beside the button; whoever comes without a token has none.
fn name(me: &Me) -> Option<String> {
    let is_token = !["local", "password"].contains(&me.name.as_str());
    is_token.then(|| me.name.clone())
}

/// Name and sign-out button; nothing where nobody signs in.
#[component]
pub fn Account() -> impl IntoView {
    let signed_in =
        overview::part(|overview| Some(overview.me.clone()).filter(|me| me.has_session));
    view! {
        {move || {
            signed_in
                .get()
                .map(|me| {
                    let told = standing(&me);
                    view! {
                        // A form, so that the browser leaves the page and forgets its cookie.
                        <form class="account" method="post" action=to("/logout")>
                            {name(&me).map(|name| view! { <span class="account-name" title=told.clone()>{name}</span> })}
                            <button
                                type="submit"
                                class="icon-button"
                                id="sign-out"
                                aria-label="Sign out"
                                title=format!("{told}. Sign out")
                            >
                                <Icon glyph=Glyph::SignOut/>
                            </button>
                        </form>
                    }
                })
        }}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_told_by_what_they_came_in() {
        let me = |name: &str| Me { name: name.into(), rights: "run".into(), has_session: true };
        assert_eq!(standing(&me("laptop")), "Signed in as laptop, with the right run");
        assert_eq!(standing(&me("local")), "Signed in by the printed address, with the right run");
        assert_eq!((name(&me("laptop")), name(&me("password"))), (Some("laptop".into()), None));
    }
}
