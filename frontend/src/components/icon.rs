//! The icons: strokes on a grid of 24, drawn for this program.

use leptos::prelude::*;

/// What an icon shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glyph {
    Studies,
    Compare,
    Reconstruct,
    Data,
    Checkpoints,
    System,
    Plus,
    Close,
    Search,
    Sun,
    Moon,
    Contrast,
    Grid,
    Shuffle,
    Check,
    Clock,
    Running,
    Broken,
    Watch,
    Ban,
    Alert,
    Info,
    Upload,
    Download,
    Trash,
    ArrowRight,
    ArrowLeft,
    ArrowUp,
    ArrowDown,
    ToTop,
    ToBottom,
    Pause,
    Play,
    Retry,
    Idle,
    Folder,
    SignOut,
    Star,
    Copy,
    Pencil,
    Archive,
    Pin,
    Shield,
}

impl Glyph {
    /// The path of the strokes.
    fn path(self) -> &'static str {
        match self {
            Self::Studies => {
                "M9 3h6M10 3v6L5 18a2 2 0 0 0 1.8 3h10.4A2 2 0 0 0 19 18l-5-9V3M7.5 15h9"
            }
            Self::Compare => {
                "M4 4v16h16M8.5 15.5h.01M11.5 11.5h.01M15 12.5h.01M17.5 7h.01M13 8h.01"
            }
            Self::Reconstruct => {
                "M4 4h7v7H4zM13 13h7v7h-7zM13 4h3M20 4v3M20 4h-1M4 13v3M4 20h3M4 20v-1M11 20h-1M20 11v-1"
            }
            Self::Data => {
                "M12 3c4.4 0 8 1.3 8 3s-3.6 3-8 3-8-1.3-8-3 3.6-3 8-3zM4 6v6c0 1.700 3.600 3 8 3s8-1.300 8-3V6M4 12v6c0 1.700 3.600 3 8 3s8-1.300 8-3v-6"
            }
            Self::Checkpoints => "M6 3h9l4 4v14H5V4a1 1 0 0 1 1-1zM8 3v5h6V3M8 21v-7h8v7",
            Self::System => {
                "M7 7h10v10H7zM10 3v4M14 3v4M10 17v4M14 17v4M3 10h4M3 14h4M17 10h4M17 14h4"
            }
            Self::Plus => "M12 5v14M5 12h14",
            Self::Close => "M6 6l12 12M18 6L6 18",
            Self::Search => "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l4.500 4.500",
            Self::Sun => {
                "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.400 1.400M17.600 17.600L19 19M5 19l1.400-1.400M17.600 6.400L19 5"
            }
            Self::Moon => "M20 14.500A8.500 8.500 0 0 1 9.500 4a8.500 8.500 0 1 0 10.500 10.500z",
            Self::Contrast => {
                "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 3v18M12 8h7.500M12 12h9M12 16h7.500"
            }
            Self::Grid => "M4 4h16v16H4zM4 9.300h16M4 14.700h16M9.300 4v16M14.700 4v16",
            Self::Shuffle => {
                "M3 7h4l9 10h5M3 17h4l2.500-2.800M13.500 9.800L16 7h5M18 4l3 3-3 3M18 14l3 3-3 3"
            }
            Self::Check => "M5 12.500l4.500 4.500L19 7.500",
            Self::Clock => "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7v5l3.500 2",
            Self::Running => "M12 3a9 9 0 0 1 9 9M12 3a9 9 0 1 0 9 9M12 3a9 9 0 0 1 9 9",
            Self::Broken => "M3 12h5l2-4 3 8 2-4M19 12h2",
            Self::Watch => "M2.500 12h4.500l2.500-7 5 14 2.500-7h4.500",
            Self::Ban => "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM5.700 5.700l12.600 12.600",
            Self::Alert => "M12 4L2.500 20h19zM12 10v4.500M12 17.300v.01",
            Self::Info => "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 11v5.500M12 7.700v.01",
            Self::Upload => "M12 16V5M7.500 9L12 4.500 16.500 9M4 16v4h16v-4",
            Self::Download => "M12 4v11M7.500 11l4.500 4.500 4.500-4.500M4 16v4h16v-4",
            Self::Trash => "M4 7h16M9 7V4h6v3M6 7l1 14h10l1-14M10 11v6M14 11v6",
            Self::ArrowRight => "M5 12h14M13 6l6 6-6 6",
            Self::ArrowLeft => "M19 12H5M11 6l-6 6 6 6",
            Self::ArrowUp => "M12 19V5M6 11l6-6 6 6",
            Self::ArrowDown => "M12 5v14M6 13l6 6 6-6",
            Self::ToTop => "M5 4h14M12 20V8M6 14l6-6 6 6",
            Self::ToBottom => "M5 20h14M12 4v12M6 10l6 6 6-6",
            Self::Pause => "M8 5v14M16 5v14",
            Self::Play => "M7 4.500v15l12-7.500z",
            Self::Retry => "M4 12a8 8 0 1 0 2.500-5.800M4 4v4.500h4.500",
            Self::Idle => "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16z",
            Self::Star => {
                "M12 3.5l2.6 5.4 5.900.8-4.300 4.100 1 5.900L12 16.900 6.800 19.700l1-5.900L3.500 9.700l5.900-.8z"
            }
            Self::Pin => "M9 3h6l-1 7 4 4H6l4-4zM12 14v7",
            Self::Shield => "M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6zM9 12l2 2 4-4",
            Self::Copy => "M8 8h12v12H8zM4 16V4h12",
            Self::Pencil => "M4 20l1-5L16 4l4 4L9 19zM13.500 6.500l4 4",
            Self::Archive => "M3 4h18v5H3zM5 9v11h14V9M10 13h4",
            Self::SignOut => "M14 4H5v16h9M10 12h11M17 8l4 4-4 4",
            Self::Folder => {
                "M3 6a1 1 0 0 1 1-1h5l2 2.500h9a1 1 0 0 1 1 1V18a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1z"
            }
        }
    }
}

/// An icon. Decorative: the text or label beside it says what it means.
#[component]
pub fn Icon(
    /// What it shows.
    #[prop(into)]
    glyph: Signal<Glyph>,
) -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
            <path d=move || glyph.get().path()/>
        </svg>
    }
}
