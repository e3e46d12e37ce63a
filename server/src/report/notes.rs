//! The author's notes: Markdown without what could load or run anything.

use pulldown_cmark::{
    Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd, html::push_html,
};

/// Beginnings of the addresses that a link may have.
const SCHEMES: [&str; 3] = ["https://", "http://", "mailto:"];

/// The notes as HTML. Raw HTML is shown as text, a picture as its description; a link leads elsewhere only when it is clicked.
/// Headings stand below those of the page, and a new line is one.
pub(super) fn html(markdown: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    // Whether each link that is open has an address that it may have.
    let mut links = Vec::new();
    let events = Parser::new_ext(markdown, options).filter_map(|event| match event {
        Event::Html(text) | Event::InlineHtml(text) => Some(Event::Text(text)),
        Event::Start(Tag::HtmlBlock) => Some(Event::Start(Tag::Paragraph)),
        Event::End(TagEnd::HtmlBlock) => Some(Event::End(TagEnd::Paragraph)),
        Event::SoftBreak => Some(Event::HardBreak),
        Event::Start(Tag::Heading { level, .. }) => Some(Event::Start(Tag::Heading {
            level: below(level),
            id: None,
            classes: Vec::new(),
            attrs: Vec::new(),
        })),
        Event::End(TagEnd::Heading(level)) => Some(Event::End(TagEnd::Heading(below(level)))),
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => None,
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            let may = link_type == LinkType::Email
                || SCHEMES.iter().any(|scheme| dest_url.starts_with(scheme));
            links.push(may);
            may.then_some(Event::Start(Tag::Link { link_type, dest_url, title, id }))
        }
        Event::End(TagEnd::Link) => links.pop().filter(|may| *may).map(|_| event),
        other => Some(other),
    });
    let mut html = String::new();
    push_html(&mut html, events);
    html
}

/// Two levels lower, below the page's title and the section's heading.
fn below(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H3,
        HeadingLevel::H2 => HeadingLevel::H4,
        HeadingLevel::H3 => HeadingLevel::H5,
        _ => HeadingLevel::H6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_is_set() {
        assert_eq!(
            html("# Why\nFirst *line*\nsecond\n\n- a\n- b"),
            "<h3>Why</h3>\n<p>First <em>line</em><br />\nsecond</p>\n<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n"
        );
    }

    #[test]
    fn nothing_is_loaded_or_run() {
        assert_eq!(
            html("a <script>alert(1)</script> <img src=x onerror=y>"),
            "<p>a &lt;script&gt;alert(1)&lt;/script&gt; &lt;img src=x onerror=y&gt;</p>\n"
        );
        assert_eq!(
            html("<div onclick=\"x\">\nblock\n</div>"),
            "<p>&lt;div onclick=\"x\"&gt;\nblock\n&lt;/div&gt;</p>\n"
        );
        assert_eq!(
            html(
                "![a cat](https://example.org/cat.png) [run](javascript:alert(1)) [file](file:///etc/passwd)"
            ),
            "<p>a cat run file</p>\n"
        );
        assert_eq!(
            html("[paper](https://example.org/?a=\"b\")"),
            "<p><a href=\"https://example.org/?a=%22b%22\">paper</a></p>\n"
        );
    }
}
