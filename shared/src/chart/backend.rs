//! A plotters backend that writes SVG with CSS classes instead of colours.
//!
//! plotters positions elements at whole pixels; we draw on a canvas [`SUB`] times as large and divide when writing, so that
//! positions have a resolution of a tenth. No font is measured: the size of a text is estimated from its letters.

use std::{convert::Infallible, fmt::Write};

use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
    FontTransform,
    text_anchor::{HPos, VPos},
};

use super::{canvas::SUB, figure::Size, role::Role, text};

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

/// Writes the elements of a drawing, without the enclosing `<svg>`.
pub(super) struct ThemedSvg<'a> {
    out: &'a mut String,
    size: Size,
}

impl<'a> ThemedSvg<'a> {
    pub(super) fn new(out: &'a mut String, size: Size) -> Self {
        Self { out, size }
    }

    fn put(&mut self, element: std::fmt::Arguments<'_>) {
        self.out.write_fmt(element).expect("writing to a string never fails");
    }

    /// ` class="…"` and the attributes that the style adds for a stroke or a fill.
    fn look<S: BackendStyle>(style: &S, fill: bool) -> String {
        let colour = style.color();
        let (role, dash) = Role::of(colour);
        let mut look = format!(r#" class="{}-{}""#, if fill { "f" } else { "l" }, role.name());
        let mut add = |text: std::fmt::Arguments<'_>| {
            look.write_fmt(text).expect("writing to a string never fails");
        };
        if !fill {
            let width = px(style.stroke_width() as i32);
            if width != "1" {
                add(format_args!(r#" stroke-width="{width}""#));
            }
            if dash {
                add(format_args!(r#" stroke-dasharray="6 4""#));
            }
        }
        if colour.alpha < 1.0 {
            add(format_args!(r#" opacity="{:.2}""#, colour.alpha));
        }
        look
    }
}

/// A length of the canvas in pixels of the view box.
pub(super) fn px(value: i32) -> String {
    let (whole, tenth) = (value / SUB as i32, (value % SUB as i32).abs());
    let sign = if value < 0 && whole == 0 { "-" } else { "" };
    if tenth == 0 { whole.to_string() } else { format!("{sign}{whole}.{tenth}") }
}

/// Escapes text for XML; control characters, which XML forbids, are removed.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            letter if letter.is_control() => {}
            letter => out.push(letter),
        }
    }
    out
}

fn path(points: impl IntoIterator<Item = BackendCoord>) -> String {
    let pairs: Vec<_> = points.into_iter().map(|(x, y)| format!("{},{}", px(x), px(y))).collect();
    pairs.join(" ")
}

impl DrawingBackend for ThemedSvg<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        (self.size.width * SUB as u32, self.size.height * SUB as u32)
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, colour: BackendColor) -> Drawn {
        let look = Self::look(&colour, true);
        self.put(format_args!(r#"<rect{look} x="{}" y="{}" width="1" height="1"/>"#, px(x), px(y)));
        Ok(())
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        points: I,
        style: &S,
    ) -> Drawn {
        let look = Self::look(style, false);
        self.put(format_args!(r#"<polyline{look} points="{}"/>"#, path(points)));
        Ok(())
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        (left, top): BackendCoord,
        (right, bottom): BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let look = Self::look(style, fill);
        self.put(format_args!(
            r#"<rect{look} x="{}" y="{}" width="{}" height="{}"/>"#,
            px(left),
            px(top),
            px(right - left),
            px(bottom - top)
        ));
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        (x, y): BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let look = Self::look(style, fill);
        self.put(format_args!(
            r#"<circle{look} cx="{}" cy="{}" r="{}"/>"#,
            px(x),
            px(y),
            px(radius as i32)
        ));
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        points: I,
        style: &S,
    ) -> Drawn {
        let look = Self::look(style, true);
        self.put(format_args!(r#"<polygon{look} points="{}"/>"#, path(points)));
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        (x, y): BackendCoord,
    ) -> Drawn {
        let look = Self::look(&style.color(), true);
        let anchor = match style.anchor().h_pos {
            HPos::Left => "start",
            HPos::Center => "middle",
            HPos::Right => "end",
        };
        let dy = match style.anchor().v_pos {
            VPos::Top => "0.76em",
            VPos::Center => "0.35em",
            VPos::Bottom => "-0.24em",
        };
        let turn = match style.transform() {
            FontTransform::None => String::new(),
            FontTransform::Rotate90 => format!(r#" transform="rotate(90 {} {})""#, px(x), px(y)),
            FontTransform::Rotate180 => format!(r#" transform="rotate(180 {} {})""#, px(x), px(y)),
            FontTransform::Rotate270 => format!(r#" transform="rotate(270 {} {})""#, px(x), px(y)),
        };
        let weight = match style.style() {
            plotters_backend::FontStyle::Bold => r#" font-weight="600""#,
            _ => "",
        };
        self.put(format_args!(
            r#"<text{look} x="{}" y="{}" dy="{dy}" text-anchor="{anchor}" font-size="{}"{weight}{turn}>{}</text>"#,
            px(x),
            px(y),
            px(style.size().round() as i32),
            escape(text)
        ));
        Ok(())
    }

    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        style: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        let size = style.size();
        Ok((text::width(text, size).ceil() as u32, size.ceil() as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_tenths() {
        assert_eq!(px(120), "12");
        assert_eq!(px(125), "12.5");
        assert_eq!(px(-3), "-0.3");
        assert_eq!(px(-35), "-3.5");
    }

    #[test]
    fn text_cannot_leave_its_element() {
        assert_eq!(escape("a<b> & \"c\"\u{0}"), "a&lt;b&gt; &amp; &quot;c&quot;");
    }
}
