//! Writes the figures of [`shared::chart`] as SVG, PNG, PDF, CSV or LaTeX files.

use std::{
    str::FromStr,
    sync::{Arc, LazyLock},
};

use resvg::{
    tiny_skia::{Pixmap, Transform},
    usvg::{self, Options, Tree, fontdb::Database},
};
use shared::chart::{Drawing, Figure, Size, Style, Theme};
use svg2pdf::{ConversionOptions, PageOptions};

/// Embedded fonts, so that a figure looks the same on every machine.
static REGULAR: &[u8] = include_bytes!("../../assets/fonts/Inter-Regular.ttf");
static BOLD: &[u8] = include_bytes!("../../assets/fonts/Inter-SemiBold.ttf");

static FONTS: LazyLock<Arc<Database>> = LazyLock::new(|| {
    let mut fonts = Database::new();
    for font in [REGULAR, BOLD] {
        fonts.load_font_data(font.to_vec());
    }
    fonts.set_sans_serif_family("Inter");
    Arc::new(fonts)
});

/// Pixels of a PNG per pixel of the drawing: sharp on high-density screens and in print.
const PNG_SCALE: f32 = 2.0;
/// Pixels of the drawing per inch of a PDF: the width of [`Size::FILE`] is that of two columns of a paper. A wider drawing has more.
const PDF_DPI: f32 = 110.0;

/// Kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// The drawing.
    Svg,
    /// The drawing as pixels, twice its size.
    Png,
    /// The drawing as a page of its size, its text as text in the embedded font.
    Pdf,
    /// The numbers.
    Csv,
    /// The figure as a table of LaTeX, where it is a table.
    Tex,
}

impl FileKind {
    /// Content type.
    pub fn mime(self) -> &'static str {
        match self {
            Self::Svg => "image/svg+xml",
            Self::Png => "image/png",
            Self::Pdf => "application/pdf",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Tex => "application/x-tex; charset=utf-8",
        }
    }

    /// File extension, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Svg => "svg",
            Self::Png => "png",
            Self::Pdf => "pdf",
            Self::Csv => "csv",
            Self::Tex => "tex",
        }
    }
}

impl FromStr for FileKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Svg, Self::Png, Self::Pdf, Self::Csv, Self::Tex]
            .into_iter()
            .find(|kind| kind.extension() == text)
            .ok_or_else(|| {
                format!("a figure can be svg, png, pdf or csv, and a table tex, not {text:?}")
            })
    }
}

/// A figure cannot be turned into a file.
#[derive(Debug, thiserror::Error)]
pub enum FigureError {
    /// The figure is no table.
    #[error(
        "the figure {0} is no table, so that it has no LaTeX form; there is defence-matrix.tex"
    )]
    NoTable(&'static str),
    /// The drawing is not valid SVG.
    #[error("the drawing cannot be read: {0}")]
    Svg(#[from] usvg::Error),
    /// The drawing has no size.
    #[error("the drawing of {0} x {1} pixels is too small or too large")]
    Size(u32, u32),
    /// The PNG encoder failed.
    #[error("the PNG file cannot be written: {0}")]
    Png(String),
    /// The PDF writer failed.
    #[error("the PDF file cannot be written: {0}")]
    Pdf(String),
}

/// The figure as a file.
///
/// # Errors
/// When a figure that is no table is asked for as LaTeX. When the drawing cannot be rasterised or written as PDF, which is a bug in its code.
pub fn file(figure: &Figure, kind: FileKind, theme: Theme) -> Result<Vec<u8>, FigureError> {
    match kind {
        FileKind::Tex => {
            let text = figure.latex().ok_or(FigureError::NoTable(figure.kind().as_str()))?;
            Ok(text.as_bytes().to_vec())
        }
        FileKind::Csv => Ok(figure.csv().into_bytes()),
        FileKind::Svg => Ok(drawn(figure, theme).svg.into_bytes()),
        FileKind::Png => {
            let drawing = drawn(figure, theme);
            png(&drawing.svg, drawing.width, drawing.height)
        }
        FileKind::Pdf => {
            let drawing = drawn(figure, theme);
            pdf(&drawing.svg, PDF_DPI * drawing.width as f32 / Size::FILE.width as f32)
        }
    }
}

fn drawn(figure: &Figure, theme: Theme) -> Drawing {
    figure.draw(figure.file_size(), Style::File(theme))
}

fn png(svg: &str, width: u32, height: u32) -> Result<Vec<u8>, FigureError> {
    let pixels = rasterise(svg, width, height, PNG_SCALE)?;
    pixels.encode_png().map_err(|error| FigureError::Png(error.to_string()))
}

/// The drawing as a PDF with the letters that it uses of the embedded fonts.
fn pdf(svg: &str, dpi: f32) -> Result<Vec<u8>, FigureError> {
    let page = PageOptions { dpi };
    svg2pdf::to_pdf(&tree(svg)?, ConversionOptions::default(), page)
        .map_err(|error| FigureError::Pdf(error.to_string()))
}

fn tree(svg: &str) -> Result<Tree, usvg::Error> {
    Tree::from_str(svg, &Options { fontdb: FONTS.clone(), ..Options::default() })
}

/// Draws an SVG of this size, each of its pixels `scale` wide, on a transparent background.
///
/// # Errors
/// When it is not valid SVG, or has no size.
pub(crate) fn rasterise(
    svg: &str,
    width: u32,
    height: u32,
    scale: f32,
) -> Result<Pixmap, FigureError> {
    let tree = tree(svg)?;
    let scaled = |side: u32| (side as f32 * scale) as u32;
    let mut pixels =
        Pixmap::new(scaled(width), scaled(height)).ok_or(FigureError::Size(width, height))?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    Ok(pixels)
}
